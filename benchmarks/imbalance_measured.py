"""Imbalance on the demo fleet, on measured data and on simulated packs: ``python -m benchmarks.imbalance_measured``.

Prints the tables of documentation/explanation/imbalance-measured.md. The measured part reads ../shared/data, or the folder in
TWIN_SHARED_DATA, and says so where it is not there; nothing of it is kept. ``--packs N`` sets how many packs are simulated.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.measured_data import BY_NAME, MAPPINGS, ROOT, command, shared_data
from models.chemistry import chemistry
from models.imbalance_analysis.model import ImbalanceAnalysis
from platform_interface.manifest import read_manifest
from platform_interface.model import ModelInput
from platform_interface.platforms.local import LocalPlatform

Floats = npt.NDArray[np.float64]
DEMO = ROOT / "platform_interface" / "demo_fleet"
MODEL = "imbalance_analysis"
ALL_TIME = (0, 2**62)
DAY = 86_400_000


# --- one asset by the real commands ---


@dataclass(frozen=True)
class Result:
    """What one asset has on the platform after ingest and run."""

    asset: str
    store: Path
    report: dict[str, Any]

    def alarms(self) -> list[dict[str, Any]]:
        """Return the alarms, oldest first."""
        return sorted(LocalPlatform(self.store / "store").alarms(self.asset), key=lambda alarm: alarm["start"])

    def series(self, name: str) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return times and values of one output series."""
        (table,) = LocalPlatform(self.store / "store").read(self.asset, [name], *ALL_TIME)
        present = np.isfinite(table.values[0])
        return table.time[present], table.values[0][present]

    def last(self, name: str) -> dict[int, float]:
        """Return the last value of every cell of an array output."""
        platform = LocalPlatform(self.store / "store")
        names = [each for each in platform.sensors(self.asset) if each.startswith(f"{name}|")]
        return {int(each.rsplit("|", 1)[1]): float(self.series(each)[1][-1]) for each in names}

    def refused(self) -> dict[str, str]:
        """Return what was refused at the end, and why."""
        found = next(model for model in self.report["models"] if model["model"] == MODEL)
        return dict(found.get("refusals", {}))


def compute(asset: str, file: Path, mapping: Path, store: Path, max_gap: float = 300.0) -> Result:
    """Ingest a file and run the model; everything lies in `store`."""
    launch = json.dumps({
        "assetId": asset,
        "configurationValues": {
            "platform": {"store": str(store / "store"), "reports": str(store / "reports")},
            "execution": {"enabled_models": [MODEL]},
            "sensors": {"Cell Voltage|*": {"max_gap": max_gap}},
        },
    })  # fmt: skip
    command("ingest", str(file), "--asset", asset, "--mapping", str(mapping), launch)
    command("run", launch)
    return Result(asset, store, json.loads((store / "reports" / "latest.json").read_text())["assets"][0])


def demo(asset: str, store: Path) -> tuple[Result, dict[str, Any]]:
    """Return the result on one asset of the demo fleet, and the truth."""
    truth: dict[str, Any] = json.loads((DEMO / f"{asset}.truth.json").read_text())
    result = compute(asset, DEMO / f"{asset}.parquet", DEMO / f"{asset}.mapping.json", store, truth["throughput"]["max_gap_s"])
    return result, truth


def measured(asset: str, data: Path, store: Path) -> Result:
    """Return the result on one measured asset."""
    item = BY_NAME[asset]
    return compute(asset, data / item.file, MAPPINGS / f"{asset}.json", store, item.max_gap)


def moment(time: int) -> str:
    """Write a time for people."""
    return f"{pd.Timestamp(time, unit='ms'):%Y-%m-%d %H:%M}"


def alarm_table(result: Result) -> Iterator[str]:
    """Return a line an alarm."""
    for alarm in result.alarms():
        end = "open" if alarm["end"] is None else moment(alarm["end"])
        yield f"| {result.asset} | {moment(alarm['start'])} | {end} | {alarm['severity']} | {alarm['text']} |"


