"""What a page shows, read from the platform window by window: never more than one window is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from platform_interface.checks import Tally, clean
from platform_interface.dashboard.channel import Channel
from platform_interface.dashboard.symbols import unit_symbol
from platform_interface.dashboard.thinning import Allowance
from platform_interface.fingerprint import ordered
from platform_interface.mapping import Plan, Source, expand, site_name
from platform_interface.platforms.base import Bucket, Platform
from platform_interface.quarantine import NONE, Held, without
from platform_interface.table import Table, Times, Values, tables_of
from platform_interface.window import windows

#: Points of all lines of a page together: about 0.9 MB.
PAGE_POINTS = 80_000
MOST_POINTS, FEWEST_POINTS = 4000, 600


@dataclass
class View:
    """Which stretch of which asset a page shows.

    Attributes
    ----------
    start, end : int
        ``start <= t < end``. [ms UTC]
    held : mapping
        Samples from the future, by sensor pattern; models do not see them.
    latched : mapping
        By input: what the checks of the last run carry about a unit in doubt.
    """

    platform: Platform
    asset: str
    start: int
    end: int
    max_values: int
    held: Mapping[str, Held] = field(default_factory=dict)
    latched: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def cut(self, names: Sequence[str]) -> tuple[list[Bucket], list[tuple[int, int]]]:
        """Return where samples of these series lie, and windows of bearable size over them."""
        buckets = self.platform.buckets(self.asset, names, {})
        inside = [bucket for bucket in buckets if bucket.last >= self.start and bucket.first < self.end]
        if not inside:
            return [], []
        first, last = max(self.start, inside[0].first), min(self.end, inside[-1].last + 1)
        return inside, windows(inside, first, last, self.max_values)


def points_a_line(lines: int) -> int:
    """Return how many points one of so many lines may have."""
    return max(FEWEST_POINTS, min(MOST_POINTS, PAGE_POINTS // max(1, lines)))


def read_inputs(view: View, plan: Plan, points: int) -> tuple[dict[str, Channel], dict[str, Tally]]:
    """Return what the model may see of each sensor input: checked, in the manifest's unit and the inside sign."""
    names = list(dict.fromkeys(name for source in plan.sources.values() for name in source.names))
    buckets, cuts = view.cut(names)
    samples = {name: _samples(buckets, len(names)) for name in plan.sources}
    channels = {name: _input(plan, name, source, view, points, samples[name]) for name, source in plan.sources.items()}
    tallies = {name: Tally() for name in plan.sources}
    carried: dict[str, dict[str, Any]] = {name: dict(view.latched.get(name, {})) for name in plan.sources}
    for low, high in cuts:
        tables = view.platform.read(view.asset, names, low, high)
        for name, source in plan.sources.items():
            table = without(tables_of(source.names, tables), view.held.get(source.pattern, NONE))
            cleaned = clean(ordered(table), source, carried[name], tallies[name])
            carried[name] = cleaned.carry
            channels[name].add(cleaned.time, cleaned.values, cleaned.gaps)
    return channels, tallies


def _samples(buckets: Sequence[Bucket], names: int) -> int:
    return sum(bucket.values for bucket in buckets) // max(1, names)


def _input(plan: Plan, name: str, source: Source, view: View, points: int, samples: int) -> Channel:
    given = plan.manifest.inputs[name]
    note = f"sensor '{source.pattern}' [{unit_symbol(source.unit)}]"
    if given.signed:
        note += ", sign turned: positive on discharge" if source.sign < 0 else ", positive on discharge"
    numbers = source.numbers if len(source.names) > 1 else ()
    return Channel(name, site_name(name), given.unit, note, numbers, Allowance(points, view.end - view.start, samples))


def read_outputs(
    view: View, plan: Plan, gaps: Sequence[tuple[int, int]], points: int, reached: int | None
) -> dict[str, Channel]:
    """Return the outputs that the platform has of the model.

    Parameters
    ----------
    gaps : sequence of (int, int)
        Where a required input has no samples, in order: lines are broken there. [ms UTC]
    reached : int or None
        What was computed up to: a value that holds does so until there. [ms UTC]
    """
    known = {name: sensor for name, sensor in view.platform.sensors(view.asset).items() if sensor.output}
    series = {
        name: found
        for name, output in plan.manifest.outputs.items()
        if (found := expand(plan.outputs[name] + ("|*" if output.type == "pd.DataFrame" else ""), known))
    }
    names = [label for found in series.values() for label in found]
    buckets, cuts = view.cut(names)
    samples = _samples(buckets, len(names))
    channels = {name: _output(plan, name, labels, view, points, samples) for name, labels in series.items()}
    before: dict[str, tuple[int, Values]] = {}
    for low, high in cuts:
        tables = view.platform.read(view.asset, names, low, high)
        for name, labels in series.items():
            time, values = _present(tables_of(labels, tables))
            channel = channels[name]
            drawn, row, breaks = with_holds(time, values, gaps, before.get(name), channel.holds)
            if channel.backward and channel.holds:
                drawn, row, breaks = over_gaps(drawn, row, breaks, channel.backward)
            channel.add(drawn, row, breaks, (_known(row) - _known(values)).tolist())
            if time.size:
                before[name] = (int(time[-1]), values[:, -1].copy())
    for name, (last, row) in before.items():
        if channels[name].holds and reached is not None and last < min(reached, view.end) - 1:
            edge = np.array([min(reached, view.end) - 1])
            time, values, breaks = with_holds(edge, row[:, None], gaps, (last, row), True)
            channels[name].add(time, values, breaks, _known(values).tolist())
    return channels


