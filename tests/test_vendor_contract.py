"""The contract of the vendor's boilerplate: each behaviour that was read in its public sources, and what becomes of it here.

The page `documentation/explanation/vendor-contract.md` has a row for each test, and says what is not claimed.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from platform_interface import Model, register_model
from platform_interface.cli import main
from platform_interface.errors import UsageError
from platform_interface.launch import program_folder, read_launch
from platform_interface.manifest import read_manifest
from platform_interface.model import registered
from platform_interface.platforms.local import LocalPlatform
from platform_interface.settings import load_settings
from tests.command import ASSET, PROGRAM, brought_in, command, launch_file, report_of, values

FOLDERS = Path(__file__).parent / "vendor_folders"
SIX = {
    "altergoProgramTaskId": "task-17", "altergoUserApiKey": "a-key-of-the-vendor", "altergoFactoryApi": "https://demo.example",
    "altergoIotApi": "https://iot.demo.example", "assetId": ASSET,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """The vendor's folders with their import lines changed, and an asset with two cells, a group path and a blueprint object."""
    shutil.copytree(FOLDERS, tmp_path / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (tmp_path / "plugins").rglob("*_model.py"):
        path.write_text(path.read_text().replace("from altergo_sdk.boiler_plate import", "from platform_interface import"))
    mapping = {
        "asset": {"positive_current": "discharge", "parameters": {"LFP_config": {"low": 3.2}, "Capacity": 100.0}},
        "time": {"column": "time"},
        "columns": {
            "i": {"sensor": "Current", "unit": "A"}, "c{n}": {"sensor": "Cell Voltage|*", "unit": "mV"},
            "r": {"sensor": "RDC Trend/DC Internal Resistance", "unit": "dimensionless"},
        },
    }  # fmt: skip
    rows = "".join(f"2026-01-31T08:00:{n:02d}Z,50,{3300 - 20 * n},{3310 - 20 * n},{n}\n" for n in range(10))
    (tmp_path / "log.csv").write_text(f"time,i,c0,c1,r\n{rows}")
    (tmp_path / "mapping.json").write_text(json.dumps(mapping))
    text = json.dumps({"configurationValues": values(tmp_path)})
    paths = [str(tmp_path / name) for name in ("log.csv", "mapping.json")]
    assert main(["ingest", paths[0], "--asset", ASSET, "--mapping", paths[1], text]) == 0
    return tmp_path


GROUPS = {
    "inputs": {
        "cell_voltages": {"default": "Cell Voltage"}, "rdc": {"default": "RDC Trend/DC Internal Resistance"},
        "limits": {"default": "BP/LFP_config"}, "soc": {"default": "SoC"},
    },
    "outputs": {"lowest": {"default": "RDC Trend/Lowest Cell"}, "scaled": {"default": "RDC Trend/Rdc Trend"}},
    "configuration": {"gain": 3.0},
}  # fmt: skip


def ran(folder, capsys, code=0):
    """Run the folder that reads groups; return its report."""
    configuration = values(folder, "vendor_groups", plugin_folders=[str(folder / "plugins")], compute_type="full")
    path = launch_file(folder, {**configuration, "models": {"vendor_groups": GROUPS}})
    result = main(["run", str(path)])
    assert result == code, capsys.readouterr()
    return report_of(folder)["assets"][0]["models"][0]


def series(folder, name):
    [table] = LocalPlatform(folder / "store").read(ASSET, [name], 0, 2**60)
    return table.values[0].tolist()


def execution(**given):
    """Return the settings of an inline launch of the vendor's platform."""
    sent = json.dumps({**SIX, "configurationValues": {"execution": given}})
    return load_settings(program_folder() / "settings.json", read_launch(sent)).execution


# --- launch -----------------------------------------------------------------------------------------------------------------


def test_inline_json_with_the_six_keys_runs(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    result = command(json.dumps({**SIX, "configurationValues": values(tmp_path)}), cwd=tmp_path)
    assert result.returncode == 0, result
    assert report_of(tmp_path)["task"] == "task-17"
    assert report_of(tmp_path)["assets"][0]["asset"] == ASSET
    assert SIX["altergoUserApiKey"] not in result.stdout + result.stderr


def test_a_launch_without_configuration_values_uses_the_defaults():
    launch = read_launch(json.dumps(SIX))
    assert load_settings(program_folder() / "settings.json", launch).execution.compute_type == "incremental"


@pytest.mark.parametrize("name", ["dev-parameters.json", "other.json", "./dev-parameters.json", "sub/dev.json", "noending"])
def test_a_file_of_parameters_runs_under_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    Path(name).write_text(json.dumps({**SIX, "configurationValues": {"execution": {"max_values": 7}}}))
    launch = read_launch(name)
    assert launch.asset_ids == [ASSET]
    assert load_settings(program_folder() / "settings.json", launch).execution.max_values == 7


def test_no_argument_says_what_to_give(capsys):
    assert main([]) == 2
    assert "nothing to run: give a launch" in capsys.readouterr().err


def test_a_key_of_the_platform_that_we_do_not_know_is_let_pass_and_any_other_is_refused():
    assert read_launch(json.dumps({**SIX, "altergoNewThing": 1})).assetId == ASSET
    with pytest.raises(UsageError, match="assetID: not a known field; did you mean 'assetId'"):
        read_launch(json.dumps({**SIX, "assetID": "x"}))


def test_a_launch_that_names_no_asset_computes_all_of_them(tmp_path):
    for asset in (ASSET, "pack-2"):
        assert brought_in(tmp_path, asset).returncode == 0
    sent = {key: given for key, given in SIX.items() if key != "assetId"}
    assert main(["run", json.dumps({**sent, "configurationValues": values(tmp_path)})]) == 0
    assert [asset["asset"] for asset in report_of(tmp_path)["assets"]] == [ASSET, "pack-2"]


# --- settings ---------------------------------------------------------------------------------------------------------------


def settings_file(folder, name, **leaves):
    tree = {"execution": leaves, "platform": {}, "models": {}}
    path = folder / name
    path.write_text(json.dumps({"name": "x", "version": "1.0.0", "main": "entrypoint.py", "type": "model", "parameters": tree}))
    return path


def loaded(path, inline=True, **sent):
    launch = read_launch(json.dumps({"configurationValues": {"execution": sent}})).model_copy(update={"inline": inline})
    return load_settings(path, launch).execution


def test_the_settings_file_may_have_the_vendors_name(tmp_path):
    settings_file(tmp_path, "altergo-settings.json", max_values={"default": 5})
    assert loaded(tmp_path / "settings.json").max_values == 5


def test_two_settings_files_that_differ_are_refused_and_a_copy_is_not(tmp_path):
    ours = settings_file(tmp_path, "settings.json", max_values={"default": 5})
    theirs = settings_file(tmp_path, "altergo-settings.json", max_values={"default": 6})
    with pytest.raises(UsageError, match=r"settings.json and altergo-settings.json are both there and differ"):
        loaded(ours)
    shutil.copy(ours, theirs)
    assert loaded(ours).max_values == 5


def test_a_development_value_counts_in_a_local_run_and_never_on_the_platform(tmp_path):
    path = settings_file(tmp_path, "settings.json", max_values={"default": 5, "valueDev": 9}, workers=3)
    assert (loaded(path, inline=False).max_values, loaded(path, inline=True).max_values) == (9, 5)
    assert loaded(path).workers == 3  # a bare value is its own default


def test_what_is_sent_wins_over_the_file_and_what_is_not_sent_comes_from_it(tmp_path):
    path = settings_file(tmp_path, "settings.json", max_values={"default": 5}, batch_assets={"default": 7})
    found = loaded(path, max_values=6)
    assert (found.max_values, found.batch_assets) == (6, 7)


def test_the_keys_that_were_not_sent_are_named_in_debug_mode(capsys, tmp_path):
    sent = values(tmp_path, debug_mode=True)
    assert main(["list", json.dumps({**SIX, "configurationValues": sent})]) == 2  # the store is empty
    told = capsys.readouterr().err
    assert "not sent, so settings.json counts: execution.compute_type, " in told
    assert re.search(r" and \d+ more", told)
    sent["execution"]["debug_mode"] = False
    main(["list", json.dumps({**SIX, "configurationValues": sent})])
    assert "not sent" not in capsys.readouterr().err


def test_an_unknown_key_that_was_sent_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"parameters\.execution\.compute_typ: not a known field; did you mean 'compute_type'"):
        execution(compute_typ="full")


# --- execution --------------------------------------------------------------------------------------------------------------


def test_every_key_of_the_vendors_execution_block_is_known():
    found = execution(
        enabled_models="eq_cycles,voltage_monitor", compute_type="manual", max_days_period_compute=1,
        manual_start_date="2023-10-16T00:18:04+08:00", manual_end_date="2023-10-16T18:59:59+00:00", debug_mode=True, upload_output=False,
    )  # fmt: skip
    assert found.enabled_models == ["eq_cycles", "voltage_monitor"]
    assert (found.compute_type, found.max_days_period_compute, found.debug_mode, found.upload_output) == (
        "manual",
        1,
        True,
        False,
    )
    assert found.manual_end_date - found.manual_start_date == 96_115_000  # 8 h of it are the two offsets'


@pytest.mark.parametrize("word", ["incremental", "full", "manual"])
def test_the_three_ways_to_compute_run(folder, word):
    dates = {"manual_start_date": "2026-01-31T08:00:00+00:00", "manual_end_date": "2026-01-31T09:00:00+00:00"}
    assert main(["run", str(launch_file(folder, values(folder, compute_type=word, **dates)))]) == 0
    assert report_of(folder)["assets"][0]["models"][0]["rows_out"] > 0


def test_a_manual_run_without_dates_is_refused_instead_of_guessing_them():
    with pytest.raises(UsageError, match="compute_type is manual, so manual_start_date and manual_end_date are needed"):
        execution(compute_type="manual", manual_start_date="", manual_end_date="")


def test_upload_output_false_writes_nothing(folder):
    assert main(["run", str(launch_file(folder, values(folder, upload_output=False)))]) == 0
    assert not [sensor for sensor in LocalPlatform(folder / "store").sensors(ASSET).values() if sensor.output]


def test_a_page_an_asset_and_model_takes_the_place_of_the_debug_dashboard(folder):
    configuration = values(folder, write_pages=True)
    configuration["platform"]["pages"] = str(folder / "pages")
    assert main(["run", str(launch_file(folder, configuration))]) == 0
    assert (folder / "pages" / f"{ASSET}--eq_cycles.html").is_file()


# --- manifests --------------------------------------------------------------------------------------------------------------


def manifest(tmp_path, **content):
    place = tmp_path / "probe"
    place.mkdir(exist_ok=True)
    known = {"name": "probe", "version": "1.0", "inputs": {"current": {"unit": "A", "type": "pd.Series"}}, "outputs": {"x": {}}}
    (place / "model.json").write_text(json.dumps({**known, **content}))
    return read_manifest(place)


def test_both_manifest_forms_give_the_same_manifest(tmp_path):
    fields = {"unit": "A", "type": "pd.Series", "required": True}
    keyed = manifest(
        tmp_path, inputs={"current": fields, "capacity": {"unit": "Ah", "type": "float"}}, outputs={"x": {"unit": "cycles"}}
    )
    listed = manifest(
        tmp_path, inputs=[{"logical_name": "current", **fields}], parameters=[{"logical_name": "capacity", "unit": "Ah"}],
        outputs=[{"logical_name": "x", "unit": "cycles"}],
    )  # fmt: skip
    assert keyed == listed
    assert keyed.vendor


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"inputs": ["current"]}, "inputs.0: has no logical_name"),
        ({"inputs": [{"logical_name": "a"}, {"logical_name": "a"}]}, "inputs.1: 'a' is there already"),
        ({"parameters": [{"logical_name": "current"}]}, "parameters: 'current' is an input already"),
        ({"configuration": "none"}, "configuration: is a str, neither an object nor a list"),
        ({"inputs": {"current": {"unit": "A", "scale": 0.001}}}, "inputs.current.scale: not a field of a manifest"),
        ({"outputs": {"x": {"decimation": 0.1}}}, "outputs.x.decimation: not a field of a manifest"),
        (
            {"configuration": {"a": {"type": "number", "default": 1, "min": 0}}},
            "configuration.a.min: not a field of a manifest",
        ),
    ],
)
def test_nothing_of_a_vendors_manifest_is_lost_silently(tmp_path, content, fault):
    with pytest.raises(UsageError, match=re.escape(fault)):
        manifest(tmp_path, **content)


