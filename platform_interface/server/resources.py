"""Files that clients upload: pages, mostly. Each is kept under its id, never under a name that somebody sent."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import uuid
from pathlib import Path
from typing import Any

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from platform_interface.log import LOGGER
from platform_interface.platforms.local_series import sync_folder
from platform_interface.platforms.local_served import folder_of
from platform_interface.server.answers import RefusalError, json_answer, page_of
from platform_interface.server.assets import checked_text
from platform_interface.server.entities import checked_uuid, reference, tenant
from platform_interface.server.web import UPLOAD, Call, Served, authorized, body_of, guarded, in_thread, serves
from platform_interface.when import now

_FACTS = {"id", "createdTime", "title", "resourceType", "resourceKey", "fileName", "etag"}
_TYPES = ("GENERAL", "IMAGE", "JS_MODULE", "JKS", "PKCS_12", "LWM2M_MODEL", "DASHBOARD")
_MEDIA = re.compile(r"^[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}(;\s*charset=[a-zA-Z0-9-]{1,20})?$")


def _folder(served: Served) -> Path:
    return folder_of(served.store.folder, "resources")


def info_of(served: Served, identifier: str) -> dict[str, Any]:
    """Return what is known of a file."""
    path = _folder(served) / f"{checked_uuid(identifier)}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RefusalError(404, f"Resource with id [{identifier}] is not found") from None
    except (OSError, ValueError):
        found = {}
    if not (isinstance(found, dict) and found.keys() >= _FACTS and isinstance(found["id"], dict)):
        raise RefusalError(500, f"{path} cannot be read; delete it, and upload the file again")
    return found


def all_infos(served: Served) -> list[dict[str, Any]]:
    """Return what is known of every file, oldest first; one that is damaged is logged."""
    found = []
    for path in _folder(served).glob("*.json"):
        try:
            found.append(info_of(served, path.stem))
        except RefusalError as refusal:  # damaged, deleted meanwhile, or none of ours: no reason to hide the others
            LOGGER.warning("%s", refusal)
    return sorted(found, key=lambda info: (info["createdTime"], info["id"]["id"]))


def _written(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    with scratch.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
    sync_folder(path.parent)


def _kept(served: Served, info: dict[str, Any], content: bytes) -> dict[str, Any]:
    """Keep a file and what is known of it: the content first, so that what is known is never of another one."""
    identifier = info["id"]["id"]
    info = {**info, "etag": hashlib.sha256(content).hexdigest()}
    with served.entities.lock(f"/{identifier}"):  # no asset has such a name
        _written(_folder(served) / f"{identifier}.{info['etag'][:16]}", content)
        _written(_folder(served) / f"{identifier}.json", orjson.dumps(info))
        for path in _folder(served).glob(f"{identifier}.*"):
            if path.suffix not in (".json", f".{info['etag'][:16]}"):
                path.unlink(missing_ok=True)
    return info


def content_of(served: Served, info: dict[str, Any]) -> bytes:
    """Return the content of a file."""
    path = _folder(served) / f"{info['id']['id']}.{info['etag'][:16]}"
    try:
        return path.read_bytes()
    except OSError as error:
        raise RefusalError(500, f"{path} cannot be read: {error.strerror}; upload the file again") from None


def _new(title: str, kind: str, file_name: str, descriptor: Any) -> dict[str, Any]:
    if kind not in _TYPES:
        raise RefusalError(400, f"resourceType: '{kind[:32]}' is none of {', '.join(_TYPES)}")
    identifier = str(uuid.uuid4())
    key = f"{identifier}-{checked_text(file_name, 'fileName')}"
    return {
        "id": reference("TB_RESOURCE", identifier), "createdTime": now(), "tenantId": tenant(),
        "title": checked_text(title, "title"), "name": title, "resourceType": kind, "resourceSubType": None, "resourceKey": key,
        "fileName": file_name, "descriptor": descriptor, "link": f"/api/resource/{kind.lower()}/tenant/{key}",
        "public": False, "publicResourceKey": None, "publicLink": None, "etag": "",
    }  # fmt: skip


def _descriptor(given: str | None, file: UploadFile) -> Any:
    if not given:
        return {"mediaType": file.content_type or "application/octet-stream"}
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"descriptor: not JSON: {error}") from None


async def _form(request: Request) -> tuple[FormData, UploadFile, bytes]:
    """Return a multipart body with its file; all of it within the limit."""
    body = await body_of(request, UPLOAD)

    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        form = await Request(request.scope, again).form(max_files=1, max_fields=20)
    except (MultiPartException, KeyError, ValueError) as error:
        raise RefusalError(400, f"The body is not a multipart form: {getattr(error, 'message', error)}") from None
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise RefusalError(400, "Required part 'file' is not present.")
    return form, file, await file.read()


def _text(form: FormData, name: str, default: str = "") -> str:
    value = form.get(name)
    return value if isinstance(value, str) else default


async def _upload(request: Request) -> Response:
    await authorized(request)
    served: Served = request.app.state.served
    form, file, content = await _form(request)
    name = file.filename or "file"
    info = _new(
        _text(form, "title") or name, _text(form, "resourceType", "GENERAL"), name, _descriptor(_text(form, "descriptor"), file)
    )
    return await in_thread(served, lambda: json_answer(_kept(served, info, content)))


async def _replace(request: Request) -> Response:
    await authorized(request)
    served: Served = request.app.state.served
    form, file, content = await _form(request)
    identifier = request.path_params["id"]

    def work() -> Response:
        info = info_of(served, identifier)
        if _text(form, "descriptor"):
            info["descriptor"] = _descriptor(_text(form, "descriptor"), file)
        return json_answer(
            _kept(served, {**info, "fileName": checked_text(file.filename or info["fileName"], "fileName")}, content)
        )

    return await in_thread(served, work)


def _saved(served: Served, call: Call) -> Response:
    """Save a file sent as JSON with base64, as versions before 4.3 take it."""
    body = call.json()
    if not isinstance(body, dict):
        raise RefusalError(400, "Request is not a JSON object")
    try:
        content = base64.b64decode(body.get("data") or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise RefusalError(400, "data: is not base64") from None
    name = str(body.get("fileName") or body.get("title") or "")
    identifier = body["id"]["id"] if isinstance(body.get("id"), dict) and isinstance(body["id"].get("id"), str) else None
    if identifier is not None:
        return json_answer(_kept(served, info_of(served, identifier), content))
    info = _new(str(body.get("title") or name), str(body.get("resourceType", "GENERAL")), name, body.get("descriptor"))
    return json_answer(_kept(served, info, content))


def _info(served: Served, call: Call) -> Response:
    return json_answer(info_of(served, call.path["id"]))


def _renamed(served: Served, call: Call) -> Response:
    body, info = call.json(), info_of(served, call.path["id"])
    if isinstance(body, dict) and "title" in body:
        info = {**info, "title": checked_text(body["title"], "title"), "name": body["title"]}
        _written(_folder(served) / f"{info['id']['id']}.json", orjson.dumps(info))
    return json_answer(info)


def media_type(info: dict[str, Any]) -> str:
    """Return the media type that the uploader stated, where it is one."""
    descriptor = info.get("descriptor")
    stated = descriptor.get("mediaType") if isinstance(descriptor, dict) else None
    return stated if isinstance(stated, str) and _MEDIA.fullmatch(stated) else "application/octet-stream"


def _download(served: Served, call: Call) -> Response:
    """Return a file as an attachment: a browser saves it, and shows nothing."""
    info = info_of(served, call.path["id"])
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", info["fileName"])[:100]
    headers = {
        "content-disposition": f'attachment; filename="{plain}"', "x-content-type-options": "nosniff", "etag": f'"{info["etag"]}"',
        "content-security-policy": "sandbox",
    }  # fmt: skip
    return Response(content_of(served, info), 200, headers, media_type(info))


def _by_key(served: Served, call: Call) -> Response:
    found = next((info for info in all_infos(served) if info["resourceKey"] == call.path["key"]), None)
    if found is None:
        raise RefusalError(404, "Resource is not found")
    return _download(served, Call({"id": found["id"]["id"]}, call.query, b"", call.user))


def _listed(served: Served, call: Call) -> Response:
    kind, words = call.query.get("resourceType", ""), call.query.get("textSearch", "").lower()
    rows = [info for info in all_infos(served) if (not kind or info["resourceType"] == kind) and words in info["title"].lower()]
    sort = call.query.get("sortProperty") or "createdTime"
    if sort not in ("createdTime", "title", "resourceType", "resourceKey"):
        raise RefusalError(400, f"Invalid sort property: {sort[:64]}")
    descending = call.query.get("sortOrder", "ASC").upper() == "DESC"
    return page_of(rows, call.integer("pageSize", least=1), call.integer("page", least=0), lambda row: row[sort], descending)


def _deleted(served: Served, call: Call) -> Response:
    info = info_of(served, call.path["id"])
    for path in _folder(served).glob(f"{info['id']['id']}.*"):
        path.unlink(missing_ok=True)
    return json_answer({"success": True, "references": {}})


def _wanted(served: Served, call: Call) -> Response:
    del served, call
    return json_answer([])


ROUTES: list[Route] = [
    Route("/api/resource/upload", guarded(_upload), methods=["POST"]),
    Route("/api/resource/{id}/data", guarded(_replace), methods=["PUT"]),
    serves("PUT", "/api/resource/{id}/info", _renamed),
    serves("POST", "/api/resource", _saved, UPLOAD),
    serves("GET", "/api/resource", _listed),
    serves("GET", "/api/resource/tenant", _listed),
    serves("GET", "/api/resource/list", _wanted),
    serves("GET", "/api/resource/info/{id}", _info),
    serves("GET", "/api/resource/{id}/download", _download),
    serves("GET", "/api/resource/{kind}/{scope}/{key}", _by_key),
    serves("GET", "/api/resource/{id}", _info),
    serves("DELETE", "/api/resource/{id}", _deleted),
]
