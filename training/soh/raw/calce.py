"""CALCE CS2_35 and CS2_37: LCO prismatic cells of 1.1 Ah, 0.5C CC-CV to 4.2 V, 1C discharge to 2.7 V, about 1,000 cycles each.

In the files a positive current charges. A cycle whose charge ended without its constant-voltage step (or with one of a single
sample at 4.08 V) discharges 10 % less; what was measured then is not the cell's capacity and is no label, by the steps of that
cycle and not by its value.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from training.soh.raw.build import apart, counted, floats, labels, need, require
from training.soh.raw.cell import RawCell, RawDataError

NAMES = ("CS2_35", "CS2_37")
GROUP, NOMINAL = "CALCE", 1.1
#: Is the file CS2_35_2_4_11 once more.
REPEATED = "CS2_35_2_10_11"
#: Steps of the constant-voltage part and of the discharge.
CONSTANT_VOLTAGE, DISCHARGE = 4, 7
#: A full charge ended at or below this current and above this voltage, a full discharge at or below that one. [A], [V], [V]
CHARGED, HELD, EMPTY = 0.06, 4.19, 2.705
#: Tails of constant voltage are logged up to 1,137 s apart. [s]
MAX_GAP = 1200.0
_COLUMNS = ("cell", "cycle", "file", "step", "time", "current_a", "voltage_v", "discharge_ah")


def read(shared: Path) -> list[RawCell]:
    """Read both cells."""
    path = need(shared, "calce_cs2", "timeseries_CS2_35_37.parquet")
    table = pd.read_parquet(path, columns=list(_COLUMNS))
    return [cell_of(name, table[table["cell"].astype(str) == name]) for name in NAMES]


def cell_of(name: str, table: pd.DataFrame) -> RawCell:
    """Put the files of one cell on one clock.

    Raises
    ------
    RawDataError
        After the known repeated file is out, time still runs backwards.
    """
    require(table, _COLUMNS, f"{GROUP} {name}")
    repeated = table["file"].astype(str) == REPEATED
    rows = table[~repeated]
    seconds = (rows["time"] - rows["time"].iloc[0]).dt.total_seconds().to_numpy()
    back = np.diff(seconds) < 0
    if back.any():
        at = rows["file"].iloc[int(back.argmax()) + 1]
        raise RawDataError(
            f"{GROUP} {name}: time runs backwards in file {at}; is it a copy of another file? Leave it out by name."
        )
    time = apart(seconds)
    found, wrong = capacities(rows, time)
    when, capacity = labels(found)
    return RawCell(
        name, GROUP, "LCO", NOMINAL, time, -floats(rows["current_a"]), floats(rows["voltage_v"]),
        np.full(len(rows), np.nan), np.full(len(rows), np.nan), when, capacity, MAX_GAP,
        counted(f"samples of the repeated file {REPEATED} left out", int(repeated.sum()))
        + counted("samples that share a second set 1 ms apart", int((np.diff(seconds) == 0).sum()))
        + counted("discharges that were partial or followed a partial charge are no capacity", wrong),
    )  # fmt: skip


def capacities(rows: pd.DataFrame, time: np.ndarray) -> tuple[list[tuple[float, float]], int]:
    """Return time and ampere-hours of each discharge from full to empty, and how many were not.

    A charge may have ended in the file before: the last constant-voltage step since the discharge before counts.
    """
    cycle, step = rows["cycle"].to_numpy(), rows["step"].to_numpy()
    amperes, volts, counter = floats(rows["current_a"]), floats(rows["voltage_v"]), floats(rows["discharge_ah"])
    borders = np.flatnonzero((np.diff(cycle) != 0) | (np.diff(step) != 0)) + 1
    full, before, found, wrong = False, 0.0, [], 0
    files = rows["file"].cat.codes.to_numpy() if hasattr(rows["file"], "cat") else rows["file"].to_numpy()
    for low, high in zip(np.append(0, borders), np.append(borders, len(cycle)), strict=True):
        if low and files[low] != files[low - 1]:
            before = 0.0
        if step[low] == CONSTANT_VOLTAGE:
            full = bool(amperes[high - 1] <= CHARGED and volts[high - 1] >= HELD)
        elif step[low] == DISCHARGE:
            if full and volts[high - 1] <= EMPTY:
                found.append((float(time[high - 1]), float(counter[high - 1]) - before))
            else:
                wrong += 1
            full = False
        before = float(counter[high - 1])
    return found, wrong
