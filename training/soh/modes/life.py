"""One simulated life: cycles that age the cell at multiplied rates, and between them a look at it at real rates. Needs PyBaMM.

Ageing cycles run at rates multiplied by :data:`ACCELERATION`; the looks (a regular cycle and a C/5 test) at rates divided by it again, so that
what is seen of a cell is not made of the acceleration. Lithium plates at the same rate in both: it is the decay of plated to dead lithium that is
accelerated, otherwise each look would show a hundred cycles' plating being stripped at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from training.soh.modes.cases import Condition
from training.soh.modes.labels import MECHANISMS

FloatArray = npt.NDArray[np.float64]
Curves = dict[str, FloatArray]

OPTIONS = {
    "SEI": "solvent-diffusion limited",
    "lithium plating": "partially reversible",
    "particle mechanics": "swelling only",
    "loss of active material": "stress-driven",
}
#: Of each mechanism: the parameter and the value that a multiplier of 1 stands for.
RATES = {
    "sei": ("SEI solvent diffusivity [m2.s-1]", 2.5e-22),
    "plating": ("Lithium plating kinetic rate constant [m.s-1]", 1e-9),
    "lam_ne": ("Negative electrode LAM constant proportional term [s-1]", 2.7778e-7),
    "lam_pe": ("Positive electrode LAM constant proportional term [s-1]", 2.7778e-7),
}
DECAY = "Dead lithium decay constant [s-1]"
#: While ageing. [1/s]
DEAD_LITHIUM = 1e-3
FILM = "SEI resistivity [Ohm.m]"
ACTIVE = ("Negative electrode active material volume fraction", "Positive electrode active material volume fraction")
#: Cycles that one simulated cycle stands for.
ACCELERATION = 100.0
#: A multiplier so small that the mechanism is off.
OFF = 1e-12
UPPER = 4.2
MESH = {"r_n": 14, "r_p": 14, "x_n": 6, "x_s": 4, "x_p": 6}
#: Simulated cycles after which the cell is looked at.
LOOKS = (1, 2, 4)
LOST = (
    "Loss of lithium to negative SEI [mol]",
    "Loss of lithium to negative lithium plating [mol]",
    "Loss of active material in negative electrode [%]",
    "Loss of active material in positive electrode [%]",
)


@dataclass
class Bench:
    """Simulations of a condition, built once; multipliers of rates and the cell's spread are inputs.

    Attributes
    ----------
    condition : Condition
    model : str
        A class of `pybamm.lithium_ion`.
    """

    condition: Condition
    model: str = "SPMe"
    nominal: tuple[float, float] = field(init=False)
    capacity: float = field(init=False)
    film: float = field(init=False)
    _sims: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"
        import pybamm

        pybamm.set_logging_level("CRITICAL")
        values = parameter_values(self.condition)
        self.nominal = (float(values[ACTIVE[0]]), float(values[ACTIVE[1]]))
        self.capacity = float(values["Nominal cell capacity [A.h]"])
        self.film = float(values[FILM])
        lower = values["Lower voltage cut-off [V]"]
        values.set_initial_state(0.5)
        for name in (*(name for name, _ in RATES.values()), DECAY, FILM, *ACTIVE):
            values[name] = "[input]"
        cycle = (
            f"Charge at {self.condition.charge_rate:g}C until {UPPER} V",
            f"Hold at {UPPER} V until C/20",
            "Rest for 30 minutes",
            f"Discharge at 1C until {lower} V",
            "Rest for 10 minutes",
        )
        slow = f"Discharge at C/5 until {lower} V"
        full = (f"Charge at C/5 until {UPPER} V", f"Hold at {UPPER} V until C/20")
        test = (slow, "Rest for 10 minutes", *full, "Rest for 1 hour", slow, "Rest for 10 minutes")
        self._sims = {
            name: pybamm.Simulation(
                getattr(pybamm.lithium_ion, self.model)(OPTIONS),
                parameter_values=values,
                experiment=pybamm.Experiment([steps], period=period),
                solver=pybamm.IDAKLUSolver(rtol=1e-4, atol=1e-6),
                var_pts=MESH,
            )
            for name, steps, period in (
                ("age", cycle, "10 minutes"),
                ("cycle", cycle, "1 minute"),
                ("test", test, "2 minutes"),
                ("capacity", (*full, slow), "10 minutes"),
            )
        }

    def step(self, name: str, multipliers: FloatArray, spread: tuple[float, float, float], before: Any) -> Any:
        """Go on from a solution: `age`, or look at the cell (`cycle`, `test`, or a shorter test for `capacity` alone).

        Raises
        ------
        RuntimeError
            The solver did not get to the end.
        """
        slower = 1.0 if name == "age" else 1.0 / ACCELERATION
        rates = {
            RATES[mechanism][0]: RATES[mechanism][1] * float(x) for mechanism, x in zip(MECHANISMS, multipliers, strict=True)
        }
        for mechanism in ("sei", "lam_ne", "lam_pe"):
            rates[RATES[mechanism][0]] *= slower
        rates[DECAY] = DEAD_LITHIUM * slower
        made = {key: value * factor for key, value, factor in zip(ACTIVE, self.nominal, spread[:2], strict=True)}
        made[FILM] = self.film * spread[2]
        found = self._sims[name].solve(inputs=rates | made, calc_esoh=False, starting_solution=before)
        if found.cycles[-1] is None or len(found.cycles[-1].steps) < STEPS[name]:
            raise RuntimeError(f"{self.condition}: the simulation ended within '{name}'")
        return found


def parameter_values(condition: Condition) -> Any:
    """Return a parameter set; what it lacks of ageing is borrowed from OKane2022."""
    import pybamm

    values = pybamm.ParameterValues(condition.parameters)
    borrowed = pybamm.ParameterValues("OKane2022")
    values.update({key: value for key, value in borrowed.items() if key not in values}, check_already_exists=False)
    kelvin = condition.temperature + 273.15
    values.update({"Ambient temperature [K]": kelvin, "Initial temperature [K]": kelvin})
    return values


def discharged(solution: Any, step: int) -> float:
    """Return the charge of a discharge in the last cycle. [Ah]"""
    charge = solution.cycles[-1].steps[step]["Discharge capacity [A.h]"].entries
    return float(charge[-1] - charge[0])


def curves(solution: Any, steps: dict[str, int]) -> Curves:
    """Return time [s], current [A, positive on discharge] and voltage [V] of steps of the last cycle as (3, N) arrays."""
    found: Curves = {}
    for name, number in steps.items():
        step = solution.cycles[-1].steps[number]
        time = step["Time [s]"].entries
        rows = (time - time[0], step["Current [A]"].entries, step["Voltage [V]"].entries)
        found[name] = np.stack(rows).astype(np.float32)
    return found


STEPS = {"age": 5, "cycle": 5, "test": 7, "capacity": 3}
#: The C/5 discharge of a test and of a shorter test, the discharge of a cycle.
TEST_DISCHARGE, SHORT_DISCHARGE, DISCHARGE = 5, 2, 3
CYCLE_STEPS = {"cycle_cc": 0, "cycle_cv": 1, "cycle_rest": 2, "cycle_discharge": 3}
TEST_STEPS = {"test_cc": 2, "test_cv": 3, "test_rest": 4, "test_discharge": 5}


def live(bench: Bench, multipliers: FloatArray, spread: tuple[float, float, float]) -> Curves:
    """Simulate a life and return what was seen of it.

    Returns
    -------
    dict
        `capacity` (1 + looks) of C/5 discharges [Ah], `lost` (1 + looks, 4) as in :data:`LOST`, `history` of the 1C discharges of all ageing
        cycles [Ah], and per look `0/cycle_cc`, `0/test_cc` ... (3, N) as in :func:`curves`; look 0 is the beginning.
    """
    solution = bench.step("test", multipliers, spread, None)
    capacity, lost, history, seen = [discharged(solution, TEST_DISCHARGE)], [_lost(solution)], [], curves(solution, TEST_STEPS)
    # the first regular cycle begins where the C/5 test ended, later ones where a 1C discharge did
    solution = bench.step("cycle", multipliers, spread, solution)
    solution = bench.step("cycle", multipliers, spread, solution)
    seen |= curves(solution, CYCLE_STEPS)
    found = {f"0/{name}": rows for name, rows in seen.items()}
    done = 0
    for look, until in enumerate(LOOKS, 1):
        for _ in range(until - done):
            solution = bench.step("age", multipliers, spread, solution)
            history.append(discharged(solution, DISCHARGE))
        done = until
        solution = bench.step("cycle", multipliers, spread, solution)
        seen = curves(solution, CYCLE_STEPS)
        solution = bench.step("test", multipliers, spread, solution)
        seen |= curves(solution, TEST_STEPS)
        capacity.append(discharged(solution, TEST_DISCHARGE))
        lost.append(_lost(solution))
        found |= {f"{look}/{name}": rows for name, rows in seen.items()}
    return found | {"capacity": np.array(capacity), "lost": np.array(lost), "history": np.array(history)}


def capacities(
    bench: Bench, multipliers: FloatArray, spread: tuple[float, float, float], looks: tuple[int, ...] = LOOKS
) -> FloatArray:
    """Simulate a life only for its C/5 capacities: at the beginning and at each look, shape (1 + looks,). [Ah]"""
    solution = bench.step("capacity", multipliers, spread, None)
    found, done = [discharged(solution, SHORT_DISCHARGE)], 0
    for until in looks:
        for _ in range(until - done):
            solution = bench.step("age", multipliers, spread, solution)
        done = until
        solution = bench.step("capacity", multipliers, spread, solution)
        found.append(discharged(solution, SHORT_DISCHARGE))
    return np.array(found)


def _lost(solution: Any) -> list[float]:
    return [float(solution.cycles[-1].steps[5][name].entries[-1]) for name in LOST]
