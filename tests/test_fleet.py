"""A run over many assets in one process: nothing of Dask is loaded, it resumes, and a person sees what matters."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from platform_interface import show
from platform_interface.errors import PlatformError, UsageError
from platform_interface.fleet import _warn_of_unknown_names, run_fleet
from platform_interface.fleet_journal import NAME, Journal
from platform_interface.log import set_up
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.progress import Progress
from platform_interface.report import DONE, FAILED, REFUSED, AssetReport, ModelReport, new_report
from tests.command import PROGRAM
from tests.fleet_kit import bring, contents, fleet, journal_lines, launch_path, launched, states, timeless


class Stop(BaseException):
    """A run that is stopped."""


def stopped_after(folder, count, **execution):
    """Run, and stop after some assets."""

    def stop(done, _of):
        if done == count:
            raise Stop

    with pytest.raises(Stop):
        run_fleet(*launched(folder, **execution), finished=stop)


@pytest.mark.parametrize("names", [["a00"], ["a00", "a01"]])
def test_one_asset_or_one_worker_loads_nothing_of_dask(tmp_path, names):
    fleet(tmp_path, 2)
    workers = 4 if len(names) == 1 else 1
    path = launch_path(tmp_path, workers=workers)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "assetTag": "", "assetIds": names}))
    code = (
        "import sys; from platform_interface.cli import main\n"
        f"assert main(['run', '--quiet', {str(path)!r}]) == 0\n"
        "assert not {name.split('.')[0] for name in sys.modules} & {'dask', 'distributed', 'tornado', 'cryptography'}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROGRAM, check=True, timeout=120)


@pytest.mark.parametrize("compute_type", ["incremental", "full"])
def test_a_stopped_run_resumes_with_what_it_had_finished(tmp_path, compute_type):
    ids = fleet(tmp_path / "stopped", 6)
    fleet(tmp_path / "whole", 6)
    whole = run_fleet(*launched(tmp_path / "whole", compute_type=compute_type))
    stopped_after(tmp_path / "stopped", 4, compute_type=compute_type)
    seen = []
    resumed = run_fleet(
        *launched(tmp_path / "stopped", compute_type=compute_type),
        resume=True,
        finished=lambda done, of: seen.append((done, of)),
    )
    assert seen == [(4, 6), (5, 6), (6, 6)]
    assert resumed.taken_over == 4
    assert timeless(resumed.assets) == timeless(whole.assets)
    assert contents(tmp_path / "stopped", ids, ["eq_cycles"]) == contents(tmp_path / "whole", ids, ["eq_cycles"])
    assert not (tmp_path / "stopped" / "reports" / NAME).exists()


def test_a_run_that_was_stopped_by_a_lost_machine_in_the_middle_of_a_line_resumes(tmp_path):
    fleet(tmp_path, 4)
    stopped_after(tmp_path, 3)
    path = tmp_path / "reports" / NAME
    path.write_bytes(path.read_bytes()[:-20])
    resumed = run_fleet(*launched(tmp_path), resume=True)
    assert resumed.taken_over == 2
    assert states({"assets": [vars(asset) for asset in resumed.assets]}) == dict.fromkeys(["a00", "a01", "a02", "a03"], DONE)


@pytest.mark.parametrize("garbage", [b"", b"\n", b"[]\n", b'{"journal": 2}\n', b"\xff\xfe\x00", b'{"journal": 1}', b"{}\n{}\n"])
def test_a_journal_that_cannot_be_read_is_no_stopped_run(tmp_path, garbage):
    fleet(tmp_path, 2)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / NAME).write_bytes(garbage)
    assert run_fleet(*launched(tmp_path), resume=True).taken_over == 0
    assert not (tmp_path / "reports" / NAME).exists()


def test_a_stopped_run_is_not_resumed_with_other_settings_or_another_choice_of_assets(tmp_path):
    ids = fleet(tmp_path, 3)
    stopped_after(tmp_path, 2)
    with pytest.raises(UsageError, match=r"2 of 3 assets finished.*had other settings, assets or versions"):
        run_fleet(*launched(tmp_path, compute_type="full"), resume=True)
    launch, settings = launched(tmp_path)
    with pytest.raises(UsageError, match="other settings, assets"):
        run_fleet(launch.model_copy(update={"assetTag": "", "assetIds": ids}), settings, resume=True)
    assert journal_lines(tmp_path) == 2


def test_a_stopped_run_goes_on_although_an_asset_has_come_and_one_has_gone(tmp_path):
    fleet(tmp_path, 4)
    stopped_after(tmp_path, 3)
    fleet(tmp_path, 5)
    shutil.rmtree(tmp_path / "store" / "a01")
    resumed = run_fleet(*launched(tmp_path), resume=True)
    assert resumed.taken_over == 2
    assert [asset.asset for asset in resumed.assets] == ["a00", "a02", "a03", "a04"]
    assert not resumed.failed


def test_a_journal_that_cannot_be_written_on_is_given_up_and_the_run_is_not(tmp_path, monkeypatch):
    fleet(tmp_path, 4)
    begin = Journal.begin

    def on_a_full_disk(journal, *given):
        found = begin(journal, *given)
        journal.close()
        journal._file = Path("/dev/full").open("ab")  # noqa: SIM115 - the journal closes it
        return found

    monkeypatch.setattr(Journal, "begin", on_a_full_disk)
    found = run_fleet(*launched(tmp_path))
    assert not found.failed
    assert len(found.assets) == 4
    assert not (tmp_path / "reports" / NAME).exists()


def test_the_platform_is_asked_for_sensors_only_until_every_stated_name_is_found(tmp_path, monkeypatch):
    fleet(tmp_path, 6)
    asked, sensors = [], LocalPlatform.sensors
    monkeypatch.setattr(LocalPlatform, "sensors", lambda self, asset: asked.append(asset) or sensors(self, asset))
    _launch, settings = launched(tmp_path)
    _warn_of_unknown_names(LocalPlatform(tmp_path / "store"), settings, [Asset("a03"), Asset("a04")])
    assert asked == ["a03"]


def test_one_fault_of_ours_shows_its_traceback_a_few_times_not_for_every_asset(tmp_path, monkeypatch, capsys):
    fleet(tmp_path, 8)
    monkeypatch.setattr("platform_interface.fleet.run_asset", lambda _job, asset: 1 // len(asset.name))
    set_up()
    found = run_fleet(*launched(tmp_path))
    assert all("unexpected ZeroDivisionError" in asset.reason for asset in found.assets)
    lines = capsys.readouterr().err
    assert lines.count("Traceback") == 3
    assert lines.count("unexpected ZeroDivisionError, as before") == 5


def test_a_report_that_cannot_be_saved_leaves_no_half_file(tmp_path):
    found = new_report("here", {}, "dev")
    (tmp_path / "latest.json").mkdir()
    (tmp_path / "latest.json" / "in-the-way").touch()
    with pytest.raises(PlatformError, match=r"the report was not saved: .*latest.json.*The results are on the platform"):
        found.save(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_a_stopped_run_may_go_on_with_other_workers_and_limits(tmp_path):
    fleet(tmp_path, 3)
    stopped_after(tmp_path, 2)
    assert run_fleet(*launched(tmp_path, batch_assets=1, asset_timeout="2h"), resume=True).taken_over == 2


def test_without_resume_a_run_begins_anew_and_says_that_one_was_stopped(tmp_path, caplog):
    fleet(tmp_path, 3)
    stopped_after(tmp_path, 2)
    caplog.set_level("INFO", logger="twin")
    logger = __import__("logging").getLogger("twin")
    logger.propagate, before = True, logger.propagate
    try:
        anew = run_fleet(*launched(tmp_path))
    finally:
        logger.propagate = before
    assert anew.taken_over == 0
    assert "a run was stopped (2 of 3 assets finished" in caplog.text
    assert [model.status for model in anew.assets[0].models] == ["no new data"]


def test_an_asset_that_failed_in_the_stopped_run_is_computed_again(tmp_path):
    fleet(tmp_path, 3)
    stopped_after(tmp_path, 3)
    path = tmp_path / "reports" / NAME
    lines = path.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "status": "failed", "reason": "the network was away"})
    path.write_text("\n".join(lines) + "\n")
    resumed = run_fleet(*launched(tmp_path), resume=True)
    assert resumed.taken_over == 2
    assert not resumed.failed


def test_of_two_runs_at_once_only_the_first_keeps_the_journal(tmp_path):
    fleet(tmp_path, 2)
    first = Journal(tmp_path / "reports")
    first.begin(new_report("here", {}, "dev"), "told", 2, False)
    with pytest.raises(UsageError, match="still goes on"):
        run_fleet(*launched(tmp_path), resume=True)
    run_fleet(*launched(tmp_path))
    assert (tmp_path / "reports" / NAME).exists()
    first.finish()
    assert not (tmp_path / "reports" / NAME).exists()


def test_a_dry_run_and_a_run_of_one_asset_keep_no_journal(tmp_path):
    fleet(tmp_path, 2)
    seen = []

    def look(_done, _of):
        seen.append((tmp_path / "reports" / NAME).exists())

    run_fleet(*launched(tmp_path, upload_output=False), finished=look)
    launch, settings = launched(tmp_path)
    run_fleet(launch.model_copy(update={"assetTag": "", "assetIds": ["a00"]}), settings, finished=look)
    assert not any(seen)
    run_fleet(launch, settings, finished=look)
    assert any(seen)


def test_new_samples_after_a_stop_are_in_the_numbers_of_the_next_run(tmp_path):
    ids = fleet(tmp_path / "stopped", 3)
    fleet(tmp_path / "whole", 3)
    stopped_after(tmp_path / "stopped", 2)
    for place in ("stopped", "whole"):
        for number, asset in enumerate(ids):
            bring(tmp_path / place, asset, number, 1.0, 2.0)
    run_fleet(*launched(tmp_path / "stopped"), resume=True)
    run_fleet(*launched(tmp_path / "stopped"))
    run_fleet(*launched(tmp_path / "whole"))
    left, right = (contents(tmp_path / place, ids, ["eq_cycles"]) for place in ("stopped", "whole"))
    assert {key: value[:3] for key, value in left.items()} == {key: value[:3] for key, value in right.items()}


# --- what a person sees


def many(count, failed=(), refused=(), alarmed=()):
    """Return the report of a large fleet."""
    report = new_report("here", {}, "dev")
    for number in range(count):
        state = FAILED if number in failed else REFUSED if number in refused else DONE
        model = ModelReport("counter", "1.0.0", 1, state, "" if state == DONE else f"it is {state}", rows_in=100)
        asset = AssetReport(f"p{number:04d}", models=[model], warnings=["a sensor is named that it lacks"])
        if number in alarmed:
            asset.alarms = [{"severity": "critical", "since": "2026-01-01T00:00:00Z", "text": "too hot [bold]"}]
        report.assets.append(asset)
    return report


def printed(report):
    out = io.StringIO()
    show.show_many(report, Console(file=out, width=150, markup=False, highlight=False, emoji=False))
    return out.getvalue()


def test_of_many_assets_a_person_sees_the_sums_and_those_that_need_one():
    text = printed(many(1000, failed=[700], refused=[3], alarmed=[500]))
    lines = text.splitlines()
    assert lines[1].split() == ["counter", "998", "1", "1"]
    assert [line.split()[0] for line in lines[3:6]] == ["p0700", "p0500", "p0003"]
    assert "p0000 and 999 more: a sensor is named that it lacks" in text
    assert "p0700, counter: failed: it is failed" in text
    assert "ALARM p0500, critical since 2026-01-01 00:00: too hot [bold]" in text
    assert "p0004" not in text


def test_of_very_many_failures_only_the_first_are_shown_and_the_rest_is_counted():
    text = printed(many(1000, failed=range(400), alarmed=range(300)))
    assert "and 370 more assets that failed, were refused or have an alarm; see the report" in text
    assert "and 270 more lines on alarms; see the report" in text
    assert len(text.splitlines()) < 110


def test_off_a_terminal_a_large_fleet_tells_how_far_it_is_every_tenth(capfd):
    set_up()
    with Progress("computing", False) as progress:
        for done in range(1001):
            progress.fleet(done, 1000)
        for done in range(4):
            progress.fleet(done, 3)
    lines = capfd.readouterr().err.splitlines()
    assert lines == [f"{done} of 1,000 assets are done" for done in range(100, 1000, 100)]
