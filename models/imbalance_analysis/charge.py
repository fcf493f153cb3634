"""Charges: every cell's voltage curve laid over that of the median cell, shifted and stretched until they agree.

The shift is the cell's lead in charge, the stretch its capacity. The pack's own median is the reference, so no OCV curve, no
SOC of the BMS and no relaxation is needed, and it works on LFP wherever the curve bends enough, which the fit says itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.imbalance_analysis.robust import NORMAL, FloatArray, median, row_midmeans

#: Points of a charge are this far apart, and a charge is fitted from this length on. [fraction of the capacity]
GRID, SHORTEST = 0.01, 0.15
#: Fewest points of a fit.
FEWEST = 12
#: A charge is interrupted for at most this long. [ms]
PAUSE = 900_000
#: One sigma known before: lead, stretch [fraction], and change of the lead [1/d].
LEAD, STRETCH, RATE = 0.2, 0.1, 0.02
#: The same, with the offset of the measurement and of the load [mV].
_PRIOR = (LEAD, STRETCH, 3.0)
#: One sigma of one reading against the shifted median [mV]; of the median curve along the charge [fraction].
_NOISE, _ALONG = 2.0, 0.001
_ROUNDS = 6
#: What remains of the error of a stretch however many charges there are: polarisation is no part of the fit. The error
#: on the cells of the demo fleet is 0.007 at a resolution of 1 mV and 0.012 at 5 mV. [fraction]
SYSTEMATIC = 0.01


@dataclass(frozen=True)
class Alignment:
    """What one charge says of every cell; shape (k,) each. [fraction of the median cell's capacity]

    Attributes
    ----------
    lead, lead_error : array
        Charge ahead of the median cell in the middle of the charge, and one sigma.
    stretch, stretch_error : array
        How much faster its SOC moves than that of the median cell, and one sigma: 0.087 is 8 % less capacity.
    """

    lead: FloatArray
    lead_error: FloatArray
    stretch: FloatArray
    stretch_error: FloatArray


def align(position: FloatArray, millivolts: FloatArray, resolution: float) -> Alignment:
    r"""Fit every cell's curve of one charge to the median's.

    .. math::
        V_i(q) = F\bigl(q + a_i + c_i (q - \bar q)\bigr) + e_i

    Parameters
    ----------
    position : array, shape (n,)
        Charge put in, ascending. [fraction of the capacity]
    millivolts : array, shape (n, k)
        Cell voltages without their ohmic part. [mV]
    resolution : float
        Step of the measurement. [mV]

    Returns
    -------
    Alignment

    Notes
    -----
    Gauss-Newton with F the mean curve of the middle half of the cells, linear between points; points that a cell's
    shift moves beyond the charge are left out, residuals are clipped at five sigmas. The offset e (calibration, contact
    resistance) is known to a few millivolts before; on a flat stretch it explains everything, and the errors of lead and
    stretch stay at what was known before. Where the fit is worse than its noise, the errors are widened to match.
    """
    curve = np.maximum.accumulate(row_midmeans(millivolts))
    steepness = np.gradient(curve, position)
    noise = max(_NOISE, resolution / np.sqrt(3.0))
    away = position - 0.5 * (position[0] + position[-1])
    prior = np.diag([1.0 / sigma**2 for sigma in _PRIOR])
    found = np.zeros((millivolts.shape[1], 3))
    for _ in range(_ROUNDS):
        at = position[:, None] + found[:, 0] + found[:, 1] * away[:, None]
        inside = (at >= position[0]) & (at <= position[-1]) & np.isfinite(millivolts)
        slope = np.interp(at, position, steepness)
        residual = np.where(inside, millivolts - np.interp(at, position, curve) - found[:, 2], 0.0)
        sigma = np.hypot(noise, slope * _ALONG)
        residual = np.clip(residual, -5.0 * sigma, 5.0 * sigma)
        weight = inside / sigma**2
        parts = (slope, slope * away[:, None], np.ones_like(slope))
        matrix = np.array([[(weight * a * b).sum(axis=0) for b in parts] for a in parts]).transpose(2, 0, 1) + prior
        vector = np.array([(weight * a * residual).sum(axis=0) for a in parts]).T - found @ prior
        found = found + np.linalg.solve(matrix, vector[..., None])[..., 0]
    freedom = np.maximum(inside.sum(axis=0) - 3, 1)
    misfit = np.sqrt(np.maximum(1.0, (weight * residual**2).sum(axis=0) / freedom))
    inverse = np.linalg.inv(matrix)
    errors = np.sqrt(inverse[:, [0, 1], [0, 1]]) * misfit[:, None]
    return Alignment(found[:, 0], errors[:, 0], found[:, 1], errors[:, 1])


@dataclass(frozen=True)
class Drift:
    """What all charges together say; shape (k,) each.

    Attributes
    ----------
    lead, lead_error : array
        Now, at half charge. [fraction]
    rate, rate_error : array
        Change of the lead; its error counts a doubt of 5 % in where on the SOC scale the charges lie. [1/d]
    stretch, stretch_error : array
        [fraction]
    """

    lead: FloatArray
    lead_error: FloatArray
    rate: FloatArray
    rate_error: FloatArray
    stretch: FloatArray
    stretch_error: FloatArray


def information(errors: FloatArray, prior: float) -> FloatArray:
    """Return what charges themselves say, without what was known before any: else many flat charges would look like knowledge.

    Examples
    --------
    >>> information(np.array([0.1, 0.05]), 0.1).round(1).tolist()
    [0.0, 300.0]
    """
    return np.asarray(np.maximum(1.0 / errors**2 - 1.0 / prior**2, 1e-6), dtype=np.float64)


def pooled(values: FloatArray, errors: FloatArray, prior: float) -> tuple[FloatArray, FloatArray]:
    """Return one value of several charges, and one sigma: what was known before counts once; shape (m, k) -> (k,)."""
    weight = information(errors, prior)
    total = weight.sum(axis=0) + 1.0 / prior**2
    return (weight * values).sum(axis=0) / total, 1.0 / np.sqrt(total)


def measured(error: FloatArray, prior: float) -> npt.NDArray[np.bool_]:
    """Return which cells have been measured: their error is below half of what was known before."""
    return error < 0.5 * prior


def combine(days: FloatArray, leads: FloatArray, lead_errors: FloatArray, stretches: FloatArray, errors: FloatArray) -> Drift:
    """Fit a line through the leads of several charges, and average the stretches, by their weights.

    Parameters
    ----------
    days : array, shape (m,)
        From now: the newest are nearest to 0. [d]
    leads, lead_errors, stretches, errors : array, shape (m, k)
        Of `align`, one row a charge, leads at half charge. [fraction]

    Returns
    -------
    Drift

    Notes
    -----
    A charge's error is at least the scatter of the same cell about its line, so a few lucky charges do not look sure.
    """
    weight = information(lead_errors, LEAD)
    centre = (weight * days[:, None]).sum(axis=0) / weight.sum(axis=0)
    away = days[:, None] - centre
    middle, sigma = pooled(leads, lead_errors, LEAD)
    lever = (weight * away**2).sum(axis=0) + 1.0 / RATE**2
    rate = (weight * away * (leads - middle)).sum(axis=0) / lever
    residual = leads - middle - rate * away
    misfit = np.sqrt(np.maximum(1.0, (weight * residual**2).sum(axis=0) / max(len(days) - 2, 1)))
    now = middle - rate * centre
    heavy = information(errors, STRETCH)
    stretch, doubt = pooled(stretches, errors, STRETCH)
    spread = np.sqrt(np.maximum(1.0, (heavy * (stretches - stretch) ** 2).sum(axis=0) / max(len(days) - 1, 1)))
    return Drift(
        now, np.sqrt(sigma**2 + centre**2 / lever) * misfit, rate, misfit / np.sqrt(lever),
        stretch, np.hypot(spread * doubt, SYSTEMATIC),
    )  # fmt: skip


def believed(value: FloatArray, error: FloatArray, sigmas: float = 3.0) -> FloatArray:
    """Return values that are beyond so many sigmas almost whole, and doubtful ones as nothing.

    Examples
    --------
    >>> believed(np.array([0.08, 0.08]), np.array([0.004, 0.03])).round(3).tolist()
    [0.078, 0.0]
    """
    share = (sigmas * error / np.maximum(np.abs(value), 1e-12)) ** 2
    return np.asarray(value * np.maximum(1.0 - share, 0.0), dtype=np.float64)


def typical(errors: FloatArray) -> float:
    """Return the median error over cells."""
    return median(errors)


def own_scatter(values: FloatArray) -> float:
    """Return the robust scatter over cells."""
    return NORMAL * median(np.abs(values - median(values)))
