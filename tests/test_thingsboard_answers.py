"""What the embedded platform never says, but ThingsBoard does: sign-in that expires, devices, customers, relations, odd values."""

from __future__ import annotations

import base64
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_interface.errors import PlatformError, UsageError
from platform_interface.launch import Launch
from platform_interface.log import redact
from platform_interface.platforms.base import Asset
from platform_interface.platforms.thingsboard import ThingsBoard
from platform_interface.settings import Settings
from platform_interface.table import Table, tables_of
from tests.answering import UUID, Answering, Asked, Told, answering

TELEMETRY = f"/api/plugins/telemetry/ASSET/{UUID}"
TENANT = {"authority": "TENANT_ADMIN", "id": {"id": UUID}}
EVER = (0, 2**62)


def thing(name: str, kind: str = "ASSET", uuid: str = UUID, **more: Any) -> dict[str, Any]:
    return {"id": {"entityType": kind, "id": uuid}, "name": name, "type": "default", "createdTime": 1, "label": "", **more}


def number(text: int) -> str:
    return f"{text:08d}-2222-3333-4444-555555555555"


def page(*things: Any, more: bool = False) -> Told:
    return Told({"data": list(things), "hasNext": more, "totalPages": 1, "totalElements": len(things)})


MISSING = Told({"status": 404, "message": "Requested item wasn't found!", "errorCode": 32}, 404)


def usual(asked: Asked) -> Told:
    """Answer as a tenant with one asset `pack` that has nothing."""
    if asked.path == "/api/auth/user":
        return Told(TENANT)
    if asked.path == "/api/tenant/assets":
        return Told(thing("pack")) if asked.query.get("assetName", ["pack"]) == ["pack"] else MISSING
    if asked.path == "/api/tenant/devices":
        return MISSING
    if asked.path.endswith("/values/timeseries"):
        return Told({})
    return Told([] if asked.method == "GET" else None)


def opened(server: Answering, launch: Launch | None = None, folder: Path = Path("unused"), **platform: Any) -> ThingsBoard:
    stated = {"address": server.address, "retry_budget": 0.2, "request_timeout": 5, "reports": str(folder), **platform}
    return ThingsBoard.open(launch or Launch(userApiKey="tb_key_0123456789"), Settings.model_validate({"platform": stated}))


def token(life: float, issued: float = 0.0, word: str = "") -> str:
    """Return a token as ThingsBoard's: only its middle part is read."""
    claims = {"iat": issued or time.time(), "exp": (issued or time.time()) + life, "word": word}
    return f"head{word}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.sign{word}"


# --- sign-in


def test_a_key_is_sent_as_such_and_nothing_else_signs_in():
    with answering(usual) as server:
        opened(server)
        assert {asked.headers["X-Authorization"] for asked in server.asked} == {"ApiKey tb_key_0123456789"}


def test_without_key_and_password_nothing_is_asked():
    with answering(usual) as server:
        with pytest.raises(UsageError, match="userApiKey"):
            opened(server, Launch(userName="me"))
        assert server.asked == []


def signing(tokens: list[str], rejected: set[str], refreshed: list[str]) -> Any:
    """Answer logins and renewals from lists, and 401 to tokens that are rejected."""

    def answer(asked: Asked) -> Told:
        if asked.path == "/api/auth/login":
            assert asked.json == {"username": "me", "password": "secret-password"}
            return Told({"token": tokens.pop(0), "refreshToken": "refresh-me-0"})
        if asked.path == "/api/auth/token":
            if not refreshed:
                return Told({"status": 401, "message": "Token has expired", "errorCode": 11}, 401)
            return Told({"token": refreshed.pop(0), "refreshToken": "refresh-me-1"})
        if asked.headers["X-Authorization"].removeprefix("Bearer ") in rejected:
            return Told({"status": 401, "message": "Token has expired", "errorCode": 11}, 401)
        return usual(asked)

    return answer


PASSWORD = Launch(userName="me", userPassword="secret-password")


def paths(server: Answering) -> list[str]:
    return [asked.path for asked in server.asked if asked.path.startswith("/api/auth/") and asked.path != "/api/auth/user"]


