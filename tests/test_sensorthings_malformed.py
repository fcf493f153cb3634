"""A server that answers nonsense: a sentence, or the right numbers; never a traceback, a hang or a wrong number."""

from __future__ import annotations

import copy
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tenacity.wait import wait_random_exponential

from platform_interface.errors import TwinError
from platform_interface.platforms import http
from platform_interface.platforms.sensorthings.words import unit_of
from platform_interface.units import fault_of
from tests.sensorthings_kit import opened, table

pytestmark = pytest.mark.xdist_group("sensorthings malformed")
T0 = 1_767_225_600_000
NAMES = ["id", "phenomenonTime", "result", "resultTime"]
ROWS = [[n, f"2026-01-01T00:0{n}:00Z", 1.5 * n, "2026-01-02T00:00:00Z"] for n in range(1, 6)]
PAIRS = {(T0 + n * 60_000, 1.5 * n) for n in range(1, 6)}


def stream(ident, name, **own):
    unit = {"name": "Ampere", "symbol": "A", "definition": "-"}
    return {"@iot.id": ident, "name": name, "unitOfMeasurement": unit, "properties": {"twin": own}}


GOOD: dict[str, Any] = {
    "/": {"value": [{"name": name, "url": "-"} for name in ("Things", "Datastreams", "Observations", "MultiDatastreams")],
          "serverSettings": {"conformance": ["http://www.opengis.net/spec/iot_sensing/1.1/req/data-array"]}},
    "/Things": {"value": [{"@iot.id": 1, "name": "pack", "description": "-", "properties": {
        "Capacity": 100.0, "twin": {"made": True, "tags": ["t"]}}}]},
    "/Things(1)/Datastreams": {"value": [
        stream(2, "Current", base="pack", output=False, unit="ampere"), stream(3, "Temp"),
        stream(4, "SOC", base="model.x", output=True, unit="dimensionless"),
        stream(5, "Twin State", kind="state", content="eJyrVkpUslJQSlKqBQAOawKe"),
        stream(6, "Twin Lease", kind="lease", owner="", expires=0.0),
        stream(7, "Twin Alarms", kind="alarms", alarms=[{"key": "a", "status": "active"}]),
    ]},
    "/Things(1)/MultiDatastreams": {"value": [{"@iot.id": 9, "name": "two at once"}]},
    "/Things(1)/Locations": {"value": [{"@iot.id": 1}]},
    "/Datastreams(5)": stream(5, "Twin State", kind="state", content="eJyrVkpUslJQSlKqBQAOawKe"),
    "/Datastreams(6)": stream(6, "Twin Lease", kind="lease", owner="", expires=0.0),
    "/Datastreams(7)": stream(7, "Twin Alarms", kind="alarms", alarms=[{"key": "a", "status": "active"}]),
    "/CreateObservations": ["http://x/Observations(1)"],
    "observations": {"@iot.count": 5, "value": [{"Datastream@iot.navigationLink": "-", "components": NAMES, "dataArray": ROWS}]},
    "page 2": {"@iot.count": 5, "value": [{"components": NAMES, "dataArray": ROWS[3:]}]},
}  # fmt: skip


