"""What is known of a charge from the charges up to it: itself, a short median, and the drift since the cell's first charges.

Every function gives for charge k what it would give if the history ended at k (the leakage guard checks that it does, bit for bit).
"""

from __future__ import annotations

import numpy as np

from training.soh.cells import Cell, FloatArray

#: Charges that a median is taken of, and first charges that a drift is counted from. [1]
SHORT, FIRST = 5, 10
#: Charges ago that a long change is counted from, and charges that its ends are medians of. [1]
AGO, SMOOTH = (100, 300), 20


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


def columns(cell: Cell, memory: int = 1) -> FloatArray:
    """Return medians of the last `memory` charges, the drift of such medians since the beginning, and the count, shape (N, 2 F + 1)."""
    now = filled(cell.features)
    value = now if memory == 1 else short_median(now, memory)
    median = value if memory > SHORT else short_median(now)
    return np.column_stack([value, median - beginning(now), np.arange(len(cell), dtype=float)])


def long_change(features: FloatArray, ago: tuple[int, ...] = AGO, count: int = SMOOTH) -> FloatArray:
    """Return how far medians have moved since so many charges ago, since the first one where there were fewer."""
    median, at = short_median(features, count), np.arange(len(features))
    return np.column_stack([median - median[np.maximum(at - back, 0)] for back in ago])


def long_table(cell: Cell) -> FloatArray:
    """Return :func:`table` with long changes before the count, shape (N, 5 F + 1): how fast a cell ages shows before a knee."""
    known = table(cell)
    return np.column_stack([known[:, :-1], long_change(filled(cell.features)), known[:, -1]])


def names(cell: Cell) -> list[str]:
    """Return the names of the columns of :func:`table`."""
    return [*cell.names, *(f"{name}_median" for name in cell.names), *(f"{name}_drift" for name in cell.names), "count"]
