"""The site of the fault soak: two small assets, their samples, the pieces in which these arrive, and what is compared."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import requests

from platform_interface.platforms.base import Asset, Platform
from platform_interface.platforms.local import LocalPlatform
from platform_interface.platforms.local_series import DayFiles
from platform_interface.server.entities import id_of
from platform_interface.table import Table
from tests.serving import Server

START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
MINUTE = 60_000
CELLS = 4
#: Sensors and their units, by asset and time base.
SENSORS: dict[str, dict[str, dict[str, str]]] = {
    "pack": {"pack": {"Current": "ampere", "Voltage": "volt", "BMS SOC": "dimensionless", "Cell Temperature": "degC"}},
    "module": {"cells": {f"Cell Voltage|{n}": "volt" for n in range(1, CELLS + 1)}, "module": {"Current": "ampere"}},
}
ASSETS = tuple(SENSORS)
#: Models that must compute on an asset.
MODELS = {"pack": ("eq_cycles", "after_cycles", "alarming"), "module": ("voltage_monitor", "alarming")}
PARAMETERS = {"Capacity": 100.0, "positive_current": "discharge", "Chemistry": "NMC", "Cells in series": CELLS}

Key = tuple[str, str]


@dataclass(frozen=True)
class Piece:
    """Samples of one asset that a device sends at a time, in the order in which it sends them."""

    asset: str
    due: int
    names: tuple[str, ...]
    time: np.ndarray[Any, np.dtype[np.int64]]
    values: np.ndarray[Any, np.dtype[np.float64]]


def make_store(folder: Path) -> None:
    """Make both assets and enter their sensors; no samples yet."""
    platform = LocalPlatform(folder)
    for asset, bases in SENSORS.items():
        platform.save_asset(Asset(asset, parameters=PARAMETERS))
        for base, units in bases.items():
            platform.append(asset, base, Table(np.empty(0, np.int64), (), np.empty((0, 0))), units)


class Samples:
    """All samples of the soak.

    Parameters
    ----------
    minutes : int
        Length; a sample a minute, cells half a minute later, with two gaps.
    seed : int
        Of their noise.
    """

    def __init__(self, minutes: int, seed: int) -> None:
        random_values = np.random.default_rng(seed)
        every = np.arange(minutes)
        kept = every[~((every % 1000 > 400) & (every % 1000 < 430))]
        wave = np.sin(kept / 57.0)
        noise = random_values.normal(0, 1, (3, kept.size))
        current = 60 * wave + noise[0]
        cells = 3.7 + 0.4 * np.cos(kept / 131.0) + random_values.normal(0, 0.003, (CELLS, kept.size))
        cells[1] += np.where(kept % 700 > 600, 0.16, 0.0)  # one cell leaves its band now and then
        time = START + kept * MINUTE
        self.tables: dict[Key, Table] = {
            ("pack", "pack"): Table(time, tuple(SENSORS["pack"]["pack"]), np.round(np.stack(
                [current, 50 + wave + 0.01 * noise[1], 0.5 + 0.3 * wave, 25 + 5 * wave + 0.1 * noise[2]]), 4)),
            ("module", "cells"): Table(time + MINUTE // 2, tuple(SENSORS["module"]["cells"]), np.round(cells, 3)),
            ("module", "module"): Table(time, ("Current",), np.round(current[None, :], 2)),
        }  # fmt: skip
        self.minutes = minutes
        self.summary = ""

    def pieces(self, chance: random.Random) -> list[Piece]:
        """Cut the samples into pieces, each due at the run with this number: most in time, some late, some very late."""
        found = []
        for (asset, _), table in self.tables.items():
            low = 0
            while low < table.time.size:
                high = min(table.time.size, low + chance.randint(5, 90))
                order = np.array(chance.sample(range(low, high), high - low)) if chance.random() < 0.3 else np.arange(low, high)
                names = list(table.names)
                chance.shuffle(names)
                cut = chance.randint(0, len(names)) if chance.random() < 0.2 else 0  # some sensors of it later than others
                for some in (names[:cut], names[cut:]):
                    if some:
                        rows = [table.names.index(name) for name in some]
                        due = int((table.time[high - 1] - START) // (60 * MINUTE)) + _delay(chance)
                        values = np.ascontiguousarray(table.values[rows][:, order])
                        found.append(Piece(asset, due, tuple(some), table.time[order], values))
                low = high
        return found

    def bring_in(self, platform: LocalPlatform) -> None:
        """Append everything, in order."""
        for (asset, base), table in self.tables.items():
            platform.append(asset, base, table, SENSORS[asset][base])

    def missing(self, platform: LocalPlatform) -> list[str]:
        """Compare the samples in the store with those that were sent."""
        found = []
        sent = 0
        for (asset, base), table in self.tables.items():
            held = {name: part for part in platform.read(asset, table.names, 0, 2**52) for name in part.names}
            for name, values in zip(table.names, table.values, strict=True):
                there = held[name]
                row = there.values[there.names.index(name)]
                known = ~np.isnan(row)
                times, counts = np.unique(there.time[known], return_counts=True)
                lost, twice = np.setdiff1d(table.time, times).size, int((counts - 1).sum())
                strange = np.setdiff1d(times, table.time).size
                order = np.argsort(there.time[known], kind="stable")
                equal = not (lost or twice or strange) and bool((row[known][order] == values).all())
                sent += values.size
                if not equal:
                    found.append(
                        f"{asset}, {base}, {name}: {lost} samples lost, {twice} twice, {strange} never sent, or changed"
                    )
        self.summary = f"Samples: {sent:,} sent, 0 lost, 0 twice. "
        return found


def _delay(chance: random.Random) -> int:
    point = chance.random()
    return 0 if point < 0.7 else chance.randint(1, 6) if point < 0.95 else chance.randint(7, 40)


def piece_of(server: Server, piece: Piece) -> bool:
    """Send a piece once; whether the platform acknowledged it."""
    rows = [
        {"ts": int(time), "values": dict(zip(piece.names, map(float, values), strict=True))}
        for time, values in zip(piece.time, piece.values.T, strict=True)
    ]
    try:
        answer = requests.post(
            f"{server.address}/api/plugins/telemetry/ASSET/{id_of('asset', piece.asset)}/timeseries/ANY",
            data=json.dumps(rows), headers={**server.headers, "Content-Type": "application/json"}, timeout=30,
        )  # fmt: skip
    except requests.RequestException:
        return False
    return answer.status_code == 200 and not answer.content.strip()


def contents(platform: Platform, asset: str) -> dict[str, Any]:
    """Return every output, every alarm that is not withdrawn, and the last checkpoint of every model."""
    found: dict[str, Any] = {}
    outputs = sorted(name for name, sensor in platform.sensors(asset).items() if sensor.output)
    for table in platform.read(asset, outputs, 0, 2**52):
        for name, values in zip(table.names, table.values, strict=True):
            known = ~np.isnan(values)
            if known.any():
                order = np.argsort(table.time[known], kind="stable")
                found[f"output {name}"] = (table.time[known][order].tolist(), values[known][order].tolist())
    for model in MODELS[asset]:
        saved = platform.load_state(asset, f"checkpoint/{model}/")
        last = json.loads(saved[max(saved)]) if saved else {}
        found[f"checkpoint {model}"] = {key: last.get(key) for key in ("end", "state", "carry", "origin")}
    alarms = [{**alarm, "seen": None} for alarm in platform.alarms(asset) if alarm["status"] != "withdrawn"]
    found["alarms"] = sorted(alarms, key=lambda alarm: str(alarm["key"]))
    return found


def summary(asset: str, content: dict[str, Any]) -> str:
    """Say how much was compared."""
    outputs = [value for key, value in content.items() if key.startswith("output ")]
    points = sum(len(times) for times, _ in outputs)
    return (
        f"{asset}: {points:,} points of {len(outputs)} outputs, {len(content['alarms'])} alarms, "
        f"{sum(key.startswith('checkpoint') for key in content)} checkpoints are the same bit by bit, no point twice. "
    )


def differences(asset: str, found: dict[str, Any], wanted: dict[str, Any], store: Path) -> list[str]:
    """Compare bit by bit; a sentence for each series, checkpoint or list of alarms that is not the same."""
    said = [
        f"{asset}: {key} differs: {_first_difference(found.get(key), wanted.get(key))}"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    ]
    for base in sorted((store / asset / "series").glob("model.*")):
        twice = _twice(DayFiles(base), list(wanted))
        if twice:
            said.append(f"{asset}: {base.name} holds {twice} points twice")
    return said


def _twice(files: DayFiles, keys: list[str]) -> int:
    names = [key.removeprefix("output ") for key in keys if key.startswith("output ")]
    table = files.read(names, 0, 2**52)
    return sum(
        int((np.unique(table.time[~np.isnan(row)], return_counts=True)[1] - 1).sum()) for row in table.values if row.size
    )


def _first_difference(found: Any, wanted: Any) -> str:
    if isinstance(found, tuple) and isinstance(wanted, tuple):
        pairs = zip(zip(*found, strict=True), zip(*wanted, strict=True), strict=False)
        first = next(((a, b) for a, b in pairs if a != b), "the end")
        return f"{len(found[0])} points and {len(wanted[0])}; first at {first}"
    return f"{str(found)[:300]} is not {str(wanted)[:300]}"
