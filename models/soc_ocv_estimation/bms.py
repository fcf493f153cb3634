"""Audit of the BMS's own SOC against the charge counted here: jumps, freezes, and the offset of its counter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TimeArray = npt.NDArray[np.int64]

#: Share of the counted change that gain, capacity and late samples may explain. [1]
TOLERANCE = 0.2
#: At the ends a BMS stands still on purpose: 100 % while it goes on charging, 0 % below its reserve. [1]
ENDS = 0.01
#: Least time over which the offset of the BMS's counter is told. [h]
BASE_HOURS = 12.0


@dataclass(frozen=True)
class Jump:
    """One jump: at which sample of the BMS, and by how much beyond what was counted. [1]"""

    index: int
    size: float
    before: float
    after: float


@dataclass(frozen=True)
class Freeze:
    """One stretch without change in which charge passed: it was noticed at a sample of this window, or it ended at one.

    Attributes
    ----------
    index : int
        The sample at which the charge had grown too large, or the first one behind the stretch.
    ended : bool
    start : int
        First sample of the stretch. [ms UTC]
    soc : float
        What the BMS showed. [1]
    charge : float
        The farthest from that of the start, net, discharged positive: a cycle that ends where it began counts too. [Ah]
    """

    index: int
    ended: bool
    start: int
    soc: float
    charge: float


@dataclass
class Audit:
    """What was found in one window."""

    jumps: list[Jump] = field(default_factory=list)
    freezes: list[Freeze] = field(default_factory=list)
    offset: FloatArray = field(default_factory=lambda: np.zeros(0))


def counters_at(
    clock: TimeArray,
    time: TimeArray,
    current: FloatArray,
    charge: FloatArray,
    max_gap: float,
    last: tuple[int | None, float, float],
) -> FloatArray:
    """Return the counted charge at other times, as known then: the last current goes on until the next sample.

    Parameters
    ----------
    clock : array
        Times asked for. [ms]
    time, current, charge : array
        Samples of the window. [ms], [A], [Ah]
    max_gap : float
        The last current is not trusted for longer. [s]
    last : tuple
        Time, current and charge of the last sample before the window; its time is None when there is none.

    Returns
    -------
    array
        NaN where nothing recent is known. [Ah]
    """
    if last[0] is not None:
        time, current = np.concatenate([[last[0]], time]), np.concatenate([[last[1]], current])
        charge = np.concatenate([[last[2]], charge])
    which = np.searchsorted(time, clock, side="right") - 1
    known = which >= 0
    which = np.maximum(which, 0)
    if not len(time):
        return np.full(len(clock), np.nan)
    age = (clock - time[which]) / 1000.0
    known &= age <= max_gap
    held = charge[which] + current[which] * (age / 3600.0)
    return np.where(known, held, np.nan)


def audit(
    clock: TimeArray,
    soc: FloatArray,
    counters: tuple[FloatArray, TimeArray],
    capacity: float,
    limits: tuple[float, float, float],
    state: dict[str, Any],
) -> tuple[Audit, dict[str, Any]]:
    """Compare the BMS's SOC with the counted charge.

    Parameters
    ----------
    clock, soc : array, shape (n,)
        Times [ms], SOC of the BMS [1].
    counters : tuple of array, shape (n,)
        At these times: net charge counted [Ah] (NaN: not known), and the number of gaps of the current so far.
    capacity : float
        [Ah]
    limits : tuple
        Least jump [1], least charge of a freeze over capacity [1], longest interval that is compared [s].
    state : dict
        ``{}``, or from the window before.

    Returns
    -------
    Audit
    dict
        Strict JSON.
    """
    found = Audit()
    if not len(clock):
        return found, state
    charge, gaps = counters
    last: dict[str, Any] = state or {
        "time": int(clock[0]), "soc": float(soc[0]), "charge": _number(charge[0]), "gaps": int(gaps[0]), "frozen": None,
    }  # fmt: skip
    clocks = np.concatenate([[last["time"]], clock])
    values = np.concatenate([[last["soc"]], soc])
    passed = np.concatenate([[np.nan if last["charge"] is None else last["charge"]], charge])
    counted = -np.diff(passed) / capacity
    whole = np.diff(np.concatenate([[last["gaps"]], gaps])) == 0
    near = (np.diff(clocks) <= limits[2] * 1000.0) & ~np.isnan(counted) & whole
    beyond = np.where(near, np.diff(values) - np.where(near, counted, 0.0), 0.0)
    jumped = np.abs(beyond) > limits[0] + TOLERANCE * np.abs(np.where(near, counted, 0.0))
    for k in np.flatnonzero(jumped):
        found.jumps.append(Jump(int(k), float(beyond[k]), float(values[k]), float(values[k + 1])))
    found.offset, base = _counter_offset(clocks, values + passed / capacity, ~near | jumped, capacity, last.get("base"))
    frozen = _freezes(found, clocks, values, passed, near, capacity * limits[1], last["frozen"])
    state = {"time": int(clock[-1]), "soc": float(soc[-1]), "charge": _number(charge[-1])}
    state |= {"gaps": int(gaps[-1]), "frozen": frozen, "base": base}
    return found, state


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _freezes(
    found: Audit, clocks: TimeArray, values: FloatArray, passed: FloatArray, near: npt.NDArray[np.bool_], least: float,
    open_run: list[Any] | None,
) -> list[Any] | None:  # fmt: skip
    """Find every run of equal values in which the charge went farther than `least`; return the run that is still open.

    An open run is its start [ms] and the charge there, lowest and highest since. [Ah]
    """
    moved = np.flatnonzero((np.diff(values) != 0.0) | ~near)
    begins = np.concatenate([[0], moved + 1])
    ends = np.concatenate([moved, [len(values) - 1]])
    clock, charge = clocks[begins].copy(), passed[begins].copy()
    low, high = np.minimum.reduceat(passed, begins), np.maximum.reduceat(passed, begins)
    before = False
    if open_run is not None:
        clock[0], charge[0] = open_run[:2]
        before = max(open_run[3] - open_run[1], open_run[1] - open_run[2]) > least
        low[0], high[0] = min(low[0], open_run[2]), max(high[0], open_run[3])
    inner = (values[ends] > ENDS) & (values[ends] < 1.0 - ENDS)
    for run in np.flatnonzero((np.maximum(high - charge, charge - low) > least) & inner):
        what = int(clock[run]), float(values[ends[run]])
        if run or not before:
            far = np.abs(passed[begins[run] : ends[run] + 1] - charge[run]) > least
            at = int(begins[run]) + int(np.argmax(far))
            found.freezes.append(Freeze(at - 1, False, *what, float(passed[at] - charge[run])))
        if run < len(moved):
            farthest = high[run] if high[run] - charge[run] >= charge[run] - low[run] else low[run]
            found.freezes.append(Freeze(int(ends[run]), True, *what, float(farthest - charge[run])))
    return None if np.isnan(charge[-1]) else [int(clock[-1]), float(charge[-1]), float(low[-1]), float(high[-1])]


def _counter_offset(
    clocks: TimeArray, apart: FloatArray, resets: npt.NDArray[np.bool_], capacity: float, base: list[Any] | None
) -> tuple[FloatArray, list[Any] | None]:
    """Return how fast the BMS's counting runs away from the counted charge since the last jump or gap. [A]

    Positive as discharge; NaN while the stretch is shorter than `BASE_HOURS`.
    """
    begins = np.concatenate([[0], np.flatnonzero(resets) + 1])
    clock, level = clocks[begins].copy(), apart[begins].copy()
    if base is not None:
        clock[0], level[0] = base
    which = np.searchsorted(begins, np.arange(len(clocks)), side="right") - 1
    hours = (clocks - clock[which]) / 3_600_000.0
    told = hours >= BASE_HOURS
    offset = np.where(told, -capacity * (apart - level[which]) / np.where(told, hours, 1.0), np.nan)
    return offset[1:], None if np.isnan(level[-1]) else [int(clock[-1]), float(level[-1])]
