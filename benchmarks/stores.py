"""Synthetic stores, written through the embedded platform itself: ``python -m benchmarks.stores <what> <folder> <number>``.

Runs in a process of its own, so that the memory it takes is not counted to what is measured.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.table import Table, Values
from platform_interface.when import DAY

CELLS = 96
BEGIN = 1_704_067_200_000  # 2024-01-01T00:00Z
HOUR = 3_600_000
#: How long the load of the cells stays as it is. [s]
LOAD_STEP = 10
YEAR = 365
#: Sampling of the pack sensors. [ms]
PACK_STEP = 10_000
PACK_UNITS = {"Current": "A", "Voltage": "V", "BMS SOC": "percent", "Cell Temperature": "degC"}


def cell_day(day: int) -> Values:
    """Return a day of all cells at 1 Hz: one full cycle under an unsteady load, cells a few mV apart, resolution 1 mV. [V]"""
    random = np.random.default_rng(day)
    offsets = np.random.default_rng(0).normal(0.0, 0.004, (CELLS, 1))
    phase = 2 * np.pi * np.arange(DAY // 1000) / (DAY // 1000)
    pack = 3.3 + 0.25 * np.sin(phase) + 0.03 * np.sin(37 * phase)
    load = np.repeat(random.normal(0.0, 0.015, phase.size // LOAD_STEP), LOAD_STEP)
    noise = random.standard_normal((CELLS, phase.size), np.float32) * 0.0015
    return np.asarray(np.round(pack + load + offsets + noise, 3))


def write_cells(folder: Path, days: int) -> None:
    """Write the asset ``cells``, and ``cells-<n>`` with its first n days as hard links, to see growth."""
    platform = LocalPlatform(folder)
    platform.save_asset(Asset("cells", "96 cells at 1 Hz"))
    names = tuple(f"Cell Voltage|{number}" for number in range(CELLS))
    for day in range(days):
        time = BEGIN + day * DAY + np.arange(0, DAY, 1000, dtype=np.int64)
        platform.append("cells", "cell_voltage", Table(time, names, cell_day(day)), dict.fromkeys(names, "V"))
        print(f"  day {day + 1} of {days}", file=sys.stderr)
    for first in (1, 3, 10):
        asset = f"cells-{first}"
        platform.save_asset(Asset(asset))
        platform.append(asset, "cell_voltage", Table(np.empty(0, np.int64), (), np.empty((0, 0))), dict.fromkeys(names, "V"))
        source, target = (folder / name / "series" / "cell_voltage" for name in ("cells", asset))
        target.mkdir(parents=True)
        for file in sorted(source.glob("*.parquet"))[:first]:
            os.link(file, target / file.name)


def pack(start: int, end: int) -> Table:
    """Return the pack sensors between two instants: a cycle of 8 h with noise, at the resolution of real loggers."""
    time = np.arange(start, end, PACK_STEP, dtype=np.int64)
    random = np.random.default_rng(start // HOUR)
    phase = 2 * np.pi * (time % (8 * HOUR)) / (8 * HOUR)
    current = np.round(40 * np.sin(phase) + random.normal(0, 0.5, time.size), 1)
    soc = np.round(50 + 40 * np.cos(phase), 1)
    voltage = np.round(316 + 24 * np.cos(phase) - 0.05 * current, 1)
    temperature = np.round(25 + 3 * np.sin(phase) + random.normal(0, 0.1, time.size), 1)
    return Table(time, tuple(PACK_UNITS), np.stack([current, voltage, soc, temperature]))


def pack_day(day: int) -> tuple[Values, Values]:
    """Return a day at 1 Hz of a 96-cell NMC pack of 50 Ah: two cycles with rests.

    Returns
    -------
    cells : ndarray, shape (96, 86400)
        Resolution 1 mV. [V]
    pack : ndarray, shape (2, 86400)
        Current, positive on discharge, and terminal voltage. [A], [V]
    """
    from models.chemistry import chemistry

    random = np.random.default_rng(day)
    seconds = np.arange(DAY // 1000)
    hour = seconds / 3600 % 12
    current = np.select([hour < 4, hour < 6, hour < 10], [8.0, 0.0, -8.0], 0.0)
    current += np.where(current != 0, np.repeat(random.normal(0.0, 2.0, seconds.size // LOAD_STEP), LOAD_STEP), 0.0)
    soc = np.clip(0.85 - np.cumsum(current) / 3600 / 50, 0.05, 0.95)
    mean = np.interp(soc, levels := np.linspace(0, 1, 201), np.asarray(chemistry("NMC").ocv(levels)))
    fixed = np.random.default_rng(0)
    offsets, resistance = fixed.normal(0.0, 0.004, (CELLS, 1)), fixed.normal(1.5e-3, 3e-5, (CELLS, 1))
    noise = random.standard_normal((CELLS, seconds.size), np.float32) * 0.0008
    cells = np.round(mean + offsets - resistance * current + noise, 3)
    return cells, np.stack([np.round(current, 1), np.round(cells.sum(axis=0), 1)])


def write_pack(folder: Path, days: int) -> None:
    """Write the asset ``pack``: 96 cells, current and voltage at 1 Hz, for all models together."""
    platform = LocalPlatform(folder)
    parameters = {"Capacity": 50.0, "Chemistry": "NMC", "Cells in series": CELLS, "positive_current": "discharge"}
    platform.save_asset(Asset("pack", "96 cells, current and voltage at 1 Hz", parameters=parameters))
    names = tuple(f"Cell Voltage|{number}" for number in range(1, CELLS + 1))
    sensors = ("Current", "Voltage")
    for day in range(days):
        time = BEGIN + day * DAY + np.arange(0, DAY, 1000, dtype=np.int64)
        cells, pack = pack_day(day)
        platform.append("pack", "cell_voltage", Table(time, names, cells), dict.fromkeys(names, "V"))
        platform.append("pack", "pack", Table(time, sensors, pack), {name: PACK_UNITS[name] for name in sensors})
        print(f"  day {day + 1} of {days}", file=sys.stderr)


def write_history(folder: Path, days: int) -> None:
    """Write ``year`` and ``day``, which both end at the same midnight."""
    platform = LocalPlatform(folder)
    end = BEGIN + YEAR * DAY
    for name, length in (("year", days), ("day", 1)):
        parameters = {"Capacity": 50.0, "positive_current": "discharge"}
        platform.save_asset(Asset(name, parameters=parameters))
        platform.append(name, "pack", pack(end - length * DAY, end), PACK_UNITS)


def append_hour(folder: Path, number: int) -> None:
    """Append the hour `number` after the history to both assets."""
    start = BEGIN + YEAR * DAY + number * HOUR
    for name in ("year", "day"):
        LocalPlatform(folder).append(name, "pack", pack(start, start + HOUR), PACK_UNITS)


def ingest_demo(folder: Path, _number: int) -> None:
    """Bring in the demo fleet."""
    from platform_interface.demo import bring_in

    bring_in(LocalPlatform(folder))


if __name__ == "__main__":
    {"cells": write_cells, "pack": write_pack, "history": write_history, "hour": append_hour, "demo": ingest_demo}[sys.argv[1]](
        Path(sys.argv[2]), int(sys.argv[3])
    )
