"""Assets: list, find, create, change, delete."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from platform_interface.platforms.base import Asset
from platform_interface.server.answers import CONFLICT, RefusalError, json_answer, page_of
from platform_interface.server.entities import Entity
from platform_interface.server.web import Call, Served, serves
from platform_interface.strict_json import usable
from platform_interface.when import now

_SORTS = {"createdTime", "name", "type", "label", "customerTitle"}
_MARKUP = re.compile(r"<\s*[a-zA-Z/!?]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
LONGEST = 255


def checked_text(value: Any, where: str) -> str:
    """Return a name that may be shown and stored, or refuse it."""
    if not isinstance(value, str):
        raise RefusalError(400, f"{where} is not a text")
    if not value.strip():
        raise RefusalError(400, f"{where} cannot be blank")
    if len(value) > LONGEST:
        raise RefusalError(400, f"{where} is longer than {LONGEST} characters")
    if _CONTROL.search(value):
        raise RefusalError(400, f"{where} holds a control character")
    if _MARKUP.search(value):
        raise RefusalError(400, f"{where} holds markup; write it without '<'")
    return value


def checked_value(value: Any, where: str, plain: bool = False) -> Any:
    """Return a value of JSON that is kept as it is, or refuse it: nothing of it may be bent or cut."""
    if usable(value) != value:
        raise RefusalError(
            400, f"{where} holds what cannot be kept: more than 64 levels, a null character, or a whole number of 2^63 or more",
            plain=plain,
        )  # fmt: skip
    return value


def listed(served: Served, call: Call, info: bool = False) -> Response:
    """Return a page of assets; with `assetName`, the one of that name."""
    if "assetName" in call.query:
        return by_name(served, call)
    size, number = call.integer("pageSize", least=1), call.integer("page", least=0)
    rows = [entity.as_info() if info else entity.as_json() for entity in chosen(served, call)]
    sort = call.query.get("sortProperty") or ""
    sort = "assetProfileName" if sort == "assetProfileName" and info else sort
    if sort and sort not in _SORTS and sort != "assetProfileName":
        raise RefusalError(400, f"Invalid sort property: {sort[:64]}")
    descending = call.query.get("sortOrder", "ASC").upper() == "DESC"
    if not sort:
        return page_of(rows, size, number, lambda row: row["name"], False)
    return page_of(rows, size, number, lambda row: (row.get(sort) is not None, row.get(sort) or "", row["name"]), descending)


def chosen(served: Served, call: Call) -> list[Entity]:
    """Return the assets that the query asks for."""
    kind, words = call.query.get("type", ""), call.query.get("textSearch", "").lower()
    profile = call.query.get("assetProfileId", "")
    return [
        entity
        for entity in served.entities.all()
        if (not kind or entity.profile == kind)
        and (not profile or entity.as_json()["assetProfileId"]["id"] == profile)
        and (not words or any(words in text.lower() for text in (entity.asset.id, entity.asset.name, entity.profile)))
    ]


def by_name(served: Served, call: Call) -> Response:
    """Return the asset with a name."""
    return json_answer(served.entities.named(call.query.get("assetName", "")).as_json())


def by_id(served: Served, call: Call) -> Response:
    """Return the asset with a UUID."""
    return json_answer(served.entities.named(served.entities.name_of(call.path["id"])).as_json())


def info_by_id(served: Served, call: Call) -> Response:
    """Return the asset with a UUID, with the names of what it points to."""
    return json_answer(served.entities.named(served.entities.name_of(call.path["id"])).as_info())


def by_ids(served: Served, call: Call) -> Response:
    """Return several assets; those that are not there are left out, as ThingsBoard does."""
    found = []
    for identifier in call.words("assetIds"):
        try:
            found.append(served.entities.named(served.entities.name_of(identifier)).as_json())
        except RefusalError as refusal:
            if refusal.status != 404:
                raise
    return json_answer(found)


def saved(served: Served, call: Call) -> Response:
    """Create an asset, or change the one whose id the body holds."""
    body = call.json()
    if not isinstance(body, dict):
        raise RefusalError(400, "Request is not a JSON object")
    name = checked_text(body.get("name"), "Asset name")
    identifier = body.get("id")
    with served.entities.lock(name):
        if identifier is None:
            if served.store.has(name):
                raise RefusalError(400, "Asset with such name already exists!")
            before = Entity(Asset(name), now(), {"version": 0})
        else:
            before = _held(served, identifier, name)
        after = _changed(served, before, body)
        if identifier is None:
            served.store.save_asset(after.asset)
        else:
            served.store.change_asset(name, lambda held: Asset(held.id, after.asset.name, after.asset.tags, held.parameters))
        served.store.save_served(name, {"entity": json.dumps(after.kept)}, now())
        return json_answer(served.entities.named(name).as_json())


def _held(served: Served, identifier: Any, name: str) -> Entity:
    if not (isinstance(identifier, dict) and isinstance(identifier.get("id"), str)):
        raise RefusalError(400, "Asset id is not {entityType, id}")
    held = served.entities.name_of(identifier["id"])
    if held != name:
        raise RefusalError(
            400, f"Asset name: '{held}' cannot become '{name[:100]}'; on this platform the name is the folder. Create another"
        )
    return served.entities.named(held)


def _changed(served: Served, before: Entity, body: dict[str, Any]) -> Entity:
    """Return the entity as the body wants it."""
    version = before.kept.get("version", 1)
    if isinstance(body.get("version"), int) and body["version"] != version:
        raise RefusalError(409, "Asset was changed by somebody else; read it again", CONFLICT)
    info = body.get("additionalInfo")
    info = dict(checked_value(info, "additionalInfo")) if isinstance(info, dict) else {}
    tags = info.pop("tags", list(before.asset.tags))
    if not isinstance(tags, list):
        raise RefusalError(400, "additionalInfo.tags is not a list")
    label = body.get("label")
    label = checked_text(label, "Asset label") if isinstance(label, str) and label else ""
    asset = Asset(before.asset.id, label, tuple(checked_text(tag, "A tag") for tag in tags), before.asset.parameters)
    kept = {"type": _profile(served, before, body), "version": version + 1, "additionalInfo": info}
    return Entity(asset, before.created, kept)


def _profile(served: Served, before: Entity, body: dict[str, Any]) -> str:
    if body.get("type"):
        return checked_text(body["type"], "Asset type")
    wanted = body.get("assetProfileId")
    if isinstance(wanted, dict) and wanted.get("id"):
        for entity in served.entities.all():
            if entity.as_json()["assetProfileId"]["id"] == wanted["id"]:
                return entity.profile
    return before.profile


def deleted(served: Served, call: Call) -> Response:
    """Delete an asset with everything it has, unless a run is computing it."""
    name = served.entities.name_of(call.path["id"])
    with served.entities.lock(name):
        served.store.forget_unless_busy(name)
    return Response(b"", 200)


def types(served: Served, call: Call) -> Response:
    """Return the names of the profiles that assets have."""
    del call
    names = sorted({entity.profile for entity in served.entities.all()})
    from platform_interface.server.entities import tenant

    return json_answer([{"tenantId": tenant(), "entityType": "ASSET", "type": name} for name in names])


def infos(served: Served, call: Call) -> Response:
    """Return a page of assets with the names of what they point to."""
    return listed(served, call, info=True)


ROUTES: list[Route] = [
    serves("GET", "/api/tenant/assets", listed),
    serves("GET", "/api/tenant/asset", by_name),
    serves("GET", "/api/tenant/assetInfos", infos),
    serves("GET", "/api/assetInfos/all", infos),
    serves("GET", "/api/user/assets", listed),
    serves("GET", "/api/assets", by_ids),
    serves("GET", "/api/asset/types", types),
    serves("GET", "/api/asset/info/{id}", info_by_id),
    serves("GET", "/api/asset/{id}", by_id),
    serves("POST", "/api/asset", saved),
    serves("DELETE", "/api/asset/{id}", deleted),
]
