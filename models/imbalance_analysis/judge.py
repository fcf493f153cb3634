"""Who is accused, of what, and how sure that is: every test has a statistical and a practical side, and both must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.imbalance_analysis.blocks import block_medians, find_blocks, members
from models.imbalance_analysis.robust import (
    FloatArray,
    falls,
    median,
    outlier_limit,
    scatter,
    trend_errors,
    trends,
)

#: Reasons, the most hazardous first; the number is the code of the output `suspect_reason`.
REASONS = {
    "self-discharge": 1,
    "falling voltage": 2,
    "step": 3,
    "resistance": 4,
    "capacity": 5,
    "low level": 6,
    "high level": 7,
}
#: What to do about each.
ADVICE = {
    "self-discharge": "If its balancing is off, take the cell out of use and test it: an internal short can grow",
    "falling voltage": "See that its balancing is off and its sense wires are tight, then test it for self-discharge",
    "step": "Check its contacts and sense wires, then measure its resistance",
    "resistance": "Check its busbars and sense wires, then measure its resistance",
    "capacity": "Plan a capacity test, and replace it if that agrees",
    "low level": "Measure it by hand at rest: where that agrees, balance it and watch, else mend its measurement",
    "high level": "Measure it by hand at rest: where that agrees, balance it and watch, else mend its measurement",
}
#: From this score on a reason is reported; 1 accuses, and less only keeps an accusation that stands, so none comes and goes.
KEEPS = 0.7
#: A rate or a capacity must exceed so many of its own standard errors.
OWN_LIMIT = 5.0
#: Mann-Kendall statistic of a fall: one-sided chance of 0.1 %, so seven days that all fall are the fewest.
FALLS = 3.09


@dataclass(frozen=True)
class Finding:
    """One reason against one cell; `position` counts from 0 along the string, `score` is 1 at the limit."""

    position: int
    reason: str
    score: float
    text: str


@dataclass(frozen=True)
class Trend:
    """Trends of all cells in one band, and against their blocks; shape (k,). [mV/d], `falls` is a statistic.

    `largest` is the largest fall from one entry to the next [mV], and `within` how long that took [d]: a step or a drift.
    """

    slope: FloatArray
    own: FloatArray
    error: FloatArray
    falls: FloatArray
    span: float
    largest: FloatArray
    within: FloatArray


def beyond(values: FloatArray, spread: float, practical: float) -> FloatArray:
    """Return how far values are beyond both limits: 1 is at the farther one, sign kept.

    Examples
    --------
    >>> beyond(np.array([-30.0, 4.0]), 1.0, 10.0).tolist()  # two cells: 18 standard deviations
    [-1.6666666666666667, 0.2222222222222222]
    """
    limit = max(outlier_limit(int(np.isfinite(values).sum())) * spread, practical)
    return np.nan_to_num(values / limit)


def judge_levels(level: FloatArray, resolution: float, practical: float, where: str) -> list[Finding]:
    """Accuse cells that stand away from their block.

    Parameters
    ----------
    level : array, shape (k,)
        Deviation from the pack median at small current. [mV]
    resolution : float
        Step of the measurement. [mV]
    practical : float
        Smallest deviation of interest. [mV]
    where : str
        The band, for the text.
    """
    floor = max(0.5 * resolution, 1.0)
    own = level - block_medians(level, find_blocks(level, floor))
    spread = scatter(own, floor)
    scores = beyond(own, spread, practical)
    found = []
    for cell in np.flatnonzero(np.abs(scores) >= KEEPS).tolist():
        word = "low level" if own[cell] < 0 else "high level"
        text = (
            f"{level[cell]:+.0f} mV from the pack median {where}, {own[cell]:+.0f} mV from its block (scatter {spread:.1f} mV)"
        )
        found.append(Finding(cell, word, abs(float(scores[cell])), text))
    return found


def trend_of(days: FloatArray, levels: FloatArray, resolution: float) -> Trend:
    """Fit trends, and take from each cell's that of its block.

    Parameters
    ----------
    days, levels : array, shape (m,), (m, k)
        At least four days. [d], [mV]
    """
    slope = trends(days, levels)
    span = float(days[-1] - days[0])
    blocks = find_blocks(slope * span, max(0.5 * resolution, 1.0))
    error = trend_errors(days, levels, slope, resolution)
    member = members(slope, blocks)
    own = np.array([level - block_medians(level, blocks, member) for level in levels])
    drops = -np.diff(np.nan_to_num(own), axis=0)
    place = drops.argmax(axis=0)
    largest = drops[place, np.arange(len(slope))]
    return Trend(slope, slope - block_medians(slope, blocks), error, falls(own), span, largest, np.diff(days)[place])


def judge_trend(trend: Trend, practical: float, where: str) -> list[Finding]:
    """Accuse cells that fall against their block: the mark of self-discharge where balancing does not act.

    Parameters
    ----------
    practical : float
        Smallest fall over the span of interest. [mV]
    """
    spread = scatter(trend.own, median(trend.error))
    score = -beyond(trend.own, spread, practical / trend.span)
    score = np.where(trend.falls >= FALLS, score, np.minimum(score, trend.falls / FALLS))
    return [
        Finding(
            cell, "falling voltage", float(score[cell]),
            f"falls by {-trend.slope[cell]:.2f} mV/day against the pack, {-trend.own[cell]:.2f} against its block, {where}, "
            f"over {trend.span:.0f} days (scatter of the cells {spread:.2f}, Mann-Kendall {trend.falls[cell]:.1f}); "
            f"largest fall {trend.largest[cell]:.0f} mV in {trend.within[cell]:.1f} days",
        )
        for cell in np.flatnonzero(score >= KEEPS).tolist()
    ]  # fmt: skip


def resistances(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the slope of voltage steps over current steps, and one sigma.

    Parameters
    ----------
    sums : array, shape (4, k)
        Count, sum of dI squared [A2], of dI dV [A mV], of dV squared [mV2].

    Returns
    -------
    resistance, error : array, shape (k,)
        NaN where there was no step. [mOhm]

    Notes
    -----
    Within one sampling interval: ohmic and part of the charge transfer, so it rises with the interval. Only the
    comparison between cells is used.

    Examples
    --------
    One step of +10 A (discharge) that pulls a cell down by 5 mV:

    >>> resistances(np.array([[1.0], [100.0], [-50.0], [25.0]]))[0].tolist()
    [0.5]
    """
    count, squares, products, voltages = sums
    some = squares > 0
    safe = np.where(some, squares, 1.0)
    slope = -products / safe
    left = np.maximum(voltages - products**2 / safe, 0.0)
    error = np.sqrt(left / (np.maximum(count - 1, 1) * safe))
    return np.where(some, slope, np.nan), np.where(some, error, np.nan)


