"""The demo fleet's ageing cell, and cells made by hand, as the neural_soh plugin is given them."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from models.neural_soh.model import NeuralSoh
from platform_interface import ModelInput
from tests.kit import START

FOLDER = Path(__file__).parents[1] / "models" / "neural_soh"
MANIFEST = json.loads((FOLDER / "model.json").read_text("utf-8"))
DEFAULTS = {name: option["default"] for name, option in MANIFEST["configuration"].items()}
PARAMETERS = {"capacity": 5.0, "cells_in_series": 1.0, "chemistry": "NMC"}
DEMO = Path(__file__).parents[1] / "platform_interface" / "demo_fleet"
#: Longest intervals that count as operation. [s]
GAP = {"current": 600.0, "voltage": 600.0, "temperature": 600.0}
DAY = 86_400_000


@lru_cache(maxsize=1)
def ageing_cell() -> pd.DataFrame:
    """Return the demo fleet's ageing cell without the dirt that the platform takes out: current positive on discharge."""
    log = pd.read_parquet(DEMO / "ageing-cell.parquet").drop_duplicates("time").sort_values("time").set_index("time")
    log = log[(log["voltage_v"] > 2.0) & (log["voltage_v"] < 5.0) & log["current_a"].notna()]
    log.index = pd.DatetimeIndex(log.index).tz_localize("UTC") if log.index.tz is None else log.index
    warm = log["temp_c"].where(log["temp_c"] < 100.0).ffill()
    return pd.DataFrame({"current": -log["current_a"], "voltage": log["voltage_v"], "temperature": warm})


def of_days(first: float, last: float) -> pd.DataFrame:
    """Return some days of it."""
    log = ageing_cell()
    begin = log.index[0]
    return log[(log.index >= begin + pd.Timedelta(days=first)) & (log.index < begin + pd.Timedelta(days=last))]


def charges(count=30, rate=0.5, capacity=5.0, temperature=27.0, low=3.1, high=4.2, step=60.0, fade=0.0) -> pd.DataFrame:
    """Return cycles made by hand: charge on a line of voltage, hold, half an hour of rest, discharge, half an hour of rest."""
    rows: list[tuple[float, float, float]] = []
    clock = 0.0
    for number in range(count):
        hours = (1.0 - fade * number) * 0.85 / rate
        parts = [
            (3600.0 * hours, lambda share: (-rate, low + (high - low) * share)),
            (1800.0, lambda share: (-rate * np.exp(-2.3 * share), high)),
            (1800.0, lambda share: (0.0, high - 0.02 * (1.0 - np.exp(-5.0 * share)))),
            (3600.0, lambda share: (0.95, high - 0.1 - (high - low) * share)),
            (1800.0, lambda share: (0.0, low - 0.1 + 0.1 * share)),
        ]
        for seconds, of in parts:
            for at in np.arange(0.0, seconds, step):
                current, voltage = of(at / seconds)
                rows.append((clock + at, current * capacity, voltage))
            clock += seconds
    table = np.array(rows)
    index = pd.to_datetime(START + np.round(1000.0 * table[:, 0]).astype(np.int64), unit="ms", utc=True)
    return pd.DataFrame({"current": table[:, 1], "voltage": table[:, 2], "temperature": temperature}, index)


def window(log: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp, parameters) -> ModelInput:
    """Return one window of a log."""
    part = log[(log.index >= start) & (log.index < end)]
    cells = [name for name in part.columns if isinstance(name, int)]
    inputs = {name: part[name].dropna() if name == "current" else part[name] for name in part.columns if name not in cells}
    if cells:
        inputs["cell_voltage"] = part[cells]
    return ModelInput({**inputs, **PARAMETERS, **parameters}, start, end, {}, GAP)


def compute(log: pd.DataFrame, cuts=(), parameters=None, config=None):
    """Run windows one after another, the state through JSON as on a platform; return outputs, notes and the model at the end."""
    model = NeuralSoh({**DEFAULTS, **(config or {})})
    span = log.index[-1] - log.index[0]
    edges = [log.index[0], *(log.index[0] + span * cut for cut in sorted(cuts)), log.index[-1] + pd.Timedelta(seconds=1)]
    parts: dict[str, list] = {}
    notes: list[str] = []
    for start, end in pairwise(edges):
        model.notes = []
        for name, value in model.process(window(log, start, end, parameters or {})).items():
            assert ((value.index >= start) & (value.index < end)).all(), name
            parts.setdefault(name, []).append(value)
        model.state = json.loads(json.dumps(model.state, allow_nan=False))
        notes += model.notes
    return {name: pd.concat(values) for name, values in parts.items()}, notes, model
