"""The network: a predictor of the flux distribution, and corrector sweeps of exact physics, both parallel over time.

A sweep takes the flux along both electrodes at all times and returns a better one. In between stands the Doyle-Fuller-Newman
model itself: particles as exact modes, electrolyte as modes, Ohm's law by quadrature, Butler-Volmer in closed form with the total
current as a hard constraint. What is learned: the first guess (:mod:`training.pinn.predictor`) and the size of each step.

The current within a bin is seen at two points, mean - spread and mean + spread: Butler-Volmer is not linear, and the flux of a mean is
not the mean of fluxes.

References
----------
Doyle, Fuller, Newman, J. Electrochem. Soc. 140 (1993) 1526, doi:10.1149/1.2221597
Monga, Li, Eldar, Algorithm unrolling, IEEE Signal Process. Mag. 38 (2021) 18, doi:10.1109/MSP.2020.3016905
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.pinn import cell as cells
from training.pinn.mesh import SURFACE, electrolyte, particle_modes, quadrature
from training.pinn.predictor import Predictor, StepSizes
from training.pinn.scan import BLOCK, Kernel, block_starts, kernel, scan

PARAMETERS = (
    "area",
    "negative_diffusivity",
    "positive_diffusivity",
    "negative_exchange",
    "positive_exchange",
    "electrolyte_diffusivity",
    "electrolyte_conductivity",
    "negative_loading",
    "positive_loading",
    "series_resistance",
)
#: Diffusivities of the electrolyte are reckoned in this unit: the exporter's optimiser takes an addend of 1e-10 for none. [m2/s]
UNIT = 1e-10
#: Diffusivity of the electrolyte's modes at 25 °C; what differs from it enters as a flux. [UNIT]
MEAN_DIFFUSIVITY = 2.2
#: Least electrolyte concentration that the sweeps go on with. [mol/m3]
DEPLETED = 20.0
#: Keeps 0 / 0 out where a bin is padding.
TINY = 1e-9


@dataclass(frozen=True)
class Config:
    """Size of a network.

    Attributes
    ----------
    nodes : int
        Gauss-Legendre nodes along each electrode.
    electrolyte_modes : int
    sweeps : int
        Corrector sweeps; 0 leaves the predictor alone.
    width : int
        Hidden width of the predictor.
    learned : bool
        Without, the first guess is a uniform flux and steps have their analytic size.
    """

    nodes: int = 8
    electrolyte_modes: int = 20
    sweeps: int = 3
    width: int = 48
    learned: bool = True


@dataclass
class Side:
    """One electrode, or both stacked along dimension 1, over all times; tensors are (batch, 2, blocks, BLOCK, ...)."""

    kernel: Kernel
    surface: Tensor  # from flux to surface concentration at mid-bin, (..., BLOCK, BLOCK)
    ends: Tensor  # from flux to what a block adds to its modes, (..., K, BLOCK)
    free: Tensor  # from modes at a block's start to the surface at mid-bin, (..., BLOCK, K)
    gain: Tensor  # of a mode from flux, (..., K, BLOCK)
    mean_flux: Tensor
    exchange: Tensor
    film: Tensor
    initial: Tensor


class Network(nn.Module):
    """Currents and temperatures to what happens inside an LG M50 (OKane2022); see `interface` in :mod:`training.pinn.export`."""

    def __init__(self, config: Config | None = None, cell: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.config, self.cell = config or Config(), cell or cells.load()
        sides = [self.cell["negative"], self.cell["positive"]]
        x = quadrature(self.config.nodes)
        liquid = electrolyte(self.cell, self.config.electrolyte_modes)
        solid = particle_modes()
        for name, values in {
            "rates": solid.rate,
            "vectors": solid.vectors,
            "inflow": solid.inflow,
            "at_surface": SURFACE @ solid.vectors,
            "weights": x.weights,
            "nodes": x.nodes,
            "cumulative": x.cumulative.T,
            "to_cells": x.to_cells.T,
            "from_cells": x.from_cells.T,
            "at_interface": np.stack([x.at_end, x.at_start])[None, :, None, None],
            "liquid_rates": liquid.modes.rate * UNIT,
            "liquid_vectors": liquid.modes.vectors.T,
            "liquid_faces": liquid.face.T,
            "liquid_slope": np.diff(np.eye(60), axis=0).T * liquid.conductance * UNIT,
            "liquid_gathered": -np.diff(np.eye(60), axis=0),
            "width_n": np.array(liquid.width[:20]),
            "width_p": np.array(liquid.width[40:]),
            "potential": np.concatenate([np.array(side["potential"]) for side in sides]),
        }.items():
            self.register_buffer(name, torch.tensor(np.asarray(values), dtype=torch.float32), persistent=False)
        for name in ("thickness", "radius", "active", "porosity", "largest", "conductivity", "diffusivity", "diffusivity_energy",
                     "rate", "rate_energy"):  # fmt: skip
            self.register_buffer(f"side_{name}", self._both([side[name] for side in sides]), persistent=False)
        self.register_buffer("sign", self._both([1.0, -1.0]), persistent=False)
        # the table of the difference, so that a slope needs one look-up more and no branch
        table = self.potential.unflatten(0, (2, -1))
        self.register_buffer("potential_step", torch.diff(table, append=table[:, -1:]).flatten(), persistent=False)
        self.predictor = Predictor(self.config.width, self.config.nodes, self.config.electrolyte_modes)
        self.steps = StepSizes(max(self.config.sweeps, 1))

    @staticmethod
    def _both(values: list[float]) -> Tensor:
        """Negative and positive, to broadcast against (batch, 2, blocks, BLOCK)."""
        return torch.tensor(values, dtype=torch.float32).view(1, 2, 1, 1)

    # --- linear pieces -------------------------------------------------------------------------------------------------------

    def solid(self, seconds: Tensor, arrhenius: Tensor, current: Tensor, initial: Tensor, factors: Tensor) -> Side:
        """Prepare the particles; times are (batch, 1, blocks, BLOCK), `initial` (batch, 2, K, X), `factors` (batch, 2, 1, 1, 3)."""
        diffusivity = factors[..., 0] * self.side_diffusivity / self.side_radius**2
        diffusivity = diffusivity * torch.exp(self.side_diffusivity_energy / cells.GAS * arrhenius)
        speed = diffusivity.unsqueeze(-2) * seconds.unsqueeze(-2)  # batch, 2, blocks, 1, BLOCK
        rate = self.rates.view(-1, 1) * speed
        decays = kernel(rate.transpose(-3, -2).flatten(-2))
        mean = (self.rates == 0).float().view(-1, 1)
        ratio = (1 - torch.exp(-rate)) / (rate + mean).clamp(min=TINY)
        gain = (ratio * (1 - mean) + mean) * seconds.unsqueeze(-2) * self.inflow.view(-1, 1)
        gain = gain / (self.side_radius.unsqueeze(-1) * cells.FARADAY)
        weighted = decays.inner * gain.unsqueeze(-2)  # batch, 2, blocks, K, BLOCK, BLOCK
        surface = (weighted * self.at_surface.view(-1, 1, 1)).sum(-3)
        before = torch.cat([torch.zeros_like(surface[..., :1, :]), surface[..., :-1, :]], -2)
        free = decays.decay * self.at_surface.view(-1, 1)
        start = self.at_surface.view(-1, 1).expand_as(free[..., :1])
        free = (free + torch.cat([start, free[..., :-1]], -1)) / 2
        area = 3 * self.side_active * factors[..., 2] / self.side_radius
        exchange = factors[..., 1] * self.side_rate * torch.exp(self.side_rate_energy / cells.GAS * arrhenius)
        # how far the surface lies from the mean of a particle under a steady flux, and at least what it moves within a bin
        steady = self.side_radius / (5 * diffusivity * self.side_radius**2 * cells.FARADAY)
        own = -torch.diagonal(surface, dim1=-2, dim2=-1) / 2
        return Side(
            decays,
            (surface + before) / 2,
            weighted[..., -1, :],
            free.transpose(-1, -2),
            gain,
            self.sign * current / (area * self.side_thickness),
            exchange,
            torch.stack([torch.maximum(steady, own), own], -1),
            initial,
        )

    def surface(self, side: Side, flux: Tensor) -> Tensor:
        """Surface concentration at mid-bin (batch, 2, blocks, BLOCK, X) from flux of the same shape. [mol/m3]"""
        start = block_starts(side.kernel, side.ends @ flux, side.initial)
        return side.surface @ flux + side.free @ start

    def fields(self, side: Side, flux: Tensor) -> tuple[Tensor, Tensor]:
        """Concentration c(r, x) at the ends of bins (batch, 2, N, 20, 20), and modes at the end (batch, 2, K, X)."""
        modes = scan(side.kernel, side.gain.unsqueeze(-1) * flux.unsqueeze(-3), side.initial)
        last = modes[:, :, -1, :, -1]
        along = modes.permute(0, 1, 2, 4, 3, 5).flatten(2, 3)  # batch, 2, N, K, X
        return self.vectors @ (along @ self.to_cells), last

    def liquid(self, seconds: Tensor, warm: Tensor, factor: Tensor) -> tuple[Kernel, Tensor, Tensor]:
        """Prepare the electrolyte: kernel, gain (batch, blocks, K, BLOCK) and the modes' diffusivity."""
        diffusivity = MEAN_DIFFUSIVITY * warm * factor
        rate = self.liquid_rates.view(-1, 1) * (diffusivity * seconds).unsqueeze(-2)
        mean = (self.liquid_rates == 0).float().view(-1, 1)
        gain = ((1 - torch.exp(-rate)) / (rate + mean).clamp(min=TINY) * (1 - mean) + mean) * seconds.unsqueeze(-2)
        return kernel(rate.transpose(-3, -2).flatten(-2)), gain, diffusivity

    def concentration(self, flux: Tensor, guess: Tensor | None, prepared: tuple[Kernel, Tensor, Tensor], area: Tensor, warm: Tensor,
                      factor: Tensor, initial: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """One sweep of the electrolyte: from flux and the concentration before to concentration at mid-bin (batch, blocks, BLOCK, 60).

        Also returned: concentration at the ends of bins, and the modes at the end.
        """
        decays, gain, diffusivity = prepared
        cells_of = flux @ self.to_cells * (area * (1 - self.cell["transference"]) / cells.FARADAY).unsqueeze(-1)
        between = torch.zeros_like(cells_of[:, 0])
        source = torch.cat([cells_of[:, 0] * self.width_n, between, cells_of[:, 1] * self.width_p], -1)
        if guess is not None:
            at_face = guess @ self.liquid_faces / 1000
            real = (0.8794 * at_face * at_face - 3.972 * at_face + 4.862) * (warm * factor).unsqueeze(-1)
            extra = (real - diffusivity.unsqueeze(-1)) * (guess @ self.liquid_slope)
            source = source + extra @ self.liquid_gathered
        inputs = gain * (source @ self.liquid_vectors.T).transpose(-1, -2)
        modes = scan(decays, inputs.unsqueeze(-1), initial.unsqueeze(-1)).squeeze(-1)  # batch, blocks, K, BLOCK
        start = torch.cat([initial.unsqueeze(1), modes[:, :-1, :, -1]], 1).unsqueeze(-1)
        middle = (modes + torch.cat([start, modes[..., :-1]], -1)) / 2
        return self._filled(middle), self._filled(modes), modes[:, -1, :, -1]

    def _filled(self, modes: Tensor) -> Tensor:
        return (modes.transpose(-1, -2) @ self.liquid_vectors).clamp(min=DEPLETED)

    # --- electrode physics ---------------------------------------------------------------------------------------------------

    def open_circuit(self, stoichiometry: Tensor) -> tuple[Tensor, Tensor]:
        """Open-circuit potential and its slope, from tables. [V]"""
        scale = (cells.COUNT - 1) / (cells.LAST - cells.FIRST)
        place = (stoichiometry.clamp(0.001, 0.999) - cells.FIRST) * scale
        index = torch.floor(place.detach())
        which = index.long() + self.table_offset
        step = self.potential_step[which]
        return self.potential[which] + (place - index) * step, step * scale

    @property
    def table_offset(self) -> Tensor:
        return torch.tensor([0, cells.COUNT], device=self.potential.device).view(1, 2, 1, 1, 1)

    def kinetics(self, side: Side, flux: Tensor, middle: Tensor, liquid: Tensor, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """Evaluate Ohm and Butler-Volmer for both electrodes at all times.

        Parameters
        ----------
        flux : Tensor, shape (batch, 2, blocks, BLOCK, X)
            The sweep before's interfacial current density. [A/m2]
        middle : Tensor
            Surface concentration of the same shape. [mol/m3]
        liquid : Tensor, shape (batch, blocks, BLOCK, 60)
            Electrolyte concentration. [mol/m3]

        Returns
        -------
        dict
            ``flux`` that follows, ``interface`` potential difference at the separator [V] and its ``least``, ``shape`` along x [V],
            ``slope`` of the flux with surface concentration [A m/mol], ``stoichiometry``.
        """
        thermal, warm = given["thermal"], given["warm"]
        electrodes = torch.stack([liquid[..., :20], liquid[..., 40:]], 1)
        local = (electrodes @ self.from_cells).clamp(min=DEPLETED)
        molar = local / 1000
        conductivity = (0.1297 * molar**3 - 2.51 * molar * torch.sqrt(molar) + 3.329 * molar) * (
            warm * given["conductivity"] * self.side_porosity**1.5
        ).unsqueeze(-1)
        passed = (flux @ self.cumulative) * (given["area"] * self.side_thickness).unsqueeze(-1)
        in_liquid = passed + given["enters"] * given["density"].unsqueeze(-1)
        solid = self.side_conductivity.unsqueeze(-1)
        thickness = self.side_thickness.unsqueeze(-1)
        gradient = (in_liquid / conductivity - (given["density"].unsqueeze(-1) - in_liquid) / solid) * thickness
        uniform = (given["uniform"] / conductivity - (1 - given["uniform"]) / solid) * thickness
        logarithm = torch.log(local)
        at_interface = (logarithm * self.at_interface).sum(-1, keepdim=True)
        diffusion = 2 * thermal * (1 - self.cell["transference"])
        shape = self._along(gradient) - diffusion.unsqueeze(-1) * (logarithm - at_interface)
        spread = self._along(uniform) * given["spread"].unsqueeze(-1)
        stoichiometry = middle / self.side_largest.unsqueeze(-1)
        potential, slope = self.open_circuit(stoichiometry)
        exchange = side.exchange.unsqueeze(-1) * torch.sqrt(
            (local * middle * (self.side_largest.unsqueeze(-1) - middle)).clamp(min=1e5)
        )
        twice = (2 * thermal).unsqueeze(-1)
        drive = (shape - potential) / twice
        centre = (drive * self.weights).sum(-1, keepdim=True)
        drive = drive - centre
        low = self._closed(exchange, drive - spread / twice, side.mean_flux - given["swing"])
        high = self._closed(exchange, drive + spread / twice, side.mean_flux + given["swing"])
        level = (low[1] + high[1]) / 2
        sharp = exchange * (torch.exp(level + drive) + torch.exp(-level - drive)) / twice
        centre = centre.squeeze(-1)
        thermal2 = 2 * thermal
        return {
            "flux": (low[0] + high[0]) / 2,
            "interface": thermal2 * (level.squeeze(-1) - centre),
            "least": thermal2 * (torch.minimum(low[1], high[1]).squeeze(-1) - centre),
            "shape": shape,
            "slope": sharp * slope.abs() / (self.side_largest.unsqueeze(-1)),
            "stoichiometry": stoichiometry,
            "local": local,
            "ohmic": ((given["density"].unsqueeze(-1) - in_liquid) / solid * thickness * self.weights).sum(-1),
            "logarithm": at_interface.squeeze(-1),
        }

    def _along(self, gradient: Tensor) -> Tensor:
        """Integrate from the separator: 0 there, in both electrodes."""
        whole = (gradient * self.weights).sum(-1, keepdim=True)
        return gradient @ self.cumulative - whole * self.anchored

    @property
    def anchored(self) -> Tensor:
        return torch.tensor([1.0, 0.0]).view(1, 2, 1, 1, 1)

    def _closed(self, exchange: Tensor, drive: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Butler-Volmer with its mean over x given: flux and the level of potential that makes it so (dimensionless)."""
        forward, backward = torch.exp(drive), torch.exp(-drive)
        plus = (self.weights * exchange * forward).sum(-1, keepdim=True)
        minus = (self.weights * exchange * backward).sum(-1, keepdim=True)
        total = total.unsqueeze(-1)
        root = torch.sqrt(total**2 + 4 * plus * minus)
        # of the two forms of the root the one without cancellation
        level = torch.where(total >= 0, (total + root) / (2 * plus), 2 * minus / (root - total.clamp(max=0)))
        return exchange * (level * forward - backward / level), torch.log(level)

    # --- the whole -----------------------------------------------------------------------------------------------------------

    def forward(self, current: Tensor, spread: Tensor, temperature: Tensor, seconds: Tensor, negative0: Tensor, positive0: Tensor,
                electrolyte0: Tensor, parameters: Tensor, trace: list[Any] | None = None) -> dict[str, Tensor]:  # fmt: skip
        """Run; shapes and units stand in :mod:`training.pinn.export`."""
        blocked = [value.unflatten(1, (-1, BLOCK)).unsqueeze(1) for value in (current, spread, temperature, seconds)]
        current_, spread_, kelvin, seconds_ = blocked
        factors = torch.exp(parameters[:, :9]).unsqueeze(-1).unsqueeze(-1).unsqueeze(-1).unsqueeze(-1)  # batch, 9, 1, 1, 1, 1
        pair = [torch.cat([factors[:, i], factors[:, i + 1]], 1) for i in (1, 3, 7)]  # batch, 2, 1, 1, 1
        solid_factors = torch.cat(pair, -1)
        arrhenius = 1 / cells.REFERENCE - 1 / kelvin
        warm = torch.exp(self.cell["electrolyte_energy"] / cells.GAS * arrhenius)
        plate = self.cell["area"] * factors[:, 0, ..., 0]
        density, deviation = current_ / plate, spread_ / plate
        initial = torch.stack([negative0, positive0], 1)
        side = self.solid(seconds_, arrhenius, density, initial, solid_factors)
        area = 3 * self.side_active * solid_factors[..., 2] / self.side_radius
        flat = self.nodes.view(1, 1, 1, 1, -1)
        given = {
            "thermal": cells.GAS * kelvin / cells.FARADAY,
            "warm": warm,
            "conductivity": factors[:, 6, ..., 0],
            "area": area,
            "density": density,
            "spread": deviation,
            "swing": self.sign * deviation / (area * self.side_thickness),
            "enters": 1 - self.anchored,
            "uniform": torch.cat([flat, 1 - flat], 1),
            "seconds": seconds_,
            "arrhenius": arrhenius,
        }
        liquid_factor = factors[:, 5, 0, ..., 0]
        warm_ = warm.squeeze(1)
        prepared = self.liquid(seconds_.squeeze(1), warm_, liquid_factor)
        flux = side.mean_flux.unsqueeze(-1).expand(-1, -1, -1, -1, self.config.nodes)
        liquid, ends, last = self.concentration(flux, None, prepared, area, warm_, liquid_factor, electrolyte0)
        if self.config.learned:
            flux, liquid = self.predictor(self, side, flux, liquid, given)
        found: dict[str, Tensor] = {}
        for sweep in range(max(self.config.sweeps, 1)):
            liquid, ends, last = self.concentration(flux, liquid, prepared, area, warm_, liquid_factor, electrolyte0)
            middle = self.surface(side, flux)
            found = self.kinetics(side, flux, middle, liquid, given)
            if trace is not None:
                trace.append((flux, found, ends))
            if self.config.sweeps:
                before, flux = flux, self.improve(sweep, side, flux, found, given)
        residual = (found["flux"] - (before if self.config.sweeps else flux)).square().mean((1, -1)).sqrt().flatten(1)
        return self.results(side, flux, found, ends, last, residual, given, factors, parameters, current_)

    def improve(self, sweep: int, side: Side, flux: Tensor, found: dict[str, Tensor], given: dict[str, Tensor]) -> Tensor:
        """Step towards the flux that follows, with the feedback through surface concentration taken into account.

        More flux out of a place empties it, which raises its potential and takes flux away; a plain step overshoots. With the
        surface following as ``film * flux + (3 / R F) * charge passed``, the step is a first-order high-pass filter.
        """
        slope = (found["slope"] * self.weights).sum(-1)  # batch, 2, blocks, BLOCK
        film = side.film[..., 0]
        capacity = 3 / (self.side_radius * cells.FARADAY)
        if self.config.learned:
            film_factor, rate_factor = self.steps(sweep, slope, side.film, given)
            film, capacity = film * film_factor, capacity * rate_factor
        damping = 1 + slope * film
        speed = slope * capacity / damping
        rate = speed * given["seconds"]
        decays = kernel(rate.flatten(-2).unsqueeze(-2))
        change = (found["flux"] - flux) / damping.unsqueeze(-1)
        ratio = (1 - torch.exp(-rate)) / (rate + 1e-6)
        inputs = change * (ratio * given["seconds"]).unsqueeze(-1)
        passed = scan(decays, inputs.unsqueeze(-3), torch.zeros_like(change[:, :, 0, :1])).squeeze(-3)
        first = torch.zeros_like(passed[:, :, :1, :1])
        before = torch.cat([torch.cat([first, passed[:, :, :-1, -1:]], 2), passed[..., :-1, :]], -2)
        change = change - speed.unsqueeze(-1) * (passed + before) / 2
        return flux + change - (change * self.weights).sum(-1, keepdim=True)

    def results(self, side: Side, flux: Tensor, found: dict[str, Tensor], ends: Tensor, last: Tensor, residual: Tensor,
                given: dict[str, Tensor], factors: Tensor, parameters: Tensor, current: Tensor) -> dict[str, Tensor]:  # fmt: skip
        """Collect the outputs."""
        fields, modes = self.fields(side, flux)
        interface, logarithm = found["interface"], found["logarithm"]
        separator = self.cell["separator"]
        molar = (ends[..., 20:40].clamp(min=DEPLETED) / 1000).mean(-1)
        conductivity = (0.1297 * molar**3 - 2.51 * molar * torch.sqrt(molar) + 3.329 * molar) * (
            given["warm"] * given["conductivity"] * separator["porosity"] ** 1.5
        ).squeeze(1)
        across = given["density"].squeeze(1) * separator["thickness"] / conductivity
        diffusion = 2 * given["thermal"].squeeze(1) * (1 - self.cell["transference"]) * (logarithm[:, 1] - logarithm[:, 0])
        resistance = parameters[:, 9].view(-1, 1, 1) * current.squeeze(1)
        voltage = interface[:, 1] - interface[:, 0] - across + diffusion - found["ohmic"].sum(1) - resistance
        surface = (fields * torch.tensor(SURFACE, dtype=torch.float32).view(-1, 1)).sum(-2) / self.side_largest
        return {
            "voltage": voltage.flatten(1),
            "margin": interface[:, 0].flatten(1),
            "margin_least": found["least"][:, 0].flatten(1),
            "anode": (interface.unsqueeze(-1) + found["shape"])[:, 0].flatten(1, 2),
            "negative_surface": surface[:, 0] @ self.from_cells,
            "positive_surface": surface[:, 1] @ self.from_cells,
            "electrolyte": ends.flatten(1, 2),
            "residual": residual,
            "negative": fields[:, 0],
            "positive": fields[:, 1],
            "negative1": modes[:, 0],
            "positive1": modes[:, 1],
            "electrolyte1": last,
        }