@pytest.mark.parametrize(
    ("word", "ours"),
    [("pd.Series", "pd.Series"), ("pd.DataFrame", "pd.DataFrame"), ("float", "float"), ("dict", "dict"), ("Dict", "dict"),
     ("number", "float"), ("string", "str")],
)  # fmt: skip
def test_the_vendors_words_for_types_are_read(tmp_path, word, ours):
    given = {"current": {"unit": "A", "type": "pd.Series"}, "y": {"type": word}}
    assert manifest(tmp_path, inputs=given).inputs["y"].type == ours


@pytest.mark.parametrize(
    ("word", "unit"),
    [("A", "ampere"), ("V", "volt"), ("%", "percent"), ("Ah", "ampere_hour"), ("°C", "degC"), ("p.u.", "dimensionless"),
     ("cycles", "dimensionless"), ("id", "dimensionless"), ("label", "dimensionless"), ("0/1", "dimensionless"),
     ("dimensionless", "dimensionless"), ("various", "dimensionless")],
)  # fmt: skip
def test_the_vendors_words_for_units_are_read(tmp_path, word, unit):
    assert manifest(tmp_path, inputs={"current": {"unit": word, "type": "pd.Series"}}).inputs["current"].unit == unit


def test_a_version_of_one_or_two_numbers_is_filled_up(tmp_path):
    assert [manifest(tmp_path, version=version).version for version in ("1", "1.2", "1.2.3")] == ["1.0.0", "1.2.0", "1.2.3"]


