"""Truth of SEI growth: many cycles of the Doyle-Fuller-Newman model with PyBaMM.

    python -m training.pinn.ageing --temperature 30 --window 0.1 0.9 --cycles 100     # one condition, printed
    python -m training.pinn.ageing --kept                                             # all kept conditions, resumable

The model is PyBaMM's own with ``{"SEI": "ec reaction limited"}``, whose default couples the film's resistance into the kinetics
("distributed"); porosity change, plating and loss of active material are off. Only the rate constant is scaled. Work goes in parts
of 100 cycles; the state after each is kept in a folder, so that a killed run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")

import numpy as np
import pybamm

from training.pinn import ageing_protocol as protocol
from training.pinn.ageing_protocol import Condition

PART = 100
POINTS = 20
#: Relative tolerance of the solver: 1e-5 instead changes the lithium lost in 12 cycles by 2e-5 of it.
TOLERANCE = 1e-4
_THICKNESS = "Negative SEI thickness [m]"
_LOST = "Loss of capacity to negative SEI [A.h]"


def parameter_values(condition: Condition, factor: float = protocol.RATE_FACTOR) -> pybamm.ParameterValues:
    """OKane2022 at one temperature, its SEI rate constant scaled."""
    values = pybamm.ParameterValues("OKane2022")
    values["Ambient temperature [K]"] = values["Initial temperature [K]"] = condition.temperature + 273.15
    values["SEI kinetic rate constant [m.s-1]"] = factor * values["SEI kinetic rate constant [m.s-1]"]
    return values


def cycle_steps(condition: Condition) -> tuple[str, str, str]:
    """One cycle in the words of PyBaMM."""
    top, seconds = condition.charge_voltage, round(condition.discharge / protocol.NOMINAL * 3600)
    return (
        f"Discharge at {protocol.DISCHARGE}C for {seconds} seconds or until {protocol.LOWEST} V",
        f"Charge at {protocol.CHARGE}C until {top} V",
        f"Hold at {top} V until {protocol.NOMINAL * protocol.TAPER} A",
    )


def simulate(
    condition: Condition, cycles: int, kind: str, state: dict[str, np.ndarray] | None, save: list[int], period: str = "1 hour"
) -> pybamm.Solution:
    """Simulate cycles from a state, or from rest at the window's top; fields are kept of the cycles in `save`, counted from 1."""
    pybamm.set_logging_level("ERROR")
    model = getattr(pybamm.lithium_ion, kind)({"SEI": "ec reaction limited", "thermal": "isothermal"})
    if state is not None:
        model.set_initial_conditions_from({name: values[:, None] for name, values in state.items()})
    simulation = pybamm.Simulation(
        model,
        parameter_values=parameter_values(condition),
        experiment=pybamm.Experiment([cycle_steps(condition)] * cycles, period=period),
        solver=pybamm.IDAKLUSolver(atol=1e-6, rtol=TOLERANCE),
        var_pts=dict.fromkeys(("x_n", "x_s", "x_p", "r_n", "r_p"), POINTS),
    )
    start = None if state is not None else condition.high
    return simulation.solve(initial_soc=start, calc_esoh=False, save_at_cycles=save)


def last_state(solution: pybamm.Solution) -> dict[str, np.ndarray]:
    """Physical values of every unknown at the end, by name."""
    last = solution.last_state
    model, y = last.all_models[-1], np.asarray(last.y)[:, -1]
    state = {}
    for variable, (where, *_rest) in model.y_slices.items():
        state[variable.name] = variable.reference.evaluate() + variable.scale.evaluate() * np.ravel(y[where])
    return state


def _summary(cycle: pybamm.Solution, hours: float) -> dict[str, Any]:
    """Numbers of one cycle that are kept."""
    thickness = np.asarray(cycle[_THICKNESS].entries)[..., -1] * 1e9
    mean = float(np.asarray(cycle["X-averaged negative SEI thickness [m]"].entries)[-1]) * 1e9
    return {
        "hours": round(hours + float(cycle.t[-1]) / 3600, 5),
        "thickness": round(mean, 6),
        "thickness_ends": [round(float(thickness[0]), 6), round(float(thickness[-1]), 6)],
        "lost": round(float(cycle[_LOST].entries[-1]), 9),
        "capacity": round(float(np.ptp(cycle["Discharge capacity [A.h]"].entries)), 6),
    }


