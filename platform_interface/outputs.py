"""Outputs of a model -> rows for a platform: checked, rounded once, decimated, finite.

Rounding to 9 significant digits and finite values hold for every platform: some store a number with
more digits as text. Decimation is a deadband that also keeps the first sample of every UTC day.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_interface.errors import ModelError
from platform_interface.manifest import Output
from platform_interface.spelling import did_you_mean
from platform_interface.table import Table, Times, Values, empty, joined
from platform_interface.when import DAY, text

if TYPE_CHECKING:
    import pandas as pd

_POWERS = 10.0 ** np.arange(-300, 301)
#: Where more than one sample in so many may be kept, the one that follows each is searched for all at once.
_MANY_KEPT = 8


class OutputError(ModelError):
    """A model broke the contract of its outputs: a fault of the model, not of the data."""


@dataclass(frozen=True)
class Column:
    """One output, every sample, in order; `values` has one row a column of an array output, `numbers` its numbers."""

    time: Times
    values: Values
    numbers: tuple[int, ...] = ()


@dataclass
class Prepared:
    """What one window of one model puts on the platform."""

    columns: dict[str, Column]
    table: Table
    carry: dict[str, Any]
    latest: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def round9(values: Values) -> Values:
    """Round to 9 significant digits, each value to the double nearest to its decimal.

    Examples
    --------
    >>> round9(np.array([1 / 3, 123456789.12, 0.0])).tolist()
    [0.333333333, 123456789.0, 0.0]
    """
    size = np.abs(values)
    exponent = np.searchsorted(_POWERS, size, side="right") - 301
    digits = 8 - exponent
    usual = (digits >= 0) & (digits <= 22) & (size > 0)
    scale = np.where(usual, 10.0 ** np.clip(digits, 0, 22).astype(float), 1.0)
    scaled = values * scale
    whole = np.rint(scaled)
    with np.errstate(invalid="ignore"):
        usual &= np.abs(np.abs(scaled - whole) - 0.5) > 1e-6  # a product so near to a half may lie on its other side
    rounded = np.where(usual, whole / scale, values)
    rest = ~usual & (size > 0) & np.isfinite(values)
    if rest.any():
        rounded[rest] = [float(f"{value:.9g}") for value in values[rest]]
    return rounded


def kept(time: Times, values: Values, threshold: float, carry: dict[str, Any]) -> Any:
    """Return which samples a deadband keeps, and change `carry` for the window after.

    Parameters
    ----------
    time : ndarray of int64, shape (n,)
        [ms UTC]
    values : ndarray of float64, shape (n,)
        Finite.
    threshold : float
        A sample is kept when it differs from the last kept one by at least this, and at all.
    carry : dict
        ``value`` and ``day`` of the last kept sample.
    """
    keep = np.zeros(time.size, bool)
    last, day = carry.get("value"), carry.get("day")
    firsts = np.flatnonzero(np.diff(time // DAY, prepend=-1 if day is None else day) != 0)
    edges = [0, *firsts.tolist(), time.size]
    for low, high in pairwise(edges):
        if high <= low:
            continue
        if low in firsts:
            keep[low] = True
            last = float(values[low])
        last = _deadband(values[low:high], threshold, float("inf") if last is None else last, keep[low:high])
    if time.size:
        carry["value"], carry["day"] = last, int(time[-1] // DAY)
    return keep


def _deadband(values: Values, threshold: float, last: float, keep: Any) -> float:
    """Mark the samples of one day that leave the band around the last kept one.

    A rising day is walked from one kept sample to the next; all ways ask the very same comparison, so they agree.
    """
    if values.size and bool((values[1:] >= values[:-1]).all()) and values[0] >= last:
        return _rising(values, threshold, last, keep)
    high, low = last + threshold, last - threshold
    changes = np.flatnonzero(np.append(True, values[1:] != values[:-1]))  # what repeats the sample before it is never kept
    positions = []
    for position, value in zip(changes.tolist(), values[changes].tolist(), strict=True):
        if (value >= high or value <= low) and value != last:
            positions.append(position)
            last, high, low = value, value + threshold, value - threshold
    keep[positions] = True
    return last


def _rising(values: Values, threshold: float, last: float, keep: Any) -> float:
    """Mark the kept samples of values that never fall: where few are kept each is searched, else all are at once."""
    rising, positions = values.tolist(), []
    high = last + threshold
    position = bisect_left(rising, high) if high > last else bisect_right(rising, last)
    following: list[int] | None = None
    if (rising[-1] - rising[0]) * _MANY_KEPT > threshold * len(rising):
        with np.errstate(over="ignore"):
            above = values + threshold
        after = np.searchsorted(values, above)
        if not (above > values).all():  # a threshold of zero, or less than the values resolve
            after = np.where(above > values, after, np.searchsorted(values, values, side="right"))
        following = after.tolist()
    while position < len(rising):
        positions.append(position)
        last = rising[position]
        if following is not None:
            position = following[position]
        else:
            high = last + threshold
            position = bisect_left(rising, high, position) if high > last else bisect_right(rising, last, position)
    keep[positions] = True
    return last


def prepare(
    given: Any, outputs: Mapping[str, Output], names: Mapping[str, str], window: tuple[int, int], carry: Mapping[str, Any]
) -> Prepared:
    """Check what a model returned and make the rows for the platform.

    Raises
    ------
    OutputError
        An unknown name, a wrong type, times outside the window or not increasing, values outside the range.
    """
    if not isinstance(given, dict):
        raise OutputError(f"process returned a {type(given).__name__}, not a dict of output names")
    for name in given:
        if name not in outputs:
            raise OutputError(f"process returned '{name}', which model.json does not name{did_you_mean(str(name), outputs)}")
    result = Prepared({}, empty(()), {name: dict(value) for name, value in carry.items()})
    tables = []
    for name, output in outputs.items():
        if given.get(name) is None:
            continue
        column = _column(name, output, given[name], window, result)
        if column is None:
            continue
        result.columns[name] = column
        tables.append(_rows(name, names[name], output, column, result))
    result.table = _side_by_side([table for table in tables if table.names])
    return result


def _column(name: str, output: Output, value: Any, window: tuple[int, int], result: Prepared) -> Column | None:
    import pandas as pd

    if isinstance(value, (list, np.ndarray)) or not isinstance(value, (pd.Series, pd.DataFrame)):
        raise OutputError(f"output '{name}' is a {type(value).__name__}, not a Series or DataFrame with UTC times")
    if len(value) == 0:
        return None
    time = _times(name, value, window)
    block = value.to_numpy()
    if block.dtype.kind not in "fiub":
        result.notes.append(f"output '{name}' holds {block.dtype} values; a platform takes numbers, so it was left out")
        return None
    block = np.ascontiguousarray(np.atleast_2d(np.asarray(block, float).T))
    if output.type == "pd.Series" and block.shape[0] != 1:
        raise OutputError(f"output '{name}' has {block.shape[0]} columns; model.json says it is a pd.Series")
    if output.type == "pd.DataFrame" and output.columns and block.shape[0] != output.columns:
        raise OutputError(f"output '{name}' has {block.shape[0]} columns; model.json says {output.columns}")
    known = np.isfinite(block)
    finite = known.any(axis=0) if output.partial else known.all(axis=0)
    if not finite.all():
        result.notes.append(f"output '{name}': {int((~finite).sum())} values that are not finite were left out")
        time, block = time[finite], block[:, finite]
    block = round9(np.where(np.isfinite(block), block, np.nan) if output.partial else block)
    if output.valid_range is not None and block.size:
        (low, high), least, most = output.valid_range, float(np.nanmin(block)), float(np.nanmax(block))
        if least < low or most > high:
            raise OutputError(f"output '{name}' reaches {least:.6g} to {most:.6g} {output.unit}, outside {low:g} to {high:g}")
    return Column(time, block, _numbers(value, block.shape[0]))


def _numbers(value: pd.Series | pd.DataFrame, count: int) -> tuple[int, ...]:
    """Return the numbers of an array's columns: its labels where those are whole numbers, else from 0."""
    labels = tuple(getattr(value, "columns", ()))
    whole = all(isinstance(label, (int, np.integer)) and label >= 0 for label in labels)
    return tuple(int(label) for label in labels) if whole and len(set(labels)) == count else tuple(range(count))