# --- demo fleet against the truth ---


def true_energy(truth: dict[str, Any], volts: float) -> tuple[float, float]:
    """Return energy lost and recoverable at the end, from the simulated cells. [kWh]"""
    cells = truth["cells"]
    capacity = np.array(cells["capacity_ah"])
    charge = np.array(cells["start_soc"]) * capacity
    days = (pd.Timestamp(truth["last"]) - pd.Timestamp(truth["first"])) / pd.Timedelta("1D")
    for cell, ohm in cells["leak_ohm"].items():
        charge[int(cell) - 1] -= volts / ohm * 24.0 * days
    middle, usable = float(np.median(capacity)), float(charge.min() + (capacity - charge).min())
    scale = volts * len(capacity) / 1000.0
    return (middle - usable) * scale, (float(capacity.min()) - usable) * scale


def demo_rows(result: Result, truth: dict[str, Any]) -> Iterator[str]:
    """Compare what was found with what was simulated."""
    cells = truth["cells"]
    capacity, factor = np.array(cells["capacity_ah"]), np.array(cells["resistance_factor"])
    ratio, resistance = result.last("Cell Capacity Ratio"), result.last("Cell Resistance Ratio")
    leak = result.last("Leak Current")
    volts = 3.28 if "storage" in result.asset else 3.75
    for fault in truth["faulty_cells"]:
        cell = fault["cell"]
        if "leak_ohm" in fault:
            yield f"| {result.asset} | {cell} | leak [mA] | {1000 * volts / fault['leak_ohm']:.0f} | {leak[cell]:.0f} |"
            yield f"| {result.asset} | {cell} | short [ohm] | {fault['leak_ohm']:.0f} | {1000 * volts / leak[cell]:.1f} |"
        if "capacity_factor" in fault:
            true = capacity[cell - 1] / float(np.median(capacity))
            yield f"| {result.asset} | {cell} | capacity over median | {true:.3f} | {ratio[cell]:.3f} |"
        if "resistance_factor" in fault:
            true = (factor[cell - 1] - 1.0) * cells["ohmic_mohm_nominal"]
            text = next(alarm["text"] for alarm in result.alarms() if alarm["name"] == f"cell {cell} suspect")
            yield f"| {result.asset} | {cell} | extra resistance [mOhm] | {true:.2f} | {text.split('(')[1].split(' ')[0]} |"
            yield f"| {result.asset} | {cell} | resistance of steps, ratio | – | {resistance[cell]:.2f} |"
    faulty = {fault["cell"] for fault in truth["faulty_cells"]}
    others = [cell for cell in ratio if cell not in faulty]
    off = max(abs(ratio[cell] - capacity[cell - 1] / float(np.median(capacity))) for cell in others)
    yield f"| {result.asset} | all others | capacity over median, largest error | 0 | {off:.3f} |"
    lost = true_energy(truth, volts)
    for name, true in zip(("Energy Lost", "Energy Recoverable"), lost, strict=True):
        yield f"| {result.asset} | – | {name} [kWh], ours a lower bound | {true:.2f} | {result.series(name)[1][-1]:.2f} |"
    accused = {int(alarm["name"].split()[1]) for alarm in result.alarms() if alarm["name"].startswith("cell ")}
    yield f"| {result.asset} | – | cells accused | {sorted(faulty)} | {sorted(accused)} |"


# --- measured vehicles ---


def first_warnings(asset: str, data: Path) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the first sample and the first level-3 warning of the vehicle's own BMS, UTC."""
    item = BY_NAME[asset]
    frame = pd.read_parquet(data / item.file, columns=[item.time, "BMSWarningInformation"]).sort_values(item.time)
    time = pd.DatetimeIndex(frame[item.time]).tz_localize("Asia/Shanghai").tz_convert("UTC").tz_localize(None)
    return time[0], time[(frame["BMSWarningInformation"] >= 3).to_numpy()][0]


