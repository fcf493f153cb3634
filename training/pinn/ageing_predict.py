"""SEI over many cycles by the network, against the Doyle-Fuller-Newman truth.

    python -m training.pinn.ageing_predict --against kept
    python -m training.pinn.ageing_predict --fresh --temperature 30 --window 0.1 0.9 --cycles 300      # needs PyBaMM

The truth that enters: the fresh cell's state (rested at the window's top), the protocol in words, the parameter set and the SEI law
with its constants. Not: any thickness, loss, time, voltage or current of the truth. A cycle is simulated every so often
(``--every``), twice in a row so that it has settled, with the lithium lost taken out of the anode and the film's resistance in
series; in between the film grows on the potentials of that cycle (:mod:`models.pinn_internal_state.sei`).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.pinn_internal_state import sei
from training.pinn import ageing_protocol as protocol
from training.pinn.ageing_film import FilmSolver
from training.pinn.ageing_forward import WEIGHTS, Cycler, Forward, State, Trace
from training.pinn.ageing_protocol import Condition

#: Goals of issue 5. [1]
REQUIRED, AIM = 0.005, 0.001
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
    every: int = 100
    film: sei.Film = FILM
    bias: float = 0.0
    evened: bool = True

    def run(self) -> list[Point]:
        """Age the cell; return where cycles were simulated, the last one included."""
        forward, here = self.cycler.forward, self.cycler.condition
        self.electrode = electrode(forward)
        self.solver = FilmSolver(forward.cell, self.cycler.kelvin, forward.nodes)
        self.deviation = np.zeros((len(forward.uniform), forward.nodes))
        thickness = np.full(forward.nodes, self.film.first_thickness)
        state = forward.rested(here.high)
        first = self._cycle(state, thickness)
        _, after = sei.grow(self.film, thickness, first.anode + self.bias, self._kelvin(first), first.seconds)
        points = [self._point(0.0, thickness, first)]
        state = self._less(first.state, thickness, after)
        thickness, cycle = after, 1.0
        stops = [number for number in range(self.every, here.cycles, self.every) if number > 1] + [here.cycles]
        for stop in stops:
            state, trace = self._settled(state, thickness)
            points.append(self._point(cycle, thickness, trace))
            if stop > cycle:
                middle = self._grown(thickness, trace, (stop - cycle) / 2)
                halfway, trace = self._settled(self._less(state, thickness, middle), middle)
                after = self._grown(thickness, trace, stop - cycle)  # midpoint rule: the potentials of halfway for all of them
                state, thickness, cycle = self._less(halfway, middle, after), after, float(stop)
        _, trace = self._settled(state, thickness)
        return [*points, self._point(cycle, thickness, trace)]

    def _settled(self, state: State, thickness: np.ndarray) -> tuple[State, Trace]:
        trace = self._cycle(self._cycle(state, thickness).state, thickness)
        return trace.state, trace

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


def baselines(truth: dict[str, Any], spme: dict[str, Any] | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Thickness [nm] and lithium lost [Ah] of simpler methods at the truth's cycles.

    The clocks are given the truth of its first 100 cycles (of all, where there are fewer than 200), which the network is not.
    """
    cycles = np.array(truth["cycle"], dtype=float)
    thickness, first = np.array(truth["thickness"]), FILM.first_thickness * 1e9
    known = int(np.searchsorted(cycles, min(100, cycles[-1] / 2), "right")) - 1
    share = cycles / cycles[known]
    clocks = {
        "sqrt(t) clock": np.sqrt(first**2 + (thickness[known] ** 2 - first**2) * share),
        "constant rate": first + (thickness[known] - first) * share,
    }
    an_hour = np.array(truth["lost"])[-1] / (thickness[-1] - first)
    found = {name: (values, (values - first) * an_hour) for name, values in clocks.items()}
    if spme is not None:
        found["SPMe (PyBaMM)"] = (np.array(spme["thickness"]), np.array(spme["lost"]))
    return found


