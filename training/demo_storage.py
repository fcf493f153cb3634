"""Asset `storage-module`: five days of a 16s LFP module of 100 Ah behind a solar inverter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pybamm
from demo_asset import (
    Asset,
    cell_columns,
    cell_truth,
    clock,
    hourly_soc,
    lumped_temperature,
    pack_heat,
    quantise,
)
from demo_cells import (
    FloatArray,
    Limits,
    PackCells,
    PackResult,
    cumulative_charge,
    lead_cell_current,
    solve_pack,
)
from demo_dirt import Dirt, iso

NAME = "storage-module"
SEED = 20260608
START = pd.Timestamp("2026-06-08T00:00:00Z")
DAYS = 5
STEP = 10.0  # s
CAPACITY = 100.0  # Ah
CELLS = 16
OHMIC = 0.45e-3  # ohm; contacts and busbars, with factor 1
LEAKING, LEAK = 10, 40.0  # index from 0, ohm
WEAK, WEAK_FACTOR = 4, 0.92
CHARGE_LIMIT = 3.55  # V, highest cell
BMS_OFFSET = -0.205  # A on the BMS's own counter, + = charge
BMS_JUMP = 12.0  # percent
SHUNT_OFFSET = 0.02  # A on the logged current, + = charge

# (day, from hour, to hour, mean A with + = charge, shape); UTC, the site is at UTC + 2 h
PLAN: list[tuple[int, float, float, float, str]] = [
    (0, 4.5, 6.0, -12.0, "load"), (0, 7.0, 12.5, 35.0, "full"),
    (0, 16.0, 19.5, -17.0, "load"), (0, 19.5, 20.5, 25.0, "regulation"),
    (1, 4.5, 6.0, -10.0, "load"), (1, 7.5, 10.0, 21.0, "sun"), (1, 11.0, 11.5, -50.0, "flat"),
    (1, 12.5, 13.0, 50.0, "flat"), (1, 15.5, 19.5, -11.0, "load"),
    (2, 4.5, 5.5, -6.0, "load"), (2, 6.5, 12.5, 35.0, "full"),
    (2, 15.5, 19.0, -19.0, "load"), (2, 20.0, 21.0, 25.0, "regulation"),
    (3, 4.5, 5.5, -6.0, "load"), (3, 6.5, 9.0, 19.0, "sun"), (3, 9.5, 11.0, -18.0, "load"),
    (3, 12.0, 14.5, 19.0, "sun"), (3, 16.5, 20.0, -12.0, "load"),
    (4, 4.5, 5.5, -6.0, "load"), (4, 7.0, 13.0, 35.0, "limit"), (4, 15.0, 18.5, -17.0, "load"),
    (4, 20.5, 21.5, 20.0, "regulation"),
]  # fmt: skip


def profile(shape: str, hours: float, mean: float, random: np.random.Generator) -> FloatArray:
    """Draw one block of the schedule at 10 s.

    Parameters
    ----------
    shape
        "load" (slow and fast swings around the mean), "sun" (a bell with clouds), "regulation"
        (swings of both signs), "flat", "full" and "limit" (constant; the cell limit ends them).
    hours
        Length of the block. [h]
    mean
        Mean current, or amplitude for "regulation", positive on charge. [A]
    random
        Source of the swings.

    Returns
    -------
    FloatArray
        Current at 10 s, positive on charge, not above 0.5C. [A]
    """
    size = round(hours * 3600 / STEP) + 1
    phase = np.linspace(0.0, 1.0, size)
    minutes = np.repeat(random.normal(0.0, 1.0, size // 6 + 1), 6)[:size]
    slow = np.interp(phase, np.linspace(0, 1, 13), random.normal(0.0, 1.0, 13))
    if shape == "load":
        current = mean * (1.0 + 0.25 * slow + 0.12 * minutes)
        current = np.minimum(current, -0.5)
    elif shape == "sun":
        clouds = 1.0 - 0.5 * np.clip(slow, 0.0, 1.0) * (minutes > 0)
        current = mean * np.pi / 2 * np.sin(np.pi * phase) * clouds
    elif shape == "regulation":
        current = mean * np.clip(0.7 * minutes + 0.3 * slow, -1.0, 1.0)
        current -= current.mean()
    else:
        current = np.full(size, mean)
    current = np.clip(current, -0.5 * CAPACITY, 0.5 * CAPACITY)
    current[[0, -1]] = 0.0
    return quantise(current, 0.1)


def schedule(cells: PackCells, random: np.random.Generator) -> list[tuple[float, list[Any]]]:
    """Start [s] and PyBaMM steps of every block, in units of the model's cell."""
    scale = Limits.of(cells.parameter_set).capacity / cells.capacity[WEAK]
    blocks: list[tuple[float, list[Any]]] = []
    for day, first, last, mean, shape in PLAN:
        current = -profile(shape, last - first, mean, random) * scale
        time = np.arange(current.size) * STEP
        end = f"> {CHARGE_LIMIT} V" if current.min() < 0 else None
        drive = np.column_stack([time, current])
        steps = [pybamm.step.current(drive, duration=time[-1], period=STEP, termination=end)]
        if shape == "full":
            stop = f"{5.0 * scale} A"
            hold = {"duration": 5400, "period": STEP, "termination": stop}
            steps.append(pybamm.step.voltage(CHARGE_LIMIT, **hold))
        blocks.append((day * 86400.0 + first * 3600.0, steps))
    return blocks


