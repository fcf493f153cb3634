"""Imbalance: the model on simulated strings and on the demo fleet against its truth."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import imbalance_measured as bench
from models.imbalance_analysis.model import ImbalanceAnalysis
from platform_interface import ModelError
from platform_interface.model import ModelInput


def alarms_of(alarms):
    """Return the last word on every alarm."""
    return {(alarm["name"], alarm["start"]): (alarm["text"], alarm["severity"], alarm["end"]) for alarm in alarms}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    done = {}

    def run(asset):
        if asset not in done:
            done[asset] = bench.demo(asset, tmp_path_factory.mktemp(asset))
        return done[asset]

    return run


def cells_named(result):
    return {int(alarm["name"].split()[1]) for alarm in result.alarms() if alarm["name"].startswith("cell ")}


@pytest.mark.xdist_group("imbalance-storage")
def test_soft_short_and_weak_cell_of_the_storage_module_are_found_with_their_numbers_and_no_other(demo):
    result, truth = demo("storage-module")
    assert cells_named(result) == {fault["cell"] for fault in truth["faulty_cells"]} == {5, 11}
    leak, ratio = result.last("Leak Current"), result.last("Cell Capacity Ratio")
    assert 3280.0 / leak[11] == pytest.approx(truth["cells"]["leak_ohm"]["11"], rel=0.1)
    assert max(abs(value) for cell, value in leak.items() if cell != 11) < 0.15 * leak[11]
    capacity = np.array(truth["cells"]["capacity_ah"])
    assert ratio[5] == pytest.approx(capacity[4] / np.median(capacity), abs=0.015)
    texts = {alarm["name"]: alarm["text"] for alarm in result.alarms()}
    assert "self-discharge" in texts["cell 11 suspect"]
    assert "capacity -7" in texts["cell 5 suspect"] or "capacity -8" in texts["cell 5 suspect"]
    assert result.series("Suspect Cell")[1][-1] == 11
    assert not [alarm for alarm in result.alarms() if alarm["name"].startswith("cells ")]


@pytest.mark.xdist_group("imbalance-storage")
def test_energy_lost_is_a_lower_bound_of_the_truth(demo):
    result, truth = demo("storage-module")
    lost, recoverable = bench.true_energy(truth, 3.28)
    assert 0.6 * lost < result.series("Energy Lost")[1][-1] <= lost
    assert 0.6 * recoverable < result.series("Energy Recoverable")[1][-1] <= recoverable


def test_resistive_cell_of_the_vehicle_is_found_with_its_number_and_no_other(demo):
    result, truth = demo("vehicle-pack")
    assert cells_named(result) == {37}
    (alarm,) = result.alarms()
    true = 0.6 * truth["cells"]["ohmic_mohm_nominal"]
    assert float(alarm["text"].split("(")[1].split(" ")[0]) == pytest.approx(true, rel=0.15)
    assert result.series("Suspect Reason")[1][-1] == 4


@pytest.fixture(scope="module")
def lfp():
    return bench.simulate(bench.Pack("LFP", cells=16, days=12, short=60.0, seed=7))


def test_any_split_of_a_string_with_charges_and_a_short_leaves_the_same_bits(lfp):
    frame, current, soc, _ = lfp
    results = []
    for days in (1, 3, 12):
        alarms, state, outputs = bench.run_model(frame, current, soc, (100.0, "LFP"), days)
        series = {name: pd.concat(parts) for name, parts in outputs.items()}
        numbers = {name: (values.index.asi8.tolist(), values.to_numpy().tolist()) for name, values in series.items()}
        results.append((alarms_of(alarms), json.dumps(state, sort_keys=True), numbers))
    assert results[0] == results[1] == results[2]


def test_a_short_is_found_in_lfp_without_any_open_circuit_curve(lfp):
    frame, current, soc, faulty = lfp
    alarms, _, outputs = bench.run_model(frame, current, soc, (100.0, ""))
    assert set(bench.accused(alarms)) == {faulty}
    leak = pd.concat(outputs["leak_current"]).iloc[-1]
    assert leak[faulty] == pytest.approx(3300.0 / 60.0, rel=0.2)


@pytest.mark.parametrize("name", ["NMC", "LFP"])
def test_a_jump_of_the_bms_accuses_no_cell(name):
    frame, current, soc, _ = bench.simulate(bench.Pack(name, cells=24, days=10, seed=3))
    wrong = soc.copy()
    wrong.iloc[len(wrong) // 2 :] = np.clip(wrong.iloc[len(wrong) // 2 :] + 0.3, 0.0, 1.0)
    for given in (soc, wrong, None):
        assert not bench.accused(bench.run_model(frame, current, given, (100.0, name))[0])


def test_a_module_that_shifts_is_reported_as_a_block_and_no_cell_of_it_is_accused():
    frame, current, soc, _ = bench.simulate(bench.Pack("NMC", cells=48, days=12, seed=5))
    shifted = frame.copy()
    days = (frame.index - frame.index[0]) / pd.Timedelta("1D")
    shifted.loc[:, 13:24] += 0.002 * days.to_numpy()[:, None]
    alarms, _, outputs = bench.run_model(shifted, current, soc, (100.0, "NMC"))
    assert not bench.accused(alarms)
    assert {alarm["name"] for alarm in alarms} == {"cells 13 to 24 shifted"}
    shift = pd.concat(outputs["block_shift"]).iloc[-1]
    assert shift[13] == pytest.approx(18.0, abs=4.0)
    assert shift[40] == 0.0


def test_a_falling_cell_inside_a_shifting_block_is_accused():
    frame, current, soc, _ = bench.simulate(bench.Pack("NMC", cells=48, days=14, seed=6))
    days = ((frame.index - frame.index[0]) / pd.Timedelta("1D")).to_numpy()
    frame.loc[:, 13:24] += 0.002 * days[:, None]
    frame.loc[:, 17] -= 0.003 * days
    alarms, _, _ = bench.run_model(frame, current, soc, (100.0, "NMC"))
    assert set(bench.accused(alarms)) == {17}
    assert "falling voltage" in [alarm for alarm in alarms if alarm["name"] == "cell 17 suspect"][-1]["text"]


def one_window(frame, current, **more):
    model = ImbalanceAnalysis({name: option.default for name, option in manifest().configuration.items()})
    given = {"cell_voltage": frame, "current": current, "capacity": 50.0, "chemistry": "LFP", **more}
    start = frame.index[0].floor("D")
    end = frame.index[-1] + pd.Timedelta("1s")
    return model, model.process(ModelInput(given, start, end, {}, {"cell_voltage": 300.0}))


def manifest():
    return bench.read_manifest(bench.ROOT / "models" / bench.MODEL)


def floating(cells=15, hours=8):
    """A string in float at 3.5 V, one charge burst that lifts cell 12 by far the most; cell numbers from 0."""
    random = np.random.default_rng(2)
    index = pd.date_range("2026-01-01T20:00", periods=hours * 180, freq="20s", tz="UTC").as_unit("ms")
    volts = 3.5 + random.normal(0.0, 0.002, (len(index), cells))
    volts[:, 12] -= 0.02
    volts[5] += 0.05
    volts[5, 12] += 0.2
    current = pd.Series(0.0, index)
    current.iloc[5] = -5.9
    return pd.DataFrame(np.round(volts, 3), index, columns=range(cells)), current


def test_float_charge_is_said_and_capacity_and_soc_are_refused_and_steps_and_level_name_the_cell():
    frame, current = floating()
    model, outputs = one_window(frame, current)
    assert outputs["status"].iloc[-1] == 1
    assert outputs["suspect_cell"].iloc[-1] == 12
    assert {"soc_imbalance", "cell_capacity_ratio", "leak_current"} <= set(model.refusals)
    assert all("float charge or balancing" in model.refusals[name] for name in ("soc_imbalance", "cell_capacity_ratio"))
    assert not {"soc_imbalance", "cell_capacity_ratio", "leak_current", "energy_lost"} & set(outputs)
    text = model.alarms[-1]["text"]
    assert "step: moved +2" in text
    assert "low level" in text


def test_balancing_flags_make_any_voltage_count_as_balancing():
    frame, current = floating()
    frame = frame - 0.25
    flags = pd.DataFrame(1.0, frame.index, frame.columns)
    assert one_window(frame, current)[1]["status"].iloc[-1] == 0
    assert one_window(frame, current, balancing=flags)[1]["status"].iloc[-1] == 1


def test_one_cell_is_refused_and_three_cells_accuse_nobody():
    frame, current = floating()
    with pytest.raises(ModelError, match="one cell"):
        one_window(frame[[0]], current)
    model, outputs = one_window(frame[[0, 1, 12]], current)
    assert "suspects" in model.refusals
    assert "suspect_cell" not in outputs
    assert len(outputs["spread_rest"])
