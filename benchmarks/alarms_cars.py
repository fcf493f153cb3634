"""Voltage monitor on two measured cars, beside their BMS's levels, and on sensor noise: ``python -m benchmarks.alarms_cars``.

Prints the tables of documentation/explanation/alarms-measured.md. Reads ../shared/data, or the folder in TWIN_SHARED_DATA; nothing of
it is kept. The limits come from the chemistry; those of the sweep are round numbers for comparison, none is fitted to a car.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import measured_data as measured
from platform_interface.backtest import Backtest, backtest
from platform_interface.launch import Launch, program_folder
from platform_interface.platforms.local import LocalPlatform
from platform_interface.settings import Settings, load_settings

CARS = ("ev-car2", "ev-car3")
#: Where an interval counts as operation. [s]
MAX_GAP = 300.0
EXTRA = {
    "BMSCellVoltageMin": {"sensor": "BMS Min Cell Voltage", "unit": "V"},
    "BMSCellVoltageMax": {"sensor": "BMS Max Cell Voltage", "unit": "V"},
}
BARE_DELAY = {"warning_on_delay_s": 0, "warning_off_delay_s": 0, "critical_on_delay_s": 0, "critical_off_delay_s": 0}
BARE_HYSTERESIS = {"undervoltage_hysteresis": 0, "overvoltage_hysteresis": 0}
#: One alarm a cell, however many; to tell what the grouping alone does.
EVERY_CELL = {"most_cell_alarms": 10000}
VARIANTS: Mapping[str, Mapping[str, float]] = {
    "neither": {**BARE_DELAY, **BARE_HYSTERESIS, **EVERY_CELL}, "delay": {**BARE_HYSTERESIS, **EVERY_CELL},
    "hysteresis": {**BARE_DELAY, **EVERY_CELL}, "both": EVERY_CELL, "both, grouped": {},
}  # fmt: skip
LIMITS = (
    *(("undervoltage_warning", limit) for limit in (3.1, 3.2, 3.3, 3.4, 3.5)),
    *(("overvoltage_warning", limit) for limit in (4.0, 4.05, 4.1)),
)


@dataclass(frozen=True)
class Car:
    """One car in a store of its own."""

    name: str
    launch: Launch
    settings: Settings
    store: Path
    frame: pd.DataFrame

    def what_if(self, **configuration: float) -> Backtest:
        """Run the monitor over the whole history with these values."""
        words = [f"{name}={value}" for name, value in configuration.items()]
        [result] = backtest(self.launch, self.settings, "voltage_monitor", self.name, changed=words)
        return result


def car(name: str, data: Path, folder: Path) -> Car:
    """Ingest a car with the BMS's own extremes."""
    item = measured.BY_NAME[name]
    mapping = json.loads((measured.MAPPINGS / f"{name}.json").read_text(encoding="utf-8"))
    mapping["columns"] |= EXTRA
    file = folder / f"{name}.json"
    file.write_text(json.dumps(mapping), encoding="utf-8")
    content: dict[str, Any] = {
        "assetId": name,
        "configurationValues": {
            "platform": {"store": str(folder / "store"), "reports": str(folder / "reports")},
            "execution": {"enabled_models": ["voltage_monitor"]},
        },
    }
    measured.command("ingest", str(data / item.file), "--asset", name, "--mapping", str(file), json.dumps(content))
    measured.command("run", json.dumps(content))
    launch = Launch.model_validate(content)
    settings = load_settings(program_folder() / "settings.json", launch)
    return Car(name, launch, settings, folder / "store", measured.raw(item, data))


