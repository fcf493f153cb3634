"""Millivolts into charge through the slope of the chemistry's open-circuit curve, where it is steep enough to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.imbalance_analysis.robust import FloatArray

if TYPE_CHECKING:
    from models.chemistry import Chemistry

#: One sigma of the measurement of one cell against another: usual front ends are good to some 2 mV (our choice). [mV]
READING = 2.0
#: A SOC imbalance is given where one sigma of it is at most this. [fraction]
IDENTIFIABLE = 0.02


@dataclass(frozen=True)
class Slope:
    """The slope of the curve at a voltage, and its lowest and highest within the curve's own uncertainty. [V per unit SOC]"""

    soc: float
    middle: float
    lowest: float
    highest: float

    @property
    def error(self) -> float:
        """One sigma of a cell's SOC from the reading alone, at the lowest slope. [fraction]"""
        return READING / 1000.0 / max(self.lowest, 1e-6)

    @property
    def identifiable(self) -> bool:
        return self.error <= IDENTIFIABLE


def slope_at(curve: Chemistry, volts: float) -> Slope | None:
    """Return the slope at a cell voltage of small current, None where the curve has no such voltage.

    Parameters
    ----------
    curve : Chemistry
    volts : float
        Of the median cell. [V]

    Notes
    -----
    The curve of an unknown cell is known to `uncertainty`, and lies up to `hysteresis` away; together they say how wrong
    the SOC read from it may be, and the slope is taken over that whole stretch. On a plateau the stretch reaches far and
    contains slopes near zero: then nothing can be said.
    """
    soc = float(curve.soc(volts))
    if soc != soc:
        return None
    middle = float(curve.slope(soc))
    doubt = float(np.hypot(curve.uncertainty(soc), curve.hysteresis(soc))) / max(middle, 1e-6)
    stretch = np.clip(soc + min(doubt, 0.5) * np.linspace(-1.0, 1.0, 11), 0.0, 1.0)
    slopes = curve.slope(stretch)
    return Slope(soc, middle, float(slopes.min()), float(slopes.max()))


def leads(level: FloatArray, slope: Slope, resolution: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """Return SOC against the median cell, and one sigma.

    Parameters
    ----------
    level : array, shape (k,)
        Deviation from the pack median at small current. [mV]
    slope : Slope
    resolution : float
        Step of the measurement. [mV]

    Returns
    -------
    lead, error : array, shape (k,)
        [fraction]

    Examples
    --------
    >>> leads(np.array([-9.0]), Slope(0.5, 0.9, 0.8, 1.0))[0].round(4).tolist()
    [-0.01]
    """
    lead = level / 1000.0 / slope.middle
    doubt = np.abs(lead) * 0.5 * (slope.highest - slope.lowest) / slope.middle
    reading = max(READING, resolution / np.sqrt(3.0)) / 1000.0
    return lead, np.hypot(reading / slope.middle, doubt)