def _times(name: str, value: pd.Series | pd.DataFrame, window: tuple[int, int]) -> Times:
    import pandas as pd

    index = value.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise OutputError(f"output '{name}' has no UTC times as index; keep the index of the input")
    time = index.tz_convert("UTC").as_unit("ms").asi8
    if time.size > 1 and not (time[1:] > time[:-1]).all():
        raise OutputError(f"output '{name}': times do not strictly increase")
    if time.size and (time[0] < window[0] or time[-1] >= window[1]):
        raise OutputError(
            f"output '{name}' has a time outside the window {text(window[0])} to {text(window[1])}; "
            "carry what is open in self.state and give it when its time comes"
        )
    return np.asarray(time, np.int64)


def _rows(name: str, series: str, output: Output, column: Column, result: Prepared) -> Table:
    """Decimate one output and name its columns as the platform does."""
    array = output.type == "pd.DataFrame"
    names = tuple(f"{series}|{number}" for number in column.numbers) if array else (series,)
    if column.time.size:
        for label, row in zip(names, column.values, strict=True):
            seen = row[np.isfinite(row)] if output.partial else row
            if seen.size:
                result.latest[label] = float(seen[-1])
    if output.decimation_threshold is None or array:
        return Table(column.time, names, column.values, np.isnan(column.values) if output.partial else None)
    state = result.carry.setdefault(name, {})
    keep = kept(column.time, column.values[0], output.decimation_threshold, state)
    return Table(column.time[keep], names, np.ascontiguousarray(column.values[:, keep]))


def _side_by_side(tables: list[Table]) -> Table:
    """Join outputs on their times; a cell without a value is absent."""
    if not tables:
        return empty(())
    names = tuple(name for table in tables for name in table.names)
    if all(np.array_equal(table.time, tables[0].time) and table.absent is None for table in tables):
        return Table(tables[0].time, names, np.concatenate([table.values for table in tables]))
    time = np.sort(np.concatenate([table.time for table in tables]), kind="stable")  # merges what is sorted already
    time = time[np.diff(time, prepend=time[0] - 1) != 0] if time.size else time
    wide = joined([Table(time, (), np.empty((0, time.size)))], names)
    absent = np.ones(wide.values.shape, bool)
    row = 0
    for table in tables:
        where = np.searchsorted(time, table.time)
        for number, values in enumerate(table.values):
            wide.values[row, where] = values
            absent[row, where] = False if table.absent is None else table.absent[number]
            row += 1
    return Table(time, names, wide.values, absent)
