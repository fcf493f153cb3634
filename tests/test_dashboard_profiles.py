"""Panels of arrays that run along something, drawn as heatmaps, and of figures with the ends of their interval."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np

from platform_interface.dashboard.channel import MOST_COLUMNS, Channel
from platform_interface.dashboard.panels import Encoder, output_panels, together
from platform_interface.dashboard.thinning import Allowance
from platform_interface.dashboard.words import panel_words

SPAN = 10_000_000


def profile(samples=500, breaks=(), along="centre to surface"):
    made = Channel("depth", "Depth", "mole / meter ** 3", "", tuple(range(4)), Allowance(100, SPAN, samples), profile=along)
    time = np.linspace(0, SPAN, samples).astype(np.int64)
    made.add(time, np.arange(4)[:, None] + np.linspace(0, 9, samples)[None, :], list(breaks))
    return made


def series(key, values):
    made = Channel(key, key.title(), "millivolt", "", (), Allowance(100, SPAN, 50), holds=True)
    made.add(np.linspace(0, SPAN, 50).astype(np.int64), np.full((1, 50), values), [])
    return made


def test_a_profile_is_a_heatmap_with_its_ends_as_figures():
    [panel] = output_panels({"depth": profile()}, [], Encoder(0, SPAN, 100))
    assert (panel["heat"]["low"], panel["heat"]["high"]) == (0.0, 12.0)
    assert panel["heat"]["along"] == "centre to surface"
    assert [line["name"] for line in panel["lines"]] == ["centre", "surface"]
    assert panel["bars"]["values"] == [9.0, 10.0, 11.0, 12.0]
    assert panel_words(panel, ZoneInfo("UTC"))["heat"]["along"] == "centre to surface"


def test_a_profile_along_anything_else_names_its_ends_by_their_numbers():
    [panel] = output_panels({"depth": profile(along="depth")}, [], Encoder(0, SPAN, 100))
    assert [line["name"] for line in panel["lines"]] == ["Depth 0", "Depth 3"]


def test_columns_of_a_heatmap_are_whole_rows_and_no_more_than_a_page_shows():
    time, columns = profile(samples=20_000).heat()
    assert len(time) <= MOST_COLUMNS + 1
    assert (np.diff(time) > 0).all()
    assert np.allclose(np.diff(columns, axis=1), 1.0)


def test_a_figure_and_the_ends_of_its_interval_are_one_panel():
    given = {name: series(name, value) for name, value in (("margin", 20.0), ("margin_lower", 5.0), ("margin_upper", 40.0))}
    [panel] = output_panels(given, [], Encoder(0, SPAN, 100))
    assert [line["name"] for line in panel["lines"]] == ["Margin"]
    assert panel["band"]["name"] == "interval of Margin"
    assert (panel["lowest"][0], panel["highest"][0]) == (5.0, 40.0)


def test_one_end_without_the_other_is_a_line_as_any():
    groups = together([series("margin", 20.0), series("margin_lower", 15.0)])
    assert [[one.key for one in group] for group in groups] == [["margin", "margin_lower"]]


def ahead(key, value, uses, of="margin"):
    made = Channel(key, key.title(), "millivolt", "", (), Allowance(100, SPAN, 50), of=of if uses else "", ahead=uses)
    made.add(np.linspace(0, SPAN, 50).astype(np.int64), np.linspace(value - 1.0, value, 50)[None, :], [])
    return made


def test_what_says_the_future_of_an_output_is_a_fan_beside_it_and_no_panel_of_its_own():
    given = {"margin": series("margin", 20.0), "far": ahead("far", 5.0, 50), "near": ahead("near", 15.0, 5)}
    given |= {f"far{end}": ahead(f"far{end}", value, 0) for end, value in (("_lower", 2.0), ("_upper", 9.0))}
    [panel] = output_panels(given, [], Encoder(0, SPAN, 100))
    fan = panel["fan"]
    assert fan["ahead"] == [0, 5, 50]
    assert fan["values"] == [20.0, 15.0, 5.0]
    assert (fan["low"], fan["high"]) == ([None, None, 2.0], [None, None, 9.0])
    words = panel_words(panel, ZoneInfo("UTC"))["fan"]
    assert words["told"] == "after 0: 20, after 5: 15, after 50: 5 (2 to 9)"


def test_a_future_of_what_is_not_there_is_drawn_as_any():
    panels = output_panels({"far": ahead("far", 5.0, 50)}, [], Encoder(0, SPAN, 100))
    assert len(panels) == 1
    assert "fan" not in panels[0]


def test_a_profile_that_is_known_in_part_has_figures_of_the_end_that_is_known():
    made = Channel("curve", "Curve", "volt", "", tuple(range(3)), Allowance(100, SPAN, 9), profile="low to high")
    made.add(np.arange(9) * 1000, np.stack([np.full(9, np.nan), np.arange(9.0), np.full(9, 5.0)]), [])
    [panel] = output_panels({"curve": made}, [], Encoder(0, SPAN, 100))
    assert [line["name"] for line in panel["lines"]] == ["high"]
    assert panel["bars"]["values"] == [None, 8.0, 5.0]
    assert panel["heat"]["low"] == 0.0
    assert panel_words(panel, ZoneInfo("UTC"))["heat"] is not None
