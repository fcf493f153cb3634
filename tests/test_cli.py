"""The real command, in a process of its own: exit codes, what is written, and who sees what."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from tests.command import ASSET, PROGRAM, brought_in, command, inline, launch_file, plugin, report_of, values


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    place = tmp_path_factory.mktemp("origin")
    result = brought_in(place)
    assert (result.returncode, result.stdout) == (0, f"{ASSET}: 361 rows, 2026-01-31T08:00:00Z to 2026-01-31T09:00:00Z\n")
    return place


@pytest.fixture
def folder(origin, tmp_path):
    return shutil.copytree(origin, tmp_path, dirs_exist_ok=True)


def everything(folder):
    """Contents of every file below a folder, by name; SQLite's own side files and leases left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("asset.db")
    }  # fmt: skip


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_are_shown_from_anywhere(tmp_path, option):
    result = command(option, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert ("battery-twin" if option == "--version" else "Usage:") in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["run", "check", "list", "validate", "new-model", "ingest", "forget", "doctor", "backtest", "dashboard"]
)
def test_every_command_explains_itself(tmp_path, name):
    result = command(name, "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert "Usage:" in result.stdout


def test_a_run_gives_the_result_that_a_person_would_work_out_and_says_where_the_report_is(folder):
    result = command(launch_file(folder), cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "Equivalent Full Cycles 0.25" in result.stdout
    assert str(folder / "reports") in result.stdout
    [model] = report_of(folder)["assets"][0]["models"]
    assert model["latest"]["Equivalent Full Cycles"] == [0.25, "dimensionless"]
    assert model["latest"]["Charge Throughput"] == [50.0, "ampere_hour"]
    assert model["latest"]["Energy Throughput"] == [0.165, "kilowatt_hour"]


def test_a_second_run_has_no_new_data_and_changes_no_series(folder):
    command(launch_file(folder), cwd=folder)
    before = everything(folder / "store")
    result = command("run", "dev.json", cwd=folder)
    assert result.returncode == 0
    assert "no new data" in result.stdout.splitlines()
    assert everything(folder / "store") == before
    assert report_of(folder)["assets"][0]["models"][0]["status"] == "no new data"


def test_the_launch_may_be_inline_or_a_file_from_another_folder(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for argument in (inline(folder), launch_file(folder), os.path.relpath(launch_file(folder), elsewhere)):
        assert command(argument, cwd=elsewhere).returncode == 0
    assert list(elsewhere.iterdir()) == []


def test_a_dry_run_writes_nothing_to_the_platform_but_reports(folder):
    before, state = everything(folder / "store"), LocalPlatform(folder / "store").load_state(ASSET, "")
    result = command("run", launch_file(folder), "--dry-run", cwd=folder)
    assert result.returncode == 0
    assert "Equivalent Full Cycles 0.25" in result.stdout
    assert everything(folder / "store") == before
    assert LocalPlatform(folder / "store").load_state(ASSET, "") == state
    assert report_of(folder)["assets"][0]["models"][0]["latest"]["Equivalent Full Cycles"][0] == 0.25


@pytest.mark.parametrize("debug", [False, True])
def test_the_json_log_prints_lines_of_json_and_nothing_else(folder, debug):
    plugin(folder, "broken", 'raise KeyError("x")')
    configuration = values(folder, "eq_cycles,broken", plugin_folders=[str(folder / "plugins")], debug_mode=debug)
    result = command("run", launch_file(folder, configuration), "--log-format", "json", cwd=folder)
    assert result.returncode == 1
    lines = [json.loads(line) for line in (result.stdout + result.stderr).splitlines()]
    assert lines[0]["failed"] is True
    assert lines[0]["assets"] == 1
    assert any("traceback" in line for line in lines) is debug


def test_quiet_prints_nothing_when_all_went_well_and_the_table_when_not(folder):
    result = command("run", launch_file(folder), "--quiet", cwd=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    plugin(folder, "broken", 'raise KeyError("x")')
    launch = launch_file(folder, values(folder, "broken", plugin_folders=[str(folder / "plugins")]))
    result = command("run", launch, "--quiet", cwd=folder)
    assert result.returncode == 1
    assert "KeyError: 'x' (model.py, line 7)" in result.stdout


def test_a_refusal_ends_in_success_and_a_failure_does_not_stop_the_others(folder):
    plugin(folder, "refusing", 'raise ModelError("no rest longer than 30 min in this window")')
    plugin(folder, "broken", 'return {"broken_out": [1, 2]}')
    refusing = values(folder, "eq_cycles,refusing", plugin_folders=[str(folder / "plugins")])
    result = command(launch_file(folder, refusing), cwd=folder)
    assert result.returncode == 0
    assert "refusing: refused: no rest longer than 30 min in this window" in result.stdout
    both = values(folder, "broken,eq_cycles", plugin_folders=[str(folder / "plugins")], compute_type="full")
    assert command(launch_file(folder, both), cwd=folder).returncode == 1
    status = {model["model"]: model["status"] for model in report_of(folder)["assets"][0]["models"]}
    assert status == {"broken": "failed", "eq_cycles": "done"}


@pytest.mark.parametrize(
    "body",
    [
        "import sys; sys.exit(0)",
        "raise BaseExceptionGroup('x', [ValueError()])",
        "return None",
        "self.state = {1: 2}; return {}",
    ],
)
def test_a_plugin_that_does_not_behave_fails_alone(folder, body):
    plugin(folder, "broken", body)
    launch = launch_file(folder, values(folder, "broken,eq_cycles", plugin_folders=[str(folder / "plugins")]))
    assert command(launch, cwd=folder).returncode == 1
    status = {model["model"]: model["status"] for model in report_of(folder)["assets"][0]["models"]}
    assert status == {"broken": "failed", "eq_cycles": "done"}


def test_an_asset_that_another_run_computes_is_refused_with_success(folder):
    LocalPlatform(folder / "store").take_lease(ASSET, "another run", 60.0)
    result = command(launch_file(folder), cwd=folder)
    assert result.returncode == 0
    assert "another run is computing this asset" in result.stdout
    forgotten = command("forget", ASSET, "--yes", inline(folder), cwd=folder)
    assert forgotten.returncode == 1
    assert "nothing was deleted" in forgotten.stderr


def test_an_asset_that_cannot_be_read_stops_no_other(folder):
    LocalPlatform(folder / "store").save_asset(Asset("hurt", parameters={"positive_current": "charge", "Capacity": 1.0}))
    shutil.copytree(folder / "store" / ASSET / "series", folder / "store" / "hurt" / "series")
    for path in (folder / "store" / "hurt" / "series").rglob("*.parquet"):
        path.write_bytes(b"damaged")
    database = LocalPlatform(folder / "store")._file("hurt")
    database.save_sensors("pack", {"Current": "ampere"}, output=False)
    assert command(launch_file(folder), cwd=folder).returncode == 1
    status = {asset["asset"]: asset["status"] for asset in report_of(folder)["assets"]}
    assert status == {"hurt": "failed", ASSET: "done"}


WRONG = {
    "no launch": ([], "nothing to run"),
    "unknown command": (["rnu"], "Did you mean 'run'?"),
    "unknown option": (["run", "dev.json", "--qiet"], "--quiet"),
    "missing option": (["ingest", "log.csv"], "--asset"),
    "bad word": (["run", "dev.json", "--log-format", "yaml"], "neither 'text' nor 'json'"),
    "extra argument": (["run", "dev.json", "x"], "extra argument"),
    "no such file": (["none.json"], "does not exist"),
    "broken inline": (["{assetId: pack}"], "is not JSON"),
    "unknown asset": (['{"assetId": "pack-2", "configurationValues": %s}'], "did you mean 'pack-1'?"),
    "unknown tag": (['{"assetTag": "tset", "configurationValues": %s}'], "no assets carry the tag 'tset'"),
    "no plugin": (["validate", "eq_cycle"], "did you mean 'eq_cycles'?"),
    "bad name": (["new-model", "SocDwell"], "did you mean 'soc_dwell'?"),
    "no file": (["ingest", "none.csv", "--asset", "x"], "none.csv does not exist"),
    "forget nothing": (["forget", "pack-2", "--yes", '{"configurationValues": %s}'], "did you mean 'pack-1'?"),
    "connector": (['{"configurationValues": {"platform": {"connector": "lokal"}}}'], "did you mean 'local'?"),
    "setting": (['{"configurationValues": {"execution": {"compute_typ": "full"}}}'], "did you mean 'compute_type'?"),
    "model": (['{"configurationValues": {"execution": {"enabled_models": "eq_cycle"}}}'], "did you mean 'eq_cycles'?"),
    "input": (['{"configurationValues": {"models": {"eq_cycles": {"inputs": {"curent": "x"}}}}}'], "did you mean 'current'?"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_ends_with_2_and_says_on_stderr_what_to_do(folder, case):
    arguments, text = WRONG[case]
    launch_file(folder)
    arguments = [a.replace("%s", json.dumps(values(folder))) for a in arguments]
    result = command(*arguments, cwd=folder)
    assert result.returncode == 2, result
    assert result.stderr.startswith("ERROR: ")
    assert text in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_check_names_every_precondition_and_fails_with_2(folder):
    result = command("check", launch_file(folder), cwd=folder)
    assert result.returncode == 0, result.stdout
    assert all(line.startswith("ok  ") for line in result.stdout.splitlines())
    assert f"{ASSET}, eq_cycles: current ← Current" in result.stdout
    wrong = values(folder) | {"assets": {"*": {"positive_current": "dischrge"}}}
    result = command("check", launch_file(folder, wrong), cwd=folder)
    assert result.returncode == 2
    assert "FAIL" in result.stdout
    missing = values(folder) | {"models": {"eq_cycles": {"inputs": {"current": "Curent"}}}}
    result = command("check", launch_file(folder, missing), cwd=folder)
    assert result.returncode == 2
    assert "FAIL" in result.stdout
    assert "did you mean 'Current'?" in result.stdout


def test_check_calls_a_model_idle_that_nobody_named_and_the_asset_does_not_serve(folder):
    every = values(folder) | {"execution": {"enabled_models": ""}}
    result = command("check", launch_file(folder, every), cwd=folder)
    assert result.returncode == 0, result.stdout
    assert f"--    {ASSET}, imbalance_analysis: input 'cell_voltage' reads sensor 'Cell Voltage|*'" in result.stdout
    named = values(folder) | {"execution": {"enabled_models": "eq_cycles,imbalance_analysis"}}
    result = command("check", launch_file(folder, named), cwd=folder)
    assert result.returncode == 2
    assert f"FAIL  {ASSET}, imbalance_analysis: " in result.stdout
    mapped = every | {"models": {"imbalance_analysis": {"inputs": {"cell_voltage": "Cel Voltage|*"}}}}
    assert command("check", launch_file(folder, mapped), cwd=folder).returncode == 2


def test_check_holds_a_wrong_word_against_whoever_wrote_it(folder):
    values_ = values(folder) | {"execution": {"enabled_models": ""}, "assets": {ASSET: {"parameters": {"Chemistry": "LFQ"}}}}
    result = command("check", launch_file(folder, values_), cwd=folder)
    assert result.returncode == 2, result.stdout
    assert "did you mean 'LFP'?" in result.stdout


def test_list_shows_plugins_assets_sensors_and_outputs(folder):
    command(launch_file(folder), cwd=folder)
    result = command("list", "dev.json", cwd=folder)
    assert result.returncode == 0
    assert "  eq_cycles " in result.stdout
    assert f"  {ASSET} #test" in result.stdout
    assert "sensors: Current [A], Voltage [mV]" in result.stdout
    assert "outputs: Equivalent Full Cycles [1]" in result.stdout


def test_validate_finds_every_plugin_valid_and_every_fault_of_one_that_is_not(folder):
    assert command("validate", cwd=folder).returncode == 0
    plugin(folder, "wrong", "import torch\n        import altergo_sdk\n        return {}.fillna(method=1)")
    (folder / "plugins" / "wrong" / "README.md").unlink()
    configuration = values(folder, "", plugin_folders=[str(folder / "plugins")])
    result = command("validate", "wrong", json.dumps({"configurationValues": configuration}), cwd=folder)
    assert result.returncode == 2
    for word in ("README.md is missing", "line 7: imports torch", "line 8: change the import", "line 9: Series.fillna"):
        assert word in result.stdout


def test_a_new_model_is_valid_and_runs_at_once(folder, tmp_path_factory):
    copy = tmp_path_factory.mktemp("program") / "copy"
    left_out = shutil.ignore_patterns(
        ".git", ".venv", ".*cache*", "__pycache__", "twin-*", "demo_fleet", "tests", "documentation"
    )
    shutil.copytree(PROGRAM, copy, ignore=left_out)
    made = command("new-model", "soc_dwell", cwd=folder, program=copy)
    assert made.returncode == 0, made.stderr
    assert "validate soc_dwell" in made.stdout
    assert command("validate", "soc_dwell", cwd=folder, program=copy).stdout == "soc_dwell: valid\n"
    assert command("new-model", "soc_dwell", cwd=folder, program=copy).returncode == 2
    result = command(launch_file(folder, values(folder, "soc_dwell")), cwd=folder, program=copy)
    assert result.returncode == 0, result.stdout
    assert report_of(folder)["assets"][0]["models"][0]["latest"] == {"SOC Dwell Hours": [1.0, "hour"]}
    assert not (PROGRAM / "models" / "soc_dwell").exists()


def test_forget_deletes_only_after_yes(folder):
    kept = command("forget", ASSET, inline(folder), cwd=folder)
    assert kept.returncode == 1
    assert (folder / "store" / ASSET).exists()
    assert command("forget", ASSET, "--yes", inline(folder), cwd=folder).returncode == 0
    assert not (folder / "store" / ASSET).exists()
    result = command(launch_file(folder), cwd=folder)
    assert result.returncode == 2
    assert "`ingest` brings one in" in result.stderr


def test_a_file_that_is_in_already_is_not_taken_again(folder):
    result = brought_in(folder)
    assert result.returncode == 0
    assert "Nothing was done; --again takes it once more." in result.stdout


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is needed")
def test_progress_is_shown_on_a_terminal_only(folder):
    primary, secondary = os.openpty()
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM / "entrypoint.py"), str(launch_file(folder))],
        cwd=folder, stdout=subprocess.PIPE, stderr=secondary, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(secondary)
    shown = b""
    try:
        while block := os.read(primary, 4096):
            shown += block
    except OSError:
        pass
    assert b"Equivalent Full Cycles" in process.communicate()[0]
    os.close(primary)
    assert b"computing" in shown
    result = command("run", launch_file(folder, values(folder, compute_type="full")), cwd=folder)
    assert result.stderr == ""
