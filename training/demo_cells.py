"""Simulate a series pack of unequal cells with PyBaMM.

Every cell of a pack carries the same current, but has its own capacity, ohmic resistance, start of
charge and, if it has a soft short, its own leak. A single particle model with electrolyte is built
and solved for each cell with its values.

References
----------
Sulzer et al., Python Battery Mathematical Modelling (PyBaMM), 2021, doi:10.5334/jors.309
Marquis et al., An asymptotic derivation of a single particle model with electrolyte, 2019,
doi:10.1149/2.0341915jes
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pybamm

FloatArray = npt.NDArray[np.float64]

SECONDS_PER_HOUR = 3600.0
LONGEST_STEP = 60.0  # s; within 15 uV of a solver that stops at every sample
CONTACT = "Contact resistance [Ohm]"
START_NEGATIVE = "Initial concentration in negative electrode [mol.m-3]"
START_POSITIVE = "Initial concentration in positive electrode [mol.m-3]"


@dataclass(frozen=True)
class PackCells:
    """What makes the cells of one pack differ. Arrays have one entry a cell.

    Attributes
    ----------
    parameter_set
        Name of a PyBaMM parameter set.
    capacity
        Charge between the set's two voltage limits at equilibrium. [Ah]
    start_soc
        State of charge at the first sample, as a fraction of the cell's own capacity. [1]
    ohmic
        Resistance in series with the electrochemical model. [ohm]
    leak
        Resistance of a soft short, by cell index counted from 0. [ohm]
    """

    parameter_set: str
    capacity: FloatArray
    start_soc: FloatArray
    ohmic: FloatArray
    leak: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PackResult:
    """Noiseless result of a pack, all of shape (time, cells)."""

    time: FloatArray
    voltage: FloatArray
    open_circuit_voltage: FloatArray
    soc: FloatArray


@dataclass(frozen=True)
class Limits:
    """Stoichiometry window and capacity of a parameter set, from its electrode balance."""

    capacity: float
    negative: tuple[float, float]
    positive: tuple[float, float]

    @classmethod
    def of(cls, parameter_set: str) -> Limits:
        """Solve the electrode balance of a PyBaMM parameter set.

        Parameters
        ----------
        parameter_set
            Name of a PyBaMM parameter set.

        Returns
        -------
        Limits
            Capacity [Ah] and stoichiometries at 0 and 100 % state of charge. [1]

        References
        ----------
        Mohtat et al., Towards better estimability of electrode-specific state of health, 2019,
        doi:10.1016/j.jpowsour.2019.03.104
        """
        values = pybamm.ParameterValues(parameter_set)
        symbols = pybamm.LithiumIonParameters()
        known = {
            "Q_n": values.evaluate(symbols.n.Q_init),
            "Q_p": values.evaluate(symbols.p.Q_init),
            "Q_Li": values.evaluate(symbols.Q_Li_particles_init),
        }
        balance = pybamm.lithium_ion.ElectrodeSOHSolver(values).solve(known)
        x_0, x_100 = float(balance["x_0"]), float(balance["x_100"])
        y_0, y_100 = float(balance["y_0"]), float(balance["y_100"])
        return cls(float(balance["Q"]), (x_0, x_100), (y_0, y_100))


def start_inputs(cells: PackCells, cell: int, limits: Limits) -> dict[str, float]:
    """Translate one cell's start and resistance to the inputs of the scaled model.

    Parameters
    ----------
    cells
        The pack.
    cell
        Index of the cell, counted from 0.
    limits
        Electrode balance of the parameter set.

    Returns
    -------
    dict
        Start concentrations [mol/m3] and the contact resistance that has the same voltage drop at
        the scaled current. [ohm]
    """
    values = pybamm.ParameterValues(cells.parameter_set)
    soc = float(cells.start_soc[cell])
    x = limits.negative[0] + soc * (limits.negative[1] - limits.negative[0])
    y = limits.positive[0] + soc * (limits.positive[1] - limits.positive[0])
    return {
        CONTACT: float(cells.ohmic[cell] * cells.capacity[cell] / limits.capacity),
        START_NEGATIVE: x * values["Maximum concentration in negative electrode [mol.m-3]"],
        START_POSITIVE: y * values["Maximum concentration in positive electrode [mol.m-3]"],
    }


def _parameters(cells: PackCells, **changes: object) -> pybamm.ParameterValues:
    """Parameter set with wide voltage events: the pack's own limits stop it, not the model's."""
    values = pybamm.ParameterValues(cells.parameter_set)
    values.update({"Lower voltage cut-off [V]": 1.0, "Upper voltage cut-off [V]": 5.0})
    values.update(changes)
    return values


def _solve_cell(
    cells: PackCells, cell: int, time: FloatArray, current: FloatArray, limits: Limits
) -> tuple[FloatArray, FloatArray]:
    """Terminal and open-circuit voltage [V] of one cell; current [A] is + on discharge."""
    scaled = current * limits.capacity / cells.capacity[cell]
    profile = pybamm.Interpolant(time, scaled, pybamm.t, interpolator="linear")
    inputs = start_inputs(cells, cell, limits)
    values = _parameters(cells, **{"Current function [A]": profile}, **inputs)
    names = ["Voltage [V]", "Battery open-circuit voltage [V]"]
    # Without a bound the adaptive step grows over a rest and skips the start of the next block.
    solver = pybamm.IDAKLUSolver(rtol=1e-6, atol=1e-8, output_variables=names, options={"dt_max": LONGEST_STEP})
    model = pybamm.lithium_ion.SPMe({"contact resistance": "true"})
    simulation = pybamm.Simulation(model, parameter_values=values, solver=solver)
    solution: Any = simulation.solve([time[0], time[-1]], t_interp=time)
    if solution.termination != "final time":
        raise RuntimeError(
            f"cell {cell + 1} ended at {solution.t[-1]:.0f} s of {time[-1]:.0f} s "
            f"({solution.termination}). Its state of charge left the window: change the profile."
        )
    terminal, open_circuit = (np.interp(time, solution.t, solution[name].data) for name in names)
    return terminal, open_circuit


def solve_pack(cells: PackCells, time: FloatArray, current: FloatArray) -> PackResult:
    """Solve every cell of a pack under one current that is linear between the samples.

    Parameters
    ----------
    cells
        The pack.
    time
        Seconds since the first sample, strictly increasing, shape (time,). [s]
    current
        Pack current, positive on discharge, shape (time,). [A]

    Returns
    -------
    PackResult
        Voltages [V] and state of charge as a fraction of each cell's own capacity. [1]

    Notes
    -----
    A cell's current is scaled by model capacity / cell capacity, so the model sees the same C-rate.
    A leak draws V / R more; V comes from the pass before (two passes leave an error below 1 mAh a
    day). Temperature acts on heat only, not on the kinetics: the model is isothermal at 25 °C.
    """
    limits = Limits.of(cells.parameter_set)
    shape = (time.size, cells.capacity.size)
    voltage, open_circuit, soc = np.empty(shape), np.empty(shape), np.empty(shape)
    for cell in range(cells.capacity.size):
        own = current
        terminal, rest = _solve_cell(cells, cell, time, own, limits)
        if cell in cells.leak:
            own = current + terminal / cells.leak[cell]
            terminal, rest = _solve_cell(cells, cell, time, own, limits)
        voltage[:, cell], open_circuit[:, cell] = terminal, rest
        charge = cumulative_charge(time, own)
        soc[:, cell] = cells.start_soc[cell] - charge / cells.capacity[cell]
    return PackResult(time, voltage, open_circuit, soc)


def cumulative_charge(time: FloatArray, current: FloatArray) -> FloatArray:
    """Integrate a current by the trapezoid, from 0 at the first sample.

    Parameters
    ----------
    time
        Seconds, strictly increasing. [s]
    current
        Current. [A]

    Returns
    -------
    FloatArray
        Charge since the first sample. [Ah]
    """
    steps = np.diff(time) * 0.5 * (current[1:] + current[:-1]) / SECONDS_PER_HOUR
    return np.concatenate([[0.0], np.cumsum(steps)])


def lead_cell_current(cells: PackCells, lead: int, blocks: list[tuple[float, list[Any]]], grid: FloatArray) -> FloatArray:
    """Find the pack current when the cell that reaches its limit first controls it.

    Parameters
    ----------
    cells
        The pack.
    lead
        Index of the cell that the battery management system limits, counted from 0.
    blocks
        Start of each block in seconds on the grid, in order, and its PyBaMM steps in units of the
        model's cell. The pack rests between the end of a block and the start of the next. [s]
    grid
        Seconds, equally spaced. [s]

    Returns
    -------
    FloatArray
        Pack current at the grid, positive on discharge. [A]
    """
    limits = Limits.of(cells.parameter_set)
    values = _parameters(cells, **start_inputs(cells, lead, limits))
    values.update({"Nominal cell capacity [A.h]": limits.capacity})
    model = pybamm.lithium_ion.SPMe({"contact resistance": "true"})
    solver = pybamm.IDAKLUSolver(rtol=1e-6, atol=1e-8)
    build = partial(pybamm.Simulation, model, parameter_values=values, solver=solver)
    current = np.zeros_like(grid)
    solution: Any = None
    now = 0.0
    for start, steps in blocks:
        rest = [pybamm.step.rest(start - now, period=60)] if start > now else []
        simulation = build(experiment=pybamm.Experiment([*rest, *steps]))
        state = None if solution is None else solution.last_state
        solution = simulation.solve(starting_solution=state, showprogress=False)
        now = float(solution.t[-1])
        inside = (grid >= start) & (grid <= now)
        drawn = np.interp(grid[inside], solution.t, solution["Current [A]"].entries)
        current[inside] = drawn * cells.capacity[lead] / limits.capacity
    return current
