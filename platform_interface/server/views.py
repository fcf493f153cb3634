"""What the pages for people show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from platform_interface.dashboard.page import file_name
from platform_interface.dashboard.symbols import unit_symbol
from platform_interface.dashboard.zone import shown, zone_of
from platform_interface.errors import TwinError
from platform_interface.server.answers import RefusalError
from platform_interface.server.entities import Entity
from platform_interface.server.history import latest_of
from platform_interface.server.resources import all_infos, media_type
from platform_interface.server.web import Served
from platform_interface.when import now, span

#: Assets of one page, latest values of an asset there, alarms at its head, and alarms of an asset's own page.
ASSETS, VALUES, ALARMS, HISTORY = 25, 6, 20, 200
_MARKS = {"critical": ("bad", "!"), "warning": ("notice", "▲"), "info": ("none", "i")}
_UNREADABLE = {"last": "cannot be read", "age": ""}
_ORDER = ("critical", "warning", "info", "")


def index_content(served: Served, search: str, number: int) -> dict[str, Any]:
    """Return what the index shows: the assets, those with the worst alarm first."""
    entities = served.entities.all()
    word = search.strip().lower()
    found = [entity for entity in entities if not word or any(word in text.lower() for text in _texts(entity))]
    found.sort(key=lambda entity: (_ORDER.index(_worst(entity)), entity.asset.id))
    pages = max(1, -(-len(found) // ASSETS))
    number = min(max(1, number), pages)
    alarms = [(entity, alarm) for entity in found for alarm in entity.standing]
    alarms.sort(key=lambda pair: (_ORDER.index(pair[1]["severity"]), pair[1]["start"]))
    written, uploads, broken = _pages_of(served), all_infos(served), _broken(served, entities)
    rows = []
    for entity in found[(number - 1) * ASSETS : number * ASSETS]:
        try:
            rows.append(_row(served, entity, written, uploads))
        except TwinError as error:  # a damaged file of one asset hides no other
            broken.append((entity.asset.id, str(error)))
            rows.append(_row(served, entity, written, uploads, readable=False))
    return {
        "total": len(entities), "found": len(found), "search": search.strip(), "written": shown(now(), ZoneInfo("UTC")),
        "counts": _counts(entities), "broken": broken, "page": number, "pages": pages,
        "alarms": [_alarm(entity, alarm) for entity, alarm in alarms[:ALARMS]], "more_alarms": max(0, len(alarms) - ALARMS),
        "rows": rows, "before": _turned(search, number - 1) if number > 1 else "",
        "after": _turned(search, number + 1) if number < pages else "",
        "fleet": "index.html" in written,
    }  # fmt: skip


def _texts(entity: Entity) -> tuple[str, ...]:
    return entity.asset.id, entity.asset.name, *entity.asset.tags


def _worst(entity: Entity) -> str:
    return min((str(alarm["severity"]) for alarm in entity.standing), key=_ORDER.index, default="")


def _standing(entity: Entity) -> str:
    """Say how many alarms stand, by severity."""
    counts = {word: sum(alarm["severity"] == word for alarm in entity.standing) for word in _MARKS}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _counts(entities: Sequence[Entity]) -> list[dict[str, str]]:
    words = {"critical": "with a critical alarm", "warning": "with a warning", "info": "with a note", "": "without an alarm"}
    found = []
    for severity, text in words.items():
        count = sum(_worst(entity) == severity for entity in entities)
        mark, sign = _MARKS.get(severity, ("good", "✓"))
        if count:
            found.append({"mark": mark, "sign": sign, "text": f"{count} {text}"})
    return found


def _broken(served: Served, entities: Sequence[Entity]) -> list[tuple[str, str]]:
    """Return the assets that cannot be read, and why."""
    read = {entity.asset.id for entity in entities}
    found = []
    for name in served.store.ids():
        if name not in read:
            try:
                served.entities.named(name)
            except TwinError as error:
                found.append((name, str(error)))
            except RefusalError:  # it was deleted meanwhile
                continue
    return found


def _turned(search: str, number: int) -> str:
    return "/?" + urlencode({**({"search": search} if search else {}), "page": number})


def _link(entity: Entity) -> str:
    return f"/asset/{entity.uuid}"


def _zone(entity: Entity) -> ZoneInfo:
    name = entity.asset.parameters.get("time_zone")
    return (zone_of(name) if isinstance(name, str) else None) or ZoneInfo("UTC")


def _shown(instant: int, zone: ZoneInfo) -> str:
    """Show an instant as the site's clock does; a calendar ends, and what a file holds need not lie in it."""
    try:
        return shown(instant, zone)
    except (OverflowError, ValueError, OSError):
        return f"{instant} ms after 1970"


def _alarm(entity: Entity, alarm: dict[str, Any]) -> dict[str, Any]:
    mark, sign = _MARKS[alarm["severity"]]
    if alarm["status"] != "active":
        mark = "none"
    zone = _zone(entity)
    return {
        "asset": entity.asset.name or entity.asset.id, "link": _link(entity), "severity": alarm["severity"], "mark": mark,
        "sign": sign, "name": alarm["name"], "text": alarm["text"], "status": alarm["status"],
        "since": _shown(alarm["start"], zone), "until": "" if alarm.get("end") is None else _shown(alarm["end"], zone),
    }  # fmt: skip


