"""Course of the resistance over the charges of a cell: each compared with its first ones, where charge and temperature are alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

#: Charges whose median is what a cell began with, and what it has now.
FIRST, LAST = 10, 5
#: Resistances are compared only at temperatures this close to those of the beginning [K], and at voltages this close, by the window. [1]
ALIKE, NEAR = 5.0, 0.1


def step_of(told: Mapping[str, float]) -> tuple[float, float] | None:
    """Return resistance [Ohm Ah] and voltage by the window [1] of the step of the current that tells more; None without one.

    Parameters
    ----------
    told : mapping
        Features of a charge by name.

    Notes
    -----
    Where a charge begins the whole current sets in. Where it ends that holds only without a constant voltage: after one the step is a
    twentieth of the current, and a millivolt of the sensor is a tenth of the resistance.
    """
    if np.isfinite(told["resistance_first"]):
        return told["resistance_first"], told["voltage_first"]
    if np.isfinite(told["resistance_last"]) and not told["cv_charge"] > 0:
        return told["resistance_last"], told["voltage_last"]
    return None


@dataclass
class Course:
    """What is carried of the resistance.

    Attributes
    ----------
    first : list of (float, float, float)
        Resistance [Ohm], temperature [degC] and voltage [1] of the first charges that had all.
    last : list of float
        Resistances of the last charges that were like them. [Ohm]
    """

    first: list[list[float]] = field(default_factory=list)
    last: list[float] = field(default_factory=list)

    def add(self, resistance: float, temperature: float, voltage: float) -> float | None:
        """Take a charge in; return how much the resistance has grown since the beginning, a fraction, or None.

        Parameters
        ----------
        resistance : float
            [Ohm]
        temperature : float
            [degC]
        voltage : float
            At the step, by the window. [1]

        Notes
        -----
        Resistance falls by some percent a kelvin and depends on the charge in the cell, so a winter, or another habit of charging,
        would look like ageing: what is not like the median of the beginning is not compared.
        """
        if not np.isfinite([resistance, temperature, voltage]).all():
            return None
        if len(self.first) < FIRST:
            self.first.append([resistance, temperature, voltage])
            return None
        began, warm, full = np.median(self.first, axis=0).tolist()
        if abs(temperature - warm) > ALIKE or abs(voltage - full) > NEAR:
            return None
        self.last = [*self.last, resistance][-LAST:]
        return float(np.median(self.last)) / began - 1.0 if len(self.last) == LAST else None
