"""Charge segments in raw telemetry: whole and partial charges of real chargers, with pauses, steps, tapers and gaps.

A segment begins at the first sample that charges and ends with the last one. Pauses of up to ten minutes belong to it, whatever is
measured at rest after it is kept with it, and it is handed out once the rest is over. What is handed out depends on the samples
alone, not on how they are cut into calls: all that is known of the open segment is in the state, which is strict JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TimeArray = npt.NDArray[np.int64]
#: A sample that the state machine reads: time [ms], current, voltage, temperature, strain, charge counted, kind, whether a gap is before,
#: time of the sample after it [ms].
Point = tuple[int, float, float, float, float, float, int, bool, int]
#: Points of an open charge at most: beyond, every other one is given up, so that a noisy day does not fill the state.
MOST_POINTS = 5000
CHARGES, RESTS, DISCHARGES = -1, 0, 1


@dataclass(frozen=True)
class Rules:
    """What is one charge.

    Attributes
    ----------
    idle : float
        Current up to which a cell rests, by its capacity. [1/h]
    max_gap : float
        Nothing is concluded over a longer interval between samples. [s]
    pause : float
        Longest interruption of a charge. [s]
    lost : float
        Most charge taken out in it, by the capacity. [1]
    rest : float
        How long the rest after a charge is of interest. [s]
    longest : float
        A charge that goes on for longer is cut here. [s]
    every : float
        Of each such interval of absolute time one sample is kept, and every one where charging begins or ends; all are counted. [s]
    """

    idle: float = 0.01
    max_gap: float = 300.0
    pause: float = 600.0
    lost: float = 0.005
    rest: float = 1800.0
    longest: float = 86400.0
    every: float = 10.0


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples in order of time.

    Attributes
    ----------
    time : ndarray of int64, shape (n,)
        Strictly increasing. [ms UTC]
    current, voltage : ndarray, shape (n,)
        Positive on discharge [A]; of one cell [V]. Finite.
    temperature, strain : ndarray, shape (n,)
        [degC], [1]; NaN where not measured.
    """

    time: TimeArray
    current: FloatArray
    voltage: FloatArray
    temperature: FloatArray
    strain: FloatArray

    def __len__(self) -> int:
        return len(self.time)

    def part(self, low: int, high: int) -> Samples:
        return Samples(*(value[low:high] for value in vars(self).values()))


@dataclass(frozen=True, eq=False)
class Segment:
    """One charge, and the rest after it.

    Attributes
    ----------
    start, end, known, told : int
        First and last sample that charges; the sample that told that it was over; the one after that, with which it is handed out.
        [ms UTC]
    ended : str
        What ended it: rest, discharge, gap or length.
    time : ndarray, shape (p,)
        Since the start. [s]
    current, voltage, temperature, strain : ndarray, shape (p,)
        As measured; the current is positive on discharge. [A], [V], [degC], [1]
    charge : ndarray, shape (p,)
        Put in since the start, counted over every sample. [Ah]
    last : int
        Point of the last sample that charges; what follows is rest.
    before : tuple of float or None
        Seconds before the start, current and voltage of the sample before it; None after a gap. [s], [A], [V]
    """

    start: int
    end: int
    known: int
    told: int
    ended: str
    time: FloatArray
    current: FloatArray
    voltage: FloatArray
    temperature: FloatArray
    strain: FloatArray
    charge: FloatArray
    last: int
    before: tuple[float, float, float] | None


def find(
    samples: Samples, capacity: float, rules: Rules, state: Mapping[str, Any] | None = None
) -> tuple[list[Segment], dict[str, Any]]:
    """Return the segments that these samples complete, and the state to go on from.

    Parameters
    ----------
    samples : Samples
        All after those of earlier calls.
    capacity : float
        Nominal. [Ah]
    state : mapping, optional
        What the call before returned.

    Raises
    ------
    ValueError
        Time does not increase.
    """
    state = dict(state or {})
    points, carry = _points(samples, capacity, rules, state)
    finder = _Finder(capacity, rules, state.get("open"), state.get("before"))
    for point in points:
        finder.take(point)
    return finder.found, {**carry, "open": finder.opened, "before": finder.before}


