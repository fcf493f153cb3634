"""Where the battery rests, and the few samples of each rest that are kept: at ages that grow by the root of two.

Vectorised over samples; Python loops run over rests only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TimeArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Ages of a rest at which its voltage is kept. [ms]
LADDER: TimeArray = np.rint(67_500.0 * 2.0 ** (0.5 * np.arange(40))).astype(np.int64)
#: The slope over the age is told once the rungs span this factor of age; older ones than a factor of SPAN are not used.
HALF, SPAN = 1.8, 4.5
#: Rungs kept: two doublings.
KEPT = 4


@dataclass(frozen=True)
class Samples:
    """Samples of one window, and what came before the first.

    Attributes
    ----------
    time : array, shape (n,)
        [ms UTC]
    current, voltage, temperature : array, shape (n,)
        [A], of one cell [V], [°C]; voltage and temperature may be NaN.
    charge, hours : array, shape (n,)
        Counters: net discharged charge [Ah] and time of operation [h].
    gap : array of bool, shape (n,)
        Whether the interval before the sample is no operation.
    """

    time: TimeArray
    current: FloatArray
    voltage: FloatArray
    temperature: FloatArray
    charge: FloatArray
    hours: FloatArray
    gap: BoolArray


@dataclass(frozen=True)
class Rung:
    """One kept sample of a rest.

    Attributes
    ----------
    index : int
        Of the sample in the window.
    age : float
        Of the rest. [s]
    change : float
        Of the voltage from half the age to now, from the line over the last rungs. [V]
    current : float
        Mean logged current of the rest so far. [A]
    length : float
        Time of operation since the rest began. [h]
    start : int
        First sample of the rest. [ms UTC]
    """

    index: int
    age: float
    change: float
    current: float
    length: float
    start: int


def runs_of_rest(quiet: BoolArray, gap: BoolArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return first and last index of every run of quiet samples without a gap inside.

    Examples
    --------
    >>> quiet = np.array([True, True, False, True, True])
    >>> first, last = runs_of_rest(quiet, np.array([False, False, False, False, True]))
    >>> first.tolist(), last.tolist()
    ([0, 3, 4], [1, 3, 4])
    """
    before = np.concatenate([[False], quiet[:-1]])
    first = np.flatnonzero(quiet & (~before | gap))
    breaks = np.flatnonzero(~quiet | gap)
    after = np.searchsorted(breaks, first, side="right")
    ends = np.concatenate([breaks, [len(quiet)]])
    return first, ends[after] - 1


def rungs(
    samples: Samples, limit: float, shortest: float, rest: dict[str, Any] | None
) -> tuple[list[Rung], dict[str, Any] | None]:
    """Find the kept samples of all rests of a window.

    Parameters
    ----------
    samples : Samples
    limit : float
        A logged current up to this is rest. [A]
    shortest : float
        Youngest age that is used. [s]
    rest : dict or None
        The rest that the window before ended in.

    Returns
    -------
    list of Rung
        In the order of time.
    dict or None
        The rest that this window ends in; strict JSON.
    """
    if not len(samples.time):
        return [], rest
    quiet = np.abs(samples.current) <= limit
    first, last = runs_of_rest(quiet, samples.gap)
    goes_on = rest is not None and bool(quiet[0]) and not bool(samples.gap[0])
    starts = samples.time[first]
    if goes_on and rest is not None:
        starts = starts.copy()
        starts[0] = rest["start"]
    long = (samples.time[last] - starts >= LADDER[0]) | (last == len(quiet) - 1)
    found: list[Rung] = []
    state: dict[str, Any] | None = None
    for number in np.flatnonzero(long):
        begin, end = int(first[number]), int(last[number])
        state = rest if goes_on and begin == 0 else None
        state = dict(state) if state is not None else _new_rest(samples, begin)
        found.extend(_climb(samples, slice(begin, end + 1), state, shortest))
    return found, state if bool(quiet[-1]) else None


def _new_rest(samples: Samples, begin: int) -> dict[str, Any]:
    charge, hours = float(samples.charge[begin]), float(samples.hours[begin])
    return {"start": int(samples.time[begin]), "charge": charge, "hours": hours, "next": 0, "kept": []}


def _climb(samples: Samples, where: slice, state: dict[str, Any], shortest: float) -> Iterator[Rung]:
    """Walk one rest from rung to rung; `state` goes along."""
    known = np.flatnonzero(~np.isnan(samples.voltage[where])) + where.start
    times = samples.time[known]
    while state["next"] < len(LADDER):
        at = int(np.searchsorted(times, state["start"] + LADDER[state["next"]]))
        if at == len(known):
            return
        index, age = int(known[at]), int(times[at]) - state["start"]
        state["next"] = int(np.searchsorted(LADDER, age, side="right"))
        rung = _rung(samples, index, age / 1000.0, state)
        if rung is not None and age / 1000.0 >= shortest:
            yield rung
        state["kept"] = [*state["kept"], [age / 1000.0, float(samples.voltage[index])]][-KEPT:]


def _rung(samples: Samples, index: int, age: float, state: dict[str, Any]) -> Rung | None:
    """Fit a line over the logarithm of the age to the last rungs; None while they span too little."""
    younger = [kept for kept in state["kept"] if kept[0] * SPAN >= age]
    if not younger or younger[0][0] * HALF > age:
        return None
    pairs = [(math.log2(kept[0]), kept[1]) for kept in younger] + [(math.log2(age), float(samples.voltage[index]))]
    change = _slope(pairs)
    length = float(samples.hours[index]) - state["hours"]
    charge = float(samples.charge[index]) - state["charge"]
    return Rung(index, age, change, charge / length if length > 0.0 else 0.0, length, state["start"])


def _slope(pairs: list[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line. A line has a third of the noise of a difference of two."""
    count = len(pairs)
    middle, level = sum(x for x, _ in pairs) / count, sum(y for _, y in pairs) / count
    return sum((x - middle) * (y - level) for x, y in pairs) / sum((x - middle) ** 2 for x, _ in pairs)
