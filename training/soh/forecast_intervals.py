"""Intervals about a forecast, conformal by cell: charges of one cell are no independent draws, cells are.

References
----------
Dunn, Wasserman, Ramdas, J. Am. Stat. Assoc. 118 (2023) 2491, doi:10.1080/01621459.2022.2060112
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.soh.cells import FloatArray

#: Cells that a coverage can be promised from; with fewer an interval is labelled unvalidated.
ENOUGH_CELLS = 40
LEVEL = 0.9


def cell_quantile(scores: Sequence[FloatArray], level: float = LEVEL) -> float:
    """Return the score that a charge of a new cell stays under with the wanted probability.

    Parameters
    ----------
    scores : sequence of ndarray
        Of the charges of each cell; every cell weighs the same, however long it lived.
    level : float, optional

    Returns
    -------
    float
        Infinite where there are too few cells: the new one is a cell among them, of which nothing is known.

    Examples
    --------
    >>> cell_quantile([np.array([1.0]), np.array([2.0]), np.array([3.0])], 0.5)
    2.0
    >>> cell_quantile([np.array([1.0]), np.array([2.0]), np.array([3.0])], 0.9)
    inf
    """
    known = [values[np.isfinite(values)] for values in scores]
    known = [values for values in known if len(values)]
    if not known:
        return float("inf")
    values = np.concatenate(known)
    weights = np.concatenate([np.full(len(part), 1 / len(part)) for part in known]) / (len(known) + 1)
    order = np.argsort(values, kind="stable")
    reached = np.flatnonzero(np.cumsum(weights[order]) >= level - 1e-12)
    return float(values[order][reached[0]]) if len(reached) else float("inf")


@dataclass(frozen=True)
class Interval:
    """Half widths of one horizon.

    A width grows with the change that is forecast: a cell that falls fast is forecast worse.

    Attributes
    ----------
    floor : float
        Typical forecast change. [1]
    factor : float
        Half width over the sum of forecast change and floor.
    cells : int
        Training cells that it was measured on.
    """

    floor: float
    factor: float
    cells: int

    @property
    def validated(self) -> bool:
        """Whether there were cells enough to promise the coverage."""
        return self.cells >= ENOUGH_CELLS

    def half_width(self, change: FloatArray) -> FloatArray:
        """Return the half width about each forecast change. [1]"""
        return self.factor * (np.abs(change) + self.floor)


def fit_interval(forecast: Mapping[str, FloatArray], truth: Mapping[str, FloatArray], level: float = LEVEL) -> Interval:
    """Measure an interval on cells that the forecaster had not seen.

    Parameters
    ----------
    forecast, truth : mapping of cell to ndarray
        Changes of health, NaN where the cell had ended.
    level : float, optional
    """
    named = [name for name in forecast if np.isfinite(truth[name]).any()]
    if not named:
        return Interval(0.0, float("inf"), 0)
    floor = float(np.median(np.abs(np.concatenate([forecast[name][np.isfinite(truth[name])] for name in named])))) + 1e-9
    scores = [np.abs(forecast[name] - truth[name]) / (np.abs(forecast[name]) + floor) for name in named]
    factor = cell_quantile(scores, level)
    if not np.isfinite(factor):  # too few cells for the promise; the plain quantile, which promises nothing
        factor = float(np.quantile(np.concatenate([values[np.isfinite(values)] for values in scores]), level))
    return Interval(floor, factor, len(named))


def coverage(interval: Interval, forecast: Mapping[str, FloatArray], truth: Mapping[str, FloatArray]) -> dict[str, float]:
    """Return the share of charges of each cell whose truth was inside, over the charges whose truth is known."""
    shares = {}
    for name, values in forecast.items():
        known = np.isfinite(truth[name])
        if known.any():
            inside = np.abs(values - truth[name])[known] <= interval.half_width(values[known])
            shares[name] = float(inside.mean())
    return shares
