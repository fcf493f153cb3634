"""The plugin's one class: takes a window, carries the state, names what it could not compute.

Equations, ranges of validity and references are in this folder's README.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from models.chemistry import Chemistry, chemistry, from_table
from models.soc_ocv_estimation import bms, bms_report, capacity, counting, plausibility, texts
from models.soc_ocv_estimation.belief import OFFSET, SOC, FloatArray, held_within
from models.soc_ocv_estimation.bms_report import energy_table
from models.soc_ocv_estimation.counting import Window
from models.soc_ocv_estimation.rests import TimeArray
from models.soc_ocv_estimation.settings import Settings, settings_of
from platform_interface import Model, ModelError, ModelInput, register_model

#: Half width of a 90 % interval in sigmas.
Z90 = 1.6448536269514722
#: Oldest value of the BMS that is compared. [ms]
BMS_AGE = 600_000
#: Distance of the values of bms_counter_offset. [s]
COUNTER_INTERVAL = 3600.0


@register_model("soc_ocv_estimation")
class SocFromOcv(Model):
    """State of charge from rests and counting, and what follows from it."""

    def process(self, data: ModelInput) -> dict[str, Any]:
        """Carry the belief over the window.

        Raises
        ------
        ModelError
            Capacity, number of cells, chemistry or the asset's own curve cannot be used.
        """
        curve, nominal, series = _curve(data), _capacity(data["capacity"]), _cells(data["cells_in_series"])
        settings = settings_of(self.config, nominal, data.max_gap["current"], data.get("initial_soc"))
        if not self.state:
            self.state = {
                "count": counting.first_state(settings.start),
                "block": None,
                "rests": [],
                "bms": {},
                "bms_block": None,
            }
            self.state |= {"bms_last": None, "doubt": plausibility.first_state(), "told": data.get("initial_soc") is not None}
        current: pd.Series[float] = data["current"]
        before = self.state["count"]
        time, cells = _milliseconds(current), _values(data["voltage"]) / series
        warm = np.full(len(time), np.nan) if data.get("temperature") is None else _values(data["temperature"])
        told = 0.0 if self.state["told"] else math.inf
        samples = counting.count(time, _values(current), cells, warm, before, settings.max_gap)
        window, self.state["count"] = counting.advance(samples, curve, settings, before)
        self._note_voltage(window, curve, cells)
        self._doubt(window)
        outputs = self._rests(window, settings)
        told = min([told, *(anchor.index for anchor in window.anchors if anchor.reading is not None)])
        self.state["told"] = math.isfinite(told)
        ticks = self._ticks(window, settings, curve, (nominal * series / 1000.0, told, before["anchored"]))
        return outputs | ticks | self._bms(data, window, before, curve, (nominal, series), ticks.get("soc"))

    def _rests(self, window: Window, settings: Settings) -> dict[str, Any]:
        """Give what each use of a rest told."""
        rows: dict[str, list[tuple[int, float]]] = {}
        for anchor in window.anchors:
            offset = (float(anchor.after.mean[OFFSET]), float(anchor.after.covariance[OFFSET, OFFSET] ** 0.5))
            found = {"current_offset": offset[0], "current_offset_sigma": offset[1]}
            if anchor.reading is not None:
                found |= {"anchor_soc": min(max(anchor.reading.soc, 0.0), 1.0), "anchor_sigma": anchor.reading.sigma}
                found |= {"anchor_voltage": anchor.reading.equilibrium}
                found |= {"drift_at_anchor": float(anchor.after.mean[SOC]) - anchor.expected}
                found |= self._capacity(anchor, offset)
            for name, value in found.items():
                rows.setdefault(name, []).append((anchor.index, value))
        return {name: _series(window, *zip(*pairs, strict=True)) for name, pairs in rows.items()}

    def _capacity(self, anchor: counting.Anchor, offset: tuple[float, float]) -> dict[str, float]:
        """Compare with the rests before; a longer rest replaces the shorter one."""
        reading = anchor.reading
        assert reading is not None
        rest = {"soc": reading.soc, "sigma": reading.sigma, "charge": anchor.after.charge, "hours": anchor.after.hours}
        rest |= {"start": anchor.start, "gaps": anchor.gaps}
        same = [one for one in self.state["rests"] if one["gaps"] == anchor.gaps and one["start"] != anchor.start]
        self.state["rests"] = capacity.remembered(same, rest)
        gain, least = self.config["current_gain_sigma"], self.config["capacity_least_change"]
        found = capacity.best(same, rest, offset, gain, least)
        if found is None or found.sigma > self.config["capacity_largest_sigma"] * found.value:
            return {}
        return {"capacity_estimate": found.value, "capacity_sigma": found.sigma}

    def _ticks(
        self, window: Window, settings: Settings, curve: Chemistry, given: tuple[float, float, int | None]
    ) -> dict[str, Any]:
        """Give the SOC and what follows from it at the first sample of every block.

        `given` holds the energy of 1 V [kWh], the sample from which the SOC is told, and the time of the last anchor
        before the window. [ms]
        """
        scale, first, anchored = given
        time = window.samples.time
        index, self.state["block"] = _blocks(time, self.config["output_interval"], self.state["block"])
        if not len(index):
            return {}
        held, sigma = held_within(*counting.soc_at(window, index, settings))
        lower, upper = (np.clip(held + side * Z90 * sigma, 0.0, 1.0) for side in (-1.0, 1.0))
        outputs = {"soc_lower": _series(window, index, lower), "soc_upper": _series(window, index, upper)}
        known = (sigma <= self.config["known_sigma"]) & (index >= first)
        if not known.all():
            self._say_unknown(window, settings, int((~known).sum()), len(known), first)
        table = energy_table(curve)
        energy, least = (scale * np.interp(value, *table) for value in (held, lower))
        outputs["soc"] = _series(window, index[known], held[known])
        outputs["available_energy"] = _series(window, index[known], energy[known])
        outputs["available_energy_lower"] = _series(window, index[known], least[known])
        age = _hours_since(window, index, anchored)
        outputs["hours_since_anchor"] = _series(window, index[age >= 0.0], age[age >= 0.0])
        return {name: series for name, series in outputs.items() if len(series)}

    def _say_unknown(self, window: Window, settings: Settings, missing: int, total: int, first: float) -> None:
        reason = (
            f"not known better than {self.config['known_sigma']:.0%} (one sigma) at {missing} of {total} times; "
            f"soc_lower and soc_upper hold what is known. {texts.without_rest(window.samples, settings)}"
        )
        if missing == total:
            for name in ("soc", "available_energy", "available_energy_lower"):
                self.refuse(name, f"{reason}.")
        else:
            self.note(f"soc: {reason}{'' if math.isfinite(first) else ', or initial_soc'}.")

    def _note_voltage(self, window: Window, curve: Chemistry, cells: FloatArray) -> None:
        missing = int(np.isnan(cells).sum())
        if missing:
            self.note(f"voltage: none recent enough at {missing} of {len(cells)} samples; no rest is used there.")
        if window.woken:
            self.note(texts.woken(window.woken, self.config["wake_gap"], self.config["wake_sigma"]))
        if window.outside:
            self.note(texts.outside(window.outside, curve))

    def _doubt(self, window: Window) -> None:
        """Raise an alarm while rests keep contradicting the counted charge."""
        for change in plausibility.changes(window.anchors, self.state["doubt"]):
            stamp = pd.to_datetime(window.samples.time[change.index], unit="ms", utc=True)
            start = pd.to_datetime(change.start, unit="ms", utc=True)
            self.alarm("SOC contradicted by rests", start, change.text, "warning", None if change.began else stamp)

    def _bms(
        self, data: ModelInput, window: Window, before: dict[str, Any], curve: Chemistry, size: tuple[float, int],
        soc: pd.Series[float] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Audit the BMS's SOC, if there is one."""
        series = data.get("bms_soc")
        if series is None:
            self.refuse("bms_error", "this and the other bms outputs need the BMS's SOC; map its sensor to 'bms_soc'.")
            return {}
        if len(series) and not 0.0 <= float(series.min()) <= float(series.max()) <= 1.0:
            raise ModelError("bms_soc is no fraction of 0 to 1. State its unit ('percent') in its mapping.")
        clock, values, samples = _milliseconds(series), _values(series), window.samples
        last = (before["time"], before["current"] or 0.0, before["charge"])
        charge = bms.counters_at(clock, samples.time, samples.current, samples.charge, data.max_gap["current"], last)
        gaps = np.concatenate([[before["gaps"]], before["gaps"] + np.cumsum(samples.gap)])
        gaps = gaps[np.searchsorted(samples.time, clock, side="right")]
        limits = (self.config["bms_jump_limit"], self.config["bms_freeze_limit"], data.max_gap["bms_soc"])
        found, self.state["bms"] = bms.audit(clock, values, (charge, gaps), size[0], limits, self.state["bms"])
        events, alarms = bms_report.reported(found, series, curve, size)
        for alarm in alarms:
            self.alarm(*alarm)
        return events | self._bms_error(clock, values, soc) | self._bms_counter(series, found)

    def _bms_error(self, clock: TimeArray, values: FloatArray, soc: pd.Series[float] | None) -> dict[str, Any]:
        """Compare the latest value of the BMS with the SOC, where both are known."""
        last = self.state["bms_last"]
        if last is not None:
            clock, values = np.concatenate([[last[0]], clock]), np.concatenate([[last[1]], values])
        if len(clock):
            self.state["bms_last"] = [int(clock[-1]), float(values[-1])]
        if soc is None or not len(clock):
            return {}
        time = _milliseconds(soc)
        which = np.searchsorted(clock, time, side="right") - 1
        recent = (which >= 0) & (time - clock[np.maximum(which, 0)] <= BMS_AGE)
        if not recent.any():
            return {}
        return {"bms_error": pd.Series(values[which[recent]] - _values(soc)[recent], index=soc.index[recent])}

    def _bms_counter(self, series: pd.Series[float], found: bms.Audit) -> dict[str, Any]:
        """Tell the offset of the BMS's counter once a block."""
        index, self.state["bms_block"] = _blocks(_milliseconds(series), COUNTER_INTERVAL, self.state["bms_block"])
        told = index[~np.isnan(found.offset[index])] if len(index) else index
        return {"bms_counter_offset": pd.Series(found.offset[told], index=series.index[told])} if len(told) else {}