def test_a_token_is_renewed_before_it_expires_by_the_platforms_own_clock():
    short = token(0.4, issued=1_000_000.0, word="short")  # a clock that is wrong by decades
    with answering(signing([short], set(), [token(9000, word="long")])) as server:
        door = opened(server, PASSWORD)
        time.sleep(0.35)
        door.sensors("pack")
        assert paths(server) == ["/api/auth/login", "/api/auth/token"]
        assert server.asked[-1].headers["X-Authorization"].startswith("Bearer headlong")


def test_a_rejected_token_is_renewed_once_by_many_threads_and_then_by_a_new_login():
    first, second, third = (token(9000, word=word) for word in ("1", "2", "3"))
    rejected: set[str] = set()
    with answering(signing([first, third], rejected, [second])) as server:
        door = opened(server, PASSWORD)
        rejected.add(first)
        door.http.map(lambda _: door.api.get(f"{TELEMETRY}/keys/timeseries"), range(16))
        assert paths(server) == ["/api/auth/login", "/api/auth/token"]
        rejected.add(second)
        door.sensors("pack")
        assert paths(server)[2:] == ["/api/auth/token", "/api/auth/login"]


def test_tokens_and_passwords_are_in_no_message():
    secret = token(9000, word="hidden")
    with answering(signing([secret], {secret}, [])) as server, pytest.raises(PlatformError) as caught:
        opened(server, PASSWORD.model_copy(update={"userPassword": "secret-password"}))
    shown = redact(f"{caught.value} {secret} refresh-me-0")
    assert "hidden" not in shown and "refresh-me" not in shown and "secret-password" not in str(caught.value)


def test_a_wrong_password_is_said_plainly():
    def answer(asked: Asked) -> Told:
        return Told({"status": 401, "message": "Invalid username or password", "errorCode": 10}, 401)

    with answering(answer) as server, pytest.raises(PlatformError, match="Are userName and userPassword right"):
        opened(server, PASSWORD)


# --- things


def test_an_asset_and_a_device_of_one_name_are_told_apart():
    def answer(asked: Asked) -> Told:
        return Told(thing("pack", "DEVICE", number(7))) if asked.path == "/api/tenant/devices" else usual(asked)

    with answering(answer) as server:
        door = opened(server)
        with pytest.raises(PlatformError, match="ask for asset:pack or device:pack"):
            door.assets(["pack"], "")
        assert [found.id for found in door.assets(["device:pack", "asset:pack"], "")] == ["device:pack", "asset:pack"]


def test_a_device_has_the_attributes_of_three_scopes_and_the_servers_count_first():
    values = {
        "SERVER_SCOPE": {"a": 1.0, "twin.state": {}},
        "SHARED_SCOPE": {"a": 2.0, "b": 3.0},
        "CLIENT_SCOPE": {"b": 4.0, "c": "x"},
    }

    def answer(asked: Asked) -> Told:
        if asked.path == "/api/tenant/assets":
            return MISSING
        if asked.path == "/api/tenant/devices":
            return Told(thing("pack", "DEVICE"))
        scope = values.get(asked.path.rpartition("/")[2])
        if scope is not None and "/keys/" in asked.path:
            return Told(list(scope))
        if scope is not None:
            wanted = asked.query["keys"][0].split(",")
            return Told([{"key": key, "value": value, "lastUpdateTs": 1} for key, value in scope.items() if key in wanted])
        return usual(asked)

    with answering(answer) as server:
        [found] = opened(server).assets(["pack"], "")
        assert found.parameters == {"a": 1.0, "b": 3.0, "c": "x"}


def test_a_user_of_a_customer_sees_the_customers_things():
    def answer(asked: Asked) -> Told:
        if asked.path == "/api/auth/user":
            return Told({"authority": "CUSTOMER_USER", "customerId": {"id": number(9), "entityType": "CUSTOMER"}})
        if asked.path == f"/api/customer/{number(9)}/assets":
            return page(thing("pack 2", uuid=number(2)), thing("pack"))
        if asked.path == f"/api/customer/{number(9)}/devices":
            return page()
        return Told({"message": "You don't have permission", "errorCode": 20}, 403) if "tenant" in asked.path else usual(asked)

    with answering(answer) as server:
        door = opened(server)
        assert [found.id for found in door.assets([], "")] == ["pack 2", "pack"]
        assert door.directory.find("pack").uuid == UUID


