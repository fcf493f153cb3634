"""A graph of the internal-state network, run as the plugin runs it, and what is known of its cell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from training.pinn.mesh import RADII, electrolyte, particle_modes

FARADAY = 96485.33212
#: Modes of the electrolyte.
MODES = 20


@dataclass(frozen=True)
class Graph:
    """An ONNX file, its cell's description, and its places along an electrode."""

    path: Path
    described: Path
    places: int

    @cached_property
    def cell(self) -> dict[str, Any]:
        return json.loads(self.described.read_text("utf-8"))

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])

    def concentration(self, side: str, soc: float) -> float:
        """In the particles of an electrode at rest. [mol/m3]"""
        low, high = self.cell["window"][side]
        return (low + soc * (high - low)) * self.cell[side]["largest"]

    def rested(self, negative: float, positive: float) -> dict[str, np.ndarray]:
        """State of a cell at rest, from the concentrations in its particles. [mol/m3]"""
        uniform = particle_modes().project.sum(1)
        state = {
            f"{side}0": np.tile((value * uniform)[None, :, None], (1, 1, self.places))
            for side, value in (("negative", negative), ("positive", positive))
        }
        return state | {"electrolyte0": (electrolyte(self.cell, MODES).modes.project @ np.full(60, 1000.0))[None]}

    def run(self, current, soc=0.6, celsius=25.0, seconds=5.0, state=None, spread=0.0, parameters=None, outputs=None):
        """Run one cell; `current` is one value a bin. [A]"""
        current = np.asarray(current, dtype=float)[None]
        feed = {
            "current": current,
            "spread": np.zeros_like(current) + spread,
            "temperature": np.zeros_like(current) + celsius + 273.15,
            "seconds": np.zeros_like(current) + seconds,
            **(state or self.rested(self.concentration("negative", soc), self.concentration("positive", soc))),
            "parameters": np.zeros((1, 10)) if parameters is None else np.asarray(parameters)[None],
        }
        names = outputs or [output.name for output in self.session.get_outputs()]
        found = self.session.run(names, {name: value.astype(np.float32) for name, value in feed.items()})
        return dict(zip(names, (value[0] for value in found), strict=True))

    def inventory(self, fields: np.ndarray, side: str) -> np.ndarray:
        """Lithium in the particles of an electrode from c(r, x), shape (N, 20, 20). [Ah]"""
        edges = np.linspace(0, 1, RADII + 1)
        mean = np.einsum("nrx,r->n", fields, np.diff(edges**3)) / fields.shape[2]
        part = self.cell[side]
        return mean * part["active"] * part["thickness"] * self.cell["area"] * FARADAY / 3600


def load(seed: int, bins: int) -> np.ndarray:
    """A load of steps between -1C and 2C. [A]"""
    return np.repeat(np.random.default_rng(seed).uniform(-5, 10, bins // 12), 12)
