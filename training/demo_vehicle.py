"""Asset `vehicle-pack`: four days of a 96s NMC pack of 60 Ah, logged only while it is awake."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
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
from demo_dirt import Dirt

NAME = "vehicle-pack"
SEED = 20260511
START = pd.Timestamp("2026-05-11T00:00:00Z")
DAYS = 4
STEP = 10.0  # s
CAPACITY = 60.0  # Ah
CELLS = 96
OHMIC = 0.8e-3  # ohm; tabs, welds and busbars, with factor 1
RESISTIVE, RESISTIVE_FACTOR = 36, 1.6  # index from 0
CHARGE_CURRENT, CHARGE_LIMIT, CHARGE_END = 30.0, 4.1, 3.0  # A, V of the highest cell, A
AUXILIARY = 0.5  # A, awake at standstill
NOMINAL_VOLTAGE = 350.0  # V
BMS_OFFSET, BMS_CAPACITY = 0.1, 60.6  # A on the BMS's own counter, + = discharge; Ah
AWAKE = 120.0  # s before and after each drive and charge
# day -> [(start hour, drive cycles in order, scale)]; UTC, the site is at UTC + 2 h
DRIVES: dict[int, list[tuple[float, tuple[str, ...], float]]] = {
    0: [(5.25, ("WLTC", "UDDS"), 1.3), (15.0, ("UDDS", "US06", "UDDS"), 1.0)],
    1: [(5.30, ("UDDS", "WLTC"), 1.2), (15.4, ("WLTC", "US06", "UDDS"), 1.2)],
    2: [(5.20, ("US06", "UDDS", "US06", "UDDS"), 1.1), (14.8, ("WLTC", "WLTC"), 1.4)],
    3: [(5.25, ("WLTC", "US06", "UDDS"), 1.2), (15.1, ("UDDS", "WLTC"), 1.3)],
}
DRIVE_SECONDS = 2700
CHARGE_HOURS = (17.5, 17.8, 17.4, 17.6)
PACK_AMPERES = 14.0  # per ampere of UDDS and US06, which are for a small cell


def drive_cycle(folder: Path, name: str) -> FloatArray:
    """Read a drive cycle as pack current.

    Parameters
    ----------
    folder
        Folder with UDDS.csv, US06.csv (A) and WLTC.csv (kW) as PyBaMM ships them.
    name
        Name of the cycle.

    Returns
    -------
    FloatArray
        Means over 10 s, positive on discharge. [A]
    """
    path = folder / f"{name}.csv"
    if not path.is_file():
        path = Path(str(pybamm.DataLoader().get_data(f"{name}.csv")))
    seconds, value = np.loadtxt(path, delimiter=",", comments="#", unpack=True)
    current = value * (1e3 / NOMINAL_VOLTAGE if name == "WLTC" else PACK_AMPERES)
    even = np.interp(np.arange(0.0, seconds[-1], 0.5), seconds, current)
    width = round(STEP / 0.5)
    return np.asarray(even[: even.size // width * width].reshape(-1, width).mean(axis=1))


def drive(folder: Path, names: tuple[str, ...], scale: float) -> FloatArray:
    """Join drive cycles to 45 min that begin and end at standstill; returns current [A] at 10 s."""
    joined = np.concatenate([drive_cycle(folder, name) for name in names]) * scale + AUXILIARY
    current = np.full(round(DRIVE_SECONDS / STEP) + 1, AUXILIARY)
    size = min(joined.size, current.size - 6)
    current[1 : 1 + size] = joined[:size]
    current[[0, -1]] = AUXILIARY
    return current


def session(current: FloatArray) -> FloatArray:
    """Add the standstill before and after a drive, and zero at both ends."""
    wait = np.full(round(AWAKE / STEP), AUXILIARY)
    return np.concatenate([[0.0], wait, current, wait, [0.0]])


def schedule(folder: Path, cells: PackCells) -> list[tuple[float, list[Any]]]:
    """Start [s] and PyBaMM steps of every drive and charge, in units of the model's cell."""
    scale = Limits.of(cells.parameter_set).capacity / cells.capacity[RESISTIVE]
    blocks: list[tuple[float, list[Any]]] = []
    for day in range(DAYS):
        for hour, names, factor in DRIVES[day]:
            current = session(drive(folder, names, factor)) * scale
            profile = np.column_stack([np.arange(current.size) * STEP, current])
            step = pybamm.step.current(profile, duration=profile[-1, 0], period=STEP)
            blocks.append((day * 86400 + round(hour * 360) * STEP, [step]))
        limit = f"> {CHARGE_LIMIT} V"
        ramp = np.array([[0.0, 0.0], [AWAKE, 0.0], [AWAKE + 10, -1.0], [4 * 3600, -1.0]])
        ramp[:, 1] *= CHARGE_CURRENT * scale
        charge = pybamm.step.current(ramp, duration=4 * 3600, period=STEP, termination=limit)
        stop = f"{CHARGE_END * scale} A"
        hold = pybamm.step.voltage(CHARGE_LIMIT, duration=3600, period=STEP, termination=stop)
        blocks.append((day * 86400 + round(CHARGE_HOURS[day] * 360) * STEP, [charge, hold]))
    return blocks


def awake_rows(current: FloatArray, blocks: list[tuple[float, list[Any]]], grid: FloatArray) -> Any:
    """Mask of the grid that the vehicle logs: each block and two minutes after it."""
    awake = np.zeros(grid.size, dtype=bool)
    starts = [start for start, _ in blocks] + [grid[-1] + STEP]
    for start, following in pairwise(starts):
        inside = (grid >= start) & (grid < following)
        last = grid[inside & (current != 0.0)][-1]
        awake |= inside & (grid <= last + AWAKE)
    return awake


