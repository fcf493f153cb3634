"""The pure functions of eq_cycles, against values calculated by hand and the package `rainflow`."""

from __future__ import annotations

import doctest
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
import rainflow as package
from hypothesis import given, settings
from hypothesis import strategies as st

from models.eq_cycles import rainflow, stress, throughput

ASTM_EXAMPLE = [-2.0, 1.0, -3.0, 5.0, -1.0, 3.0, -4.0, 4.0, -2.0]
HISTORIES = st.lists(st.integers(0, 100), min_size=3, max_size=200).map(lambda x: np.array(x) / 128.0)


def counted(levels, gate=0.0, state=None):
    return rainflow.count(np.asarray(levels, dtype=float), state or rainflow.RainflowState(), gate)


def ranges(levels, gate=0.0):
    """Range -> count of the whole history, by this plugin."""
    state, count = counted(levels, gate)
    total: Counter[float] = Counter()
    for depth, weight in [cycle[1:] for cycle in count.cycles] + rainflow.open_cycles(state):
        total[depth] += weight
    return {depth: weight for depth, weight in total.items() if depth > 0.0}


@pytest.mark.parametrize("module", [throughput, rainflow, stress])
def test_every_example_in_a_docstring_is_true(module):
    assert doctest.testmod(module).failed == 0


def test_the_worked_example_of_astm_e1049_is_counted_as_in_the_standard():
    assert ranges(ASTM_EXAMPLE) == {3.0: 0.5, 4.0: 1.5, 6.0: 0.5, 8.0: 1.0, 9.0: 0.5}


@given(HISTORIES)
@settings(derandomize=True, max_examples=500, deadline=None)
def test_a_whole_history_gives_the_cycles_of_the_package(levels):
    theirs = {depth: count for depth, count in package.count_cycles(levels.tolist()) if depth > 0.0}
    assert ranges(levels) == theirs


@given(HISTORIES)
@settings(derandomize=True, max_examples=100, deadline=None)
def test_full_depth_equivalents_are_those_of_the_package_at_every_instant(levels):
    _, count = counted(levels)
    for samples in range(3, len(levels) + 1):
        theirs = sum(depth * n for depth, n in package.count_cycles(levels[:samples].tolist()))
        assert count.equivalent[samples - 1] == pytest.approx(theirs, abs=1e-12)


@given(HISTORIES)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_closed_and_open_cycles_together_are_those_of_the_package(levels):
    state, count = counted(levels)
    theirs = sum(n for depth, n in package.count_cycles(levels.tolist()) if depth > 0.0)
    rest = sum(n for depth, n in rainflow.open_cycles(state) if depth > 0.0)
    assert count.closed[-1] + rest == theirs
    assert sum(state.histogram) == state.closed == count.closed[-1]


@given(HISTORIES, st.sampled_from([0.0, 0.02, 0.1, 0.3]), st.lists(st.integers(0, 200), max_size=6))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_rainflow_does_not_depend_on_the_split(levels, gate, cuts):
    whole_state, whole = counted(levels, gate)
    state, parts = rainflow.RainflowState(), []
    for part in np.split(levels, sorted(min(cut, len(levels)) for cut in cuts)):
        state, count = counted(part, gate, state)
        parts.append(count)
    assert asdict(state) == asdict(whole_state)
    for name in ("closed", "equivalent"):
        assert np.concatenate([getattr(part, name) for part in parts]).tobytes() == getattr(whole, name).tobytes()
    assert np.concatenate([part.histograms for part in parts]).tolist() == whole.histograms.tolist()


@given(HISTORIES, st.sampled_from([0.02, 0.1, 0.3]))
@settings(derandomize=True, max_examples=500, deadline=None)
def test_the_gate_drops_the_shallower_cycles_and_no_deeper_one(levels, gate):
    levels = np.concatenate(([2.0], levels))  # a start deeper than all: the gate may move the very first range
    state, count = counted(levels, gate)
    gated = [cycle[1:] for cycle in count.cycles] + rainflow.open_cycles(state)
    assert all(depth > gate for depth, _ in gated)
    theirs = [(depth, n) for depth, _, n, *_ in package.extract_cycles(levels.tolist()) if n == 1.0 and depth > gate]
    assert Counter(cycle for cycle in gated if cycle[1] == 1.0) == Counter(theirs)


def test_a_long_history_crosses_the_blocks_unharmed():
    rng = np.random.default_rng(7)
    levels = np.clip(np.cumsum(rng.normal(0.0, 1e-3, 30_000)) + 0.5, 0.0, 1.0)
    ours, theirs = ranges(levels), dict(package.count_cycles(levels.tolist()))
    assert ours == pytest.approx({depth: n for depth, n in theirs.items() if depth > 0.0})


def turning_points(levels, gate):
    """The gate, one sample after the other, as its definition reads."""
    points, extreme, direction = [levels[0]], levels[0], 0.0
    for level in levels:
        if direction == 0.0:
            if abs(level - extreme) > gate:
                direction, extreme = np.sign(level - extreme), level
        elif (level - extreme) * direction > 0.0:
            extreme = level
        elif abs(level - extreme) > gate:
            points.append(extreme)
            direction, extreme = -direction, level
    return [*points, extreme]


