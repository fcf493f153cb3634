"""Potentials of the two electrodes of a product against its stoichiometry: what a data sheet or a half-cell test gives.

Features use them as knowledge of the product, for a cell as it was designed; no cell's own deviation is in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

FILE = Path(__file__).with_name("half_cells.json")
#: Chemistries that can be told, and the parameter set that stands for each.
CHEMISTRIES: Mapping[str, str] = MappingProxyType({"NMC": "OKane2022", "NMC811": "OKane2022", "LCO": "Ai2020"})
#: Area over capacity of OKane2022; only a scale. [m2/Ah]
REFERENCE = 0.672
#: Stoichiometries of the tables; close together where graphite's potential falls.
GRID = np.unique(np.r_[np.linspace(0.001, 0.06, 60), np.linspace(0.06, 0.999, 380)])


@dataclass(frozen=True, eq=False)
class HalfCells:
    """The electrodes of a product.

    Attributes
    ----------
    negative, positive : ndarray
        Potentials on :data:`GRID`. [V]
    capacities : tuple of float
        Lithium that the negative and the positive electrode take from a stoichiometry of 0 to 1. [Ah]
    lithium : float
        In both together. [Ah]
    lower, upper : float
        Limits of voltage. [V]
    nominal : float
        Capacity of the cell. [Ah]
    area : float
        Surface of the negative electrode's particles. [m2]
    """

    negative: FloatArray
    positive: FloatArray
    capacities: tuple[float, float]
    lithium: float
    lower: float
    upper: float
    nominal: float
    area: float

    @property
    def film(self) -> float:
        """Return the polarisation at 1C that a surface film costs per lost capacity, over that of :data:`REFERENCE`. [1]

        A film that has bound a share of the capacity is thick in proportion to capacity over area, and so is the current through it.
        """
        return (REFERENCE * self.nominal / self.area) ** 2

    def voltage(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the equilibrium voltage at stoichiometries of the negative and the positive electrode. [V]"""
        return np.interp(y, GRID, self.positive) - np.interp(x, GRID, self.negative)

    def window(self, negative: float, positive: float, lithium: float) -> tuple[float, float]:
        """Return the stoichiometries of the negative electrode at the lower and at the upper limit of voltage.

        Parameters
        ----------
        negative, positive, lithium : float
            Capacities of the electrodes, and lithium in both. [Ah]
        """
        x = GRID
        y = (lithium - x * negative) / positive
        possible = (y > GRID[0]) & (y < GRID[-1])
        if possible.sum() < 3:
            return float("nan"), float("nan")
        x, y = x[possible], y[possible]
        rising = np.maximum.accumulate(self.voltage(x, y))
        low, high = np.interp([self.lower, self.upper], rising, x)
        return float(low), float(high)

    def capacity(self, negative: float, positive: float, lithium: float) -> float:
        """Return the charge between the limits of voltage, at rest. [Ah]"""
        low, high = self.window(negative, positive, lithium)
        return negative * (high - low)


@cache
def half_cells(name: str) -> HalfCells:
    """Read the electrodes of a parameter set."""
    table: dict[str, Any] = json.loads(FILE.read_text("utf-8"))[name]
    return HalfCells(
        np.array(table["negative"]),
        np.array(table["positive"]),
        (float(table["capacities"][0]), float(table["capacities"][1])),
        *(float(table[key]) for key in ("lithium", "lower", "upper", "nominal", "area")),
    )
