"""The plugin's one class: takes a window, carries the state, names what it could not compute.

Equations, ranges of validity and references are in this folder's README.md.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from models.eq_cycles import rainflow, stress, throughput
from models.eq_cycles.throughput import FloatArray, TimeArray
from platform_interface import Model, ModelError, ModelInput, register_model

TOTALS = (
    "charged_capacity",
    "discharged_capacity",
    "charged_energy",
    "discharged_energy",
    "equivalent_cycles",
    "stress_weighted_cycles",
)
ENERGIES = ("charged_energy", "discharged_energy", "energy_throughput")
#: SOC that must have moved in gaps before it is worth a note. [1]
UNSEEN = 0.05
RAINFLOW = ("rainflow_cycles", "rainflow_equivalent_cycles", "rainflow_histogram")


@register_model("eq_cycles")
class EquivalentCycles(Model):
    """Throughput, equivalent full cycles, rainflow cycles and stress-weighted cycles."""

    def process(self, data: ModelInput) -> dict[str, Any]:
        """Count on from the carried totals.

        Raises
        ------
        ModelError
            The capacity is not positive, or the state of charge is not a fraction.
        """
        capacity, soc = _capacity(data["capacity"]), _fraction(data.get("soc"))
        if not self.state:
            self.state = _first_state(data.get("initial_equivalent_cycles"))
        current: pd.Series[float] = data["current"]
        time, amperes = _milliseconds(current), _values(current)
        hours = throughput.operating_hours(_after(self.state["time"], time), data.max_gap["current"])
        flow = throughput.split_trapezoid(_after(self.state["current"], amperes), hours)
        outputs: dict[str, FloatArray] = {}
        outputs |= self._charge(*flow, capacity)
        outputs |= self._cycles(data, flow, hours, capacity)
        outputs |= self._energy(data, hours)
        outputs |= self._stress(data, flow[0] + flow[1], hours, capacity)
        if len(time):
            self.state["time"], self.state["current"] = int(time[-1]), float(amperes[-1])
        series = {name: pd.Series(values, index=current.index) for name, values in outputs.items()}
        return series | self._rainflow(soc, data)

    def _total(self, name: str, steps: FloatArray) -> FloatArray:
        """Add the steps to the carried total of that name and carry the sum on."""
        total = throughput.running_total(self.state["totals"][name], steps)
        if len(total):
            self.state["totals"][name] = float(total[-1])
        return total

    def _charge(self, discharged: FloatArray, charged: FloatArray, capacity: float) -> dict[str, FloatArray]:
        charge = self._total("charged_capacity", charged)
        discharge = self._total("discharged_capacity", discharged)
        through = charge + discharge
        return {
            "charged_capacity": charge,
            "discharged_capacity": discharge,
            "charge_throughput": through,
            "equivalent_full_cycles": through / (2.0 * capacity),
        }

    def _cycles(
        self, data: ModelInput, flow: tuple[FloatArray, FloatArray], hours: FloatArray, capacity: float
    ) -> dict[str, FloatArray]:
        """Cycles by the vendor's definition, with its rule of integration if asked for."""
        if self.config["integration"] == "right":
            flow = throughput.split_right(_after(self.state["current"], _values(data["current"])), hours)
        soh = _aligned(data, "soh")
        missing = int(np.isnan(soh).sum())
        if missing:
            self.note(
                f"equivalent_cycles: no SOH for {missing} of {len(soh)} samples, so it was taken as "
                f"{self.config['assume_soh']:g}; an SOH sensor, or models.eq_cycles.configuration.assume_soh, sets it."
            )
        soh = np.where(np.isnan(soh), self.config["assume_soh"], soh)
        efficiency = (self.config["discharge_efficiency"], self.config["charge_efficiency"])
        if not self.config["enable_efficiency_correction"]:
            efficiency = (1.0, 1.0)
        steps = throughput.equivalent_cycle_steps(*flow, capacity, soh, efficiency)
        return {"equivalent_cycles": self._total("equivalent_cycles", steps)}

    def _energy(self, data: ModelInput, hours: FloatArray) -> dict[str, FloatArray]:
        """Energy at the pack's terminals; an interval without voltage adds nothing."""
        if data.get("voltage") is None:
            for name in ENERGIES:
                self.refuse(name, "no pack voltage; map the sensor of the pack's terminal voltage to 'voltage'.")
            return {}
        power = _values(data["current"]) * _values(data["voltage"])
        extended = _after(self.state["power"], power, known=self.state["time"] is not None)
        unknown = np.isnan(extended[:-1]) | np.isnan(extended[1:])
        lost = int((unknown & (hours > 0.0)).sum())
        if lost:
            self.note(
                f"energy: {lost} of {len(hours)} intervals have no voltage recent enough and add no energy; "
                "the energy outputs are a lower bound."
            )
        discharged, charged = throughput.split_trapezoid(np.nan_to_num(extended, nan=0.0), hours)
        charge = self._total("charged_energy", np.where(unknown, 0.0, charged / 1000.0))
        discharge = self._total("discharged_energy", np.where(unknown, 0.0, discharged / 1000.0))
        if len(power):
            self.state["power"] = None if math.isnan(power[-1]) else float(power[-1])
        return {"charged_energy": charge, "discharged_energy": discharge, "energy_throughput": charge + discharge}

    def _stress(self, data: ModelInput, passed: FloatArray, hours: FloatArray, capacity: float) -> dict[str, FloatArray]:
        """Equivalent full cycles, each interval weighted by the conditions at its end."""
        if data.get("temperature") is None and data.get("soc") is None and self.state["soc"] is None:
            self.refuse(
                "stress_weighted_cycles",
                "neither temperature nor SOC is known; map a sensor to 'temperature' or 'soc'.",
            )
            return {}
        temperature, soc = _aligned(data, "temperature"), self._soc_at_current(data)
        self._note_missing(temperature, soc)
        rate = np.divide(passed, hours * capacity, out=np.zeros(len(passed)), where=hours > 0.0)
        self._note_outside(data, temperature, rate)
        option, reference = self.config, self.config["reference_temperature"]
        weight = (
            stress.temperature_stress(temperature, option["temperature_coefficient"], reference)
            * stress.soc_stress(soc, option["soc_coefficient"], option["reference_soc"])
            * stress.rate_stress(
                rate,
                temperature,
                option["rate_activation_energy"],
                (option["reference_c_rate"], option["maximum_c_rate"]),
                reference,
            )
        )
        steps = passed / (2.0 * capacity) * weight
        return {"stress_weighted_cycles": self._total("stress_weighted_cycles", steps)}

    def _soc_at_current(self, data: ModelInput) -> FloatArray:
        """SOC at the times of the current, as-of; the last one before the window is carried."""
        soc, last = data.get("soc"), self.state["soc"]
        source, level = np.empty(0, np.int64), np.empty(0)
        if soc is not None:
            source, level = _milliseconds(soc), _values(soc)
        if last is not None:
            source, level = np.append(last["time"], source), np.append(last["value"], level)
        return stress.as_of(_milliseconds(data["current"]), source, level, self.config["soc_tolerance_s"])

    def _note_missing(self, temperature: FloatArray, soc: FloatArray) -> None:
        for name, values in (("temperature", temperature), ("SOC", soc)):
            missing = int(np.isnan(values).sum())
            if missing:
                self.note(
                    f"stress_weighted_cycles: no {name} for {missing} of {len(values)} samples; "
                    f"there the factor of {name} is 1."
                )

    def _note_outside(self, data: ModelInput, temperature: FloatArray, rate: FloatArray) -> None:
        """Name the samples outside the range that the factors were fitted to."""
        amperes, highest = _values(data["current"]), self.config["maximum_c_rate"]
        doubts = (
            (int((temperature > 60.0).sum()), "above 60 °C, where the factor of temperature is extrapolated"),
            (int((rate > highest).sum()), f"above {highest:g} C, where the factor of the C-rate is held"),
            (
                int(((temperature < 0.0) & (amperes < 0.0)).sum()),
                "charged below 0 °C; lithium plating is not weighted, so the count is a lower bound",
            ),
        )
        for samples, text in doubts:
            if samples:
                self.note(f"stress_weighted_cycles: {samples} samples {text}.")

    def _rainflow(self, soc: pd.Series[float] | None, data: ModelInput) -> dict[str, Any]:
        """Cycles of the state of charge, at its own times."""
        if soc is None:
            for name in RAINFLOW:
                self.refuse(name, "no state of charge; map the BMS's SOC, or the output of an SOC model, to 'soc'.")
            return {}
        time, level, last = _milliseconds(soc), _values(soc), self.state["soc"] or {}
        limits = (self.config["soc_jump_limit"], self.config["soc_rate_limit"])
        offset, jump = rainflow.recalibration_offset(
            _after(last.get("time"), time), _after(last.get("value"), level), last.get("offset", 0.0),
            data.max_gap.get("soc", data.max_gap["current"]), limits,
        )  # fmt: skip
        self._note_jumps(soc.index[jump != 0.0], jump[jump != 0.0])
        self._note_unseen(_after(last.get("time"), time), _after(last.get("value"), level), data)
        carried = rainflow.RainflowState(**self.state["rainflow"])
        state, counted = rainflow.count(level + offset, carried, self.config["rainflow_depth_gate"])
        self.state["rainflow"] = asdict(state)
        if len(time):
            self.state["soc"] = {"time": int(time[-1]), "value": float(level[-1]), "offset": float(offset[-1])}
        return {
            "rainflow_cycles": pd.Series(counted.closed, index=soc.index),
            "rainflow_equivalent_cycles": pd.Series(counted.equivalent, index=soc.index),
            "rainflow_histogram": pd.DataFrame(counted.histograms, index=soc.index[counted.changed]),
        }

    def _note_jumps(self, times: pd.Index[Any], jumps: FloatArray) -> None:
        if len(jumps):
            shown = ", ".join(f"{t:%Y-%m-%d %H:%M:%S} UTC ({j:+.1%})" for t, j in zip(times[:5], jumps, strict=False))
            more = f" and {len(jumps) - 5} more" if len(jumps) > 5 else ""
            self.note(
                f"rainflow: SOC jumps that no current explains ({len(jumps)}, recalibration of the BMS) "
                f"are not counted as cycles: {shown}{more}."
            )

    def _note_unseen(self, time: TimeArray, level: FloatArray, data: ModelInput) -> None:
        """Say what moved while nothing was logged: the throughput cannot know of it."""
        step = np.diff(level)[np.diff(time) > 1000 * data.max_gap["current"]]
        rise, fall = float(step[step > 0].sum()), float(-step[step < 0].sum())
        if rise + fall >= UNSEEN:
            self.note(
                f"while nothing was logged, SOC rose by {rise:.0%} and fell by {fall:.0%} in all: about "
                f"{rise * data['capacity']:.4g} Ah charged and {fall * data['capacity']:.4g} Ah discharged are in no throughput, "
                "which is a lower bound. Log the current at those times too, or set max_gap if the logger sends changes only."
            )


