"""Samsung 30Q cells of 3 Ah with hoop strain, to end of life, 1C, 10 s (ARTS-Laboratory).

In the files a positive current charges. Charges and discharges are files with no wall clock: they are set one after another, an
hour apart, which no quantity is integrated across. Some files of discharges are cut in two; neither part is a capacity.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from training.soh.raw.build import counted, floats, labels, need, require
from training.soh.raw.cell import RawCell

GROUP, NOMINAL = "Samsung", 3.0
#: Between one file and the next. [s]
BETWEEN = 3600.0
#: A current beyond this, or a voltage below it, is a dropped reading. [A], [V]
MOST_CURRENT, LEAST_VOLTAGE = 30.0, 1.0
#: Files of fewer samples hold no charge. A discharge that ended above this voltage was cut; one that saw the other was overcharged before. [V]
SHORTEST, EMPTY, OVERCHARGED = 10, 2.56, 4.25
_COLUMNS = ("cell", "cycle", "phase", "t_s", "current_a", "voltage_v", "temp_c", "hoop_strain")


def read(shared: Path) -> list[RawCell]:
    """Read the cells there are."""
    folder = need(shared, "samsung30q_strain_ageing")
    table = pd.read_parquet(need(folder, "cycling_10s_4cells.parquet"))
    require(table, _COLUMNS, GROUP)
    cycles = pd.read_csv(need(folder, "cycles.csv"))
    peaks = cycles.set_index(["cell", "phase", "cycle"])["vmax"]
    return [cell_of(str(name), rows, peaks.loc[str(name)]) for name, rows in table.groupby("cell", observed=True)]


def cell_of(name: str, table: pd.DataFrame, peaks: pd.Series) -> RawCell:
    """Put the files of one cell one after another: each charge before the discharge of its number.

    Parameters
    ----------
    peaks : Series
        Highest voltage of each file at full rate, by phase and cycle. [V]
    """
    good = (table["current_a"].abs() < MOST_CURRENT) & (table["voltage_v"] > LEAST_VOLTAGE)
    rows = table[good].sort_values(["cycle", "phase", "t_s"], kind="stable")
    parts, found, short, wrong, clock, whole = [], [], 0, 0, 0.0, True
    for (cycle, phase), part in rows.groupby(["cycle", "phase"], observed=True, sort=True):
        if len(part) < SHORTEST:
            short += 1
            whole = whole and phase == "charge"
            continue
        part = part[np.append(True, np.diff(floats(part["t_s"])) > 0)]
        time = clock + floats(part["t_s"])
        clock = float(time[-1]) + BETWEEN
        parts.append(part.assign(time=time))
        if phase == "discharge":
            ended = bool(floats(part["voltage_v"])[-1] <= EMPTY)
            if whole and ended and peaks.get((phase, cycle), 0.0) < OVERCHARGED:
                found.append((float(time[-1]), -float(np.trapezoid(floats(part["current_a"]), time)) / 3600.0))
            else:
                wrong += 1
            whole = ended
    kept = pd.concat(parts)
    when, capacity = labels(found)
    return RawCell(
        name, GROUP, "NCA", NOMINAL, floats(kept["time"]), -floats(kept["current_a"]), floats(kept["voltage_v"]),
        floats(kept["temp_c"]), floats(kept["hoop_strain"]), when, capacity, 300.0,
        counted("dropped readings (sentinel current, or no voltage) left out", int((~good).sum()))
        + counted(f"files of fewer than {SHORTEST} samples left out", short)
        + counted("discharges that were cut, or followed an overcharge, are no capacity", wrong),
    )  # fmt: skip
