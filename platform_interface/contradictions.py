"""Physical contradictions between inputs: for warnings in the report, never for a correction.

A discharge lowers SOC and, as a step, voltage. Where the data say the opposite, the site's statement of
`positive_current` is probably wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from platform_interface.checks import Clean
from platform_interface.doctor.findings import Finding, asset_fact, sensor_fact
from platform_interface.mapping import Source
from platform_interface.table import Times, Values

#: Steps needed before anything is said, and how far they must agree.
EVIDENCE = 30
_LONGEST_STEP = 900_000
_JUMP = 0.05
_OPPOSITE = {"charge": "discharge", "discharge": "charge"}


class Measured(Protocol):
    """Samples of one sensor: values in its base unit, one row an element."""

    @property
    def pattern(self) -> str: ...
    @property
    def quantity(self) -> str: ...
    @property
    def time(self) -> Times: ...
    @property
    def values(self) -> Values: ...


@dataclass(frozen=True)
class _Input:
    pattern: str
    quantity: str
    time: Times
    values: Values


@dataclass
class SignEvidence:
    """Votes for and against the stated sign of one asset's current, over a run."""

    votes: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    full_scale: dict[str, float] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)

    def add(self, sources: Mapping[str, Source], cleaned: Mapping[str, Clean]) -> None:
        """Count the steps of one window."""
        self.weigh(
            _Input(source.pattern, source.quantity, cleaned[name].time, cleaned[name].values)
            for name, source in sources.items()
        )

    def weigh(self, measured: Iterable[Measured]) -> None:
        """Count the steps of the sensors of one window."""
        measured = list(measured)
        current = next((each for each in measured if each.quantity == "current"), None)
        for other in measured:
            if other.quantity == "soc" and other.time.size and current is not None and current.time.size > 2:
                self.full_scale[other.pattern] = max(self.full_scale.get(other.pattern, 0.0), float(np.nanmax(other.values[0])))
                self.samples[other.pattern] = self.samples.get(other.pattern, 0) + other.time.size
            if current is None or current.time.size < 3 or other.time.size < 3:
                continue
            votes = {"soc": soc_votes, "voltage": voltage_votes}.get(other.quantity)
            if votes is not None:
                self._vote(current.pattern, other.pattern, *votes(current.time, current.values[0], other.time, other.values[0]))

    def _vote(self, current: str, other: str, agree: int, against: int) -> None:
        votes = self.votes.setdefault((current, other), [0, 0])
        votes[0] += agree
        votes[1] += against

    def findings(self, asset: str, stated: str | None = None) -> list[Finding]:
        """Say what the steps contradict; `stated` is what the site says of a positive current."""
        found = []
        for (current, other), (agree, against) in self.votes.items():
            if agree + against >= EVIDENCE and against > 4 * agree:
                found.append(Finding(
                    "sign", current,
                    f"'{other}' moves against '{current}' in {against} of {agree + against} steps: the sign of the current is "
                    f"probably the opposite of what assets.{asset}.positive_current states.",
                    None, "", against, agree + against,
                    proposal=asset_fact(asset, positive_current=_OPPOSITE[stated]) if stated in _OPPOSITE else None,
                ))  # fmt: skip
        for pattern, highest in self.full_scale.items():
            if 0 < highest <= 0.0101:
                count = self.samples[pattern]
                found.append(Finding(
                    "unit", pattern,
                    f"'{pattern}' never exceeds {highest:.2%}: it looks like a fraction that is mapped as percent.",
                    highest, "", count, count, proposal=sensor_fact(asset, pattern, unit="dimensionless"),
                ))  # fmt: skip
        return found

    def warnings(self, asset: str) -> list[str]:
        """Say the same in sentences."""
        return [f"{finding.text} Nothing was changed." for finding in self.findings(asset)]


def soc_votes(time: Times, current: Values, soc_time: Times, soc: Values) -> tuple[int, int]:
    """Count the SOC steps that go with the charge passed, and those that go against it.

    Parameters
    ----------
    time, current : ndarray, shape (n,)
        Positive on discharge. [ms], [A]
    soc_time, soc : ndarray, shape (m,)
        [ms], [fraction]
    """
    charge = np.concatenate([[0.0], np.cumsum((current[1:] + current[:-1]) / 2 * np.diff(time))])
    passed = np.diff(np.interp(soc_time, time, charge))
    step = np.diff(soc)
    inside = (soc_time[1:] <= time[-1]) & (soc_time[:-1] >= time[0]) & (np.diff(soc_time) <= _LONGEST_STEP)
    telling = inside & (np.abs(step) >= 0.001) & (np.abs(step) <= _JUMP) & (passed != 0)
    agree = int((telling & (np.sign(step) == -np.sign(passed))).sum())
    return agree, int(telling.sum()) - agree


def voltage_votes(time: Times, current: Values, voltage_time: Times, voltage: Values) -> tuple[int, int]:
    """Count the voltage steps that answer a current step as a resistance does, and those that do not.

    Parameters
    ----------
    time, current : ndarray, shape (n,)
        Positive on discharge. [ms], [A]
    voltage_time, voltage : ndarray, shape (m,)
        [ms], [V]
    """
    common, strongest = time, float(np.abs(current).max())
    if not np.array_equal(time, voltage_time):
        common, left, right = np.intersect1d(time, voltage_time, assume_unique=True, return_indices=True)
        current, voltage = current[left], voltage[right]
    if common.size < 3:
        return 0, 0
    amperes, volts = np.diff(current), np.diff(voltage)
    large = np.abs(amperes) >= 0.1 * max(1e-9, strongest)
    telling = large & (volts != 0) & (np.diff(common) <= 60_000)
    agree = int((telling & (np.sign(volts) == -np.sign(amperes))).sum())
    return agree, int(telling.sum()) - agree
