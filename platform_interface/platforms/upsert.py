"""Samples on a platform that holds one value a series and time, where the embedded store may hold several.

Of the samples of one series that share a time, equal ones count once; unequal ones cannot be held, and neither side picks one:
they are left out and counted. That is what a run does by itself where settings say nothing else (`conflicts: drop`), so that
results are the same whichever way the samples came.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from platform_interface.table import Mask, Table, Times


def one_value_a_time(table: Table) -> tuple[Table, int]:
    """Return the table in the order of time with one row a time, and how many values were left out as contradictory.

    A cell is contradicted where rows of its time hold unequal numbers of its series; a NaN contradicts nothing.
    """
    table = _sorted(table)
    time, first = _times(table.time)
    if time.size == table.time.size:
        return table, 0
    values = table.values + 0.0  # -0.0 equals 0.0, but not in its bytes
    least, greatest = np.fmin.reduceat(values, first, axis=1), np.fmax.reduceat(values, first, axis=1)
    clash = least < greatest
    absent = clash.copy()
    if table.absent is not None:
        absent |= np.logical_and.reduceat(table.absent, first, axis=1)
    known = ~np.isnan(values)
    left_out = int((np.add.reduceat(known, first, axis=1, dtype=np.int64) * clash).sum())
    some = np.asarray(~absent.all(axis=0))
    found = Table(time, table.names, np.where(clash, np.nan, least), absent if absent.any() else None)
    return (found if some.all() else found.rows(some)), left_out


def last_value_a_time(table: Table) -> Table:
    """Return the table in the order of time with one row a time: of the values of one series and time, the last one given."""
    table = _sorted(table)
    time, first = _times(table.time)
    if time.size == table.time.size:
        return table
    if table.absent is None:
        return table.rows(np.append(first[1:], table.time.size) - 1)
    position = np.where(table.absent, -1, np.arange(table.time.size))
    last = np.maximum.reduceat(position, first, axis=1)
    values = np.take_along_axis(table.values, np.maximum(last, 0), axis=1)
    return Table(time, table.names, np.where(last < 0, np.nan, values), last < 0)


def laid_over(held: Table, fresh: Table) -> Table:
    """Return what is held with fresh values in place of those of the same series and time, in the order of time.

    The same object is returned where nothing would change.
    """
    fresh = last_value_a_time(fresh)
    if fresh.absent is not None:
        fresh = fresh.rows(np.asarray(~fresh.absent.all(axis=0)))
    names = tuple(dict.fromkeys([*held.names, *fresh.names]))
    base = _widened(_sorted(held), names)
    low, high = np.searchsorted(base.time, fresh.time), np.searchsorted(base.time, fresh.time, side="right")
    there = high > low
    new = fresh.rows(~there)
    rows, source = _pairs(low[there], high[there], np.flatnonzero(there))
    changed = bool(new.time.size)
    for position, name in enumerate(fresh.names):
        given = slice(None) if fresh.absent is None else ~fresh.absent[position][source]
        target, values = rows[given], fresh.values[position][source][given]
        column = names.index(name)
        same = (base.values[column][target] == values) | (np.isnan(base.values[column][target]) & np.isnan(values))
        changed = changed or not (same & ~_absent(base)[column][target]).all()
        base.values[column][target] = values
        _absent(base)[column][target] = False
    if not changed:
        return held
    return _tidy(_appended(base, _widened(new, names)))


def without(held: Table, names: Sequence[str], start: int, end: int) -> Table:
    """Return what is held without the values of some series in ``start <= t < end``; rows with nothing left go.

    The same object is returned where nothing would change.
    """
    inside = (held.time >= start) & (held.time < end)
    columns = [position for position, name in enumerate(held.names) if name in set(names)]
    if not columns or not inside.any():
        return held
    base = _widened(held, held.names)
    marked = np.zeros(base.values.shape, bool)
    marked[columns] = inside
    if (_absent(base) | ~marked).all():
        return held
    base.values[marked] = np.nan
    _absent(base)[marked] = True
    return _tidy(base)


def _sorted(table: Table) -> Table:
    if table.time.size > 1 and (table.time[1:] < table.time[:-1]).any():
        return table.rows(np.argsort(table.time, kind="stable"))
    return table


def _times(time: Times) -> tuple[Times, Times]:
    """Return each time once, and where it begins, of times in order."""
    fresh = np.ones(time.size, bool)
    fresh[1:] = time[1:] != time[:-1]
    first = np.flatnonzero(fresh)
    return time[first], first


def _pairs(low: Times, high: Times, source: Times) -> tuple[Times, Times]:
    """Return every held row that shares a time with a fresh one, and that fresh row."""
    counts = high - low
    starts = np.repeat(low - np.concatenate(([0], np.cumsum(counts)[:-1])) if low.size else low, counts)
    return np.arange(int(counts.sum())) + starts, np.repeat(source, counts)


def _widened(table: Table, names: tuple[str, ...]) -> Table:
    """Return a copy with these series, and with a mask."""
    values = np.full((len(names), table.time.size), np.nan)
    absent = np.ones(values.shape, bool)
    for position, name in enumerate(table.names):
        row = names.index(name)
        values[row] = table.values[position]
        absent[row] = False if table.absent is None else table.absent[position]
    return Table(table.time, names, values, absent)


def _absent(table: Table) -> Mask:
    assert table.absent is not None
    return table.absent


def _appended(first: Table, second: Table) -> Table:
    if not second.time.size:
        return first
    return _sorted(
        Table(
            np.concatenate([first.time, second.time]),
            first.names,
            np.concatenate([first.values, second.values], axis=1),
            np.concatenate([_absent(first), _absent(second)], axis=1),
        )
    )


def _tidy(table: Table) -> Table:
    """Drop rows without a value, series without a value, and a mask that says nothing."""
    absent = _absent(table)
    columns, rows = np.asarray(~absent.all(axis=1)), np.asarray(~absent.all(axis=0))
    if not columns.all():
        table = table.select(tuple(name for name, some in zip(table.names, columns, strict=True) if some))
    if not rows.all():
        table = table.rows(rows)
    return table if _absent(table).any() else Table(table.time, table.names, table.values)
