"""Ohm and Butler-Volmer along both electrodes at all times: from a flux to the one that follows, with the total current exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.pinn import cell as cells
from training.pinn.liquid import DEPLETED, conductivity
from training.pinn.mesh import quadrature
from training.pinn.particles import Side, both

#: Least product of concentrations under the root of an exchange current. [mol3/m9]
LEAST = 1e5


class Kinetics(nn.Module):
    """Electrode physics of a cell on `nodes` Gauss-Legendre places along each electrode."""

    def __init__(self, cell: dict[str, Any], nodes: int) -> None:
        super().__init__()
        x = quadrature(nodes)
        from_separator = np.stack([x.cumulative - x.weights, x.cumulative])
        table = np.array([cell[side]["potential"] for side in ("negative", "positive")])
        # a table of the difference as well, so that a slope needs one look-up more and no branch
        steps = np.diff(table, append=table[:, -1:])
        flat = np.stack([x.nodes, 1 - x.nodes])
        for name, values in {
            "weights": x.weights[None],
            "cumulative": x.cumulative,
            "from_separator": from_separator[None],
            "from_cells": x.from_cells,
            "at_interface": np.stack([x.at_end, x.at_start])[None, :, None],
            "enters": np.array([0.0, 1.0]).reshape(1, 2, 1, 1),
            "uniform": flat[None, :, :, None],
            "potential": table.reshape(-1, 1),
            "potential_step": steps.reshape(-1, 1),
            "first": np.array([0, cells.COUNT]).reshape(1, 2, 1, 1),
        }.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)
        for name in ("thickness", "largest", "conductivity", "porosity"):
            self.register_buffer(f"side_{name}", both(cell, name), persistent=False)
        self.transference = cell["transference"]

    def open_circuit(self, stoichiometry: Tensor) -> tuple[Tensor, Tensor]:
        """Open-circuit potential and its slope (batch, 2, X, N), from tables. [V]"""
        scale = (cells.COUNT - 1) / (cells.LAST - cells.FIRST)
        place = (stoichiometry.clamp(0.001, 0.999) - cells.FIRST) * scale
        index = torch.floor(place.detach())
        which = (index + self.first).long()
        step = functional.embedding(which, self.potential_step).squeeze(-1)
        return functional.embedding(which, self.potential).squeeze(-1) + (place - index) * step, step * scale

    def forward(self, side: Side, flux: Tensor, middle: Tensor, liquid: Tensor, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """Evaluate Ohm and Butler-Volmer.

        Parameters
        ----------
        side : Side
        flux : Tensor, shape (batch, 2, X, N)
            The sweep before's interfacial current density. [A/m2]
        middle : Tensor, shape (batch, 2, X, N)
            Surface concentration. [mol/m3]
        liquid : Tensor, shape (batch, 60, N)
            Electrolyte concentration. [mol/m3]
        given : dict
            What the network's `given` holds.

        Returns
        -------
        dict
            ``flux`` that follows and ``shape`` of the potential difference along x [V], (batch, 2, X, N); ``interface``, the potential
            difference at the separator, and its ``least`` [V]; ``slope`` of the flux with surface concentration [A m/mol]; ``ohmic``
            loss in the solid [V] and ``logarithm`` of the concentration at the separator, (batch, 2, 1, N).
        """
        local = (self.from_cells @ torch.stack([liquid[:, :20], liquid[:, 40:]], 1)).clamp(min=DEPLETED)
        resistance = self.side_thickness / (conductivity(local) * given["conducts"])
        in_liquid = self.cumulative @ (flux * given["passed"]) + given["enters"]
        in_solid = (given["density"] - in_liquid) * given["solid"]
        logarithm = torch.log(local)
        at_interface = self.at_interface @ logarithm
        shape = self.from_separator @ (in_liquid * resistance - in_solid) - given["diffusion"] * (logarithm - at_interface)
        spread = self.from_separator @ (self.uniform * resistance - given["uniform_solid"]) * given["reduced_spread"]
        potential, slope = self.open_circuit(middle / self.side_largest)
        exchange = side.exchange * torch.sqrt((local * middle * (self.side_largest - middle)).clamp(min=LEAST))
        drive = (shape - potential) * given["per_twice"]
        centre = self.weights @ drive
        drive = drive - centre
        low = self._closed(exchange, drive - spread, given["low"])
        high = self._closed(exchange, drive + spread, given["high"])
        level = (low[1] + high[1]) / 2
        steep = torch.exp(level + drive)
        sharp = exchange * (steep + 1 / steep) * (given["per_twice"] / self.side_largest)
        return {
            "flux": (low[0] + high[0]) / 2,
            "interface": given["twice"] * (level - centre),
            "least": given["twice"] * (torch.minimum(low[1], high[1]) - centre),
            "shape": shape,
            "slope": self.weights @ (sharp * slope.abs()),
            "ohmic": self.weights @ in_solid,
            "logarithm": at_interface,
        }

    def _closed(self, exchange: Tensor, drive: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Butler-Volmer with its mean over x given: flux and the level of potential that makes it so (dimensionless)."""
        forward = torch.exp(drive)
        ahead, back = exchange * forward, exchange / forward
        plus, minus = self.weights @ ahead, self.weights @ back
        # of the two forms of the root the one without cancellation
        larger = total.abs() + torch.sqrt(total * total + 4 * plus * minus)
        level = torch.where(total >= 0, larger / (2 * plus), 2 * minus / larger)
        return level * ahead - back / level, torch.log(level)

    def given(self, kelvin: Tensor, warm: Tensor, conducts: Tensor, area: Tensor, density: Tensor, deviation: Tensor,
              mean_flux: Tensor) -> dict[str, Tensor]:  # fmt: skip
        """Collect what no sweep changes; times are (batch, 1, 1, N), factors (batch, 1, 1, 1) and `area` (batch, 2, 1, 1)."""
        twice = 2 * cells.GAS / cells.FARADAY * kelvin
        sign = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
        swing = sign * deviation / (area * self.side_thickness)
        solid = self.side_thickness / self.side_conductivity
        return {
            "twice": twice,
            "per_twice": 1 / twice,
            "warm": warm,
            "conducts": warm * conducts * self.side_porosity**1.5,
            "passed": area * self.side_thickness,
            "density": density,
            "enters": self.enters * density,
            "solid": solid,
            "uniform_solid": (1 - self.uniform) * solid,
            "reduced_spread": deviation / twice,
            "diffusion": twice * (1 - self.transference),
            "swing": swing,
            "low": mean_flux - swing,
            "high": mean_flux + swing,
        }
