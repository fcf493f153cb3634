"""A fleet on worker processes: real Dask workers, real crashes and hangs in native code, real `kill -9`."""

from __future__ import annotations

import json
import os
import signal

import psutil
import pytest

from platform_interface.fleet import run_fleet
from tests.fleet_kit import (
    CRASH,
    HANG,
    KEY,
    REGEX,
    SLOW,
    contents,
    ended,
    fleet,
    hanging,
    journal_lines,
    launch_path,
    launched,
    plugins,
    report,
    shown_of,
    started,
    states,
    timeless,
    until,
    workers_of,
)

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="kill -9 is a POSIX signal"),
    pytest.mark.xdist_group("fleet_workers"),
]


def test_two_workers_leave_the_same_contents_and_report_as_one_process(tmp_path):
    ids = fleet(tmp_path / "one", 9)
    fleet(tmp_path / "two", 9)
    one = run_fleet(*launched(tmp_path / "one"))
    seen = []
    two = run_fleet(*launched(tmp_path / "two", workers=2), finished=lambda done, of: seen.append((done, of)))
    assert (one.workers, two.workers) == (1, 2)
    assert [asset.asset for asset in two.assets] == ids
    assert seen == [(number, 9) for number in range(10)]
    assert contents(tmp_path / "two", ids, ["eq_cycles"]) == contents(tmp_path / "one", ids, ["eq_cycles"])
    assert timeless(two.assets) == timeless(one.assets)
    assert not (tmp_path / "two" / "reports" / "fleet-journal.jsonl").exists()


def test_assets_that_crash_or_hang_in_native_code_are_named_and_their_neighbours_are_done(tmp_path):
    bad = {2: CRASH, 5: HANG, 9: REGEX}
    ids = fleet(tmp_path, 12, bad)
    plugins(tmp_path)
    path = launch_path(tmp_path, "moody,eq_cycles", workers=2, asset_timeout="6s", debug_mode=True)
    output = ended(started(path), code=1)
    found = report(tmp_path)
    assert states(found) == {asset: "failed" if number in bad else "done" for number, asset in enumerate(ids)}
    reasons = {asset["asset"]: asset["reason"] for asset in found["assets"]}
    assert "its worker process died each time it was computed" in reasons["a02"]
    assert "in process (moody/model.py, line" in reasons["a02"]
    for asset in ("a05", "a09"):
        assert "took longer than execution.asset_timeout (6 s)" in reasons[asset], reasons[asset]
    assert "in process (moody/model.py, line" in reasons["a05"]
    assert sorted(sentence.split(":")[0] for sentence in found["incidents"]) == ["a02", "a05", "a09"]
    assert KEY not in output + (tmp_path / "reports" / "latest.json").read_text()
    (tmp_path / "harmless").touch()
    good = [asset for number, asset in enumerate(ids) if number not in bad]
    before = contents(tmp_path, good, ["moody", "eq_cycles"])
    run_fleet(*launched(tmp_path, "moody,eq_cycles", compute_type="full"))
    assert contents(tmp_path, good, ["moody", "eq_cycles"]) == before


def test_a_worker_that_is_killed_costs_nothing_and_shows_no_key(tmp_path):
    ids = fleet(tmp_path, 10, dict.fromkeys(range(10), SLOW))
    plugins(tmp_path)
    process = started(launch_path(tmp_path, "moody", workers=2, debug_mode=True))
    workers = workers_of(process, 2)
    until(lambda: journal_lines(tmp_path) >= 2, process)
    assert all(KEY not in shown_of(worker) for worker in workers)
    workers[0].send_signal(signal.SIGKILL)
    output = ended(process)
    found = report(tmp_path)
    assert states(found) == dict.fromkeys(ids, "done")
    assert [model["status"] for asset in found["assets"] for model in asset["models"]] == ["done"] * 10
    assert KEY not in output
    before = contents(tmp_path, ids, ["moody"])
    run_fleet(*launched(tmp_path, "moody", compute_type="full"))
    assert contents(tmp_path, ids, ["moody"]) == before