@pytest.mark.parametrize("gate", [0.0, 0.02, 0.1])
def test_the_gate_in_blocks_is_the_gate_sample_by_sample(gate):
    rng = np.random.default_rng(7)
    levels = 0.5 + 0.4 * np.sin(np.arange(60_000) / 4000.0) + rng.normal(0.0, 0.004, 60_000)
    theirs = dict(package.count_cycles(turning_points(levels, gate)))
    assert ranges(levels, gate) == pytest.approx({depth: n for depth, n in theirs.items() if depth > 0.0})


def test_ripple_within_the_gate_is_no_cycle():
    levels = 0.5 + 0.005 * np.sin(np.linspace(0.0, 100.0, 5000))
    state, count = counted(levels, gate=0.02)
    assert state.closed == 0.0 and count.equivalent[-1] == 0.0


def test_an_unbroken_fall_is_half_a_cycle_of_its_depth():
    _, count = counted([1.0, 0.75, 0.5, 0.25, 0.0])
    assert count.equivalent.tolist() == [0.0, 0.125, 0.25, 0.375, 0.5]
    assert count.closed.tolist() == [0.0] * 5


def test_depths_fall_into_the_bin_that_a_person_expects():
    depths = (0.0, 0.05, 0.1, 0.7 - 0.4, 0.3, 0.99, 1.0, 1.2)
    assert [rainflow.depth_bin(depth) for depth in depths] == [0, 0, 1, 3, 3, 9, 9, 9]


def test_a_recalibration_is_taken_out_and_a_change_over_a_gap_is_kept():
    seconds = np.array([0, 0, 10, 20, 30, 100_000], dtype=np.int64)
    soc = np.array([0.5, 0.5, 0.49, 0.69, 0.68, 0.3])
    offset, jump = rainflow.recalibration_offset(seconds * 1000, soc, 0.0, 3600.0, (0.05, 2.0))
    assert jump.round(9).tolist() == [0.0, 0.0, 0.2, 0.0, 0.0]
    assert (soc[1:] + offset).round(9).tolist() == [0.5, 0.49, 0.49, 0.48, 0.1]


def test_a_fast_but_possible_change_at_slow_sampling_is_no_recalibration():
    time = np.array([0, 900_000], dtype=np.int64)
    _, jump = rainflow.recalibration_offset(time, np.array([0.9, 0.65]), 0.0, 3600.0, (0.05, 2.0))
    assert jump.tolist() == [0.0]


def test_a_change_of_sign_is_split_at_the_zero_crossing():
    # 30 A falls to -10 A in 1 h: zero after 45 min; 30 * 0.75 / 2 = 11.25 Ah out, 10 * 0.25 / 2 = 1.25 Ah in
    discharged, charged = throughput.split_trapezoid(np.array([30.0, -10.0]), np.array([1.0]))
    assert (discharged[0], charged[0]) == (11.25, 1.25)


def test_charge_less_discharge_is_the_plain_trapezoid():
    rng = np.random.default_rng(1)
    flow, hours = rng.normal(0.0, 50.0, 1000), rng.uniform(0.0, 0.1, 999)
    discharged, charged = throughput.split_trapezoid(flow, hours)
    assert discharged - charged == pytest.approx(0.5 * hours * (flow[1:] + flow[:-1]), abs=1e-12)


def test_temperature_doubles_every_ten_kelvin_and_gives_no_discount_in_the_cold():
    # 35 degC: exp(0.0693 * 10 * 298.15 / 308.15) = exp(0.67051) = 1.9552
    factor = stress.temperature_stress(np.array([-20.0, 0.0, 10.0, 25.0, 35.0, np.nan]))
    assert factor.round(4).tolist() == [1.0, 1.0, 1.0, 1.0, 1.9552, 1.0]


def test_soc_weighs_by_xu_and_an_unknown_one_by_one():
    # exp(1.04 * 0.4) = exp(0.416) = 1.5159
    assert stress.soc_stress(np.array([0.9, np.nan])).round(4).tolist() == [1.5159, 1.0]


def test_c_rate_weighs_by_wang_within_the_rates_tested():
    # 2.5 C at 25 degC: exp(370.3 * 2 / (8.314462618 * 298.15)) = exp(0.29875) = 1.3482
    warm = np.full(4, 25.0)
    factor = stress.rate_stress(np.array([0.0, 0.5, 2.5, 50.0]), warm)
    assert factor[:3].round(4).tolist() == [1.0, 1.0, 1.3482]
    assert factor[3] == stress.rate_stress(np.array([10.0]), warm[:1])[0]


@pytest.mark.parametrize("function", [stress.temperature_stress, stress.soc_stress])
def test_exponentials_do_not_depend_on_where_an_array_is_cut(function):
    rng = np.random.default_rng(3)
    values = rng.uniform(-40.0, 100.0, 4099)
    whole = function(values)
    for _ in range(300):
        first, last = sorted(rng.integers(0, len(values), 2))
        assert function(values[first:last]).tobytes() == whole[first:last].tobytes()
        assert function(values[first:last].copy()).tobytes() == whole[first:last].tobytes()
    strided = np.empty((len(values), 3))
    strided[:, 1] = values
    assert function(strided[:, 1]).tobytes() == whole.tobytes()


def test_as_of_looks_back_within_the_tolerance_and_never_ahead():
    time, source = np.array([0, 5_000, 20_000], dtype=np.int64), np.array([5_000], dtype=np.int64)
    found = stress.as_of(time, source, np.array([0.4]), tolerance=10.0)
    assert np.isnan(found).tolist() == [True, False, True] and found[1] == 0.4
    assert np.isnan(stress.as_of(time, source[:0], np.array([]), 10.0)).all()