def test_everything_below_a_thing_by_relations_is_found_once_however_they_run():
    below = {UUID: [1, 2], number(1): [3], number(2): [3], number(3): []}

    def answer(asked: Asked) -> Told:
        if asked.path == "/api/relations":
            ends = [{"entityType": "ASSET", "id": number(n)} for n in below[asked.query["fromId"][0]]]
            ends += [{"entityType": "ASSET", "id": UUID}, {"entityType": "DASHBOARD", "id": number(8)}]
            return Told([{"type": "Contains", "to": end} for end in ends] + [{"type": "Manages", "to": ends[-1]}])
        if asked.path.startswith("/api/asset/"):
            uuid = asked.path.rpartition("/")[2]
            return Told(thing(f"cell {int(uuid[:8])}", uuid=uuid))
        return usual(asked)

    with answering(answer) as server:
        found = opened(server).assets([], "relation:Contains:pack")
        assert sorted(each.id for each in found) == ["cell 1", "cell 2", "cell 3"]


def test_a_listing_that_shifts_between_its_pages_gives_each_thing_once():
    def answer(asked: Asked) -> Told:
        if asked.path == "/api/tenant/devices":
            return page()
        if asked.path == "/api/tenant/assets":
            start = int(asked.query["page"][0]) * 2
            return page(*(thing(f"pack {n}", uuid=number(n)) for n in range(start, start + 3)), more=start < 6)
        return usual(asked)

    with answering(answer) as server:
        assert [found.id for found in opened(server).assets([], "")] == [f"pack {n}" for n in range(9)]


# --- values


def test_numbers_as_text_count_booleans_are_0_and_1_and_other_text_is_no_sample(caplog):
    values = ["0.00031234567890123456", True, "open", None, 5, 2.5, {"x": 1}, "NaN", "1_000", False]
    points = [{"ts": ts, "value": value} for ts, value in enumerate(values)]

    def answer(asked: Asked) -> Told:
        return Told({"I": points}) if asked.path.endswith("/values/timeseries") else usual(asked)

    with answering(answer) as server, caplog.at_level(logging.WARNING, "twin"):
        door = opened(server)
        for _ in range(2):
            table = tables_of(("I",), door.read("pack", ["I"], *EVER))
    assert table.absent is not None
    assert table.values[0][~table.absent[0]].tolist() == [0.00031234567890123456, 1.0, 5.0, 2.5, 0.0]
    assert caplog.text.count("of 'I' the platform gives 1 samples as text that is a number (used), and 5") == 1


@pytest.mark.parametrize(
    "points",
    [
        [{"ts": 5, "value": 1.0}, {"ts": 5, "value": 2.0}], [{"ts": 6, "value": 1.0}, {"ts": 5, "value": 2.0}],
        [{"ts": 99_999, "value": 1.0}], [{"ts": "5", "value": 1.0}], [{"ts": 5.0, "value": 1.0}], [{"ts": True, "value": 1.0}],
        [{"value": 1.0}], [[5, 1.0]], {"ts": 5, "value": 1.0}, "5", [{"ts": 2**70, "value": 1.0}],
    ],
    ids=str,
)  # fmt: skip
def test_samples_that_are_out_of_order_or_out_of_range_or_no_samples_are_refused_whole(points):
    def answer(asked: Asked) -> Told:
        return Told({"I": points}) if asked.path.endswith("/values/timeseries") else usual(asked)

    with answering(answer) as server, pytest.raises(PlatformError):
        opened(server).read("pack", ["I"], 0, 1000)


