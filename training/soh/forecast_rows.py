"""Cells of the forecast's groups as rows: what was known at a charge, and how health went on. Test cells apart, always."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from training.soh.cells import Cell, FloatArray
from training.soh.forecast_histories import MEMORY, SHORTEST, forecast_inputs
from training.soh.literature import FILE, read, split

#: Groups of the table, in its order.
GROUPS = ("XJTU-2C", "XJTU-3C", "XJTU-R2.5", "XJTU-R3", "TJU-1", "TJU-2", "TJU-3", "MIT", "HUST")
#: Read by leaving one cell out: of nine cells a split would test one.
LEAVE_ONE_OUT = ("TJU-3",)
#: How far ahead. [charges]
HORIZONS = (1, 5, 20, 50, 100)
#: Every how many charges a training cell gives a row; of test cells every charge counts.
STRIDES = {"HUST": 15, "MIT": 8, "TJU-1": 3, "TJU-2": 3, "TJU-3": 3}


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one or more cells of a group.

    Attributes
    ----------
    inputs : ndarray, shape (N, F)
        See `forecast_histories.forecast_inputs`.
    now : ndarray, shape (N,)
        Health as it is known at the charge: measured, or estimated. [1]
    change : ndarray, shape (N, len(HORIZONS))
        Measured health later less `now`; NaN past the end of the cell. [1]
    cell : ndarray of int, shape (N,)
        Place of the cell in the sequence that the rows were made of.
    charge : ndarray of int, shape (N,)
    history : ndarray, shape (N, MEMORY)
        Health as it was known at each of the last charges, oldest first, less `now`. [1]
    """

    inputs: FloatArray
    now: FloatArray
    change: FloatArray
    cell: np.ndarray
    charge: np.ndarray
    history: FloatArray

    def __len__(self) -> int:
        return len(self.now)

    def take(self, chosen: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(**{name: getattr(self, name)[chosen] for name in COLUMNS})


COLUMNS = tuple(field.name for field in fields(Rows))


def rows_of_cell(cell: Cell, known: FloatArray, place: int, stride: int) -> Rows:
    """Return the rows of a cell from its 20th charge on.

    Parameters
    ----------
    cell : Cell
    known : ndarray, shape (len(cell),)
        Health that the forecaster is told at each charge: the measured one, or estimates made without it. [1]
    place : int
        Number that stands for the cell.
    stride : int
        Take every how-many-th charge.
    """
    charges = np.arange(SHORTEST - 1, len(cell) - 1, stride)
    change = np.full((len(charges), len(HORIZONS)), np.nan)
    for column, horizon in enumerate(HORIZONS):
        inside = charges + horizon < len(cell)
        change[inside, column] = cell.soh[charges[inside] + horizon] - known[charges[inside]]
    inputs = forecast_inputs(known, cell.features)[charges]
    past = np.maximum(charges[:, None] - np.arange(MEMORY - 1, -1, -1), 0)
    history = known[past] - known[charges][:, None]
    return Rows(inputs, known[charges], change, np.full(len(charges), place), charges, history)


def join(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several cells as one."""
    return Rows(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS})


def rows_of(cells: Sequence[Cell], known: Sequence[FloatArray] | None = None, stride: int = 1) -> Rows:
    """Return the rows of several cells, told their measured health unless something else is given for each."""
    told = [cell.soh for cell in cells] if known is None else known
    return join(
        [rows_of_cell(cell, health, place, stride) for place, (cell, health) in enumerate(zip(cells, told, strict=True))]
    )


def folds(group: str, cells: Sequence[Cell]) -> list[tuple[list[Cell], list[Cell]]]:
    """Return the pairs of training and test cells that a group is read by: the literature's split, or each cell left out in turn."""
    if group not in LEAVE_ONE_OUT:
        return [split(cells)]
    return [([other for other in cells if other is not cell], [cell]) for cell in cells]


def read_group(shared: Path, group: str) -> list[Cell]:
    """Read a group's cells."""
    return read(shared, group)


def data_hash(shared: Path) -> str:
    """Return the SHA-256 of the file that all rows come from."""
    return hashlib.sha256((shared / FILE).read_bytes()).hexdigest()