def _known(values: Values) -> Any:
    """Count the samples of each element."""
    return np.count_nonzero(values == values, axis=1)


def _output(plan: Plan, name: str, labels: tuple[str, ...], view: View, points: int, samples: int) -> Channel:
    given = plan.manifest.outputs[name]
    array = given.type == "pd.DataFrame"
    numbers = tuple(int(label.rsplit("|", 1)[1]) for label in labels) if array else ()
    allowance = Allowance(points, view.end - view.start, samples)
    holds = given.decimation_threshold is not None
    title, codes = plan.outputs[name], given.codes or {}
    profile = given.profile if array else ""
    return Channel(name, title, given.unit, given.description, numbers, allowance, codes, holds, profile, given.of, given.ahead)


def _present(table: Table) -> tuple[Times, Values]:
    """Return the rows that any of the series has, in order of time."""
    known = table.values == table.values  # not NaN
    some = known[0] if known.shape[0] == 1 else known.any(axis=0)
    time, values = (table.time, table.values) if some.all() else (table.time[some], table.values[:, some])
    if time.size > 1 and (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        time, values = time[order], values[:, order]
    return time, values


def with_holds(
    time: Times, values: Values, gaps: Sequence[tuple[int, int]], before: tuple[int, Values] | None, holds: bool
) -> tuple[Times, Values, list[tuple[int, int]]]:
    """Let a line end at the start of each gap and go on at its end; return the gaps that break it.

    Parameters
    ----------
    time : ndarray of int64, shape (n,)
        [ms UTC]
    values : ndarray of float64, shape (k, n)
    gaps : sequence of (int, int)
        Gaps of what the model reads, in order. [ms UTC]
    before : (int, ndarray) or None
        Last sample before these.
    holds : bool
        The last value holds: it is carried to the gap's edges. Otherwise the line is just broken.

    Examples
    --------
    >>> time, values, gaps = with_holds(np.array([0, 100]), np.array([[5.0, 6.0]]), [(40, 60)], None, True)
    >>> time.tolist(), values.tolist(), gaps
    ([0, 40, 60, 100], [[5.0, 5.0, 5.0, 6.0]], [(40, 60)])
    """
    if not time.size or not gaps:
        return time, values, []
    first = int(time[0]) if before is None else before[0]
    inside = [gap for gap in gaps if first <= gap[0] and gap[1] <= time[-1]]
    if not holds:
        return time, values, _wide(time, inside, before)
    edges = np.array([edge for gap in inside for edge in gap], np.int64)
    at = np.searchsorted(time, edges, side="right") - 1
    there = (at >= 0) & (time[np.maximum(at, 0)] == edges)
    if before is not None:
        there |= edges == before[0]
    edges, at = edges[~there], at[~there]
    held = values[:, np.maximum(at, 0)]
    if before is not None:
        held = np.where(at >= 0, held, before[1][:, None])
    order = np.argsort(np.concatenate([time, edges]), kind="stable")
    return np.concatenate([time, edges])[order], np.concatenate([values, held], axis=1)[:, order], inside


def over_gaps(
    time: Times, values: Values, breaks: Sequence[tuple[int, int]], codes: Sequence[float]
) -> tuple[Times, Values, list[tuple[int, int]]]:
    """Draw a code that speaks of the time up to its sample over the gap before it; return the gaps that still break the line.

    Parameters
    ----------
    time, values : ndarray, shapes (n,), (1, n)
        [ms UTC]
    breaks : sequence of (int, int)
        Gaps, in order. [ms UTC]
    codes : sequence of float
        Codes that speak of the time up to their sample.

    Examples
    --------
    >>> time, values, breaks = over_gaps(np.array([0, 500, 501]), np.array([[0.0, 4.0, 0.0]]), [(0, 500)], [4.0])
    >>> time.tolist(), values.tolist(), breaks
    ([0, 1, 500, 501], [[0.0, 4.0, 4.0, 0.0]], [])
    """
    ends = np.searchsorted(time, [end for _, end in breaks])
    backward = {gap: values[0, at] for gap, at in zip(breaks, ends.tolist(), strict=True)
                if at < time.size and time[at] == gap[1] and values[0, at] in codes}  # fmt: skip
    starts = [start for start, _ in backward]
    places = np.searchsorted(time, starts, side="right")
    time = np.insert(time, places, np.array(starts, np.int64) + 1)
    values = np.insert(values, places, list(backward.values()), axis=1)
    return time, values, [gap for gap in breaks if gap not in backward]


def _wide(time: Times, gaps: Sequence[tuple[int, int]], before: tuple[int, Values] | None) -> list[tuple[int, int]]:
    """Return gaps that fill most of the time between two samples; one a day is not broken by a gap of an hour."""
    found = []
    for start, end in gaps:
        after = int(np.searchsorted(time, end))
        last = int(time[after - 1]) if after else (before[0] if before else start)
        if end - start >= (int(time[after]) - last) / 2:
            found.append((start, int(time[after])))
    return found
