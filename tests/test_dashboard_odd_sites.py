"""Pages of sites as nobody plans them, and what is left behind when something goes wrong."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from platform_interface import log
from platform_interface.dashboard import panels
from platform_interface.dashboard.channel import Channel
from platform_interface.dashboard.command import Request, write_pages
from platform_interface.dashboard.page import LEFT_OVER, SCRATCH, file_name, remove_pages, sweep, write
from platform_interface.dashboard.panels import MOST_SPANS, Encoder, output_panels, together
from platform_interface.dashboard.reading import over_gaps, with_holds
from platform_interface.dashboard.state import Stretch
from platform_interface.dashboard.thinning import Allowance
from platform_interface.launch import Launch
from tests.command import ASSET as SMALL
from tests.command import brought_in, command, inline, launch_file, values
from tests.kit import ASSET, PLUGINS, START, Rows, Site, pack
from tests.pages_kit import pages, read, site

CELLS = ("Cell Voltage|1", "Cell Voltage|2", "Cell Voltage|3")


def channel(key, size, holds=False, unit="volt"):
    made = Channel(key, key.title(), unit, "", (), Allowance(1000, size * 1000, size), holds=holds)
    made.add(np.arange(size) * 1000, np.linspace(3.0, 3.3, size)[None, :], [])
    return made


@pytest.mark.parametrize("factor", [np.nan, 0.0, 1.0])
@pytest.mark.parametrize("size", [1, 2, 50])
def test_few_samples_or_none_that_counts_still_make_every_page(tmp_path, size, factor):
    made = Site(tmp_path / "store", {"Capacity": 100.0, "time_zone": "Mars/Base"})
    moments = START + np.arange(size, dtype=np.int64) * 60_000
    made.put(
        pack(moments, current=np.ones(size), voltage=np.full(size, 3.3)),
        Rows("cells", CELLS, ("volt",) * 3, moments, np.full((3, size), 3.3) * factor),
    )
    models = ("eq_cycles", "cell_spread", "alarming")
    made.run(models)
    written = pages(made, tmp_path / "pages", models)
    assert set(written) == {*models, ""}
    assert "'Mars/Base' is not an IANA time zone" in read(written["eq_cycles"]).text


def test_single_events_share_no_panel_with_lines():
    groups = together([channel("least", 1000), channel("cell of an event", 20), channel("greatest", 1000)])
    assert [[each.key for each in group] for group in groups] == [["least", "greatest"], ["cell of an event"]]


def test_a_decimated_output_of_few_points_is_a_line():
    groups = together([channel("least", 1000), channel("slow", 20, holds=True)])
    assert len(groups) == 1


def test_an_element_without_a_sample_in_the_stretch_is_left_out_of_its_panel():
    array = Channel("each", "Each", "volt", "", (1, 2), Allowance(100, 10_000, 10), holds=True)
    moments, rows = np.array([0, 1000, 9000]), np.array([[1.0, 2.0, 3.0], [np.nan] * 3])
    drawn, filled, breaks = with_holds(moments, rows, [(2000, 8000)], None, True)
    array.add(drawn, filled, breaks, [2, 0])
    [panel] = output_panels({"each": array}, [], Encoder(0, 10_000, 100))
    assert [(line["name"], line["count"]) for line in panel["lines"]] == [("Each 1", 3)]


def test_a_code_of_no_data_up_to_a_sample_is_drawn_over_the_gap_before_it():
    status = Channel(
        "s", "S", "dimensionless", "", (), Allowance(100, 9000, 9), {"0": "OK", "4": "no data up to this sample"}, True
    )
    moments, codes = np.array([0, 8000, 9000]), np.array([[0.0, 4.0, 0.0]])
    drawn, filled, breaks = over_gaps(*with_holds(moments, codes, [(1000, 8000)], None, True), status.backward)
    assert (drawn.tolist(), filled[0].tolist(), breaks) == ([0, 1000, 1001, 8000, 9000], [0.0, 0.0, 4.0, 4.0, 0.0], [])


def test_any_other_code_breaks_at_a_gap():
    moments, codes = np.array([0, 8000, 9000]), np.array([[0.0, 5.0, 0.0]])
    drawn, _, breaks = over_gaps(moments, codes, [(1000, 8000)], [4.0])
    assert (drawn.tolist(), breaks) == ([0, 8000, 9000], [(1000, 8000)])


def test_twenty_thousand_alarms_are_shaded_in_a_moment_and_what_is_left_out_is_said():
    alarms = [Stretch(i * 1000, i * 1000 + 500, "warning", f"alarm {i}") for i in range(20_000)]
    began = time.perf_counter()
    [panel] = output_panels({"x": channel("x", 20_000)}, alarms, Encoder(0, 20_000_000, 100))
    assert time.perf_counter() - began < 2.0
    assert len(panel["spans"]) == MOST_SPANS
    assert panel["notes"] == ["The 200 longest stretches are shaded, 19,800 shorter ones are not."]


def test_alarms_outside_the_stretch_shown_take_no_place_of_those_inside():
    outside = [Stretch(i * 1000, i * 1000 + 900, "warning") for i in range(100, 500)]
    shown, left_out = panels._spans([*outside, Stretch(10, 20, "warning", "here")], 0, 50_000)
    assert [(span["from"], span["text"]) for span in shown] == [(10, "here")]
    assert left_out == 0


def test_a_secret_that_is_one_of_our_own_words_breaks_no_page(tmp_path, monkeypatch):
    made = site(tmp_path, ("eq_cycles",))
    monkeypatch.setattr(log, "_SECRETS", {"asset", "panels", "state", "x"})
    assert pages(made, tmp_path / "pages", ("eq_cycles",))["eq_cycles"].exists()


def test_an_index_without_a_usable_model_says_so_and_counts_the_assets(tmp_path):
    made = site(tmp_path, ())
    broken = tmp_path / "plugins" / "broken_one"
    broken.mkdir(parents=True)
    (broken / "model.json").write_text("{not json", encoding="utf-8")
    settings = made.settings(["broken_one"], plugin_folders=[str(PLUGINS), str(tmp_path / "plugins")])
    write_pages(Launch(), settings, Request([ASSET], output=tmp_path / "pages"), lambda _asset, _share: None)
    page = read(tmp_path / "pages" / "index.html")
    assert "1 asset on the" in page.text
    assert "No enabled model can be used" in page.text


# --- what is left behind


def test_a_page_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OSError):
        write(tmp_path / "page.html", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_what_killed_processes_left_is_swept_and_what_is_being_written_is_not(tmp_path):
    old, new = tmp_path / f".1.a{SCRATCH}", tmp_path / f".2.b{SCRATCH}"
    for path in (old, new):
        path.write_text("half", encoding="utf-8")
    then = time.time() - LEFT_OVER - 60
    os.utime(old, (then, then))
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [new.name]


def test_pages_of_one_asset_are_told_from_those_of_another_with_a_like_name(tmp_path):
    for asset in ("a", "a--b", "ü"):
        write(tmp_path / file_name(asset, "eq"), "page")
    assert remove_pages(tmp_path, "a") == 1
    assert remove_pages(tmp_path, "ü") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a--b--eq.html"]


def test_an_asset_that_is_forgotten_leaves_no_page(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    configuration = values(tmp_path)
    configuration["platform"]["pages"] = str(tmp_path / "pages")
    launch = launch_file(tmp_path, configuration)
    assert command("dashboard", SMALL, launch, cwd=tmp_path).returncode == 0
    result = command("forget", SMALL, "--yes", launch.read_text(encoding="utf-8"), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in (tmp_path / "pages").glob("*.html")] == ["index.html"]


# --- the doctor on such sites


def test_the_doctor_takes_a_launch_file_and_names_a_plugin_that_cannot_be_read(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    broken = tmp_path / "plugins" / "broken_one"
    broken.mkdir(parents=True)
    (broken / "model.json").write_text("{not json", encoding="utf-8")
    launch = launch_file(tmp_path, values(tmp_path, plugin_folders=[str(tmp_path / "plugins")]))
    result = command("doctor", SMALL, launch, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "broken_one" in result.stderr
    assert f"{SMALL}: 2 sensors" in result.stdout


def test_the_doctor_does_not_call_an_asset_without_samples_sound(tmp_path):
    Site(tmp_path / "store")
    result = command("doctor", ASSET, inline(tmp_path), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "nothing can be said" in result.stdout
    assert "nothing contradicts" not in result.stdout


def test_a_backtest_over_a_stretch_without_samples_says_so(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    stretch = ("--from", "2031-01-01T00:00:00Z", "--to", "2031-02-01T00:00:00Z")
    result = command("backtest", "eq_cycles", SMALL, *stretch, inline(tmp_path), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "no sample of its inputs lies in this stretch" in result.stdout


def test_the_doctor_of_an_unknown_asset_is_told_the_nearest(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    result = command("doctor", "pack-2", inline(tmp_path), cwd=tmp_path)
    assert result.returncode == 2
    assert "did you mean 'pack-1'" in result.stderr
