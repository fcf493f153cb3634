"""Classifiers of failure modes: each gives probabilities of the classes and, but for the logistic regression, shares. Needs scikit-learn, torch.

All scaling is fitted on the rows given to `fit`, which are those of training cells. Every model here can be exported to ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from training.soh.modes.labels import CLASSES, MECHANISMS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Groups of features that mean the same in any chemistry: what the electrodes have lost, resistance, relaxation, course of the fade.
PHYSICAL = ("wear", "balance", "polarisation", "scalars", "rest", "rested_now", "fade_at", "size", "seen")


class Classifier(Protocol):
    """What a model of failure modes does."""

    def fit(self, x: FloatArray, shares: FloatArray, label: IntArray) -> None:
        """Learn from (R, N, F) features, (N, 4) shares and (N,) classes."""

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (N, 5) probabilities and (N, 4) shares of (N, F) features."""


def flat(x: FloatArray, *targets: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Turn replicates into rows."""
    return x.reshape(-1, x.shape[-1]), *(np.tile(target, (len(x),) + (1,) * (target.ndim - 1)) for target in targets)


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
class Logistic:
    """Multinomial logistic regression."""

    strength: float = 0.1
    scaling: Scaling = field(default_factory=Scaling)
    model: Any = None

    def fit(self, x: FloatArray, shares: FloatArray, label: IntArray) -> None:
        """Learn."""
        from sklearn.linear_model import LogisticRegression

        rows, target = flat(x, label)
        self.scaling.fit(rows)
        self.model = LogisticRegression(C=self.strength, max_iter=80, tol=1e-3, class_weight="balanced")
        self.model.fit(self.scaling(rows), target)

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return probabilities; of shares only that all are equal."""
        found = np.zeros((len(x), len(CLASSES)))
        found[:, self.model.classes_] = self.model.predict_proba(self.scaling(x))
        return found, np.full((len(x), len(MECHANISMS)), np.nan)


@dataclass
class Ridge:
    """Shares as a linear function of the features, and classes as a logistic one of those shares."""

    penalty: float = 3.0
    scaling: Scaling = field(default_factory=Scaling)
    weights: FloatArray = field(init=False)
    model: Any = None

    def fit(self, x: FloatArray, shares: FloatArray, label: IntArray) -> None:
        """Learn."""
        from sklearn.linear_model import LogisticRegression

        rows, shared, target = flat(x, shares, label)
        self.scaling.fit(rows)
        inputs = self._with_one(rows)
        damping = self.penalty * len(x) * np.eye(inputs.shape[1])
        damping[-1, -1] = 0.0
        self.weights = np.linalg.solve(inputs.T @ inputs + damping, inputs.T @ shared)
        self.model = LogisticRegression(C=100.0, max_iter=300, class_weight="balanced").fit(inputs @ self.weights, target)

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return probabilities and shares, clipped and normalised."""
        linear = self._with_one(x) @ self.weights
        found = np.zeros((len(x), len(CLASSES)))
        found[:, self.model.classes_] = self.model.predict_proba(linear)
        clipped = np.clip(linear, 1e-6, None)
        return found, clipped / clipped.sum(axis=1, keepdims=True)

    def _with_one(self, x: FloatArray) -> FloatArray:
        return np.hstack([self.scaling(x), np.ones((len(x), 1))])


@dataclass
class Trees:
    """Extremely randomised trees on shares and classes together."""

    seed: int = 0
    count: int = 60
    model: Any = None

    def fit(self, x: FloatArray, shares: FloatArray, label: IntArray) -> None:
        """Learn."""
        from sklearn.ensemble import ExtraTreesRegressor

        rows, shared, target = flat(x, shares, label)
        weight = 1.0 / np.bincount(label, minlength=len(CLASSES)).clip(1)
        self.model = ExtraTreesRegressor(
            self.count, max_features=0.1, min_samples_leaf=2 * len(x), random_state=self.seed, n_jobs=1
        )
        self.model.fit(rows, np.hstack([shared, np.eye(len(CLASSES))[target]]), sample_weight=weight[target])

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return probabilities and shares."""
        found = self.model.predict(x)
        return found[:, len(MECHANISMS) :], found[:, : len(MECHANISMS)]


@dataclass
class Network:
    """A small perceptron with two heads, shares and classes."""

    seed: int = 0
    width: int = 64
    steps: int = 300
    batch: int = 64
    members: int = 1
    scaling: Scaling = field(default_factory=Scaling)
    models: list[Any] = field(default_factory=list)

    def fit(self, x: FloatArray, shares: FloatArray, label: IntArray) -> None:
        """Learn by AdamW with a one-cycle rate; nothing is stopped early."""
        import torch

        torch.set_num_threads(1)
        rows, shared, target = flat(x, shares, label)
        self.scaling.fit(rows)
        inputs = torch.tensor(self.scaling(rows), dtype=torch.float32)
        wanted, named = torch.tensor(shared, dtype=torch.float32), torch.tensor(target)
        weight = torch.tensor(
            len(label) / (len(CLASSES) * np.bincount(label, minlength=len(CLASSES)).clip(1)), dtype=torch.float32
        )
        for member in range(self.members):
            torch.manual_seed(1000 * self.seed + member)
            model = perceptron(inputs.shape[1], self.width)
            optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=2e-2, fused=True)
            rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=self.steps)
            for _ in range(self.steps):
                chosen = torch.randint(len(inputs), (self.batch,))
                both = model(inputs[chosen])
                loss = torch.nn.functional.cross_entropy(both[:, len(MECHANISMS) :], named[chosen], weight)
                loss = loss + 2.0 * torch.nn.functional.cross_entropy(both[:, : len(MECHANISMS)], wanted[chosen])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                rate.step()
            self.models.append(model.eval())

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return probabilities and shares, the mean over the members."""
        import torch

        rows = torch.tensor(self.scaling(x), dtype=torch.float32)
        with torch.no_grad():
            found = torch.stack([model(rows) for model in self.models])
            shares = found[..., : len(MECHANISMS)].softmax(-1).mean(0)
            probabilities = found[..., len(MECHANISMS) :].softmax(-1).mean(0)
        return probabilities.double().numpy(), shares.double().numpy()


def perceptron(inputs: int, width: int) -> Any:
    """Return the network: two hidden layers, logits of the shares and then of the classes."""
    from torch import nn

    return nn.Sequential(
        *(nn.Linear(inputs, width), nn.GELU(), nn.Dropout(0.15), nn.Linear(width, width), nn.GELU(), nn.Dropout(0.15)),
        nn.Linear(width, len(MECHANISMS) + len(CLASSES)),
    )


def physical(names: Sequence[str]) -> IntArray:
    """Return the places of features that mean the same in any chemistry."""
    return np.array([number for number, name in enumerate(names) if any(group in name for group in PHYSICAL)])


def models(names: Sequence[str], seed: int) -> dict[str, tuple[Classifier, IntArray]]:
    """Return the compared models, new, each with the places of the features that it gets."""
    everything, some = np.arange(len(names)), physical(names)
    return {
        "logistic": (Logistic(), everything),
        "ridge": (Ridge(), everything),
        "trees": (Trees(seed), everything),
        "network": (Network(seed), everything),
        "ridge, physical": (Ridge(), some),
    }


def averaged(found: dict[str, tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    """Return the ensemble: the mean of all probabilities, and of all shares that there are."""
    probabilities = np.mean([both[0] for both in found.values()], axis=0)
    shares = np.nanmean([both[1] for both in found.values()], axis=0)
    return probabilities, shares
