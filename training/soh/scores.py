"""Figures of merit by cell: each test cell counts once, however long it lived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.soh.cells import FloatArray


@dataclass(frozen=True)
class Score:
    """Errors of one cell.

    Attributes
    ----------
    cell, group : str
    mae, rmse, bias : float
        [% of SOH]
    mape : float
        Of the measurement. [%]
    """

    cell: str
    group: str
    mae: float
    rmse: float
    bias: float
    mape: float


def score(cell: str, group: str, soh: FloatArray, found: FloatArray) -> Score:
    """Return the errors over all charges that have a label.

    Raises
    ------
    ValueError
        An estimate is not a number: a row that is left out would flatter.
    """
    known = np.isfinite(soh)
    if not np.isfinite(found[known]).all():
        raise ValueError(
            f"{group} {cell}: {int((~np.isfinite(found[known])).sum())} of {int(known.sum())} estimates are not numbers"
        )
    error = 100.0 * (found[known] - soh[known])
    relative = float(np.mean(np.abs(error) / soh[known]))
    return Score(cell, group, float(np.abs(error).mean()), float(np.sqrt(np.mean(error**2))), float(error.mean()), relative)


def mean_by_group(scores: Sequence[Score], name: str) -> float:
    """Return the mean over groups of the mean over a group's cells, as tables of several sets have it. [% of SOH]"""
    groups = sorted({one.group for one in scores})
    return float(np.mean([np.mean([getattr(one, name) for one in scores if one.group == group]) for group in groups]))


def mean_by_cell(scores: Sequence[Score], name: str) -> float:
    """Return the mean over all cells. [% of SOH]"""
    return float(np.mean([getattr(one, name) for one in scores]))


def paired_interval(
    own: Sequence[Score], other: Sequence[Score], seed: int = 0, draws: int = 10_000
) -> tuple[float, float, float]:
    """Return the mean over cells of the difference of MAE, and the 95 % bootstrap over cells of it. [% of SOH]

    Raises
    ------
    ValueError
        The two are not about the same cells.
    """
    first, second = ({(one.group, one.cell): one.mae for one in scores} for scores in (own, other))
    if first.keys() != second.keys():
        raise ValueError(f"{len(first)} and {len(second)} cells, {len(first.keys() ^ second.keys())} of them in one alone")
    difference = np.array([first[cell] - second[cell] for cell in sorted(first)])
    chance = np.random.default_rng(seed)
    means = difference[chance.integers(0, len(difference), (draws, len(difference)))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(difference.mean()), float(low), float(high)
