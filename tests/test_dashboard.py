"""A page says what a model reads, gives and refuses, whatever names it meets; and asks nothing of anybody. No browser needed."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from platform_interface import log
from platform_interface.checkpoint import History, load_history
from platform_interface.dashboard.command import Request, write_pages
from platform_interface.dashboard.page import SHARED, TEMPLATES, file_name, json_for_html
from platform_interface.dashboard.state import LastWords, saved_reports, state_of, words_of
from platform_interface.dashboard.subject import Wanted
from platform_interface.errors import PlatformError, UsageError
from platform_interface.launch import Launch
from platform_interface.plans import plans_of, prepare_models
from platform_interface.run import Job
from platform_interface.when import instant
from tests.command import ASSET as SMALL
from tests.command import PROGRAM, brought_in, command, inline, launch_file, values
from tests.kit import ASSET, PLUGINS, START, pack
from tests.pages_kit import EVIL, HOUR, pages, read, site
from tests.test_layers import HEAVY, loaded, run

DASHBOARD = sorted((PROGRAM / "platform_interface" / "dashboard").glob("*.py"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    pages(made, place)
    return place


@pytest.fixture
def cycles(folder):
    return read(folder / file_name(ASSET, "eq_cycles"))


@pytest.mark.parametrize("path", DASHBOARD, ids=lambda path: path.stem)
def test_examples_in_docstrings_hold(path):
    module = importlib.import_module(f"platform_interface.dashboard.{path.stem}".removesuffix(".__init__"))
    assert doctest.testmod(module).failed == 0


def test_a_page_shows_inputs_in_the_unit_and_sign_that_the_model_reads(cycles):
    panels = {panel["title"]: panel for panel in cycles.figure["panels"]}
    assert {"Current / A", "Voltage / V"} <= set(panels)
    assert panels["Current / A"]["axis"] == "Current / A"
    assert "sensor 'Current' [A], sign turned: positive on discharge" in cycles.text
    low, at = panels["Current / A"]["lines"][0]["low"]
    assert low == pytest.approx(-45.0, abs=0.01)  # the site's +45 A, a charge there
    assert at >= START


def test_outputs_of_one_unit_and_like_size_share_a_panel_with_other_dashes(cycles):
    shared = next(panel for panel in cycles.figure["panels"] if panel["kind"] == "output" and len(panel["lines"]) > 2)
    assert len({line["dash"] for line in shared["lines"]}) == len(shared["lines"])
    assert len({line["colour"] for line in shared["lines"]}) == len(shared["lines"])
    assert {panel["unit"] for panel in cycles.figure["panels"]} >= {"Ah", "kWh", "1", "A", "V"}


def test_gaps_are_shaded_and_named_and_sentinels_counted(cycles):
    current = next(panel for panel in cycles.figure["panels"] if panel["title"] == "Current / A")
    [gap] = [span for span in current["spans"] if span["kind"] == "gap"]
    assert (gap["to"] - gap["from"]) / HOUR == pytest.approx(6.0, abs=0.05)
    assert "1, 6.03 h in all" in cycles.text
    assert "3 sentinel" in cycles.text


def test_a_refused_output_stands_with_reason_and_remedy(cycles):
    assert "Rainflow Equivalent Cycles" in cycles.text
    assert "no state of charge; map the BMS's SOC" in cycles.text


def test_a_refused_model_has_a_page_that_says_why_and_what_to_do(tmp_path):
    made = site(tmp_path, ("alarming",))
    made.tree = {"models": {"eq_cycles": {"inputs": {"capacity": "Capasity"}}}}
    page = read(pages(made, tmp_path / "pages", ("eq_cycles",))["eq_cycles"])
    assert "refused" in page.text
    assert "did you mean" in page.text or "there is" in page.text
    assert any(panel["kind"] == "input" for panel in page.figure["panels"])
    assert any(span["kind"] == "refused" for panel in page.figure["panels"] for span in panel["spans"]) or "–" in page.text


def test_parameters_and_configuration_stand_with_unit_source_and_default(cycles):
    assert "Capacity 100 Ah" in cycles.text
    assert "charge_efficiency" in cycles.text


def test_times_are_the_sites_and_the_clock_change_is_in_the_page(cycles):
    assert "CET" in cycles.text
    assert cycles.figure["zone"] == "Europe/Berlin"
    assert cycles.figure["clock"][0][1] == 3_600_000


def test_codes_are_words_and_alarms_stand_in_the_table_and_the_panels(folder):
    page = read(folder / file_name(ASSET, "alarming"))
    panel = page.figure["panels"][0]
    assert panel["codes"] == {"0": "no", "1": "yes"}
    assert panel["lines"][0]["shape"] == "hv"
    assert {span["kind"] for span in panel["spans"]} >= {"warning"}
    assert "high current" in page.text
    assert "cleared" in page.text


def test_cells_keep_the_sites_own_numbers(folder):
    page = read(folder / file_name(ASSET, "cell_spread"))
    cells = next(panel for panel in page.figure["panels"] if panel["title"] == "Cell Voltage / V")
    assert [line["name"].rsplit(" ", 1)[1] for line in cells["lines"]] == ["1", "2", "82"]
    [bars] = [panel["bars"] for panel in page.figure["panels"] if "bars" in panel]
    assert len(bars["values"]) == 3


@pytest.mark.parametrize("single", [False, True])
def test_no_name_breaks_out_of_a_page(made, tmp_path, single):
    for model, path in pages(made, tmp_path, single=single).items():
        page, raw = read(path), path.read_text(encoding="utf-8")
        wanted = {"": 1, "eq_cycles": 3}.get(model, 3)
        assert [tag for tag, _ in page.tags].count("script") == wanted
        assert "img" not in [tag for tag, _ in page.tags]
        assert "window.hurt=1</script>" not in raw.replace("&lt;/script&gt;", "")
        assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert "\u2028" not in json_for_html(EVIL)


def test_a_page_refers_to_nothing_outside_its_folder(made, folder, tmp_path):
    single = pages(made, tmp_path, single=True)
    for path in [*folder.glob("*.html"), *single.values()]:
        for _, attributes in read(path).tags:
            for name in ("src", "href", "action", "srcset"):
                target = attributes.get(name)
                assert target is None or target in SHARED or target.startswith(("#", "data:,")) or (folder / target).exists()
    assert sorted(path.name for path in folder.glob("*") if path.suffix != ".html") == sorted(SHARED)
    for name in ("page.css", "page.js"):
        assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttp|WebSocket|import\(", (TEMPLATES / name).read_text("utf-8"))


def test_a_single_file_holds_everything_and_no_index_is_written(made, tmp_path):
    [path] = pages(made, tmp_path, ("eq_cycles",), single=True).values()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_size < 6_000_000
    assert not [tag for tag, attributes in read(path).tags if "src" in attributes or attributes.get("rel") == "stylesheet"]


def test_a_known_secret_stands_in_no_page(made, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "_SECRETS", {"window.hurt=1"})
    for path in pages(made, tmp_path).values():
        assert "window.hurt=1" not in path.read_text(encoding="utf-8")
        assert "[secret]" in path.read_text(encoding="utf-8")


def test_a_secret_that_is_a_common_word_does_not_break_the_script(made, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "_SECRETS", {"function", "data"})
    [path] = pages(made, tmp_path, ("eq_cycles",), single=True).values()
    assert "function" in read(path).scripts[-1]


def test_a_stretch_of_time_is_shown_alone(made, tmp_path):
    wanted = Wanted(START + 10 * HOUR, START + 20 * HOUR)
    figure = read(pages(made, tmp_path, ("eq_cycles",), wanted=wanted)["eq_cycles"]).figure
    assert (figure["start"], figure["end"]) == (START + 10 * HOUR, START + 20 * HOUR)
    assert next(p for p in figure["panels"] if p["title"] == "Current / A")["lines"][0]["count"] == 600


def test_a_stretch_without_samples_is_said(made, tmp_path):
    wanted = Wanted(instant("2031-01-01T00:00:00Z"), None)
    page = read(pages(made, tmp_path, ("eq_cycles",), wanted=wanted)["eq_cycles"])
    assert "No sample of this model lies on the platform in this stretch." in page.text


def test_small_windows_change_no_figure_of_a_page(made, tmp_path):
    def lines(place, most):
        settings = made.settings(["eq_cycles"], max_values=most)
        write_pages(Launch(), settings, Request([ASSET], output=place), lambda _asset, _share: None)
        panels = read(place / file_name(ASSET, "eq_cycles")).figure["panels"]
        return [(line["name"], line["count"], line["low"], line["high"], line["last"]) for p in panels for line in p["lines"]]

    assert lines(tmp_path / "a", 500) == lines(tmp_path / "b", 2_000_000)


def test_the_index_has_every_asset_its_state_and_links_to_the_pages_that_are_there(made, folder):
    page = read(folder / "index.html")
    assert "1 asset on the embedded platform" in page.text
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links[1:] == [file_name(ASSET, model) for model in ("eq_cycles", "cell_spread", "alarming")]
    assert ("path", {"d": next(a["d"] for t, a in page.tags if t == "path")}) in page.tags


def test_a_run_that_found_nothing_new_does_not_hide_what_the_one_before_said(made, tmp_path):
    before = words_of(saved_reports(made.folder), ASSET)["eq_cycles"]
    content = json.loads((made.folder / "latest.json").read_text(encoding="utf-8"))
    for model in content["assets"][0]["models"]:
        model.update(status="no new data", refusals={}, reason="")
    (tmp_path / "20990101T000000Z-2.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "20980101T000000Z-1.json").write_text((made.folder / "latest.json").read_text("utf-8"), encoding="utf-8")
    (tmp_path / "20970101T000000Z-0.json").write_text("{not json", encoding="utf-8")
    after = words_of(saved_reports(tmp_path), ASSET)["eq_cycles"]
    assert before.model["refusals"] == after.model["refusals"] != {}


def test_an_id_that_is_no_file_name_becomes_one():
    assert file_name("../../etc", "m") == file_name("../../etc", "m")
    assert "/" not in file_name("../../etc", "m")
    assert file_name("a/b", "m") != file_name("a/c", "m")


def test_wrong_names_are_told_with_the_nearest(made, tmp_path):
    with pytest.raises(PlatformError, match="did you mean 'pack-1'"):
        pages(made, tmp_path, assets=["pack-2"])
    with pytest.raises(UsageError, match="did you mean 'eq_cycles'"):
        pages(made, tmp_path, model="eq_cycle")
    with pytest.raises(UsageError, match="name one"):
        pages(made, tmp_path, assets=[], single=True)


def test_the_command_writes_pages_or_the_index_alone(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    alone = command("dashboard", "--output", "index", inline(tmp_path), cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert sorted(path.name for path in (tmp_path / "index").glob("*.html")) == ["index.html"]
    one = command("dashboard", SMALL, "--output", "pages", launch_file(tmp_path), cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    assert f"{file_name(SMALL, 'eq_cycles')}\n" in one.stdout
    assert "not computed" in (tmp_path / "pages" / "index.html").read_text(encoding="utf-8")


def test_the_command_refuses_a_time_without_offset_and_a_stretch_the_wrong_way_round(tmp_path):
    result = command("dashboard", SMALL, "--from", "2026-01-31", inline(tmp_path), cwd=tmp_path)
    assert result.returncode == 2
    assert "--from: '2026-01-31' has no time zone" in result.stderr
    late, early = "2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"
    result = command("dashboard", SMALL, "--from", late, "--to", early, inline(tmp_path), cwd=tmp_path)
    assert result.returncode == 2
    assert "--from is not before --to" in result.stderr


def test_a_run_writes_the_pages_when_the_settings_say_so(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    configuration = values(tmp_path, write_pages=True)
    configuration["platform"]["pages"] = str(tmp_path / "pages")
    result = command("run", launch_file(tmp_path, configuration), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "pages" / "index.html").exists()
    assert (tmp_path / "pages" / file_name(SMALL, "eq_cycles")).exists()


def test_a_folder_that_cannot_be_written_does_not_fail_the_run(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    (tmp_path / "pages").write_text("a file", encoding="utf-8")
    configuration = values(tmp_path, write_pages=True)
    configuration["platform"]["pages"] = str(tmp_path / "pages")
    result = command("run", launch_file(tmp_path, configuration), cwd=tmp_path)
    assert result.returncode == 0
    assert "the pages could not be written" in result.stderr


def test_help_of_the_command_loads_nothing_heavy():
    assert not loaded(run("dashboard", "--help")) & {*HEAVY, "jinja2", "tsdownsample"}


def test_writing_pages_loads_neither_plotlys_python_nor_the_code_of_models(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    modules = loaded(run("dashboard", SMALL, "--output", tmp_path / "pages", launch_file(tmp_path)), tmp_path)
    assert modules & {"plotly", "models.eq_cycles.model", "pint"} == set()


@pytest.mark.parametrize("path", DASHBOARD, ids=lambda path: path.stem)
def test_libraries_of_the_pages_are_imported_only_where_they_are_used(path):
    top = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in top for alias in node.names} | {getattr(node, "module", "") for node in top}
    assert not names & {"jinja2", "markupsafe", "tsdownsample", "plotly"}


# --- states


def told(made, **changes):
    """Return the state of eq_cycles on the site, with alarms and last words as given."""
    settings = made.settings(["eq_cycles"])
    job = Job(made.platform, settings, prepare_models(settings, code=False))
    [asset] = made.platform.assets([ASSET], "")
    [plan] = plans_of(job, asset)
    plan = replace(plan, refusals=changes.get("refusals", ()))
    history = load_history(made.platform, ASSET, "eq_cycles") if changes.get("computed", True) else History("eq_cycles")
    words = LastWords("", {"status": changes.get("said", "done"), "reason": "because"})
    return state_of(plan, history, words, [alarm(*given) for given in changes.get("alarms", ())])


def alarm(severity, status):
    return {"severity": severity, "status": status, "text": f"{severity} text"}


@pytest.mark.parametrize(
    ("changes", "mark", "word"),
    [
        ({}, "good", "computed"),
        ({"alarms": [("critical", "cleared"), ("critical", "withdrawn")]}, "good", "computed"),
        ({"alarms": [("info", "active")]}, "good", "computed"),
        ({"alarms": [("warning", "active")]}, "notice", "1 warning alarm"),
        ({"alarms": [("warning", "active"), ("critical", "active"), ("critical", "active")]}, "bad", "2 critical alarms"),
        ({"computed": False}, "none", "not computed"),
        ({"said": "refused"}, "notice", "refused"),
        ({"said": "refused", "alarms": [("critical", "active")]}, "bad", "1 critical alarm"),
        ({"said": "failed", "alarms": [("critical", "active")]}, "bad", "failed"),
        ({"refusals": ("the unit is not known. State it.",)}, "notice", "refused"),
    ],
    ids=str,
)
def test_the_worst_that_holds_is_the_state(made, changes, mark, word):
    state = told(made, **changes)
    assert (state.mark, state.word) == (mark, word)
    assert state.sign


def test_samples_newer_than_the_last_run_are_shown_as_not_computed(tmp_path):
    made = site(tmp_path, ("alarming",))
    later = START + 5 * 24 * HOUR
    made.put(pack(np.array([later, later + 60_000]), current=[1.0, 2.0], voltage=[3.3, 3.3]))
    page = read(pages(made, tmp_path / "pages", ("alarming",))["alarming"])
    [span] = [span for span in page.figure["panels"][0]["spans"] if span["kind"] == "refused"]
    assert span["text"] == "Not computed yet: newer than the last run."
    assert span["to"] == later + 60_001
    assert "newer than the last run" in page.text


def test_before_the_start_of_a_manual_run_nothing_was_computed_and_the_page_says_so(tmp_path):
    made = site(tmp_path, ())
    dates = {"manual_start_date": START + 40 * HOUR, "manual_end_date": START + 60 * HOUR}
    made.run(["alarming"], compute_type="manual", **dates)
    page = read(pages(made, tmp_path / "pages", ("alarming",))["alarming"])
    spans = [(s["from"], s["to"]) for s in page.figure["panels"][0]["spans"] if s["kind"] == "refused"]
    assert (START, START + 40 * HOUR) in spans
    assert any(start == START + 60 * HOUR for start, _ in spans)


def test_a_plugin_that_cannot_be_read_is_named_in_the_index_and_stops_no_page(made, tmp_path):
    broken = tmp_path / "plugins" / "broken_one"
    broken.mkdir(parents=True)
    (broken / "model.json").write_text("{not json", encoding="utf-8")
    settings = made.settings(["eq_cycles", "broken_one"], plugin_folders=[str(PLUGINS), str(tmp_path / "plugins")])
    write_pages(Launch(), settings, Request([ASSET], output=tmp_path / "pages"), lambda _asset, _share: None)
    assert "Plugin broken_one cannot be used." in read(tmp_path / "pages" / "index.html").text
    assert (tmp_path / "pages" / file_name(ASSET, "eq_cycles")).exists()


# --- colours


def themes():
    """Return the colours of the light and the dark theme; the two ways to dark must agree."""
    text = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    blocks = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r"color-scheme: \w+;([^}]*)}", text)
    ]
    light, dark, chosen = blocks
    assert dark == chosen
    return {"light": light, "dark": dark}


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(theme):
    colours = themes()[theme]
    for ink in ("ink", "soft", "accent"):
        for paper in ("paper", "card"):
            assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
    for mark in ("good", "notice", "bad", "none"):
        assert contrast(colours[mark], colours[f"{mark}-back"]) >= 4.5, mark


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_stand_out_from_the_card(theme):
    colours = themes()[theme]
    weak = {n: round(contrast(colours[f"line-{n}"], colours["card"]), 2) for n in range(6)}
    assert min(weak.values()) >= 3.0, weak


def test_contrast_is_calculated_right():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
