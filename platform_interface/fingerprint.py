"""Fingerprints of raw input: the count, and blake2b over ordered int64 times and float64 values.

A sum is not reproducible and misses an exchange of two values; a hash of ordered samples is and does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from platform_interface.table import Table
from platform_interface.when import DAY, day_of


@dataclass(frozen=True)
class Piece:
    """What a checkpoint remembers of the input in ``start <= t < end``, within one UTC day."""

    start: int
    end: int
    count: int
    digest: str

    def as_list(self) -> list[Any]:
        return [self.start, self.end, self.count, self.digest]


@dataclass(frozen=True)
class Ordered:
    """A raw table in canonical order, and what was found on the way.

    Attributes
    ----------
    table : Table
        Sorted by time, exact duplicates taken out, equal times in the order of their values.
    unsorted, duplicates : int
        Rows that came after a later one; rows that repeated another in every value.
    tied : bool
        Whether unequal rows share a time.
    """

    table: Table
    unsorted: int
    duplicates: int
    tied: bool


def ordered(table: Table) -> Ordered:
    """Bring a raw table into the one order that does not depend on how it arrived."""
    if table.absent is not None:
        present = np.asarray(~table.absent.all(axis=0))
        if not present.all():
            table = table.rows(present)
    time = table.time
    unsorted = 0
    if time.size > 1 and (time[1:] < time[:-1]).any():
        unsorted = int((time < np.maximum.accumulate(time)).sum())
        table = table.rows(np.argsort(time, kind="stable"))
        time = table.time
    same = time[1:] == time[:-1]
    if not same.any():
        return Ordered(table, unsorted, 0, False)
    table, duplicates = _without_duplicates(table, same)
    tied = bool((table.time[1:] == table.time[:-1]).any())
    return Ordered(table, unsorted, duplicates, tied)


def _without_duplicates(table: Table, same: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[Table, int]:
    """Order rows of one time by value, then drop repeats; only rows that share a time are touched."""
    shared = np.zeros(table.time.size, bool)
    shared[1:] |= same
    shared[:-1] |= same
    where = np.flatnonzero(shared)
    part = table.rows(where)
    part = Table(part.time, part.names, part.values + 0.0, part.absent)  # -0.0 equals 0.0, but not in its bytes
    part = part.rows(np.lexsort((*part.values[::-1], part.time)))
    equal = (part.values[:, 1:] == part.values[:, :-1]) | (np.isnan(part.values[:, 1:]) & np.isnan(part.values[:, :-1]))
    repeat = np.zeros(where.size, bool)
    repeat[1:] = (part.time[1:] == part.time[:-1]) & equal.all(axis=0)
    order = np.arange(table.time.size)
    values, absent = table.values.copy(), None if table.absent is None else table.absent.copy()
    values[:, where] = part.values
    if absent is not None and part.absent is not None:
        absent[:, where] = part.absent
    keep = np.ones(order.size, bool)
    keep[where[repeat]] = False
    return Table(table.time, table.names, values, absent).rows(keep), int(repeat.sum())


def pieces(table: Table, start: int, end: int) -> list[Piece]:
    """Fingerprint an ordered table, a piece a UTC day; days without samples have none."""
    inside = table.between(start, end)
    if not inside.time.size:
        return []
    first, last = day_of(int(inside.time[0])), day_of(int(inside.time[-1]))
    found = []
    for day in range(first, last + 1, DAY):
        low, high = np.searchsorted(inside.time, [day, day + DAY])
        if high > low:
            digest = hashlib.blake2b(inside.time[low:high].data, digest_size=16)
            digest.update(np.ascontiguousarray(inside.values[:, low:high]).data)
            found.append(Piece(max(day, start), min(day + DAY, end), int(high - low), digest.hexdigest()))
    return found


def combined(parts: Iterable[tuple[str, list[Piece]]], start: int, end: int) -> list[Piece]:
    """Join the pieces of several sources, in the order given, into one a day."""
    by_day: dict[int, list[tuple[str, Piece]]] = {}
    for name, found in parts:
        for piece in found:
            by_day.setdefault(day_of(piece.start), []).append((name, piece))
    joined = []
    for day, items in sorted(by_day.items()):
        text = "".join(f"{name}:{piece.count}:{piece.digest};" for name, piece in items)
        digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        joined.append(Piece(max(day, start), min(day + DAY, end), sum(piece.count for _, piece in items), digest))
    return joined
