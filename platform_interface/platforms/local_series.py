"""Series of one asset as Parquet: a folder a time base, a file a UTC day, replaced atomically."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_interface.errors import PlatformError
from platform_interface.platforms.base import Bucket
from platform_interface.platforms.upsert import laid_over, without
from platform_interface.table import Mask, Table, empty, joined
from platform_interface.when import DAY, day_of

if TYPE_CHECKING:
    import pyarrow as pa

TIME = "time"
#: Values of one row group: small enough that a window reads little more than it needs.
GROUP_VALUES = 1_048_576
#: A day file of at most this many rows is not packed.
FEW_ROWS = 512
#: Day files of one replacement that are written at once, and values that wait for that.
WRITERS, MOST_WAITING = 8, 16_777_216
_DAY_FILE = re.compile(r"^\d{4}-\d{2}-\d{2}\.parquet$")


class DayFiles:
    """The day files of one time base.

    Parameters
    ----------
    folder : Path
        Folder of the time base; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, day: int) -> Path:
        return self.folder / f"{np.datetime64(day, 'ms').astype('M8[D]')}.parquet"

    def days(self) -> list[int]:
        """Return the days that have a file, oldest first. [ms UTC]"""
        if not self.folder.is_dir():
            return []
        names = sorted(entry.name for entry in os.scandir(self.folder) if _DAY_FILE.match(entry.name))
        return [int(np.datetime64(name.removesuffix(".parquet"), "ms").astype("int64")) for name in names]

    def token(self, day: int) -> str:
        """Return a word that changes with every replacement of the day's file."""
        status = self._path(day).stat()
        return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"

    def bucket(self, day: int, names: Sequence[str]) -> Bucket:
        """Count the values of one day from the file's footer alone."""
        import pyarrow.parquet as pq

        token = self.token(day)
        with _told(self._path(day)):
            metadata = pq.read_metadata(self._path(day))
        limits = [metadata.row_group(i).column(0).statistics for i in range(metadata.num_row_groups)]
        first, last = min(int(s.min) for s in limits), max(int(s.max) for s in limits)
        columns = len(set(names) & set(metadata.schema.names))
        return Bucket(day, day + DAY, metadata.num_rows * columns, first, last, token)

    def read(self, names: Sequence[str], start: int, end: int) -> Table:
        """Return the samples with ``start <= t < end``, in the order they came within each day."""
        parts = []
        for day in self.days():
            if day + DAY > start and day < end:
                part = self.read_day(day, names, start, end)
                if part.time.size:
                    parts.append(part)
        return joined(parts, tuple(names))

    def read_day(self, day: int, names: Sequence[str], start: int, end: int) -> Table:
        """Return the samples of one day that has a file, in the order they came."""
        import pyarrow.parquet as pq

        with _told(self._path(day)), pq.ParquetFile(self._path(day)) as file:
            groups = [i for i in range(file.num_row_groups) if _overlaps(file.metadata.row_group(i), start, end)]
            held = set(file.schema_arrow.names)
            present = [name for name in names if name in held]
            content = file.read_row_groups(groups, columns=[TIME, *present])
        return to_table(content, names).between(start, end)

    def append(self, table: Table) -> None:
        """Add rows behind those that the days already have."""
        for day, part in by_day(table):
            names = tuple(dict.fromkeys([*self.names(day), *part.names]))
            before = self.read_day(day, names, day, day + DAY) if self._path(day).exists() else empty(names)
            self._write_day(day, joined([before, part], names))
        self._sync()

    def replace(self, start: int, end: int | None, table: Table) -> None:
        """Put `table` in place of everything in ``start <= t < end``."""
        fresh = dict(by_day(table))
        if any(day + DAY <= start or (end is not None and day >= end) for day in fresh):
            raise PlatformError(f"{self.folder.name}: rows outside the replaced range")
        days = sorted({*self.days(), *fresh})
        self._write(
            (day, self._replaced(day, start, end, fresh.get(day, empty(table.names))))
            for day in days
            if day + DAY > start and (end is None or day < end)
        )

    def _replaced(self, day: int, start: int, end: int | None, new: Table) -> Table:
        kept = self._kept(day, start, end)
        rows = joined([kept, new], tuple(dict.fromkeys([*kept.names, *new.names])))
        if kept.time.size and new.time.size:
            rows = rows.rows(np.argsort(rows.time, kind="stable"))
        return rows

    def upsert(self, table: Table) -> None:
        """Lay samples over what is held: one value a series and time; days that would not change are not written."""
        parts = dict(by_day(table))
        self._change(list(parts), lambda day, held: laid_over(held, parts[day]))

    def remove(self, names: Sequence[str], start: int, end: int) -> None:
        """Take the values of these series out of ``start <= t < end``; every other series keeps its own."""
        days = [day for day in self.days() if day + DAY > start and day < end]
        self._change(days, lambda day, held: without(held, names, start, end))

    def _change(self, days: Sequence[int], change: Callable[[int, Table], Table]) -> None:
        """Write the days for which the change gives another table."""

        def changed() -> Iterator[tuple[int, Table]]:
            for day in days:
                held = self._whole(day)
                if (rows := change(day, held)) is not held:
                    yield day, rows

        self._write(changed())

    def _whole(self, day: int) -> Table:
        return self.read_day(day, self.names(day), day, day + DAY) if self._path(day).exists() else empty(())

    def _write(self, changed: Iterable[tuple[int, Table]]) -> None:
        """Write the files of some days, or delete those that have no row left; durably, and not all of them in memory."""
        waiting: list[tuple[int, Table]] = []
        for day, rows in changed:
            waiting.append((day, rows))
            if sum(table.size for _, table in waiting) > MOST_WAITING:
                self._write_days(waiting)
                waiting = []
        self._write_days(waiting)
        self._sync()

    def _write_days(self, written: list[tuple[int, Table]]) -> None:
        kept = [(day, rows) for day, rows in written if rows.time.size]
        for day, rows in written:
            if not rows.time.size:
                self._path(day).unlink(missing_ok=True)
        if len(kept) == 1:
            self._write_day(*kept[0])
        elif kept:
            with ThreadPoolExecutor(WRITERS) as writers:  # a disk told to keep eight files at once takes the time of one
                list(writers.map(lambda job: self._write_day(*job), kept))

    def _sync(self) -> None:
        """Make the renames durable."""
        if self.folder.is_dir():
            sync_folder(self.folder)

    def _kept(self, day: int, start: int, end: int | None) -> Table:
        """Return the rows of a day outside the replaced range, with every column that it has."""
        covered = start <= day and (end is None or end >= day + DAY)
        if covered or not self._path(day).exists():
            return empty(())
        whole = self._whole(day)
        outside = whole.time < start
        if end is not None:
            outside |= whole.time >= end
        return whole.rows(outside)

    def names(self, day: int) -> list[str]:
        """Return the series that a day's file holds."""
        import pyarrow.parquet as pq

        path = self._path(day)
        return [name for name in pq.read_schema(path).names if name != TIME] if path.exists() else []

    def _write_day(self, day: int, table: Table) -> None:
        import pyarrow.parquet as pq

        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(day)
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        rows = max(1, table.time.size)
        groups = math.ceil(rows * max(1, len(table.names)) / GROUP_VALUES)
        # groups of one size: a window of an evenly sampled day begins where one does
        with _told(path), scratch.open("wb") as file:
            pq.write_table(to_arrow(table), file, row_group_size=math.ceil(rows / groups), **_packing(rows))
            file.flush()
            os.fsync(file.fileno())
            os.utime(scratch, ns=(time.time_ns(),) * 2)  # the system's own stamp ticks in milliseconds: too coarse for a token
        os.replace(scratch, path)