def judge_resistance(sums: FloatArray, fewest: float, practical: float) -> list[Finding]:
    """Accuse cells whose steps are larger than the others'."""
    value, error = resistances(sums)
    middle = median(value)
    if not middle > 0 or float(sums[0].max()) < fewest:
        return []
    excess = value / middle - 1.0
    score = beyond(excess, scatter(excess, median(error) / middle), practical)
    return [
        Finding(
            cell, "resistance", float(score[cell]),
            f"resistance {excess[cell]:+.0%} ({value[cell] - middle:+.2f} mOhm to {middle:.2f} mOhm) "
            f"in {sums[0][cell]:.0f} steps of current; a bad contact reads the same",
        )
        for cell in np.flatnonzero(score >= KEEPS).tolist()
    ]  # fmt: skip


def judge_step(step: dict[str, Any] | None, change: FloatArray, resolution: float, practical: float) -> list[Finding]:
    """Accuse a cell that moved at least twice as far as the median in the largest step of current.

    Parameters
    ----------
    step : dict or None
        ``amperes``, positive for more discharge. [A]
    change : array, shape (k,)
        Of every cell. [mV]
    resolution, practical : float
        [mV]

    Notes
    -----
    For strings that rest between steps (float charge): a cell read a frame late can only move less. Not for vehicles:
    there the current changes within a frame, and cells read at another instant may move more.
    """
    if step is None or not np.isfinite(change).any():
        return []
    middle = median(change)
    sign = 1.0 if middle >= 0 else -1.0
    floor = max(resolution, 1.0)
    excess = sign * (change - block_medians(change, find_blocks(change, floor)))
    score = beyond(excess, scatter(excess, floor), practical)
    ordered = np.sort(np.nan_to_num(sign * change, nan=-np.inf))
    found = []
    for cell in np.flatnonzero((score >= KEEPS) & (sign * change >= 2.0 * abs(middle))).tolist():
        following = ordered[-2] if sign * change[cell] == ordered[-1] else ordered[-1]
        text = f"moved {change[cell]:+.0f} mV at a step of {-step['amperes']:+.1f} A (charge is +); next {sign * following:+.0f} mV"
        found.append(Finding(cell, "step", float(score[cell]), f"{text}, median {middle:+.0f} mV"))
    return found


