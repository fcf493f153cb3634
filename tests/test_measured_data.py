"""Measured data through the real commands, against the same numbers by hand; skipped where the data are not."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import measured_data as measured
from platform_interface.platforms.local import LocalPlatform

DATA = measured.shared_data()
FOREVER = 2**62


def of(*names):
    """Parametrise by data set; one worker has all tests of one, and so its one run."""
    return [pytest.param(name, marks=pytest.mark.xdist_group(name), id=name) for name in names]


CARS, CYCLED = of("ev-car2", "ev-car3"), of("calce-cs2-35", "calce-cs2-37")
CAR_2, CAR_3 = CARS
(HEAVY, STORAGE) = of("ev-hd", "bess-pylontech")


@dataclass(frozen=True)
class Run:
    """One data set, ingested and computed by the real commands."""

    item: measured.DataSet
    folder: Path
    said: str
    asset: dict
    frame: pd.DataFrame


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Give the one run of a data set, made when it is first asked for; nobody may write to its folder."""
    runs = {}

    def run(name):
        if DATA is None:
            pytest.skip("the measured data (../shared/data or TWIN_SHARED_DATA) are not here")
        if name not in runs:
            folder = tmp_path_factory.mktemp(name)
            item, said = ingested(name, folder)
            runs[name] = Run(item, folder, said, measured.compute(item, folder), measured.raw(item, DATA))
        return runs[name]

    return run


def ingested(name, folder, frame=None):
    """Bring one asset in; `frame` stands for the file's content."""
    item = measured.BY_NAME[name]
    file = DATA / item.file
    if frame is not None:
        folder.mkdir(exist_ok=True)
        file = folder / "input.parquet"
        frame.to_parquet(file, index=False)
    return item, measured.bring_in(item, file, folder)


def copied(run, folder):
    """Return a folder with the same store, to be written to."""
    shutil.copytree(run.folder, folder, dirs_exist_ok=True)
    return folder


def contents(item, store: Path):
    """Every output series bit by bit, and the model's state and carry of the last checkpoint."""
    platform = LocalPlatform(store / "store")
    names = [name for name, sensor in platform.sensors(item.asset).items() if sensor.output]
    tables = platform.read(item.asset, names, 0, FOREVER)
    series = {t.names: (t.time.tobytes(), t.values.tobytes(), None if t.absent is None else t.absent.tobytes()) for t in tables}
    saved = platform.load_state(item.asset, "checkpoint/eq_cycles/")
    last = json.loads(saved[max(saved)])
    return series, last["end"], last["state"], last["carry"]


def agree(ours, other, tolerance=1e-8):
    for name, value in other.items():
        assert ours[name] == pytest.approx(value, rel=tolerance, abs=1e-12), name


@pytest.mark.parametrize("name", [*CARS, HEAVY, STORAGE, *CYCLED])
def test_throughput_energy_cycles_gaps_and_dirt_are_those_found_by_hand(name, whole):
    run = whole(name)
    item, frame = run.item, run.frame
    agree(measured.latest(run.asset), measured.by_hand(item, frame))
    report = measured.sensor(run.asset, "Current")
    time, _, counts = measured.settled(measured.milliseconds(item, frame), frame[item.current].to_numpy(float))
    gaps, seconds = measured.gaps_by_hand(item, frame)
    assert (report["rows"], report["used"]) == (len(frame), len(time))
    assert (report["gaps"], report["gap_seconds"]) == (gaps, pytest.approx(seconds, abs=0.001))
    assert report["max_gap_seconds"] == item.max_gap
    # The report counts within each stored day, where the last row of a repeated day is not behind any other.
    late = counts.pop("out of order", 0)
    dirt = dict(report["dirt"])
    assert late - 10 <= dirt.pop("out of order", 0) <= late
    assert dirt == counts
    assert {finding["check"] for finding in run.asset["findings"]} <= {"pack voltage"}, "the stated sign is contradicted"


