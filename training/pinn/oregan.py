"""Export of the windowed network for ORegan2022, with the inputs and outputs of `weights.onnx` (:mod:`training.pinn.export`).

    python -m training.pinn.oregan          # writes training/pinn/oregan.onnx; its cell is oregan.cell.json beside it

Nothing is learned, so there is no training: the graph is the physics. One sweep is exported by PyTorch; an ONNX `Loop` repeats it within
a window, and a `Scan` goes from window to window with the state handed on.
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from training.pinn import oregan_cell
from training.pinn.export import INPUTS, OUTPUTS, rested, without_origins
from training.pinn.mesh import POINTS, RADII
from training.pinn.windowed import BLOCK, Config, Window

PATH = Path(__file__).parent / "oregan.onnx"
SERIES, STATES, PARAMETERS = INPUTS[:4], INPUTS[4:7], INPUTS[7]
#: What a sweep starts from, and what the next one does.
GUESS, BETTER = ("flux0", "middle0", "salt0"), ("flux1", "middle1", "salt1")
#: What is handed on from window to window: the interface's states, and the flux that the next window's first guess begins with.
LASTS = ("negative1", "positive1", "electrolyte1", "shape1")
FIELDS = tuple(name for name in OUTPUTS if name not in LASTS)


class _Listed(nn.Module):
    """A sweep with a tuple for outputs, which is what an exporter wants."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = self.window(*inputs)
        return tuple(found[name] for name in (*LASTS, *FIELDS, *BETTER))


def one_sweep(window: Window) -> Any:
    """Export one sweep of one window; the number of runs is free."""
    import onnx

    config = window.config
    series = [np.full((2, BLOCK), value) for value in (2.5, 0.1, 298.15, 5.0)]
    state = rested(window.cell, np.full(2, 0.9), POINTS, config.electrolyte_modes)
    guess = [np.zeros((2, *size)) for size in _guesses(config)]
    runs = torch.export.Dim("runs", min=1, max=4096)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Listed(window).eval(),
            tuple(torch.tensor(value, dtype=torch.float32) for value in (*series, *state, np.zeros((2, 10)), *guess)),
            dynamo=True,
            input_names=[*INPUTS, *GUESS],
            output_names=[*LASTS, *FIELDS, *BETTER],
            dynamic_shapes=(({0: runs},) * (len(INPUTS) + len(GUESS)),),
            external_data=False,
            optimize=True,
            verbose=False,
        )
        assert program is not None
        program.save(f"{folder}/sweep.onnx", external_data=False)
        return without_origins(onnx.load(f"{folder}/sweep.onnx"))


def _guesses(config: Config) -> list[tuple[int, ...]]:
    return [(2, POINTS, BLOCK), (2, POINTS, BLOCK, RADII), (3 * POINTS, BLOCK)]


def _needed(graph: Any, outputs: tuple[str, ...]) -> list[Any]:
    """Nodes of a graph that some of its outputs need, in order."""
    wanted, kept = set(outputs), []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _shapes(model: Any) -> dict[str, list[Any]]:
    """Sizes of the inputs and outputs of one sweep; the number of runs by its name."""
    values = [*model.graph.input, *model.graph.output]
    found = {one.name: [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim] for one in values}
    return found | {"shape0": found["flux0"]}


