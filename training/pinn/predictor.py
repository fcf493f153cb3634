"""What is learned: the first guess of the flux distribution, and the size of the correctors' steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from training.pinn import cell as cells
from training.pinn.liquid import DEPLETED
from training.pinn.scan import blocked, kernel, scan

if TYPE_CHECKING:
    from training.pinn.network import Network
    from training.pinn.particles import Side

#: Relaxation rates that the predictor's memory runs at, as multiples of the electrodes' own.
RATES = (0.3, 1.0, 3.0)
#: Mean square of the features of load, drive and imbalance below which a cell counts as still. [1]
STILL = 1e-4


class Predictor(nn.Module):
    """Guess the flux along both electrodes, and the electrolyte, from what is known exactly of a cell that is uniform along x.

    Every input is dimensionless and physical: overpotential drives, slopes of the open-circuit potentials against the resistances
    that they work on, the electrolyte's linear response, what is left of the initial imbalance. Temperature itself is none: it acts
    through them, which is what lets the guess be used where no simulation was seen.

    A cell at rest is left as it is: what is added vanishes with the drives, the imbalance and the load (law, tested).

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
        """Return flux (batch, 2, X, N) [A/m2] and electrolyte concentration (batch, 60, N) [mol/m3]."""
        particles, weights = network.particles, network.kinetics.weights
        middle = particles.surface(side, flux)
        found = network.kinetics(side, flux, middle, liquid, given)
        uniform = weights @ middle
        single = torch.cat(
            [
                torch.asinh(side.mean_flux),
                side.mean_flux / 5,
                torch.log(found["slope"] * side.film + 1e-3) / 3,
                uniform / particles.side_largest * 2 - 1,
                torch.log(side.exchange * 1e6) / 2,
            ],
            2,
        )
        tendency = (found["flux"] - flux) / 3.0
        drop = (liquid[:, [0, 10, 19, 40, 49, 59]] - 1000) / 500
        # ends of what is left of the initial imbalance: the flux is uniform here
        ends = (torch.cat([middle[:, :, :1], middle[:, :, -1:]], 2) - uniform) * 10 / particles.side_largest
        swing = torch.asinh(given["swing"])
        feature = torch.cat(
            [*(part.flatten(1, 2) for part in (single, tendency)), drop, swing.flatten(1, 2), ends.flatten(1, 2)], 1
        )
        stirred = feature[:, 2 * single.shape[2] :].square().mean(1, keepdim=True)
        feature = feature.transpose(1, 2)
        memory = self._remember(particles.side_radius, torch.tanh(self.enter(feature)), found["slope"], side, given)
        out = self.leave(self.hidden(torch.cat([feature, memory], -1))).transpose(1, 2) * (stirred / (stirred + STILL))
        shift = out[:, : 2 * self.nodes].unflatten(1, (2, self.nodes))
        shift = (shift - weights @ shift) * 1.5
        # modes beyond the first: the mean is salt, and salt is conserved
        lift = network.liquid.vectors[:, 1 : self.kept + 1]
        lift = lift / lift.abs().amax(0)
        return flux + shift, (liquid + lift @ (out[:, 2 * self.nodes :] * 30)).clamp(min=DEPLETED)

    def _remember(self, radius: Tensor, inputs: Tensor, slope: Tensor, side: Side, given: dict[str, Tensor]) -> Tensor:
        """Exponential means of `inputs` (batch, N, groups * channels) at the electrodes' own relaxation rates."""
        own = slope * 3 / (radius * cells.FARADAY) / (1 + slope * side.film) * given["seconds"]
        rate = torch.cat([own * factor for factor in RATES], 1) + 1e-4 * given["seconds"]  # batch, groups, 1, N
        grouped = blocked(inputs.transpose(1, 2).unflatten(1, (-1, self.channels)) * (1 - torch.exp(-rate)))
        memory = scan(kernel(rate), grouped.permute(0, 1, 3, 4, 2).unsqueeze(2)).squeeze(
            2
        )  # batch, groups, blocks, BLOCK, channels
        return memory.flatten(2, 3).transpose(1, 2).flatten(2)


class StepSizes(nn.Module):
    """Factors on the film and the capacity that a corrector reckons with, per sweep, electrode and time."""

    def __init__(self, sweeps: int, width: int = 16) -> None:
        super().__init__()
        self.sweeps = sweeps
        self.net = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 4 * sweeps))
        with torch.no_grad():
            self.net[-1].weight *= 0.05
            self.net[-1].bias *= 0.0

    def forward(self, sweep: int, slope: Tensor, side: Side, given: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return two factors, each (batch, 2, 1, N), 1 when nothing was learned."""
        reach = torch.log(slope.unsqueeze(2) * torch.stack([side.film, side.own], 2) + 1e-3) / 3  # batch, 2, 2, 1, N
        seconds = torch.log(given["seconds"] + 1e-3) / 3
        feature = torch.cat([reach.flatten(1, 3), seconds[:, 0], given["arrhenius"][:, 0] * 3000], 1).transpose(1, 2)
        out = torch.exp(self.net(feature)[..., 4 * sweep : 4 * sweep + 4]).transpose(1, 2).unsqueeze(2)
        return out[:, :2], out[:, 2:]
