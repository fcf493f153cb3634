"""Imbalance of the cells of a series string; see README.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models.chemistry import Chemistry, chemistry
from models.imbalance_analysis import history, intake
from models.imbalance_analysis.charge import PAUSE
from models.imbalance_analysis.evaluation import FEWEST_CELLS, PER_CELL, block_name, evaluate
from models.imbalance_analysis.frames import Limits, TimeArray, as_lists, from_lists
from models.imbalance_analysis.history import DAY
from models.imbalance_analysis.intake import Setting, Stretch
from models.imbalance_analysis.judge import ADVICE, REASONS, Finding
from models.imbalance_analysis.memory import BANDS, FROZEN, Memory, recall
from models.imbalance_analysis.verdict import IN_FLOAT, Practical, Verdict
from platform_interface import Model, ModelError, ModelInput, register_model

#: A verdict is given this often, at the first sample after the full hour; arrays once a day. [ms]
EVERY = 3 * 3_600_000
#: Sums over steps of current weigh half after 30 days.
STEPS_FADE = 0.5 ** (1.0 / 30.0)
#: The largest step of current is forgotten after 30 days. [ms]
STEP_COUNTS = 30 * DAY
#: Cells named at once.
NAMED = 3
#: An alarm needs so many verdicts in a row that support it, and is cleared after so many that do not: six hours, half a day.
IN_A_ROW, UNSUPPORTED = 2, 4


@register_model("imbalance_analysis")
class ImbalanceAnalysis(Model):
    """Spread, deviation, trend, blocks, causes, suspects and energy lost."""

    def process(self, data: ModelInput) -> dict[str, Any]:
        """Take in the new frames, stretch by stretch between verdicts."""
        frame = data["cell_voltage"]
        if frame.shape[1] < 2:
            raise ModelError("one cell: imbalance compares the cells of a string. Map all cells of the pack to 'cell_voltage'.")
        self._capacity = _capacity(data["capacity"])
        self._curve = chemistry(data["chemistry"]) if data.get("chemistry") else None
        memory = recall(self.state, [int(column) for column in frame.columns])
        whole = _stretch(data)
        self._series: dict[str, list[tuple[int, Any]]] = {}
        self._verdict: Verdict | None = None
        for low, high in _between_verdicts(memory, whole.time):
            if memory.last is not None and low < len(whole.time):
                self._give_verdicts(memory, int(whole.time[low]))
            at_rest, under_load = intake.absorb(memory, whole.part(low, high), self._setting(data))
            for name, (times, values) in (("spread_rest", at_rest), ("spread_load", under_load)):
                self._series.setdefault(name, []).extend(zip(times, values, strict=True))
        self._say(memory)
        self.state = memory.to_state()
        return self._outputs(memory)

    def _setting(self, data: ModelInput) -> Setting:
        small, load = (self.config[name] * self._capacity for name in ("small_c_rate", "load_c_rate"))
        gap = round(1000 * data.max_gap.get("cell_voltage", 300.0))
        limits = Limits(small, load, self.config["step_c_rate"] * self._capacity, round(1000 * self.config["settle_time"]), gap)
        return Setting(
            limits, self._capacity, self.config["low_band"], self.config["high_band"],
            _float_above(self._curve, self.config["float_voltage"]),
        )  # fmt: skip

    def _give_verdicts(self, memory: Memory, now: int) -> None:
        """Judge at the first sample after a full three hours; close the day when it is over."""
        assert memory.last is not None
        before = memory.last["time"]
        if now // EVERY == before // EVERY:
            return
        closes = now // DAY != before // DAY
        if memory.run.points and now - memory.run.last > PAUSE:
            intake.close_charge(memory)
        intake.fit_charges(memory)
        if closes:
            _close_day(memory, now)
        verdict = evaluate(memory, now, self._capacity, self._curve, self._practical())
        self._verdict = verdict
        self._emit(memory, verdict, now, closes)
        self._alarms(memory, verdict, now)
        self._tell(memory, verdict)

    def _practical(self) -> Practical:
        names = ("level_limit", "trend_limit", "resistance_limit", "capacity_limit", "self_discharge_limit")
        return Practical(*(self.config[name] for name in names))

    def _emit(self, memory: Memory, verdict: Verdict, now: int, closes: bool) -> None:
        """Give numbers at every verdict, arrays once a day and when they are first known."""
        given = memory.told.setdefault("arrays", [])
        for output, name in PER_CELL.items():
            values = getattr(verdict, name)
            if values is not None and np.isfinite(values).all() and (closes or output not in given):
                self._series.setdefault(output, []).append((now, values.tolist()))
                memory.told["arrays"] = given = sorted({*given, output})
        self._series.setdefault("status", []).append((now, float(verdict.status)))
        if len(memory.cells) >= FEWEST_CELLS:
            self._emit_suspects(memory, verdict, now)
        if verdict.lead is not None:
            self._series.setdefault("soc_source", []).append((now, float(verdict.source)))
        if verdict.energy is not None:
            for output, value in zip(("energy_lost", "energy_recoverable"), verdict.energy, strict=True):
                self._series.setdefault(output, []).append((now, value))

    def _emit_suspects(self, memory: Memory, verdict: Verdict, now: int) -> None:
        named = verdict.suspects[:NAMED]
        empty = [-1.0] * (NAMED - len(named))
        cells = [float(memory.cells[position]) for position, _ in named] + empty
        self._series.setdefault("suspects", []).append((now, cells))
        first = named[0][1][0] if named else None
        self._series.setdefault("suspect_cell", []).append((now, cells[0]))
        self._series.setdefault("suspect_reason", []).append((now, float(REASONS[first.reason]) if first else 0.0))
        self._series.setdefault("suspect_score", []).append((now, min(first.score, 1000.0) if first else 0.0))

    def _alarms(self, memory: Memory, verdict: Verdict, now: int) -> None:
        """Raise, change and clear one alarm a suspect cell and one a shifted block."""
        wanted: dict[str, dict[str, Any]] = {}
        for position, findings in verdict.suspects:
            number = memory.cells[position]
            wanted[f"cell {number} suspect"] = {
                "text": _sentence(number, findings), "severity": _severity(findings[0]),
                "reasons": sorted(finding.reason for finding in findings),
            }  # fmt: skip
        for low, high, size in verdict.shifts:
            name = block_name(memory, low, high)
            since = pd.Timestamp(verdict.since, unit="ms", tz="UTC")
            text = (
                f"Cells {memory.cells[low]} to {memory.cells[high - 1]} moved together by {size:+.0f} mV against the pack since "
                f"{since:%Y-%m-%d}. A module, its measuring chip, its temperature or its balancing: compare the module, not one cell."
            )
            wanted[name] = {"text": text, "severity": "info", "reasons": []}
        for name, alarm in wanted.items():
            memory.candidates[name] = memory.candidates.get(name, 0) + 1
            known = memory.alarms.get(name)
            if known is None and memory.candidates[name] >= IN_A_ROW:
                memory.alarms[name] = {**alarm, "start": now, "absent": 0}
                self._raise(name, memory.alarms[name])
            elif known is not None:
                known["absent"] = 0
                if set(alarm["reasons"]) - set(known["reasons"]):  # a further reason has come to light
                    known |= {**alarm, "reasons": sorted({*alarm["reasons"], *known["reasons"]})}
                    self._raise(name, known)
        memory.candidates = {name: count for name, count in memory.candidates.items() if name in wanted}
        for name in [name for name in memory.alarms if name not in wanted]:
            memory.alarms[name]["absent"] += 1
            if memory.alarms[name]["absent"] >= UNSUPPORTED:
                self._raise(name, memory.alarms.pop(name), now)

    def _raise(self, name: str, alarm: dict[str, Any], end: int | None = None) -> None:
        moment = pd.Timestamp(alarm["start"], unit="ms", tz="UTC")
        closed = None if end is None else pd.Timestamp(end, unit="ms", tz="UTC")
        self.alarm(name, moment, alarm["text"], alarm["severity"], closed)

    def _tell(self, memory: Memory, verdict: Verdict) -> None:
        """Note what changed, once; at the verdict, so that no window decides what has been told."""
        if verdict.status != memory.told.get("status"):
            memory.told["status"] = verdict.status
            if verdict.status == IN_FLOAT:
                self.note(
                    "float charge or balancing: suspects are named by steps and level only; capacity and SOC imbalance are refused."
                )
        reasons = {name: alarm["reasons"] for name, alarm in memory.alarms.items() if name.startswith("cell ")}
        for name in reasons:
            if reasons[name] != memory.told.get("named", {}).get(name):
                self.note(memory.alarms[name]["text"])
        memory.told["named"] = reasons
        still = [memory.cells[place] for place in np.flatnonzero(memory.hold.frozen()).tolist()]
        new = [number for number in still if number not in memory.told.get("frozen", [])]
        memory.told["frozen"] = still
        if new:
            self.note(
                f"the reading of cells {', '.join(map(str, new))} stood still while the others moved by {FROZEN:.0f} mV or more; "
                "it is left out of levels and trends. Check the measuring channel."
            )

    def _say(self, memory: Memory) -> None:
        """Refuse what the last verdict could not give."""
        if len(memory.cells) < FEWEST_CELLS:
            self.refuse(
                "suspects",
                f"{len(memory.cells)} cells: with fewer than {FEWEST_CELLS} no median says which is wrong. Map all cells.",
            )
        for output, reason in (self._verdict.reasons if self._verdict is not None else {}).items():
            self.refuse(output, reason)

    def _outputs(self, memory: Memory) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, rows in self._series.items():
            if not rows:
                continue
            index = pd.DatetimeIndex(np.array([time for time, _ in rows], dtype="M8[ms]")).tz_localize("UTC")
            values = [value for _, value in rows]
            if name == "suspects":
                found[name] = pd.DataFrame(values, index=index, columns=range(1, NAMED + 1))
            elif name in PER_CELL:
                found[name] = pd.DataFrame(values, index=index, columns=memory.cells)
            else:
                found[name] = pd.Series(values, index=index, dtype=np.float64)
        return found


def _close_day(memory: Memory, now: int) -> None:
    """Make the day an entry of its bands, and let old steps of current fade."""
    for band in range(len(BANDS)):
        snapshots = memory.day.get(str(band), [])
        if not snapshots:
            continue
        entry = history.day_entry(snapshots, int(np.median([snapshot[0] for snapshot in snapshots])))
        if entry is None:
            continue
        memory.days[str(band)] = history.fold([*memory.days.get(str(band), []), entry])
        first = memory.reference.get(str(band))
        if first is None or first["weight"] < 3:
            memory.reference[str(band)] = entry if first is None else _mean(first, entry)
    memory.day = {}
    memory.steps = memory.steps * STEPS_FADE
    if memory.step is not None and now - memory.step["time"] > STEP_COUNTS:
        memory.step = None


def _mean(first: history.Entry, entry: history.Entry) -> history.Entry:
    """Return the reference with one more day."""
    days = first["weight"]
    level = (from_lists(first["level"]) * days + from_lists(entry["level"])) / (days + 1)
    return first | {"weight": days + 1, "level": as_lists(np.round(level, 4))}


def _between_verdicts(memory: Memory, time: TimeArray) -> list[tuple[int, int]]:
    """Split frames where a verdict is due."""
    if not len(time):
        return []
    edges = np.flatnonzero(np.diff(time // EVERY)) + 1
    return list(zip([0, *edges.tolist()], [*edges.tolist(), len(time)], strict=True))


def _stretch(data: ModelInput) -> Stretch:
    """Return all inputs at the times of the cells."""
    frame = data["cell_voltage"]
    time = np.asarray(pd.DatetimeIndex(frame.index).as_unit("ms").asi8, np.int64)
    current, soc, flags = data["current"], data.get("soc"), data.get("balancing")
    unknown = np.full(len(time), np.nan)
    return Stretch(
        time, np.asarray(current.to_numpy(np.float64)), np.asarray(frame.to_numpy(np.float64)).T,
        unknown if soc is None else np.asarray(soc.to_numpy(np.float64)),
        unknown if flags is None or not len(time) else np.nan_to_num(flags.to_numpy(np.float64).T).max(axis=0),
    )  # fmt: skip


def _float_above(curve: Chemistry | None, stated: float) -> float:
    """Return the cell voltage that no rest keeps: above it, small current is float charge or balancing. [V]"""
    if stated > 0:
        return stated
    if curve is None or curve.name != "LFP":
        return float("inf")
    return float(curve.ocv(0.98)) + 0.02


def _capacity(value: float) -> float:
    if not value > 0:
        raise ModelError(f"capacity is {value} Ah, so small current and load are not defined. Set the asset's capacity.")
    return float(value)


def _severity(first: Finding) -> str:
    return "critical" if first.reason in ("self-discharge", "falling voltage") else "warning"


def _sentence(number: int, findings: list[Finding]) -> str:
    reasons = "; ".join(f"{each.reason}: {each.text}" for each in findings)
    return f"Cell {number} is suspect: {reasons}. {ADVICE[findings[0].reason]}."
