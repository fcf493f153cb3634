"""The eq_cycles plugin over its contract: windows, carried state, refusals, and the law of any split."""

from __future__ import annotations

import json
import time as clock
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models.eq_cycles as plugin
from models.eq_cycles.model import EquivalentCycles
from platform_interface import ModelError, ModelInput

MANIFEST = json.loads((Path(plugin.__file__).parent / "model.json").read_text())
DEFAULTS = {name: option["default"] for name, option in MANIFEST["configuration"].items()}
START = pd.Timestamp("2026-01-01", tz="UTC")
ALIGNED = {"voltage": 60.0, "temperature": 600.0, "soh": 90 * 86400.0}


def at(seconds, values):
    index = pd.DatetimeIndex(START + pd.to_timedelta(np.asarray(seconds), unit="s")).as_unit("ms")
    series = pd.Series(np.array(values, dtype=float), index=index)
    series.array._ndarray.flags.writeable = False
    return series


def window(start, end, max_gap=3600.0, **inputs):
    """What the framework hands over: the samples of one window, aligned inputs on the current's times."""
    first, last = START + pd.Timedelta(seconds=start), START + pd.Timedelta(seconds=end)
    values = {
        name: value[(value.index >= first) & (value.index < last)] if isinstance(value, pd.Series) else value
        for name, value in ({"capacity": 100.0} | inputs).items()
        if value is not None
    }
    return ModelInput(values, first, last, {}, {"current": max_gap, "soc": 3600.0})


def run(cuts=(), config=None, end=10**7, **inputs):
    """Run over the windows between the cuts; return the joined outputs, and the last model."""
    edges, state, parts = [0, *sorted(cuts), end], {}, {}
    notes = []
    for first, last in pairwise(edges):
        model = EquivalentCycles(DEFAULTS | (config or {}))
        model.state = json.loads(json.dumps(state, allow_nan=False))
        for name, output in model.process(window(first, last, **inputs)).items():
            parts.setdefault(name, []).append(output)
        state = model.state
        notes += model.notes
    model.notes = notes
    return {name: pd.concat(pieces) for name, pieces in parts.items()}, model


def steady(hours=24, amperes=50.0, step=1800):
    seconds = np.arange(0, hours * 3600 + 1, step)
    return at(seconds, np.full(len(seconds), amperes))


def drive(seed=0, samples=600, soc_every=7):
    """An irregular drive with gaps, holes in the aligned inputs and a recalibrated SOC."""
    rng = np.random.default_rng(seed)
    seconds = np.cumsum(rng.choice([1.0, 2.5, 30.0, 5000.0], samples, p=[0.5, 0.3, 0.19, 0.01]))
    current = at(seconds, rng.normal(0.0, 80.0, samples) * (rng.random(samples) > 0.2))
    level = np.clip(0.5 + np.cumsum(rng.normal(0.0, 0.02, samples)), 0.0, 1.0)[::soc_every]
    holes = {name: np.where(rng.random(samples) < 0.1, np.nan, 1.0) for name in ALIGNED}
    return {
        "current": current,
        "soc": at(seconds[::soc_every] + 0.4, level),
        "voltage": at(seconds, rng.uniform(300.0, 400.0, samples) * holes["voltage"]),
        "temperature": at(seconds, rng.uniform(-20.0, 60.0, samples) * holes["temperature"]),
        "soh": at(seconds, np.linspace(1.0, 0.9, samples) * holes["soh"]),
    }, float(seconds[-1])


def test_a_day_at_half_the_capacity_is_six_equivalent_full_cycles():
    outputs, model = run(current=steady())  # 50 A * 24 h / (2 * 100 Ah) = 6
    assert outputs["equivalent_full_cycles"].iloc[-1] == 6.0
    assert outputs["equivalent_cycles"].iloc[-1] == pytest.approx(6.0 * 0.99)
    assert outputs["discharged_capacity"].iloc[-1] == outputs["charge_throughput"].iloc[-1] == 1200.0
    assert outputs["charged_capacity"].iloc[-1] == 0.0
    assert outputs["equivalent_cycles"].index.equals(steady().index)
    assert any("no SOH" in note for note in model.notes)


def test_a_split_at_midnight_keeps_the_interval_across_it():
    whole, _ = run(current=steady(48))
    split, _ = run(cuts=[86_400, 100_000], current=steady(48))
    assert whole["equivalent_full_cycles"].iloc[-1] == 12.0
    for name, series in whole.items():
        pd.testing.assert_series_equal(series, split[name], check_exact=True, check_freq=False)


