"""The neural_soh plugin over its contract: splits, gaps, packs, partial charges, ranges, refusals, state."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from models.neural_soh.memory import recall
from models.neural_soh.resistance import Course, step_of
from platform_interface import ModelError
from tests import soh_kit
from tests.kit import START
from tests.soh_kit import MANIFEST, charges, compute, of_days

ESTIMATED, TOO_SMALL, NARROW, RATE, TEMPERATURE, CHEMISTRY, UNLIKE = range(7)


def partial(log, share):
    """Return only the first part of each charge, and what is no charge."""
    charging = log["current"] < 0
    begin = charging & ~charging.shift(fill_value=False)
    number = charging.groupby(begin.cumsum()).cumcount()
    return log[~charging | (number < share * charging.sum() / begin.sum())]


@pytest.mark.parametrize("seed", range(3))
def test_any_cutting_into_windows_gives_the_same_numbers_and_the_same_state(seed):
    log = of_days(0, 5)
    wanted, _, last = compute(log)
    found, _, model = compute(log, np.random.default_rng(seed).uniform(size=3 + 10 * seed))
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert value.to_numpy().tobytes() == found[name].to_numpy().tobytes(), name
        assert found[name].index.equals(value.index), name
    assert model.state == last.state


def test_every_output_is_in_the_manifest_and_nearly_all_are_given_on_an_ageing_cell():
    outputs, _, _ = compute(soh_kit.ageing_cell())
    assert outputs.keys() <= MANIFEST["outputs"].keys()
    missing = MANIFEST["outputs"].keys() - outputs.keys()
    assert missing <= {"charges_to_end", "charges_to_end_lower", "charges_to_end_upper"}, missing
    for name, given in MANIFEST["outputs"].items():
        if name in outputs:
            assert (outputs[name].shape[1] if outputs[name].ndim == 2 else 0) == given.get("columns", 0), name
            assert given.get("partial") or np.isfinite(outputs[name].to_numpy()).all(), name


def test_health_falls_with_the_cell_and_the_interval_is_in_order():
    outputs, _, _ = compute(soh_kit.ageing_cell())
    truth = json.loads((soh_kit.DEMO / "ageing-cell.truth.json").read_text("utf-8"))["cycles"]["capacity_ah"]
    soh = outputs["soh"]
    fall = float(soh.iloc[:20].median() - soh.iloc[-20:].median())
    assert fall == pytest.approx((truth[10] - truth[-10]) / 5.0, abs=0.04)
    assert (outputs["soh_lower"] <= soh).all()
    assert (soh <= outputs["soh_upper"]).all()
    assert outputs["capacity_now"].to_numpy() == pytest.approx(5.0 * soh.to_numpy())


def test_shares_sum_to_one_where_something_is_told():
    outputs, _, _ = compute(soh_kit.ageing_cell())
    shares = pd.concat([outputs[f"loss_share_{name}"] for name in ("sei", "plating", "negative", "positive")], axis=1)
    assert shares.sum(axis=1).to_numpy() == pytest.approx(np.ones(len(shares)), abs=1e-5)
    assert set(outputs["failure_mode"]) <= set(range(6))


def test_the_state_stays_small_however_long_the_stream():
    sizes = [len(json.dumps(compute(of_days(0, days))[2].state)) for days in (25, 49)]
    assert sizes[1] < 1.3 * sizes[0]  # the course of the fade fills up, to 24 points at most
    assert sizes[1] < 50_000


def test_a_state_is_recalled_as_it_was():
    _, _, model = compute(of_days(0, 4))
    assert recall(model.state).to_state() == model.state


def test_a_larger_cell_and_cells_in_series_have_the_same_health():
    log = of_days(0, 4)
    one, _, _ = compute(log)
    pack = log.assign(current=40.0 * log["current"], voltage=14.0 * log["voltage"])
    many, _, _ = compute(pack, parameters={"capacity": 200.0, "cells_in_series": 14.0})
    assert many["soh"].to_numpy() == pytest.approx(one["soh"].to_numpy(), abs=3e-3)  # a last bit can move an edge of the curve
    assert many["capacity_now"].to_numpy() == pytest.approx(200.0 * many["soh"].to_numpy())


def test_of_a_string_the_median_cell_is_judged_not_the_weakest():
    log = of_days(0, 4)
    alone, _, _ = compute(log)
    weak = log.assign(**{str(number): log["voltage"] for number in range(5)})
    weak.columns = [int(name) if str(name).isdigit() else name for name in weak.columns]
    weak[3] = weak[3] + 0.15
    weak["voltage"] = weak[list(range(5))].sum(axis=1)
    string, _, _ = compute(weak, parameters={"cells_in_series": 5.0})
    assert string["soh"].to_numpy() == pytest.approx(alone["soh"].to_numpy(), abs=1e-6)


def test_a_gap_in_a_charge_ends_it_there_and_adds_nothing():
    log = charges(6)
    hole = log[(np.arange(len(log)) < 40) | (np.arange(len(log)) > 60)]
    whole, _, _ = compute(log)
    found, _, _ = compute(hole)
    assert len(found["status"]) == len(whole["status"]) + 1
    assert found["status"].iloc[-1] == whole["status"].iloc[-1]


@pytest.mark.parametrize(
    ("log", "code", "word"),
    [
        (lambda: charges(4, rate=3.5, step=10.0), RATE, "of its capacity an hour"),
        (lambda: charges(4, temperature=75.0), TEMPERATURE, "°C"),
        (lambda: partial(charges(4), 0.2), NARROW, "charge further"),
    ],
)
def test_what_is_outside_the_range_is_not_estimated_and_what_would_help_is_said(log, code, word):
    outputs, notes, _ = compute(log())
    assert set(outputs["status"].astype(int)) == {code}
    assert "soh" not in outputs
    assert any(word in note for note in notes), notes


def test_where_all_charges_are_small_that_is_said_once():
    outputs, notes, _ = compute(partial(charges(6), 0.03))
    assert set(outputs["status"].astype(int)) == {TOO_SMALL}
    assert [note for note in notes if "all 6 charges put in less than 5%" in note], notes


def test_noise_about_the_idle_current_is_no_charge_and_does_not_fill_the_state():
    random = np.random.default_rng(0)
    count = 20 * 3600
    index = pd.to_datetime(START + 1000 * np.arange(count), unit="ms", utc=True)
    noisy = pd.DataFrame({"current": 0.05 * random.normal(size=count), "voltage": 3.7, "temperature": 25.0}, index)
    outputs, _, model = compute(noisy)
    assert outputs == {}
    assert len(json.dumps(model.state)) < 600_000


def test_a_long_noisy_charge_is_thinned_alike_however_it_is_cut_and_all_of_it_is_counted():
    random = np.random.default_rng(1)
    count = 8 * 3600
    index = pd.to_datetime(START + 1000 * np.arange(count + 3600), unit="ms", utc=True)
    current = np.concatenate([-0.06 + 0.05 * random.normal(size=count), np.full(3600, 1.0)])
    voltage = np.concatenate([np.linspace(3.3, 3.9, count), np.full(3600, 3.6)])
    log = pd.DataFrame({"current": current, "voltage": voltage, "temperature": 25.0}, index)
    whole, _, one = compute(log)
    parts, _, other = compute(log, [0.1, 0.35, 0.71, 0.9])
    assert one.state == other.state
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert value.to_numpy().tobytes() == parts[name].to_numpy().tobytes(), name


@pytest.mark.parametrize("every", [3, 5])
def test_samples_too_far_apart_are_not_estimated(every):
    outputs, notes, _ = compute(of_days(0, 6).iloc[::every])
    assert "soh" not in outputs
    assert any("log every minute" in note for note in notes), notes


def test_a_charger_that_ends_its_hold_early_is_refused():
    log = of_days(0, 6)
    cut = log.assign(current=log["current"].where(~((log["voltage"] > 4.19) & (log["current"] > -0.6)), 0.0))
    outputs, notes, _ = compute(cut)
    assert "soh" not in outputs
    assert any("let the charger hold for longer" in note for note in notes), notes


def test_of_a_chemistry_that_is_known_from_simulated_cells_only_whole_charges_are_told():
    log = of_days(0, 6)
    charging = log["current"] < 0
    begin = charging & ~charging.shift(fill_value=False)
    number = charging.groupby(begin.cumsum()).cumcount()
    outputs, notes, _ = compute(log.assign(current=log["current"].where(~charging | (number > 20), 0.0)))
    assert "soh" not in outputs
    assert any("simulated cells only" in note for note in notes), notes


def test_health_beyond_that_of_the_training_cells_is_not_told():
    log = of_days(0, 6)
    faster = log.set_axis(log.index[0] + (log.index - log.index[0]) * 0.6)
    outputs, notes, model = compute(faster)
    assert "soh" not in outputs
    assert model.state["last"] == []  # what was refused does not speak in later estimates
    assert any("is known from" in note or "known are" in note for note in notes), notes


def test_a_very_large_pack_is_in_range():
    log = of_days(0, 4)
    outputs, _, _ = compute(log.assign(current=4000.0 * log["current"]), parameters={"capacity": 20_000.0})
    low, high = MANIFEST["outputs"]["capacity_now"]["valid_range"]
    assert low < outputs["capacity_now"].min() <= outputs["capacity_now"].max() < high


def test_dead_cell_sensors_leave_the_strings_voltage():
    log = of_days(0, 4)
    alone, _, _ = compute(log)
    dead = pd.concat([log, pd.DataFrame(np.nan, log.index, [0, 1, 2])], axis=1)
    found, _, _ = compute(dead)
    assert found["soh"].equals(alone["soh"])


def test_a_log_without_any_voltage_is_said():
    log = of_days(0, 1)
    outputs, notes, _ = compute(log.assign(voltage=np.nan))
    assert outputs == {}
    assert any("Map a voltage" in note for note in notes)


@pytest.mark.parametrize(
    ("parameters", "word"),
    [({"chemistry": "LTO"}, "LFP, LCO, NCA, NMC"), ({"cells_in_series": 2.5}, "not a whole number")],
)
def test_an_asset_that_it_is_not_made_for_is_refused_with_the_remedy(parameters, word):
    with pytest.raises(ModelError, match=word):
        compute(charges(1), parameters=parameters)


def test_without_temperature_and_with_samples_without_voltage_it_goes_on():
    log = of_days(0, 4).drop(columns="temperature")
    holes = log["voltage"].where(np.arange(len(log)) % 17 != 3)
    outputs, _, _ = compute(log.assign(voltage=holes))
    assert (outputs["status"] == ESTIMATED).sum() > 10
    assert "resistance_growth" not in outputs


def test_windows_without_a_sample_are_no_failure():
    outputs, _, model = compute(charges(2), cuts=[0.3, 0.30001, 0.7])
    assert "status" in outputs
    empty = soh_kit.window(charges(1).iloc[:0], pd.Timestamp("2026-01-01", tz="UTC"), pd.Timestamp("2026-01-02", tz="UTC"), {})
    before = json.dumps(model.state)
    assert model.process(empty) == {}
    assert json.dumps(model.state) == before


def test_growth_of_the_resistance_is_against_the_first_ten_charges_where_temperature_and_charge_are_alike():
    course = Course()
    assert [course.add(0.020, 25.0, 0.1) for _ in range(10)] == [None] * 10
    assert course.add(0.030, 40.0, 0.1) is None  # warmer than the beginning: not compared
    assert course.add(0.030, 25.0, 0.5) is None  # from another charge
    assert [course.add(0.025, 26.0, 0.15) for _ in range(5)][-1] == pytest.approx(0.25)
    assert course.add(float("nan"), 25.0, 0.1) is None


def test_the_resistance_is_read_where_the_whole_current_steps():
    told = {"resistance_first": 0.1, "resistance_last": 0.3, "cv_charge": 0.1, "voltage_first": 0.2, "voltage_last": 1.0}
    assert step_of(told) == (0.1, 0.2)
    told["resistance_first"] = float("nan")
    assert step_of(told) is None  # a twentieth of the current after a constant voltage
    assert step_of({**told, "cv_charge": 0.0}) == (0.3, 1.0)
