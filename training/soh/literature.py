"""The per-charge features of 387 cells that the literature compares on, and its splits by cell, without its leaks.

Sixteen statistics of the constant-current and the constant-voltage part of each charge, and the capacity. The published protocol
scales each test cell over its whole life and drops test rows by a rule that reads the label; neither is done here, see
`documentation/explanation/soh-data.md`.

References
----------
Wang, Zhai, Zhao, Di, Chen, Nat. Commun. 15 (2024) 4332, doi:10.1038/s41467-024-48779-z
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from training.soh.cells import Cell, natural

FILE = Path("pinn4soh_features") / "features_387cells.parquet"
#: Statistics of a charge, in the file's order.
FEATURES = (
    "voltage_mean",
    "voltage_std",
    "voltage_kurtosis",
    "voltage_skewness",
    "cc_q",
    "cc_charge_time",
    "voltage_slope",
    "voltage_entropy",
    "current_mean",
    "current_std",
    "current_kurtosis",
    "current_skewness",
    "cv_q",
    "cv_charge_time",
    "current_slope",
    "current_entropy",
)
#: Data set, batch and nominal capacity of each group. [Ah]
GROUPS: dict[str, tuple[str, tuple[str, ...], float]] = {
    "XJTU-2C": ("XJTU", ("2C",), 2.0),
    "XJTU-3C": ("XJTU", ("3C",), 2.0),
    "XJTU-R2.5": ("XJTU", ("R2.5",), 2.0),
    "XJTU-R3": ("XJTU", ("R3",), 2.0),
    "XJTU-RW": ("XJTU", ("RW",), 2.0),
    "XJTU-satellite": ("XJTU", ("Sim",), 2.0),
    "TJU-1": ("TJU", ("Dataset_1_NCA_battery",), 3.5),
    "TJU-2": ("TJU", ("Dataset_2_NCM_battery",), 3.5),
    "TJU-3": ("TJU", ("Dataset_3_NCM_NCA_battery",), 2.5),
    "HUST": ("HUST", ("",), 1.1),
    "MIT": ("MIT", ("2017-05-12", "2017-06-30", "2018-04-12"), 1.1),
}
HUST_TEST = frozenset(
    [
        "1-4",
        "1-8",
        "2-4",
        "2-8",
        "3-4",
        "3-8",
        "4-4",
        "4-8",
        "5-4",
        "5-7",
        "6-4",
        "6-8",
        "7-4",
        "7-8",
        "8-4",
        "8-8",
        "9-4",
        "9-8",
        "10-4",
        "10-8",
    ]
)


def read(shared: Path, group: str) -> list[Cell]:
    """Read the cells of a group in natural order.

    Parameters
    ----------
    shared : Path
        The folder of measured data.
    group : str
        A key of :data:`GROUPS`.

    Raises
    ------
    ValueError
        A capacity is outside 0.3 to 1.3 of the nominal one: another unit, or another cell.
    """
    dataset, batches, nominal = GROUPS[group]
    table = pd.read_parquet(shared / FILE, filters=[("dataset", "==", dataset), ("batch", "in", list(batches))])
    cells = []
    for name, rows in table.groupby("cell", observed=True):
        rows = rows.sort_values("cycle_index", kind="stable")
        soh = rows["capacity"].to_numpy(float) / nominal
        if not ((soh > 0.3) & (soh < 1.3)).all():
            wrong = float(soh[(soh <= 0.3) | (soh >= 1.3)][0])
            raise ValueError(f"{group} {name}: capacity {wrong * nominal:.4g} Ah is {wrong:.2f} of the nominal {nominal} Ah")
        features = rows[list(FEATURES)].to_numpy(float)
        features = np.where(np.isfinite(features), features, np.nan)
        cells.append(Cell(str(name), group, nominal, FEATURES, features, soh))
    return sorted(cells, key=lambda cell: natural(cell.name))


def split(cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """Return training and test cells of a group, as the literature names them.

    TJU's published split depends on the order of a file system; every fifth cell in natural order is tested instead.
    """
    parts: tuple[list[Cell], list[Cell]] = [], []
    for number, cell in enumerate(cells):
        parts[_is_test(cell, number)].append(cell)
    return parts


def _is_test(cell: Cell, number: int) -> bool:
    if cell.group == "HUST":
        return cell.name in HUST_TEST
    if cell.group == "MIT":
        return int(cell.name.split("-")[-1]) % 5 == 0
    if cell.group.startswith("TJU"):
        return number % 5 == 4
    return "4" in cell.name.split("-")[-1] or "8" in cell.name.split("-")[-1]
