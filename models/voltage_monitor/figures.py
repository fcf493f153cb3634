"""Figures of the alarm system itself: alarms a day, flood, chattering. Loops run over alarms.

The definitions are those of alarm management (ANSI/ISA-18.2, EEMUA 191) as the issue of this plugin states them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

TimeArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

DAY = 86_400_000
#: A flood begins with more than 10 alarms in 10 minutes and lasts until there are fewer than 5.
FLOOD_SPAN, FLOOD_BEGINS, FLOOD_ENDS = 600_000, 11, 5
#: An alarm chatters when it is raised 3 times within a minute; samples must be at most 10 s apart to tell.
CHATTER_SPAN, CHATTER, RESOLVABLE = 60_000, 3, 10_000


@dataclass
class Figures:
    """Carried between windows.

    Attributes
    ----------
    total, chattering : int
        Alarms raised; those that were at least the third of their name within a minute.
    day, of_day : int
        UTC day of the last sample, and the alarms raised on it.
    recent : list of int
        When the last alarms were raised, at most 11. [ms UTC]
    flood : bool
    flood_minutes : float
    names : dict
        When alarms were raised within the last minute, by name. [ms UTC]
    """

    total: int = 0
    chattering: int = 0
    day: int | None = None
    of_day: int = 0
    recent: list[int] = field(default_factory=list)
    flood: bool = False
    flood_minutes: float = 0.0
    names: dict[str, list[int]] = field(default_factory=dict)

    def as_state(self) -> dict[str, Any]:
        return asdict(self)


def running(size: int, indices: Sequence[int], before: int) -> FloatArray:
    """Return how many events there have been up to each sample, of events given by their samples."""
    return before + np.cumsum(np.bincount(np.asarray(indices, np.int64), minlength=size)).astype(float)


def by_day(time: TimeArray, raised: Sequence[int], carried: Figures) -> tuple[NDArray[np.int64], FloatArray]:
    """Return, at the first sample behind each day that has samples, how many alarms that day raised.

    Parameters
    ----------
    time : ndarray of int64, shape (n,), n > 0
        [ms UTC]
    raised : sequence of int
        The sample of each alarm, in order.
    carried : Figures
        `day` and `of_day` are changed.
    """
    days = time // DAY
    last = int(days[0]) if carried.day is None else carried.day
    closing = np.flatnonzero(np.diff(days, prepend=last) != 0)
    through = np.searchsorted(np.asarray(raised, np.int64), np.append(closing, time.size))
    counts = np.diff(through, prepend=0)
    counts[0] += carried.of_day
    carried.day, carried.of_day = int(days[-1]), int(counts[-1])
    return closing, counts[:-1].astype(float)


def flooded(time: TimeArray, raised: Sequence[int], carried: Figures) -> BoolArray:
    """Return at which samples there is a flood; `recent` and `flood` of `carried` are changed."""
    marks = np.zeros(time.size, bool)
    position = 0
    for index in raised:
        position = _until(time, index, position, marks, carried)
        now = int(time[index])
        carried.recent = [*carried.recent, now][-FLOOD_BEGINS:]
        if not carried.flood and len(carried.recent) == FLOOD_BEGINS and carried.recent[0] > now - FLOOD_SPAN:
            carried.flood, position = True, index
    _until(time, time.size, position, marks, carried)
    return marks


def _until(time: TimeArray, index: int, position: int, marks: BoolArray, carried: Figures) -> int:
    """Mark a flood that goes on from `position` up to `index`, or to its end before that."""
    if not carried.flood:
        return index
    calm = int(np.searchsorted(time, carried.recent[-FLOOD_ENDS] + FLOOD_SPAN))
    end = max(position, min(index, calm))
    marks[position:end] = True
    carried.flood = calm >= index
    return end


def flood_minutes(
    time: TimeArray, marks: BoolArray, before: tuple[int, bool] | None, max_gap: float, carried: Figures
) -> FloatArray:
    """Return the minutes spent in flood up to each sample; an interval longer than `max_gap` [ms] counts nothing.

    Parameters
    ----------
    before : (int, bool) or None
        Time of the last sample before the window, and whether there was a flood.
    """
    last, flood = before if before is not None else (int(time[0]), False)
    steps = np.diff(time, prepend=last)
    counts = np.append(flood, marks[:-1]) & (steps <= max_gap)
    total = np.cumsum(np.concatenate([[carried.flood_minutes], np.where(counts, steps / 60_000.0, 0.0)]))[1:]
    carried.flood_minutes = float(total[-1])
    return total


def chattered(time: TimeArray, raised: Sequence[tuple[int, str]], resolvable: BoolArray, carried: Figures) -> list[int]:
    """Return the samples at which an alarm was raised for at least the third time within a minute; `names` is changed."""
    found = []
    for index, name in raised:
        now = int(time[index])
        times = [t for t in carried.names.get(name, []) if now - t < CHATTER_SPAN]
        carried.names[name] = [*times, now][-CHATTER:]
        if len(times) >= CHATTER - 1 and resolvable[index]:
            found.append(index)
    last = int(time[-1])
    carried.names = {n: kept for n, ts in sorted(carried.names.items()) if (kept := [t for t in ts if last - t < CHATTER_SPAN])}
    return found
