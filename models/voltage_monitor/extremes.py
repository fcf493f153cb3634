"""Lowest and highest cell of every sample, and which samples are worth recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TimeArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

DAY = 86_400_000


def extremes(cells: FloatArray) -> tuple[FloatArray, FloatArray, bool]:
    """Return the lowest and the highest voltage of each sample, and whether any cell lacks a value.

    Parameters
    ----------
    cells : ndarray of float64, shape (k, n)
        One row a cell; NaN where a cell has no value. No sample is without any value. [V]

    Returns
    -------
    (ndarray of float64, shape (n,), the same, bool)
        [V]
    """
    low = cells.min(axis=0)
    if not np.isnan(low).any():
        return low, cells.max(axis=0), False
    return np.fmin.reduce(cells, axis=0), np.fmax.reduce(cells, axis=0), True


def which(cells: FloatArray, index: NDArray[np.int64], numbers: FloatArray, side: int) -> FloatArray:
    """Return the number of the lowest (`side` -1) or highest (+1) cell at some samples; of equal ones the first."""
    block = cells[:, index]
    block = np.where(np.isnan(block), np.inf, block * -side)
    return numbers[block.argmin(axis=0)] if block.size else np.empty(0)


def recorded(low: FloatArray, high: FloatArray, forced: BoolArray, last: tuple[float, float] | None, step: float) -> BoolArray:
    """Return which samples to record: where either extreme has moved by a step since the last recorded one.

    Parameters
    ----------
    low, high : ndarray of float64, shape (n,)
        Extremes of each sample. [V]
    forced : ndarray of bool, shape (n,)
        Samples that are recorded in any case.
    last : (float, float) or None
        Extremes of the last recorded sample; without one, the first sample must be forced. [V]
    step : float
        Above zero. [V]

    Notes
    -----
    What to compare with depends on what was recorded before, so samples are taken one after the other; only those
    that differ from the sample before them are looked at, because the others cannot be recorded.
    """
    keep = forced.copy()
    looked_at = forced.copy()
    if low.size:
        looked_at[0] = True
        looked_at[1:] |= (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    index = np.flatnonzero(looked_at)
    a_low = a_high = b_low = b_high = np.nan
    if last is not None:
        a_low, a_high, b_low, b_high = last[0] - step, last[0] + step, last[1] - step, last[1] + step
    positions = []
    for i, a, b, f in zip(index.tolist(), low[index].tolist(), high[index].tolist(), forced[index].tolist(), strict=True):
        if f or a <= a_low or a >= a_high or b <= b_low or b >= b_high:
            positions.append(i)
            a_low, a_high, b_low, b_high = a - step, a + step, b - step, b + step
    keep[positions] = True
    return keep


def first_of_day(time: TimeArray, before: int | None) -> BoolArray:
    """Return which samples are the first of their UTC day. [ms UTC]"""
    day = time // DAY
    new: BoolArray = np.diff(day, prepend=-1 if before is None else before // DAY) != 0
    return new


def as_of(time: TimeArray, source: TimeArray, values: FloatArray, tolerance: float) -> FloatArray:
    """Return the latest value not younger than each time and not older than the tolerance [ms]; else NaN."""
    found = np.searchsorted(source, time, side="right") - 1
    known = found >= 0
    known[known] = time[known] - source[found[known]] <= tolerance
    result = np.full(time.size, np.nan)
    result[known] = values[found[known]]
    return result
