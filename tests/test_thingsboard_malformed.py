"""Answers that are no answers: each ends in a sentence or in right data, never in a traceback, a hang or a wrong number."""

from __future__ import annotations

import copy
import json
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from platform_interface.errors import TwinError
from platform_interface.launch import Launch
from platform_interface.platforms.base import Asset
from platform_interface.platforms.thingsboard import ThingsBoard
from platform_interface.settings import Settings
from platform_interface.table import Table, tables_of
from tests.answering import UUID, Answering, Asked, Told, answering

pytestmark = pytest.mark.xdist_group("malformed")

TELEMETRY = f"/api/plugins/telemetry/ASSET/{UUID}"
TRUTH = {"I": {1000 * n: n / 7 for n in range(25)}, "Cell|0": {1500 * n: 3.0 + n / 100 for n in range(12)}}
RECORD = {
    "key": "m/High/1", "model": "m", "name": "High", "severity": "warning", "text": "t", "start": 1, "end": None, "status": "active",
    "seen": 2,
}  # fmt: skip
LEASE = {"owner": "me", "host": "elsewhere", "pid": 1, "expires": 4e9}
ATTRIBUTES = {
    "Capacity": 100.0, "twin.lease": LEASE, "twin.sensors": {"I": {"unit": "ampere", "base": "pack", "output": False}},
    "twin.state": {"version": 1, "count": 1, "owner": "me", "parts": {"twin.s.1": ["a/", 40]}},
    "twin.s.1": "z:eF6rVkrUN1SyUlAyVNJRALKNQGwjpVoAP0QE7w==",
}  # fmt: skip


def telemetry(asked: Asked) -> Told:
    query = {key: value[0] for key, value in asked.query.items()}
    start, end, limit = int(query["startTs"]), int(query["endTs"]), int(query["limit"])
    found: dict[str, Any] = {}
    for name in query["keys"].split(","):
        inside = sorted(ts for ts in TRUTH.get(name, {}) if start <= ts < end)
        if query["agg"] != "NONE" and inside:
            found[name] = [
                {"ts": start + (inside[0] - start) // int(query["interval"]) * int(query["interval"]) + 1, "value": len(inside)}
            ]
        elif inside:
            chosen = inside[:limit] if query["orderBy"] == "ASC" else inside[::-1][:limit]
            found[name] = [{"ts": ts, "value": TRUTH[name][ts]} for ts in chosen]
    return Told(found)


def right(asked: Asked) -> Told:
    """Answer as ThingsBoard would."""
    if asked.method != "GET":
        posted = asked.json if asked.path == "/api/alarm" else None
        return Told({**posted, "id": {"id": UUID}, "status": "ACTIVE_UNACK", "createdTime": 9} if posted else None)
    if asked.path == "/api/auth/user":
        return Told({"authority": "TENANT_ADMIN", "id": {"id": UUID}})
    thing = {"id": {"entityType": "ASSET", "id": UUID}, "name": "pack", "type": "default", "label": "", "createdTime": 1,
             "additionalInfo": {"tags": ["north"]}}  # fmt: skip
    if asked.path == "/api/tenant/assets":
        return Told(thing if "assetName" in asked.query else {"data": [thing], "hasNext": False})
    if asked.path == "/api/tenant/devices":
        return Told({"message": "not found"}, 404) if "deviceName" in asked.query else Told({"data": [], "hasNext": False})
    if asked.path.endswith("/values/timeseries"):
        return telemetry(asked)
    if asked.path.endswith("/keys/timeseries"):
        return Told(list(TRUTH))
    if "/keys/attributes" in asked.path:
        return Told(list(ATTRIBUTES))
    if "/values/attributes" in asked.path:
        wanted = asked.query["keys"][0].split(",")
        return Told([{"key": key, "value": value, "lastUpdateTs": 1} for key, value in ATTRIBUTES.items() if key in wanted])
    if asked.path.startswith("/api/alarm"):
        alarm = {"id": {"id": UUID}, "type": "High", "status": "ACTIVE_UNACK", "createdTime": 1, "details": {"twin": RECORD}}
        return Told({"data": [alarm], "hasNext": False})
    return Told([])


#: What stands in the place of a part of an answer; no number, for a wrong number that looks right cannot be told from a right one.
JUNK = st.sampled_from([
    None, "", "x", "<script>alert(1)</script>", [], {}, [[]], [None], {"id": None}, {"a": {"b": []}}, "../../etc/passwd", "\x00", "é" * 300,
    [{"ts": "x"}], {"key": 1}, "twin", "NaN",
])  # fmt: skip


@st.composite
def mutations(draw: Any) -> dict[str, Any]:
    kind = draw(st.sampled_from(["part", "part", "part", "without", "cut", "bytes", "status", "header", "twice"]))
    return {
        "kind": kind, "at": draw(st.integers(0, 59)), "where": draw(st.lists(st.integers(0, 40), min_size=1, max_size=6)),
        "junk": draw(JUNK), "cut": draw(st.floats(0, 1)),
        "raw": draw(st.one_of(
            st.binary(max_size=60), st.sampled_from([
                b"", b"null", b"[]", b"{}", b"<html>Sign in</html>", b'"', b"[" * 5000, b'{"a":', b"NaN", b"\xff\xfe", b"1e999", b"-",
                b'[{"key": NaN}]',
            ]),
        )),
        "status": draw(st.sampled_from([200, 201, 204, 301, 302, 400, 401, 403, 404, 409, 413, 418, 429, 500, 502, 503])),
        "header": draw(st.sampled_from([
            {"Content-Length": "100000"}, {"Content-Length": "2"}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "br"},
            {"Content-Type": "text/html"}, {"Retry-After": "nan"}, {"Retry-After": "-5"}, {"Retry-After": "Wed, 21 Oct 2015"},
            {"X-Long": "y" * 5000}, {"Transfer-Encoding": "chunked"}, {"Location": "http://127.0.0.1:1/"},
        ])),
    }  # fmt: skip


