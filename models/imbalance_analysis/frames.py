"""Which samples are looked at: sparse, aligned to absolute time, and all cells from the same frame.

A few numbers a minute say all that a string's imbalance has to say, so 96 cells at 1 Hz cost little. Every choice depends on
the sample, on the one before it and on what is carried, so no split into windows changes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.imbalance_analysis.robust import FloatArray

TimeArray = npt.NDArray[np.int64]
IndexArray = npt.NDArray[np.int64]

SLOT = 600_000  # one snapshot in ten minutes [ms]
STEP_SLOT = 60_000  # one step of current a minute [ms]
STEP_SPAN = 60_000  # both sides of a step are at most this far apart [ms]


@dataclass(frozen=True)
class Limits:
    """What counts as small, as load and as a step. [A], times in [ms]"""

    small: float
    load: float
    step: float
    settle: int
    max_gap: int


def small_since(time: TimeArray, current: FloatArray, limits: Limits, carried: int | None) -> TimeArray:
    """Return since when the current has been small without a gap; -1 where it is not.

    Parameters
    ----------
    time, current : array, shape (n,)
        With the last sample of the window before in front, if there was one. [ms], [A]
    limits : Limits
    carried : int or None
        The answer for the first sample, where it was computed before. [ms]

    Examples
    --------
    >>> limits = Limits(1.0, 10.0, 10.0, 0, 300_000)
    >>> small_since(np.array([0, 1000, 2000, 3000]), np.array([0.0, 5.0, 0.1, 0.2]), limits, None).tolist()
    [0, -1, 2000, 2000]
    """
    small = np.abs(current) <= limits.small
    begins = small.copy()
    begins[1:] &= ~small[:-1] | (np.diff(time) > limits.max_gap)
    start = np.where(begins, time, np.int64(-1))
    if small.any() and small[0] and carried is not None:
        start[0] = carried
    return np.where(small, np.maximum.accumulate(start), np.int64(-1))


def first_of_slot(time: TimeArray, chosen: npt.NDArray[np.bool_], length: int, last_slot: int) -> tuple[IndexArray, int]:
    """Return the first chosen sample of every slot after `last_slot`, and the last slot now.

    Examples
    --------
    >>> first_of_slot(np.array([0, 5, 10, 25]), np.array([False, True, True, True]), 10, -1)
    (array([1, 2, 3]), 2)
    """
    candidates = np.flatnonzero(chosen)
    slots = time[candidates] // length
    new = np.diff(slots, prepend=last_slot) > 0
    found = candidates[new]
    return found, int(slots[-1]) if len(slots) and slots[-1] > last_slot else last_slot


def rest_frames(time: TimeArray, since: TimeArray, limits: Limits, last_slot: int) -> tuple[IndexArray, int]:
    """Return the snapshots of small current: it has been small for `settle`, so no cell still lags by a frame."""
    return first_of_slot(time, (since >= 0) & (time - since >= limits.settle), SLOT, last_slot)


def load_frames(time: TimeArray, current: FloatArray, limits: Limits, last_slot: int) -> tuple[IndexArray, int]:
    """Return the snapshots under load: the sample before was under like load, within half of it."""
    chosen = np.zeros(len(time), bool)
    chosen[1:] = (
        (np.abs(current[1:]) >= limits.load)
        & (np.abs(current[1:] - current[:-1]) <= 0.5 * np.abs(current[1:]))
        & (np.diff(time) <= limits.max_gap)
    )
    return first_of_slot(time, chosen, SLOT, last_slot)


def step_frames(time: TimeArray, current: FloatArray, limits: Limits, last_slot: int) -> tuple[IndexArray, int]:
    """Return the samples right after a step of the current, at most one a minute."""
    chosen = np.zeros(len(time), bool)
    chosen[1:] = (np.abs(np.diff(current)) >= limits.step) & (np.diff(time) <= STEP_SPAN)
    return first_of_slot(time, chosen, STEP_SLOT, last_slot)


def charge_position(time: TimeArray, current: FloatArray, carried: float, max_gap: int) -> FloatArray:
    """Count the charge put in since the first sample, in sample order; a gap adds nothing.

    Parameters
    ----------
    time, current : array, shape (n,)
        Positive on discharge. [ms], [A]
    carried : float
        At the first sample. [Ah]
    max_gap : int
        [ms]

    Returns
    -------
    array, shape (n,)
        [Ah]
    """
    length = np.diff(time)
    counted = (length <= max_gap) & np.isfinite(current[1:]) & np.isfinite(current[:-1])
    steps = np.where(counted, -0.5 * (current[1:] + current[:-1]) * (length / 3_600_000.0), 0.0)
    return np.cumsum(np.concatenate(([carried], steps)))


def gather(cells: FloatArray, frames: IndexArray) -> FloatArray:
    """Return snapshots, one row a frame; shape (k, n) and (m,) -> (m, k). [mV]"""
    return np.ascontiguousarray(cells[:, frames].T) * 1000.0


def as_lists(values: FloatArray) -> list[Any]:
    """Return JSON: NaN becomes None."""
    return [as_lists(row) for row in values] if values.ndim > 1 else [None if v != v else v for v in values.tolist()]


def from_lists(values: list[Any]) -> FloatArray:
    """Return an array of what `as_lists` made."""
    return np.array(values, dtype=np.float64)