class Server:
    """Answers by the table `answers`; a value that is bytes is sent as it is, a number is a status."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.paged = False
        self.heeds = self.arrays = True
        self.further: dict[str, Any] = {}
        self.most = 10_000
        self.bad: set[float] = set()
        self.stored: list[float] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                posted = self.command == "POST" and server.bad
                answer = server.taken(json.loads(body)) if posted else server.answer(self.path)
                status = answer if isinstance(answer, int) else 201 if self.command == "POST" else 200
                content = (
                    answer if isinstance(answer, bytes) else b"{}" if isinstance(answer, int) else json.dumps(answer).encode()
                )
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()

            do_GET = do_POST = do_PATCH = do_DELETE = do_any

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def taken(self, groups: Any) -> Any:
        """Take observations as many servers do: one bad row, and the whole group is an error."""
        values = [row[1] for row in groups[0]["dataArray"]] if isinstance(groups, list) else [groups["result"]]
        if self.bad & set(values):
            return ["error"] * len(values) if isinstance(groups, list) else 400
        self.stored += values
        return ["http://x/Observations(1)"] * len(values)

    def answer(self, path: str) -> Any:
        bare, _, query = path.partition("?")
        if path in self.further:
            return self.further[path]
        if "resultFormat" in query and not self.arrays:
            return 400
        if not bare.endswith("/Observations"):
            return self.answers.get(bare, 404)
        asked = dict(parse_qsl(query))
        if not self.heeds:
            asked.pop("$filter", None)
        first = self.answers["observations"]
        if int(asked.get("$top", 100)) > self.most:
            return 422
        if "$skip" in asked:
            return self.answers["page 2"]
        if self.paged and isinstance(first, dict) and "$orderby" in asked and asked["$top"] != "1":
            return {**first, "@iot.nextLink": f"{self.address}/elsewhere?$skip=3"}
        try:
            return answered(first, asked)
        except (TypeError, KeyError, ValueError, AttributeError, IndexError):
            return first  # nonsense as it is


def answered(page: dict[str, Any], asked: dict[str, str]) -> dict[str, Any]:
    """Return the rows of a page that a query asks for, counted and sorted."""
    limits = dict(re.findall(r"phenomenonTime (ge|lt) (\S+)Z", asked.get("$filter", "")))  # without Z they sort as texts
    (item,) = page["value"]
    held = [row for row in item["dataArray"] if limits.get("ge", "") <= row[1].rstrip("Z") < limits.get("lt", "a")]
    if "phenomenonTime" in asked.get("$orderby", ""):
        held.sort(key=lambda row: row[1], reverse="desc" in asked["$orderby"])
    count = len(held) if page["@iot.count"] == len(item["dataArray"]) else page["@iot.count"]
    return {**page, "@iot.count": count, "value": [{**item, "dataArray": held[: int(asked["$top"])]}]}


@pytest.fixture(scope="module", autouse=True)
def short_pauses():
    """Pause for milliseconds before a request is repeated: how long says nothing of what comes of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "_WAIT", wait_random_exponential(multiplier=0.002, max=0.02))
        yield


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.server.shutdown()
    server.server.server_close()


def use(platform, how):
    """Do one thing that a run does."""
    if how == "assets":
        return platform.assets([], "") + platform.assets(["pack"], "")
    if how == "sensors":
        return platform.sensors("pack")
    if how == "buckets":
        return platform.buckets("pack", ["Current", "Temp"], {})
    if how == "last":
        return platform.last_value("pack", "Current", 2**62)
    if how == "state":
        return platform.load_state("pack", ""), platform.alarms("pack")
    if how == "lease":
        return platform.take_lease("pack", "me", 60.0)
    if how == "replace":
        return platform.replace(
            "pack", "model.x", T0 + 60_000, T0 + 61_000, table([T0 + 60_000], SOC=[0.25]), {"SOC": "dimensionless"}
        )
    return platform.read("pack", ["Current", "Temp", "SOC"], T0, T0 + 10**7)


USES = ("assets", "sensors", "buckets", "last", "state", "replace", "read")
ODD_TIMES = ("2026", "2026-01-01", "2026-01-01T00:01:00", "NaT", "0000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z",
             "2026-01-01T00:01:00Z/", "/", "2026-01-01T24:00:00Z", "2026-01-01T00:01:00+99:99", "1000-01-01T00:00:00Z")  # fmt: skip
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12),
    st.sampled_from(ODD_TIMES), st.sampled_from(("NaN", "1_000", "0x10", "1,5", " 2.5 ", "inf", "true", "error", "../..", "<b>")),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip
