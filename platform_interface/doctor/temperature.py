"""Temperatures in another unit, with the 40 °C that CAN frames add, or with the code of a probe that is not fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from platform_interface.doctor.channels import Channel, Kept, View, as_of, over_elements
from platform_interface.doctor.findings import Finding, Proposal, sensor_fact
from platform_interface.mapping import USUAL_SENTINELS
from platform_interface.table import Values

#: Codes of 8 and 9 bits for "not fitted", and the same after 40 were taken away.
CODES = (255.0, 511.0, 215.0, 471.0)
#: Samples needed before anything is said; those of a code.
SAMPLES = 30
#: What a battery's temperature cannot be in °C, and what a temperature on Earth is in kelvin.
KELVIN = (223.0, 353.0)
#: Two sensors of one battery: how far apart they must read to be doubted, and how near a hypothesis must bring them. [°C]
APART, NEAR = 10.0, 3.0
#: How far both must have moved, and together, so that they are known to measure the same body.
MOVED, TOGETHER = 5.0, 0.8
#: How many times farther one may move than the other, once the hypothesis is undone: °F moves 1.8 times as far as °C.
ALIKE = 1.34
#: Where a battery's temperature lies, for the question which of two sensors is wrong: our choice. [°C]
USUAL = 25.0
_OLDEST = 600_000
_Undo = Callable[[Values], Values]
#: What may be wrong -> (how it is undone, the fact that undoes it).
HYPOTHESES: dict[str, tuple[_Undo, dict[str, Any]]] = {
    "°C + 40": (lambda x: x - 40.0, {"offset": -40.0}),
    "°C + 50": (lambda x: x - 50.0, {"offset": -50.0}),
    "°C − 40": (lambda x: x + 40.0, {"offset": 40.0}),
    "kelvin": (lambda x: x - 273.15, {"unit": "kelvin"}),
    "degrees Fahrenheit": (lambda x: (x - 32.0) / 1.8, {"unit": "degF"}),
    "tenths of °C": (lambda x: x / 10.0, {}),
}


@dataclass
class TemperatureEvidence:
    """Medians of each temperature sensor, pairs of them at the same instants, and codes; over the windows of a run."""

    levels: dict[str, Kept] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Kept] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    codes: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, view: View) -> None:
        """Look at one window."""
        found = [channel for channel in view.values() if "temperature" in channel.quantity]
        for channel in found:
            self.channels[channel.pattern] = channel
            self.rows[channel.pattern] = self.rows.get(channel.pattern, 0) + channel.time.size
            for element, (code, count) in channel.codes.items():
                self.codes.setdefault((channel.pattern, element), [code, 0])[1] += count
        levels = {channel.pattern: level for channel in found if (level := _level(channel)) is not None}
        for name, level in levels.items():
            few = level.thinned(200)
            self.levels.setdefault(name, Kept()).add(few.values)
        for one, other in combinations(sorted(levels), 2):
            few = levels[one].thinned(200)
            both = np.vstack([few.values, as_of(few.time, levels[other], _OLDEST)])
            self.pairs.setdefault((one, other), Kept()).add(both[:, np.isfinite(both).all(axis=0)])

    def findings(self, asset: str) -> list[Finding]:
        """Say which temperatures are none in °C."""
        found = [*self._not_fitted(asset)]
        doubted = set()
        for name, kept in self.levels.items():
            values = kept.rows()[0]
            unit = self.channels[name].unit
            low, middle, high = np.percentile(values, [1, 50, 99]) if values.size >= SAMPLES else (0.0, 0.0, 0.0)
            if KELVIN[0] <= low and high <= KELVIN[1]:
                doubted.add(name)
                found.append(_kelvin(asset, name, unit, float(middle), values.size))
        for (one, other), kept in self.pairs.items():
            if not doubted & {one, other}:
                finding = _compared(asset, self.channels[one], self.channels[other], kept.rows())
                found += [finding] if finding else []
        return _once(found)

    def _not_fitted(self, asset: str) -> list[Finding]:
        """Gather the elements of one array that read one code."""
        groups: dict[tuple[str, float], list[tuple[int, int]]] = {}
        for (name, element), (code, count) in self.codes.items():
            if count >= SAMPLES:
                groups.setdefault((name, code), []).append((element, int(count)))
        found = []
        for (name, code), members in groups.items():
            channel, rows = self.channels[name], self.rows[name]
            labels = ", ".join(f"'{channel.label(element)}'" for element, _ in members[:10])
            more = f" and {len(members) - 10} more" if len(members) > 10 else ""
            count = min(count for _, count in members)
            every = "every sample" if count >= rows else f"at least {count:,} of {rows:,} samples"
            codes = {each for pattern, each in groups if pattern == name}
            found.append(Finding(
                "not fitted", channel.pattern,
                f"{labels}{more} read {code:g} in {every}: the code of a probe that is not fitted, and no temperature.",
                code, channel.unit, sum(count for _, count in members), rows * len(members),
                proposal=sensor_fact(asset, channel.pattern, sentinels=sorted({*codes, *USUAL_SENTINELS[:1]})),
            ))  # fmt: skip
        return found


def _level(channel: Channel) -> Channel | None:
    """Return an array's median as one channel."""
    values = channel.values
    some = ~np.isnan(values).all(axis=0)
    if not some.any():
        return None
    level = over_elements(values[:, some])[None, :]
    return Channel(channel.pattern, (), channel.quantity, channel.unit, channel.time[some], level)


