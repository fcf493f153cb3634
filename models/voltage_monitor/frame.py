"""The cells of a window, from the array, or from the voltage of an asset that is one cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.voltage_monitor.debounce import FloatArray, TimeArray
from platform_interface import ModelError, ModelInput


@dataclass(frozen=True)
class Frame:
    """Cells of a window: one row a cell. `gap` is the longest interval that is no gap. [ms]"""

    index: pd.DatetimeIndex
    time: TimeArray
    cells: FloatArray
    numbers: list[int]
    gap: float


def frame_of(data: ModelInput) -> Frame:
    """Return the cells of the window.

    Raises
    ------
    ModelError
        There is no cell voltage.
    """
    frame = data.get("cell_voltage")
    if frame is not None:
        cells = np.ascontiguousarray(frame.to_numpy(dtype=float).T)
        numbers, name = [int(column) for column in frame.columns], "cell_voltage"
    else:
        frame, name = data.get("voltage"), "voltage"
        if frame is None:
            raise ModelError(
                "there is neither an array of cell voltages nor the voltage of a single cell. "
                "Map the array to 'cell_voltage' (such as \"Cell Voltage|*\") in models.voltage_monitor.inputs."
            )
        if data.get("cells_in_series") != 1.0:
            shown = data.get("cells_in_series")
            count = "not known" if shown is None else f"{shown:g}"
            raise ModelError(
                f"there are no cell voltages, and the number of cells in series is {count}: a pack's voltage tells only the mean of "
                "its cells. Map the cells to 'cell_voltage', or, if the asset is one cell, set its parameter 'Cells in series' to 1."
            )
        cells, numbers = frame.to_numpy(dtype=float)[np.newaxis, :], [1]
    index = pd.DatetimeIndex(frame.index)
    return Frame(index, milliseconds(frame), cells, numbers, 1000.0 * data.max_gap[name])


def milliseconds(series: pd.Series[float] | pd.DataFrame) -> TimeArray:
    """Return the sample times. [ms UTC]"""
    return np.asarray(pd.DatetimeIndex(series.index).as_unit("ms").asi8, dtype=np.int64)
