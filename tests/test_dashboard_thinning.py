"""Thinning loses no extreme, bridges no gap, and does not depend on the windows in which samples came."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_interface.dashboard.channel import Channel
from platform_interface.dashboard.panels import Encoder
from platform_interface.dashboard.reading import with_holds
from platform_interface.dashboard.thinning import Allowance, Trail, chosen, pieces, steps

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400)


@given(VALUES, st.integers(4, 60))
def test_first_last_least_and_greatest_sample_are_always_drawn(values, points):
    values = np.array(values)
    kept = chosen(np.arange(values.size) * 1000, values, points)
    assert {0, values.size - 1} <= set(kept.tolist())
    assert values[kept].min() == values.min()
    assert values[kept].max() == values.max()
    assert kept.size <= max(points, 4) + 2  # at least two stretches
    assert (np.diff(kept) > 0).all()


def test_a_spike_of_one_sample_in_five_million_is_drawn():
    values = np.zeros(5_000_000)
    values[3_141_592] = 1.0
    assert 3_141_592 in chosen(np.arange(values.size), values, 2000)


def test_few_samples_are_all_drawn():
    assert chosen(np.arange(5), np.zeros(5), 10).tolist() == [0, 1, 2, 3, 4]


def test_of_codes_only_the_changes_and_the_last_sample_are_drawn():
    assert steps(np.arange(7), np.array([0.0, 0, 5, 5, 5, 0, 0]), 100).tolist() == [0, 2, 5, 6]


def channel(points=100, numbers=(), codes=None):
    return Channel("x", "X", "volt", "", numbers, Allowance(points, 1_000_000, 1000), codes or {})


def drawn(trail):
    time, values = trail.line(100)
    return list(zip(time.tolist(), np.where(np.isnan(values), None, values).tolist(), strict=True))


def test_a_line_is_broken_where_a_gap_ends_and_nowhere_else():
    line = channel()
    line.add(np.array([0, 1000, 9000]), np.array([[1.0, 2.0, 3.0]]), [(1000, 9000)])
    line.add(np.array([10_000, 90_000]), np.array([[4.0, 5.0]]), [(10_000, 90_000)])
    assert drawn(line.trails[0]) == [
        (0, 1.0), (1000, 2.0), (9000, None), (9000, 3.0), (10_000, 4.0), (90_000, None), (90_000, 5.0)
    ]  # fmt: skip


def test_a_gap_narrower_than_a_pixel_does_not_break_the_line():
    line = channel()
    line.add(np.array([0, 1000]), np.array([[1.0, 2.0]]), [(0, 1000)])
    assert drawn(line.trails[0]) == [(0, 1.0), (1000, 2.0)]
    assert line.gaps == []


@given(st.lists(st.integers(1, 399), max_size=4), st.integers(0, 2**32))
def test_figures_of_the_tables_do_not_depend_on_the_windows(cuts, seed):
    values = np.random.default_rng(seed).normal(size=400)
    whole, parts = Trail(), Trail()
    time = np.arange(400) * 10
    whole.add(time, values, 40, False)
    for part, _ in pieces(time, np.array(sorted({c * 10 for c in cuts}), np.int64)):
        parts.add(time[part], values[part], 40, False)
    for name in ("count", "low", "high", "last"):
        assert getattr(whole, name) == getattr(parts, name)


def test_a_held_value_reaches_to_both_edges_of_a_gap_also_across_windows():
    gaps = [(1500, 2500)]
    time, values, breaks = with_holds(np.array([3000]), np.array([[9.0]]), gaps, (1000, np.array([8.0])), True)
    assert (time.tolist(), values.tolist(), breaks) == ([1500, 2500, 3000], [[8.0, 8.0, 9.0]], gaps)


def test_a_slow_series_is_not_broken_by_a_gap_that_is_short_beside_its_steps():
    hour = 3_600_000
    gap = [(10 * hour, 11 * hour)]
    assert with_holds(np.array([0, 24 * hour]), np.zeros((1, 2)), gap, None, False)[2] == []
    assert with_holds(np.array([10 * hour, 11 * hour]), np.zeros((1, 2)), gap, None, False)[2] == gap


def cells(count=20, rows=200):
    random = np.random.default_rng(1)
    return 3.3 + random.normal(0, 0.001, (count, 1)) + random.normal(0, 1e-4, (count, rows))


def test_a_cell_far_from_the_median_is_pointed_out_by_its_own_number():
    values = cells()
    values[7] -= 0.05
    line = channel(numbers=tuple(range(1, 21)))
    line.add(np.arange(200) * 1000, values, [])
    [(position, level)] = line.furthest()
    assert line.numbers[position] == 8
    assert level == pytest.approx(-0.05, abs=0.004)


def test_a_cell_that_drifts_away_late_is_pointed_out_too():
    values = cells()
    values[3, 140:] -= np.linspace(0, 0.05, 60)
    line = channel(numbers=tuple(range(20)))
    line.add(np.arange(200) * 1000, values, [])
    assert [line.numbers[position] for position, _ in line.furthest()] == [3]


def test_no_cell_is_pointed_out_when_all_are_alike():
    line = channel(numbers=tuple(range(20)))
    line.add(np.arange(200) * 1000, cells(), [])
    assert line.furthest() == []


def test_the_band_holds_every_cell_and_leaves_out_what_is_not_there():
    values = cells()
    values[5, 50] = 2.5
    values[6, 60] = np.nan
    line = channel(numbers=tuple(range(20)))
    line.add(np.arange(200) * 1000, values, [])
    assert line.low.low == (2.5, 50_000)
    assert line.high.high[0] == np.nanmax(values)
    assert np.nanmin(line.low.line(100)[1]) == 2.5


def test_what_many_windows_left_is_thinned_to_the_allowance_with_its_breaks():
    trail = Trail()
    random = np.random.default_rng(2)
    for start in range(0, 100_000, 100):
        trail.add(np.arange(start, start + 100), random.normal(size=100), 10, start == 50_000)
    time, values = trail.line(500)
    assert time.size < 800
    assert np.isnan(values).sum() == 1
    assert np.nanmin(values) == trail.low[0]


@given(st.integers(1, 10**12), st.integers(4, 100))
def test_encoded_times_stay_within_a_tick_and_values_within_float32(span, count):
    import base64

    encoder = Encoder(1_767_225_600_000, 1_767_225_600_000 + span, 100)
    time = 1_767_225_600_000 + np.linspace(0, span, count).astype(np.int64)
    content = encoder.arrays(time, np.linspace(0.0, 5.0, count))
    ticks = np.frombuffer(base64.b64decode(content["x"]), "<u4").astype(np.int64)
    assert (np.abs(1_767_225_600_000 + ticks * encoder.tick - time) < encoder.tick).all()
    assert np.allclose(np.frombuffer(base64.b64decode(content["y"]), "<f4"), np.linspace(0.0, 5.0, count), rtol=1e-6)
