"""What is carried from window to window: the open charge, and of the past no more than the figures need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.neural_soh.forecast import History
from models.neural_soh.modes.reference import Reference
from models.neural_soh.resistance import Course
from models.neural_soh.segments import FloatArray


@dataclass
class Memory:
    """State of the model.

    Attributes
    ----------
    charging : dict
        Of the search for charges, strict JSON.
    charges : int
        Estimated so far.
    last : list of ndarray, each shape (63,)
        Features of the last charges that were estimated, oldest first; NaN where not seen.
    health : History
        Of the estimates.
    reference : Reference
        The cell's first charges, which failure modes are told against.
    resistance : Course
    """

    charging: dict[str, Any] = field(default_factory=dict)
    charges: int = 0
    last: list[FloatArray] = field(default_factory=list)
    health: History = field(default_factory=History)
    reference: Reference = field(default_factory=Reference)
    resistance: Course = field(default_factory=Course)

    def to_state(self) -> dict[str, Any]:
        """Return strict JSON."""
        return {
            "charging": self.charging,
            "charges": self.charges,
            "last": [[None if value != value else value for value in row.tolist()] for row in self.last],
            "health": self.health.to_state(),
            "reference": self.reference.to_state(),
            "resistance": [self.resistance.first, self.resistance.last],
        }


def recall(state: dict[str, Any]) -> Memory:
    """Return the memory of a state; a new one where there is none."""
    if not state:
        return Memory()
    rows = [np.array([np.nan if value is None else value for value in row], dtype=np.float64) for row in state["last"]]
    first, last = state["resistance"]
    return Memory(
        state["charging"], int(state["charges"]), rows, History.from_state(state["health"]),
        Reference.from_state(state["reference"]), Course([list(pair) for pair in first], list(last)),
    )  # fmt: skip
