"""Figures of merit of a classification that may abstain, and the split by cell; pure NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from training.soh.modes.labels import CLASSES, DOMINANT

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: The answer of a model that is not sure enough.
TOO_EARLY = -1
#: The rule of abstention aims at this share of right answers among training cells, and gives no answer to at most so many of them.
WANTED_RIGHT, MOST_ABSTAINED = 0.95, 0.30


def folds(cells: npt.NDArray[np.str_], count: int, seed: int) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Yield masks of training and test rows; all rows of a cell are on one side."""
    unique = np.unique(cells)
    order = np.random.default_rng(seed).permutation(len(unique))
    for part in np.array_split(order, count):
        test = np.isin(cells, unique[part])
        yield ~test, test


def f1_scores(truth: IntArray, answer: IntArray, count: int = len(CLASSES)) -> FloatArray:
    """Return the F1 of each class; NaN of a class that is neither there nor answered."""
    found = np.full(count, np.nan)
    for number in range(count):
        right = float(np.sum((truth == number) & (answer == number)))
        either = float(np.sum(truth == number) + np.sum(answer == number))
        if either > 0:
            found[number] = 2.0 * right / either
    return found


def macro_f1(truth: IntArray, answer: IntArray, count: int = len(CLASSES)) -> float:
    """Return the mean F1 over the classes.

    Examples
    --------
    >>> macro_f1(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2)  # 2/3 and 4/5
    0.7333333333333334
    """
    found = f1_scores(truth, answer, count)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def told(shares: FloatArray, error: FloatArray) -> FloatArray:
    """Return the probability of each class: that its share is at least 70 %; what is left is mixed.

    Parameters
    ----------
    shares : ndarray, shape (N, 4)
        [1]
    error : ndarray, shape (N,)
        Standard error of a share. [1]

    Returns
    -------
    ndarray, shape (N, 5)

    Examples
    --------
    >>> told(np.array([[0.7, 0.3, 0.0, 0.0]]), np.array([0.05])).round(3).tolist()
    [[0.5, 0.0, 0.0, 0.0, 0.5]]
    """
    from scipy.special import erf

    each = 0.5 * (1.0 + erf((shares - DOMINANT) / error[:, None] / np.sqrt(2.0)))
    each = each / np.maximum(each.sum(axis=1, keepdims=True), 1.0)
    return np.hstack([each, 1.0 - each.sum(axis=1, keepdims=True)])


def threshold(probabilities: FloatArray, truth: IntArray) -> float:
    """Return the least top probability at which a model answers, chosen on training cells.

    The smallest at which :data:`WANTED_RIGHT` of the answers are right, yet not so large that more than :data:`MOST_ABSTAINED` get none.
    """
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    largest = float(np.quantile(top, MOST_ABSTAINED))
    for tried in np.sort(top):
        if tried >= largest:
            break
        if right[top >= tried].mean() >= WANTED_RIGHT:
            return float(tried)
    return largest


def answers(probabilities: FloatArray, least: float | FloatArray) -> IntArray:
    """Return the likeliest class, or :data:`TOO_EARLY` below the least probability, which may be one for each look."""
    return np.where(probabilities.max(axis=1) >= least, probabilities.argmax(axis=1), TOO_EARLY)


def confusion(truth: IntArray, answer: IntArray) -> list[list[int]]:
    """Return counts, truth down, answers across, the last column those without an answer."""
    columns = [*range(len(CLASSES)), TOO_EARLY]
    return [[int(np.sum((truth == row) & (answer == column))) for column in columns] for row in range(len(CLASSES))]


def figures(truth: IntArray, probabilities: FloatArray, least: float | FloatArray, top_mechanism: IntArray) -> dict[str, Any]:
    """Return the figures of one set of looks.

    Parameters
    ----------
    truth : ndarray
        Classes, mixed ones included.
    probabilities : ndarray, shape (N, 5)
    least : float or ndarray
        Of the rule of abstention.
    top_mechanism : ndarray
        Number of the mechanism with the largest share, mixed or not.
    """
    answer = answers(probabilities, least)
    said = answer != TOO_EARLY
    dominated = truth < len(CLASSES) - 1
    count = len(CLASSES) - 1
    four = probabilities[:, :count].argmax(axis=1)
    return {
        "looks": len(truth),
        "macro_f1": macro_f1(truth, probabilities.argmax(axis=1)),
        "macro_f1_answered": macro_f1(truth[said], answer[said]) if said.any() else float("nan"),
        "abstention": float(1.0 - said.mean()),
        "macro_f1_top_mechanism": macro_f1(top_mechanism, four, count),
        "macro_f1_dominated": macro_f1(truth[dominated], four[dominated], count) if dominated.any() else float("nan"),
        "f1": [round(float(value), 4) for value in f1_scores(truth, probabilities.argmax(axis=1))],
    }
