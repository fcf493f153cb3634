"""LFP storage cells of 102 Ah (ESSL1) at 55 degC: charges at 0.5C or 1C from empty to 3.65 V, 30 s.

In the files a positive current charges. The state of health of a cycle was made from that cycle's own charge, so `soc_frac` and
`charge_ah` are functions of it: neither is read here, and a charge is told from the capacity of the cycle after it. There is no
clock between charges: they are set a day apart, which nothing is integrated across.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from training.soh.raw.build import counted, floats, labels, need, require
from training.soh.raw.cell import RawCell

GROUP, NOMINAL = "LFP 102 Ah", 102.0
#: From the start of one charge to the next. [s]
DAY = 86400.0
#: A capacity counts where the charge ran from below to above. [V]
EMPTY, FULL = 3.15, 3.55
#: And where the counted charge is the cycler's. [1]
COUNTED = 0.02
_COLUMNS = ("cell", "cycle", "t_s", "voltage_v", "current_a", "temp_c")


def read(shared: Path) -> list[RawCell]:
    """Read the three cells with charge curves."""
    folder = need(shared, "lfp102ah_essl1_ageing")
    table = pd.read_parquet(need(folder, "charge_30s.parquet"), columns=list(_COLUMNS))
    cycles = pd.read_csv(need(folder, "cycles.csv"))
    require(cycles, ("cell", "cycle", "soh", "charge_ah"), "lfp102ah_essl1_ageing/cycles.csv")
    return [cell_of(int(name), rows, cycles[cycles["cell"] == name]) for name, rows in table.groupby("cell")]


def cell_of(number: int, table: pd.DataFrame, cycles: pd.DataFrame) -> RawCell:
    """Put the charges of one cell a day apart."""
    rows = table.sort_values(["cycle", "t_s"], kind="stable")
    time = floats(rows["cycle"]) * DAY + floats(rows["t_s"])
    rows = rows.assign(time=time)[np.append(True, np.diff(time) > 0)]
    measured = dict(zip(cycles["cycle"], zip(cycles["soh"], cycles["charge_ah"], strict=True), strict=True))
    found, wrong = [], 0
    for cycle, part in rows.groupby("cycle"):
        if cycle not in measured:
            continue
        soh, cycler = measured[cycle]
        if is_measurement(part, float(cycler)):
            found.append((float(part["time"].iloc[-1]), float(soh) * NOMINAL))
        else:
            wrong += 1
    when, capacity = labels(found)
    return RawCell(
        f"cell-{number}", GROUP, "LFP", NOMINAL, floats(rows["time"]), -floats(rows["current_a"]), floats(rows["voltage_v"]),
        floats(rows["temp_c"]), np.full(len(rows), np.nan), when, capacity, 300.0,
        counted("charges that broke off, or whose current does not add up, are no capacity", wrong),
    )  # fmt: skip


def is_measurement(part: pd.DataFrame, cycler: float) -> bool:
    """Return whether a charge ran from empty to full with a current that adds up to the cycler's count [Ah]."""
    volts = floats(part["voltage_v"])
    counted_here = float(np.trapezoid(floats(part["current_a"]), floats(part["time"]))) / 3600.0
    return bool(volts[0] <= EMPTY and volts.max() >= FULL and abs(counted_here - cycler) <= COUNTED * cycler)
