"""Causes from charges and the open-circuit curve: capacity, self-discharge and SOC told apart, or why not; and energy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.imbalance_analysis import charge, energy, history, identify, judge
from models.imbalance_analysis.history import Entry
from models.imbalance_analysis.memory import FLOAT, Memory
from models.imbalance_analysis.robust import median
from models.imbalance_analysis.verdict import IN_FLOAT, Practical, Verdict, in_use

if TYPE_CHECKING:
    from models.chemistry import Chemistry

REFUSED_IN_FLOAT = ("soc_imbalance", "cell_capacity_ratio", "leak_current", "energy_lost", "energy_recoverable")
#: Fewest charges behind a self-discharge, and how long they must span. [d]
CHARGES, CHARGES_SPAN = 3, 2.0
#: One sigma of the stretch up to which capacity is given. [fraction]
STRETCH_KNOWN = 0.03
#: How wrong the SOC of a charge may be from day to day: a weak cell then seems to drift by its stretch times that. [1/d]
SOC_DOUBT = 0.05
#: One sigma of the rate up to which self-discharge is given. [1/d]
RATE_KNOWN = 0.004


def drift_of(memory: Memory, now: int) -> charge.Drift | None:
    """Put all charges together, each moved to half charge by the stretch."""
    if not memory.charges:
        return None
    stretches, errors = history.table(memory.charges, "stretch"), history.table(memory.charges, "stretch_error")
    weight = charge.information(errors, charge.STRETCH)
    stretch, doubt = charge.pooled(stretches, errors, charge.STRETCH)
    apart = np.sqrt((weight * (stretches - stretch) ** 2).sum(axis=0) / weight.sum(axis=0))
    sure = charge.believed(stretch, np.hypot(doubt, apart / np.sqrt(len(weight))))
    away = np.array([0.5 - entry["soc"] for entry in memory.charges])
    leads = history.table(memory.charges, "lead") + away[:, None] * sure
    lead_errors = np.hypot(history.table(memory.charges, "lead_error"), 0.002)
    drift = charge.combine(history.days_before(memory.charges, now), leads, lead_errors, stretches, errors)
    single = min(entry["single"] for entry in memory.charges)  # calibration is the same in every charge: no mean removes it
    return replace(
        drift, lead_error=np.maximum(drift.lead_error, single), rate_error=np.hypot(drift.rate_error, SOC_DOUBT * np.abs(sure))
    )


def find(
    verdict: Verdict, memory: Memory, drift: charge.Drift | None, bands: dict[int, list[Entry]],
    pack: tuple[float, Chemistry | None], practical: Practical,
) -> list[judge.Finding]:  # fmt: skip
    """Tell capacity, self-discharge and SOC apart, or say why not."""
    found: list[judge.Finding] = []
    _soc(verdict, memory, drift, bands, pack[1])
    if verdict.status == IN_FLOAT:
        reason = (
            "float charge or balancing: charge is moved between cells and no curve is passed through. "
            "Run one charge of 30 % or more, or rest 2 h below 90 % SOC with balancing off."
        )
        verdict.lead = verdict.lead_error = None
        verdict.reasons |= dict.fromkeys(REFUSED_IN_FLOAT, reason)
        return found
    if drift is None:
        reason = f"no charge of {charge.SHORTEST:.0%} or more without a gap in the log yet; charge so, and log it at least every 5 min."
        verdict.reasons |= dict.fromkeys(("cell_capacity_ratio", "leak_current"), reason)
        return found
    if charge.typical(drift.stretch_error) <= STRETCH_KNOWN:
        known = charge.measured(drift.stretch_error, charge.STRETCH)
        verdict.capacity = np.where(known, 1.0 / (1.0 + drift.stretch - median(drift.stretch)), np.nan)
        found += judge.judge_capacity(drift.stretch, drift.stretch_error, practical.capacity)
    else:
        verdict.reasons["cell_capacity_ratio"] = (
            f"not identifiable: one sigma is {charge.typical(drift.stretch_error):.1%} of capacity. "
            "Charge over a wider range of SOC, from below 20 %."
        )
    span = float(np.ptp(history.days_before(memory.charges, 0)))
    if len(memory.charges) >= CHARGES and span >= CHARGES_SPAN and charge.typical(drift.rate_error) <= RATE_KNOWN:
        volts = 3.3 if not any(bands.values()) else median(np.array([e["voltage"] for b in bands.values() for e in b])) / 1000.0
        own = drift.rate - median(drift.rate)
        verdict.leak = np.where(charge.measured(drift.rate_error, charge.RATE), -own * pack[0] / 24.0 * 1000.0, np.nan)
        found += judge.judge_self_discharge(drift.rate, drift.rate_error, pack[0], volts, practical.rate)
    else:
        verdict.reasons["leak_current"] = (
            f"{len(memory.charges)} charges over {span:.1f} days leave one sigma of {charge.typical(drift.rate_error):.2%} a day; "
            f"{CHARGES} charges over {CHARGES_SPAN:.0f} days or more are needed."
        )
    return found


def _soc(
    verdict: Verdict, memory: Memory, drift: charge.Drift | None, bands: dict[int, list[Entry]], curve: Chemistry | None
) -> None:
    """SOC of the cells from the slope of the chemistry's curve where it is steep, else from charges."""
    best, best_band = None, -1
    newest = max((entries[-1]["time"] for entries in bands.values() if entries), default=0)
    for band, entries in bands.items():
        usual = curve is not None and band != FLOAT and in_use(entries, newest)
        slope = identify.slope_at(curve, entries[-1]["voltage"] / 1000.0) if usual and curve is not None else None
        if slope is not None and slope.identifiable and (best is None or slope.error < best.error):
            best, best_band = slope, band
    of_charges = np.inf if drift is None else charge.typical(drift.lead_error)
    if best is not None and best.error <= of_charges:
        level, _ = history.recent_level(bands[best_band])
        verdict.lead, verdict.lead_error = identify.leads(level, best, memory.step_of_voltage)
        verdict.source, verdict.at = 1, best.soc
    elif drift is not None and of_charges <= identify.IDENTIFIABLE:
        known = charge.measured(drift.lead_error, charge.LEAD)
        verdict.lead, verdict.lead_error = np.where(known, drift.lead - median(drift.lead), np.nan), drift.lead_error
        verdict.source = 2
    else:
        verdict.reasons["soc_imbalance"] = (
            "not identifiable: the open-circuit curve is too flat, or not known, at the SOC of all rests so far. "
            "Rest at a steep part (LFP: below 10 % SOC), or charge over 30 % or more without a break."
        )


