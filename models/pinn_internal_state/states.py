"""What a state of the network is, what a block of inputs is, and what the network's modes mean.

A state is one row: modes of both electrodes, modes of the electrolyte, logarithms of parameter factors, and what the sensors are off.
"""

from __future__ import annotations

import json
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
KELVIN = 273.15


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
        return int(self.offsets.stop)

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
        return np.asarray(self.modes.sum(axis=1))

    def to_positions(self, places: FloatArray) -> FloatArray:
        """Return the matrix (nodes, places) from values at the nodes to those of their polynomial at `places`."""
        rows = []
        for number, node in enumerate(self.nodes):
            others = np.delete(self.nodes, number)
            rows.append(np.prod((places[:, None] - others) / (node - others), axis=1))
        return np.stack(rows)


@lru_cache(maxsize=1)
def read_cell() -> dict[str, Any]:
    """Return what is known of the cell that the network was made for; see `training/pinn/cell.py`."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("cell.json").read_text("utf-8"))
    return found