def _points(samples: Samples, capacity: float, rules: Rules, state: dict[str, Any]) -> tuple[list[Point], dict[str, Any]]:
    """Return the points that matter of all but the last sample, whose successor is not known yet, and the carried state."""
    if not len(samples):
        return [], {name: state.get(name) for name in ("last", "previous", "charge")}
    held = state.get("last")
    if held is not None:
        head = [np.array([held[0]]), *(np.array([np.nan if value is None else value]) for value in held[1:])]
        samples = Samples(*(np.concatenate(pair) for pair in zip(head, vars(samples).values(), strict=True)))
    time, current = samples.time, samples.current
    steps = np.diff(time)
    if (steps <= 0).any():
        raise ValueError(f"time does not increase after {int(time[int((steps <= 0).argmax())])} ms; sort the samples first")
    idle = rules.idle * capacity
    kind = np.where(current < -idle, CHARGES, np.where(current > idle, DISCHARGES, RESTS))
    gap = steps > 1000.0 * rules.max_gap
    moved = np.where(gap, 0.0, -(current[1:] + current[:-1]) / 2.0 * steps / 3_600_000.0)
    charge = np.cumsum(np.concatenate([[state.get("charge") or 0.0], moved]))
    block = time // int(1000 * rules.every)
    borders = gap | (kind[1:] != kind[:-1])
    fresh = np.concatenate([[True], borders | (block[1:] != block[:-1])])
    gaps = np.concatenate([[True], gap])
    before = state.get("previous")
    if before is not None:
        gaps[0] = bool(time[0] - before[0] > 1000.0 * rules.max_gap)
        fresh[0] = bool(gaps[0] or before[1] != kind[0] or block[0] != before[0] // int(1000 * rules.every))
    kept = np.flatnonzero(fresh[:-1] | borders)
    following = np.append(time[1:], time[-1])
    columns = (time, current, samples.voltage, samples.temperature, samples.strain, charge, kind, gaps, following)
    points = list(zip(*(column[kept].tolist() for column in columns), strict=True))
    previous = [int(time[-2]), int(kind[-2])] if len(time) > 1 else before
    tail = [int(time[-1]), *(_plain(column[-1]) for column in columns[1:5])]
    return points, {"last": tail, "previous": previous, "charge": float(charge[-1])}


class _Finder:
    """The state machine: nothing, charging, a pause, or the rest after a charge."""

    def __init__(self, capacity: float, rules: Rules, opened: dict[str, Any] | None, before: list[Any] | None) -> None:
        self.capacity, self.rules = capacity, rules
        self.opened: dict[str, Any] | None = None
        if opened is not None:
            self.opened = {**opened, "points": [list(point) for point in opened["points"]]}
        self.before = before
        self.found: list[Segment] = []

    def take(self, point: Point) -> None:
        """Read one point."""
        time, kind, gap = point[0], point[6], point[7]
        if self.opened is not None and len(self.opened["points"]) >= MOST_POINTS:
            self._thin()
        if self.opened is not None and gap:
            self._close(point, "gap")
        if self.opened is not None:
            self._go_on(point)
        elif kind == CHARGES:
            self._open(point)
        self.before = [time, point[1], point[2]]

    def _open(self, point: Point) -> None:
        before = None
        if not point[7] and self.before is not None:
            before = [(point[0] - self.before[0]) / 1000.0, self.before[1], self.before[2]]
        self.opened = {
            "points": [_listed(point, point[5])], "last": 0, "zero": point[5], "before": before, "resting": False,
        }  # fmt: skip

    def _go_on(self, point: Point) -> None:
        assert self.opened is not None
        opened, rules, kind = self.opened, self.rules, point[6]
        end = opened["points"][opened["last"]]
        waited = (point[0] - end[0]) / 1000.0
        charged = point[5] - opened["zero"]
        over = waited > rules.pause or end[5] - charged > rules.lost * self.capacity
        if opened["resting"] or (over and kind != CHARGES):
            if kind == RESTS and waited <= rules.rest:
                opened["resting"] = True
                opened["points"].append(_listed(point, opened["zero"]))
                return
            self._close(point, "discharge" if kind == DISCHARGES and not opened["resting"] else "rest")
        elif over and waited > rules.pause and opened["last"] < len(opened["points"]) - 1:
            self._close(point, "rest")
        elif (point[0] - opened["points"][0][0]) / 1000.0 > rules.longest:
            self._close(point, "length")
        else:
            opened["points"].append(_listed(point, opened["zero"]))
            if kind == CHARGES:
                opened["last"] = len(opened["points"]) - 1
            return
        if kind == CHARGES:
            self._open(point)

    def _thin(self) -> None:
        """Give up every other point, but never the last that charges nor the newest; what was put in is counted in each."""
        assert self.opened is not None
        points, last = self.opened["points"], self.opened["last"]
        kept = sorted({*range(0, len(points), 2), last, len(points) - 1})
        self.opened |= {"points": [points[place] for place in kept], "last": kept.index(last)}

    def _close(self, by: Point, ended: str) -> None:
        assert self.opened is not None
        points, last = self.opened["points"], self.opened["last"]
        ended = "rest" if ended == "gap" and self.opened["resting"] else ended
        times = np.array([point[0] for point in points], dtype=np.int64)
        table = [np.array([np.nan if value is None else value for value in column]) for column in zip(*points, strict=True)]
        before = self.opened["before"]
        self.found.append(
            Segment(
                start=int(times[0]),
                end=int(times[last]),
                known=by[0],
                told=by[8],
                ended=ended,
                time=(times - times[0]) / 1000.0,
                current=table[1],
                voltage=table[2],
                temperature=table[3],
                strain=table[4],
                charge=table[5],
                last=last,
                before=None if before is None else (before[0], before[1], before[2]),
            )
        )
        self.opened = None


def _plain(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None


def _listed(point: Point, zero: float) -> list[Any]:
    return [point[0], point[1], point[2], _plain(point[3]), _plain(point[4]), point[5] - zero]
