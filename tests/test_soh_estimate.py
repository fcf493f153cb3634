"""The estimator of state of health that ships: what it answers to charges made by hand, and what it refuses with which words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.neural_soh.estimate import CHEMISTRIES, LENGTH, Estimator
from models.neural_soh.features import FEATURES, WINDOWS, features
from models.neural_soh.segments import Rules, Samples, find

FOLDER = Path(__file__).parents[1] / "models" / "neural_soh"
CONTENT = (FOLDER / "weights.onnx").read_bytes()
ESTIMATOR = Estimator(CONTENT)
AT = {name: place for place, name in enumerate(FEATURES)}


def charge(soh=0.9, begin=0.0, end=1.0, rate=0.5, chemistry="NMC", temperature=25.0, capacity=5.0, noise=0.0):
    """Return the features of a charge from one share of the capacity to another, with a tail of constant voltage where it ended full."""
    low, high = WINDOWS[chemistry]
    ramp = 0.9 if end >= 1.0 else end
    hours = soh * (ramp - begin) / rate
    seconds = np.arange(0.0, 3600.0 * hours, 10.0)
    share = begin + (ramp - begin) * seconds / max(seconds[-1], 1.0)
    voltage = low + (high - low) * (0.02 + 0.98 * (share / 0.9) ** 0.7)
    current = np.full(len(seconds), -rate * capacity)
    if end >= 1.0:
        fall = 0.1 * soh / (rate * (1.0 - 0.08))  # hours: the tail's charge is a tenth of the capacity
        tail = np.arange(10.0, 3600.0 * fall * 2.53, 10.0)
        current = np.concatenate([current, -rate * capacity * np.exp(-tail / (3600.0 * fall))])
        voltage = np.concatenate([voltage, np.full(len(tail), high)])
        seconds = np.concatenate([seconds, seconds[-1] + tail])
    after = seconds[-1] + 10.0 * np.arange(1, 200)
    seconds = np.concatenate([seconds, after])
    current = np.concatenate([current, np.zeros(199)])
    voltage = np.concatenate([voltage, np.full(199, voltage[-1] - 0.01)])
    voltage = voltage + noise * np.random.default_rng(0).normal(size=len(voltage))
    warm, none = np.full(len(seconds), temperature), np.full(len(seconds), np.nan)
    found, _ = find(Samples((1000 * seconds).astype(np.int64), current, voltage, warm, none), capacity, Rules())
    return features(found[0], capacity, chemistry)


def several(*rows):
    return np.array(rows)


def test_a_whole_charge_is_estimated_near_the_ampere_hours_that_it_put_in():
    for soh in (0.9, 0.95, 1.0):
        row = charge(soh)
        assert row[AT["charge"]] == pytest.approx(soh, abs=0.02)
        found = ESTIMATOR.estimate(several(*[row] * 3), "NMC")
        assert found.soh == pytest.approx(row[AT["charge"]], abs=0.03)
        assert found.lower < found.soh < found.upper


def test_of_two_whole_charges_the_larger_one_is_of_the_healthier_cell():
    estimates = [ESTIMATOR.estimate(several(charge(soh)), "NMC").soh for soh in np.arange(0.86, 1.04, 0.02)]
    assert (np.diff(estimates) > 0).all()


def test_a_charge_in_part_is_estimated_with_a_wider_interval_than_a_whole_one():
    whole, part = (ESTIMATOR.estimate(several(row), "NMC") for row in (charge(0.95), charge(0.95, 0.3, 0.7)))
    assert part.upper - part.lower > whole.upper - whole.lower


def test_one_charge_that_broke_off_among_whole_ones_moves_the_estimate_by_less_than_its_own_size():
    good, broken = charge(0.95), charge(0.95, 0.0, 0.4)
    before = ESTIMATOR.estimate(several(*[good] * 7), "NMC").soh
    after = ESTIMATOR.estimate(several(*[good] * 7, broken), "NMC").soh
    assert abs(after - before) < 0.05


def test_of_more_charges_than_the_network_sees_the_last_ones_count():
    rows = several(*(charge(0.98 - 0.005 * number) for number in range(LENGTH + 4)))
    assert ESTIMATOR.estimate(rows, "NMC") == ESTIMATOR.estimate(rows[-LENGTH:], "NMC")


def test_charges_that_are_not_there_and_charges_of_nothing_but_nan_are_the_same():
    rows = several(charge(0.95), charge(0.94))
    padded = np.concatenate([np.full((LENGTH - 2, len(FEATURES)), np.nan), rows])
    assert ESTIMATOR.estimate(rows, "NMC") == ESTIMATOR.estimate(padded, "NMC")


def test_where_no_charge_tells_anything_the_answer_is_nan():
    found = ESTIMATOR.estimate(np.full((2, len(FEATURES)), np.nan), "LFP")
    assert np.isnan([found.soh, found.lower, found.upper]).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 12))
def test_many_cells_at_once_are_estimated_as_each_one_alone(seed, count):
    random = np.random.default_rng(seed)
    rows = random.normal(0.5, 0.6, (count, LENGTH, len(FEATURES)))
    rows[random.random(rows.shape) < 0.3] = np.nan
    names = tuple(random.choice(CHEMISTRIES, count))
    together = np.array(ESTIMATOR.estimates(rows, names))
    each = [ESTIMATOR.estimate(row, name) for row, name in zip(rows, names, strict=True)]
    alone = np.array([[one.soh, one.lower, one.upper] for one in each]).T
    np.testing.assert_allclose(together, alone, atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_whatever_comes_in_the_interval_holds_the_estimate_and_all_are_finite_where_a_charge_is(seed):
    random = np.random.default_rng(seed)
    rows = random.normal(0.5, 10.0 ** random.uniform(-1, 4), (LENGTH, len(FEATURES)))
    rows[random.random(rows.shape) < 0.3] = np.nan
    rows[-1, AT["charge"]] = random.uniform(0.05, 1.2)
    found = ESTIMATOR.estimate(rows, str(random.choice(CHEMISTRIES)))
    assert np.isfinite([found.soh, found.lower, found.upper]).all()
    assert 0.0 <= found.lower <= found.soh <= found.upper
    assert 0.04 < found.soh < 1.31


def test_a_shape_or_a_chemistry_that_the_network_has_not_is_an_error_with_words():
    with pytest.raises(ValueError, match=r"shape \(2, 5\); needed is \(number of charges, 63\)"):
        ESTIMATOR.estimate(np.zeros((2, 5)), "NMC")
    with pytest.raises(ValueError, match="chemistry 'LTO' is not known to the network; there are LFP, LCO, NCA, NMC"):
        ESTIMATOR.estimate(np.zeros((2, 63)), "LTO")


def test_a_charge_like_those_of_the_training_is_not_refused():
    assert ESTIMATOR.outside(charge(0.95), "NMC") is None


@pytest.mark.parametrize(
    ("row", "chemistry", "code", "words"),
    [
        (lambda: charge(0.95, 0.4, 0.48), "NMC", 1, "7.5 % of the capacity was charged, at least"),
        (lambda: charge(0.95, rate=0.2), "NMC", 2, "the cell was charged at 0.20 of its capacity an hour, known are 0.4"),
        (lambda: charge(0.95, temperature=-10.0), "NMC", 3, "the cell had -10.0 °C while it was charged, known are"),
        (lambda: charge(0.95), "LTO", 4, "chemistry is LTO, the network knows LFP, LCO, NCA, NMC"),
    ],
)  # fmt: skip
def test_a_charge_outside_the_training_is_refused_with_the_value_and_what_would_help(row, chemistry, code, words):
    refused = ESTIMATOR.outside(row(), chemistry)
    assert refused is not None
    assert refused.code == code
    assert words in refused.text
    assert any(help_ in refused.text for help_ in ("; charge ", "; begin a charge", "; train it"))


def test_a_charge_of_a_shape_that_no_cell_has_is_refused_as_unlike_any():
    row = charge(0.95)
    row[AT["voltage_skewness"]], row[AT["voltage_kurtosis"]], row[AT["voltage_slope"]] = 40.0, 900.0, -30.0
    refused = ESTIMATOR.outside(row, "NMC")
    assert refused is not None
    assert refused.code == 5
    assert "check capacity, chemistry and cells in series" in refused.text


def test_what_was_not_measured_is_not_held_against_a_charge():
    row = charge(0.95)
    row[[AT["temperature_first"], AT["temperature_mean"], AT["temperature_rise"]]] = np.nan
    assert ESTIMATOR.outside(row, "NMC") is None


def test_the_range_that_people_read_is_the_one_in_the_graph():
    written = json.loads((FOLDER / "range.json").read_text(encoding="utf-8"))
    for name, one in ESTIMATOR.range["chemistries"].items():
        assert {key: value for key, value in one.items() if key != "features"} == written["chemistries"][name]
    assert written["interval"].startswith("unvalidated")
    assert written["chemistries"]["NMC"]["basis"] == "simulated cells only"


def test_the_cells_of_the_demonstration_are_in_no_training():
    assert "CS2_35" not in ESTIMATOR.about["training_cells"]
    assert "B0005" not in ESTIMATOR.about["training_cells"]
    assert ESTIMATOR.about["kept_out"] == "NASA B0005, CALCE CS2_35"


def test_the_file_is_small_and_names_no_path_of_the_machine_that_made_it():
    assert len(CONTENT) <= 3_000_000
    for word in (b"/work", b"/tmp", b"/home", b"site-packages"):
        assert word not in CONTENT
