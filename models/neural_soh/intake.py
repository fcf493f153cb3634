"""What the platform gives -> samples of one cell: the median cell where cells are measured, else the mean one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.neural_soh.segments import FloatArray, Samples
from platform_interface import ModelError, ModelInput

#: Share of the cells whose voltage must be known for the median to stand for all. [1]
ENOUGH = 0.5
#: Cells in series up to this are one cell whose number was not rounded. [1]
WHOLE = 1e-9


def samples_of(data: ModelInput) -> Samples:
    """Return the samples of a cell.

    Notes
    -----
    Health is not imbalance: of a string the weakest cell ends every charge, so its voltage says nothing of the others. The median of
    the measured cells is a cell of its own; where fewer than half are known the mean of the string stands for it. Samples without a
    voltage are left out: the current in between is taken to be straight.

    Raises
    ------
    ModelError
        The number of cells is no whole number.
    """
    current: pd.Series[float] = data["current"]
    time = np.asarray(pd.DatetimeIndex(current.index).as_unit("ms").asi8, dtype=np.int64)
    amperes: FloatArray = np.asarray(current.to_numpy(), dtype=np.float64)
    voltage = _cell(data)
    known = np.isfinite(voltage) & np.isfinite(amperes)
    rest = (_optional(data, name, len(time))[known] for name in ("temperature", "strain"))
    return Samples(time[known], amperes[known], voltage[known], *rest)


def _cell(data: ModelInput) -> FloatArray:
    series = float(data["cells_in_series"])
    if series < 1.0 or abs(series - round(series)) > WHOLE:
        raise ModelError(
            f"cells_in_series is {series:g}, not a whole number. Set the asset's 'Cells in series' on the platform."
        )
    mean: FloatArray = np.asarray(data["voltage"].to_numpy() / round(series), dtype=np.float64)
    cells = data.get("cell_voltage")
    if cells is not None:
        block = cells.to_numpy(dtype=np.float64)
        enough = np.isfinite(block).mean(axis=1) >= ENOUGH if block.size else np.zeros(len(block), dtype=bool)
        mean = mean.copy()
        mean[enough] = np.nanmedian(block[enough], axis=1)
    return mean


def _optional(data: ModelInput, name: str, count: int) -> FloatArray:
    given = data.get(name)
    return np.full(count, np.nan) if given is None else np.asarray(given.to_numpy(dtype=np.float64))
