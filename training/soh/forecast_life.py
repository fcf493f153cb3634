"""When a life ends and where it bends: end of life from forecasts, and the warning of a knee; what the plugin has of it, and the judging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.neural_soh import forecast_path
from models.neural_soh.forecast_path import AHEAD, END, SINCE, SLOWEST, STANDING
from training.soh.cells import FloatArray
from training.soh.forecast_histories import SHORTEST, recent_median
from training.soh.forecast_rows import HORIZONS

__all__ = [
    "AHEAD",
    "END",
    "bend_ahead",
    "charges_to_end",
    "choose_factor",
    "judge_warnings",
    "knee_of",
    "measured_end",
    "warning",
]

#: A knee: from here on fade is at least so many times as fast, and goes on for at least this loss. [1], [1]
STEEPER, LOSS_AFTER = 2.0, 0.02


def charges_to_end(now: FloatArray, change: FloatArray, end: float = END) -> FloatArray:
    """Return after how many charges a forecast path at this module's horizons crosses the end of life; see `forecast_path`."""
    return forecast_path.charges_to_end(now, change, end, HORIZONS)


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
    return forecast_path.bend(np.full(len(charges), smooth[SINCE]), smooth[charges], charges, change)


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


def judge_warnings(
    lives: list[tuple[FloatArray, np.ndarray, FloatArray]], factor: float, bends: Sequence[Knee | None] | None = None
) -> Warnings:
    """Count warnings over whole lives, each its health, the charges with a forecast, and the ratio of :func:`bend_ahead`.

    Their knees are looked for unless they are given.
    """
    leads: list[int] = []
    knees = without = false = 0
    for (_, charges, ratio), knee in zip(lives, bends or [knee_of(soh) for soh, _, _ in lives], strict=True):
        given = warning(charges, ratio, factor)
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
    bends = [knee_of(soh) for soh, _, _ in lives]
    for factor in np.round(np.arange(1.25, 5.01, 0.25), 2):
        found = judge_warnings(lives, float(factor), bends)
        early = sum(lead > 3 * AHEAD for lead in found.leads)
        share = (found.false + early) / max(found.without + found.knees, 1)
        if share <= allowed and found.warned - early > best:
            best, chosen = found.warned - early, float(factor)
    return chosen
