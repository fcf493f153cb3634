"""The truth: Doyle-Fuller-Newman simulations with PyBaMM on a mesh of 20 points, with prescribed current and temperature.

Traps this module knows (measured in `documentation/explanation/pinn.md`): IDAKLU returns its own times unless `t_interp` is
given; ``sol[name](t)`` adds the edges of the mesh, ``.entries`` does not; absolute tolerances under 1e-6 fail at the first step; after
a long rest the solver may step over a short pulse, so the charge that passed is compared with the current, and steps are kept short if need be.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")

import numpy as np
import pybamm

from training.pinn.profiles import DURATION, NOMINAL, Profile, temperature

#: Bins of the model's input, and of every stored field. [s]
BIN = 5
POINTS = 20
#: Voltage at which a simulation is ended: wider than the cell's own limits, so that cold, hard loads are seen. [V]
LOWEST, HIGHEST = 2.0, 4.5
#: Charge that a solution may be off its current: after a long rest the solver may step over a pulse, and does not say so. [Ah]
LARGEST_MISSED = 1e-3
_FIELDS = {
    "negative": "Negative particle concentration [mol.m-3]",
    "positive": "Positive particle concentration [mol.m-3]",
    "electrolyte": "Electrolyte concentration [mol.m-3]",
    "negative_flux": "Negative electrode interfacial current density [A.m-2]",
    "positive_flux": "Positive electrode interfacial current density [A.m-2]",
}
_SEPARATOR = "Negative electrode surface potential difference at separator interface [V]"


class EndedEarlyError(Exception):
    """A simulation that ended before ten minutes; the profile does not fit the cell."""


def parameter_values(name: str = "OKane2022", scales: Mapping[str, float] | None = None) -> pybamm.ParameterValues:
    """Return a parameter set, with some of its values multiplied.

    Parameters
    ----------
    name : str
        A parameter set of PyBaMM.
    scales : mapping, optional
        Factor by PyBaMM's name of the parameter: a number, or a function such as an exchange-current density.
    """
    values = pybamm.ParameterValues(name)
    for key, factor in (scales or {}).items():
        original = values[key]
        if callable(original):
            values[key] = lambda *inputs, original=original, factor=factor: factor * original(*inputs)
        else:
            values[key] = factor * original
    values["Lower voltage cut-off [V]"], values["Upper voltage cut-off [V]"] = LOWEST, HIGHEST
    return values


def _charge_current(profile: Profile, values: pybamm.ParameterValues, points: int) -> np.ndarray:
    """Return the current of a constant-current - constant-voltage charge (4.2 V, C/20) and the rest after it. [A]"""
    ampere = -float(profile.current[1])
    experiment = pybamm.Experiment(
        [(f"Charge at {ampere} A until 4.2 V", f"Hold at 4.2 V until {NOMINAL / 20} A", "Rest for 60 minutes")],
        period="1 second",
    )
    cell = values.copy()
    cell["Ambient temperature [K]"] = cell["Initial temperature [K]"] = profile.ambient + 273.15
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.DFN({"thermal": "isothermal"}),
        parameter_values=cell,
        experiment=experiment,
        solver=pybamm.IDAKLUSolver(),
        var_pts=_mesh(points),
    )
    solution = simulation.solve(initial_soc=profile.soc)
    seconds, current = solution.t, solution["Current [A]"].entries
    current = np.interp(np.arange(DURATION + 1), seconds, current)
    current[0] = 0.0
    return current


def _charge_missed(solution: pybamm.Solution, current: np.ndarray) -> float:
    """Return the largest difference between the charge that a solution passed and that of its current. [Ah]"""
    passed = solution["Discharge capacity [A.h]"].entries
    counted = np.concatenate([[0.0], np.cumsum((current[1:] + current[:-1]) / 2)]) / 3600
    return float(np.abs(passed - counted[: len(passed)]).max())


def _mesh(points: int) -> dict[str, int]:
    return dict.fromkeys(("x_n", "x_s", "x_p", "r_n", "r_p"), points)


def simulate(
    profile: Profile,
    parameters: str = "OKane2022",
    scales: Mapping[str, float] | None = None,
    points: int = POINTS,
    tolerance: float = 1e-6,
) -> dict[str, Any]:
    """Simulate a profile.

    Returns
    -------
    dict of arrays
        ``current``, ``temperature``, ``voltage``, ``anode`` one value a second [A, K, V, V]; at the end of each bin of 5 s, and
        at the start, ``negative`` and ``positive`` (points of r, points of x, bins + 1), ``electrolyte`` (3 x points, bins + 1)
        [mol/m3] and ``negative_flux``, ``positive_flux`` (points of x, bins + 1) [A/m2].

    Raises
    ------
    EndedEarlyError
        The simulation ended before ten minutes.
    """
    pybamm.set_logging_level("ERROR")
    values = parameter_values(parameters, scales)
    seconds = np.arange(DURATION + 1) * 1.0
    current = _charge_current(profile, values, points) if profile.kind == "charge" else profile.current
    kelvin = temperature(current, profile.ambient)
    values["Current function [A]"] = pybamm.Interpolant(seconds, current, pybamm.t)
    values["Ambient temperature [K]"] = lambda y, z, t: pybamm.Interpolant(seconds, kelvin, t)
    values["Initial temperature [K]"] = kelvin[0]
    for longest in (None, 2.0):
        simulation = pybamm.Simulation(
            pybamm.lithium_ion.DFN({"thermal": "isothermal"}),
            parameter_values=values,
            solver=pybamm.IDAKLUSolver(atol=1e-6, rtol=tolerance, options={} if longest is None else {"dt_max": longest}),
            var_pts=_mesh(points),
        )
        solution = simulation.solve([0, DURATION], t_interp=seconds, initial_soc=profile.soc)
        missed = _charge_missed(solution, current)
        if missed < LARGEST_MISSED:
            break
    else:
        raise RuntimeError(f"seed {profile.seed} at {profile.ambient} °C: the simulation missed {missed:.3g} Ah of the current")
    whole = int(np.searchsorted(solution.t, np.floor(solution.t[-1]) + 1e-9, "right"))
    count = (whole - 1) // BIN * BIN + 1
    if count <= 600:
        raise EndedEarlyError(f"seed {profile.seed} at {profile.ambient} °C ended after {solution.t[-1]:.0f} s")
    if not np.array_equal(solution.t[:count], seconds[:count]):
        raise RuntimeError("the solver did not return the times that were asked for; see t_interp in this module's head")
    result: dict[str, Any] = {
        "current": current[:count],
        "temperature": kelvin[:count],
        "voltage": solution["Voltage [V]"].entries[:count],
        "anode": solution[_SEPARATOR].entries[:count],
    }
    for name, variable in _FIELDS.items():
        result[name] = solution[variable].entries[..., :count:BIN].astype(np.float32)
    return result