RAW = st.one_of(
    st.binary(max_size=30), st.sampled_from([b"", b"<html>login</html>", b"[1, 2", b'{"value": NaN}', b"\xff\xfe", b"null", b"{}", b"[]"]),
    st.sampled_from([204, 302, 400, 401, 404, 410, 418, 422, 429, 500, 503]),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a JSON value."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = junk
    return value


@settings(max_examples=600, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_nonsense_in_an_answer_is_a_sentence_or_changes_nothing(server, data):
    """One place in one answer is replaced, or the whole answer; what comes through is of the right kind and in range."""
    key = data.draw(st.sampled_from(sorted(GOOD)))
    server.paged = data.draw(st.booleans())
    if data.draw(st.integers(0, 3)):
        bad = changed(GOOD[key], data.draw(st.sampled_from(places(GOOD[key]))), data.draw(JUNK))
    else:
        bad = data.draw(RAW)
    server.answers = {**GOOD, key: bad}
    how = data.draw(st.sampled_from(USES))
    began = time.monotonic()
    try:
        found = use(opened(server.address, retry_budget="50ms", request_timeout="5s"), how)
    except TwinError as error:
        assert str(error)
        assert "Traceback" not in str(error)
    else:
        check(how, found, bad)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("how", USES)
def test_the_answers_that_are_changed_are_good_ones(server, how):
    server.paged, server.answers = True, dict(GOOD)
    check(how, use(opened(server.address), how), GOOD["observations"])


def test_the_latest_value_of_good_answers_is_found(server):
    server.paged, server.answers = False, dict(GOOD)
    assert use(opened(server.address), "last") == 7.5


def check(how: str, found: Any, bad: Any) -> None:
    if how == "read":
        stated = stated_by(bad)
        for part in found:
            assert ((part.time >= T0) & (part.time < T0 + 10**7)).all()
            for row in range(len(part.names)):
                present = np.ones(part.time.size, bool) if part.absent is None else ~part.absent[row]
                pairs = set(zip(part.time[present].tolist(), part.values[row][present].tolist(), strict=True))
                assert all(np.isfinite(value) for _, value in pairs)
                assert pairs <= PAIRS | stated
    if how == "last" and found is not None:
        assert found in {value for _, value in PAIRS} | {value for _, value in stated_by(bad)}
    if how == "buckets":
        assert all(bucket.values > 0 and bucket.start <= bucket.first <= bucket.last < bucket.end for bucket in found)


def stated_by(bad: Any) -> set[tuple[int, float]]:
    """Return the pairs that a changed answer truly states, read by other means."""
    pairs = set()
    try:
        for item in bad["value"]:
            for _, moment, result, *_ in item["dataArray"]:
                seconds = np.datetime64(moment.partition("/")[0].replace("Z", ""), "ms").astype("int64")
                pairs.add((int(seconds), float(result)))
    except (TypeError, KeyError, ValueError, AttributeError, IndexError):
        pass
    return pairs


def read(server, page, **more):
    server.paged = False
    server.answers = {**GOOD, "observations": page, **more}
    platform = opened(server.address, retry_budget="50ms")
    (found,) = platform.read("pack", ["Current"], T0, T0 + 10**7)
    return list(zip((found.time - T0).tolist(), found.values[0].tolist(), strict=True))


def rows(*cells):
    return {"value": [{"components": NAMES, "dataArray": [[n, time, result, time] for n, (time, result) in enumerate(cells)]}]}


def test_results_are_read_as_what_they_are(server):
    at = "2026-01-01T00:00:0{}Z"
    given = (1, 2.5, "3.5", " 4e0 ", True, None, "NaN", "open", [1], "1_0")
    page = rows(*((at.format(n), result) for n, result in enumerate(given)))
    assert read(server, page) == [(0, 1.0), (1000, 2.5), (2000, 3.5), (3000, 4.0), (4000, 1.0)]


def test_times_are_read_with_offset_fraction_and_as_the_start_of_an_interval(server):
    page = rows(
        ("2026-01-01T01:00:01+01:00", 1), ("2026-01-01T00:00:02.1239999Z", 2), ("2026-01-01T00:00:03Z/2026-01-01T00:00:04Z", 3),
    )  # fmt: skip
    assert read(server, page) == [(1000, 1.0), (2123, 2.0), (3000, 3.0)]


def test_plain_entities_are_read_where_data_arrays_were_asked_for(server):
    assert read(server, {"value": [{"@iot.id": 1, "phenomenonTime": "2026-01-01T00:00:01Z", "result": 7}]}) == [(1000, 7.0)]


def test_an_observation_that_comes_on_two_pages_counts_once(server):
    first = {
        **GOOD["observations"],
        "value": [{"components": NAMES, "dataArray": ROWS[:4]}],
        "@iot.nextLink": "http://elsewhere/x?$skip=3",
    }
    assert set(read(server, first)) == {(time - T0, value) for time, value in PAIRS}


@pytest.mark.parametrize(("link", "said"), [
    ("http://elsewhere/x?$skip=3&a=1", "differ|repeat|circle|hold only"), ("", "circle"), (5, "next link"), ("http://elsewhere/", "circle"),
])  # fmt: skip
def test_pages_that_lead_in_a_circle_or_nowhere_are_noticed(server, link, said):
    first = {**GOOD["observations"], "value": [{"components": NAMES, "dataArray": ROWS[:2]}], "@iot.nextLink": link}
    with pytest.raises(TwinError, match=said):
        read(server, first, **{"page 2": first})


def test_fewer_observations_than_counted_are_never_taken_for_all(server):
    with pytest.raises(TwinError, match="says that it has 6 observations"):
        read(server, {**GOOD["observations"], "@iot.count": 6})


def test_a_next_link_to_another_host_is_followed_on_our_own(server):
    server.paged = True
    server.answers = {**GOOD, "observations": {**GOOD["observations"], "value": [{"components": NAMES, "dataArray": ROWS[:3]}]}}
    (found,) = opened(server.address).read("pack", ["Current"], T0, T0 + 10**7)
    assert found.values.tolist() == [[1.5, 3.0, 4.5, 6.0, 7.5]]


def test_a_multidatastream_is_told_and_not_offered(server, caplog):
    server.answers = dict(GOOD)
    with caplog.at_level("WARNING", "twin"):
        assert sorted(opened(server.address).sensors("pack")) == ["Current", "SOC", "Temp"]
    assert "two at once" in caplog.text


@pytest.mark.parametrize("arrays", [True, False])
def test_rows_that_are_refused_are_found_one_by_one_and_told_and_the_rest_is_written(server, arrays):
    root = GOOD["/"] if arrays else {**GOOD["/"], "serverSettings": {"conformance": []}}
    server.paged, server.answers, server.stored, server.bad = False, {**GOOD, "/": root}, [], {7.0, 31.0}
    time = T0 + 10**6 + np.arange(40) * 1000
    try:
        platform = opened(server.address)
        told = platform.replace(
            "pack", "model.x", int(time[0]), None, table(time, SOC=np.arange(40.0)), {"SOC": "dimensionless"}
        )
    finally:
        server.bad = set()
    assert len(told) == 1
    assert "refused 2 of the values of 'SOC', the first at 2026-01-01T00:16:47Z" in told[0]
    assert sorted(server.stored) == [float(n) for n in range(40) if n not in (7, 31)]


def test_a_server_that_gives_little_at_a_time_is_asked_for_less(server):
    server.most = 100
    try:
        assert set(read(server, GOOD["observations"])) == {(time - T0, value) for time, value in PAIRS}
    finally:
        server.most = 10_000


@pytest.fixture
def heedless(server):
    server.heeds, server.paged, server.answers = False, False, dict(GOOD)
    yield server
    server.heeds = True


def test_a_server_that_does_not_heed_a_filter_hides_no_day_and_no_asset(heedless):
    """Read whole and sorted out here; only where counting would be wrong is it refused."""
    platform = opened(heedless.address)
    with pytest.raises(TwinError, match="did you mean 'pack'"):
        platform.assets(["pak"], "")
    (found,) = platform.read("pack", ["Current"], T0 + 120_000, T0 + 240_000)
    assert found.values.tolist() == [[3.0, 4.5]]
    with pytest.raises(TwinError, match="does not heed"):
        platform.buckets("pack", ["Current"], {})


def test_an_empty_page_in_the_middle_hides_nothing_and_missing_entities_are_noticed(server):
    server.paged = False
    two = {"value": [{"@iot.id": 2, "name": "second"}]}
    server.answers = {**GOOD, "/Things": {"value": [], "@iot.nextLink": "http://x/Things?$skip=0"}}
    server.further = {"/Things?$skip=0": two}
    try:
        assert [asset.id for asset in opened(server.address).assets([], "")] == ["second"]
        server.answers = {**GOOD, "/Things": {**two, "@iot.count": 2}}
        with pytest.raises(TwinError, match="2 entities, but its pages hold only 1"):
            opened(server.address).assets([], "")
    finally:
        server.further = {}


def test_a_server_without_a_list_of_conformance_is_asked_what_it_can(server):
    plain = [{"@iot.id": n, "phenomenonTime": time, "result": value} for n, time, value, _ in ROWS]
    server.paged = False
    server.answers = {**GOOD, "/": {"value": GOOD["/"]["value"]}, "observations": {"value": plain}}
    server.arrays = False
    try:
        platform = opened(server.address)
        (found,) = platform.read("pack", ["Current"], T0, T0 + 10**7)
    finally:
        server.arrays = True
    assert not platform.service.has_data_arrays
    assert found.values.tolist() == [[1.5, 3.0, 4.5, 6.0, 7.5]]


def test_a_latest_result_that_is_no_number_does_not_hide_the_one_before(server):
    server.paged = False
    rows = [*ROWS, [6, "2026-01-01T00:06:00Z", "open", None], [7, "2026-01-01T00:07:00Z", None, None]]
    server.answers = {**GOOD, "observations": {"@iot.count": 7, "value": [{"components": NAMES, "dataArray": rows}]}}
    assert opened(server.address).last_value("pack", "Current", 2**62) == 7.5


def test_intervals_of_unequal_length_are_asked_for_as_wide_as_the_longest(server):
    server.paged = False
    cells = [
        [1, "2026-01-01T00:00:00Z/2026-01-01T00:01:00Z", 1.0, None],
        [2, "2026-01-01T01:00:00Z/2026-01-01T03:00:00Z", 2.0, None],
    ]
    server.answers = {**GOOD, "observations": {"value": [{"components": NAMES, "dataArray": cells}]}}
    assert opened(server.address).entities.series("pack")["Temp"].margin == 2 * 3_600_000


@pytest.mark.parametrize(("stated", "unit"), [
    ({"symbol": "\u2103"}, "degC"), ({"symbol": "\u00b0C", "name": "degree Celsius", "definition": "ucum:Cel"}, "degC"),
    ({"symbol": "m\u2126"}, "milliohm"), ({"symbol": "\u00b5V"}, "microvolt"), ({"symbol": "\u03bcV"}, "microvolt"),
    ({"symbol": "C"}, ""), ({"symbol": "A", "name": "Volt"}, ""), ({"symbol": "mA"}, "milliampere"), ({"symbol": "MA"}, ""),
    ({"symbol": "%", "name": "Percent", "definition": "http://qudt.org/vocab/unit/PERCENT"}, "percent"), ("V", ""), (None, ""),
])  # fmt: skip
def test_a_unit_is_known_where_its_words_are_sure(stated, unit):
    assert unit_of(stated) == unit
    assert not unit or fault_of(unit) is None


def test_one_thing_without_a_name_hides_no_other(server):
    server.answers = {**GOOD, "/Things": {"value": [{"@iot.id": 8}, *GOOD["/Things"]["value"]]}}
    assert [asset.id for asset in opened(server.address).assets([], "")] == ["pack"]


def test_a_clock_that_was_centuries_wrong_is_told(server):
    server.paged = False
    rows = [[9, "2500-01-01T00:00:00Z", 1.0, "2500-01-01T00:00:00Z"], *ROWS]
    server.answers = {**GOOD, "observations": {"@iot.count": 6, "value": [{"components": NAMES, "dataArray": rows}]}}
    with pytest.raises(TwinError, match="reach from 2026-01-01T00:01:00Z to 2500-01-01T00:00:00Z"):
        opened(server.address).buckets("pack", ["Current"], {})


def test_observations_over_an_interval_are_asked_for_wider_and_count_at_their_start(server):
    """Servers differ in what a limit means for an interval; one that straddles a window must not fall through."""
    server.paged = False
    cells = [[n, f"2026-01-01T0{n}:30:00Z/2026-01-01T0{n + 1}:30:00Z", float(n), None] for n in range(1, 5)]
    server.answers = {**GOOD, "observations": {"value": [{"components": NAMES, "dataArray": cells}]}}
    platform = opened(server.address)
    assert platform.entities.series("pack")["Temp"].margin == 3_600_000
    (found,) = platform.read("pack", ["Temp"], T0 + 2 * 3_600_000, T0 + 4 * 3_600_000)
    assert found.values.tolist() == [[2.0, 3.0]]
