"""An ONNX file -> nodes and tensors. Reads the protocol buffer itself: the page and the weights cannot diverge."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from platform_interface.errors import PlatformError
from platform_interface.explorer import wire

#: NumPy types by ONNX's number.
TYPES: dict[int, str] = {1: "<f4", 2: "|u1", 3: "|i1", 6: "<i4", 7: "<i8", 9: "|b1", 11: "<f8"}


@dataclass(frozen=True)
class Node:
    """One operator with the names that it reads and writes; an input that is left out is ``""``."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    domain: str = ""


@dataclass
class OnnxGraph:
    """A graph as its file has it.

    Attributes
    ----------
    inputs : dict
        Shapes by name, 0 where a length is free; weights are no inputs.
    outputs : list of str
    tensors : dict
        Weights by name.
    """

    inputs: dict[str, list[int]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


def read_onnx(path: Path) -> OnnxGraph:
    """Read a file.

    Raises
    ------
    PlatformError
        It is no ONNX file, or uses what cannot be read here; the message names it.
    """
    try:
        return parse_onnx(path.read_bytes())
    except (wire.WireError, ValueError, AssertionError) as error:
        raise PlatformError(f"{path} cannot be read as an ONNX file: {error}. Export it again, in one file.") from error


def parse_onnx(content: bytes) -> OnnxGraph:
    """Read the bytes of a file."""
    graph = None
    for number, _, value in wire.fields(memoryview(content)):
        if number == 7:
            graph = _graph(wire.part(value))
        elif number == 25:
            raise ValueError("functions of its own are not supported; inline them on export")
    if graph is None:
        raise ValueError("it holds no graph")
    return graph


def _graph(data: memoryview) -> OnnxGraph:
    graph = OnnxGraph()
    for number, _, value in wire.fields(data):
        if number == 1:
            graph.nodes.append(_node(wire.part(value)))
        elif number == 5:
            name, tensor = _tensor(wire.part(value))
            graph.tensors[name] = tensor
        elif number == 11:
            graph.inputs[_name(wire.part(value))] = _shape(wire.part(value))
        elif number == 12:
            graph.outputs.append(_name(wire.part(value)))
        elif number == 15:
            raise ValueError("sparse weights are not supported")
    graph.inputs = {name: shape for name, shape in graph.inputs.items() if name not in graph.tensors}
    return graph


def _name(data: memoryview) -> str:
    return next((wire.text(value) for number, _, value in wire.fields(data) if number == 1), "")


def _inside(data: memoryview, wanted: int) -> list[memoryview]:
    return [wire.part(value) for number, _, value in wire.fields(data) if number == wanted]


def _shape(data: memoryview) -> list[int]:
    """Lengths of a described value: value info -> type -> tensor -> shape -> lengths."""
    lengths = []
    for described in _inside(data, 2):
        for tensor in _inside(described, 1):
            for shape in _inside(tensor, 2):
                for length in _inside(shape, 1):
                    known = [value for number, _, value in wire.fields(length) if number == 1 and isinstance(value, int)]
                    lengths.append(known[0] if known else 0)
    return lengths


def _node(data: memoryview) -> Node:
    inputs, outputs, attributes = [], [], {}
    operator = domain = ""
    for number, _, value in wire.fields(data):
        if number == 1:
            inputs.append(wire.text(value))
        elif number == 2:
            outputs.append(wire.text(value))
        elif number == 4:
            operator = wire.text(value)
        elif number == 5:
            name, content = _attribute(wire.part(value))
            attributes[name] = content
        elif number == 7:
            domain = wire.text(value)
    return Node(operator, tuple(inputs), tuple(outputs), attributes, domain)


def _attribute(data: memoryview) -> tuple[str, Any]:
    name, single, many = "", None, []  # type: str, Any, list[Any]
    listed = False
    for number, kind, value in wire.fields(data):
        if number == 1:
            name = wire.text(value)
        elif number == 2:
            single = wire.floats(value)[0]
        elif number == 3:
            single = wire.integers(kind, value)[0]
        elif number == 4:
            single = wire.text(value)
        elif number == 5:
            single = _tensor(wire.part(value))[1]
        elif number in (6, 11):
            raise ValueError(f"attribute '{name}' is a graph within the graph; If, Loop and Scan are not supported")
        elif number == 7:
            many += wire.floats(value)
        elif number == 8:
            many += wire.integers(kind, value)
        elif number == 9:
            many.append(wire.text(value))
        elif number == 20:
            listed = value in (6, 7, 8)
    return name, many if listed or (single is None and many) else single


def _tensor(data: memoryview) -> tuple[str, np.ndarray]:
    dims: list[int] = []
    name, kind, raw = "", 0, None
    listed: list[float] = []
    for number, wired, value in wire.fields(data):
        if number == 1:
            dims += wire.integers(wired, value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number in (5, 7):
            listed += wire.integers(wired, value)
        elif number in (4, 10):
            listed += wire.floats(value, "f" if number == 4 else "d")
        elif number == 8:
            name = wire.text(value)
        elif number == 9:
            raw = wire.part(value)
        elif number == 14 and value == 1:
            raise ValueError(f"weights '{name}' lie in another file")
    if kind not in TYPES:
        raise ValueError(f"weights '{name}' are of type {kind}, which is not supported")
    numbers = np.frombuffer(raw, TYPES[kind]) if raw is not None else np.array(listed, TYPES[kind])
    return name, numbers.reshape(dims)
