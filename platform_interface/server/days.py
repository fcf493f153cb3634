"""Days of samples, one value a series and time; those read last are kept, because a client that pages asks again and again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from platform_interface.errors import PlatformError
from platform_interface.platforms.local_series import DayFiles
from platform_interface.platforms.upsert import one_value_a_time
from platform_interface.table import Table, empty
from platform_interface.when import DAY

#: Largest part of a day that is kept, and all that is kept. [values]
LARGEST, MOST = 1_048_576, 8_388_608


class Days:
    """What was read of day files, as long as they do not change."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, str, tuple[str, ...]], Table] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def read(self, files: DayFiles, day: int, names: Sequence[str], start: int, end: int) -> Table:
        """Return the samples of a day with ``start <= t < end``, in the order of time; none where its file went meanwhile."""
        try:
            return self._read(files, day, names, start, end)
        except (FileNotFoundError, PlatformError):
            if day in files.days():
                raise
            return empty(tuple(names))

    def _read(self, files: DayFiles, day: int, names: Sequence[str], start: int, end: int) -> Table:
        token = files.token(day)
        key = (str(files.folder), day, token, tuple(names))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key].between(start, end)
        if files.bucket(day, names).values > LARGEST:
            return one_value_a_time(files.read_day(day, names, start, end))[0]
        table, _ = one_value_a_time(files.read_day(day, names, day, day + DAY))
        if files.token(day) == token:  # it was not replaced meanwhile
            self._keep(key, table)
        return table.between(start, end)

    def _keep(self, key: tuple[str, int, str, tuple[str, ...]], table: Table) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = table
                self._size += _weight(table)
            while self._size > MOST:
                _, gone = self._kept.popitem(last=False)
                self._size -= _weight(gone)


def _weight(table: Table) -> int:
    """Return how many values a table is as heavy as; a day of one row weighs more than its row."""
    return table.size + table.time.size + 256
