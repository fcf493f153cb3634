"""Pages in a real browser: silent, alone, and usable by keyboard, on a phone, in the dark."""

from __future__ import annotations

import pytest

from documentation.browser import visit
from platform_interface.when import instant
from tests.pages_kit import DAYS, EVIL, HOUR, pages, site

pytestmark = pytest.mark.xdist_group("browser")
#: Two days before the clock in Berlin goes forward.
START = instant("2026-03-27T12:00:00Z")
END = START + DAYS * 24 * HOUR - 60_000 + 1
DAY = 24 * HOUR
NAMES = ["eq_cycles", "cell_spread", "alarming", ""]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    made = site(tmp_path_factory.mktemp("site"), start=START)
    single = pages(made, place / "single", single=True)
    return {**pages(made, place), "single": single["eq_cycles"]}


@pytest.fixture
def cycles(browser, paths):
    with visit(browser, paths["eq_cycles"]) as found:
        yield found.tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*NAMES, "single"])
def test_a_page_says_nothing_to_the_console_and_asks_nobody(browser, paths, name, scheme):
    with visit(browser, paths[name], scheme) as found:
        found.tab.evaluate("scrollTo(0, document.body.scrollHeight)")
        found.tab.click("#theme")
        assert found.messages == []
        assert found.outside == []
        assert found.tab.evaluate("window.hurt") is None


def test_a_dark_page_is_printed_in_dark_ink_with_its_tables_and_is_dark_again_afterwards(browser, paths):
    with visit(browser, paths["eq_cycles"], "dark") as found:
        ink = "getComputedStyle(document.querySelector('.panel h3')).color"
        letters = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
        before = [found.tab.evaluate(each) for each in (ink, letters)]
        found.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        found.tab.emulate_media(media="print", color_scheme="dark")
        found.tab.wait_for_timeout(300)
        assert found.tab.evaluate(ink) == "rgb(27, 36, 48)"
        assert found.tab.evaluate(letters) == "rgb(85, 96, 110)"
        assert found.tab.locator("details table").first.is_visible()
        found.tab.emulate_media(media="screen", color_scheme="dark")
        found.tab.evaluate("dispatchEvent(new Event('afterprint'))")
        found.tab.wait_for_timeout(300)
        assert [found.tab.evaluate(each) for each in (ink, letters)] == before
        assert found.messages == []


def test_without_javascript_the_tables_can_be_read_and_nothing_dead_is_shown(browser, paths):
    context = browser.new_context(java_script_enabled=False, offline=True)
    try:
        tab = context.new_page()
        tab.goto(paths["eq_cycles"].resolve().as_uri())
        assert not tab.locator(".bar").is_visible()
        assert not tab.locator(".plot").first.is_visible()
        tab.locator("summary").first.click()
        assert tab.locator("details table").first.is_visible()
        tab.goto(paths[""].resolve().as_uri())
        assert not tab.locator("#search").is_visible()
    finally:
        context.close()


def test_the_policy_of_a_page_forbids_what_it_does_not_need(browser, paths):
    with visit(browser, paths["single"]) as found:
        found.tab.evaluate("fetch('https://example.org/').catch(() => {})")
        found.tab.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hurt = 1'}))"
        )
        assert found.tab.evaluate("window.hurt") is None
        assert found.outside == []
        assert any("Content Security Policy" in message for message in found.messages)


