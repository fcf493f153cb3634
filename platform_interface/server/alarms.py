"""Alarms: those that runs raised, and those that clients of the API raise; both are kept by the store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from platform_interface.server.answers import RefusalError, json_answer
from platform_interface.server.assets import checked_text, checked_value
from platform_interface.server.entities import NO_CUSTOMER, Entity, checked_uuid, id_of, reference, tenant
from platform_interface.server.web import Call, Served, serves
from platform_interface.when import LAST, now

#: ThingsBoard's severities, worst first, and ours.
SEVERITIES = {"CRITICAL": "critical", "MAJOR": "critical", "MINOR": "warning", "WARNING": "warning", "INDETERMINATE": "info"}
_THEIRS = {"critical": "CRITICAL", "warning": "WARNING", "info": "INDETERMINATE"}
#: Fields of our record, with their types, in the details of an alarm that a run elsewhere raised.
_RECORD = {"key": str, "model": str, "name": str, "severity": str, "text": str, "status": str}
_STATUS = ("active", "cleared", "withdrawn")


@dataclass(frozen=True)
class Alarm:
    """One alarm: our record, and what clients did with it."""

    entity: Entity
    record: dict[str, Any]
    kept: dict[str, Any]

    @property
    def uuid(self) -> str:
        return id_of("alarm", f"{self.entity.asset.id}/{self.record['key']}")

    @property
    def cleared(self) -> bool:
        return str(self.record["status"]) != "active"

    def as_json(self) -> dict[str, Any]:
        """Return the alarm as ThingsBoard shows it."""
        record, kept = self.record, self.kept
        acknowledged = "ackTs" in kept
        end = record.get("end") or kept.get("endTs") or record["start"]
        details = kept.get("details", {"twin": record})
        return {
            "id": reference("ALARM", self.uuid), "createdTime": kept.get("createdTime", record["start"]), "tenantId": tenant(),
            "customerId": reference("CUSTOMER", NO_CUSTOMER), "type": record["name"], "name": record["name"],
            "originator": reference("ASSET", self.entity.uuid),
            "severity": kept.get("severity") or _THEIRS.get(record["severity"], "INDETERMINATE"),
            "acknowledged": acknowledged, "cleared": self.cleared, "assigneeId": None, "startTs": record["start"], "endTs": end,
            "ackTs": kept.get("ackTs", 0), "clearTs": kept.get("clearTs", end) if self.cleared else 0, "assignTs": 0,
            "details": details, "propagate": False, "propagateToOwner": False, "propagateToTenant": False,
            "propagateRelationTypes": [],
            "status": f"{'CLEARED' if self.cleared else 'ACTIVE'}_{'ACK' if acknowledged else 'UNACK'}",
        }  # fmt: skip

    def as_info(self) -> dict[str, Any]:
        """Return the alarm with the names of what it points to."""
        asset = self.entity.asset
        return {
            **self.as_json(), "originatorName": asset.id, "originatorLabel": asset.name or None,
            "originatorDisplayName": asset.name or asset.id, "assignee": None,
        }  # fmt: skip


def alarms_of(served: Served, name: str) -> list[Alarm]:
    """Return every alarm of an asset, oldest first."""
    entity = served.entities.named(name)
    kept = {key.removeprefix("alarm/"): json.loads(text) for key, (text, _) in served.store.load_served(name, "alarm/").items()}
    found = [Alarm(entity, record, kept.get(record["key"], {})) for record in served.store.alarms(name)]
    served.homes.update((alarm.uuid, name) for alarm in found)
    return found


def _found(served: Served, identifier: str) -> Alarm:
    """Return the alarm with a UUID, whichever asset has it."""
    identifier = checked_uuid(identifier)
    home = served.homes.get(identifier)
    for name in [home] if home and served.store.has(home) else [entity.asset.id for entity in served.entities.all()]:
        for alarm in alarms_of(served, name):
            if alarm.uuid == identifier:
                return alarm
    raise RefusalError(404, f"Alarm with id [{identifier}] is not found")


def saved(served: Served, call: Call) -> Response:
    """Raise an alarm, or change the one that the body means."""
    body = call.json()
    if not isinstance(body, dict):
        raise RefusalError(400, "Request is not a JSON object")
    origin = body.get("originator")
    if not (isinstance(origin, dict) and isinstance(origin.get("id"), str)):
        raise RefusalError(400, "Alarm originator should be specified!")
    name = served.entities.name_of(origin["id"], str(origin.get("entityType", "ASSET")))
    kind = checked_text(body.get("type"), "Alarm type")
    severity = body.get("severity")
    if not isinstance(severity, str) or severity not in SEVERITIES:
        raise RefusalError(400, f"Alarm severity: {str(severity)[:32]} is none of {', '.join(SEVERITIES)}")
    checked_value(body.get("details"), "Alarm details")
    with served.entities.lock(name):
        known = {alarm.record["key"]: alarm for alarm in alarms_of(served, name)}
        before = _meant(served, body, kind, known)
        record, own = _record(body, kind, severity, before)
        kept = {
            **(before.kept if before else {"createdTime": now()}),
            "endTs": body["endTs"] if _is_time(body.get("endTs")) else now(),
        }
        if own:
            kept.pop("severity", None)
            kept.pop("details", None)
        else:
            kept |= {"severity": severity, "details": body.get("details")}
        served.store.save_alarms(name, [record])
        _keep(served, name, record["key"], kept)
        return json_answer(_of_key(served, name, record["key"]).as_json())


def _meant(served: Served, body: dict[str, Any], kind: str, known: dict[str, Alarm]) -> Alarm | None:
    """Return the alarm that a request is about: by id, by the key of our record, or the active one of the same type."""
    identifier = body.get("id")
    if isinstance(identifier, dict) and isinstance(identifier.get("id"), str):
        wanted = checked_uuid(identifier["id"])
        for alarm in known.values():
            if alarm.uuid == wanted:
                return alarm
        raise RefusalError(404, f"Alarm with id [{wanted}] is not found")
    record = _twin_of(body)
    if record is not None:
        return known.get(record["key"])
    active = [alarm for alarm in known.values() if alarm.record["name"] == kind and not alarm.cleared]
    return active[-1] if active else None


def _twin_of(body: dict[str, Any]) -> dict[str, Any] | None:
    details = body.get("details")
    record = details.get("twin") if isinstance(details, dict) else None
    if record is None:
        return None
    sound = isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in _RECORD.items())
    times = sound and _is_time(record.get("start")) and _is_time(record.get("seen"))
    ended = sound and "end" in record and (record["end"] is None or _is_time(record["end"]))
    if not (times and ended) or record["severity"] not in _THEIRS or record["status"] not in _STATUS:
        raise RefusalError(
            400, "details.twin is not the record of an alarm: key, model, name, severity, text, start, end, status, seen"
        )
    for key in ("key", "name"):
        checked_text(record[key], f"details.twin.{key}")
    return dict(record)


def _is_time(value: Any) -> bool:
    """Whether a value is an instant that a page can show. [ms UTC]"""
    return type(value) is int and 0 <= value <= LAST


def _record(body: dict[str, Any], kind: str, severity: str, before: Alarm | None) -> tuple[dict[str, Any], bool]:
    """Return our record of an alarm, and whether the request brought it."""
    record = _twin_of(body)
    if record is not None:
        if before is not None and before.record["key"] != record["key"]:
            raise RefusalError(400, "details.twin.key: the alarm with this id has another one")
        return record, True
    start = body.get("startTs")
    if not _is_time(start) or start == 0:
        start = before.record["start"] if before else now()
    details = body.get("details")
    text = str(details.get("message", "")) if isinstance(details, dict) else ""
    base = before.record if before else {
        "key": f"platform/{kind}/{start}", "model": "", "name": kind, "start": start, "end": None, "status": "active",
    }  # fmt: skip
    return {**base, "severity": SEVERITIES[severity], "text": text[:1000], "seen": now()}, False


def _keep(served: Served, name: str, key: str, kept: dict[str, Any]) -> None:
    """Keep what clients did with an alarm; its record stays as a run may be writing it at this moment."""
    served.store.save_served(name, {f"alarm/{key}": json.dumps(kept)}, now())


def _of_key(served: Served, name: str, key: str) -> Alarm:
    return next(alarm for alarm in alarms_of(served, name) if alarm.record["key"] == key)


def acknowledge(served: Served, call: Call) -> Response:
    """Acknowledge an alarm."""
    return _marked(served, call, "ackTs", "Alarm was already acknowledged!")


def clear(served: Served, call: Call) -> Response:
    """Clear an alarm; one that a run has ended itself is only marked."""
    return _marked(served, call, "clearTs", "Alarm was already cleared!")


def _marked(served: Served, call: Call, mark: str, already: str) -> Response:
    found = _found(served, call.path["id"])
    name = found.entity.asset.id
    with served.entities.lock(name):
        alarm = _of_key(served, name, found.record["key"])
        if mark in alarm.kept and (mark == "ackTs" or alarm.cleared):
            raise RefusalError(400, already)
        record = alarm.record
        if mark == "clearTs" and not alarm.cleared:
            record = {**record, "status": "cleared", "end": max(now(), record["start"])}
            served.store.save_alarms(name, [record])
        _keep(served, name, record["key"], {**alarm.kept, mark: now()})
        return json_answer(_of_key(served, name, record["key"]).as_info())


def by_id(served: Served, call: Call) -> Response:
    """Return one alarm."""
    return json_answer(_found(served, call.path["id"]).as_json())


def info_by_id(served: Served, call: Call) -> Response:
    """Return one alarm with the names of what it points to."""
    return json_answer(_found(served, call.path["id"]).as_info())


def kept_for_good(served: Served, call: Call) -> Response:
    """Refuse to delete an alarm."""
    _found(served, call.path["id"])
    raise RefusalError(400, "Alarms are never deleted on this platform; clear it instead")


ROUTES: list[Route] = [
    serves("POST", "/api/alarm", saved),
    serves("POST", "/api/alarm/{id}/ack", acknowledge),
    serves("POST", "/api/alarm/{id}/clear", clear),
    serves("GET", "/api/alarm/info/{id}", info_by_id),
    serves("GET", "/api/alarm/{id}", by_id),
    serves("DELETE", "/api/alarm/{id}", kept_for_good),
]