def _kelvin(asset: str, name: str, unit: str, middle: float, count: int) -> Finding:
    return Finding(
        "temperature", name,
        f"'{name}' reads {middle:.4g} as {unit} (median of {count:,} samples): no battery is that hot, and as kelvin it is "
        f"{middle - 273.15:.3g} °C.",
        middle, unit, count, count, proposal=sensor_fact(asset, name, unit="kelvin"),
    )  # fmt: skip


def explained(values: Values, reference: Values) -> tuple[str, float] | None:
    """Return which hypothesis brings a sensor to its reference, and what is left; None when none does clearly.

    Parameters
    ----------
    values, reference : ndarray, shape (n,)
        At the same instants. [°C]

    Returns
    -------
    (key of HYPOTHESES, median distance that is left [°C]) or None
    """
    apart = float(np.median(np.abs(values - reference)))
    moved = [float(np.ptp(np.percentile(part, [5, 95]))) for part in (values, reference)]
    if values.size < SAMPLES or apart < APART or min(moved) == 0 or moved[1] < MOVED:
        return None
    if float(np.corrcoef(values, reference)[0, 1]) < TOGETHER:
        return None
    left = [
        (float(np.median(np.abs(undo(values) - reference))), name)
        for name, (undo, _) in HYPOTHESES.items()
        if 1 / ALIKE < float(np.ptp(np.percentile(undo(values), [5, 95]))) / moved[1] < ALIKE
    ]
    left.sort()
    if not left or left[0][0] > NEAR or (len(left) > 1 and left[1][0] < 2 * NEAR):
        return None
    return left[0][1], left[0][0]


def _compared(asset: str, one: Channel, other: Channel, rows: Values) -> Finding | None:
    """Say which of two temperatures is off, where the data tell."""
    if rows.shape[1] < SAMPLES:
        return None
    middles = np.median(rows, axis=1)
    if abs(middles[0] - USUAL) < abs(middles[1] - USUAL):
        one, other, rows, middles = other, one, rows[::-1], middles[::-1]
    found = explained(rows[0], rows[1])
    if found is None:
        return None
    name, left = found
    apart = float(np.median(rows[0] - rows[1]))
    sure = abs(abs(middles[0] - USUAL) - abs(middles[1] - USUAL)) >= APART
    sentence = (
        f"'{one.pattern}' (median {middles[0]:.4g}) and '{other.pattern}' (median {middles[1]:.4g} °C) differ by {apart:.3g} at "
        f"{rows.shape[1]:,} instants and move together; read as {name} the former agrees to {left:.2g} °C."
    )
    fact = HYPOTHESES[name][1]
    proposal: Proposal | None = None
    if sure and fact and one.unit in ("degC", "°C"):
        proposal = sensor_fact(asset, one.pattern, **fact)
    elif not sure:
        sentence += " Which of the two is right, their values do not tell."
    return Finding("temperature", one.pattern, sentence, round(apart, 3), "°C", rows.shape[1], rows.shape[1], proposal=proposal)


def _once(found: list[Finding]) -> list[Finding]:
    """Keep one finding a sensor and check: two references tell the same."""
    kept: dict[tuple[str, str, float | None], Finding] = {}
    for finding in found:
        key = (finding.check, finding.sensor, finding.value if finding.check == "not fitted" else None)
        kept.setdefault(key, finding)
    return list(kept.values())