def named_rows(result: Result, data: Path) -> Iterator[str]:
    """Return for every accused cell when it was named, beside the BMS."""
    begin, warning = first_warnings(result.asset, data)
    when, cell = result.series("Suspect Cell")
    reasons_at, reason = result.series("Suspect Reason")
    for alarm in result.alarms():
        if not alarm["name"].startswith("cell "):
            continue
        number = int(alarm["name"].split()[1])
        days = (pd.Timestamp(alarm["start"], unit="ms") - begin) / pd.Timedelta("1D")
        first = [
            moment(int(time)) for time, code in zip(reasons_at, reason, strict=True)
            if code == 2 and cell[np.searchsorted(when, time, side="right") - 1] == number
        ]  # fmt: skip
        by_trend = first[0] if first else "–"
        bms = f"{warning:%Y-%m-%d %H:%M} ({(warning - begin) / pd.Timedelta('1D'):.1f})"
        yield f"| {result.asset} | {number} | {moment(alarm['start'])} | {days:.1f} | {by_trend} | {bms} |"


def level_rows(asset: str, cells: list[int], data: Path) -> Iterator[str]:
    """Return monthly medians by plain pandas, for comparison: |I| < 1 A, SOC of the BMS."""
    item = BY_NAME[asset]
    frame = pd.read_parquet(data / item.file).sort_values(item.time).drop_duplicates(item.time)
    volts = frame.filter(regex=r"^cell\d+_v$")
    volts = volts.where((volts > 1.0) & (volts < 5.0))
    away = volts.sub(volts.median(axis=1), axis=0) * 1000.0
    for low, high in ((70, 101), (40, 60)):
        chosen = (frame[item.current].abs() < 1.0) & (frame[item.soc] >= low) & (frame[item.soc] < high)
        for month, part in away[chosen].groupby(frame.loc[chosen, item.time].dt.to_period("M")):
            for cell in cells:
                level = part.iloc[:, cell - 1].median()
                yield f"| {asset} | {cell} | {month} | {low}–{min(high, 100)} % | {len(part)} | {level:+.0f} |"


# --- simulated packs ---


@dataclass(frozen=True)
class Pack:
    """What is simulated: cells in series with production scatter, sampled once a minute."""

    chemistry: str = "NMC"
    cells: int = 96
    days: int = 60
    resolution: float = 1.0
    short: float | None = None
    capacity: float = 100.0
    seed: int = 0


def simulate(pack: Pack) -> tuple[pd.DataFrame, pd.Series[float], pd.Series[float], int]:
    """Return cell voltages [V], current [A, + on discharge], SOC, and the number of the shorted cell.

    Every day: a discharge of C/5 from 7 h on, a rest, a charge of C/4 in the evening to about 90 %, a rest; depth and times
    vary. Capacity 0.5 %, SOC 0.5 %, resistance 3 % scatter, calibration 1 mV, noise 0.7 mV, all normal. Ohmic resistance
    and one relaxation of 10 min. No balancing.
    """
    random = np.random.default_rng(pack.seed)
    curve = chemistry(pack.chemistry)
    minutes = pack.days * 1440
    current, soc = _operation(random, pack, minutes)
    capacity = pack.capacity * (1.0 + random.normal(0.0, 0.005, pack.cells))
    start = soc[0] + random.normal(0.0, 0.005, pack.cells)
    ohm = 0.08 / pack.capacity * (1.0 + random.normal(0.0, 0.03, pack.cells))
    leak = np.zeros(pack.cells)
    faulty = int(random.integers(pack.cells))
    if pack.short is not None:
        leak[faulty] = float(curve.ocv(0.6)) / pack.short
    drawn = np.concatenate(([0.0], np.cumsum(current[:-1]) / 60.0))
    hours = np.arange(minutes) / 60.0
    state = np.clip(start[:, None] - (drawn + leak[:, None] * hours) / capacity[:, None], 0.0, 1.0)
    slow = _relaxing(current, 10.0)
    grid = np.linspace(0.0, 1.0, 4001)
    volts = (
        np.interp(state, grid, curve.ocv(grid))
        - ohm[:, None] * (current + 0.5 * slow)
        + random.normal(0.0, 0.001, pack.cells)[:, None]
    )
    volts = volts + random.normal(0.0, 0.0007, volts.shape)
    step = pack.resolution / 1000.0
    index = pd.date_range("2026-01-01", periods=minutes, freq="1min", tz="UTC").as_unit("ms")
    frame = pd.DataFrame(np.round(volts / step).T * step, index=index, columns=range(1, pack.cells + 1))
    return frame, pd.Series(current, index), pd.Series(np.round(soc, 2), index), faulty + 1


