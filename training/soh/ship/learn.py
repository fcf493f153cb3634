"""Training of many networks at once: every seed of every fold is a row of the same matrix products.

A fold's networks see its training cells only: a charge of another cell is drawn with chance 0, and scaling is by what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.neural_soh.features import FEATURES
from training.soh.cells import FloatArray
from training.soh.ship.kinds import Life
from training.soh.ship.network import BENCH, CHARGE, CHEMISTRIES, UNUSED, WARM, ChargeNetwork, inputs, outputs
from training.soh.ship.network import RATE as CURRENT

#: Training: rows at a time, steps, greatest rate, decay of weights, noise by the spread of a feature.
BATCH, STEPS, RATE, DECAY, NOISE = 256, 1500, 4e-3, 3e-2, 0.05
#: Share of training rows that lack what begins with these words. [1]
MISSING: dict[tuple[str, ...], float] = {
    ("cv_charge", "cv_voltage"): 0.1, ("relaxation_",): 0.5, ("strain_",): 0.5, ("peak_",): 0.1,
    ("temperature_",): 0.2, BENCH: 0.25,
}  # fmt: skip
#: Margins of rate [1] and temperature [degC] beyond training cells within which both are made use of.
MARGINS = (0.15, 5.0)
#: Weight of a way of seeing where it is not 1, and of all simulated cells by that of one measured cell.
WEIGHTS, SIMULATED_WEIGHT = {"whole": 2.0, "end a": 1.5, "end b": 1.5}, 3.0
#: A charge that put in the capacity within this share was whole. [1]
NEARLY = 0.03
#: Rows that scaling is told from.
SCALED_BY = 4000


@dataclass(frozen=True)
class Design:
    """What is varied.

    Attributes
    ----------
    shifted : bool
        Whether charges with another overpotential are trained on.
    steps : int
    """

    shifted: bool = True
    steps: int = STEPS


@dataclass(frozen=True, eq=False)
class Rows:
    """Training rows of all cells: features, label, number of the chemistry and of the cell, weight."""

    features: FloatArray
    soh: FloatArray
    chemistry: np.ndarray
    cell: np.ndarray
    weight: FloatArray

    def chance(self, cells: Sequence[int]) -> FloatArray:
        """Return the cumulated chance of each row, 0 of what is of no training cell."""
        summed = np.cumsum(np.where(np.isin(self.cell, cells), self.weight, 0.0))
        return np.asarray(summed / summed[-1])


def rows_of(lives: Sequence[Life], shifted: bool = True) -> Rows:
    """Put together every labelled charge by every way of seeing; measured cells count the same, whatever their charges."""
    columns: tuple[list[np.ndarray], ...] = ([], [], [], [], [])
    simulated = max(1, sum(life.simulated for life in lives))
    for number, life in enumerate(lives):
        known = np.flatnonzero(np.isfinite(life.soh))
        for way, rows in life.ways.items():
            if "shifted" in way and not shifted:
                continue
            kept = known[np.isfinite(rows[known, CHARGE])]
            share = WEIGHTS.get(way, 1.0) * (SIMULATED_WEIGHT / simulated if life.simulated else 1.0)
            ones = np.ones(len(kept))
            chemistry = CHEMISTRIES.index(life.chemistry) * ones
            parts = (rows[kept].astype(np.float32), life.soh[kept], chemistry, number * ones, share / max(1, len(kept)) * ones)
            for column, part in zip(columns, parts, strict=True):
                column.append(part)
    features, soh, kinds, cells, weight = (np.concatenate(column) for column in columns)
    return Rows(features, soh, kinds.astype(int), cells.astype(int), weight)


Scale = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def scaling(rows: Rows, chance: FloatArray) -> Scale:
    """Return median and spread of each feature over rows as they are drawn, and edges; a feature that none has is left as it is."""
    drawn = np.searchsorted(chance, (np.arange(SCALED_BY) + 0.5) / SCALED_BY)
    table = rows.features[drawn].astype(np.float64)
    there = np.isfinite(table).any(axis=0)
    low, median, high = np.zeros(table.shape[1]), np.zeros(table.shape[1]), np.ones(table.shape[1])
    low[there], median[there], high[there] = np.nanpercentile(table[:, there], (5, 50, 95), axis=0)
    edges = np.array([edges_of(table[rows.chemistry[drawn] == number]) for number in range(len(CHEMISTRIES))])
    had = np.array([had_by(table[rows.chemistry[drawn] == number]) for number in range(len(CHEMISTRIES))])
    return median, np.maximum((high - low) / 3.3, 1e-6), edges, had


def had_by(table: FloatArray) -> FloatArray:
    """Return 1 for each feature that at least a hundredth of some charges has, and that is used."""
    used = np.array([name not in UNUSED for name in FEATURES])
    return np.asarray(used & (np.isfinite(table).mean(axis=0) > 0.01 if len(table) else False), dtype=float)


def edges_of(table: FloatArray) -> list[float]:
    """Return least and greatest rate and temperature of some charges with their margins; none where there are no charges."""
    found = []
    for column, relative in ((CURRENT, True), (WARM, False)):
        values = table[:, column][np.isfinite(table[:, column])]
        if not len(values):
            found += [0.0, 0.0]
            continue
        low, high = np.quantile(values, [0.005, 0.995])
        margin = MARGINS[0] * np.array([low, high]) if relative else np.full(2, MARGINS[1])
        found += [float(low - margin[0]), float(high + margin[1])]
    return found


class Many(nn.Module):
    """Networks side by side, each with its own scaling."""

    def __init__(self, scales: Sequence[Scale], seeds: Sequence[int]) -> None:
        super().__init__()
        median, spread, edges, had = (torch.tensor(np.array(parts), dtype=torch.float32) for parts in zip(*scales, strict=True))
        for name, values in (("median", median[:, None]), ("spread", spread[:, None]), ("edges", edges), ("had", had)):
            self.register_buffer(name, values)
        singles = []
        for seed, scale in zip(seeds, scales, strict=True):
            torch.manual_seed(seed)
            singles.append(ChargeNetwork(*scale))
        self.weights = nn.ParameterList(
            [torch.stack([one.layers[place].weight.detach().T for one in singles]) for place in range(3)]
        )
        self.biases = nn.ParameterList(
            [torch.stack([one.layers[place].bias.detach()[None] for one in singles]) for place in range(3)]
        )

    def forward(self, charges: Tensor, chemistry: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what :func:`network.outputs` does, shape (networks, N), of charges (networks, N, F)."""
        found = inputs(charges, chemistry, self.median, self.spread, self.edges, self.had)
        for place in range(3):
            found = torch.baddbmm(self.biases[place], found if place == 0 else nn.functional.silu(found), self.weights[place])
        return outputs(found, charges, chemistry)

    def single(self, number: int) -> ChargeNetwork:
        """Return one of the networks."""
        scale = (self.median[number, 0], self.spread[number, 0], self.edges[number], self.had[number])
        one = ChargeNetwork(*(values.numpy() for values in scale))
        with torch.no_grad():
            for place in range(3):
                one.layers[place].weight.copy_(self.weights[place][number].T)
                one.layers[place].bias.copy_(self.biases[place][number, 0])
        return one.eval()


