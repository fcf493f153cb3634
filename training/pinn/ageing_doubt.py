"""What errors of a cell's parameters do to the growth of its SEI: `python -m training.pinn.ageing_doubt`.

The plugin is given a measured current. So the current of a cycle of the nominal cell is kept, the network is run over it once more
with one parameter changed, and the growth in that cycle is compared. An error of growth is told in percent, and as the constant error
of anode potential that does the same: that is what the interval of the plugin reckons with (`potential_bias` of
:func:`models.pinn_internal_state.sei.interval`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from models.pinn_internal_state import sei
from training.pinn.ageing_forward import WEIGHTS, Cycler, Forward, State
from training.pinn.ageing_predict import FILM, electrode
from training.pinn.ageing_protocol import Condition
from training.pinn.evaluate_network import PARAMETERS

#: Film in the middle of a life, alike everywhere. [m]
THICKNESS = 300e-9
#: Factors on the parameters of a real cell.
FACTORS = (0.8, 1.2)


def growth(forward: Forward, state: State, current: np.ndarray, seconds: np.ndarray, kelvin: float) -> float:
    """Growth in a cycle, mean over the electrode. [m]"""
    area = electrode(forward)
    resistance = sei.film_resistance(FILM, area, np.full(forward.nodes, THICKNESS))
    (anode,) = forward.run(state, current, seconds, kelvin, resistance, ["anode"])
    first = np.full(forward.nodes, THICKNESS)
    _, last = sei.grow(FILM, first, anode, np.full(len(seconds), kelvin), seconds)
    return float((last - first) @ area.weights)


def shifted(forward: Forward, state: State, change: float) -> State:
    """Shift the stoichiometry of the negative electrode, as an error of balance or of state of charge does."""
    uniform = change * forward.cell["negative"]["largest"] * forward.uniform
    return {**state, "negative0": state["negative0"] + uniform[:, None]}


def doubts(forward: Forward, condition: Condition) -> dict[str, float]:
    """Change of growth by what was changed; the natural logarithm of the ratio."""
    cycler = Cycler(forward, condition)
    first = cycler.cycle(forward.rested(condition.high), 0.0)
    trace = cycler.cycle(first.state, 0.0)
    given = (trace.current, trace.seconds)
    nominal, found = growth(forward, first.state, *given, cycler.kelvin), {}
    for index, name in enumerate(PARAMETERS[1:7], 1):
        for factor in FACTORS:
            forward.parameters[index] = np.log(factor)
            found[f"{name} x {factor}"] = np.log(growth(forward, first.state, *given, cycler.kelvin) / nominal)
            forward.parameters[index] = 0.0
    for change in (-0.01, 0.01):
        state = shifted(forward, first.state, change)
        found[f"negative stoichiometry {change:+g}"] = np.log(growth(forward, state, *given, cycler.kelvin) / nominal)
    for change in (-1.0, 1.0):
        found[f"temperature {change:+g} K"] = np.log(growth(forward, first.state, *given, cycler.kelvin + change) / nominal)
    return found


def main() -> None:
    """Print the table of one condition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--temperature", type=float, default=25.0, help="of the cell [degC]")
    parser.add_argument("--window", type=float, nargs=2, default=(0.1, 0.9), metavar=("LOW", "HIGH"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    chosen = parser.parse_args()
    condition = Condition(chosen.temperature, *chosen.window, 1)
    volt = sei.GAS * (chosen.temperature + 273.15) / (FILM.transfer * sei.FARADAY)
    print(f"{condition.name}, a film of {1e9 * THICKNESS:.0f} nm, the current of the nominal cell given")
    found = doubts(Forward(chosen.weights), condition)
    for name, change in found.items():
        print(f"  {name:<36} growth {100 * np.expm1(change):+7.2f} %, as {-1e3 * change * volt:+6.2f} mV of anode potential")
    parameters = [change for name, change in found.items() if " x " in name]
    together = float(np.sqrt(np.sum(np.square(parameters)) / len(FACTORS)))
    print(f"  all six parameters off by 20 %, independent: {100 * together:.1f} %, as {1e3 * together * volt:.2f} mV")


if __name__ == "__main__":
    main()