def status_at_samples(car: Car) -> pd.DataFrame:
    """Return, at each sample that the monitor saw, its status, the BMS's level and extremes of the cells.

    `hours` is the time since the sample before, NaN behind a gap. [h]
    """
    platform = LocalPlatform(car.store)
    [table] = platform.read(car.name, ["Voltage Status"], 0, 2**62)
    cells = car.frame.filter(regex="^cell").replace(0.0, np.nan)
    local = pd.DatetimeIndex(car.frame["tboxTime"]).tz_localize("Asia/Shanghai").as_unit("ms")
    found = pd.DataFrame(
        {
            "time": np.asarray(local.asi8), "level": car.frame["BMSWarningInformation"].to_numpy(int),
            "low": cells.min(axis=1).to_numpy(), "high": cells.max(axis=1).to_numpy(),
        }
    ).drop_duplicates("time").sort_values("time", ignore_index=True)  # fmt: skip
    known = ~np.isnan(table.values[0])
    at = np.searchsorted(table.time[known], found["time"], side="right") - 1
    found["status"] = table.values[0][known][at].astype(int)
    hours = found["time"].diff() / 3_600_000.0
    return found.assign(hours=hours.where(hours <= MAX_GAP / 3600.0))


def by_level(name: str, seen: pd.DataFrame) -> Iterator[str]:
    """Return a line for each level of the BMS."""
    for level, part in seen.groupby("level"):
        hours = part["hours"].sum()
        spread = 1000.0 * (part["high"] - part["low"])
        limits = part.loc[part["status"] >= 5, "hours"].sum()
        above = seen["level"] >= level
        risen = int((above & ~above.shift(fill_value=False)).sum()) if level else 0
        low, high = part["low"].min(), part["high"].max()
        yield (
            f"| {name} | {level} | {risen or '–'} | {hours:.2f} | {low:.3f} | {high:.3f} | {spread.median():.0f} | "
            f"{spread.max():.0f} | {limits:.1f} |"
        )


STATES = {0: "OK", 1: "asynchronous", 2: "cell without value", 3: "stuck", 4: "no data", 5: "warning", 6: "critical"}


def by_status(name: str, seen: pd.DataFrame) -> str:
    """Return the time in each status."""
    hours = seen.groupby("status")["hours"].sum()
    gap_hours = seen["time"].diff().div(3_600_000.0)[seen["hours"].isna()].sum()
    cells = " | ".join(f"{hours.get(code, 0.0):.1f}" for code in STATES if code != 4)
    return f"| {name} | {cells} | {gap_hours:.0f} |"


def sweep(car: Car) -> Iterator[str]:
    """Return a line for each limit: alarms a day with and without delay and hysteresis."""
    for name, limit in LIMITS:
        found = {word: car.what_if(**{name: limit}, **values) for word, values in VARIANTS.items()}
        counts = " | ".join(
            f"{each.alarms} ({each.alarms_per_day or 0.0:.{1 if each.alarms >= 1000 else 2}f})" for each in found.values()
        )
        flood = f"{found['neither'].flood_minutes:.0f} → {found['both, grouped'].flood_minutes:.0f}"
        yield f"| {car.name} | {name.replace('_', ' ')} | {limit:g} | {counts} | {flood} |"


def agreement(car: Car, seen: pd.DataFrame) -> Iterator[str]:
    """Return, for limits between the normal and the usual warning, the time beyond beside the BMS's levels above 0, and Cohen's kappa."""
    warned = (seen["level"] >= 1).to_numpy()
    hours = np.nan_to_num(seen["hours"].to_numpy())
    total = hours.sum()
    for limit in (3.0, 3.2, 3.4, 3.5):
        beyond = (seen["low"] < limit).to_numpy()
        both, ours, theirs = (hours[mask].sum() for mask in (beyond & warned, beyond, warned))
        same = (hours[beyond == warned].sum()) / total
        chance = (ours * theirs + (total - ours) * (total - theirs)) / total**2
        kappa = "–" if ours == 0 else f"{(same - chance) / (1 - chance):+.2f}"
        yield f"| {car.name} | {limit:g} | {ours:.1f} | {theirs:.1f} | {both:.1f} | {same:.0%} | {kappa} |"


