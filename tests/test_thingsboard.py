"""The ThingsBoard connector against the real `serve` process."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from platform_interface.errors import DamagedError, LeaseError, PlatformError
from platform_interface.launch import Launch
from platform_interface.platforms.base import Asset
from platform_interface.platforms.holder import this_host
from platform_interface.platforms.thingsboard import ThingsBoard
from platform_interface.settings import Settings
from platform_interface.table import Table, empty, tables_of
from platform_interface.when import DAY
from tests.kit import START
from tests.serving import Server, serving

pytestmark = pytest.mark.xdist_group("thingsboard")

EVER = (0, 2**62)
UNITS = {"Out": "dimensionless"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("thingsboard")) as running:
        yield running


def connected(server: Server, **platform: Any) -> ThingsBoard:
    settings = Settings.model_validate(
        {"platform": {"address": server.address, "reports": str(server.store.parent / "reports"), **platform}}
    )
    return ThingsBoard.open(Launch(userApiKey=server.key), settings)


@pytest.fixture
def door(server):
    return connected(server, request_values=50)


@pytest.fixture
def asset(door, request):
    name = "a-" + request.node.name.replace("[", "-").replace("]", "")[:80]
    door.save_asset(Asset(name, "An asset", ("north",), {"Capacity": 100.0, "Chemistry": "LFP", "table": {"x": [0.1, 2]}}))
    yield name
    door.forget(name)


def table(times: Any, *columns: Any, names: tuple[str, ...] = ("Out",)) -> Table:
    return Table(START + np.asarray(times, np.int64), names, np.array(columns, float))


def held(door: ThingsBoard, asset: str, name: str = "Out") -> list[tuple[int, float]]:
    found = tables_of((name,), door.read(asset, [name], *EVER))
    return [(int(t - START), v) for t, v in zip(found.time.tolist(), found.values[0].tolist(), strict=True)]


def put(door: ThingsBoard, asset: str, start: int, end: int | None, rows: Table, units: dict[str, str] = UNITS) -> None:
    assert door.replace(asset, "model.test", START + start, None if end is None else START + end, rows, units) == []


# --- assets


def test_an_asset_is_found_by_its_name_and_by_its_uuid_and_keeps_name_tags_and_parameters(door, asset):
    [by_name] = door.assets([asset], "")
    uuid = door.directory.find(asset).uuid
    [by_uuid] = connected_again(door).assets([uuid], "")
    assert by_name == by_uuid
    assert (by_name.id, by_name.name, by_name.tags) == (asset, "An asset", ("north",))
    assert by_name.parameters == {"Capacity": 100.0, "Chemistry": "LFP", "table": {"x": [0.1, 2]}}


def connected_again(door: ThingsBoard) -> ThingsBoard:
    return ThingsBoard(door.http, 7 * 86400.0, 50, Path("unused"))


def test_tags_choose_assets_and_an_unknown_name_is_told_with_the_nearest(door, asset):
    assert [found.id for found in door.assets([], "north")] == [asset]
    assert door.assets([], "south") == []
    with pytest.raises(PlatformError, match=f"did you mean '{asset}'"):
        door.assets([asset[:-1] + "x"], "")


def test_saving_an_asset_again_changes_it_and_deletes_no_attribute_of_others(door, asset):
    uuid = door.directory.find(asset).uuid
    door.api.post(f"/api/plugins/telemetry/ASSET/{uuid}/attributes/SERVER_SCOPE", {"site": "Bremen"})
    door.save_asset(Asset(asset, "Renamed", ("south",), {"Capacity": 90.0}))
    [found] = connected_again(door).assets([asset], "")
    assert (found.name, found.tags) == ("Renamed", ("south",))
    assert found.parameters["Capacity"] == 90.0 and found.parameters["site"] == "Bremen"


def test_a_wrong_key_ends_before_anything_is_begun(server):
    settings = Settings.model_validate({"platform": {"address": server.address}})
    with pytest.raises(PlatformError, match="401") as caught:
        ThingsBoard.open(Launch(userApiKey="wrong-key-0123456789"), settings)
    assert "wrong-key" not in str(caught.value)


# --- series


def test_series_of_unlike_density_are_read_whole_page_by_page(door, asset):
    rng = np.random.default_rng(1)
    wanted = {}
    for name, count, span in (("Dense", 1000, 10_000_000), ("Sparse", 130, 90_000_000), ("Short", 60, 1_000), ("One", 1, 5)):
        times = START + np.sort(rng.choice(span, count, replace=False))
        wanted[name] = (times, rng.normal(size=count).round(9))
        door.append(asset, f"base_{name}", Table(times, (name,), wanted[name][1][None]), {name: "volt"})
    tables = door.read(asset, list(wanted), *EVER)
    for name, (times, values) in wanted.items():
        found = tables_of((name,), tables)
        assert np.array_equal(found.time, times) and np.array_equal(found.values[0], values), name
    low, high = START + 1_000_000, START + 2_000_000
    for name, (times, _) in wanted.items():
        part = door.read(asset, [name], low, high)
        inside = times[(times >= low) & (times < high)]
        assert np.array_equal(part[0].time if part else np.empty(0), inside), name


def test_elements_of_an_array_come_in_one_table_with_marks_where_one_has_no_sample(door, asset):
    values = np.array([[1.0, 2.0, np.nan], [4.0, np.nan, 6.0]])
    names = ("Cell|0", "Cell|1")
    door.append(asset, "cell", Table(START + np.arange(3), names, values, np.isnan(values)), dict.fromkeys(names, "volt"))
    [found] = door.read(asset, names, *EVER)
    assert found.names == names and np.array_equal(found.values, values, equal_nan=True)
    assert found.absent is not None and np.array_equal(found.absent, np.isnan(values))


def test_contradictory_samples_are_left_out_and_told_and_equal_ones_count_once(door, asset, caplog):
    with caplog.at_level(logging.WARNING, "twin"):
        door.append(asset, "pack", table([1, 2, 2, 3, 3], [1.0, 2.0, 2.0, 3.0, 4.0], names=("I",)), {"I": "ampere"})
    assert held(door, asset, "I") == [(1, 1.0), (2, 2.0)]
    assert "2 values are not sent" in caplog.text


def test_what_a_run_recomputes_takes_the_place_of_what_was_there_and_nothing_else_changes(door, asset):
    door.append(asset, "pack", table([5], [7.0], names=("I",)), {"I": "ampere"})
    put(door, asset, 0, 100, table([10, 20, 30, 90], [1, 2, 3, 9]))
    put(door, asset, 100, 200, table([110, 190], [11, 19]))
    again = connected_again(door)
    put(again, asset, 15, 100, table([20, 40], [2.5, 4]))
    assert held(door, asset) == [(10, 1.0), (20, 2.5), (40, 4.0), (110, 11.0), (190, 19.0)]
    put(again, asset, 15, 100, table([20, 40], [2.5, 4]))
    put(connected_again(door), asset, 40, None, table([50], [5]))
    assert held(door, asset) == [(10, 1.0), (20, 2.5), (50, 5.0)]
    assert held(door, asset, "I") == [(5, 7.0)]


def test_many_stale_samples_between_kept_ones_are_all_deleted(door, asset):
    put(door, asset, 0, None, table(np.arange(0, 400), np.arange(400)))
    kept = np.arange(0, 400, 2)
    put(connected_again(door), asset, 0, None, table(kept, kept))
    assert held(door, asset) == [(int(t), float(t)) for t in kept]


def test_a_model_that_stopped_leaves_nothing_behind_its_last_checkpoint(door, asset):
    put(door, asset, 0, None, table([1, 2, 3], [1, 2, 3], [4, 5, 6], names=("Out", "Other")), {"Out": "", "Other": ""})
    put(connected_again(door), asset, 2, None, empty(()), {})
    assert held(door, asset) == [(1, 1.0)] and held(door, asset, "Other") == [(1, 4.0)]


def test_an_output_never_takes_the_name_of_a_sensor(door, asset):
    door.append(asset, "pack", table([5], [7.0], names=("I",)), {"I": "ampere"})
    with pytest.raises(PlatformError, match="'I' is a sensor already"):
        door.replace(asset, "model.test", START, None, table([5], [1.0], names=("I",)), {"I": "ampere"})
    assert held(door, asset, "I") == [(5, 7.0)]


def test_the_last_value_before_an_instant_is_the_latest_that_is_a_number(door, asset):
    put(door, asset, 0, None, table([1, 5, 9], [1.5, 5.5, 9.5]))
    assert door.last_value(asset, "Out", START + 9) == 5.5
    assert door.last_value(asset, "Out", START + 1) is None
    assert door.last_value(asset, "Nothing", START + 9) is None


# --- where samples lie


def test_days_are_listed_with_exact_ends_and_known_ones_are_left_out(door, asset):
    times = np.concatenate([np.arange(3) * 1000 + day * DAY for day in (0, 1, 5)]) + 7
    door.append(asset, "pack", table(times, np.arange(9.0), names=("I",)), {"I": "ampere"})
    found = door.buckets(asset, ["I"], {})
    assert [(b.start - START, b.values, b.first - START, b.last - START) for b in found] == [
        (day * DAY, 3, day * DAY + 7, day * DAY + 2007) for day in (0, 1, 5)
    ]
    known = {bucket.start: bucket.token for bucket in found[:2]}
    assert door.buckets(asset, ["I"], known) == found[2:]
    door.append(asset, "pack", table([DAY + 500], [4.5], names=("I",)), {"I": "ampere"})
    [late, _] = door.buckets(asset, ["I"], known)
    assert (late.start, late.values) == (START + DAY, 4) and late.token != known[late.start]


def test_days_beyond_the_look_back_have_no_token_and_known_ones_are_not_asked_for_again(door, asset):
    times = np.arange(30) * DAY + 5
    door.append(asset, "pack", table(times, np.arange(30.0), names=("I",)), {"I": "ampere"})
    found = door.buckets(asset, ["I"], {})
    assert len(found) == 30 and found[0].first == START + 5
    assert [bucket.token == "" for bucket in found] == [True] * 21 + [False] * 9
    known = {bucket.start: bucket.token for bucket in found[:-1]}
    assert door.buckets(asset, ["I"], known) == found[-1:]


def test_a_sample_from_the_future_has_its_own_day(door, asset):
    ahead = int(time.time() * 1000) + 400 * DAY - START
    door.append(asset, "pack", table([5, ahead], [1.0, 2.0], names=("I",)), {"I": "ampere"})
    found = door.buckets(asset, ["I"], {})
    assert [(b.first - START, b.last - START) for b in found] == [(5, 5), (ahead, ahead)]


# --- state and leases


def texts(count: int) -> dict[str, str]:
    short = {f"fingerprint/m/{n:015d}": json.dumps({"pieces": [[n, n, 1, "ab" * 16]], "token": ""}) for n in range(count)}
    return {**short, **{f"checkpoint/m/{n:015d}": json.dumps({"state": [n / 7] * 900}) for n in range(5)}, "note": "123"}


def test_state_comes_back_by_prefix_changes_and_goes(door, asset):
    assert door.take_lease(asset, "me", 60) is None
    saved = texts(200)
    door.save_state(asset, saved, "me")
    for prefix in ("", "fingerprint/m/", "checkpoint/", f"checkpoint/m/{3:015d}", "note", "absent/"):
        wanted = {key: text for key, text in sorted(saved.items()) if key.startswith(prefix)}
        assert connected_again(door).load_state(asset, prefix) == wanted, prefix
    door.save_state(asset, {"note": None, f"fingerprint/m/{7:015d}": "x" * 5000, f"checkpoint/m/{1:015d}": "short"}, "me")
    saved |= {f"fingerprint/m/{7:015d}": "x" * 5000, f"checkpoint/m/{1:015d}": "short"}
    del saved["note"]
    assert connected_again(door).load_state(asset, "") == dict(sorted(saved.items()))


def test_many_small_saves_leave_few_attributes(door, asset):
    door.take_lease(asset, "me", 60)
    for number in range(120):
        door.save_state(asset, {f"fingerprint/m/{number:015d}": "t" * 100, f"checkpoint/m/{number % 3}": str(number)}, "me")
    entity = door.directory.find(asset)
    parts = [name for name in door.attributes.keys(entity) if name.startswith("twin.s.")]
    assert len(parts) <= 6
    assert len(door.load_state(asset, "fingerprint/")) == 120


def test_what_a_killed_run_left_half_written_does_not_count_and_is_swept(door, asset):
    door.take_lease(asset, "me", 60)
    door.save_state(asset, {"a/1": "before"}, "me")
    entity = door.directory.find(asset)
    door.attributes.write(entity, {"twin.s.left-by-a-killed-run": "z:AAAA"})
    fresh = connected_again(door)
    assert fresh.load_state(asset, "") == {"a/1": "before"}
    assert fresh.take_lease(asset, "me", 60) is None
    fresh.save_state(asset, {"a/1": "after"}, "me")
    assert len([name for name in fresh.attributes.keys(entity) if name.startswith("twin.s.")]) == 1


def test_a_state_that_cannot_be_read_is_told(door, asset):
    door.take_lease(asset, "me", 60)
    door.save_state(asset, {"a/1": "before"}, "me")
    entity = door.directory.find(asset)
    door.attributes.write(entity, {"twin.state": {"version": 1, "count": 1, "owner": "me", "parts": {"twin.s.x": ["a/", 9]}}})
    with pytest.raises(DamagedError, match="gone from the platform"):
        connected_again(door).load_state(asset, "a/")
    door.attributes.write(entity, {"twin.state": {"version": 2}})
    with pytest.raises(DamagedError, match=r"twin\.state"):
        connected_again(door).load_state(asset, "a/")


def test_a_run_that_was_overtaken_can_save_nothing_more(door, asset):
    late, early = connected_again(door), door
    assert early.take_lease(asset, "early", 0.01) is None
    time.sleep(0.05)
    assert late.take_lease(asset, "late", 60) is None
    with pytest.raises(LeaseError):
        early.save_state(asset, {"a/1": "early"}, "early")
    late.save_state(asset, {"a/1": "late"}, "late")
    assert early.take_lease(asset, "early", 60) is not None
    late.drop_lease(asset, "late")
    assert early.take_lease(asset, "early", 60) is None
    assert early.load_state(asset, "a/") == {"a/1": "late"}


def test_a_save_of_an_overtaken_run_that_arrives_late_is_noticed_by_the_run_that_overtook_it(door, asset):
    assert door.take_lease(asset, "late", 60) is None
    door.save_state(asset, {"a/1": "late"}, "late")
    entity = door.directory.find(asset)
    index = door.attributes.read(entity, ["twin.state"])["twin.state"]
    door.attributes.write(entity, {"twin.state": {**index, "owner": "early", "parts": {}}})  # of the same count
    with pytest.raises(LeaseError):
        door.save_state(asset, {"a/2": "late"}, "late")


def test_who_has_the_lease_reads_the_index_once_and_who_has_not_sees_what_others_save(door, asset):
    other = connected_again(door)
    assert door.take_lease(asset, "me", 60) is None
    asked: list[Any] = []
    read = door.attributes.read
    door.attributes.read = lambda *given: asked.append(given) or read(*given)
    assert door.load_state(asset, "a/") == {} and door.load_state(asset, "b/") == {}
    assert len(asked) == 1
    door.save_state(asset, {"a/1": "x"}, "me")
    assert door.load_state(asset, "a/") == other.load_state(asset, "a/") == {"a/1": "x"}
    door.save_state(asset, {"a/1": "y"}, "me")
    assert other.load_state(asset, "a/") == {"a/1": "y"}


def test_the_lease_of_a_dead_process_of_this_machine_is_taken_at_once(door, asset):
    import subprocess
    import sys

    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    lease = {"owner": "dead", "host": this_host(), "pid": dead.pid, "expires": time.time() + 600}
    entity = door.directory.find(asset)
    door.attributes.write(entity, {"twin.lease": lease})
    assert door.take_lease(asset, "me", 60) is None
    door.attributes.write(entity, {"twin.lease": {**lease, "host": "another machine"}})
    assert "another machine" in str(door.take_lease(asset, "me", 60))


def test_of_many_that_want_an_asset_at_one_time_one_gets_it(server, asset):
    doors = [connected(server) for _ in range(6)]
    for each in doors:
        each.directory.find(asset)
    barrier, holders = threading.Barrier(len(doors)), []

    def take(number: int) -> None:
        barrier.wait()
        holders.append(doors[number].take_lease(asset, f"owner-{number}", 60))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(len(doors))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert holders.count(None) <= 1 and len(holders) == 6
    winner = doors[0].leases.holder(doors[0].directory.find(asset))["owner"]
    assert doors[0].take_lease(asset, winner, 60) is None


# --- alarms


def alarm(start: int, status: str = "active", name: str = "Cell high", **more: Any) -> dict[str, Any]:
    return {
        "key": f"m/{name}/{START + start}", "model": "m", "name": name, "severity": "critical", "text": "3.7 V <b>", "start": START + start,
        "end": None if status == "active" else START + start + 5, "status": status, "seen": START + start + 9, **more,
    }  # fmt: skip


def by_key(alarms: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert len({each["key"] for each in alarms}) == len(alarms)
    return {each["key"]: each for each in alarms}


def test_alarms_of_one_name_stay_apart_whatever_their_order(door, asset):
    records = [alarm(10), alarm(0, "cleared"), alarm(20), alarm(5, "withdrawn"), alarm(7, name="Other")]
    door.save_alarms(asset, records)
    assert by_key(connected_again(door).alarms(asset)) == by_key(records)


def test_an_alarm_ends_is_withdrawn_and_is_raised_again(door, asset):
    for record in (alarm(0), alarm(0, "cleared"), alarm(0, "active", seen=START + 99), alarm(0, "withdrawn")):
        door.save_alarms(asset, [record])
        assert connected_again(door).alarms(asset) == [record]


def test_alarms_of_others_are_left_alone(door, asset):
    entity = door.directory.find(asset)
    foreign = {
        "type": "Cell high",
        "originator": {"entityType": "ASSET", "id": entity.uuid},
        "severity": "MAJOR",
        "details": {"x": 1},
    }
    door.api.post("/api/alarm", foreign)
    door.save_alarms(asset, [alarm(0)])
    assert connected_again(door).alarms(asset) == [alarm(0)]
    listed = list(door.api.pages(f"/api/alarm/ASSET/{entity.uuid}"))
    assert [each["details"] for each in listed if "twin" not in each["details"]] == [{"x": 1}]


# --- forgetting


def test_forgetting_an_asset_of_somebody_else_leaves_it_and_its_own_series(server, door):
    created = requests.post(
        f"{server.address}/api/asset", json={"name": "theirs", "type": "default"}, headers=server.headers, timeout=30
    ).json()
    path = f"/api/plugins/telemetry/ASSET/{created['id']['id']}"
    door.api.post(f"{path}/timeseries/ANY", [{"ts": START, "values": {"I": 1.5}}])
    door.api.post(f"{path}/attributes/SERVER_SCOPE", {"site": "Bremen"})
    put(door, "theirs", 0, None, table([1], [1]))
    door.take_lease("theirs", "me", 60)
    door.save_state("theirs", texts(3), "me")
    door.save_alarms("theirs", [alarm(0)])
    door.forget("theirs")
    fresh = connected_again(door)
    [left] = fresh.assets(["theirs"], "")
    assert left.parameters == {"site": "Bremen"}
    assert held(fresh, "theirs", "I") == [(0, 1.5)] and held(fresh, "theirs") == []
    assert fresh.load_state("theirs", "") == {} and fresh.alarms("theirs") == []
    entity = fresh.directory.find("theirs")
    assert not [name for name in fresh.attributes.keys(entity) if name.startswith("twin.") and name != "twin.sensors"]
