"""State of health through the real commands, from a raw file to the platform: ``python -m training.soh.end_to_end``.

Brings in the demo fleet's ageing cell, CALCE CS2_35 and NASA B0005 (which no shipped weights were trained on) with `ingest`, runs the
plugin, and compares what it put on the platform with the capacities that were measured. Prints a table and writes the picture
documentation/pictures/soh-measured.svg. The measured data are read from ../shared/data or TWIN_SHARED_DATA.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measured_data import ROOT, command, shared_data
from documentation.drawing import Line, Panel, chart
from platform_interface.platforms.local import LocalPlatform
from training.soh.raw import calce, nasa
from training.soh.raw.cell import FloatArray, RawCell

DEMO = ROOT / "platform_interface" / "demo_fleet"
PICTURE = ROOT / "documentation" / "pictures" / "soh-measured.svg"
MODEL = "neural_soh"
COLOURS = {"measured": "#222222", "estimated": "#0072b2", "interval": "#9bc4e2"}
#: Start of a clock that the source does not state. [ms UTC]
EPOCH = 1_262_304_000_000


@dataclass(frozen=True, eq=False)
class Asset:
    """A cell to bring in: its file and mapping, its nominal capacity, what was measured of it, and its logger's longest interval."""

    name: str
    title: str
    file: Path
    mapping: Path
    label_time: FloatArray
    label_soh: FloatArray
    max_gap: float


def demo() -> Asset:
    """Return the demo fleet's ageing cell; its truth is the capacity of each simulated discharge, at 1C to 2.8 V."""
    truth = json.loads((DEMO / "ageing-cell.truth.json").read_text("utf-8"))
    cycles = truth["cycles"]
    time = pd.to_datetime(cycles["start"], utc=True, format="ISO8601").as_unit("ms").asi8 + 3_600_000.0  # discharged at 1C
    soh = np.array(cycles["capacity_ah"], dtype=float) / truth["capacity_ah"]
    return Asset(
        "ageing-cell", "demo ageing cell (simulated NMC 811)", DEMO / "ageing-cell.parquet", DEMO / "ageing-cell.mapping.json", time,
        soh, float(truth["throughput"]["max_gap_s"]),
    )  # fmt: skip


