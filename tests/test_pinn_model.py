"""The pinn_internal_state plugin over its contract: splits, gaps, ranges, refusals, alarms, other cells of the kind."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

from models.pinn_internal_state.memory import recall
from platform_interface import ModelError
from tests import pinn_kit
from tests.pinn_kit import MANIFEST, PARAMETERS, compute, driven

ESTIMATED, STARTING, BLIND, OUTSIDE, TOO_LARGE, STRANGE = range(6)


def troubled():
    """Four hours with a gap of 50 minutes, a stretch without voltage, one too hot, and one sample that is missing."""
    log = driven()
    keep = (log.time < 6000) | (log.time > 9000)
    keep[100] = False
    voltage = np.where((log.time > 9600) & (log.time < 9900), np.nan, log.voltage)
    temperature = np.where((log.time > 12_100) & (log.time < 12_200), 80.0, log.temperature)
    return log.series(keep, voltage=voltage, temperature=temperature)


def status(outputs):
    return [int(code) for code in outputs["status"]]


@pytest.mark.parametrize("seed", range(4))
def test_any_cutting_into_windows_gives_the_same_numbers_and_the_same_state(seed):
    series = troubled()
    wanted, alarms, last = compute(series)
    cuts = np.random.default_rng(seed).uniform(0, 14_400, 2 + 9 * seed).tolist()
    found, again, model = compute(series, cuts=cuts)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert np.array_equal(found[name].to_numpy(), value.to_numpy()), name
        assert found[name].index.equals(value.index), name
    assert model.state == last.state
    assert again == alarms


def test_every_output_is_in_the_manifest_and_every_one_of_the_manifest_is_given():
    outputs, _, _ = compute(troubled())
    assert outputs.keys() == MANIFEST["outputs"].keys()
    for name, given in MANIFEST["outputs"].items():
        assert (outputs[name].shape[1] if outputs[name].ndim == 2 else 0) == given.get("columns", 0), name
        assert np.isfinite(outputs[name].to_numpy()).all(), name


def test_the_state_stays_small_however_long_the_stream():
    log = driven()
    sizes = []
    for share in (0.5, 1.0):
        _, _, model = compute(log.series(slice(0, round(share * len(log.time)))))
        sizes.append(len(json.dumps(model.state)))
    assert sizes[1] < 1.2 * sizes[0]
    assert sizes[1] < 300_000


def test_a_state_is_recalled_as_it_was():
    _, _, model = compute(troubled())
    assert recall(pinn_kit.network(), model.state).to_state() == model.state


def test_charge_margin_and_voltage_are_found_from_an_unknown_start():
    log = driven()
    outputs, _, _ = compute(log.series())
    time = pinn_kit.at(outputs, log, "soc")
    late = time > 3000
    error = outputs["soc"].to_numpy() - np.interp(time, log.time + 5, log.soc)
    assert np.abs(error[late]).max() < 0.02
    true = [log.margin[(log.time > t - 1440) & (log.time < t)].min() * 1e3 for t in time]
    assert np.abs(outputs["plating_margin"].to_numpy() - true)[late].max() < 6.0
    assert np.abs(outputs["voltage_residual"].to_numpy()[late]).max() < 3.0
    assert np.abs((outputs["voltage_reconstructed"] - outputs["voltage_measured"]).to_numpy())[late].max() < 0.01


def test_intervals_hold_the_truth_and_are_wider_where_parameters_are_less_known():
    log = driven()
    sure = dict.fromkeys(("diffusivity_sigma", "exchange_sigma", "electrolyte_sigma", "loading_sigma", "balance_sigma"), 0.01)
    widths = []
    for config in (sure, {}):
        outputs, _, _ = compute(log.series(), config)
        time = pinn_kit.at(outputs, log, "soc")
        true = np.interp(time, log.time + 5, log.soc)
        inside = (outputs["soc_lower"].to_numpy() <= true) & (true <= outputs["soc_upper"].to_numpy())
        assert inside.mean() > 0.8
        names = ("soc", "plating_margin", "negative_surface_stoichiometry", "voltage_reconstructed")
        widths.append([float((outputs[f"{name}_upper"] - outputs[f"{name}_lower"]).mean()) for name in names])
        widths[-1].append(float(outputs["positive_profile_interval"].to_numpy().mean()))
    assert all(known < doubted for known, doubted in zip(*widths, strict=True)), widths


def test_a_larger_cell_with_cells_in_series_gives_the_same_inside():
    log = driven()
    one, _, _ = compute(log.series())
    large = log.series(current=10.0 * log.current, voltage=4.0 * log.voltage)
    four, _, _ = compute(large, parameters={"capacity": 50.0, "cells_in_series": 4.0})
    assert np.allclose(one["soc"], four["soc"], atol=2e-3)
    assert np.allclose(one["negative_profile"], four["negative_profile"], atol=60.0)
    assert np.allclose(10.0 * one["lithium_lost"], four["lithium_lost"], rtol=0.02, atol=1e-6)


def test_a_gap_is_not_operation_and_what_was_learned_of_the_parameters_is_kept():
    log = driven()
    keep = (log.time < 7300) | (log.time > 10_800)
    outputs, _, model = compute(log.series(keep))
    seconds = pinn_kit.at(outputs, log, "soc")
    assert not ((seconds > 7300) & (seconds < 10_800)).any()
    short, _, _ = compute(log.series(log.time < 7300))
    known = recall(pinn_kit.network(), model.state)
    assert known.before is not None
    assert outputs["sei_thickness"].iloc[-1] - short["sei_thickness"].iloc[-1] < 0.6 * short["sei_thickness"].iloc[-1]


@pytest.mark.parametrize(
    ("name", "change", "code", "word"),
    [
        ("temperature", lambda log: log.temperature + 60.0, OUTSIDE, "temperature outside -20 to 65 °C"),
        ("temperature", lambda log: log.temperature * np.nan, BLIND, "Map sensors"),
        ("voltage", lambda log: log.voltage * np.nan, BLIND, "Map sensors"),
        ("current", lambda log: log.current * 10.0, TOO_LARGE, "Check 'Capacity'"),
        ("voltage", lambda log: log.voltage - 0.6 + 0.3 * np.sin(log.time / 300.0), STRANGE, "Check 'Capacity'"),
    ],
)
def test_what_is_outside_the_range_is_not_estimated_and_the_remedy_is_said(name, change, code, word):
    log = driven()
    few = slice(0, 400)
    outputs, _, model = compute(log.series(few, **{name: change(log)}))
    assert set(status(outputs)) == {code}
    assert "soc" not in outputs
    assert any(word in note for note in model.notes), model.notes


def test_samples_too_far_apart_are_refused_with_what_would_help():
    log = driven()
    outputs, _, model = compute(log.series(slice(0, None, 31)))
    assert "soc" not in outputs
    assert model.refusals or all("Log without gaps" in note for note in model.notes)


@pytest.mark.parametrize(
    ("parameters", "config", "word"),
    [
        ({"chemistry": "LFP"}, {}, "chemistry is LFP"),
        ({"cells_in_series": 2.5}, {}, "not a whole number"),
        ({}, {"bin": 7.0}, "must be one of 5, 10, 30, 60, 120"),
    ],
)
def test_what_the_network_was_not_made_for_is_refused(parameters, config, word):
    with pytest.raises(ModelError, match=word):
        compute(driven().series(slice(0, 300)), config, parameters)


def test_an_alarm_is_raised_while_lithium_may_plate_and_cleared_after():
    cold = driven(hours=2.0, celsius=-5.0, soc=0.45, constant=-4.0)
    series = cold.series(cold.time < 3600)
    outputs, alarms, _ = compute(series, {"exchange_sigma": 0.05, "diffusivity_sigma": 0.05, "misfit_limit": 0.1})
    assert outputs["plating_margin"].min() < -20.0
    assert alarms
    assert alarms[0]["name"] == "lithium plating"
    assert "Charge more slowly, or warmer" in alarms[0]["text"]


def test_only_onnxruntime_is_needed():
    compute(driven().series(slice(0, 300)))
    assert "onnxruntime" in sys.modules
    assert not {"torch", "pybamm", "onnx"} & {name for name in sys.modules if sys.modules[name] is not None}


def test_the_manifest_states_the_digest_of_every_network_in_the_folder():
    import hashlib

    for name, digest in MANIFEST["weights"].items():
        assert hashlib.sha256((pinn_kit.FOLDER / name).read_bytes()).hexdigest() == digest, name
    assert PARAMETERS["chemistry"] in MANIFEST["inputs"]["chemistry"]["choices"]
    assert isinstance(driven().series()["current"], pd.Series)
