"""The particles of both electrodes: exact modes of diffusion in a sphere, linear in the flux; lithium is conserved by construction.

The first mode is a particle's mean, and only current moves it. Tensors along an electrode are (batch, 2, X, N): electrode, place, time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.pinn import cell as cells
from training.pinn.mesh import SURFACE, particle_modes, quadrature
from training.pinn.scan import Kernel, block_starts, blocked, finish, kernel

#: Keeps 0 / 0 out where a bin is padding.
TINY = 1e-9


def both(cell: dict[str, Any], name: str) -> Tensor:
    """Return a value of the negative and of the positive electrode, shape (1, 2, 1, 1)."""
    return torch.tensor([cell[side][name] for side in ("negative", "positive")], dtype=torch.float32).view(1, 2, 1, 1)


@dataclass
class Side:
    """Both electrodes over all times, prepared for the sweeps; single values are (batch, 2, 1, N)."""

    kernel: Kernel
    within: Tensor  # from flux to modes inside a block, (batch, 2, K, blocks, BLOCK, BLOCK)
    surface: Tensor  # from flux to surface concentration at mid-bin, (batch, 2, blocks, BLOCK, BLOCK)
    ends: Tensor  # from flux to what a block adds to its modes, (batch, 2, blocks, K, BLOCK)
    free: Tensor  # from modes at a block's start to the surface at mid-bin, (batch, 2, blocks, BLOCK, K)
    mean_flux: Tensor
    exchange: Tensor
    film: Tensor  # how far a surface lies from the mean under a steady flux
    own: Tensor  # and within its own bin
    initial: Tensor


class Particles(nn.Module):
    """Diffusion in the particles of a cell of :mod:`training.pinn.cell`, on `nodes` places along each electrode."""

    def __init__(self, cell: dict[str, Any], nodes: int) -> None:
        super().__init__()
        solid = particle_modes()
        for name, values in {
            "rates": solid.rate[:, None],
            "inflow": solid.inflow[:, None],
            "vectors": solid.vectors,
            "at_surface": (SURFACE @ solid.vectors)[None],
            "to_cells": quadrature(nodes).to_cells.T,
        }.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)
        for name in ("radius", "active", "thickness", "largest", "diffusivity", "diffusivity_energy", "rate", "rate_energy"):
            self.register_buffer(f"side_{name}", both(cell, name), persistent=False)
        self.register_buffer("sign", torch.tensor([1.0, -1.0]).view(1, 2, 1, 1), persistent=False)
        self.register_buffer("mean", torch.tensor(solid.rate[:, None] == 0).float(), persistent=False)

    def prepare(self, seconds: Tensor, arrhenius: Tensor, density: Tensor, initial: Tensor, factors: tuple[Tensor, Tensor],
                area: Tensor) -> Side:  # fmt: skip
        """Prepare; times are (batch, 1, 1, N), `initial` (batch, 2, K, X), factors of diffusivity and exchange current (batch, 2, 1, 1)."""
        diffusivity = factors[0] * self.side_diffusivity / self.side_radius**2
        diffusivity = diffusivity * torch.exp(self.side_diffusivity_energy / cells.GAS * arrhenius)
        rate = self.rates * (diffusivity * seconds)  # batch, 2, K, N
        decays = kernel(rate)
        ratio = (1 - torch.exp(-rate)) / (rate + self.mean).clamp(min=TINY)
        gain = (ratio + self.mean) * (seconds / (self.side_radius * cells.FARADAY)) * self.inflow
        within = decays.inner * blocked(gain).unsqueeze(-2)
        surface = (self.at_surface @ within.flatten(-3)).squeeze(2).unflatten(-1, (-1, *within.shape[-2:]))
        before = torch.cat([torch.zeros_like(surface[..., :1, :]), surface[..., :-1, :]], -2)
        free = decays.decay.permute(0, 1, 3, 4, 2) * self.at_surface
        start = self.at_surface.expand_as(free[..., :1, :])
        free = (free + torch.cat([start, free[..., :-1, :]], -2)) / 2
        exchange = factors[1] * self.side_rate * torch.exp(self.side_rate_energy / cells.GAS * arrhenius)
        # how far the surface lies from the mean of a particle under a steady flux, and at least what it moves within a bin
        steady = 1 / (5 * self.side_radius * cells.FARADAY * diffusivity)
        own = -torch.diagonal(surface, dim1=-2, dim2=-1).flatten(-2).unsqueeze(2) / 2
        return Side(
            decays,
            within,
            (surface + before) / 2,
            within[..., -1, :].transpose(2, 3),
            free,
            self.sign * density / (area * self.side_thickness),
            exchange,
            torch.maximum(steady, own),
            own,
            initial,
        )

    def surface(self, side: Side, flux: Tensor) -> Tensor:
        """Surface concentration at mid-bin (batch, 2, X, N) from flux of the same shape. [mol/m3]"""
        passed = flux.transpose(-1, -2).unflatten(2, (-1, side.surface.shape[-1]))
        start = block_starts(side.kernel, (side.ends @ passed).transpose(2, 3), side.initial).transpose(2, 3)
        return (side.surface @ passed + side.free @ start).flatten(2, 3).transpose(-1, -2)

    def fields(self, side: Side, flux: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the particles hold at the ends of bins.

        Returns
        -------
        tuple of Tensor
            Concentration c(r, x) (batch, 2, N, 20, 20) and at the surface (batch, 2, N, X) [mol/m3]; modes at the end (batch, 2, K, X).
        """
        passed = flux.transpose(-1, -2).unflatten(2, (-1, side.surface.shape[-1])).unsqueeze(2)
        modes = finish(side.kernel, side.within @ passed, side.initial).flatten(3, 4)  # batch, 2, K, N, X
        surface = (self.at_surface @ modes.flatten(3)).squeeze(2).unflatten(-1, (-1, modes.shape[-1]))
        along = modes @ self.to_cells
        full = (self.vectors @ along.flatten(3)).unflatten(-1, (-1, along.shape[-1]))
        return full.transpose(2, 3), surface, modes[..., -1, :]
