"""What the forecast's table is made of, piece by piece, each kept in a file: an interrupted run goes on where it was.

A piece is a forecaster fitted with one seed to the training cells of one group (or of all groups at once), and its forecasts of the
rows it was not fitted to: of the test cells, or (``calibration``) of training cells dealt out to four parts.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from training.soh.cells import Cell, FloatArray
from training.soh.forecast_estimates import PARTS, estimator, out_of_fold
from training.soh.forecast_histories import health_names
from training.soh.forecast_models import FITTED, Forecast
from training.soh.forecast_networks import pooled
from training.soh.forecast_rows import GROUPS, LEAVE_ONE_OUT, STRIDES, Rows, folds, join, read_group, rows_of, rows_of_cell

ROOT = Path(__file__).resolve().parents[2]
#: Forecasters that draw nothing at random; one seed is all.
DETERMINISTIC = ("ridge", "gradient boosting")
POOLED = ("perceptron", "convolution")
#: Mean of these is what would ship; chosen on the ``calibration`` rows.
MEMBERS = ("perceptron", "sparse boosting", "extra trees")
#: From own estimates: what is fitted, what is averaged far ahead, and up to which horizon the robust trend is better than any fit.
ESTIMATED_FITTED = ("ridge", "sparse boosting", "extra trees")
ESTIMATED_MEMBERS = ("sparse boosting", "extra trees")
TREND_UP_TO = 20
#: What pieces are computed with.
CODE = (
    "models/neural_soh/forecast_history.py", "training/soh/forecast_histories.py", "training/soh/forecast_rows.py",
    "training/soh/forecast_models.py", "training/soh/forecast_networks.py", "training/soh/forecast_estimates.py",
    "training/soh/literature.py",
)  # fmt: skip
#: How far ahead of own estimates. [charges]
ESTIMATED_HORIZONS = (5, 50)
CALIBRATION_PARTS = 3
_DEFAULT_STRIDE = 2
#: Of each group, the cells to fit and the cells to forecast.
Pool = dict[str, tuple[list[Cell], list[Cell]]]


@dataclass(frozen=True)
class Source:
    """Where measured cells come from, and where pieces are kept.

    Attributes
    ----------
    shared : Path
        The folder of measured data.
    cache : Path
    """

    shared: Path
    cache: Path

    def kept(self, name: str) -> Path:
        """Return the file of a piece."""
        return self.cache / f"{name.replace(' ', '-')}.npz"


@lru_cache(maxsize=16)
def cells_of(shared: Path, group: str) -> tuple[Cell, ...]:
    """Return a group's cells, read once."""
    return tuple(read_group(shared, group))


def stride_of(group: str) -> int:
    """Return every how many charges a training cell of a group gives a row."""
    return STRIDES.get(group, _DEFAULT_STRIDE)


@lru_cache(maxsize=1024)
def _measured_rows(shared: Path, group: str, name: str, stride: int) -> Rows:
    cell = next(cell for cell in cells_of(shared, group) if cell.name == name)
    return rows_of_cell(cell, cell.soh, 0, stride)


def measured(shared: Path, group: str, cells: Sequence[Cell], stride: int) -> Rows:
    """Return the rows of some cells of a group that are told their measured health."""
    parts = []
    for place, cell in enumerate(cells):
        rows = _measured_rows(shared, group, cell.name, stride)
        parts.append(Rows(rows.inputs, rows.now, rows.change, np.full(len(rows), place), rows.charge, rows.history))
    return join(parts)


def splits(shared: Path, group: str, calibration: bool) -> list[tuple[list[Cell], list[Cell]]]:
    """Return pairs of cells to fit and cells to forecast: the protocol's, or parts of its training cells in turn.

    A group that is read by leaving one out has no training cells besides, and is not calibrated.
    """
    pairs = folds(group, cells_of(shared, group))
    if not calibration:
        return pairs
    train = pairs[0][0]
    return [
        ([cell for place, cell in enumerate(train) if place % CALIBRATION_PARTS != part], train[part::CALIBRATION_PARTS])
        for part in range(CALIBRATION_PARTS)
    ]


def keep(path: Path, arrays: dict[str, FloatArray]) -> None:
    """Write a piece so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    beside.replace(path)


def fitted_piece(source: Source, model: str, group: str, seed: int, calibration: bool) -> dict[str, Forecast]:
    """Return a model's forecasts by name of the cell."""
    stride = stride_of(group) if calibration else 1
    found: dict[str, Forecast] = {}
    for train, test in splits(source.shared, group, calibration):
        rows = measured(source.shared, group, test, stride)
        forecast = FITTED[model](measured(source.shared, group, train, stride_of(group)), rows, seed)
        found |= {cell.name: forecast[rows.cell == place] for place, cell in enumerate(test)}
    return found


def pooled_piece(source: Source, model: str, seed: int, calibration: bool) -> dict[str, Forecast]:
    """Return a network's forecasts by group and name of the cell.

    Groups that are split share one network a part. Where cells are left out one by one, each network is fitted to that group alone:
    one to all nine groups for each such cell would cost nine times the rest.
    """
    split_groups = [group for group in GROUPS if group not in LEAVE_ONE_OUT]
    parts = CALIBRATION_PARTS if calibration else 1
    found: dict[str, Forecast] = {}
    for part in range(parts):
        chosen = {group: splits(source.shared, group, calibration)[part] for group in split_groups}
        extra: Pool = {} if calibration else {group: (list(cells_of(source.shared, group)), []) for group in LEAVE_ONE_OUT}
        found |= _fit_pool(source, model, {**chosen, **extra}, seed, calibration)
    for group in () if calibration else LEAVE_ONE_OUT:
        for train, test in splits(source.shared, group, calibration):
            found |= _fit_pool(source, model, {group: (train, test)}, seed, calibration)
    return found


