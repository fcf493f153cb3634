"""The served API means what ThingsBoard's means: one test a row of the table in reference section 1.8, and its traps of 1.6."""

from __future__ import annotations

import json
import uuid

import pytest
import requests

from platform_interface.platforms.local import LocalPlatform
from tests.serving import serving

pytestmark = pytest.mark.xdist_group("server")
T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
DAY = 86_400_000


class Client:
    """Plain HTTP with the key."""

    def __init__(self, server):
        self.server, self.session = server, requests.Session()
        self.session.headers.update(server.headers)

    def get(self, path, **query):
        return self.session.get(self.server.address + path, params=query, timeout=60)

    def post(self, path, content, kind="application/json"):
        body = content if isinstance(content, (str, bytes)) else json.dumps(content)
        return self.session.post(self.server.address + path, data=body, headers={"Content-Type": kind}, timeout=60)

    def delete(self, path, **query):
        return self.session.delete(self.server.address + path, params=query, timeout=60)

    def asset(self, **more):
        """Make an asset with a name of its own."""
        return Made(self, self.post("/api/asset", {"name": f"asset-{uuid.uuid4().hex[:8]}", **more}).json())


class Made:
    """One asset of a test."""

    def __init__(self, client, entity):
        self.client, self.entity, self.id = client, entity, entity["id"]["id"]
        self.path = f"/api/plugins/telemetry/ASSET/{self.id}"

    def put(self, content, kind="application/json"):
        return self.client.post(self.path + "/timeseries/ANY", content, kind)

    def points(self, key, values, step=1000, start=T0):
        answer = self.put([{"ts": start + step * n, "values": {key: value}} for n, value in enumerate(values)])
        assert answer.status_code == 200, answer.text

    def read(self, key="a", start=T0, end=T0 + DAY, **query):
        return self.client.get(self.path + "/values/timeseries", keys=key, startTs=start, endTs=end, **query).json()

    def values(self, key="a", **query):
        rows = self.read(key, useStrictDataTypes="true", orderBy="ASC", limit=1000, **query).get(key, [])
        return [row["value"] for row in rows]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    return Client(server)


@pytest.fixture
def asset(client):
    return client.asset()


def test_a_range_takes_its_start_and_leaves_out_its_end(asset):
    asset.points("a", [1.0, 2.0, 3.0])
    assert asset.values(start=T0, end=T0 + 2000) == [1.0, 2.0]


def test_by_default_a_hundred_points_come_newest_first_as_text(asset):
    asset.points("a", [float(n) for n in range(150)])
    rows = asset.read()["a"]
    assert len(rows) == 100
    assert rows[0] == {"ts": T0 + 149_000, "value": "149.0"}
    assert rows[-1] == {"ts": T0 + 50_000, "value": "50.0"}


def test_the_limit_counts_for_each_key(asset):
    asset.points("a", [1.0] * 10)
    asset.points("b", [2.0] * 10)
    rows = asset.read("a,b", limit=4)
    assert {key: len(found) for key, found in rows.items()} == {"a": 4, "b": 4}


def test_a_limit_over_several_days_gives_the_nearest_points_from_either_end(asset):
    asset.points("a", [float(n) for n in range(10)], step=DAY)
    far = {"start": T0, "end": T0 + 30 * DAY}
    assert [row["value"] for row in asset.read(limit=3, orderBy="ASC", **far)["a"]] == ["0.0", "1.0", "2.0"]
    assert [row["value"] for row in asset.read(limit=3, **far)["a"]] == ["9.0", "8.0", "7.0"]


def test_the_history_address_gives_what_the_old_one_gives(asset, client):
    asset.points("a", [1.5, 2.5])
    query = {"keys": "a", "startTs": T0, "endTs": T0 + DAY}
    old, new = (client.get(asset.path + "/values/timeseries" + word, **query).json() for word in ("", "/history"))
    assert old == new
    assert len(old["a"]) == 2


def test_a_range_with_one_end_missing_is_silently_the_latest_value(asset, client):
    asset.points("a", [1.0, 2.0])
    for query in ({"startTs": T0}, {"endTs": T0 + 1}):
        assert client.get(asset.path + "/values/timeseries", keys="a", **query).json() == {
            "a": [{"ts": T0 + 1000, "value": "2.0"}]
        }


def test_a_range_without_keys_gives_an_empty_object(asset, client):
    asset.points("a", [1.0])
    assert client.get(asset.path + "/values/timeseries", startTs=T0, endTs=T0 + DAY).json() == {}


