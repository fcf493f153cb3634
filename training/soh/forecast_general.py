"""The shipped forecaster: small networks over the histories of all sets at once, none told which set; and how far off they may be.

A network corrects the robust trend, and both what it sees and what it says are in units of what the history itself suggests (its recent fade
over the horizon, its scatter): a cell that fades ten times as fast is ten times the same forecast, a history that stands still is forecast to
stand still, and no level of health and no count gives away which set a cell is of. A network that saw those knew the sets that it was fitted to,
and was worse than the trend on one that it had not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.neural_soh.forecast_history import names
from models.neural_soh.forecast_path import HORIZONS
from training.soh.cells import FloatArray

WIDTH, SPREAD_WIDTH, EPOCHS, BATCH, RATE, DECAY = 96, 32, 8, 512, 3e-3, 1e-2
#: Errors beyond this share of a horizon's typical change count linearly.
BEND = 0.2
#: Inputs beyond this share of the training rows at either end are drawn in. [%]
TAILS = (0.1, 99.9)
#: Slopes that say how fast the history fades, per hundred charges; its scatter; and the least of both. [1]
SLOPES, SCATTER, LEAST = ("median slope", "slope of 50", "mean rate of medians"), "scatter of 20", 1e-3
#: Widths are between these times the unit. [ln 1]
NARROW, WIDE = -4.0, 4.0
#: What the networks see is drawn together logarithmically beyond about one in so many units.
PART = 3.0
#: Columns that the networks do not see.
UNSEEN = ("health", "loss since new", "log of charges")
_PLACE = {name: place for place, name in enumerate(names())}
SLOPE_PLACES, SCATTER_PLACE, HEALTH_PLACE = [_PLACE[name] for name in SLOPES], _PLACE[SCATTER], _PLACE["health"]
SEEN_PLACES = [place for name, place in _PLACE.items() if name not in UNSEEN]
MEDIAN_PLACE, MEDIAN_SLOPE_PLACE = _PLACE["median of 5, less now"], _PLACE["median slope"]
#: Charges that a median of five is behind.
BEHIND = 2
#: Horizon whose unit inputs are seen in.
SEEN_IN = HORIZONS.index(50)
#: Weights and biases of the layers, in order.
Layers = Sequence[FloatArray]


def unit(inputs: FloatArray) -> FloatArray:
    """Return the change that the history itself suggests at each horizon, shape (N, 4). [1]"""
    fade = np.abs(inputs[:, SLOPE_PLACES]).mean(axis=1) / 100
    still = inputs[:, SCATTER_PLACE] ** 2 + LEAST**2
    return np.asarray(np.sqrt((fade[:, None] * np.array(HORIZONS)) ** 2 + still[:, None]))


def relative(inputs: FloatArray) -> FloatArray:
    """Return what a network sees of rows of `forecast_history.history_inputs`: in units, large ones drawn together."""
    parts = inputs[:, SEEN_PLACES] / unit(inputs)[:, [SEEN_IN]]
    return np.asarray(np.sign(parts) * np.log1p(PART * np.abs(parts)))


def trend(inputs: FloatArray) -> FloatArray:
    """Return the change that a network corrects: on from the median of the last five along the median slope, which may not rise. [1]"""
    slope = np.minimum(inputs[:, [MEDIAN_SLOPE_PLACE]] / 100, 0.0)
    return np.asarray(inputs[:, [MEDIAN_PLACE]] + slope * (np.array(HORIZONS) + BEHIND))


def forward(layers: Layers, scaled: FloatArray) -> FloatArray:
    """Return what a network says: layers of weights, biases and SiLU, the last one without."""
    values = scaled
    for place in range(0, len(layers), 2):
        values = values @ layers[place] + layers[place + 1]
        if place + 2 < len(layers):
            values = values / (1 + np.exp(-values))
    return values


@dataclass(frozen=True, eq=False)
class General:
    """The forecaster as arrays; `forecast_export` writes the same as a graph.

    Attributes
    ----------
    low, high, mean, deviation : ndarray, shape (len(SEEN_PLACES),)
        What :func:`relative` returns is drawn in to low and high, then standardised.
    members : tuple of Layers
        Their mean is the correction of :func:`trend`, in units of :func:`unit`.
    spread : Layers
        Logarithm of the typical error, in the same units; no layers where it is not fitted yet.
    factor : ndarray, shape (4,)
        Half width of the interval over the typical error.
    """

    low: FloatArray
    high: FloatArray
    mean: FloatArray
    deviation: FloatArray
    members: tuple[Layers, ...]
    spread: Layers = ()
    factor: FloatArray | None = None

    def scaled(self, inputs: FloatArray) -> FloatArray:
        """Return standardised inputs of the networks."""
        return np.asarray((np.clip(relative(inputs), self.low, self.high) - self.mean) / self.deviation)

    def change(self, inputs: FloatArray) -> FloatArray:
        """Return the change of health at each horizon. [1]"""
        scaled = self.scaled(inputs)
        said = np.mean([forward(layers, scaled) for layers in self.members], axis=0)
        return np.asarray(trend(inputs) + said * unit(inputs))

    def typical(self, inputs: FloatArray) -> FloatArray:
        """Return the typical error at each horizon. [1]"""
        return np.asarray(np.exp(np.clip(forward(self.spread, self.scaled(inputs)), NARROW, WIDE)) * unit(inputs))

    def half_width(self, inputs: FloatArray) -> FloatArray:
        """Return half the width of the interval at each horizon. [1]"""
        if self.factor is None:
            raise ValueError("the intervals of this forecaster are not measured yet")
        return np.asarray(self.factor * self.typical(inputs))


def scaling(inputs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return what inputs of the networks are drawn in to and standardised by."""
    seen = relative(inputs)
    low, high = np.percentile(seen, TAILS, axis=0)
    drawn = np.clip(seen, low, high)
    return low, high, drawn.mean(axis=0), drawn.std(axis=0) + 1e-9