def test_a_week_without_samples_contributes_nothing():
    before, week = steady(12), 7 * 86_400
    after = pd.Series(before.to_numpy(), index=before.index + pd.Timedelta(seconds=12 * 3600 + week))
    outputs, _ = run(current=pd.concat([before, after]))
    assert outputs["equivalent_full_cycles"].iloc[-1] == 6.0


def test_charge_and_discharge_are_told_apart():
    outputs, _ = run(current=at([0, 3600, 7200, 10_800], [50.0, 50.0, -20.0, -20.0]))
    # 50 Ah, then the crossing after 5/7 h: 50*(5/7)/2 = 17.857 Ah out and 20*(2/7)/2 = 2.857 Ah in, then 20 Ah in
    assert outputs["discharged_capacity"].iloc[-1] == pytest.approx(50.0 + 125.0 / 7.0)
    assert outputs["charged_capacity"].iloc[-1] == pytest.approx(20.0 + 20.0 / 7.0)


def test_the_rule_of_the_vendor_uses_the_sample_at_the_end_of_each_interval():
    current = at([0, 3600, 7200], [10.0, 50.0, -20.0])
    outputs, _ = run(config={"integration": "right"}, current=current, soh=at([0, 3600, 7200], [1.0, 0.8, 0.5]))
    # 50 Ah * 0.99 / (2 * 100 * 0.8) + 20 Ah * 0.98 / (2 * 100 * 0.5)
    assert outputs["equivalent_cycles"].iloc[-1] == pytest.approx(50 * 0.99 / 160 + 20 * 0.98 / 100)


def test_without_efficiency_correction_and_at_full_health_both_definitions_agree():
    outputs, _ = run(config={"enable_efficiency_correction": False}, **drive()[0] | {"soh": None})
    assert outputs["equivalent_cycles"].to_numpy() == pytest.approx(outputs["equivalent_full_cycles"].to_numpy())


def test_a_seed_counts_in_the_first_window_only():
    outputs, _ = run(cuts=[40_000], current=steady(), initial_equivalent_cycles=100.0)
    assert outputs["equivalent_cycles"].iloc[0] == 100.0
    assert outputs["equivalent_cycles"].iloc[-1] == pytest.approx(105.94)
    assert outputs["equivalent_full_cycles"].iloc[-1] == 6.0


def test_energy_is_integrated_where_there_is_voltage():
    current, voltage = steady(4, step=3600), at(np.arange(5) * 3600, [400.0, 400.0, np.nan, 400.0, 400.0])
    outputs, model = run(current=current, voltage=voltage)
    assert outputs["discharged_energy"].tolist() == [0.0, 20.0, 20.0, 20.0, 40.0]  # 400 V * 50 A = 20 kW
    assert any("2 of 5 intervals have no voltage" in note for note in model.notes)


def test_without_voltage_the_energies_are_refused_with_a_remedy():
    outputs, model = run(current=steady())
    refused = {"charged_energy", "discharged_energy", "energy_throughput"}
    assert refused <= set(model.refusals) and not refused & set(outputs)
    assert "map the sensor" in model.refusals["charged_energy"]


def test_stress_is_refused_only_without_temperature_and_soc():
    current, warm = steady(), at(np.arange(0, 86_401, 1800), np.full(49, 35.0))
    assert "stress_weighted_cycles" in run(current=current)[1].refusals
    outputs, model = run(current=current, temperature=warm)
    assert outputs["stress_weighted_cycles"].iloc[-1] == pytest.approx(6.0 * 1.9552, rel=1e-4)
    assert any("no SOC" in note for note in model.notes)


def test_charging_in_the_cold_is_never_a_discount():
    seconds = np.arange(0, 86_401, 1800)
    outputs, model = run(current=steady(amperes=-50.0), temperature=at(seconds, np.full(49, -10.0)))
    assert outputs["stress_weighted_cycles"].iloc[-1] == 6.0
    assert any("lithium plating" in note for note in model.notes)


def test_percent_for_a_fraction_is_refused():
    with pytest.raises(ModelError, match="not a fraction"):
        run(current=steady(), soc=at([0, 1800], [80.0, 79.0]))