@pytest.mark.parametrize("name", [*NAMES, "single"])
def test_a_phone_need_not_scroll_sideways(browser, paths, name):
    with visit(browser, paths[name], phone=True) as found:
        assert found.tab.evaluate("document.documentElement.scrollWidth") <= 360
        wide = found.tab.evaluate(
            """[...document.querySelectorAll("h1, h2, h3, p, li, button, .plot, .panel, .tile")]
               .filter((e) => !e.closest(".scroll") && e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().right > 361)
               .map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert wide == []


def test_every_panel_is_drawn_with_its_name_and_unit(cycles):
    assert cycles.locator(".panel .plot:not(.many) svg.main-svg").count() >= cycles.locator(".panel").count()
    titles = cycles.locator(".ytitle").all_text_contents()
    assert {"Current / A", "Voltage / V"} <= set(titles)


def test_an_evil_name_is_shown_as_it_is_and_not_run(browser, paths):
    with visit(browser, paths["cell_spread"]) as found:
        assert EVIL.split("\u2028")[0] in found.tab.locator("h1").text_content()
        assert found.tab.locator("main img, main script").count() == 0
        assert found.tab.evaluate("window.hurt") is None


def ranges(tab):
    return tab.evaluate("[...document.querySelectorAll('.plot:not(.many)')].map((p) => p.layout.xaxis.range.map(Math.round))")


def settled(tab, wanted):
    tab.wait_for_function(
        """(wanted) => [...document.querySelectorAll('.plot:not(.many)')].every((p) =>
           Math.abs(p.layout.xaxis.range[0] - wanted[0]) < 2000 && Math.abs(p.layout.xaxis.range[1] - wanted[1]) < 2000)""",
        arg=wanted,
    )  # fmt: skip


def test_range_buttons_move_all_panels_together(cycles):
    assert cycles.locator("[data-span]").all_text_contents() == ["1 h", "6 h", "1 d", "All"]
    cycles.click("text=1 d")
    settled(cycles, [END - DAY, END])
    assert cycles.get_attribute("[data-span='86400000']", "aria-pressed") == "true"
    cycles.click("[aria-label=Earlier]")
    settled(cycles, [END - 1.5 * DAY, END - 0.5 * DAY])
    cycles.click("text=All")
    settled(cycles, [START, END])


def test_dragging_in_one_panel_zooms_all_and_double_click_shows_all(cycles):
    plot = cycles.locator(".plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    cycles.mouse.move(box["x"] + 200, box["y"] + 80)
    cycles.mouse.down()
    cycles.mouse.move(box["x"] + 500, box["y"] + 80, steps=5)
    cycles.mouse.up()
    cycles.wait_for_function("(t) => document.querySelector('.plot').layout.xaxis.range[0] > t", arg=START + HOUR)
    low, high = ranges(cycles)[0]
    assert high - low < 2 * DAY
    settled(cycles, [low, high])
    cycles.mouse.dblclick(box["x"] + 300, box["y"] + 80)
    settled(cycles, [START, END])


def test_the_cursor_reads_every_panel_at_one_time_of_the_site(cycles):
    plot = cycles.locator(".plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    cycles.mouse.move(box["x"] + 400, box["y"] + 80)
    assert cycles.locator("#time").text_content().endswith(("CET", "CEST"))
    shown = [text for text in cycles.locator(".legend output").all_text_contents() if text]
    assert len(shown) >= cycles.locator(".panel").count()
    cycles.mouse.move(5, 5)
    assert cycles.locator("#time").text_content().count("20") >= 2


def test_hours_and_days_stand_where_the_sites_clock_has_them(cycles):
    axis = "document.querySelector('.plot').layout.xaxis"
    ticks = dict(zip(cycles.evaluate(f"{axis}.tickvals"), cycles.evaluate(f"{axis}.ticktext"), strict=True))
    before, after = instant("2026-03-28T23:00:00Z"), instant("2026-03-29T22:00:00Z")
    assert "29 Mar" in ticks[before]
    assert "30 Mar" in ticks[after]


def focus(tab):
    return tab.evaluate(
        """(() => { const e = document.activeElement;
           return [e.id || e.dataset.span || e.className || e.tagName, getComputedStyle(e).outlineStyle]; })()"""
    )


def test_a_keyboard_reaches_everything_in_reading_order_and_sees_where_it_is(cycles):
    order = []
    for _ in range(14):
        cycles.keyboard.press("Tab")
        name, outline = focus(cycles)
        order.append(name)
        assert outline != "none", name
    assert order[0] == "skip"
    assert order.index("theme") < order.index("3600000") < order.index("86400000") < order.index("0")
    assert any("plot" in name for name in order)


def test_the_skip_link_leads_to_the_content(cycles):
    cycles.keyboard.press("Tab")
    assert cycles.locator(".skip").bounding_box()["x"] >= 0
    cycles.keyboard.press("Enter")
    assert cycles.evaluate("location.hash") == "#main"


def test_arrow_keys_move_the_cursor_and_say_the_values_plus_zooms_and_0_shows_all(cycles):
    cycles.locator(".plot").first.focus()
    cycles.keyboard.press("ArrowRight")
    said = cycles.locator("#spoken").text_content()
    assert "Equivalent Full Cycles" in said
    cycles.keyboard.press("Shift+ArrowRight")
    assert cycles.locator("#spoken").text_content() != said
    cycles.keyboard.press("+")
    cycles.wait_for_function(
        "(most) => { const [low, high] = document.querySelector('.plot').layout.xaxis.range; return high - low < most; }",
        arg=2.1 * DAY,
    )
    cycles.keyboard.press("0")
    settled(cycles, [START, END])


def test_a_line_can_be_hidden_by_its_name(cycles):
    button = cycles.locator(".legend button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    cycles.wait_for_function("document.querySelector('.plot').data[0].visible === false")


def test_dark_is_what_the_system_says_until_the_button_says_otherwise(browser, paths):
    colour = "getComputedStyle(document.body).backgroundColor"
    with visit(browser, paths["eq_cycles"], "light") as light, visit(browser, paths["eq_cycles"], "dark") as dark:
        bright, dim = light.tab.evaluate(colour), dark.tab.evaluate(colour)
        assert bright != dim
        dark.tab.click("#theme")
        assert dark.tab.evaluate(colour) == bright
        dark.tab.reload()
        assert dark.tab.evaluate(colour) == bright
        line = "document.querySelector('.plot').data[0].line.color"
        dark.tab.wait_for_selector("html[data-ready=yes]", state="attached")
        assert dark.tab.evaluate(line) == light.tab.evaluate(line)


@pytest.mark.parametrize("name", NAMES)
def test_a_screen_reader_finds_names_and_headings(browser, paths, name):
    with visit(browser, paths[name]) as found:
        nameless = found.tab.evaluate(
            """[...document.querySelectorAll("button, a, input, [role=region], [role=group], [role=img]")]
               .filter((e) => !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby"))
               .filter((e) => !e.textContent.trim() && !e.labels?.length)
               .map((e) => e.outerHTML.slice(0, 100))"""
        )
        assert nameless == []
        assert found.tab.locator("h1").count() == 1
        assert found.tab.locator("main").count() == 1
        assert found.tab.get_attribute("html", "lang") == "en"
        doubled = found.tab.evaluate(
            """(() => { const ids = [...document.querySelectorAll("[id]")].filter((e) => !e.closest("svg")).map((e) => e.id);
               return ids.filter((id, i) => ids.indexOf(id) !== i); })()"""
        )
        assert doubled == []
        headless = found.tab.evaluate(
            "[...document.querySelectorAll('table')].filter((t) => !t.querySelector('thead th[scope=col]')).length"
        )
        assert headless == 0


def test_the_index_finds_an_asset_by_any_of_its_words(browser, paths):
    with visit(browser, paths[""]) as found:
        found.tab.fill("#search", "pack computed")
        assert found.tab.locator("#fleet tbody tr:visible").count() == 1
        found.tab.fill("#search", "nothing of that name")
        assert found.tab.locator("#fleet tbody tr:visible").count() == 0
        assert found.tab.locator("#found").text_content() == "0 found"


def test_a_link_of_the_index_leads_to_the_page_and_back(browser, paths):
    with visit(browser, paths[""]) as found:
        found.tab.click("a:has-text('Eq Cycles')")
        found.tab.wait_for_selector("html[data-ready=yes]", state="attached")
        found.tab.click("nav a:has-text('Fleet')")
        assert found.tab.url.endswith("index.html")
