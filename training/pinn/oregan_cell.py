"""What the windowed network knows of ORegan2022, read once from PyBaMM and kept as `training/pinn/oregan.cell.json`.

    python -m training.pinn.oregan_cell            # needs PyBaMM; writes the file anew

The electrolyte's laws stand in :mod:`training.pinn.laws`; that they are PyBaMM's is checked when the file is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.pinn import cell as cells
from training.pinn import laws

PATH = Path(__file__).parent / "oregan.cell.json"
NAME = "ORegan2022"
WARMER = 308.15
#: What a law may differ by from PyBaMM's, relative. [1]
TOLERANCE = 1e-6


class _Set:
    """A parameter set whose entries are numbers or functions."""

    def __init__(self, name: str) -> None:
        import pybamm

        self.scalar = pybamm.Scalar
        self.values = pybamm.ParameterValues(name)

    def __call__(self, key: str, *inputs: float) -> float:
        found = self.values[key]
        if callable(found):
            found = self.values.evaluate(found(*(self.scalar(value) for value in inputs)))
        return float(np.ravel(found)[0])


def _checked(name: str, ours: Callable[..., float], theirs: Callable[..., float], points: list[tuple[float, ...]]) -> None:
    for point in points:
        one, other = ours(*point), theirs(*point)
        if abs(one - other) > TOLERANCE * abs(other):
            raise ValueError(f"{NAME}: {name} at {point} is {other:.9g} in PyBaMM and {one:.9g} in training/pinn/laws.py")


def _energy(cold: float, warm: float) -> float:
    """Activation energy between 25 and 35 °C. [J/mol]"""
    return float(np.log(warm / cold) * cells.GAS / (1 / cells.REFERENCE - 1 / WARMER))


def _electrode(of: _Set, side: str) -> dict[str, Any]:
    title = side.capitalize()
    diffusivity, exchange = f"{title} particle diffusivity [m2.s-1]", f"{title} electrode exchange-current density [A.m-2]"
    conductivity = f"{title} electrode conductivity [S.m-1]"
    largest = of(f"Maximum concentration in {side} electrode [mol.m-3]")
    active = of(f"{title} electrode active material volume fraction")
    solid = active ** of(f"{title} electrode Bruggeman coefficient (electrode)")
    stoichiometry = np.linspace(cells.FIRST, cells.LAST, cells.COUNT)
    cold, warm = (of(exchange, 1000.0, largest / 2, largest, kelvin) for kelvin in (cells.REFERENCE, WARMER))
    electrode = {
        "thickness": of(f"{title} electrode thickness [m]"),
        "radius": of(f"{title} particle radius [m]"),
        "active": active,
        "porosity": of(f"{title} electrode porosity"),
        "largest": largest,
        "conductivity": of(conductivity, 0.5, cells.REFERENCE) * solid,
        "conductivity_energy": _energy(of(conductivity, 0.5, cells.REFERENCE), of(conductivity, 0.5, WARMER)),
        # log10 of m2/s at 25 °C, over stoichiometry
        "diffusivity": [round(float(np.log10(of(diffusivity, theta, cells.REFERENCE))), 6) for theta in stoichiometry],
        "diffusivity_energy": _energy(of(diffusivity, 0.5, cells.REFERENCE), of(diffusivity, 0.5, WARMER)),
        # j0 = exchange * (c_e / 1000)^(1 - transfer) * theta^transfer * (1 - theta)^(1 - transfer), c_e in mol/m3, at 25 °C
        "exchange": cold * 2,
        "exchange_energy": _energy(cold, warm),
        "transfer": round(1 - float(np.log2(of(exchange, 2000.0, largest / 2, largest, cells.REFERENCE) / cold)), 9),
        "potential": [round(of(f"{title} electrode OCP [V]", theta), 7) for theta in stoichiometry],
        "entropic": [float(f"{of(f'{title} electrode OCP entropic change [V.K-1]', theta):.5g}") for theta in stoichiometry],
    }

    def ours(salt: float, theta: float, kelvin: float) -> float:
        arrhenius = np.exp(electrode["exchange_energy"] / cells.GAS * (1 / cells.REFERENCE - 1 / kelvin))
        transfer = electrode["transfer"]
        return float(electrode["exchange"] * arrhenius * ((salt / 1000) * (1 - theta)) ** (1 - transfer) * theta**transfer)

    def theirs(salt: float, theta: float, kelvin: float) -> float:
        return of(exchange, salt, theta * largest, largest, kelvin)

    _checked(exchange, ours, theirs, [(300.0, 0.1, 263.15), (1500.0, 0.9, 328.15)])
    return electrode


def _check_electrolyte(of: _Set) -> None:
    points = [(salt, kelvin) for salt in (100.0, 1000.0, 2500.0) for kelvin in (263.15, 298.15, 328.15)]
    for key, law, unit in (
        ("Electrolyte conductivity [S.m-1]", laws.conductivity, 1.0),
        ("Electrolyte diffusivity [m2.s-1]", laws.diffusivity, laws.UNIT),
        ("Cation transference number", laws.transference, 1.0),
        ("Thermodynamic factor", laws.factor, 1.0),
    ):

        def ours(salt: float, kelvin: float, law: Any = law, unit: float = unit) -> float:
            inputs = (torch.tensor(value, dtype=torch.float64) for value in (salt / 1000, kelvin))
            return float(law(*inputs)) * unit

        _checked(key, ours, lambda salt, kelvin, key=key: of(key, salt, kelvin), points)


def read_parameters() -> dict[str, Any]:
    """Read the set.

    Raises
    ------
    ValueError
        A law is not the one that the network holds.
    """
    import pybamm

    of = _Set(NAME)
    _check_electrolyte(of)
    cell: dict[str, Any] = {"parameters": NAME, "pybamm": pybamm.__version__}
    cell |= {side: _electrode(of, side) for side in ("negative", "positive")}
    cell["separator"] = {"thickness": of("Separator thickness [m]"), "porosity": of("Separator porosity")}
    cell["area"] = of("Electrode height [m]") * of("Electrode width [m]")
    low, high, full_positive, empty_positive = (float(v) for v in pybamm.lithium_ion.get_min_max_stoichiometries(of.values))
    cell["window"] = {"negative": [low, high], "positive": [empty_positive, full_positive]}
    negative = cell["negative"]
    lithium = (high - low) * negative["largest"] * negative["active"] * negative["thickness"] * cell["area"]
    cell["capacity"] = lithium * cells.FARADAY / 3600
    return cell


def load() -> dict[str, Any]:
    """Return the cell as it is kept."""
    return json.loads(PATH.read_text("utf-8"))


def main() -> None:
    """Write the file."""
    PATH.write_text(json.dumps(read_parameters(), separators=(",", ":")).replace(',"', ',\n"') + "\n", "utf-8")
    print(f"{PATH}: {PATH.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
