"""The explorer in a real browser: it computes what onnxruntime computes, and shows where that holds."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from documentation.browser import visit
from models.pinn_internal_state import explorer
from platform_interface.dashboard import page
from platform_interface.explorer.command import page_of
from platform_interface.explorer.graph import page_graph

pytestmark = pytest.mark.xdist_group("browser")
PICTURES = ["negative", "positive", "negative_surface", "positive_surface", "voltage", "margin"]
#: Temperature, C-rate, cycle, and a load: in the training range, at its edges, far outside.
PLACES = [
    (25, 1, 0, "discharge"),
    (35, 3, 500, "discharge"),
    (-10, 5, 0, "discharge"),
    (60, 0.5, 1000, "discharge"),
    (19, 1.7, 340, "charge"),
]
COMPARED = [*(("physics", where) for where in PLACES), *(("data", where) for where in PLACES[1:3])]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    content = explorer.explorer()
    networks = {key: page_graph(file, outputs) for key, (file, outputs) in content.pop("networks").items()}
    target = tmp_path_factory.mktemp("explorer") / "explorer.html"
    page.write(target, page_of(content, networks))
    return target


@pytest.fixture(scope="module")
def opened(browser, path):
    with visit(browser, path) as found:
        yield found


RESET = """(start) => {
  for (const [name, value] of Object.entries(start)) for (const option of document.querySelectorAll(`[data-choice=${name}] button`)) {
    const chosen = option.dataset.value === value;
    option.setAttribute("aria-checked", String(chosen));
    option.tabIndex = chosen ? 0 : -1;
  }
}"""


@pytest.fixture
def tab(opened):
    opened.tab.evaluate(RESET, {"network": "physics", "direction": "discharge", "place": "mean"})
    place(opened.tab, 25, 1, 0)
    yield opened.tab
    assert [message for message in opened.messages if "willReadFrequently" not in message] == []
    assert opened.outside == []


def drawn(tab, act):
    """Act, and wait for the picture that follows."""
    before = tab.evaluate("Number(document.documentElement.dataset.drawn)")
    act()
    tab.wait_for_function("(n) => Number(document.documentElement.dataset.drawn) > n", arg=before)


def place(tab, temperature, rate, cycle, load=None):
    if load:
        choose(tab, load)
    drawn(tab, lambda: tab.evaluate(
        """(wanted) => { for (const [name, value] of Object.entries(wanted)) document.querySelector(`[name=${name}]`).value = value;
           document.querySelector("[name=cycle]").dispatchEvent(new Event("input", {bubbles: true})); }""",
        {"temperature": temperature, "rate": rate, "cycle": cycle},
    ))  # fmt: skip


def choose(tab, value):
    drawn(tab, lambda: tab.click(f"[data-value={value}]"))


def seen(tab, names=PICTURES):
    return {name: tab.evaluate("(id) => document.querySelector(`#${id} canvas`).toDataURL()", name) for name in names}


def said(tab, selector):
    return tab.locator(selector).text_content()


# --- the forward pass


COMPUTED = """() => {
  const text = (data) => { let all = ""; for (const byte of new Uint8Array(Float32Array.from(data).buffer)) all += String.fromCharCode(byte); return btoa(all); };
  const plain = (all) => Object.fromEntries(Object.entries(all).map(([name, t]) => [name, [t.dims, text(t.data)]]));
  const {given, out, ends, cutoff} = Explorer.view.run;
  return {given: plain(given), out: plain(out), ends, cutoff};
}"""  # noqa: E501 - JavaScript
PIXELS = """(id) => {
  const panel = Explorer.view.panels[id], [part] = panel.parts, canvas = document.querySelector(`#${id} canvas`);
  const ratio = canvas.width / canvas.clientWidth, {left, top, width, height} = part.box, end = left + width * part.end / panel.x.high;
  const row = (top + height / 2) * ratio, pen = canvas.getContext("2d");
  const inked = (from, to) => pen.getImageData(from * ratio, row, Math.max(1, (to - from) * ratio), 4).data.filter((v, i) => i % 4 === 3 && v > 0).length;
  return [inked(left + 2, end - 4), inked(end + 3, left + width - 2)];
}"""  # noqa: E501 - JavaScript
LAST = """() => ["voltage", "margin"].map((id) => {
  const {series: [own], end} = Explorer.view.panels[id];
  return Math.max(...own.x) - end;
})"""


def computed(tab):
    """Return what the network was given and what the page made of it, and the number of bins up to the end of the run."""
    content = tab.evaluate(COMPUTED)
    given, out = (
        {
            name: np.frombuffer(base64.b64decode(text), np.float32).reshape(shape)
            for name, (shape, text) in content[kind].items()
        }
        for kind in ("given", "out")
    )
    return given, out, int(np.searchsorted(content["ends"], content["cutoff"], "right")) - 1


def evaluated(weights, given, names):
    """Return what onnxruntime computes, and how far that moves by rounding alone: unoptimised, and on inputs one float32 beside."""
    import onnxruntime

    plain = onnxruntime.SessionOptions()
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = weights.read_bytes()
    sessions = [onnxruntime.InferenceSession(content), onnxruntime.InferenceSession(content, plain)]
    feed = {each.name: given[each.name] for each in sessions[0].get_inputs()}
    beside = [
        {name: np.where(value == 0, value, np.nextafter(value, np.float32(limit))) for name, value in feed.items()}
        for limit in (-np.inf, np.inf)
    ]
    runs = [(sessions[0], feed), (sessions[1], feed), (sessions[0], beside[0]), (sessions[0], beside[1])]
    found = [dict(zip(names, session.run(list(names), fed), strict=True)) for session, fed in runs]
    return found[0], found[1:]


@pytest.mark.parametrize(("network", "where"), COMPARED, ids=str)
def test_the_page_computes_what_onnxruntime_computes(tab, where, network):
    """To 1e-5 of the largest value; where onnxruntime's own rounding moves a value further (a kink, the steep end), to four times that.

    At -10 °C and 5C, where the electrolyte runs empty and the sweeps do not settle, rounding alone moves the voltage by a millivolt.
    """
    place(tab, *where)
    choose(tab, network)
    given, out, count = computed(tab)
    wanted, others = evaluated(explorer.WEIGHTS if network == "physics" else explorer.BASELINE, given, tuple(out))
    assert count > 0
    for name, all_values in wanted.items():
        values = all_values[:, :count]
        goal = 1e-5 * np.abs(values).max()
        rounding = np.max([np.abs(other[name][:, :count] - values) for other in others], axis=0)
        difference = np.abs(out[name][:, :count] - values)
        assert np.quantile(difference, 0.95) <= max(goal, 4 * np.quantile(rounding, 0.95)), name
        assert difference.max() <= max(goal, 4 * rounding.max()), name


# --- sliders and choices


@pytest.mark.parametrize(("name", "key"), [("temperature", "ArrowLeft"), ("rate", "ArrowRight"), ("cycle", "PageUp")])
def test_each_slider_moves_by_key_and_changes_every_picture(tab, name, key):
    before, value = seen(tab), tab.input_value(f"[name={name}]")
    tab.focus(f"[name={name}]")
    drawn(tab, lambda: tab.keyboard.press(key))
    tab.wait_for_timeout(50)
    after = seen(tab)
    assert tab.input_value(f"[name={name}]") != value
    assert [each for each in PICTURES if before[each] == after[each]] == []
    assert tab.get_attribute(f"[name={name}]", "aria-valuetext") == said(tab, f"output[for=slider-{name}]")


def test_the_space_key_turns_from_physics_to_data_only_and_back(tab):
    before = seen(tab, PICTURES[:4])
    tab.focus("[data-value=physics]")
    drawn(tab, lambda: tab.keyboard.press(" "))
    assert tab.get_attribute("[data-value=data]", "aria-checked") == "true"
    after = seen(tab, PICTURES[:4])
    assert [name for name in PICTURES[:4] if before[name] == after[name]] == []
    drawn(tab, lambda: tab.keyboard.press(" "))
    assert tab.get_attribute("[data-value=physics]", "aria-checked") == "true"
    assert seen(tab, PICTURES[:4]) == before


@pytest.mark.parametrize("value", ["charge", "collector", "separator"])
def test_each_choice_changes_the_picture(tab, value):
    before = seen(tab, ["negative"])
    choose(tab, value)
    assert seen(tab, ["negative"]) != before


# --- honesty


def test_on_a_node_each_picture_has_its_error_and_between_nodes_none(tab):
    assert all("RMSE against truth" in said(tab, f"#{name} .error") for name in PICTURES)
    assert "nm true" in said(tab, "#sei .error")
    place(tab, 26, 1, 0)
    assert all("none here" in said(tab, f"#{name} .error") for name in PICTURES)
    assert "Nearest: 25 °C, 1C, cycle 0" in said(tab, "#status-truth")
    drawn(tab, lambda: tab.click("#nearest"))
    assert tab.input_value("[name=temperature]") == "25"
    assert "On a node" in said(tab, "#status-truth")


def test_the_region_outside_the_training_range_is_named_and_shaded(tab):
    inside = seen(tab, ["ranges"])
    assert tab.locator(".panel.outside").count() == 0
    place(tab, 45, 4, 0)
    assert "45 °C is outside 15 to 35 °C, 4C is above 3C" in said(tab, "#status-range")
    assert tab.locator(".panel.outside").count() == 7
    assert seen(tab, ["ranges"]) != inside


@pytest.mark.parametrize("where", [PLACES[0], PLACES[2], PLACES[4]], ids=str)
def test_nothing_is_drawn_beyond_the_cut_off(tab, where):
    place(tab, *where)
    assert "Cut-off (" in said(tab, "#status-end")
    for name in PICTURES[:4]:
        before, beyond = tab.evaluate(PIXELS, name)
        assert before > 0
        assert beyond == 0
    assert max(tab.evaluate(LAST)) <= 1e-6


def test_five_c_at_minus_ten_ends_in_half_a_minute_and_its_dry_truth_is_left_out(tab):
    place(tab, -10, 5, 0)
    assert ", truth 27" in said(tab, "#status-end")
    assert "falls below 50 mol/m³" in said(tab, "#status-truth")
    assert tab.evaluate("Explorer.view.run.cutoff") < 30


def test_between_nodes_nothing_is_drawn_beyond_the_charge_that_the_truth_gives_around(tab):
    place(tab, -9, 5, 0)
    around = tab.evaluate("JSON.parse(document.querySelector('#content').textContent).data.truth.nodes")
    ends = [
        node["cutoff"]
        for node in around
        if node["temperature"] in (-10, 0) and (node["rate"], node["cycle"], node["direction"]) == (5, 0, "discharge")
    ]
    assert len(ends) == 2
    assert tab.evaluate("Explorer.view.run.cutoff") <= max(ends) + 1e-6


# --- the page itself


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_says_nothing_to_the_console_and_asks_nobody(browser, path, scheme):
    with visit(browser, path, scheme) as found:
        found.tab.click("#theme")
        found.tab.evaluate("fetch('https://example.org/').catch(() => {})")
        found.tab.wait_for_timeout(100)
        assert found.outside == []
        assert [
            message for message in found.messages if "Content Security Policy" not in message and "Fetch API" not in message
        ] == []


def test_a_phone_need_not_scroll_sideways(browser, path):
    with visit(browser, path, phone=True) as found:
        assert found.tab.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_the_sliders_stay_in_view_beside_the_last_picture(browser, path, phone):
    with visit(browser, path, phone=phone) as found:
        found.tab.evaluate("document.querySelector('#sei').scrollIntoView({behavior: 'instant', block: 'end'})")
        for box in found.tab.evaluate(
            "[...document.querySelectorAll('input[type=range]')].map((e) => e.getBoundingClientRect().toJSON())"
        ):
            assert 0 <= box["top"] < box["bottom"] <= found.tab.viewport_size["height"]


def test_every_control_is_reached_with_the_tab_key_in_the_order_of_the_page(tab):
    tab.focus("[name=temperature]")
    order = []
    for _ in range(6):
        order.append(tab.evaluate("document.activeElement.name || document.activeElement.dataset.value"))
        tab.keyboard.press("Tab")
    assert order == ["temperature", "rate", "cycle", "physics", "discharge", "mean"]


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_nothing_jumps_when_the_sliders_move(browser, path, phone):
    with visit(browser, path, phone=phone) as found:
        heights = []
        for where in PLACES[1:]:
            place(found.tab, *where)
            heights.append(found.tab.evaluate("document.documentElement.scrollHeight"))
        assert max(heights) - min(heights) <= 1, heights
