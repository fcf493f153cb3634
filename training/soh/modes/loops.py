"""A charge and the discharge after it as one loop: what polarisation and the balance of the electrodes say, short of full by the same charge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes import electrodes
from models.neural_soh.modes.half_cells import HalfCells
from models.neural_soh.modes.smoothing import NARROWEST, PLACES, VOLT, smooth
from training.soh.modes.looks import Cycle, charge

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Loop:
    """A charge at constant current and the discharge after it, by the charge short of full [Ah]; voltages smoothed [V]."""

    total: float
    held: float
    reach: float
    up: tuple[FloatArray, FloatArray]
    down: tuple[FloatArray, FloatArray]
    currents: tuple[float, float]

    def at(self, short: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the voltages of charge and discharge."""
        return np.interp(self.total - short, *self.up), np.interp(short, *self.down)

    def between(self, short: FloatArray) -> FloatArray:
        """Return the voltage without current, if polarisation is in proportion to it."""
        up, down = self.at(short)
        one, other = self.currents
        found: FloatArray = (up * other + down * one) / (one + other)
        return found


def _loop(cycle: Cycle) -> _Loop | None:
    if cycle.hold is None or cycle.discharge is None:
        return None
    up, held, down = charge(cycle.constant), float(charge(cycle.hold)[-1]), charge(cycle.discharge)
    currents = float(np.mean(np.abs(cycle.constant[1]))), float(np.mean(np.abs(cycle.discharge[1])))
    total = float(up[-1]) + held
    one, other = (up, smooth(cycle.constant[2])), (down, smooth(cycle.discharge[2]))
    return _Loop(total, held, min(total, float(down[-1])), one, other, currents)


def polarisation(before: Cycle, after: Cycle, cells: HalfCells) -> FloatArray | None:
    """Return the difference of the voltage between charge and discharge, short of full by the same charge, and its means over thirds."""
    first, now = _loop(before), _loop(after)
    if first is None or now is None:
        return None
    short = first.held + PLACES * (0.95 * first.reach - first.held)
    one, other = first.at(short), now.at(short)
    seen = (short >= now.held) & (short <= now.reach)
    found = np.where(seen, (other[0] - other[1]) - (one[0] - one[1]), 0.0)
    return np.concatenate([found, found.reshape(3, -1).mean(axis=1)]) / (VOLT * cells.film)


def balance(before: Cycle, after: Cycle, cells: HalfCells) -> FloatArray | None:
    """Return what the electrodes have lost by a fit to the mean of charge and discharge, and what that has cost."""
    curves = []
    for loop in (_loop(before), _loop(after)):
        if loop is None:
            return None
        short = np.linspace(loop.held, 0.97 * loop.reach, 200)[::-1]
        curves.append((loop.total - short, loop.between(short)))
    if np.ptp(curves[1][0]) < NARROWEST * curves[0][0][-1]:
        return None
    lost, cost = electrodes.wear(cells, curves[0], curves[1], 0.0)
    return np.concatenate([lost[:3], cost])
