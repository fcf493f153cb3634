"""SEI over many cycles by the network; `python -m training.pinn.evaluate sei` compares it with the truth.

The truth that enters: the fresh cell's state (rested at the window's top), the protocol in words, the parameter set and the SEI law
with its constants. Not: any thickness, loss, time, voltage or current of the truth. A cycle is simulated every so often (``--every``) with
the lithium lost taken out of the anode and the film's resistance in the kinetics; in between the film grows on the potentials of that
cycle (:mod:`models.pinn_internal_state.sei`). 25 is by convergence: the graphite's potential has steps of about 1 % of its
stoichiometry, which the lost lithium moves through the window in some 75 cycles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.pinn_internal_state import sei
from training.pinn import ageing_protocol as protocol
from training.pinn.ageing_film import FilmSolver
from training.pinn.ageing_forward import Cycler, Forward, State, Trace

FILM = sei.Film(rate_factor=protocol.RATE_FACTOR)


@dataclass
class Point:
    """A cycle number at which a cycle was simulated: film (X,) [m], its growth a cycle (X,) [m], length [h] and capacity [Ah]."""

    cycle: float
    thickness: np.ndarray
    growth: np.ndarray
    hours: float
    capacity: float


def electrode(forward: Forward) -> sei.Electrode:
    """Area and nodes of the anode."""
    side = forward.cell["negative"]
    return sei.Electrode.of(side["thickness"], side["active"], side["radius"], forward.cell["area"], forward.nodes)


@dataclass
class Ageing:
    """The film of one cell over its cycles.

    Attributes
    ----------
    bias : float
        Added to the anode potential, to see what an error of it does. [V]
    evened : bool
        Let the film even the flux out (:mod:`training.pinn.ageing_film`).
    """

    cycler: Cycler
    every: int = 25
    film: sei.Film = FILM
    bias: float = 0.0
    evened: bool = True

    def run(self) -> list[Point]:
        """Age the cell; return the film at the start, after the first cycle and after every `every`, the last one included.

        Midpoint rule: the film grows over an interval on the potentials of the cycle in its middle, which is reached on those of
        the interval before.
        """
        forward, here = self.cycler.forward, self.cycler.condition
        self.electrode = electrode(forward)
        self.solver = FilmSolver(forward.cell, self.cycler.kelvin, forward.nodes)
        self.deviation = np.zeros((len(forward.uniform), forward.nodes))
        thickness = np.full(forward.nodes, self.film.first_thickness)
        trace = self._cycle(forward.rested(here.high), thickness)
        _, after = sei.grow(self.film, thickness, trace.anode + self.bias, self._kelvin(trace), trace.seconds)
        points = [self._point(0.0, thickness, trace)]
        state, thickness, cycle = self._less(trace.state, thickness, after), after, 1.0
        trace = self._cycle(state, thickness)
        state = trace.state
        points.append(self._point(cycle, thickness, trace))
        stops = [number for number in range(self.every, here.cycles, self.every) if number > 1] + [here.cycles]
        for stop in stops:
            if stop <= cycle:
                break
            middle = self._grown(thickness, trace, (stop - cycle) / 2)
            trace = self._cycle(self._less(state, thickness, middle), middle)
            after = self._grown(thickness, trace, stop - cycle)
            state, thickness, cycle = self._less(trace.state, middle, after), after, float(stop)
            points.append(self._point(cycle, thickness, trace))
        return points

    def _cycle(self, state: State, thickness: np.ndarray) -> Trace:
        """One cycle of the network, and what the film does to its potentials."""
        trace = self.cycler.cycle(state, sei.film_resistance(self.film, self.electrode, thickness))
        if not self.evened:
            return trace
        modes = (state["negative0"], state["negative0"] + self.deviation)
        local = self.film.resistivity * thickness
        added, (bare, coated) = self.solver.solve(modes, trace.current, trace.seconds, trace.anode, trace.electrolyte, local)
        self.deviation = coated - bare
        return replace(trace, anode=trace.anode + added)

    def _grown(self, thickness: np.ndarray, trace: Trace, cycles: float) -> np.ndarray:
        return sei.growth_of_cycles(self.film, thickness, trace.anode + self.bias, self._kelvin(trace), trace.seconds, cycles)

    def _less(self, state: State, before: np.ndarray, after: np.ndarray) -> State:
        lost = sei.lithium_lost(self.film, self.electrode, after) - sei.lithium_lost(self.film, self.electrode, before)
        return self.cycler.forward.without(state, float(lost))

    def _kelvin(self, trace: Trace) -> np.ndarray:
        return np.full(len(trace.seconds), self.cycler.kelvin)

    def _point(self, cycle: float, thickness: np.ndarray, trace: Trace) -> Point:
        growth = self._grown(thickness, trace, 1.0) - thickness
        return Point(cycle, thickness, growth, float(trace.seconds.sum()) / 3600, trace.capacity)


def at_cycles(points: list[Point], cycles: list[int]) -> np.ndarray:
    """Thickness at cycle numbers, by cubic Hermite polynomials through points and their growth; (len(cycles), X). [m]"""
    found = []
    numbers = [point.cycle for point in points]
    for cycle in cycles:
        index = int(np.clip(np.searchsorted(numbers, cycle) - 1, 0, len(points) - 2))
        low, high = points[index], points[index + 1]
        span = high.cycle - low.cycle
        t = (cycle - low.cycle) / span
        found.append(
            (1 + 2 * t) * (1 - t) ** 2 * low.thickness
            + t**2 * (3 - 2 * t) * high.thickness
            + span * (t * (1 - t) ** 2 * low.growth - t**2 * (1 - t) * high.growth)
        )
    return np.array(found)
