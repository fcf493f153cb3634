"""Files of simulated cells: one compressed npz a cell, clean curves and capacities, no noise and no label but what gives one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.soh.modes.cases import Case, Condition
from training.soh.modes.labels import shares

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Life:
    """A simulated cell as its file has it.

    Attributes
    ----------
    name, population, model : str
    condition : Condition
    nominal : float
        [Ah]
    arrays : dict
        As `life.live` returns them, and `capacity_without` (4, 1 + looks) of the counterfactual lives. [Ah]
    """

    name: str
    population: str
    model: str
    condition: Condition
    nominal: float
    arrays: dict[str, FloatArray]

    @property
    def looks(self) -> int:
        """Count of looks after the beginning."""
        return len(self.arrays["capacity"]) - 1

    def fade(self, look: int) -> float:
        """Return the C/5 capacity lost since the beginning. [1]"""
        capacity = self.arrays["capacity"]
        return float(1.0 - capacity[look] / capacity[0])

    def shares(self, look: int) -> FloatArray:
        """Return the share of each mechanism in that fade, from the counterfactual lives. [1]"""
        without = self.arrays["capacity_without"]
        return shares(self.fade(look), 1.0 - without[:, look] / without[:, 0])


def path_of(folder: Path, case: Case) -> Path:
    """Return the file of a cell."""
    return folder / f"cell-{case.seed}-{case.number:05d}.npz"


def failure_path(folder: Path, case: Case) -> Path:
    """Return the file that says why a cell could not be simulated."""
    return folder / f"failed-{case.seed}-{case.number:05d}.json"


def write(folder: Path, case: Case, arrays: dict[str, FloatArray], nominal: float, model: str) -> None:
    """Write a cell's file at once or not at all."""
    about: dict[str, Any] = {
        "population": case.population,
        "model": model,
        "condition": [case.condition.parameters, case.condition.temperature, case.condition.charge_rate],
        "spread": list(case.spread),
        "wished": case.shares.tolist(),
        "nominal": nominal,
    }
    path = path_of(folder, case)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]
    os.replace(part, path)


def read(path: Path) -> Life:
    """Read a cell's file."""
    with np.load(path) as stored:
        about = json.loads(str(stored["about"]))
        arrays = {name: np.asarray(stored[name], float) for name in stored.files if name != "about"}
    parameters, temperature, rate = about["condition"]
    condition = Condition(str(parameters), float(temperature), float(rate))
    return Life(path.stem, about["population"], about["model"], condition, float(about["nominal"]), arrays)