def _fit_pool(source: Source, model: str, pool: Pool, seed: int, calibration: bool) -> dict[str, Forecast]:
    train = {group: measured(source.shared, group, cells, stride_of(group)) for group, (cells, _) in pool.items()}
    test = {
        group: measured(source.shared, group, cells, stride_of(group) if calibration else 1)
        for group, (_, cells) in pool.items()
        if cells
    }
    forecasts = pooled(model, train, test, seed)
    return {
        f"{group}/{cell.name}": forecast[test[group].cell == place]
        for group, forecast in forecasts.items()
        for place, cell in enumerate(pool[group][1])
    }


def estimated_piece(source: Source, seed: int) -> dict[str, FloatArray]:
    """Return own estimates of the test cells, and every forecaster's forecasts from them, by group, name of model and of cell.

    Forecasters are fitted to estimates of training cells by models that had not seen them. No measured capacity of a test cell is used.
    """
    pairs = {group: folds(group, cells_of(source.shared, group)) for group in GROUPS}
    found = _estimated({group: pairs[group][0] for group in GROUPS if group not in LEAVE_ONE_OUT}, seed, PARTS)
    for group in LEAVE_ONE_OUT:
        for pair in pairs[group]:
            found |= _estimated({group: pair}, seed, 2)
    return found


def _estimated(pool: Pool, seed: int, parts: int) -> dict[str, FloatArray]:
    train = {group: cells for group, (cells, _) in pool.items()}
    strides = {group: 2 * stride_of(group) for group in pool}
    honest, estimate = out_of_fold(train, strides, seed, parts=parts), estimator(train, strides, seed)
    found: dict[str, FloatArray] = {}
    for group, (cells, test) in pool.items():
        known = [estimate(cell) for cell in test]
        rows, given = _history_alone(rows_of(test, known)), _history_alone(rows_of(cells, honest[group], stride_of(group)))
        forecasts = {model: FITTED[model](given, rows, seed, ESTIMATED_HORIZONS) for model in ESTIMATED_FITTED}
        for place, cell in enumerate(test):
            found[f"{group}/estimate/{cell.name}"] = known[place]
            found |= {f"{group}/{model}/{cell.name}": forecast[rows.cell == place] for model, forecast in forecasts.items()}
    return found


def _history_alone(rows: Rows) -> Rows:
    """Return rows without the charges' statistics: the estimate has used them, and a second fit to a few cells makes it worse."""
    return replace(rows, inputs=rows.inputs[:, : len(health_names())])


@dataclass(frozen=True)
class Piece:
    """One piece of the table.

    Attributes
    ----------
    kind : str
        ``measured``, ``calibration`` or ``estimated``.
    model : str
        Empty where all models are fitted at once.
    group : str
        Empty where all groups are.
    seed : int
    """

    kind: str
    model: str
    group: str
    seed: int

    @property
    def name(self) -> str:
        """Of the piece and its file."""
        return "_".join(word for word in (self.kind, self.group, self.model, f"seed{self.seed}") if word)

    def compute(self, source: Source) -> dict[str, FloatArray]:
        """Fit and forecast."""
        if self.kind == "estimated":
            return estimated_piece(source, self.seed)
        calibration = self.kind == "calibration"
        if self.model in POOLED:
            return pooled_piece(source, self.model, self.seed, calibration)
        return fitted_piece(source, self.model, self.group, self.seed, calibration)

    def load(self, source: Source) -> dict[str, FloatArray]:
        """Return the kept piece."""
        with np.load(source.kept(self.name)) as file:
            return {name: file[name] for name in file.files}


def pieces(groups: Sequence[str], seeds: int) -> Iterator[Piece]:
    """Yield all pieces, the first seed of everything before the second of anything: an interrupted run is of use."""
    for seed in range(seeds):
        for model in MEMBERS:
            yield from _measured(model, groups, seed)
        yield Piece("estimated", "", "", seed)
        if seed == 0:
            yield from _calibration(groups)
        for model in (*POOLED, *FITTED):
            if model not in MEMBERS and (seed == 0 or model not in DETERMINISTIC):
                yield from _measured(model, groups, seed)


def _measured(model: str, groups: Sequence[str], seed: int) -> Iterator[Piece]:
    if model in POOLED:
        yield Piece("measured", model, "", seed)
        return
    for group in groups:
        yield Piece("measured", model, group, seed)


def _calibration(groups: Sequence[str]) -> Iterator[Piece]:
    for model in MEMBERS:
        if model in POOLED:
            yield Piece("calibration", model, "", 0)
            continue
        for group in groups:
            if group not in LEAVE_ONE_OUT:
                yield Piece("calibration", model, group, 0)


def code_hash(names: Sequence[str]) -> str:
    """Return a hash of some of the project's files, their comments and docstrings aside."""
    trees = [ast.parse((ROOT / name).read_text("utf-8")) for name in names]
    for node in (node for tree in trees for node in ast.walk(tree)):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]  # type: ignore[attr-defined]
    return hashlib.sha256("".join(ast.dump(tree) for tree in trees).encode()).hexdigest()[:12]


def fingerprint() -> str:
    """Return a hash of the code that pieces are computed with: pieces of other code are not used."""
    return code_hash(CODE)
