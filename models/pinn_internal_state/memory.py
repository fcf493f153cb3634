"""What is carried from window to window: the belief at the open block's start, and the samples since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.pinn_internal_state.belief import Belief
from models.pinn_internal_state.bins import Samples
from models.pinn_internal_state.forward import Network
from models.pinn_internal_state.sei import Film
from models.pinn_internal_state.states import FloatArray

#: Radial modes that doubt is carried in from block to block; the ninth of the slower electrode forgets within 10 s.
CARRIED = 8
#: Significant digits of what is carried.
DIGITS = 7


@dataclass
class Memory:
    """State of the model.

    Attributes
    ----------
    network : Network
        That the beliefs are about.
    samples : Samples
        Of the open block, and the last one before it where no gap lies between.
    belief : Belief or None
        At the open block's start; None where nothing is known of the charge.
    before : Belief or None
        The last one before a gap: of parameters, offsets and balance.
    thickness : ndarray, shape (nodes,)
        Of the SEI along the negative electrode. [m]
    joined : bool
        Whether the first of the samples is the last one of the block before.
    width : float or None
        Of a bin. [s]
    misfits : int
        Blocks in a row that did not fit.
    alarm : int or None
        Start of the open alarm. [ms UTC]
    """

    network: Network
    samples: Samples
    thickness: FloatArray
    belief: Belief | None = None
    before: Belief | None = None
    joined: bool = False
    width: float | None = None
    misfits: int = 0
    alarm: int | None = None

    def to_state(self) -> dict[str, Any]:
        """Return strict JSON."""
        beliefs = {name: getattr(self, name) for name in ("belief", "before")}
        series = (self.samples.current, self.samples.voltage, self.samples.temperature)
        return {
            "samples": [self.samples.time.tolist(), *([None if v != v else v for v in row.tolist()] for row in series)],
            **{name: None if value is None else to_state(self.network, value) for name, value in beliefs.items()},
            "thickness": self.thickness.tolist(),
            **{name: getattr(self, name) for name in ("joined", "width", "misfits", "alarm")},
        }


def recall(network: Network, state: dict[str, Any]) -> Memory:
    """Return the memory of a state; a new one where there is none."""
    if not state:
        nothing = np.zeros(0)
        fresh = np.full(network.layout.nodes, Film().first_thickness)
        return Memory(network, Samples(np.zeros(0, np.int64), nothing, nothing, nothing), fresh)
    time, *series = state["samples"]
    rows = [np.array([np.nan if v is None else v for v in row], dtype=np.float64) for row in series]
    belief, before = (None if state[name] is None else from_state(network, state[name]) for name in ("belief", "before"))
    rest = {name: state[name] for name in ("joined", "width", "misfits", "alarm")}
    return Memory(network, Samples(np.array(time, np.int64), *rows), np.array(state["thickness"]), belief, before, **rest)


def carried(network: Network, belief: Belief) -> Belief:
    """Return the belief as it is carried: doubt in slow modes only, everything rounded."""
    directions = belief.directions.copy()
    for side in (0, 1):
        network.layout.electrode(directions, side)[:, CARRIED:] = 0.0
    return Belief(_rounded(belief.centre), _rounded(directions), float(_rounded(np.array([belief.unfit]))[0]))


def _rounded(values: FloatArray) -> FloatArray:
    size = np.abs(values)
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.where(size > 1e-30, size, 1.0))))
    return np.asarray(np.where(size > 1e-30, np.rint(values * scale) / scale, 0.0))


def to_state(network: Network, belief: Belief) -> dict[str, Any]:
    """Return strict JSON of a carried belief."""
    layout = network.layout
    particles = [layout.electrode(belief.directions, side)[:, :CARRIED].reshape(len(belief.directions), -1) for side in (0, 1)]
    short = np.concatenate([*particles, belief.directions[:, 2 * layout.particles :]], axis=1)
    return {"centre": belief.centre.tolist(), "directions": short.tolist(), "unfit": belief.unfit}


def from_state(network: Network, state: dict[str, Any]) -> Belief:
    """Return the belief that :func:`to_state` took apart."""
    layout = network.layout
    short = np.array(state["directions"])
    directions = np.zeros((len(short), layout.size))
    size = CARRIED * layout.nodes
    for side in (0, 1):
        part = short[:, side * size : (side + 1) * size].reshape(-1, CARRIED, layout.nodes)
        layout.electrode(directions, side)[:, :CARRIED] = part
    directions[:, 2 * layout.particles :] = short[:, 2 * size :]
    return Belief(np.array(state["centre"]), directions, float(state["unfit"]))