def noise() -> Iterator[str]:
    """Return alarms of a cell that falls through the limit by 20 mV in 4 h at 1 Hz, with noise of the sensor."""
    from models.voltage_monitor.model import VoltageMonitor
    from platform_interface import ModelInput
    from platform_interface.manifest import read_manifest

    manifest = read_manifest(program_folder() / "models" / "voltage_monitor")
    defaults = {name: option.default for name, option in manifest.configuration.items()}
    index = pd.date_range("2026-01-01", periods=14_400, freq="1s", tz="UTC")
    fall = np.linspace(3.01, 2.99, len(index))
    for sigma in (1.0, 2.0, 5.0, 10.0):
        counts = []
        for values in VARIANTS.values():
            raised = 0
            for seed in range(10):
                cell = fall + np.random.default_rng(seed).normal(0.0, sigma / 1000.0, len(index))
                model = VoltageMonitor({**defaults, **{name: float(value) for name, value in values.items()}})
                frame = pd.DataFrame({1: np.round(cell, 3)}, index)
                end = index[-1] + pd.Timedelta("1s")
                model.process(
                    ModelInput({"cell_voltage": frame, "chemistry": "NMC"}, index[0], end, {}, {"cell_voltage": 300.0})
                )
                raised += len({(alarm["name"], alarm["start"]) for alarm in model.alarms})
            counts.append(f"{raised / 10:.1f}")
        yield f"| {sigma:g} | {' | '.join(counts)} |"


def table(title: str, heads: str, lines: Iterator[str]) -> None:
    """Print one table as Markdown."""
    print(f"\n## {title}\n\n| {heads} |\n|{'---|' * len(heads.split(' | '))}")
    for line in lines:
        print(line, flush=True)


def main() -> int:
    """Print the tables."""
    variants = " | ".join(VARIANTS)
    table("Noise of the sensor on a limit", f"noise, 1 σ [mV] | {variants}", noise())
    data = measured.shared_data()
    if data is None:
        print("\nThe cars are left out: the measured data (../shared/data or TWIN_SHARED_DATA) are not here.", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory() as place:
        cars = [car(name, data, Path(place)) for name in CARS]
        seen = {each.name: status_at_samples(each) for each in cars}
        table("Limits by chemistry", "car | days | alarms | frames more than 10 mV off", (by_chemistry(each) for each in cars))
        words = " | ".join(f"{word} [h]" for code, word in STATES.items() if code != 4)
        table("Time in each status", f"car | {words} | no data [h]", (by_status(name, part) for name, part in seen.items()))
        heads = "car | level | risen to it | time [h] | lowest cell [V] | highest cell [V] | median spread [mV] | largest [mV]"
        levels = (line for name, part in seen.items() for line in by_level(name, part))
        table("By level of the BMS", f"{heads} | ours beyond a limit [h]", levels)
        heads = "car | limit [V] | below [h] | level ≥ 1 [h] | both [h] | agree | κ"
        beside = (line for each in cars for line in agreement(each, seen[each.name]))
        table("Time below a limit beside the BMS's levels 1 to 3", heads, beside)
        swept = (line for each in cars for line in sweep(each))
        heads = f"car | limit | [V] | {variants} | flood [min]"
        table("With and without delay and hysteresis: alarms (a day)", heads, swept)
    return 0


def by_chemistry(car: Car) -> str:
    """Return a line for the limits by chemistry."""
    result = car.what_if()
    return f"| {car.name} | {result.days:.0f} | {result.alarms} | {asynchronous(car.frame):.0%} |"


def asynchronous(frame: pd.DataFrame) -> float:
    """Return the share of frames whose reported extremes are more than 10 mV from those of the cells, by hand."""
    cells = frame.filter(regex="^cell").replace(0.0, np.nan)
    low = (frame["BMSCellVoltageMin"] - cells.min(axis=1)).abs()
    high = (frame["BMSCellVoltageMax"] - cells.max(axis=1)).abs()
    return float(((low > 0.01) | (high > 0.01)).mean())


if __name__ == "__main__":
    sys.exit(main())
