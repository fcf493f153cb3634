"""The figures behind each check of a mapping, against values by hand."""

from __future__ import annotations

import numpy as np
import pytest

from platform_interface.doctor.channels import Channel, Kept, as_of
from platform_interface.doctor.clock import HOUR, ahead, clock_changes
from platform_interface.doctor.examine import chosen_days, without_codes
from platform_interface.doctor.frozen import RUN, runs_of
from platform_interface.doctor.order import exchanges
from platform_interface.doctor.packsum import instants, quiet, slope
from platform_interface.doctor.scales import longest_still, soc_steps
from platform_interface.doctor.temperature import explained
from platform_interface.platforms.base import Bucket
from platform_interface.when import DAY, instant

MINUTE = 60_000


def channel(pattern, quantity, time, values, numbers=()):
    values = np.atleast_2d(np.asarray(values, float))
    return Channel(pattern, numbers, quantity, "volt", np.asarray(time, np.int64), values)


def test_a_run_says_from_when_to_when_and_what_the_peers_did_meanwhile():
    time = np.arange(50) * MINUTE
    values = np.r_[np.arange(10.0), np.full(40, 7.5)]
    common = np.r_[np.zeros(10), np.linspace(20, 30, 40)]
    runs = runs_of(time, values, common, 10 * MINUTE)
    assert [run.count for run in runs] == [1, 40]  # the first and the last run are always given: they may go on
    assert (runs[-1].value, runs[-1].start, runs[-1].end) == (7.5, 10 * MINUTE, 49 * MINUTE)
    assert runs[-1].moved == pytest.approx(8.0)  # 10 to 90 % of a rise by 10


def test_a_run_ends_at_a_gap_and_short_ones_are_not_given():
    time = np.r_[np.arange(40), 1000 + np.arange(40)] * MINUTE
    values = np.full(80, 7.5)
    assert [run.count for run in runs_of(time, values, values, 10 * MINUTE)] == [40, 40]
    short = np.repeat(np.arange(8.0), RUN - 1)
    given = runs_of(np.arange(short.size) * MINUTE, short, short, 10 * MINUTE)
    assert [run.value for run in given] == [0.0, 7.0]


def test_the_latest_value_is_taken_and_none_that_is_too_old():
    other = channel("Voltage", "voltage", [0, 1000, 9000], [1.0, 2.0, 3.0])
    assert np.array_equal(as_of(np.array([-1, 0, 1500, 4000, 9000]), other, 2000)[0], [np.nan, 1, 2, np.nan, 3], equal_nan=True)


def test_instants_are_those_at_which_every_cell_and_the_pack_are_known():
    cells = channel("Cell|*", "cell_voltage", [0, 1000, 2000], [[3.0, np.nan, 3.2], [3.1, 3.1, 3.1]], (1, 2))
    pack = channel("Voltage", "voltage", [0, 1000, 2000], [6.2, 6.2, 6.4])
    rows = instants(cells, pack, None)
    assert rows[0].tolist() == [6.2, 6.4]
    assert rows[1] == pytest.approx([6.1, 6.3])


def test_quiet_instants_are_those_of_small_current_where_there_are_enough():
    rows = np.vstack([np.ones(400), np.ones(400), np.r_[np.full(150, 0.5), np.full(250, 80.0)]])
    assert quiet(rows).shape[1] == 150
    assert quiet(rows[:, 60:]).shape[1] == 340  # 90 quiet ones are too few


def test_the_difference_of_one_missing_cell_rises_one_for_one_and_an_offset_does_not_rise():
    mean = np.linspace(3.4, 4.1, 1000)
    rise, error = slope(mean, mean)
    assert rise == pytest.approx(1.0, abs=1e-9)
    assert error < 1e-9
    assert slope(mean, np.full(1000, 3.7))[0] == pytest.approx(0.0, abs=1e-12)
    assert slope(np.full(1000, 3.5), np.full(1000, 3.7))[1] == float("inf")


def test_exchanged_elements_are_found_at_their_boundary_and_a_drift_is_none():
    level = np.array([0.0, 0.012, -0.008, 0.001, -0.001, 0.002])
    exchanged = level[[0, 2, 1, 3, 4, 5]]
    start = [block * 6 * HOUR for block in range(10)]
    end = [each + 5 * HOUR for each in start]
    [found] = exchanges([level] * 5 + [exchanged] * 5, start, end, 0.005)
    assert (found.first, found.second, found.before, found.after) == (1, 2, end[4], start[5])
    assert found.differ == pytest.approx(0.020)
    drift = [level + (exchanged - level) * share for share in np.linspace(0, 1, 10)]
    assert exchanges(drift, start, end, 0.005) == []
    assert exchanges([level] * 2 + [exchanged] * 8, start, end, 0.005) == []  # two blocks before it are too few


