"""Kernel regression whose lengths are chosen by leaving cells out: smooth, and judged in training as it will be judged in use.

The mean of a Gaussian process with a kernel of three parts: linear in the inputs, smooth in all of them with a length of its own each,
and smooth in the count of charges alone. What the error of a cell would be if it was left out has a closed form, so lengths and
weights are those with the least mean absolute error of training cells that are left out, one at a time. Trees average what
cells of the same look had; this one also follows a slope beyond them, and forgets inputs that do not carry over from cell to cell.

References
----------
Rasmussen, Williams, Gaussian Processes for Machine Learning, MIT Press 2006, section 5.4.2 (leaving out in closed form)
Neal, Bayesian Learning for Neural Networks, Springer 1996 (one length for each input)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from training.soh import causal
from training.soh.cells import Cell, FloatArray
from training.soh.comparators import Fit, Inputs, Predict, mean_of, trees_of_long_history

if TYPE_CHECKING:
    from torch import Tensor

#: Charges of each cell, and cells that a step looks at. [1]
ROWS, CELLS_AT_ONCE = 18, 16
#: Charges that inputs are medians of, a regression each: what one charge shows is fresh, what forty show is steady. [1]
MEMORIES = (1, 10, 40)
#: Steps where all cells are looked at in each, and where some are; largest rate. [1]
STEPS, STEPS_OF_SOME, RATE = 50, 100, 0.08
#: Weight of the error against the prior of lengths; a count held at this many times the largest in training. [1]
SHARPNESS, HELD_COUNT = 20.0, 1.2
#: Where lengths and weights begin, and what they are drawn to: logarithms, inputs and labels scaled to one standard deviation. [1]
BEGIN = {
    "length": np.log(4.0), "slope": np.log(0.1), "smooth": 0.0, "count_within": np.log(0.5), "count_alone": -1.0,
    "count_length": np.log(0.3), "noise": -3.0,
}  # fmt: skip


def long_columns(cell: Cell) -> FloatArray:
    """Return :func:`causal.columns` with long changes before the count, shape (N, 4 F + 1)."""
    known = causal.columns(cell)
    return np.column_stack([known[:, :-1], causal.long_change(causal.filled(cell.features)), known[:, -1]])


def chosen(cell: Cell, chance: np.random.Generator, number: int = ROWS) -> np.ndarray:
    """Return charges that have a label, one at random of each of `number` equal stretches of life; again, where there are fewer."""
    known = np.flatnonzero(np.isfinite(cell.soh))
    return np.asarray(known[((np.arange(number) + chance.random(number)) * len(known) / number).astype(int)])


@dataclass
class Process:
    """A fitted regression.

    Attributes
    ----------
    inputs : Inputs
    middle, size, most : ndarray, ndarray, float
        Mean and standard deviation of the columns but the count, and the largest count.
    level, spread : float
        Mean and standard deviation of the labels.
    rows, labels : Tensor, shapes (C, R, K), (C, R)
        Of C cells, scaled; the last column is the count.
    logs : dict
        Logarithms of lengths and weights.
    weights : Tensor, shape (C R,)
        Of the kernel to each row.
    """

    inputs: Inputs
    middle: FloatArray
    size: FloatArray
    most: float
    level: float
    spread: float
    rows: Tensor
    labels: Tensor
    logs: dict[str, Tensor] = field(default_factory=dict)
    inverse: Tensor | None = None
    weights: Tensor | None = None

    def scaled(self, rows: FloatArray) -> Tensor:
        """Return rows as the kernel sees them."""
        import torch

        known = self.inputs(rows)
        count = np.minimum(rows[:, -1:], HELD_COUNT * self.most) / self.most
        return torch.tensor(np.column_stack([(known[:, :-1] - self.middle) / self.size, count]))

    def predict(self, cell: Cell) -> FloatArray:
        """Return the estimate at each charge."""
        assert self.weights is not None
        return self._estimate(cell, self.weights)

    def left_out(self, cell: Cell, number: int) -> FloatArray:
        """Return what the regression would have estimated of its training cell `number`, had it been left out; lengths stay."""
        import torch

        each = self.labels.shape[1]
        own = slice(number * each, (number + 1) * each)
        with torch.inference_mode():
            weights = self.weights - self.inverse[:, own] @ torch.linalg.solve(self.inverse[own, own], self.weights[own])
        return self._estimate(cell, weights)

    def _estimate(self, cell: Cell, weights: Tensor) -> FloatArray:
        import torch

        known = self.rows.reshape(-1, self.rows.shape[-1])
        with torch.inference_mode():
            found = torch.cat(
                [kernel(part, known, self.logs) @ weights for part in self.scaled(self.inputs.of(cell)).split(2048)]
            )
        return np.asarray(found.numpy() * self.spread + self.level, dtype=float)


def kernel(first: Tensor, second: Tensor, logs: dict[str, Tensor]) -> Tensor:
    """Return how alike rows are; a constant is a part of it, so that the mean need not be known."""
    import torch

    near, linear = torch.exp(-logs["length"]), torch.exp(logs["slope"])
    one, other = first[:, :-1], second[:, :-1]
    apart = (first[:, -1:] - second[:, -1:].T) ** 2
    left, right = one * near, other * near
    distance = ((left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T).clamp_min(0)
    distance = distance + apart * torch.exp(-2 * logs["count_within"])
    return (
        torch.exp(2 * logs["smooth"] - 0.5 * distance)
        + torch.exp(2 * logs["count_alone"] - 0.5 * apart * torch.exp(-2 * logs["count_length"]))
        + (one * linear) @ (other * linear).T
        + 1.0
    )


def with_noise(rows: Tensor, logs: dict[str, Tensor]) -> Tensor:
    """Return the kernel between rows, and the noise of each."""
    import torch

    return kernel(rows, rows, logs) + (torch.exp(2 * logs["noise"]) + 1e-6) * torch.eye(len(rows), dtype=rows.dtype)


def errors_left_out(rows: Tensor, labels: Tensor, logs: dict[str, Tensor]) -> Tensor:
    """Return label less estimate of each cell by a regression on the others, shape (C, R), without fitting one for each."""
    import torch

    cells, each = labels.shape
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(with_noise(rows.reshape(cells * each, -1), logs)))
    own = inverse.reshape(cells, each, cells, each)[torch.arange(cells), :, torch.arange(cells)]
    return torch.linalg.solve(own, (inverse @ labels.reshape(-1)).reshape(cells, each))


def prepared(cells: Sequence[Cell], seed: int, of: Callable[[Cell], FloatArray]) -> Process:
    """Choose charges of training cells and scale by them."""
    import torch

    chance = np.random.default_rng(seed)
    picks = [chosen(cell, chance) for cell in cells]
    parts = [of(cell)[pick] for cell, pick in zip(cells, picks, strict=True)]
    rows, labels = np.concatenate(parts), np.concatenate([cell.soh[pick] for cell, pick in zip(cells, picks, strict=True)])
    inputs = Inputs.fitted(of, rows)
    known = inputs(rows)[:, :-1]
    level, spread = float(labels.mean()), float(labels.std())
    made = Process(
        inputs, known.mean(axis=0), known.std(axis=0) + 1e-12, max(float(rows[:, -1].max()), 1.0), level, spread,
        torch.empty(0), torch.tensor((labels - level) / spread).reshape(len(cells), ROWS),
    )  # fmt: skip
    made.rows = made.scaled(rows).reshape(len(cells), ROWS, -1)
    return made


def fit_one(cells: Sequence[Cell], seed: int, of: Callable[[Cell], FloatArray] = causal.columns) -> Process:
    """Choose lengths and weights by leaving cells out, then solve for all of them."""
    import torch

    torch.set_num_threads(1)
    made = prepared(cells, seed, of)
    wide = made.rows.shape[2] - 1
    begin = {
        name: torch.full((wide,) if name in ("length", "slope") else (), value, dtype=torch.float64)
        for name, value in BEGIN.items()
    }
    logs = {name: value.clone().requires_grad_() for name, value in begin.items()}
    steps = STEPS if len(cells) <= CELLS_AT_ONCE else STEPS_OF_SOME
    optimiser = torch.optim.Adam(list(logs.values()), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=RATE / 16)
    chance = np.random.default_rng(seed)
    for _ in range(steps):
        seen = torch.tensor(np.sort(chance.permutation(len(cells))[:CELLS_AT_ONCE]))
        errors = errors_left_out(made.rows[seen], made.labels[seen], logs)
        prior = sum((((logs[name] - begin[name]) ** 2).sum() / 2 for name in logs), torch.zeros(()))
        loss = SHARPNESS * torch.sqrt(errors**2 + 1e-4).mean(dim=1).sum() + prior
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    made.logs = {name: value.detach() for name, value in logs.items()}
    lower = torch.linalg.cholesky(with_noise(made.rows.reshape(-1, wide + 1), made.logs))
    made.inverse = torch.cholesky_inverse(lower)
    made.weights = made.inverse @ made.labels.reshape(-1)
    return made


def fit(of: Callable[[Cell], FloatArray], cells: Sequence[Cell], seed: int) -> Predict:
    """Return a regression's estimates."""
    return fit_one(cells, seed, of).predict


#: The mean of regressions with a short, a middling and a long memory.
process: Fit = mean_of(*(partial(fit, partial(causal.columns, memory=memory)) for memory in MEMORIES))
#: With how fast a cell has aged lately: regression, boosting and trees alike.
long_history: Fit = mean_of(partial(fit, long_columns), *trees_of_long_history)
