"""Laws of a cell whose transport depends on concentration: the electrolyte of Landesfeind and Gasteiger, and tables of the electrodes.

All take tensors of any shape that broadcast; concentration of the electrolyte is in mol/l here, as in the source.

References
----------
Landesfeind, Gasteiger, J. Electrochem. Soc. 166 (2019) A3079, doi:10.1149/2.0571912jes (LiPF6 in EC:EMC 3:7 by weight)
O'Regan, Brosa Planella, Widanage, Kendrick, Electrochim. Acta 425 (2022) 140700, doi:10.1016/j.electacta.2022.140700
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.pinn import cell as cells

#: Diffusivities are in this unit: the exporter's optimiser takes an addend of 1e-10 for none. [m2/s]
UNIT = 1e-10
#: Of the source's table for EC:EMC 3:7, in the order of its equations.
CONDUCTIVITY = (0.521, 228.0, -1.06, 0.353, -0.00359, 0.00148)
DIFFUSIVITY = (1010.0, 1.01, -1560.0, -487.0)
TRANSFERENCE = (-12.8, -6.12, 8.21e-2, 0.904, 3.18e-2, -1.27e-4, 1.75e-2, -3.12e-3, -3.96e-5)
#: Height [V], steepness and place [1] of the barrier of PyBaMM's open-circuit potentials at a full and at an empty particle.
BARRIER = (205.0568621937484, 6910.192179565431, -7.7e-4)
#: Where the barrier (0.2 V there) goes on as a straight line, so that a guess beyond it finds its way back. [1]
EDGE = 2.5e-4
#: Steps of a table for a stoichiometry of 1.
SCALE = (cells.COUNT - 1) / (cells.LAST - cells.FIRST)
FACTOR = (25.7, -45.1, -0.177, 1.94, 0.295, 3.08e-4, 0.259, -9.46e-3, -4.54e-4)


def conductivity(molar: Tensor, kelvin: Tensor) -> Tensor:
    """Return the conductivity of the electrolyte. [S/m]"""
    slope, zero, root, linear, warm, fourth = CONDUCTIVITY
    hot = torch.exp(1000 / kelvin)
    rises = 1 + root * torch.sqrt(molar) + linear * (1 + warm * hot) * molar
    return slope * (1 + (kelvin - zero)) * molar * rises / (1 + molar**4 * (fourth * hot)) / 10


def diffusivity(molar: Tensor, kelvin: Tensor) -> Tensor:
    """Return the diffusivity of the salt, in :data:`UNIT`."""
    size, linear, warm, both = DIFFUSIVITY
    return size * torch.exp(linear * molar + warm / kelvin + both * molar / kelvin)


def _powers(of: tuple[float, ...], kelvin: Tensor) -> list[Tensor]:
    """Coefficients of 1, c, c^2, c^3 of the source's polynomial in c and T."""
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = of
    one = torch.ones_like(kelvin)
    return [p1 + p3 * kelvin + p6 * kelvin**2, p2 + p5 * kelvin + p9 * kelvin**2, p4 + p8 * kelvin, p7 * one]


def _value(powers: list[Tensor], molar: Tensor) -> Tensor:
    return powers[0] + molar * (powers[1] + molar * (powers[2] + molar * powers[3]))


def transference(molar: Tensor, kelvin: Tensor) -> Tensor:
    """Return the transference number of the cation. [1]"""
    return _value(_powers(TRANSFERENCE, kelvin), molar)


def factor(molar: Tensor, kelvin: Tensor) -> Tensor:
    """Return the thermodynamic factor. [1]"""
    return _value(_powers(FACTOR, kelvin), molar)


def potential(molar: Tensor, kelvin: Tensor) -> Tensor:
    r"""Return the integral of :math:`2 (1 - t_+) \chi / c` over c, from 1 mol/l: a concentration overpotential in units of RT/F.

    Transference number and factor are polynomials in c, so the integral along x is a difference of this function at its ends.
    """
    carried = [-one for one in _powers(TRANSFERENCE, kelvin)]
    carried[0] = 1 + carried[0]
    chi = _powers(FACTOR, kelvin)
    product = [sum(carried[i] * chi[n - i] for i in range(4) if 0 <= n - i < 4) for n in range(7)]
    total = 2 * product[0] * torch.log(molar)
    for power in range(1, 7):
        total = total + 2 / power * product[power] * (molar**power - 1)
    return total


def barrier(stoichiometry: Tensor) -> tuple[Tensor, Tensor]:
    """Return what keeps an electrode from being overfilled or emptied, an addend to its open-circuit potential, and its slope. [V]

    As PyBaMM has it: 1 mV at 0.001 and at 0.999, 1 V at 0 and at 1. Valid between :data:`EDGE` and 1 - `EDGE`.
    """
    low = torch.exp(-BARRIER[1] * (stoichiometry - BARRIER[2]))
    high = torch.exp(-BARRIER[1] * (1 - stoichiometry - BARRIER[2]))
    value = BARRIER[0] * (torch.log1p(low) - torch.log1p(high))
    return value, -BARRIER[0] * BARRIER[1] * (low / (1 + low) + high / (1 + high))


class Tables(nn.Module):
    """What is tabulated over stoichiometry for both electrodes of a cell; tensors are (batch, 2, ...)."""

    def __init__(self, cell: dict[str, Any]) -> None:
        super().__init__()
        sides = [cell["negative"], cell["positive"]]
        for name in ("potential", "entropic", "diffusivity"):
            table = np.array([side[name] for side in sides])
            if name == "diffusivity":
                table = table * np.log(10) - 2 * np.log([[side["radius"]] for side in sides])
            step = np.diff(table, append=table[:, -1:])
            for ending, values in (("table", table), ("step", step)):
                self.register_buffer(f"{name}_{ending}", torch.tensor(values.ravel(), dtype=torch.float32), persistent=False)
        largest = torch.tensor([side["largest"] for side in sides], dtype=torch.float32)
        self.register_buffer("largest", largest.view(1, 2, 1, 1, 1), persistent=False)

    def _place(self, stoichiometry: Tensor) -> tuple[Tensor, Tensor]:
        """Index and fraction, which is beyond 0 to 1 outside of the tables."""
        at = (stoichiometry - cells.FIRST) * SCALE
        # what is not a number stays one, but is no place in a table: one run out of bounds must not end those beside it
        index = torch.floor(torch.where(at > 0, at, torch.zeros_like(at))).clamp(max=cells.COUNT - 2)
        offset = torch.tensor([0, cells.COUNT]).view(1, 2, *[1] * (at.ndim - 2))
        return index.long() + offset, at - index

    def open_circuit(self, stoichiometry: Tensor, kelvin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Open-circuit potential with the entropic change, its slope, and what lies beyond the barrier's edge on a straight line. [V]"""
        inside = stoichiometry.clamp(EDGE, 1 - EDGE)
        index, part = self._place(inside)
        warmer = kelvin - cells.REFERENCE
        step = self.potential_step[index] + warmer * self.entropic_step[index]
        value = self.potential_table[index] + warmer * self.entropic_table[index]
        addend, rise = barrier(inside)
        slope = step * SCALE + rise
        return value + part * step + addend, slope, slope * (stoichiometry - inside)

    def speed(self, concentration: Tensor) -> Tensor:
        """Diffusivity at 25 °C over the square of the radius, in particles (batch, 2, X, W, R) of that concentration. [1/s]"""
        index, part = self._place((concentration / self.largest).clamp(cells.FIRST, cells.LAST))
        return torch.exp(self.diffusivity_table[index] + part * self.diffusivity_step[index])
