"""Shares of estimators in a common estimate, told from training cells that none of them had seen.

Where training cells are many, shares are those with the least squared error of held-out training cells, each cell weighing alike, and
a fifth of the way back to equal shares, as such fits promise more than they keep. Where they are few, shares are equal. No test cell
has a part in it.

References
----------
Breiman, Mach. Learn. 24 (1996) 49, doi:10.1007/BF00117832 (shares that are not negative, from left-out data)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.soh.cells import FloatArray

#: Share of the way back to equal shares, and steps of the fit. [1]
SHRUNK, STEPS = 0.2, 3000
#: Members of the stack by task, told from held-out training cells of HUST and of MIT.
MEMBERS: dict[str, tuple[str, ...]] = {"hust": ("ensemble", "long-history"), "mit": ("ensemble", "perceptrons")}
USUAL = ("ensemble", "process")
#: Least spread of members, so that agreement is not certainty. [1]
LEAST_SPREAD = 5e-4


def members(task: str) -> tuple[str, ...]:
    """Return the estimators that a task's stack is made of."""
    return MEMBERS.get(task, USUAL)


def on_simplex(values: FloatArray) -> FloatArray:
    """Return the nearest shares that are not negative and have a sum of one.

    Examples
    --------
    >>> on_simplex(np.array([0.9, 0.5])).round(3).tolist()
    [0.7, 0.3]
    """
    down = np.sort(values)[::-1]
    above = np.cumsum(down) - 1
    count = np.arange(1, len(values) + 1)
    last = np.flatnonzero(down - above / count > 0)[-1]
    return np.asarray(np.maximum(values - above[last] / (last + 1), 0.0))


def shares(estimates: Sequence[FloatArray], labels: Sequence[FloatArray], shrunk: float = SHRUNK) -> FloatArray:
    """Return the share of each member.

    Parameters
    ----------
    estimates : sequence of ndarray, shape (N, M)
        Of each held-out cell, by each member.
    labels : sequence of ndarray, shape (N,)
        NaN where none was measured.
    shrunk : float
        0 is the least squared error, 1 is equal shares.
    """
    errors = [(one - label[:, None])[np.isfinite(label)] for one, label in zip(estimates, labels, strict=True)]
    together = np.mean([error.T @ error / len(error) for error in errors], axis=0)
    equal = np.full(len(together), 1.0 / len(together))
    found, step = equal, 1.0 / max(float(np.linalg.eigvalsh(together)[-1]), 1e-300)
    for _ in range(STEPS):
        found = on_simplex(found - step * together @ found)
    return np.asarray((1 - shrunk) * found + shrunk * equal)


def spread(estimates: FloatArray) -> FloatArray:
    """Return how far members are apart at each charge, shape (N,): their mean distance from their mean."""
    return np.asarray(np.abs(estimates - estimates.mean(axis=1, keepdims=True)).mean(axis=1) + LEAST_SPREAD)
