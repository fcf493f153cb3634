"""Estimators of SOH from what a charge showed, each a function from training cells and a seed to a function of a cell.

All take the same cells, scale by training cells alone, and give for charge k what the charges up to k tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.soh import causal
from training.soh.cells import Cell, FloatArray

Predict = Callable[[Cell], FloatArray]
Fit = Callable[[Sequence[Cell], int], Predict]
#: Rows that a regression is fitted on at most: every n-th charge of every cell. [1]
MOST_ROWS = 24_000
#: Percentiles of a training column that inputs are held between. [%]
HELD = (0.05, 99.95)


@dataclass(frozen=True)
class Inputs:
    """Columns of training cells: which, their medians for what is missing, and the range that they are held in."""

    of: Callable[[Cell], FloatArray]
    median: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def fitted(cls, of: Callable[[Cell], FloatArray], rows: FloatArray) -> Inputs:
        """Take medians and ranges of training rows."""
        low, high = np.nanpercentile(rows, HELD, axis=0)
        return cls(of, np.nanmedian(rows, axis=0), low, high)

    def __call__(self, rows: FloatArray) -> FloatArray:
        return np.clip(np.where(np.isfinite(rows), rows, self.median), self.low, self.high)


def charges(
    cells: Sequence[Cell], of: Callable[[Cell], FloatArray], most: int = MOST_ROWS
) -> tuple[Inputs, FloatArray, FloatArray]:
    """Return the inputs and labels of training cells; of long lives every n-th charge, so that each cell has its share."""
    each = max(most // len(cells), 1)
    parts = []
    for cell in cells:
        chosen = np.arange(0, len(cell), max(1, -(-len(cell) // each)))
        chosen = chosen[np.isfinite(cell.soh[chosen])]
        parts.append((of(cell)[chosen], cell.soh[chosen]))
    rows = np.concatenate([part[0] for part in parts])
    inputs = Inputs.fitted(of, rows)
    return inputs, inputs(rows), np.concatenate([part[1] for part in parts])


def count(cell: Cell) -> FloatArray:
    """Return the count of charges alone, shape (N, 1)."""
    return np.arange(len(cell), dtype=float)[:, None]


def plain(cell: Cell) -> FloatArray:
    """Return the features of a charge and the count, shape (N, F + 1)."""
    return np.column_stack([causal.filled(cell.features), count(cell)])


def first_level(cells: Sequence[Cell], _seed: int) -> Predict:
    """Persistence: every cell stays what training cells began with."""
    level = float(np.mean([np.nanmedian(cell.soh[:5]) for cell in cells]))
    return lambda cell: np.full(len(cell), level)


def _regression(make: Callable[[int], object], of: Callable[[Cell], FloatArray]) -> Fit:
    def fit(cells: Sequence[Cell], seed: int) -> Predict:
        inputs, rows, labels = charges(cells, of)
        middle, size = labels.mean(), labels.std()
        model = make(seed)
        model.fit(rows, (labels - middle) / size)  # type: ignore[attr-defined]
        return lambda cell: model.predict(inputs(of(cell))) * size + middle  # type: ignore[attr-defined, no-any-return]

    return fit


def _boosting(seed: int) -> object:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=300, learning_rate=0.06, l2_regularization=1.0, random_state=seed)


def _trees(seed: int) -> object:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(150, min_samples_leaf=2, max_features=0.4, random_state=seed)


def _perceptron(seed: int) -> object:
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPRegressor(
        hidden_layer_sizes=(64, 64), alpha=1e-2, early_stopping=True, max_iter=150, n_iter_no_change=10, random_state=seed,
        learning_rate_init=2e-3,
    )  # fmt: skip
    return make_pipeline(StandardScaler(), network)


def mean_of(*members: Fit) -> Fit:
    """Return the estimator that gives the mean of others, each with a seed of its own."""

    def fit(cells: Sequence[Cell], seed: int) -> Predict:
        fitted = [member(cells, 100 * seed + number) for number, member in enumerate(members)]
        return lambda cell: np.asarray(np.mean([predict(cell) for predict in fitted], axis=0))

    return fit


by_count = _regression(_boosting, count)
boosting = _regression(_boosting, plain)
_boosting_of_history = _regression(_boosting, causal.table)
_trees_of_history = _regression(_trees, causal.table)
_perceptron_of_history = _regression(_perceptron, causal.table)
#: Trees and two networks, the strong baseline of reference: nothing of it was tuned here.
ensemble = mean_of(_boosting_of_history, _trees_of_history, _perceptron_of_history, _perceptron_of_history)
#: Boosting and trees that see how fast a cell has aged lately; they stand in a mean with others.
trees_of_long_history = (_regression(_boosting, causal.long_table), _regression(_trees, causal.long_table))
#: Perceptrons of one estimate. [1]
MANY = 6
#: Perceptrons alone, each from another start, on fewer columns: what early stopping chose differs, so a mean is worth much.
perceptrons = mean_of(*[_regression(_perceptron, causal.columns)] * MANY)