def test_a_category_that_is_none_of_ours_becomes_other(tmp_path):
    found = manifest(tmp_path, category="Everything", complexity="Hard")
    assert (found.category, found.complexity) == ("Other", "Simple")


# --- models -----------------------------------------------------------------------------------------------------------------


def test_register_model_takes_metadata_and_the_constructor_the_configuration():
    @register_model("of_the_contract", metadata={"category": "Health", "complexity": "Simple", "computational_cost": "Low"})
    class Contract(Model):
        def process(self, data):
            return {"x": self.config["gain"]}

    assert registered("of_the_contract")({"gain": 2}).process({}) == {"x": 2}


def test_an_array_sensor_is_a_frame_although_the_manifest_says_series(folder, capsys):
    assert ran(folder, capsys)["status"] == "done"
    assert series(folder, "RDC Trend/Lowest Cell") == [round(3.3 - 0.02 * n, 9) for n in range(10)]


def test_a_series_is_given_in_utc_clean_and_in_order(folder, capsys):
    """Looked at by the folder itself, which would fail."""
    path = folder / "plugins" / "vendor_groups" / "vendor_groups_model.py"
    looks = 'assert str(data["rdc"].index.tz) == "UTC" and data["rdc"].index.is_monotonic_increasing and data["rdc"].index.is_unique'
    path.write_text(path.read_text().replace('assert "cells" not in data', looks))
    assert ran(folder, capsys)["status"] == "done"


