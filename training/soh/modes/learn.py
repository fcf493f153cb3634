"""Train all compared models on cells, and choose their calibration and their rule of abstention on those cells only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.soh.modes.classify import Classifier, averaged, models
from training.soh.modes.dataset import Table
from training.soh.modes.scores import folds, sharpened, temperature, threshold

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Outputs = dict[str, tuple[FloatArray, FloatArray]]

#: Splits of the training cells among themselves, for calibration and abstention.
INNER = 2
ENSEMBLE = "ensemble"


@dataclass(frozen=True, eq=False)
class Trained:
    """Models that have learned.

    Attributes
    ----------
    parts : dict
        Each model with the places of its features.
    divisors, least : dict of float
        Of each model and the ensemble: temperature of its probabilities, least top probability of an answer.
    """

    parts: dict[str, tuple[Classifier, IntArray]]
    divisors: dict[str, float]
    least: dict[str, float]

    def predict(self, x: FloatArray) -> Outputs:
        """Return calibrated probabilities and shares of each model and the ensemble, for (N, F) features."""
        raw = _outputs(self.parts, x)
        return {name: (sharpened(both[0], self.divisors[name]), both[1]) for name, both in raw.items()}


def learn(train: Table, names: list[str], seed: int, inner: int = INNER) -> Trained:
    """Train on all cells of a table; what is chosen is chosen by `inner` splits of these cells, or by none: then everything is answered."""
    if not inner:
        parts = _fitted(train, names, seed)
        return Trained(parts, dict.fromkeys([*parts, ENSEMBLE], 1.0), dict.fromkeys([*parts, ENSEMBLE], 0.0))
    outside: Outputs = {}
    for number, (some, others) in enumerate(folds(train.cell, inner, 100 + seed)):
        found = _outputs(_fitted(train.rows(some), names, seed * 10 + number), train.x[0][others])
        for name, (probabilities, shares) in found.items():
            whole = outside.setdefault(
                name, (np.zeros((len(others), probabilities.shape[1])), np.zeros((len(others), shares.shape[1])))
            )
            whole[0][others], whole[1][others] = probabilities, shares
    divisors = {name: temperature(both[0], train.label) for name, both in outside.items()}
    least = {name: threshold(sharpened(both[0], divisors[name]), train.label) for name, both in outside.items()}
    return Trained(_fitted(train, names, seed), divisors, least)


def _fitted(train: Table, names: list[str], seed: int) -> dict[str, tuple[Classifier, IntArray]]:
    parts = models(names, seed)
    for model, columns in parts.values():
        model.fit(train.x[:, :, columns], train.shares, train.label)
    return parts


def _outputs(parts: dict[str, tuple[Classifier, IntArray]], x: FloatArray) -> Outputs:
    found = {name: model.predict(x[:, columns]) for name, (model, columns) in parts.items()}
    return found | {ENSEMBLE: averaged(found)}
