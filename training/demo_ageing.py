"""Asset `ageing-cell`: 300 cycles of an NMC 811 cell that loses lithium and active material."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pybamm
from demo_asset import Asset, clock, quantise
from demo_cells import FloatArray
from demo_dirt import Dirt, iso

NAME = "ageing-cell"
SEED = 20250303
START = pd.Timestamp("2025-03-03T08:00:00Z")
CYCLES = 300
STEP = 60.0  # s
CAPACITY = 5.0  # Ah
PARAMETER_SET = "OKane2022"
PROTOCOL = (
    "Discharge at 1C until 2.8 V",
    "Rest for 30 minutes",
    "Charge at 0.5C until 4.2 V",
    "Hold at 4.2 V until C/20",
    "Rest for 30 minutes",
)
OPTIONS = {
    "SEI": "solvent-diffusion limited",
    "SEI film resistance": "average",
    "particle mechanics": "swelling only",
    "loss of active material": "stress-driven",
    "thermal": "lumped",
}
# Ageing is made faster than the published set so that a demo of two months shows it.
FASTER = {
    "SEI solvent diffusivity [m2.s-1]": 300.0,
    "SEI resistivity [Ohm.m]": 0.2,
    "Negative electrode LAM constant proportional term [s-1]": 25.0,
    "Positive electrode LAM constant proportional term [s-1]": 12.0,
}
LOSSES = {
    "equilibrium_capacity_ah": ("Capacity [A.h]", 4),
    "lithium_inventory_loss_pct": ("Loss of lithium inventory [%]", 3),
    "negative_material_loss_pct": ("Loss of active material in negative electrode [%]", 3),
    "positive_material_loss_pct": ("Loss of active material in positive electrode [%]", 3),
    "sei_capacity_loss_ah": ("Loss of capacity to negative SEI [A.h]", 4),
}


@dataclass
class CyclerLog:
    """Rows as a cycler writes them: every 60 s of a step, and its first and last second."""

    time: list[FloatArray]
    current: list[FloatArray]
    voltage: list[FloatArray]
    temperature: list[FloatArray]

    def add(self, step: Any) -> None:
        """Append one solved step; charge becomes positive and kelvin becomes degC."""
        own = step.t - step.t[0]
        grid = np.unique(np.concatenate([[1.0], np.arange(STEP, own[-1] - 1.0, STEP), [own[-1]]]))
        self.time.append(step.t[0] + grid)
        self.current.append(np.interp(grid, own, -step["Current [A]"].entries))
        self.voltage.append(np.interp(grid, own, step["Voltage [V]"].entries))
        kelvin = step["X-averaged cell temperature [K]"].entries
        self.temperature.append(np.interp(grid, own, kelvin - 273.15))


def solve() -> Any:
    """Run the ageing test with PyBaMM.

    Returns
    -------
    Solution
        All cycles at 60 s.

    References
    ----------
    O'Kane et al., Lithium-ion battery degradation: how to model it, 2022, doi:10.1039/D2CP00417H
    """
    values = pybamm.ParameterValues(PARAMETER_SET)
    values.update({name: values[name] * factor for name, factor in FASTER.items()})
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPM(dict(OPTIONS)),
        parameter_values=values,
        experiment=pybamm.Experiment([PROTOCOL] * CYCLES, period=f"{STEP:.0f} seconds"),
        solver=pybamm.IDAKLUSolver(rtol=1e-6, atol=1e-8),
    )
    return simulation.solve(initial_soc=1.0, showprogress=False)


def cycle_truth(solution: Any) -> dict[str, Any]:
    """Measure every cycle on the noiseless solution.

    Parameters
    ----------
    solution
        The solved ageing test.

    Returns
    -------
    dict
        Start of each cycle; capacity of its 1C discharge to 2.8 V [Ah]; resistance, voltage step
        at the start of the discharge divided by the current step [mohm]; losses by cause.
    """
    starts: list[float] = []
    capacity: list[float] = []
    resistance: list[float | None] = []
    before: float | None = None
    for cycle in solution.cycles:
        discharge = cycle.steps[0]
        starts.append(float(discharge.t[0]))
        counted = discharge["Discharge capacity [A.h]"].entries
        capacity.append(round(float(counted[-1] - counted[0]), 4))
        voltage = float(discharge["Voltage [V]"].entries[0])
        drop = None if before is None else round((before - voltage) / CAPACITY * 1e3, 3)
        resistance.append(drop)
        before = float(cycle.steps[-1]["Voltage [V]"].entries[-1])
    truth: dict[str, Any] = {
        "start": [iso(time) for time in clock(START, np.array(starts))],
        "capacity_ah": capacity,
        "resistance_mohm": resistance,
    }
    for name, (variable, digits) in LOSSES.items():
        series = np.asarray(solution.summary_variables[variable], dtype=float)
        truth[name] = [round(float(value), digits) for value in series[-CYCLES:]]
    return truth


def logged(time: FloatArray, log: dict[str, FloatArray], random: np.random.Generator) -> pd.DataFrame:
    """Table of the cycler: noise and resolution of each sensor; the chamber breathes by 0.3 K."""
    rows = time.size
    chamber = 0.3 * np.sin(2 * np.pi * time / 86400) + random.normal(0, 0.05, rows)
    return pd.DataFrame(
        {
            "time": clock(START, time),
            "current_a": quantise(log["current"] + random.normal(0, 0.002, rows), 0.002),
            "voltage_v": quantise(log["voltage"] + random.normal(0, 0.0005, rows), 0.001),
            "temp_c": quantise(log["temperature"] + chamber, 0.1),
        }
    )


def soil(table: pd.DataFrame) -> Dirt:
    """Put the faults of the demo into the table."""
    dirt = Dirt(table, SEED + 1)
    dirt.gap("2025-03-09T02:00:00Z", 360)
    dirt.gap("2025-03-21T13:30:00Z", 45)
    dirt.gap("2025-04-05T20:10:00Z", 150)
    dirt.gap("2025-04-14T06:00:00Z", 20)
    dirt.freeze("temp_c", "2025-03-28T10:00:00Z", 8)
    dirt.block("sentinel", "voltage_v", "2025-03-15T12:00:00Z", 6, 65.535)
    dirt.scatter("sentinel", "voltage_v", 6, 65.535)
    dirt.block("zero_on_live_cell", "voltage_v", "2025-04-09T08:00:00Z", 5, 0.0)
    dirt.scatter("sentinel", "temp_c", 8, 6553.5)
    dirt.scatter("missing", "current_a", 10, None)
    dirt.scatter("missing", "voltage_v", 10, None)
    dirt.block("missing", "temp_c", "2025-04-01T00:00:00Z", 40, None)
    dirt.duplicate(80)
    dirt.conflict("voltage_v", 6, 0.012)
    dirt.shuffle("2025-03-18T05:00:00Z", 50)
    dirt.shuffle("2025-04-11T22:00:00Z", 80)
    dirt.late("2025-03-12T16:00:00Z", 120)
    dirt.late("2025-04-07T03:00:00Z", 60)
    return dirt


def mapping() -> dict[str, Any]:
    """Ingest mapping of the cell."""
    return {
        "asset": {
            "name": "NMC ageing cell (demo)",
            "tags": ["demo"],
            "time_zone": "Europe/Berlin",
            "positive_current": "charge",
            "parameters": {"Capacity": CAPACITY, "Chemistry": "NMC", "Cells in series": 1},
        },
        "time": {"column": "time", "time_zone": "UTC"},
        "columns": {
            "current_a": {"sensor": "Current", "unit": "A"},
            "voltage_v": {"sensor": "Voltage", "unit": "V"},
            "temp_c": {"sensor": "Cell Temperature", "unit": "degC"},
        },
    }


def simulate() -> Asset:
    """Simulate the ageing test and soil its log."""
    solution = solve()
    log = CyclerLog([], [], [], [])
    for cycle in solution.cycles:
        for step in cycle.steps:
            log.add(step)
    time = np.concatenate(log.time)
    names = ("current", "voltage", "temperature")
    signals = {name: np.concatenate(getattr(log, name)) for name in names}
    table = logged(time, signals, np.random.default_rng(SEED))
    cycles = cycle_truth(solution)
    truth = {
        "seed": SEED,
        "parameter_set": PARAMETER_SET,
        "model_options": OPTIONS,
        "parameter_factors": FASTER,
        "protocol": list(PROTOCOL),
        "cycle_count": len(cycles["start"]),
        "cycles": cycles,
    }
    current, voltage = signals["current"], signals["voltage"]
    dirt = soil(table)
    return Asset(NAME, START, time, current, voltage, dirt, mapping(), CAPACITY, 600.0, truth)
