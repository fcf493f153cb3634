"""The demonstration's ageing cell, which is simulated and in no training: charges of its log, and the capacity of each cycle.

Its capacity is that of the 1C discharge before each charge, to 2.8 V.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from models.neural_soh.features import LEAST_CHARGE, features
from models.neural_soh.segments import Rules, Samples, find
from training.soh.cells import FloatArray

FOLDER = Path(__file__).parents[3] / "platform_interface" / "demo_fleet"
CHEMISTRY, CAPACITY, MAX_GAP = "NMC", 5.0, 600.0
#: What a cell can have; sentinels lie beyond. [V]
VOLTAGE = (1.0, 5.0)


def charges(folder: Path = FOLDER) -> tuple[FloatArray, FloatArray]:
    """Return features of each charge of the log, shape (N, 63), and the capacity of the discharge before it by the nominal one. [1]"""
    frame = pd.read_parquet(folder / "ageing-cell.parquet").dropna(subset=["current_a", "voltage_v"])
    frame = frame[frame["voltage_v"].between(*VOLTAGE)].sort_values("time", kind="stable").drop_duplicates("time")
    time = frame["time"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    columns = [frame[name].to_numpy(float) for name in ("current_a", "voltage_v", "temp_c")]
    samples = Samples(time, -columns[0], columns[1], columns[2], np.full(len(time), np.nan))
    found, _ = find(samples, CAPACITY, Rules(max_gap=MAX_GAP))
    kept = [segment for segment in found if segment.charge[segment.last] >= LEAST_CHARGE * CAPACITY]
    truth = json.loads((folder / "ageing-cell.truth.json").read_text(encoding="utf-8"))["cycles"]
    began = pd.to_datetime(pd.Series(truth["start"]), format="ISO8601").to_numpy().astype("datetime64[ms]").astype(np.int64)
    cycle = np.searchsorted(began, [segment.start for segment in kept], side="right") - 1
    soh = np.asarray(truth["capacity_ah"], float)[cycle] / CAPACITY
    return np.array([features(segment, CAPACITY, CHEMISTRY) for segment in kept]), soh
