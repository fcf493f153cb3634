"""The shipped ensemble as ONNX: standard operations, scaling and probabilities inside; and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes.differences import NAMES
from models.neural_soh.modes.mechanisms import CLASSES, DOMINANT, MECHANISMS
from training.soh.modes.shipped import DOUBT_PLACES, LIMIT, LOG_ERRORS, Shipped

OPSET, IR = 17, 9


@dataclass
class _Graph:
    """Nodes and constants as they are written down."""

    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def constant(self, name: str, value: npt.ArrayLike, kind: type = np.float32) -> str:
        self.constants[name] = np.asarray(value, kind)
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output


def to_onnx(shipped: Shipped, about: str) -> bytes:
    """Return the ensemble as ONNX: `features` in, `shares` and `probabilities` out.

    Parameters
    ----------
    about : str
        Metadata `modes`, as JSON.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = _Graph()
    _shares(graph, shipped)
    _probabilities(graph, shipped)
    widths = {"features": len(NAMES), "shares": len(MECHANISMS), "probabilities": len(CLASSES)}
    ends = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width]) for name, width in widths.items()}
    constants = [numpy_helper.from_array(value, name) for name, value in graph.constants.items()]
    made = helper.make_graph(graph.nodes, "modes", [ends["features"]], [ends["shares"], ends["probabilities"]], constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opset, ir_version=IR, producer_name="training.soh.modes")
    helper.set_model_props(model, {"modes": about})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _shares(graph: _Graph, shipped: Shipped) -> None:
    """Write down the members and their mean."""
    node, constant = graph.node, graph.constant
    centred = node("Sub", ("features", constant("mean", shipped.mean)), "centred")
    divided = node("Div", (centred, constant("deviation", shipped.deviation)), "divided")
    scaled = node("Clip", (divided, constant("low", -LIMIT), constant("high", LIMIT)), "scaled")
    members = []
    for number, layers in enumerate(shipped.members):
        rows = scaled
        for place, (weight, offset) in enumerate(layers):
            names = (constant(f"weight_{number}_{place}", weight), constant(f"offset_{number}_{place}", offset))
            rows = node("Gemm", (rows, *names), f"layer_{number}_{place}")
            if place + 1 < len(layers):
                rows = node("Mul", (rows, node("Sigmoid", (rows,), f"gate_{number}_{place}")), f"active_{number}_{place}")
        members.append(node("Softmax", (rows,), f"member_{number}", axis=-1))
    node("Mean", members, "shares")


def _probabilities(graph: _Graph, shipped: Shipped) -> None:
    """Write down the error of a share, and with it `scores.told`."""
    node, constant = graph.node, graph.constant
    doubtful = node("Gather", ("features", constant("places", DOUBT_PLACES, np.int64)), "doubtful", axis=1)
    doubts = (constant("doubt", shipped.doubt[1:, None]), constant("doubt_0", shipped.doubt[:1]))
    logarithm = node("Gemm", (doubtful, *doubts), "logarithm")
    limits = (constant("doubt_low", LOG_ERRORS[0]), constant("doubt_high", LOG_ERRORS[1]))
    error = node("Exp", (node("Clip", (logarithm, *limits), "limited"),), "error")
    beyond = node("Div", (node("Sub", ("shares", constant("dominant", DOMINANT)), "beyond"), error), "in_errors")
    law = node("Erf", (node("Div", (beyond, constant("root", np.sqrt(2.0))), "in_roots"),), "law")
    each = node("Mul", (node("Add", (law, constant("one", 1.0)), "raised"), constant("half", 0.5)), "each")
    axis = constant("axis", [1], np.int64)
    divisor = node("Max", (node("ReduceSum", (each, axis), "total", keepdims=1), "one"), "divisor")
    dominated = node("Div", (each, divisor), "dominated")
    mixed = node("Sub", ("one", node("ReduceSum", (dominated, axis), "sum", keepdims=1)), "mixed")
    node("Concat", (dominated, mixed), "probabilities", axis=1)


def from_onnx(content: bytes) -> Shipped:
    """Return the ensemble that a file of :func:`to_onnx` holds."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(content)
    held = {part.name: numpy_helper.to_array(part).astype(float) for part in model.graph.initializer}
    count = 1 + max(int(name.split("_")[1]) for name in held if name.startswith("weight_"))
    depth = sum(name.startswith("weight_0_") for name in held)
    members = [
        [(held[f"weight_{number}_{place}"], held[f"offset_{number}_{place}"]) for place in range(depth)]
        for number in range(count)
    ]
    about = json.loads(next(part.value for part in model.metadata_props if part.key == "modes"))
    doubt = np.append(held["doubt_0"], held["doubt"].ravel())
    return Shipped(held["mean"], held["deviation"], members, doubt, float(about["least"]))
