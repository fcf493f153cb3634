"""Alarms in lists: of one asset or of all, by status, severity, type and time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from platform_interface.server.alarms import SEVERITIES, Alarm, alarms_of
from platform_interface.server.answers import RefusalError, json_answer, page_of
from platform_interface.server.entities import tenant
from platform_interface.server.web import Call, Served, serves

_SEARCH = ("ANY", "ACTIVE", "CLEARED", "ACK", "UNACK")


def of_asset(served: Served, call: Call) -> Response:
    """Return a page of the alarms of one asset."""
    return _page(call, alarms_of(served, served.entities.name_of(call.path["id"], call.path["type"])))


def of_all(served: Served, call: Call) -> Response:
    """Return a page of the alarms of every asset."""
    return _page(call, [alarm for entity in served.entities.all() for alarm in alarms_of(served, entity.asset.id)])


def _page(call: Call, found: list[Alarm]) -> Response:
    size, number = call.integer("pageSize", least=1), call.integer("page", least=0)
    start, end = call.integer("startTime", 0), call.integer("endTime", 2**62)
    asked = [_of_status(call), _of_list(call, "severityList", "severity"), _of_list(call, "typeList", "type")]
    words = call.query.get("textSearch", "").lower()
    rows = [
        row
        for row in (alarm.as_info() for alarm in found)
        if start <= row["startTs"] <= end and all(test(row) for test in asked) and (not words or words in row["type"].lower())
    ]
    sort = call.query.get("sortProperty") or "startTs"
    sort = {"originatorName": "originatorName", "originator": "originatorName"}.get(sort, sort)
    if rows and sort not in rows[0]:
        raise RefusalError(400, f"Invalid sort property: {sort[:64]}")
    descending = call.query.get("sortOrder", "DESC" if "sortProperty" not in call.query else "ASC").upper() == "DESC"
    return page_of(rows, size, number, lambda row: str(row[sort]) if not isinstance(row[sort], int) else row[sort], descending)


def _of_list(call: Call, name: str, field: str) -> Callable[[dict[str, Any]], bool]:
    wanted = set(call.words(name))
    return lambda row: not wanted or row[field] in wanted


def _of_status(call: Call) -> Callable[[dict[str, Any]], bool]:
    """Return whether a row has one of the wanted statuses: words of a search, or ThingsBoard's four."""
    words = {word.upper() for name in ("statusList", "searchStatus", "status") for word in call.words(name)}

    def fits(row: dict[str, Any]) -> bool:
        if not words or "ANY" in words or row["status"] in words:
            return True
        state = "CLEARED" if row["cleared"] else "ACTIVE"
        confirmed = "ACK" if row["acknowledged"] else "UNACK"
        searched = words & set(_SEARCH)
        wanted_state, wanted_confirmed = searched & {"ACTIVE", "CLEARED"}, searched & {"ACK", "UNACK"}
        return bool(searched) and (not wanted_state or state in wanted_state) and (
            not wanted_confirmed or confirmed in wanted_confirmed
        )  # fmt: skip

    return fits


def types(served: Served, call: Call) -> Response:
    """Return a page of the types of alarms that there are."""
    names = {alarm.record["name"] for entity in served.entities.all() for alarm in alarms_of(served, entity.asset.id)}
    words = call.query.get("textSearch", "").lower()
    rows = [{"tenantId": tenant(), "entityType": "ALARM", "type": name} for name in sorted(names) if words in name.lower()]
    descending = call.query.get("sortOrder", "ASC").upper() == "DESC"
    return page_of(rows, call.integer("pageSize", least=1), call.integer("page", least=0), lambda row: row["type"], descending)


def highest(served: Served, call: Call) -> Response:
    """Return the worst severity of the alarms of an asset that fit a search; null where none does."""
    fits = _of_status(call)
    rows = [alarm.as_json() for alarm in alarms_of(served, served.entities.name_of(call.path["id"], call.path["type"]))]
    found = {row["severity"] for row in rows if fits(row)}
    return json_answer(next((word for word in SEVERITIES if word in found), None))


#: Before those of single alarms: its path fits `/api/alarm/{id}` too.
FIRST: list[Route] = [serves("GET", "/api/alarm/types", types)]
#: After them: the last one fits `/api/alarm/info/{id}` too.
ROUTES: list[Route] = [
    serves("GET", "/api/alarm/highestSeverity/{type}/{id}", highest),
    serves("GET", "/api/alarms", of_all),
    serves("GET", "/api/v2/alarms", of_all),
    serves("GET", "/api/v2/alarm/{type}/{id}", of_asset),
    serves("GET", "/api/alarm/{type}/{id}", of_asset),
]
