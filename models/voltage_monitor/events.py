"""What happened in a window, in one form for every kind; and what follows from it for each sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: Codes of the status, the worse the higher.
OK, ASYNCHRONOUS, MISSING, STUCK, NO_DATA, WARNING, CRITICAL = range(7)
RANKS = {
    "asynchronous": ASYNCHRONOUS, "missing": MISSING, "stuck": STUCK, "no data": NO_DATA,
    "undervoltage warning": WARNING, "overvoltage warning": WARNING,
    "undervoltage critical": CRITICAL, "overvoltage critical": CRITICAL,
}  # fmt: skip
#: Codes of the kinds of event.
KINDS = {
    "undervoltage warning": 1, "undervoltage critical": 2, "overvoltage warning": 3, "overvoltage critical": 4,
    "stuck": 5, "missing": 6, "asynchronous": 7, "no data": 8,
}  # fmt: skip
#: Kinds that ask nobody to do anything now.
NO_ALARM = ("asynchronous", "no data")
#: Number where an event is not of one cell.
NO_CELL = -1


@dataclass(frozen=True)
class Event:
    """Something began or ended at a sample of the window.

    Attributes
    ----------
    index : int
        The sample.
    kind : str
        A key of `KINDS`.
    began : bool
        Else it ended.
    cell : int
        The site's number of the cell.
    since : int
        First sample of it. [ms UTC]
    peak : float
        Farthest voltage; NaN where there is none. [V]
    excess : float
        How far the peak is beyond the limit; orders events of one sample. [V]
    text : str
        For people.
    """

    index: int
    kind: str
    began: bool
    cell: int
    since: int
    peak: float = float("nan")
    excess: float = 0.0
    text: str = ""

    @property
    def key(self) -> str:
        return f"{self.kind}|{self.cell}"

    @property
    def order(self) -> tuple[int, int, float, bool, int, int]:
        """Return what sorts events: by sample, the worst first."""
        return self.index, -RANKS[self.kind], -self.excess, not self.began, KINDS[self.kind], self.cell


def status_of(size: int, events: Sequence[Event], standing: Iterable[str]) -> NDArray[np.int64]:
    """Return the worst that stands at each sample.

    Parameters
    ----------
    size : int
        Number of samples.
    events : sequence of Event
        Of the window, sorted.
    standing : iterable of str
        Keys of what stood before the window.
    """
    status = np.zeros(size, np.int64)
    began = dict.fromkeys(standing, 0)
    for event in events:
        if event.kind == "no data":
            _raise_to(status, event.index, event.index + 1, NO_DATA)
        elif event.began:
            began[event.key] = event.index
        else:
            _raise_to(status, began.pop(event.key, 0), event.index, RANKS[event.kind])
    for key, index in began.items():
        _raise_to(status, index, size, RANKS[key.split("|")[0]])
    return status


def _raise_to(status: NDArray[np.int64], start: int, end: int, rank: int) -> None:
    np.maximum(status[start:end], rank, out=status[start:end])


def standing_alarms(size: int, alarms: Sequence[Event], before: int) -> FloatArray:
    """Return how many alarms stand at each sample."""
    change = np.zeros(size)
    for event in alarms:
        change[event.index] += 1 if event.began else -1
    return before + np.cumsum(change)


def series_of(events: Sequence[Event], index: pd.DatetimeIndex) -> Mapping[str, pd.Series[float]]:
    """Return the events as series; of several at one sample the worst, all of them are alarms too."""
    worst: dict[int, Event] = {}
    for event in events:
        worst.setdefault(event.index, event)
    if not worst:
        return {}
    times = index[list(worst)]
    ends = np.asarray(times.as_unit("ms").asi8)
    chosen = list(worst.values())
    columns = {
        "event_phase": [1.0 if event.began else 2.0 for event in chosen],
        "event_kind": [float(KINDS[event.kind]) for event in chosen],
        "event_cell": [float(event.cell) for event in chosen],
        "event_duration": ((ends - np.array([event.since for event in chosen])) / 1000.0).tolist(),
    }
    found = {name: pd.Series(values, index=times, dtype=float) for name, values in columns.items()}
    peaks = pd.Series([event.peak for event in chosen], index=times, dtype=float)
    return found | {"event_peak": peaks[peaks.notna()]}
