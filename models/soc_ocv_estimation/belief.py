"""What is believed of a battery: a Gaussian over five quantities, and how counting and measuring change it.

Pure functions on small arrays. The order of the quantities is `SOC, OFFSET, SCALE, CURVE, STANDBY`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Positions in the mean: SOC [1], current sensor's offset [A], relative error of charge over capacity [1], error of the
#: OCV curve in its own sigmas [1], true current at rest [A].
SOC, OFFSET, SCALE, CURVE, STANDBY = range(5)
#: Variance of a SOC of which nothing is known: uniform over 0 to 1.
UNKNOWN = 1.0 / 12.0
#: Distance of SOC over which the error of a curve becomes another one. [1]
CURVE_LENGTH = 0.2


@dataclass(frozen=True)
class Belief:
    """Mean and covariance at one instant, and the counters there.

    Attributes
    ----------
    mean, covariance : array, shapes (5,) and (5, 5)
        See the module.
    charge : float
        Net charge discharged since the first sample, as logged. [Ah]
    hours : float
        Time of operation since the first sample, gaps left out. [h]
    """

    mean: FloatArray
    covariance: FloatArray
    charge: float
    hours: float


@dataclass(frozen=True)
class Walks:
    """How fast quantities that are called constant change: one sigma after a day. They grow with the root of time."""

    soc: float
    offset: float
    scale: float


def first_belief(soc: float | None, soc_sigma: float, offset: float, scale: float, standby: float) -> Belief:
    """Return what is believed before the first sample.

    Parameters
    ----------
    soc : float or None
        Known start, or None: anything between 0 and 1.
    soc_sigma, scale : float
        One sigma of the start and of charge over capacity. [1]
    offset, standby : float
        One sigma of the sensor's offset and of the true current at rest. [A]

    Returns
    -------
    Belief
    """
    variance = UNKNOWN if soc is None else min(soc_sigma**2, UNKNOWN)
    mean = np.array([0.5 if soc is None else soc, 0.0, 0.0, 0.0, 0.0])
    return Belief(mean, np.diag([variance, offset**2, scale**2, 1.0, standby**2]), 0.0, 0.0)


def counted(belief: Belief, charge: float, hours: float, capacity: float, walks: Walks) -> Belief:
    r"""Count charge on: the belief at later counters.

    .. math:: s' = s - (1 + k)\,(\Delta Q - o\,\Delta t)/C

    Parameters
    ----------
    belief : Belief
        At the earlier counters.
    charge, hours : float
        Counters now. [Ah], [h]
    capacity : float
        Nominal capacity. [Ah]
    walks : Walks
        Process noise.

    Returns
    -------
    Belief
        Its covariance includes the uncertainty of offset `o`, scale `k` and their walks.
    """
    mean, covariance = belief.mean, belief.covariance
    passed, time = charge - belief.charge, hours - belief.hours
    step = np.eye(5)
    step[SOC, OFFSET] = (1.0 + mean[SCALE]) * time / capacity
    step[SOC, SCALE] = -(passed - mean[OFFSET] * time) / capacity
    moved = mean.copy()
    moved[SOC] += (1.0 + mean[SCALE]) * step[SOC, SCALE]
    grown = step @ covariance @ step.T
    days = time / 24.0
    grown[SOC, SOC] += walks.soc**2 * days + walks.offset**2 * days * (time / capacity) ** 2 / 3.0
    grown[OFFSET, OFFSET] += walks.offset**2 * days
    grown[SCALE, SCALE] += walks.scale**2 * days
    return Belief(moved, grown, charge, hours)


def counted_soc(
    belief: Belief, charge: FloatArray, hours: FloatArray, capacity: float, walks: Walks
) -> tuple[FloatArray, FloatArray]:
    """Return mean and sigma of the SOC at many later counters: `counted`, elementwise.

    Parameters
    ----------
    belief : Belief
        Entries of `mean` and `covariance` may be arrays of the shape of `charge`, and so may its counters.
    charge, hours : array
        [Ah], [h]

    Returns
    -------
    soc, sigma : array
        [1]
    """
    mean, covariance = belief.mean, belief.covariance
    passed, time = charge - belief.charge, hours - belief.hours
    a = (1.0 + mean[SCALE]) * time / capacity
    b = -(passed - mean[OFFSET] * time) / capacity
    soc = mean[SOC] + (1.0 + mean[SCALE]) * b
    variance = covariance[SOC, SOC] + a * a * covariance[OFFSET, OFFSET] + b * b * covariance[SCALE, SCALE]
    variance = variance + 2.0 * (a * covariance[SOC, OFFSET] + b * covariance[SOC, SCALE] + a * b * covariance[OFFSET, SCALE])
    days = time / 24.0
    shift = time / capacity
    variance = variance + walks.soc**2 * days + walks.offset**2 * days * (shift * shift) / 3.0
    return soc, np.sqrt(np.minimum(np.maximum(variance, 0.0), UNKNOWN))


def held_within(soc: FloatArray, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Hold a counted SOC within 0 to 1; what it was outside is an error of the counting, and is doubted as much.

    Returns
    -------
    soc, sigma : array
        [1]
    """
    held = np.clip(soc, 0.0, 1.0)
    return held, np.hypot(sigma, soc - held)


