"""Intervals from how far estimates of cells were off that had no part in them: conformal, by cell.

References
----------
Vovk, Ann. Math. Artif. Intell. 74 (2015) 9, doi:10.1007/s10472-013-9368-4 (cross-conformal prediction)
Dunn, Wasserman, Ramdas, J. Am. Stat. Assoc. 118 (2023) 2491, doi:10.1080/01621459.2022.2060112 (groups, each an unknown draw)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.soh.cells import FloatArray

#: Coverage that is promised, and training cells below which nothing is. [1]
LEVEL, FEWEST_CELLS = 0.9, 40
#: Parts that training cells are left out in, to see errors of cells that had no part. [1]
PARTS = 5


def half_width(errors: Sequence[FloatArray], level: float = LEVEL) -> float:
    """Return the half width that covers a charge of a new cell with a chance of `level`.

    Parameters
    ----------
    errors : sequence of ndarray
        Of each calibration cell: estimate less measurement at each charge. Each cell weighs alike, and one more, the new cell's, is
        taken to be beyond all of them.

    Returns
    -------
    float
        In the unit of the errors; infinite where the cells are too few for `level`.

    Examples
    --------
    >>> half_width([np.array([1.0, -1.0]), np.array([3.0]), np.array([2.0, 2.0])], level=0.5)
    2.0
    """
    size = np.concatenate([np.abs(one) for one in errors])
    weight = np.concatenate([np.full(len(one), 1.0 / len(one)) for one in errors])
    order = np.argsort(size, kind="stable")
    reached = np.cumsum(weight[order]) / (len(errors) + 1)
    beyond = np.searchsorted(reached, level - 1e-12)
    return float(size[order][beyond]) if beyond < len(size) else float("inf")


def parts(count: int, seed: int, number: int = PARTS) -> list[npt.NDArray[np.int64]]:
    """Split cells at random into parts of nearly one size; return the indices of each."""
    return [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(count), number)]


@dataclass(frozen=True)
class Width:
    """Half widths of intervals: the same everywhere, or larger where members of an estimate are far apart.

    Attributes
    ----------
    half : float
        Of an interval where what it is scaled by is one.
    power, level : float
        Scale is exp(level) spread^power; both 0 where width is the same everywhere.
    """

    half: float
    power: float = 0.0
    level: float = 0.0

    def at(self, spread: FloatArray) -> FloatArray:
        """Return the half width at each charge."""
        return np.asarray(self.half * np.exp(self.level) * spread**self.power)


#: Errors below this look alike to the scale. [1]
LEAST_ERROR = 1e-3


def scale(errors: Sequence[FloatArray], spreads: Sequence[FloatArray]) -> tuple[float, float]:
    """Return power and level of the scale that the logarithm of errors follows, each cell weighing alike."""
    weight = np.concatenate([np.full(len(one), len(one) ** -0.5) for one in errors])
    rows = np.column_stack([np.log(np.concatenate(spreads)), np.ones(len(weight))]) * weight[:, None]
    found = np.linalg.lstsq(rows, np.log(np.abs(np.concatenate(errors)) + LEAST_ERROR) * weight, rcond=None)[0]
    return max(float(found[0]), 0.0), float(found[1])


def width(errors: Sequence[FloatArray], spreads: Sequence[FloatArray], seed: int = 0, level: float = LEVEL) -> Width:
    """Return the narrower, on calibration cells, of one width everywhere and one by how far members are apart.

    An error is set against a scale that was fitted on other cells, as it will be for a new cell.
    """
    same = Width(half_width(errors, level))
    scaled: list[FloatArray] = []
    for part in parts(len(errors), seed):
        inside = set(part.tolist())
        others = [number for number in range(len(errors)) if number not in inside]
        power, height = scale([errors[number] for number in others], [spreads[number] for number in others])
        scaled += [np.abs(errors[number]) / Width(1.0, power, height).at(spreads[number]) for number in sorted(inside)]
    by_spread = Width(half_width(scaled, level), *scale(errors, spreads))
    means = [np.mean([one.at(spread).mean() for spread in spreads]) for one in (same, by_spread)]
    return by_spread if means[1] < means[0] else same
