"""What is known of a charge from the charges up to it: itself, a short median, and the drift since the cell's first charges.

Every function gives for charge k what it would give if the history ended at k (the leakage guard checks that it does, bit for bit).
"""

from __future__ import annotations

import numpy as np

from training.soh.cells import Cell, FloatArray

#: Charges that a median is taken of, and first charges that a drift is counted from. [1]
SHORT, FIRST = 5, 10


def filled(features: FloatArray) -> FloatArray:
    """Replace what could not be told by the value of the charge before; NaN stays where there is none before."""
    known = np.isfinite(features)
    last = np.maximum.accumulate(np.where(known, np.arange(len(features))[:, None], -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(features, np.maximum(last, 0), axis=0), np.nan)


def short_median(features: FloatArray, count: int = SHORT) -> FloatArray:
    """Return the median of the last `count` charges, fewer at the beginning; NaN where one of them is NaN."""
    padded = np.concatenate([np.full((count - 1, features.shape[1]), np.inf), features])
    windows = np.lib.stride_tricks.sliding_window_view(padded, count, axis=0)
    early = [np.median(features[: k + 1], axis=0) for k in range(min(count - 1, len(features)))]
    result = np.median(windows, axis=2)
    result[: len(early)] = np.array(early).reshape(len(early), features.shape[1])
    return result


def beginning(features: FloatArray, count: int = FIRST) -> FloatArray:
    """Return the median of the first charges: of those that there were, and of the first `count` from then on."""
    early = np.array([np.median(features[: k + 1], axis=0) for k in range(min(count, len(features)))])
    return np.concatenate([early, np.repeat(early[-1:], max(0, len(features) - count), axis=0)])


def table(cell: Cell) -> FloatArray:
    """Return the inputs of a regression, shape (N, 3 F + 1): features, short median, drift of it, and the count of charges."""
    now = filled(cell.features)
    median = short_median(now)
    return np.column_stack([now, median, median - beginning(now), np.arange(len(cell), dtype=float)])


def names(cell: Cell) -> list[str]:
    """Return the names of the columns of :func:`table`."""
    return [*cell.names, *(f"{name}_median" for name in cell.names), *(f"{name}_drift" for name in cell.names), "count"]
