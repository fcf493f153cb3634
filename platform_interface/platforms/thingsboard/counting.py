"""Where samples lie, by what ThingsBoard counts: hourly where late data are looked for, daily before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_interface.platforms.base import Bucket
from platform_interface.platforms.http import RefusedError
from platform_interface.platforms.thingsboard.api import Api, key_groups, keys_of, misshaped
from platform_interface.platforms.thingsboard.entities import Entity
from platform_interface.platforms.thingsboard.reading import LATEST, Reader
from platform_interface.when import DAY, day_of

HOUR = 3_600_000
#: Whole days of hours, and days, within the 700 intervals that ThingsBoard gives at a time.
DAYS_OF_HOURS, DAYS_OF_DAYS = 29, 696
#: Newest days whose first and last sample are asked for exactly.
EXACT_DAYS = 8
_KEYS = 50

#: (key, interval) -> what an aggregation says.
_Found = dict[tuple[str, int], Any]


@dataclass(frozen=True)
class _Query:
    names: list[str]
    start: int
    end: int
    interval: int
    aggregation: str


@dataclass
class Counter:
    """Counts samples of things.

    Parameters
    ----------
    lookback : float
        Late data are looked for this far back. [s]
    """

    api: Api
    reader: Reader
    lookback: float

    def buckets(self, entity: Entity, names: Sequence[str], known: Mapping[int, str]) -> list[Bucket]:
        """Return the days that have samples; those whose token is known are left out, those beyond the look-back unasked."""
        lasts = self.reader.ends(entity, names, newest=True) if names else {}
        if not lasts:
            return []
        last, margin = max(lasts.values()), round(self.lookback * 1000) + DAY
        closely = day_of(last - margin)
        if known:
            begin = day_of(max(known) - margin + DAY)
            closely = min(closely, begin)
        else:
            begin = day_of(min(self.reader.ends(entity, names, newest=False).values(), default=last))
        closely = min(max(closely, begin), day_of(last))
        present = sorted(lasts)
        counts = self._daily(entity, present, begin, closely)
        hourly, tokens = self._hourly(entity, present, closely, day_of(last) + DAY)
        counts.update(hourly)
        days = {day: count for day, count in sorted(counts.items()) if count and known.get(day, "") != tokens.get(day, " ")}
        edges = self._edges(entity, present, list(days), last)
        return [
            Bucket(day, day + DAY, count, *edges.get(day, (day, day + DAY - 1)), tokens.get(day, ""))
            for day, count in days.items()
        ]

    def _daily(self, entity: Entity, names: Sequence[str], start: int, end: int) -> dict[int, int]:
        counts: dict[int, int] = {}
        for (_, day), count in self._all(entity, names, start, end, DAY, ("COUNT",))["COUNT"].items():
            counts[day] = counts.get(day, 0) + _whole(count, entity)
        return counts

    def _hourly(self, entity: Entity, names: Sequence[str], start: int, end: int) -> tuple[dict[int, int], dict[int, str]]:
        """Return how many values each day has, and a hash of what each of its hours holds."""
        found = self._all(entity, names, start, end, HOUR, ("COUNT", "MIN", "MAX"))
        counts: dict[int, int] = {}
        words: dict[int, list[str]] = {}
        for (name, hour), value in sorted(found["COUNT"].items()):
            count = _whole(value, entity)
            if count:
                extremes = [found[kind].get((name, hour)) for kind in ("MIN", "MAX")]
                counts[day_of(hour)] = counts.get(day_of(hour), 0) + count
                words.setdefault(day_of(hour), []).append(f"{name!r} {hour} {count} {extremes!r}")
        every = "\n".join(sorted(names))
        return counts, {
            day: hashlib.blake2b("\n".join([every, *lines]).encode("utf-8", "replace"), digest_size=12).hexdigest()
            for day, lines in words.items()
        }

    def _all(
        self, entity: Entity, names: Sequence[str], start: int, end: int, interval: int, kinds: Sequence[str]
    ) -> dict[str, _Found]:
        """Ask for aggregations of a range, in as many requests as it takes."""
        step = (DAYS_OF_HOURS if interval == HOUR else DAYS_OF_DAYS) * DAY
        queries = [
            _Query(group, low, min(low + step, end), interval, kind)
            for kind in kinds for group in key_groups(list(names), _KEYS) for low in range(start, end, step)
        ]  # fmt: skip
        result: dict[str, _Found] = {kind: {} for kind in kinds}
        for query, found in zip(queries, self.api.http.map(lambda query: self._ask(entity, query), queries), strict=True):
            result[query.aggregation].update(found)
        return result

    def _ask(self, entity: Entity, query: _Query) -> _Found:
        path = f"{entity.telemetry}/values/timeseries"
        try:
            content = self.api.get(path, [
                *keys_of(query.names), ("startTs", query.start), ("endTs", query.end), ("interval", query.interval),
                ("agg", query.aggregation), ("orderBy", "ASC"), ("limit", 700), ("useStrictDataTypes", "true"),
            ])  # fmt: skip
        except RefusedError as error:
            middle = (query.start + query.end) // 2 // DAY * DAY
            if error.status != 400 or not query.start < middle < query.end:
                raise
            halves = [(query.start, middle), (middle, query.end)]  # this platform allows fewer intervals
            parts = [self._ask(entity, _Query(query.names, *half, query.interval, query.aggregation)) for half in halves]
            return {**parts[0], **parts[1]}
        if not isinstance(content, dict) or not set(content) <= set(query.names):
            raise misshaped(path, f"counts of {', '.join(query.names)[:80]}", content)
        return {
            (name, _interval(point, query, path)): point["value"]
            for name, points in content.items() if isinstance(points, list) for point in points
        }  # fmt: skip

    def _edges(self, entity: Entity, names: Sequence[str], days: Sequence[int], last: int) -> dict[int, tuple[int, int]]:
        """Return the exact first and last sample of the earliest and the newest days; `last` is that of all. [ms UTC]"""
        edges = {}
        for day in sorted({*days[:1], *days[-EXACT_DAYS:]}):
            until = min(day + DAY, LATEST)
            lows = self.reader.ends(entity, names, False, day, until).values()
            highs = [last] if day <= last < until else list(self.reader.ends(entity, names, True, day, until).values())
            if lows and highs:
                edges[day] = (min(lows), max(highs))
        return edges


def _interval(point: Any, query: _Query, path: str) -> int:
    """Return the start of the interval that a point stands for; ThingsBoard gives its middle."""
    if not isinstance(point, dict) or type(point.get("ts")) is not int or "value" not in point:
        raise misshaped(path, "a count", point)
    if not query.start <= point["ts"] < query.end:
        raise misshaped(path, f"a count between {query.start} and {query.end} ms", point)
    return query.start + (int(point["ts"]) - query.start) // query.interval * query.interval


def _whole(value: Any, entity: Entity) -> int:
    number = float(value) if isinstance(value, str) and value.isdigit() else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or number != int(number) or number < 0:
        raise misshaped(entity.telemetry, "a count", value)
    return int(number)
