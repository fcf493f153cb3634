"""Run an exported network over a profile whose start is known. The kind of network is told from its inputs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.pinn_internal_state.states import PARAMETERS
from training.pinn import cell as cell_file
from training.pinn import mesh
from training.pinn.evaluate_metrics import SAMPLES, bin_mean, bin_spread

PLUGIN = Path(__file__).parents[2] / "models" / "pinn_internal_state"
WEIGHTS = PLUGIN / "weights.onnx"
DATA_ONLY = PLUGIN / "data_only.onnx"
#: The network works on blocks of this many bins; what is missing is padded.
BLOCK = 24


@dataclass(frozen=True)
class Prediction:
    """What a network says of one run.

    Attributes
    ----------
    negative, positive : ndarray, shape (bins, r, x)
        At the end of each bin. [mol/m3]
    voltage, margin : ndarray, shape (bins,), or None
        Means of the bin; None when the network does not give them. [V]
    """

    negative: np.ndarray
    positive: np.ndarray
    voltage: np.ndarray | None
    margin: np.ndarray | None


def open_session(path: Path) -> Any:
    """Open a network on one thread."""
    import onnxruntime

    if not path.is_file():
        raise SystemExit(f"{path}: no such file. Train and export the network first (see documentation/how-to/train-pinn.md).")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def padded(values: np.ndarray, fill: float | None = None) -> np.ndarray:
    """Return a row for a batch of one, its length a multiple of :data:`BLOCK`; the last value is repeated unless `fill` is given."""
    lack = -len(values) % BLOCK
    end = values[-1] if fill is None else fill
    return np.concatenate([values, np.full(lack, end)])[None].astype(np.float32)


def bins_of(truth: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the inputs of every kind of network, binned exactly from samples at 1 Hz."""
    current = bin_mean(truth["current"])
    return {
        "current": padded(current, 0.0),
        "spread": padded(bin_spread(truth["current"]), 0.0),
        "temperature": padded(bin_mean(truth["temperature"])),
        "seconds": padded(np.full(len(current), float(SAMPLES)), 0.0),
    }


class Hybrid:
    """The network of `weights.onnx`, and its ablations.

    Parameters
    ----------
    path : Path
        ONNX file with the interface of `weights.onnx`; a file beside it that ends in ``.cell.json`` describes its cell, the plugin's
        `cell.json` does otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.session = open_session(path)
        self.shapes = {one.name: one.shape for one in self.session.get_inputs()}
        modes = self.shapes["electrolyte0"][1]
        self.nodes = self.shapes["negative0"][2]
        beside = path.with_suffix(".cell.json")
        cell = json.loads(beside.read_text("utf-8")) if beside.is_file() else cell_file.load()
        self.electrolyte = mesh.electrolyte(cell, modes).modes.project @ np.full(3 * mesh.POINTS, 1000.0)
        self.uniform = mesh.particle_modes().project.sum(1)

    def inputs(self, truth: dict[str, Any], parameters: dict[str, float] | None = None) -> dict[str, np.ndarray]:
        """Return the inputs of a run that starts relaxed, from the concentrations the truth starts at."""
        found = bins_of(truth)
        for side in ("negative", "positive"):
            start = float(np.mean(truth[side][:, :, 0], dtype=float))
            found[f"{side}0"] = np.tile((start * self.uniform)[None, :, None], (1, 1, self.nodes)).astype(np.float32)
        found["electrolyte0"] = self.electrolyte[None].astype(np.float32)
        row = [(parameters or {}).get(name, 0.0 if name == "series_resistance" else 1.0) for name in PARAMETERS]
        found["parameters"] = np.array([[*np.log(row[:-1]), row[-1]]], np.float32)
        return {name: value for name, value in found.items() if name in self.shapes}

    def predict(self, truth: dict[str, Any]) -> Prediction:
        """Predict a run from its known start."""
        import onnxruntime

        bins = (len(truth["current"]) - 1) // SAMPLES
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True
        names = ["negative", "positive", "voltage", "margin"]
        negative, positive, voltage, margin = (
            value[0, :bins] for value in self.session.run(names, self.inputs(truth), options)
        )
        return Prediction(negative, positive, voltage, margin)


class DataOnly:
    """The data-only baseline: the same bins and the start's state of charge to fields."""

    def __init__(self, path: Path) -> None:
        self.session = open_session(path)
        self.optional = [one.name for one in self.session.get_overridable_initializers()]

    def inputs(self, truth: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the inputs of a run that starts relaxed."""
        known = {one.name for one in self.session.get_inputs()} | set(self.optional)
        found = bins_of(truth) | {"soc0": np.array([[truth["soc"]]], np.float32)}
        return {name: value for name, value in found.items() if name in known}

    def predict(self, truth: dict[str, Any]) -> Prediction:
        """Predict a run from its known start."""
        bins = (len(truth["current"]) - 1) // SAMPLES
        negative, positive = self.session.run(["negative", "positive"], self.inputs(truth))
        return Prediction(negative[0, :bins], positive[0, :bins], None, None)


def open_network(path: Path) -> Hybrid | DataOnly:
    """Open whichever network a file holds."""
    names = {one.name for one in open_session(path).get_inputs()}
    return Hybrid(path) if "negative0" in names else DataOnly(path)
