"""The filter of soc_ocv_estimation: counting, uncertainty, gaps, rests, hysteresis and capacity, against hand calculation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chemistry import chemistry, from_table
from models.soc_ocv_estimation import anchors, capacity, counting
from models.soc_ocv_estimation import belief as beliefs
from models.soc_ocv_estimation.anchors import RestVoltage, VoltageSensor
from models.soc_ocv_estimation.belief import CURVE, OFFSET, SCALE, SOC, STANDBY, Belief, Walks, first_belief
from models.soc_ocv_estimation.rests import LADDER, Samples, rungs, runs_of_rest

STILL = Walks(0.0, 0.0, 0.0)
SENSOR = VoltageSensor(0.001, 0.003)
LINE = from_table({"soc": np.linspace(0, 1, 11).tolist(), "ocv": np.linspace(3, 4, 11).tolist()}, chemistry("NMC"))


def sigma(belief: Belief, place: int = SOC) -> float:
    return float(belief.covariance[place, place] ** 0.5)


def rest(volts: float, **changes: float) -> RestVoltage:
    values = {"change": 0.0, "age": 36_000.0, "temperature": 25.0, "c_rate": 0.0, "branch": 0.0, "branch_sigma": 0.0}
    return RestVoltage(volts, **(values | changes))


# --- counting ---


def test_a_tenth_of_the_capacity_takes_a_tenth_of_the_soc():
    after = beliefs.counted(first_belief(0.8, 0.01, 0.0, 0.0, 0.0), 10.0, 2.0, 100.0, STILL)
    assert after.mean[SOC] == pytest.approx(0.7)
    assert sigma(after) == pytest.approx(0.01)


def test_an_unknown_offset_widens_the_soc_with_time_and_an_unknown_scale_with_charge():
    # 1 A over 10 h of 100 Ah is 0.1; 2 % of 50 Ah of 100 Ah is 0.01.
    by_time = beliefs.counted(first_belief(0.5, 0.001, 1.0, 0.0, 0.0), 0.0, 10.0, 100.0, STILL)
    by_charge = beliefs.counted(first_belief(0.9, 0.001, 0.0, 0.02, 0.0), 50.0, 10.0, 100.0, STILL)
    assert sigma(by_time) == pytest.approx(np.hypot(0.1, 0.001))
    assert sigma(by_charge) == pytest.approx(np.hypot(0.01, 0.001))


def test_counting_in_two_steps_is_counting_in_one():
    start = first_belief(0.9, 0.02, 0.5, 0.03, 0.1)
    whole = beliefs.counted(start, 30.0, 8.0, 100.0, Walks(0.001, 0.0, 0.0005))
    half = beliefs.counted(
        beliefs.counted(start, 11.0, 3.0, 100.0, Walks(0.001, 0.0, 0.0005)), 30.0, 8.0, 100.0, Walks(0.001, 0.0, 0.0005)
    )
    assert half.mean == pytest.approx(whole.mean)
    assert sigma(half) == pytest.approx(sigma(whole), rel=0.01)


@given(st.floats(-80, 80), st.floats(0, 100), st.floats(0.0, 0.1), st.floats(0.0, 0.1))
def test_many_instants_at_once_are_the_same_as_one_by_one(charge, hours, offset, scale):
    start, walks = first_belief(0.5, 0.05, offset * 100.0, scale, 0.1), Walks(0.002, 0.05, 0.0005)
    one = beliefs.counted(start, charge, hours, 100.0, walks)
    soc, wide = beliefs.counted_soc(start, np.array([charge]), np.array([hours]), 100.0, walks)
    assert soc[0] == pytest.approx(one.mean[SOC])
    assert wide[0] == pytest.approx(min(sigma(one), beliefs.UNKNOWN**0.5))


def test_after_a_gap_the_soc_is_less_sure_but_never_less_than_knowing_nothing():
    start = first_belief(0.8, 0.02, 0.1, 0.05, 0.1)
    assert sigma(beliefs.after_gap(start, 3600.0, 0.3)) == pytest.approx(
        np.hypot(0.3, 0.02) if np.hypot(0.3, 0.02) ** 2 < 1 / 12 else 12**-0.5
    )
    assert sigma(beliefs.after_gap(start, 360.0, 0.3)) == pytest.approx(np.hypot(0.03, 0.02))
    assert sigma(beliefs.after_gap(start, 1e7, 0.3)) == pytest.approx(12**-0.5)


def test_what_was_taken_out_and_put_in_bounds_an_unknown_start():
    # 20 Ah taken out, later 30 Ah more in than at the start: it began between 0.2 and 0.7.
    start = beliefs.bounded_start(first_belief(None, 0.0, 0.0, 0.0, 0.0), -30.0, 20.0, 100.0)
    assert start.mean[SOC] == pytest.approx(0.45)
    assert sigma(start) == pytest.approx(0.5 / 12**0.5)


def test_a_measurement_weighs_by_its_variance():
    # Equal variances: half way, and the variance halves.
    row = np.array([1.0, 0, 0, 0, 0])
    after = beliefs.measured(first_belief(0.4, 0.1, 0.0, 0.0, 0.0), row, 0.6, 0.01)
    assert after.mean[SOC] == pytest.approx(0.5)
    assert after.covariance[SOC, SOC] == pytest.approx(0.005)


def test_two_rests_with_time_between_tell_the_offset():
    start = first_belief(0.5, 0.01, 1.0, 0.0, 0.0)
    later = beliefs.counted(start, 10.0, 10.0, 100.0, STILL)  # 10 Ah logged: expects 0.4
    seen = beliefs.measured(later, np.array([1.0, 0, 0, 0, 0]), 0.5, 1e-6)  # nothing has gone: all was offset
    assert seen.mean[OFFSET] == pytest.approx(1.0, abs=0.02)
    assert sigma(seen, OFFSET) == pytest.approx(0.1, abs=0.01)


# --- one rest ---


def test_a_settled_rest_on_a_line_gives_the_soc_of_the_line():
    after, reading = anchors.anchored(first_belief(None, 0.0, 0.1, 0.0, 0.0), rest(3.62), LINE, SENSOR)
    assert reading is not None
    assert reading.soc == pytest.approx(0.62, abs=0.003)
    # 10 mV of curve, 3 mV of sensor, 10 mV of axis on 1 V per unit
    assert reading.sigma == pytest.approx(np.sqrt(0.010**2 + 0.003**2 + 0.010**2), rel=0.1)
    assert after.mean[SOC] == pytest.approx(0.62, abs=0.005)


def test_a_voltage_that_still_moves_is_extrapolated_and_trusted_less():
    volts, wide = anchors.equilibrium(rest(3.60, change=0.002, age=36_000.0 / 32.0), SENSOR)
    assert volts == pytest.approx(3.61)  # five doublings of 2 mV are left
    assert wide == pytest.approx(0.005, rel=0.05)
    assert anchors.equilibrium(rest(3.60, change=0.002, age=1125.0, temperature=0.0), SENSOR)[0] > volts


def test_an_anchor_repeated_at_the_same_soc_cannot_beat_the_error_of_the_curve():
    belief = first_belief(0.6, 0.1, 0.0, 0.0, 0.0)
    for _ in range(50):
        belief, _reading = anchors.anchored(belief, rest(3.6), LINE, SENSOR)
    assert sigma(belief) > 0.009
    assert abs(belief.mean[CURVE]) < 0.5


def test_an_anchor_on_a_flat_curve_does_not_pull_and_one_on_a_steep_curve_does():
    lfp = chemistry("LFP")
    believed = first_belief(0.60, 0.05, 0.0, 0.0, 0.0)
    flat, _ = anchors.anchored(believed, rest(float(lfp.ocv(0.5))), lfp, SENSOR)
    assert abs(flat.mean[SOC] - 0.60) < 0.01
    assert sigma(flat) > 0.045
    steep, _ = anchors.anchored(first_belief(0.15, 0.05, 0.0, 0.0, 0.0), rest(float(lfp.ocv(0.02))), lfp, SENSOR)
    assert steep.mean[SOC] < 0.08


def test_a_voltage_far_from_belief_is_believed_and_the_old_certainty_dropped():
    sure_but_wrong = first_belief(0.9, 0.005, 0.0, 0.0, 0.0)
    after, _ = anchors.anchored(sure_but_wrong, rest(3.3), LINE, SENSOR)
    assert after.mean[SOC] == pytest.approx(0.3, abs=0.03)


def test_the_side_of_the_hysteresis_shifts_the_reading():
    table = {"soc": np.linspace(0, 1, 11).tolist(), "ocv": np.linspace(3, 4, 11).tolist(), "hysteresis": 0.02}
    curve, nothing = from_table(table, chemistry("NMC")), first_belief(None, 0.0, 0.0, 0.0, 0.0)
    found = [anchors.anchored(nothing, rest(3.5, branch=side), curve, SENSOR)[1] for side in (-1.0, 1.0)]
    assert [round(reading.soc, 2) for reading in found if reading] == [0.52, 0.48]


def test_what_flows_at_rest_is_offset_unless_it_is_a_load():
    before = first_belief(0.5, 0.1, 1.0, 0.0, 0.5)
    after = anchors.zeroed(before, 0.4, 1.0, limit=1.0)
    assert after.mean[OFFSET] == pytest.approx(0.4 * 1.0 / 1.2525, rel=0.001)  # offset 1 A, standby 0.5 A, reading 0.05 A
    assert after.mean[OFFSET] + after.mean[STANDBY] == pytest.approx(0.4, abs=0.002)
    assert anchors.zeroed(before, 1.5, 1.0, limit=1.0) is before


def test_many_rests_do_not_make_the_offset_surer_than_the_standby_current_lets():
    belief = first_belief(0.5, 0.1, 1.0, 0.0, 0.5)
    for _ in range(100):
        belief = anchors.zeroed(belief, 0.4, 1.0, limit=1.0)
    assert sigma(belief, OFFSET) == pytest.approx(0.5 / 1.25**0.5, rel=0.01)


# --- finding rests ---


def samples_of(time_s, current, voltage, gap=None):
    time = np.asarray(np.asarray(time_s) * 1000, np.int64)
    hours = (time - time[0]) / 3.6e6
    gap = np.zeros(len(time), bool) if gap is None else np.asarray(gap)
    current, voltage = np.asarray(current, float), np.asarray(voltage, float)
    return Samples(time, current, voltage, np.full(len(time), 25.0), current * hours, hours, gap)


def test_runs_end_at_load_and_at_gaps():
    quiet = np.array([1, 1, 0, 1, 1, 1], bool)
    first, last = runs_of_rest(quiet, np.array([0, 0, 0, 0, 1, 0], bool))
    assert list(zip(first.tolist(), last.tolist(), strict=True)) == [(0, 1), (3, 3), (4, 5)]


def test_a_rest_is_sampled_at_ages_that_grow_and_its_slope_is_that_of_a_logarithm():
    time = np.arange(0, 7200, 1.0)
    volts = 3.6 + 0.003 * np.log2(np.maximum(time, 1.0))
    found, _ = rungs(samples_of(time, np.zeros(7200), volts), 1.0, 270.0, None)
    assert [round(rung.age) for rung in found[:4]] == [270, 382, 540, 764]
    assert [rung.change for rung in found] == pytest.approx([0.003] * len(found), rel=0.01)


def test_short_rests_and_loads_give_nothing():
    time = np.arange(0, 1000, 1.0)
    current = np.where(time % 250 < 20, 50.0, 0.0)
    assert rungs(samples_of(time, current, np.full(1000, 3.7)), 1.0, 270.0, None)[0] == []


@given(st.integers(0, 2**31), st.lists(st.integers(1, 799), max_size=5, unique=True))
def test_any_split_finds_the_same_rungs(seed, cuts):
    random = np.random.default_rng(seed)
    time = np.cumsum(random.choice([1, 5, 30, 100], 800)).astype(float)
    current = np.repeat(random.choice([0.0, 0.0, 20.0], 80), 10)
    voltage = np.where(random.random(800) < 0.1, np.nan, random.normal(3.7, 0.01, 800))
    gap = random.random(800) < 0.01
    whole = samples_of(time, current, voltage, gap)
    expected, _ = rungs(whole, 1.0, 270.0, None)
    state, found = None, []
    edges = [0, *sorted(cuts), 800]
    for a, b in itertools.pairwise(edges):
        part = Samples(*(getattr(whole, name)[a:b] for name in Samples.__dataclass_fields__))
        pieces, state = rungs(part, 1.0, 270.0, state)
        found += [(rung.index + a, rung.age, rung.change, rung.current) for rung in pieces]
    assert found == [(rung.index, rung.age, rung.change, rung.current) for rung in expected]


def test_the_ladder_doubles_every_second_rung():
    assert (LADDER[2:] / LADDER[:-2]) == pytest.approx(2.0, rel=1e-4)


# --- branch of the hysteresis ---


def test_discharging_five_percent_goes_63_percent_of_the_way_down():
    place, left, charge = counting._branch([1.0, 0.5, 0.0], 5.0, 100.0)
    kept = np.exp(-1.0)
    assert place == pytest.approx(kept - (1.0 - kept))
    assert (left, charge) == (pytest.approx(0.5 * kept), 5.0)


# --- capacity ---


def test_capacity_comes_from_the_charge_between_two_rests_and_says_how_sure_it_is():
    full = {"soc": 0.9, "sigma": 0.01, "charge": 5.0, "hours": 0.0}
    empty = {"soc": 0.3, "sigma": 0.01, "charge": 35.0, "hours": 6.0}
    found = capacity.between(full, empty, (0.5, 0.1), 0.01, 0.3)
    assert found is not None
    assert found.value == pytest.approx((30.0 - 0.5 * 6.0) / 0.6)
    parts = (2**0.5 * 0.01 / 0.6, 0.1 * 6.0 / 27.0, 0.01)
    assert found.sigma == pytest.approx(found.value * np.sqrt(np.sum(np.square(parts))))
    assert capacity.between(full, empty | {"soc": 0.7}, (0.0, 0.0), 0.0, 0.3) is None


def test_the_memory_of_rests_stays_small_and_keeps_what_is_far_apart():
    known = []
    for step in range(40):
        soc = 0.9 if step == 0 else 0.2 + 0.001 * step
        known = capacity.remembered(known, {"soc": soc, "sigma": 0.01, "charge": 0.0, "hours": float(step)})
    assert len(known) == capacity.KEPT
    assert known[0]["soc"] == 0.9
    assert capacity.best([], known[-1], (0.0, 0.0), 0.0, 0.3) is None


def test_scale_is_where_gain_and_capacity_meet():
    start = first_belief(1.0, 0.001, 0.0, 0.05, 0.0)
    later = beliefs.counted(start, 50.0, 5.0, 100.0, STILL)
    seen = beliefs.measured(later, np.array([1.0, 0, 0, 0, 0]), 0.45, 1e-6)  # 0.55 gone where 0.5 was counted
    assert seen.mean[SCALE] == pytest.approx(0.1, rel=0.02)
