"""What is written over HTTP lies in the store as a run beside it expects, and what lies there is read as ThingsBoard would."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from platform_interface.arrow_points import ARROW
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import CONNECTIONS, LocalPlatform
from platform_interface.platforms.local_served import ServedStore
from platform_interface.platforms.upsert import laid_over, last_value_a_time, one_value_a_time, without
from platform_interface.table import Table, empty
from tests.command import ASSET, PROGRAM, brought_in, command, launch_file, report_of
from tests.serving import serving, start

pytestmark = pytest.mark.xdist_group("server-store")
T0 = 1_767_225_600_000
DAY = 86_400_000
NAMES = ("a", "b")

cells = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0, 2.5, float("nan")]))
rows = st.lists(st.tuples(st.integers(0, 6), cells, cells), max_size=12)


def table(given_rows):
    """Return rows of (time, a, b) as a table; None is absent."""
    time = np.array([row[0] for row in given_rows], np.int64)
    values = np.array([[np.nan if row[k] is None else row[k] for row in given_rows] for k in (1, 2)]).reshape(
        2, len(given_rows)
    )
    absent = np.array([[row[k] is None for row in given_rows] for k in (1, 2)], bool).reshape(2, len(given_rows))
    return Table(time, NAMES, values, absent)


def samples(found):
    """Return {(name, time): [values]} of what a table delivers."""
    held = {}
    for row, name in enumerate(found.names):
        for column, moment in enumerate(found.time.tolist()):
            if found.absent is None or not found.absent[row, column]:
                held.setdefault((name, moment), []).append(float(found.values[row, column]))
    return held


def last(given_rows):
    return {(name, row[0]): row[k] for row in given_rows for k, name in ((1, "a"), (2, "b")) if row[k] is not None}


def same(left, right):
    assert left.keys() == right.keys()
    np.testing.assert_array_equal([left[key] for key in sorted(left)], [right[key] for key in sorted(left)])


@given(rows)
def test_of_each_series_and_time_the_last_value_is_kept(content):
    found = samples(last_value_a_time(table(content)))
    assert all(len(values) == 1 for values in found.values())
    same({key: values[0] for key, values in found.items()}, last(content))


@given(rows, rows)
def test_what_is_laid_over_wins_and_all_else_stays(held, fresh):
    before = last_value_a_time(table(held))
    found = {key: values[-1] for key, values in samples(laid_over(before, table(fresh))).items()}
    same(found, {**last(held), **last(fresh)})


@given(rows, rows)
def test_the_same_samples_again_change_nothing(held, fresh):
    once = laid_over(table(held), table(fresh))
    assert laid_over(once, table(fresh)) is once


@given(rows, st.integers(0, 6), st.integers(0, 6))
def test_a_removed_range_is_gone_and_all_else_stays(held, start, end):
    before = last_value_a_time(table(held))
    found = {key: values[0] for key, values in samples(without(before, ["a"], start, end)).items()}
    same(found, {key: value for key, value in last(held).items() if not (key[0] == "a" and start <= key[1] < end)})


@given(rows)
@settings(max_examples=200)
def test_unequal_numbers_of_one_time_are_left_out_and_equal_ones_count_once(content):
    found, left_out = one_value_a_time(table(content))
    assert (np.diff(found.time) > 0).all()
    expected, dropped = {}, 0
    for key, values in samples(table(content)).items():
        numbers = [value for value in values if value == value]
        if len(set(numbers)) > 1:
            dropped += len(numbers)
        else:
            expected[key] = [numbers[0] if numbers else float("nan")]
    same({key: values[0] for key, values in samples(found).items()}, {key: values[0] for key, values in expected.items()})
    assert left_out == (dropped if len({row[0] for row in content}) < len(content) else 0)


def test_nothing_over_nothing_is_nothing():
    assert laid_over(empty(()), empty(NAMES)).time.size == 0
    assert one_value_a_time(empty(NAMES))[0].time.size == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("store")) as running:
        yield running


def made(server, name, **sensors):
    """Make an asset with series; return the path of its telemetry."""
    asset = requests.post(server.address + "/api/asset", json={"name": name}, headers=server.headers, timeout=60).json()["id"][
        "id"
    ]
    path = f"{server.address}/api/plugins/telemetry/ASSET/{asset}"
    if sensors:
        requests.post(path + "/attributes/SERVER_SCOPE", json={"twin.sensors": sensors}, headers=server.headers, timeout=60)
    return path


def test_a_store_filled_over_http_is_computed_by_a_local_run_beside_the_server(server):
    folder = server.store.parent
    assert brought_in(folder).returncode == 0  # the same by a file, as the yardstick
    assert command("run", launch_file(folder), cwd=folder).returncode == 0
    local = LocalPlatform(server.store)
    units = {"Current": "ampere", "Voltage": "volt"}
    path = made(server, "far", **{name: {"unit": unit, "base": "pack", "output": False} for name, unit in units.items()})
    body = {"Capacity": 100.0, "positive_current": "discharge"}
    requests.post(path + "/attributes/SERVER_SCOPE", json=body, headers=server.headers, timeout=60)
    first = 1_769_846_400_000  # 2026-01-31T08:00:00Z
    points = [{"ts": first + n * 10_000, "values": {"Current": 50.0, "Voltage": 3.3}} for n in range(361)]
    for part in (points[200:], points[:200], points[100:300]):  # out of order, and some twice
        assert requests.post(path + "/timeseries/ANY", json=part, headers=server.headers, timeout=60).status_code == 200
    assert command("run", launch_file(folder, assetIds=["far"], name="far.json"), cwd=folder).returncode == 0
    assert report_of(folder)["assets"][0]["asset"] == "far"
    for name in (name for name, sensor in local.sensors(ASSET).items() if sensor.output):
        near, far = (local.read(asset, [name], 0, 2**61)[0] for asset in (ASSET, "far"))
        np.testing.assert_array_equal(near.time, far.time)
        np.testing.assert_array_equal(near.values, far.values)
    query = {"keys": "Equivalent Full Cycles", "startTs": 0, "endTs": 2**50, "limit": 1, "useStrictDataTypes": "true"}
    latest = requests.get(path + "/values/timeseries", params=query, headers=server.headers, timeout=60).json()
    assert latest["Equivalent Full Cycles"][0]["value"] == 0.25


def test_contradictory_samples_of_a_store_are_left_out_of_what_is_served(server):
    path = made(server, "contradictory")
    local = LocalPlatform(server.store)
    content = Table(np.array([T0, T0 + 2, T0 + 1, T0 + 2, T0]), ("a",), np.array([[1.0, 5.0, 2.0, 6.0, 1.0]]))
    local.append("contradictory", "pack", content, {"a": "volt"})
    query = {"keys": "a", "startTs": 0, "endTs": 2**50, "orderBy": "ASC", "useStrictDataTypes": "true"}
    found = requests.get(path + "/values/timeseries", params=query, headers=server.headers, timeout=60).json()
    assert found == {"a": [{"ts": T0, "value": 1.0}, {"ts": T0 + 1, "value": 2.0}]}


def test_an_alarm_with_our_record_is_kept_as_exactly_that_record(server):
    path = made(server, "alarmed")
    asset = path.rpartition("/")[2]
    record = {"key": "m/cell 5/1", "model": "m", "name": "cell 5", "severity": "warning", "text": "x", "start": T0, "end": None,
              "status": "active", "seen": T0 + 5}  # fmt: skip
    origin = {"entityType": "ASSET", "id": asset}
    body = {"type": "cell 5", "originator": origin, "severity": "WARNING", "details": {"twin": record}, "startTs": T0}
    first = requests.post(server.address + "/api/alarm", json=body, headers=server.headers, timeout=60).json()
    again = requests.post(server.address + "/api/alarm", json=body, headers=server.headers, timeout=60).json()
    assert first["id"] == again["id"]
    local = LocalPlatform(server.store)
    assert local.alarms("alarmed") == [record]
    ended = {**record, "status": "withdrawn"}
    changed = {**body, "id": first["id"], "details": {"twin": ended}}
    requests.post(server.address + "/api/alarm", json=changed, headers=server.headers, timeout=60)
    assert local.alarms("alarmed") == [ended]
    local.save_alarms("alarmed", [{**record, "key": "m/other/2", "name": "other", "severity": "critical"}])
    query = {"pageSize": 10, "page": 0, "sortProperty": "type"}
    listed = requests.get(
        f"{server.address}/api/v2/alarm/ASSET/{asset}", params=query, headers=server.headers, timeout=60
    ).json()["data"]
    assert [(row["type"], row["severity"], row["status"]) for row in listed] == [
        ("cell 5", "WARNING", "CLEARED_UNACK"), ("other", "CRITICAL", "ACTIVE_UNACK"),
    ]  # fmt: skip
    assert listed[1]["details"]["twin"]["key"] == "m/other/2"


def test_many_writers_of_one_asset_lose_nothing(server):
    path = made(server, "busy", **{f"c|{k}": {"unit": "volt", "base": "cells", "output": False} for k in range(8)})
    local = LocalPlatform(server.store)
    faults = []

    def over_http(key):
        body = [{"ts": T0 + n * 1000, "values": {f"c|{key}": float(n)}} for n in range(500)]
        for part in range(0, 500, 50):
            answer = requests.post(path + "/timeseries/ANY", json=body[part : part + 50], headers=server.headers, timeout=60)
            faults.extend([answer.text] if answer.status_code != 200 else [])

    def by_file():
        for n in range(10):
            time = np.arange(T0 + n * 1000, T0 + n * 1000 + 10)
            LocalPlatform(server.store).append(
                "busy", "cells", Table(time + 600_000, ("c|9",), np.ones((1, 10))), {"c|9": "volt"}
            )

    writers = [threading.Thread(target=over_http, args=(key,)) for key in range(8)] + [threading.Thread(target=by_file)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)
    assert not faults
    found = local.read("busy", [f"c|{k}" for k in range(10)], T0, T0 + DAY)[0]
    present = ~np.isnan(found.values)
    assert present.sum(axis=1).tolist() == [500] * 8 + [100]


def test_samples_can_be_asked_for_as_arrow_and_are_the_same(server):
    path = made(server, "arrow")
    body = [{"ts": T0 + n, "values": {"a": n / 3, "b": "NaN"}} for n in range(50)]
    requests.post(path + "/timeseries/ANY", json=body, headers=server.headers, timeout=60)
    query = {"keys": "a,b", "startTs": 0, "endTs": 2**50, "orderBy": "ASC", "useStrictDataTypes": "true", "limit": 1000}
    text = requests.get(path + "/values/timeseries", params=query, headers=server.headers, timeout=60).json()
    accept = {**server.headers, "Accept": f"{ARROW}, application/json;q=0.9"}
    answer = requests.get(path + "/values/timeseries", params=query, headers=accept, timeout=60)
    assert answer.headers["content-type"] == ARROW
    reader, found = pa.ipc.open_stream(answer.content), {}
    while len(found) < 2:
        batch, metadata = reader.read_next_batch_with_custom_metadata()
        found[metadata[b"key"].decode()] = (batch.column(0).to_pylist(), batch.column(1).to_pylist())
    assert found["a"] == ([row["ts"] for row in text["a"]], [row["value"] for row in text["a"]])
    assert all(value != value for value in found["b"][1])


def test_a_day_that_is_written_again_is_read_again(server):
    path = made(server, "fresh")
    query = {"keys": "a", "startTs": 0, "endTs": 2**50}
    for value in range(20):
        requests.post(
            path + "/timeseries/ANY", json={"ts": T0, "values": {"a": float(value)}}, headers=server.headers, timeout=60
        )
        found = requests.get(path + "/values/timeseries", params=query, headers=server.headers, timeout=60).json()
        assert found["a"][0]["value"] == f"{value}.0"
        requests.post(path + "/attributes/SERVER_SCOPE", json={"n": value}, headers=server.headers, timeout=60)
        rows = requests.get(path + "/values/attributes", headers=server.headers, timeout=60).json()
        assert {row["key"]: row["value"] for row in rows}["n"] == value


def test_an_asset_that_a_run_is_computing_is_not_deleted(server):
    path = made(server, "held")
    LocalPlatform(server.store).take_lease("held", "somebody", 60.0)
    answer = requests.delete(f"{server.address}/api/asset/{path.rpartition('/')[2]}", headers=server.headers, timeout=60)
    assert answer.status_code == 409
    assert (server.store / "held").exists()


def test_a_store_made_before_the_server_was_is_served(tmp_path):
    store = ServedStore(tmp_path)
    store.save_asset(Asset("old", "Old", (), {"Capacity": 5.0}))
    store._file("old").close()
    import sqlite3

    with sqlite3.connect(tmp_path / "old" / "asset.db") as database:
        database.execute("drop table served")
    database.close()
    assert ServedStore(tmp_path).load_served("old", "") == {}
    ServedStore(tmp_path).save_served("old", {"entity": json.dumps({"type": "x"})}, T0)
    assert ServedStore(tmp_path).load_served("old", "entity") == {"entity": ('{"type": "x"}', T0)}


def test_a_thread_keeps_few_asset_files_open(tmp_path):
    store = ServedStore(tmp_path)
    for number in range(3 * CONNECTIONS):
        store.save_asset(Asset(f"asset-{number}"))
    assert len(store.assets([], "")) == 3 * CONNECTIONS
    assert len(store._kept.__dict__) <= CONNECTIONS


def test_an_acknowledgement_never_undoes_what_a_run_writes_into_the_alarm_meanwhile(server, monkeypatch):
    from platform_interface.server import alarms
    from platform_interface.server.keys import Doorkeeper
    from platform_interface.server.web import Call, Served

    made(server, "acked")
    record = {"key": "k", "model": "m", "name": "hot", "severity": "critical", "text": "t", "start": 1, "end": None,
              "status": "active", "seen": 2}  # fmt: skip
    run = LocalPlatform(server.store)
    run.save_alarms("acked", [record])
    served = Served(ServedStore(server.store), Doorkeeper("k" * 20), server.store)
    alarm = alarms.alarms_of(served, "acked")[0]
    found = alarms._of_key

    def late(*arguments):
        held = found(*arguments)
        run.save_alarms("acked", [{**record, "status": "cleared", "end": 3}])  # between reading and writing
        return held

    monkeypatch.setattr(alarms, "_of_key", late)
    alarms.acknowledge(served, Call({"id": alarm.uuid}, QueryParams(), b"", {}))
    assert run.alarms("acked")[0]["status"] == "cleared"


def test_an_answer_that_would_not_fit_into_memory_is_refused_and_not_cut(server, monkeypatch):
    from platform_interface.server import history
    from platform_interface.server.answers import RefusalError
    from platform_interface.server.keys import Doorkeeper
    from platform_interface.server.web import Served

    path = made(server, "long")
    points = [{"ts": n * 1000, "values": {"a": 1.0, "b": 2.0}} for n in range(100)]
    assert requests.post(path + "/timeseries/ANY", json=points, headers=server.headers, timeout=60).status_code == 200
    served = Served(ServedStore(server.store), Doorkeeper("k" * 20), server.store)
    monkeypatch.setattr(history, "MOST_SAMPLES", 150)
    whole = history.raw(served, "long", ["a", "b"], (0, 10**9), 75, True)
    assert [time.size for time, _ in whole.values()] == [75, 75]
    with pytest.raises(RefusalError, match="More than 150 samples"):
        history.raw(served, "long", ["a", "b"], (0, 10**9), 2**31, True)


def test_a_day_that_is_deleted_while_it_is_read_has_no_samples(server):
    path = made(server, "vanishing")
    stop = threading.Event()
    odd = []

    def read():
        session = requests.Session()
        session.headers.update(server.headers)
        while not stop.is_set():
            query = {"keys": "a", "startTs": 0, "endTs": 2**50, "limit": 10_000}
            answer = session.get(path + "/values/timeseries", params=query, timeout=60)
            if answer.status_code != 200:
                odd.append(answer.text)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    session = requests.Session()
    session.headers.update(server.headers)
    for _ in range(30):
        session.post(
            path + "/timeseries/ANY", json=[{"ts": day * 86_400_000, "values": {"a": 1.0}} for day in range(8)], timeout=60
        )
        query = {"keys": "a", "startTs": 0, "endTs": 2**50}
        assert session.delete(path + "/timeseries/delete", params=query, timeout=60).status_code == 200
    stop.set()
    for reader in readers:
        reader.join(timeout=60)
    assert odd == []


def test_a_server_an_ingest_and_a_run_at_once_lose_nothing_though_all_are_killed(tmp_path):
    """Each of three writes its own series of one asset; each is killed with -9 in the midst and started again."""
    server = start(tmp_path)
    path = made(server, ASSET, Far={"unit": "volt", "base": "pack"})
    facts = {"Capacity": 100.0, "positive_current": "discharge"}
    requests.post(path + "/attributes/SERVER_SCOPE", json=facts, headers=server.headers, timeout=60)
    first = 1_769_846_400_000  # the hour of the file that is ingested
    sent = set()
    try:
        for turn in range(4):
            ingest = threading.Thread(target=brought_in, args=(tmp_path,))
            running = subprocess.Popen(
                [sys.executable, str(PROGRAM / "entrypoint.py"), "run", str(launch_file(tmp_path, assetIds=[ASSET]))], cwd=tmp_path,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            ingest.start()
            for n in range(40):
                moment = first + (turn * 40 + n) * 10_000
                body = {"ts": moment, "values": {"Far": float(n)}}
                assert requests.post(path + "/timeseries/ANY", json=body, headers=server.headers, timeout=60).status_code == 200
                sent.add(moment)
            running.kill()
            running.wait(timeout=30)
            server.kill()
            ingest.join(timeout=120)
            server.process.stdout.close()
            server = start(tmp_path)
            path = f"{server.address}/api/plugins/telemetry/ASSET/{path.rpartition('/')[2]}"
        assert brought_in(tmp_path).returncode == 0
        assert command("run", launch_file(tmp_path, assetIds=[ASSET]), cwd=tmp_path).returncode == 0
    finally:
        server.kill()
        server.process.stdout.close()
    local = LocalPlatform(server.store)
    table = local.read(ASSET, ["Far"], 0, 2**61)[0]
    present = ~np.isnan(table.values[0])
    assert set(table.time[present].tolist()) == sent
    currents = [table for table in local.read(ASSET, ["Current"], 0, 2**61) if table.time.size]
    known = {int(moment) for table in currents for moment in table.time[~np.isnan(table.values[0])]}
    assert known == {first + n * 10_000 for n in range(361)}
    cycles = local.last_value(ASSET, "Equivalent Full Cycles", 2**61)
    assert cycles == 0.25
