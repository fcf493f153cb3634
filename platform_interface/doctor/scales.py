"""Values a thousand or a hundred times off: millivolt as volt, milliampere as ampere, percent as a fraction; a SOC that stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from platform_interface.doctor.channels import Channel, Kept, View, of_quantity
from platform_interface.doctor.findings import Finding, sensor_fact
from platform_interface.table import Times, Values
from platform_interface.units import canonical
from platform_interface.when import text

SAMPLES = 30
#: Voltage of a cell of any chemistry in use, from lithium titanate empty to lithium cobalt oxide overcharged, and lead. [V]
CELL = (1.0, 5.0)
#: An element this many times the array's median is none of its cells: no two cells in series differ so.
NO_CELL = 2.0
#: Change of SOC that makes one comparison of charge, and comparisons needed; share of them that must agree.
STEP, STEPS, AGREE = 0.02, 5, 0.8
#: A capacity may be wrong by this factor, and the unit is still told apart.
FACTOR = 3.0
#: No battery of this world gives its capacity in less than 72 s for long: power tools reach 30 to 40 C. Our choice. [1/h]
FASTEST = 50.0
#: Charge that must pass while a SOC stands still, as a share of the capacity.
PASSED = 0.10
_LONGEST = 900_000


@dataclass
class ScaleEvidence:
    """Sizes of voltages, SOC and current, over the windows of a run."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    levels: dict[str, Kept] = field(default_factory=dict)
    elements: dict[str, Kept] = field(default_factory=dict)
    steps: dict[tuple[str, str], Kept] = field(default_factory=dict)
    still: dict[tuple[str, str], tuple[float, float, int, int, int]] = field(default_factory=dict)

    def add(self, view: View) -> None:
        """Look at one window."""
        for quantity in ("voltage", "cell_voltage", "soc", "current"):
            for channel in of_quantity(view, quantity):
                self._size(channel)
        for current in of_quantity(view, "current"):
            for soc in of_quantity(view, "soc"):
                if not soc.numbers and not current.numbers and current.time.size > 2 and soc.time.size > 2:
                    self._charge(current, soc)

    def _size(self, channel: Channel) -> None:
        self.channels[channel.pattern] = channel
        few = channel.thinned(250)
        some = ~np.isnan(few.level)
        if some.any():
            self.levels.setdefault(channel.pattern, Kept()).add(few.level[None, some])
            if channel.numbers:
                values = few.values[:, some]
                self.elements.setdefault(channel.pattern, Kept(2_000)).add(values[:, :: max(1, values.shape[1] // 20)])

    def _charge(self, current: Channel, soc: Channel) -> None:
        charge = _charge_at(soc.time, current)
        known = np.isfinite(charge) & np.isfinite(soc.values[0])
        time, level, charge = soc.time[known], soc.values[0][known], charge[known]
        key = (current.pattern, soc.pattern)
        if time.size > 2:
            self.steps.setdefault(key, Kept()).add(soc_steps(time, level, charge))
            longest = longest_still(time, level, charge)
            if longest is not None and longest[1] > self.still.get(key, (0.0, 0.0, 0, 0, 0))[1]:
                self.still[key] = longest

    def findings(self, asset: str) -> list[Finding]:
        """Say whose unit is wrong, and which SOC stood still."""
        found = []
        for name, kept in self.levels.items():
            channel, values = self.channels[name], kept.rows()[0]
            if values.size >= SAMPLES:
                finding = self._sized(asset, channel, values)
                found += [finding] if finding else []
                found += self._strangers(channel)
        found += self._of_charge(asset)
        return found

    def _sized(self, asset: str, channel: Channel, values: Values) -> Finding | None:
        middle, highest = float(np.median(values)), float(np.nanmax(values))
        cells = self._number("Cells in series")
        if channel.quantity == "cell_voltage" or (channel.quantity == "voltage" and cells):
            return _volts(
                asset, channel, middle / (cells if channel.quantity == "voltage" and cells else 1.0), middle, values.size
            )
        if channel.quantity == "soc":
            return _fraction(asset, channel, highest, values.size)
        capacity = self._number("Capacity")
        if channel.quantity == "current" and capacity:
            strong = float(np.percentile(np.abs(values), 99))
            if strong >= FASTEST * capacity and canonical(channel.unit) == "ampere":
                return _milliampere(
                    asset, channel, f"reaches {strong:.4g} A, {strong / capacity:.3g} times", capacity, values.size
                )
        return None

    def _number(self, name: str) -> float | None:
        value = self.parameters.get(name)
        value = value.get("value") if isinstance(value, dict) else value
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else None

    def _strangers(self, channel: Channel) -> list[Finding]:
        """Name elements of an array of cells that are none."""
        if channel.quantity != "cell_voltage" or channel.pattern not in self.elements:
            return []
        values = self.elements[channel.pattern].rows()
        if values.shape[0] < 3:
            return []
        with np.errstate(invalid="ignore"):
            level = np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in values])
        middle = float(np.nanmedian(level))
        return [
            Finding(
                "cell count", channel.label(int(element)),
                f"'{channel.label(int(element))}' reads {level[element]:.4g} V where the median of its {level.size - 1} peers is "
                f"{middle:.4g} V: it is no cell of this string, or of another unit. Map that column apart.",
                round(float(level[element]), 6), "V", values.shape[1], values.shape[1],
            )
            for element in np.flatnonzero((level > NO_CELL * middle) | ((level > 0) & (level < 0.01 * middle)))
        ]  # fmt: skip

    def _of_charge(self, asset: str) -> list[Finding]:
        capacity, found = self._number("Capacity"), []
        for (current, soc), kept in self.steps.items():
            rows = kept.rows()
            if not capacity or rows.shape[1] < STEPS:
                continue
            ratio = np.abs(rows[1]) / (np.abs(rows[0]) * capacity)
            channel = self.channels[current]
            for factor, unit, was in ((1e3, "milliampere", "ampere"), (1e-3, "ampere", "milliampere")):
                near = (ratio > factor / FACTOR) & (ratio < factor * FACTOR)
                if near.mean() >= AGREE and canonical(channel.unit) == was:
                    found.append(Finding(
                        "unit", current,
                        f"'{current}' carries {np.median(ratio):.4g} times the charge by which '{soc}' changes, out of {capacity:g} Ah, in "
                        f"{int(near.sum()):,} of {near.size:,} steps: its values seem to be {unit}, and are mapped as {channel.unit}.",
                        float(np.median(ratio)), "", int(near.sum()), near.size, proposal=sensor_fact(asset, current, unit=unit),
                    ))  # fmt: skip
        doubted = {finding.sensor for finding in found}
        for (current, soc), (value, passed, count, start, end) in self.still.items():
            if capacity and passed >= PASSED * capacity and current not in doubted and 0.02 < value < 0.98:
                found.append(Finding(
                    "frozen", soc,
                    f"'{soc}' held {value:.4g} in {count:,} samples from {text(start)} to {text(end)} while {passed:.4g} Ah passed, "
                    f"{passed / capacity:.0%} of the capacity of {capacity:g} Ah. No setting repairs that.",
                    round(passed, 4), "Ah", count, count, text(start), text(end),
                ))  # fmt: skip
        return found


def _volts(asset: str, channel: Channel, cell: float, middle: float, count: int) -> Finding | None:
    """Name a voltage that is a cell's in another unit only."""
    for factor, unit in ((1e3, "millivolt"), (1e-3, "volt")):
        was = canonical(channel.unit)
        if CELL[0] <= cell / factor <= CELL[1] and (was, unit) in (("volt", "millivolt"), ("millivolt", "volt")):
            return Finding(
                "unit", channel.pattern,
                f"'{channel.pattern}' has a median of {middle:.4g} V ({count:,} samples), {factor:g} times that of cells: its values seem "
                f"to be {unit}, and are mapped as {channel.unit}.",
                middle, "V", count, count, proposal=sensor_fact(asset, channel.pattern, unit=unit),
            )  # fmt: skip
    return None


def _fraction(asset: str, channel: Channel, highest: float, count: int) -> Finding | None:
    """Name a SOC in percent that is mapped as a fraction, or the other way."""
    name = channel.pattern
    if 1.5 < highest <= 102.0 and canonical(channel.unit) != "percent":
        said, unit = f"reaches {highest:.4g} as a fraction: its values seem to be percent", "percent"
    elif 0.0 < highest <= 0.0101 and canonical(channel.unit) == "percent":
        said, unit = f"never exceeds {highest:.2%}: its values seem to be a fraction", "dimensionless"
    else:
        return None
    return Finding(
        "unit", name, f"'{name}' {said}, and are mapped as {channel.unit} ({count:,} samples).", highest, "", count, count,
        proposal=sensor_fact(asset, name, unit=unit),
    )  # fmt: skip


def _milliampere(asset: str, channel: Channel, said: str, capacity: float, count: int) -> Finding:
    return Finding(
        "unit", channel.pattern,
        f"'{channel.pattern}' {said} the capacity of {capacity:g} Ah in an hour (99th percentile of {count:,} samples): its values "
        f"seem to be milliampere, and are mapped as {channel.unit}; or the capacity is wrong.",
        None, "A", count, count, proposal=sensor_fact(asset, channel.pattern, "If the capacity is right.", unit="milliampere"),
    )  # fmt: skip


def _charge_at(time: Times, current: Channel) -> Values:
    """Return the charge that passed until given times, nothing across gaps; NaN outside. [Ah]"""
    amperes = np.nan_to_num(current.values[0])
    steps = np.diff(current.time)
    passed = np.concatenate([[0.0], np.cumsum((amperes[1:] + amperes[:-1]) / 2 * np.where(steps > _LONGEST, 0, steps))]) / 3.6e6
    charge = np.interp(time, current.time, passed)
    outside = (time < current.time[0]) | (time > current.time[-1])
    return np.where(outside, np.nan, charge)


def soc_steps(time: Times, soc: Values, charge: Values) -> Values:
    """Return changes of SOC of at least `STEP` with the charge that passed, not across gaps.

    Returns
    -------
    ndarray, shape (2, m)
        Change of SOC [1], charge discharged [Ah].
    """
    turns = np.flatnonzero(np.diff(soc) != 0) + 1
    turns = turns[:: max(1, turns.size // 500)]
    found, anchor, last = [], 0, 0
    for place in turns.tolist():
        if time[place] - time[last] > _LONGEST * 4:
            anchor = place
        elif abs(soc[place] - soc[anchor]) >= STEP - 1e-9:
            found.append((soc[place] - soc[anchor], charge[place] - charge[anchor]))
            anchor = place
        last = place
    return np.array(found, float).T if found else np.empty((2, 0))


def longest_still(time: Times, soc: Values, charge: Values) -> tuple[float, float, int, int, int] | None:
    """Return the run of one repeated SOC in which the most charge passed: value, charge [Ah], samples, start, end."""
    edges = np.concatenate([[0], np.flatnonzero((np.diff(soc) != 0) | (np.diff(time) > _LONGEST)) + 1, [time.size]])
    best = None
    for first, last in pairwise(edges.tolist()):
        if last - first >= SAMPLES:
            passed = float(np.ptp(charge[first:last]))
            if best is None or passed > best[1]:
                best = (float(soc[first]), passed, last - first, int(time[first]), int(time[last - 1]))
    return best