def bms_soc(time: FloatArray, charge: FloatArray, start: float, jump: int) -> FloatArray:
    """Count charge as the module's own electronics do, and recalibrate once.

    Parameters
    ----------
    time
        Seconds. [s]
    charge
        True current, positive on charge. [A]
    start
        State of charge at the first sample. [percent]
    jump
        Index of the first sample after the recalibration.

    Returns
    -------
    FloatArray
        State of charge at a resolution of 0.1. [percent]
    """
    count = start + cumulative_charge(time, charge + BMS_OFFSET) / CAPACITY * 100.0
    count = count + np.where(np.arange(time.size) >= jump, BMS_JUMP, 0.0)
    return quantise(np.clip(count, 0.0, 100.0), 0.1)


def logged(time: FloatArray, charge: FloatArray, pack: PackResult, jump: int, random: np.random.Generator) -> pd.DataFrame:
    """Table of the module's logger: noise, offsets and resolution of each sensor."""
    rows = time.size
    room = 22.0 + 2.0 * np.sin(2 * np.pi * (time / 86400 - 0.4))
    rise = lumped_temperature(time, pack_heat(pack, -charge), room, 34e3, 6.0) - room
    warmth = [0.85, 1.05, 1.15, 0.95]
    sensors = [room + factor * rise + random.normal(0, 0.15) for factor in warmth]
    probes = [quantise(probe + random.normal(0, 0.04, rows), 0.1) for probe in sensors]
    cells = np.round(pack.voltage * 1e3 + random.normal(0, 0.7, pack.voltage.shape))
    volts = pack.voltage.sum(axis=1) + 0.04 + random.normal(0, 0.01, rows)
    current = quantise(charge + SHUNT_OFFSET + random.normal(0, 0.03, rows), 0.05)
    table: dict[str, Any] = {"time": clock(START, time), "current_a": current}
    table |= {"pack_voltage_v": quantise(volts, 0.01)} | cell_columns(cells)
    table |= {f"temp{n + 1}_c": probe for n, probe in enumerate(probes)}
    table["temp_mean_c"] = quantise(np.mean(probes, axis=0), 0.01)
    table["bms_soc_pct"] = bms_soc(time, charge, 100 * pack.soc[0].mean() + 0.4, jump)
    return pd.DataFrame(table)


