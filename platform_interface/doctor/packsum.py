"""Pack voltage against the sum of its cells: unit, number of cells, and what the difference can and cannot tell.

One cell that is not mapped adds its own voltage, so the difference rises with the cells' voltage, one for one; an offset of the
sensor does not. A wrong gain of the sensor by 1/k rises just as a missing cell does: these two no data can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from platform_interface.doctor.channels import Channel, Kept, View, as_of, of_quantity
from platform_interface.doctor.findings import Finding, Proposal, asset_fact, sensor_fact
from platform_interface.table import Values

#: Instants needed before anything is said.
INSTANTS = 100
#: A pack voltage sensor of 0.5 % is usual; a smaller difference is no contradiction.
ACCURACY = 0.005
#: The ratio to the sum must be within this of a thousand or a thousandth for the unit to be named.
NEAR_UNIT = 0.2
#: A number of cells must be met to this by voltage ÷ mean cell voltage for the mapping to be corrected by it.
NEAR_COUNT = 0.35
#: A difference whose middle half spreads over more than this share of it is no bias.
SCATTER = 0.5
#: Most instants of one window.
ROWS = 500
_OLDEST = 2_000  # frames of one cycle of a BMS


@dataclass
class PackSum:
    """Difference and mean cell voltage at the instants of one pair of pack voltage and cells."""

    voltage: Channel
    cells: Channel
    rows: Kept = field(default_factory=Kept)


@dataclass
class CellSumEvidence:
    """Pack voltage, sum and number of the cells at quiet instants, over the windows of a run."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    pairs: dict[tuple[str, str], PackSum] = field(default_factory=dict)

    def add(self, view: View) -> None:
        """Look at one window."""
        currents = of_quantity(view, "current")
        for cells in of_quantity(view, "cell_voltage"):
            for voltage in of_quantity(view, "voltage"):
                if voltage.numbers or not cells.numbers:
                    continue
                pair = self.pairs.setdefault((voltage.pattern, cells.pattern), PackSum(voltage, cells))
                pair.rows.add(instants(cells.thinned(ROWS), voltage, currents[0] if currents else None))

    def findings(self, asset: str) -> list[Finding]:
        """Say what the pack voltage contradicts."""
        found = []
        series = self.parameters.get("Cells in series")
        series = series.get("value") if isinstance(series, dict) else series
        stated = int(series) if isinstance(series, (int, float)) and not isinstance(series, bool) and series >= 1 else None
        for pair in self.pairs.values():
            rows = pair.rows.rows()
            if rows.shape[1] >= INSTANTS:
                found += _findings(asset, pair, rows, stated)
        return found


def instants(cells: Channel, voltage: Channel, current: Channel | None) -> Values:
    """Return pack voltage, sum of cells and absolute current at the instants at which all cells are there.

    Returns
    -------
    ndarray, shape (3, m)
        [V], [V], [A]; the current is 0 where there is none.
    """
    total = cells.values.sum(axis=0)
    volts = as_of(cells.time, voltage, _OLDEST)[0]
    flow = np.zeros(total.size) if current is None else np.abs(as_of(cells.time, current, _OLDEST)[0])
    known = np.isfinite(total) & np.isfinite(volts) & (total > 0) & (volts > 0) & np.isfinite(flow)
    return np.vstack([volts[known], total[known], flow[known]])


def quiet(rows: Values) -> Values:
    """Return the instants of small current, at which frames of unequal times agree; all where those are few."""
    flow = rows[2]
    still = flow <= max(1.0, 0.05 * float(np.percentile(flow, 99)))
    return rows[:, still] if np.count_nonzero(still) >= INSTANTS else rows


def slope(mean: Values, difference: Values) -> tuple[float, float]:
    """Return how the difference rises with the mean cell voltage, and the uncertainty of that, from medians of 20 bins.

    Returns
    -------
    slope, standard error : float
        [V/V]; the error is infinite where the cells' voltage hardly changes.
    """
    edges = np.quantile(mean, np.linspace(0, 1, 21))
    place = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, 19)
    groups = [place == i for i in range(20) if np.count_nonzero(place == i) >= 5]
    if len(groups) < 5:
        return 0.0, float("inf")
    x = np.array([np.median(mean[group]) for group in groups])
    y = np.array([np.median(difference[group]) for group in groups])
    spread = float(((x - x.mean()) ** 2).sum())
    if spread <= 0:
        return 0.0, float("inf")
    rise = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - rise * (x - x.mean())
    return rise, float(np.sqrt((rest**2).sum() / (x.size - 2) / spread))


def _findings(asset: str, pair: PackSum, rows: Values, stated: int | None) -> list[Finding]:
    rows = quiet(rows)
    count, mapped = rows.shape[1], len(pair.cells.numbers)
    mean = rows[1] / mapped
    ratio = float(np.median(rows[0] / rows[1]))
    wrong_unit = _unit(asset, pair, ratio, float(np.median(mean)), count)
    if wrong_unit is not None:
        return [wrong_unit]
    if not 0.5 < ratio < 2.0:
        return []  # neither a bias nor a cell: the check of the units tells
    like = float(np.median(rows[0] / mean))
    found = []
    if stated is not None and stated != mapped:
        found.append(_count(asset, pair, like, stated, count))
    if not (ratio - 1) or abs(ratio - 1) <= ACCURACY:
        return found
    difference = rows[0] - rows[1]
    low, middle, high = (float(v) for v in np.percentile(difference, [25, 50, 75]))
    if high - low > SCATTER * abs(middle):  # frames apart, a load, a wrong clock: nothing constant
        return found
    if stated is None or stated == mapped:
        found.append(_difference(asset, pair, like, (low, middle, high), slope(mean, difference), (stated, count, ratio)))
    return found


