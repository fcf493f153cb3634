"""What is carried from window to window: a working copy as arrays, strict JSON at rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.imbalance_analysis.frames import as_lists, from_lists
from models.imbalance_analysis.history import Entry
from models.imbalance_analysis.robust import FloatArray

#: Bands of SOC: low, middle, high, and float charge or balancing.
BANDS = ("low", "middle", "high", "float")
FLOAT = 3
#: A reading is frozen that stood still for four snapshots while the median moved by so much. [mV]
FROZEN, FROZEN_COUNT = 50.0, 4


@dataclass
class Run:
    """An open charge: its points, and what would end it."""

    begin: float = 0.0
    last: int = 0
    breaks: int = 0
    bin: int = -1
    points: list[list[float | None]] = field(default_factory=list)


@dataclass
class Hold:
    """Readings that stand still: value of every cell [mV], since how many snapshots, and where the median was meanwhile [mV]."""

    value: FloatArray
    count: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, cells: int) -> Hold:
        return cls(np.full(cells, np.nan), np.zeros(cells), np.full(cells, np.nan), np.full(cells, np.nan))

    def see(self, row: FloatArray, middle: float) -> None:
        """Take in one snapshot."""
        moved = np.isfinite(row) & (row != self.value)
        self.value = np.where(moved, row, self.value)
        self.count = np.where(moved, 1.0, self.count + np.isfinite(row))
        self.low = np.where(moved, middle, np.fmin(self.low, middle))
        self.high = np.where(moved, middle, np.fmax(self.high, middle))

    def frozen(self) -> npt.NDArray[np.bool_]:
        """Return which cells stood still while the median moved."""
        return (self.count >= FROZEN_COUNT) & (self.high - self.low >= FROZEN)


@dataclass
class Memory:
    """State of the model. Voltages in [mV], times in [ms].

    Attributes
    ----------
    cells : list of int
        The site's numbers of the cells.
    last : dict or None
        Last frame: time, current, cells, since when the current was small.
    slots : dict
        Last ten-minute slot at rest and under load, last minute with a step.
    charge, breaks : float, int
        Charge put in since the first sample [Ah]; how often a charge was broken off.
    day : dict
        Snapshots of the open day by band.
    days : dict
        Folded days by band.
    hold : Hold
        Readings that stand still.
    reference : dict
        First days by band: what block shifts are counted from.
    steps : array, shape (4, k)
        Sums over steps of current.
    step : dict or None
        The largest step: time, amperes, change of every cell.
    run, waiting, charges : Run, list, list
        The open charge, those that are over and not fitted yet, those fitted and folded.
    alarms : dict
        Open alarms by name.
    """

    cells: list[int]
    steps: FloatArray
    hold: Hold
    last: dict[str, Any] | None = None
    slots: dict[str, int] = field(default_factory=lambda: {"rest": -1, "load": -1, "step": -1})
    charge: float = 0.0
    breaks: int = 0
    resolution: float | None = None
    day: dict[str, list[list[float | None]]] = field(default_factory=dict)
    days: dict[str, list[Entry]] = field(default_factory=dict)
    reference: dict[str, Entry] = field(default_factory=dict)
    step: dict[str, Any] | None = None
    run: Run = field(default_factory=Run)
    charges: list[Entry] = field(default_factory=list)
    waiting: list[list[list[float | None]]] = field(default_factory=list)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    candidates: dict[str, int] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def step_of_voltage(self) -> float:
        """Resolution of the measurement, 1 mV before it has shown. [mV]"""
        return 1.0 if self.resolution is None else self.resolution

    def to_state(self) -> dict[str, Any]:
        """Return strict JSON."""
        state = {name: value for name, value in vars(self).items() if name not in ("steps", "run", "hold")}
        hold = {name: as_lists(value) for name, value in vars(self.hold).items()}
        return state | {"steps": as_lists(self.steps), "run": vars(self.run), "hold": hold}


def recall(state: dict[str, Any], cells: list[int]) -> Memory:
    """Return the memory of a state; a new one where there is none, or where it is of other cells.

    Alarms outlive a change of the cells, so that they are cleared and do not stay open for ever.
    """
    if state.get("cells") != cells:
        fresh = Memory(cells, np.zeros((4, len(cells))), Hold.of(len(cells)))
        fresh.alarms = state.get("alarms", {})
        return fresh
    hold = Hold(**{name: from_lists(value) for name, value in state["hold"].items()})
    return Memory(**{**state, "steps": from_lists(state["steps"]), "run": Run(**state["run"]), "hold": hold})
