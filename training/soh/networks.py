"""Neural networks over the last charges of a cell: a CNN with a transformer, and an LSTM to compare with.

Inputs are the last `LENGTH` charges, oldest first: each feature scaled by training cells, its change since the cell's first charges,
and masks of the groups of features that were seen. Groups are left out at random in training, so that a missing one is nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.soh import causal
from training.soh.cells import Cell, FloatArray
from training.soh.comparators import Fit, Predict

#: Charges that a network sees, and widths. [1]
LENGTH, WIDTH, HEADS, LAYERS = 16, 32, 4, 1
#: Training: rows at a time, passes, largest rate, share of rows whose group of features is left out. [1]
BATCH, STEPS, RATE, LEFT_OUT = 128, 900, 3e-3, 0.1
#: Windows that a network is trained on at most. [1]
MOST_WINDOWS = 24_000
#: Networks of one estimate: one more is one more seed. [1]
MEMBERS = 1


@dataclass(frozen=True)
class Scale:
    """Scaling by training cells: of values, of changes, and of the count of charges."""

    median: FloatArray
    spread: FloatArray
    change: FloatArray
    most: float

    @classmethod
    def fitted(cls, cells: Sequence[Cell]) -> Scale:
        """Take medians and spreads of training cells; each cell weighs alike."""
        values = np.concatenate([_thin(causal.filled(cell.features)) for cell in cells])
        changes = np.concatenate([_thin(_change(cell)) for cell in cells])
        low, median, high = np.nanpercentile(values, (5, 50, 95), axis=0)
        left, right = np.nanpercentile(changes, (5, 95), axis=0)
        return cls(median, np.maximum((high - low) / 3.3, 1e-9), np.maximum((right - left) / 3.3, 1e-9), max(map(len, cells)))

    def channels(self, cell: Cell) -> FloatArray:
        """Return what a network sees of each charge, shape (N, 3 F + 1): value, change, whether it was seen; count."""
        seen = np.isfinite(causal.filled(cell.features))
        value = np.where(seen, (causal.filled(cell.features) - self.median) / self.spread, 0.0)
        change = np.where(seen, _change(cell) / self.change, 0.0)
        count = np.arange(len(cell)) / self.most
        found = np.column_stack([np.clip(value, -5, 5), np.clip(change, -5, 5), seen, np.clip(count, 0, 1.5)])
        return np.nan_to_num(found)


def _thin(rows: FloatArray, most: int = 400) -> FloatArray:
    return rows[:: max(1, len(rows) // most)]


def _change(cell: Cell) -> FloatArray:
    known = causal.filled(cell.features)
    return causal.short_median(known) - causal.beginning(known)


def windows(channels: FloatArray, length: int = LENGTH) -> FloatArray:
    """Return the last `length` charges of each charge, shape (N, length, C); before the first one, the first one again."""
    padded = np.concatenate([np.repeat(channels[:1], length - 1, axis=0), channels])
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, length, axis=0).transpose(0, 2, 1))


class CnnTransformer(nn.Module):
    """A convolution over neighbouring charges, attention over the window, and the last charge's answer."""

    def __init__(self, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        self.enter = nn.Linear(channels, width)
        self.near = nn.Conv1d(width, width, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(LENGTH, width))
        layer = nn.TransformerEncoderLayer(
            width, HEADS, 2 * width, dropout=0.1, batch_first=True, norm_first=True, activation="gelu"
        )
        self.attend = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.leave = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, window: Tensor) -> Tensor:
        entered = self.enter(window)
        near = torch.nn.functional.gelu(self.near(entered.transpose(1, 2)).transpose(1, 2))
        attended = self.attend(entered + near + self.place)
        answer: Tensor = self.leave(torch.cat([attended[:, -1], entered[:, -1]], dim=1))
        return answer[:, 0]


class Lstm(nn.Module):
    """A recurrent network over the same window."""

    def __init__(self, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        self.enter = nn.Linear(channels, width)
        self.recur = nn.LSTM(width, width, batch_first=True)
        self.leave = nn.Linear(width, 1)

    def forward(self, window: Tensor) -> Tensor:
        states, _ = self.recur(torch.nn.functional.gelu(self.enter(window)))
        answer: Tensor = self.leave(states[:, -1])
        return answer[:, 0]


def fit(kind: type[nn.Module], members: int, cells: Sequence[Cell], seed: int) -> Predict:
    """Train networks of a kind, and return their mean."""
    scale = Scale.fitted(cells)
    each = max(MOST_WINDOWS // len(cells), 1)
    inputs, labels = [], []
    for cell in cells:
        chosen = np.arange(0, len(cell), max(1, -(-len(cell) // each)))
        chosen = chosen[np.isfinite(cell.soh[chosen])]
        inputs.append(windows(scale.channels(cell))[chosen].astype(np.float32))
        labels.append(cell.soh[chosen])
    data, known = np.concatenate(inputs), np.concatenate(labels)
    middle, size = float(known.mean()), float(known.std())
    target = torch.tensor((known - middle) / size, dtype=torch.float32)
    nets = [train(kind, torch.tensor(data), target, 1000 * seed + member) for member in range(members)]

    def predict(cell: Cell) -> FloatArray:
        window = torch.tensor(windows(scale.channels(cell)).astype(np.float32))
        with torch.inference_mode():
            found = [torch.cat([net(part) for part in window.split(4096)]).numpy() for net in nets]
        return np.asarray(np.mean(found, axis=0) * size + middle, dtype=float)

    return predict


def train(kind: type[nn.Module], data: Tensor, target: Tensor, seed: int) -> nn.Module:
    """Train one network for a fixed number of steps: nothing is stopped early, so nothing is held out."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    chance = torch.Generator().manual_seed(seed)
    features = (data.shape[2] - 1) // 3
    net: Any = kind(data.shape[2])
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS, pct_start=0.15)
    for _ in range(STEPS):
        rows = torch.randint(len(data), (BATCH,), generator=chance)
        batch = data[rows] + 0.02 * torch.randn(BATCH, *data.shape[1:], generator=chance)
        seen = torch.rand(BATCH, 1, features, generator=chance) > LEFT_OUT
        batch = batch * torch.cat([seen, seen, seen, torch.ones(BATCH, 1, 1, dtype=torch.bool)], dim=2)
        loss = torch.nn.functional.smooth_l1_loss(net(batch), target[rows], beta=0.3)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return net.eval()  # type: ignore[no-any-return]


cnn_transformer: Fit = partial(fit, CnnTransformer, MEMBERS)
lstm: Fit = partial(fit, Lstm, MEMBERS)
