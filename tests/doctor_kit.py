"""Simulated packs for the checks of a mapping, and a look at them as the doctor takes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from platform_interface.doctor.evidence import evidence_of
from platform_interface.doctor.examine import Sighted, channel_of, sensors_of
from platform_interface.doctor.findings import Finding
from platform_interface.platforms.base import Asset, Sensor
from platform_interface.settings import AssetFacts
from platform_interface.table import Table

CELLS, PROBES, DAYS, STEP = 16, 4, 6, 30
#: 2026-03-26: three days before clocks are set forward in Europe. 2026-10-22: three days before they are set back.
SPRING, AUTUMN = 1_774_483_200_000, 1_792_627_200_000
ROLES = {"Current": "current", "Voltage": "voltage", "BMS SOC": "soc", "Cell Temperature": "temperature"}
CAPACITY = 100.0


@dataclass(frozen=True)
class Logged:
    """One sensor or array: its unit as mapped, its times, its raw values, shape (k, n)."""

    unit: str
    time: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Pack:
    """Everything that is logged of one battery, and what is stated of it."""

    sensors: dict[str, Logged]
    asset: Asset
    facts: AssetFacts = field(default_factory=AssetFacts)

    def having(self, **changes: Logged) -> Pack:
        """Return the pack with other samples of some sensors, by their short names."""
        return replace(self, sensors={**self.sensors, **{name_of(key): value for key, value in changes.items()}})


def name_of(key: str) -> str:
    return {"current": "Current", "voltage": "Voltage", "soc": "BMS SOC", "cells": "Cell Voltage|*", "probes": "Temperature|*",
            "hottest": "Cell Temperature"}[key]  # fmt: skip


def simulated(seed: int, start: int = SPRING) -> Pack:
    """Simulate a pack over six days: drives, pauses, charges; LFP for odd seeds, NMC for even ones."""
    random = np.random.default_rng(seed)
    time = start + np.arange(0, DAYS * 86_400, STEP, dtype=np.int64) * 1000
    current = _current(random, time.size)
    soc = np.clip(0.75 - np.cumsum(current) * STEP / 3600 / CAPACITY, 0.02, 0.98)
    lfp = seed % 2 == 1
    balance = random.normal(0, 0.01, CELLS)[:, None]
    resistance = 0.001 * random.normal(1, 0.05, CELLS)[:, None]
    cells = _open_circuit(soc[None, :] + balance, lfp) - resistance * current + random.normal(0, 0.0005, (CELLS, time.size))
    day = 2 * np.pi * time / 86_400_000
    body = 18 + 4 * np.sin(day) + np.cumsum(random.normal(0, 0.02, time.size)) + _warmed(current)
    probes = body + random.normal(0, 1.0, PROBES)[:, None] + random.normal(0, 0.1, (PROBES, time.size))
    probes = np.round(probes * 2) / 2
    pack = cells.sum(axis=0) * random.normal(1, 0.001) + random.normal(0, 0.02, time.size)
    sensors = {
        "Current": Logged("ampere", time, np.round(current + random.normal(0, 0.05, time.size), 1)[None]),
        "Voltage": Logged("volt", time, np.round(pack, 2)[None]),
        "BMS SOC": Logged("percent", time, np.round(soc * 200)[None] / 2),
        "Cell Voltage|*": Logged("millivolt", time, np.round(cells * 1000)),
        "Temperature|*": Logged("degC", time, probes),
        "Cell Temperature": Logged("degC", time, np.round(probes.max(axis=0))[None]),
    }
    parameters = {"Capacity": CAPACITY, "Cells in series": CELLS, "positive_current": "discharge", "time_zone": "Europe/Berlin"}
    return Pack(sensors, Asset("pack", parameters=parameters))


def _current(random: np.random.Generator, size: int) -> np.ndarray:
    """Draw a load that returns to its charge: pieces of half an hour, pulses within, pauses at night."""
    piece = 1800 // STEP
    level = np.repeat(random.choice([-40.0, -20.0, 0.0, 0.0, 20.0, 40.0], -(-size // piece)), piece)[:size]
    pulses = np.repeat(random.normal(0, 10, -(-size // 2)), 2)[:size]
    current = np.where(level > 0, level + pulses, level)
    charge, held = 0.0, np.empty(size)
    for place in range(0, size, piece):  # turn a piece round that would leave 15 to 90 % of charge
        part = current[place : place + piece]
        share = part.sum() * STEP / 3600 / CAPACITY
        part = -part if not -0.15 < charge + share < 0.6 else part
        charge += part.sum() * STEP / 3600 / CAPACITY
        held[place : place + piece] = part
    return held


def _open_circuit(soc: np.ndarray, lfp: bool) -> np.ndarray:
    if lfp:
        return 3.30 + 0.04 * (soc - 0.5) - 0.3 * np.exp(-soc / 0.05) + 0.15 * np.exp((soc - 1) / 0.02)
    return 3.45 + 0.75 * soc - 0.25 * np.exp(-soc / 0.06)


def _warmed(current: np.ndarray) -> np.ndarray:
    """Return the warming by the load: 1 h time constant, 6 °C at 40 A for long."""
    heat = 6.0 * (current / 40.0) ** 2
    share = 1 - np.exp(-STEP / 3600)
    weights = share * (1 - share) ** np.arange(int(6 * 3600 / STEP))
    return np.convolve(heat, weights)[: heat.size]


def look(pack: Pack) -> list[Finding]:
    """Weigh a pack day by day, as the doctor does, and return what is found."""
    known = {}
    for pattern, logged in pack.sensors.items():
        for name in _names(pattern, logged):
            known[name] = Sensor(name, logged.unit)
    mapped = {**ROLES, "Cell Voltage|*": "cell_voltage", "Temperature|*": "temperature"}
    sighted = sensors_of(known, mapped, pack.facts, pack.asset)
    evidence = evidence_of(pack.asset, pack.facts, rows=None)
    start = min(int(logged.time.min()) for logged in pack.sensors.values()) // 86_400_000 * 86_400_000
    end = max(int(logged.time.max()) for logged in pack.sensors.values())
    for day in range(start, end + 1, 86_400_000):
        tables = [_table(each, pack.sensors[each.pattern]).between(day, day + 86_400_000) for each in sighted]
        channels = {each.pattern: channel_of(each, [table]) for each, table in zip(sighted, tables, strict=True)}
        evidence.add({pattern: channel for pattern, channel in channels.items() if channel.time.size})
        evidence.clock.add_stamps(tables[0].time)
    return evidence.findings(pack.asset.id)


def _names(pattern: str, logged: Logged) -> list[str]:
    stem = pattern.removesuffix("*")
    return [f"{stem}{number + 1}" for number in range(logged.values.shape[0])] if stem != pattern else [pattern]


def _table(sighted: Sighted, logged: Logged) -> Table:
    return Table(logged.time, sighted.names, logged.values)
