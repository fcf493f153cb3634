"""The published protocol of the 387 cells, as it is, leaks included: for comparison with papers, and for nothing else.

Each test cell's features and its charge count are scaled by that cell's own least and largest value over its whole life, so a scaled
count is the share of life that has passed; and rows are dropped where a feature or the label is three standard deviations from that
cell's mean. Nothing that is scored so may be shipped.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.soh.cells import Cell

#: Standard deviations beyond which a row is dropped. [1]
SIGMA = 3.0


def leaky(cell: Cell) -> Cell:
    """Return a cell as the published protocol sees it: fewer rows, scaled by what is not known before the end of life."""
    rows = np.column_stack([cell.features, np.arange(len(cell), dtype=float), cell.soh])
    rows = rows[np.isfinite(rows).all(axis=1)]
    far = np.abs(rows - rows.mean(axis=0)) > SIGMA * rows.std(axis=0, ddof=1)
    rows = rows[~far.any(axis=1)]
    features, soh = rows[:, :-1], rows[:, -1]
    low, high = features.min(axis=0), features.max(axis=0)
    scaled = 2.0 * (features - low) / np.where(high > low, high - low, 1.0) - 1.0
    return replace(cell, group=f"{cell.group} (leaky)", names=(*cell.names, "share_of_life"), features=scaled, soh=soh)
