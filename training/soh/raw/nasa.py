"""NASA PCoE cells with raw charges: B0005, B0006, B0007, 18650 of 2 Ah, 1.5 A CC-CV to 4.2 V, 2 A discharge, room temperature
(the source states no chemistry; LCO is assumed, which only sets the window of voltage).

Discharges of 27 cells are stored, raw charges of these three only, and a state of health from charging needs charges. In the
files a positive current charges; times are counted from the start of each test, whose wall clock is in tests.csv.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from training.soh.raw.build import counted, floats, labels, need, require
from training.soh.raw.cell import RawCell

NAMES = ("B0005", "B0006", "B0007")
GROUP, NOMINAL = "NASA", 2.0
#: Capacities below this are of tests that broke off. [Ah]
BROKEN = 0.1
#: A tester that is switched on or off writes voltages that no cell has. [V]
LOWEST, HIGHEST = 1.0, 4.6
_COLUMNS = ["battery", "uid", "voltage_v", "current_a", "temp_c", "t_s"]


def read(shared: Path) -> list[RawCell]:
    """Read the three cells.

    Parameters
    ----------
    shared : Path
        The folder of measured data.
    """
    folder = need(shared, "nasa_pcoe")
    tests = pd.read_csv(need(folder, "tests.csv"))
    require(tests, ("type", "start_time", "battery_id", "uid", "capacity_ah"), "nasa_pcoe/tests.csv")
    files = ("charge_B0005_6_7.parquet", "discharge_27cells.parquet")
    chosen = [("battery", "in", list(NAMES))]
    series = pd.concat(
        [pd.read_parquet(need(folder, file), columns=_COLUMNS, filters=chosen) for file in files], ignore_index=True
    )
    return [cell_of(name, tests[tests["battery_id"] == name], series[series["battery"].astype(str) == name]) for name in NAMES]


def cell_of(name: str, tests: pd.DataFrame, series: pd.DataFrame) -> RawCell:
    """Put the tests of one cell on one clock.

    Parameters
    ----------
    tests, series : DataFrame
        Rows of tests.csv, and samples of its charges and discharges.
    """
    began = pd.to_datetime(tests["start_time"])
    start = pd.Series((began - began.min()).dt.total_seconds().to_numpy(), tests["uid"].to_numpy())
    rows = series.assign(time=floats(series["uid"].map(start)) + floats(series["t_s"])).sort_values("time", kind="stable")
    volts = floats(rows["voltage_v"])
    good = (volts > LOWEST) & (volts < HIGHEST)
    order = np.append(True, np.diff(floats(rows["time"])) > 0)
    kept = rows[good & order]
    found, wrong = capacities(tests, start, rows.groupby("uid")["time"].max())
    when, capacity = labels(found)
    return RawCell(
        name, GROUP, "LCO", NOMINAL, floats(kept["time"]), -floats(kept["current_a"]), floats(kept["voltage_v"]),
        floats(kept["temp_c"]), np.full(len(kept), np.nan), when, capacity, 300.0,
        counted(f"samples outside {LOWEST} to {HIGHEST} V left out", int((~good).sum()))
        + counted("samples that repeat a time left out", int((good & ~order).sum()))
        + counted(f"capacities missing or below {BROKEN} Ah left out", wrong),
    )  # fmt: skip


def capacities(tests: pd.DataFrame, start: pd.Series, ended: pd.Series) -> tuple[list[tuple[float, float]], int]:
    """Return time [s] and capacity [Ah] at the end of each discharge, and how many were of no use."""
    found, wrong = [], 0
    for uid, capacity in tests.loc[tests["type"] == "discharge", ["uid", "capacity_ah"]].itertuples(index=False):
        if not capacity >= BROKEN:
            wrong += 1
            continue
        found.append((float(ended.get(uid, start[uid])), float(capacity)))
    return found, wrong
