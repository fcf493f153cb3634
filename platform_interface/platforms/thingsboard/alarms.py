"""Alarms: the truth is our record in the details of ThingsBoard's alarm; its own fields are for people there."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from platform_interface.log import LOGGER
from platform_interface.platforms.http import RefusedError
from platform_interface.platforms.thingsboard.api import Api, misshaped, uuid_of
from platform_interface.platforms.thingsboard.entities import Entity
from platform_interface.when import text

#: Where in the details our record is.
RECORD = "twin"
SEVERITIES = {"critical": "CRITICAL", "warning": "WARNING", "info": "INDETERMINATE"}
_FIELDS: dict[str, Any] = {
    "key": str, "model": str, "name": str, "severity": str, "text": str, "start": int, "status": str, "seen": int,
    "end": (int, type(None)),
}  # fmt: skip
_STATES = ("active", "cleared", "withdrawn")
#: ThingsBoard keeps at most this much as the type of an alarm.
_LONGEST_TYPE = 255


@dataclass
class _There:
    """An alarm on the platform."""

    uuid: str
    type: str
    stands: bool
    created: int
    record: dict[str, Any] | None
    body: dict[str, Any]


@dataclass
class Alarms:
    """Reads and writes alarms of things."""

    api: Api
    _kept: dict[str, list[_There]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def all(self, entity: Entity) -> list[dict[str, Any]]:
        """Return our records, by key the newest, oldest first; those of others are left alone.

        One that is over by our record and still stands on the platform was cut short between the two: it is given as active,
        so that it is mended.
        """
        self._kept[entity.uuid] = sorted(self._listed(entity), key=lambda there: there.created)
        records: dict[str, dict[str, Any]] = {}
        for there in self._kept[entity.uuid]:
            if there.record is not None:
                over = there.stands and there.record["status"] != "active"
                records[there.record["key"]] = {**there.record, "status": "active", "end": None} if over else there.record
        return list(records.values())

    def save(self, entity: Entity, records: Sequence[Mapping[str, Any]]) -> None:
        """Raise, change and end alarms: those that end first, for ThingsBoard keeps one standing alarm a type."""
        with self._lock:
            if entity.uuid not in self._kept:
                self.all(entity)
            known = self._kept[entity.uuid]
            for record in sorted(records, key=lambda record: record["status"] == "active"):
                self._save(entity, dict(record), known)

    def forget(self, entity: Entity) -> None:
        """Ask the platform again next time."""
        self._kept.pop(entity.uuid, None)

    def delete_all(self, entity: Entity) -> None:
        """Delete every alarm of ours; one that may not be deleted is ended, and loses our record."""
        self.all(entity)
        for there in self._kept.pop(entity.uuid):
            if there.record is None:
                continue
            try:
                self.api.delete(f"/api/alarm/{there.uuid}")
            except RefusedError as error:
                LOGGER.warning("%s: the alarm '%s' stays on the platform: %s", entity.id, there.type, error)
                self.api.post("/api/alarm", {**there.body, "details": {}})
                if there.stands:
                    self._clear(there)

    def _listed(self, entity: Entity) -> Iterator[_There]:
        for content in self.api.pages(f"/api/alarm/{entity.kind}/{entity.uuid}", {"fetchOriginator": "false"}):
            yield _there(content)

    def _save(self, entity: Entity, record: dict[str, Any], known: list[_There]) -> None:
        ours = [there for there in known if there.record is not None and there.record["key"] == record["key"]]
        there = ours[-1] if ours else None
        if there is not None and record["status"] == "active" and not there.stands:
            there = None  # ThingsBoard cannot raise again what was cleared: a new one takes its place
        kind = there.type if there is not None else self._type(record, known)
        body: dict[str, Any] = {
            "type": kind, "originator": {"entityType": entity.kind, "id": entity.uuid}, "severity": SEVERITIES[record["severity"]],
            "startTs": record["start"], "endTs": max(record["start"], record["end"] or record["seen"]),
            "details": {RECORD: record}, "propagate": False,
        }  # fmt: skip
        if there is not None:
            body = {**there.body, **body, "details": {**_details(there.body), RECORD: record}}
        saved = _there(self.api.post("/api/alarm", body))
        if saved.record != record:
            saved = _There(saved.uuid, saved.type, saved.stands, saved.created, record, saved.body)
        if there is not None:
            known.remove(there)
        known.append(saved)
        if record["status"] != "active" and saved.stands:
            self._clear(saved)

    def _type(self, record: Mapping[str, Any], known: Sequence[_There]) -> str:
        """Return the type of a new alarm: its name, and its start where another of that name stands."""
        name = str(record["name"]).strip()[:200] or "alarm"
        standing = {there.type for there in known if there.stands}
        if name not in standing:
            return name
        return f"{name} {text(record['start'])}"[:_LONGEST_TYPE]

    def _clear(self, there: _There) -> None:
        try:
            self.api.post(f"/api/alarm/{there.uuid}/clear", None)
        except RefusedError as error:
            if error.status != 400 or "clear" not in error.text.lower():
                raise  # cleared already, by a person or by a request whose answer was lost: fine
        there.stands = False


def _details(body: Mapping[str, Any]) -> dict[str, Any]:
    details = body.get("details")
    return details if isinstance(details, dict) else {}


def _there(content: Any) -> _There:
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise misshaped("/api/alarm", "an alarm", content)
    record = _record(_details(content).get(RECORD))
    status, cleared = content.get("status"), content.get("cleared")
    stands = not cleared if isinstance(cleared, bool) else not str(status).startswith("CLEARED")
    created = content.get("createdTime")
    uuid = uuid_of(content.get("id"), "/api/alarm")
    return _There(uuid, content["type"], stands, created if isinstance(created, int) else 0, record, content)


def _record(content: Any) -> dict[str, Any] | None:
    """Return our record; ``None`` where it is none, for then the alarm is not ours."""
    if not isinstance(content, dict) or not all(isinstance(content.get(key), kind) for key, kind in _FIELDS.items()):
        return None
    return content if content["status"] in _STATES and content["severity"] in SEVERITIES else None
