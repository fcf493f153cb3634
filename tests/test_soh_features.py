"""Charge segments and what they show: any split gives the same bits, real chargers are understood, numbers are those done by hand."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.neural_soh.features import BINS, FEATURES, WINDOWS, features
from models.neural_soh.parts import parts_of, seen_between
from models.neural_soh.segments import Rules, Samples, Segment, find

RULES = Rules()
START = 1_700_000_000_000


def samples(rows):
    """Return samples from rows of seconds, current, voltage and, where there are, temperature and strain."""
    table = np.array([[*row, *[np.nan] * (5 - len(row))] for row in rows], dtype=float).reshape(-1, 5)
    time = START + np.round(table[:, 0] * 1000.0).astype(np.int64)
    return Samples(time, *(table[:, column].copy() for column in range(1, 5)))


def in_parts(whole, cuts, capacity=1.0, rules=RULES):
    """Find segments call by call; the state goes through JSON as it does on a platform."""
    found, state = [], None
    edges = [0, *sorted(cuts), len(whole)]
    for low, high in pairwise(edges):
        more, state = find(whole.part(low, high), capacity, rules, state)
        state = json.loads(json.dumps(state, allow_nan=False))
        found += more
    return found, state


def same(one, other):
    for name, value in vars(one).items():
        theirs = getattr(other, name)
        if isinstance(value, np.ndarray):
            assert value.tobytes() == theirs.tobytes(), name
        else:
            assert value == theirs, name


def steps_of(stretches, every=10.0):
    """Return rows of stretches: seconds, current, first and last voltage."""
    rows, clock = [], 0.0
    for seconds, current, low, high in stretches:
        count = max(1, round(seconds / every))
        for number in range(count):
            rows.append((clock, current, low + (high - low) * number / count, 25.0))
            clock += every
    return rows


CC_CV = [
    (100, 0.0, 3.3, 3.3), (3600, -0.5, 3.4, 4.19), *[(60, -0.5 * 0.9**number, 4.2, 4.2) for number in range(30)],
    (2400, 0.0, 4.15, 4.1), (100, 1.0, 3.9, 3.8), (10, 1.0, 3.8, 3.8),
]  # fmt: skip


@st.composite
def telemetry(draw):
    """Return rows of any kind of operation: charges, pauses, blips of discharge, gaps, noise about the idle current."""
    rows, clock = [], 0.0
    for _ in range(draw(st.integers(1, 12))):
        current = draw(st.sampled_from([-1.0, -0.5, -0.02, -0.0101, -0.0099, 0.0, 0.0, 0.0101, 0.5]))
        spacing = draw(st.sampled_from([0.25, 1.0, 7.3, 30.0, 299.9]))
        noise = draw(st.sampled_from([0.0, 0.0, 0.3]))
        for number in range(draw(st.integers(1, 25))):
            voltage = 3.7 - 0.1 * current + 0.001 * number
            strain = 1e-4 * number if number % 3 else np.nan
            rows.append((round(clock, 3), current * (1 + noise * np.sin(7.0 * clock)), voltage, 25.0 + current, strain))
            clock += spacing
        clock += draw(st.sampled_from([0.0, 0.0, 299.0, 301.0, 700.0, 5000.0]))
    return samples(rows)


@settings(deadline=None, max_examples=150)
@given(telemetry(), st.data())
def test_any_split_of_the_data_gives_the_same_segments_and_the_same_state(whole, data):
    rules = Rules(longest=3000.0, pause=120.0, rest=400.0)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=6))
    once, state = in_parts(whole, [], rules=rules)
    parts, also = in_parts(whole, cuts, rules=rules)
    assert len(once) == len(parts)
    for one, other in zip(once, parts, strict=True):
        same(one, other)
    assert state == also


@settings(deadline=None, max_examples=60)
@given(telemetry())
def test_no_charge_is_counted_twice_and_segments_are_in_order(whole):
    found, _ = in_parts(whole, [])
    for one, other in pairwise(found):
        assert one.end < other.start
    for segment in found:
        assert segment.start <= segment.end <= segment.known
        assert segment.charge[0] == 0.0
        assert (np.diff(segment.time) > 0).all()


def test_one_sample_at_a_time_gives_the_same_segments():
    whole = samples(steps_of(CC_CV))
    once, _ = in_parts(whole, [])
    single, _ = in_parts(whole, range(1, len(whole)))
    assert len(once) == len(single) == 1
    same(once[0], single[0])


def test_a_charge_of_constant_current_and_constant_voltage_is_told_in_its_parts():
    (segment,), _ = in_parts(samples(steps_of(CC_CV)), [])
    assert segment.ended == "rest"
    parts = parts_of(segment, 1.0, RULES.idle)
    assert len(parts.currents) == 1
    assert segment.time[parts.currents[0][-1]] == pytest.approx(3650.0, abs=60.0)
    assert segment.voltage[parts.voltage].min() == 4.2
    told = dict(zip(FEATURES, features(segment, 1.0, "NMC"), strict=True))
    assert told["cc_charge"] + told["cv_charge"] == pytest.approx(told["charge"], abs=1e-9)
    assert told["charge"] == pytest.approx(0.5 + sum(0.5 * 0.9**number * 60 / 3600 for number in range(30)), abs=2e-3)
    assert told["cc_rate"] == pytest.approx(0.5)
    assert told["cv_decay"] == pytest.approx(-60 * np.log(0.9), rel=0.02)  # 0.9 a minute [1/h]
    assert told["cv_voltage"] == pytest.approx(1.0)


def test_the_ampere_hours_are_those_of_the_sum_by_hand_over_every_sample():
    rows = [(number * 1.0, -2.0 if number >= 5 else 0.0, 3.5 + 1e-4 * number) for number in range(3606)]
    rows += [(3606.0 + number, 0.0, 3.8) for number in range(2400)]
    (segment,), _ = in_parts(samples(rows), [3, 900])
    assert segment.charge[segment.last] == pytest.approx(2.0, abs=1e-9)  # 2 A for 3,600 s
    assert len(segment.time) < 700
    assert segment.before == (1.0, 0.0, pytest.approx(3.5004))


def test_a_pause_of_ten_minutes_belongs_to_the_charge_and_a_longer_one_ends_it():
    short = steps_of([(600, -0.5, 3.5, 3.6), (590, 0.0, 3.55, 3.55), (600, -0.5, 3.6, 3.7), (2000, 0.0, 3.6, 3.6)])
    long = steps_of([(600, -0.5, 3.5, 3.6), (620, 0.0, 3.55, 3.55), (600, -0.5, 3.6, 3.7), (2000, 0.0, 3.6, 3.6)])
    assert len(in_parts(samples(short), [])[0]) == 1
    assert len(in_parts(samples(long), [])[0]) == 2


def test_a_short_blip_of_discharge_belongs_to_the_charge_and_a_drive_ends_it():
    blip = steps_of([(600, -0.5, 3.5, 3.6), (10, 1.0, 3.4, 3.4), (600, -0.5, 3.6, 3.7), (2000, 0.0, 3.6, 3.6)])
    drive = steps_of([(600, -0.5, 3.5, 3.6), (100, 1.0, 3.4, 3.4), (600, -0.5, 3.6, 3.7), (2000, 0.0, 3.6, 3.6)])
    assert len(in_parts(samples(blip), [])[0]) == 1
    found, _ = in_parts(samples(drive), [])
    assert [segment.ended for segment in found] == ["discharge", "rest"]


def test_a_gap_ends_a_charge_and_nothing_is_counted_across_it():
    rows = [(number * 10.0, -1.0, 3.5) for number in range(10)] + [(400.0 + number * 10.0, -1.0, 3.6) for number in range(10)]
    found, state = in_parts(samples([*rows, (5000.0, 0.0, 3.5), (5010.0, 0.0, 3.5)]), [])
    assert [segment.ended for segment in found] == ["gap", "gap"]
    assert [segment.charge[-1] * 3600 for segment in found] == pytest.approx([90.0, 90.0])
    assert found[1].before is None
    assert state["open"] is None


def test_a_charge_in_steps_has_one_level_for_each_and_no_constant_voltage():
    steps = [(600, -2.0, 3.5, 3.8), (600, -1.0, 3.7, 3.95), (900, -0.5, 3.85, 4.1), (2000, 0.0, 4.0, 4.0)]
    (segment,), _ = in_parts(samples(steps_of(steps)), [])
    parts = parts_of(segment, 1.0, RULES.idle)
    assert [round(-segment.current[level].mean(), 2) for level in parts.currents] == [2.0, 1.0, 0.5]
    assert not len(parts.voltage)


def test_a_taper_at_the_end_is_no_constant_voltage_where_the_voltage_keeps_rising():
    taper = [(60, -1.0 * 0.95**number, 3.9 + 0.01 * number, 3.91 + 0.01 * number) for number in range(30)]
    (segment,), _ = in_parts(samples(steps_of([(1200, -1.0, 3.6, 3.9), *taper, (2000, 0.0, 4.1, 4.1)])), [])
    parts = parts_of(segment, 1.0, RULES.idle)
    assert not len(parts.voltage)
    assert len(parts.ramp) == len(parts.charging)


def test_samples_out_of_order_are_refused_with_their_time():
    with pytest.raises(ValueError, match="does not increase after"):
        find(samples([(0.0, 0.0, 3.5), (0.0, 0.0, 3.5)]), 1.0, RULES)


def charge_line(low=3.2, high=4.2, current=-1.0, seconds=3600.0, temperature=25.0):
    """Return a segment whose voltage is a straight line of its charge."""
    count = 361
    time = np.linspace(0.0, seconds, count)
    charge = -current * time / 3600.0
    level = np.full(count, current)
    warm = np.full(count, temperature) + 5.0 * time / seconds
    strain = 2e-4 * time / seconds
    return Segment(
        START, *3 * [START + int(seconds * 1000)], "gap", time, level, low + (high - low) * time / seconds, warm,
        strain, charge, count - 1, (10.0, 0.0, low - 0.05),
    )  # fmt: skip


def test_the_curve_of_a_straight_line_is_flat_and_sums_to_the_charge():
    told = features(charge_line(), 1.0, "NMC")
    curve = told[-BINS:]
    assert np.isfinite(curve).sum() == BINS - 1  # the first interval holds the two points left out
    assert curve[1:] == pytest.approx(np.full(BINS - 1, 1.0 / BINS))


def test_intervals_that_a_partial_charge_did_not_cross_are_not_seen():
    curve = features(charge_line(3.5, 3.9), 1.0, "LCO")[-BINS:]
    edges = np.linspace(3.2, 4.2, BINS + 1)
    crossed = (edges[:-1] >= 3.5 + 0.4 * 20 / 3600) & (edges[1:] <= 3.9)
    assert np.isfinite(curve).tolist() == crossed.tolist()


def test_resistance_temperature_and_strain_are_those_by_hand():
    told = dict(zip(FEATURES, features(charge_line(), 2.0, "NMC"), strict=True))
    assert told["resistance_first"] == pytest.approx(0.05 / 1.0 * 2.0)  # 50 mV at a step of 1 A, times 2 Ah
    assert told["temperature_rise"] == pytest.approx(5.0)
    assert told["strain_swing"] == pytest.approx(2e-4 / 0.5)  # over half the capacity
    assert told["charge"] == pytest.approx(0.5)
    assert np.isnan(told["relaxation_60"])


def test_relaxation_is_the_fall_from_the_last_charging_sample():
    rest = [(10.0 * number, 0.0, 4.2 - 0.1 * (1 - np.exp(-number / 30))) for number in range(1, 240)]
    rows = [(number * 10.0, -1.0, 3.5 + 0.7 * number / 100) for number in range(101)]
    rows += [(1000.0 + seconds, current, voltage) for seconds, current, voltage in rest]
    (segment,), _ = in_parts(samples(rows), [])
    told = dict(zip(FEATURES, features(segment, 1.0, "NMC"), strict=True))
    assert told["relaxation_300"] == pytest.approx(0.1 * (1 - np.exp(-1.0)), abs=1e-3)
    assert told["relaxation_1800"] == pytest.approx(0.1 * (1 - np.exp(-6.0)), abs=1e-3)


def test_a_voltage_that_rises_as_charging_ends_is_no_negative_resistance():
    rows = [(number * 10.0, -1.0, 3.5 + 0.4 * number / 100) for number in range(101)] + [(1010.0, 0.5, 4.0)]
    rows += [(1010.0 + 10 * number, 0.0, 3.85) for number in range(1, 200)]
    (segment,), _ = in_parts(samples(rows), [])
    assert np.isnan(dict(zip(FEATURES, features(segment, 1.0, "NMC"), strict=True))["resistance_last"])


@pytest.mark.parametrize("scale", [0.5, 51.0])
def test_a_cell_of_another_size_at_the_same_rate_shows_the_same(scale):
    one = features(charge_line(), 2.0, "NMC")
    line = charge_line()
    larger = Segment(
        line.start, line.end, line.known, line.told, line.ended, line.time, line.current * scale, line.voltage, line.temperature,
        line.strain, line.charge * scale, line.last, line.before,
    )  # fmt: skip
    np.testing.assert_allclose(features(larger, 2.0 * scale, "NMC"), one, rtol=1e-9)


def test_a_charge_seen_in_part_knows_neither_its_start_nor_its_end():
    line = charge_line()
    part = seen_between(line, 100, 200)
    assert part is not None
    assert part.before is None
    assert (part.time[0], part.charge[0]) == (0.0, 0.0)
    told = dict(zip(FEATURES, features(part, 1.0, "NMC"), strict=True))
    assert told["charge"] == pytest.approx(99 / 360)
    assert np.isnan(told["resistance_first"])
    assert seen_between(line, 100, 101) is None


def test_a_chemistry_without_a_window_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"LTO.*LFP, LCO, NCA, NMC"):
        features(charge_line(), 1.0, "LTO")


def test_every_window_of_voltage_is_of_one_cell():
    for low, high in WINDOWS.values():
        assert 2.0 < low < high < 4.5
