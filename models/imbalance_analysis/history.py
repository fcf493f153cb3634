"""What is remembered: days, folded as they grow old, so the state stays small however long a pack lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.imbalance_analysis.frames import as_lists, from_lists
from models.imbalance_analysis.robust import FloatArray, column_medians, median

#: Entries of equal age class that are kept side by side before the two oldest are folded into one of the next class.
SIDE_BY_SIDE = 5
#: Most snapshots of a day in one band, spread over the day by their ten-minute slots.
A_DAY = 36
#: Fewest snapshots of a day that are a day.
FEWEST = 3
DAY = 86_400_000

Entry = dict[str, Any]


def fold(
    entries: list[Entry], side_by_side: int = SIDE_BY_SIDE, merge: Callable[[Entry, Entry], Entry] | None = None
) -> list[Entry]:
    """Fold old entries, two of one weight into one of twice the weight, until no weight occurs too often.

    Parameters
    ----------
    entries : list of dict
        Oldest first; ``weight`` is the number of days in one, ``time`` [ms], lists are values of cells.
    side_by_side : int
        Entries of one weight that stay.
    merge : function, optional
        Makes one entry of two; the mean of both where it is not given.

    Returns
    -------
    list of dict
        About `side_by_side` times log2 of the days.

    Examples
    --------
    >>> days = [{"weight": 1, "time": 0, "level": [2.0]}, {"weight": 1, "time": 10, "level": [4.0]}]
    >>> fold(days, 1)
    [{'weight': 2, 'time': 5, 'level': [3.0]}]
    """
    folded = list(entries)
    weight = 1
    while any(entry["weight"] >= weight for entry in folded):
        same = [position for position, entry in enumerate(folded) if entry["weight"] == weight]
        if len(same) > side_by_side:
            first, second = same[0], same[1]
            folded[first : second + 1] = [(merge or _merged)(folded[first], folded[second])]
        else:
            weight *= 2
    return folded


def _merged(one: Entry, other: Entry) -> Entry:
    merged: Entry = {"weight": one["weight"] + other["weight"], "time": (one["time"] + other["time"]) // 2}
    for key in one.keys() - {"weight", "time"}:
        if isinstance(one[key], list):
            pair = np.array([from_lists(one[key]), from_lists(other[key])])
            merged[key] = as_lists(np.round(column_medians(pair), 5))
        else:
            merged[key] = (one[key] + other[key]) / 2
    return merged


def day_entry(snapshots: list[list[float | None]], time: int) -> Entry | None:
    """Return the median of a day's snapshots in one band, or None where there are too few.

    Parameters
    ----------
    snapshots : list of list
        Time [ms], SOC [fraction], median voltage [mV], then the deviation of every cell from it [mV].
    time : int
        Of the entry. [ms]
    """
    if len(snapshots) < FEWEST:
        return None
    rows = from_lists(snapshots)
    soc = median(rows[:, 1])
    return {
        "weight": 1, "time": time, "count": float(len(rows)), "soc": -1.0 if soc != soc else round(soc, 4),
        "voltage": round(median(rows[:, 2]), 2), "level": as_lists(np.round(column_medians(rows[:, 3:]), 2)),
    }  # fmt: skip


def table(entries: list[Entry], key: str = "level") -> FloatArray:
    """Return one row an entry."""
    return np.array([from_lists(entry[key]) for entry in entries])


def days_before(entries: list[Entry], now: int) -> FloatArray:
    """Return the age of every entry, negative. [d]"""
    return np.array([(entry["time"] - now) / DAY for entry in entries])


def recent_level(entries: list[Entry], last: int = 5) -> tuple[FloatArray, float]:
    """Return the level of every cell over the newest entries, and how many snapshots stand behind it. [mV]"""
    newest = entries[-last:]
    return column_medians(table(newest)), float(sum(entry["count"] for entry in newest))
