"""Places at which charges are compared, and smoothing of their voltages; pure NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Places of the grid, as fractions of the charge at constant current at the beginning. [1]
PLACES = np.linspace(0.03, 0.97, 24)
#: Volts that weigh as much as one nominal capacity.
VOLT = 1.0
#: Of the first charge: less than this makes no fit. [1]
NARROWEST = 0.3


def smooth(voltage: FloatArray) -> FloatArray:
    """Return moving means over about 3 % of the samples; the ends, over what there is of them."""
    half = max(1, round(0.015 * len(voltage)))
    total = np.concatenate([[0.0], np.cumsum(voltage)])
    place = np.arange(len(voltage))
    reach = np.minimum(half, np.minimum(place, place[::-1]))
    found: FloatArray = (total[place + reach + 1] - total[place - reach]) / (2 * reach + 1)
    return found


def rising(voltage: FloatArray) -> FloatArray:
    """Smooth and make monotone, so that charge is a function of voltage."""
    return monotone(smooth(voltage))


def monotone(voltage: FloatArray) -> FloatArray:
    """Return a voltage that rises everywhere, however little."""
    found: FloatArray = np.maximum.accumulate(voltage) + 1e-9 * np.arange(len(voltage))
    return found