def _first_state(seed: float | None) -> dict[str, Any]:
    totals = dict.fromkeys(TOTALS, 0.0)
    if seed is not None:
        totals["equivalent_cycles"] = float(seed)
    empty = asdict(rainflow.RainflowState())
    return {"time": None, "current": None, "power": None, "totals": totals, "soc": None, "rainflow": empty}


def _capacity(capacity: float) -> float:
    if not (math.isfinite(capacity) and capacity > 0.0):
        raise ModelError(
            f"capacity is {capacity} Ah, so no cycle can be counted. "
            "Set the asset's capacity on the platform, or models.eq_cycles.inputs.capacity in settings.json."
        )
    return float(capacity)


def _fraction(soc: pd.Series[float] | None) -> pd.Series[float] | None:
    if soc is not None and len(soc) and not 0.0 <= float(soc.min()) <= float(soc.max()) <= 1.0:
        raise ModelError(
            f"soc runs from {soc.min():g} to {soc.max():g}, so it is not a fraction of 0 to 1. "
            "State the sensor's unit ('percent') in its mapping in settings.json."
        )
    return soc


def _milliseconds(series: pd.Series[float]) -> TimeArray:
    """Return the sample times. [ms UTC]"""
    index = pd.DatetimeIndex(series.index).as_unit("ms")
    return np.asarray(index.asi8, dtype=np.int64)


def _values(series: pd.Series[float]) -> FloatArray:
    return np.ascontiguousarray(series.to_numpy(dtype=np.float64))


def _aligned(data: ModelInput, name: str) -> FloatArray:
    """Return an optional input at the times of the current, NaN where it is not known."""
    series = data.get(name)
    return np.full(len(data["current"]), np.nan) if series is None else _values(series)


def _after(last: float | None, new: Any, known: bool = False) -> Any:
    """Put the last value of the window before in front of the new ones.

    Without a window before, the first new value is repeated: an interval of no length. `known` says
    that there was one, so that a last value of None is missing rather than the first of all.
    """
    if last is None:
        return np.concatenate((np.full(1, np.nan), new)) if known else np.concatenate((new[:1], new))
    return np.concatenate((np.array([last], dtype=new.dtype), new))
