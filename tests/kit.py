"""A site for tests: the real embedded platform in a folder, real runs, and all that they leave behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from platform_interface.fleet import run_fleet
from platform_interface.launch import Launch
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.platforms.local_series import DayFiles
from platform_interface.report import RunReport
from platform_interface.settings import Settings
from platform_interface.table import Table

#: Memory where there is such a folder: a test waits for no disk.
SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None
START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
ASSET = "pack-1"
PLUGINS = Path(__file__).parent / "plugins"
#: Folders with plugins beside `models/`; a test may add its own.
FOLDERS = [PLUGINS]


@dataclass(frozen=True)
class Rows:
    """Samples of sensors on one time base, in the order in which they arrive."""

    base: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    time: np.ndarray
    values: np.ndarray

    def part(self, which: np.ndarray) -> Rows:
        return Rows(self.base, self.names, self.units, self.time[which], self.values[:, which])


@dataclass
class Site:
    """One asset on an embedded platform of its own."""

    folder: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tree: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.platform = LocalPlatform(self.folder)
        self.platform.save_asset(Asset(ASSET, "test", (), {"positive_current": "discharge", **self.parameters}))

    def put(self, *rows: Rows) -> None:
        """Deliver samples, as they are."""
        for part in rows:
            table = Table(part.time, part.names, np.ascontiguousarray(part.values))
            self.platform.append(ASSET, part.base, table, dict(zip(part.names, part.units, strict=True)))

    def settings(self, models: Sequence[str], **execution: Any) -> Settings:
        """Return settings as settings.json would give them."""
        return Settings.model_validate(
            {
                **self.tree,
                "platform": {"store": str(self.folder), "reports": str(self.folder)},
                "execution": {
                    "enabled_models": list(models),
                    "plugin_folders": [str(folder) for folder in FOLDERS],
                    **execution,
                },
            }
        )

    def run(self, models: Sequence[str], clock: int | None = None, **execution: Any) -> RunReport:
        """Run once; `clock` is the present. [ms UTC]"""
        settings = self.settings(models, **execution)
        if clock is None:
            return run_fleet(Launch(assetIds=[ASSET]), settings)
        return run_fleet(Launch(assetIds=[ASSET]), settings, clock=lambda: clock)

    def contents(self, models: Sequence[str]) -> dict[str, Any]:
        """Return every output series and the last checkpoint of every model, for comparison bit by bit."""
        found: dict[str, Any] = {}
        for model in models:
            files = DayFiles(self.folder / ASSET / "series" / f"model.{model}")
            for series in sorted(name for name, sensor in self.platform.sensors(ASSET).items() if sensor.output):
                table = files.read([series], -(2**62), 2**62)
                present = ~np.isnan(table.values[0])
                if present.any():
                    found[f"{model}/{series}"] = (table.time[present].tolist(), table.values[0][present].tolist())
            saved = self.platform.load_state(ASSET, f"checkpoint/{model}/")
            if saved:
                last = json.loads(saved[max(saved)])
                found[f"{model}/checkpoint"] = {key: last[key] for key in ("end", "state", "carry", "origin")}
        known = [{**alarm, "seen": None} for alarm in self.platform.alarms(ASSET) if alarm["status"] != "withdrawn"]
        found["alarms"] = sorted(known, key=lambda alarm: alarm["key"])
        return found

    def model(self, report: RunReport, name: str) -> Any:
        return next(model for model in report.assets[0].models if model.model == name)


def seconds(*values: float) -> np.ndarray:
    """Return times so many seconds after START. [ms UTC]"""
    return START + np.rint(np.asarray(values, float) * 1000).astype(np.int64)


def pack(time: np.ndarray, **sensors: Sequence[float]) -> Rows:
    """Return rows of the usual pack sensors: current, voltage, soc, temperature."""
    known = {"current": ("Current", "ampere"), "voltage": ("Voltage", "volt"), "soc": ("BMS SOC", "dimensionless"),
             "temperature": ("Cell Temperature", "degC")}  # fmt: skip
    names, units = zip(*(known[key] for key in sensors), strict=True)
    return Rows("pack", names, units, np.asarray(time, np.int64), np.asarray(list(sensors.values()), float))


EQ_CYCLES = {"models": {"eq_cycles": {"inputs": {"soc": "BMS SOC", "temperature": "Cell Temperature"}}}}
