"""Measured data through the real commands, beside the same numbers from plain NumPy and pandas: ``python -m benchmarks.measured_data``.

Prints the tables of documentation/explanation/measured-data.md. Reads ../shared/data, or the folder in TWIN_SHARED_DATA; nothing of
it is kept. The independent part imports nothing of this project and is written another way than the plugin on purpose.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
MAPPINGS = ROOT / "tests" / "mappings"
REPEATED = "CS2_35_2_10_11"  # a file of CS2_35 that repeats CS2_35_2_4_11
Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DataSet:
    """One asset out of the measured data, and its columns for the independent calculation."""

    asset: str
    file: str
    time: str
    current: str
    voltage: str
    charge_is: float
    capacity: float
    max_gap: float
    soc: str | None = None
    cell: str | None = None
    cells: bool = False
    conflicts: str = "drop"
    positive_current: str | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)


_EV = ("tboxTime", "BMSBatteryCurrent", "BMSBatteryVoltage", -1.0, 120.0)
_CALCE = ("calce_cs2/timeseries_CS2_35_37.parquet", "time", "current_a", "voltage_v", 1.0, 1.1, 1200.0)
_PLAIN = {"enable_efficiency_correction": False, "assume_soh": 1.0}
DATA_SETS = (
    DataSet("ev-car2", "ev_faults_4cars/car2.parquet", *_EV, 600.0, "vehBMSPackSOC", cells=True),
    DataSet("ev-car3", "ev_faults_4cars/car3.parquet", *_EV, 300.0, "vehBMSPackSOC", cells=True),
    DataSet("ev-hd", "ev_hd_lfp_352ah/days_10s.parquet", "time", "pack_current_a", "pack_voltage_v", -1.0, 352.0, 300.0, "soc_pct"),
    DataSet(
        "bess-pylontech", "bess_pylontech_us2000c/module6_20s.parquet", "time", "current_a", "pack_voltage_v", 1.0, 50.0, 300.0,
        cells=True,
    ),
    DataSet("calce-cs2-35", *_CALCE, cell="CS2_35", configuration=_PLAIN),
    DataSet("calce-cs2-37", *_CALCE, cell="CS2_37", configuration=_PLAIN),
)  # fmt: skip
BY_NAME = {item.asset: item for item in DATA_SETS}


def shared_data() -> Path | None:
    """Return the folder of measured data, or None where it is not."""
    folder = Path(os.environ.get("TWIN_SHARED_DATA") or ROOT.parent / "shared" / "data")
    return folder if folder.is_dir() else None


# --- the real commands ---


def launch(item: DataSet, store: Path, **execution: Any) -> str:
    """Return the launch as inline JSON: a store of its own, eq_cycles with a gate of 0, the longest gap stated."""
    plugins = _cell_reader(store / "plugins") if item.cells else None
    return json.dumps({
        "assetId": item.asset,
        "configurationValues": {
            "platform": {"store": str(store / "store"), "reports": str(store / "reports")},
            "execution": {
                "enabled_models": ["eq_cycles", *(["cell_reading"] if plugins else [])],
                "plugin_folders": [str(plugins)] if plugins else [], **execution,
            },
            "sensors": {"Current": {"max_gap": item.max_gap, "conflicts": item.conflicts}},
            "assets": {item.asset: {"positive_current": item.positive_current}} if item.positive_current else {},
            "models": {"eq_cycles": {"configuration": {"rainflow_depth_gate": 0.0, "soc_jump_limit": 1.0, **item.configuration}}},
        },
    })  # fmt: skip


def command(*arguments: str) -> str:
    """Run one command of entrypoint.py; return what it printed."""
    environment = {**os.environ, "COLUMNS": "400"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "entrypoint.py"), *arguments], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def bring_in(item: DataSet, file: Path, store: Path) -> str:
    """Ingest a file with the asset's mapping."""
    return command(
        "ingest", str(file), "--asset", item.asset, "--mapping", str(MAPPINGS / f"{item.asset}.json"), launch(item, store)
    )


def compute(item: DataSet, store: Path, *options: str, **execution: Any) -> dict[str, Any]:
    """Run, and return the asset's part of the report; the printed text is under ``printed``."""
    printed = command("run", *options, launch(item, store, **execution))
    asset: dict[str, Any] = json.loads((store / "reports" / "latest.json").read_text())["assets"][0]
    return asset | {"printed": printed}