def test_repeated_key_wins_over_keys_and_may_hold_a_comma(asset, client):
    asset.points("key1,key2", [1.0])
    asset.points("b", [2.0])
    found = client.get(asset.path + "/values/timeseries", key=["key1,key2"], keys="b", startTs=T0, endTs=T0 + DAY).json()
    assert list(found) == ["key1,key2"]


def test_the_latest_of_an_unknown_key_is_null_at_the_present(asset, client):
    row = client.get(asset.path + "/values/timeseries", keys="nothing").json()["nothing"][0]
    assert row["value"] is None
    assert row["ts"] > T0


def test_the_latest_without_keys_names_every_series(asset, client):
    asset.put({"ts": T0, "values": {"a": 1.0, "b": 2.0}})
    assert set(client.get(asset.path + "/values/timeseries").json()) == {"a", "b"}
    assert client.get(asset.path + "/keys/timeseries").json() == ["a", "b"]


def test_a_bucket_is_labelled_with_its_middle_and_the_last_one_ends_with_the_range(asset):
    asset.points("a", [float(n) for n in range(10)])
    rows = asset.read(start=T0, end=T0 + 9000, agg="SUM", interval=4000, useStrictDataTypes="true")["a"]
    assert rows == [{"ts": T0 + 2000, "value": 6.0}, {"ts": T0 + 6000, "value": 22.0}, {"ts": T0 + 8500, "value": 8.0}]


