"""The plugin's one class: takes a window, carries what stands, raises and clears alarms.

Definitions, defaults with their sources and limits are in this folder's README.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.voltage_monitor import debounce, extremes, figures, gaps, limits, stuck, texts
from models.voltage_monitor.debounce import Channel, Rule, TimeArray
from models.voltage_monitor.events import NO_ALARM, NO_CELL, Event, series_of, standing_alarms, status_of
from models.voltage_monitor.frame import Frame, frame_of, milliseconds
from models.voltage_monitor.grouping import Group, grouped
from models.voltage_monitor.limits import FloatArray, Limit
from platform_interface import Model, ModelError, ModelInput, register_model


@register_model("voltage_monitor")
class VoltageMonitor(Model):
    """Limits of every cell, states of the data, and the alarm system's own figures."""

    def process(self, data: ModelInput) -> dict[str, Any]:
        """Watch one window.

        Raises
        ------
        ModelError
            There is no cell voltage, or the limits contradict one another.
        """
        frame = frame_of(data)
        chosen = self._chosen_limits(data)
        self.state = self.state or _first_state()
        conditions = self._conditions(data, frame)  # even without cells: the last current is carried on
        if not frame.time.size:
            return {}
        low, high, partial = extremes.extremes(frame.cells)
        standing = self._standing(frame)
        without = gaps.no_data(frame, self.state["last"])
        for text in gaps.too_coarse(frame, len(without), self.config["stuck_minutes"]):
            self.note(text)
        events = without + self._stuck(frame) + self._asynchronous(data, frame, low, high)
        if partial or any(key.startswith("missing|") for key in self.state["channels"]):
            events += self._missing(frame)
        events += self._limits(frame, chosen, (low, high), conditions)
        events.sort(key=lambda event: event.order)
        alarms = self._grouped(frame, events)
        self._raise(frame, alarms)
        status = status_of(frame.time.size, events, standing)
        outputs = self._recorded(frame, low, high, status)
        outputs |= self._figures(frame, alarms)
        hours = gaps.hours_without_data(frame, without, self.state["no_data"])
        self.state["no_data"] = float(hours[-1])
        outputs["no_data_hours"] = pd.Series(hours, frame.index)
        outputs |= series_of(events, frame.index)
        if chosen:
            outputs["status"] = pd.Series(status, frame.index)
        self.state["last"] = int(frame.time[-1])
        return outputs

    def _chosen_limits(self, data: ModelInput) -> list[Limit]:
        try:
            chosen = limits.limits_of(self.config, data.get("chemistry"))
        except ValueError as error:
            raise ModelError(f"{error}. Correct models.voltage_monitor.configuration in settings.json.") from None
        if not chosen:
            self.refuse("status", texts.NO_LIMITS)
        return chosen

    def _standing(self, frame: Frame) -> list[str]:
        """Return the keys of what stands before the window."""
        raised = [key for key, channel in self.state["channels"].items() if channel[3] is not None]
        return raised + [f"stuck|{frame.numbers[row]}" for row, _ in self.state["watch"]["stuck"]]

    def _walked(self, key: str, time: TimeArray, code: Any, values: FloatArray, rule: Rule) -> list[debounce.Transition]:
        """Take one carried alarm through the window."""
        carried = self.state["channels"].pop(key, None)
        channel, found = debounce.walk(time, code, values, Channel(*carried) if carried else None, rule)
        if channel is not None:
            self.state["channels"][key] = debounce.as_state(channel)
        return found

    def _limits(
        self,
        frame: Frame,
        chosen: list[Limit],
        pack: tuple[FloatArray, FloatArray],
        conditions: tuple[FloatArray | None, FloatArray | None],
    ) -> list[Event]:
        """Find the cells that cross a limit, and take only those through the window."""
        events = []
        for limit in chosen:
            moved = limits.shift(limit, self.config, *conditions)
            set_at = limit.set if moved is None else limit.set + moved
            extreme = pack[0] if limit.side < 0 else pack[1]
            crossed = np.flatnonzero((extreme - set_at) * limit.side > 0.0)
            rows = set()
            if crossed.size:
                there = set_at if isinstance(set_at, float) else set_at[crossed]
                beyond = (frame.cells[:, crossed] - there) * limit.side > 0.0
                rows.update(np.flatnonzero(beyond.any(axis=1)).tolist())
            known = {key.split("|")[1] for key in self.state["channels"] if key.startswith(f"{limit.name}|")}
            rows.update(row for row, number in enumerate(frame.numbers) if str(number) in known)
            for row in sorted(rows):
                events += self._limit_of_cell(frame, limit, row, moved)
        return events

    def _limit_of_cell(self, frame: Frame, limit: Limit, row: int, moved: FloatArray | None) -> list[Event]:
        """Take one cell through the window at one limit."""
        cell, values, time = frame.numbers[row], frame.cells[row], frame.time
        absent = np.isnan(values)
        index = np.arange(time.size)
        if absent.any():
            index = np.flatnonzero(~absent)
            time, values, moved = time[index], values[index], None if moved is None else moved[index]
        by = 0.0 if moved is None else moved
        code = debounce.codes(values, limit.side, limit.set + by, limit.clear + by)
        rule = Rule(limit.side, limit.on_delay, limit.off_delay, frame.gap)
        events = []
        for change in self._walked(f"{limit.name}|{cell}", time, code, values, rule):
            shift = 0.0 if moved is None or not change.raised else float(moved[change.index])
            lasted = float(time[change.index] - change.since)
            text = texts.of_limit(limit, cell, change.peak, shift, lasted, not change.raised)
            excess = (change.peak - limit.set) * limit.side
            at = int(index[change.index])
            events.append(Event(at, limit.name, change.raised, cell, change.since, change.peak, excess, text))
        return events

    def _conditions(self, data: ModelInput, frame: Frame) -> tuple[FloatArray | None, FloatArray | None]:
        """Return temperature and current at the samples where the configuration needs them."""
        wanted = {
            "temperature": self.config["undervoltage_temperature_coefficient"]
            or self.config["overvoltage_temperature_coefficient"],
            "current": self.config["resistance_mohm"],
        }
        found: dict[str, FloatArray | None] = {}
        for name, coefficient in wanted.items():
            series = data.get(name)
            if coefficient and series is None:
                self.note(
                    f"no {name}, so the limits are not moved with it. Map a sensor to '{name}', or set its coefficient to 0."
                )
            found[name] = self._at_samples(name, series, frame) if coefficient and series is not None else None
        return found["temperature"], found["current"]

    def _at_samples(self, name: str, series: pd.Series[float], frame: Frame) -> FloatArray:
        """Return the latest value at each sample; the last one is carried on."""
        time: TimeArray = milliseconds(series)
        values: FloatArray = np.asarray(series.to_numpy(), np.float64)
        if self.state[name] is not None:
            time = np.append(self.state[name][0], time)
            values = np.append(self.state[name][1], values)
        if time.size:
            self.state[name] = [int(time[-1]), float(values[-1])]
        at = extremes.as_of(frame.time, time, values, 1000.0 * self.config[f"{name}_tolerance_s"])
        lost = int(np.isnan(at).sum())
        if lost:
            self.note(f"no {name} recent enough for {lost} of {at.size} samples; there the limits are not moved with it.")
        return at

    def _missing(self, frame: Frame) -> list[Event]:
        """Cells without a value while their peers have one."""
        delay = round(1000 * self.config["data_delay_s"])
        rule = Rule(1, delay, delay, frame.gap)
        absent = np.isnan(frame.cells)
        events = []
        for row, cell in enumerate(frame.numbers):
            key = f"missing|{cell}"
            if not absent[row].any() and key not in self.state["channels"]:
                continue
            code = np.where(absent[row], debounce.BEYOND, debounce.NORMAL).astype(np.int8)
            for change in self._walked(key, frame.time, code, np.zeros(frame.time.size), rule):
                text = texts.of_missing(cell, float(frame.time[change.index] - change.since), not change.raised)
                events.append(Event(change.index, "missing", change.raised, cell, change.since, text=text))
        return events

    def _stuck(self, frame: Frame) -> list[Event]:
        minutes, movement = self.config["stuck_minutes"], self.config["stuck_movement"]
        watched = stuck.of_state(self.state["watch"])
        changes = stuck.watch(frame.time, frame.cells, watched, round(60_000 * minutes), movement)
        self.state["watch"] = stuck.as_state(watched)
        return [
            Event(change.index, "stuck", change.stuck, cell, change.since,
                  text=texts.of_stuck(cell, minutes, movement, not change.stuck))
            for change in changes
            for cell in [frame.numbers[change.row]]
        ]  # fmt: skip

    def _asynchronous(self, data: ModelInput, frame: Frame, low: FloatArray, high: FloatArray) -> list[Event]:
        """Frames in which the BMS's own extremes are not those of its cells: the two are not of one instant."""
        least, most = data.get("bms_min_cell_voltage"), data.get("bms_max_cell_voltage")
        if data.get("cell_voltage") is None or least is None or most is None:
            return []
        off = np.fmax(np.abs(least.to_numpy() - low), np.abs(most.to_numpy() - high))
        known = np.flatnonzero(~np.isnan(off))
        tolerance = self.config["asynchronous_limit"]
        code = np.where(off[known] > tolerance, debounce.BEYOND, debounce.NORMAL).astype(np.int8)
        count = int((code == debounce.BEYOND).sum())
        if count:
            self.note(
                f"in {count} of {known.size} frames the BMS's own minimum or maximum is more than {1000 * tolerance:g} mV from "
                "that of its cells: cells and extremes were not sampled at one instant, so under changing load cells cannot be compared."
            )
        delay = round(1000 * self.config["data_delay_s"])
        key, time = f"asynchronous|{NO_CELL}", frame.time[known]
        return [
            Event(int(known[change.index]), "asynchronous", change.raised, NO_CELL, change.since)
            for change in self._walked(key, time, code, off[known], Rule(1, delay, delay, frame.gap))
        ]

    def _grouped(self, frame: Frame, events: list[Event]) -> list[Event]:
        """Return the alarms that the events come to."""
        alarms: list[Event] = []
        for kind in dict.fromkeys(event.kind for event in events if event.kind not in NO_ALARM):
            group = Group(**self.state["groups"].get(kind, {}))
            own = [event for event in events if event.kind == kind]
            alarms += grouped(own, group, self.config["most_cell_alarms"], len(frame.numbers))
            self.state["groups"][kind] = group.as_state()
        return sorted(alarms, key=lambda event: event.order)

    def _raise(self, frame: Frame, alarms: list[Event]) -> None:
        """Raise and clear the alarms on the platform."""
        for event in alarms:
            what = "without value" if event.kind == "missing" else event.kind
            who = "pack" if event.cell == NO_CELL else f"cell {event.cell}"
            severity = "critical" if event.kind.endswith("critical") else "warning"
            end = None if event.began else frame.index[event.index]
            self.alarm(f"{who} {what}", pd.Timestamp(event.since, unit="ms", tz="UTC"), event.text, severity, end)

    def _recorded(self, frame: Frame, low: FloatArray, high: FloatArray, status: NDArray[np.int64]) -> dict[str, Any]:
        """Extremes with their cells where they moved, where the status changed, behind gaps and on each new day."""
        before, last = self.state["status"], self.state["last"]
        forced = np.diff(status, prepend=-1 if before is None else before) != 0
        forced |= extremes.first_of_day(frame.time, last)
        forced |= np.diff(frame.time, prepend=frame.time[0] if last is None else last) > frame.gap
        step = self.config["record_step"]
        keep = extremes.recorded(low, high, forced, self.state["recorded"], step)
        index = np.flatnonzero(keep)
        self.state["status"] = int(status[-1])
        if not index.size:
            return {}
        self.state["recorded"] = [float(low[index[-1]]), float(high[index[-1]])]
        numbers, times = np.array(frame.numbers, float), frame.index[index]
        columns = {
            "min_cell_voltage": low[index],
            "max_cell_voltage": high[index],
            "min_cell": extremes.which(frame.cells, index, numbers, -1),
            "max_cell": extremes.which(frame.cells, index, numbers, 1),
        }
        return {name: pd.Series(values, times) for name, values in columns.items()}

    def _figures(self, frame: Frame, alarms: list[Event]) -> dict[str, Any]:
        """The alarm system's own figures."""
        carried = figures.Figures(**self.state["figures"])
        last, time, size = self.state["last"], frame.time, frame.time.size
        raised = [event for event in alarms if event.began]
        indices = [event.index for event in raised]
        total = figures.running(size, indices, carried.total)
        carried.total += len(raised)
        closing, counts = figures.by_day(time, indices, carried)
        flood_before = None if last is None else (last, carried.flood)
        flood = figures.flooded(time, indices, carried)
        minutes = figures.flood_minutes(time, flood, flood_before, frame.gap, carried)
        resolvable = np.diff(time, prepend=time[0] - 2 * figures.RESOLVABLE if last is None else last) <= figures.RESOLVABLE
        chatter = figures.chattered(time, [(event.index, event.key) for event in raised], resolvable, carried)
        chattering = figures.running(size, chatter, carried.chattering)
        carried.chattering += len(chatter)
        self.state["figures"] = carried.as_state()
        active = standing_alarms(size, alarms, self.state["active"])
        self.state["active"] = int(active[-1])
        outputs = {
            "active_alarms": active, "alarms_raised": total, "flood": flood.astype(float),
            "flood_minutes": minutes,
        }  # fmt: skip
        found = {name: pd.Series(values, frame.index) for name, values in outputs.items()}
        found["alarms_per_day"] = pd.Series(counts, frame.index[closing])
        if resolvable.any():
            found["chattering_alarms"] = pd.Series(chattering[resolvable], frame.index[resolvable])
        else:
            self.refuse("chattering_alarms", texts.NOT_RESOLVABLE)
        return found


def _first_state() -> dict[str, Any]:
    """Return the state before the first sample; a fresh one each time, for it is changed in place."""
    return {
        "last": None, "channels": {}, "watch": stuck.as_state(stuck.Watch()), "figures": figures.Figures().as_state(),
        "groups": {}, "active": 0, "recorded": None, "status": None, "no_data": 0.0, "current": None, "temperature": None,
    }  # fmt: skip
