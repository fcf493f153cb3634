"""What a model returns becomes rows for a platform: rounded once, decimated, and never against the contract."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from platform_interface.manifest import Output
from platform_interface.outputs import OutputError, kept, prepare, round9
from platform_interface.when import DAY

HOUR = 3_600_000
WINDOW = (0, 2 * DAY)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50))
@settings(derandomize=True, deadline=None, max_examples=500)
@example([5e-324, 1.7976931348623157e308, -0.0, 1e22, 1e23, 123456789.5, 999999999.5, 0.1 + 0.2])
def test_rounding_is_that_of_nine_significant_digits_as_text(values):
    assert round9(np.array(values, float)).tolist() == [float(f"{value:.9g}") for value in values]


@given(st.lists(st.tuples(st.integers(10**8, 10**10), st.integers(-25, 25)), max_size=100))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_rounding_is_right_near_every_power_of_ten(pairs):
    values = [float(f"{digits}e{power}") for digits, power in pairs]
    assert round9(np.array(values)).tolist() == [float(f"{value:.9g}") for value in values]


def test_what_is_not_finite_stays_as_it_is():
    found = round9(np.array([np.nan, np.inf, -np.inf]))
    assert np.isnan(found[0])
    assert found[1:].tolist() == [np.inf, -np.inf]


def chosen(values, threshold, step=HOUR, carry=None, start=0):
    values = np.array(values, float)
    time = start + np.arange(values.size) * step
    return np.flatnonzero(kept(time, values, threshold, {} if carry is None else carry)).tolist()


@pytest.mark.parametrize(
    ("values", "threshold", "expected"),
    [
        ([1.0, 1.25, 1.5, 1.75, 2.0, 2.25], 0.5, [0, 2, 4]),
        ([1.0, 1.25, 1.0, 0.75, 0.5, 1.25], 0.5, [0, 4, 5]),
        ([1.0, 1.0, 1.0], 0.0, [0]),
        ([1.0, 1.0, 2.0, 2.0, 1.0], 0.0, [0, 2, 4]),
        ([0.0, 10.0, 0.0], 100.0, [0]),
        ([], 1.0, []),
    ],
)
def test_a_deadband_keeps_what_differs_by_the_threshold_from_the_last_kept(values, threshold, expected):
    assert chosen(values, threshold) == expected


def test_the_first_sample_of_every_utc_day_is_kept():
    assert chosen([1.0] * 50, 1.0) == [0, 24, 48]
    assert chosen([1.0] * 6, 1.0, start=22 * HOUR) == [0, 2]


def test_the_first_sample_of_a_window_in_the_middle_of_a_day_is_kept_only_if_it_differs():
    carry = {"value": 1.0, "day": 0}
    assert chosen([1.25, 1.5], 0.5, carry=carry, start=HOUR) == [1]
    assert carry == {"value": 1.5, "day": 0}


walks = st.lists(st.integers(-3, 3), min_size=1, max_size=80).map(lambda steps: np.cumsum(steps) / 4.0)
rising = st.lists(st.sampled_from([0, 0, 0, 1, 2, 9]), min_size=1, max_size=80).map(lambda steps: np.cumsum(steps) / 4.0)
fine = st.lists(st.floats(0, 1e-3), min_size=1, max_size=80).map(lambda steps: np.cumsum(steps))


@given(st.one_of(walks, rising, fine), st.sampled_from([0.0, 0.25, 0.5, 1.0, 0.0007]), st.data())
@settings(derandomize=True, deadline=None, max_examples=500)
def test_a_deadband_keeps_the_same_samples_however_they_are_split(values, threshold, data):
    time = np.arange(values.size) * 2 * HOUR
    whole_carry: dict = {}
    whole = kept(time, values, threshold, whole_carry)
    cuts = sorted(set(data.draw(st.lists(st.integers(0, values.size), max_size=5))))
    carry: dict = {}
    parts = [kept(time[a:b], values[a:b], threshold, carry) for a, b in pairwise([0, *cuts, values.size])]
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert carry == whole_carry


@given(st.one_of(walks, rising, fine), st.sampled_from([0.0, 0.25, 0.5, 0.0007]))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_a_deadband_is_the_plain_loop(values, threshold):
    last, expected = None, []
    for position, value in enumerate(values.tolist()):
        if last is None or position % 12 == 0 or ((value >= last + threshold or value <= last - threshold) and value != last):
            expected.append(position)
            last = value
    assert chosen(values, threshold, step=2 * HOUR) == expected


OUTPUTS = {
    "total": Output(unit="hour", valid_range=(0, 100)),
    "slow": Output(unit="hour", decimation_threshold=0.5),
    "cells": Output(type="pd.DataFrame", columns=2),
}
NAMES = {"total": "Total", "slow": "Slow", "cells": "Cells"}


def series(values, seconds=None, zone="UTC"):
    seconds = range(len(values)) if seconds is None else seconds
    return pd.Series(values, pd.to_datetime(list(seconds), unit="s").tz_localize(zone))


def prepared(window=WINDOW, carry=None, **outputs):
    return prepare(outputs, OUTPUTS, NAMES, window, carry or {})


def fault(returned, window=WINDOW):
    with pytest.raises(OutputError) as caught:
        prepare(returned, OUTPUTS, NAMES, window, {})
    return str(caught.value)


def test_outputs_of_one_time_base_stand_side_by_side_under_the_sites_names():
    found = prepared(total=series([1.0, 2.0]), cells=pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, series([1, 1]).index))
    assert found.table.names == ("Total", "Cells|0", "Cells|1")
    assert found.table.time.tolist() == [0, 1000]
    assert found.table.values.tolist() == [[1, 2], [1, 2], [3, 4]]
    assert found.latest == {"Total": 2.0, "Cells|0": 2.0, "Cells|1": 4.0}


def test_outputs_of_different_times_leave_absent_cells():
    found = prepared(total=series([1.0, 2.0], [0, 2]), slow=series([5.0, 5.6], [1, 2]))
    assert found.table.time.tolist() == [0, 1000, 2000]
    assert found.table.absent.tolist() == [[False, True, False], [True, False, False]]
    np.testing.assert_array_equal(found.table.values, [[1, np.nan, 2], [np.nan, 5, 5.6]])


def test_a_downstream_model_reads_undecimated_values():
    found = prepared(slow=series([1.0, 1.1, 1.6]))
    assert found.columns["slow"].values.tolist() == [[1.0, 1.1, 1.6]]
    assert found.table.values.tolist() == [[1.0, 1.6]]
    assert found.carry == {"slow": {"value": 1.6, "day": 0}}


def test_values_are_rounded_before_they_are_compared_with_the_range_or_written():
    found = prepared(total=series([100.00000001, 1 / 3]))
    assert found.table.values.tolist() == [[100.0, 0.333333333]]


def test_an_output_that_is_left_out_none_or_empty_writes_nothing():
    for given_ in ({}, {"total": None}, {"total": series([])}):
        assert prepared(**given_).table.names == ()


def test_values_that_are_not_finite_are_left_out_and_counted():
    found = prepared(total=series([1.0, np.nan, np.inf, 2.0]))
    assert found.table.values.tolist() == [[1.0, 2.0]]
    assert found.notes == ["output 'total': 2 values that are not finite were left out"]


def test_an_output_of_words_is_left_out_and_told():
    found = prepared(total=series(["charge", "rest"]))
    assert found.table.names == ()
    assert "a platform takes numbers, so it was left out" in found.notes[0]


def test_integers_and_flags_become_numbers():
    assert prepared(total=series([True, False])).table.values.tolist() == [[1.0, 0.0]]
    assert prepared(total=series([3, 4])).table.values.dtype == np.float64


def test_times_in_another_zone_are_brought_to_utc():
    index = pd.DatetimeIndex(["1970-01-01T02:00:00+02:00", "1970-01-01T02:00:00.001+02:00"])
    assert prepared(total=pd.Series([1.0, 2.0], index)).table.time.tolist() == [0, 1]


def test_the_carry_that_was_given_is_not_changed():
    carry = {"slow": {"value": 0.0, "day": 0}}
    found = prepared(carry=carry, slow=series([9.0]))
    assert carry == {"slow": {"value": 0.0, "day": 0}}
    assert found.carry["slow"]["value"] == 9.0


@pytest.mark.parametrize("returned", [None, [], 5, pd.Series(dtype=float)])
def test_a_model_returns_a_dict(returned):
    assert fault(returned).endswith("not a dict of output names")


def test_an_unknown_output_is_told_with_the_nearest_name():
    assert fault({"totl": series([1.0])}) == "process returned 'totl', which model.json does not name; did you mean 'total'?"


@pytest.mark.parametrize("value", [[1.0], 1.0, np.array([1.0]), {"a": 1}, "1"])
def test_an_output_without_times_is_a_fault(value):
    assert "not a Series or DataFrame with UTC times" in fault({"total": value})


@pytest.mark.parametrize("index", [[0, 1], pd.to_datetime([0, 1], unit="s")])
def test_an_output_whose_index_is_no_utc_time_is_a_fault(index):
    assert "has no UTC times as index" in fault({"total": pd.Series([1.0, 2.0], index)})


@pytest.mark.parametrize("seconds", [[1, 1], [2, 1], [0.0001, 0.0002]])
def test_times_that_do_not_strictly_increase_are_a_fault(seconds):
    assert "times do not strictly increase" in fault({"total": series([1.0, 2.0], seconds)})


@pytest.mark.parametrize("window", [(1000, 5000), (0, 2000)])
def test_a_time_outside_the_window_is_a_fault(window):
    text = fault({"total": series([1.0, 2.0, 3.0])}, window)
    assert "has a time outside the window 1970-01-01T00:00:0" in text


@pytest.mark.parametrize("value", [-0.1, 100.1])
def test_a_value_outside_the_range_is_a_fault_with_value_and_unit(value):
    assert fault({"total": series([value])}) == f"output 'total' reaches {value} to {value} hour, outside 0 to 100"


def test_an_array_of_the_wrong_length_is_a_fault():
    assert "has 1 columns; model.json says 2" in fault({"cells": pd.DataFrame({"a": [1.0]}, series([1]).index)})


def test_a_frame_where_a_series_is_declared_is_a_fault():
    text = fault({"total": pd.DataFrame({"a": [1.0], "b": [2.0]}, series([1]).index)})
    assert text == "output 'total' has 2 columns; model.json says it is a pd.Series"


def test_the_columns_of_an_array_keep_whole_numbers_as_their_numbers():
    found = prepared(cells=pd.DataFrame({82: [1.0], 7: [3.0]}, series([1]).index))
    assert found.table.names == ("Cells|82", "Cells|7")


def test_columns_with_other_labels_are_counted_from_zero():
    found = prepared(cells=pd.DataFrame({"a": [1.0], "b": [3.0]}, series([1]).index))
    assert found.table.names == ("Cells|0", "Cells|1")


def test_of_a_partial_array_what_is_not_finite_is_absent_and_the_rest_is_kept():
    outputs = {"curve": Output(type="pd.DataFrame", columns=2, partial=True, valid_range=(0, 10)), "total": OUTPUTS["total"]}
    rows = pd.DataFrame({0: [np.nan, 1 / 3, np.nan], 1: [2.0, np.inf, np.nan]}, series([1, 1, 1]).index)
    found = prepare({"curve": rows, "total": series([5.0], [1])}, outputs, {"curve": "Curve", "total": "Total"}, WINDOW, {})
    assert found.table.time.tolist() == [0, 1000]
    assert found.table.absent.tolist() == [[True, False], [False, True], [True, False]]
    np.testing.assert_array_equal(found.table.values, [[np.nan, 0.333333333], [2.0, np.nan], [np.nan, 5.0]])
    assert found.latest == {"Curve|0": 0.333333333, "Curve|1": 2.0, "Total": 5.0}
    assert found.notes == ["output 'curve': 1 values that are not finite were left out"]
    alone = prepare({"curve": rows}, outputs, {"curve": "Curve"}, WINDOW, {})
    assert alone.table.absent.tolist() == [[True, False], [False, True]]


def test_a_partial_array_out_of_range_is_a_fault():
    rows = pd.DataFrame({0: [np.nan], 1: [12.0]}, series([1]).index)
    with pytest.raises(OutputError, match="reaches 12 to 12"):
        prepare(
            {"curve": rows},
            {"curve": Output(type="pd.DataFrame", partial=True, valid_range=(0, 10))},
            {"curve": "Curve"},
            WINDOW,
            {},
        )