def judge_self_discharge(
    rate: FloatArray, error: FloatArray, capacity: float, voltage: float, practical: float
) -> list[Finding]:
    """Accuse cells whose charge falls behind that of the median from charge to charge.

    Parameters
    ----------
    rate, error : array, shape (k,)
        Change of the lead. [1/d]
    capacity, voltage : float
        [Ah], [V]
    practical : float
        Smallest rate of interest. [1/d]
    """
    own = rate - median(rate)
    score = np.minimum(-beyond(own, scatter(own, median(error)), practical), -own / error / OWN_LIMIT)
    found = []
    for cell in np.flatnonzero(score >= KEEPS).tolist():
        amperes = -own[cell] * capacity / 24.0
        text = (
            f"loses {-own[cell]:.2%} of charge a day more than the others (sigma {error[cell]:.2%}): "
            f"{1000 * amperes:.0f} mA, as {voltage / amperes:.0f} ohm across the cell would"
        )
        found.append(Finding(cell, "self-discharge", float(score[cell]), text))
    return found


def judge_capacity(stretch: FloatArray, error: FloatArray, practical: float) -> list[Finding]:
    """Accuse cells whose SOC moves faster than the median's: less capacity."""
    own = stretch - median(stretch)
    score = np.minimum(beyond(own, scatter(own, median(error)), practical), own / error / OWN_LIMIT)
    return [
        Finding(
            cell, "capacity", float(score[cell]),
            f"capacity {1.0 / (1.0 + own[cell]) - 1.0:+.1%} against the median cell (sigma {error[cell]:.1%}); balancing does not mend it",
        )
        for cell in np.flatnonzero(score >= KEEPS).tolist()
    ]  # fmt: skip


def standing(findings: list[Finding], open_reasons: set[tuple[int, str]]) -> list[Finding]:
    """Return findings at the limit, and those near it whose cell is already accused for that reason.

    Examples
    --------
    >>> near = Finding(3, "low level", 0.8, "")
    >>> len(standing([near], set())), len(standing([near], {(3, "low level")}))
    (0, 1)
    """
    return [each for each in findings if each.score >= 1.0 or (each.position, each.reason) in open_reasons]


def ranked(findings: list[Finding]) -> list[tuple[int, list[Finding]]]:
    """Return accused cells with their reasons: the most hazardous reason first, then the highest score."""
    cells: dict[int, list[Finding]] = {}
    for finding in sorted(findings, key=lambda each: (REASONS[each.reason], -each.score, each.position)):
        kept = cells.setdefault(finding.position, [])
        if all(each.reason != finding.reason for each in kept):
            kept.append(finding)
    return sorted(cells.items(), key=lambda item: (REASONS[item[1][0].reason], -item[1][0].score, item[0]))
