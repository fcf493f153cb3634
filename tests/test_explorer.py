"""The explorer's page: read from ONNX by hand, whole in one file, and clear about what it cannot evaluate."""

from __future__ import annotations

import os
import re
import struct

import numpy as np
import pytest

from models.pinn_internal_state import explorer, explorer_store
from platform_interface import cli
from platform_interface.errors import PlatformError
from platform_interface.explorer import wire
from platform_interface.explorer.command import NAME, page_of, write_for_demo
from platform_interface.explorer.graph import operators, page_graph
from platform_interface.explorer.onnx_file import parse_onnx, read_onnx
from platform_interface.launch import Launch, program_folder
from platform_interface.settings import load_settings


def number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(place: int, content: bytes | str | int) -> bytes:
    if isinstance(content, int):
        return number(place << 3) + number(content)
    content = content.encode() if isinstance(content, str) else content
    return number(place << 3 | 2) + number(len(content)) + content


def node(operator: str, domain: str = "", attribute: bytes = b"") -> bytes:
    return field(1, "x") + field(2, "y") + field(4, operator) + field(7, domain) + (field(5, attribute) if attribute else b"")


def model(*nodes: bytes, tensors: tuple[bytes, ...] = ()) -> bytes:
    graph = b"".join(field(1, one) for one in nodes) + b"".join(field(5, one) for one in tensors)
    return field(7, graph + field(11, field(1, "x")) + field(12, field(1, "y")))


def tensor(name: str, values: list[float]) -> bytes:
    return field(1, len(values)) + field(2, 1) + field(8, name) + field(9, struct.pack(f"<{len(values)}f", *values))


@pytest.fixture
def file(tmp_path):
    def write(content: bytes):
        path = tmp_path / "net.onnx"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**64 - 1])
def test_a_number_of_variable_length_is_read_back(value):
    assert wire.varint(memoryview(number(value)), 0) == (value, len(number(value)))


def test_minus_one_is_ten_bytes_long_and_still_minus_one():
    assert wire.integers(wire.BYTES, memoryview(number(2**64 - 1) + number(3))) == [-1, 3]


def test_weights_and_attributes_are_read_as_they_were_written():
    attribute = field(1, "axes") + field(8, 2) + field(20, 7)
    graph = parse_onnx(model(node("ReduceSum", attribute=attribute), tensors=(tensor("w", [1.5, -2.0]),)))
    assert graph.tensors["w"].tolist() == [1.5, -2.0]
    assert graph.nodes[0].attributes == {"axes": [2]}
    assert list(graph.inputs) == ["x"]


@pytest.mark.parametrize("weights", [explorer.WEIGHTS, explorer.BASELINE], ids=lambda path: path.name)
def test_a_shipped_network_read_by_hand_has_the_inputs_and_outputs_that_onnxruntime_sees(weights):
    import onnxruntime

    session = onnxruntime.InferenceSession(weights.read_bytes())
    graph = read_onnx(weights)
    seen = {given.name: [length if isinstance(length, int) else 0 for length in given.shape] for given in session.get_inputs()}
    assert {name: [length or 0 for length in shape] for name, shape in graph.inputs.items()} == seen
    assert graph.outputs == [given.name for given in session.get_outputs()]


def test_an_operator_that_the_page_lacks_is_named(file):
    with pytest.raises(
        PlatformError, match=r"net\.onnx uses operators that the page cannot evaluate: Einstein\.Riemann, NonZero"
    ):
        page_graph(file(model(node("NonZero"), node("Riemann", "Einstein"))), ["y"])


def test_an_output_that_the_network_lacks_is_named(file):
    with pytest.raises(PlatformError, match="has no output 'voltage'; it has y"):
        page_graph(file(model(node("Exp"))), ["voltage"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it holds no graph"),
        (model(node("Exp"))[:-3], "runs over the end"),
        (model(node("Exp"), tensors=(field(1, 1) + field(2, 10) + field(8, "w"),)), "'w' are of type 10"),
        (model(node("Exp"), tensors=(field(1, 1) + field(2, 1) + field(8, "w") + field(14, 1),)), "lie in another file"),
        (model(node("If", attribute=field(1, "then_branch") + field(6, b"") + field(20, 5))), "is a graph within the graph"),
        (field(25, b"") + model(node("Exp")), "functions of its own"),
    ],
    ids=["empty", "cut", "type", "external", "subgraph", "function"],
)
def test_a_file_that_cannot_be_read_says_why_and_what_to_do(file, content, said):
    with pytest.raises(PlatformError, match=f"{said}.*Export it again"):
        read_onnx(file(content))


def test_the_interpreter_knows_the_operators_that_the_networks_need():
    assert {"MatMul", "Gemm", "Einsum", "GatherND", "CumSum", "Where", "GRU"} <= operators()


# --- what the plugin says