def _unit(asset: str, pair: PackSum, ratio: float, mean: float, count: int) -> Finding | None:
    """Name the sensor whose unit is a thousand off: the cells where their voltage is none of a cell, else the pack."""
    factor = next((f for f in (1e3, 1e-3) if abs(ratio / f - 1) <= NEAR_UNIT), None)
    if factor is None or not 1.0 <= mean <= 5.0:
        return None  # cells of another unit are told by the check of the units
    unit = "millivolt" if factor > 1 else "kilovolt"
    name = pair.voltage.pattern
    return Finding(
        "unit", name,
        f"'{name}' is {ratio:.4g} times the sum of '{pair.cells.pattern}' at {count:,} instants: its values seem to be "
        f"{unit}, and are mapped as {pair.voltage.unit}.",
        ratio, "", count, count, proposal=sensor_fact(asset, name, unit=unit),
    )  # fmt: skip


def _count(asset: str, pair: PackSum, like: float, stated: int, count: int) -> Finding:
    """Weigh the stated number of cells against that of the mapping, by the pack voltage."""
    cells, mapped = pair.cells, len(pair.cells.numbers)
    text = f"'Cells in series' is {stated}, and '{cells.pattern}' has {mapped} cells{_holes(cells)}."
    spoken = f" '{pair.voltage.pattern}' is that of {like:.2f} cells of their mean voltage ({count:,} instants)"
    proposal: Proposal | None = None
    if abs(like - mapped) <= NEAR_COUNT:
        text += f"{spoken}, so the number stated is probably wrong."
        proposal = asset_fact(asset, "Count the cells on the nameplate first.", parameters={"Cells in series": mapped})
    elif abs(like - stated) <= NEAR_COUNT:
        what = f"{stated - mapped} not mapped" if stated > mapped else f"{mapped - stated} mapped that are none of this string"
        text += f"{spoken}, so the number stated is probably right, and there are cells {what}."
        proposal = _more_columns(cells) if stated > mapped else None
    else:
        text += f"{spoken}, which decides for neither."
    return Finding("cell count", cells.pattern, text, round(like, 4), "cells", count, count, proposal=proposal)


def _holes(cells: Channel) -> str:
    """Name numbers that are left out between the first cell and the last."""
    missing = sorted(set(range(cells.numbers[0], cells.numbers[-1] + 1)) - set(cells.numbers))
    if not missing:
        return ""
    shown = ", ".join(str(number) for number in missing[:6])
    return f"; number{'s' if len(missing) > 1 else ''} {shown}{' and more' if len(missing) > 6 else ''} left out"


def _more_columns(cells: Channel) -> Proposal:
    change = {"columns": {"NAME OF THE COLUMN{n}": {"sensor": cells.pattern, "unit": cells.unit}}}
    return Proposal("mapping file", change, "The pattern must take the columns of all cells; ingest the file again.")


def _difference(
    asset: str, pair: PackSum, like: float, quarters: tuple[float, float, float], rise: tuple[float, float],
    known: tuple[int | None, int, float],
) -> Finding:  # fmt: skip
    """Tell a difference, and which of its causes the data leave open."""
    low, middle, high = quarters
    stated, count, ratio = known
    mapped, name = len(pair.cells.numbers), pair.voltage.pattern
    text = (
        f"'{name}' reads {middle:+.3g} V ({ratio - 1:+.2%}) against the sum of its {mapped} cells, half of the time between "
        f"{low:+.3g} and {high:+.3g} V ({count:,} instants of small current). "
    )
    cause, proposal = "the data do not tell which: the cells' voltage changes too little", None
    value, error = rise
    more = round(like - mapped)
    if error < 0.15 and abs(value) + 2 * error < 0.5:
        cause = "it does not rise with the cells' voltage, so it is an offset of the sensor, or a supply that is measured along"
        condition = "Only if a meter at the terminals confirms the cells."
        factor = {"volt": 1.0, "millivolt": 1e3}.get(pair.voltage.unit)
        proposal = sensor_fact(asset, name, condition, offset=float(f"{-middle * factor:.4g}")) if factor else None
    elif error < 0.25 and more and abs(value / more - 1) < 0.5:
        cause = (
            f"it rises with the cells' voltage by {value:.2f} V/V: a gain of the sensor that is off, or {abs(more)} "
            f"cell{'s' if abs(more) > 1 else ''} {'not mapped' if more > 0 else 'mapped too many'} (it reads as {like:.2f} cells do). "
            "No data tell these two apart: count the cells on the nameplate"
        )
        if stated is not None:
            cause += f"; 'Cells in series' says {stated}"
    return Finding(
        "pack voltage", name, f"{text}{cause[0].upper()}{cause[1:]}.", round(middle, 4), "V", count, count, proposal=proposal
    )
