"""The network: a predictor of the flux distribution, and corrector sweeps of exact physics, both parallel over time.

A sweep takes the flux along both electrodes at all times and returns a better one. In between stands the Doyle-Fuller-Newman
model itself: particles as exact modes, electrolyte as modes, Ohm's law by quadrature, Butler-Volmer in closed form with the total
current as a hard constraint. What is learned: the first guess (:mod:`training.pinn.predictor`) and the size of each step.

The current within a bin is seen at two points, mean - spread and mean + spread: Butler-Volmer is not linear, and the flux of a mean is
not the mean of fluxes.

Tensors have X before time, (batch, 2, X, N): what is one value a time then meets long rows, which onnxruntime is quick at.

References
----------
Doyle, Fuller, Newman, J. Electrochem. Soc. 140 (1993) 1526, doi:10.1149/1.2221597
Monga, Li, Eldar, Algorithm unrolling, IEEE Signal Process. Mag. 38 (2021) 18, doi:10.1109/MSP.2020.3016905
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.pinn import cell as cells
from training.pinn.kinetics import Kinetics
from training.pinn.liquid import Liquid, conductivity
from training.pinn.particles import Particles, Side
from training.pinn.predictor import Predictor, StepSizes
from training.pinn.scan import blocked, kernel, scan, shifted


@dataclass(frozen=True)
class Config:
    """Size of a network.

    Attributes
    ----------
    nodes : int
        Gauss-Legendre nodes along each electrode.
    electrolyte_modes : int
    sweeps : int
        Corrector sweeps whose steps are learned; 0 leaves the predictor alone.
    further : int
        Sweeps with steps of analytic size after them. Training leaves them out; they take off what is left, inside and outside the
        range that was trained on.
    width : int
        Hidden width of the predictor.
    learned : bool
        Without, the first guess is a uniform flux and steps have their analytic size.
    """

    nodes: int = 8
    electrolyte_modes: int = 20
    sweeps: int = 3
    further: int = 2
    width: int = 48
    learned: bool = True


class Network(nn.Module):
    """Currents and temperatures to what happens inside an LG M50 (OKane2022); see `interface` in :mod:`training.pinn.export`."""

    def __init__(self, config: Config | None = None, cell: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.config, self.cell = config or Config(), cell or cells.load()
        nodes, modes = self.config.nodes, self.config.electrolyte_modes
        self.particles = Particles(self.cell, nodes)
        self.liquid = Liquid(self.cell, modes, nodes)
        self.kinetics = Kinetics(self.cell, nodes)
        self.predictor = Predictor(self.config.width, nodes, modes)
        self.steps = StepSizes(max(self.config.sweeps, 1))

    def forward(self, current: Tensor, spread: Tensor, temperature: Tensor, seconds: Tensor, negative0: Tensor, positive0: Tensor,
                electrolyte0: Tensor, parameters: Tensor, trace: list[Any] | None = None) -> dict[str, Tensor]:  # fmt: skip
        """Run; shapes and units stand in :mod:`training.pinn.export`."""
        kelvin, seconds_ = temperature[:, None, None], seconds[:, None, None]
        factor = torch.exp(parameters[:, :9])[..., None, None]  # batch, 9, 1, 1
        arrhenius = 1 / cells.REFERENCE - 1 / kelvin
        warm = torch.exp(self.cell["electrolyte_energy"] / cells.GAS * arrhenius)
        plate = self.cell["area"] * factor[:, :1]
        density, deviation = current[:, None, None] / plate, spread[:, None, None] / plate
        area = 3 * self.particles.side_active * factor[:, 7:9] / self.particles.side_radius
        initial = torch.stack([negative0, positive0], 1)
        side = self.particles.prepare(seconds_, arrhenius, density, initial, (factor[:, 1:3], factor[:, 3:5]), area)
        given = self.kinetics.given(kelvin, warm, factor[:, 6:7], area, density, deviation, side.mean_flux)
        given |= {"seconds": seconds_, "arrhenius": arrhenius}
        prepared = self.liquid.prepare(seconds_[:, 0], warm[:, 0], factor[:, 5], area, electrolyte0)
        flux = side.mean_flux.expand(-1, -1, self.config.nodes, -1)
        liquid, ends, last = self.liquid.concentration(flux, None, prepared)
        if self.config.learned:
            flux, liquid = self.predictor(self, side, flux, liquid, given)
        found: dict[str, Tensor] = {}
        before = flux
        sweeps = self.config.sweeps + self.config.further
        for sweep in range(max(sweeps, 1)):
            liquid, ends, last = self.liquid.concentration(flux, liquid, prepared)
            found = self.kinetics(side, flux, self.particles.surface(side, flux), liquid, given)
            if trace is not None:
                trace.append((flux, found, ends))
            before = flux
            if sweeps:
                flux = self.improve(sweep, side, flux, found, given)
        residual = (found["flux"] - before).square().mean((1, 2)).sqrt()
        found["voltage"] = self.voltage(found, ends, given, factor) - parameters[:, 9:] * current
        return self.results(side, flux, found, ends) | {"residual": residual, "electrolyte1": last}

    def improve(self, sweep: int, side: Side, flux: Tensor, found: dict[str, Tensor], given: dict[str, Tensor]) -> Tensor:
        """Step towards the flux that follows, with the feedback through surface concentration taken into account.

        More flux out of a place empties it, which raises its potential and takes flux away; a plain step overshoots. With the
        surface following as ``film * flux + (3 / R F) * charge passed``, the step is a first-order high-pass filter.
        """
        slope, film = found["slope"], side.film
        capacity = 3 / (self.particles.side_radius * cells.FARADAY)
        if self.config.learned and sweep < self.config.sweeps:
            film_factor, rate_factor = self.steps(sweep, slope, side, given)
            film, capacity = film * film_factor, capacity * rate_factor
        damping = 1 + slope * film
        speed = slope * capacity / damping
        rate = speed * given["seconds"]
        change = (found["flux"] - flux) / damping
        inputs = change * ((1 - torch.exp(-rate)) / (rate + 1e-6) * given["seconds"])
        passed = scan(kernel(rate), blocked(inputs).permute(0, 1, 3, 4, 2).unsqueeze(2))  # batch, 2, 1, blocks, BLOCK, X
        passed = passed.squeeze(2).flatten(2, 3).transpose(-1, -2)
        change = change - speed * ((passed + shifted(passed, torch.zeros_like(passed[..., :1]))) / 2)
        return flux + change - self.kinetics.weights @ change

    def voltage(self, found: dict[str, Tensor], ends: Tensor, given: dict[str, Tensor], factor: Tensor) -> Tensor:
        """Voltage between the terminals but for a resistance in series (batch, N). [V]"""
        separator = self.cell["separator"]
        middle = conductivity(ends[:, 20:40].mean(1)) * separator["porosity"] ** 1.5 * (given["warm"] * factor[:, 6:7])[:, 0, 0]
        across = given["density"][:, 0, 0] * separator["thickness"] / middle
        level, logarithm = found["interface"][:, :, 0], found["logarithm"][:, :, 0]
        diffusion = given["diffusion"][:, 0, 0] * (logarithm[:, 1] - logarithm[:, 0])
        return level[:, 1] - level[:, 0] - across + diffusion - found["ohmic"].sum((1, 2))

    def results(self, side: Side, flux: Tensor, found: dict[str, Tensor], ends: Tensor) -> dict[str, Tensor]:
        """Collect the outputs."""
        fields, surface, modes = self.particles.fields(side, flux)
        surface = surface / self.particles.side_largest
        return {
            "voltage": found["voltage"],
            "margin": found["interface"][:, 0, 0],
            "margin_least": found["least"][:, 0, 0],
            "anode": (found["interface"] + found["shape"])[:, 0].transpose(1, 2),
            "negative_surface": surface[:, 0],
            "positive_surface": surface[:, 1],
            "electrolyte": ends.transpose(1, 2),
            "negative": fields[:, 0],
            "positive": fields[:, 1],
            "negative1": modes[:, 0],
            "positive1": modes[:, 1],
        }