@pytest.mark.parametrize("capacity", [0.0, -1.0, float("nan"), float("inf")])
def test_a_capacity_that_is_none_is_refused(capacity):
    with pytest.raises(ModelError, match=r"capacity is .* Ah, so no cycle can be counted"):
        run(current=steady(), capacity=capacity)


def test_the_stress_weight_uses_a_recent_soc_only():
    current, soc = steady(6, step=1800), at([0], [0.9])
    outputs, _ = run(cuts=[5000], current=current, soc=soc)
    steps = outputs["stress_weighted_cycles"].diff().to_numpy()[1:] / 0.125
    assert steps.round(4).tolist() == [1.5159, 1.5159] + [1.0] * 10  # 3600 s of tolerance


def test_a_recalibrated_soc_is_noted_and_counts_no_cycle():
    seconds = np.arange(0, 6000, 10)
    soc = np.full(600, 0.6)
    soc[200:400] = 0.8
    outputs, model = run(cuts=[2000, 2500], current=steady(2), soc=at(seconds, soc))
    assert outputs["rainflow_equivalent_cycles"].iloc[-1] == 0.0
    assert any("2026-01-01 00:33:20 UTC (+20.0%)" in note for note in model.notes)


def test_rainflow_histogram_is_given_where_it_changes():
    soc = np.concatenate([np.linspace(1.0, 0.3, 71), np.linspace(0.3, 1.0, 71), np.linspace(1.0, 0.3, 71)])
    outputs, _ = run(current=steady(2), soc=at(np.arange(213) * 60, soc))
    histogram = outputs["rainflow_histogram"]
    assert list(histogram.columns) == list(range(10))
    assert histogram.to_numpy().tolist() == [[0.0] * 7 + [0.5] + [0.0] * 2]
    assert outputs["rainflow_equivalent_cycles"].iloc[-1] == pytest.approx(1.05)
    assert outputs["rainflow_cycles"].iloc[-1] == 0.5


@pytest.mark.parametrize("samples", [0, 1])
def test_a_window_may_hold_no_sample_or_one(samples):
    inputs, _ = drive(samples=3)
    few = {name: series.iloc[:samples] for name, series in inputs.items()}
    outputs, model = run(**few)
    assert set(outputs) == set(MANIFEST["outputs"])
    assert len(outputs["equivalent_cycles"]) == samples
    json.dumps(model.state, allow_nan=False)


@given(
    seed=st.integers(0, 50),
    cuts=st.lists(st.floats(0.0, 1.0), max_size=12),
    integration=st.sampled_from(["trapezoid", "right"]),
)
@settings(derandomize=True, max_examples=120, deadline=None)
def test_any_split_gives_the_same_bits(seed, cuts, integration):
    inputs, length = drive(seed)
    config = {"integration": integration}
    whole, unsplit = run(config=config, **inputs)
    parts, split = run(cuts=[cut * length for cut in cuts], config=config, **inputs)
    assert unsplit.state == split.state
    assert set(whole) == set(parts) == set(MANIFEST["outputs"])
    for name, expected in whole.items():
        assert expected.index.equals(parts[name].index)
        assert expected.to_numpy().tobytes() == parts[name].to_numpy().tobytes()


def test_one_sample_a_window_gives_the_same_bits():
    inputs, length = drive(3, samples=150)
    whole, unsplit = run(**inputs)
    cuts = (inputs["current"].index - START).total_seconds().to_numpy() + 0.001
    parts, split = run(cuts=cuts[cuts < length], **inputs)
    assert unsplit.state == split.state
    assert all(whole[name].to_numpy().tobytes() == parts[name].to_numpy().tobytes() for name in whole)


def test_inputs_are_left_as_they_are():
    inputs, _ = drive()
    before = {name: series.copy(deep=True) for name, series in inputs.items()}
    run(**inputs)
    assert all(series.equals(before[name]) for name, series in inputs.items())


def test_totals_never_fall():
    outputs, _ = run(**drive(5)[0])
    for name in set(outputs) - {"rainflow_histogram"}:
        assert (np.diff(outputs[name].to_numpy()) >= 0.0).all(), name


def test_a_hundred_thousand_soc_samples_take_less_than_a_second():
    rng = np.random.default_rng(0)
    soc = np.clip(0.5 + 0.45 * np.sin(np.arange(100_000) / 3000) + rng.normal(0, 0.002, 100_000), 0, 1)
    begin = clock.perf_counter()
    run(current=steady(1), soc=at(np.arange(100_000), soc))
    assert clock.perf_counter() - begin < 1.0
