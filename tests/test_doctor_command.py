"""`doctor`, and the findings of a run: on the demo fleet, on measured data, and on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import measured_data as measured
from platform_interface.demo import FOLDER
from platform_interface.doctor.examine import examine
from platform_interface.doctor.findings import SETTINGS
from platform_interface.ingest import ingest
from platform_interface.manifest import discover, read_manifest
from platform_interface.platforms.local import LocalPlatform
from platform_interface.settings import Settings, merged
from platform_interface.when import instant
from tests.command import PROGRAM, command
from tests.kit import Rows, Site, pack, seconds

DATA = measured.shared_data()
NOW = instant("2026-11-20T00:00:00Z")
MAPPED = {"models": {"eq_cycles": {"inputs": {"soc": "BMS SOC", "temperature": "Cell Temperature"}}}}
TEMPERATURES = {"temp{n}_raw": {"sensor": "Temperature|*", "unit": "degC"}}


def manifests():
    return [read_manifest(folder) for folder in discover([PROGRAM / "models"]).values()]


def examined(platform, asset, tree=MAPPED, days=365):
    [found] = platform.assets([asset], "")
    return examine(platform, found, Settings.model_validate(tree), manifests(), NOW, days)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    platform = LocalPlatform(tmp_path_factory.mktemp("demo"))
    for data in sorted(FOLDER.glob("*.parquet")):
        ingest(platform, data, data.stem, data.with_name(f"{data.stem}.mapping.json"))
    return platform


@pytest.mark.parametrize("asset", ["ageing-cell", "storage-module"])
def test_nothing_is_said_of_a_demo_asset_that_is_mapped_right(demo, asset):
    assert examined(demo, asset).findings == []


def test_the_frozen_probe_of_the_demo_fleet_is_named_within_the_truth(demo):
    truth = json.loads((FOLDER / "vehicle-pack.truth.json").read_text())
    [dirt] = [entry for entry in truth["dirt"] if entry["kind"] == "frozen"]
    [found] = examined(demo, "vehicle-pack").findings
    assert (found.check, found.sensor) == ("frozen", "Temperature|4")
    assert f"held {dirt['value']:g} °C" in found.text
    assert dirt["from"] <= found.start < found.end <= dirt["to"]


def turned(folder):
    """A site whose current has the other sign than it says: ten hours, half an hour in, half an hour out."""
    site = Site(folder, {"Capacity": 100.0}, MAPPED)
    time = seconds(*range(0, 36_000, 10))
    current = 50.0 * (np.arange(time.size) // 180 % 2 * 2 - 1)
    charge = np.concatenate([[0.0], np.cumsum((current[1:] + current[:-1]) / 2)]) * 10 / 3600
    site.put(pack(time, current=-current, soc=np.round(0.5 - charge / 100.0, 4)))
    return site


def test_a_run_tells_what_the_doctor_would_and_changes_nothing(tmp_path):
    report = turned(tmp_path).run(["eq_cycles"]).assets[0]
    [finding] = report.findings
    assert (finding["check"], finding["sensor"]) == ("sign", "Current")
    assert finding["proposal"]["change"] == {"assets": {"pack-1": {"positive_current": "charge"}}}
    assert report.warnings == [f"{finding['text']} Nothing was changed."]


def test_two_models_that_read_one_sensor_do_not_count_it_twice(tmp_path):
    site = turned(tmp_path)
    alone = site.run(["eq_cycles"], compute_type="full", upload_output=False).assets[0].findings
    both = site.run(["eq_cycles", "recent_mean"], compute_type="full", upload_output=False).assets[0].findings
    assert [finding["count"] for finding in alone] == [finding["count"] for finding in both] != []


def test_findings_of_many_windows_are_those_of_one(tmp_path):
    site = turned(tmp_path)
    whole = site.run(["eq_cycles"], compute_type="full", upload_output=False).assets[0]
    parts = site.run(["eq_cycles"], compute_type="full", upload_output=False, max_values=2_000).assets[0]
    assert len(parts.models[0].windows) > len(whole.models[0].windows)
    assert [(each["check"], each["sensor"]) for each in parts.findings] == [("sign", "Current")]
    assert parts.findings[0]["of"] > 0.9 * whole.findings[0]["of"]  # the step across a boundary is no vote


def test_an_offset_of_settings_is_added_at_the_boundary_and_codes_stay_raw(tmp_path):
    facts = {"sensors": {"Cell Temperature": {"offset": -40.0, "sentinels": [255.0]}}}
    site = Site(tmp_path, {"Capacity": 100.0}, {**MAPPED, **facts})
    site.put(pack(seconds(0, 10, 20, 30), current=[1, 1, 1, 1], temperature=[65.0, 66.0, 255.0, 67.0]))
    [sensor] = [each for each in site.run(["eq_cycles"]).assets[0].sensors if each["sensor"] == "Cell Temperature"]
    assert sensor["dirt"] == {"sentinel": 1}
    assert sensor["used"] == 3


def test_days_that_are_not_looked_at_are_counted(tmp_path):
    site = Site(tmp_path)
    time = seconds(*range(0, 40 * 86_400, 600))
    site.put(pack(time, current=np.ones(time.size)))
    result = examined(site.platform, "pack-1", days=10)
    assert (result.days, result.of_days) == (10, 40)


# --- the command line ---


def launch_of(folder: Path) -> str:
    return json.dumps({"configurationValues": {"platform": {"store": str(folder), "reports": str(folder)}}})


@pytest.fixture
def kelvin(tmp_path):
    """A store with one asset whose temperature is in kelvin, and mapped as °C."""
    site = Site(tmp_path, {"Capacity": 100.0})
    time = seconds(*range(0, 3600, 10))
    site.put(Rows("pack", ("Cell Temperature",), ("degC",), time, 298.0 + np.sin(np.arange(time.size))[None]))
    return tmp_path


def test_the_command_prints_a_table_a_sentence_and_what_to_paste(kelvin):
    done = command("doctor", "pack-1", launch_of(kelvin), cwd=kelvin)
    assert done.returncode == 0, done.stderr
    for part in (
        "Cell Temperature",
        "as kelvin it is 24",
        "proposal, in settings.json",
        '"unit": "kelvin"',
        "Nothing was changed",
    ):
        assert part in " ".join(done.stdout.split())


def test_the_command_prints_json_for_programs(kelvin):
    done = command("doctor", "pack-1", "--json", launch_of(kelvin), cwd=kelvin)
    content = json.loads(done.stdout)
    assert content["findings"][0]["proposal"]["change"] == {
        "assets": {"pack-1": {"sensors": {"Cell Temperature": {"unit": "kelvin"}}}}
    }


def test_the_command_says_so_when_nothing_contradicts_the_mapping(tmp_path):
    site = Site(tmp_path)
    site.put(pack(seconds(*range(100)), current=np.ones(100)))
    done = command("doctor", "pack-1", launch_of(tmp_path), cwd=tmp_path)
    assert "nothing contradicts the mapping" in done.stdout


def test_an_asset_that_is_not_there_is_named_with_the_nearest(tmp_path):
    Site(tmp_path)
    done = command("doctor", "pack1", launch_of(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'pack-1'?" in done.stderr


# --- measured data ---


@pytest.fixture(scope="module")
def brought_in(tmp_path_factory):
    """Give a store with one measured asset; temperatures of the cars are mapped as °C, which they are not."""
    platforms = {}

    def bring(asset):
        if DATA is None:
            pytest.skip("the measured data (../shared/data or TWIN_SHARED_DATA) are not here")
        if asset not in platforms:
            folder = tmp_path_factory.mktemp(asset)
            content = json.loads((measured.MAPPINGS / f"{asset}.json").read_text())
            if asset.startswith("ev-car"):
                content["columns"] = {**content["columns"], **TEMPERATURES}
            (folder / "mapping.json").write_text(json.dumps(content))
            platforms[asset] = LocalPlatform(folder / "store")
            ingest(platforms[asset], DATA / measured.BY_NAME[asset].file, asset, folder / "mapping.json")
        return platforms[asset]

    return bring


@pytest.mark.parametrize("asset", ["ev-hd", "bess-pylontech", "calce-cs2-35", "calce-cs2-37"])
def test_nothing_is_said_of_a_measured_asset_without_a_known_fault(brought_in, asset):
    assert examined(brought_in(asset), asset).findings == []


@pytest.mark.parametrize(("asset", "codes"), [("ev-car2", 0), ("ev-car3", 8)])
def test_the_traps_of_the_cars_are_named_and_nothing_else(brought_in, asset, codes):
    found = examined(brought_in(asset), asset).findings
    by_check = {finding.check: finding for finding in found}
    assert set(by_check) == {"pack voltage", "temperature", *(["not fitted"] if codes else [])}
    assert 2.7 <= by_check["pack voltage"].value <= 3.7
    assert "No data tell these two apart" in by_check["pack voltage"].text
    assert "read as °C + 40" in by_check["temperature"].text
    if codes:
        assert by_check["not fitted"].of == codes * 49_966
    tree = MAPPED
    for finding in found:
        if finding.proposal is not None:
            assert finding.proposal.file == SETTINGS
            tree = merged(tree, finding.proposal.change)
    assert [finding.check for finding in examined(brought_in(asset), asset, tree).findings] == ["pack voltage"]
