"""What is learned: the first guess of the flux distribution, and the size of the correctors' steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from training.pinn import cell as cells
from training.pinn.scan import kernel, scan

if TYPE_CHECKING:
    from training.pinn.network import Network, Side

#: Relaxation rates that the predictor's memory runs at, as multiples of the electrodes' own.
RATES = (0.3, 1.0, 3.0)


class Predictor(nn.Module):
    """Guess the flux along both electrodes, and the electrolyte, from what is known exactly of a cell that is uniform along x.

    Every input is dimensionless and physical: overpotential drives, slopes of the open-circuit potentials against the resistances
    that they work on, the electrolyte's linear response, what is left of the initial imbalance. Temperature itself is none: it acts
    through them, which is what lets the guess be used where no simulation was seen.

    Memory is a gated linear recurrence. Its rates are those at which an imbalance of each electrode relaxes, computed, not learned.
    """

    def __init__(self, width: int, nodes: int, electrolyte_modes: int) -> None:
        super().__init__()
        self.nodes, self.kept = nodes, min(electrolyte_modes, 8)
        groups = 2 * len(RATES)
        self.channels = max(width // groups, 1)
        inputs = 10 + 12 + 2 * nodes
        self.enter = nn.Linear(inputs, groups * self.channels)
        self.hidden = nn.Sequential(nn.Linear(inputs + groups * self.channels, 2 * width), nn.Tanh(),
                                    nn.Linear(2 * width, 2 * width), nn.Tanh())  # fmt: skip
        self.leave = nn.Linear(2 * width, 2 * nodes + self.kept)
        with torch.no_grad():
            self.leave.weight *= 0.05
            self.leave.bias *= 0.0

    def forward(
        self, network: Network, side: Side, flux: Tensor, liquid: Tensor, given: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return flux (batch, 2, blocks, BLOCK, X) [A/m2] and electrolyte concentration (batch, blocks, BLOCK, 60) [mol/m3]."""
        middle = network.surface(side, flux)
        found = network.kinetics(side, flux, middle, liquid, given)
        uniform = (middle * network.weights).sum(-1, keepdim=True)
        imbalance = (
            (middle - uniform) * 10 / network.side_largest.unsqueeze(-1)
        )  # of the initial state: the flux is uniform here
        slope = (found["slope"] * network.weights).sum(-1)
        tendency = (found["flux"] - flux) / 3.0
        single = torch.stack(
            [
                torch.asinh(side.mean_flux),
                side.mean_flux / 5,
                torch.log(slope * side.film[..., 0] + 1e-3) / 3,
                uniform.squeeze(-1) / network.side_largest * 2 - 1,
                torch.log(side.exchange * 1e6) / 2,
            ],
            -1,
        )
        drop = (liquid[..., [0, 10, 19, 40, 49, 59]] - 1000) / 500
        swing = torch.asinh(given["swing"])
        both = [self._side_by_side(value) for value in (single, tendency)]
        extra = self._side_by_side(swing.unsqueeze(-1))
        feature = torch.cat([*both, drop, extra, self._pooled(imbalance)], -1)
        memory = self._remember(network, torch.tanh(self.enter(feature)), slope, side, given)
        out = self.leave(self.hidden(torch.cat([feature, memory], -1)))
        shift = out[..., : 2 * self.nodes].unflatten(-1, (2, self.nodes)).permute(0, 3, 1, 2, 4)
        shift = (shift - (shift * network.weights).sum(-1, keepdim=True)) * 1.5
        changed = out[..., 2 * self.nodes :] * 30
        # modes beyond the first: the mean is salt, and salt is conserved
        lift = network.liquid_vectors[1 : self.kept + 1]
        lift = lift / lift.abs().amax(-1, keepdim=True)
        return flux + shift, (liquid + changed @ lift).clamp(min=DEPLETED_GUESS)

    @staticmethod
    def _side_by_side(value: Tensor) -> Tensor:
        """(batch, 2, blocks, BLOCK, F) -> (batch, blocks, BLOCK, 2 F)."""
        return torch.cat([value[:, 0], value[:, 1]], -1)

    @staticmethod
    def _pooled(imbalance: Tensor) -> Tensor:
        """Ends and middle of what is left of the initial imbalance: two figures an electrode."""
        halves = torch.stack([imbalance[..., 0], imbalance[..., -1]], -1)
        return torch.cat([halves[:, 0], halves[:, 1]], -1)

    def _remember(self, network: Network, inputs: Tensor, slope: Tensor, side: Side, given: dict[str, Tensor]) -> Tensor:
        """Exponential means of `inputs` (batch, blocks, BLOCK, groups * channels) at the electrodes' own relaxation rates."""
        own = slope * 3 / (network.side_radius * cells.FARADAY) / (1 + slope * side.film[..., 0]) * given["seconds"]
        rate = torch.cat([own * factor for factor in RATES], 1) + 1e-4 * given["seconds"]  # batch, groups, blocks, BLOCK
        decays = kernel(rate.flatten(-2).unsqueeze(-2))
        grouped = inputs.unflatten(-1, (-1, self.channels)).permute(0, 3, 1, 2, 4)
        weighted = grouped * (1 - torch.exp(-rate)).unsqueeze(-1)
        memory = scan(decays, weighted.unsqueeze(-3), torch.zeros_like(grouped[:, :, 0, :1])).squeeze(-3)
        return memory.permute(0, 2, 3, 1, 4).flatten(-2)


#: Least concentration that a guess may hold. [mol/m3]
DEPLETED_GUESS = 20.0


class StepSizes(nn.Module):
    """Factors on the film and the capacity that a corrector reckons with, per sweep, electrode and time."""

    def __init__(self, sweeps: int, width: int = 16) -> None:
        super().__init__()
        self.sweeps = sweeps
        self.net = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 4 * sweeps))
        with torch.no_grad():
            self.net[-1].weight *= 0.05
            self.net[-1].bias *= 0.0

    def forward(self, sweep: int, slope: Tensor, film: Tensor, given: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return two factors, each (batch, 2, blocks, BLOCK), 1 when nothing was learned."""
        reach = torch.log(slope.unsqueeze(-1) * film + 1e-3) / 3
        seconds = torch.log(given["seconds"] + 1e-3).expand_as(slope[:, :1]) / 3
        feature = torch.cat(
            [reach[:, 0], reach[:, 1], seconds[:, 0].unsqueeze(-1), given["arrhenius"][:, 0].unsqueeze(-1) * 3000], -1
        )
        out = torch.exp(self.net(feature)[..., 4 * sweep : 4 * sweep + 4]).permute(0, 3, 1, 2)
        return out[:, :2], out[:, 2:]
