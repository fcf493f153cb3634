"""Samples out of ThingsBoard: page by page behind the last time read, since it says nowhere that there is more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from platform_interface.arrow_points import ARROW, unpacked
from platform_interface.errors import PlatformError
from platform_interface.log import LOGGER
from platform_interface.platforms.http import Answer
from platform_interface.platforms.thingsboard.api import Api, key_groups, keys_of, misshaped
from platform_interface.platforms.thingsboard.entities import Entity
from platform_interface.platforms.thingsboard.values import Odd, columns, pairs, samples
from platform_interface.table import Mask, Table, Times, Values

#: Values of one answer at most.
MOST_VALUES = 100_000
#: As many times more values are asked for where they come as Arrow: 16 bytes each, and no objects.
ARROW_TIMES = 5
#: Keys of one request at most.
MOST_KEYS = 100
#: Parts that the rest of a range is cut into at most.
MOST_PARTS = 256
#: With more parts than this, the time of the last sample is asked for first.
FEW_PARTS = 32
#: First and last instant that a series is asked for: 1970 to 2100. [ms UTC]
EARLIEST, LATEST = 0, 4_102_444_800_000

#: The embedded platform gives Arrow, which needs no parsing; ThingsBoard gives JSON.
_ACCEPTED = {"Accept": f"{ARROW}, application/json;q=0.9"}
_Sample = tuple[Times, Values, Mask | None]


@dataclass(frozen=True)
class _Job:
    """A range of some keys, to be read to its end."""

    names: list[str]
    start: int
    end: int


@dataclass
class Reader:
    """Reads series of things.

    Parameters
    ----------
    api : Api
        The platform.
    limit : int
        Most values of one key in one answer.
    """

    api: Api
    limit: int
    _told: set[tuple[str, str]] = field(default_factory=set)
    _arrow: bool = False

    def tables(self, entity: Entity, names: Sequence[str], start: int, end: int) -> list[Table]:
        """Return the samples with ``start <= t < end``, one table a time base."""
        start, end = max(start, EARLIEST), min(end, LATEST)
        if end <= start or not names:
            return []
        series = self.series(entity, names, start, end)
        return _tables({name: _joined(parts) for name, parts in series.items()})

    def series(self, entity: Entity, names: Sequence[str], start: int, end: int) -> dict[str, list[_Sample]]:
        """Return the samples of each key, in parts in the order of time."""
        parts: dict[str, list[_Sample]] = {name: [] for name in dict.fromkeys(names)}
        groups = list(key_groups(list(parts), MOST_KEYS))
        limits = [self._limit(group) for group in groups]
        begun = self.api.http.map(
            lambda each: self.page(entity, each[0], start, end, each[1]), list(zip(groups, limits, strict=True))
        )
        jobs: list[_Job] = []
        for page, limit in zip(begun, limits, strict=True):
            jobs += self._rest(entity, page, limit, end)
            for name, sample in page.items():
                parts[name].append(sample)
        for read in self.api.http.map(lambda job: self._to_end(entity, job), jobs):
            for name, more in read.items():
                parts[name] += more
        return parts

    def _limit(self, names: Sequence[str]) -> int:
        """Return how many values of each key one answer may hold, when it is for so many keys."""
        times = ARROW_TIMES if self._arrow else 1
        return max(1, min(times * self.limit, times * MOST_VALUES // max(1, len(names))))

    def _rest(self, entity: Entity, page: dict[str, _Sample], limit: int, end: int) -> list[_Job]:
        """Cut what is left behind a first page into parts that are read at one time, by how densely it was filled."""
        left: dict[tuple[int, int], list[str]] = {}
        for name, (time, _, _) in page.items():
            if time.size >= limit and int(time[-1]) + 1 < end:
                left.setdefault((int(time[-1]) + 1, int(time[-1] - time[0])), []).append(name)
        jobs = []
        for (cursor, covered), names in left.items():
            until = end
            if (end - cursor) // max(1, covered) > FEW_PARTS:  # far more than is likely filled: as for "everything there is"
                until = max(self.ends(entity, names, True, cursor, end).values(), default=cursor - 1) + 1
            filled = covered * self._limit(names) // limit  # what the following answers may hold
            count = min(MOST_PARTS, max(1, (until - cursor) // max(1, int(filled * 0.9))))
            edges = [cursor + (until - cursor) * i // count for i in range(count + 1)]
            jobs += [_Job(names, low, high) for low, high in pairwise(edges) if high > low]
        return jobs

    def _to_end(self, entity: Entity, job: _Job) -> dict[str, list[_Sample]]:
        """Read page after page until one is not full."""
        parts: dict[str, list[_Sample]] = {name: [] for name in job.names}
        pending = [(job.start, job.names)]
        while pending:
            cursor, names = pending.pop()
            limit = self._limit(names)
            behind: dict[int, list[str]] = {}
            for name, sample in self.page(entity, names, cursor, job.end, limit).items():
                parts[name].append(sample)
                if sample[0].size >= limit and int(sample[0][-1]) + 1 < job.end:
                    behind.setdefault(int(sample[0][-1]) + 1, []).append(name)
            pending += behind.items()
        return parts

    def page(
        self, entity: Entity, names: Sequence[str], start: int, end: int, limit: int, newest_first: bool = False
    ) -> dict[str, _Sample]:
        """Return at most `limit` samples a key: the earliest of ``start <= t < end``, or the latest; in the order of time."""
        path = f"{entity.telemetry}/values/timeseries"
        answer = self.api.http.request("GET", path, headers=_ACCEPTED, params=[
            *keys_of(names), ("startTs", start), ("endTs", end), ("limit", limit), ("agg", "NONE"),
            ("orderBy", "DESC" if newest_first else "ASC"), ("useStrictDataTypes", "true"),
        ])  # fmt: skip
        self._arrow = is_arrow(answer)
        points = _points(answer, names, path, entity.id)
        found = {}
        for name in list(points):
            times, values = points.pop(name)
            odd = Odd()
            if newest_first:
                times, values = times[::-1], values[::-1]
            found[name] = samples(times, values, f"{entity.id}, '{name}'", start, end, odd)
            self._tell(entity, name, odd)
        return found

    def _tell(self, entity: Entity, name: str, odd: Odd) -> None:
        """Say once a series what in it is not a number."""
        if (odd.parsed or odd.absent) and (entity.uuid, name) not in self._told:
            self._told.add((entity.uuid, name))
            LOGGER.warning(
                "%s: of '%s' the platform gives %d samples as text that is a number (used), and %d that are no number (not used)",
                entity.id, name, odd.parsed, odd.absent,
            )  # fmt: skip

    def ends(
        self, entity: Entity, names: Sequence[str], newest: bool, start: int = EARLIEST, end: int = LATEST
    ) -> dict[str, int]:
        """Return the time of the earliest, or the latest, sample of each key that has one. [ms UTC]"""
        pages = self.api.http.map(lambda group: self.page(entity, group, start, end, 1, newest), list(key_groups(list(names))))
        return {name: int(time[-1 if newest else 0]) for page in pages for name, (time, _, _) in page.items() if time.size}

    def last_number(self, entity: Entity, name: str, before: int) -> float | None:
        """Return the latest value that is a number; one that is not is passed over."""
        if before <= EARLIEST:
            return None
        time, values, _ = self.page(entity, [name], EARLIEST, min(before, LATEST), 100, True).get(name, _none())
        finite = np.flatnonzero(values == values)
        return float(values[finite[-1]]) if time.size and finite.size else None


def is_arrow(answer: Answer) -> bool:
    """Whether an answer says that it is an Arrow stream."""
    return str(answer.headers.get("Content-Type", "")).partition(";")[0].strip().lower() == ARROW


def _points(answer: Answer, names: Sequence[str], path: str, asset: str) -> dict[str, tuple[Any, Any]]:
    """Return times and values of each key as they came; what the answer says that it is decides how it is read."""
    content: Any
    if is_arrow(answer):
        try:
            content = unpacked(answer.content)
        except ValueError as error:
            raise PlatformError(f"{path} answered with an Arrow stream that cannot be read: {error}") from None
    else:
        content = columns(answer.content)
        if content is None:
            found = answer.json()
            content = {n: pairs(p, f"{asset}, '{n}'") for n, p in found.items()} if isinstance(found, dict) else found
    if not isinstance(content, dict) or not set(content) <= set(names):
        raise misshaped(path, f"samples of {', '.join(names)[:80]}", content)
    return content


def _none() -> _Sample:
    return np.empty(0, np.int64), np.empty(0), None


def _joined(parts: Sequence[_Sample]) -> _Sample:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _none()
    masked = any(absent is not None for _, _, absent in parts)
    masks = [np.zeros(time.size, bool) if absent is None else absent for time, _, absent in parts] if masked else []
    return (
        np.concatenate([time for time, _, _ in parts]),
        np.concatenate([values for _, values, _ in parts]),
        np.concatenate(masks) if masked else None,
    )


def _tables(series: dict[str, _Sample]) -> list[Table]:
    """Lay series side by side: elements of one array over the union of their times, others where their times are the same."""
    grouped: dict[Any, list[str]] = {}
    for name, (time, _, _) in series.items():
        if time.size:
            stem, _, number = name.rpartition("|")
            grouped.setdefault(stem if stem and number.isdigit() else (time.size, hash(time.tobytes())), []).append(name)
    return [_table(names, series) for names in grouped.values()]


def _table(names: Sequence[str], series: dict[str, _Sample]) -> Table:
    time = series[names[0]][0]
    if not all(np.array_equal(series[name][0], time) for name in names):
        time = np.unique(np.concatenate([series[name][0] for name in names]))
    values = np.full((len(names), time.size), np.nan)
    absent = np.ones(values.shape, bool)
    for row, name in enumerate(names):
        own, numbers, missing = series[name]
        where = slice(None) if own.size == time.size else np.searchsorted(time, own)
        values[row, where] = numbers
        absent[row, where] = False if missing is None else missing
    return Table(time, tuple(names), values, absent if absent.any() else None)
