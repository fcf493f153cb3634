"""What a client may ask besides: profiles, devices (there are none), relations, and facts of the system."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from platform_interface import __version__
from platform_interface.server.answers import RefusalError, json_answer, page_of
from platform_interface.server.entities import checked_uuid, id_of, reference, tenant
from platform_interface.server.history import ADVERTISED
from platform_interface.server.web import Call, Served, serves
from platform_interface.when import now


def _profile(name: str) -> dict[str, Any]:
    return {
        "id": reference("ASSET_PROFILE", id_of("profile", name)), "createdTime": 0, "tenantId": tenant(), "name": name,
        "description": "", "image": None, "defaultRuleChainId": None, "defaultDashboardId": None, "defaultQueueName": None,
        "defaultEdgeRuleChainId": None, "default": name == "default", "version": 1,
    }  # fmt: skip


def _info(name: str) -> dict[str, Any]:
    return {
        "id": reference("ASSET_PROFILE", id_of("profile", name)), "name": name, "image": None, "defaultDashboardId": None,
        "tenantId": tenant(),
    }  # fmt: skip


def _names(served: Served) -> list[str]:
    return sorted({"default", *(entity.profile for entity in served.entities.all())})


def _page(rows: list[dict[str, Any]], call: Call) -> Response:
    words = call.query.get("textSearch", "").lower()
    rows = [row for row in rows if words in row["name"].lower()]
    descending = call.query.get("sortOrder", "ASC").upper() == "DESC"
    size, number = call.integer("pageSize", least=1), call.integer("page", least=0)
    return page_of(rows, size, number, lambda row: row["name"], descending)


def _profiles(served: Served, call: Call) -> Response:
    return _page([_profile(name) for name in _names(served)], call)


def _profile_infos(served: Served, call: Call) -> Response:
    return _page([_info(name) for name in _names(served)], call)


def _profile_names(served: Served, call: Call) -> Response:
    del call
    return json_answer([{"id": reference("ASSET_PROFILE", id_of("profile", name)), "name": name} for name in _names(served)])


def _default(served: Served, call: Call) -> Response:
    del served, call
    return json_answer(_info("default"))


def _named(served: Served, call: Call) -> str:
    wanted = checked_uuid(call.path["id"])
    for name in _names(served):
        if id_of("profile", name) == wanted:
            return name
    raise RefusalError(404, f"Asset profile with id [{wanted}] is not found")


def _profile_by_id(served: Served, call: Call) -> Response:
    return json_answer(_profile(_named(served, call)))


def _info_by_id(served: Served, call: Call) -> Response:
    return json_answer(_info(_named(served, call)))


def _no_page(served: Served, call: Call) -> Response:
    """Return an empty page: the store holds assets only."""
    del served
    if "deviceName" in call.query:
        return _no_device(served=None, call=call)
    return page_of([], call.integer("pageSize", least=1), call.integer("page", least=0), None, False)


def _no_device(served: Served | None, call: Call) -> Response:
    del served
    wanted = call.query.get("deviceName") or call.path.get("id", "")
    raise RefusalError(404, f"Device [{wanted[:64]}] is not found; this platform holds assets only")


def _no_list(served: Served, call: Call) -> Response:
    del served, call
    return json_answer([])


def _no_relations(served: Served, call: Call) -> Response:
    """Return no relation: assets of the store are not nested."""
    for name in ("fromId", "toId"):
        if name in call.query:
            served.entities.name_of(call.query[name], call.query.get(name.replace("Id", "Type"), "ASSET"))
    if "id" in call.path:
        served.entities.name_of(call.path["id"], call.path["type"])
    return json_answer([])


def _no_default(served: Served, call: Call) -> Response:
    del served, call
    info = {**_info("default"), "id": reference("DEVICE_PROFILE", id_of("device profile", "default"))}
    return json_answer({**info, "type": "DEFAULT", "transportType": "DEFAULT"})


def _system(served: Served, call: Call) -> Response:
    del served, call
    return json_answer(
        {"version": __version__, "artifact": "battery-twin", "name": "Battery twin, embedded platform", "type": "CE"}
    )


def _most(served: Served, call: Call) -> Response:
    del served, call
    return json_answer(ADVERTISED)


def _time(served: Served, call: Call) -> Response:
    del served, call
    return json_answer(now())


ROUTES: list[Route] = [
    serves("GET", "/api/assetProfiles", _profiles),
    serves("GET", "/api/assetProfileInfos", _profile_infos),
    serves("GET", "/api/assetProfileInfo/default", _default),
    serves("GET", "/api/assetProfileInfo/{id}", _info_by_id),
    serves("GET", "/api/assetProfile/names", _profile_names),
    serves("GET", "/api/assetProfile/{id}", _profile_by_id),
    serves("GET", "/api/tenant/devices", _no_page),
    serves("GET", "/api/tenant/deviceInfos", _no_page),
    serves("GET", "/api/tenant/device", _no_device),
    serves("GET", "/api/devices", _no_list),
    serves("GET", "/api/device/types", _no_list),
    serves("GET", "/api/device/info/{id}", _no_device),
    serves("GET", "/api/device/{id}", _no_device),
    serves("GET", "/api/deviceProfiles", _no_page),
    serves("GET", "/api/deviceProfileInfos", _no_page),
    serves("GET", "/api/deviceProfileInfo/default", _no_default),
    serves("GET", "/api/deviceProfile/devices/keys/timeseries", _no_list),
    serves("GET", "/api/deviceProfile/devices/keys/attributes", _no_list),
    serves("GET", "/api/deviceProfile/names", _no_list),
    serves("GET", "/api/relations", _no_relations),
    serves("GET", "/api/relations/from/{type}/{id}", _no_relations),
    serves("GET", "/api/relations/to/{type}/{id}", _no_relations),
    serves("GET", "/api/relations/from/{type}/{id}/{relation}", _no_relations),
    serves("GET", "/api/relations/to/{type}/{id}/{relation}", _no_relations),
    serves("GET", "/api/relations/info/from/{type}/{id}", _no_relations),
    serves("GET", "/api/relations/info/to/{type}/{id}", _no_relations),
    serves("GET", "/api/system/info", _system),
    serves("GET", "/api/dashboard/maxDatapointsLimit", _most),
    serves("GET", "/api/dashboard/serverTime", _time),
]
