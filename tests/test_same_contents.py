"""One fleet through both doors: the store at hand, and the same store's server by ThingsBoard's API, end in the same contents.

======== ========================================== ======================================= ===================
fleet    brought in                                 computed                                equal to
======== ========================================== ======================================= ===================
local    at hand                                    at hand
mixed    at hand                                    over HTTP, samples as Arrow             local, bit by bit
remote   over HTTP                                  over HTTP, samples as JSON              rounded, bit by bit
rounded  at hand, as ThingsBoard holds raw values   at hand                                 local, within 1e-8
======== ========================================== ======================================= ===================

Late data come to `mixed`, over HTTP, and to `local`. ThingsBoard keeps a number of more than 16 decimals as text, so what is
sent there is rounded to 16: the demo fleet has such values.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_interface.demo import bring_in
from platform_interface.fleet import run_fleet
from platform_interface.launch import Launch
from platform_interface.platforms import connect
from platform_interface.platforms.base import Platform
from platform_interface.platforms.decimals import rounded16
from platform_interface.platforms.local import LocalPlatform
from platform_interface.report import RunReport
from platform_interface.settings import load_settings
from platform_interface.table import Table
from tests import faults
from tests.serving import Server, serving

ROOT = Path(__file__).parent.parent
ASSETS = ("ageing-cell", "storage-module", "vehicle-pack")
#: Every model but that of the internal states, which takes a minute a fleet and keeps its state as the others do.
MODELS = ["eq_cycles", "imbalance_analysis", "soc_ocv_estimation", "voltage_monitor"]
EVER = (-(2**62), 2**62)
KEPT = ("end", "state", "carry", "origin")

pytestmark = pytest.mark.xdist_group("same_contents")


def launch_of(folder: Path, server: Server | None) -> Launch:
    platform: dict[str, Any] = {"store": str(folder / "store"), "reports": str(folder / "reports")}
    if server is not None:
        platform |= {"connector": "thingsboard", "address": server.address}
    configuration = {"platform": platform, "execution": {"enabled_models": MODELS}}
    return Launch(assetTag="demo", userApiKey=server.key if server else "", configurationValues=configuration)


def door(launch: Launch) -> Platform:
    return connect(launch, load_settings(ROOT / "settings.json", launch))


def computed(launch: Launch) -> RunReport:
    report = run_fleet(launch, load_settings(ROOT / "settings.json", launch))
    assert not report.failed, [(asset.asset, asset.reason, [m.reason for m in asset.models]) for asset in report.assets]
    return report


def contents(platform: Platform, state: bool = True) -> dict[str, Any]:
    """Return everything that a run leaves on a platform, for comparison bit by bit."""
    found: dict[str, Any] = {}
    for asset in ASSETS:
        found[f"{asset}/parameters"] = dict(platform.assets([asset], "")[0].parameters)
        outputs = sorted(name for name, sensor in platform.sensors(asset).items() if sensor.output)
        for table in platform.read(asset, outputs, *EVER):
            for name, row in zip(table.names, table.values, strict=True):
                order = np.argsort(table.time[~np.isnan(row)])
                found[f"{asset}/{name}"] = (table.time[~np.isnan(row)][order].tolist(), row[~np.isnan(row)][order].tolist())
        alarms = [{**alarm, "seen": None} for alarm in platform.alarms(asset) if alarm["status"] != "withdrawn"]
        found[f"{asset}/alarms"] = sorted(alarms, key=lambda alarm: alarm["key"])
        if state:
            saved = platform.load_state(asset, "checkpoint/")
            newest = {key.split("/")[1]: key for key in sorted(saved)}
            for model, key in newest.items():
                found[f"{asset}/{model}/checkpoint"] = {part: json.loads(saved[key])[part] for part in KEPT}
    return found


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert sorted(found) == sorted(wanted)
    assert sum(len(value[0]) for value in wanted.values() if isinstance(value, tuple)) > 10_000
    for name, value in wanted.items():
        assert found[name] == value, name


def late_rows(store: Path) -> dict[str, list[tuple[str, Table, dict[str, str]]]]:
    """Return samples that come late, between those that a store has of the last days."""
    platform, chance = LocalPlatform(store), np.random.default_rng(4)
    late: dict[str, list[tuple[str, Table, dict[str, str]]]] = {asset: [] for asset in ASSETS}
    for asset in ASSETS:
        for base in ("pack", "cell_voltage"):
            series = {n: s.unit for n, (b, s) in platform._file(asset).sensors().items() if b == base}
            if not series:
                continue
            table = platform._base(asset, base).read(list(series), *EVER)
            time = np.unique(table.time)
            recent = time[(time > time[-1] - 3 * 86_400_000) & (time < time[-1] - 3_600_000)]
            chosen = np.sort(chance.choice(recent, min(40, recent.size // 2), replace=False))
            rows = table.rows(np.searchsorted(np.sort(table.time), chosen))
            late[asset].append((base, Table(chosen + 137, rows.names, rounded16(rows.values), rows.absent), series))
    return late


def deliver(platform: Platform, late: dict[str, list[tuple[str, Table, dict[str, str]]]]) -> None:
    for asset, parts in late.items():
        for base, table, units in parts:
            platform.append(asset, base, table, units)


class AsThingsBoardHolds(LocalPlatform):
    """A store at hand whose raw values were rounded as ThingsBoard must hold them."""

    def append(self, asset: str, base: str, table: Table, units: Mapping[str, str]) -> None:
        super().append(asset, base, Table(table.time, table.names, rounded16(table.values), table.absent), units)


@dataclass(frozen=True)
class Found:
    """What the fleets hold: a word for each fleet, first and after late data."""

    folder: Path
    first: dict[str, dict[str, Any]]
    then: dict[str, dict[str, Any]]
    late: dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def fleets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleets")
    stores = {name: folder / name / "store" for name in ("local", "mixed", "remote", "rounded")}
    bring_in(LocalPlatform(stores["local"]))
    shutil.copytree(stores["local"], stores["mixed"])
    bring_in(AsThingsBoardHolds(stores["rounded"]))
    late = late_rows(stores["local"])
    remote = faults.start(folder / "remote", json_only=True)
    try:
        with serving(folder / "mixed") as mixed:
            servers = {"remote": remote, "mixed": mixed}
            launches = {name: launch_of(folder / name, servers.get(name)) for name in stores}
            bring_in(door(launches["remote"]))
            first = {name: (computed(launch), contents(door(launch)))[1] for name, launch in launches.items()}
            for name in ("local", "mixed"):
                deliver(door(launches[name]), late)
            reports = {name: computed(launches[name]) for name in ("local", "mixed")}
            then = {name: contents(door(launches[name])) for name in reports}
            counted = {
                name: {asset.asset: sum(model.late_samples for model in asset.models) for asset in report.assets}
                for name, report in reports.items()
            }
            yield Found(folder, first, then, counted)
    finally:
        remote.kill()


PAIRS = [("mixed", "local"), ("remote", "rounded")]


@pytest.mark.parametrize(("over_http", "at_hand"), PAIRS)
def test_outputs_states_alarms_and_parameters_are_the_same_through_both_doors(fleets, over_http, at_hand):
    assert_same(fleets.first[over_http], fleets.first[at_hand])


def test_they_are_the_same_again_after_late_data(fleets):
    assert all(fleets.late["local"].values()), fleets.late
    assert fleets.late["mixed"] == fleets.late["local"]
    assert_same(fleets.then["mixed"], fleets.then["local"])
    assert fleets.then["local"] != fleets.first["local"]


def test_what_the_rounding_to_16_decimals_changes_is_far_below_what_a_model_says(fleets):
    found, wanted = fleets.first["remote"], fleets.first["local"]
    assert sorted(found) == sorted(wanted)
    for name, value in wanted.items():
        if isinstance(value, tuple):
            assert found[name][0] == value[0], name
            np.testing.assert_allclose(found[name][1], value[1], rtol=1e-8, atol=1e-12, err_msg=name)
        elif name.endswith("/alarms"):
            facts = [[{key: alarm[key] for key in ("key", "severity", "start", "end", "status")} for alarm in each]
                     for each in (found[name], value)]  # fmt: skip
            assert facts[0] == facts[1], name


@pytest.mark.parametrize("name", ["remote", "mixed"])
def test_what_came_over_http_looks_the_same_in_the_store_itself(fleets, name):
    wanted = {key: value for key, value in (fleets.first | fleets.then)[name].items() if not key.endswith("/checkpoint")}
    assert_same(contents(LocalPlatform(fleets.folder / name / "store"), state=False), wanted)


def test_every_model_of_the_demo_fleet_has_computed(fleets):
    models = {key.split("/")[1] for key in fleets.first["remote"] if key.endswith("/checkpoint")}
    assert models == set(MODELS)