def test_weeks_and_months_begin_where_the_zone_has_them(asset):
    """The exact figures of ThingsBoard's own TelemetryControllerTest.testTelemetryRequests."""
    start, monday1, monday2 = 1_704_899_727_000, 1_705_269_600_000, 1_705_874_400_000
    end = monday2 + 25 * 3_600_000
    given = {start + 1000: 1, start + 2000: 3, monday1: 2, monday1 + 1000: 5, monday2: 9, monday2 + 1000: 2}
    asset.put([{"ts": moment, "values": {"t": value}} for moment, value in given.items()])
    query = {"start": start, "end": end, "agg": "SUM", "timeZone": "Europe/Kyiv"}
    weeks = asset.read("t", intervalType="WEEK_ISO", **query)["t"]
    assert [(row["ts"], float(row["value"])) for row in weeks] == [
        (start + (monday1 - start) // 2, 4), (monday1 + (monday2 - monday1) // 2, 7), (monday2 + (end - monday2) // 2, 11),
    ]  # fmt: skip
    months = asset.read("t", intervalType="MONTH", **query)["t"]
    assert [(row["ts"], float(row["value"])) for row in months] == [(start + (end - start) // 2, 22)]


def test_the_five_aggregates_agree_with_a_calculation_by_hand(asset):
    asset.points("a", [4.0, 1.0, 7.0])
    found = {kind: asset.read(agg=kind, interval=DAY)["a"][0]["value"] for kind in ("MIN", "MAX", "AVG", "SUM", "COUNT")}
    assert found == {"MIN": "1.0", "MAX": "7.0", "AVG": "4.0", "SUM": "12.0", "COUNT": "3"}


def test_buckets_without_a_sample_are_left_out(asset):
    asset.points("a", [1.0, 2.0], step=10_000)
    assert len(asset.read(agg="COUNT", interval=1000, end=T0 + 20_000)["a"]) == 2


def test_an_aggregate_without_an_interval_is_silently_raw(asset):
    asset.points("a", [1.0, 2.0])
    assert len(asset.read(agg="AVG")["a"]) == 2


def test_more_than_seven_hundred_buckets_are_refused(asset):
    asset.points("a", [1.0])
    answer = asset.client.get(
        asset.path + "/values/timeseries", keys="a", startTs=T0, endTs=T0 + DAY, agg="AVG", interval=60_000
    )
    assert answer.status_code == 400
    assert "Number of intervals is to high - 1440" in answer.text


def test_the_same_entity_key_and_time_written_again_overwrites(asset):
    asset.points("a", [1.0, 2.0, 3.0])
    asset.points("a", [9.0], start=T0 + 1000)
    assert asset.values() == [1.0, 9.0, 3.0]


def test_of_two_values_for_one_time_in_one_request_the_last_wins(asset):
    asset.put([{"ts": T0, "values": {"a": 1.0}}, {"ts": T0, "values": {"a": 2.0, "b": 5.0}}, {"ts": T0, "values": {"a": 3.0}}])
    assert (asset.values("a"), asset.values("b")) == ([3.0], [5.0])


def test_the_latest_value_only_moves_forward_in_time(asset, client):
    asset.points("a", [5.0], start=T0 + DAY)
    asset.points("a", [1.0], start=T0)
    assert client.get(asset.path + "/values/timeseries", keys="a").json()["a"] == [{"ts": T0 + DAY, "value": "5.0"}]


@pytest.mark.parametrize("key", ["", " "])
def test_a_blank_key_is_refused_and_nothing_of_the_request_is_kept(asset, client, key):
    answer = asset.put({"ts": T0, "values": {"a": 1.0, key: 2.0}})
    assert (answer.status_code, answer.text) == (400, "Key cannot be blank")
    assert client.get(asset.path + "/keys/timeseries").json() == []
    answer = client.post(asset.path + "/attributes/SERVER_SCOPE", {"good": 1, key: 2})
    assert (answer.status_code, answer.text) == (400, "Key cannot be blank")
    assert client.get(asset.path + "/values/attributes/SERVER_SCOPE").json() == []


def test_an_unknown_scope_is_refused_in_plain_text(asset, client):
    answer = client.post(asset.path + "/attributes/NO_SCOPE", {"a": 1})
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert client.post(asset.path + "/SHARED_SCOPE", {"a": 1}).status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/json", ""])
def test_a_body_of_any_type_is_read_as_json(asset, client, kind):
    assert asset.put(json.dumps({"ts": T0, "values": {"a": 1.0}}), kind).status_code == 200
    assert client.post(asset.path + "/attributes/SERVER_SCOPE", json.dumps({"x": 1}), kind).status_code == 200
    assert asset.values() == [1.0]


def test_the_three_forms_of_a_body_are_read(asset, client):
    asset.put({"now": 1.0})
    asset.put({"ts": T0, "values": {"a": 1.0}})
    asset.put([{"ts": T0 + 1000, "values": {"a": 2.0}}, {"later": 3.0}])
    assert asset.values() == [1.0, 2.0]
    latest = client.get(asset.path + "/values/timeseries").json()
    assert latest["now"][0]["ts"] > T0
    assert latest["later"][0]["value"] == "3.0"


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", "null", "3", '{"ts":"x","values":{"a":1}}', '{"a":null}', '{"a":{"b":1}}',
                                  '{"ts":1.5,"values":{"a":1}}', '{"ts":-1,"values":{"a":1}}', '[{"ts":1,"values":3}]'])  # fmt: skip
def test_a_body_that_is_not_sound_is_refused_as_a_whole(asset, client, body):
    assert asset.put(body).status_code == 400
    assert client.get(asset.path + "/keys/timeseries").json() == []


def test_an_active_alarm_of_the_same_origin_and_type_is_updated_and_not_raised_twice(asset, client):
    body = {"type": "Hot", "originator": asset.entity["id"], "severity": "MINOR"}
    first = client.post("/api/alarm", body).json()
    second = client.post("/api/alarm", {**body, "severity": "CRITICAL"}).json()
    assert first["id"] == second["id"]
    assert second["severity"] == "CRITICAL"
    client.post(f"/api/alarm/{first['id']['id']}/clear", "")
    third = client.post("/api/alarm", {**body, "startTs": T0}).json()
    assert third["id"] != first["id"]
    listed = client.get(f"/api/alarm/ASSET/{asset.id}", pageSize=10, page=0).json()
    assert [row["status"] for row in listed["data"]] == ["CLEARED_UNACK", "ACTIVE_UNACK"]


def test_acknowledging_or_clearing_twice_is_refused_with_the_words_of_thingsboard(asset, client):
    alarm = client.post("/api/alarm", {"type": "Hot", "originator": asset.entity["id"], "severity": "MINOR"}).json()["id"]["id"]
    for word, text in (("ack", "Alarm was already acknowledged!"), ("clear", "Alarm was already cleared!")):
        assert client.post(f"/api/alarm/{alarm}/{word}", "").status_code == 200
        again = client.post(f"/api/alarm/{alarm}/{word}", "")
        assert (again.status_code, again.json()["message"]) == (400, text)
    assert client.get(f"/api/alarm/{alarm}").json()["status"] == "CLEARED_ACK"


def test_deleting_an_attribute_twice_is_no_error(asset, client):
    client.post(asset.path + "/attributes/SERVER_SCOPE", {"a": 1, "b": 2})
    for _ in range(2):
        assert client.delete(asset.path + "/SERVER_SCOPE", keys="a").status_code == 200
    assert [row["key"] for row in client.get(asset.path + "/values/attributes/SERVER_SCOPE").json()] == ["b"]


def test_three_temperatures_come_back_as_texts_in_the_order_of_time(asset):
    """The scenario of ThingsBoard's own TelemetryApiClientTest."""
    asset.points("temperature", [25.5, 26.0, 27.1])
    assert [row["value"] for row in asset.read("temperature", orderBy="ASC")["temperature"]] == ["25.5", "26.0", "27.1"]


def test_strict_types_give_numbers_and_the_default_gives_texts(asset):
    asset.points("a", [0.0003])
    assert asset.read(useStrictDataTypes="true")["a"][0]["value"] == 0.0003
    assert asset.read()["a"][0]["value"] == "0.0003"


def test_an_integer_a_switch_and_a_number_in_a_text_are_numbers(asset):
    asset.put([{"ts": T0 + n, "values": {"a": value}} for n, value in enumerate([3, True, False, "000123", " 2.5 "])])
    assert asset.values() == [3.0, 1.0, 0.0, 123.0, 2.5]


def test_a_number_of_seventeen_decimals_stays_a_number_where_thingsboard_makes_it_text(asset):
    asset.put(f'{{"ts": {T0}, "values": {{"a": 0.00123456789012345678}}}}')
    assert asset.values() == [0.0012345678901234568]


@pytest.mark.parametrize("value", [
    1e22, 1e-300, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3, 2.5e-17, 123456789.12345679, 9007199254740991, -9007199254740992,
])  # fmt: skip
def test_a_number_comes_back_to_its_last_bit_as_number_and_as_text(asset, value):
    asset.points("a", [value])
    assert asset.values() == [value]
    assert float(asset.read()["a"][0]["value"]) == value


def test_a_negative_zero_keeps_its_sign_and_a_whole_number_beyond_two_to_the_53_is_the_nearest_double(asset):
    import math

    asset.points("a", [-0.0, 9007199254740993])
    zero, large = asset.values()
    assert math.copysign(1.0, zero) == -1.0
    assert large == 9007199254740992.0


def test_a_number_beyond_every_double_is_refused(asset, client):
    answer = client.post(asset.path + "/timeseries/ANY", '{"a": 1e999}')
    assert answer.status_code == 400
    assert asset.values() == []


def test_months_begin_at_midnight_of_the_zone_on_both_sides_of_a_clock_change(asset):
    march, april = 1_772_319_600_000, 1_774_994_400_000  # 1 March 00:00 CET and 1 April 00:00 CEST, 31 days less an hour apart
    asset.put([{"ts": moment, "values": {"a": 1}} for moment in (march, april - 1, april, april + DAY)])
    rows = asset.read(
        "a", march, april + 2 * DAY, agg="COUNT", intervalType="MONTH", timeZone="Europe/Berlin", useStrictDataTypes="true"
    )
    assert rows["a"] == [
        {"ts": march + (april - march) // 2, "value": 2}, {"ts": april + DAY, "value": 2},
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["[" * 70 + "]" * 70, '{"a": "\\u0000"}', "9223372036854775808"])
def test_what_cannot_be_kept_as_it_is_is_refused_and_not_bent(asset, client, value):
    for body in (f'{{"a": {value}}}', f'{{"twin.a": {value}}}'):
        assert client.post(asset.path + "/attributes/SERVER_SCOPE", body).status_code == 400
    assert client.get(asset.path + "/values/attributes/SERVER_SCOPE").json() == []
    origin = json.dumps(asset.entity["id"])
    alarm = f'{{"type": "a", "severity": "MAJOR", "originator": {origin}, "details": {{"a": {value}}}}}'
    assert client.post("/api/alarm", alarm).status_code == 400
    assert client.get(f"/api/alarm/ASSET/{asset.id}", pageSize=10, page=0).json()["data"] == []
    assert client.post("/api/asset", f'{{"name": "bent", "additionalInfo": {{"a": {value}}}}}').status_code == 400


def test_a_request_of_too_many_days_or_of_mostly_empty_cells_is_refused_and_nothing_of_it_is_kept(asset, client):
    days = [{"ts": n * DAY, "values": {"a": 1.0}} for n in range(4001)]
    assert "4001 days" in asset.put(days).text
    cells = [{"ts": T0, "values": {f"a|{n}": 1.0}} for n in range(4000)]
    assert "cells" in asset.put(cells).text
    assert client.get(asset.path + "/keys/timeseries").json() == []


def test_nan_and_infinity_travel_as_texts_and_are_skipped_by_aggregates(asset):
    asset.put([{"ts": T0 + n, "values": {"a": value}} for n, value in enumerate(["NaN", 2.0, "-Infinity"])])
    assert asset.values() == ["NaN", 2.0, "-Infinity"]
    assert asset.read(agg="SUM", interval=DAY)["a"][0]["value"] == "2.0"
    assert asset.read(agg="COUNT", interval=DAY)["a"][0]["value"] == "3"


@pytest.mark.parametrize("value", ["charging", "", "1_000", "inf", [1]])
def test_what_is_no_number_is_refused_with_its_key_and_nothing_is_kept(asset, client, value):
    answer = asset.put({"ts": T0, "values": {"good": 1.0, "state": value}})
    assert answer.status_code == 400
    assert "state" in answer.text
    assert client.get(asset.path + "/keys/timeseries").json() == []


@pytest.mark.parametrize("key", ["x" * 300, "<script>alert(1)</script>", "../a", "a\u0000b", "time"])
def test_a_key_that_no_series_can_have_is_refused(asset, key):
    assert asset.put({"ts": T0, "values": {key: 1.0}}).status_code == 400


@pytest.mark.parametrize("name", ["../evil", "a/b", "<b>x</b>", "x" * 300, "a\u0000b", "", " ", ".hidden", None, 7])
def test_an_asset_name_that_cannot_be_a_folder_is_refused(client, server, name):
    assert client.post("/api/asset", {"name": name}).status_code == 400
    assert not (server.store.parent / "evil").exists()


def test_a_lone_surrogate_is_refused_wherever_it_stands(asset, client):
    for path, body in (("/api/asset", '{"name":"a\\ud800"}'), (asset.path + "/timeseries/ANY", '{"a\\udfff":1}')):
        assert client.post(path, body).status_code == 400


def test_an_asset_name_is_unique(client, asset):
    answer = client.post("/api/asset", {"name": asset.entity["name"]})
    assert (answer.status_code, answer.json()["message"]) == (400, "Asset with such name already exists!")


def test_assets_are_paged_sorted_and_searched(client):
    word = uuid.uuid4().hex[:6]
    names = [client.asset(name=f"{word}-{n}", label=f"Label {n}").entity["name"] for n in range(5)]
    found, page = [], 0
    while True:
        answer = client.get(
            "/api/tenant/assets", pageSize=2, page=page, textSearch=word, sortProperty="createdTime", sortOrder="DESC"
        )
        found += [row["name"] for row in answer.json()["data"]]
        assert (answer.json()["totalElements"], answer.json()["totalPages"]) == (5, 3)
        if not answer.json()["hasNext"]:
            break
        page += 1
    assert found == names[::-1]
    assert client.get("/api/tenant/assets", assetName=names[0]).json()["label"] == "Label 0"
    assert client.get("/api/tenant/asset", assetName=names[1]).json()["name"] == names[1]


def test_tags_travel_in_additional_info_both_ways(client, server):
    asset = client.asset(label="North", additionalInfo={"tags": ["site-1", "test"], "note": "kept"})
    assert asset.entity["additionalInfo"] == {"tags": ["site-1", "test"], "note": "kept"}
    changed = client.post("/api/asset", {**asset.entity, "additionalInfo": {"tags": ["other"]}})
    assert changed.status_code == 200, changed.text
    held = LocalPlatform(server.store).assets([asset.entity["name"]], "other")[0]
    assert (held.name, held.tags) == ("North", ("other",))


def test_attributes_are_the_parameters_of_a_local_run_with_their_types(asset, client, server):
    given = {"capacity": 100.5, "cells": 96, "chemistry": "LFP", "spare": False, "limits": {"low": 2.5, "high": 3.65}}
    assert client.post(asset.path + "/attributes/SERVER_SCOPE", given).status_code == 200
    assert dict(LocalPlatform(server.store).assets([asset.entity["name"]], "")[0].parameters) == given
    rows = client.get(asset.path + "/values/attributes/SERVER_SCOPE", keys="capacity,spare").json()
    assert {row["key"]: row["value"] for row in rows} == {"capacity": 100.5, "spare": False}
    assert all(row["lastUpdateTs"] > T0 for row in rows)


def test_the_list_of_series_registers_them_in_the_store_and_is_made_from_it(asset, client, server):
    given = {
        "Current": {"unit": "ampere", "base": "pack", "output": False},
        "soh": {"unit": "", "base": "model.x", "output": True},
    }
    assert client.post(asset.path + "/attributes/SERVER_SCOPE", {"twin.sensors": given}).status_code == 200
    sensors = LocalPlatform(server.store).sensors(asset.entity["name"])
    assert {name: (sensor.unit, sensor.output) for name, sensor in sensors.items()} == {
        "Current": ("ampere", False),
        "soh": ("", True),
    }
    rows = client.get(asset.path + "/values/attributes/SERVER_SCOPE", keys="twin.sensors").json()
    assert rows[0]["value"] == given
    again = client.post(
        asset.path + "/attributes/SERVER_SCOPE", {"twin.sensors": {"Current": {"unit": "volt", "base": "pack"}}}
    )
    assert again.status_code == 400
    assert "Current" in again.text


def test_other_keys_of_ours_are_kept_as_they_are_and_never_become_parameters(asset, client, server):
    client.post(asset.path + "/attributes/SERVER_SCOPE", {"twin.state": {"a": [1, 2.5]}, "twin.lease": "me"})
    rows = client.get(asset.path + "/values/attributes/SERVER_SCOPE").json()
    assert {row["key"]: row["value"] for row in rows} == {"twin.state": {"a": [1, 2.5]}, "twin.lease": "me"}
    assert dict(LocalPlatform(server.store).assets([asset.entity["name"]], "")[0].parameters) == {}


def test_a_deleted_range_is_gone_and_its_neighbours_stay(asset, client):
    asset.put([{"ts": T0 + 1000 * n, "values": {"a": float(n), "b": float(n)}} for n in range(6)])
    answer = client.delete(asset.path + "/timeseries/delete", keys="a", startTs=T0 + 1000, endTs=T0 + 4000)
    assert answer.status_code == 200
    assert (asset.values("a"), asset.values("b")) == ([0.0, 4.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert client.delete(asset.path + "/timeseries/delete", keys="b", deleteAllDataForKeys="true").status_code == 200
    assert client.get(asset.path + "/keys/timeseries").json() == ["a"]
    assert client.get(asset.path + "/values/timeseries", keys="b").json()["b"][0]["value"] is None


def test_a_deletion_needs_keys_and_both_ends(asset, client):
    assert client.delete(asset.path + "/timeseries/delete").text.startswith("Empty keys")
    answer = client.delete(asset.path + "/timeseries/delete", keys="a", startTs=T0)
    assert (answer.status_code, "start and end timestamp" in answer.text) == (400, True)


def test_an_unknown_asset_is_not_found_and_a_word_is_no_uuid(client):
    missing = client.get(f"/api/asset/{uuid.uuid4()}")
    assert (missing.status_code, missing.json()["errorCode"]) == (404, 32)
    assert set(missing.json()) == {"status", "message", "errorCode", "timestamp"}
    wrong = client.get("/api/asset/not-a-uuid")
    assert (wrong.status_code, wrong.json()["message"]) == (400, "Invalid UUID string: not-a-uuid")


def test_there_are_no_devices_and_no_relations(client, asset):
    assert client.get("/api/tenant/devices", pageSize=10, page=0).json()["data"] == []
    assert client.get("/api/relations", fromId=asset.id, fromType="ASSET").json() == []
    assert client.get("/api/dashboard/maxDatapointsLimit").json() == 50_000


def test_a_profile_is_there_for_every_type_of_asset(client):
    asset = client.asset(type="Rack").entity
    listed = client.get("/api/assetProfiles", pageSize=100, page=0).json()["data"]
    profile = next(row for row in listed if row["name"] == "Rack")
    assert profile["id"] == asset["assetProfileId"]
    assert asset["name"] in [
        row["name"] for row in client.get("/api/tenant/assets", pageSize=10, page=0, type="Rack").json()["data"]
    ]
    assert client.get("/api/assetProfileInfo/default").json()["name"] == "default"


def test_a_deleted_asset_is_gone_from_the_store(client, asset, server):
    asset.points("a", [1.0])
    assert client.delete(f"/api/asset/{asset.id}").status_code == 200
    assert client.get(f"/api/asset/{asset.id}").status_code == 404
    assert not (server.store / asset.entity["name"]).exists()