def price(
    verdict: Verdict, memory: Memory, drift: charge.Drift | None, bands: dict[int, list[Entry]],
    pack: tuple[float, Chemistry | None],
) -> None:  # fmt: skip
    capacity, curve = pack
    if verdict.lead is None or verdict.lead_error is None:
        for output in ("energy_lost", "energy_recoverable"):
            verdict.reasons.setdefault(output, "needs the SOC imbalance, which is not identifiable so far.")
        return
    volts = curve.energy(0.0, 1.0) if curve is not None else median(
        np.array([entry["voltage"] / 1000.0 for entries in bands.values() for entry in entries])
    )  # fmt: skip
    known = drift is not None and verdict.capacity is not None
    excess = drift.stretch - median(drift.stretch) if known and drift is not None else np.zeros(len(memory.cells))
    error = drift.stretch_error if known and drift is not None else np.zeros(len(memory.cells))
    half = verdict.lead + (0.5 - verdict.at) * energy.proven(excess, error)  # a weak cell leads when full and lags when empty
    finite = np.isfinite(half) & np.isfinite(verdict.lead_error)
    verdict.energy = energy.lost_energy(
        half[finite], np.hypot(verdict.lead_error[finite], charge.own_scatter(half[finite])),
        excess[finite], np.hypot(error[finite], charge.own_scatter(excess[finite])),
        (capacity, volts * len(memory.cells)),
    )  # fmt: skip
