"""One charge as what is compared: its voltage over charge at constant current, the hold and the rest after it; pure NumPy.

Charges are by the nominal capacity, so that cells of 1 and of 100 Ah are the same. A charge of a real charger is brought to this form by
:func:`curve_of`; what it does not have stays None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes.smoothing import smooth
from models.neural_soh.parts import parts_of
from models.neural_soh.segments import Segment

FloatArray = npt.NDArray[np.float64]

#: Points of the voltage that are kept, evenly over the charge.
POINTS = 80
#: Samples that a constant current must have at least.
FEWEST = 20
#: Least charge at constant current, by the capacity. [1]
LEAST = 0.25
#: A hold is whole if the current fell to this, by the capacity: where the cell is called full. [1/h]
WHOLE = 0.06
#: Currents in the hold at which charge and time until the cell is full are told, over that before it. [1]
HELD = np.array([0.8, 0.6, 0.4, 0.2])
#: After the charge. [s]
RESTED = np.array([60.0, 120.0, 300.0, 600.0, 1200.0, 1740.0])
#: Longest interval between samples of a rest. [s]
REST_EVERY = 130.0
#: A voltage at rest is the mean between these shares of its time. [1]
AROUND = (0.8, 1.25)


@dataclass(frozen=True, eq=False)
class Curve:
    """A charge.

    Attributes
    ----------
    charged : float
        At constant current, by the capacity. [1]
    voltage : ndarray, shape (POINTS,)
        At constant current, evenly over its charge, smoothed. [V]
    hold : ndarray, shape (1 + 2 len(HELD),), or None
        Of a whole hold at constant voltage, until the cell is full: charge from the end of the constant current, charge from each current
        of :data:`HELD` by the capacity [1], and time from each of them [h].
    rest : ndarray, shape (len(RESTED),), or None
        Voltage at :data:`RESTED` after a whole hold. [V]
    rate : float
        Of the constant current. [1/h]
    temperature : float
        Mean at constant current; NaN where not measured. [degC]
    count : int
        Charges that it is the mean of.
    """

    charged: float
    voltage: FloatArray
    hold: FloatArray | None
    rest: FloatArray | None
    rate: float
    temperature: float
    count: int = 1

    @property
    def charge(self) -> FloatArray:
        """Return the charge at each point of the voltage, by the capacity. [1]"""
        return np.linspace(0.0, self.charged, POINTS)


def curve_of(segment: Segment, capacity: float, idle: float = 0.01) -> Curve | None:
    """Bring a charge to the form that is compared.

    Parameters
    ----------
    segment : Segment
    capacity : float
        Nominal. [Ah]
    idle : float
        Current up to which a cell rests, by its capacity. [1/h]

    Returns
    -------
    Curve or None
        None where no constant current lasts for :data:`FEWEST` samples and :data:`LEAST` of the capacity.
    """
    parts = parts_of(segment, capacity, idle)
    if not parts.currents:
        return None
    run = max(parts.currents, key=lambda points: float(segment.charge[points[-1]] - segment.charge[points[0]]))
    charge = (segment.charge[run] - segment.charge[run[0]]) / capacity
    if len(run) < FEWEST or charge[-1] < LEAST:
        return None
    voltage = np.interp(np.linspace(0.0, charge[-1], POINTS), charge, smooth(segment.voltage[run]))
    temperature = segment.temperature[run]
    known = np.isfinite(temperature)
    hold = _hold(segment, run, parts.voltage, capacity)
    return Curve(
        charged=float(charge[-1]),
        voltage=voltage,
        hold=hold,
        rest=_rest(segment) if hold is not None else None,
        rate=float(-np.median(segment.current[run])) / capacity,
        temperature=float(temperature[known].mean()) if known.any() else float("nan"),
    )


def _hold(segment: Segment, run: npt.NDArray[np.int64], held: npt.NDArray[np.int64], capacity: float) -> FloatArray | None:
    """Return charges and times until the cell is full, between samples in proportion; None where the hold is not whole."""
    if not len(held) or held[0] < run[-1]:
        return None
    points = np.concatenate([run[-1:], held])
    current = np.minimum.accumulate(-segment.current[points]) / capacity
    if current[-1] > WHOLE:
        return None
    wanted = np.append(HELD * current[0], WHOLE)
    charge = np.interp(-wanted, -current, segment.charge[points]) / capacity
    hours = np.interp(-wanted, -current, segment.time[points]) / 3600.0
    begun = segment.charge[run[-1]] / capacity
    return np.concatenate([[charge[-1] - begun], charge[-1] - charge[:-1], hours[-1] - hours[:-1]])


def _rest(segment: Segment) -> FloatArray | None:
    """Return the voltage at some times after the charge, where it was seen throughout."""
    time = segment.time[segment.last + 1 :] - segment.time[segment.last]
    voltage = segment.voltage[segment.last + 1 :]
    if not len(time) or time[-1] < RESTED[-1] - REST_EVERY or np.diff(time, prepend=0.0).max() > REST_EVERY:
        return None
    found: FloatArray = np.interp(RESTED, time, voltage)
    for place, wanted in enumerate(RESTED):
        near = (time >= AROUND[0] * wanted) & (time <= AROUND[1] * wanted)
        if near.any():
            found[place] = voltage[near].mean()
    return found


def mean(first: Curve, now: Curve) -> Curve:
    """Return the mean of one that is a mean already, and another charge."""
    weight = 1.0 / (first.count + 1)

    def between(one: FloatArray, other: FloatArray) -> FloatArray:
        return one + weight * (other - one)

    return Curve(
        charged=first.charged + weight * (now.charged - first.charged),
        voltage=between(first.voltage, now.voltage),
        hold=None if first.hold is None or now.hold is None else between(first.hold, now.hold),
        rest=None if first.rest is None or now.rest is None else between(first.rest, now.rest),
        rate=first.rate + weight * (now.rate - first.rate),
        temperature=first.temperature + weight * (now.temperature - first.temperature),
        count=first.count + 1,
    )