def latest(asset: Mapping[str, Any], model: str = "eq_cycles") -> dict[str, float]:
    """Return the last value of every output."""
    found = next(report for report in asset["models"] if report["model"] == model)
    return {name: pair[0] for name, pair in found["latest"].items()}


def sensor(asset: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what the report says of a sensor."""
    return next(report for report in asset["sensors"] if report["sensor"] == name)


def _cell_reader(folder: Path) -> Path:
    """Write a plugin that reads all cells, so that the checks look at them."""
    home = folder / "cell_reading"
    home.mkdir(parents=True, exist_ok=True)
    manifest = {
        "manifest_version": 1, "name": "cell_reading", "version": "1.0.0", "state_version": 1, "description": "Lowest cell.",
        "inputs": {"cell_voltage": {
            "type": "pd.DataFrame", "unit": "volt", "quantity": "cell_voltage", "valid_range": [0.5, 5.0], "max_gap": "10min",
        }},
        "outputs": {"lowest_cell": {"unit": "volt", "decimation_threshold": 0.001}},
    }  # fmt: skip
    (home / "model.json").write_text(json.dumps(manifest))
    (home / "__init__.py").write_text("")
    (home / "model.py").write_text(
        "from platform_interface import Model, register_model\n\n\n@register_model('cell_reading')\nclass CellReading(Model):\n"
        "    def process(self, data):\n        return {'lowest_cell': data['cell_voltage'].min(axis=1)}\n"
    )
    return folder


# --- the same by hand ---


def raw(item: DataSet, data: Path) -> pd.DataFrame:
    """Read the file, whole, and the rows of this asset."""
    frame = pd.read_parquet(data / item.file)
    return frame if item.cell is None else frame[frame["cell"] == item.cell].reset_index(drop=True)


def milliseconds(item: DataSet, frame: pd.DataFrame) -> Times:
    """Return the clock's times; only intervals matter here, so no zone is needed."""
    return frame[item.time].to_numpy().astype("datetime64[ms]").astype(np.int64)


def settled(time: Times, value: Floats, conflicts: str = "drop") -> tuple[Times, Floats, dict[str, int]]:
    """Sort; take equal samples once; of samples with one time and unequal values none, or the mean."""
    pairs = pd.DataFrame({"time": time, "value": value})
    counts = {
        "out of order": int((time < np.maximum.accumulate(time)).sum()),
        "exact duplicates": int(pairs.duplicated().sum()),
    }
    groups = pairs.drop_duplicates().groupby("time")["value"].agg(["mean", "size"])
    counts["conflicting duplicates"] = int((groups["size"] > 1).sum())
    kept = groups if conflicts == "mean" else groups[groups["size"] == 1]
    return kept.index.to_numpy(np.int64), kept["mean"].to_numpy(float), {kind: count for kind, count in counts.items() if count}


def areas(time: Times, flow: Floats, max_gap: float) -> tuple[float, float]:
    """Return the area above and under zero of straight lines between samples: each crossing is made a sample. [flow times h]"""
    hours = (time - time[0]) / 3_600_000.0
    begin, end, left, right = hours[:-1], hours[1:], flow[:-1], flow[1:]
    counted = (np.diff(time) <= max_gap * 1000.0) & np.isfinite(left) & np.isfinite(right)
    begin, end, left, right = begin[counted], end[counted], left[counted], right[counted]
    crossing = left * right < 0
    middle = np.where(crossing, begin + (end - begin) * left / np.where(crossing, left - right, 1.0), end)
    height = np.where(crossing, 0.0, right)
    pieces = np.concatenate([(middle - begin) * (left + height) / 2, np.where(crossing, (end - middle) * right / 2, 0.0)])
    return math.fsum(pieces[pieces > 0]), -math.fsum(pieces[pieces < 0])


def by_hand(item: DataSet, frame: pd.DataFrame) -> dict[str, float]:
    """Return throughput, energy and equivalent full cycles."""
    clock = milliseconds(item, frame)
    amperes = frame[item.current].to_numpy(float)
    time, current, _ = settled(clock, amperes * item.charge_is, item.conflicts)
    volt_time, volt, _ = settled(clock, frame[item.voltage].to_numpy(float))
    charged, discharged = areas(time, current, item.max_gap)
    joined = pd.merge_asof(
        pd.DataFrame({"time": time}), pd.DataFrame({"time": volt_time, "volt": volt}), on="time", tolerance=60_000
    )
    into, out = areas(time, current * joined["volt"].to_numpy(float), item.max_gap)
    return {
        "Charged Capacity": charged, "Discharged Capacity": discharged, "Charge Throughput": charged + discharged,
        "Charged Energy": into / 1000, "Discharged Energy": out / 1000, "Energy Throughput": (into + out) / 1000,
        "Equivalent Full Cycles": (charged + discharged) / (2 * item.capacity),
    }  # fmt: skip


def gaps_by_hand(item: DataSet, frame: pd.DataFrame) -> tuple[int, float]:
    """Return number and length of the intervals between samples of the current that are longer than the gap. [s]"""
    time, _, _ = settled(milliseconds(item, frame), frame[item.current].to_numpy(float), item.conflicts)
    steps = np.diff(time) / 1000.0
    wide = steps[steps > item.max_gap]
    return len(wide), float(wide.sum())


def rainflow_by_package(levels: Floats) -> tuple[float, float]:
    """Return cycles closed by the last turning point that is sure, and the sum of count times range, of the package `rainflow`.

    The package takes the last sample for a turning point; a run that goes on tomorrow cannot. What is open at the end comes last, as half
    cycles that hang together and shrink.
    """
    import rainflow

    turns = [position for position, _ in rainflow.reversals(levels)]
    sure = list(rainflow.extract_cycles(levels[: turns[-2] + 1]))
    unpaired, reached, deeper = 0, turns[-2], 0.0
    for depth, _, count, start, end in reversed(sure):
        if count != 0.5 or end != reached or depth <= deeper:
            break
        unpaired, reached, deeper = unpaired + 1, start, depth
    closed = math.fsum(cycle[2] for cycle in sure[: len(sure) - unpaired])
    return closed, math.fsum(depth * count for depth, _, count, _, _ in rainflow.extract_cycles(levels))


def cycler_sum(item: DataSet, data: Path) -> float:
    """Return charged plus discharged capacity by the cycler's own count, the repeated file once. [Ah]"""
    table = pd.read_csv(data / "calce_cs2" / "cycles.csv")
    table = table[(table["cell"] == item.cell) & (table["file"] != REPEATED)]
    return float(table["charge_ah"].sum() + table["discharge_ah"].sum())


# --- the tables ---

SHOWN = {"Charged Capacity": "Ah", "Charge Throughput": "Ah", "Energy Throughput": "kWh", "Equivalent Full Cycles": "cycles"}


@dataclass(frozen=True)
class Row:
    """One line of the table of results."""

    asset: str
    quantity: str
    ours: float
    other: float
    whose: str = "by hand"

    @property
    def difference(self) -> float:
        return self.ours / self.other - 1.0 if self.other else self.ours

    def __str__(self) -> str:
        size = abs(self.difference)
        shown = f"{self.difference:+.2%}" if size > 1e-4 else f"{size:.0e}" if size else "0"
        return f"| {self.asset} | {self.quantity} | {self.ours:.9g} | {self.other:.9g} | {self.whose} | {shown} |"


def results(item: DataSet, data: Path, asset: Mapping[str, Any], note: str = "") -> Iterator[Row]:
    """Compare one run with what it is held against."""
    frame = raw(item, data)
    ours, hand = latest(asset), by_hand(item, frame)
    for name, unit in ({} if note else SHOWN).items():
        yield Row(item.asset + note, f"{name} [{unit}]", ours[name], hand[name])
    if item.soc is not None:
        time = milliseconds(item, frame)
        _, soc, _ = settled(time, frame[item.soc].to_numpy(float))
        closed, depth = rainflow_by_package(soc / 100.0)
        yield Row(item.asset + note, "Rainflow Cycles, closed", ours["Rainflow Cycles"], closed, "package rainflow")
        yield Row(
            item.asset + note, "Rainflow Equivalent Cycles", ours["Rainflow Equivalent Cycles"], depth, "package rainflow"
        )
    if item.cell is not None:
        rule = item.configuration.get("integration", "trapezoid")
        whole = ours["Equivalent Cycles"] * 2 * item.capacity
        yield Row(item.asset + note, f"2 C × Equivalent Cycles, {rule} [Ah]", whole, cycler_sum(item, data), "cycler")
        if not note:
            once = frame[frame["file"] != REPEATED]
            every = areas(milliseconds(item, once), once[item.current].to_numpy(float), item.max_gap)
            yield Row(item.asset + ", by hand, no sample dropped", "charge [Ah]", sum(every), cycler_sum(item, data), "cycler")


def dirt(item: DataSet, asset: Mapping[str, Any]) -> Iterator[str]:
    """Return a line for each sensor."""
    for report in asset["sensors"]:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in report["dirt"].items()) or "none"
        gap = f"{report['gaps']:,} longer than {report['max_gap_seconds']:g} s, {report['gap_seconds'] / 86400:.1f} d together"
        name = report["sensor"].replace("|", "\\|")
        yield f"| {item.asset} | {name} | {report['rows']:,} | {report['used']:,} | {counts} | {gap} |"