def test_one_element_that_jumps_alone_was_exchanged_with_none():
    level = np.array([0.0, 0.012, -0.008, 0.001, -0.001, 0.002])
    other = level + np.array([0, 0, 0.020, 0, 0, 0])
    start = [block * 6 * HOUR for block in range(10)]
    assert exchanges([level] * 5 + [other] * 5, start, start, 0.005) == []


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (lambda c: c + 40, "°C + 40"),
        (lambda c: c + 273.15, "kelvin"),
        (lambda c: c * 1.8 + 32, "degrees Fahrenheit"),
        (lambda c: c * 10, "tenths of °C"),
        (lambda c: c - 40, "°C − 40"),
        (lambda c: c + 50, "°C + 50"),
    ],
)
def test_a_temperature_is_explained_by_one_hypothesis(values, name):
    celsius = 20 + 8 * np.sin(np.linspace(0, 20, 500))
    assert explained(values(celsius), celsius + 0.5)[0] == name


def test_temperatures_that_are_near_or_do_not_move_together_are_not_explained():
    celsius = 20 + 8 * np.sin(np.linspace(0, 20, 500))
    assert explained(celsius + 6, celsius) is None
    assert explained(60 + 8 * np.cos(np.linspace(0, 20, 500)), celsius) is None
    assert explained(np.full(500, 60.0), np.full(500, 20.0)) is None


def test_codes_are_taken_out_of_temperatures_in_celsius_and_not_out_of_kelvin():
    clean, codes = without_codes(np.array([[20.0, 21.0], [255.0, 255.0]]))
    assert codes == {1: (255.0, 2)}
    assert np.isnan(clean[1]).all()
    kelvin = np.array([[290.0, 291.0], [255.0, 256.0]])
    assert without_codes(kelvin)[1] == {}


def test_charge_is_compared_with_steps_of_soc_of_at_least_two_percent():
    time = np.arange(7) * MINUTE
    soc = np.array([0.50, 0.49, 0.48, 0.47, 0.46, 0.46, 0.44])
    charge = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert soc_steps(time, soc, charge).T.tolist() == [
        [pytest.approx(-0.02), 2.0], [pytest.approx(-0.02), 2.0], [pytest.approx(-0.02), 2.0],
    ]  # fmt: skip


def test_the_longest_standstill_is_the_one_in_which_most_charge_passed():
    time, soc = np.arange(100) * MINUTE, np.repeat([0.5, 0.4], 50)
    value, passed, count, start, end = longest_still(time, soc, np.linspace(0, 99, 100) ** 2 / 99)
    assert (value, count, start, end) == (0.4, 50, 50 * MINUTE, 99 * MINUTE)
    assert passed == pytest.approx(99 - 50**2 / 99)


def test_clock_changes_of_a_zone_are_those_of_the_law():
    days = (instant("2026-01-01T00:00:00Z") // DAY, instant("2026-12-31T00:00:00Z") // DAY)
    assert clock_changes("Europe/Berlin", *days) == [
        (instant("2026-03-29T01:00:00Z"), HOUR),
        (instant("2026-10-25T01:00:00Z"), -HOUR),
    ]
    assert clock_changes("Asia/Shanghai", *days) == []


def test_stamps_ahead_of_the_present_are_explained_by_the_zone_of_the_site_or_not_at_all():
    present = instant("2026-06-01T12:00:00Z")
    assert ahead(present, 0, present, "Asia/Shanghai") == []
    [told] = ahead(present + 8 * HOUR - MINUTE, 500, present, "Asia/Shanghai")
    assert told.proposal.change == {"time": {"time_zone": "Asia/Shanghai"}}
    [told] = ahead(present + 9 * HOUR, 500, present, "Asia/Shanghai")
    assert told.proposal is None
    [told] = ahead(present + 900 * HOUR, 500, present, None)
    assert "the clock of the logger is wrong" in told.text


def test_days_are_chosen_at_both_ends_between_and_around_clock_changes():
    days = [Bucket(day * DAY, (day + 1) * DAY, 10, day * DAY, day * DAY + 1) for day in range(20_454, 20_454 + 365)]  # 2026
    assert chosen_days(days[:12], 12, None) == days[:12]
    chosen = chosen_days(days, 12, None)
    assert len(chosen) == 12
    assert (chosen[0], chosen[-1]) == (days[0], days[-1])
    around = chosen_days(days, 12, "Europe/Berlin")
    assert instant("2026-03-29T00:00:00Z") in [bucket.start for bucket in around]


def test_rows_are_kept_in_bounded_memory_over_the_whole_of_a_run():
    kept = Kept(1000)
    for part in range(100):
        kept.add(np.arange(part * 100, part * 100 + 100, dtype=float)[None])
    rows = kept.rows()[0]
    assert rows.size <= 1000
    assert (rows.min(), rows.max()) == (0.0, pytest.approx(9999, abs=200))
