"""Telemetry in: bodies of three forms become tables, laid over what is held; ranges are deleted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response
from starlette.routing import Route

from platform_interface.server.answers import RefusalError
from platform_interface.server.attributes import base_of, checked_series, keys_of
from platform_interface.server.web import Call, Served, serves
from platform_interface.table import Table, Values, joined
from platform_interface.when import DAY, LAST, now

#: Days that one request may touch: each is a file; and cells of a table whose rows have different keys.
MOST_DAYS, MOST_CELLS = 4_000, 2**23
#: Words that mean a value which is no number.
_WORDS = {"nan": math.nan, "infinity": math.inf, "-infinity": -math.inf}

#: Times of a request's rows, and their values by key.
Rows = tuple[list[int], list[dict[str, Any]]]
#: Where in a request the rows of a table were, and the table.
Part = tuple[NDArray[np.int64], Table]


def save(served: Served, call: Call) -> Response:
    """Save samples: all of the request, or nothing of it where it is not sound."""
    name = served.entities.name_of(call.path["id"], call.path["type"])
    tables = tables_of(rows_of(call.json()))
    keys = list(dict.fromkeys(key for _, table in tables for key in table.names))
    days = np.unique(np.concatenate([table.time for _, table in tables]) // DAY).size
    if days > MOST_DAYS:
        raise RefusalError(400, f"The samples are of {days} days; send those of at most {MOST_DAYS} in one request", plain=True)
    with served.entities.lock(name):
        known = {key: base for key, (base, _) in served.store.bases(name).items()}
        bases = {key: known.get(checked_series(key)) or base_of(key) for key in keys}
        whole = {base: _whole(parts) for base, parts in _by_base(bases, tables).items()}
        for base, table in whole.items():
            fresh = {key: "" for key in table.names if key not in known}
            if fresh:
                served.store.register(name, base, fresh, output=False)
        for base, table in whole.items():
            served.store.upsert(name, base, table)
    return Response(b"", 200)


def rows_of(body: Any) -> Rows:
    """Return times and values of a body: ``{"k": v}``, ``{"ts", "values"}``, or a list of them."""
    items = body if isinstance(body, list) else [body]
    try:
        moments, values = [item["ts"] for item in items], [item["values"] for item in items]
    except (KeyError, TypeError, IndexError):
        moments, values = [], []
    if not (set(map(type, moments)) == {int} and set(map(type, values)) == {dict}):
        present = now()
        pairs = [_row(item, present) for item in items]
        moments, values = [moment for moment, _ in pairs], [found for _, found in pairs]
    if not any(values):
        raise RefusalError(400, "No timeseries data found in request body!", plain=True)
    if not 0 <= min(moments) <= max(moments) <= LAST:
        odd = next(moment for moment in moments if not 0 <= moment <= LAST)
        raise RefusalError(400, f"ts: {odd} is not a time in milliseconds between 1970 and the year 9999", plain=True)
    return moments, values


def _row(item: Any, present: int) -> tuple[int, dict[str, Any]]:
    if not isinstance(item, dict):
        raise RefusalError(400, f"Can't parse value: {str(item)[:64]}", plain=True)
    if "ts" not in item or "values" not in item:
        return present, item
    moment, values = item["ts"], item["values"]
    if type(moment) is not int:
        raise RefusalError(400, f"ts: {str(moment)[:64]} is not a time in whole milliseconds since 1970", plain=True)
    if not isinstance(values, dict):
        raise RefusalError(400, "values: is not a JSON object", plain=True)
    return moment, values


def tables_of(rows: Rows) -> list[Part]:
    """Return one table for each set of keys that rows share, with where in the request its rows were."""
    moments, values = rows
    groups: dict[tuple[str, ...], list[int]] = {}
    first = values[0].keys()
    if all(first == found.keys() for found in values):
        groups[tuple(first)] = list(range(len(values)))
    else:
        for position, found in enumerate(values):
            groups.setdefault(tuple(found), []).append(position)
    tables = []
    for names, positions in groups.items():
        if names:
            where = np.array(positions, np.int64)
            part = values if len(groups) == 1 else [values[position] for position in positions]
            tables.append((where, Table(np.array(moments, np.int64)[where], names, _numbers(names, part))))
    return tables


def _numbers(names: tuple[str, ...], part: Sequence[dict[str, Any]]) -> Values:
    get = itemgetter(*names)
    flat = list(map(get, part)) if len(names) == 1 else list(chain.from_iterable(map(get, part)))
    if not set(map(type, flat)) <= {float, int}:
        flat = [number(value, names[position % len(names)]) for position, value in enumerate(flat)]
    block = np.fromiter(flat, np.float64, len(flat))
    return np.ascontiguousarray(block.reshape(len(part), len(names)).T)


def number(value: Any, key: str) -> float:
    """Return a value as the store can hold it: numbers, switches as 1 and 0, and numbers written as text."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _WORDS:
            return _WORDS[word]
        try:
            if "_" not in word and word not in ("inf", "-inf", "+inf", "+infinity"):
                return float(word)
        except ValueError:
            pass
        raise RefusalError(
            400, f"'{key[:64]}': the text '{value[:64]}' is no number; this platform holds numbers only", plain=True
        )
    raise RefusalError(
        400, f"Can't parse value of '{key[:64]}': {'null' if value is None else type(value).__name__}", plain=True
    )