def errors(truth: dict[str, Any], thickness: np.ndarray, lost: np.ndarray) -> dict[str, float]:
    """Relative errors: of the lithium lost at the end and the worst from cycle 100 on, of thickness, and thickness in nm."""
    late = np.array(truth["cycle"]) >= min(100, truth["cycle"][-1])
    of_lost, of_thickness = lost / np.array(truth["lost"]) - 1, thickness / np.array(truth["thickness"]) - 1
    return {
        "lost_end": float(of_lost[-1]),
        "lost_worst": float(np.abs(of_lost[late]).max()),
        "thickness_end": float(of_thickness[-1]),
        "thickness_worst": float(np.abs(of_thickness[late]).max()),
        "nanometres": float(thickness[-1] - truth["thickness"][-1]),
    }


def compare(truth: dict[str, Any], spme: dict[str, Any] | None, forward: Forward, every: int, longest: float) -> list[float]:
    """Print one condition; return the worst relative errors of the network, of lithium lost and of thickness."""
    condition = Condition(truth["temperature"], *truth["window"], truth["cycles"])
    started = time.process_time()
    ageing = Ageing(Cycler(forward, condition, longest), every)
    points = ageing.run()
    seconds = time.process_time() - started
    local = at_cycles(points, truth["cycle"])
    network = (local @ ageing.electrode.weights * 1e9, sei.lithium_lost(FILM, ageing.electrode, local))
    rows = {forward.name: network, **baselines(truth, spme)}
    print(f"\n{condition.name}: {truth['cycles']} cycles, truth {truth['thickness'][-1]:.1f} nm, {truth['lost'][-1]:.4f} Ah lost, "
          f"capacity {truth['capacity'][0]:.3f} -> {truth['capacity'][-1]:.3f} Ah; network's {points[-1].capacity:.3f} Ah; "
          f"CPU {truth['cpu_seconds']:.0f} s DFN, {seconds:.0f} s network")  # fmt: skip
    for name, (thickness, lost) in rows.items():
        e = errors(truth, thickness, lost)
        print(f"  {name:<22} lithium lost {e['lost_end']:+9.3%} at the end, worst {e['lost_worst']:8.3%} | "
              f"thickness {e['thickness_end']:+9.3%}, worst {e['thickness_worst']:8.3%}, {e['nanometres']:+8.2f} nm", flush=True)  # fmt: skip
    worst = errors(truth, *network)
    return [worst["lost_worst"], worst["thickness_worst"]]


def verdict(worst: float) -> str:
    """Say which goal is met."""
    return "aim met" if worst <= AIM else "required met, aim missed" if worst <= REQUIRED else "required missed"


def main() -> None:
    """Compare from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--against", choices=("kept",))
    source.add_argument("--fresh", action="store_true", help="simulate the truth of one condition first; about 0.2 s a cycle")
    parser.add_argument("--temperature", type=float, default=25.0, help="of the cell [degC]")
    parser.add_argument("--window", type=float, nargs=2, default=(0.0, 1.0), metavar=("LOW", "HIGH"))
    parser.add_argument("--cycles", type=int, default=300)
    parser.add_argument("--every", type=int, default=100, help="cycles between simulated ones")
    parser.add_argument("--longest", type=float, default=30.0, help="longest bin [s]")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument(
        "--physics", type=int, metavar="SWEEPS", help="untrained corrector sweeps instead of the weights (needs torch)"
    )
    chosen = parser.parse_args()
    forward = Forward(None, chosen.physics) if chosen.physics else Forward(chosen.weights)
    if chosen.fresh:
        from training.pinn.ageing import age

        condition = Condition(chosen.temperature, *chosen.window, chosen.cycles)
        pairs = [(age(condition), age(condition, "SPMe"))]
    else:
        known = protocol.kept()["conditions"]
        spme = {(one["temperature"], *one["window"]): one for one in known if one["model"] == "SPMe"}
        pairs = [(one, spme.get((one["temperature"], *one["window"]))) for one in known if one["model"] == "DFN"]
    print("Simulated cell, known parameters. Errors are relative to the DFN, the worst from cycle 100 on.")
    found = [compare(truth, beside, forward, chosen.every, chosen.longest) for truth, beside in pairs]
    lost, thickness = (max(column) for column in zip(*found, strict=True))
    print(
        f"\nworst of {len(found)} conditions: lithium lost {lost:.3%} ({verdict(lost)}), thickness {thickness:.3%} ({verdict(thickness)})"
    )


if __name__ == "__main__":
    main()
