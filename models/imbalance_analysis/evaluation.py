"""From memory to a verdict: levels, trends, blocks, causes, suspects, energy. Pure; nothing here changes memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from models.imbalance_analysis import blocks, charge, energy, history, identify, judge
from models.imbalance_analysis.frames import from_lists
from models.imbalance_analysis.history import Entry
from models.imbalance_analysis.memory import BANDS, FLOAT, Memory
from models.imbalance_analysis.robust import FloatArray, column_medians, median

if TYPE_CHECKING:
    from models.chemistry import Chemistry

NORMAL, IN_FLOAT, TOO_LITTLE = 0, 1, 2
REFUSED_IN_FLOAT = ("soc_imbalance", "cell_capacity_ratio", "leak_current", "energy_lost", "energy_recoverable")
#: Fewest cells whose median says who is wrong.
FEWEST_CELLS = 4
#: Fewest snapshots behind a level, days behind a trend [d], and charges behind a self-discharge.
SNAPSHOTS, DAYS, SPAN, CHARGES = 12, 4, 3.0, 3
#: A band whose newest snapshots are older than this against the others' is out of use. [ms]
FRESH = 21 * history.DAY
#: One sigma of the stretch up to which capacity is given. [fraction]
STRETCH_KNOWN = 0.03
#: How wrong the SOC of a charge may be from day to day: a weak cell then seems to drift by its stretch times that. [1/d]
SOC_DOUBT = 0.05
#: One sigma of the rate up to which self-discharge is given. [1/d]
RATE_KNOWN = 0.004


@dataclass(frozen=True)
class Practical:
    """Smallest effects of interest: [mV], [mV], ratio, ratio, [1/d]"""

    level: float
    trend: float
    resistance: float
    capacity: float
    rate: float


@dataclass
class Verdict:
    """One evaluation; arrays have shape (k,), None is not computable, and `reasons` says why."""

    status: int = TOO_LITTLE
    deviation: FloatArray | None = None
    trend: FloatArray | None = None
    shift: FloatArray | None = None
    shifts: list[tuple[int, int, float]] = field(default_factory=list)
    since: int = 0
    lead: FloatArray | None = None
    lead_error: FloatArray | None = None
    source: int = 0
    resistance: FloatArray | None = None
    capacity: FloatArray | None = None
    leak: FloatArray | None = None
    energy: tuple[float, float] | None = None
    suspects: list[tuple[int, list[judge.Finding]]] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


def entries_of(memory: Memory, band: int, now: int) -> list[Entry]:
    """Return the days of a band, with the open day as the last."""
    found = list(memory.days.get(str(band), []))
    snapshots = memory.day.get(str(band), [])
    today = history.day_entry(snapshots, int(snapshots[-1][0] or now) if snapshots else now)
    return [*found, today] if today is not None else found


def evaluate(memory: Memory, now: int, capacity: float, curve: Chemistry | None, practical: Practical) -> Verdict:
    """Judge what is in memory.

    Parameters
    ----------
    memory : Memory
    now : int
        [ms UTC]
    capacity : float
        Nominal. [Ah]
    curve : Chemistry or None
    practical : Practical
    """
    verdict = Verdict()
    bands = {band: entries_of(memory, band, now) for band in range(len(BANDS))}
    counts = {band: sum(entry["count"] for entry in entries[-5:]) for band, entries in bands.items()}
    verdict.status = _status(counts)
    reference = _reference(bands, counts, verdict.status)
    findings: list[judge.Finding] = []
    if counts[reference]:
        verdict.deviation = history.recent_level(bands[reference], 1 if reference == FLOAT else 5)[0]
        findings += _levels(memory, bands[reference], reference, practical)
        findings += _trends(verdict, memory, bands, reference, now, practical)
        _block_shift(verdict, memory, bands[reference], reference)
    findings += _resistance(verdict, memory, practical)
    drift = _drift(memory, now)
    findings += _causes(verdict, memory, drift, bands, (capacity, curve), practical)
    _energy(verdict, memory, drift, bands, (capacity, curve))
    if len(memory.cells) >= FEWEST_CELLS:
        verdict.suspects = judge.ranked(findings)
    return verdict


def _status(counts: dict[int, float]) -> int:
    usual = sum(count for band, count in counts.items() if band != FLOAT)
    if usual + counts[FLOAT] < history.FEWEST:
        return TOO_LITTLE
    return IN_FLOAT if counts[FLOAT] > usual else NORMAL


def _where(band: int) -> str:
    return "in float charge or balancing" if band == FLOAT else f"at small current, {BANDS[band]} SOC"


def _reference(bands: dict[int, list[Entry]], counts: dict[int, float], status: int) -> int:
    """Return the band that levels are judged in: the highest with enough fresh snapshots, for there cells differ most.

    One band only, so that a string is tested once and not three times.
    """
    if status == IN_FLOAT:
        return FLOAT
    newest = max((entries[-1]["time"] for entries in bands.values() if entries), default=0)
    usual = [band for band in range(FLOAT) if bands[band] and newest - bands[band][-1]["time"] <= FRESH]
    enough = [band for band in usual if counts[band] >= SNAPSHOTS]
    return max(enough, default=max(usual, key=lambda band: counts[band], default=FLOAT))


def _levels(memory: Memory, entries: list[Entry], band: int, practical: Practical) -> list[judge.Finding]:
    level, count = history.recent_level(entries, 1 if band == FLOAT else 5)  # balancing makes old levels meaningless
    if count < SNAPSHOTS:
        return []
    return judge.judge_levels(level, memory.step_of_voltage, practical.level, _where(band))


def _trends(
    verdict: Verdict, memory: Memory, bands: dict[int, list[Entry]], reference: int, now: int, practical: Practical
) -> list[judge.Finding]:
    """Trends over all days and over the newest ten, in every band but float charge, where balancing moves the cells."""
    found: list[judge.Finding] = []
    for band, entries in bands.items():
        for newest in (entries, entries[-10:]):
            days = history.days_before(newest, now)
            if band == FLOAT or len(newest) < DAYS or days[-1] - days[0] < SPAN:
                continue
            trend = judge.trend_of(days, history.table(newest), memory.step_of_voltage)
            found += judge.judge_trend(trend, practical.trend, _where(band))
            if band == reference and newest is entries:
                verdict.trend = trend.slope
    return found


def _block_shift(verdict: Verdict, memory: Memory, entries: list[Entry], band: int) -> None:
    """Find blocks of cells that moved together since the first days of the band."""
    first = memory.reference.get(str(band))
    if first is None or not entries:
        return
    change = history.table(entries[-3:])
    moved = column_medians(change) - from_lists(first["level"])
    floor = max(0.5 * memory.step_of_voltage, 1.0)
    found = blocks.shifted(moved, blocks.find_blocks(moved, floor), floor, 5.0)
    verdict.shift, verdict.shifts, verdict.since = np.zeros(len(moved)), found, first["time"]
    for low, high, size in found:
        verdict.shift[low:high] = size


def _resistance(verdict: Verdict, memory: Memory, practical: Practical) -> list[judge.Finding]:
    value, error = judge.resistances(memory.steps)
    middle = median(value)
    fewest = 10.0
    if middle > 0 and float(memory.steps[0].max(initial=0.0)) >= fewest and median(error) / middle <= 0.1:
        verdict.resistance = value / middle
    change = None if memory.step is None else from_lists(memory.step["change"])
    found = judge.judge_resistance(memory.steps, fewest, practical.resistance)
    if change is not None and verdict.status == IN_FLOAT:  # elsewhere there are many steps, and currents that never rest
        found += judge.judge_step(memory.step, change, memory.step_of_voltage, practical.level)
    return found


def _drift(memory: Memory, now: int) -> charge.Drift | None:
    """Put all charges together, each moved to half charge by the stretch."""
    if not memory.charges:
        return None
    stretches, errors = history.table(memory.charges, "stretch"), history.table(memory.charges, "stretch_error")
    weight = 1.0 / errors**2
    stretch = (weight * stretches).sum(axis=0) / weight.sum(axis=0)
    apart = np.sqrt((weight * (stretches - stretch) ** 2).sum(axis=0) / weight.sum(axis=0))
    sure = charge.believed(stretch, np.hypot(np.sqrt(1.0 / weight.sum(axis=0)), apart / np.sqrt(len(weight))))
    away = np.array([0.5 - entry["soc"] for entry in memory.charges])
    leads = history.table(memory.charges, "lead") + away[:, None] * sure
    lead_errors = np.hypot(history.table(memory.charges, "lead_error"), 0.002)
    drift = charge.combine(history.days_before(memory.charges, now), leads, lead_errors, stretches, errors)
    return replace(drift, rate_error=np.hypot(drift.rate_error, SOC_DOUBT * np.abs(sure)))


def _causes(
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
        verdict.capacity = 1.0 / (1.0 + drift.stretch - median(drift.stretch))
        found += judge.judge_capacity(drift.stretch, drift.stretch_error, practical.capacity)
    else:
        verdict.reasons["cell_capacity_ratio"] = (
            f"not identifiable: one sigma is {charge.typical(drift.stretch_error):.1%} of capacity. "
            "Charge over a wider range of SOC, from below 20 %."
        )
    span = float(np.ptp(history.days_before(memory.charges, 0)))
    if len(memory.charges) >= CHARGES and span >= SPAN - 1.0 and charge.typical(drift.rate_error) <= RATE_KNOWN:
        volts = 3.3 if not any(bands.values()) else median(np.array([e["voltage"] for b in bands.values() for e in b])) / 1000.0
        own = drift.rate - median(drift.rate)
        verdict.leak = -own * pack[0] / 24.0 * 1000.0
        found += judge.judge_self_discharge(drift.rate, drift.rate_error, pack[0], volts, practical.rate)
    else:
        verdict.reasons["leak_current"] = (
            f"{len(memory.charges)} charges over {span:.1f} days leave one sigma of {charge.typical(drift.rate_error):.2%} a day; "
            f"{CHARGES} charges over {SPAN - 1.0:.0f} days or more are needed."
        )
    return found


def _soc(
    verdict: Verdict, memory: Memory, drift: charge.Drift | None, bands: dict[int, list[Entry]], curve: Chemistry | None
) -> None:
    """SOC of the cells from the slope of the chemistry's curve where it is steep, else from charges."""
    best, best_band = None, -1
    for band, entries in bands.items():
        slope = identify.slope_at(curve, entries[-1]["voltage"] / 1000.0) if entries and curve and band != FLOAT else None
        if slope is not None and slope.identifiable and (best is None or slope.error < best.error):
            best, best_band = slope, band
    of_charges = np.inf if drift is None else charge.typical(drift.lead_error)
    if best is not None and best.error <= of_charges:
        level, _ = history.recent_level(bands[best_band])
        verdict.lead, verdict.lead_error = identify.leads(level, best, memory.step_of_voltage)
        verdict.source = 1
    elif drift is not None and of_charges <= identify.IDENTIFIABLE:
        verdict.lead, verdict.lead_error = drift.lead - median(drift.lead), drift.lead_error
        verdict.source = 2
    else:
        verdict.reasons["soc_imbalance"] = (
            "not identifiable: the open-circuit curve is too flat, or not known, at the SOC of all rests so far. "
            "Rest at a steep part (LFP: below 10 % SOC), or charge over 30 % or more without a break."
        )


def _energy(
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
    finite = np.isfinite(verdict.lead) & np.isfinite(verdict.lead_error)
    verdict.energy = energy.lost_energy(
        verdict.lead[finite], np.hypot(verdict.lead_error[finite], charge.own_scatter(verdict.lead[finite])),
        excess[finite], np.hypot(error[finite], charge.own_scatter(excess[finite])),
        (capacity, volts * len(memory.cells)),
    )  # fmt: skip