def test_lost_lithium_is_lost_and_the_voltage_at_the_limits_stays():
    lost = np.array([0.0, 0.4, 1.5])
    for full in (True, False):
        negative, positive = explorer.start_of(lost, full)
        largest = [explorer.cell()[side]["largest"] for side in explorer_store.SIDES]
        x, y = negative / largest[0], positive / largest[1]
        held = explorer.capacity_of("negative") * x + explorer.capacity_of("positive") * y
        np.testing.assert_allclose(held[0] - held, lost, atol=1e-9)
        voltage = explorer._potential("positive", y) - explorer._potential("negative", x)
        np.testing.assert_allclose(voltage, voltage[0], atol=1e-6)
    window = explorer.cell()["window"]
    np.testing.assert_allclose([x[0], y[0]], [window["negative"][0], window["positive"][0]], atol=1e-9)


def test_the_truth_is_kept_to_half_a_step_and_small():
    assert explorer.TRUTH.stat().st_size < 500_000
    kept = explorer_store.unpack(explorer.TRUTH)
    assert len({tuple(row[:4]) for row in kept["nodes"].tolist()}) == len(kept["nodes"]) == 210
    assert np.all(kept["end"] <= kept["cutoff"])


def test_what_is_packed_is_unpacked_to_half_a_step(tmp_path):
    random = np.random.default_rng(5)
    cell = {side: {"largest": 30000.0} for side in explorer_store.SIDES}
    fields = {side: random.uniform(0, 30000, (3, 10, 32)) for side in explorer_store.SIDES}
    fields |= {f"{side}_surface": random.uniform(0, 30000, (10, 32)) for side in explorer_store.SIDES}
    run = explorer_store.Run(100.0, 120.0, random.uniform(2.5, 4.2, 32), random.uniform(-0.1, 1, 32), fields)
    explorer_store.pack(tmp_path / "t.xz", [(25.0, 1.0, 0, 1, 0.0)], np.arange(10), [run], cell)
    kept, scale = explorer_store.unpack(tmp_path / "t.xz"), explorer_store.steps(cell)
    for name, values in {**fields, "voltage": run.voltage, "margin": run.margin}.items():
        found = scale[name][0] + scale[name][1] * kept[name][0]
        np.testing.assert_allclose(found, values, atol=0.501 * scale[name][1])


def test_without_a_data_only_network_none_is_offered_and_the_page_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(explorer, "BASELINE", tmp_path / "none.onnx")
    content = explorer.explorer()
    assert list(content["networks"]) == ["physics"]
    assert [option["value"] for option in content["choices"][0]["options"]] == ["physics"]
    assert "No data-only network is kept" in content["notes"][-1]


def test_curves_of_other_weights_are_told_from_those_of_the_shipped_ones(monkeypatch, tmp_path):
    (tmp_path / "other.onnx").write_bytes(b"other weights")
    monkeypatch.setattr(explorer, "WEIGHTS", tmp_path / "other.onnx")
    assert explorer._sei()["current"] is False


# --- the page


@pytest.fixture(scope="module")
def page():
    content = explorer.explorer()
    networks = {key: page_graph(path, outputs) for key, (path, outputs) in content.pop("networks").items()}
    return page_of(content, networks)


def test_the_page_names_no_other_place_and_is_under_8_megabytes(page):
    assert len(page) < 8e6
    assert re.findall(r"https?://[^\s\"'<]*|\bsrc=|<link(?! rel=\"icon\" href=\"data:,\")|@import|url\(", page) == []
    assert "default-src &#39;none&#39;" in page


def test_the_page_names_what_the_parameter_set_lacks_and_what_is_left_out(page):
    for said in ("entropic heat", "hysteresis of silicon", "electrolyte below 50 mol/m³", "known parameters"):
        assert said in page


def test_the_command_writes_the_page_into_a_folder_and_names_the_file(tmp_path, capsys):
    assert cli.main(["explore", "--output", str(tmp_path)]) == 0
    assert f"{tmp_path / NAME}: open it in a browser" in capsys.readouterr().out
    assert (tmp_path / NAME).read_text("utf-8").startswith("<!doctype html>")


def test_a_plugin_that_offers_no_explorer_is_refused_with_those_that_do(capsys):
    assert cli.main(["explore", "--model", "eq_cycles"]) == 2
    error = capsys.readouterr().err
    assert "'eq_cycles' cannot be explored" in error
    assert "these can: pinn_internal_state" in error


@pytest.fixture
def settings(tmp_path):
    launch = Launch(assetTag="demo", demoFleet=True, configurationValues={"platform": {"pages": str(tmp_path / "pages")}})
    return load_settings(program_folder() / "settings.json", launch)


def test_a_demo_gets_a_copy_once_and_again_after_a_change(settings, tmp_path):
    path = tmp_path / "pages" / NAME
    write_for_demo(settings)
    first = path.stat().st_mtime_ns
    write_for_demo(settings)
    assert path.stat().st_mtime_ns == first
    os.utime(path, (0, 0))
    write_for_demo(settings)
    assert path.stat().st_mtime_ns > first


def test_a_demo_goes_on_without_its_copy(settings, tmp_path, caplog):
    (tmp_path / "pages").write_text("in the way")
    write_for_demo(settings)
    assert "the explorer could not be written" in caplog.text
