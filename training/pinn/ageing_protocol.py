"""What a cell is aged by: temperature, window of charge, number of cycles; and where the truth of it is kept.

No PyBaMM here, so that tests, the explorer and the report can read the kept truth.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: Factor on OKane2022's SEI rate constant: its own 1e-12 m/s grows 1.5 um in 100 cycles, this loses 10-20 % in 1,000.
RATE_FACTOR = 4e-4
#: 1C [A], and the C-rates of discharge, charge and of the end of the hold.
NOMINAL, DISCHARGE, CHARGE, TAPER = 5.0, 1.0, 0.7, 0.05
#: Voltage limits of the cell. [V]
LOWEST, HIGHEST = 2.5, 4.2
#: Cycles of which the truth is kept, besides every 50th.
EARLY = (1, 2, 5, 10, 20)
#: Conditions of the kept truth, so ordered that any first part is of use: (temperature [degC], low, high).
CONDITIONS = ((25.0, 0.0, 1.0), (45.0, 0.0, 1.0), (25.0, 0.2, 0.8), (10.0, 0.0, 1.0), (35.0, 0.5, 1.0), (25.0, 0.5, 1.0))
KEPT = Path(__file__).parents[2] / "models" / "pinn_internal_state" / "sei_truth.json"
CELL = KEPT.with_name("cell.json")


@dataclass(frozen=True)
class Condition:
    """One ageing test: 1C discharge, 0.7C charge, hold to C/20, no rests, one temperature throughout.

    Attributes
    ----------
    temperature : float
        Of the whole cell. [°C]
    low, high : float
        Window of charge. The charge ends at the fresh cell's open-circuit voltage at `high` (4.2 V when it is 1), the discharge
        after (high - low) x 5 Ah or at 2.5 V. The cell starts rested at `high`.
    cycles : int
    """

    temperature: float = 25.0
    low: float = 0.0
    high: float = 1.0
    cycles: int = 1000

    def __post_init__(self) -> None:
        """Refuse what no cell can do."""
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"the window {self.low}-{self.high} is not inside 0-1 in rising order")
        if self.cycles < 1:
            raise ValueError(f"{self.cycles} cycles; at least 1 is needed")

    @property
    def name(self) -> str:
        """Name for files and tables."""
        return f"{self.temperature:g}C-{100 * self.low:g}-{100 * self.high:g}"

    @property
    def charge_voltage(self) -> float:
        """Voltage at which the charge ends and is held. [V]"""
        return HIGHEST if self.high == 1 else round(open_circuit_voltage(self.high), 3)

    @property
    def discharge(self) -> float:
        """Most charge that a discharge takes. [Ah]"""
        return (self.high - self.low) * NOMINAL

    def recorded(self) -> list[int]:
        """Cycles that are kept."""
        chosen = {*EARLY, *range(50, self.cycles + 1, 50), self.cycles}
        return sorted(number for number in chosen if number <= self.cycles)


def cell() -> dict[str, Any]:
    """Read the cell's numbers."""
    found: dict[str, Any] = json.loads(CELL.read_text())
    return found


def stoichiometries(soc: float) -> tuple[float, float]:
    """Negative and positive stoichiometry of the fresh cell at a state of charge."""
    window = cell()["window"]
    (empty, full), (empty_positive, full_positive) = window["negative"], window["positive"]
    return empty + soc * (full - empty), empty_positive + soc * (full_positive - empty_positive)


def open_circuit_voltage(soc: float) -> float:
    """Of the fresh cell at 25 °C. [V]"""
    known = cell()
    grid = np.linspace(0.0005, 0.9995, len(known["negative"]["potential"]))
    negative, positive = stoichiometries(soc)
    return float(
        np.interp(positive, grid, known["positive"]["potential"]) - np.interp(negative, grid, known["negative"]["potential"])
    )


def kept() -> dict[str, Any]:
    """Read the kept truth.

    Raises
    ------
    FileNotFoundError
        There is none: run ``python -m training.pinn.ageing --kept``.
    """
    if not KEPT.exists():
        raise FileNotFoundError(
            f"{KEPT} is not there; `python -m training.pinn.ageing --kept` computes it in about half an hour"
        )
    found: dict[str, Any] = json.loads(KEPT.read_text())
    return found