def row_weights(cells: np.ndarray, groups: Sequence[str]) -> FloatArray:
    """Return weights of rows: each cell of a set the same, sets by the square root of their cells.

    Parameters
    ----------
    cells : ndarray of int, shape (N,)
        Place of each row's cell.
    groups : sequence of str
        Set of each cell.
    """
    rows = np.bincount(cells, minlength=len(groups))
    named = np.array(groups)
    count = {group: len(np.unique(cells[named[cells] == group])) for group in np.unique(named[cells])}
    weights = np.array([1.0 / count[group] ** 0.5 for group in named[cells]]) / rows[cells]
    return np.asarray(weights / weights.mean())


def fit_network(scaled: FloatArray, inputs: FloatArray, change: FloatArray, weights: FloatArray, seed: int) -> Layers:
    """Fit a member: squares up to a share of the horizon's typical change, beyond it counted linearly.

    Parameters
    ----------
    scaled : ndarray
        Of :meth:`General.scaled`.
    inputs : ndarray
        Of `forecast_history.history_inputs`.
    change : ndarray, shape (N, 4)
        Of health; NaN counts nothing. [1]
    weights : ndarray, shape (N,)
    seed : int
    """
    import torch
    from torch import nn

    typical = np.sqrt(np.nanmean(change**2 * weights[:, None], axis=0))
    ratio, wanted = _tensors(unit(inputs) / typical, np.nan_to_num((change - trend(inputs)) / typical))
    known = torch.tensor(np.isfinite(change) * weights[:, None], dtype=torch.float32)

    def loss(said: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        missed = nn.functional.smooth_l1_loss(said * ratio[chosen], wanted[chosen], reduction="none", beta=BEND)
        return (missed * known[chosen]).mean()

    return _fit(scaled, WIDTH, EPOCHS, seed, loss)


def fit_spread(scaled: FloatArray, inputs: FloatArray, error: FloatArray, weights: FloatArray, seed: int) -> Layers:
    """Fit the typical size of errors on cells that the forecaster had not seen: the likelihood of Laplace's law."""
    import torch

    (size,) = _tensors(np.nan_to_num(np.abs(error) / unit(inputs)))
    known = torch.tensor(np.isfinite(error) * weights[:, None], dtype=torch.float32)

    def loss(said: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        typical = torch.clamp(said, NARROW, WIDE)
        return ((typical + size[chosen] * torch.exp(-typical)) * known[chosen]).mean()

    return _fit(scaled, SPREAD_WIDTH, EPOCHS, seed, loss)


def _tensors(*arrays: FloatArray) -> list[torch.Tensor]:  # noqa: F821
    import torch

    return [torch.tensor(values, dtype=torch.float32) for values in arrays]


def _fit(inputs: FloatArray, width: int, epochs: int, seed: int, loss: object) -> Layers:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    (seen,) = _tensors(inputs)
    network = nn.Sequential(
        nn.Linear(seen.shape[1], width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, len(HORIZONS))
    )
    with torch.no_grad():  # begins near the trend
        network[4].weight.mul_(0.1)
        network[4].bias.zero_()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * -(-len(seen) // BATCH) + 1)
    for _ in range(epochs):
        for chosen in torch.randperm(len(seen), generator=generator).split(BATCH):
            missed = loss(network(seen[chosen]), chosen)  # type: ignore[operator]
            optimiser.zero_grad()
            missed.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    return [part.detach().numpy().T.copy() for part in network.parameters()]