def train(
    lives: Sequence[Life], folds: Sequence[Sequence[int]], seeds: Sequence[int], design: Design,
    tell: Callable[[int, float], None] | None = None,
) -> list[ChargeNetwork]:  # fmt: skip
    """Train one network for each pair of a fold and a seed, for a fixed number of steps; nothing stops early.

    Parameters
    ----------
    folds : sequence of sequence of int
        Numbers of the training cells of each network.
    seeds : sequence of int
        As many.
    """
    torch.set_num_threads(1)
    rows = rows_of(lives, design.shifted)
    table = {tuple(fold): rows.chance(fold) for fold in folds}
    chances = [table[tuple(fold)] for fold in folds]
    scales = {fold: scaling(rows, chance) for fold, chance in table.items()}
    many = Many([scales[tuple(fold)] for fold in folds], seeds)
    randoms = [np.random.default_rng(seed) for seed in seeds]
    torch.manual_seed(seeds[0])
    features, soh = torch.from_numpy(rows.features), torch.from_numpy(np.log(rows.soh).astype(np.float32))
    kinds = torch.eye(len(CHEMISTRIES))[torch.from_numpy(rows.chemistry)]
    columns = [(torch.tensor([name.startswith(begin) for name in FEATURES]), share) for begin, share in MISSING.items()]
    optimiser = torch.optim.AdamW(many.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=design.steps, pct_start=0.15)
    for step in range(design.steps):
        drawn = np.stack([np.searchsorted(chance, one.random(BATCH)) for chance, one in zip(chances, randoms, strict=True)])
        places = torch.from_numpy(np.minimum(drawn, len(rows.soh) - 1))
        given, target = features[places], soh[places]
        whole = (target - torch.log(given[..., CHARGE])).abs() < NEARLY
        for column, share in columns:
            gone = torch.rand(given.shape[:2]) < share
            given = torch.where(gone[..., None] & column, torch.nan, given)
        given = given + NOISE * many.spread * torch.randn(given.shape)
        answer, scale, gate = many(given, kinds[places])
        away = (answer - target).abs()
        said = nn.functional.binary_cross_entropy_with_logits(gate, whole.to(gate.dtype), reduction="none")
        losses = (away / scale.exp() + scale + 10.0 * away + 0.3 * said).mean(dim=1)
        optimiser.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        _clip(many)
        optimiser.step()
        schedule.step()
        if tell and step % 100 == 99:
            tell(step + 1, float(losses.detach().mean()))
    return [many.single(number) for number in range(len(seeds))]


def _clip(many: Many) -> None:
    """Hold the gradient of each network on its own within a norm of 1."""
    parameters = [parameter for parameter in many.parameters() if parameter.grad is not None]
    squares = torch.stack([(p.grad**2).flatten(1).sum(dim=1) for p in parameters if p.grad is not None]).sum(dim=0)
    factor = (1.0 / squares.sqrt().clamp(min=1e-12)).clamp(max=1.0)
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad *= factor[:, None, None]
