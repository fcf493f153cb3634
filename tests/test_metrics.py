"""The Prometheus textfile of a run: read back by the library's own parser, after runs of the real command."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from platform_interface import metrics
from platform_interface.log import LOGGER, add_secret, guarded_streams, set_up
from platform_interface.report import DONE, FAILED, REFUSED, AssetReport, ModelReport, RunReport
from platform_interface.when import instant
from tests.command import brought_in, command, launch_file, plugin, report_of, values

Read = dict[tuple[str, ...], float]


def parsed(text: str) -> Read:
    """Return values by name and labels, `schedule` left out: ("run_models", "eq_cycles", "done")."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            order = ("schedule", *metrics.GAUGES[sample.name.removeprefix(metrics.PREFIX)][0])
            assert set(order) == set(sample.labels), sample
            name = sample.name.removeprefix(metrics.PREFIX)
            found[(name, *(sample.labels[label] for label in order[1:]))] = sample.value
    return found


def of(report: RunReport | None) -> Read:
    return parsed(generate_latest(metrics.registry_of(report, "night", 1.5)).decode())


def configured(folder: Path, **execution: object) -> dict[str, object]:
    given = values(folder, **execution)
    given["platform"]["metrics"] = str(folder / "metrics" / "fleet.prom")
    return given


