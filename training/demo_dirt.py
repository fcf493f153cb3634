"""Put the faults of real logs into a clean table, and keep a ledger of each.

Every function draws its rows from one seeded pool without replacement, so no row has two faults and
the ledger is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

Entry = dict[str, Any]
LISTED = 20  # runs longer than this are given by their ends only


def iso(time: pd.Timestamp) -> str:
    """Write a time as ISO 8601 in UTC with milliseconds where it has any."""
    text: str = time.tz_convert("UTC").isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(".000Z", "Z")


class Dirt:
    """A table that gets dirtier, and the ledger of what was done to it.

    Parameters
    ----------
    table
        Clean rows in time order, with a column `time` in UTC.
    seed
        Seed of the rows and values drawn.

    Notes
    -----
    Call the methods that change values first, then those that add rows, then `shuffle` and `late`,
    which change the order only.
    """

    def __init__(self, table: pd.DataFrame, seed: int) -> None:
        self.table = table.reset_index(drop=True)
        self.ledger: list[Entry] = []
        self._random = np.random.default_rng(seed)
        self._used: set[pd.Timestamp] = set()

    def gap(self, start: str, minutes: float) -> None:
        """Remove every row from `start` on for some minutes.

        Parameters
        ----------
        start
            Time in UTC, ISO 8601.
        minutes
            Length of the gap. [min]
        """
        begin = pd.Timestamp(start)
        inside = self._between(begin, begin + pd.Timedelta(minutes=minutes))
        lost = self.table.loc[inside, "time"]
        self.table = self.table.loc[~inside].reset_index(drop=True)
        self._note("gap", None, lost)

    def freeze(self, column: str, start: str, hours: float) -> None:
        """Hold a sensor at its first value from `start` on.

        Parameters
        ----------
        column
            The sensor's column.
        start
            Time in UTC, ISO 8601.
        hours
            How long it is stuck. [h]
        """
        begin = pd.Timestamp(start)
        inside = self._between(begin, begin + pd.Timedelta(hours=hours))
        value = self.table.loc[inside, column].iloc[0]
        self.table.loc[inside, column] = value
        self._note("frozen", column, self.table.loc[inside, "time"], value=float(value))

    def block(self, kind: str, column: str, start: str, rows: int, value: float | None) -> None:
        """Overwrite a run of rows of one column.

        Parameters
        ----------
        kind
            Name of the fault in the ledger.
        column
            The sensor's column.
        start
            Time in UTC, ISO 8601; the run begins at the first row not before it.
        rows
            Length of the run.
        value
            Raw value written; None writes a null.
        """
        first = int(self.table["time"].searchsorted(pd.Timestamp(start)))
        index = self.table.index[first : first + rows]
        self._used.update(self.table.loc[index, "time"])
        self._write(kind, column, index, value)

    def scatter(self, kind: str, column: str, rows: int, value: float | None) -> None:
        """Overwrite single rows of one column, drawn at random; parameters as in `block`."""
        self._write(kind, column, self._draw(rows), value)

    def duplicate(self, rows: int) -> None:
        """Repeat some rows exactly, each directly after the first."""
        drawn = self._draw(rows)
        self._note("duplicate", None, self.table.loc[drawn, "time"], listed=True)
        self.table = pd.concat([self.table, self.table.loc[drawn]]).sort_index(kind="stable")
        self.table = self.table.reset_index(drop=True)

    def conflict(self, column: str, rows: int, change: float) -> None:
        """Repeat some rows with another value in one column.

        Parameters
        ----------
        column
            The sensor's column.
        rows
            How many rows get a twin.
        change
            Added to the twin's value, in the column's unit.
        """
        drawn = self._draw(rows)
        twins = self.table.loc[drawn].copy()
        twins[column] += change
        self._note("conflict", column, twins["time"], listed=True, change=change)
        self.table = pd.concat([self.table, twins]).sort_index(kind="stable").reset_index(drop=True)

    def shuffle(self, start: str, rows: int) -> None:
        """Put a run of rows into a random order."""
        first = int(self.table["time"].searchsorted(pd.Timestamp(start)))
        order = np.arange(len(self.table))
        self._random.shuffle(order[first : first + rows])
        self._note("unsorted", None, self.table["time"].iloc[first : first + rows])
        self.table = self.table.iloc[order].reset_index(drop=True)

    def late(self, start: str, rows: int) -> None:
        """Move a run of rows to the end of the file; call after every `shuffle`."""
        near = (self.table["time"] >= pd.Timestamp(start)).to_numpy()
        first = int(np.flatnonzero(near)[0])
        index = np.arange(first, first + rows)
        self._note("late", None, self.table["time"].iloc[index])
        rest = np.setdiff1d(np.arange(len(self.table)), index)
        self.table = self.table.iloc[np.concatenate([rest, index])].reset_index(drop=True)

    def fraction(self) -> float:
        """Share of rows with a fault of their own; gaps and frozen channels not counted."""
        own = [entry for entry in self.ledger if entry["kind"] not in ("gap", "frozen")]
        return float(sum(entry["count"] for entry in own)) / len(self.table)

    def _between(self, begin: pd.Timestamp, end: pd.Timestamp) -> pd.Series:
        return (self.table["time"] >= begin) & (self.table["time"] < end)

    def _draw(self, rows: int) -> pd.Index:
        free = self.table.index[~self.table["time"].isin(list(self._used))]
        drawn = pd.Index(np.sort(self._random.choice(free.to_numpy(), rows, replace=False)))
        self._used.update(self.table.loc[drawn, "time"])
        return drawn

    def _write(self, kind: str, column: str, index: pd.Index, value: float | None) -> None:
        self.table.loc[index, column] = np.nan if value is None else value
        times = self.table.loc[index, "time"]
        self._note(kind, column, times, listed=len(index) <= LISTED, value=value)

    def _note(self, kind: str, column: str | None, times: pd.Series, listed: bool = False, **extra: Any) -> None:
        if times.empty:
            raise ValueError(f"{kind} on {column}: no row at that time. Choose a logged interval.")
        entry: Entry = {"kind": kind, "sensor": column}
        entry |= {"from": iso(times.min()), "to": iso(times.max()), "count": len(times)} | extra
        if listed:
            entry["times"] = [iso(time) for time in times]
        self.ledger.append(entry)
