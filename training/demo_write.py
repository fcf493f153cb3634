"""Write a demo asset: Parquet, ingest mapping and truth, and check them against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pybamm
from demo_asset import Asset, throughput, with_cycles
from demo_cells import FloatArray
from demo_dirt import iso


def column_type(name: str) -> pa.DataType:
    """Choose the Parquet type of a column by its name; millivolts must hold 65535."""
    if name == "time":
        return pa.timestamp("ms", tz="UTC")
    return pa.uint16() if name.endswith("_mv") else pa.float32()


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a logged table.

    Parameters
    ----------
    table
        Rows in the order of the log; NaN becomes null.
    path
        File to write.
    """
    fields = [pa.field(name, column_type(name)) for name in table.columns]
    arrays = [pa.array(table[field.name], type=field.type, from_pandas=True) for field in fields]
    sensors = [name for name in table.columns if name != "time"]
    pq.write_table(
        pa.Table.from_arrays(arrays, schema=pa.schema(fields)),
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=sensors,
        column_encoding={"time": "DELTA_BINARY_PACKED"},
    )


def seconds_since(start: pd.Timestamp, time: pd.Series) -> FloatArray:
    """Seconds from `start` to each time [s]."""
    return np.asarray((time - start).dt.total_seconds(), dtype=np.float64)


def integrals(asset: Asset) -> dict[str, Any]:
    """Integrate the noiseless signals, over the logged intervals and over everything.

    Parameters
    ----------
    asset
        The asset.

    Returns
    -------
    dict
        `logged` (clean signals at the times that are in the file, gaps longer than `max_gap`
        excluded) and `full` (the simulation's own grid, gaps included).
    """
    times = np.unique(seconds_since(asset.start, asset.dirt.table["time"]))
    current = np.interp(times, asset.time, asset.current)
    voltage = np.interp(times, asset.time, asset.voltage)
    logged = throughput(times, current, voltage, asset.max_gap)
    full = throughput(asset.time, asset.current, asset.voltage, np.inf)
    return {
        "method": "current linear between samples, split where it crosses zero, noiseless, each direction on its own",
        "max_gap_s": asset.max_gap,
        "logged": with_cycles(logged, asset.capacity),
        "full": with_cycles(full, asset.capacity),
    }


def truth_of(asset: Asset) -> dict[str, Any]:
    """Everything a test may know about an asset and its file."""
    table = asset.dirt.table
    return {
        "asset": asset.name,
        "pybamm": pybamm.__version__,
        "capacity_ah": asset.capacity,
        "positive_current": asset.mapping["asset"]["positive_current"],
        "first": iso(table["time"].min()),
        "last": iso(table["time"].max()),
        "rows": len(table),
        "distinct_times": int(table["time"].nunique()),
        "throughput": integrals(asset),
        "dirt": asset.dirt.ledger,
        "dirt_row_fraction": round(asset.dirt.fraction(), 5),
        **asset.truth,
    }


def compact(value: object) -> str:
    """JSON without spaces or newlines; NaN is refused."""
    return json.dumps(value, separators=(", ", ": "), allow_nan=False)


def write_truth(truth: dict[str, Any], path: Path) -> None:
    """Write the truth, one line a key and one line an item of the ledger."""
    lines = []
    for key, value in truth.items():
        if key in ("dirt", "cells", "cycles", "soc", "throughput"):
            items = value.items() if isinstance(value, dict) else None
            if items is None:
                rows, ends = [compact(item) for item in value], "[]"
            else:
                rows, ends = [f"{compact(k)}: {compact(v)}" for k, v in items], "{}"
            body = f"{ends[0]}\n    " + ",\n    ".join(rows) + f"\n  {ends[1]}"
        else:
            body = compact(value)
        lines.append(f"  {compact(key)}: {body}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def write(asset: Asset, folder: Path) -> dict[str, Any]:
    """Write the three files of an asset.

    Parameters
    ----------
    asset
        The asset.
    folder
        Existing folder.

    Returns
    -------
    dict
        The truth written.
    """
    truth = truth_of(asset)
    write_parquet(asset.dirt.table, folder / f"{asset.name}.parquet")
    text = json.dumps(asset.mapping, indent=2)
    (folder / f"{asset.name}.mapping.json").write_text(text + "\n", encoding="utf-8")
    write_truth(truth, folder / f"{asset.name}.truth.json")
    return truth


def check(folder: Path, name: str) -> str:
    """Read an asset back and compare its logged current with the truth.

    Parameters
    ----------
    folder
        Folder of the files.
    name
        Asset.

    Returns
    -------
    str
        One line: rows, sizes, Ah from the file and from the truth. [Ah]

    Notes
    -----
    Duplicates (the first row wins) and nulls are dropped first, and what is left is sorted.
    """
    path = folder / f"{name}.parquet"
    truth = json.loads((folder / f"{name}.truth.json").read_text(encoding="utf-8"))
    table = pd.read_parquet(path, columns=["time", "current_a"]).dropna()
    table = table.drop_duplicates("time").sort_values("time")
    sign = 1.0 if truth["positive_current"] == "charge" else -1.0
    current = sign * table["current_a"].to_numpy(dtype=float)
    time = seconds_since(pd.Timestamp(truth["first"]), table["time"])
    sums = throughput(time, current, np.ones_like(time), truth["throughput"]["max_gap_s"])
    expected = truth["throughput"]["logged"]
    parts = [f"{way} {sums[f'{way}_ah']:.2f} Ah (truth {expected[f'{way}_ah']:.2f})" for way in ("charged", "discharged")]
    sizes = [f.stat().st_size / 1e3 for f in (path, folder / f"{name}.truth.json")]
    size = f"{truth['rows']} rows, {sizes[0]:.0f} kB + truth {sizes[1]:.0f} kB"
    return f"{name}: {size}; {', '.join(parts)}"