@pytest.mark.parametrize("name", [CAR_2])
def test_car_2_has_434_gaps_and_its_dead_cells_are_counted_as_sentinels(name, whole):
    run = whole(name)
    assert measured.sensor(run.asset, "Current")["gaps"] == 434
    zeros = int((run.frame.filter(regex="^cell") == 0).sum().sum())
    assert zeros == 463
    assert measured.sensor(run.asset, "Cell Voltage|*")["dirt"] == {"exact duplicates": 1, "sentinel": zeros}
    (lowest,) = LocalPlatform(run.folder / "store").read(name, ["Lowest Cell"], 0, FOREVER)
    assert np.nanmin(lowest.values) > 3.0


@pytest.mark.parametrize(
    ("name", "cells", "unit"),
    [
        pytest.param(*CAR_2.values, 88, "volt", marks=CAR_2.marks),
        pytest.param(*CAR_3.values, 87, "volt", marks=CAR_3.marks),
        pytest.param(*STORAGE.values, 15, "millivolt", marks=STORAGE.marks),
    ],
)
def test_every_cell_is_stored_as_it_is_in_the_file(name, cells, unit, whole):
    run = whole(name)
    platform = LocalPlatform(run.folder / "store")
    first = int(min(run.frame.filter(regex=r"^cell\d+_m?v$"))[4:6])
    names = [f"Cell Voltage|{first + position}" for position in range(cells)]
    sensors = platform.sensors(name)
    assert [sensor for sensor in sensors if sensor.startswith("Cell Voltage|")] == names
    assert sensors[names[0]].unit == unit
    (table,) = platform.read(name, names, 0, FOREVER)
    in_file = run.frame[sorted(run.frame.filter(regex=r"^cell\d+_m?v$"))].to_numpy(float).T
    assert in_file.shape[0] == cells
    assert np.array_equal(table.values, in_file)


@pytest.mark.parametrize("name", [HEAVY])
def test_the_heavy_duty_file_backwards_and_shuffled_gives_the_same_bits(name, whole, tmp_path):
    run = whole(name)
    assert run.frame["time"].is_monotonic_increasing  # as it lies there; its README calls it descending
    expected = contents(run.item, run.folder)
    for order, frame in {"backwards": run.frame[::-1], "shuffled": run.frame.sample(frac=1.0, random_state=1)}.items():
        item, said = ingested(name, tmp_path / order, frame)
        asset = measured.compute(item, tmp_path / order)
        assert contents(item, tmp_path / order) == expected, order
        late = measured.sensor(asset, "Current")["dirt"]["out of order"]
        assert "rows out of order" in said
        if order == "backwards":
            assert f"{len(frame) - 1:,} rows out of order" in said
            assert late == len(frame) - frame["time"].dt.floor("D").nunique()  # the store keeps a file a day


@pytest.mark.parametrize("name", CYCLED)
def test_the_charge_is_the_cyclers_own(name, whole, tmp_path):
    run = whole(name)
    cycler = measured.cycler_sum(run.item, DATA)
    mean = replace(run.item, conflicts="mean")
    other = measured.compute(mean, copied(run, tmp_path), compute_type="full")
    # What is dropped at each change of step costs 0.1 %; the rest is the logger's: see measured-data.md.
    for item, asset, tolerance in ((run.item, run.asset, 0.006), (mean, other, 0.005)):
        ours = measured.latest(asset)
        assert ours["Charge Throughput"] == pytest.approx(cycler, rel=tolerance)
        assert ours["Equivalent Cycles"] * 2 * item.capacity == pytest.approx(ours["Charge Throughput"], rel=1e-8)
        agree(ours, measured.by_hand(item, run.frame))


