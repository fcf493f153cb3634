"""The parts of one charge: constant current, constant voltage; and a charge seen in part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from models.neural_soh.segments import FloatArray, Segment

IndexArray = npt.NDArray[np.int64]
#: Constant current keeps within this share of its mean, and this much by the capacity. [1], [1/h]
SAME, SAME_FLOOR = 0.03, 0.004
#: Constant voltage keeps within this of the highest, and does not rise by more than that; real chargers regulate in steps of 20 to
#: 50 mV. [V]
HELD, RISEN = 0.1, 0.03
#: A part has this many points, and is this long. [s]
FEWEST, SHORTEST = 3, 60.0


@dataclass(frozen=True, eq=False)
class Parts:
    """Points of a segment by what the charger did.

    Attributes
    ----------
    charging : ndarray of int
        Points that charge, pauses left out.
    currents : tuple of ndarray of int
        One for each level of constant current, in order.
    voltage : ndarray of int
        Points at constant voltage; empty where there was none.
    ramp : ndarray of int
        Points that charge before the constant voltage: steps and tapers included.
    """

    charging: IndexArray
    currents: tuple[IndexArray, ...]
    voltage: IndexArray
    ramp: IndexArray


def parts_of(segment: Segment, capacity: float, idle: float) -> Parts:
    """Tell the parts of a charge.

    Parameters
    ----------
    capacity : float
        Nominal. [Ah]
    idle : float
        Current up to which a cell rests, by its capacity. [1/h]
    """
    until = segment.last + 1
    charging = np.flatnonzero(segment.current[:until] < -idle * capacity)
    held = _constant_voltage(segment, charging)
    ramp = charging[: len(charging) - len(held)]
    return Parts(charging, _levels(segment, ramp, SAME_FLOOR * capacity), held, ramp)


def _constant_voltage(segment: Segment, charging: IndexArray) -> IndexArray:
    """Return the trailing points that hold the highest voltage while the current falls."""
    none = charging[:0]
    if not len(charging):
        return none
    voltage, current = segment.voltage[charging], -segment.current[charging]
    away = np.flatnonzero(voltage < voltage.max() - HELD)
    first = int(away[-1]) + 1 if len(away) else 0
    if first >= len(charging):
        return none
    full = np.flatnonzero(current[first:] >= (1.0 - SAME) * current[first:].max())
    held = charging[first + int(full[-1]) + 1 :]
    if len(held) < FEWEST or segment.time[held[-1]] - segment.time[held[0]] < SHORTEST:
        return none
    third = -(-len(held) // 3)
    rise = float(np.mean(segment.voltage[held[-third:]]) - np.mean(segment.voltage[held[:third]]))
    return held if rise <= RISEN else none


def _levels(segment: Segment, ramp: IndexArray, floor: float) -> tuple[IndexArray, ...]:
    """Return runs of points of one current: a run ends where the current leaves the mean of the run so far."""
    current = segment.current[ramp].tolist()
    cuts, mean, count = [0], 0.0, 0
    for place, value in enumerate(current):
        if count and abs(value - mean) > SAME * abs(mean) + floor:
            cuts.append(place)
            mean, count = 0.0, 0
        mean, count = mean + (value - mean) / (count + 1), count + 1
    cuts.append(len(current))
    found = [ramp[low:high] for low, high in pairwise(cuts) if high - low >= FEWEST]
    return tuple(run for run in found if segment.time[run[-1]] - segment.time[run[0]] >= SHORTEST)


def seen_between(segment: Segment, low: int, high: int) -> Segment | None:
    """Return the same charge as one who saw only some of it knows it, or None where nothing charges there.

    Parameters
    ----------
    low, high : int
        First point seen, and the first one not seen.

    Notes
    -----
    The sample before is gone with the first point, the rest with the last one.
    """
    low, high = max(low, 0), min(high, len(segment.time))
    if high - low < FEWEST:
        return None
    last = min(segment.last, high - 1) - low
    if last < FEWEST - 1:
        return None
    origin = segment.time[low]

    def cut(values: FloatArray) -> FloatArray:
        return values[low:high]

    return replace(
        segment, start=segment.start + round(1000.0 * float(origin)),
        end=segment.start + round(1000.0 * float(segment.time[low + last])),
        time=cut(segment.time) - origin, current=cut(segment.current), voltage=cut(segment.voltage),
        temperature=cut(segment.temperature), strain=cut(segment.strain),
        charge=cut(segment.charge) - segment.charge[low], last=last, before=segment.before if low == 0 else None,
        ended=segment.ended if high == len(segment.time) else "gap",
    )  # fmt: skip
