"""The soc_ocv_estimation plugin over its contract and through real runs: splits, gaps, refusals, audit of the BMS."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models.soc_ocv_estimation as plugin
from models.chemistry import CHEMISTRIES, chemistry
from models.soc_ocv_estimation.model import SocFromOcv
from platform_interface import ModelError, ModelInput
from tests.kit import START, Rows, Site

MANIFEST = json.loads((Path(plugin.__file__).parent / "model.json").read_text())
DEFAULTS = {name: option["default"] for name, option in MANIFEST["configuration"].items()}
PARAMETERS = {"capacity": 100.0, "cells_in_series": 10.0, "chemistry": "NMC"}
NAME = "soc_ocv_estimation"


def driven(days=2, *, name="NMC", seed=1, offset=0.0, start=0.8, resistance=0.0004, step=20):
    """Simulate a pack of 10 cells of 100 Ah: hours of load and of rest; an ohmic drop and a logarithmic tail."""
    random, curve = np.random.default_rng(seed), chemistry(name)
    time = np.arange(0, days * 86_400, step)
    hour = time // 3600
    level = random.choice([0.0, 20.0, -20.0, 35.0, -30.0], hour[-1] + 1)
    soc, current = start, np.zeros(len(time))
    truth, rested = np.zeros(len(time)), np.zeros(len(time))
    for k in range(len(time)):
        load = level[hour[k]]
        load = 0.0 if (load > 0 and soc < 0.15) or (load < 0 and soc > 0.92) else load
        current[k], truth[k] = load, soc
        rested[k] = 0.0 if load or not k else rested[k - 1] + step
        soc -= load * step / 3.6e5
    last = np.zeros(len(time))
    for k in range(1, len(time)):
        last[k] = current[k] if current[k] else last[k - 1]
    tail = 0.001 * np.sign(last) * np.log2(36_000.0 / np.clip(rested, 30.0, 36_000.0)) * (current == 0)
    cell = curve.ocv(truth) - resistance * current - tail
    return time, current + offset, 10.0 * cell, truth


def at(time, values):
    index = pd.to_datetime(START + np.asarray(time, np.int64) * 1000, unit="ms", utc=True)
    return pd.Series(np.asarray(values, float), index=index)


def compute(cuts, config=None, parameters=None, **inputs):
    """Run over the windows between the cuts [s]; return the joined outputs, the alarms and the last model."""
    edges, state, parts, alarms = [0, *sorted(cuts), 10**8], {}, {}, []
    model = SocFromOcv(DEFAULTS)
    for first, last in pairwise(edges):
        model = SocFromOcv(DEFAULTS | (config or {}))
        model.state = json.loads(json.dumps(state, allow_nan=False))
        low, high = (pd.to_datetime(START + edge * 1000, unit="ms", utc=True) for edge in (first, last))
        values = {k: v[(v.index >= low) & (v.index < high)] for k, v in inputs.items()}
        gap = {"current": 300.0, "voltage": 300.0, "bms_soc": 3600.0}
        data = ModelInput(values | PARAMETERS | (parameters or {}), low, high, {}, gap)
        for name, series in model.process(data).items():
            parts.setdefault(name, []).append(series)
        alarms += model.alarms
        state = model.state
    return {name: pd.concat(series) for name, series in parts.items()}, alarms, model


def of(seconds, soc):
    return np.interp(seconds, *soc)


def compared(outputs, time, truth):
    clock = (outputs["soc"].index.as_unit("ms").asi8 - START) / 1000.0
    return outputs["soc"].to_numpy() - np.interp(clock, time, truth)


def test_soc_is_found_from_an_unknown_start_and_held():
    time, current, voltage, truth = driven()
    outputs, _, _ = compute([], current=at(time, current), voltage=at(time, voltage))
    error = compared(outputs, time, truth)
    assert np.abs(error[len(error) // 2 :]).max() < 0.05
    clock = (outputs["soc_lower"].index.as_unit("ms").asi8 - START) / 1000.0
    actual = np.interp(clock, time, truth)
    held = (outputs["soc_lower"].to_numpy() <= actual) & (actual <= outputs["soc_upper"].to_numpy())
    assert held.mean() > 0.9


def test_before_any_rest_only_the_interval_is_given():
    time, current, voltage, _ = driven(days=1)
    busy = at(time, np.where(np.abs(current) < 5.0, 5.0, current))
    outputs, _, model = compute([], current=busy, voltage=at(time, voltage))
    assert "soc" not in outputs
    assert "rest" in model.refusals["soc"]
    assert outputs["soc_upper"].iloc[0] - outputs["soc_lower"].iloc[0] > 0.9


def test_a_stated_start_is_used_and_doubted():
    time, current, voltage, truth = driven(days=1)
    start = {"initial_soc": float(truth[0]) + 0.2}
    outputs, _, _ = compute([], parameters=start, current=at(time, current), voltage=at(time, voltage))
    error = compared(outputs, time, truth)
    assert error[0] == pytest.approx(0.2, abs=0.01)
    assert abs(error[-1]) < 0.06


def test_the_offset_of_the_current_sensor_is_found():
    time, current, voltage, _ = driven(days=6, offset=0.5)
    outputs, _, _ = compute([], current=at(time, current), voltage=at(time, voltage))
    assert outputs["current_offset"].iloc[-1] == pytest.approx(0.5, abs=2.0 * outputs["current_offset_sigma"].iloc[-1])
    assert outputs["current_offset"].iloc[-1] > 0.3


def test_capacity_is_found_from_two_far_rests():
    curve = chemistry("NMC")
    table = {"soc": curve.knots.tolist(), "ocv": curve.voltage.tolist(), "uncertainty": 0.003}
    time, current, voltage, _ = driven(days=5, seed=3)
    outputs, _, _ = compute(
        [], parameters={"ocv_curve": table, "capacity": 110.0}, current=at(time, current), voltage=at(time, voltage)
    )
    error = outputs["capacity_estimate"] - 100.0
    assert (error.abs() < 2.5 * outputs["capacity_sigma"]).all()
    assert abs(error.iloc[-1]) < 8.0


def test_available_energy_is_the_area_under_the_curve():
    time, current, voltage, _ = driven()
    outputs, _, _ = compute([], current=at(time, current), voltage=at(time, voltage))
    soc, energy = float(outputs["soc"].iloc[-1]), float(outputs["available_energy"].iloc[-1])
    assert energy == pytest.approx(100.0 * 10 * chemistry("NMC").energy(0.0, soc) / 1000.0, rel=0.01)
    assert (outputs["available_energy_lower"] <= outputs["available_energy"]).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 2 * 86_400 - 1), max_size=6, unique=True))
def test_any_split_leaves_the_same_bits(seed, cuts):
    time, current, voltage, truth = driven(seed=seed, step=60)
    keep = np.random.default_rng(seed).random(len(time)) > 0.02
    keep[500:560] = False
    bms = np.round(truth, 2)
    bms[900:] += 0.1
    inputs = {
        "current": at(time[keep], current[keep]),
        "voltage": at(time[keep], voltage[keep]),
        "bms_soc": at(time[::5] + 7, np.clip(bms, 0, 1)[::5]),
    }
    whole, alarms, last = compute([], **inputs)
    parts, pieces, other = compute(cuts, **inputs)
    assert json.dumps(last.state, sort_keys=True) == json.dumps(other.state, sort_keys=True)
    assert pieces == alarms
    for name, series in whole.items():
        pd.testing.assert_series_equal(parts[name], series, check_exact=True, check_freq=False)


def test_the_state_stays_small():
    time, current, voltage, truth = driven(days=10, step=60)
    _, _, model = compute([], current=at(time, current), voltage=at(time, voltage), bms_soc=at(time, truth))
    assert len(json.dumps(model.state)) < 6000


# --- audit of the BMS ---


def audited(change, **more):
    time, current, voltage, truth = driven(days=2, step=10)
    bms = np.round(change(time, truth), 3)
    outputs, alarms, model = compute(
        [], current=at(time, current), voltage=at(time, voltage), bms_soc=at(time, np.clip(bms, 0, 1)), **more
    )
    return outputs, alarms, model, time, truth


def test_a_true_bms_is_not_accused():
    outputs, alarms, _, _, _ = audited(lambda time, truth: truth)
    assert alarms == []
    assert not {"bms_jump", "bms_frozen_charge"} & outputs.keys()
    assert outputs["bms_counter_offset"].abs().max() < 0.05


def test_a_jump_is_told_with_its_time_size_and_energy():
    outputs, alarms, _, _, _truth = audited(lambda time, truth: truth + 0.12 * (time >= 90_000) - 0.12)
    (jump,) = outputs["bms_jump"].items()
    assert (jump[0] - pd.to_datetime(START, unit="ms", utc=True)).total_seconds() == 90_000
    assert jump[1] == pytest.approx(0.12, abs=0.002)
    assert outputs["bms_jump_energy"].iloc[0] == pytest.approx(0.12 * 100.0 * 10 * 4.0 / 1000.0, rel=0.1)
    assert [alarm["name"] for alarm in alarms] == ["BMS SOC jump"]


def test_a_frozen_bms_is_told_with_the_charge_that_passed():
    def stuck(time, truth):
        return np.where((time > 40_000) & (time < 80_000), truth[4_000], truth)

    outputs, alarms, _, _time, truth = audited(stuck)
    apart = 100.0 * (truth[4_000] - truth[4_000:8_000])
    assert outputs["bms_frozen_charge"].iloc[0] == pytest.approx(apart[np.argmax(np.abs(apart))], abs=0.5)
    assert "BMS SOC frozen" in [alarm["name"] for alarm in alarms]


def test_a_bms_that_never_moves_again_is_an_alarm_that_stands():
    outputs, alarms, *_ = audited(lambda time, truth: np.where(time > 40_000, truth[4_000], truth))
    standing = [alarm for alarm in alarms if alarm["name"] == "BMS SOC frozen"]
    assert [alarm["end"] for alarm in standing] == [None]
    assert "has stood" in standing[0]["text"]
    assert "bms_frozen_charge" not in outputs


def test_a_bms_frozen_over_a_whole_cycle_is_told_although_no_net_charge_passed():
    time = np.arange(0, 6 * 3600, 60)
    current = np.where(time < 3 * 3600, 20.0, -20.0)
    soc = 0.9 - np.cumsum(current) * 60 / 3.6e5
    bms = np.where(time < 6 * 3600 - 120, 0.9, 0.91)
    cut = [3 * 3600 + 7, 4 * 3600]
    whole, split = (
        compute(cuts, current=at(time, current), voltage=at(time, 10 * chemistry("NMC").ocv(soc)), bms_soc=at(time, bms))
        for cuts in ([], cut)
    )
    assert whole[0]["bms_frozen_charge"].iloc[0] == pytest.approx(60.0, abs=0.5)
    assert [alarm["end"] is None for alarm in whole[1]] == [True, False]
    assert whole[1] == split[1]
    assert whole[0]["bms_frozen_charge"].equals(split[0]["bms_frozen_charge"])


def test_the_offset_of_the_bms_counter_is_told():
    outputs, *_ = audited(lambda time, truth: np.clip(truth - 0.2 * time / 3600.0 / 100.0, 0.0, 1.0))
    assert outputs["bms_counter_offset"].iloc[-1] == pytest.approx(0.2, abs=0.03)


def test_a_change_across_a_gap_of_the_current_is_no_jump():
    time, current, voltage, truth = driven(days=1)
    keep = (time < 30_000) | (time > 32_000)
    bms = truth + 0.2 * (time > 31_000) - 0.1
    outputs, alarms, _ = compute(
        [], current=at(time[keep], current[keep]), voltage=at(time[keep], voltage[keep]), bms_soc=at(time, np.clip(bms, 0, 1))
    )
    assert alarms == []
    assert "bms_jump" not in outputs


# --- what it refuses ---


def test_a_wrong_number_of_cells_is_said():
    time, current, voltage, _ = driven(days=1)
    outputs, _, model = compute(
        [], parameters={"cells_in_series": 9.0}, current=at(time, current), voltage=at(time, voltage * 1.1)
    )
    assert "anchor_soc" not in outputs
    assert any("'Cells in series' or 'Chemistry' is probably wrong" in note for note in model.notes)


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"cells_in_series": 9.5}, "whole number"),
        ({"capacity": 0.0}, "capacity is"),
        ({"ocv_curve": {"soc": [0, 1]}}, "OCV Curve"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters, fault):
    time, current, voltage, _ = driven(days=1)
    with pytest.raises(ModelError, match=fault):
        compute([], parameters=parameters, current=at(time, current), voltage=at(time, voltage))


def test_a_bms_in_percent_is_refused():
    time, current, voltage, truth = driven(days=1)
    with pytest.raises(ModelError, match="percent"):
        compute([], current=at(time, current), voltage=at(time, voltage), bms_soc=at(time, 100.0 * truth))


def test_the_manifest_offers_the_chemistries_there_are():
    assert tuple(MANIFEST["inputs"]["chemistry"]["choices"]) == CHEMISTRIES


def test_after_a_night_without_data_the_first_voltage_counts_and_is_doubted():
    time, current, voltage, _truth = driven(days=1, step=60)
    later = 86_400 + 36_000
    clock = np.concatenate([time, [later, later + 60]])
    volts = 10.0 * float(chemistry("NMC").ocv(0.30))
    outputs, _, model = compute([], current=at(clock, [*current, 0.0, 30.0]), voltage=at(clock, [*voltage, volts, volts - 0.1]))
    assert outputs["soc"].iloc[-1] == pytest.approx(0.30, abs=0.05)
    assert outputs["anchor_sigma"].iloc[-1] > 0.02
    assert any("whether the battery rested in the gap is not known" in note for note in model.notes)


# --- through the platform ---


def test_on_a_platform_any_number_of_windows_leaves_the_same(tmp_path):
    time, current, voltage, truth = driven(days=3)
    values = np.array([current, voltage, np.round(truth, 2)])
    rows = Rows("pack", ("Current", "Voltage", "BMS SOC"), ("ampere", "volt", "dimensionless"), START + time * 1000, values)
    parameters = {"Capacity": 100.0, "Cells in series": 10, "Chemistry": "nmc"}
    found = []
    for number, values_at_once in enumerate((10**6, 700)):
        site = Site(tmp_path / str(number), parameters)
        site.put(rows)
        report = site.run([NAME], START + 10**9, max_values=values_at_once)
        assert site.model(report, NAME).status == "done", site.model(report, NAME).reason
        found.append(site.contents([NAME]))
    assert found[0] == found[1]
    assert any(key.endswith("/SOC") or key.endswith("/Soc") for key in found[0])


# --- what is plausible but wrong ---


@pytest.mark.parametrize(
    ("sign", "parameters"),
    [(-1.0, {}), (1.0, {"capacity": 10.0}), (1.0, {"capacity": 1000.0}), (1000.0, {}), (1.0, {"cells_in_series": 11.0})],
)
def test_a_wrong_sign_unit_capacity_or_number_of_cells_raises_an_alarm_once_rests_contradict_the_counting(sign, parameters):
    time, current, voltage, _ = driven(days=6)
    _, alarms, _ = compute([], parameters=parameters, current=at(time, sign * current), voltage=at(time, voltage))
    assert alarms[0]["name"] == "SOC contradicted by rests"
    assert "Check the sign and the unit of the current" in alarms[0]["text"]


@pytest.mark.parametrize(("seed", "offset"), [(1, 0.0), (2, 1.5), (3, -1.5)])
def test_rests_that_agree_with_the_counting_raise_no_alarm(seed, offset):
    time, current, voltage, _ = driven(days=6, seed=seed, offset=offset)
    _, alarms, _ = compute([], current=at(time, current), voltage=at(time, voltage))
    assert alarms == []


def test_the_alarm_of_contradicting_rests_is_the_same_for_any_split_and_clears_when_they_agree_again():
    time, current, voltage, _ = driven(days=8, seed=3)
    turned = np.where(time < 3 * 86_400, -current, current)
    found = []
    for cuts in ([], [100_000, 200_000, 200_020, 400_000]):
        _, alarms, _ = compute(cuts, current=at(time, turned), voltage=at(time, voltage))
        found.append({(alarm["name"], alarm["start"]): (alarm["end"], alarm["text"]) for alarm in alarms})
    assert found[0] == found[1]
    assert len(found[0]) == 1
    assert all(end is not None for end, _ in found[0].values())


def test_a_count_that_leaves_0_to_1_widens_the_interval_instead_of_closing_it_at_the_end():
    time, current, voltage, truth = driven(days=6)
    start = {"initial_soc": float(truth[0])}
    outputs, _, model = compute([], parameters=start, current=at(time, current + 5.0), voltage=at(time, voltage))
    clock = (outputs["soc_lower"].index.as_unit("ms").asi8 - START) / 1000.0
    actual = np.interp(clock, time, truth)[-2000:]
    lower, upper = outputs["soc_lower"].to_numpy()[-2000:], outputs["soc_upper"].to_numpy()[-2000:]
    assert ((lower <= actual) & (actual <= upper)).all()
    assert any("its lowest was 5 A" in text for text in [*model.notes, *model.refusals.values()])


def test_samples_farther_apart_than_max_gap_are_named_as_what_keeps_the_soc_unknown():
    time, current, voltage, _ = driven(days=2)
    _, _, model = compute([], current=at(time, current)[::45], voltage=at(time, voltage)[::45])
    assert "more than 300 s apart" in model.refusals["soc"]
    assert "max_gap" in model.refusals["soc"]


def test_a_voltage_that_never_comes_with_the_current_is_named_as_what_keeps_the_soc_unknown():
    time, current, voltage, _ = driven(days=1)
    _, _, model = compute([], current=at(time, current), voltage=at(time, np.full(len(voltage), np.nan)))
    assert "no voltage with the current" in model.refusals["soc"]


def test_noise_that_ends_each_rest_is_named_as_what_keeps_the_soc_unknown():
    time, current, voltage, _ = driven(days=1)
    noisy = np.where(np.abs(current) < 5.0, np.where(np.arange(len(time)) % 10 == 0, 2.5, 0.5), current)
    _, _, model = compute([], current=at(time, noisy), voltage=at(time, voltage))
    assert "raise rest_c_rate" in model.refusals["soc"]