def _curve(data: ModelInput) -> Chemistry:
    base = chemistry(data["chemistry"])
    table = data.get("ocv_curve")
    return base if table is None else from_table(table, base)


def _capacity(value: float) -> float:
    if not (math.isfinite(value) and value > 0.0):
        raise ModelError(f"capacity is {value} Ah, so no charge can become a SOC. Set the asset's capacity on the platform.")
    return float(value)


def _cells(value: float) -> int:
    if value < 1.0 or abs(value - round(value)) > 1e-9:
        raise ModelError(f"cells_in_series is {value}, not a whole number. Set the asset's 'Cells in series' on the platform.")
    return round(value)


def _hours_since(window: Window, index: Any, anchored: int | None) -> FloatArray:
    """Return the age of the last anchor at samples, -1 before the first one. [h]"""
    used = [anchor.index for anchor in window.anchors if anchor.tells]
    clock = np.array([-1 if anchored is None else anchored, *window.samples.time[used].tolist()], dtype=np.int64)
    last = clock[np.searchsorted(np.array(used, dtype=np.intp), index, side="right")]
    return np.where(last < 0, -1.0, (window.samples.time[index] - last) / 3_600_000.0)


def _blocks(time: TimeArray, seconds: float, block: int | None) -> tuple[Any, int | None]:
    """Return the first sample of each block of absolute time, and the block of the last sample."""
    if not len(time):
        return np.zeros(0, dtype=np.intp), block
    blocks = time // round(seconds * 1000.0)
    before = blocks[:1] - 1 if block is None else np.array([block])
    return np.flatnonzero(np.diff(np.concatenate([before, blocks]))), int(blocks[-1])


def _series(window: Window, index: Any, values: Any) -> pd.Series[float]:
    time = window.samples.time[np.asarray(index, dtype=np.intp)]
    stamps = pd.to_datetime(time, unit="ms", utc=True)
    return pd.Series(np.asarray(values, dtype=np.float64), index=stamps)


def _milliseconds(series: pd.Series[float]) -> TimeArray:
    """Return the sample times. [ms UTC]"""
    return np.asarray(pd.DatetimeIndex(series.index).as_unit("ms").asi8, dtype=np.int64)


def _values(series: pd.Series[float]) -> FloatArray:
    return np.ascontiguousarray(series.to_numpy(dtype=np.float64))
