"""The electrolyte of a cell whose transport depends on concentration: modes of a reference diffusivity, and the rest as a flux.

Mesh, and means at its faces, are those of the truth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.pinn import cell as cells
from training.pinn import laws
from training.pinn.mesh import POINTS, electrolyte

#: Least concentration of salt that the sweeps go on with. [mol/l]
DEPLETED = 0.02
#: Concentration at which the modes take their diffusivity; what differs enters as a flux. [mol/l]
MIDDLE = 0.7
#: Keeps 0 / 0 out where a bin is padding.
TINY = 1e-9


class Salt(nn.Module):
    """Salt across negative electrode, separator and positive electrode, 20 cells each, over the W bins of a window."""

    def __init__(self, cell: dict[str, Any], modes: int) -> None:
        super().__init__()
        liquid = electrolyte(cell, modes)
        parts = [cell["negative"], cell["separator"], cell["positive"]]
        through = np.concatenate([np.full(POINTS, part["porosity"] ** 1.5) for part in parts])
        for name, values in {
            "rates": liquid.modes.rate * laws.UNIT,
            "vectors": liquid.modes.vectors,
            "resistance": (liquid.width / 2 / through / laws.UNIT)[:, None],
            "mean": liquid.face,
            "gathered": -np.diff(np.eye(3 * POINTS), axis=0).T,
            "width": liquid.width[:, None],
        }.items():
            self.register_buffer(name, torch.tensor(np.asarray(values), dtype=torch.float32), persistent=False)

    def forward(self, flux: Tensor, guess: Tensor, start: Tensor, kelvin: Tensor, seconds: Tensor, area: Tensor,
                scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Run one sweep.

        Parameters
        ----------
        flux : Tensor, shape (batch, 2, X, W)
            Interfacial current density. [A/m2]
        guess : Tensor, shape (batch, 60, W)
            Concentration of the sweep before. [mol/l]
        start : Tensor, shape (batch, modes)
            Modes at the start of the window. [mol/m3]
        kelvin, seconds, scale : Tensor, shape (batch, 1, W) or (batch, 1, 1)
            Temperature [K], length of a bin [s], factor on the diffusivity.
        area : Tensor, shape (batch, 2, 1, 1)
            Of the particles' surface in a volume. [1/m]

        Returns
        -------
        tuple
            Concentration at mid-bin and at the ends of bins (batch, 60, W) [mol/l], and the modes at the end [mol/m3].
        """
        inside = flux * (area / cells.FARADAY)
        made = torch.cat([inside[:, 0], torch.zeros_like(inside[:, 0]), inside[:, 1]], 1) * self.width
        carried = torch.cumsum(made, 1)[:, :-1] * laws.transference(self.mean @ guess, kelvin)
        reference = laws.diffusivity(torch.full_like(kelvin, MIDDLE), kelvin) * scale
        resisting = self.resistance / (laws.diffusivity(guess, kelvin) * scale)
        through = 1 / (resisting[:, 1:] + resisting[:, :-1])
        plain = 1 / (self.resistance[1:] + self.resistance[:-1]) * reference
        extra = (through - plain) * torch.diff(guess, dim=1) * 1000
        source = made + self.gathered @ (extra - carried)
        bins = flux.shape[-1]
        rate = self.rates.view(-1, 1) * (reference * seconds)
        total = torch.cumsum(rate, -1)
        decay = torch.exp(-(total.unsqueeze(-1) - total.unsqueeze(-2)).clamp(min=0)) * torch.tril(torch.ones(bins, bins))
        first = (self.rates == 0).float().view(-1, 1)
        gain = ((1 - torch.exp(-rate)) / (rate + first).clamp(min=TINY) * (1 - first) + first) * seconds
        inputs = gain * (self.vectors.T @ source)
        modes = (decay @ inputs.unsqueeze(-1)).squeeze(-1) + torch.exp(-total) * start.unsqueeze(-1)
        middle = (modes + torch.cat([start.unsqueeze(-1), modes[..., :-1]], -1)) / 2
        return self.filled(middle), self.filled(modes), modes[..., -1]

    def filled(self, modes: Tensor) -> Tensor:
        """Concentration (batch, 60, W) [mol/l] from modes [mol/m3]."""
        return (self.vectors @ modes / 1000).clamp(min=DEPLETED)
