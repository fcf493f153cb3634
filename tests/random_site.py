"""Random telemetry for any plugin, made from its manifest alone: with gaps, dirt, and any order of arrival."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from platform_interface.manifest import Input, Manifest, read_manifest
from platform_interface.mapping import site_name
from tests.kit import START, Rows

CELLS = 3
HOURS = 30
_SPAN = HOURS * 3_600_000


def pattern_of(name: str, given: Input) -> str:
    return given.sensor or site_name(name) + ("|*" if given.type == "pd.DataFrame" else "")


def parameters_of(manifest: Manifest) -> dict[str, Any]:
    """Return a plausible value for every parameter: the middle of its range, on a logarithmic scale where it is wide."""
    found = {}
    for name, given in manifest.inputs.items():
        if given.type == "float" and given.initialisation_value is None:
            low, high = given.valid_range or (1.0, 100.0)
            found[given.sensor or site_name(name)] = float(np.sqrt(low * high)) if low > 0 else (low + high) / 2
        elif given.type == "str":
            found[given.sensor or site_name(name)] = (given.choices or ["any"])[0]
    return found


def telemetry(manifest: Manifest, seed: int, samples: int = 160, gap_hours: float = 5.0) -> list[Rows]:
    """Return clean random samples of every sensor of a plugin, scalars on one time base, arrays on others."""
    random = np.random.default_rng(seed)
    scalars = {n: g for n, g in manifest.inputs.items() if g.type == "pd.Series"}
    rows = []
    if scalars:
        time = _times(random, samples, gap_hours)
        values = np.array([_walk(random, given, samples) for given in scalars.values()])
        names = tuple(pattern_of(name, given) for name, given in scalars.items())
        rows.append(Rows("pack", names, tuple(given.unit for given in scalars.values()), time, values))
    for name, given in manifest.inputs.items():
        if given.type == "pd.DataFrame":
            stem = pattern_of(name, given).removesuffix("|*")
            values = np.array([_walk(random, given, samples) for _ in range(CELLS)])
            names = tuple(f"{stem}|{i}" for i in range(CELLS))
            rows.append(Rows(name, names, (given.unit,) * CELLS, _times(random, samples, gap_hours), values))
    return rows


def _times(random: np.random.Generator, samples: int, gap_hours: float) -> np.ndarray:
    """Steps of seconds to minutes, over more than a day, and one long gap in the middle."""
    steps = random.choice([1_000, 10_000, 60_000, 250_000, 900_000], samples, p=[0.2, 0.3, 0.2, 0.1, 0.2])
    steps = np.rint(steps * (_SPAN / steps.sum())).astype(np.int64) // 10 * 10 + 10
    time = START + 7_200_000 + np.cumsum(steps)
    time[samples // 2 :] += round(gap_hours * 3_600_000)
    return time


def _walk(random: np.random.Generator, given: Input, samples: int) -> np.ndarray:
    """Stay well inside the valid range; a current changes its sign."""
    low, high = given.valid_range or (-100.0, 100.0)
    if given.quantity == "current":
        low, high = -80.0, 80.0
    if given.quantity in ("cell_voltage", "voltage"):
        low, high = max(low, 3.0), min(high, 4.2)
    middle, reach = (low + high) / 2, (high - low) * 0.45
    steps = np.cumsum(random.normal(0, 0.12, samples))
    return np.round(middle + reach * np.sin(steps + random.normal(0, 0.05, samples)), 4)


def dirty(rows: Rows, seed: int) -> Rows:
    """Add dirt: exact and conflicting duplicates, NaN, sentinels, values out of range; all at random."""
    random = np.random.default_rng(seed)
    count = max(1, rows.time.size // 25)
    values = rows.values.copy()
    for bad in (np.nan, 65535.0, 65.535, -1e9):
        where = random.integers(0, rows.time.size, count)
        values[random.integers(0, values.shape[0], count), where] = bad
    repeat = random.integers(0, rows.time.size, count)
    clash = random.integers(0, rows.time.size, count)
    clashing = values[:, clash].copy()
    clashing[0] = np.where(np.isnan(clashing[0]), 1.0, clashing[0] * 0.99)
    time = np.concatenate([rows.time, rows.time[repeat], rows.time[clash]])
    order = np.argsort(time, kind="stable")
    mixed = np.concatenate([values, values[:, repeat], clashing], axis=1)
    return Rows(rows.base, rows.names, rows.units, time[order], mixed[:, order])


def plugin_folders(*roots: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for root in roots for path in sorted(root.glob("*/model.json"))}


def manifest_of(folder: Path) -> Manifest:
    return read_manifest(folder)
