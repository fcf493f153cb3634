"""Export of a network to ONNX, for `models/pinn_internal_state`, and what its inputs and outputs are.

Inputs, float32; B runs at once, N bins (a multiple of :data:`training.pinn.scan.BLOCK`), X nodes along x, K = 20 modes:

``current``, ``spread`` (B, N)
    Mean of a bin, positive on discharge, and standard deviation within it. [A]
``temperature`` (B, N)
    Of the cell. [K]
``seconds`` (B, N)
    Length of a bin; 0 is padding, in which nothing happens. [s]
``negative0``, ``positive0`` (B, K, X)
    Modes of the particles at the start. [mol/m3]
``electrolyte0`` (B, modes)
    Modes of the electrolyte at the start.
``parameters`` (B, 10)
    See :data:`models.pinn_internal_state.states.PARAMETERS`: logarithms of factors, the last a resistance. [Ohm]

Outputs: ``voltage``, ``margin``, ``margin_least`` (B, N), mean over the bin [V]; ``anode`` (B, N, X) [V]; at the end of the bin
``negative_surface``, ``positive_surface`` (B, N, X) [1], ``electrolyte`` (B, N, 60) and ``negative``, ``positive`` (B, N, 20, 20), r then x
[mol/m3]; ``residual`` (B, N), of Butler-Volmer in the last sweep [A/m2]; ``negative1``, ``positive1``, ``electrolyte1`` as at the start.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from training.pinn.mesh import electrolyte, particle_modes
from training.pinn.network import Network
from training.pinn.scan import BLOCK

INPUTS = ("current", "spread", "temperature", "seconds", "negative0", "positive0", "electrolyte0", "parameters")
OUTPUTS = (
    "voltage",
    "margin",
    "margin_least",
    "anode",
    "negative_surface",
    "positive_surface",
    "electrolyte",
    "residual",
    "negative",
    "positive",
    "negative1",
    "positive1",
    "electrolyte1",
)


class _Listed(nn.Module):
    """The network with a tuple for outputs, which is what an exporter wants."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = self.network(*inputs)
        return tuple(found[name] for name in OUTPUTS)


def rested(cell: dict[str, Any], soc: np.ndarray, nodes: int, modes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the states at rest of cells at `soc` (B,): negative and positive (B, 20, nodes), electrolyte (B, modes)."""
    uniform = particle_modes().project.sum(1)
    states = []
    for side in ("negative", "positive"):
        low, high = cell["window"][side]
        concentration = (low + np.asarray(soc) * (high - low)) * cell[side]["largest"]
        states.append(np.repeat((concentration[:, None] * uniform)[..., None], nodes, axis=2))
    liquid = electrolyte(cell, modes).modes.project @ np.full(60, 1000.0)
    return states[0], states[1], np.repeat(liquid[None], len(np.asarray(soc)), axis=0)


def example(network: Network, runs: int, bins: int) -> tuple[torch.Tensor, ...]:
    """Return inputs of plain values: a discharge at C/2 from 90 %."""
    config = network.config
    state = rested(network.cell, np.full(runs, 0.9), config.nodes, config.electrolyte_modes)
    series = [np.full((runs, bins), value) for value in (2.5, 0.1, 298.15, 5.0)]
    return tuple(torch.tensor(value, dtype=torch.float32) for value in (*series, *state, np.zeros((runs, 10))))


def export(network: Network, path: Path) -> str:
    """Write `network` to one ONNX file and return its SHA-256."""
    runs, bins = torch.export.Dim("runs", min=1, max=4096), torch.export.Dim("blocks", min=2, max=4096)
    series, state = {0: runs, 1: bins * BLOCK}, {0: runs}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Listed(network).eval(),
            example(network, 2, 4 * BLOCK),
            dynamo=True,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes=((series,) * 4 + (state,) * 4,),
            external_data=False,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    program.save(str(path), external_data=False)
    onnx.save(without_origins(onnx.load(str(path))), str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def without_origins(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take out where in our source each node came from: four fifths of the file, and paths of the machine that made it."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:], model.graph.metadata_props[:]
    return model
