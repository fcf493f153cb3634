"""Imbalance: the pure functions against values worked out by hand, and their laws."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chemistry import chemistry
from models.imbalance_analysis import blocks, charge, energy, frames, history, identify, judge, robust

PARTS = ("robust", "blocks", "energy", "frames", "charge", "history", "identify", "judge")
LIMITS = frames.Limits(small=1.0, load=10.0, step=10.0, settle=30_000, max_gap=300_000)
MINUTE = 60_000


@pytest.mark.parametrize("name", PARTS)
def test_every_example_of_a_docstring_is_right(name):
    found = doctest.testmod(importlib.import_module(f"models.imbalance_analysis.{name}"))
    assert found.attempted
    assert not found.failed


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), min_size=4, max_size=4), min_size=1, max_size=9))
def test_row_medians_are_those_of_numpy_without_nan(rows):
    values = np.array(rows)
    for row, ours in zip(values, robust.row_medians(values), strict=True):
        finite = row[np.isfinite(row)]
        assert np.isnan(ours) if not finite.size else ours == pytest.approx(np.median(finite))


def test_one_outlier_moves_neither_scatter_nor_trend():
    days = np.arange(10.0)
    levels = np.tile(-0.5 * days[:, None], (1, 2))
    levels[7, 1] = 80.0
    assert robust.trends(days, levels) == pytest.approx([-0.5, -0.5], abs=0.07)
    assert robust.scatter(np.array([1.0, 2.0, 3.0, 2.0, 1000.0])) == pytest.approx(1.4826)


def test_a_late_fall_counts_as_much_as_a_straight_one():
    straight, late = -np.arange(9.0), -np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 10, 30, 60])
    assert robust.falls(np.array([straight, late]).T) == pytest.approx([36 / np.sqrt(92.0)] * 2)


@pytest.mark.parametrize("cells", [16, 96])
def test_a_healthy_string_rarely_holds_an_outlier(cells):
    random = np.random.default_rng(4)
    hits = 0
    for _ in range(2000):
        levels = random.normal(0.0, 3.0, cells)
        hits += bool((np.abs(judge.beyond(levels, robust.scatter(levels), 0.1)) >= 1.0).any())
    assert hits <= (16 if cells == 16 else 2)  # 0.2 % and 0.004 % expected


def test_blocks_are_found_where_the_level_jumps_and_single_cells_make_none():
    profile = np.zeros(40)
    profile[:17] = 12.0
    profile[[3, 30, 31]] += -40.0
    assert blocks.find_blocks(profile, 1.0) == [(0, 17), (17, 40)]
    assert blocks.block_medians(profile, [(0, 17), (17, 40)])[3] == 12.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), border=st.integers(6, 58), size=st.floats(12.0, 60.0))
def test_a_shifted_module_is_found_at_its_border_in_noise(seed, border, size):
    random = np.random.default_rng(seed)
    profile = random.normal(0.0, 1.0, 64)
    profile[:border] += size
    found = blocks.find_blocks(profile, 1.0)
    assert any(abs(low - border) <= 1 for low, _ in found)
    assert found[0][0] == 0
    assert found[-1][1] == 64


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), cells=st.integers(2, 100))
def test_blocks_cover_every_cell_once(seed, cells):
    profile = np.cumsum(np.random.default_rng(seed).normal(0.0, 5.0, cells))
    found = blocks.find_blocks(profile, 1.0)
    assert [low for low, _ in found[1:]] == [high for _, high in found[:-1]]
    assert (found[0][0], found[-1][1]) == (0, cells)


def test_the_whole_string_is_never_a_shifted_block():
    moved = np.full(20, 30.0)
    assert blocks.shifted(moved, blocks.find_blocks(moved, 1.0), 1.0, 5.0) == []


def test_small_current_is_broken_by_load_and_by_a_gap():
    time = np.array([0, 1, 2, 3, 20, 21]) * MINUTE
    current = np.array([0.0, 0.0, 50.0, 0.5, 0.5, 0.5])
    since = frames.small_since(time, current, LIMITS, None)
    assert since.tolist() == [0, 0, -1, 3 * MINUTE, 20 * MINUTE, 20 * MINUTE]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 199))
def test_frames_are_the_same_however_the_samples_are_split(seed, cut):
    random = np.random.default_rng(seed)
    time = np.cumsum(random.choice([1000, 20_000, 60_000, 900_000], 200))
    current = random.choice([0.0, 0.5, 20.0, -40.0], 200, p=[0.4, 0.3, 0.2, 0.1])
    since = frames.small_since(time, current, LIMITS, None)
    whole, _ = frames.rest_frames(time, since, LIMITS, -1)
    steps, _ = frames.step_frames(time, current, LIMITS, -1)
    first, slot = frames.rest_frames(time[:cut], since[:cut], LIMITS, -1)
    again = frames.small_since(
        time[cut - 1 :], current[cut - 1 :], LIMITS, int(since[cut - 1]) if since[cut - 1] >= 0 else None
    )
    assert again.tolist() == since[cut - 1 :].tolist()
    second, _ = frames.rest_frames(time[cut:], again[1:], LIMITS, slot)
    assert [*first.tolist(), *(second + cut).tolist()] == whole.tolist()
    before, slot = frames.step_frames(time[:cut], current[:cut], LIMITS, -1)
    after, _ = frames.step_frames(time[cut - 1 :], current[cut - 1 :], LIMITS, slot)
    assert [*before.tolist(), *(after + cut - 1).tolist()] == steps.tolist()


def test_charge_is_counted_by_trapezoid_and_not_across_a_gap():
    time = np.array([0, 60, 120, 720]) * MINUTE
    position = frames.charge_position(time, np.array([-10.0, -10.0, -30.0, -30.0]), 5.0, 120 * MINUTE)
    assert position.tolist() == [5.0, 15.0, 35.0, 35.0]


def test_a_charge_tells_lead_and_capacity_on_a_bent_curve():
    curve = chemistry("NMC")
    position = np.linspace(0.0, 0.6, 61)
    capacity, lead = np.ones(12), np.zeros(12)
    capacity[3], lead[7] = 0.92, -0.03
    state = 0.5 + lead + (position[:, None] - 0.3) / capacity
    fit = charge.align(position, curve.ocv(state) * 1000.0, 1.0)
    assert fit.lead[7] == pytest.approx(-0.03, abs=0.003)
    assert 1.0 / (1.0 + fit.stretch[3]) == pytest.approx(0.92, abs=0.005)
    healthy = np.delete(np.arange(12), [3, 7])
    assert np.abs(fit.lead[healthy]).max() < 0.001
    assert np.abs(fit.stretch[healthy]).max() < 0.003


def test_a_charge_on_a_flat_curve_says_that_it_knows_nothing():
    position = np.linspace(0.0, 0.3, 31)
    flat = 3300.0 + 3.0 * position[:, None] + np.zeros((31, 8))
    fit = charge.align(position, flat, 1.0)
    assert fit.lead_error.min() > 0.1
    assert fit.stretch_error.min() > 0.09


def test_leads_of_charges_give_the_rate_of_a_leak():
    days = np.array([-4.0, -3.0, -2.0, -1.0])
    leads = np.array([[0.0, -0.02 * day] for day in range(4)])
    errors, stretch = np.full((4, 2), 0.002), np.zeros((4, 2))
    found = charge.combine(days, leads, errors, stretch, errors)
    assert found.rate == pytest.approx([0.0, -0.02], abs=1e-4)
    assert found.lead[1] == pytest.approx(-0.08, abs=1e-3)


def test_slope_is_identifiable_on_nmc_and_not_on_the_plateau_of_lfp():
    nmc, lfp = chemistry("NMC"), chemistry("LFP")
    for soc in (0.3, 0.5, 0.7, 0.85):
        slope = identify.slope_at(nmc, float(nmc.ocv(soc)))
        assert slope is not None
        assert slope.identifiable
        slope = identify.slope_at(lfp, float(lfp.ocv(soc)))
        assert slope is not None
        assert not slope.identifiable
    assert identify.slope_at(lfp, 3.65) is None


def test_resistance_by_hand_and_a_resistive_cell_among_good_ones():
    sums = np.zeros((4, 20))
    for amperes in (30.0, -25.0, 40.0) * 5:
        change = -amperes * np.r_[np.full(19, 1.0), 1.6]
        sums += np.array([np.ones(20), np.full(20, amperes**2), change * amperes, change**2])
    value, error = judge.resistances(sums)
    assert value[[0, 19]] == pytest.approx([1.0, 1.6])
    assert error.max() < 1e-3
    (found,) = judge.judge_resistance(sums, 10, 0.1)
    assert found.position == 19
    assert "+60%" in found.text
    assert "+0.60 mOhm" in found.text


def test_energy_by_hand_weak_and_low_cell():
    lead, capacity = np.array([0.0, 0.0, -0.1, 0.0]), np.array([1.0, 1.0, 1.0, 0.9])
    usable, balanced = energy.usable_fraction(lead, capacity)
    assert usable == pytest.approx(0.4 + 0.45)
    assert balanced == pytest.approx(0.9)
    nothing = np.zeros(4)
    lost, back = energy.lost_energy(lead, nothing, 1.0 / capacity - 1.0, nothing, (100.0, 50.0))
    assert (lost, back) == pytest.approx((0.15 * 5.0, 0.05 * 5.0))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(0.7, 1.1)), min_size=2, max_size=20))
def test_balancing_never_costs_energy(cells):
    lead, ratio = (np.array(column) for column in zip(*cells, strict=True))
    usable, balanced = energy.usable_fraction(lead, ratio)
    assert usable <= balanced + 1e-12


def test_ten_years_of_days_stay_few():
    entries: list[history.Entry] = []
    for day in range(3650):
        entries = history.fold([*entries, {"weight": 1, "time": day * history.DAY, "count": 10.0, "level": [float(day)]}])
    assert len(entries) <= 5 * 11
    assert sum(entry["weight"] for entry in entries) == 3650
    slope = robust.trends(history.days_before(entries, 0), history.table(entries))
    assert slope == pytest.approx([1.0], rel=1e-3)


def test_a_step_accuses_only_a_cell_that_moved_twice_as_far():
    change = np.r_[np.full(14, 50.0), 255.0]
    (found,) = judge.judge_step({"amperes": -5.9}, change, 1.0, 10.0)
    assert found.position == 14
    assert "+255 mV at a step of +5.9 A" in found.text
    assert judge.judge_step({"amperes": -5.9}, np.r_[np.full(14, 50.0), 80.0], 1.0, 10.0) == []
    assert judge.judge_step(None, change, 1.0, 10.0) == []