def nodes(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        found += nodes(value, (*path, key))
    return found


def changed(content: Any, how: dict[str, Any]) -> Any:
    """Return an answer with one part replaced, taken out or doubled."""
    content = copy.deepcopy(content)
    every = nodes(content)
    path = every[sum(how["where"]) * 7 % len(every)]
    if not path:
        return how["junk"]
    place = content
    for key in path[:-1]:
        place = place[key]
    if how["kind"] == "part":
        place[path[-1]] = how["junk"]
    elif how["kind"] == "without":
        del place[path[-1]]
    elif isinstance(place, list):
        place.insert(path[-1], copy.deepcopy(place[path[-1]]))
    return content


def wrong(told: Told, how: dict[str, Any]) -> Told:
    if how["kind"] in ("part", "without", "twice"):
        return Told(changed(told.content, how), told.status)
    whole = json.dumps(told.content).encode() if told.content is not None else b""
    if how["kind"] == "cut":
        return Told(raw=whole[: int(len(whole) * how["cut"])], status=told.status)
    if how["kind"] == "bytes":
        return Told(raw=how["raw"], status=told.status)
    if how["kind"] == "status":
        return Told(told.content, how["status"])
    return Told(told.content, told.status, headers=how["header"])


class Mutating:
    """Answers rightly, but for one request of each example."""

    def __init__(self) -> None:
        self.how: dict[str, Any] | None = None
        self.at = 0
        self.count = 0
        self.requests: dict[Any, int] = {}
        self.lock = threading.Lock()

    def __call__(self, asked: Asked) -> Told:
        with self.lock:
            self.count += 1
            now = self.how is not None and self.count - 1 == self.at
        told = right(asked)
        return wrong(told, self.how) if now and self.how is not None else told


@pytest.fixture(scope="module")
def site():
    mutating = Mutating()
    with answering(mutating) as server:
        for doing in DOINGS:
            mutating.count = 0
            doing(opened(server, 30))
            mutating.requests[doing] = mutating.count
        yield server, mutating


def opened(server: Answering, timeout: float = 0.4) -> ThingsBoard:
    stated = {"address": server.address, "retry_budget": 0, "request_timeout": timeout, "request_values": 10, "concurrency": 1,
              "reports": "/tmp/twin-malformed"}  # fmt: skip
    return ThingsBoard.open(Launch(userApiKey="tb_key_0123456789"), Settings.model_validate({"platform": stated}))


def reading(door: ThingsBoard) -> None:
    for name, truth in TRUTH.items():
        table = tables_of((name,), door.read("pack", [name], 0, 100_000))
        present = np.ones(table.time.size, bool) if table.absent is None else ~table.absent[0]
        found = dict(zip(table.time[present].tolist(), table.values[0][present].tolist(), strict=True))
        assert found.items() <= truth.items()
    assert door.last_value("pack", "I", 5000) in (None, *TRUTH["I"].values())


def listing(door: ThingsBoard) -> None:
    for asset in door.assets([], ""):
        assert isinstance(asset, Asset) and asset.parameters.get("Capacity", 100.0) != 0
    assert all(isinstance(name, str) for name in door.sensors("pack"))


def counting(door: ThingsBoard) -> None:
    for bucket in door.buckets("pack", list(TRUTH), {}):
        assert 0 <= bucket.values <= 37 and bucket.start <= bucket.first <= bucket.last < bucket.end


def keeping(door: ThingsBoard) -> None:
    assert door.load_state("pack", "a/").items() <= {"a/1": "1", "a/2": "2"}.items()
    if door.take_lease("pack", "me", 60) is None:
        door.save_state("pack", {"a/1": "3"}, "me")
        door.drop_lease("pack", "me")


def alarming(door: ThingsBoard) -> None:
    assert all(set(alarm) >= set(RECORD) for alarm in door.alarms("pack"))
    door.save_alarms("pack", [{**RECORD, "status": "cleared", "end": 5}])


def writing(door: ThingsBoard) -> None:
    table = Table(np.arange(3), ("Out",), np.array([[1.0, 2.0, 3.0]]))
    assert all(isinstance(said, str) for said in door.replace("pack", "model.m", 0, None, table, {"Out": "volt"}))


DOINGS = (reading, listing, counting, keeping, alarming, writing)


@pytest.mark.parametrize("doing", DOINGS, ids=lambda f: f.__name__)
@settings(max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(how=mutations())
def test_one_malformed_answer_ends_in_a_sentence_or_in_right_data(site, doing, how):
    server, mutating = site
    assume(not (how["kind"] == "status" and how["status"] in (200, 201)))
    mutating.how, mutating.count, mutating.at = how, 0, how["at"] % mutating.requests[doing]
    try:
        doing(opened(server))
    except TwinError as error:
        assert 20 < len(str(error)) < 2000 and "Traceback" not in str(error)


def test_the_same_without_a_fault_asks_for_something_each_time(site):
    _, mutating = site
    assert all(count > 2 for count in mutating.requests.values())