def textfile(folder: Path) -> Read:
    return parsed((folder / "metrics" / "fleet.prom").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def after_a_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    assert brought_in(folder).returncode == 0
    done = command(launch_file(folder, configured(folder)), "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_writes_what_its_report_says(after_a_run):
    found, report = textfile(after_a_run), report_of(after_a_run)
    (model,) = report["assets"][0]["models"]
    assert found["run_success",] == found["run_complete",] == 1
    assert found["run_assets", "done"] == found["run_models", "eq_cycles", "done"] == 1
    assert found["run_assets", "failed"] == found["asset_failed", "pack-1"] == 0
    assert found["run_rows_read",] == model["rows_in"] > 0 and found["run_rows_written",] == model["rows_out"] > 0
    assert found["asset_duration_seconds", "pack-1"] == report["assets"][0]["seconds"]
    assert found["alarms", "critical"] == 0


def test_the_age_of_the_data_is_known_from_a_run_that_found_nothing_new_too(after_a_run):
    name = ("asset_computed_until_timestamp_seconds", "pack-1", "eq_cycles")
    until = textfile(after_a_run)[name]
    assert until == pytest.approx(instant("2026-01-31T09:00:00Z") / 1000, abs=0.01)
    done = command(launch_file(after_a_run, configured(after_a_run)), cwd=after_a_run)
    assert "no new data" in done.stdout
    found = textfile(after_a_run)
    assert found["run_assets", "no new data"] == 1 and found[name] == until


def test_a_run_that_cannot_begin_says_so(after_a_run):
    path = launch_file(after_a_run, configured(after_a_run), "wrong.json", assetIds=["pack-2"])
    assert command(path, cwd=after_a_run).returncode == 2
    found = textfile(after_a_run)
    assert found["run_complete",] == found["run_success",] == 0
    assert not any(key[0].startswith("asset") for key in found)


def test_a_dry_run_and_settings_that_name_no_file_write_none(after_a_run):
    file = after_a_run / "metrics" / "fleet.prom"
    before = file.stat().st_mtime_ns
    assert command("--dry-run", launch_file(after_a_run, configured(after_a_run)), cwd=after_a_run).returncode == 0
    assert command(launch_file(after_a_run), cwd=after_a_run).returncode == 0
    assert file.stat().st_mtime_ns == before and [path.name for path in file.parent.iterdir()] == ["fleet.prom"]


def test_a_file_that_cannot_be_written_is_a_warning_and_not_a_failed_run(after_a_run):
    (after_a_run / "occupied").write_text("", encoding="utf-8")
    given = configured(after_a_run)
    given["platform"]["metrics"] = str(after_a_run / "occupied" / "fleet.prom")
    done = command(launch_file(after_a_run, given), cwd=after_a_run)
    assert done.returncode == 0 and "WARNING: the metrics were not written" in done.stderr


def test_a_model_that_fails_is_seen(after_a_run):
    plugin(after_a_run, "faulty", "raise ValueError('no')")
    given = configured(after_a_run, plugin_folders=[str(after_a_run / "plugins")])
    given["execution"]["enabled_models"] = "eq_cycles,faulty"
    assert command(launch_file(after_a_run, given), "--quiet", cwd=after_a_run).returncode == 1
    found = textfile(after_a_run)
    assert found["run_success",] == 0 and found["run_complete",] == found["asset_failed", "pack-1"] == 1
    assert found["run_models", "faulty", "failed"] == 1 and found["run_assets", "failed"] == 1


def test_names_from_a_platform_are_labels_and_nothing_else():
    name = 'a"b\\c\nbattery_twin_run_success 1\n# \ud800 {asset="x"}'
    report = RunReport("r", "", "", "", assets=[AssetReport(name, status=FAILED, reason="no")])
    found = of(report)
    assert found["asset_failed", name.replace("\ud800", "?")] == 1 and found["run_success",] == 0


def test_a_name_that_holds_a_key_is_masked():
    add_secret("a-key-in-a-name")
    assert ("asset_failed", "x [secret]") in of(RunReport("r", "", "", "", assets=[AssetReport("x a-key-in-a-name")]))


def test_an_asset_counts_once_under_its_worst_state():
    def asset(*states: str) -> AssetReport:
        return AssetReport("a", models=[ModelReport(f"m{n}", "1", 1, state) for n, state in enumerate(states)])

    assert asset(DONE, FAILED).state == FAILED
    assert asset(DONE, REFUSED).state == DONE
    assert asset(REFUSED, REFUSED).state == REFUSED
    assert AssetReport("busy", status=REFUSED).state == REFUSED


def test_standing_alarms_are_counted_by_severity_and_asset():
    alarms = [{"severity": "critical"}, {"severity": "warning"}, {"severity": "warning"}]
    found = of(RunReport("r", "", "", "", assets=[AssetReport("a", alarms=alarms), AssetReport("b", alarms=alarms[1:2])]))
    assert (found["alarms", "critical"], found["alarms", "warning"], found["alarms", "info"]) == (1, 3, 0)
    assert found["asset_alarms", "a", "warning"] == 2 and ("asset_alarms", "b", "critical") not in found


def test_every_line_of_the_json_log_is_json_and_names_asset_state_and_run(after_a_run, caplog):
    caplog.set_level(logging.INFO)
    given = configured(after_a_run, compute_type="full")
    done = command(launch_file(after_a_run, given), "--log-format", "json", cwd=after_a_run)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    (line,) = [line for line in lines if line.get("asset") == "pack-1" and "state" in line]
    report = report_of(after_a_run)
    assert line["state"] == "done" and line["seconds"] >= 0 and line["run"] == report["run"]
    assert {line["run"] for line in lines if "run" in line} == {report["run"]}
    assert json.loads(done.stdout)["assets"] == 1


def test_a_line_of_the_json_log_is_json_whatever_control_characters_a_name_has(capsys):
    name = "pack \x7f\x9b\u202e\ud800\x1b\n\"'\\"
    with guarded_streams():
        set_up("json")
        LOGGER.warning("%s: odd", name, extra={"facts": {"asset": name}})
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["asset"] == name
    assert not set("\x7f\x9b\u202e\x1b") & set(line)
    set_up()


def test_a_run_whose_report_cannot_be_saved_is_not_told_as_a_success(after_a_run):
    reports = after_a_run / "in-the-way"
    (reports / "latest.json" / "folder").mkdir(parents=True)
    given = configured(after_a_run, compute_type="full")
    given["platform"]["reports"] = str(reports)
    done = command(launch_file(after_a_run, given), cwd=after_a_run)
    assert done.returncode == 2
    assert "ERROR: the report was not saved" in done.stderr
    found = textfile(after_a_run)
    assert (found["run_complete",], found["run_success",]) == (0, 0)
