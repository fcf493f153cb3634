"""Voltage monitor through real runs: alarms raised, cleared and withdrawn on the platform; dirt; splits and late samples."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.conformance import FAR, assert_same
from tests.kit import ASSET, START, Rows, Site, seconds
from tests.random_site import dirty, manifest_of, telemetry

FOLDER = Path(__file__).parent.parent / "models" / "voltage_monitor"
MODEL = ["voltage_monitor"]
TIGHT = {
    "undervoltage_critical": 3.2, "undervoltage_warning": 3.4, "overvoltage_warning": 3.8, "overvoltage_critical": 4.0,
    "warning_off_delay_s": 0.0, "critical_off_delay_s": 120.0, "critical_on_delay_s": 0.0, "stuck_minutes": 5.0, "resistance_mohm": 2.0,
    "current_tolerance_s": 3600.0, "overvoltage_temperature_coefficient": 3.0, "temperature_tolerance_s": 7200.0, "most_cell_alarms": 1,
}  # fmt: skip


def cells(at, *values, names=(3, 82)):
    names = tuple(f"Cell Voltage|{n}" for n in names)
    return Rows("cells", names, ("volt",) * len(names), seconds(*at), np.array(values, float))


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, {"Chemistry": "nmc"})


def alarms(site):
    found = sorted(site.platform.alarms(ASSET), key=lambda a: (a["start"], a["name"]))
    return [
        (a["name"], (a["start"] - START) / 1000, None if a["end"] is None else (a["end"] - START) / 1000, a["status"])
        for a in found
    ]


def test_an_alarm_is_raised_by_one_run_cleared_by_another_and_withdrawn_when_late_samples_deny_it(site):
    at = np.arange(0.0, 200.0, 10.0)
    low = np.where((at >= 20) & (at <= 60), 2.9, 3.7)
    part = cells(at, np.full(at.size, 3.7), low)
    early = part.time < START + 60_000
    site.put(part.part(early))
    site.run(MODEL, FAR)
    assert alarms(site) == [("cell 82 undervoltage warning", 20.0, None, "active")]
    site.put(part.part(~early))
    site.run(MODEL, FAR)
    assert alarms(site) == [("cell 82 undervoltage warning", 20.0, 130.0, "cleared")]
    site.put(cells([25.0, 35.0, 45.0, 55.0], [3.7] * 4, [3.7] * 4))
    site.run(MODEL, FAR)
    assert alarms(site) == [("cell 82 undervoltage warning", 20.0, 130.0, "withdrawn")]


def test_a_cell_at_0_volt_or_a_sentinel_raises_no_limit_but_is_a_cell_without_value(site):
    at = np.arange(0.0, 200.0, 10.0)
    dead = np.where(at < 50, 3.7, np.where(at < 150, 0.0, 65.535))
    site.put(cells(at, np.full(at.size, 3.7), dead))
    report = site.run(MODEL, FAR)
    assert alarms(site) == [("cell 82 without value", 50.0, None, "active")]
    assert site.model(report, MODEL[0]).latest["Voltage Status"] == [2.0, "dimensionless"]
    assert report.assets[0].sensors[0]["dirt"] == {"sentinel": 15}


def test_an_unknown_chemistry_is_answered_with_the_nearest_and_the_limits_are_refused(tmp_path):
    site = Site(tmp_path, {"Chemistry": "NMCC"})
    site.put(cells([0.0, 10.0], [3.7, 3.7], [3.7, 3.7]))
    model = site.model(site.run(MODEL, FAR), MODEL[0])
    assert model.status == "done"
    assert any("did you mean 'NMC'" in note for note in model.notes)
    assert "Chemistry" in model.refusals["status"]


def test_an_asset_with_neither_cells_nor_a_cells_voltage_is_refused_with_the_remedy(site):
    names = ("Current", "Voltage")
    site.put(Rows("pack", names, ("ampere", "volt"), seconds(0, 10), np.array([[1.0, 1.0], [370.0, 370.0]])))
    model = site.model(site.run(MODEL, FAR), MODEL[0])
    assert model.status == "refused"
    assert "Map the cells to 'cell_voltage'" in model.reason


@pytest.mark.parametrize("seed", range(6))
def test_random_telemetry_across_tight_limits_leaves_the_same_however_it_is_split_or_late(seed, tmp_path):
    rows = [dirty(part, seed) for part in telemetry(manifest_of(FOLDER), seed)]
    tree = {"models": {"voltage_monitor": {"configuration": TIGHT}}}
    whole, split, late = (Site(tmp_path / name, {"Chemistry": "NMC"}, tree) for name in ("whole", "split", "late"))
    whole.put(*rows)
    whole.run(MODEL, FAR, compute_type="full")
    wanted = whole.contents(MODEL)
    assert len(wanted["alarms"]) > 5
    random = np.random.default_rng(seed)
    begin = min(int(part.time.min()) for part in rows)
    edges = [begin, *np.sort(random.integers(begin, begin + 40 * 3_600_000, 4)).tolist(), 2**62]
    for low, high in pairwise(edges):
        split.put(*[part.part((part.time >= low) & (part.time < high)) for part in rows])
        split.run(MODEL, min(high, FAR), max_values=int(random.choice([7, 60, 400])))
    assert_same(split.contents(MODEL), wanted, "split")
    waves = [random.random(part.time.size) for part in rows]
    for low, high in ((0.2, 1.1), (0.1, 0.2), (0.0, 0.1)):
        late.put(*[part.part((wave >= low) & (wave < high)) for part, wave in zip(rows, waves, strict=True)])
        late.run(MODEL, FAR, max_values=300)
    assert_same(late.contents(MODEL), wanted, "late")
