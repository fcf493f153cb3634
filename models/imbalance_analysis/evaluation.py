"""From memory to a verdict: levels, trends, blocks, causes, suspects, energy. Pure; nothing here changes memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.imbalance_analysis import blocks, causes, history, judge
from models.imbalance_analysis.frames import from_lists
from models.imbalance_analysis.history import Entry
from models.imbalance_analysis.memory import BANDS, FLOAT, Memory
from models.imbalance_analysis.robust import column_medians, median
from models.imbalance_analysis.verdict import IN_FLOAT, NORMAL, TOO_LITTLE, Practical, Verdict, in_use

if TYPE_CHECKING:
    from models.chemistry import Chemistry

#: Fewest cells whose median says who is wrong.
FEWEST_CELLS = 4
#: Fewest snapshots behind a level, entries behind a trend, and how long they must span [d].
SNAPSHOTS, DAYS, SPAN = 12, 4, 3.0
#: Float charge, or not, is decided by the snapshots of so long. [ms]
LATELY = 3 * history.DAY
#: Smallest shift of a block, and of one that is reported already. [mV]
BLOCK, BLOCK_KEEPS = 5.0, 3.5
#: Outputs of every cell.
PER_CELL = {
    "cell_deviation": "deviation", "cell_trend": "trend", "block_shift": "shift", "soc_imbalance": "lead",
    "soc_imbalance_error": "lead_error", "cell_resistance_ratio": "resistance", "cell_capacity_ratio": "capacity",
    "leak_current": "leak",
}  # fmt: skip


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
    newest = max((entries[-1]["time"] for entries in bands.values() if entries), default=0)
    verdict.status = _status(bands, newest)
    reference = _reference(bands, counts, verdict.status)
    findings: list[judge.Finding] = []
    if counts[reference]:
        verdict.deviation = history.recent_level(bands[reference], 1 if reference == FLOAT else 5)[0]
        findings += _levels(memory, bands[reference], reference, practical)
        findings += _trends(verdict, memory, bands, reference, now, practical)
        _block_shift(verdict, memory, bands[reference], reference)
    findings += _resistance(verdict, memory, practical)
    drift = causes.drift_of(memory, now)
    findings += causes.find(verdict, memory, drift, bands, (capacity, curve), practical)
    causes.price(verdict, memory, drift, bands, (capacity, curve))
    if len(memory.cells) >= FEWEST_CELLS:
        verdict.suspects = judge.ranked(judge.standing(findings, _open_reasons(memory)))
    _unknown(verdict, memory)
    return verdict


def _open_reasons(memory: Memory) -> set[tuple[int, str]]:
    """Return position and reason of all cells that are accused."""
    place = {f"cell {number} suspect": position for position, number in enumerate(memory.cells)}
    return {(place[name], reason) for name, alarm in memory.alarms.items() if name in place for reason in alarm["reasons"]}


def _status(bands: dict[int, list[Entry]], newest: int) -> int:
    """Return what most snapshots of the newest days were: years in float say nothing once the string is in use."""
    count = {
        band: sum(entry["count"] for entry in entries if newest - entry["time"] <= LATELY) for band, entries in bands.items()
    }
    usual = sum(count.values()) - count[FLOAT]
    if usual + count[FLOAT] < history.FEWEST:
        return TOO_LITTLE
    return IN_FLOAT if count[FLOAT] > usual else NORMAL


def _unknown(verdict: Verdict, memory: Memory) -> None:
    """Say which cells have no value: a row of an output is given whole or not at all."""
    if verdict.status == TOO_LITTLE:
        verdict.reasons["cell_deviation"] = (
            f"no day has {history.FEWEST} snapshots of small current yet: it must stay below small_c_rate for settle_time, "
            "and samples must not lie further apart than max_gap (sensors.<name>.max_gap in settings.json)."
        )
    for output, name in PER_CELL.items():
        values = getattr(verdict, name)
        missing = [] if values is None else [memory.cells[place] for place in np.flatnonzero(~np.isfinite(values)).tolist()]
        if missing:
            shown = ", ".join(map(str, missing[:8])) + (" and more" if len(missing) > 8 else "")
            verdict.reasons[output] = (
                f"cells without a value: {shown}. Mend their measurement, or leave them out of the mapping."
            )


def _where(band: int) -> str:
    return "in float charge or balancing" if band == FLOAT else f"at small current, {BANDS[band]} SOC"


def _reference(bands: dict[int, list[Entry]], counts: dict[int, float], status: int) -> int:
    """Return the band that levels are judged in: the highest with enough fresh snapshots, for there cells differ most.

    One band only, so that a string is tested once and not three times.
    """
    if status == IN_FLOAT:
        return FLOAT
    newest = max((entries[-1]["time"] for entries in bands.values() if entries), default=0)
    usual = [band for band in range(FLOAT) if in_use(bands[band], newest)]
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
    latest = max((entries[-1]["time"] for entries in bands.values() if entries), default=0)
    for band, entries in bands.items():
        if band == FLOAT or not in_use(entries, latest):
            continue
        for newest in (entries, entries[-10:]):
            days = history.days_before(newest, now)
            if len(newest) < DAYS or days[-1] - days[0] < SPAN:
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
    near = blocks.shifted(moved, blocks.find_blocks(moved, floor), floor, BLOCK_KEEPS)
    found = [
        (low, high, size) for low, high, size in near if abs(size) >= BLOCK or block_name(memory, low, high) in memory.alarms
    ]
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


def block_name(memory: Memory, low: int, high: int) -> str:
    """Return the name of a block's alarm: that of the open one that shares most cells, so that a border may move."""
    first, last = memory.cells[low], memory.cells[high - 1]
    for name in (*memory.alarms, *memory.candidates):
        words = name.split()
        if words[0] != "cells":
            continue
        overlap = min(last, int(words[3])) - max(first, int(words[1])) + 1
        if overlap >= 0.5 * (max(last, int(words[3])) - min(first, int(words[1])) + 1):
            return name
    return f"cells {first} to {last} shifted"
