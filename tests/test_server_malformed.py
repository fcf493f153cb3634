"""Whatever is sent, the answer is a refusal with a sentence or a success: never a 500, never a hang, and the server goes on."""

from __future__ import annotations

import json
import random
import uuid

import pytest
import requests

from platform_interface.platforms.local import LocalPlatform
from tests.serving import serving

pytestmark = pytest.mark.xdist_group("server")
#: Requests of one run, each different.
REQUESTS = 1200
ODD = [
    None, True, -1, 0, 1.5, 1e308, -0.0, 2**63, 10**30, "", " ", "a", "\u0000", "\u2028", "x" * 300, "../a", "<b>", "NaN", "1e999",
    [], {}, [[]], {"id": 1}, {"id": "x"}, {"entityType": "ASSET", "id": str(uuid.UUID(int=0))}, {"": 1}, ["a", 1], {"twin": {}},
    "\U0001f50b",
]  # fmt: skip
FIELDS = [
    "name", "id", "type", "label", "additionalInfo", "version", "ts", "values", "originator", "severity", "details", "startTs",
    "endTs", "username", "password", "refreshToken", "title", "data", "fileName", "resourceType", "twin.sensors", "twin.state",
    "capacity", "tags", "assetProfileId", "descriptor", "a", "Cell|1",
]  # fmt: skip
QUERY = [
    "keys", "key", "startTs", "endTs", "limit", "agg", "interval", "intervalType", "timeZone", "orderBy", "pageSize", "page",
    "textSearch", "sortProperty", "sortOrder", "type", "assetName", "status", "statusList", "startTime", "assetIds", "fromId",
    "useStrictDataTypes", "deleteAllDataForKeys",
]  # fmt: skip
WORDS = [
    "", "0", "1", "-1", "1.5", "a", "a,b", "NONE", "AVG", "COUNT", "WEEK", "MONTH", "DESC", "true", "Mars/Base", "Europe/Kyiv",
    "9" * 30, "-" + "9" * 18, "1767225600000", "1767312000000", "\u0000", "createdTime", "<b>", "\U0001f4a1", "%",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("malformed"), "--quiet") as running:
        yield running


def value(source, depth=0):
    kind = source.random()
    if depth > 2 or kind < 0.5:
        return source.choice(ODD)
    if kind < 0.8:
        return {source.choice(FIELDS): value(source, depth + 1) for _ in range(source.randint(0, 5))}
    return [value(source, depth + 1) for _ in range(source.randint(0, 3))]


def body(source, sound):
    """Return JSON of odd values, a sound body with some of its fields made odd, or no JSON at all."""
    kind = source.random()
    if kind < 0.1:
        return source.choice([b"", b"{", b"\xff\xfe", b"nul", b'{"a":NaN}', b"[" * 2000, b'{"a":1}{"b":2}', b'{"a":"\\ud800"}'])
    content = value(source)
    if kind > 0.4:
        content = {**source.choice(sound), **{source.choice(FIELDS): value(source, 1) for _ in range(source.randint(0, 2))}}
    return json.dumps(content).encode()


def paths(asset, source):
    telemetry = f"/api/plugins/telemetry/ASSET/{asset}"
    some = source.choice([asset, str(uuid.uuid4()), "x", "..", "%00", "a" * 300])
    words = f"""
        GET /api/tenant/assets; GET /api/tenant/assetInfos; GET /api/tenant/asset; GET /api/asset/{some}; GET /api/assets
        POST /api/asset; POST /api/alarm; GET /api/alarm/ASSET/{asset}; GET /api/v2/alarms; GET /api/alarm/{some}
        POST /api/alarm/{some}/ack; GET /api/alarm/types; POST /api/auth/token; POST {telemetry}/timeseries/ANY
        POST {telemetry}/attributes/SERVER_SCOPE; GET {telemetry}/values/timeseries; GET {telemetry}/values/attributes
        DELETE {telemetry}/timeseries/delete; DELETE {telemetry}/SERVER_SCOPE; GET {telemetry}/keys/timeseries
        POST /api/resource; POST /api/resource/upload; GET /api/resource; GET /api/resource/{some}/download; GET /api/relations
        GET /api/assetProfiles; GET /api/assetProfile/{some}; PUT /api/resource/{some}/data; PUT /api/resource/{some}/info
        GET /api/tenant/devices; GET /{some}
    """
    return [tuple(pair.split(" ")) for line in words.strip().splitlines() for pair in line.strip().split("; ")]


def test_odd_requests_are_refused_in_words_and_leave_the_server_whole(server):
    source, session = random.Random(20261121), requests.Session()
    session.headers.update(server.headers)
    asset = session.post(server.address + "/api/asset", json={"name": "whole"}, timeout=60).json()["id"]["id"]
    origin = {"entityType": "ASSET", "id": asset}
    series = {"twin.sensors": {"s": {"unit": "volt", "base": "pack"}}}
    sound = [
        {"name": "new"}, {"ts": 1_767_225_600_000, "values": {"a": 1.0}}, {"type": "Hot", "originator": origin, "severity": "MINOR"},
        {"title": "t", "fileName": "f", "data": "eA==", "resourceType": "GENERAL"}, series,
    ]  # fmt: skip
    found, statuses = [], set()
    for _ in range(REQUESTS):
        method, path = source.choice(paths(asset, source))
        query = {source.choice(QUERY): source.choice(WORDS) for _ in range(source.randint(0, 5))}
        if path.endswith("values/timeseries") and source.random() < 0.5:
            query.update(startTs="1767225600000", endTs="1767312000000", keys="a")
        sent = body(source, sound) if method in ("POST", "PUT") else b""
        answer = session.request(method, server.address + path, params=query, data=sent, timeout=60)
        statuses.add(answer.status_code)
        if answer.status_code >= 500 or "Traceback" in answer.text:
            found.append((method, path, query, sent[:300], answer.text[:300]))
    assert not found, found[:5]
    assert {200, 400, 404} <= statuses
    assert session.get(server.address + "/api/auth/user", timeout=60).status_code == 200
    assert (
        session.post(server.address + "/login", data={"key": server.key}, timeout=60).status_code == 200
    )  # the page of assets
    assert len(LocalPlatform(server.store).assets([], "")) >= 2
    assert "Traceback" not in (server.store.parent / "serve.log").read_text(encoding="utf-8")
