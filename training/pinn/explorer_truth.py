"""The truth on the explorer's nodes: constant-current discharges from full, and charges from empty, of fresh and aged cells.

    python -m training.pinn.explorer_truth            # about six minutes; writes models/pinn_internal_state/explorer_truth.xz

Ageing here is the lithium that the SEI took: it shifts the stoichiometry window and does nothing else. A run ends at the voltage
limit, or before it when the electrolyte anywhere falls below 50 mol/m3, where the parameter set's electrolyte laws end.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")

import numpy as np

from models.pinn_internal_state.explorer import HIGHEST, LEAST_ELECTROLYTE, LOWEST, TRUTH, cell, lithium_lost, start_of
from models.pinn_internal_state.explorer_store import Run, pack

TEMPERATURES = (-10.0, 0.0, 10.0, 25.0, 35.0, 45.0, 60.0)
RATES = (0.5, 1.0, 2.0, 3.0, 5.0)
CYCLES = (0, 500, 1000)
#: +1: discharge; -1: charge.
DIRECTIONS = (1, -1)
#: Rows of r and cells of x that are kept of the truth's 20, and instants from the start to the end of a run.
KEPT = np.linspace(0, 19, 10).round().astype(int)
INSTANTS = 32
_MARGIN = "Negative electrode surface potential difference at separator interface [V]"


def simulation_of(node: tuple[float, float, int], start: tuple[float, float]) -> Any:
    """Return the Doyle-Fuller-Newman simulation of a node at constant temperature.

    Parameters
    ----------
    node : (float, float, int)
        Temperature [°C], C-rate [1/h], direction.
    start : (float, float)
        Uniform concentrations at the start, negative and positive. [mol/m3]
    """
    import pybamm

    pybamm.set_logging_level("ERROR")
    celsius, rate, direction = node
    values = pybamm.ParameterValues("OKane2022")
    values.update(
        {
            "Current function [A]": direction * rate * 5.0,
            "Ambient temperature [K]": celsius + 273.15,
            "Initial temperature [K]": celsius + 273.15,
            "Initial concentration in negative electrode [mol.m-3]": start[0],
            "Initial concentration in positive electrode [mol.m-3]": start[1],
            "Lower voltage cut-off [V]": LOWEST if direction > 0 else 0.5,
            "Upper voltage cut-off [V]": HIGHEST if direction < 0 else 5.0,
        }
    )
    return pybamm.Simulation(
        pybamm.lithium_ion.DFN({"thermal": "isothermal"}),
        parameter_values=values,
        solver=pybamm.IDAKLUSolver(atol=1e-6, rtol=1e-6),
        var_pts=dict.fromkeys(("x_n", "x_s", "x_p", "r_n", "r_p"), 20),
    )


def run_of(node: tuple[float, float, int], start: tuple[float, float]) -> Run:
    """Simulate a node; a run that stands beyond its voltage limit from the first instant on has no length."""
    import pybamm

    longest = 3600 / node[1] * 1.25
    asked = np.unique(np.concatenate([np.linspace(0, min(60.0, longest), 241), np.linspace(0, longest, 700)]))
    try:
        solution = simulation_of(node, start).solve([0, longest], t_interp=asked)
    except pybamm.SolverError:
        return Run.empty(len(KEPT), INSTANTS)
    seconds = solution.t
    least = solution["Electrolyte concentration [mol.m-3]"].entries.min(axis=0)
    dry = np.flatnonzero(least < LEAST_ELECTROLYTE)
    end = float(seconds[max(dry[0] - 1, 0)] if len(dry) else seconds[-1])
    if end < 1.0:
        return Run.empty(len(KEPT), INSTANTS)
    at = np.linspace(0, end, INSTANTS)

    def kept(name: str) -> np.ndarray:
        entries = solution[name].entries
        flat = entries.reshape(-1, entries.shape[-1])
        return np.stack([np.interp(at, seconds, row) for row in flat]).reshape(*entries.shape[:-1], INSTANTS)

    fields = {}
    for side in ("negative", "positive"):
        title = side.capitalize()
        whole = kept(f"{title} particle concentration [mol.m-3]")[KEPT]
        places = np.stack([whole.mean(axis=1), whole[:, 0], whole[:, -1]])
        fields[side] = places
        fields[f"{side}_surface"] = kept(f"{title} particle surface concentration [mol.m-3]")[KEPT]
    return Run(end, float(seconds[-1]), kept("Voltage [V]"), kept(_MARGIN), fields)


def main() -> None:
    """Simulate every node and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=TRUTH)
    output = parser.parse_args().output
    nodes, runs, began = [], [], time.monotonic()
    every = list(itertools.product(TEMPERATURES, RATES, CYCLES, DIRECTIONS))
    for number, (celsius, rate, cycle, direction) in enumerate(every, 1):
        lost = lithium_lost(cycle, celsius)
        run = run_of((celsius, rate, direction), tuple(float(each) for each in start_of(lost, direction > 0)))
        nodes.append((celsius, rate, cycle, direction, lost))
        runs.append(run)
        if number % 20 == 0 or number == len(every):
            print(
                f"{number} of {len(every)}, {time.monotonic() - began:.0f} s: {nodes[-1]} ends at {run.end:.0f} s", flush=True
            )
    pack(output, nodes, KEPT, runs, cell())
    print(f"{output}: {output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
