"""A simulated cell for tests of the plugin: the network itself is the cell, so every figure has a truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from models.pinn_internal_state.belief import KNOWN, Kind
from models.pinn_internal_state.forward import open_network
from models.pinn_internal_state.model import InternalState
from models.pinn_internal_state.states import KELVIN, Block
from platform_interface import ModelInput
from tests.kit import START

FOLDER = Path(__file__).parents[1] / "models" / "pinn_internal_state"
MANIFEST = json.loads((FOLDER / "model.json").read_text("utf-8"))
DEFAULTS = {name: option["default"] for name, option in MANIFEST["configuration"].items()}
PARAMETERS = {"capacity": 5.0, "cells_in_series": 1.0, "chemistry": "NMC"}
#: Between two samples. [s]
STEP = 10
GAP = {"current": 300.0, "voltage": 300.0, "temperature": 600.0}


@dataclass(frozen=True)
class Log:
    """Samples, and what is true at each of them."""

    time: np.ndarray
    current: np.ndarray
    voltage: np.ndarray
    temperature: np.ndarray
    soc: np.ndarray
    margin: np.ndarray

    def series(self, keep=slice(None), **changed):
        """Return the inputs of the model; NaN of voltage and temperature are absent samples."""
        index = pd.to_datetime(START + self.time[keep] * 1000, unit="ms", utc=True)
        rows = {name: changed.get(name, getattr(self, name))[keep] for name in ("current", "voltage", "temperature")}
        return {name: pd.Series(values, index) for name, values in rows.items()}


@lru_cache(maxsize=1)
def network():
    return open_network((FOLDER / "weights.onnx").read_bytes(), (FOLDER / "thorough.onnx").read_bytes())


@lru_cache(maxsize=8)
def driven(hours=4.0, celsius=25.0, soc=0.6, seed=1, load=0.8, constant=None) -> Log:
    """Drive a cell of 5 Ah: a new load each ten minutes, so that its charge stays between 20 and 90 %; 1 mV and 0.05 K of noise."""
    random = np.random.default_rng(seed)
    count = round(hours * 3600 / STEP) // 24 * 24
    current = np.full(count, 0.0)
    level, at = 0.0, soc
    for k in range(count):
        if k % 60 == 0:
            level = float(np.round(5.0 * load * random.uniform(-1, 1), 2)) if constant is None else constant
            level = -abs(level) if at < 0.3 else abs(level) if at > 0.8 and constant is None else level
        current[k] = level
        at -= level * STEP / 18_000.0
    kind = Kind(network(), 5.0, KNOWN)
    flat = np.full(count, 1.0)
    block = Block(current, 0.0 * flat, (celsius + KELVIN) * flat, STEP * flat, 3.7 * flat, flat)
    found = network().run(kind.rested(soc)[None], block, ("voltage", "margin"))
    charge = soc - np.cumsum(current) * STEP / 3600.0 / capacity()
    voltage = found["voltage"][0] + 0.001 * random.normal(size=count)
    temperature = celsius + 0.05 * random.normal(size=count)
    return Log(STEP * np.arange(count) + STEP // 2, current, voltage, temperature, charge, found["margin"][0])


@lru_cache(maxsize=1)
def capacity() -> float:
    """Charge between empty and full of the cell the network knows. [Ah]"""
    kind = Kind(network(), 5.0, KNOWN)
    flat = np.full(24, 1.0)
    block = Block(flat, 0.0 * flat, (25.0 + KELVIN) * flat, 60.0 * flat, 3.7 * flat, flat)
    start = kind.rested(0.6)[None]
    end = network().end(start, network().run(start, block))
    return float(0.4 / (kind.soc(start) - kind.soc(end))[0])


def compute(series, config=None, parameters=None, cuts=(), end=None):
    """Run the model over windows between the cuts [s]; return the joined outputs, the alarms and the last model."""
    edges = [0, *sorted(cuts), 10**8]
    state, parts, alarms, notes = {}, {}, [], []
    for first, last in pairwise(edges):
        model = InternalState(DEFAULTS | (config or {}))
        model.state = json.loads(json.dumps(state, allow_nan=False))
        low, high = (pd.to_datetime(START + edge * 1000, unit="ms", utc=True) for edge in (first, last))
        values = {name: value[(value.index >= low) & (value.index < high)] for name, value in series.items()}
        for name, found in model.process(ModelInput(values | PARAMETERS | (parameters or {}), low, high, {}, GAP)).items():
            parts.setdefault(name, []).append(found)
        alarms += model.alarms
        notes += model.notes
        state = model.state
    model.notes = notes
    return {name: pd.concat(found) for name, found in parts.items()}, alarms, model


def at(outputs, log: Log, name: str):
    """Return the seconds of an output's rows."""
    index = pd.DatetimeIndex(outputs[name].index).as_unit("ms")
    return (index.asi8 - START) / 1000.0
