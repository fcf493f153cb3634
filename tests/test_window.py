"""Windows adjoin, cover the range exactly, and hold no more than they may."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_interface.platforms.base import Bucket
from platform_interface.when import DAY
from platform_interface.window import windows

MINUTE = 60_000


def day(number, values, first=0, last=DAY - 1):
    return Bucket(number * DAY, (number + 1) * DAY, values, number * DAY + first, number * DAY + last)


def held(bucket, low, high):
    """How many of evenly spread samples of a bucket lie in ``low <= t < high``."""
    duration = bucket.last + 1 - bucket.first
    covered = min(high, bucket.last + 1) - max(low, bucket.first)
    return max(0, covered) / duration * bucket.values


days = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 200_000)), unique_by=lambda pair: pair[0], max_size=12).map(
    lambda pairs: [day(number, values) for number, values in sorted(pairs)]
)
parts = st.builds(
    lambda number, values, edges: day(number, values, min(edges), max(edges)),
    st.integers(0, 60), st.integers(1, 200_000), st.tuples(st.integers(0, DAY - 1), st.integers(0, DAY - 1)),
)  # fmt: skip
partial_days = st.lists(parts, unique_by=lambda bucket: bucket.start, max_size=12).map(
    lambda buckets: sorted(buckets, key=lambda bucket: bucket.start)
)
ranges = st.tuples(st.integers(0, 61 * DAY), st.integers(0, 61 * DAY))


@given(st.one_of(days, partial_days), ranges, st.integers(1_000, 300_000))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_windows_adjoin_and_cover_the_range_exactly(buckets, edges, most):
    start, end = edges
    found = windows(buckets, start, end, most)
    if end <= start:
        assert found == []
        return
    assert found[0][0] == start
    assert found[-1][1] == end
    assert all(low < high for low, high in found)
    assert all(before[1] == after[0] for before, after in pairwise(found))


@given(days, ranges, st.integers(1_000, 300_000))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_no_window_holds_more_than_it_may_when_samples_are_evenly_spread(buckets, edges, most):
    for low, high in windows(buckets, *edges, most):
        assert sum(held(bucket, low, high) for bucket in buckets) <= most * (1 + 1e-9)


@given(days, ranges, st.integers(1_000, 300_000))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_inner_edges_fall_on_whole_minutes_whatever_the_range(buckets, edges, most):
    for _, high in windows(buckets, *edges, most)[:-1]:
        assert high % MINUTE == 0


@given(partial_days, ranges, st.integers(1_000, 300_000))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_two_neighbouring_windows_would_not_fit_into_one(buckets, edges, most):
    found = windows(buckets, *edges, most)
    for (low, _), (_, high) in pairwise(found):
        assert sum(held(bucket, low, high) for bucket in buckets) > most * (1 - 1e-9) / 2


def test_few_samples_of_many_days_make_one_window():
    assert windows([day(0, 100), day(30, 100)], 0, 31 * DAY, 1000) == [(0, 31 * DAY)]


def test_whole_days_are_filled_up_to_the_limit():
    buckets = [day(number, 400) for number in range(5)]
    assert windows(buckets, 0, 5 * DAY, 1000) == [(0, 2 * DAY), (2 * DAY, 4 * DAY), (4 * DAY, 5 * DAY)]


def test_a_dense_day_is_cut():
    assert windows([day(0, 4000)], 0, DAY, 1000) == [(i * DAY // 4, (i + 1) * DAY // 4) for i in range(4)]


def test_a_day_that_is_dense_in_one_hour_is_cut_within_that_hour():
    hour = 3_600_000
    [bucket] = [day(0, 4000, 10 * hour, 11 * hour - 1)]
    found = windows([bucket], 0, DAY, 1000)
    assert [high for _, high in found[:-1]] == [10 * hour + i * hour // 4 for i in (1, 2, 3)]


def test_samples_outside_the_range_do_not_count():
    assert windows([day(0, 10**9), day(1, 500), day(2, 10**9)], DAY, 2 * DAY, 1000) == [(DAY, 2 * DAY)]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5)])
def test_nothing_to_cover_makes_no_window(start, end):
    assert windows([day(0, 10)], start, end, 1000) == []


def test_an_empty_range_of_time_is_one_window_so_that_the_watermark_advances():
    assert windows([], 0, 3 * DAY, 1000) == [(0, 3 * DAY)]
