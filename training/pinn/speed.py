"""Time of the network for an hour, and of IDAKLU's DFN for the same hour, in one process.

    python -m training.pinn.speed [--seed 100000] [--repeats 200]

Without PyBaMM the second half is left out. The network's time covers 720 bins of 5 s to fields of both electrodes, one thread; binning of
the 3,601 samples is timed too and is part of the ratio. The DFN's time is that of `solve` on a model that is already built; the time to
build it stands beside it. Both run on one thread, and the ratio is that of CPU seconds, which a busy machine disturbs least; wall times
and the machine's load stand beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from training.pinn.evaluate_network import DATA_ONLY, WEIGHTS, Hybrid, bins_of, open_network
from training.pinn.profiles import DURATION, NOMINAL, Profile, dynamic_current, temperature

FIELDS = ("negative", "positive")


def hour(seed: int) -> Profile:
    """Return a dynamic hour that starts at 80 % and takes half of the charge. [A]"""
    current = dynamic_current(np.random.default_rng([20261124, seed]), 0.4) * NOMINAL
    return Profile("dynamic", seed, 25.0, 0.8, current)


def as_truth(profile: Profile) -> dict[str, Any]:
    """Return the parts of a simulated run that a network's inputs need, without a simulation."""
    from training.pinn import cell as cell_file

    cell = cell_file.load()
    kelvin = temperature(profile.current, profile.ambient)
    truth = {"current": profile.current, "temperature": kelvin, "soc": np.array(profile.soc)}
    for side in FIELDS:
        empty, full = cell["window"][side]
        start = (empty + profile.soc * (full - empty)) * cell[side]["largest"]
        truth[side] = np.full((20, 20, 1), start)
    return truth


def timed(work: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Return the wall and CPU time of `repeats` calls, after two that do not count. [ms]"""
    spent, busy = [], []
    for _ in range(repeats + 2):
        started, begun = time.perf_counter(), time.process_time()
        work()
        spent.append(1e3 * (time.perf_counter() - started))
        busy.append(1e3 * (time.process_time() - begun))
    wall, cpu = spent[2:], busy[2:]
    return {"median": round(median(wall), 3), "least": round(min(wall), 3), "cpu": round(median(cpu), 3)}


def network_seconds(path: Path, truth: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Time the full fields of both electrodes, 720 bins, one thread. [ms]"""
    import onnxruntime

    network = open_network(path)
    inputs = network.inputs(truth)
    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    session = network.session
    found: dict[str, Any] = {"bins": int(inputs["current"].shape[1]), "repeats": repeats}
    found["fields"] = timed(lambda: session.run(list(FIELDS), inputs, options), repeats)
    if isinstance(network, Hybrid):
        found["series"] = timed(lambda: session.run(["voltage", "margin"], inputs, options), repeats)
    found["binning"] = timed(lambda: bins_of(truth), repeats)
    return found


def solver_seconds(profile: Profile, repeats: int) -> dict[str, Any] | None:
    """Time IDAKLU's DFN on the same hour at 1 Hz; None without PyBaMM. [s]"""
    try:
        import pybamm

        from training.pinn.truth import POINTS, parameter_values
    except ImportError:
        return None
    pybamm.set_logging_level("ERROR")
    seconds = np.arange(DURATION + 1) * 1.0
    kelvin = temperature(profile.current, profile.ambient)
    values = parameter_values()
    values["Current function [A]"] = pybamm.Interpolant(seconds, profile.current, pybamm.t)
    values["Ambient temperature [K]"] = lambda y, z, t: pybamm.Interpolant(seconds, kelvin, t)
    values["Initial temperature [K]"] = kelvin[0]
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.DFN({"thermal": "isothermal"}),
        parameter_values=values,
        solver=pybamm.IDAKLUSolver(atol=1e-6, rtol=1e-6),
        var_pts=dict.fromkeys(("x_n", "x_s", "x_p", "r_n", "r_p"), POINTS),
    )
    spent, busy, solves = [], [], []
    for _ in range(repeats + 1):
        started, begun = time.perf_counter(), time.process_time()
        solution = simulation.solve([0, DURATION], t_interp=seconds, initial_soc=profile.soc)
        spent.append(time.perf_counter() - started)
        busy.append(time.process_time() - begun)
        solves.append(float(solution.solve_time.value))
    if solution.t[-1] < DURATION - 1:
        raise RuntimeError(f"the truth ended after {solution.t[-1]:.0f} s; choose another --seed")
    # the first call builds the model; in a later one all but a few milliseconds is the solver
    found = {"first_call_cpu": busy[0], "cpu": median(busy[1:]), "call": median(spent[1:]), "solve": median(solves[1:])}
    return {name: round(value, 3) for name, value in found.items()} | {"repeats": repeats}


def measure(weights: Path, seed: int, repeats: int, solves: int = 2) -> dict[str, Any]:
    """Return all times and, with PyBaMM, the ratio."""
    profile = hour(seed)
    before = os.getloadavg()[0]
    found: dict[str, Any] = {"network": network_seconds(weights, as_truth(profile), repeats)}
    if DATA_ONLY.is_file():
        found["data_only"] = network_seconds(DATA_ONLY, as_truth(profile), repeats)
    solver = solver_seconds(profile, solves) if solves else None
    if solver:
        found["solver"] = solver
        network = found["network"]
        found["ratio"] = round(1e3 * solver["cpu"] / (network["fields"]["cpu"] + network["binning"]["cpu"]), 1)
    found["load_before"], found["load_after"], found["cores"] = round(before, 2), round(os.getloadavg()[0], 2), os.cpu_count()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=200, help="of the network")
    parser.add_argument("--solves", type=int, default=2, help="of the DFN, after one that does not count")
    parser.add_argument("--keep", action="store_true", help="write training/pinn/results/speed.json")
    chosen = parser.parse_args()
    found = measure(chosen.weights, chosen.seed, chosen.repeats, chosen.solves)
    print(json.dumps(found, indent=1))
    if chosen.keep:
        from training.pinn.evaluate import RESULTS, record

        kept = record("speed", "shipped", 0, chosen.weights, {"seed": chosen.seed}, {"summary": found})
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "speed.json").write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
