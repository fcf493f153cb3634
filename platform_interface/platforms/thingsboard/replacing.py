"""Outputs put in place of those of a range: the new rows first, then what is stale goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from platform_interface.platforms.thingsboard.entities import Entity
from platform_interface.platforms.thingsboard.reading import EARLIEST, LATEST, Reader
from platform_interface.platforms.thingsboard.registry import Registry
from platform_interface.platforms.thingsboard.writing import Writer, stale_runs
from platform_interface.table import Table, Times

#: With more stretches of stale samples than this, the whole range is deleted and written again.
MOST_RUNS = 32


@dataclass
class Replacer:
    """Replaces outputs of things. It remembers, for one run under one lease, behind which time there is nothing."""

    reader: Reader
    writer: Writer
    registry: Registry
    _clear_from: dict[tuple[str, str], int] = field(default_factory=dict)

    def replace(self, entity: Entity, base: str, start: int, end: int | None, table: Table) -> list[str]:
        """Write the rows, then delete what the range held beside them; return what was refused."""
        start, until = max(start, EARLIEST), LATEST if end is None else min(end, LATEST)
        names = sorted({*self.registry.base(entity, base), *table.names})
        held = self._held(entity, base, names, start, until)
        refused = self.writer.write(entity, table)
        for group, runs in _stale(held, table):
            if len(runs) <= MOST_RUNS:
                for low, high in runs:
                    self.writer.delete(entity, group, low, high)
            else:
                self.writer.delete(entity, group, start, until)
                self.writer.write(entity, table.select(tuple(name for name in table.names if name in group)))
        self._now_clear(entity, base, start, end, table)
        return refused

    def forget(self, entity: Entity) -> None:
        """Others may have written."""
        for key in [key for key in self._clear_from if key[0] == entity.uuid]:
            del self._clear_from[key]

    def _held(self, entity: Entity, base: str, names: Sequence[str], start: int, end: int) -> dict[str, Times]:
        """Return the times that each series of the base has in the range."""
        key = (entity.uuid, base)
        clear = self._clear_from.get(key)
        if clear is None:
            latest = self.reader.ends(entity, names, newest=True) if names else {}
            clear = self._clear_from[key] = max(latest.values(), default=EARLIEST - 1) + 1
        if start >= clear:
            return {}
        series = self.reader.series(entity, names, start, min(end, clear))
        return {name: np.concatenate([part[0] for part in parts]) for name, parts in series.items() if parts}

    def _now_clear(self, entity: Entity, base: str, start: int, end: int | None, table: Table) -> None:
        last = int(table.time.max()) + 1 if table.time.size else EARLIEST
        key = (entity.uuid, base)
        before = self._clear_from[key]
        self._clear_from[key] = max(last, min(start, before) if end is None else before)


def _stale(held: dict[str, Times], table: Table) -> list[tuple[list[str], list[tuple[int, int]]]]:
    """Return the ranges to delete, with the series of which each is to be."""
    grouped: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for name, times in held.items():
        kept = np.empty(0, np.int64)
        if name in table.names:
            row = table.names.index(name)
            kept = np.sort(table.time[np.isfinite(table.values[row])])
        runs = stale_runs(times, kept)
        if runs:
            grouped.setdefault(tuple(runs), []).append(name)
    return [(names, list(runs)) for runs, names in grouped.items()]
