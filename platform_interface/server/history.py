"""Telemetry out: raw samples of a range, aggregates, latest values, and the keys that there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from starlette.responses import Response
from starlette.routing import Route

from platform_interface.arrow_points import ARROW, packed
from platform_interface.server.aggregation import AGGREGATIONS, aggregated, edges_of
from platform_interface.server.answers import RefusalError, json_answer
from platform_interface.server.attributes import keys_of
from platform_interface.server.points import points_text
from platform_interface.server.web import Call, Served, serves
from platform_interface.table import Times, Values
from platform_interface.when import DAY, now

#: ThingsBoard's default of `limit`, and the limit that it advertises to its own pages.
LIMIT, ADVERTISED = 100, 50_000
#: Samples of one answer, of all its series together; they take about 150 bytes each on their way out.
MOST_SAMPLES = 4_000_000

Samples = tuple[Times, Values]


def values(served: Served, call: Call) -> Response:
    """Return samples of a range, or, without both ends of it, the latest of each series."""
    if not ("startTs" in call.query and "endTs" in call.query):
        return latest(served, call)
    name = served.entities.name_of(call.path["id"], call.path["type"])
    start, end = call.integer("startTs"), call.integer("endTs")
    limit = call.integer("limit", LIMIT, least=1)
    aggregation = (call.query.get("agg") or "NONE").upper()
    order = (call.query.get("orderBy") or "DESC").upper()
    if aggregation not in AGGREGATIONS:
        raise RefusalError(400, f"agg: '{aggregation[:32]}' is none of {', '.join(AGGREGATIONS)}")
    if order not in ("ASC", "DESC"):
        raise RefusalError(400, f"orderBy: '{order[:32]}' is neither ASC nor DESC")
    strict, keys = call.flag("useStrictDataTypes"), list(dict.fromkeys(keys_of(call)))
    edges = edges_of(call, start, end) if aggregation != "NONE" else None
    found: Mapping[str, Samples]
    if edges is not None:
        found = aggregated(days_of(served, name, set(keys), int(edges[0]), int(edges[-1]), False), edges, aggregation)
    else:
        found = raw(served, name, keys, (start, end), limit, order == "DESC")
        if ARROW in call.accept:
            return Response(packed(found), media_type=ARROW)
    return _answer(found, strict, whole=aggregation == "COUNT" and edges is not None)


def _answer(found: Mapping[str, Samples], strict: bool, whole: bool = False) -> Response:
    parts = []
    for key, (time, numbers) in found.items():
        if time.size:
            text = _counts_text(time, numbers, strict) if whole else points_text(time, numbers, strict)
            parts.append(orjson.dumps(key) + b":" + text)
    return Response(b"{" + b",".join(parts) + b"}", 200, media_type="application/json")


def _counts_text(time: Times, numbers: Values, strict: bool) -> bytes:
    pairs = zip(time.tolist(), numbers.tolist(), strict=True)
    return orjson.dumps([{"ts": moment, "value": int(count) if strict else str(int(count))} for moment, count in pairs])


def days_of(
    served: Served, name: str, keys: Collection[str], start: int, end: int, descending: bool
) -> Iterator[tuple[str, Samples]]:
    """Yield the samples of series, day by day; a series that the caller takes out of `keys` is read no further."""
    wanted = set(keys)
    groups: dict[str, list[str]] = {}
    for key, (base, _) in served.store.bases(name).items():
        if key in wanted:
            groups.setdefault(base, []).append(key)
    for base, words in groups.items():
        files = served.store.files(name, base)
        for day in sorted(files.days(), reverse=descending):
            if day + DAY <= start or day >= end:
                continue
            words = [word for word in words if word in keys]
            if not words:
                break
            table = served.days.read(files, day, words, start, end)
            for position, word in enumerate(table.names):
                present = slice(None) if table.absent is None else ~table.absent[position]
                time = table.time[present]
                if time.size:
                    yield word, (time, table.values[position][present])


def raw(
    served: Served, name: str, keys: Sequence[str], span: tuple[int, int], limit: int, descending: bool
) -> dict[str, Samples]:
    """Return at most so many samples of each series, from the end or the start of a range.

    Raises
    ------
    RefusalError
        They are more than fit into memory; nothing is cut off silently.
    """
    lacking, total = set(keys), 0
    parts: dict[str, list[Samples]] = {key: [] for key in keys}
    left = dict.fromkeys(keys, limit)
    for key, (time, numbers) in days_of(served, name, lacking, *span, descending):
        if left[key] <= 0:
            continue
        taken = slice(max(0, time.size - left[key]), None) if descending else slice(0, left[key])
        parts[key].append((time[taken], numbers[taken]))
        total += parts[key][-1][0].size
        if total > MOST_SAMPLES:
            raise RefusalError(
                400, f"More than {MOST_SAMPLES} samples in one answer; give a smaller limit, fewer keys or a shorter range"
            )
        left[key] -= min(time.size, left[key])
        if left[key] <= 0:
            lacking.discard(key)
    return {key: _whole(found, descending) for key, found in parts.items()}


def _whole(parts: list[Samples], descending: bool) -> Samples:
    if not parts:
        return np.empty(0, np.int64), np.empty(0)
    if descending:
        parts = [(time[::-1], numbers[::-1]) for time, numbers in parts]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([time for time, _ in parts]), np.concatenate([numbers for _, numbers in parts])


def latest_of(served: Served, name: str, keys: Sequence[str]) -> dict[str, tuple[int, float]]:
    """Return the latest sample of each series that has one."""
    found = raw(served, name, keys, (0, 2**62), 1, True)
    return {key: (int(time[0]), float(numbers[0])) for key, (time, numbers) in found.items() if time.size}


def latest(served: Served, call: Call) -> Response:
    """Return the latest sample of each series: null, and now, for one that has none."""
    name = served.entities.name_of(call.path["id"], call.path["type"])
    asked, strict = keys_of(call), call.flag("useStrictDataTypes")
    keys = list(dict.fromkeys(asked or served.store.bases(name)))
    known, parts = latest_of(served, name, keys), []
    for key in keys:
        if key in known:
            moment, value = known[key]
            text = points_text(np.array([moment]), np.array([value]), strict)
        elif asked:
            text = orjson.dumps([{"ts": now(), "value": None}])
        else:
            continue
        parts.append(orjson.dumps(key) + b":" + text)
    return Response(b"{" + b",".join(parts) + b"}", 200, media_type="application/json")


def keys(served: Served, call: Call) -> Response:
    """Return the names of the series that have a sample."""
    name = served.entities.name_of(call.path["id"], call.path["type"])
    found: list[Any] = sorted(latest_of(served, name, list(served.store.bases(name))))
    return json_answer(found)


_TELEMETRY = "/api/plugins/telemetry"
ROUTES: list[Route] = [
    serves("GET", _TELEMETRY + "/{type}/{id}/keys/timeseries", keys),
    serves("GET", _TELEMETRY + "/{type}/{id}/values/timeseries", values),
    serves("GET", _TELEMETRY + "/{type}/{id}/values/timeseries/history", values),
]
