"""The laws where they need more than one model, a change, or a clock: see `documentation/explanation/laws.md`."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from platform_interface.errors import LeaseError, UsageError
from platform_interface.settings import Settings
from tests.conformance import FAR, assert_same
from tests.kit import ASSET, EQ_CYCLES, SCRATCH, START, Site, pack, seconds

HOUR = 3_600_000
DAY = 24 * HOUR
FEW = settings(max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
               suppress_health_check=list(HealthCheck))  # fmt: skip
CHAIN = ["eq_cycles", "after_cycles"]


@pytest.fixture
def site():
    folder = Path(tempfile.mkdtemp(prefix="twin-", dir=SCRATCH))
    yield Site(folder, {"Capacity": 100.0}, EQ_CYCLES)
    shutil.rmtree(folder)


def a_day(start_hour: float = 0.0, hours: float = 24.0, amperes: float = 50.0, step: float = 60.0):
    time = seconds(*np.arange(start_hour * 3600, (start_hour + hours) * 3600, step))
    n = time.size
    wave = np.sin(np.arange(n) / 97.0)
    return pack(
        time, current=amperes * np.sign(wave), soc=0.5 + 0.3 * wave, voltage=np.full(n, 50.0), temperature=25 + 5 * wave
    )


def at(hour: float) -> int:
    return START + round(hour * HOUR)


@FEW
@given(seed=st.integers(0, 9999), cuts=st.lists(st.floats(0.1, 23.9), min_size=1, max_size=4), late=st.floats(0, 0.3))
def test_a_dependent_model_reads_undecimated_values_whatever_the_split_and_the_lateness(seed, cuts, late):
    folder = Path(tempfile.mkdtemp(prefix="twin-", dir=SCRATCH))
    rows, random = a_day(), np.random.default_rng(seed)
    try:
        whole = Site(folder / "whole", {"Capacity": 100.0}, EQ_CYCLES)
        whole.put(rows)
        whole.run(CHAIN, FAR)
        split = Site(folder / "split", {"Capacity": 100.0}, EQ_CYCLES)
        held_back = random.random(rows.time.size) < late
        for low, high in zip([0.0, *sorted(cuts)], [*sorted(cuts), 25.0], strict=True):
            split.put(rows.part((rows.time >= at(low)) & (rows.time < at(high)) & ~held_back))
            split.run(CHAIN, at(high), max_values=500)
        split.put(rows.part(held_back))
        split.run(CHAIN, FAR)
        assert_same(split.contents(CHAIN), whole.contents(CHAIN), "dependent models")
        samples = whole.contents(CHAIN)["after_cycles/Samples"][1][-1]
        assert samples == rows.time.size, "the dependent model saw decimated values"
    finally:
        shutil.rmtree(folder)


def test_a_dependent_model_that_joins_later_brings_its_producer_back_to_the_start(site):
    site.put(a_day())
    site.run(["eq_cycles"], FAR)
    before = site.contents(["eq_cycles"])
    report = site.run(CHAIN, FAR)
    assert site.model(report, "after_cycles").status == "done"
    assert_same({k: v for k, v in site.contents(CHAIN).items() if k.startswith("eq_cycles")},
                {k: v for k, v in before.items() if k.startswith("eq_cycles")}, "the producer's own series")  # fmt: skip


def test_one_failing_model_stops_neither_the_other_models_nor_its_own_past(site):
    site.put(a_day())
    report = site.run(["eq_cycles", "failing", "cell_spread"], FAR)
    assert site.model(report, "eq_cycles").status == "done"
    failing = site.model(report, "failing")
    assert (failing.status, report.failed) == ("failed", True)
    assert "ZeroDivisionError" in failing.reason and "model.py, line" in failing.reason
    assert site.model(report, "cell_spread").status == "refused"


def test_a_model_that_depends_on_a_failed_one_says_so(site):
    site.put(a_day())
    report = site.run(["failing", "after_failing"], FAR)
    assert site.model(report, "after_failing").reason.startswith("it reads from failing")


def test_a_changed_configuration_is_refused_with_its_remedy_and_full_computes_it(site):
    site.put(a_day())
    site.run(["eq_cycles"], FAR)
    site.tree = {"models": {"eq_cycles": {**EQ_CYCLES["models"]["eq_cycles"], "configuration": {"charge_efficiency": 0.9}}}}
    site.put(a_day(24, 1))
    report = site.run(["eq_cycles"], FAR)
    model = site.model(report, "eq_cycles")
    assert (model.status, report.failed) == ("refused", False)
    assert (
        model.reason.startswith("configuration changed since 2026-01-01T23:59:00.001Z") and "compute_type full" in model.reason
    )
    site.run(["eq_cycles"], FAR, compute_type="full")
    changed = site.contents(["eq_cycles"])
    fresh = Site(site.folder / "fresh", {"Capacity": 100.0}, site.tree)
    fresh.put(a_day(), a_day(24, 1))
    fresh.run(["eq_cycles"], FAR)
    assert_same(changed, fresh.contents(["eq_cycles"]), "full after a change")


@pytest.mark.parametrize("what", ["Capacity", "positive_current"])
def test_a_changed_parameter_or_sign_is_refused(site, what):
    site.put(a_day())
    site.run(["eq_cycles"], FAR)
    asset = site.platform.assets([ASSET], "")[0]
    changed = {**asset.parameters, what: 120.0 if what == "Capacity" else "charge"}
    site.platform.save_asset(type(asset)(asset.id, asset.name, asset.tags, changed))
    reason = site.model(site.run(["eq_cycles"], FAR), "eq_cycles").reason
    assert reason.startswith("parameters changed" if what == "Capacity" else "mapping changed")


def test_a_changed_state_version_migrates_or_asks_for_a_full_run(site):
    site.put(a_day(0, 12))
    site.run(["migrating", "eq_cycles"], at(12))
    site.put(a_day(12, 12))
    for model in ("migrating", "eq_cycles"):
        for key, value in site.platform.load_state(ASSET, f"checkpoint/{model}/").items():
            saved = {**json.loads(value), "state_version": 1 if model == "migrating" else 7}
            saved["state"] = {"old_count": saved["state"]["count"]} if model == "migrating" else saved["state"]
            site.platform.take_lease(ASSET, "test", 5)
            site.platform.save_state(ASSET, {key: json.dumps(saved)}, "test")
            site.platform.drop_lease(ASSET, "test")
    report = site.run(["migrating", "eq_cycles"], FAR)
    migrated, refused = site.model(report, "migrating"), site.model(report, "eq_cycles")
    assert migrated.status == "done" and "state version 1 is migrated to 2" in migrated.notes
    assert site.contents(["migrating"])["migrating/Count"][1][-1] == 24 * 60
    assert refused.status == "refused" and "state has version 7" in refused.reason


def test_samples_from_the_future_are_kept_apart_for_good_even_when_their_time_has_come(site):
    rows = a_day(0, 20)
    site.put(rows, pack(seconds(23 * 3600), current=[9999.0], soc=[0.5]))
    report = site.run(["eq_cycles"], at(21))
    assert report.assets[0].quarantined["Current"] == 1
    wanted = site.contents(["eq_cycles"])
    report = site.run(["eq_cycles"], at(48))
    assert report.assets[0].quarantined["Current"] == 1
    found = site.contents(["eq_cycles"])
    assert found["eq_cycles/Equivalent Full Cycles"] == wanted["eq_cycles/Equivalent Full Cycles"]


def test_a_clock_five_minutes_ahead_is_no_future(site):
    site.put(a_day(0, 2))
    assert site.run(["eq_cycles"], at(2) - 4 * 60_000).assets[0].quarantined == {}


def test_samples_older_than_the_look_back_are_counted_and_reported_not_computed(site):
    rows = a_day(0, 72)
    early = (rows.time >= at(2)) & (rows.time < at(3))
    site.put(rows.part(~early))
    site.run(["eq_cycles"], FAR, lookback=86400)
    before = site.contents(["eq_cycles"])
    site.put(rows.part(early))
    for _ in range(2):
        report = site.run(["eq_cycles"], FAR, lookback=86400)
        model = site.model(report, "eq_cycles")
        assert model.too_late_samples == 4 * 60
        assert any("arrived after the look-back" in note for note in model.notes)
    assert_same(site.contents(["eq_cycles"]), before, "older than the look-back")
    site.run(["eq_cycles"], FAR, compute_type="full", lookback=86400)
    assert site.contents(["eq_cycles"]) != before


def test_a_late_sample_rolls_back_only_as_far_as_needed(site):
    rows = a_day(0, 72)
    late = rows.time == at(60)
    for day in range(3):
        site.put(rows.part((rows.time >= at(24 * day)) & (rows.time < at(24 * day + 24)) & ~late))
        site.run(["eq_cycles"], at(24 * day + 24))
    site.put(rows.part(late))
    model = site.model(site.run(["eq_cycles"], FAR), "eq_cycles")
    assert model.late_samples == 4 and model.rolled_back_to == "2026-01-02T23:59:00.001Z"


def test_a_single_late_sample_in_a_first_run_of_many_days_brings_all_of_them_back(site):
    rows = a_day(0, 96)
    late = rows.time == at(60)
    site.put(rows.part(~late))
    site.run(["eq_cycles"], FAR)
    site.put(rows.part(late))
    report = site.run(["eq_cycles"], FAR, max_values=4000)
    model = site.model(report, "eq_cycles")
    assert (model.rolled_back_to, model.start) == ("the beginning", "2026-01-01T00:00:00Z")
    assert len(model.windows) > 4, "windows are sized by values after a roll-back too"
    whole = Site(site.folder / "whole", {"Capacity": 100.0}, EQ_CYCLES)
    whole.put(rows)
    whole.run(["eq_cycles"], FAR)
    assert_same(site.contents(["eq_cycles"]), whole.contents(["eq_cycles"]), "one late sample")


def test_settle_time_leaves_the_newest_samples_for_the_next_run(site):
    site.put(a_day(0, 10))
    model = site.model(site.run(["eq_cycles"], at(10), settle_time=3600), "eq_cycles")
    assert model.end == "2026-01-01T09:00:00Z"


def test_an_empty_stretch_longer_than_the_cap_does_not_stop_the_watermark(site):
    site.put(a_day(0, 2), a_day(24 * 9, 2))
    for _ in range(12):
        site.run(["eq_cycles"], FAR, max_days_period_compute=1)
    whole = Site(site.folder / "whole", {"Capacity": 100.0}, EQ_CYCLES)
    whole.put(a_day(0, 2), a_day(24 * 9, 2))
    whole.run(["eq_cycles"], FAR)
    assert_same(site.contents(["eq_cycles"]), whole.contents(["eq_cycles"]), "a day at a time over a gap of a week")


def test_a_manual_run_in_the_middle_and_an_incremental_one_leave_the_same(site):
    site.put(a_day(0, 72))
    for day in range(3):
        site.run(["eq_cycles"], at(24 * day + 24))
    wanted = site.contents(["eq_cycles"])
    dates = {"manual_start_date": "2026-01-02T06:00:00+00:00", "manual_end_date": "2026-01-02T18:00:00+00:00"}
    report = site.run(["eq_cycles"], FAR, compute_type="manual", **dates)
    assert site.model(report, "eq_cycles").end == "2026-01-02T18:00:00Z"
    site.run(["eq_cycles"], FAR)
    assert_same(site.contents(["eq_cycles"]), wanted, "manual, then incremental")


def test_a_manual_run_without_a_checkpoint_counts_from_its_start_and_says_so(site):
    site.put(a_day(0, 48, amperes=50.0))
    dates = {"manual_start_date": "2026-01-01T12:00:00+00:00", "manual_end_date": "2026-01-01T14:00:00+00:00"}
    report = site.run(["eq_cycles"], FAR, compute_type="manual", **dates)
    model = site.model(report, "eq_cycles")
    assert any("count from there" in note for note in model.notes)
    assert model.latest["Charge Throughput"][0] == pytest.approx(50 * 119 / 60, rel=0.02)


def test_nothing_is_written_when_upload_output_is_off(site):
    site.put(a_day())
    report = site.run(["eq_cycles"], FAR, upload_output=False)
    assert site.model(report, "eq_cycles").latest["Charge Throughput"][0] > 1000
    assert site.contents(["eq_cycles"]) == {"alarms": []} and site.platform.load_state(ASSET, "") == {}


def test_an_alarm_that_late_data_no_longer_support_is_withdrawn_and_stays(site):
    time = seconds(*range(0, 36_000, 600))
    current = np.where((time >= at(4)) & (time < at(5)), 50.0, 10.0)
    rows = pack(time, current=current)
    site.tree = {"sensors": {"Current": {"max_gap": "1h", "conflicts": "least"}}}
    site.put(rows)
    site.run(["alarming"], FAR)
    (alarm,) = site.platform.alarms(ASSET)
    assert (alarm["status"], alarm["start"], alarm["end"]) == ("cleared", at(4), at(5))
    site.put(pack(time[(time >= at(4)) & (time < at(5))], current=[10.0] * 6))
    site.run(["alarming"], FAR)
    (alarm,) = site.platform.alarms(ASSET)
    assert alarm["status"] == "withdrawn"


def test_an_alarm_whose_clearing_is_no_longer_supported_is_open_again(site):
    time = seconds(*range(0, 36_000, 600))
    rows = pack(time, current=np.where(time >= at(4), 50.0, 10.0))
    back = pack(seconds(5 * 3600 + 60), current=[10.0])
    site.tree = {"sensors": {"Current": {"conflicts": "greatest"}}}
    site.put(rows.part(time < at(5)))
    site.run(["alarming"], at(5))
    site.put(rows.part(time >= at(5)), back)
    site.run(["alarming"], FAR)
    first = next(a for a in site.platform.alarms(ASSET) if a["start"] == at(4))
    assert first["status"] == "cleared"
    site.put(pack(back.time, current=[60.0]))
    site.run(["alarming"], FAR)
    first = next(a for a in site.platform.alarms(ASSET) if a["start"] == at(4))
    assert (first["status"], first["end"]) == ("active", None)


def test_two_runs_of_one_asset_never_mix(site):
    site.put(a_day())
    assert site.platform.take_lease(ASSET, "somebody", 60) is None
    report = site.run(["eq_cycles"], FAR)
    assert report.assets[0].status == "refused" and "another run is computing this asset" in report.assets[0].reason
    site.platform.drop_lease(ASSET, "somebody")
    assert not site.run(["eq_cycles"], FAR).assets[0].reason


def test_a_run_that_was_taken_over_cannot_save(site):
    site.platform.take_lease(ASSET, "old", -1)
    assert site.platform.take_lease(ASSET, "new", 60) is None
    with pytest.raises(LeaseError, match="took this asset over"):
        site.platform.save_state(ASSET, {"k": "v"}, "old")


def _run_at_once(folder: str, barrier) -> None:
    site = Site.__new__(Site)
    site.folder, site.parameters, site.tree = Path(folder), {}, EQ_CYCLES
    from platform_interface.platforms.local import LocalPlatform

    site.platform = LocalPlatform(Path(folder))
    barrier.wait()
    site.run(["eq_cycles"], FAR, max_values=2000, lease_wait=60)


def test_two_processes_at_once_leave_what_one_leaves(site):
    site.put(a_day())
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workers = [context.Process(target=_run_at_once, args=(str(site.folder), barrier)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    whole = Site(site.folder / "whole", {"Capacity": 100.0}, EQ_CYCLES)
    whole.put(a_day())
    whole.run(["eq_cycles"], FAR)
    assert_same(site.contents(["eq_cycles"]), whole.contents(["eq_cycles"]), "two at once")


def test_a_circle_of_models_is_named():
    from platform_interface.plans import prepare_models
    from tests.kit import PLUGINS

    inputs = {"eq_cycles": {"inputs": {"voltage": "Heat"}}}
    settings = Settings.model_validate(
        {"models": inputs, "execution": {"enabled_models": CHAIN, "plugin_folders": [str(PLUGINS)]}}
    )
    with pytest.raises(UsageError, match="circle"):
        prepare_models(settings)
