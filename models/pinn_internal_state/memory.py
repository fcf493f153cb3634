"""What is carried from window to window: the belief at the open block's start, and the samples since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.pinn_internal_state.belief import Belief, from_state, to_state
from models.pinn_internal_state.bins import Samples
from models.pinn_internal_state.forward import FloatArray, Network
from models.pinn_internal_state.sei import Film


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
    beliefs = {name: None if state[name] is None else from_state(network, state[name]) for name in ("belief", "before")}
    rest = {name: state[name] for name in ("joined", "width", "misfits", "alarm")}
    return Memory(network, Samples(np.array(time, np.int64), *rows), np.array(state["thickness"]), **beliefs, **rest)