def _window(model: Any, config: Config) -> Any:
    """Graph of one window: a loop of sweeps without results, then one with results."""
    from onnx import TensorProto, compose, helper, numpy_helper

    shapes = _shapes(model) | {"count": [], "condition": [], "continue": []}

    def value(name: str, element: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, element, shapes.get(name.partition("_")[2]))

    outer = {name: name if name == PARAMETERS else f"window_{name}" for name in INPUTS}

    def sweep(prefix: str, outputs: tuple[str, ...]) -> tuple[list[Any], list[Any]]:
        graph = compose.add_prefix_graph(model.graph, prefix)
        kept = _needed(graph, tuple(prefix + name for name in outputs))
        names = {prefix + name: given for name, given in outer.items()}
        for node in kept:
            node.input[:] = [names.get(name, name) for name in node.input]
        used = {name for node in kept for name in node.input}
        return kept, [one for one in graph.initializer if one.name in used]

    again, constants = sweep("again_", BETTER)
    again.append(helper.make_node("Identity", ["again_condition"], ["again_continue"]))
    loop = helper.make_graph(
        again,
        "again",
        [value("again_count", TensorProto.INT64), value("again_condition", TensorProto.BOOL),
         *(value(f"again_{name}") for name in GUESS)],
        [value("again_continue", TensorProto.BOOL), *(value(f"again_{name}") for name in BETTER)],
        constants,
    )  # fmt: skip
    nodes = [helper.make_node("Shape", ["window_negative0"], ["window_runs"], start=0, end=1)]
    starts = ["window_shape0"]
    for name, size in zip(GUESS[1:], _guesses(config)[1:], strict=True):
        nodes.append(helper.make_node("Constant", [], [f"{name}_size"], value_ints=list(size)))
        nodes.append(helper.make_node("Concat", ["window_runs", f"{name}_size"], [f"{name}_sizes"], axis=0))
        nodes.append(helper.make_node("ConstantOfShape", [f"{name}_sizes"], [f"{name}_start"]))
        starts.append(f"{name}_start")
    count = numpy_helper.from_array(np.array(config.sweeps - 1), "sweeps_before")
    nodes.append(helper.make_node("Loop", ["sweeps_before", "", *starts], [f"last_{name}" for name in GUESS], body=loop))
    last, constants = sweep("last_", (*LASTS, *FIELDS))
    inputs = [value(f"window_{name}") for name in (*STATES, "shape0", *SERIES)]  # the parameters come from outside
    outputs = [value(f"last_{name}") for name in (*LASTS, *FIELDS)]
    return helper.make_graph([*nodes, *last], "window", inputs, outputs, [count, *constants])


def over_windows(model: Any, config: Config) -> Any:
    """Wrap one sweep into a scan over all windows of a run, each a loop of sweeps."""
    from onnx import TensorProto, checker, helper

    shapes = _shapes(model)
    nodes = [
        helper.make_node("Constant", [], ["windows"], value_ints=[0, -1, BLOCK]),
        helper.make_node("Constant", [], ["shape_size"], value_ints=list(_guesses(config)[0])),
        helper.make_node("Shape", ["parameters"], ["runs_of_all"], start=0, end=1),
        helper.make_node("Concat", ["runs_of_all", "shape_size"], ["shape_sizes"], axis=0),
        helper.make_node("ConstantOfShape", ["shape_sizes"], ["uniform"]),
        *(helper.make_node("Reshape", [name, "windows"], [f"{name}_windows"]) for name in SERIES),
        helper.make_node(
            "Scan",
            [*STATES, "uniform", *(f"{name}_windows" for name in SERIES)],
            [*LASTS[:3], "shape_last", *(f"{name}_windows" for name in FIELDS)],
            body=_window(model, config),
            num_scan_inputs=len(SERIES),
            scan_input_axes=[1] * len(SERIES),
            scan_output_axes=[1] * len(FIELDS),
        ),
    ]
    for name in FIELDS:
        nodes.append(helper.make_node("Constant", [], [f"{name}_shape"], value_ints=[0, -1, *shapes[name][2:]]))
        nodes.append(helper.make_node("Reshape", [f"{name}_windows", f"{name}_shape"], [name]))

    def described(name: str) -> Any:
        series = name in SERIES or name in FIELDS
        sizes = ["runs", "bins", *shapes[name][2:]] if series else ["runs", *shapes[name][1:]]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)

    graph = helper.make_graph(nodes, "windows", [described(name) for name in INPUTS], [described(name) for name in OUTPUTS])
    wrapped = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    checker.check_model(wrapped)
    return wrapped


def main() -> None:
    """Export."""
    torch.set_num_threads(1)
    window = Window(oregan_cell.load(), Config())
    content = over_windows(one_sweep(window), window.config).SerializeToString()
    partial = PATH.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(PATH)
    print(f"{PATH}: {len(content) / 1e3:.0f} kB, {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
