"""Instants and durations as people write them, and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_interface.when import DAY, day_of, instant, now, seconds, span, text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30s", 30.0), ("5min", 300.0), ("5 m", 300.0), ("2h", 7200.0), ("1.5 h", 5400.0), ("7d", 604800.0), ("1 day", 86400.0),
        ("90 days", 7776000.0), ("2w", 1209600.0), ("250ms", 0.25), ("12", 12.0), (12, 12.0), (0.5, 0.5), (0, 0.0), (" 1 s ", 1.0),
    ],
)  # fmt: skip
def test_a_duration_is_read_in_the_unit_it_is_written_in(value, expected):
    assert seconds(value) == expected


@pytest.mark.parametrize("value", ["", "h", "-1s", "1 year", "1h30", "1,5h", None, [], {}, "nan", "1e3 s"])
def test_what_is_no_duration_is_refused_with_examples(value):
    with pytest.raises(ValueError, match=r"is not a duration; write for example '30s', '5min', '2h' or '7d'"):
        seconds(value)


@pytest.mark.parametrize("value", [-1, -0.001, float("inf"), float("nan"), True, False])
def test_a_number_that_is_no_duration_is_refused(value):
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-02T00:00:00+00:00", DAY),
        ("1970-01-01T01:00:00+01:00", 0),
        ("2026-01-31T08:00:00.250+08:00", 1_769_817_600_250),
        ("2023-10-16T00:18:04+08:00", 1_697_386_684_000),
    ],
)
def test_a_time_with_offset_is_an_instant_in_milliseconds(value, expected):
    assert instant(value) == expected


def test_a_naive_time_is_refused_and_shown_with_an_offset():
    with pytest.raises(ValueError, match=r"'2026-01-31' has no time zone; write '2026-01-31T00:00:00\+00:00' for UTC"):
        instant("2026-01-31")


@pytest.mark.parametrize("value", ["yesterday", "31.01.2026", "", "2026-13-01T00:00:00Z", 5, None])
def test_what_is_no_time_is_refused_with_an_example(value):
    with pytest.raises(ValueError, match=r"is not an ISO 8601 time; write for example 2026-01-31T00:00:00\+00:00"):
        instant(value)


@given(st.integers(0, 4_102_444_800_000))
@settings(derandomize=True, deadline=None)
def test_an_instant_that_is_shown_can_be_read_again(milliseconds):
    assert instant(text(milliseconds)) == milliseconds


def test_milliseconds_are_shown_only_where_they_are_not_zero():
    assert text(0) == "1970-01-01T00:00:00Z"
    assert text(1_769_817_600_250) == "2026-01-31T00:00:00.250Z"
    assert text(-1) == "1969-12-31T23:59:59.999Z"


@given(st.integers(-(10**13), 10**13))
@settings(derandomize=True, deadline=None)
def test_a_day_begins_at_utc_midnight_and_holds_its_instants(milliseconds):
    day = day_of(milliseconds)
    assert day <= milliseconds < day + DAY
    assert day % DAY == 0


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (0, "0 s"),
        (90, "90 s"),
        (119, "119 s"),
        (120, "2 min"),
        (720, "12 min"),
        (7200, "2 h"),
        (12600, "3.5 h"),
        (172800, "2 d"),
        (691200, "8 d"),
    ],
)
def test_a_span_is_shown_in_the_unit_that_suits_it(duration, shown):
    assert span(duration) == shown


def test_now_is_the_present():
    before = datetime.now(UTC).timestamp() * 1000
    assert before - 1 <= now() <= datetime.now(UTC).timestamp() * 1000 + 1
