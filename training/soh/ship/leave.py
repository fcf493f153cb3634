"""Leave one cell out: what networks that have not seen a cell say of each of its charges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from models.neural_soh.features import FEATURES, STRAIN
from training.soh.cells import Cell, FloatArray
from training.soh.leakage import check_split
from training.soh.ship.history import LENGTH, Estimator
from training.soh.ship.kinds import Life
from training.soh.ship.learn import Design, train
from training.soh.ship.network import CHARGE, CHEMISTRIES, ChargeNetwork

#: By way of seeing: what each charge says, its scale, and whether it is there; shape (3, N).
Said = dict[str, FloatArray]
#: What is said of each cell by each seed.
Found = dict[tuple[str, str, int], Said]


def histories(rows: FloatArray, length: int = LENGTH) -> FloatArray:
    """Return the last `length` charges of each charge, shape (N, length, ...); what was before the first is NaN."""
    padded = np.concatenate([np.full((length - 1, *rows.shape[1:]), np.nan), rows])
    return np.stack([padded[begin : begin + len(rows)] for begin in range(length)], axis=1)


def as_cell(life: Life) -> Cell:
    return Cell(life.name, life.group, 1.0, FEATURES, life.ways["whole"], life.soh)


def said(networks: Sequence[ChargeNetwork], life: Life, without: Sequence[str] = ()) -> Said:
    """Return what networks say of a cell's charges by every way of seeing it.

    Parameters
    ----------
    without : sequence of str
        Features to hide.
    """
    estimator = Estimator(networks)
    hidden = [FEATURES.index(name) for name in without]
    found: Said = {}
    for way, rows in (life.seen or {"whole": life.ways["whole"]}).items():
        given = rows.astype(np.float32)
        given[:, hidden] = np.nan
        kinds = torch.eye(len(CHEMISTRIES))[CHEMISTRIES.index(life.chemistry)].expand(len(rows), -1)
        with torch.inference_mode():
            answer, scale = estimator.each(torch.from_numpy(given), kinds)
        there = np.isfinite(rows[:, CHARGE])
        found[way] = np.stack([np.where(there, answer.numpy(), np.nan), np.where(there, scale.numpy(), np.nan), there * 1.0])
    return found


def combined(table: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return estimate and difficulty at each charge from what it and those before it said, shape (N,) each."""
    past = histories(table.T)
    there = np.nan_to_num(past[:, :, 2])
    answer, scale = (np.where(there > 0, past[:, :, column], 1.0) for column in (0, 1))
    with torch.inference_mode():
        given = [torch.tensor(values, dtype=torch.float32) for values in (answer, scale, there)]
        median, difficulty = Estimator([]).combined(*given)
    return np.asarray(median.numpy(), float), np.asarray(difficulty.numpy(), float)


def together(table: Sequence[FloatArray]) -> FloatArray:
    """Return what the networks of several seeds say as one, as :class:`history.Estimator` does."""
    answers, scales = np.log(np.array([one[0] for one in table])), np.array([one[1] / one[0] for one in table])
    answer = np.exp(answers.mean(axis=0))
    return np.stack([answer, answer * (scales.mean(axis=0) + answers.std(axis=0)), table[0][2]])


def leave_one_out(
    lives: Sequence[Life], others: Sequence[Life], seeds: Sequence[int], path: Path, design: Design,
    tell: Callable[[int, float], None] | None = None,
) -> Found:  # fmt: skip
    """Return what is said of each measured cell by networks of every seed that never saw it; kept in a file once it is known.

    Parameters
    ----------
    lives, others : sequence of Life
        Cells to leave out in turn; cells that are always trained on.
    path : Path
        Of that file.
    """
    if not path.exists():
        every = [*lives, *others]
        pairs = [(left, seed) for left in range(len(lives)) for seed in seeds]
        for left, life in enumerate(lives):
            check_split([as_cell(one) for place, one in enumerate(lives) if place != left], [as_cell(life)])
        folds = [[place for place in range(len(every)) if place != left] for left, _ in pairs]
        networks = train(every, folds, [seed for _, seed in pairs], design, tell)
        arrays: dict[str, np.ndarray] = {}
        for (left, seed), network in zip(pairs, networks, strict=True):
            tables = said([network], lives[left])
            tables |= {f"{way}, strain hidden": table for way, table in said([network], lives[left], STRAIN).items()}
            arrays |= {f"{left}|{seed}|{way}": table for way, table in tables.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    found: Found = {}
    with np.load(path) as stored:
        for key in stored.files:
            left, seed, way = key.split("|")
            life = lives[int(left)]
            found.setdefault((life.group, life.name, int(seed)), {})[way] = stored[key]
    return found
