"""Models of failure modes: each tells shares from features. Classes follow from the shares (scores.told). Needs torch for the network.

All scaling is fitted on the rows given to `fit`, which are those of training cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from training.soh.modes.labels import MECHANISMS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Groups of features that mean the same in any chemistry: what the electrodes have lost, resistance, relaxation, course of the fade.
PHYSICAL = ("wear", "balance", "polarisation", "scalars", "rest", "rested_now", "fade_at", "size", "seen")


class Model(Protocol):
    """What a model of failure modes does."""

    def fit(self, x: FloatArray, shares: FloatArray) -> None:
        """Learn from (R, N, F) features and (N, 4) shares."""

    def predict(self, x: FloatArray) -> FloatArray:
        """Return (N, 4) shares of (N, F) features; at least 0, of a whole."""


def flat(x: FloatArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Turn replicates into rows."""
    return x.reshape(-1, x.shape[-1]), np.tile(shares, (len(x), 1))


def whole(shares: FloatArray) -> FloatArray:
    """Clip shares at 0 and make them of a whole."""
    clipped = np.clip(shares, 1e-6, None)
    found: FloatArray = clipped / clipped.sum(axis=1, keepdims=True)
    return found


@dataclass
class Scaling:
    """Mean and deviation of training rows; beyond `limit` deviations a value says no more."""

    limit: float = 5.0
    mean: FloatArray = field(init=False)
    deviation: FloatArray = field(init=False)

    def fit(self, x: FloatArray) -> None:
        """Learn from rows."""
        self.mean, self.deviation = x.mean(axis=0), x.std(axis=0)
        self.deviation[self.deviation < 1e-6] = 1.0

    def __call__(self, x: FloatArray) -> FloatArray:
        """Scale rows."""
        found: FloatArray = np.clip((x - self.mean) / self.deviation, -self.limit, self.limit)
        return found


@dataclass
class Ridge:
    """Shares as a linear function of the features."""

    penalty: float = 3.0
    scaling: Scaling = field(default_factory=Scaling)
    weights: FloatArray = field(init=False)

    def fit(self, x: FloatArray, shares: FloatArray) -> None:
        """Learn."""
        rows, wanted = flat(x, shares)
        self.scaling.fit(rows)
        inputs = self._with_one(rows)
        damping = self.penalty * len(x) * np.eye(inputs.shape[1])
        damping[-1, -1] = 0.0
        self.weights = np.linalg.solve(inputs.T @ inputs + damping, inputs.T @ wanted)

    def predict(self, x: FloatArray) -> FloatArray:
        """Return shares."""
        return whole(self._with_one(x) @ self.weights)

    def _with_one(self, x: FloatArray) -> FloatArray:
        return np.hstack([self.scaling(x), np.ones((len(x), 1))])


@dataclass
class Kernel:
    """Ridge regression with a Matérn kernel (3/2): the mean of a Gaussian process.

    Attributes
    ----------
    penalty : float
        Variance of the noise over that of the process. [1]
    length : float
        Over the root of the count of features, in deviations. [1]
    """

    penalty: float = 0.003
    length: float = 3.0
    scaling: Scaling = field(default_factory=Scaling)
    rows: FloatArray = field(init=False)
    mean: FloatArray = field(init=False)
    weights: FloatArray = field(init=False)

    def fit(self, x: FloatArray, shares: FloatArray) -> None:
        """Learn."""
        rows, wanted = flat(x, shares)
        self.scaling.fit(rows)
        self.rows, self.mean = self.scaling(rows), wanted.mean(axis=0)
        likeness = self._likeness(self.rows)
        likeness[np.diag_indices(len(likeness))] += self.penalty
        self.weights = np.linalg.solve(likeness, wanted - self.mean)

    def predict(self, x: FloatArray) -> FloatArray:
        """Return shares."""
        return whole(self._likeness(self.scaling(x)) @ self.weights + self.mean)

    def _likeness(self, one: FloatArray) -> FloatArray:
        other = self.rows
        squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2.0 * one @ other.T
        far = np.sqrt(3.0 * np.maximum(squares, 0.0) / one.shape[1]) / self.length
        found: FloatArray = (1.0 + far) * np.exp(-far)
        return found


@dataclass
class Network:
    """A small perceptron, trained on the squared error of the shares."""

    seed: int = 0
    width: int = 96
    steps: int = 3000
    batch: int = 128
    scaling: Scaling = field(default_factory=Scaling)
    model: Any = None

    def fit(self, x: FloatArray, shares: FloatArray) -> None:
        """Learn by AdamW with a one-cycle rate; nothing is stopped early."""
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(self.seed)
        rows, shared = flat(x, shares)
        self.scaling.fit(rows)
        inputs, wanted = (torch.tensor(part, dtype=torch.float32) for part in (self.scaling(rows), shared))
        self.model = perceptron(inputs.shape[1], self.width)
        optimiser = torch.optim.AdamW(self.model.parameters(), lr=2e-3, weight_decay=2e-2, fused=True)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=self.steps)
        for _ in range(self.steps):
            chosen = torch.randint(len(inputs), (self.batch,))
            loss = ((self.model(inputs[chosen]).softmax(-1) - wanted[chosen]) ** 2).sum(-1).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            rate.step()
        self.model.eval()

    def predict(self, x: FloatArray) -> FloatArray:
        """Return shares."""
        import torch

        with torch.no_grad():
            found = self.model(torch.tensor(self.scaling(x), dtype=torch.float32)).softmax(-1)
        return whole(found.double().numpy())


def perceptron(inputs: int, width: int) -> Any:
    """Return a network of two hidden layers that gives logits of the shares."""
    from torch import nn

    hidden = (nn.Linear(inputs, width), nn.GELU(), nn.Dropout(0.1), nn.Linear(width, width), nn.GELU(), nn.Dropout(0.1))
    return nn.Sequential(*hidden, nn.Linear(width, len(MECHANISMS)))


def physical(names: Sequence[str]) -> IntArray:
    """Return the places of features that mean the same in any chemistry."""
    return np.array([number for number, name in enumerate(names) if any(group in name for group in PHYSICAL)])
