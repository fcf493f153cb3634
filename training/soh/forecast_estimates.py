"""The plugin's own estimates of health, from charge statistics alone: what a forecaster gets where no capacity is ever measured.

A training cell's estimates come from models that never saw it, or the forecaster would learn from estimates better than it will get.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from training.soh.cells import Cell, FloatArray
from training.soh.forecast_histories import estimate_inputs
from training.soh.forecast_models import Clipped, cell_weights

#: Parts that the training cells of each group are dealt out to.
PARTS = 4
#: Charges before the first that is fitted to: medians of the last five are not whole before.
FIRST = 5
#: Of each group: inputs, health, weights.
Seen = Mapping[str, tuple[FloatArray, FloatArray, FloatArray]]
#: Estimates the health of a group's charges from their inputs.
Predict = Callable[[str, FloatArray], FloatArray]
Fit = Callable[[Seen, int], Predict]
WIDTH, EPOCHS, BATCH, RATE, DECAY, NOISE = 96, 40, 256, 2e-3, 0.1, 0.1


def extra_trees(seen: Seen, seed: int) -> Predict:
    """Fit extremely randomised trees to at most 2000 charges of each group."""
    from sklearn.ensemble import ExtraTreesRegressor

    generator, models = np.random.default_rng(seed), {}
    for group, (inputs, soh, weights) in seen.items():
        kept, clipped = generator.permutation(len(soh))[:2000], Clipped(inputs)
        model = ExtraTreesRegressor(60, min_samples_leaf=2, max_features=0.4, random_state=seed)
        models[group] = model.fit(clipped(inputs[kept]), soh[kept], sample_weight=weights[kept]), clipped
    return lambda group, inputs: np.asarray(models[group][0].predict(models[group][1](inputs)))


class Standard:
    """Columns of a charge as the network sees them: standardised over all groups, over its own, and the group itself."""

    def __init__(self, seen: Seen) -> None:
        together = np.concatenate([inputs for inputs, _, _ in seen.values()])
        self.groups = list(seen)
        self.all = self._scale(together)
        self.own = {group: self._scale(inputs) for group, (inputs, _, _) in seen.items()}

    @staticmethod
    def _scale(inputs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        low, high = np.percentile(inputs, (0.5, 99.5), axis=0)
        drawn = np.clip(inputs, low, high)
        return low, high, drawn.mean(axis=0), drawn.std(axis=0) + 1e-9

    def __call__(self, group: str, inputs: FloatArray) -> FloatArray:
        one_hot = np.zeros((len(inputs), len(self.groups)))
        one_hot[:, self.groups.index(group)] = 1.0
        scaled = [(np.clip(inputs, low, high) - mean) / deviation for low, high, mean, deviation in (self.all, self.own[group])]
        return np.hstack([scaled[0], np.clip(scaled[1], -4, 4), one_hot])


def perceptron(seen: Seen, seed: int) -> Predict:
    """Fit one network to the charges of all groups, its inputs blurred by noise, errors beyond one percent counted linearly."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    standard, middle = Standard(seen), {group: float(soh.mean()) for group, (_, soh, _) in seen.items()}
    inputs = torch.tensor(np.concatenate([standard(group, part[0]) for group, part in seen.items()]).astype(np.float32))
    wanted = torch.tensor(
        np.concatenate([20 * (soh - middle[group]) for group, (_, soh, _) in seen.items()]).astype(np.float32)
    )
    weights = np.concatenate([part * len(part) ** -0.5 for _, _, part in seen.values()])
    weight = torch.tensor((weights / weights.mean()).astype(np.float32))
    network = nn.Sequential(
        nn.Linear(inputs.shape[1], WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, 1)
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * -(-len(inputs) // BATCH) + 1)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(inputs)).split(BATCH):
            blurred = inputs[chosen] + NOISE * torch.randn_like(inputs[chosen])
            error = nn.functional.smooth_l1_loss(network(blurred)[:, 0], wanted[chosen], reduction="none", beta=0.2)
            optimiser.zero_grad()
            (error * weight[chosen]).mean().backward()
            optimiser.step()
            schedule.step()

    def predict(group: str, given: FloatArray) -> FloatArray:
        with torch.no_grad():
            answer = network(torch.tensor(standard(group, given).astype(np.float32)))[:, 0].numpy().astype(float)
        return np.asarray(answer / 20 + middle[group])

    return predict


def ensemble(seen: Seen, seed: int) -> Predict:
    """Fit the mean of two networks and of trees."""
    members = [perceptron(seen, 2 * seed), perceptron(seen, 2 * seed + 1), extra_trees(seen, seed)]
    return lambda group, inputs: np.mean([member(group, inputs) for member in members], axis=0)


def estimator(
    pool: Mapping[str, Sequence[Cell]], strides: Mapping[str, int], seed: int, fit: Fit = ensemble
) -> Callable[[Cell], FloatArray]:
    """Fit a model of health to some cells; return what estimates the health of a cell of these groups at each of its charges.

    Parameters
    ----------
    pool : mapping of group to its cells
    strides : mapping of group to int
        Fit to every how-many-th charge.
    seed : int
    fit : callable, optional
    """
    seen = {}
    for group, cells in pool.items():
        stride = strides[group]
        inputs = [estimate_inputs(cell.features)[FIRST::stride] for cell in cells]
        soh = [cell.soh[FIRST::stride] for cell in cells]
        place = np.concatenate([np.full(len(part), number) for number, part in enumerate(soh)])
        seen[group] = np.concatenate(inputs), np.concatenate(soh), cell_weights(place)
    predict = fit(seen, seed)
    return lambda cell: predict(cell.group, estimate_inputs(cell.features))


def out_of_fold(
    pool: Mapping[str, Sequence[Cell]], strides: Mapping[str, int], seed: int, fit: Fit = ensemble, parts: int = PARTS
) -> dict[str, list[FloatArray]]:
    """Return for each cell of each group the estimates of a model that was fitted to other cells only.

    Parameters
    ----------
    pool : mapping of group to its cells, at least two each
    strides : mapping of group to int
    seed : int
    fit : callable, optional
    parts : int, optional
        The cells of a group are dealt out to this many parts; each is estimated from the others.

    Raises
    ------
    ValueError
        A group has only one cell, so nothing could be fitted without it.
    """
    for group, cells in pool.items():
        if len(cells) < 2:
            raise ValueError(f"{group}: {len(cells)} cell; an estimate that has not seen its own cell needs at least one other")
    parts = min(parts, *(len(cells) for cells in pool.values())) if pool else parts
    estimates: dict[str, list[FloatArray]] = {group: [np.empty(0)] * len(cells) for group, cells in pool.items()}
    for part in range(parts):
        others = {group: [cell for place, cell in enumerate(cells) if place % parts != part] for group, cells in pool.items()}
        estimate = estimator(others, strides, seed, fit)
        for group, cells in pool.items():
            for place in range(part, len(cells), parts):
                estimates[group][place] = estimate(cells[place])
    return estimates
