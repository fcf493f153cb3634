"""Imbalance on measured vehicles and a storage module, by the real commands; skipped where the data are not."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks import imbalance_measured as bench

DATA = bench.shared_data()
pytestmark = pytest.mark.skipif(DATA is None, reason="the measured data (../shared/data or TWIN_SHARED_DATA) are not here")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    done = {}

    def run(asset):
        if asset not in done:
            done[asset] = bench.measured(asset, DATA, tmp_path_factory.mktemp(asset))
        return done[asset]

    return run


def named(result):
    return {alarm["name"]: alarm for alarm in result.alarms()}


@pytest.mark.xdist_group("imbalance-car2")
def test_car_2_cell_82_is_first_by_falling_voltage_and_was_named_before_the_bms(result):
    found = result("ev-car2")
    assert found.series("Suspect Cell")[1][-1] == 82
    assert found.series("Suspect Reason")[1][-1] == 2
    alarm = named(found)["cell 82 suspect"]
    assert alarm["status"] == "active"
    assert pd.Timestamp(alarm["start"], unit="ms") < bench.first_warnings("ev-car2", DATA)[1]
    assert found.last("Cell Trend")[82] < -0.4
    assert found.last("Cell Deviation")[82] == pytest.approx(-98, abs=12)


@pytest.mark.xdist_group("imbalance-car2")
def test_car_2_cells_1_to_41_are_reported_as_a_block(result):
    found = result("ev-car2")
    assert named(found)["cells 1 to 41 shifted"]["status"] == "active"
    shift = found.last("Block Shift")
    assert min(shift[cell] for cell in range(1, 42)) > 30
    assert max(shift[cell] for cell in range(42, 82)) < 5


def test_car_3_cells_81_and_2_are_named_by_level_without_trend_and_before_the_bms(result):
    found = result("ev-car3")
    accused = {name: alarm for name, alarm in named(found).items() if name.startswith("cell ")}
    assert set(accused) == {"cell 81 suspect", "cell 2 suspect"}
    warning = bench.first_warnings("ev-car3", DATA)[1]
    for alarm in accused.values():
        assert "low level" in alarm["text"]
        assert "falling" not in alarm["text"]
        assert pd.Timestamp(alarm["start"], unit="ms") < warning
    level = found.last("Cell Deviation")
    assert (level[81], level[2]) == (pytest.approx(-33, abs=3), pytest.approx(-28, abs=3))


def test_the_storage_module_names_cell_12_by_step_and_level_and_refuses_capacity_and_soc(result):
    found = result("bess-pylontech")
    (alarm,) = found.alarms()
    assert alarm["name"] == "cell 12 suspect"
    assert "moved +255 mV at a step of +5.9 A (charge is +); next +64 mV" in alarm["text"]
    assert "low level" in alarm["text"]
    assert found.series("Imbalance Status")[1][-1] == 1
    assert {"soc_imbalance", "cell_capacity_ratio"} <= set(found.refused())
