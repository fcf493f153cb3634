"""Nodes and tensors -> what the page's interpreter evaluates: numbered values, weights as base64, unused parts left out."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from platform_interface.errors import PlatformError
from platform_interface.explorer.onnx_file import Node, OnnxGraph, read_onnx

INTERPRETER = Path(__file__).parent.parent / "templates" / "explorer_graph.js"
_OPERATOR = re.compile(r"^  ([A-Z]\w+)(?:\(|: )", re.MULTILINE)
#: Types of the page by NumPy's kind and size: float, whole number, truth value.
_KINDS = {"f4": "f", "f8": "f", "i4": "i", "i8": "i", "u1": "i", "i1": "i", "b1": "b"}


@lru_cache(maxsize=1)
def operators() -> frozenset[str]:
    """Return the operators that the page's interpreter knows, read from it."""
    return frozenset(_OPERATOR.findall(INTERPRETER.read_text(encoding="utf-8")))


def page_graph(path: Path, outputs: Sequence[str]) -> dict[str, Any]:
    """Return a network as the page evaluates it.

    Parameters
    ----------
    path : Path
        ONNX file.
    outputs : sequence of str
        What the page asks for; what serves nothing else is left out.

    Raises
    ------
    PlatformError
        The file cannot be read, has no such output, or uses an operator that the page does not know.
    """
    graph = read_onnx(path)
    missing = [name for name in outputs if name not in graph.outputs]
    if missing:
        raise PlatformError(f"{path} has no output '{missing[0]}'; it has {', '.join(graph.outputs)}")
    nodes = _needed(graph, outputs)
    unknown = sorted({f"{node.domain}.{node.operator}".lstrip(".") for node in nodes if not _known(node)})
    if unknown:
        raise PlatformError(
            f"{path} uses operators that the page cannot evaluate: {', '.join(unknown)}. "
            f"Export the network without them, or add them to {INTERPRETER.name}."
        )
    return _numbered(graph, nodes, outputs)


def _known(node: Node) -> bool:
    return node.domain in ("", "ai.onnx") and (node.operator in operators() or node.operator == "Constant")


def _needed(graph: OnnxGraph, outputs: Sequence[str]) -> list[Node]:
    wanted, kept = set(outputs), []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    return kept[::-1]


def _numbered(graph: OnnxGraph, nodes: Sequence[Node], outputs: Sequence[str]) -> dict[str, Any]:
    numbers: dict[str, int] = {"": 0}

    def number(name: str) -> int:
        return numbers.setdefault(name, len(numbers))

    tensors, steps, used = [], [], set(outputs)
    for node in nodes:
        used.update(node.inputs)
        if node.operator == "Constant":
            tensors.append(_weights(number(node.outputs[0]), _constant(node)))
            continue
        if any(isinstance(value, np.ndarray) and value.size != 1 for value in node.attributes.values()):
            raise PlatformError(
                f"operator {node.operator}: an attribute is a tensor of many values, which the page cannot read"
            )
        attributes = {key: value.item() if isinstance(value, np.ndarray) else value for key, value in node.attributes.items()}
        if node.operator == "ConstantOfShape" and "value" in node.attributes:
            attributes["kind"] = _kind(np.asarray(node.attributes["value"]))
        steps.append(
            [node.operator, [number(name) for name in node.inputs], [number(name) for name in node.outputs], attributes]
        )
    tensors += [_weights(number(name), tensor) for name, tensor in graph.tensors.items() if name in used]
    return {
        "inputs": {name: number(name) for name in graph.inputs if name in used},
        "outputs": {name: number(name) for name in outputs},
        "shapes": {name: graph.inputs[name] for name in graph.inputs if name in used},
        "tensors": tensors,
        "nodes": steps,
        "values": len(numbers),
    }


def _constant(node: Node) -> np.ndarray:
    for name, kind in (("value_float", "<f4"), ("value_floats", "<f4"), ("value_int", "<i8"), ("value_ints", "<i8")):
        if name in node.attributes:
            return np.array(node.attributes[name], kind)
    value = node.attributes.get("value")
    if not isinstance(value, np.ndarray):
        raise PlatformError(f"a Constant holds {', '.join(node.attributes) or 'nothing'}, which the page cannot read")
    return value


def _kind(tensor: np.ndarray) -> str:
    return _KINDS[tensor.dtype.str[1:]]


def _weights(number: int, tensor: np.ndarray) -> list[Any]:
    """Return ``[number, kind, shape, base64]``: floats as 32 bits, whole numbers as 64-bit floats, which hold them exactly."""
    kind = _kind(tensor)
    whole = {"f": "<f4", "i": "<f8", "b": "|u1"}[kind]
    content = np.clip(tensor, -(2**53), 2**53) if kind == "i" else tensor  # ends of slices are 2**63 - 1
    return [number, kind, list(tensor.shape), base64.b64encode(np.ascontiguousarray(content, whole).tobytes()).decode("ascii")]
