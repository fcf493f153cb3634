"""A table of looks with their features, labels and cells, as a measurement would have them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes.half_cells import half_cells
from training.soh.modes.features import Product, features, names
from training.soh.modes.labels import SMALLEST_FADE, classes
from training.soh.modes.looks import Look, history, noisy, partial, without_test
from training.soh.modes.shards import Life

FloatArray = npt.NDArray[np.float64]

#: Simulated cycles at each look.
CYCLES = (0.0, 1.0, 2.0, 4.0)
#: What is seen of a cell: C/5 tests and regular full charges, regular full charges alone, or regular charges of a part of the charge.
VIEWS = ("test", "regular", "partial")
#: A partial charge, as fractions of a full one. [1]
PART = (0.2, 0.8)


@dataclass(frozen=True, eq=False)
class Table:
    """Looks as rows.

    Attributes
    ----------
    x : ndarray, shape (R, N, F)
        Features, measured R times with noise of their own.
    shares : ndarray, shape (N, 4)
        Label. [1]
    label : ndarray, shape (N,)
        Class of the shares.
    cell, population : ndarray of str, shape (N,)
    context : ndarray, shape (N, 2)
        Temperature [degC] and C-rate of the charge [1/h]; in no feature.
    fade : ndarray, shape (N,)
        True C/5 fade, in no feature. [1]
    """

    x: FloatArray
    shares: FloatArray
    label: npt.NDArray[np.int64]
    cell: npt.NDArray[np.str_]
    population: npt.NDArray[np.str_]
    context: FloatArray
    fade: FloatArray

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Table:
        """Return some of the looks."""
        return Table(
            self.x[:, chosen],
            *(part[chosen] for part in (self.shares, self.label, self.cell, self.population, self.context, self.fade)),
        )


def table(lives: Iterable[Life], view: str, replicates: int, seed: int) -> Table:
    """Measure every look of every cell with noise.

    Parameters
    ----------
    lives : iterable of Life
    view : str
        One of :data:`VIEWS`.
    replicates : int
        Times that everything is measured anew.
    seed : int
        Of the noise.
    """
    rows: list[list[FloatArray]] = []
    about: list[tuple[FloatArray, str, str, tuple[float, float], float]] = []
    for life in lives:
        draws = [
            measured(life, view, np.random.default_rng([seed, replicate, zlib.crc32(life.name.encode())]))
            for replicate in range(replicates)
        ]
        for look in range(1, life.looks + 1):
            shares = life.shares(look)
            if life.fade(look) < SMALLEST_FADE or not np.isfinite(shares).all():
                continue
            rows.append([draw[look - 1] for draw in draws])
            context = (life.condition.temperature, life.condition.charge_rate)
            about.append((shares, life.name, life.population, context, life.fade(look)))
    shares_of = np.array([row[0] for row in about])
    return Table(
        np.array(rows).transpose(1, 0, 2),
        shares_of,
        classes(shares_of),
        np.array([row[1] for row in about]),
        np.array([row[2] for row in about]),
        np.array([row[3] for row in about]),
        np.array([row[4] for row in about]),
    )


def without_tests(rows: Table) -> Table:
    """Return the table of view `regular` that was measured with the same noise as one of view `test`."""
    places = {name: number for number, name in enumerate(feature_names("test"))}
    return replace(rows, x=rows.x[:, :, [places[name] for name in feature_names("regular")]])


def measured(life: Life, view: str, random: np.random.Generator) -> list[FloatArray]:
    """Return the features of each look after the beginning; each look is measured once, in order of time."""
    product = Product(half_cells(life.condition.parameters), life.condition.charge_rate)
    seen = [noisy(look, random) for look in history(life, life.looks)]
    if view != "test":
        seen = [without_test(look) for look in seen]
    found = []
    for look in range(1, life.looks + 1):
        known: list[Look] = seen[: look + 1]
        if view == "partial":
            # the first charge of a cell is a full one; after that only a part is seen
            known = [known[0], *(partial(later, *PART) for later in known[1:])]
        found.append(features(known, CYCLES[: look + 1], product, view == "test"))
    return found


def feature_names(view: str) -> list[str]:
    """Return the names of the features of a view."""
    return names(view == "test")
