"""What no model may see is taken away, counted, and told; the same however the data are split."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_interface.checks import SUSPECTS, Tally, clean
from platform_interface.fingerprint import ordered
from platform_interface.mapping import USUAL_SENTINELS, Source
from platform_interface.table import Table
from platform_interface.units import conversion

NAN = float("nan")


def source(quantity="voltage", unit="volt", into="volt", names=("s",), **changes):
    given_ = {
        "pattern": "Sensor", "names": names, "conversion": conversion(unit, into), "sign": 1.0, "valid_range": (1.0, 5.0),
        "sentinels": USUAL_SENTINELS, "conflicts": "drop", "max_gap": 60.0, "unit": unit, "quantity": quantity,
    }  # fmt: skip
    return Source(**{**given_, **changes})


def table(time, *rows, absent=None):
    names = tuple("s" if len(rows) == 1 else f"s{n}" for n in range(len(rows)))
    return Table(np.array(time, np.int64), names, np.array(rows, float), None if absent is None else np.array(absent, bool))


def cleaned(raw, facts=None, carry=None, context=False):
    tally = Tally()
    return clean(ordered(raw), facts or source(), carry or {}, tally, context), tally


def seconds(values):
    return (np.arange(len(values)) * 1000).tolist()


def test_clean_samples_pass_untouched():
    found, tally = cleaned(table([0, 1000, 2000], [3.1, 3.2, 3.3]))
    assert found.time.tolist() == [0, 1000, 2000]
    assert found.values.tolist() == [[3.1, 3.2, 3.3]]
    assert (tally.rows, tally.used, tally.counts, tally.warnings) == (3, 3, {}, {})


def test_unsorted_samples_and_exact_duplicates_are_put_right_and_counted():
    found, tally = cleaned(table([2000, 0, 1000, 1000], [3.3, 3.1, 3.2, 3.2]))
    assert found.time.tolist() == [0, 1000, 2000]
    assert found.values.tolist() == [[3.1, 3.2, 3.3]]
    assert tally.rows == 4
    assert tally.counts == {"out of order": 3, "exact duplicates": 1}


@pytest.mark.parametrize(
    ("rule", "expected"), [("drop", [3.1]), ("mean", [3.1, 3.4]), ("least", [3.1, 3.2]), ("greatest", [3.1, 3.7])]
)
def test_samples_that_share_a_time_and_differ_are_settled_by_the_sites_rule(rule, expected):
    found, tally = cleaned(table([0, 1000, 1000, 1000], [3.1, 3.3, 3.7, 3.2]), source(conflicts=rule))
    assert found.values[0].tolist() == pytest.approx(expected)
    assert tally.counts == {"conflicting duplicates": 1}
    [warning] = tally.warnings
    assert warning.startswith("Sensor: unequal values share a time, first at 1970-01-01T00:00:01Z; ")
    assert warning.endswith("none was used" if rule == "drop" else f"the {rule} was used, as settings allow")


def test_of_samples_that_share_a_time_the_one_that_is_a_number_counts():
    found, tally = cleaned(table([0, 0], [NAN, 3.3]))
    assert found.values.tolist() == [[3.3]]
    assert "conflicting duplicates" not in tally.counts


def test_elements_of_an_array_conflict_one_by_one():
    found, tally = cleaned(table([0, 0], [3.1, 3.1], [3.2, 3.4]), source(names=("s0", "s1")))
    assert found.values[0].tolist() == [3.1]
    assert np.isnan(found.values[1, 0])
    assert tally.counts == {"conflicting duplicates": 1}


def test_a_value_that_is_not_a_number_is_counted_and_an_absent_one_is_not():
    found, tally = cleaned(table([0, 1000, 2000], [3.1, NAN, NAN], absent=[[False, False, True]]))
    assert found.time.tolist() == [0]
    assert tally.counts == {"not finite": 1}
    assert cleaned(table([0, 1000], [3.1, float("inf")]))[1].counts == {"not finite": 1}


@pytest.mark.parametrize("value", [65.535, 66.535, 0.0, -0.0, 65535.0, float(np.float32(65.535)), float(np.float32(66.535))])
def test_a_value_that_means_no_value_never_reaches_a_model(value):
    found, tally = cleaned(table([0, 1000], [3.1, value]))
    assert found.values.tolist() == [[3.1]]
    assert tally.counts == {"sentinel": 1}


@pytest.mark.parametrize("raw", [65535.0, 66535.0, 0.0, float(np.float32(65535))])
def test_sentinels_are_known_in_the_unit_of_the_logger_too(raw):
    given_ = source(unit="millivolt", sentinels=tuple(value / 1000 for value in (65535.0, 66535.0)))
    found, tally = cleaned(table([0, 1000], [3100, raw]), given_)
    assert found.values.tolist() == [[3.1]]
    assert tally.counts == {"sentinel": 1}


def test_zero_is_a_value_of_a_current_and_no_value_of_a_live_cell():
    wide = source("current", "ampere", "ampere", valid_range=(-100.0, 100.0))
    assert cleaned(table([0, 1000], [0.0, 1.0]), wide)[0].values.tolist() == [[0.0, 1.0]]
    cells = source("cell_voltage", names=("s0", "s1"))
    found, _ = cleaned(table([0, 1000], [3.3, 3.3], [0.0, 3.4]), cells)
    assert np.isnan(found.values[1, 0])
    assert found.values[0].tolist() == [3.3, 3.3]


def test_a_neighbour_of_a_sentinel_is_a_value():
    wide = source("other", "volt", "volt", valid_range=(0.0, 100.0))
    assert cleaned(table([0, 1000], [65.534, 65.536]), wide)[0].values.tolist() == [[65.534, 65.536]]


def test_values_out_of_range_are_not_used_and_told_with_their_extent():
    found, tally = cleaned(table([0, 1000, 2000, 3000], [3.1, 5.5, -2.0, 5.0]))
    assert found.values.tolist() == [[3.1, 5.0]]
    assert tally.counts == {"out of range": 2}
    assert list(tally.warnings) == ["Sensor: values from -2 to 5.5 lie outside 1 to 5 and were not used"]


def test_an_array_keeps_a_time_at_which_one_element_has_a_value():
    found, _ = cleaned(table([0, 1000], [3.1, NAN], [NAN, NAN]), source(names=("s0", "s1")))
    assert found.time.tolist() == [0]
    assert np.isnan(found.values[1, 0])


def test_a_gap_is_longer_than_max_gap_and_not_equal_to_it():
    found, tally = cleaned(table([0, 60_000, 120_001], [3.1, 3.2, 3.3]))
    assert found.gaps == [(60_000, 120_001)]
    assert (tally.gap_count, tally.gap_seconds) == (1, 60.001)


def test_a_gap_over_the_border_of_two_windows_is_found_through_the_carry():
    first, _ = cleaned(table([0, 1000], [3.1, 3.2]))
    second, tally = cleaned(table([100_000, 101_000], [3.3, 3.4]), carry=first.carry)
    assert second.gaps == [(1000, 100_000)]
    assert tally.gap_count == 1
    empty, _ = cleaned(table([], []), carry=first.carry)
    assert empty.carry == first.carry


def test_a_sample_that_is_taken_away_bridges_no_gap():
    found, _ = cleaned(table([0, 50_000, 100_000], [3.1, NAN, 3.3]))
    assert found.gaps == [(0, 100_000)]


def test_a_sensor_that_logs_more_rarely_than_max_gap_is_told_how_to_say_so():
    _, tally = cleaned(table([i * 120_000 for i in range(30)], [3.3] * 30))
    [warning] = tally.warnings
    assert "samples come about every 2 min" in warning
    assert "set sensors.'Sensor'.max_gap" in warning


def test_a_lookback_counts_no_gap_and_leaves_the_carry():
    found, tally = cleaned(table([0, 100_000], [3.1, 3.2]), carry={"last": 5, "ok": 7}, context=True)
    assert found.gaps == []
    assert found.carry == {"last": 5, "ok": 7}
    assert tally.gap_count == 0


PERCENT = source("soc", "dimensionless", "dimensionless", valid_range=(0.0, 1.0), sentinels=())


def test_percent_that_is_mapped_as_a_fraction_is_refused_from_the_sample_on_that_shows_it():
    values = [50.0] * 30
    found, tally = cleaned(table(seconds(values), values), PERCENT)
    assert found.time.size == 0
    assert found.carry["latched"] == (SUSPECTS - 1) * 1000
    assert any("looks like percent, and is mapped as a fraction" in warning for warning in tally.warnings)


def test_percent_that_falls_to_a_plausible_fraction_stays_refused():
    values = [50.0] * 30 + [0.9] * 5
    found, tally = cleaned(table(seconds(values), values), PERCENT)
    assert found.time.size == 0
    assert tally.counts["refused: unit in doubt"] == 5


def test_samples_before_the_doubt_stay_used():
    values = [0.5, 0.6] + [50.0] * 30
    found, _ = cleaned(table(seconds(values), values), PERCENT)
    assert found.values.tolist() == [[0.5, 0.6]]


@pytest.mark.parametrize(("values", "quantity"), [([3300.0] * 25, "voltage"), ([0.0033] * 25, "voltage")])
def test_a_thousandth_or_a_thousandfold_of_the_unit_is_refused(values, quantity):
    found, tally = cleaned(table(seconds(values), values), source(quantity))
    assert found.time.size == 0
    assert found.carry["latched"] == 19_000
    assert any("a thousandth or a thousandfold of 'volt'" in warning for warning in tally.warnings)


def test_a_few_outliers_that_another_unit_would_explain_do_not_stop_a_good_sensor():
    values = [3.3] * 100 + [3300.0] * 30 + [3.3] * 10
    found, tally = cleaned(table(seconds(values), values))
    assert "latched" not in found.carry
    assert tally.used == 110


levels = st.sampled_from([0.5, 0.99, 50.0, 99.0, 1.0, NAN, -3.0])
runs = st.lists(st.tuples(levels, st.integers(1, 25)), min_size=1, max_size=12).map(
    lambda pairs: [value for value, count in pairs for _ in range(count)]
)


@given(runs, st.data())
@settings(derandomize=True, deadline=None, max_examples=300)
@pytest.mark.parametrize("gap", [0.5, 5.0])
def test_any_split_takes_away_the_same_samples_finds_the_same_gaps_and_carries_the_same(gap, values, data):
    facts = source("soc", "dimensionless", "dimensionless", valid_range=(0.0, 1.0), sentinels=(), max_gap=gap)
    steps = data.draw(st.lists(st.sampled_from([0, 1000, 10_000]), min_size=len(values), max_size=len(values)))
    time = list(itertools.accumulate(steps))
    whole, _ = cleaned(table(time, values), facts)
    cuts = sorted(set(data.draw(st.lists(st.integers(0, time[-1] + 1), max_size=4))))
    carry: dict = {}
    times, kept, gaps = [], [], []
    for low, high in itertools.pairwise([0, *cuts, time[-1] + 1]):
        part, _ = cleaned(table(time, values).between(low, high), facts, copy.deepcopy(carry))
        carry = part.carry
        times += part.time.tolist()
        kept += part.values[0].tolist()
        gaps += part.gaps
    assert times == whole.time.tolist()
    assert kept == whole.values[0].tolist()
    assert gaps == whole.gaps
    assert {key: value for key, value in carry.items() if value} == {key: value for key, value in whole.carry.items() if value}