def measured(raw: RawCell, title: str, folder: Path) -> Asset:
    """Write a measured cell as a logger would have, charge positive, with its mapping."""
    name = f"{raw.group} {raw.name}".lower().replace(" ", "-").replace("_", "-")
    stamp = pd.to_datetime(np.round(EPOCH + 1000.0 * raw.time).astype(np.int64), unit="ms", utc=True)
    columns = {"current_a": (-raw.current, "Current", "A"), "voltage_v": (raw.voltage, "Voltage", "V"),
               "temp_c": (raw.temperature, "Cell Temperature", "degC")}  # fmt: skip
    columns = {key: value for key, value in columns.items() if np.isfinite(value[0]).any()}
    pd.DataFrame({"time": stamp, **{key: value[0] for key, value in columns.items()}}).to_parquet(folder / f"{name}.parquet")
    mapping = {
        "asset": {
            "name": title, "time_zone": "UTC", "positive_current": "charge",
            "parameters": {"Capacity": raw.nominal, "Chemistry": raw.chemistry, "Cells in series": 1},
        },
        "time": {"column": "time", "time_zone": "UTC"},
        "columns": {key: {"sensor": sensor, "unit": unit} for key, (_, sensor, unit) in columns.items()},
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(mapping), "utf-8")
    return Asset(
        name, title, folder / f"{name}.parquet", folder / f"{name}.json", EPOCH + 1000.0 * raw.label_time,
        raw.label_capacity / raw.nominal, raw.max_gap,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Result:
    """What the platform has of an asset: times of estimates [ms UTC], SOH and its interval, and what the report says."""

    asset: Asset
    time: FloatArray
    soh: FloatArray
    lower: FloatArray
    upper: FloatArray
    status: dict[int, int]
    notes: list[str]

    def truth(self) -> FloatArray:
        """Return the SOH that was measured next after each estimate; NaN after the last measurement."""
        at = np.searchsorted(self.asset.label_time, self.time - 1.0, side="left")
        known = at < len(self.asset.label_time)
        found = np.full(len(self.time), np.nan)
        found[known] = self.asset.label_soh[at[known]]
        return found


def computed(asset: Asset, store: Path) -> Result:
    """Ingest, run, and read back what the plugin wrote."""
    launch = json.dumps({
        "assetId": asset.name,
        "configurationValues": {
            "platform": {"store": str(store / "store"), "reports": str(store / "reports")},
            "execution": {"enabled_models": [MODEL]},
            "sensors": {name: {"max_gap": asset.max_gap} for name in ("Current", "Voltage")},
        },
    })  # fmt: skip
    command("ingest", str(asset.file), "--asset", asset.name, "--mapping", str(asset.mapping), launch)
    command("run", launch)
    report = json.loads((store / "reports" / "latest.json").read_text("utf-8"))["assets"][0]
    model = next(each for each in report["models"] if each["model"] == MODEL)
    if model["status"] != "done":
        raise RuntimeError(f"{asset.name}: {model['status']}: {model.get('reason')}")
    names = ["Estimated SOH", "Estimated SOH Lower", "Estimated SOH Upper", "SOH Status"]
    series = dict(zip(names, (_series(store, asset.name, name) for name in names), strict=True))
    codes, counts = np.unique(series["SOH Status"][1].astype(int), return_counts=True)
    time, soh = series["Estimated SOH"]
    status = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    return Result(
        asset,
        time,
        soh,
        series["Estimated SOH Lower"][1],
        series["Estimated SOH Upper"][1],
        status,
        list(model.get("notes", [])),
    )


def _series(store: Path, asset: str, name: str) -> tuple[FloatArray, FloatArray]:
    (table,) = LocalPlatform(store / "store").read(asset, [name], 0, 2**62)
    present = np.isfinite(table.values[0])
    return table.time[present].astype(float), table.values[0][present]


def line_of(result: Result) -> str:
    """Return the row of the table: charges, errors, coverage, width."""
    truth = result.truth()
    known = np.isfinite(truth)
    away = 100.0 * (result.soh - truth)[known]
    inside = ((result.lower <= truth) & (truth <= result.upper))[known].mean() if known.any() else np.nan
    refused = sum(count for code, count in result.status.items() if code)
    return (
        f"| {result.asset.title} | {len(result.soh)} | {refused} | {np.abs(away).mean():.2f} | {np.sqrt((away**2).mean()):.2f} | "
        f"{np.abs(away).max():.1f} | {100 * inside:.0f} % | {100 * (result.upper - result.lower).mean():.1f} |"
    )


def picture(results: list[Result]) -> str:
    """Return the curves against the measured capacities, as SVG."""
    panels = []
    for result in results:
        step = max(1, len(result.time) // 300)
        thin = slice(None, None, step)
        time = result.time[thin].astype(int).tolist()
        lines = [Line("interval", time, bound[thin].tolist()) for bound in (result.lower, result.upper)]
        lines.append(Line("measured", result.asset.label_time.astype(int).tolist(), result.asset.label_soh.tolist()))
        lines.append(Line("estimated", time, result.soh[thin].tolist()))
        panels.append(Panel(result.asset.title, lines))
    return chart(panels, COLOURS, "SOH", rises_from_zero=False)


def main() -> None:
    """Compute all, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-picture", action="store_true", help="print the table only")
    chosen = parser.parse_args()
    shared = shared_data()
    print("| asset | charges estimated | refused | MAE [% of SOH] | RMSE | worst | in the 90 % interval | width |")
    print("|" + "---|" * 8)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        assets = [demo()]
        if shared is None:
            print("the measured data (../shared/data or TWIN_SHARED_DATA) are not here: the simulated cell alone")
        else:
            cells = [cell for cell in [*calce.read(shared), *nasa.read(shared)] if cell.name in ("CS2_35", "B0005")]
            titles = {"CS2_35": "CALCE CS2_35 (LCO, 1.1 Ah)", "B0005": "NASA B0005 (18650, 2 Ah)"}
            assets += [measured(cell, titles[cell.name], folder) for cell in cells]
        results = []
        for asset in assets:
            results.append(computed(asset, folder / asset.name))
            print(line_of(results[-1]), flush=True)
    for result in results:
        for note in result.notes:
            print(f"{result.asset.title}: {note}")
    if not chosen.no_picture and len(results) > 1:
        PICTURE.write_text(picture(results), "utf-8")
        print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
