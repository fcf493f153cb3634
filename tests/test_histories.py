"""Awkward histories: each of these once changed a number, and must not again."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.conformance import FAR, assert_same
from tests.kit import ASSET, EQ_CYCLES, SCRATCH, Rows, Site, pack, seconds
from tests.test_laws import CHAIN, DAY, a_day, at

MANUAL = {"compute_type": "manual", "manual_start_date": "2026-01-01T14:00:00+00:00",
          "manual_end_date": "2026-01-01T20:00:00+00:00"}  # fmt: skip


@pytest.fixture
def site():
    folder = Path(tempfile.mkdtemp(prefix="twin-", dir=SCRATCH))
    yield Site(folder, {"Capacity": 100.0}, EQ_CYCLES)
    shutil.rmtree(folder)


def whole(site: Site, rows: Rows, models: list[str]) -> dict:
    other = Site(site.folder / "whole", {"Capacity": 100.0}, site.tree)
    other.put(rows)
    other.run(models, FAR)
    return other.contents(models)


def save(site: Site, changes: dict) -> None:
    site.platform.take_lease(ASSET, "test", 5)
    site.platform.save_state(ASSET, changes, "test")
    site.platform.drop_lease(ASSET, "test")


def test_a_clock_that_goes_back_is_refused_and_nothing_is_kept_apart(site):
    site.put(a_day(0, 48))
    site.run(["eq_cycles"], at(48))
    wanted = site.contents(["eq_cycles"])
    report = site.run(["eq_cycles"], at(24))
    assert report.failed and "ahead of this machine's clock" in report.assets[0].reason
    site.run(["eq_cycles"], FAR)
    assert_same(site.contents(["eq_cycles"]), wanted, "after the clock was set")


def test_the_true_sample_of_a_time_that_was_once_future_counts(site):
    rows = a_day(0, 24)
    site.put(
        rows.part(rows.time < at(10)), pack(seconds(12 * 3600), current=[77.0], soc=[0.9], voltage=[51.0], temperature=[20.0])
    )
    site.run(["eq_cycles"], at(10))
    site.put(rows.part(rows.time >= at(10)))
    site.run(["eq_cycles"], FAR)
    found, wanted = site.contents(["eq_cycles"]), whole(site, rows, ["eq_cycles"])
    assert_same(found, wanted, "a clock that was ahead for one sample")


def test_a_future_sample_does_not_move_the_watermark_to_the_present(site):
    rows = a_day(0, 24)
    site.put(rows.part(rows.time < at(6)), pack(np.array([FAR + 3650 * DAY]), current=[1.0]))
    model = site.model(site.run(["eq_cycles"], FAR), "eq_cycles")
    assert model.end == "2026-01-01T05:59:00.001Z"


def test_late_samples_before_a_manual_run_are_seen_by_it(site):
    rows = a_day(0, 24)
    late = (rows.time >= at(3)) & (rows.time < at(5))
    site.put(rows.part((rows.time < at(12)) & ~late))
    site.run(["eq_cycles"], at(12))
    site.put(rows.part((rows.time >= at(12)) | late))
    site.run(["eq_cycles"], FAR, **MANUAL)
    for _ in range(2):
        site.run(["eq_cycles"], FAR)
    assert_same(site.contents(["eq_cycles"]), whole(site, rows, ["eq_cycles"]), "late, then manual")


def test_a_manual_run_does_not_reset_what_was_counted_before(site):
    rows = a_day(0, 72)
    site.put(rows)
    site.run(["eq_cycles"], FAR)
    wanted = site.contents(["eq_cycles"])
    site.run(["eq_cycles"], FAR, **MANUAL)
    site.run(["eq_cycles"], FAR)
    assert_same(site.contents(["eq_cycles"]), wanted, "manual in the middle of one window")


def test_a_late_sample_after_a_manual_beginning_keeps_that_beginning(site):
    rows = a_day(0, 24)
    late = rows.time == at(16)
    site.put(rows.part(~late))
    site.run(["eq_cycles"], FAR, **MANUAL)
    site.run(["eq_cycles"], FAR)
    site.put(rows.part(late))
    site.run(["eq_cycles"], FAR)
    found = site.contents(["eq_cycles"])["eq_cycles/Charge Throughput"]
    assert found[0][0] == at(14) and found[1][-1] == pytest.approx(50 * 10, rel=0.03)


def test_a_migration_and_a_roll_back_in_one_run_do_not_mix(site):
    rows = a_day(0, 24)
    late = rows.time == at(3)
    site.put(rows.part((rows.time < at(6)) & ~late))
    site.run(["migrating"], at(6))
    site.put(rows.part((rows.time >= at(6)) & (rows.time < at(12))))
    site.run(["migrating"], at(12))
    for key, value in site.platform.load_state(ASSET, "checkpoint/migrating/").items():
        saved = json.loads(value)
        save(site, {key: json.dumps({**saved, "state_version": 1, "state": {"old_count": saved["state"]["count"]}})})
    site.put(rows.part((rows.time >= at(12)) | late))
    site.run(["migrating"], FAR)
    assert site.contents(["migrating"])["migrating/Count"][1][-1] == 24 * 60


def test_a_consumer_follows_a_producer_that_was_recomputed_without_it(site):
    rows = a_day(0, 24)
    late = (rows.time >= at(2)) & (rows.time < at(8))
    site.put(rows.part(~late))
    site.run(CHAIN, FAR)
    site.put(rows.part(late))
    site.run(["eq_cycles"], FAR)
    site.run(CHAIN, FAR)
    assert_same(site.contents(CHAIN), whole(site, rows, CHAIN), "the producer was recomputed alone")


def test_the_decimated_output_of_a_model_that_is_not_enabled_is_not_read_as_a_sensor(site):
    site.put(a_day())
    site.run(CHAIN, FAR)
    model = site.model(site.run(["after_cycles"], FAR), "after_cycles")
    assert model.status == "refused" and "is not enabled" in model.reason


def test_what_a_roll_back_computes_again_is_not_reported_as_missing(site):
    rows = a_day(0, 72)
    early, recent = (rows.time >= at(2)) & (rows.time < at(3)), rows.time == at(60)
    site.put(rows.part(~early & ~recent))
    site.run(["eq_cycles"], FAR, lookback=86400)
    site.put(rows.part(early | recent))
    model = site.model(site.run(["eq_cycles"], FAR, lookback=86400), "eq_cycles")
    assert model.rolled_back_to == "the beginning" and model.too_late_samples == 0
    assert_same(site.contents(["eq_cycles"]), whole(site, rows, ["eq_cycles"]), "all of it was computed again")


def test_an_output_may_not_take_the_name_of_a_sensor(site):
    site.put(Rows("pack", ("Current", "Equivalent Full Cycles"), ("ampere", "dimensionless"), a_day().time, a_day().values[:2]))
    model = site.model(site.run(["eq_cycles"], FAR), "eq_cycles")
    assert model.status == "refused" and "is named 'Equivalent Full Cycles', as a sensor" in model.reason


def test_an_alarm_that_began_before_its_window_is_withdrawn_too(site):
    time = seconds(*range(0, 36_000, 600))
    rows = pack(time, current=np.where((time >= at(2)) & (time < at(6)), 50.0, 10.0))
    site.tree = {"sensors": {"Current": {"conflicts": "least"}}}
    for low, high in ((0, 3), (3, 5), (5, 10)):
        site.put(rows.part((rows.time >= at(low)) & (rows.time < at(high))))
        site.run(["slow_alarm"], at(high))
    (alarm,) = site.platform.alarms(ASSET)
    assert (alarm["start"], alarm["status"]) == (at(2), "cleared")
    site.put(pack(time[(time >= at(3)) & (time < at(6))], current=[10.0] * 18))
    site.run(["slow_alarm"], FAR)
    (alarm,) = site.platform.alarms(ASSET)
    assert alarm["status"] == "withdrawn"


def test_a_damaged_checkpoint_stops_its_own_model_only_and_full_mends_it(site):
    site.put(a_day())
    site.run(["eq_cycles", "alarming"], FAR)
    wanted = site.contents(["eq_cycles", "alarming"])
    key = max(site.platform.load_state(ASSET, "checkpoint/alarming/"))
    save(site, {key: "{"})
    report = site.run(["eq_cycles", "alarming"], FAR)
    assert site.model(report, "alarming").status == "failed" and site.model(report, "eq_cycles").status == "no new data"
    site.run(["eq_cycles", "alarming"], FAR, compute_type="full")
    assert_same(site.contents(["eq_cycles", "alarming"]), wanted, "mended by a full run")


def test_a_model_that_stops_leaves_nothing_behind_the_point_where_it_stopped(site):
    site.put(a_day(0, 12))
    site.run(["stops_at_noon"], FAR)
    site.put(a_day(12, 12))
    report = site.run(["stops_at_noon"], FAR, compute_type="full", max_values=100)
    assert site.model(report, "stops_at_noon").status == "refused"
    assert max(site.contents(["stops_at_noon"])["stops_at_noon/Seen"][0]) < at(12)
