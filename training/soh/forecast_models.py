"""Forecasters of the change of health: rules without fitting, and models fitted to the rows of training cells.

A forecaster returns for each row the change of health after each of the horizons. Which there are, and their sizes, was chosen by
cross-validation over training cells; `documentation/explanation/soh-forecast.md` tells how and what was left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from training.soh.cells import FloatArray
from training.soh.forecast_histories import health_names
from training.soh.forecast_rows import HORIZONS, Rows

Forecast = FloatArray
#: Rows whose columns are outside this share of the training rows at either end are drawn in. [%]
TAILS = (0.1, 99.9)
_COLUMN = {name: place for place, name in enumerate(health_names())}


def persistence(rows: Rows) -> Forecast:
    """Say that health stays as it is."""
    return np.zeros((len(rows), len(HORIZONS)))


def linear_trend(rows: Rows) -> Forecast:
    """Go on along the least-squares line through the last 20 charges."""
    slope = rows.inputs[:, _COLUMN["slope of 20"]] / 100
    return np.asarray(rows.inputs[:, [_COLUMN["line of 20, less now"]]] + slope[:, None] * np.array(HORIZONS))


def robust_trend(rows: Rows) -> Forecast:
    """Go on from the median of the last five charges along the median slope of the last 20, which may not rise.

    The median stands for the middle of its window, two charges ago.
    """
    slope = np.minimum(rows.inputs[:, _COLUMN["median slope"]] / 100, 0.0)
    return np.asarray(rows.inputs[:, [_COLUMN["median of 5, less now"]]] + slope[:, None] * (np.array(HORIZONS) + 2))


RULES: dict[str, Callable[[Rows], Forecast]] = {
    "persistence": persistence,
    "linear trend": linear_trend,
    "robust trend": robust_trend,
}


def cell_weights(cells: np.ndarray) -> FloatArray:
    """Return weights between one of each row and one of each cell: the figure to be reached is a mean over cells, not over rows."""
    weights = np.bincount(cells)[cells] ** -0.5
    return np.asarray(weights / weights.mean())


class Clipped:
    """Draws columns in to what the training rows knew."""

    def __init__(self, inputs: FloatArray) -> None:
        self.low, self.high = np.percentile(inputs, TAILS, axis=0)

    def __call__(self, inputs: FloatArray) -> FloatArray:
        return np.clip(inputs, self.low, self.high)


#: Fits inputs, change and weights; returns what predicts.
_Fit = Callable[[FloatArray, FloatArray, FloatArray], Any]


def _each_horizon(train: Rows, test: Rows, horizons: Sequence[int], fit: _Fit) -> Forecast:
    clipped, forecast = Clipped(train.inputs), np.full((len(test), len(HORIZONS)), np.nan)
    seen = clipped(test.inputs)
    for column in map(HORIZONS.index, horizons):
        known = np.isfinite(train.change[:, column])
        if known.sum() < 50:
            continue
        weights = cell_weights(train.cell[known])
        forecast[:, column] = fit(clipped(train.inputs[known]), train.change[known, column], weights)(seen)
    return forecast


def ridge(train: Rows, test: Rows, seed: int, horizons: Sequence[int] = HORIZONS) -> Forecast:
    """Fit a linear model whose penalty is chosen by leaving rows out; nothing in it is random."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def fit(inputs: FloatArray, change: FloatArray, weights: FloatArray) -> Any:
        model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
        return model.fit(inputs, change, ridgecv__sample_weight=weights).predict

    return _each_horizon(train, test, horizons, fit)


def boosting(train: Rows, test: Rows, seed: int, horizons: Sequence[int] = HORIZONS) -> Forecast:
    """Fit gradient boosting as the measured baseline was; it draws nothing at random."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    def fit(inputs: FloatArray, change: FloatArray, weights: FloatArray) -> Any:
        model = HistGradientBoostingRegressor(max_iter=200, learning_rate=0.06, l2_regularization=1, min_samples_leaf=30)
        return model.fit(inputs, change).predict

    return _each_horizon(train, test, horizons, fit)


def sparse_boosting(train: Rows, test: Rows, seed: int, horizons: Sequence[int] = HORIZONS) -> Forecast:
    """Fit gradient boosting of small trees that see three columns in ten at each split; a member of the ensemble."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    def fit(inputs: FloatArray, change: FloatArray, weights: FloatArray) -> Any:
        model = HistGradientBoostingRegressor(
            max_iter=150,
            learning_rate=0.08,
            l2_regularization=1,
            min_samples_leaf=15,
            max_leaf_nodes=15,
            max_features=0.3,
            max_bins=64,
            random_state=seed,
        )
        return model.fit(inputs, change, sample_weight=weights).predict

    return _each_horizon(train, test, horizons, fit)


def extra_trees(train: Rows, test: Rows, seed: int, horizons: Sequence[int] = HORIZONS) -> Forecast:
    """Fit extremely randomised trees to at most 2000 rows; a member of the ensemble."""
    from sklearn.ensemble import ExtraTreesRegressor

    generator = np.random.default_rng(seed)

    def fit(inputs: FloatArray, change: FloatArray, weights: FloatArray) -> Any:
        kept = generator.permutation(len(change))[:2000]
        model = ExtraTreesRegressor(40, min_samples_leaf=2, max_features=0.3, random_state=seed)
        return model.fit(inputs[kept], change[kept], sample_weight=weights[kept]).predict

    return _each_horizon(train, test, horizons, fit)


#: Fitted to the rows of one group.
FITTED: Mapping[str, Callable[..., Forecast]] = {
    "ridge": ridge,
    "gradient boosting": boosting,
    "sparse boosting": sparse_boosting,
    "extra trees": extra_trees,
}
