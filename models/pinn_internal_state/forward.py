"""The network as a function: states and inputs of a block in, voltages and states out; and what its states mean.

A state is one row: modes of both electrodes, modes of the electrolyte, logarithms of parameter factors, and what the sensors are off.
The meaning of the modes is read off the graph itself, so that no second eigen-decomposition can disagree with it about a sign.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Shells of a particle in the network.
SHELLS = 20
#: Order of the network's last input: logarithms of factors, and last a resistance. [Ohm]
PARAMETERS = (
    "area",
    "negative_diffusivity",
    "positive_diffusivity",
    "negative_exchange",
    "positive_exchange",
    "electrolyte_diffusivity",
    "electrolyte_conductivity",
    "negative_loading",
    "positive_loading",
    "series_resistance",
)
#: Capacity that the parameters' unit area belongs to. [Ah]
RATED = 5.0
#: Electrolyte of a cell at rest. [mol/m3]
SALT = 1000.0
#: What a run of the ensemble is asked for.
SCALARS = ("voltage", "margin_least", "residual", "negative1", "positive1", "electrolyte1")
KELVIN = 273.15
#: Length of a bin of padding: a rate over no time at all is not a number in single precision. [s]
INSTANT = 1e-6


class Diverged(ArithmeticError):
    """A state outside everything the network computes with: no answer, and no fault of the program."""


@dataclass(frozen=True)
class Layout:
    """Where what stands in a state.

    Attributes
    ----------
    nodes : int
        Gauss-Legendre nodes along x.
    liquid : int
        Modes of the electrolyte.
    """

    nodes: int
    liquid: int

    @property
    def particles(self) -> int:
        return SHELLS * self.nodes

    @property
    def parameters(self) -> slice:
        start = 2 * self.particles + self.liquid
        return slice(start, start + len(PARAMETERS))

    @property
    def offsets(self) -> slice:
        """Current sensor's offset [A], voltage sensor's [V]."""
        return slice(self.parameters.stop, self.parameters.stop + 2)

    @property
    def dynamic(self) -> slice:
        return slice(0, self.parameters.start)

    @property
    def size(self) -> int:
        return self.offsets.stop

    def electrode(self, states: FloatArray, side: int) -> FloatArray:
        """Return the modes of an electrode, 0 negative, 1 positive, shape (..., SHELLS, nodes). [mol/m3]"""
        part = states[..., side * self.particles : (side + 1) * self.particles]
        return part.reshape(*states.shape[:-1], SHELLS, self.nodes)

    def electrolyte(self, states: FloatArray) -> FloatArray:
        return states[..., 2 * self.particles : 2 * self.particles + self.liquid]

    def join(self, negative: FloatArray, positive: FloatArray, liquid: FloatArray, rest: FloatArray) -> FloatArray:
        """Return states of their parts; `rest` is parameters and offsets."""
        shape = negative.shape[:-2]
        parts = [negative.reshape(*shape, -1), positive.reshape(*shape, -1), liquid, rest]
        return np.concatenate(parts, axis=-1)


@dataclass(frozen=True)
class Block:
    """Inputs of some bins, and what was measured meanwhile; a bin of no length is padding.

    Attributes
    ----------
    current, spread, temperature, seconds, voltage, noise : ndarray, shape (N,)
        Mean and standard deviation of the current [A], mean temperature [K], length [s], mean voltage [V] and its standard error [V].
    doubt : float
        Standard deviation of the charge between samples far apart. [Ah]
    """

    current: FloatArray
    spread: FloatArray
    temperature: FloatArray
    seconds: FloatArray
    voltage: FloatArray
    noise: FloatArray
    doubt: float = 0.0

    @property
    def filled(self) -> npt.NDArray[np.bool_]:
        return self.seconds > 0


@dataclass(frozen=True)
class Basis:
    """What modes mean.

    Attributes
    ----------
    shells : ndarray, shape (SHELLS, SHELLS)
        Concentration in the shells, innermost first, from modes.
    modes : ndarray, shape (SHELLS, SHELLS)
        Its inverse.
    liquid : ndarray, shape (60, modes)
        Electrolyte concentration from its modes.
    rested : ndarray, shape (modes,)
        The electrolyte's modes at rest.
    nodes, weights : ndarray, shape (nodes,)
        Positions along an electrode, 0 to 1, and weights of a mean.
    """

    shells: FloatArray
    modes: FloatArray
    liquid: FloatArray
    rested: FloatArray
    nodes: FloatArray
    weights: FloatArray

    @property
    def uniform(self) -> FloatArray:
        """Modes of a concentration of 1 everywhere, shape (SHELLS,)."""
        return self.modes.sum(axis=1)

    def to_positions(self, places: FloatArray) -> FloatArray:
        """Return the matrix (nodes, places) from values at the nodes to those of their polynomial at `places`."""
        rows = []
        for number, node in enumerate(self.nodes):
            others = np.delete(self.nodes, number)
            rows.append(np.prod((places[:, None] - others) / (node - others), axis=1))
        return np.stack(rows)


class Network:
    """An opened network.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        With the interface that this folder's README.md names.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        shapes = {given.name: given.shape for given in session.get_inputs()}
        self.layout = Layout(int(shapes["negative0"][2]), int(shapes["electrolyte0"][1]))
        self._memory = int(shapes["memory0"][1]) if "memory0" in shapes else 0
        self.basis = self._read_basis()

    def run(self, states: FloatArray, block: Block, names: Sequence[str] = SCALARS) -> dict[str, FloatArray]:
        """Run every state over a block.

        Parameters
        ----------
        states : ndarray, shape (M, layout.size)
        block : Block
            N bins.
        names : sequence of str
            Outputs of the graph that are wanted.

        Returns
        -------
        dict of ndarray
            By name, the first dimension M.
        """
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

        layout, count = self.layout, len(states)
        offsets = states[:, layout.offsets]
        current = np.where(block.filled, block.current - offsets[:, :1], 0.0)
        feed = {"current": current, "negative0": layout.electrode(states, 0), "positive0": layout.electrode(states, 1)}
        series = {"spread": block.spread, "temperature": block.temperature, "seconds": np.maximum(block.seconds, INSTANT)}
        feed |= {name: np.broadcast_to(value, current.shape) for name, value in series.items()}
        feed |= {"electrolyte0": layout.electrolyte(states), "parameters": states[:, layout.parameters]}
        if self._memory:
            feed["memory0"] = np.zeros((count, self._memory))
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True
        inputs = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in feed.items()}
        try:
            found = self._session.run(list(names), inputs, options)
        except InvalidArgument:  # a concentration that is not a number has no place in a table
            raise Diverged("a state left the range that the network computes in") from None
        result = {name: np.asarray(value, dtype=np.float64) for name, value in zip(names, found, strict=True)}
        if not all(np.isfinite(value).all() for value in result.values()):
            raise Diverged("the network gave a value that is not a number")
        if "voltage" in result:
            result["voltage"] = result["voltage"] + offsets[:, 1:]
        return result

    def end(self, states: FloatArray, found: dict[str, FloatArray]) -> FloatArray:
        """Return the states after a block, from those before it and what :meth:`run` gave."""
        rest = states[:, self.layout.parameters.start :]
        return self.layout.join(found["negative1"], found["positive1"], found["electrolyte1"], rest)

    def _read_basis(self) -> Basis:
        layout = self.layout
        point, weight = np.polynomial.legendre.leggauss(layout.nodes)
        nothing = Block(*(np.full(24, value) for value in (0.0, 0.0, 298.15, 0.0, 0.0, 1.0)))
        states = np.zeros((1 + SHELLS, layout.size))
        layout.electrode(states, 0)[1:] = np.eye(SHELLS)[:, :, None] * 1000.0
        shells = self.run(states, nothing, ["negative"])["negative"][:, 0, :, 0]
        shells = (shells[1:] - shells[0]).T / 1000.0
        # the slowest mode of the electrolyte is uniform; the network holds every concentration above a floor
        trial = np.zeros((2, layout.size))
        layout.electrolyte(trial)[:, 0] = 10.0, -10.0
        seen = self.run(trial, nothing, ["electrolyte"])["electrolyte"][:, 0, 0]
        rested = np.zeros(layout.liquid)
        rested[0] = SALT / seen.max() * (10.0 if seen[0] > seen[1] else -10.0)
        probe = np.zeros((1 + layout.liquid, layout.size))
        layout.electrolyte(probe)[:] = np.concatenate([np.zeros((1, layout.liquid)), np.eye(layout.liquid)]) * 0.5 + rested
        liquid = self.run(probe, nothing, ["electrolyte"])["electrolyte"][:, 0]
        liquid = (liquid[1:] - liquid[0]).T / 0.5
        return Basis(shells, np.linalg.inv(shells), liquid, rested, (point + 1) / 2, weight / 2)


@lru_cache(maxsize=2)
def open_network(content: bytes) -> Network:
    """Open a network on one thread.

    Parameters
    ----------
    content : bytes
        Of the ONNX file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return Network(onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]))


@lru_cache(maxsize=1)
def read_cell() -> dict[str, Any]:
    """Return what is known of the cell that the network was made for; see `training/pinn/cell.py`."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("cell.json").read_text("utf-8"))
    return found
