"""Through every kind of fault the ThingsBoard connector leaves on the platform what it was told to, once, and reads what is there.

Real requests of the real connector to the real server in a process of its own, with `tests/faults.py` between them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.fault_soak import Soak
from platform_interface.errors import PlatformError
from platform_interface.launch import Launch
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.platforms.thingsboard import ThingsBoard
from platform_interface.settings import Settings
from platform_interface.table import Table
from tests import faults
from tests.kit import START

pytestmark = pytest.mark.xdist_group("faults")
ASSET, OUTPUT, UNITS = "pack-1", "model.twin", {"State": "dimensionless", "Level": "volt"}
OWNER = "the-test"
#: A fault that the connector does not repeat by itself, but the next run: less often, or nothing would ever end.
RATES = {"garbage": 0.08}
TIME = START + 1000 * np.arange(600, dtype=np.int64)
END = int(TIME[-1]) + 1
VALUES = np.stack([np.arange(600) / 8, np.sin(np.arange(600))]).round(9)
ALARM = {"key": "m/high/1", "model": "m", "name": "high", "severity": "warning", "text": "too high", "start": START, "end": None,
         "status": "active", "seen": START + 5}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    store = LocalPlatform(folder / "store")
    store.save_asset(Asset(ASSET, parameters={"Capacity": 100.0}))
    store.append(ASSET, "pack", Table(TIME, ("Current",), VALUES[:1]), {"Current": "ampere"})
    running = faults.start(folder, seed=4)
    yield running
    running.kill()


@pytest.fixture(autouse=True)
def no_fault_is_left(server):
    yield
    faults.set_rates(server, {})


def door(server: Any, **platform: Any) -> ThingsBoard:
    """Sign in with a password, so that there is a token that can expire."""
    given = {"connector": "thingsboard", "address": server.address, "request_timeout": "10s", "retry_budget": "30s", **platform}
    return ThingsBoard.open(
        Launch(userName="a@example.com", userPassword=server.key), Settings.model_validate({"platform": given})
    )


def until_done(work: Callable[[], Any]) -> Any:
    """Do as the next run does after one that gave up; a fault that lasts is for the test to see."""
    for _ in range(20):
        try:
            return work()
        except PlatformError as error:
            said = error
    raise AssertionError(f"it never succeeded: {said}")


def test_the_kinds_are_those_of_the_table_and_every_one_is_drawn(server):
    assert all(f"\n{kind} " in (faults.__doc__ or "") for kind in faults.KINDS)
    assert sum(faults.evenly(0.3).values()) == pytest.approx(0.3)


@pytest.mark.parametrize("kind", faults.KINDS)
def test_what_is_written_through_faults_is_there_once_and_what_is_read_is_what_is_there(server, kind):
    json_only = faults.KINDS.index(kind) % 2 == 0  # samples as ThingsBoard gives them, or as Arrow
    platform = door(server, concurrency=3, request_values=200)
    faults.set_rates(server, {kind: RATES.get(kind, 0.2)}, json_only)
    table = Table(TIME, tuple(UNITS), VALUES)
    until_done(lambda: platform.take_lease(ASSET, OWNER, 60))
    for low, high in ((0, 300), (200, 600)):  # the second replaces a part of the first
        part = table.between(int(TIME[low]), int(TIME[high - 1]) + 1)
        until_done(lambda part=part, low=low: platform.replace(ASSET, OUTPUT, int(TIME[low]), None, part, UNITS))
    until_done(lambda: platform.save_alarms(ASSET, [ALARM, {**ALARM, "key": "m/high/2", "start": START + 9}]))
    until_done(lambda: platform.save_alarms(ASSET, [{**ALARM, "status": "cleared", "end": START + 50}]))
    saved = {"checkpoint/m/1": "x" * 5000, "checkpoint/m/2": "ü'\"<b>", "fingerprint/m/1": "{}"}
    until_done(lambda: state_is_saved(platform, saved))
    (current,) = until_done(lambda: platform.read(ASSET, ["Current"], START, END))
    until_done(lambda: platform.drop_lease(ASSET, OWNER))
    drawn = faults.counts(server)
    for _ in range(200):  # how many requests the work takes, and so how many faults it meets, is left to chance
        if drawn[kind] >= 2:
            break
        (current,) = until_done(lambda: platform.read(ASSET, ["Current"], START, END))
        drawn = faults.counts(server)
    faults.set_rates(server, {})
    assert drawn[kind] >= 2, drawn
    assert np.array_equal(current.time, TIME) and np.array_equal(current.values[0], VALUES[0])
    assert_whole(server, saved)


def state_is_saved(platform: ThingsBoard, wanted: dict[str, str]) -> None:
    """Save as a run does: one that gave up begins anew, with a lease and what is there."""
    platform.take_lease(ASSET, OWNER, 60)
    platform.save_state(ASSET, {**dict.fromkeys(platform.load_state(ASSET, ""), None), **wanted}, OWNER)


def assert_whole(server: Any, saved: dict[str, str]) -> None:
    """Look at the platform through a door without faults, and at the store itself."""
    calm = door(server)
    (found,) = calm.read(ASSET, sorted(UNITS), START, END)
    assert np.array_equal(found.time, TIME)
    for name, values in zip(UNITS, VALUES, strict=True):
        assert np.array_equal(found.values[found.names.index(name)], values)
    (raw,) = LocalPlatform(server.store).read(ASSET, list(UNITS), START, END)
    assert raw.time.size == np.unique(raw.time).size == TIME.size, "points are held twice"
    assert calm.load_state(ASSET, "") == saved
    alarms = {alarm["key"]: alarm["status"] for alarm in calm.alarms(ASSET)}
    assert alarms == {"m/high/1": "cleared", "m/high/2": "active"}
    standing = [alarm["key"] for alarm in LocalPlatform(server.store).alarms(ASSET) if alarm["status"] == "active"]
    assert standing == ["m/high/2"]
    assert calm.take_lease(ASSET, "another", 5) is None
    calm.drop_lease(ASSET, "another")


@pytest.mark.parametrize("json_only", [False, True], ids=["arrow", "json"])
def test_samples_whose_answer_is_cut_are_asked_for_again_in_either_form(server, json_only):
    platform = door(server, concurrency=3, request_values=20)
    faults.set_rates(server, {"cut": 0.3}, json_only)
    for _ in range(20):
        (current,) = platform.read(ASSET, ["Current"], START, END)
        assert np.array_equal(current.time, TIME) and np.array_equal(current.values[0], VALUES[0])
        if faults.counts(server)["cut"] >= 2:
            break
    assert faults.counts(server)["cut"] >= 2 and platform.reader._arrow is not json_only


def test_an_answer_that_is_a_page_of_a_proxy_is_no_acknowledgement(server):
    platform = door(server)
    entity = platform.directory.find(ASSET)
    faults.set_rates(server, {"garbage": 1.0})
    with pytest.raises(PlatformError, match="did not answer with JSON"):
        platform.writer.write(entity, Table(TIME[:5], ("Level",), VALUES[:1, :5]))
    with pytest.raises(PlatformError, match="did not answer with JSON"):
        platform.writer.delete(entity, ["Level"], START, START + 5)
    with pytest.raises(PlatformError, match="did not answer with JSON"):
        platform.attributes.write(entity, {"Capacity": 100.0})


def test_a_platform_that_only_refuses_is_given_up_within_the_budget_and_said_so(server):
    platform = door(server, retry_budget="2s")
    faults.set_rates(server, {"429": 1.0})
    began = time.monotonic()
    with pytest.raises(PlatformError, match="retry_budget"):
        platform.alarms(ASSET)
    assert time.monotonic() - began < 30


def test_a_server_that_is_killed_and_started_again_is_waited_for(tmp_path):
    store = LocalPlatform(tmp_path / "store")
    store.save_asset(Asset(ASSET))
    store.append(ASSET, "pack", Table(TIME, ("Current",), VALUES[:1]), {"Current": "ampere"})
    server = faults.start(tmp_path)
    platform = door(server, concurrency=1, request_values=50)
    began: list[Any] = []

    def restart() -> None:
        server.kill()
        time.sleep(1.0)
        began.append(faults.start(tmp_path, port=server.port))

    restarting = threading.Thread(target=restart)
    restarting.start()
    try:
        for _ in range(40):
            (table,) = platform.read(ASSET, ["Current"], START, END)
            assert np.array_equal(table.time, TIME)
            if began:
                break
            time.sleep(0.05)
        restarting.join()
        assert platform.http.repeated > 0, "no request met the server while it was away"
    finally:
        restarting.join()
        for running in (server, *began):
            running.kill()


def test_a_short_soak_of_runs_through_faults_and_kills_ends_in_the_contents_of_an_undisturbed_store(tmp_path):
    soak = Soak(tmp_path, runs=6, seed=11)
    try:
        assert soak.run() == []
    finally:
        soak.close()
    assert sum(soak.tally.faults.values()) > 0 and "bit by bit" in soak.samples.summary