@pytest.mark.parametrize("name", CYCLED[:1])
def test_the_repeated_file_and_the_unequal_rows_of_one_second_are_told_and_change_nothing(name, whole, tmp_path):
    run = whole(name)
    repeated = run.frame["file"] == measured.REPEATED
    assert repeated.sum() == 5_983
    assert "5,982 rows out of order" in run.said
    dirt = {"conflicting duplicates": 992, "exact duplicates": 7_037, "out of order": 5_979}
    assert measured.sensor(run.asset, "Current")["dirt"] == dirt
    assert "Current: unequal values share a time, first at 2010-08-16T15:41:13Z; none was used" in run.asset["printed"]

    item, said = ingested(name, tmp_path, run.frame[~repeated])
    assert "out of order" not in said
    assert measured.latest(measured.compute(item, tmp_path)) == measured.latest(run.asset)


@pytest.mark.parametrize("name", [*CARS, HEAVY])
def test_rainflow_is_that_of_the_package_however_many_windows_there_are(name, whole, tmp_path):
    run = whole(name)
    clock, percent = measured.milliseconds(run.item, run.frame), run.frame[run.item.soc].to_numpy(float)
    closed, equivalent = measured.rainflow_by_package(measured.settled(clock, percent)[1] / 100.0)
    agree(measured.latest(run.asset), {"Rainflow Cycles": closed, "Rainflow Equivalent Cycles": equivalent})
    pack = replace(run.item, cells=False)  # windows of 2,000 values are few enough without the cells
    small = measured.compute(pack, copied(run, tmp_path), compute_type="full", max_values=2_000)
    assert len(small["models"][0]["windows"]) > len(run.asset["models"][0]["windows"])
    assert contents(run.item, tmp_path) == contents(run.item, run.folder)


@pytest.mark.parametrize("name", CARS)
def test_two_deliveries_give_the_bits_of_one(name, whole, tmp_path):
    run = whole(name)
    half = len(run.frame) // 2
    for part in (run.frame[:half], run.frame[half:]):
        item, _ = ingested(name, tmp_path, part)
        measured.compute(item, tmp_path)
    assert contents(run.item, tmp_path) == contents(run.item, run.folder)


@pytest.mark.parametrize("name", [*CARS, HEAVY, CYCLED[0]])
def test_a_wrong_sign_is_contradicted_by_the_data(name, whole, tmp_path):
    run = whole(name)
    wrong = replace(run.item, positive_current="charge" if run.item.charge_is < 0 else "discharge")
    warnings = measured.compute(wrong, copied(run, tmp_path), "--dry-run", compute_type="full")["warnings"]
    assert any("positive_current" in warning for warning in warnings), warnings


@pytest.mark.parametrize("name", [STORAGE])
def test_the_file_is_not_taken_twice(name, whole, tmp_path):
    run = whole(name)
    _, said = ingested(name, copied(run, tmp_path))
    assert "is in bess-pylontech already" in said


@pytest.mark.parametrize("name", [HEAVY])
def test_without_a_zone_in_the_mapping_the_times_are_refused(name, whole, tmp_path, monkeypatch):
    run = whole(name)
    text = (measured.MAPPINGS / "ev-hd.json").read_text().replace('"column": "time", "time_zone": "UTC"', '"column": "time"')
    (tmp_path / "ev-hd.json").write_text(text)
    monkeypatch.setattr(measured, "MAPPINGS", tmp_path)
    with pytest.raises(RuntimeError, match="carry no zone, and UTC is not assumed"):
        ingested(run.item.asset, tmp_path)


def test_the_hand_calculation_is_right_on_a_case_done_on_paper():
    # 30 A for 1 h, then a line from 30 A to -10 A in 1 h: 30 + 11.25 Ah out, 1.25 Ah in; a gap of 2 h counts nothing.
    hour = 3_600_000
    above, below = measured.areas(np.array([0, hour, 2 * hour, 4 * hour]), np.array([30.0, 30.0, -10.0, -10.0]), 3600.0)
    assert (above, below) == pytest.approx((41.25, 1.25))
    time, value, counts = measured.settled(np.array([2, 1, 1, 3, 3]), np.array([5.0, 4.0, 4.0, 1.0, 2.0]))
    assert (time.tolist(), value.tolist()) == ([1, 2], [4.0, 5.0])
    assert counts == {"out of order": 2, "exact duplicates": 1, "conflicting duplicates": 1}