def test_a_group_path_names_inputs_and_outputs(folder, capsys):
    assert ran(folder, capsys)["inputs"]["rdc"] == "RDC Trend/DC Internal Resistance [dimensionless]"
    assert series(folder, "RDC Trend/Rdc Trend") == [3.0 * n for n in range(10)]


def test_an_object_of_the_blueprint_is_given_as_a_dict(folder, capsys):
    assert ran(folder, capsys)["parameters"]["limits"] == {"low": 3.2}
    assert series(folder, "Above") == [float(3.3 - 0.02 * n > 3.2) for n in range(10)]


def test_the_configuration_is_the_manifests_overridden_by_the_settings(folder, capsys):
    assert ran(folder, capsys)["configuration"] == {"gain": 3.0, "mode": "mean", "on": True}


def test_words_as_an_output_are_left_out_and_the_report_says_so(folder, capsys):
    assert any("output 'label' holds" in note and "left out" in note for note in ran(folder, capsys)["notes"])
    assert "Label" not in LocalPlatform(folder / "store").sensors(ASSET)


def test_the_standard_names_of_the_vendors_eq_cycles_are_ours(tmp_path):
    """Sensor Current, parameter Capacity, series Equivalent Cycles, the efficiencies 0.99 and 0.98: the same number."""
    assert brought_in(tmp_path).returncode == 0
    assert command(json.dumps({**SIX, "configurationValues": values(tmp_path)}), cwd=tmp_path).returncode == 0
    latest = report_of(tmp_path)["assets"][0]["models"][0]["latest"]
    assert latest["Equivalent Cycles"][0] == pytest.approx(50 * 0.99 / 200, rel=1e-12)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("from altergo_sdk.boiler_plate import Model, register_model", "change the import to `from platform_interface import"),
        ("from altergo_sdk.boiler_plate.boiler_plate import execute_altergo_models", "leave this import out"),
        ("from altergo_sdk.boiler_plate import execute_altergo_models", "leave this import out"),
        ("from altergo_sdk.tools.utils import extract_altergo_parameters", "leave this import out"),
        ("import altergo_sdk", "change the import"),
    ],
)
def test_validate_says_what_to_do_with_each_import_of_the_sdk(folder, capsys, line, told):
    path = folder / "plugins" / "vendor_groups" / "vendor_groups_model.py"
    path.write_text(f"{line}\n{path.read_text()}")
    text = json.dumps({"configurationValues": values(folder, plugin_folders=[str(folder / "plugins")])})
    assert main(["validate", "vendor_groups", text]) == 2
    assert told in capsys.readouterr().out


# --- the page ---------------------------------------------------------------------------------------------------------------


def test_the_page_of_the_contract_names_every_test_and_no_other():
    page = (PROGRAM / "documentation" / "explanation" / "vendor-contract.md").read_text(encoding="utf-8")
    known = set()
    for path in (Path(__file__), Path(__file__).with_name("test_vendor.py")):
        known |= set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named <= known, named - known
    own = set(re.findall(r"^def (test_\w+)", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE))
    assert own - named <= {"test_the_page_of_the_contract_names_every_test_and_no_other"}, own - named