def bounded_start(start: Belief, least: float, most: float, capacity: float) -> Belief:
    r"""Narrow an unknown start by what has been taken out and put in since: the SOC never left 0 to 1.

    .. math:: Q_\max/C \le s_0 \le 1 + Q_\min/C

    Parameters
    ----------
    start : Belief
        At counters of 0, with a SOC of which nothing is known.
    least, most : float
        Lowest and highest net charge discharged so far; not positive, not negative. [Ah]

    Returns
    -------
    Belief
        At counters of 0: mean and variance of a uniform SOC between the bounds; at least 0.1 apart, because capacity and
        offset are not exact.
    """
    low, high = max(most / capacity, 0.0), min(1.0 + least / capacity, 1.0)
    mean, covariance = start.mean.copy(), start.covariance.copy()
    mean[SOC] = min(max((low + high) / 2.0, 0.0), 1.0)
    covariance[SOC, SOC] = max(high - low, 0.1) ** 2 / 12.0
    return Belief(mean, covariance, start.charge, start.hours)


def after_gap(belief: Belief, seconds: float, c_rate: float) -> Belief:
    """Return the belief after a time in which the current is not known.

    Parameters
    ----------
    seconds : float
        Length of the gap. [s]
    c_rate : float
        One sigma of the mean current in it, over the capacity. [1/h]

    Returns
    -------
    Belief
        The mean stays; the variance of the SOC grows up to that of knowing nothing.
    """
    return _with_soc_variance(belief, belief.covariance[SOC, SOC] + (c_rate * seconds / 3600.0) ** 2)


def _with_soc_variance(belief: Belief, variance: float) -> Belief:
    """Set the variance of the SOC; what the other quantities know of it is kept as far as the limit lets."""
    covariance = belief.covariance.copy()
    before = covariance[SOC, SOC]
    if variance > UNKNOWN and variance > before:
        shrink = min((UNKNOWN / variance) ** 0.5, 1.0)
        covariance[SOC, 1:] *= shrink
        covariance[1:, SOC] *= shrink
    covariance[SOC, SOC] = min(max(variance, 0.0), UNKNOWN)
    return Belief(belief.mean, covariance, belief.charge, belief.hours)


def doubted(belief: Belief, surprise: float) -> Belief:
    """Widen the SOC so that a measurement `surprise` away is two sigma away: the curve or the capacity is not as stated."""
    return _with_soc_variance(belief, max(belief.covariance[SOC, SOC], (surprise / 2.0) ** 2))


def curve_aged(belief: Belief, distance: float) -> Belief:
    """Let the error of the OCV curve become another one: the curve is used `distance` of SOC away from its last use."""
    kept = float(np.exp(-distance / CURVE_LENGTH))
    mean, covariance = belief.mean.copy(), belief.covariance.copy()
    mean[CURVE] *= kept
    covariance[CURVE, :] *= kept
    covariance[:, CURVE] *= kept
    covariance[CURVE, CURVE] += 1.0 - kept * kept
    return Belief(mean, covariance, belief.charge, belief.hours)


def measured(belief: Belief, row: FloatArray, value: float, variance: float) -> Belief:
    """Take a linear measurement in (Kalman, Joseph form).

    Parameters
    ----------
    row : array, shape (5,)
        The measurement is ``row @ mean`` plus noise.
    value, variance : float
        What was measured, and the variance of its noise; positive.

    Returns
    -------
    Belief

    References
    ----------
    R. E. Kalman, A new approach to linear filtering and prediction problems, J. Basic Eng. 82 (1960) 35-45.
    doi:10.1115/1.3662552
    """
    covariance = belief.covariance
    gain = covariance @ row / (row @ covariance @ row + variance)
    keep = np.eye(5) - np.outer(gain, row)
    updated = keep @ covariance @ keep.T + variance * np.outer(gain, gain)
    mean = belief.mean + gain * (value - row @ belief.mean)
    return Belief(mean, (updated + updated.T) / 2.0, belief.charge, belief.hours)


def packed(belief: Belief) -> dict[str, Any]:
    """Turn a belief into strict JSON."""
    covariance = [float(v) for v in belief.covariance.ravel()]
    return {"mean": [float(v) for v in belief.mean], "covariance": covariance, "charge": belief.charge, "hours": belief.hours}


def unpacked(state: dict[str, Any]) -> Belief:
    """Turn it back."""
    covariance = np.array(state["covariance"], dtype=np.float64).reshape(5, 5)
    return Belief(np.array(state["mean"], dtype=np.float64), covariance, state["charge"], state["hours"])