def test_workers_end_with_a_killed_parent_even_in_native_code_and_the_run_resumes(tmp_path):
    ids = fleet(tmp_path, 10, dict.fromkeys(range(9), SLOW) | {9: HANG})
    plugins(tmp_path)
    path = launch_path(tmp_path, "moody", workers=2, compute_type="full")
    process = started(path)
    workers = workers_of(process, 2)
    until(lambda: journal_lines(tmp_path) == 9, process)  # the other one hangs, and holds the interpreter
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
    (tmp_path / "harmless").touch()
    output = ended(started(path, "--resume"))
    assert "10 assets in" in output
    assert "(9 taken over from the run that was stopped)" in output
    found = report(tmp_path)
    assert found["taken_over"] == 9
    assert [asset["asset"] for asset in found["assets"]] == ids
    assert states(found) == dict.fromkeys(ids, "done")
    assert not (tmp_path / "reports" / "fleet-journal.jsonl").exists()


def test_ctrl_c_ends_a_run_with_its_workers_at_once_and_without_a_traceback(tmp_path):
    fleet(tmp_path, 6, dict.fromkeys(range(5), SLOW) | {5: HANG})
    plugins(tmp_path)
    process = started(launch_path(tmp_path, "moody", workers=2))
    workers = workers_of(process, 2)
    until(lambda: journal_lines(tmp_path) >= 1, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    assert "ERROR: stopped" in ended(process, code=1, seconds=90)
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert alive == []
    assert journal_lines(tmp_path) >= 1


def test_ctrl_c_while_the_workers_only_just_start_shows_no_traceback_of_theirs(tmp_path):
    fleet(tmp_path, 4)
    process = started(launch_path(tmp_path, workers=2))
    workers = workers_of(process, 1)
    os.killpg(process.pid, signal.SIGINT)
    assert "ERROR: stopped" in ended(process, code=1, seconds=90)
    assert psutil.wait_procs(workers, timeout=15)[1] == []


def test_where_many_assets_end_their_workers_each_is_given_one_chance_only(tmp_path, monkeypatch):
    monkeypatch.setattr("platform_interface.fleet_batches._EPIDEMIC", 1)
    fleet(tmp_path, 4, dict.fromkeys(range(4), CRASH))
    plugins(tmp_path)
    found = run_fleet(*launched(tmp_path, "moody", workers=2, batch_assets=1))
    assert {asset.status for asset in found.assets} == {"failed"}
    assert "died each time it was computed, once alone" in found.assets[-1].reason


def test_of_two_runs_at_once_the_second_refuses_what_is_busy_and_computes_the_rest(tmp_path):
    ids = fleet(tmp_path, 6, {0: HANG, 1: HANG})
    plugins(tmp_path)
    first = started(launch_path(tmp_path, "moody", workers=2, batch_assets=1))
    try:
        until(lambda: hanging(tmp_path) == 2, first)
        (tmp_path / "harmless").touch()
        second = ended(started(launch_path(tmp_path, "moody", "second.json", workers=2)))
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
    found = report(tmp_path)
    assert states(found) == {asset: "refused" if asset in ids[:2] else "done" for asset in ids}
    assert "another run is computing this asset" in second
    assert "keeps no journal" in second


def test_a_run_on_workers_logs_as_one_in_a_single_process(tmp_path):
    ids = fleet(tmp_path, 3)
    output = ended(started(launch_path(tmp_path, workers=2), "--log-format", "json"))
    lines = [json.loads(line) for line in output.splitlines()]
    assert {line["asset"]: line["state"] for line in lines if "asset" in line} == dict.fromkeys(ids, "done")


def test_a_fleet_on_workers_listens_on_loopback_only(tmp_path):
    fleet(tmp_path, 4, dict.fromkeys(range(4), HANG))
    plugins(tmp_path)
    process = started(launch_path(tmp_path, "moody", workers=2))
    try:
        workers = workers_of(process, 2)
        until(lambda: hanging(tmp_path) == 2, process)
        listening = [
            connection.laddr.ip
            for each in [psutil.Process(process.pid), *workers]
            for connection in each.net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert set(listening) == {"127.0.0.1"}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
