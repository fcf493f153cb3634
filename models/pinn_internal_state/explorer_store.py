"""The explorer's truth in one small file: 16-bit numbers, differences along time, compressed."""

from __future__ import annotations

import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[Any]

#: Smallest value and step of what is not a concentration, as 16-bit numbers. [V]
_VOLTAGE = (0.0, 1e-4)
_MARGIN = (-2.0, 1e-4)
SIDES = ("negative", "positive")
FIELDS = (*SIDES, "negative_surface", "positive_surface")


@dataclass(frozen=True)
class Run:
    """One simulated run.

    Attributes
    ----------
    end : float
        When what is kept ends: at the voltage limit, or before it where the electrolyte ran dry. [s]
    cutoff : float
        When the voltage limit was reached. [s]
    voltage, margin : ndarray, shape (T,)
        At T instants from 0 to `end`. [V]
    fields : dict of ndarray
        ``negative``, ``positive`` (3, R, T): mean over x, at the collector side's cell 0, at cell 19;
        ``negative_surface``, ``positive_surface`` (X, T). [mol/m3]
    """

    end: float
    cutoff: float
    voltage: FloatArray
    margin: FloatArray
    fields: dict[str, FloatArray]

    @classmethod
    def empty(cls, kept: int, instants: int) -> Run:
        """Return a run that ended before it began."""
        places = {side: np.zeros((3, kept, instants)) for side in SIDES}
        surfaces = {f"{side}_surface": np.zeros((kept, instants)) for side in SIDES}
        return cls(0.0, 0.0, np.zeros(instants), np.zeros(instants), {**places, **surfaces})


def _whole(values: FloatArray, first: float, step: float) -> IntArray:
    return np.asarray(np.clip(np.round((values - first) / step), 0, 65535).astype(np.uint16))


def _differences(whole: IntArray) -> IntArray:
    """Second differences along time, low and high bytes apart: they compress to half."""
    zero = np.zeros((*whole.shape[:-1], 1), np.uint16)
    once = np.diff(whole, axis=-1, prepend=zero)
    twice = np.diff(once, axis=-1, prepend=zero)
    return np.ascontiguousarray(np.moveaxis(twice.view(np.uint8).reshape(*twice.shape, 2), -1, 0))


def _sums(parts: IntArray) -> IntArray:
    twice = np.ascontiguousarray(np.moveaxis(parts, 0, -1)).view(np.uint16)[..., 0]
    return np.asarray(np.cumsum(np.cumsum(twice, axis=-1, dtype=np.uint16), axis=-1, dtype=np.uint16))


def steps(cell: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the smallest value and the step of each stored quantity."""
    scales = {side: (0.0, cell[side]["largest"] / 65535) for side in SIDES}
    surfaces = {f"{side}_surface": scales[side] for side in SIDES}
    return {**scales, **surfaces, "voltage": _VOLTAGE, "margin": _MARGIN}


def pack(path: Path, nodes: Sequence[tuple[float, ...]], kept: IntArray, runs: Sequence[Run], cell: dict[str, Any]) -> None:
    """Write the file; `nodes` are (temperature, rate, cycle, direction, lithium lost)."""
    scale = steps(cell)
    stored = {name: np.stack([run.fields[name] for run in runs]) for name in FIELDS}
    stored |= {"voltage": np.stack([run.voltage for run in runs]), "margin": np.stack([run.margin for run in runs])}
    parts = {name: _differences(_whole(values, *scale[name])) for name, values in stored.items()}
    head = {
        "nodes": [list(map(float, node)) for node in nodes],
        "kept": kept.tolist(),
        "end": [run.end for run in runs],
        "cutoff": [run.cutoff for run in runs],
        "shapes": {name: list(part.shape) for name, part in parts.items()},
    }
    text = json.dumps(head).encode()
    path.write_bytes(
        lzma.compress(b"".join([len(text).to_bytes(4, "little"), text, *(part.tobytes() for part in parts.values())]), preset=9)
    )


def unpack(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the file's arrays; quantities as 16-bit numbers, to be scaled by :func:`steps`."""
    content = lzma.decompress(path.read_bytes())
    at = 4 + int.from_bytes(content[:4], "little")
    head = json.loads(content[4:at])
    found = {name: np.array(head[name]) for name in ("nodes", "kept", "end", "cutoff")}
    for name, shape in head["shapes"].items():
        size = int(np.prod(shape))
        found[name] = _sums(np.frombuffer(content[at : at + size], np.uint8).reshape(shape))
        at += size
    return found
