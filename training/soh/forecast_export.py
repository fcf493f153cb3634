"""The shipped forecaster as a graph that onnxruntime runs anywhere: scaling, units and intervals are inside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.neural_soh.forecast_history import names
from models.neural_soh.forecast_path import HORIZONS
from training.soh.forecast_general import (
    BEHIND,
    HEALTH_PLACE,
    LEAST,
    MEDIAN_PLACE,
    MEDIAN_SLOPE_PLACE,
    NARROW,
    PART,
    SCATTER_PLACE,
    SEEN_IN,
    SEEN_PLACES,
    SLOPE_PLACES,
    WIDE,
    General,
    Layers,
)

OPSET = 17


class _Graph:
    """Nodes and arrays of a graph in the making."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []

    def array(self, values: Any, kind: Any) -> str:
        from onnx import numpy_helper

        name = f"array{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.array(values, kind), name))
        return name

    def __call__(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        output = name or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def network(self, layers: Layers, value: str) -> str:
        for place in range(0, len(layers), 2):
            value = self("Gemm", value, self.array(layers[place], np.float32), self.array(layers[place + 1], np.float32))
            if place + 2 < len(layers):
                value = self("Mul", value, self("Sigmoid", value))
        return value


def _unit(graph: _Graph) -> str:
    slopes = graph("Abs", graph("Gather", "history", graph.array(SLOPE_PLACES, np.int64), axis=1))
    fade = graph("ReduceMean", slopes, axes=[1], keepdims=1)
    ahead = graph("Mul", fade, graph.array([[horizon / 100 for horizon in HORIZONS]], np.float64))
    scatter = graph("Gather", "history", graph.array([SCATTER_PLACE], np.int64), axis=1)
    still = graph("Add", graph("Mul", scatter, scatter), graph.array([[LEAST**2]], np.float64))
    return graph("Sqrt", graph("Add", graph("Mul", ahead, ahead), still))


def _relative(graph: _Graph, unit: str) -> str:
    seen = graph("Gather", "history", graph.array(SEEN_PLACES, np.int64), axis=1)
    relative = graph("Div", seen, graph("Gather", unit, graph.array([SEEN_IN], np.int64), axis=1))
    size = graph("Mul", graph("Abs", relative), graph.array(PART, np.float64))
    return graph("Mul", graph("Sign", relative), graph("Log", graph("Add", size, graph.array(1.0, np.float64))))


def _trend(graph: _Graph) -> str:
    slope = graph(
        "Min", graph("Gather", "history", graph.array([MEDIAN_SLOPE_PLACE], np.int64), axis=1), graph.array([[0.0]], np.float64)
    )
    fall = graph("Mul", slope, graph.array([[(horizon + BEHIND) / 100 for horizon in HORIZONS]], np.float64))
    return graph("Cast", graph("Add", graph("Gather", "history", graph.array([MEDIAN_PLACE], np.int64), axis=1), fall), to=1)


def graph_of(model: General, about: Mapping[str, str]) -> bytes:
    """Return the forecaster as the content of an ONNX file.

    Parameters
    ----------
    model : General
        With intervals.
    about : mapping of str to str
        What the file says of itself: what it is, seed, hashes of the data, training cells, version, factor of the knee's warning.
    """
    import onnx
    from onnx import TensorProto, helper

    if model.factor is None:
        raise ValueError("a forecaster without intervals is not shipped")
    graph = _Graph()
    unit = _unit(graph)
    drawn = graph(
        "Min", graph("Max", _relative(graph, unit), graph.array([model.low], np.float64)), graph.array([model.high], np.float64)
    )
    centred = graph("Sub", drawn, graph.array([model.mean], np.float64))
    scaled = graph("Cast", graph("Div", centred, graph.array([model.deviation], np.float64)), to=1)
    unit = graph("Cast", unit, to=1)
    members = [graph.network(layers, scaled) for layers in model.members]
    change = graph("Add", _trend(graph), graph("Mul", graph("Mean", *members), unit))
    health = graph("Cast", graph("Gather", "history", graph.array([HEALTH_PLACE], np.int64), axis=1), to=1)
    ahead = graph("Add", health, change, name="ahead")
    limits = graph.array(NARROW, np.float32), graph.array(WIDE, np.float32)
    typical = graph("Mul", graph("Exp", graph("Clip", graph.network(model.spread, scaled), *limits)), unit)
    half = graph("Mul", typical, graph.array([model.factor], np.float32))
    graph("Sub", ahead, half, name="lower")
    graph("Add", ahead, half, name="upper")
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", len(HORIZONS)]) for name in ("ahead", "lower", "upper")
    ]
    inputs = [helper.make_tensor_value_info("history", TensorProto.DOUBLE, ["rows", len(names())])]
    made = helper.make_model(
        helper.make_graph(graph.nodes, "forecast", inputs, outputs, graph.arrays),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="forecast_export",
    )  # fmt: skip
    helper.set_model_props(made, dict(about))
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())
