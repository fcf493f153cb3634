"""Own estimates of health from three unlike estimators, weighed for each set by what they did on training cells left out.

Members are the mean of networks over all sets and trees (`forecast_estimates.ensemble`), the ensemble over the history of charges of one set
(`comparators.ensemble`), and the count of charges alone, which on XJTU-2C is better than all that is seen of a charge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np

from training.soh import comparators
from training.soh.cells import Cell, FloatArray
from training.soh.forecast_estimates import FIRST, PARTS

#: Fitted to the cells of one set; each returns what estimates a cell.
OF_ONE_SET: Mapping[str, comparators.Fit] = {"history": comparators.ensemble, "count": comparators.by_count}
#: The member that is fitted to all sets at once.
POOLED = "pooled"
#: Weights are multiples of one over this: a finer choice would follow the few cells that a set has.
STEPS = 4
#: Of a cell: estimates of each member.
Estimates = Mapping[str, FloatArray]


def left_out(cells: Sequence[Cell], fit: comparators.Fit, seed: int, parts: int = PARTS) -> list[FloatArray]:
    """Return for each cell the estimates of a model fitted to other cells of its set; parts as `forecast_estimates.out_of_fold` deals them."""
    parts = min(parts, len(cells))
    found: list[FloatArray] = [np.empty(0)] * len(cells)
    for part in range(parts):
        predict = fit([cell for place, cell in enumerate(cells) if place % parts != part], seed)
        for place in range(part, len(cells), parts):
            found[place] = np.asarray(predict(cells[place]))
    return found


def choose_weights(cells: Sequence[Cell], estimates: Sequence[Estimates]) -> dict[str, float]:
    """Return the weights of the members with the least mean over cells of the RMSE, on cells that no member had seen.

    Parameters
    ----------
    cells : sequence of Cell
        Of the training set.
    estimates : sequence of mapping of member to ndarray
        Of each cell.
    """
    members = list(estimates[0])
    shares = (np.array(each) / STEPS for each in product(range(STEPS + 1), repeat=len(members)) if sum(each) == STEPS)

    def error(weights: FloatArray) -> float:
        return float(
            np.mean(
                [
                    _error(cell, blend(each, dict(zip(members, weights, strict=True))))
                    for cell, each in zip(cells, estimates, strict=True)
                ]
            )
        )

    best = min(shares, key=error)
    return {member: float(weight) for member, weight in zip(members, best, strict=True)}


def _error(cell: Cell, estimate: FloatArray) -> float:
    missed = (estimate - cell.soh)[FIRST:]
    return float(np.sqrt(np.nanmean(missed**2)))


def blend(estimates: Estimates, weights: Mapping[str, float]) -> FloatArray:
    """Return the weighted mean of the members' estimates of a cell."""
    return np.asarray(np.sum([weight * estimates[member] for member, weight in weights.items() if weight], axis=0))


def of_one_set(
    cells: Sequence[Cell], seed: int, wanted: Sequence[str] = tuple(OF_ONE_SET)
) -> Callable[[Cell], dict[str, FloatArray]]:
    """Fit the members of one set to its training cells; return what estimates a cell by each of them."""
    fitted = {member: OF_ONE_SET[member](cells, seed) for member in wanted}
    return lambda cell: {member: np.asarray(predict(cell)) for member, predict in fitted.items()}
