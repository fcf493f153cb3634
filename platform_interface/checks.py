"""Is the input fit to compute with? Detect loudly, repair only what settings allow, count everything.

Every rule that takes a sample away looks at that sample, at samples before it, and at counts carried
from the window before; so it gives the same result however the data are split into windows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from platform_interface.fingerprint import Ordered
from platform_interface.mapping import Source
from platform_interface.table import Table, Times, Values
from platform_interface.when import span, text

#: A unit is held to be wrong after this many samples that only another unit explains ...
SUSPECTS = 20
#: ... and when they outnumber the plausible ones by this factor.
MAJORITY = 10
_ZERO_IS_DEAD = ("voltage", "cell_voltage")


@dataclass
class Tally:
    """What was found in one source over a run; for the report only."""

    rows: int = 0
    used: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    gap_count: int = 0
    gap_seconds: float = 0.0

    def add(self, kind: str, count: int) -> None:
        if count:
            self.counts[kind] = self.counts.get(kind, 0) + count

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows, "used": self.used, "dirt": dict(sorted(self.counts.items())), "gaps": self.gap_count,
            "gap_seconds": round(self.gap_seconds, 3), "warnings": list(self.warnings),
        }  # fmt: skip


@dataclass(frozen=True)
class Clean:
    """Samples that a model may see: sorted, finite, in range, in the manifest's unit and the inside sign.

    Attributes
    ----------
    time : ndarray of int64, shape (n,)
        Strictly increasing. [ms UTC]
    values : ndarray of float64, shape (k, n)
        An array sensor may hold NaN where one element has no sample.
    gaps : list of (int, int)
        Intervals longer than the source's `max_gap`; the first may begin before the window. [ms UTC]
    carry : dict
        What the next window needs: strict JSON.
    """

    time: Times
    values: Values
    gaps: list[tuple[int, int]]
    carry: dict[str, Any]


def clean(raw: Ordered, source: Source, carry: dict[str, Any], tally: Tally, context: bool = False) -> Clean:
    """Take away what no model may see, and say how much of what.

    Parameters
    ----------
    raw : Ordered
        Raw samples of the source, in canonical order.
    source : Source
        Its unit, sign, range, sentinels.
    carry : dict
        From the window before; empty at first.
    tally : Tally
        Added to.
    context : bool
        The samples lie before the window (look-back): they were counted when they were new.
    """
    table = raw.table
    tally.rows += table.time.size + raw.duplicates
    tally.add("out of order", raw.unsorted)
    tally.add("exact duplicates", raw.duplicates)
    if raw.tied:
        table = _without_conflicts(table, source, tally)
    time, converted = table.time, source.convert(table.values)
    fit, suspects = _plausible(table, converted, source, tally) if not _all_plausible(converted, source) else (None, None)
    state = dict(carry)
    if fit is not None and suspects is not None:
        if not context:
            _judge(time, fit, suspects, source, state)
        converted = np.where(fit, converted, np.nan)
    elif not context:
        state["ok"] = state.get("ok", 0) + int(converted.size)
    time, converted = _after_latch(time, converted, state, source, tally)
    if fit is not None:
        some = ~np.isnan(converted).all(axis=0)
        if not some.all():
            time, converted = time[some], converted[:, some]
    time, converted = np.ascontiguousarray(time), np.ascontiguousarray(converted)  # one layout, whatever the split
    gaps = _gaps(time, source, state, tally, context)
    tally.used += time.size
    return Clean(time, converted, gaps, state)


def _all_plausible(values: Values, source: Source) -> bool:
    """Decide in two passes whether there is nothing to take away; the usual case."""
    if not values.size:
        return True
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return False
    if source.valid_range is not None and not (source.valid_range[0] <= low and high <= source.valid_range[1]):
        return False
    if source.quantity in _ZERO_IS_DEAD and low <= 0.0 <= high:
        return False
    return not any(_near(values, sentinel).any() for sentinel in _within(source.sentinels, low, high))


def _within(sentinels: tuple[float, ...], low: float, high: float) -> list[float]:
    """Return the sentinels that values from `low` to `high` may be near to."""
    return [s for s in sentinels if low - 2e-6 * abs(s) <= s <= high + 2e-6 * abs(s)]


def _near(values: Values, sentinel: float) -> Any:
    """Compare as loggers that keep 32 bits do: 65.535 is there 65.535004."""
    return np.abs(values - sentinel) <= 1e-6 * abs(sentinel)


def _plausible(table: Table, values: Values, source: Source, tally: Tally) -> tuple[Any, Any]:
    """Return which samples are fit, and which of the others another unit would explain."""
    finite = np.isfinite(values)
    absent = np.zeros(values.shape, bool) if table.absent is None else table.absent
    marked = np.zeros(values.shape, bool)
    for sentinel in source.sentinels:
        marked |= _near(values, sentinel)
    if source.quantity in _ZERO_IS_DEAD:
        marked |= values == 0.0
    low, high = source.valid_range or (-np.inf, np.inf)
    outside = finite & ~marked & ((values < low) | (values > high))
    tally.add("not finite", int((~finite & ~absent).sum()))
    tally.add("sentinel", int(marked.sum()))
    tally.add("out of range", int(outside.sum()))
    if outside.any():
        worst = values[outside]
        tally.warnings[
            f"{source.pattern}: values from {worst.min():.4g} to {worst.max():.4g} lie outside {low:g} to {high:g} and were not used"
        ] = None
    suspects = outside & np.logical_or.reduce([_fits(values * factor, low, high) for factor in _factors(source)])
    return finite & ~marked & ~outside, suspects


def _fits(values: Values, low: float, high: float) -> Any:
    return (values >= low) & (values <= high)


def _factors(source: Source) -> tuple[float, ...]:
    return (0.01,) if source.quantity in ("soc", "soh") else (1e-3, 1e3)


def _judge(time: Times, fit: Any, suspects: Any, source: Source, state: dict[str, Any]) -> None:
    """Latch the source at the first sample by which its unit is held to be wrong."""
    ok = state.get("ok", 0) + np.cumsum(fit.sum(axis=0))
    suspect = state.get("suspect", 0) + np.cumsum(suspects.sum(axis=0))
    if "latched" not in state:
        wrong = np.flatnonzero((suspect >= SUSPECTS) & (suspect > MAJORITY * ok))
        if wrong.size:
            state["latched"] = int(time[wrong[0]])
    if time.size:
        state["ok"] = int(ok[-1])
        if suspect[-1]:  # absent and none are one: contradictory rows that a platform cannot hold leave no trace
            state["suspect"] = int(suspect[-1])


def _after_latch(time: Times, values: Values, state: dict[str, Any], source: Source, tally: Tally) -> tuple[Times, Values]:
    """Refuse everything from the sample on by which the unit is held to be wrong."""
    latched = state.get("latched")
    if latched is None:
        return time, values
    before = time < latched
    tally.add("refused: unit in doubt", int((~np.isnan(values[:, ~before])).sum()))
    guess = "percent, and is mapped as a fraction" if source.quantity in ("soc", "soh") else "a thousandth or a thousandfold"
    tally.warnings[
        f"{source.pattern}: since {text(latched)} its unit is in doubt; it looks like {guess} of '{source.unit}'. "
        f"Nothing after that is used. Set sensors.'{source.pattern}'.unit in settings.json and run with compute_type full"
    ] = None
    return time[before], values[:, before]


def _without_conflicts(table: Table, source: Source, tally: Tally) -> Table:
    """Make one sample of those that share a time: what agrees stays, what differs goes by the site's rule."""
    time, first = np.unique(table.time, return_index=True)
    least = np.fmin.reduceat(table.values, first, axis=1)
    greatest = np.fmax.reduceat(table.values, first, axis=1)
    clash = least < greatest
    settled = {"drop": np.full_like(least, np.nan), "least": least, "greatest": greatest}.get(source.conflicts)
    if settled is None:
        known = ~np.isnan(table.values)
        total = np.add.reduceat(np.where(known, table.values, 0.0), first, axis=1)
        settled = total / np.maximum(1, np.add.reduceat(known, first, axis=1, dtype=np.int64))
    values = np.where(clash, settled, least)
    absent = clash & np.isnan(values)
    if table.absent is not None:
        absent |= np.logical_and.reduceat(table.absent, first, axis=1)
    count = int(clash.sum())
    tally.add("conflicting duplicates", count)
    if count:
        did = "none was used" if source.conflicts == "drop" else f"the {source.conflicts} was used, as settings allow"
        shown = text(int(time[clash.any(axis=0)][0]))
        tally.warnings[f"{source.pattern}: unequal values share a time, first at {shown}; {did}"] = None
    return Table(time, table.names, values, absent)


def _gaps(time: Times, source: Source, state: dict[str, Any], tally: Tally, context: bool) -> list[tuple[int, int]]:
    """Return intervals without a sample, from the last one carried on."""
    if context or not time.size:
        return []
    last = state.get("last")
    edges = time if last is None else np.concatenate([[last], time])
    state["last"] = int(time[-1])
    wide = np.flatnonzero(np.diff(edges) > source.max_gap * 1000)
    found = [(int(edges[i]), int(edges[i + 1])) for i in wide]
    tally.gap_count += len(found)
    tally.gap_seconds += sum(end - start for start, end in found) / 1000
    if found and len(wide) * 2 > edges.size > 20:
        typical = float(np.median(np.diff(edges))) / 1000
        tally.warnings[
            f"{source.pattern}: samples come about every {span(typical)}, and more than {span(source.max_gap)} apart is not "
            f"operation, so most of the time is not counted. If that is how the sensor logs, set sensors.'{source.pattern}'.max_gap"
        ] = None
    return found
