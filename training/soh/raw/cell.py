"""The telemetry of one cell's life on one clock, checked on entry, and the capacities measured on the way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: A cell's voltage and temperature, and its current by the nominal capacity, lie within these. [V], [°C], [1/h]
VOLTAGE, TEMPERATURE, RATE = (0.0, 5.2), (-60.0, 150.0), 25.0
#: Between samples further apart than this nothing is concluded. [s]
GAP = 1800.0
#: Current by which a direction is told, and how much of the charge must agree with it. [1/h], [1]
STEADY, AGREES = 0.05, 0.8


class RawDataError(ValueError):
    """A file holds something else than its reader expects."""


@dataclass(frozen=True, eq=False)
class RawCell:
    """One cell.

    Attributes
    ----------
    name, group : str
        Of the cell, unique within its set; of the set.
    chemistry : str
        LFP, LCO, NCA or NMC.
    nominal : float
        Capacity that is an SOH of 1. [Ah]
    time : ndarray, shape (n,)
        Strictly increasing, one clock for the whole life. [s]
    current : ndarray, shape (n,)
        Positive on discharge. [A]
    voltage, temperature, strain : ndarray, shape (n,)
        [V]; [degC] and [1], NaN where not measured.
    label_time, label_capacity : ndarray, shape (m,)
        When a capacity was known, and what it was. [s], [Ah]
    max_gap : float
        Longest interval between samples that the logger of this set makes in operation. [s]
    notes : tuple of str
        What was left out or repaired, with counts.
    """

    name: str
    group: str
    chemistry: str
    nominal: float
    time: FloatArray
    current: FloatArray
    voltage: FloatArray
    temperature: FloatArray
    strain: FloatArray
    label_time: FloatArray
    label_capacity: FloatArray
    max_gap: float = 300.0
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        check(self)

    def __len__(self) -> int:
        return len(self.time)

    def until(self, moment: float) -> RawCell:
        """Return the cell as it was known at a time: its samples up to then, and the capacities measured up to then. [s]"""
        count = int(np.searchsorted(self.time, moment, side="right"))
        known = int(np.searchsorted(self.label_time, moment, side="right"))
        channels: dict[str, Any] = {name: getattr(self, name)[:count] for name in CHANNELS}
        labels = {"label_time": self.label_time[:known], "label_capacity": self.label_capacity[:known]}
        return replace(self, **channels, **labels)

    def data_hash(self) -> str:
        """Return what identifies the measurement, whatever it is called."""
        digest = hashlib.blake2b(digest_size=16)
        for name in (*CHANNELS, "label_time", "label_capacity"):
            digest.update(np.ascontiguousarray(getattr(self, name), dtype=np.float64).tobytes())
        return digest.hexdigest()


CHANNELS = ("time", "current", "voltage", "temperature", "strain")


def check(cell: RawCell) -> None:
    """Raise where units, order, sign or shape cannot be right.

    Raises
    ------
    RawDataError
        With the cell, the value and what to do.
    """
    where = f"{cell.group} {cell.name}"
    count = len(cell.time)
    for name in CHANNELS:
        if getattr(cell, name).shape != (count,):
            raise RawDataError(f"{where}: {name} has shape {getattr(cell, name).shape}, time has {count} samples")
    if cell.label_time.shape != cell.label_capacity.shape:
        raise RawDataError(f"{where}: {len(cell.label_time)} times of {len(cell.label_capacity)} capacities")
    for name in ("time", "label_time"):
        steps = np.diff(getattr(cell, name))
        if not (steps > 0).all():
            raise RawDataError(
                f"{where}: {name} does not increase after {getattr(cell, name)[int((steps <= 0).argmax())]:.3f} s"
            )
    if not cell.nominal > 0:
        raise RawDataError(f"{where}: nominal capacity is {cell.nominal} Ah")
    _units(cell, where)
    check_sign(cell)


def _units(cell: RawCell, where: str) -> None:
    """Compare every channel with what a cell can show; the message names the unit that the values look like."""
    limits = (
        ("voltage", cell.voltage, VOLTAGE, "V", "millivolts, or of a pack"),
        ("temperature", cell.temperature[np.isfinite(cell.temperature)], TEMPERATURE, "degC", "kelvin"),
        ("current", cell.current, (-RATE * cell.nominal, RATE * cell.nominal), "A", "milliamperes, or a sentinel"),
        (
            "capacity",
            cell.label_capacity,
            (0.02 * cell.nominal, 1.5 * cell.nominal),
            "Ah",
            "milliampere-hours, or of another cell",
        ),
    )
    for name, values, (low, high), unit, perhaps in limits:
        wrong = ~((values >= low) & (values <= high))
        if wrong.any():
            raise RawDataError(
                f"{where}: {name} is {values[wrong.argmax()]:.6g} {unit} ({int(wrong.sum())} values outside {low:g} to {high:g}). "
                f"Are these {perhaps}? State the unit in the reader, or leave the values out by name."
            )


def agreement(cell: RawCell) -> tuple[float, float]:
    """Return the share of the charge moved that agrees with the voltage's direction, and the charge that was judged [Ah].

    Over stretches of a tenth of an hour of steady current, the voltage falls on discharge and rises on charge.
    """
    block = (cell.time // 360.0).astype(np.int64)
    starts = np.flatnonzero(np.diff(block, prepend=block[:1] - 1))
    ends = np.append(starts[1:], len(block)) - 1
    good = ends - starts >= 2
    starts, ends = starts[good], ends[good]
    if not len(starts):
        return 1.0, 0.0
    steps = np.diff(cell.time, prepend=cell.time[:1])
    broken = np.maximum.reduceat(np.where(steps > GAP, 1, 0), starts) > 0
    least = np.minimum.reduceat(cell.current, starts)
    most = np.maximum.reduceat(cell.current, starts)
    steady = (most - least <= 0.02 * np.maximum(np.abs(least), np.abs(most))) & (np.abs(most) > STEADY * cell.nominal) & ~broken
    seconds = cell.time[ends] - cell.time[starts]
    charge = np.where(steady, np.abs(most) * seconds / 3600.0, 0.0)
    agrees = (cell.voltage[ends] - cell.voltage[starts]) * most < 0
    total = float(charge.sum())
    return (float(charge[agrees].sum()) / total, total) if total > 0 else (1.0, 0.0)


def check_sign(cell: RawCell) -> None:
    """Raise where the voltage rises on what is said to be discharge."""
    share, charge = agreement(cell)
    if charge > 0.2 * cell.nominal and share < AGREES:
        raise RawDataError(
            f"{cell.group} {cell.name}: voltage and current agree in direction over {share:.0%} of {charge:.3g} Ah of steady current, "
            f"at least {AGREES:.0%} is needed. Current must be positive on discharge: turn its sign where the file is read."
        )
