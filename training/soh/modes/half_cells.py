"""Write the potentials of the electrodes that features know of a product: models/neural_soh/modes/half_cells.json.

python -m training.soh.modes.half_cells        (needs PyBaMM)
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from models.neural_soh.modes.half_cells import CHEMISTRIES, FILE, GRID


def from_parameters(name: str) -> dict[str, Any]:
    """Compute the table of a parameter set with PyBaMM."""
    import pybamm

    values, symbols = pybamm.ParameterValues(name), pybamm.LithiumIonParameters()
    tables = {}
    for electrode in ("Negative", "Positive"):
        potential = values[f"{electrode} electrode OCP [V]"]
        found = [potential(pybamm.Scalar(float(x))) for x in GRID]
        tables[electrode.lower()] = [round(float(np.squeeze(getattr(u, "evaluate", lambda u=u: u)())), 6) for u in found]
    capacities = [float(values.evaluate(symbols.n.Q_init)), float(values.evaluate(symbols.p.Q_init))]
    return tables | {
        "capacities": [round(value, 6) for value in capacities],
        "lithium": round(float(values.evaluate(symbols.Q_Li_particles_init)), 6),
        "lower": float(values["Lower voltage cut-off [V]"]),
        "upper": float(values["Upper voltage cut-off [V]"]),
        "nominal": float(values["Nominal cell capacity [A.h]"]),
        "area": round(_area(values), 6),
    }


def _area(values: Any) -> float:
    """Return the surface of all particles of the negative electrode, taken as spheres. [m2]"""
    sheet = values["Electrode width [m]"] * values["Electrode height [m]"] * values["Negative electrode thickness [m]"]
    sheets = values["Number of electrodes connected in parallel to make a cell"]
    fraction, radius = values["Negative electrode active material volume fraction"], values["Negative particle radius [m]"]
    return float(3.0 * fraction / radius * sheet * sheets)


def main() -> None:
    """Write the file."""
    FILE.write_text(
        json.dumps({name: from_parameters(name) for name in sorted(set(CHEMISTRIES.values()), reverse=True)}) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