def by_length(item: DataSet, frame: pd.DataFrame) -> Iterator[str]:
    """Return, by the length of the interval, what the straight line between samples makes of it: where it no longer explains the SOC, stop.

    In the cells of CALCE, which have no SOC, the cycler's own count stands for it.
    """
    if item.cell is not None:
        frame = frame[frame["file"] != REPEATED]
    frame = frame[~frame.duplicated([item.time, item.current])]
    clock, amperes = milliseconds(item, frame), frame[item.current].to_numpy(float) * item.charge_is
    if item.soc is not None:
        counted = np.diff(frame[item.soc].to_numpy(float)) / 100.0 * item.capacity
    else:
        counted = np.diff((frame["charge_ah"] - frame["discharge_ah"]).to_numpy(float))
        counted[frame["file"].astype(str).to_numpy()[1:] != frame["file"].astype(str).to_numpy()[:-1]] = 0.0
    seconds = np.diff(clock) / 1000.0
    line = (amperes[1:] + amperes[:-1]) / 2 * seconds / 3600.0
    for low, high in ((0, 60), (60, 300), (300, 600), (600, 1200), (1200, 3600), (3600, math.inf)):
        inside = (seconds > low) & (seconds <= high)
        yield f"| {item.asset} | {low} to {high:g} s | {inside.sum():,} | {line[inside].sum():+.1f} | {counted[inside].sum():+.1f} |"


