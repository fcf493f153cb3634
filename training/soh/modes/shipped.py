"""The network that is shipped: shares by a small ensemble, classes by how far the top share is from 70 %. Trains with torch, tells with NumPy.

Each member learns from four fifths of the cells and says what it makes of the last fifth; how wrong shares are, and below which probability it
is too early to tell, comes from those of them whose films vary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes.differences import NAMES
from models.neural_soh.modes.mechanisms import MECHANISMS
from training.soh.modes.dataset import Table
from training.soh.modes.scores import folds, told

FloatArray = npt.NDArray[np.float64]
#: Weights and offsets, layer after layer.
Layers = list[tuple[FloatArray, FloatArray]]

MEMBERS, WIDTH, STEPS, BATCH = 5, 128, 6000, 256
#: So often a cell whose film varies is learned from, for each other one.
REPEATED = 3
#: Beyond so many deviations a value says no more.
LIMIT = 5.0
#: Values that the error of a share depends on, besides a constant.
DOUBT = ("size", "seen_from_full", "seen_rest", "seen_fade_at_0.5")
#: Least and largest logarithm of that error.
LOG_ERRORS = (-5.0, 0.0)
#: Names of cells whose SEI has a resistivity of its own begin with this (seed 2). The rule is chosen by them alone, as that of a real product
#: is not known: so many of the answers are right, and not more than so many looks get none. [1]
FILMS, RIGHT, SILENT = "cell-2-", 0.90, 0.50
#: Of the measurements of each look, the one that the rule is chosen by.
CALIBRATED = 2
DOUBT_PLACES = [NAMES.index(name) for name in DOUBT]


@dataclass(frozen=True, eq=False)
class Shipped:
    """A trained ensemble.

    Attributes
    ----------
    mean, deviation : ndarray, shape (F,)
        Of the features.
    members : list of Layers
    doubt : ndarray, shape (1 + len(DOUBT),)
        Logarithm of the standard error of a share, a constant and by values of the vector.
    least : float
        Probability below which it is too early to tell. [1]
    """

    mean: FloatArray
    deviation: FloatArray
    members: list[Layers]
    doubt: FloatArray
    least: float

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return shares (N, 4) and probabilities (N, 5) of (N, F) features."""
        scaled = np.clip((x - self.mean) / self.deviation, -LIMIT, LIMIT)
        shares: FloatArray = np.mean([member_shares(layers, scaled) for layers in self.members], axis=0)
        return shares, told(shares, error_of(self.doubt, x))


def member_shares(layers: Layers, scaled: FloatArray) -> FloatArray:
    """Return the shares of one member."""
    rows = scaled
    for number, (weight, offset) in enumerate(layers):
        rows = rows @ weight + offset
        if number + 1 < len(layers):
            rows = rows / (1.0 + np.exp(-rows))
    found = np.exp(rows - rows.max(axis=1, keepdims=True))
    normal: FloatArray = found / found.sum(axis=1, keepdims=True)
    return normal


def error_of(doubt: FloatArray, x: FloatArray) -> FloatArray:
    """Return the standard error of a share of each row. [1]"""
    found: FloatArray = np.exp(np.clip(doubt[0] + x[:, DOUBT_PLACES] @ doubt[1:], *LOG_ERRORS))
    return found


def train(rows: Table, seed: int, kept: Any = None) -> tuple[Shipped, FloatArray, FloatArray]:
    """Train on the cells of a table.

    Parameters
    ----------
    rows : Table
        Vectors of :data:`NAMES`, measured several times.
    seed : int
    kept : optional
        A mapping in which members are looked up and kept by their number, so that training goes on where it was.

    Returns
    -------
    Shipped
    ndarray, shape (N, 4)
        Shares of each look by the member that has not seen its cell, of one measurement.
    ndarray, shape (N, 5)
        Probabilities by those.
    """
    kept = {} if kept is None else kept
    everything = rows.x.reshape(-1, rows.x.shape[-1])
    mean, deviation = everything.mean(axis=0), everything.std(axis=0)
    deviation[deviation < 1e-6] = 1.0
    scaled = np.clip((rows.x - mean) / deviation, -LIMIT, LIMIT)
    outside, members = np.zeros(rows.shares.shape), []
    for number, (some, others) in enumerate(folds(rows.cell, MEMBERS, seed)):
        if number not in kept:
            learned = np.flatnonzero(some)
            often = np.where(np.char.startswith(rows.cell[learned], FILMS), REPEATED, 1)
            learned = np.repeat(learned, often)
            kept[number] = _fitted(scaled[:, learned], rows.shares[learned], 100 * seed + number)
        members.append(kept[number])
        outside[others] = member_shares(members[-1], scaled[CALIBRATED][others])
    ruling = np.char.startswith(rows.cell, FILMS)
    ruling = ruling if ruling.any() else np.ones(len(ruling), bool)
    doubt = doubted(rows.x[CALIBRATED][ruling], outside[ruling], rows.shares[ruling])
    likely = told(outside, error_of(doubt, rows.x[CALIBRATED]))
    return Shipped(mean, deviation, members, doubt, least_of(likely[ruling], rows.label[ruling])), outside, likely


def least_of(probabilities: FloatArray, label: npt.NDArray[np.int64]) -> float:
    """Return the least top probability at which :data:`RIGHT` of the answers are right and not more than :data:`SILENT` get none."""
    top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label
    most = float(np.quantile(top, SILENT))
    return next((float(tried) for tried in np.sort(top) if tried >= most or right[top >= tried].mean() >= RIGHT), most)


def doubted(x: FloatArray, given: FloatArray, shares: FloatArray) -> FloatArray:
    """Fit the logarithm of the error of the top share to some values of the vector, by the largest likelihood."""
    from scipy.optimize import minimize

    row, top = np.arange(len(given)), given.argmax(axis=1)
    wrong = (given - shares)[row, top]

    def misfit(doubt: FloatArray) -> float:
        error = error_of(doubt, x)
        return float(np.mean(np.log(error) + 0.5 * np.minimum(wrong / error, 4.0) ** 2) + 1e-3 * np.sum(doubt[1:] ** 2))

    found: FloatArray = minimize(misfit, np.array([np.log(wrong.std())] + [0.0] * len(DOUBT)), method="Nelder-Mead").x
    return found


def _fitted(scaled: FloatArray, shares: FloatArray, seed: int) -> Layers:
    """Train one member on (R, N, F) scaled features."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    inputs = torch.tensor(scaled, dtype=torch.float32)
    wanted = torch.tensor(shares, dtype=torch.float32)
    model = perceptron(inputs.shape[-1])
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=2e-2, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=STEPS)
    for measured, chosen in _batches(inputs.shape[0], inputs.shape[1]):
        given = model(inputs[measured, chosen]).softmax(-1)
        loss = ((given - wanted[chosen]) ** 2).sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    linear = [layer for layer in model if hasattr(layer, "weight")]
    return [(layer.weight.detach().double().numpy().T.copy(), layer.bias.detach().double().numpy().copy()) for layer in linear]


def _batches(replicates: int, count: int) -> Iterator[tuple[Any, Any]]:
    import torch

    for _ in range(STEPS):
        yield torch.randint(replicates, (BATCH,)), torch.randint(count, (BATCH,))


def perceptron(inputs: int) -> Any:
    """Return a member: two hidden layers, logits of the shares."""
    from torch import nn

    hidden = (nn.Linear(inputs, WIDTH), nn.SiLU(), nn.Dropout(0.1), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Dropout(0.1))
    return nn.Sequential(*hidden, nn.Linear(WIDTH, len(MECHANISMS)))