def age(condition: Condition, kind: str = "DFN", folder: Path | None = None) -> dict[str, Any]:
    """Age a cell.

    Parameters
    ----------
    condition : Condition
    kind : str
        Model of PyBaMM, ``DFN`` or ``SPMe``.
    folder : Path, optional
        Where the state after each part is kept; a run that finds one there goes on from it.

    Returns
    -------
    dict
        Settings, and lists over the recorded cycles: ``cycle``, ``hours``, ``thickness`` and ``thickness_ends`` (at the
        collector and at the separator) [nm], ``lost`` [Ah], ``capacity`` of the discharge [Ah].
    """
    done, cpu, hours, rows, state = 0, 0.0, 0.0, [], None
    path = None if folder is None else folder / f"{kind}-{condition.name}.npz"
    if path is not None and path.exists():
        with np.load(path) as file:
            known = json.loads(str(file["progress"]))
            state = {name[2:]: file[name] for name in file.files if name.startswith("y:")}
        done, cpu, hours, rows = (known[key] for key in ("done", "cpu", "hours", "rows"))
    while done < condition.cycles:
        started, count = time.process_time(), min(PART, condition.cycles - done)
        save = [number - done for number in condition.recorded() if done < number <= done + count]
        solution = simulate(condition, count, kind, state, save)
        rows += [{"cycle": done + number, **_summary(solution.cycles[number - 1], hours)} for number in save]
        state, hours, done = last_state(solution), hours + float(solution.t[-1]) / 3600, done + count
        cpu += time.process_time() - started
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            progress = json.dumps({"done": done, "cpu": cpu, "hours": hours, "rows": rows})
            np.savez(path.with_suffix(".tmp.npz"), progress=progress, **{f"y:{name}": value for name, value in state.items()})
            path.with_suffix(".tmp.npz").replace(path)
        print(f"{kind} {condition.name}: {done} of {condition.cycles} cycles, {cpu:.0f} CPU s, {rows[-1]}", flush=True)
    settings = {"temperature": condition.temperature, "window": [condition.low, condition.high], "cycles": condition.cycles,
                "charge_voltage": condition.charge_voltage, "model": kind, "cpu_seconds": round(cpu, 1)}  # fmt: skip
    return settings | {key: [row[key] for row in rows] for key in rows[0]}


def keep_trace(path: Path, condition: Condition) -> None:
    """Keep the second cycle's potential behind the film and the film before and after, for a test that needs no PyBaMM."""
    cycle = simulate(condition, 2, "DFN", None, [1, 2], period="10 seconds").cycles[1]
    thickness = np.asarray(cycle[_THICKNESS].entries)
    flux = np.asarray(cycle["Negative electrode interfacial current density [A.m-2]"].entries)
    difference = np.asarray(cycle["Negative electrode surface potential difference [V]"].entries)
    behind = difference - flux * thickness * parameter_values(condition)["SEI resistivity [Ohm.m]"]
    lost = np.asarray(cycle[_LOST].entries)[[0, -1]]
    ends = {"before": thickness[:, 0], "after": thickness[:, -1], "lost": lost}
    kelvin = condition.temperature + 273.15
    np.savez_compressed(path, time=cycle.t - cycle.t[0], potential=behind.T.astype(np.float32), kelvin=kelvin, **ends)


def keep(folder: Path, cycles: int = 1000) -> None:
    """Compute the kept truth, and SPMe beside it; the file is written anew after each condition."""
    found = []
    for temperature, low, high in protocol.CONDITIONS:
        found += [age(Condition(temperature, low, high, cycles), kind, folder) for kind in ("DFN", "SPMe")]
        content = {
            "about": "SEI growth by PyBaMM (training/pinn/ageing.py); thickness [nm], lost and capacity [Ah], time [h]",
            "settings": {"parameters": "OKane2022", "pybamm": pybamm.__version__, "SEI": "ec reaction limited",
                         "SEI film resistance": "distributed", "rate_factor": protocol.RATE_FACTOR, "points": POINTS,
                         "rtol": TOLERANCE, "seed": None, "steps": list(cycle_steps(Condition()))},
            "conditions": found,
        }  # fmt: skip
        protocol.KEPT.write_text(
            json.dumps(content, separators=(",", ":")).replace('{"temperature"', '\n{"temperature"') + "\n"
        )


def main() -> None:
    """Age from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--temperature", type=float, default=25.0, help="of the cell [degC]")
    parser.add_argument("--window", type=float, nargs=2, default=(0.0, 1.0), metavar=("LOW", "HIGH"))
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--model", choices=("DFN", "SPMe"), default="DFN")
    parser.add_argument("--kept", action="store_true", help="compute models/pinn_internal_state/sei_truth.json")
    parser.add_argument("--trace", type=Path, help="keep the second cycle for a test, tests/pinn_sei_cycle.npz")
    parser.add_argument(
        "--folder", type=Path, help="keeps the state after each part here; with --kept: training-work/pinn/ageing"
    )
    chosen = parser.parse_args()
    if chosen.kept:
        keep(chosen.folder or Path("training-work/pinn/ageing"))
        return
    condition = Condition(chosen.temperature, *chosen.window, chosen.cycles)
    if chosen.trace:
        keep_trace(chosen.trace, condition)
    else:
        print(json.dumps(age(Condition(chosen.temperature, *chosen.window, chosen.cycles), chosen.model, chosen.folder)))


if __name__ == "__main__":
    main()
