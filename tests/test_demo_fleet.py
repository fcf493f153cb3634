"""The demo fleet against its own truth, through the real run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platform_interface.demo import FOLDER
from platform_interface.fleet import run_fleet
from platform_interface.launch import Launch, read_launch
from platform_interface.settings import load_settings

ROOT = Path(__file__).parent.parent
ASSETS = ("ageing-cell", "storage-module", "vehicle-pack")


def truth_of(asset: str) -> dict:
    return json.loads((FOLDER / f"{asset}.truth.json").read_text())


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """One run over the demo fleet, with the gap of each truth."""
    store = tmp_path_factory.mktemp("demo")
    gaps = {asset: {"sensors": {"Current": {"max_gap": truth_of(asset)["throughput"]["max_gap_s"]}}} for asset in ASSETS}
    values = {"platform": {"store": str(store), "reports": str(store)}, "assets": gaps}
    launch = Launch(assetTag="demo", demoFleet=True, configurationValues=values)
    return run_fleet(launch, load_settings(ROOT / "settings.json", launch))


def latest(report, asset: str) -> dict[str, float]:
    model = next(a for a in report.assets if a.asset == asset).models[0]
    return {name: pair[0] for name, pair in model.latest.items()}


def test_the_fleet_is_small_enough_to_be_cloned():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 5_000_000


@pytest.mark.parametrize("asset", ASSETS)
def test_charge_and_cycles_agree_with_the_simulated_truth(report, asset):
    """Sensor noise is rectified and offsets integrate: 1 % is what such sensors allow."""
    logged, found = truth_of(asset)["throughput"]["logged"], latest(report, asset)
    assert found["Charged Capacity"] == pytest.approx(logged["charged_ah"], rel=0.01)
    assert found["Discharged Capacity"] == pytest.approx(logged["discharged_ah"], rel=0.01)
    assert found["Equivalent Full Cycles"] == pytest.approx(logged["equivalent_full_cycles"], rel=0.01)
    assert found["Energy Throughput"] == pytest.approx(logged["charged_kwh"] + logged["discharged_kwh"], rel=0.01)


def test_what_the_gaps_hide_is_not_counted(report):
    throughput = truth_of("vehicle-pack")["throughput"]
    assert throughput["full"]["discharged_ah"] > 1.1 * throughput["logged"]["discharged_ah"]
    assert latest(report, "vehicle-pack")["Discharged Capacity"] < 1.01 * throughput["logged"]["discharged_ah"]


def test_the_jump_of_the_bms_is_named_with_its_time_and_size(report):
    notes = next(a for a in report.assets if a.asset == "storage-module").models[0].notes
    (jump,) = [note for note in notes if "recalibration" in note]
    assert "2026-06-10 08:39:20 UTC (+12.0%)" in jump


def test_every_sentinel_and_conflict_of_the_truth_that_a_model_reads_is_counted(report):
    read = {"current_a": "Current", "bms_soc_pct": "BMS SOC", "voltage_v": "Voltage", "temp_c": "Cell Temperature"}
    for asset in report.assets:
        dirt = {sensor["sensor"]: sensor["dirt"] for sensor in asset.sensors}
        for kinds, ours in ((("sentinel", "zero_on_live_cell"), "sentinel"), (("conflict",), "conflicting duplicates")):
            for column, sensor in read.items():
                known = [d for d in truth_of(asset.asset)["dirt"] if d["kind"] in kinds and d["sensor"] == column]
                assert dirt.get(sensor, {}).get(ours, 0) == sum(d["count"] for d in known), (asset.asset, sensor, kinds)


def test_the_example_launch_names_the_demo_fleet():
    launch = read_launch(str(ROOT / "dev-parameters.example.json"))
    assert launch.demoFleet and launch.assetTag == "demo" and not launch.inline
