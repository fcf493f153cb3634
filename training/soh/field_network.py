"""The network for charges as assets get them: statistics and curve of the last charges, whole or partial, whatever was measured.

Its input is what `models/neural_soh/features.py` tells of each of the last charges, oldest first, NaN where something was not seen:
scaling and masks are in the graph. Neither age nor the count of charges enters, as a log may begin anywhere in a life.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.neural_soh.features import BINS, FEATURES, STATISTICS
from training.soh.cells import FloatArray

#: Charges that the network sees, widths. [1]
LENGTH, WIDTH, CURVE_WIDTH, HEADS, LAYERS = 8, 48, 16, 4, 1
#: Training: rows at a time, steps, largest rate, decay of weights.
BATCH, STEPS, RATE, DECAY = 128, 1200, 3e-3, 2e-2
#: What may be missing together, by how the names begin; and the share of charges from which each is taken in training. [1]
GROUPS = {
    ("cv_",): 0.2, ("temperature_",): 0.2, ("resistance_",): 0.3, ("relaxation_",): 0.3, ("strain_",): 0.5,
    ("charge", "duration", "cc_charge", "cc_time"): 0.3, ("curve_", "peak_"): 0.1,
}  # fmt: skip
#: Share of training rows whose charges are of one kind (all whole, all between the same edges); the others mix kinds. [1]
ONE_KIND = 0.5


@dataclass(frozen=True, eq=False)
class Seen:
    """A training cell as it is seen in several ways.

    Attributes
    ----------
    kinds : ndarray, shape (K, N, F)
        Features of its charges: whole, and cut in K - 1 ways.
    soh : ndarray, shape (N,)
    """

    kinds: FloatArray
    soh: FloatArray


class FieldNetwork(nn.Module):
    """Statistics and curve of the last charges to the SOH of the last one.

    Parameters
    ----------
    median, spread : ndarray, shape (F,)
        Of training cells; inputs are held within five spreads.
    level, size : float
        Mean and standard deviation of the training labels.
    """

    def __init__(self, median: FloatArray, spread: FloatArray, level: float, size: float) -> None:
        super().__init__()
        self.register_buffer("median", torch.tensor(median, dtype=torch.float32))
        self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32))
        self.level, self.size = level, size
        self.curve = nn.Sequential(
            nn.Conv1d(2, CURVE_WIDTH, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(CURVE_WIDTH, CURVE_WIDTH, 5, padding=2, stride=4),
            nn.GELU(),
        )
        self.enter = nn.Linear(2 * len(STATISTICS) + CURVE_WIDTH * BINS // 4, WIDTH)
        self.place = nn.Parameter(torch.zeros(LENGTH, WIDTH))
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, dropout=0.1, batch_first=True, norm_first=True, activation="gelu"
        )
        self.attend = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.leave = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))

    def forward(self, history: Tensor) -> Tensor:
        """Return the SOH, shape (B,), of features of shape (B, LENGTH, F); a charge that is not there is NaN throughout."""
        seen = ~torch.isnan(history)
        scaled = torch.where(seen, (history - self.median) / self.spread, torch.zeros_like(history)).clamp(-5.0, 5.0)
        both = torch.stack([scaled, seen.to(scaled.dtype)], dim=2)  # (B, LENGTH, 2, F)
        curves = both[..., len(STATISTICS) :].flatten(0, 1)
        shape = self.curve(curves).flatten(1).unflatten(0, (-1, LENGTH))
        entered = self.enter(torch.cat([both[..., : len(STATISTICS)].flatten(2), shape], dim=2))
        attended = self.attend(entered + self.place)
        answer: Tensor = self.leave(torch.cat([attended[:, -1], entered[:, -1]], dim=1))
        return answer[:, 0] * self.size + self.level


def histories(rows: FloatArray, length: int = LENGTH) -> FloatArray:
    """Return the last `length` charges of each charge, shape (N, length, F); what was before the first is NaN."""
    padded = np.concatenate([np.full((length - 1, rows.shape[1]), np.nan), rows])
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, length, axis=0).transpose(0, 2, 1))


def scaling(cells: Sequence[Seen]) -> tuple[FloatArray, FloatArray]:
    """Return median and spread of each feature over training cells; a feature that none has is left as it is."""
    rows = np.concatenate(
        [cell.kinds[:, :: max(1, cell.kinds.shape[1] // 150)].reshape(-1, cell.kinds.shape[2]) for cell in cells]
    )
    there = np.isfinite(rows).any(axis=0)
    low, median, high = np.zeros(rows.shape[1]), np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    low[there], median[there], high[there] = np.nanpercentile(rows[:, there], (5, 50, 95), axis=0)
    return median, np.maximum((high - low) / 3.3, 1e-6)


class Draw:
    """Training rows: a cell, one of its labelled charges, how the charges up to it were seen, and what is missing of them."""

    def __init__(self, cells: Sequence[Seen], seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.cells = cells
        self.known = [np.flatnonzero(np.isfinite(cell.soh)) for cell in cells]
        self.columns = [(np.array([name.startswith(begin) for name in FEATURES]), share) for begin, share in GROUPS.items()]

    def __call__(self, count: int) -> tuple[Tensor, Tensor]:
        """Return histories and labels."""
        inputs = np.full((count, LENGTH, len(FEATURES)), np.nan, dtype=np.float32)
        labels = np.empty(count, dtype=np.float32)
        for row in range(count):
            place = int(self.chance.integers(len(self.cells)))
            cell, charge = self.cells[place], int(self.chance.choice(self.known[place]))
            begin = max(0, charge - int(self.chance.integers(LENGTH)))
            kinds = np.full(charge + 1 - begin, self.chance.integers(len(cell.kinds)))
            if self.chance.random() > ONE_KIND:
                kinds = self.chance.integers(len(cell.kinds), size=len(kinds))
            inputs[row, begin - charge - 1 :] = cell.kinds[kinds, np.arange(begin, charge + 1)]
            labels[row] = cell.soh[charge]
        for columns, share in self.columns:
            rows = np.flatnonzero(self.chance.random(count) < share)
            inputs[np.ix_(rows, np.arange(LENGTH), np.flatnonzero(columns))] = np.nan
        return torch.from_numpy(inputs), torch.from_numpy(labels)


def train(
    cells: Sequence[Seen], seed: int, steps: int = STEPS, tell: Callable[[int, float], None] | None = None
) -> FieldNetwork:
    """Train one network for a fixed number of steps, each cell drawn as often as any other; nothing is held out."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    labels = [cell.soh[np.isfinite(cell.soh)] for cell in cells]
    level = float(np.mean([one.mean() for one in labels]))
    size = float(np.sqrt(np.mean([np.mean((one - level) ** 2) for one in labels])))
    network: Any = FieldNetwork(*scaling(cells), level, size)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.15)
    draw = Draw(cells, seed)
    for step in range(steps):
        inputs, target = draw(BATCH)
        inputs = inputs + 0.02 * network.spread * torch.randn(inputs.shape)
        loss = torch.nn.functional.smooth_l1_loss(network(inputs) / size, target / size, beta=0.3)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if tell and step % 100 == 99:
            tell(step + 1, float(loss.detach()))
    return network.eval()  # type: ignore[no-any-return]


def estimate(networks: Sequence[FieldNetwork], rows: FloatArray) -> FloatArray:
    """Return the mean estimate of some networks at each charge, shape (N,)."""
    inputs = torch.tensor(histories(rows), dtype=torch.float32)
    with torch.inference_mode():
        return np.asarray(np.mean([network(inputs).numpy() for network in networks], axis=0), dtype=float)