def _pages_of(served: Served) -> list[str]:
    """Return the names of the pages that runs wrote."""
    return sorted(path.name for path in served.pages.glob("*.html")) if served.pages.is_dir() else []


def _own_pages(entity: Entity, written: Sequence[str], uploads: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the pages of an asset: those that runs here wrote, and those that runs elsewhere uploaded."""
    found = []
    for name in written:
        model = name.removesuffix(".html").rpartition("--")[2]
        if name == file_name(entity.asset.id, model):
            found.append({"name": model, "link": f"/pages/{quote(name)}"})
    start = file_name(entity.asset.id, "").removesuffix(".html")
    for info in uploads:
        if info["fileName"].startswith(start) and media_type(info).startswith("text/html"):
            model = info["fileName"].removeprefix(start).removesuffix(".html")
            found.append({"name": f"{model} (uploaded)", "link": f"/uploads/{info['id']['id']}"})
    return found


def _row(
    served: Served, entity: Entity, written: Sequence[str], uploads: Sequence[dict[str, Any]], readable: bool = True
) -> dict[str, Any]:
    name, zone = entity.asset.id, _zone(entity)
    bases = served.store.bases(name) if readable else {}
    single = [key for key in bases if "|" not in key]
    known = latest_of(served, name, single or list(bases))
    newest = max((moment for moment, _ in known.values()), default=None)
    measured = [key for key in single if key in known and not bases[key][1].output]
    computed = [key for key in single if key in known and bases[key][1].output]
    chosen = [*measured[: VALUES // 2], *computed, *measured[VALUES // 2 :]]
    severity = _worst(entity)
    mark, sign = _MARKS.get(severity, ("good", "✓"))
    return {
        "id": name, "name": entity.asset.name or name, "link": _link(entity), "tags": list(entity.asset.tags), "mark": mark,
        "sign": sign, "state": _standing(entity) or "none", **(_age(newest, zone) if readable else _UNREADABLE),
        "latest": [
            {"name": key, "value": f"{known[key][1]:.5g}", "unit": _symbol(bases[key][1].unit)} for key in chosen[:VALUES]
        ],
        "more": max(0, len(bases) - VALUES), "without": "no sample yet" if readable else "see above",
        "pages": _own_pages(entity, written, uploads),
    }  # fmt: skip


def _age(newest: int | None, zone: ZoneInfo) -> dict[str, str]:
    if newest is None:
        return {"last": "none", "age": ""}
    passed = (now() - newest) / 1000
    return {"last": _shown(newest, zone), "age": f"{span(passed)} ago" if passed >= 0 else "in the future"}


def _symbol(unit: str) -> str:
    symbol = unit_symbol(unit)
    return "" if symbol == "1" else symbol


def asset_content(served: Served, name: str) -> dict[str, Any]:
    """Return what the page of one asset shows."""
    entity = served.entities.named(name)
    zone, bases = _zone(entity), served.store.bases(name)
    known, fault = {}, ""
    try:
        known = latest_of(served, name, list(bases))
    except TwinError as error:  # parameters and alarms can be read none the less
        fault = str(error)
    newest = max((moment for moment, _ in known.values()), default=None)
    alarms = sorted(served.store.alarms(name), key=lambda alarm: alarm["start"], reverse=True)
    outputs = [key for key, (_, sensor) in bases.items() if sensor.output]
    sensors = [key for key, (_, sensor) in bases.items() if not sensor.output]
    units = {key: _symbol(sensor.unit) for key, (_, sensor) in bases.items()}
    groups = [
        (title, _series(keys, known, units, zone, "cannot be read" if fault else "no sample yet"))
        for title, keys in (("Outputs of models", outputs), ("Sensors", sensors))
        if keys
    ]
    parameters = {key: _parameter(value) for key, value in entity.asset.parameters.items()}
    return {
        "id": name, "name": entity.asset.name or name, "uuid": entity.uuid, "tags": list(entity.asset.tags),
        "fault": fault, "profile": entity.profile,
        **(_UNREADABLE if fault else _age(newest, zone)), "pages": _own_pages(entity, _pages_of(served), all_infos(served)),
        "alarms": [_alarm(entity, alarm) for alarm in alarms[:HISTORY]], "alarm_count": len(alarms), "groups": groups,
        "parameters": list(parameters.items()),
    }  # fmt: skip


def _parameter(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}…"


def _series(
    keys: Sequence[str], known: dict[str, tuple[int, float]], units: dict[str, str], zone: ZoneInfo, without: str
) -> list[dict[str, str]]:
    """Return a row a series; those of an array share one."""
    arrays: dict[str, list[str]] = {}
    for key in keys:
        stem, bar, _ = key.partition("|")
        arrays.setdefault(f"{stem}|*" if bar else key, []).append(key)
    rows = []
    for title, members in arrays.items():
        held = [known[key] for key in members if key in known]
        at = _shown(max(moment for moment, _ in held), zone) if held else ""
        low, high = min((value for _, value in held), default=0.0), max((value for _, value in held), default=0.0)
        value = without if not held else f"{low:.5g}" if len(members) == 1 else f"{low:.5g} to {high:.5g}"
        name = title if len(members) == 1 else f"{title} ({len(members)} series)"
        rows.append({"name": name, "value": value, "unit": units[members[0]] if held else "", "at": at})
    return rows
