"""What the network knows of a cell, read once from a PyBaMM parameter set and kept as `models/pinn_internal_state/cell.json`.

    python -m training.pinn.cell            # needs PyBaMM; writes the file anew

Everything else (network, training, plugin) reads the file and never PyBaMM.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

PATH = Path(__file__).parents[2] / "models" / "pinn_internal_state" / "cell.json"
GAS, FARADAY = 8.31446261815324, 96485.33212
REFERENCE = 298.15
#: Ends and number of points of the open-circuit potential tables. [1]
FIRST, LAST, COUNT = 0.0005, 0.9995, 2000


def _arrhenius(low: float, high: float, cold: float = 298.15, warm: float = 308.15) -> float:
    """Activation energy between two values. [J/mol]"""
    return float(np.log(high / low) * GAS / (1 / cold - 1 / warm))


def read_parameters(name: str = "OKane2022") -> dict[str, Any]:
    """Read a parameter set whose diffusivities do not depend on concentration.

    Raises
    ------
    ValueError
        A solid diffusivity depends on stoichiometry: the exact modes of the network do not hold for it.
    """
    import pybamm

    values = pybamm.ParameterValues(name)

    def number(symbol: Any) -> float:
        return float(np.ravel(values.evaluate(symbol))[0]) if isinstance(symbol, pybamm.Symbol) else float(symbol)

    def of(key: str, *inputs: float) -> float:
        found = values[key]
        return number(found(*(pybamm.Scalar(value) for value in inputs))) if callable(found) else float(found)

    cell: dict[str, Any] = {"parameters": name, "pybamm": pybamm.__version__}
    stoichiometry = np.linspace(FIRST, LAST, COUNT)
    for side in ("negative", "positive"):
        title = side.capitalize()
        limit = values[f"Maximum concentration in {side} electrode [mol.m-3]"]
        diffusivity = f"{title} particle diffusivity [m2.s-1]"
        spread = [of(diffusivity, theta, 298.15) for theta in (0.1, 0.5, 0.9)]
        if max(spread) > 1.001 * min(spread):
            raise ValueError(
                f"{name}: the {side} diffusivity runs from {min(spread):.3g} to {max(spread):.3g} m2/s with stoichiometry"
            )
        exchange = f"{title} electrode exchange-current density [A.m-2]"
        cold, warm = (of(exchange, 1000.0, limit / 2, limit, kelvin) for kelvin in (298.15, 308.15))
        active = values[f"{title} electrode active material volume fraction"]
        cell[side] = {
            "thickness": values[f"{title} electrode thickness [m]"],
            "radius": values[f"{title} particle radius [m]"],
            "active": active,
            "porosity": values[f"{title} electrode porosity"],
            "largest": limit,
            "conductivity": of(f"{title} electrode conductivity [S.m-1]")
            * active ** values[f"{title} electrode Bruggeman coefficient (electrode)"],
            "diffusivity": spread[1],
            "diffusivity_energy": _arrhenius(spread[1], of(diffusivity, 0.5, 308.15)),
            # j0 = rate * sqrt(c_e * c_s * (c_max - c_s)), c in mol/m3, at 25 °C
            "rate": cold / (np.sqrt(1000.0) * limit / 2),
            "rate_energy": _arrhenius(cold, warm),
            "potential": [round(of(f"{title} electrode OCP [V]", theta), 7) for theta in stoichiometry],
        }
    cell["separator"] = {"thickness": values["Separator thickness [m]"], "porosity": values["Separator porosity"]}
    cell["area"] = values["Electrode height [m]"] * values["Electrode width [m]"]
    cell["transference"] = values["Cation transference number"]
    cell["electrolyte_energy"] = _arrhenius(
        of("Electrolyte conductivity [S.m-1]", 1000.0, 298.15), of("Electrolyte conductivity [S.m-1]", 1000.0, 308.15)
    )
    low, high, full_positive, empty_positive = (float(v) for v in pybamm.lithium_ion.get_min_max_stoichiometries(values))
    cell["window"] = {"negative": [low, high], "positive": [empty_positive, full_positive]}
    cell["capacity"] = (
        (high - low) * cell["negative"]["largest"] * cell["negative"]["active"] * cell["negative"]["thickness"] * cell["area"]
    ) * (FARADAY / 3600)
    return cell


def load() -> dict[str, Any]:
    """Return the cell as it is kept."""
    return json.loads(PATH.read_text("utf-8"))


def main() -> None:
    """Write the file."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(json.dumps(read_parameters(), indent=1) + "\n", "utf-8")
    print(f"{PATH}: {PATH.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
