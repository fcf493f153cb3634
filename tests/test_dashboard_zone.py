"""The site's clock, calculated by hand where it changes."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from platform_interface.dashboard.zone import shown, transitions, zone_of
from platform_interface.when import instant

BERLIN = ZoneInfo("Europe/Berlin")


def test_the_clock_in_berlin_goes_forward_at_one_utc_on_the_last_sunday_of_march():
    found = transitions(BERLIN, instant("2026-03-01T00:00:00Z"), instant("2026-04-01T00:00:00Z"))
    assert found == [
        (instant("2026-03-01T00:00:00Z"), 3_600_000, "CET"), (instant("2026-03-29T01:00:00Z"), 7_200_000, "CEST")
    ]  # fmt: skip


def test_the_hour_that_comes_twice_in_october_is_told_apart():
    assert shown(instant("2026-10-25T00:30:00Z"), BERLIN) == "2026-10-25 02:30 CEST"
    assert shown(instant("2026-10-25T01:30:00Z"), BERLIN) == "2026-10-25 02:30 CET"


def test_a_year_has_two_changes_and_utc_none():
    start, end = instant("2025-12-31T00:00:00Z"), instant("2026-12-31T00:00:00Z")
    assert [name for _, _, name in transitions(BERLIN, start, end)] == ["CET", "CEST", "CET"]
    assert transitions(ZoneInfo("UTC"), start, end) == [(start, 0, "UTC")]


def test_a_zone_of_half_an_hour_is_shown_right():
    assert shown(instant("2026-01-31T00:00:00Z"), ZoneInfo("Asia/Kolkata")) == "2026-01-31 05:30 IST"


def test_a_name_that_is_no_zone_is_none():
    assert zone_of("Europe/Berlin") == BERLIN
    assert zone_of("Europe/Atlantis") is None
    assert zone_of("../../etc/passwd") is None
    assert zone_of(None) is None
