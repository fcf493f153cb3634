"""What the readers share: files to one clock, sentinels out by count, capacities in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.soh.raw.cell import FloatArray, RawDataError

#: Samples that share a second are set this far apart, in the order of the file. [s]
NUDGE = 0.001


def need(folder: Path, *parts: str) -> Path:
    """Return a file of the folder of measured data.

    Raises
    ------
    FileNotFoundError
        It is not there; the message says where data is looked for.
    """
    path = folder.joinpath(*parts)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there. Set TWIN_SHARED_DATA to the folder of measured data.")
    return path


def require(table: pd.DataFrame, columns: Iterable[str], where: str) -> None:
    """Raise for columns that a file lacks, all at once."""
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise RawDataError(f"{where}: no column {', '.join(missing)}; there are {', '.join(map(str, table.columns))}")


def apart(time: FloatArray) -> FloatArray:
    """Set samples of equal time a millisecond apart, keeping their order.

    Parameters
    ----------
    time : ndarray
        Not decreasing. [s]
    """
    number = np.arange(len(time))
    first = np.maximum.accumulate(np.where(np.diff(time, prepend=-np.inf) > 0, number, 0))
    return time + NUDGE * (number - first)


def floats(values: npt.ArrayLike) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def labels(pairs: Sequence[tuple[float, float]]) -> tuple[FloatArray, FloatArray]:
    """Return times and capacities in order of time."""
    ordered = sorted(pairs)
    return floats([time for time, _ in ordered]), floats([capacity for _, capacity in ordered])


def counted(text: str, count: int) -> tuple[str, ...]:
    """Return a note where there is something to note."""
    return (f"{count} {text}",) if count else ()
