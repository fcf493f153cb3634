"""What follows from a forecast: when the first life of a cell ends, and how much faster it is going to fade than it did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.neural_soh.forecast_history import FloatArray

#: How far ahead the plugin forecasts. [charges]
HORIZONS = (5, 20, 50, 100)
#: Health at which a cell's first life ends. [1]
END = 0.8
#: Horizon whose rate of fade is compared with the past's. [charges]
AHEAD = 50
#: Charge that the past's rate of fade runs from: many cells first gain capacity.
SINCE = 10
#: A warning must stand for this long before it is given. [charges]
STANDING = 5
#: Less fade than this a charge is no rate to compare with. [1/charge]
SLOWEST = 2e-5


def charges_to_end(now: FloatArray, change: FloatArray, end: float = END, horizons: Sequence[int] = HORIZONS) -> FloatArray:
    """Return after how many charges a forecast path crosses the end of life.

    Parameters
    ----------
    now : ndarray, shape (N,)
        Health. [1]
    change : ndarray, shape (N, len(horizons))
        Its forecast change at each horizon; straight in between. [1]
    end : float, optional
    horizons : sequence of int, optional
        [charges]

    Returns
    -------
    ndarray, shape (N,)
        0 where it is crossed already, NaN where it is not within the longest horizon. [charges]

    Examples
    --------
    >>> charges_to_end(np.array([0.82]), np.array([[-0.005, -0.02, -0.05, -0.1]])).tolist()
    [20.0]
    """
    knots = np.array([0, *horizons], float)
    path = np.hstack([now[:, None], now[:, None] + change])
    below = path <= end
    first = np.argmax(below, axis=1)
    before = np.maximum(first - 1, 0)
    rows = np.arange(len(now))
    fall = path[rows, before] - path[rows, first]
    share = np.where(fall > 0, (path[rows, before] - end) / np.where(fall > 0, fall, 1.0), 0.0)
    crossing = knots[before] + share * (knots[first] - knots[before])
    return np.where(below.any(axis=1), np.where(first == 0, 0.0, crossing), np.nan)


def bend(new: FloatArray, now: FloatArray, charge: FloatArray, change: FloatArray) -> FloatArray:
    """Return how many times as fast the next charges are forecast to fade as the past ones did.

    Parameters
    ----------
    new, now : ndarray
        Median of five charges' health at charge :data:`SINCE`, and at each charge. [1]
    charge : ndarray
        Number of the charge, from 0.
    change : ndarray
        Forecast change over the next :data:`AHEAD` charges. [1]
    """
    past = (new - now) / np.maximum(charge - SINCE, 1)
    return np.asarray((-change / AHEAD) / np.maximum(past, SLOWEST))
