"""When a life ends and where it bends: end of life from forecasts, and the warning of a knee."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.soh.cells import FloatArray
from training.soh.forecast_histories import SHORTEST, recent_median
from training.soh.forecast_rows import HORIZONS

#: Health at which a cell's first life ends. [1]
END = 0.8
#: A knee: from here on fade is at least so many times as fast, and goes on for at least this loss. [1], [1]
STEEPER, LOSS_AFTER = 2.0, 0.02
#: A warning must stand for this long before it is given. [charges]
STANDING = 5
#: Horizon whose rate of fade is compared with the past's. [charges]
AHEAD = 50
#: Less fade than this a charge is no rate to compare with. [1/charge]
SLOWEST = 2e-5


def charges_to_end(now: FloatArray, change: FloatArray, end: float = END) -> FloatArray:
    """Return after how many charges a forecast path crosses the end of life.

    Parameters
    ----------
    now : ndarray, shape (N,)
        Health. [1]
    change : ndarray, shape (N, len(HORIZONS))
        Its forecast change at each horizon; straight in between. [1]
    end : float, optional

    Returns
    -------
    ndarray, shape (N,)
        0 where it is crossed already, NaN where it is not within the longest horizon. [charges]
    """
    knots = np.array([0, *HORIZONS], float)
    path = np.hstack([now[:, None], now[:, None] + change])
    below = path <= end
    first = np.argmax(below, axis=1)
    before = np.maximum(first - 1, 0)
    rows = np.arange(len(now))
    fall = path[rows, before] - path[rows, first]
    share = np.where(fall > 0, (path[rows, before] - end) / np.where(fall > 0, fall, 1.0), 0.0)
    crossing = knots[before] + share * (knots[first] - knots[before])
    return np.where(below.any(axis=1), np.where(first == 0, 0.0, crossing), np.nan)


def measured_end(soh: FloatArray, end: float = END) -> int | None:
    """Return the charge at which the median of the last five is below the end of life for the first time, or None."""
    below = np.flatnonzero(recent_median(soh, 5) < end)
    return int(below[0]) if len(below) else None


@dataclass(frozen=True)
class Knee:
    """Where a whole life bends.

    Attributes
    ----------
    charge : int
    before, after : float
        Slope of health on either side. [1/charge]
    """

    charge: int
    before: float
    after: float


def knee_of(soh: FloatArray) -> Knee | None:
    """Return the knee of a life that is known to its end, or None where there is none: for judging warnings, never for giving them.

    Two straight lines that meet, by least squares over all meeting points: the Bacon-Watts model with an abrupt transition. It is a
    knee if the second line is at least twice as steep and loses at least two percent.

    References
    ----------
    Bacon, Watts, Biometrika 58 (1971) 525, doi:10.1093/biomet/58.3.525
    Fermín-Cueto et al., Energy and AI 1 (2020) 100006, doi:10.1016/j.egyai.2020.100006
    """
    smooth = recent_median(soh, 5)[SHORTEST - 1 :]
    if len(smooth) < SHORTEST:
        return None
    kept = np.unique(np.linspace(0, len(smooth) - 1, 200).astype(int))
    charges, health = kept.astype(float), smooth[kept]
    best: tuple[float, float, FloatArray] | None = None
    for bend in charges[len(charges) // 20 : -max(len(charges) // 20, 1)]:
        design = np.stack([np.ones_like(charges), charges - bend, np.abs(charges - bend)], axis=1)
        found = np.linalg.lstsq(design, health, rcond=None)[0]
        error = float(((design @ found - health) ** 2).sum())
        if best is None or error < best[0]:
            best = error, float(bend), found
    if best is None:
        return None
    _, bend, (_, slope, half) = best
    before, after = float(slope - half), float(slope + half)
    steep = after < 0 and after <= STEEPER * min(before, -SLOWEST)
    loss = -after * (charges[-1] - bend)
    return Knee(int(bend) + SHORTEST - 1, before, after) if steep and loss >= LOSS_AFTER else None


def bend_ahead(soh: FloatArray, charges: np.ndarray, change: FloatArray) -> FloatArray:
    """Return how many times as fast the next charges are forecast to fade as the past ones did.

    Parameters
    ----------
    soh : ndarray, shape (M,)
        Health as known of the cell; of each charge only what came before it is used. [1]
    charges : ndarray of int, shape (N,)
        Whose forecasts are given, in order, none before the 20th charge.
    change : ndarray, shape (N,)
        Forecast change over the next :data:`AHEAD` charges. [1]

    Notes
    -----
    The past's rate runs from the tenth charge on: many cells first gain capacity.
    """
    smooth = recent_median(soh, 5)
    past = (smooth[SHORTEST // 2] - smooth[charges]) / np.maximum(charges - SHORTEST // 2, 1)
    return np.asarray((-change / AHEAD) / np.maximum(past, SLOWEST))


def warning(charges: np.ndarray, ratio: FloatArray, factor: float) -> int | None:
    """Return the charge at which a warning of a knee is given: the ratio stood above the factor for the last charges; or None."""
    since: int | None = None
    for charge, value in zip(charges, ratio, strict=True):
        if not value >= factor:
            since = None
            continue
        since = int(charge) if since is None else since
        if charge - since >= STANDING - 1:
            return int(charge)
    return None


@dataclass(frozen=True)
class Warnings:
    """How warnings met knees.

    Attributes
    ----------
    knees : int
        Cells with a knee.
    warned : int
        Of them, those warned of at or before the knee.
    late : int
        Of them, those warned of after it.
    leads : tuple of int
        Charges from the warning to the knee, negative where it was late.
    without : int
        Cells without a knee.
    false : int
        Of them, those warned of.
    """

    knees: int
    warned: int
    late: int
    leads: tuple[int, ...]
    without: int
    false: int


def judge_warnings(lives: list[tuple[FloatArray, np.ndarray, FloatArray]], factor: float) -> Warnings:
    """Count warnings over whole lives, each its health, the charges with a forecast, and the ratio of :func:`bend_ahead`."""
    leads: list[int] = []
    knees = without = false = 0
    for soh, charges, ratio in lives:
        knee, given = knee_of(soh), warning(charges, ratio, factor)
        if knee is None:
            without += 1
            false += given is not None
        else:
            knees += 1
            if given is not None:
                leads.append(knee.charge - given)
    warned = sum(lead >= 0 for lead in leads)
    return Warnings(knees, warned, len(leads) - warned, tuple(leads), without, false)


def choose_factor(lives: list[tuple[FloatArray, np.ndarray, FloatArray]], allowed: float = 0.1) -> float:
    """Return the factor with the most knees warned of in time whose share of false alarms is allowed; of training cells.

    A warning long before the knee is no better than none: one more than three horizons ahead counts as false.
    """
    best, chosen = -1, 5.0
    for factor in np.round(np.arange(1.25, 5.01, 0.25), 2):
        found = judge_warnings(lives, float(factor))
        early = sum(lead > 3 * AHEAD for lead in found.leads)
        share = (found.false + early) / max(found.without + found.knees, 1)
        if share <= allowed and found.warned - early > best:
            best, chosen = found.warned - early, float(factor)
    return chosen