def _by_base(bases: Mapping[str, str], tables: Sequence[Part]) -> dict[str, list[Part]]:
    """Return what each time base gets of a request."""
    found: dict[str, list[Part]] = {}
    for where, table in tables:
        groups: dict[str, list[str]] = {}
        for name in table.names:
            groups.setdefault(bases[name], []).append(name)
        for base, names in groups.items():
            found.setdefault(base, []).append((where, table.select(tuple(names))))
    return found


def _whole(parts: Sequence[Part]) -> Table:
    """Return the samples of one time base, in the order of the request: of a key and time, the last one counts."""
    if len(parts) == 1:
        return parts[0][1]
    names = tuple(dict.fromkeys(name for _, table in parts for name in table.names))
    cells = len(names) * sum(table.time.size for _, table in parts)
    if cells > MOST_CELLS:
        raise RefusalError(
            400, f"Rows of {len(parts)} different sets of keys make a table of {cells} cells, most of them empty; "
            "give the values of one time in one row, or send fewer keys in one request", plain=True,
        )  # fmt: skip
    whole = joined([table for _, table in parts], names)
    return whole.rows(np.argsort(np.concatenate([where for where, _ in parts]), kind="stable"))


def delete(served: Served, call: Call) -> Response:
    """Delete series in ``startTs <= t < endTs``, or all of them up to now."""
    name = served.entities.name_of(call.path["id"], call.path["type"])
    keys = keys_of(call)
    if not keys:
        raise RefusalError(400, "Empty keys: ", plain=True)
    if call.flag("deleteAllDataForKeys"):
        start, end = 0, now() + 1
    elif "startTs" in call.query and "endTs" in call.query:
        start, end = call.integer("startTs"), call.integer("endTs")
    else:
        raise RefusalError(
            400, "When deleteAllDataForKeys is false, start and end timestamp values shouldn't be empty", plain=True
        )
    with served.entities.lock(name):
        groups: dict[str, list[str]] = {}
        for key, (base, _) in served.store.bases(name).items():
            if key in keys:
                groups.setdefault(base, []).append(key)
        for base, words in groups.items():
            served.store.remove(name, base, words, start, end)
    return Response(b"", 200)


_TELEMETRY = "/api/plugins/telemetry"
ROUTES: list[Route] = [
    serves("POST", _TELEMETRY + "/{type}/{id}/timeseries/{scope}", save),
    serves("POST", _TELEMETRY + "/{type}/{id}/timeseries/{scope}/{ttl:int}", save),
    serves("DELETE", _TELEMETRY + "/{type}/{id}/timeseries/delete", delete),
]
