"""Truth as training windows: bins of 5 to 60 s, starting anywhere, with the state of the particles at the start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.pinn.cell import load as load_cell
from training.pinn.dataset import load
from training.pinn.mesh import electrolyte, particle_modes, quadrature
from training.pinn.scan import BLOCK
from training.pinn.truth import BIN

#: Bins of 5 s that are joined to one, and how often. [1]
JOINED, CHANCE = (1, 2, 6, 12), (0.7, 0.1, 0.1, 0.1)


def bin_mean(values: np.ndarray, size: int = BIN) -> np.ndarray:
    """Mean of each bin of `size` steps of a series that is linear between its samples."""
    return ((values[1:] + values[:-1]) / 2).reshape(-1, size).mean(1)


def bin_spread(values: np.ndarray, size: int = BIN) -> np.ndarray:
    """Standard deviation within each bin of a series that is linear between its samples."""
    square = (values[1:] ** 2 + values[1:] * values[:-1] + values[:-1] ** 2) / 3
    return np.sqrt(np.maximum(square.reshape(-1, size).mean(1) - bin_mean(values, size) ** 2, 0))


@dataclass(frozen=True)
class Run:
    """One simulated profile in bins of 5 s; fields at the N + 1 ends of bins, as modes and nodes of the network."""

    current: np.ndarray
    square: np.ndarray
    temperature: np.ndarray
    voltage: np.ndarray
    anode: np.ndarray
    negative: np.ndarray
    positive: np.ndarray
    electrolyte: np.ndarray
    soc: float


def read_run(path: Path) -> Run | None:
    """Read a profile; ``None`` when its simulation ended early."""
    data = load(path)
    if data is None:
        return None
    current = bin_mean(data["current"])
    return Run(
        current,
        bin_spread(data["current"]) ** 2 + current**2,
        bin_mean(data["temperature"]),
        bin_mean(data["voltage"]),
        bin_mean(data["anode"]),
        data["negative"].transpose(2, 0, 1),
        data["positive"].transpose(2, 0, 1),
        data["electrolyte"].T,
        float(data["soc"]),
    )


class Windows:
    """Draws batches of windows from runs.

    Parameters
    ----------
    runs : list of Run
    nodes, modes : int
        Of the network.
    seed : int
    """

    def __init__(self, runs: list[Run], nodes: int, modes: int, seed: int) -> None:
        self.runs, self.random = runs, np.random.default_rng(seed)
        cell = load_cell()
        self.from_cells = quadrature(nodes).from_cells
        self.project = particle_modes().project
        self.liquid = electrolyte(cell, modes).modes.project

    def state(self, run: Run, at: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the modes of the truth at the end of bin `at` - 1."""
        particles = [self.project @ field[at] @ self.from_cells.T for field in (run.negative, run.positive)]
        return particles[0], particles[1], self.liquid @ run.electrolyte[at]

    def draw(self, count: int, length: int) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
        """Draw a batch of windows of at most `length` bins: inputs of the network, and what the truth says of them."""
        joined = int(self.random.choice(JOINED, p=CHANCE))
        chosen = [self.runs[int(self.random.integers(len(self.runs)))] for _ in range(count)]
        bins = min(min(len(run.current) for run in chosen) // joined, length) // BLOCK * BLOCK
        rows: list[list[Any]] = []
        for run in chosen:
            last = len(run.current) - bins * joined
            at = 0 if self.random.random() < 0.4 else int(self.random.integers(0, last + 1))
            rows.append(self._row(run, at, bins, joined))
        stacked = [torch.tensor(np.stack(values), dtype=torch.float32) for values in zip(*rows, strict=True)]
        names = ("voltage", "margin", "negative", "positive", "electrolyte")
        return (*stacked[:7], torch.zeros(count, 10)), dict(zip(names, stacked[7:], strict=True))

    def _row(self, run: Run, at: int, bins: int, joined: int) -> list[Any]:
        part = slice(at, at + bins * joined)

        def mean(values: np.ndarray) -> np.ndarray:
            return values[part].reshape(bins, joined).mean(1)

        current = mean(run.current)
        spread = np.sqrt(np.maximum(mean(run.square) - current**2, 0))
        ends = slice(at + joined, at + bins * joined + 1, joined)
        return [current, spread, mean(run.temperature), np.full(bins, float(BIN * joined)), *self.state(run, at),
                mean(run.voltage), mean(run.anode), run.negative[ends], run.positive[ends], run.electrolyte[ends]]  # fmt: skip
