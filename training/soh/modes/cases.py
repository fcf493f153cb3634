"""Which cells are simulated: parameter set, condition, manufacturing spread, and how much each mechanism is to cost. Drawn, pure NumPy.

Condition and mechanism are drawn from separate streams of one seed and know nothing of each other; rates that make a mechanism cost what
was drawn are found per condition (`calibrate.py`), so that temperature and C-rate do not tell the mechanism.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from training.soh.modes.labels import MECHANISMS

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Condition:
    """What a cell goes through, whatever wears it out.

    Attributes
    ----------
    parameters : str
        Parameter set of PyBaMM.
    temperature : float
        [degC]
    charge_rate : float
        Of the regular charge. [1/h]
    """

    parameters: str
    temperature: float
    charge_rate: float

    def __str__(self) -> str:
        return f"{self.parameters}-{self.temperature:g}-{self.charge_rate:g}"


@dataclass(frozen=True, eq=False)
class Case:
    """A cell to simulate.

    Attributes
    ----------
    number, seed : int
    population : str
        A key of :data:`POPULATIONS`.
    condition : Condition
    spread : tuple of float
        Active material of the negative and the positive electrode, and resistivity of the SEI, over the nominal ones. [1]
    shares : ndarray, shape (4,)
        Of the fade, as wished; the label is what the counterfactual runs say. [1]
    severity : float
        0 to 1, position of the last fade between the smallest and the largest. [1]
    """

    number: int
    seed: int
    population: str
    condition: Condition
    spread: tuple[float, float, float]
    shares: FloatArray
    severity: float


#: Cells that are trained on; cells made otherwise, at temperatures and C-rates of their own; and another chemistry, also spread.
POPULATIONS: dict[str, tuple[Condition, ...]] = {
    "nominal": tuple(Condition("OKane2022", *pair) for pair in product((5.0, 20.0, 35.0), (0.5, 1.0))),
    "shifted": tuple(Condition("OKane2022", *pair) for pair in product((12.0, 28.0), (0.65, 0.85))),
    "second": tuple(Condition("Ai2020", *pair) for pair in product((5.0, 25.0), (0.5, 1.0))),
}
#: Populations of cells in turn; whatever the count, a half is nominal.
TURN = ("nominal", "shifted", "nominal", "second")
#: Standard deviation of the active material of cells that are not nominal. [1]
SPREAD = 0.03
#: Resistivities of the SEI, over that of the parameter set, where films are to be varied. [1]
FILMS = (0.1, 2.0)
#: Cells in which one mechanism is meant to dominate, with at least :data:`TOP`; the others are drawn from a flat Dirichlet distribution. [1]
DOMINATED, TOP = 0.80, 0.72


def draw(number: int, seed: int, films: bool = False) -> Case:
    """Draw a cell; the same numbers give the same cell.

    Parameters
    ----------
    number : int
        Of the cell, from 0.
    seed : int
        Of the whole set.
    films : bool
        Whether the SEI of each cell has a resistivity of its own, which no measurement of a product gives.
    """
    population = TURN[number % len(TURN)]
    context = np.random.default_rng([seed, number, 0])
    conditions = POPULATIONS[population]
    condition = conditions[int(context.integers(len(conditions)))]
    factors = 1.0 + (0.0 if population == "nominal" else SPREAD) * np.clip(context.normal(size=2), -2.0, 2.0)
    film = float(np.exp(np.random.default_rng([seed, number, 2]).uniform(*np.log(FILMS)))) if films else 1.0
    mechanism = np.random.default_rng([seed, number, 1])
    return Case(
        number,
        seed,
        population,
        condition,
        (float(factors[0]), float(factors[1]), film),
        wished_shares(mechanism),
        float(mechanism.uniform()),
    )


def wished_shares(random: np.random.Generator) -> FloatArray:
    """Draw shares of the fade: mostly one that dominates, else any mixture."""
    count = len(MECHANISMS)
    if random.uniform() >= DOMINATED:
        return random.dirichlet(np.ones(count))
    found = np.zeros(count)
    top = int(random.integers(count))
    found[top] = random.uniform(TOP, 1.0)
    found[np.arange(count) != top] = (1.0 - found[top]) * random.dirichlet(np.ones(count - 1))
    return found
