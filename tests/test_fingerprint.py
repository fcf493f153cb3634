"""One canonical order, and fingerprints that change with every value and with nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_interface.fingerprint import Piece, combined, ordered, pieces
from platform_interface.table import Table, empty
from platform_interface.when import DAY

NAN = float("nan")


def table(time, *rows, absent=None):
    names = tuple(f"s{number}" for number in range(len(rows)))
    mask = None if absent is None else np.array(absent, bool)
    return Table(np.array(time, np.int64), names, np.array(rows, float).reshape(len(rows), len(time)), mask)


def digests(found):
    return [(piece.count, piece.digest) for piece in found]


numbers = st.one_of(st.sampled_from([0.0, 1.0, 2.0, NAN]), st.floats(-1e6, 1e6))
samples = st.lists(st.tuples(st.integers(0, 3 * DAY).map(lambda t: t // 600_000 * 600_000), numbers, numbers), max_size=40)


def test_rows_are_brought_into_the_order_of_time_and_counted():
    found = ordered(table([3, 1, 2, 2], [30, 10, 20, 20]))
    assert found.table.time.tolist() == [1, 2, 3]
    assert found.table.values.tolist() == [[10, 20, 30]]
    assert (found.unsorted, found.duplicates, found.tied) == (3, 1, False)


def test_an_exact_repeat_is_dropped_also_when_a_value_is_not_a_number():
    found = ordered(table([1, 1, 2], [5, 5, 6], [NAN, NAN, 1]))
    assert found.table.time.tolist() == [1, 2]
    assert (found.duplicates, found.tied) == (1, False)


def test_unequal_rows_of_one_time_all_stay_in_the_order_of_their_values():
    found = ordered(table([1, 1, 1], [7, 5, 6]))
    assert found.table.values.tolist() == [[5, 6, 7]]
    assert (found.duplicates, found.tied) == (0, True)


def test_the_sign_of_zero_does_not_make_the_order_of_arrival_matter():
    one, two = ordered(table([1, 1], [0.0, -0.0])), ordered(table([1, 1], [-0.0, 0.0]))
    assert digests(pieces(one.table, 0, 10)) == digests(pieces(two.table, 0, 10))


def test_a_row_that_no_sensor_delivered_is_no_sample():
    found = ordered(table([1, 2], [5, NAN], absent=[[False, True]]))
    assert found.table.time.tolist() == [1]
    kept = ordered(table([1, 2], [5, NAN], absent=[[False, False]]))
    assert kept.table.time.tolist() == [1, 2]


@given(samples, st.randoms(use_true_random=False))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_the_order_does_not_depend_on_how_the_samples_arrived(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, two = (ordered(table(*zip(*items, strict=True)) if items else empty(("s0", "s1"))) for items in (rows, shuffled))
    np.testing.assert_array_equal(one.table.time, two.table.time)
    np.testing.assert_array_equal(one.table.values, two.table.values)
    assert (one.duplicates, one.tied) == (two.duplicates, two.tied)
    assert digests(pieces(one.table, 0, 4 * DAY)) == digests(pieces(two.table, 0, 4 * DAY))


@given(samples)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_the_order_is_stable_when_applied_again(rows):
    once = ordered(table(*zip(*rows, strict=True)) if rows else empty(("s0", "s1")))
    twice = ordered(once.table)
    np.testing.assert_array_equal(once.table.values, twice.table.values)
    assert (twice.unsorted, twice.duplicates) == (0, 0)


@given(samples.filter(bool), st.data())
@settings(derandomize=True, deadline=None, max_examples=200)
def test_the_fingerprint_changes_when_one_value_or_one_time_changes(rows, data):
    before = ordered(table(*zip(*rows, strict=True))).table
    position = data.draw(st.integers(0, before.time.size - 1))
    other = before.values.copy()
    other[0, position] = 123.456 if other[0, position] != 123.456 else 0.0
    changed = Table(before.time, before.names, other)
    moved = before.time.copy()
    moved[position] += 1
    whole = digests(pieces(before, 0, 4 * DAY))
    assert digests(pieces(changed, 0, 4 * DAY)) != whole
    assert digests(pieces(Table(moved, before.names, before.values), 0, 4 * DAY)) != whole


def test_two_values_that_change_places_change_the_fingerprint_although_no_sum_would():
    a, b = table([1, 2], [10, 20]), table([1, 2], [20, 10])
    assert digests(pieces(a, 0, 10)) != digests(pieces(b, 0, 10))


def test_a_value_that_moves_to_another_sensor_changes_the_fingerprint():
    a, b = table([1], [10], [20]), table([1], [20], [10])
    assert digests(pieces(a, 0, 10)) != digests(pieces(b, 0, 10))


def test_there_is_a_piece_a_utc_day_cut_at_the_window_and_none_without_samples():
    found = pieces(table([10, DAY - 1, DAY, 3 * DAY + 5], [1, 2, 3, 4]), 5, 3 * DAY + 100)
    assert [(piece.start, piece.end, piece.count) for piece in found] == [
        (5, DAY, 2),
        (DAY, 2 * DAY, 1),
        (3 * DAY, 3 * DAY + 100, 1),
    ]
    assert pieces(table([10], [1]), 11, DAY) == []
    assert pieces(empty(("s0",)), 0, DAY) == []


def test_the_end_of_a_window_is_outside_it():
    assert [piece.count for piece in pieces(table([9, 10], [1, 1]), 0, 10)] == [1]


def test_fingerprints_of_several_sensors_are_joined_a_day_and_keep_whose_they_are():
    one, two = pieces(table([1, DAY], [1, 2]), 0, 2 * DAY), pieces(table([1], [1]), 0, 2 * DAY)
    joined = combined([("a", one), ("b", two)], 0, 2 * DAY)
    assert [(piece.start, piece.end, piece.count) for piece in joined] == [(0, DAY, 2), (DAY, 2 * DAY, 1)]
    swapped = combined([("a", two), ("b", one)], 0, 2 * DAY)
    assert joined[0].digest == swapped[0].digest
    assert joined[1].digest != swapped[1].digest


def test_a_piece_survives_the_way_through_json():
    [piece] = pieces(table([1], [1]), 0, DAY)
    assert Piece(*piece.as_list()) == piece