def _operation(random: np.random.Generator, pack: Pack, minutes: int) -> tuple[Floats, Floats]:
    """Return current [A] and SOC minute by minute."""
    current = np.zeros(minutes)
    level = 0.85
    for day in range(pack.days):
        begin = day * 1440 + 420 + int(random.integers(60))
        depth = random.uniform(0.35, 0.65)
        length = round(depth * 5 * 60)
        current[begin : begin + length] = pack.capacity / 5 * random.uniform(0.8, 1.2, min(length, minutes - begin))
        level -= current[begin : begin + length].sum() / 60 / pack.capacity
        put = random.uniform(0.86, 0.93) - level
        evening = begin + length + 60 + int(random.integers(60))
        fill = round(put * 4 * 60)
        current[evening : evening + fill] = -pack.capacity / 4
        level -= current[evening : evening + fill].sum() / 60 / pack.capacity
    return current, 0.85 - np.concatenate(([0.0], np.cumsum(current[:-1]) / 60.0)) / pack.capacity


def _relaxing(current: Floats, minutes: float) -> Floats:
    """Return the current through a first-order lag."""
    lag, kept = np.empty(len(current)), float(np.exp(-1.0 / minutes))
    level = 0.0
    for place, value in enumerate(current.tolist()):
        level = kept * level + (1.0 - kept) * value
        lag[place] = level
    return lag


def run_model(
    frame: pd.DataFrame, current: pd.Series[float], soc: pd.Series[float] | None, pack: tuple[float, str], days: int = 5
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, list[Any]]]:
    """Run the model's class over windows of some days; return alarms, last state and outputs."""
    manifest = read_manifest(ROOT / "models" / MODEL)
    configuration = {name: option.default for name, option in manifest.configuration.items()}
    state: dict[str, Any] = {}
    alarms: list[dict[str, Any]] = []
    outputs: dict[str, list[Any]] = {}
    edges = pd.date_range(frame.index[0].floor("D"), frame.index[-1] + pd.Timedelta(days=days), freq=f"{days}D")
    for start, end in pairwise(edges):
        inside = (frame.index >= start) & (frame.index < end)
        model = ImbalanceAnalysis(configuration)
        model.state = json.loads(json.dumps(state, allow_nan=False))
        given: dict[str, Any] = {"cell_voltage": frame[inside], "current": current[inside]}
        given |= {"capacity": pack[0], "chemistry": pack[1]} | ({} if soc is None else {"soc": soc[inside]})
        for name, values in model.process(ModelInput(given, start, end, {}, {"cell_voltage": 600.0})).items():
            outputs.setdefault(name, []).append(values)
        state, alarms = model.state, alarms + model.alarms
    return alarms, state, outputs


def accused(alarms: list[dict[str, Any]]) -> dict[int, pd.Timestamp]:
    """Return when each cell was first named."""
    found: dict[int, pd.Timestamp] = {}
    for alarm in alarms:
        if alarm["name"].startswith("cell "):
            found.setdefault(int(alarm["name"].split()[1]), alarm["start"])
    return found