def test_names_with_a_comma_are_asked_for_one_by_one_and_others_as_old_versions_know_it():
    with answering(usual) as server:
        opened(server).read("pack", ["I", "Cell|1", "a,b"], 0, 1000)
        queries = [asked.query for asked in server.asked if asked.path.endswith("/values/timeseries")]
    asked = [(query.get("keys"), query.get("key")) for query in queries]
    assert len(asked) == 2 and (["I,Cell|1"], None) in asked and (None, ["a,b"]) in asked


def test_counts_that_a_platform_gives_for_fewer_intervals_are_asked_for_in_halves():
    day = 86_400_000

    def answer(asked: Asked) -> Told:
        if not asked.path.endswith("/values/timeseries"):
            return usual(asked)
        start, end = int(asked.query["startTs"][0]), int(asked.query["endTs"][0])
        if asked.query["agg"] == ["NONE"]:
            inside = [ts for ts in range(5, 40 * day, day) if start <= ts < end]
            return Told({"I": [{"ts": inside[0 if asked.query["orderBy"] == ["ASC"] else -1], "value": 1.0}]} if inside else {})
        interval = int(asked.query["interval"][0])
        if (end - start) / interval > 200:
            return Told(None, 400, b"Number of intervals is to high")
        first = range(start, end, interval)
        held = [low for low in first if any(low <= ts < low + interval for ts in range(5, 40 * day, day))]
        return Told({"I": [{"ts": low + interval // 2, "value": 1} for low in held]})

    with answering(answer) as server:
        found = opened(server).buckets("pack", ["I"], {})
    assert [(bucket.start, bucket.values) for bucket in found] == [(n * day, 1) for n in range(40)]


# --- writing


def stored(bad: Any, held: dict[tuple[str, int], float], most: int = 1 << 30) -> Any:
    """Answer as a platform that keeps samples, and refuses a whole request for one that is bad."""

    def answer(asked: Asked) -> Told:
        if not asked.path.endswith("/timeseries/ANY"):
            return usual(asked)
        if len(asked.body) > most:
            return Told({"message": "too large"}, 413)
        points = [(name, row["ts"], value) for row in asked.json for name, value in row["values"].items()]
        if any(bad(*point) for point in points):
            return Told(None, 400, b"Can't parse value: <script>")
        held.update({(name, ts): value for name, ts, value in points})
        return Told(None)

    return answer


def test_of_a_refused_request_the_bad_samples_are_put_aside_and_all_others_written(tmp_path):
    held: dict[tuple[str, int], float] = {}
    time_, values = np.arange(1000), np.arange(3000.0).reshape(3, 1000)
    with answering(stored(lambda name, ts, _: (name, ts) in {("b", 17), ("c", 900)}, held)) as server:
        door = opened(server, folder=tmp_path)
        said = door.replace("pack", "model.m", 0, None, Table(time_, ("a", "b", "c"), values), dict.fromkeys("abc", ""))
    assert len(held) == 2998 and not {("b", 17), ("c", 900)} & set(held)
    assert len(said) == 2 and "refused 1 value of 'b'" in said[0] and "400" in said[0]
    [file] = (tmp_path / "refused").glob("pack-*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["series"], line["ts"], line["value"]) for line in lines] == [("b", 17, 1017.0), ("c", 900, 2900.0)]
    assert sum(asked.path.endswith("/ANY") for asked in server.asked) < 90


def test_a_series_whose_name_is_refused_costs_few_requests_and_no_other_series(tmp_path):
    held: dict[tuple[str, int], float] = {}
    with answering(stored(lambda name, *_: name == "b", held)) as server:
        door = opened(server, folder=tmp_path)
        table = Table(np.arange(5000), ("a", "b"), np.ones((2, 5000)))
        said = door.replace("pack", "model.m", 0, None, table, dict.fromkeys("ab", ""))
    assert len(held) == 5000 and "refused 5000 values of 'b'" in said[0]
    assert sum(asked.path.endswith("/ANY") for asked in server.asked) < 20


def test_a_platform_that_takes_less_at_a_time_gets_less_at_a_time(tmp_path):
    held: dict[tuple[str, int], float] = {}
    with answering(stored(lambda *_: False, held, most=20_000)) as server:
        door = opened(server, folder=tmp_path)
        table = Table(np.arange(3000), ("a",), np.ones((1, 3000)))
        assert door.replace("pack", "model.m", 0, None, table, {"a": ""}) == []
    assert len(held) == 3000


def test_every_number_is_written_such_that_thingsboard_keeps_a_double(tmp_path):
    bodies: list[bytes] = []

    def answer(asked: Asked) -> Told:
        if asked.path.endswith("/ANY"):
            bodies.append(asked.body)
        return usual(asked)

    values = np.array([[3.0, -0.0003123456789012345, 1e-5, 1.5e-14, 2.5e17, 1e22, np.nan, np.inf, 0.1, 123456.789, 1e-17]])
    with answering(answer) as server:
        opened(server).append("pack", "pack", Table(np.arange(11), ("I",), values), {"I": "ampere"})
    written = [line.split(b'"I":')[1].rstrip(b"}],").decode() for line in bodies[0].split(b'{"ts"')[1:]]
    assert [keeps(text) for text in written] == ["DOUBLE"] * 9, written
    assert [float(text) for text in written] == [3.0, -0.0003123456789012, 1e-5, 1.5e-14, 2.5e17, 1e22, 0.1, 123456.789, 0.0]


def keeps(text: str) -> str:
    """Return what ThingsBoard's JsonConverter makes of a number (reference, section 1.6)."""
    from decimal import Decimal

    scale = -int(Decimal(text).as_tuple().exponent)
    stripped = -int(Decimal(text).normalize().as_tuple().exponent) if Decimal(text) else 0
    simple = "." in text and "e" not in text.lower()
    if stripped <= 0 and not simple:
        return "LONG or STRING"
    return "DOUBLE" if scale <= 16 else "STRING"


# --- pages


def test_a_page_is_uploaded_then_replaced_and_linked_where_the_platform_takes_none(tmp_path):
    (tmp_path / "pack #1.html").write_text("<p>page</p>")
    attributes: dict[str, Any] = {}
    takes = [True]

    def answer(asked: Asked) -> Told:
        if asked.path.startswith("/api/resource"):
            return Told({"id": {"id": number(5)}, "link": "/x"}) if takes[0] else Told({"message": "no"}, 404)
        if asked.path == f"{TELEMETRY}/attributes/SERVER_SCOPE":
            attributes.update(asked.json)
        if asked.path == f"{TELEMETRY}/values/attributes/SERVER_SCOPE":
            return Told([{"key": key, "value": value} for key, value in attributes.items() if key in asked.query["keys"][0]])
        return usual(asked)

    with answering(answer) as server:
        door = opened(server)
        for _ in range(2):
            assert door.put_page("pack", "m", tmp_path / "pack #1.html").endswith(f"/api/resource/{number(5)}/download")
        sent = [(asked.method, asked.path) for asked in server.asked if "/resource" in asked.path]
        assert sent == [("POST", "/api/resource/upload"), ("PUT", f"/api/resource/{number(5)}/data")]
        assert all(b"<p>page</p>" in asked.body for asked in server.asked if "/resource" in asked.path)
        takes[0] = False
        linked = opened(server, pages_address="https://pages.example/twin/")
        assert linked.put_page("pack", "m", tmp_path / "pack #1.html") == "https://pages.example/twin/pack%20%231.html"
        assert attributes["twin.page.m"] == {"link": "https://pages.example/twin/pack%20%231.html"}
        assert opened(server).put_page("pack", "n", tmp_path / "pack #1.html") == ""


def test_an_asset_whose_making_was_not_acknowledged_is_not_made_twice():
    made: list[Asked] = []

    def answer(asked: Asked) -> Told:
        if asked.path == "/api/asset":
            made.append(asked)
            return Told(None, raw=b'{"id', headers={"Content-Length": "400"})  # cut in the middle of the answer
        if asked.path == "/api/tenant/assets":
            return Told(thing("new")) if made else MISSING
        return usual(asked)

    with answering(answer) as server:
        opened(server).save_asset(Asset("new"))
    assert len(made) == 1