def _packing(rows: int) -> dict[str, Any]:
    """Return how columns are packed; on few rows of many columns (a verdict on every cell) packing costs three times the rest."""
    if rows <= FEW_ROWS:
        return {"compression": "none", "use_dictionary": False, "write_statistics": [TIME]}
    return {"compression": "zstd"}


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say which file it was that could not be read or written."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise PlatformError(f"{path}: {error}. Is the disk full, or the file damaged? Restore it from a back-up.") from None


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable; where the system cannot (Windows), the rename itself must do."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _overlaps(group: object, start: int, end: int) -> bool:
    statistics = group.column(0).statistics  # type: ignore[attr-defined]
    return int(statistics.max) >= start and int(statistics.min) < end


def to_arrow(table: Table) -> pa.Table:
    """Return Arrow columns `time` and one a sensor; what was never delivered becomes null."""
    import pyarrow as pa

    columns: list[pa.Array] = [pa.array(table.time)]
    for row, values in enumerate(table.values):
        columns.append(pa.array(values, mask=None if table.absent is None else table.absent[row]))
    return pa.table(columns, names=[TIME, *table.names])


def to_table(content: pa.Table, names: Sequence[str]) -> Table:
    """Return Arrow columns as one contiguous block; sensors that the file lacks are absent."""
    time = content.column(TIME).to_numpy()
    values = np.empty((len(names), time.size))
    absent: Mask | None = None
    held = set(content.column_names)
    for row, name in enumerate(names):
        column = content.column(name) if name in held else None
        if column is None or column.null_count:
            absent = np.zeros(values.shape, bool) if absent is None else absent
            absent[row] = True if column is None else column.is_null().to_numpy()
        if column is None:
            values[row] = np.nan
            continue
        offset = 0
        for chunk in column.chunks:
            values[row, offset : offset + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
            offset += len(chunk)
    return Table(time, tuple(names), values, absent)


def by_day(table: Table) -> Iterator[tuple[int, Table]]:
    """Split a table at UTC midnights, the order of rows kept."""
    if not table.time.size:
        return
    first, last = day_of(int(table.time.min())), day_of(int(table.time.max()))
    if first == last:
        yield first, table
        return
    for day in np.unique(table.time // DAY * DAY):
        yield int(day), table.between(int(day), int(day) + DAY)
