"""Small networks over all groups at once: one multi-horizon perceptron of the ensemble, one 1-D convolution as a comparator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from training.soh.cells import FloatArray
from training.soh.forecast_models import Clipped, Forecast, cell_weights
from training.soh.forecast_rows import HORIZONS, Rows

WIDTH, BATCH, RATE, DECAY = 192, 256, 2e-3, 1e-2
#: Passes over the training rows; the convolution costs more of each.
EPOCHS = {"perceptron": 50, "convolution": 12}


class Scaling:
    """What turns rows of a group into a network's inputs, and its outputs into changes of health; from training rows alone."""

    def __init__(self, train: Mapping[str, Rows]) -> None:
        together = np.concatenate([rows.inputs for rows in train.values()])
        self.clipped = Clipped(together)
        drawn = self.clipped(together)
        self.mean, self.deviation = drawn.mean(axis=0), drawn.std(axis=0) + 1e-9
        self.groups = list(train)
        self.change = {group: np.nanstd(rows.change, axis=0) + 1e-6 for group, rows in train.items()}

    def inputs(self, group: str, rows: Rows) -> FloatArray:
        """Return standardised columns and which group it is."""
        one_hot = np.zeros((len(rows), len(self.groups)))
        one_hot[:, self.groups.index(group)] = 1.0
        return np.hstack([(self.clipped(rows.inputs) - self.mean) / self.deviation, one_hot])

    def sequences(self, group: str, rows: Rows) -> FloatArray:
        """Return the last charges' health less the newest, in percent, and below it health, count and group on every charge."""
        one_hot = np.zeros((len(rows), len(self.groups)))
        one_hot[:, self.groups.index(group)] = 1.0
        still = np.hstack([rows.now[:, None], np.log(rows.charge + 1.0)[:, None] / 5, one_hot])
        path = 50 * rows.history[:, None, :]
        return np.concatenate([path, np.repeat(still[:, :, None], path.shape[2], axis=2)], axis=1)


def perceptron(columns: int) -> Any:
    """Return the ensemble's network: two hidden layers, one output a horizon."""
    from torch import nn

    return nn.Sequential(
        nn.Linear(columns, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, len(HORIZONS))
    )


def convolution(channels: int) -> Any:
    """Return the comparator: three strided convolutions over the last 50 charges."""
    from torch import nn

    return nn.Sequential(
        nn.Conv1d(channels, 24, 5, stride=2), nn.SiLU(), nn.Conv1d(24, 32, 5, stride=2), nn.SiLU(), nn.Conv1d(32, 32, 5, stride=2),
        nn.SiLU(), nn.Flatten(), nn.Linear(32 * 3, 64), nn.SiLU(), nn.Linear(64, len(HORIZONS)),
    )  # fmt: skip


def fit(network: Any, inputs: FloatArray, change: FloatArray, weights: FloatArray, seed: int, epochs: int) -> None:
    """Fit a network to scaled changes by weighted squares; horizons past the end of a cell do not count."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    seen = torch.tensor(inputs.astype(np.float32))
    known = torch.tensor(np.isfinite(change))
    wanted = torch.tensor(np.nan_to_num(change).astype(np.float32))
    counts = known * torch.tensor(weights.astype(np.float32))[:, None]
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = epochs * -(-len(seen) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1)
    for _ in range(epochs):
        for chosen in torch.randperm(len(seen), generator=generator).split(BATCH):
            error = (network(seen[chosen]) - wanted[chosen]) ** 2 * counts[chosen]
            optimiser.zero_grad()
            (error.sum() / known[chosen].sum()).backward()
            optimiser.step()
            schedule.step()


def pooled(kind: str, train: Mapping[str, Rows], test: Mapping[str, Rows], seed: int) -> dict[str, Forecast]:
    """Fit one network to the training rows of all groups; return its forecasts of each group's test rows.

    Parameters
    ----------
    kind : str
        ``perceptron`` or ``convolution``.
    train, test : mapping of group to Rows
        Each test group must be among the training groups.
    seed : int
    """
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    scaling = Scaling(train)
    shape: Callable[[str, Rows], FloatArray] = scaling.inputs if kind == "perceptron" else scaling.sequences
    seen = np.concatenate([shape(group, rows) for group, rows in train.items()])
    change = np.concatenate([rows.change / scaling.change[group] for group, rows in train.items()])
    weights = np.concatenate([cell_weights(rows.cell) * len(rows) ** -0.5 for rows in train.values()])
    network = perceptron(seen.shape[1]) if kind == "perceptron" else convolution(seen.shape[1])
    fit(network, seen, change, weights / weights.mean(), seed, EPOCHS[kind])
    forecasts = {}
    with torch.no_grad():
        for group, rows in test.items():
            given = torch.tensor(shape(group, rows).astype(np.float32))
            forecasts[group] = network(given).numpy().astype(float) * scaling.change[group]
    return forecasts
