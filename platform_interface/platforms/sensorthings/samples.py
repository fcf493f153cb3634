"""Observations -> samples: every page, each observation once, checked before it counts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from platform_interface.errors import PlatformError
from platform_interface.platforms.sensorthings.paging import Page, Progress
from platform_interface.platforms.sensorthings.service import Id, Service
from platform_interface.table import Mask, Table, Times, Values
from platform_interface.when import text

#: A collection that comes incomplete is asked for again, at most this often.
ATTEMPTS = 3
#: Most unequal values of one series at one time.
MOST_AT_ONE_TIME = 1024
#: First and last instant that a request names: the years 1000 and 9999. [ms UTC]
FIRST, LAST = -30_610_224_000_000, 253_402_300_799_000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(Z|[+-]\d\d(?::?\d\d)?)")
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_NEEDED = ("id", "phenomenonTime", "result")


@dataclass(frozen=True)
class Samples:
    """Observations of one series, sorted by time, then by value.

    Attributes
    ----------
    ids : list
        Of each observation.
    time : ndarray of int64, shape (n,)
        [ms UTC]
    values : ndarray of float64, shape (n,)
        NaN for a result that is no number.
    made : list of str
        When each result was made, as the server says it.
    """

    ids: list[Id]
    time: Times
    values: Values
    made: list[str]

    def rows(self, which: Sequence[int]) -> Samples:
        """Return some of the samples."""
        chosen = np.asarray(which, np.int64)
        return Samples(
            [self.ids[i] for i in which], self.time[chosen], self.values[chosen], [self.made[i] for i in which]
        )  # fmt: skip


#: No samples.
NOTHING = Samples([], np.empty(0, np.int64), np.empty(0), [])


def shown(instant: int) -> str:
    """Return an instant as a request names it, between the years 1000 and 9999."""
    return text(min(max(instant, FIRST), LAST))


def between(start: int, end: int) -> str:
    """Return the filter for ``start <= t < end``; without the limits that limit nothing."""
    limits = []
    if start > FIRST:
        limits.append(f"phenomenonTime ge {shown(start)}")
    if end <= LAST:
        limits.append(f"phenomenonTime lt {shown(end)}")
    return " and ".join(limits)


def read_samples(service: Service, streams: Iterable[Id], start: int, end: int, margin: int = 0) -> Samples:
    """Return the observations of Datastreams with ``start <= t < end``.

    Parameters
    ----------
    margin : int
        How much wider to ask, where observations are intervals: servers differ in what a limit means for them. [ms]

    Raises
    ------
    PlatformError
        The answer is not what the standard says, or stays incomplete.
    """
    rows: dict[Id, tuple[int, float, str]] = {}
    for stream in streams:
        path = service.path("Datastreams", stream, "Observations")
        rows.update(_complete(service, path, start - margin, end + margin))
    kept = [(t, v, ident, made) for ident, (t, v, made) in rows.items() if start <= t < end]
    kept.sort(key=lambda row: (row[0], math.isnan(row[1]), row[1]))
    return Samples(
        [row[2] for row in kept], np.array([row[0] for row in kept], np.int64), np.array([row[1] for row in kept], float),
        [row[3] for row in kept],
    )  # fmt: skip


def _complete(service: Service, path: str, start: int, end: int) -> dict[Id, tuple[int, float, str]]:
    """Read until as many different observations came as the server says there are."""
    query = {"$count": "true"}
    limits = between(start, end)
    if limits:
        query["$filter"] = limits
    if service.has_data_arrays:
        query["$resultFormat"] = "dataArray"
    rows: dict[Id, tuple[int, float, str]] = {}
    count, where = 0, ""
    for _ in range(ATTEMPTS):
        progress, count = Progress(), 0
        for page in service.pages(path, _ordered(service, path, query), service.has_data_arrays):
            rows.update(rows_of(service, page))
            progress.check(len(rows), page.where)
            count, where = max(count, page.count or 0), page.where
        if len(rows) >= count:
            return rows
    raise PlatformError(
        f"{where} says that it has {count} observations, but its pages hold only {len(rows)} different ones, "
        f"{ATTEMPTS} times over; nothing was used. Does somebody delete observations, or does the server page wrongly?"
    )


def _ordered(service: Service, path: str, query: Mapping[str, str]) -> dict[str, str]:
    """Add an order that makes pages adjoin, where the server can; without one, rows may come twice and others not at all."""
    order = {"$orderby": "id asc"}
    if service.can.get("order by id") is None:
        service.optional(path, {**order, "$top": "1"}, "order by id")
    return {**query, **order} if service.can["order by id"] else dict(query)


def rows_of(service: Service, page: Page) -> dict[Id, tuple[int, float, str]]:
    """Return time, value and time of making by id, from plain entities or data arrays."""
    found: dict[Id, tuple[int, float, str]] = {}
    for item in page.value:
        if "dataArray" in item:
            found.update(_of_array(item, page.where))
        else:
            ident = service.id_of(item, page.where)
            found[ident] = _row(ident, item.get("phenomenonTime"), item.get("result"), item.get("resultTime"), page.where)
    return found


def _of_array(item: Mapping[str, Any], where: str) -> dict[Id, tuple[int, float, str]]:
    components, block = item.get("components"), item["dataArray"]
    if not isinstance(components, list) or not isinstance(block, list):
        raise PlatformError(f"{where} answered with a data array without components; nothing was used")
    names = ["id" if name == "@iot.id" else name for name in components]
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise PlatformError(f"{where} answered with a data array without {', '.join(missing)}; nothing was used")
    ident, time, result = (names.index(name) for name in _NEEDED)
    made = names.index("resultTime") if "resultTime" in names else None
    found: dict[Id, tuple[int, float, str]] = {}
    for cells in block:
        if not isinstance(cells, list) or len(cells) != len(names):
            raise PlatformError(
                f"{where} answered with a row of a data array that does not fit its components; nothing was used"
            )
        key = cells[ident]
        if isinstance(key, bool) or not isinstance(key, (int, str)) or key == "":
            raise PlatformError(f"{where} answered with an observation without an id; nothing was used")
        found[key] = _row(key, cells[time], cells[result], None if made is None else cells[made], where)
    return found


def _row(ident: Id, time: Any, result: Any, made: Any, where: str) -> tuple[int, float, str]:
    return instant_of(time, ident, where), number(result), made if isinstance(made, str) else ""


def instant_of(value: Any, ident: Id, where: str) -> int:
    """Return the start of a phenomenonTime, cut to the millisecond. [ms UTC]

    Raises
    ------
    PlatformError
        It is no ISO 8601 time with an offset.
    """
    first = value.split("/", 1)[0] if isinstance(value, str) else ""
    match = _TIME.fullmatch(first)
    try:
        if match is None:
            raise ValueError
        moment = datetime.fromisoformat(first)
    except ValueError:
        raise PlatformError(
            f"{where}: observation {str(ident)[:60]} has the phenomenonTime {str(value)[:60]!r}, which is no ISO 8601 time with an "
            "offset; nothing was used"
        ) from None
    seconds = moment.replace(microsecond=0) - _EPOCH
    return (seconds.days * 86_400 + seconds.seconds) * 1000 + moment.microsecond // 1000


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def number(result: Any) -> float:
    """Return a result as a number: a boolean as 0 or 1, a text that is a number as that; NaN for all else."""
    if isinstance(result, (bool, int, float)):
        try:
            value = float(result)
        except OverflowError:
            return math.nan
        return value if math.isfinite(value) else math.nan
    if isinstance(result, str) and _NUMBER.fullmatch(result):
        value = float(result)
        return value if math.isfinite(value) else math.nan
    return math.nan


def without_repeats(samples: Samples) -> Samples:
    """Let exact duplicates count once, and leave out what is no number."""
    keep = [
        i for i in range(samples.time.size)
        if samples.values[i] == samples.values[i]
        and not (i and samples.time[i] == samples.time[i - 1] and samples.values[i] == samples.values[i - 1])
    ]  # fmt: skip
    return samples if len(keep) == samples.time.size else samples.rows(keep)


def newest(samples: Samples) -> Samples:
    """Keep one sample a time: the one that was made last. An output was being replaced when its run ended."""
    last: dict[int, int] = {}
    for i, time in enumerate(samples.time.tolist()):
        if time not in last or _age(samples, i) > _age(samples, last[time]):
            last[time] = i
    return samples if len(last) == samples.time.size else samples.rows(sorted(last.values()))


def _age(samples: Samples, i: int) -> tuple[int, int, str]:
    ident = samples.ids[i]
    try:
        stamp = instant_of(samples.made[i], ident, "resultTime")
    except PlatformError:  # not said: the id alone tells
        stamp = FIRST
    return stamp, ident if isinstance(ident, int) else 0, ident if isinstance(ident, str) else ""


def side_by_side(names: Sequence[str], columns: Sequence[Samples]) -> Table:
    """Lay series of one time base beside one another; a time with several values has several rows.

    Raises
    ------
    PlatformError
        A series holds a thousand values at one time.
    """
    keys = [_keys(name, column.time) for name, column in zip(names, columns, strict=True)]
    rows = np.unique(np.concatenate(keys)) if keys else np.empty(0, np.int64)
    values = np.full((len(names), rows.size), np.nan)
    absent: Mask = np.ones(values.shape, bool)
    for i, (key, column) in enumerate(zip(keys, columns, strict=True)):
        place = np.searchsorted(rows, key)
        values[i, place] = column.values
        absent[i, place] = False
    return Table(rows // MOST_AT_ONE_TIME, tuple(names), values, absent if absent.any() else None)


def _keys(name: str, time: Times) -> Times:
    """Number the samples within each time."""
    position = np.arange(time.size, dtype=np.int64)
    first = np.searchsorted(time, time, side="left") if time.size else position
    number_within = position - first
    if number_within.size and int(number_within.max()) >= MOST_AT_ONE_TIME:
        at = int(time[int(number_within.argmax())])
        raise PlatformError(f"'{name}' has more than {MOST_AT_ONE_TIME} values at {text(at)}; delete the wrong ones")
    return np.asarray(time * MOST_AT_ONE_TIME + number_within, np.int64)
