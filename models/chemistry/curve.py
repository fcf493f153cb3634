"""One chemistry: the open-circuit voltage over SOC and temperature, its hysteresis, and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.chemistry.interpolation import hermite, monotone_slopes

FloatArray = npt.NDArray[np.float64]

#: Temperature of the knots. [°C]
REFERENCE = 25.0
#: One sigma of the entropic coefficient of an unknown cell: the scatter of published full cells. [V/K]
ENTROPY_SIGMA = 0.0002
#: Points of the table that inverts a curve; linear between them is within 0.1 mV of the cubic.
GRID = 4001


@dataclass(frozen=True, eq=False)
class Chemistry:
    """Equilibrium curve of one chemistry, or of one cell.

    Attributes
    ----------
    name, source : str
        What it is called, and what it was fitted to.
    limits : tuple of float
        Usual lowest and highest voltage of a cell. [V]
    knots : array, shape (n,)
        SOC, ascending from 0 to 1.
    voltage, half_gap, spread, entropy : array, shape (n,)
        At the knots: mean of the branches at 25 °C [V]; half their distance [V]; one sigma between cells [V];
        temperature coefficient [V/K].

    Notes
    -----
    Cubic and monotone between the knots. Range of validity: SOC 0 to 1 (NaN outside), about -10 to 45 °C; the
    uncertainty grows with the distance from 25 °C.
    """

    name: str
    source: str
    limits: tuple[float, float]
    knots: FloatArray
    voltage: FloatArray
    half_gap: FloatArray
    spread: FloatArray
    entropy: FloatArray

    @cached_property
    def _slopes(self) -> FloatArray:
        return monotone_slopes(self.knots, self.voltage)

    @cached_property
    def _entropy_slopes(self) -> FloatArray:
        return np.gradient(self.entropy, self.knots)

    @cached_property
    def _inverse(self) -> tuple[FloatArray, FloatArray]:
        grid = np.linspace(0.0, 1.0, GRID)
        return hermite(self.knots, self.voltage, self._slopes, grid)[0], grid

    def ocv(self, soc: npt.ArrayLike, temperature: npt.ArrayLike = REFERENCE) -> FloatArray:
        """Return the equilibrium voltage of a cell, the mean of the two branches.

        Parameters
        ----------
        soc : array
            A fraction; NaN outside 0 to 1.
        temperature : array
            Broadcast against `soc`. [°C]

        Returns
        -------
        array
            [V]
        """
        at = _inside(soc)
        value, _ = hermite(self.knots, self.voltage, self._slopes, at)
        return np.asarray(value + self._warmth(temperature) * np.interp(at, self.knots, self.entropy))

    def slope(self, soc: npt.ArrayLike, temperature: npt.ArrayLike = REFERENCE) -> FloatArray:
        """Return dOCV/dSOC. [V per unit SOC]"""
        at = _inside(soc)
        _, derivative = hermite(self.knots, self.voltage, self._slopes, at)
        return np.asarray(derivative + self._warmth(temperature) * np.interp(at, self.knots, self._entropy_slopes))

    def hysteresis(self, soc: npt.ArrayLike) -> FloatArray:
        """Return half the distance of the charge and the discharge branch, >= 0. [V]"""
        return np.asarray(np.interp(_inside(soc), self.knots, self.half_gap))

    def uncertainty(self, soc: npt.ArrayLike, temperature: npt.ArrayLike = REFERENCE) -> FloatArray:
        """Return one sigma of the curve for an unknown cell of this chemistry. [V]"""
        spread = np.interp(_inside(soc), self.knots, self.spread)
        return np.asarray(np.hypot(spread, ENTROPY_SIGMA * self._warmth(temperature)))

    def soc(self, voltage: npt.ArrayLike, temperature: npt.ArrayLike = REFERENCE) -> FloatArray:
        """Return the SOC at an equilibrium voltage [V]: the inverse of `ocv`, NaN outside the curve's range."""
        volts, warmth = np.broadcast_arrays(np.asarray(voltage, np.float64), self._warmth(temperature))
        table, grid = self._inverse
        found = np.interp(volts, table, grid)
        if self.entropy.any():
            for _ in range(8):  # a contraction: the entropic term bends the curve by far less than its slope
                found = np.interp(volts - warmth * np.interp(found, self.knots, self.entropy), table, grid)
        low, high = table[0] + warmth * self.entropy[0], table[-1] + warmth * self.entropy[-1]
        return np.where((volts >= low) & (volts <= high), found, np.nan)

    def energy(self, soc_from: float, soc_to: float, temperature: float = REFERENCE) -> float:
        """Return the integral of OCV over SOC from one to the other; times the capacity [Ah] it is energy. [V]"""
        at = np.linspace(min(max(soc_from, 0.0), 1.0), min(max(soc_to, 0.0), 1.0), 401)
        return float(np.trapezoid(self.ocv(at, temperature), at))

    def _warmth(self, temperature: npt.ArrayLike) -> FloatArray:
        return np.asarray(temperature, np.float64) - REFERENCE


def _inside(soc: npt.ArrayLike) -> FloatArray:
    """Return SOC with NaN where it is no fraction; a rounding error beyond the ends is none."""
    at = np.asarray(soc, np.float64)
    return np.where((at >= -1e-9) & (at <= 1.0 + 1e-9), np.clip(at, 0.0, 1.0), np.nan)
