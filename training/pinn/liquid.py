"""The electrolyte: slow modes of diffusion across both electrodes and the separator; what depends on concentration enters as a flux.

Properties of the electrolyte are those of Nyman et al., Electrochim. Acta 53 (2008) 6356, doi:10.1016/j.electacta.2008.04.023.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.pinn import cell as cells
from training.pinn.mesh import electrolyte, quadrature
from training.pinn.particles import TINY
from training.pinn.scan import Kernel, blocked, kernel, scan, shifted

#: Diffusivities of the electrolyte are reckoned in this unit: the exporter's optimiser takes an addend of 1e-10 for none. [m2/s]
UNIT = 1e-10
#: Diffusivity of the electrolyte's modes at 25 °C; what differs from it enters as a flux. [UNIT]
MEAN_DIFFUSIVITY = 2.2
#: Least electrolyte concentration that the sweeps go on with. [mol/m3]
DEPLETED = 20.0


def conductivity(concentration: Tensor) -> Tensor:
    """Conductivity at 25 °C of an electrolyte of `concentration` [mol/m3]. [S/m]"""
    molar = concentration / 1000
    return molar * (3.329 - 2.51 * torch.sqrt(molar) + 0.1297 * molar * molar)


@dataclass
class Prepared:
    """The electrolyte over all times; `gain` (batch, K, N), `diffusivity` and `warm` (batch, 1, N), `passed` (batch, 2, 1, 1)."""

    kernel: Kernel
    gain: Tensor
    diffusivity: Tensor
    warm: Tensor
    passed: Tensor
    initial: Tensor


class Liquid(nn.Module):
    """Diffusion in the electrolyte of a cell, with `count` modes and `nodes` places along each electrode."""

    def __init__(self, cell: dict[str, Any], count: int, nodes: int) -> None:
        super().__init__()
        mesh = electrolyte(cell, count)
        to_cells, width = quadrature(nodes).to_cells, np.array(mesh.width)
        lift = mesh.modes.vectors.T  # K, 60
        entering = [lift[:, part] @ (width[part, None] * to_cells) for part in (slice(0, 20), slice(40, 60))]
        difference = np.diff(np.eye(60), axis=0)
        for name, values in {
            "rates": mesh.modes.rate[:, None] * UNIT,
            "vectors": mesh.modes.vectors,
            "entering": np.concatenate(entering, 1),
            "faces": mesh.face / 1000,
            "slope": difference * mesh.conductance[:, None] * UNIT,
            "gathered": -lift @ difference.T,
        }.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)
        self.register_buffer("mean", torch.tensor(mesh.modes.rate[:, None] == 0).float(), persistent=False)
        self.carried = (1 - cell["transference"]) / cells.FARADAY

    def prepare(self, seconds: Tensor, warm: Tensor, factor: Tensor, area: Tensor, initial: Tensor) -> Prepared:
        """Prepare; times are (batch, 1, N), `factor` of the diffusivity (batch, 1, 1), `area` (batch, 2, 1, 1), `initial` (batch, K)."""
        warm = warm * factor
        diffusivity = MEAN_DIFFUSIVITY * warm
        rate = self.rates * (diffusivity * seconds)
        gain = ((1 - torch.exp(-rate)) / (rate + self.mean).clamp(min=TINY) + self.mean) * seconds
        return Prepared(kernel(rate), gain, diffusivity, warm, area * self.carried, initial.unsqueeze(-1))

    def concentration(self, flux: Tensor, guess: Tensor | None, of: Prepared) -> tuple[Tensor, Tensor, Tensor]:
        """One sweep: from flux (batch, 2, X, N) and the concentration before to concentration at mid-bin (batch, 60, N).

        Also returned: concentration at the ends of bins, and the modes at the end (batch, K).
        """
        source = self.entering @ (flux * of.passed).flatten(1, 2)
        if guess is not None:
            at_face = self.faces @ guess
            real = ((0.8794 * at_face - 3.972) * at_face + 4.862) * of.warm
            source = source + self.gathered @ ((real - of.diffusivity) * (self.slope @ guess))
        inputs = blocked(of.gain * source).unsqueeze(-1)
        modes = scan(of.kernel, inputs, of.initial).squeeze(-1).flatten(-2)  # batch, K, N
        middle = (modes + shifted(modes, of.initial)) / 2
        return self._filled(middle), self._filled(modes), modes[..., -1]

    def _filled(self, modes: Tensor) -> Tensor:
        return (self.vectors @ modes).clamp(min=DEPLETED)
