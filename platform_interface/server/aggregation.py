"""Aggregates of series in buckets, as ThingsBoard cuts and labels them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np

from platform_interface.server.answers import RefusalError
from platform_interface.server.web import Call
from platform_interface.table import Times, Values

AGGREGATIONS = ("NONE", "MIN", "MAX", "AVG", "SUM", "COUNT")
#: Most buckets of one answer.
MOST = 700
_CALENDAR = ("WEEK", "WEEK_ISO", "MONTH", "QUARTER")


def edges_of(call: Call, start: int, end: int) -> Times | None:
    """Return where buckets begin, and the end of the last; nothing where no interval is given: that means raw samples."""
    end = max(start + 1, end)
    kind = (call.query.get("intervalType") or "MILLISECONDS").upper()
    if kind in _CALENDAR:
        return _calendar(kind, _zone(call.query.get("timeZone") or "UTC"), start, end)
    if kind != "MILLISECONDS":
        raise RefusalError(400, f"intervalType: '{kind[:32]}' is none of MILLISECONDS, {', '.join(_CALENDAR)}")
    interval = call.integer("interval", 0, least=0)
    if not interval:
        return None
    count = (end - start) // max(interval, 1000)  # as ThingsBoard counts them
    if count > MOST:
        raise RefusalError(
            400,
            f"Incorrect TsKvQuery. Number of intervals is to high - {count}. Please increase 'interval' parameter for your query "
            "or reduce the time range of the query.",
        )
    return np.append(np.arange(start, end, interval, dtype=np.int64), end)


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise RefusalError(400, f"timeZone: '{name[:64]}' is not an IANA time zone") from None


def _calendar(kind: str, zone: tzinfo, start: int, end: int) -> Times:
    found = [start]
    while found[-1] < end:
        if len(found) > MOST:
            raise RefusalError(400, f"Number of intervals is to high - more than {MOST}. Reduce the time range of the query.")
        try:
            found.append(min(_next(kind, zone, found[-1]), end))
        except (OverflowError, ValueError):
            raise RefusalError(400, "startTs or endTs lies outside the years 1 to 9999") from None
    return np.array(found, np.int64)


def _next(kind: str, zone: tzinfo, moment: int) -> int:
    """Return where the next calendar bucket begins. [ms UTC]"""
    day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)).astimezone(zone)
    day = day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if kind in ("WEEK", "WEEK_ISO"):
        passed = day.weekday() if kind == "WEEK_ISO" else (day.weekday() + 1) % 7
        following = day + timedelta(days=7 - passed)
    else:
        months = 1 if kind == "MONTH" else 3 - (day.month - 1) % 3
        month = day.month - 1 + months
        following = day.replace(year=day.year + month // 12, month=month % 12 + 1, day=1)
    return round(following.replace(tzinfo=zone).timestamp() * 1000)


def aggregated(parts: Iterable[tuple[str, tuple[Times, Values]]], edges: Times, kind: str) -> dict[str, tuple[Times, Values]]:
    """Return one value a bucket that has samples, in the order of time, at the middle of the bucket; numbers only."""
    buckets = edges.size - 1
    sums: dict[str, Values] = {}
    counts: dict[str, Values] = {}
    for key, (time, values) in parts:
        if kind != "COUNT":
            finite = np.isfinite(values)
            time, values = time[finite], values[finite]
        where = np.searchsorted(edges, time, side="right") - 1
        inside = (where >= 0) & (where < buckets)
        where, values = where[inside], values[inside]
        if key not in sums:
            sums[key] = np.full(buckets, {"MIN": np.inf, "MAX": -np.inf}.get(kind, 0.0))
            counts[key] = np.zeros(buckets)
        counts[key] += np.bincount(where, minlength=buckets)
        if kind in ("MIN", "MAX") and where.size:
            first = np.flatnonzero(np.append(True, where[1:] != where[:-1]))
            least = (np.minimum if kind == "MIN" else np.maximum).reduceat(values, first)
            held = sums[key][where[first]]
            sums[key][where[first]] = np.minimum(held, least) if kind == "MIN" else np.maximum(held, least)
        elif kind in ("SUM", "AVG"):
            sums[key] += np.bincount(where, values, minlength=buckets)
    middle = edges[:-1] + (edges[1:] - edges[:-1]) // 2
    found = {}
    for key, total in sums.items():
        some = counts[key] > 0
        value = counts[key] if kind == "COUNT" else total / np.maximum(counts[key], 1) if kind == "AVG" else total
        found[key] = (middle[some], value[some])
    return found