def soil(table: pd.DataFrame) -> Dirt:
    """Put the faults of the demo into the table."""
    dirt = Dirt(table, SEED + 1)
    dirt.gap("2026-06-08T22:10:00Z", 340)
    dirt.gap("2026-06-09T17:05:00Z", 25)
    dirt.gap("2026-06-11T11:40:00Z", 50)
    dirt.gap("2026-06-12T16:20:00Z", 20)
    dirt.freeze("temp3_c", "2026-06-11T06:00:00Z", 8)
    dirt.block("sentinel", "cell07_mv", "2026-06-09T09:30:00Z", 12, 65535)
    dirt.scatter("sentinel", "cell07_mv", 18, 65535)
    dirt.block("zero_on_live_cell", "cell13_mv", "2026-06-11T18:00:00Z", 9, 0)
    dirt.scatter("sentinel", "bms_soc_pct", 6, 6553.5)
    dirt.scatter("missing", "current_a", 8, None)
    dirt.scatter("missing", "cell02_mv", 15, None)
    dirt.block("missing", "temp2_c", "2026-06-09T03:00:00Z", 30, None)
    dirt.duplicate(60)
    dirt.conflict("current_a", 6, 2.5)
    dirt.conflict("cell05_mv", 4, -7)
    dirt.shuffle("2026-06-10T04:20:00Z", 36)
    dirt.shuffle("2026-06-12T09:00:00Z", 60)
    dirt.late("2026-06-09T21:00:00Z", 90)
    dirt.late("2026-06-11T02:15:00Z", 45)
    return dirt


def mapping() -> dict[str, Any]:
    """Ingest mapping of the module."""
    parameters = {"Capacity": CAPACITY, "Chemistry": "LFP", "Cells in series": CELLS}
    return {
        "asset": {
            "name": "LFP storage module (demo)",
            "tags": ["demo"],
            "time_zone": "Europe/Berlin",
            "positive_current": "charge",
            "parameters": parameters,
        },
        "time": {"column": "time", "time_zone": "UTC"},
        "columns": {
            "current_a": {"sensor": "Current", "unit": "A"},
            "pack_voltage_v": {"sensor": "Voltage", "unit": "V"},
            "cell{n}_mv": {"sensor": "Cell Voltage|*", "unit": "mV"},
            "temp{n}_c": {"sensor": "Temperature|*", "unit": "degC"},
            "temp_mean_c": {"sensor": "Cell Temperature", "unit": "degC"},
            "bms_soc_pct": {"sensor": "BMS SOC", "unit": "percent"},
        },
    }


def simulate() -> Asset:
    """Simulate the module and soil its log."""
    random = np.random.default_rng(SEED)
    capacity = CAPACITY * (1.0 + random.normal(0, 0.005, CELLS))
    capacity[WEAK] *= WEAK_FACTOR
    ohmic = OHMIC * (1.0 + random.normal(0, 0.05, CELLS))
    start = 0.55 + random.normal(0, 0.005, CELLS)
    cells = PackCells("Prada2013", capacity, start, ohmic, {LEAKING: LEAK})
    time = np.arange(0.0, DAYS * 86400, STEP)
    charge = -lead_cell_current(cells, WEAK, schedule(cells, random), time)
    pack = solve_pack(cells, time, -charge)
    day3 = np.flatnonzero((time > 2.25 * 86400) & (time < 2.6 * 86400) & (charge > 1.0))
    jump = int(day3[-1]) + 1
    table = logged(time, charge, pack, jump, random)
    before, after = table["bms_soc_pct"].iloc[[jump - 1, jump]]
    faults = [
        {"cell": LEAKING + 1, "fault": "soft short", "leak_ohm": LEAK},
        {"cell": WEAK + 1, "fault": "low capacity", "capacity_factor": WEAK_FACTOR},
    ]
    jumps = [{"time": iso(clock(START, time[[jump]])[0]), "from_pct": before, "to_pct": after,
              "size_pct": round(after - before, 1)}]  # fmt: skip
    truth = {
        "seed": SEED,
        "parameter_set": "Prada2013",
        "cells": cell_truth(cells, OHMIC),
        "faulty_cells": faults,
        "bms": {"counter_offset_a": BMS_OFFSET, "jumps": jumps},
        "logged_current_offset_a": SHUNT_OFFSET,
        "soc": hourly_soc(START, pack, [LEAKING, WEAK]),
    }
    volts = pack.voltage.sum(axis=1)
    dirt = soil(table)
    return Asset(NAME, START, time, charge, volts, dirt, mapping(), CAPACITY, 600.0, truth)
