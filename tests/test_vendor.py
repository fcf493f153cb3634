"""Folders written for the vendor's boilerplate run after their import line is changed, and the report says what they cannot keep."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from platform_interface.platforms.local import LocalPlatform
from platform_interface.when import instant
from tests.command import ASSET, command, launch_file, report_of, values

FOLDERS = Path(__file__).parent / "vendor_folders"
OLD, NEW = "from altergo_sdk.boiler_plate import", "from platform_interface import"
START = instant("2026-01-31T00:00:00Z")
MAPPING = {
    "asset": {"positive_current": "discharge", "parameters": {"Capacity": {"value": 100.0, "unit": "Ah"}}},
    "time": {"column": "time", "unit": "ms"},
    "columns": {"i": {"sensor": "Current", "unit": "A"}},
}
MODELS = {
    "vendor_cycles": {
        "inputs": {"initial_equivalent_cycles": {"default": "Vendor Cycles"}, "OCV_table": {"default": "BP/OCV"}},
        "outputs": {"equivalent_cycles": {"default": "Vendor Cycles"}},
    }
}


@pytest.fixture
def folder(tmp_path):
    """Both folders, as the vendor's, and an asset that discharges with 50 A: a sample an hour."""
    shutil.copytree(FOLDERS, tmp_path / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "mapping.json").write_text(json.dumps(MAPPING))
    return tmp_path


def changed(folder):
    """Do what `validate` asks for: change the import lines, and nothing else."""
    for path in (folder / "plugins").rglob("*_model.py"):
        text = path.read_text()
        assert text.count(OLD) == 1
        path.write_text(text.replace(OLD, NEW))


def configuration(folder, models, **execution):
    return {**values(folder, models, plugin_folders=[str(folder / "plugins")], **execution), "models": MODELS}


def bring(folder, hours, amperes=50.0, mapping=MAPPING):
    (folder / "mapping.json").write_text(json.dumps(mapping))
    (folder / "log.csv").write_text("time,i\n" + "".join(f"{START + hour * 3_600_000},{amperes}\n" for hour in hours))
    text = json.dumps({"configurationValues": values(folder)})
    assert command("ingest", "log.csv", "--asset", ASSET, "--mapping", "mapping.json", text, cwd=folder).returncode == 0


def run(folder, models, code=0, **execution):
    result = command(launch_file(folder, configuration(folder, models, **execution)), cwd=folder)
    assert result.returncode == code, result
    return {model["model"]: model for model in report_of(folder)["assets"][0]["models"]}


def series(folder, name):
    [table] = LocalPlatform(folder / "store").read(ASSET, [name], 0, 2**60)
    return dict(zip(((table.time - START) // 3_600_000).tolist(), table.values[0].tolist(), strict=True))


@pytest.mark.parametrize("name", ["vendor_cycles", "vendor_listed"])
def test_validate_names_the_import_line_first_and_the_folder_is_valid_when_it_is_changed(folder, name):
    text = json.dumps({"configurationValues": configuration(folder, name)})
    lines = (folder / "plugins" / name / f"{name}_model.py").read_text().splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if line.startswith(OLD)]
    before = command("validate", name, text, cwd=folder)
    assert before.returncode == 2
    assert before.stdout.splitlines()[0] == (
        f"models/{name}/{name}_model.py, line {number}: change the import to `from platform_interface import Model, register_model`"
    )
    changed(folder)
    after = command("validate", name, text, cwd=folder)
    assert (after.returncode, after.stdout) == (0, f"{name}: valid\n")


def test_an_unchanged_folder_fails_alone_and_says_why(folder):
    bring(folder, range(3))
    models = run(folder, "vendor_cycles,eq_cycles", code=1)
    assert models["vendor_cycles"]["status"] == "failed"
    assert "No module named 'altergo_sdk'" in models["vendor_cycles"]["reason"]
    assert models["eq_cycles"]["status"] == "done"


def test_a_day_at_half_the_capacity_gives_the_cycles_worked_out_by_hand(folder):
    changed(folder)
    bring(folder, range(25))
    model = run(folder, "vendor_cycles")["vendor_cycles"]
    # 24 h * 50 A * 0.99 / (2 * 100 Ah)
    assert model["latest"] == {"Vendor Cycles": [5.94, "dimensionless"]}
    assert series(folder, "Vendor Cycles")[12] == 2.97


def test_the_last_value_seeds_the_next_window_and_the_interval_between_is_lost_as_reported(folder):
    changed(folder)
    bring(folder, range(13))
    assert run(folder, "vendor_cycles")["vendor_cycles"]["latest"]["Vendor Cycles"][0] == 2.97
    bring(folder, range(13, 25))
    model = run(folder, "vendor_cycles")["vendor_cycles"]
    # 2.97 and 11 intervals more: the one from hour 12 to hour 13 lies in neither window
    kept = series(folder, "Vendor Cycles")
    assert (kept[12], kept[14]) == (2.97, 3.2175)
    assert model["latest"]["Vendor Cycles"][0] == 5.6925
    assert any("laws 1 and 3 do not hold" in note for note in model["notes"])


def test_windows_of_one_run_seed_one_another(folder):
    changed(folder)
    bring(folder, [hour / 60 for hour in range(0, 24 * 60)])
    model = run(folder, "vendor_cycles", max_values=1000)["vendor_cycles"]
    assert len(model["windows"]) == 2
    # 1439 minutes less the one between the two windows
    assert model["latest"]["Vendor Cycles"][0] == pytest.approx(1438 / 60 * 50 * 0.99 / 200, rel=1e-9)


def test_charge_has_its_own_efficiency_and_the_settings_override_the_vendors_defaults(folder):
    changed(folder)
    bring(folder, range(25), amperes=-50.0)
    assert run(folder, "vendor_cycles")["vendor_cycles"]["latest"]["Vendor Cycles"][0] == 5.88
    override = configuration(folder, "vendor_cycles", compute_type="full")
    override["models"] = {
        "vendor_cycles": {**MODELS["vendor_cycles"], "configuration": {"enable_efficiency_correction": False}}
    }
    assert command(launch_file(folder, override), cwd=folder).returncode == 0
    assert report_of(folder)["assets"][0]["models"][0]["latest"]["Vendor Cycles"][0] == 6.0


def test_the_sign_of_the_site_is_turned_for_a_vendor_model_too(folder):
    changed(folder)
    charge = {**MAPPING, "asset": {**MAPPING["asset"], "positive_current": "charge"}}
    bring(folder, range(25), amperes=-50.0, mapping=charge)
    assert run(folder, "vendor_cycles")["vendor_cycles"]["latest"]["Vendor Cycles"][0] == 5.94


def test_a_missing_sensor_is_an_empty_series_and_a_parameter_of_the_list_form_is_read(folder):
    changed(folder)
    bring(folder, range(3))
    model = run(folder, "vendor_listed")["vendor_listed"]
    assert model["status"] == "done", model
    assert model["latest"] == {"C Rate": [1.0, "dimensionless"], "Without Temperature": [1.0, "dimensionless"]}
    assert any("laws 1 and 3 do not hold" in note for note in model["notes"])


def test_a_plugin_of_our_own_form_is_not_said_to_break_the_laws(folder):
    bring(folder, range(3))
    assert not any("do not hold" in note for note in run(folder, "eq_cycles")["eq_cycles"]["notes"])