def healthy_row(packs: int, **kind: Any) -> str:
    """Count false alarms on healthy packs."""
    cells, years, hit = 0, 0.0, 0
    for seed in range(packs):
        pack = Pack(seed=1000 + seed, **kind)
        frame, current, soc, _ = simulate(pack)
        named = accused(run_model(frame, current, soc, (pack.capacity, pack.chemistry))[0])
        cells, hit = cells + len(named), hit + bool(named)
        years += pack.cells * pack.days / 365.25
    return f"| {pack.chemistry} | {pack.cells} | {pack.resolution:g} | {packs} | {years:.0f} | {cells} | {hit} | {cells / years:.4f} |"


def shorted_row(packs: int, **kind: Any) -> str:
    """Measure how long a soft short goes unseen."""
    days: list[float] = []
    wrong = 0
    for seed in range(packs):
        pack = Pack(seed=2000 + seed, **kind)
        frame, current, soc, faulty = simulate(pack)
        named = accused(run_model(frame, current, soc, (pack.capacity, pack.chemistry))[0])
        wrong += len(named.keys() - {faulty})
        if faulty in named:
            days.append((named[faulty] - frame.index[0]) / pd.Timedelta("1D"))
    shown = f"{np.median(days):.1f} ({min(days):.1f}–{max(days):.1f})" if days else "–"
    leak = float(chemistry(pack.chemistry).ocv(0.6)) / (pack.short or np.inf) / pack.capacity * 24
    return (
        f"| {pack.chemistry} | {pack.resolution:g} | {pack.short:g} | {leak:.2%} | {len(days)} of {packs} | {shown} | {wrong} |"
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=int, default=20, help="simulated packs a row")
    packs = parser.parse_args(arguments).packs
    print("| asset | cell | quantity | truth | found |\n|---|---|---|--:|--:|")
    lines: list[str] = []
    for asset in ("storage-module", "vehicle-pack"):
        with tempfile.TemporaryDirectory() as folder:
            result, truth = demo(asset, Path(folder))
            print(*demo_rows(result, truth), sep="\n")
            lines += alarm_table(result)
    data = shared_data()
    print(
        "\n| asset | cell | named (UTC) | days | first by falling voltage | first level 3 of the BMS (days) |\n|---|--:|---|--:|---|---|"
    )
    for asset in ("ev-car2", "ev-car3", "bess-pylontech") if data is not None else ():
        with tempfile.TemporaryDirectory() as folder:
            assert data is not None
            result = measured(asset, data, Path(folder))
            if asset.startswith("ev"):
                print(*named_rows(result, data), sep="\n")
            lines += alarm_table(result)
            lines += [f"| {asset} | – | – | refused | {name}: {reason} |" for name, reason in result.refused().items()]
    if data is None:
        print("the measured data are not here; they belong into ../shared/data, or set TWIN_SHARED_DATA", file=sys.stderr)
    print("\n| asset | from (UTC) | to | severity | text |\n|---|---|---|---|---|", *lines, sep="\n")
    if data is not None:
        print("\n| asset | cell | month | SOC | snapshots | median deviation [mV] |\n|---|--:|---|---|--:|--:|")
        print(*level_rows("ev-car2", [82], data), *level_rows("ev-car3", [81, 2], data), sep="\n")
    print("\n| chemistry | cells | resolution [mV] | healthy packs | cell-years | cells accused | packs | a cell-year |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name in ("NMC", "LFP"):
        for resolution in (1.0, 5.0, 10.0):
            print(healthy_row(packs, chemistry=name, resolution=resolution), flush=True)
    print(healthy_row(packs, chemistry="LFP", cells=16), flush=True)
    print("\n| chemistry | resolution [mV] | short [ohm] | of charge a day | found | days, median (range) | others accused |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name in ("NMC", "LFP"):
        for resolution in (1.0, 5.0, 10.0):
            for short in (100.0, 300.0, 1000.0):
                print(shorted_row(max(packs // 2, 1), chemistry=name, resolution=resolution, short=short), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