def logged(time: FloatArray, discharge: FloatArray, pack: PackResult, random: np.random.Generator) -> pd.DataFrame:
    """Table of the vehicle's gateway: noise, bias and resolution of each sensor."""
    rows = time.size
    outside = 13.0 + 5.0 * np.sin(2 * np.pi * (time / 86400 - 0.38))
    warm = lumped_temperature(time, pack_heat(pack, discharge), outside, 90e3, 12.0)
    factors = [0.9, 1.0, 1.05, 1.1, 1.05, 0.92]
    sensors = [outside + factor * (warm - outside) + random.normal(0, 0.3) for factor in factors]
    probes = [quantise(probe + random.normal(0, 0.1, rows), 0.5) for probe in sensors]
    noisy = pack.voltage * 1e3 + random.normal(0, 1.5, pack.voltage.shape)
    volts = pack.voltage.sum(axis=1) + 0.4 + random.normal(0, 0.05, rows)
    counted = discharge + np.where(discharge == 0.0, 0.0, BMS_OFFSET)
    soc = pack.soc[0].mean() + 0.01 - cumulative_charge(time, counted) / BMS_CAPACITY
    table: dict[str, Any] = {"time": clock(START, time)}
    table["current_a"] = quantise(discharge + random.normal(0, 0.1, rows), 0.1)
    table["pack_voltage_v"] = quantise(volts, 0.1)
    table |= cell_columns(quantise(noisy, 5.0))
    table |= {f"temp{n + 1}_c": probe for n, probe in enumerate(probes)}
    table["temp_mean_c"] = quantise(np.mean(probes, axis=0), 0.1)
    table["bms_soc_pct"] = quantise(100.0 * np.clip(soc, 0.0, 1.0), 0.5)
    return pd.DataFrame(table)


def soil(table: pd.DataFrame) -> Dirt:
    """Put the faults of the demo into the table."""
    dirt = Dirt(table, SEED + 1)
    dirt.gap("2026-05-11T18:05:00Z", 20)
    dirt.gap("2026-05-13T15:05:00Z", 25)
    dirt.freeze("temp4_c", "2026-05-12T05:18:00Z", 12)
    dirt.block("sentinel", "cell58_mv", "2026-05-12T15:30:00Z", 5, 65535)
    dirt.scatter("sentinel", "cell58_mv", 4, 65535)
    dirt.block("zero_on_live_cell", "cell21_mv", "2026-05-13T17:50:00Z", 4, 0)
    dirt.scatter("sentinel", "bms_soc_pct", 3, 6553.5)
    dirt.scatter("missing", "current_a", 4, None)
    dirt.scatter("missing", "cell80_mv", 6, None)
    dirt.duplicate(10)
    dirt.conflict("current_a", 3, 4.0)
    dirt.conflict("cell12_mv", 2, -15)
    dirt.shuffle("2026-05-12T05:30:00Z", 12)
    dirt.late("2026-05-13T05:25:00Z", 18)
    return dirt


def mapping() -> dict[str, Any]:
    """Ingest mapping of the pack."""
    parameters = {"Capacity": CAPACITY, "Chemistry": "NMC", "Cells in series": CELLS}
    return {
        "asset": {
            "name": "NMC vehicle pack (demo)",
            "tags": ["demo"],
            "time_zone": "Europe/Berlin",
            "positive_current": "discharge",
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


def simulate(drive_cycles: Path) -> Asset:
    """Simulate the pack and soil its log; `drive_cycles` is the folder of the CSV files."""
    random = np.random.default_rng(SEED)
    capacity = CAPACITY * (1.01 + random.normal(0, 0.005, CELLS))
    ohmic = OHMIC * (1.0 + random.normal(0, 0.04, CELLS))
    ohmic[RESISTIVE] = OHMIC * RESISTIVE_FACTOR
    start = 0.85 + random.normal(0, 0.004, CELLS)
    cells = PackCells("Chen2020", capacity, start, ohmic)
    blocks = schedule(drive_cycles, cells)
    every = np.arange(0.0, DAYS * 86400, STEP)
    current = lead_cell_current(cells, RESISTIVE, blocks, every)
    awake = awake_rows(current, blocks, every)
    # Parked, the current is zero: one point a minute is enough, but keep both ends of each session.
    edge = np.convolve(awake, [1, 1, 1], "same") > 0
    keep = edge | (np.arange(every.size) % 6 == 0)
    keep[-1] = True
    time, discharge, awake = every[keep], current[keep], awake[keep]
    pack = solve_pack(cells, time, discharge)
    table = logged(time, discharge, pack, random)[awake].reset_index(drop=True)
    fault: dict[str, Any] = {"cell": RESISTIVE + 1, "fault": "high resistance"}
    fault["resistance_factor"] = RESISTIVE_FACTOR
    truth = {
        "seed": SEED,
        "parameter_set": "Chen2020",
        "cells": cell_truth(cells, OHMIC),
        "faulty_cells": [fault],
        "bms": {
            "counter_offset_a": BMS_OFFSET,
            "counter_offset_while": "current flows",
            "assumed_capacity_ah": BMS_CAPACITY,
            "jumps": [],
        },
        "soc": hourly_soc(START, pack, [RESISTIVE]),
    }
    volts = pack.voltage.sum(axis=1)
    dirt = soil(table)
    return Asset(NAME, START, time, -discharge, volts, dirt, mapping(), CAPACITY, 300.0, truth)
