"""Whole runs through the SensorThings connector: equal to the embedded platform, whatever befalls them on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from tenacity.wait import wait_random_exponential

from platform_interface import report as status
from platform_interface.errors import PlatformError
from platform_interface.platforms import http
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.table import Table
from tests import foreign_server
from tests.command import PROGRAM
from tests.kit import PLUGINS
from tests.sensorthings_kit import FAULTS, Way, contents, opened, run_local, run_remote, table

pytestmark = pytest.mark.xdist_group("sensorthings runs")
T0 = 1_767_225_600_000
HOUR = 3_600_000
MODELS = ["alarming", "cell_spread"]
CELLS = tuple(f"Cell Voltage|{number}" for number in range(3))
UNITS = {"Current": "ampere", **dict.fromkeys(CELLS, "volt")}
PLUGGED = {"plugin_folders": [str(PLUGINS)]}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with foreign_server.started(tmp_path_factory.mktemp("foreign")) as address:
        yield address


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """Pause for hundredths of a second before a request is repeated: how long says nothing of what is written."""
    monkeypatch.setattr(http, "_WAIT", wait_random_exponential(multiplier=0.01, max=0.1))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the embedded platform holds after `duty` came in time and one run computed it."""
    return expected(tmp_path_factory.mktemp("local"), "reference", duty())


@pytest.fixture
def way(address):
    way = Way(address)
    yield way
    way.close()


def duty(number=60):
    """An hour at one sample a minute: charge and discharge with rests, three cells, alarms at the peaks."""
    step = np.arange(number)
    current = np.where(step % 30 < 10, 40.0, np.where(step % 30 < 20, -38.5, 0.0)) + 0.125 * (step % 7)
    cells = [3.3 - current / 1000 + 0.001 * cell * (step % (5 + cell)) for cell in range(3)]
    return Table(T0 + step * 60_000, ("Current", *CELLS), np.array([current, *cells]))


def brought_in(platform, asset, rows, first=True):
    if first:
        platform.save_asset(Asset(asset, "test", (), {"Capacity": 100.0, "positive_current": "discharge"}))
    platform.append(asset, "pack", rows, UNITS)


def expected(folder, asset, rows):
    """Return what the embedded platform holds after all samples came in time and one run computed them."""
    local = LocalPlatform(folder)
    brought_in(local, asset, rows)
    assert run_local(folder, asset, MODELS, compute_type="full", **PLUGGED).assets[0].status == status.DONE
    return contents(local, asset)


def test_late_samples_count_as_if_they_had_come_in_time_and_a_run_without_new_data_changes_nothing(address, whole, tmp_path):
    asset, rows = "late", duty()
    late = (np.arange(60) >= 30) & (np.arange(60) < 36)
    platform = opened(address)
    brought_in(platform, asset, rows.rows(~late))
    run_remote(address, tmp_path, asset, MODELS, **PLUGGED)
    brought_in(opened(address), asset, rows.rows(late), first=False)
    report = run_remote(address, tmp_path, asset, MODELS, **PLUGGED)
    assert report.assets[0].models[0].late_samples == 6  # of the current; cell_spread reads four sensors
    assert contents(opened(address), asset) == whole
    again = run_remote(address, tmp_path, asset, MODELS, **PLUGGED)
    assert again.assets[0].models[0].late_samples == 0
    assert contents(opened(address), asset) == whole


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_way_changes_nothing_of_what_is_written(address, way, whole, tmp_path, fault):
    """Every third request but the first few fails, once it was carried out or before; every sample is there once at the end."""
    asset = f"fault {fault}"
    way.plan = lambda number, method, _path: fault if number % 3 == 0 and (method != "POST" or number % 2) else ""
    platform = opened(way.address)
    brought_in(platform, asset, duty())
    report = run_remote(way.address, tmp_path, asset, MODELS, **PLUGGED)
    assert report.assets[0].status == status.DONE, report.assets[0].reason
    way.plan = lambda _number, _method, _path: ""
    assert contents(opened(address), asset) == whole
    assert sum(1 for one in opened(address).entities.things() if one.asset.id == asset) == 1
    assert {len(series.streams) for series in opened(address).entities.series(asset).values()} == {1}


@pytest.mark.parametrize("fault", ["lost", "failed"])
def test_a_write_whose_answer_is_lost_is_not_made_twice(address, way, fault):
    asset = f"once {fault}"
    brought_in(opened(address), asset, duty(10))
    posts = iter(range(100))
    way.plan = lambda _number, method, path: fault if method == "POST" and "Create" in path and next(posts) == 0 else ""
    opened(way.address).replace(
        asset, "model.x", T0, None, table(T0 + np.arange(50), SOC=np.arange(50.0)), {"SOC": "dimensionless"}
    )
    assert sum(1 for method, path in way.seen if method == "POST" and "Create" in path) == 1
    platform = opened(address)
    (stream,) = platform.entities.series(asset)["SOC"].streams
    assert platform.extents.count(stream, T0, T0 + HOUR) == 50


def test_a_server_that_stays_away_ends_in_a_sentence_within_the_budget(way):
    way.plan = lambda _number, _method, _path: "busy"
    with pytest.raises(PlatformError, match="retry_budget"):
        opened(way.address, retry_budget="200ms")


@pytest.mark.parametrize("moment", [2, 7, 12])
def test_a_run_killed_at_a_write_and_started_again_ends_like_one_that_was_not(address, way, whole, tmp_path, moment):
    asset = f"killed {moment}"
    brought_in(opened(address), asset, duty())
    values = {
        "platform": {"connector": "sensorthings", "address": way.address, "reports": str(tmp_path)},
        "execution": {"enabled_models": MODELS, "max_values": 60, **PLUGGED},
    }
    (tmp_path / "dev.json").write_text(json.dumps({"assetId": asset, "configurationValues": values}))
    run = subprocess.Popen(
        [sys.executable, str(PROGRAM / "entrypoint.py"), "run", "dev.json"], cwd=tmp_path, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    writes = iter(range(1, 10_000))

    def kill(_number, method, _path):
        if method != "GET" and next(writes) == moment:
            os.kill(run.pid, signal.SIGKILL)
            return "lost" if moment % 2 else "refused"
        return ""

    way.plan = kill
    try:
        assert run.wait(timeout=120) == -signal.SIGKILL
    finally:
        run.kill()
        run.wait()
    way.plan = lambda _number, _method, _path: ""
    report = run_remote(address, tmp_path, asset, MODELS, max_values=60, **PLUGGED)
    assert report.assets[0].status == status.DONE, report.assets[0].reason
    assert contents(opened(address), asset) == whole
