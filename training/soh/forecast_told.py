"""What the shipped forecaster is fitted to: of each cell its measured health, honest estimates of it, and health with errors drawn.

The plugin forecasts from its own estimates, whatever the cell. Errors of estimates are a bias, a slow drift and scatter from charge to
charge; how large each is differs by estimator and cell, so they are drawn anew for every cell.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from models.neural_soh.forecast_history import SHORTEST, history_inputs
from models.neural_soh.forecast_path import HORIZONS
from training.soh.cells import Cell, FloatArray

#: Rows that a training cell gives for each of its histories, at most.
ROWS = 150
#: Errors drawn: standard deviation of the bias, of the drift, and largest scatter. [1]
BIAS, DRIFT, SCATTER = 0.01, 0.006, 0.006
#: A drift forgets itself in about so many charges.
SLOW = 200.0


@dataclass(frozen=True, eq=False)
class Told:
    """Rows of some cells.

    Attributes
    ----------
    inputs : ndarray, shape (N, F)
        See `models.neural_soh.forecast_history.history_inputs`.
    change : ndarray, shape (N, len(HORIZONS))
        Measured health later less the health told now; NaN past the end of the cell. [1]
    cell : ndarray of int, shape (N,)
        Place of the cell.
    charge : ndarray of int, shape (N,)
    """

    inputs: FloatArray
    change: FloatArray
    cell: np.ndarray
    charge: np.ndarray

    def __len__(self) -> int:
        return len(self.cell)

    def take(self, chosen: np.ndarray) -> Told:
        """Return some of the rows."""
        return Told(*(getattr(self, field.name)[chosen] for field in fields(self)))


def told_rows(cell: Cell, known: FloatArray, place: int, most: int | None = None) -> Told:
    """Return rows of a cell from its 20th charge on: every charge, or at most so many evenly spread.

    Parameters
    ----------
    cell : Cell
    known : ndarray, shape (len(cell),)
        Health that the forecaster is told at each charge. [1]
    place : int
    most : int, optional
    """
    charges = np.arange(SHORTEST - 1, len(cell) - 1)
    if most is not None and len(charges) > most:
        charges = np.unique(np.linspace(charges[0], charges[-1], most).astype(int))
    change = np.full((len(charges), len(HORIZONS)), np.nan)
    for column, horizon in enumerate(HORIZONS):
        inside = charges + horizon < len(cell)
        change[inside, column] = cell.soh[charges[inside] + horizon] - known[charges[inside]]
    return Told(history_inputs(known)[charges], change, np.full(len(charges), place), charges)


def joined(parts: Iterable[Told]) -> Told:
    """Return rows of several cells as one."""
    every = list(parts)
    return Told(*(np.concatenate([getattr(part, field.name) for part in every]) for field in fields(Told)))


def with_errors(cell: Cell, seed: int) -> FloatArray:
    """Return the health of a cell as an estimator might tell it: with a bias, a slow drift, and scatter.

    Notes
    -----
    Half of the cells get no more than a quarter of the errors: estimators can be good. Errors are the same in every run.
    """
    generator = np.random.default_rng([seed, zlib.crc32(f"{cell.group} {cell.name}".encode())])
    size = 1.0 if generator.random() < 0.5 else 0.25
    bias, scatter = BIAS * size * generator.normal(), SCATTER * size * generator.random() ** 2
    kept = np.exp(-1.0 / SLOW)
    steps = generator.normal(size=len(cell)) * DRIFT * size * generator.random() * np.sqrt(1 - kept**2)
    drift = np.zeros(len(cell))
    for place in range(1, len(cell)):
        drift[place] = kept * drift[place - 1] + steps[place]
    return np.asarray(cell.soh + bias + drift + scatter * generator.normal(size=len(cell)))


def told(cell: Cell, estimate: FloatArray, seed: int) -> dict[str, FloatArray]:
    """Return the histories of a training cell by the way its health is told, none of which a network is told."""
    return {"measured": cell.soh, "estimated": estimate, "drawn": with_errors(cell, seed)}


def training_rows(cells: Sequence[Cell], estimates: Mapping[tuple[str, str], FloatArray], seed: int) -> dict[str, Told]:
    """Return rows of training cells by the way they are told; place is that of the cell in the sequence.

    Parameters
    ----------
    cells : sequence of Cell
    estimates : mapping of (group, name) to ndarray
        Of each charge, by models that had not seen the cell.
    seed : int
    """
    parts: dict[str, list[Told]] = {}
    for place, cell in enumerate(cells):
        for way, known in told(cell, estimates[cell.group, cell.name], seed).items():
            parts.setdefault(way, []).append(told_rows(cell, known, place, ROWS))
    return {way: joined(rows) for way, rows in parts.items()}
