"""`Table`: samples of sensors that share one time base, between a connector and the mapping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """Samples as a platform holds them: raw, perhaps unsorted, perhaps with duplicates.

    Attributes
    ----------
    time : ndarray of int64, shape (n,)
        Milliseconds UTC.
    names : tuple of str, length k
        Sensor names.
    values : ndarray of float64, shape (k, n)
        One row a sensor, contiguous. NaN where there is no sample, or the sample is not a number.
    absent : ndarray of bool, shape (k, n), or None
        Which of the NaN were never delivered; None when every cell was.
    """

    time: Times
    names: tuple[str, ...]
    values: Values
    absent: Mask | None = None

    @property
    def size(self) -> int:
        """Number of values held."""
        return int(self.values.size)

    def select(self, names: tuple[str, ...]) -> Table:
        """Return the table with these sensors only; the same object when nothing changes."""
        if names == self.names:
            return self
        rows = [self.names.index(name) for name in names]
        if rows and rows == list(range(rows[0], rows[0] + len(rows))):
            block = slice(rows[0], rows[0] + len(rows))
            return Table(self.time, names, self.values[block], None if self.absent is None else self.absent[block])
        return Table(self.time, names, self.values[rows], None if self.absent is None else self.absent[rows])

    def rows(self, which: Mask | NDArray[np.intp]) -> Table:
        """Return the samples that a mask or an order chooses."""
        absent = None if self.absent is None else self.absent[:, which]
        return Table(self.time[which], self.names, self.values[:, which], absent)

    def between(self, start: int, end: int | None) -> Table:
        """Return the samples with ``start <= t < end``; on the same memory where they lie side by side."""
        inside = self.time >= start
        if end is not None:
            inside &= self.time < end
        if inside.all():
            return self
        first = int(inside.argmax())
        run = slice(first, first + int(np.count_nonzero(inside)))
        if not inside[run].all():
            return self.rows(inside)
        return Table(self.time[run], self.names, self.values[:, run], None if self.absent is None else self.absent[:, run])


def empty(names: tuple[str, ...]) -> Table:
    """Return a table of no samples."""
    return Table(np.empty(0, np.int64), names, np.empty((len(names), 0)))


def joined(parts: list[Table], names: tuple[str, ...]) -> Table:
    """Lay tables one behind the other, in the order given; a sensor that a part lacks is absent there."""
    filled = [_with_names(part, names) for part in parts if part.time.size]
    if not filled:
        return empty(names)
    if len(filled) == 1:
        return filled[0]
    absent = None
    if any(part.absent is not None for part in filled):
        absent = np.concatenate(
            [np.zeros(part.values.shape, bool) if part.absent is None else part.absent for part in filled], axis=1
        )
    return Table(
        np.concatenate([part.time for part in filled]),
        names,
        np.concatenate([part.values for part in filled], axis=1),
        absent,
    )


def _with_names(part: Table, names: tuple[str, ...]) -> Table:
    if part.names == names:
        return part
    values = np.full((len(names), part.time.size), np.nan)
    absent = np.ones(values.shape, bool)
    for row, name in enumerate(names):
        if name in part.names:
            position = part.names.index(name)
            values[row] = part.values[position]
            absent[row] = False if part.absent is None else part.absent[position]
    return Table(part.time, names, values, absent if absent.any() else None)


def tables_of(names: tuple[str, ...], tables: Sequence[Table]) -> Table:
    """Return the samples of these sensors out of what was read; those on several time bases are laid together."""
    parts = [table.select(tuple(name for name in table.names if name in names)) for table in tables]
    parts = [part for part in parts if part.names]
    if len(parts) == 1 and set(parts[0].names) == set(names):
        return parts[0].select(names)
    return joined(parts, names)
