"""Six hours of the demo fleet, through a SensorThings server that nobody here wrote, and through the embedded platform."""

from __future__ import annotations

import pytest

from platform_interface import report as status
from platform_interface.platforms.local import LocalPlatform
from tests import foreign_server
from tests.sensorthings_kit import contents, copied, demo_hours, opened, run_local, run_remote

pytestmark = pytest.mark.xdist_group("sensorthings demo")
HOUR = 3_600_000
DEMO = "storage-module"
PACK = ["Current", "Voltage", "Cell Temperature", "BMS SOC"]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with foreign_server.started(tmp_path_factory.mktemp("foreign")) as address:
        yield address


def test_six_hours_of_the_demo_fleet_are_equal_through_sensorthings_and_local(address, tmp_path):
    demo = demo_hours(tmp_path / "demo", DEMO)
    start = demo.buckets(DEMO, ["Current"], {})[0].start
    local, remote = LocalPlatform(tmp_path / "local"), opened(address)
    for goal in (local, remote):
        copied(demo, goal, DEMO, PACK, start, start + 6 * HOUR)
    models = ["eq_cycles", "soc_ocv_estimation"]
    reports = [run_local(tmp_path / "local", DEMO, models), run_remote(address, tmp_path / "remote", DEMO, models)]
    assert [[m.status for m in report.assets[0].models] for report in reports] == [[status.DONE] * 2] * 2
    here, there = contents(local, DEMO), contents(opened(address), DEMO)
    assert len(here["Current"][2]) > 2000
    assert here.keys() == there.keys()
    assert {name for name in here if here[name] != there[name]} == set()
