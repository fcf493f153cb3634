"""Train the compared models on cells; how wrong shares are, and when it is too early to tell, comes from cells that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.soh.modes.classify import Kernel, Model, Network, Ridge, physical
from training.soh.modes.dataset import Table
from training.soh.modes.scores import threshold, told

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ENSEMBLE = "ensemble"
#: What the ensemble is the mean of.
MEMBERS = ("kernel", "network")


@dataclass(frozen=True, eq=False)
class Told:
    """What a model makes of looks.

    Attributes
    ----------
    shares : ndarray, shape (N, 4)
        [1]
    spread : ndarray, shape (N,)
        How far the members of an ensemble are apart; 0 of a single model. [1]
    """

    shares: FloatArray
    spread: FloatArray

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Told:
        """Return some of the looks."""
        return Told(self.shares[chosen], self.spread[chosen])


@dataclass(frozen=True, eq=False)
class Trained:
    """Models that have learned, each with the places of its features."""

    parts: dict[str, tuple[Model, IntArray]]

    def predict(self, x: FloatArray) -> dict[str, Told]:
        """Return what each model and the ensemble make of (N, F) features."""
        each = {name: model.predict(x[:, places]) for name, (model, places) in self.parts.items()}
        found = {name: Told(shares, np.zeros(len(x))) for name, shares in each.items()}
        members = np.array([each[name] for name in MEMBERS])
        spread = np.sqrt(np.mean(members.var(axis=0), axis=1))
        return found | {ENSEMBLE: Told(members.mean(axis=0), spread)}


def learn(train: Table, names: list[str], seed: int, unseen: bool = False) -> Trained:
    """Train on all cells of a table; `unseen` adds a model of what means the same in any chemistry."""
    everything, some = np.arange(len(names)), physical(names)
    parts: dict[str, tuple[Model, IntArray]] = {
        "ridge": (Ridge(), everything),
        "kernel": (Kernel(), everything),
        "network": (Network(seed), everything),
    }
    if unseen:
        parts["kernel, physical"] = (Kernel(), some)
    for model, places in parts.values():
        model.fit(train.x[:, :, places], train.shares)
    return Trained(parts)


@dataclass(frozen=True)
class Rule:
    """How wrong a share is, and the least probability of an answer; chosen on looks that the models have not learned from.

    Attributes
    ----------
    error : float
        Standard error of the largest share. [1]
    least : float
        [1]
    """

    error: float
    least: float

    def probabilities(self, answer: Told) -> FloatArray:
        """Return the probability of each class."""
        return told(answer.shares, np.hypot(self.error, answer.spread))


def rule(answer: Told, shares: FloatArray, label: IntArray) -> Rule:
    """Choose the rule by looks, their true shares and classes."""
    row, top = np.arange(len(label)), answer.shares.argmax(axis=1)
    # the median, so that a few lost looks do not make every look doubtful
    error = float(1.4826 * np.median(np.abs((answer.shares - shares)[row, top])))
    begun = Rule(max(error, 1e-3), 0.0)
    return Rule(begun.error, threshold(begun.probabilities(answer), label))