def variants() -> Iterator[tuple[DataSet, str]]:
    """Return every run of the benchmark; the cells of CALCE also with the mean of conflicting samples, and with the vendor's rule."""
    from dataclasses import replace

    for item in DATA_SETS:
        yield item, ""
        if item.cell is not None:
            yield replace(item, conflicts="mean"), ", conflicts: mean"
            yield replace(item, configuration={**item.configuration, "integration": "right"}), ", integration: right"


def main() -> int:
    """Print the tables as Markdown."""
    data = shared_data()
    if data is None:
        print("the measured data are not here; they belong into ../shared/data, or set TWIN_SHARED_DATA", file=sys.stderr)
        return 1
    rows: list[str] = []
    findings: list[str] = []
    sentences: list[str] = []
    lengths: list[str] = []
    for item, note in variants():
        with tempfile.TemporaryDirectory() as folder:
            brought = bring_in(item, data / item.file, Path(folder))
            asset = compute(item, Path(folder))
        rows += [str(row) for row in results(item, data, asset, note)]
        if not note:
            findings += dirt(item, asset)
            lengths += by_length(item, raw(item, data)) if item.soc or item.cell else []
            lines = [line.strip() for line in (brought + asset["printed"]).splitlines()]
            wanted = (" rows, ", "out of order", "duplicates", "sentinel", "unequal values", "not computable", "add no energy")
            sentences += [line for line in lines if any(word in line for word in wanted)]
    print("| data set | quantity | ours | other | whose | difference |\n|---|---|--:|--:|---|--:|", *rows, sep="\n")
    print("\n| data set | sensor | rows | used | dirt | gaps |\n|---|---|--:|--:|---|---|", *findings, sep="\n")
    print(
        "\n| data set | interval | number | straight line [Ah] | SOC × C, or cycler [Ah] |\n|---|---|--:|--:|--:|",
        *lengths,
        sep="\n",
    )
    print("\n```text", *sentences, "```", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
