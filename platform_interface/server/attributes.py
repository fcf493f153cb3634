"""Attributes: parameters of assets, the list of their series, and texts that runs elsewhere keep here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.routing import Route

from platform_interface.platforms.base import Asset
from platform_interface.server.answers import RefusalError, json_answer
from platform_interface.server.assets import checked_text, checked_value
from platform_interface.server.web import Call, Served, serves
from platform_interface.when import now

#: Keys that begin with this are ours: no parameters.
OURS = "twin."
SENSORS = "twin.sensors"
SCOPES = ("SERVER_SCOPE", "SHARED_SCOPE", "CLIENT_SCOPE")
_BASE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")


def keys_of(call: Call) -> list[str]:
    """Return the keys asked for: `key`, repeated, wins over `keys` with commas."""
    return call.query.getlist("key") or call.words("keys")


def _scope(call: Call) -> str:
    scope = call.path.get("scope", "SERVER_SCOPE")
    if scope not in SCOPES:
        raise RefusalError(400, f"Invalid scope: {scope[:64]}", plain=True)
    return scope


def _all(served: Served, name: str) -> dict[str, tuple[Any, int]]:
    """Return every attribute with when it changed; the list of series and our own texts come with them."""
    entity = served.entities.named(name)
    kept = served.store.load_served(name, "attribute/")
    changed = {key.removeprefix("attribute/"): moment for key, (_, moment) in kept.items()}
    found = {key: (value, changed.get(key, entity.created)) for key, value in entity.asset.parameters.items()}
    for key, (text, moment) in kept.items():
        if text:
            found[key.removeprefix("attribute/")] = (orjson.loads(text), moment)
    bases = served.store.bases(name)
    if bases:
        series = {word: {"unit": s.unit, "base": base, "output": s.output} for word, (base, s) in bases.items()}
        found[SENSORS] = (series, changed.get(SENSORS, entity.created))
    return found


def values(served: Served, call: Call) -> Response:
    """Return attributes with their values."""
    scope, name = _scope(call), served.entities.name_of(call.path["id"], call.path["type"])
    if scope != "SERVER_SCOPE":
        return json_answer([])
    wanted = keys_of(call)
    found = _all(served, name)
    return json_answer(
        [
            {"lastUpdateTs": moment, "key": key, "value": value}
            for key, (value, moment) in found.items()
            if not wanted or key in wanted
        ]
    )


def names(served: Served, call: Call) -> Response:
    """Return the keys of attributes."""
    scope, name = _scope(call), served.entities.name_of(call.path["id"], call.path["type"])
    return json_answer(sorted(_all(served, name)) if scope == "SERVER_SCOPE" else [])


def save(served: Served, call: Call) -> Response:
    """Save attributes: parameters, series, and texts of ours."""
    if _scope(call) != "SERVER_SCOPE":
        raise RefusalError(400, f"Invalid scope: {call.path['scope']}; an asset has SERVER_SCOPE only", plain=True)
    name = served.entities.name_of(call.path["id"], call.path.get("type", "ASSET"))
    body = call.json()
    if not isinstance(body, dict):
        raise RefusalError(400, "Request is not a JSON object", plain=True)
    if not body:
        raise RefusalError(400, "No attributes data found in request body!", plain=True)
    for key, value in body.items():
        if not key.strip():
            raise RefusalError(400, "Key cannot be blank", plain=True)
        checked_text(key, f"Key '{key[:40]}'")
        if value is None:
            raise RefusalError(400, f"Can't parse value of '{key[:64]}': null is not a value", plain=True)
        checked_value(value, f"Value of '{key[:40]}'", plain=True)
    with served.entities.lock(name):
        if SENSORS in body:
            register(served, name, body[SENSORS])
        parameters = {key: value for key, value in body.items() if not key.startswith(OURS)}
        if parameters:
            served.store.change_asset(name, lambda held: _with(held, parameters))
        texts = {
            f"attribute/{key}": json.dumps(value) if key.startswith(OURS) and key != SENSORS else ""
            for key, value in body.items()
        }
        served.store.save_served(name, texts, now())
    return Response(b"", 200)


def _with(held: Asset, parameters: Mapping[str, Any]) -> Asset:
    return Asset(held.id, held.name, held.tags, {**held.parameters, **parameters})


def register(served: Served, name: str, series: Any) -> None:
    """Enter series as `twin.sensors` lists them; those that are there keep their time base."""
    if not isinstance(series, dict):
        raise RefusalError(400, f"{SENSORS} is not a JSON object of series", plain=True)
    known = served.store.bases(name)
    groups: dict[tuple[str, bool], dict[str, str]] = {}
    for word, facts in series.items():
        checked_series(word)
        facts = facts if isinstance(facts, dict) else {}
        base, unit, output = facts.get("base", ""), facts.get("unit", ""), facts.get("output", False)
        if not (isinstance(base, str) and isinstance(unit, str) and isinstance(output, bool) and len(unit) <= LONGEST_UNIT):
            raise RefusalError(
                400, f"{SENSORS}: '{word[:64]}' is not {{unit: text, base: text, output: true or false}}", plain=True
            )
        held = known.get(word)
        if held is not None:
            base, unit = held[0], unit or held[1].unit
            if not held[1].unit and unit and not held[1].output:
                served.store.state_unit(name, word, unit)
        base = base or base_of(word)
        if not _BASE.fullmatch(base):
            raise RefusalError(
                400, f"{SENSORS}: the time base '{base[:64]}' of '{word[:64]}' is not a name of letters and digits", plain=True
            )
        groups.setdefault((base, output), {})[word] = unit
    for (base, output), units in groups.items():
        served.store.register(name, base, units, output)


LONGEST_UNIT = 64


def checked_series(word: str) -> str:
    """Return the name of a series, or refuse it as ThingsBoard does."""
    if not word.strip():
        raise RefusalError(400, "Key cannot be blank", plain=True)
    try:
        checked_text(word, f"Key '{word[:40]}'")
    except RefusalError as refusal:
        raise RefusalError(refusal.status, refusal.message, plain=True) from None
    if word == "time" or "../" in word:
        raise RefusalError(400, f"Key '{word[:64]}' cannot name a series here; take another name", plain=True)
    return word


def base_of(word: str) -> str:
    """Return the time base of a series that nobody registered: those of one array share theirs."""
    stem = word.split("|")[0]
    slug = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")[:60]
    if re.sub(r"[^a-z0-9_]", "", stem) != stem or not slug:
        import hashlib

        slug = f"{slug or 'series'}-{hashlib.blake2b(stem.encode(), digest_size=4).hexdigest()}"
    return f"telemetry.{slug}"


def delete(served: Served, call: Call) -> Response:
    """Delete attributes; one that is not there is no error."""
    _scope(call)
    name = served.entities.name_of(call.path["id"], call.path.get("type", "ASSET"))
    wanted = keys_of(call)
    if not wanted:
        raise RefusalError(400, "Empty keys: ", plain=True)
    if SENSORS in wanted:
        raise RefusalError(400, f"{SENSORS} lists what is stored; delete the series instead", plain=True)
    with served.entities.lock(name):
        gone = set(wanted)
        served.store.change_asset(
            name,
            lambda held: Asset(
                held.id, held.name, held.tags, {key: value for key, value in held.parameters.items() if key not in gone}
            ),
        )
        served.store.save_served(name, {f"attribute/{key}": None for key in gone}, now())
    return Response(b"", 200)


_TELEMETRY = "/api/plugins/telemetry"
ROUTES: list[Route] = [
    serves("GET", _TELEMETRY + "/{type}/{id}/keys/attributes", names),
    serves("GET", _TELEMETRY + "/{type}/{id}/keys/attributes/{scope}", names),
    serves("GET", _TELEMETRY + "/{type}/{id}/values/attributes", values),
    serves("GET", _TELEMETRY + "/{type}/{id}/values/attributes/{scope}", values),
    serves("POST", _TELEMETRY + "/{type}/{id}/attributes/{scope}", save),
    serves("POST", _TELEMETRY + "/{type}/{id}/{scope}", save),
    serves("POST", _TELEMETRY + "/{id}/{scope}", save),
    serves("DELETE", _TELEMETRY + "/{type}/{id}/{scope}", delete),
    serves("DELETE", _TELEMETRY + "/{id}/{scope}", delete),
]
