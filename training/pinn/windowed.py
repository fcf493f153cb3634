"""A cell whose diffusivities depend on concentration, in windows of four bins: sweeps of physics, nothing learned.

Fixed modes do not hold for such a cell. Within a window of `BLOCK` bins a sweep freezes the diffusivity of the sweep before, steps all
particles for all bins (:mod:`training.pinn.varying`), and corrects the flux by one Newton step through the particles' exact answer.
Windows follow one another, so what is left to converge does not add up over hours. Inputs and outputs are those of
:mod:`training.pinn.export`, with X = 20. Fields are (batch, 2, X, W): electrodes, places, bins of the window. Places are the cells of the
truth's mesh: a diffusivity with dips makes fronts along x, and no polynomial through a few nodes follows them.

References
----------
O'Regan, Brosa Planella, Widanage, Kendrick, Electrochim. Acta 425 (2022) 140700, doi:10.1016/j.electacta.2022.140700
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.pinn import cell as cells
from training.pinn import laws
from training.pinn.mesh import POINTS, RADII, SURFACE, particle_modes
from training.pinn.salt import Salt
from training.pinn.varying import VOLUMES, answers, lower_inverse, steps

#: Bins of a window; a run's number of bins is a multiple of it.
BLOCK = 4
#: Share of a bin's end in the surface that its kinetics see. With a half, a surface at the barrier rings from bin to bin.
LATE = 0.55
#: Largest overpotential of a guess, in units of 2RT/F, and largest step of the flux [A/m2]: single precision overflows beyond.
STEEPEST, LARGEST = 30.0, 20.0


@dataclass(frozen=True)
class Config:
    """Size of a network: modes of the electrolyte and sweeps of a window. Places along an electrode are the cells of the truth's mesh."""

    electrolyte_modes: int = 20
    sweeps: int = 8


@dataclass
class Given:
    """What does not change during the sweeps of a window; (batch, 1 or 2, 1 or X, W) unless said."""

    kelvin: Tensor
    thermal: Tensor
    arrhenius: Tensor
    seconds: Tensor
    density: Tensor
    spread: Tensor
    mean_flux: Tensor
    swing: Tensor
    area: Tensor
    exchange: Tensor
    solid: Tensor
    diffusivity: Tensor
    salt_diffusivity: Tensor
    salt_conductivity: Tensor
    particles: Tensor  # (batch, 2, X, R)


class Window(nn.Module):
    """Currents and temperatures of one window to what happens inside; the state goes in and out."""

    def __init__(self, cell: dict[str, Any], config: Config | None = None) -> None:
        super().__init__()
        self.config, self.cell = config or Config(), cell
        sides = [cell["negative"], cell["positive"]]
        one = np.eye(POINTS)
        outwards = 1.5 * one[-1] - 0.5 * one[-2]
        solid = particle_modes()
        for name, values in {
            "vectors": solid.vectors,
            "project": solid.project,
            "nodes": (np.arange(POINTS) + 0.5) / POINTS,
            "cumulative": (np.tril(np.ones((POINTS, POINTS)), -1) + one / 2) / POINTS,
            "at_interface": np.stack([outwards, outwards[::-1]])[None, :, :, None],
            "anchored": np.reshape([1.0, 0.0], (1, 2, 1, 1)),
            "sign": np.reshape([1.0, -1.0], (1, 2, 1, 1)),
            "volumes": VOLUMES,
            "surface": SURFACE,
        }.items():
            self.register_buffer(name, torch.tensor(np.asarray(values), dtype=torch.float32), persistent=False)
        for name in ("thickness", "radius", "active", "porosity", "largest", "conductivity", "conductivity_energy",
                     "diffusivity_energy", "exchange", "exchange_energy", "transfer"):  # fmt: skip
            values = torch.tensor([side[name] for side in sides], dtype=torch.float32).view(1, 2, 1, 1)
            self.register_buffer(f"side_{name}", values, persistent=False)
        self.tables = laws.Tables(cell)
        self.salt = Salt(cell, self.config.electrolyte_modes)

    # --- particles -----------------------------------------------------------------------------------------------------------

    def particles(self, middle: Tensor, given: Given) -> Tensor:
        """Answer of the particles, see :func:`varying.answers`; `middle` (batch, 2, X, W, R) is the sweep before's at mid-bin."""
        seconds = given.seconds.expand(-1, 2, POINTS, -1)
        matrix, gain = steps(self.tables.speed(middle) * given.diffusivity.unsqueeze(-1), seconds)
        # flux leaves through the surface: 3 j / (R F) is what the mean loses a second
        gain = gain * (-3 * seconds / (self.side_radius * cells.FARADAY)).unsqueeze(-1)
        return answers(matrix, gain, given.particles)

    def within(self, ends: Tensor, start: Tensor, late: float = 0.5) -> Tensor:
        """Value within each bin along dimension 3, from those at the ends of bins and at the `start`."""
        return (1 - late) * torch.cat([start.unsqueeze(3), ends[:, :, :, :-1]], 3) + late * ends

    # --- electrode physics ---------------------------------------------------------------------------------------------------

    def kinetics(self, flux: Tensor, surface: Tensor, salt: Tensor, given: Given) -> dict[str, Tensor]:
        """Evaluate Ohm and Butler-Volmer from the sweep before's flux [A/m2], surface concentration [mol/m3] and salt [mol/l].

        Returned: the ``flux`` that follows; ``interface`` and ``least``, potential at the separator [V]; ``shape`` along x [V];
        ``ease``, change of the flux with potential [S/m2]; ``slope``, with surface concentration at constant potential [A m/mol].
        """
        electrodes = torch.stack([salt[:, :POINTS], salt[:, 2 * POINTS :]], 1)
        local = electrodes
        conductivity = laws.conductivity(local, given.kelvin) * given.salt_conductivity * self.side_porosity**1.5
        in_liquid = self.cumulative @ flux * (given.area * self.side_thickness) + (1 - self.anchored) * given.density
        nodes = self.nodes.view(-1, 1)
        uniform = self.anchored * nodes + (1 - self.anchored) * (1 - nodes)
        gradient = (in_liquid / conductivity - (given.density - in_liquid) / given.solid) * self.side_thickness
        steady = (uniform / conductivity - (1 - uniform) / given.solid) * self.side_thickness
        salt_potential = laws.potential(local, given.kelvin)
        at_interface = (salt_potential * self.at_interface).sum(2, keepdim=True)
        shape = self._along(gradient) - given.thermal * (salt_potential - at_interface)
        spread = self._along(steady) * given.spread
        stoichiometry = surface / self.side_largest
        potential, slope, beyond = self.tables.open_circuit(stoichiometry, given.kelvin)
        theta = stoichiometry.clamp(laws.EDGE, 1 - laws.EDGE)
        exchange = given.exchange * (local * (1 - theta)) ** (1 - self.side_transfer) * theta**self.side_transfer
        twice = 2 * given.thermal
        drive = (shape - potential) / twice
        centre = drive.mean(2, keepdim=True)
        drive = (drive - centre).clamp(-STEEPEST, STEEPEST)
        low = self._closed(exchange, drive - spread / twice, given.mean_flux - given.swing)
        high = self._closed(exchange, drive + spread / twice, given.mean_flux + given.swing)
        level = (low[1] + high[1]) / 2
        flows = (low[0] + high[0]) / 2
        # the potential that is wanting, and from the guess on: the other way a guess beyond the barrier asks for fluxes without end
        ease = torch.sqrt(flux**2 + 4 * exchange**2) / twice
        wanting = twice * (torch.asinh(flows / (2 * exchange)) - torch.asinh(flux / (2 * exchange))) - beyond
        return {
            "flux": flows,
            "push": wanting * ease,
            "interface": twice * (level - centre),
            "least": twice * (torch.minimum(low[1], high[1]) - centre),
            "shape": shape,
            "ease": ease,
            "slope": ease * slope.abs() / self.side_largest,
            "ohmic": ((given.density - in_liquid) / given.solid * self.side_thickness).mean(2).sum(1),
            "salt": at_interface,
        }

    def _along(self, gradient: Tensor) -> Tensor:
        """Integrate from the separator: 0 there, in both electrodes."""
        return self.cumulative @ gradient - gradient.mean(2, keepdim=True) * self.anchored

    def _closed(self, exchange: Tensor, drive: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Butler-Volmer with its mean over x given: flux and the level of potential that makes it so (dimensionless)."""
        forward, backward = torch.exp(drive), torch.exp(-drive)
        plus = (exchange * forward).mean(2, keepdim=True)
        minus = (exchange * backward).mean(2, keepdim=True)
        root = torch.sqrt(total**2 + 4 * plus * minus)
        # of the two forms of the root the one without cancellation
        level = torch.where(total >= 0, (total + root) / (2 * plus), 2 * minus / (root - total.clamp(max=0)))
        return exchange * (level * forward - backward / level), torch.log(level)

    def improve(self, flux: Tensor, found: dict[str, Tensor], response: Tensor) -> Tensor:
        """One Newton step of the flux, with the surfaces' `response` (batch, 2, X, W, W) and the total current kept.

        More flux out of a place empties it, which raises its potential and takes flux away, now and later.
        """
        solve = lower_inverse(torch.eye(BLOCK) - found["slope"].unsqueeze(-1) * response)
        step = (solve @ found["push"].unsqueeze(-1)).squeeze(-1)
        lifted = (solve * found["ease"].unsqueeze(-2)).mean(2)  # batch, 2, W, W: from the level to the total
        excess = step.mean(2)
        level = (lower_inverse(lifted) @ excess.unsqueeze(-1)).unsqueeze(2)
        step = step - (solve @ (found["ease"].unsqueeze(-1) * level)).squeeze(-1)
        step = step.clamp(-LARGEST, LARGEST)
        return flux + step - step.mean(2, keepdim=True)

    # --- the whole -----------------------------------------------------------------------------------------------------------

    def given(self, current: Tensor, spread: Tensor, temperature: Tensor, seconds: Tensor, negative0: Tensor, positive0: Tensor,
              parameters: Tensor) -> Given:  # fmt: skip
        """Prepare a window."""
        current, spread, kelvin, seconds = (value[:, None, None] for value in (current, spread, temperature, seconds))
        factors = torch.exp(parameters[:, :9])[..., None, None, None]
        pair = [torch.cat([factors[:, i : i + 1], factors[:, i + 1 : i + 2]], 1).flatten(2, 3) for i in (1, 3, 7)]
        arrhenius = (1 / cells.REFERENCE - 1 / kelvin) / cells.GAS
        plate = self.cell["area"] * factors[:, :1].flatten(2, 3)
        density, deviation = current / plate, spread / plate
        area = 3 * self.side_active * pair[2] / self.side_radius
        spreads = self.sign * deviation / (area * self.side_thickness)
        modes = torch.stack([negative0, positive0], 1)
        return Given(
            kelvin, cells.GAS * kelvin / cells.FARADAY, arrhenius, seconds, density, deviation,
            self.sign * density / (area * self.side_thickness), spreads, area,
            pair[1] * self.side_exchange * torch.exp(self.side_exchange_energy * arrhenius),
            self.side_conductivity * torch.exp(self.side_conductivity_energy * arrhenius),
            pair[0] * torch.exp(self.side_diffusivity_energy * arrhenius),
            factors[:, 5:6].flatten(2, 3), factors[:, 6:7].flatten(2, 3),
            (self.vectors @ modes).transpose(-1, -2),
        )  # fmt: skip

    def forward(self, current: Tensor, spread: Tensor, temperature: Tensor, seconds: Tensor, negative0: Tensor, positive0: Tensor,
                electrolyte0: Tensor, parameters: Tensor, flux0: Tensor, middle0: Tensor, salt0: Tensor) -> dict[str, Tensor]:  # fmt: skip
        """Run one sweep of one window; shapes and units stand in :mod:`training.pinn.export`.

        The guess that a sweep starts from: ``flux0`` (batch, 2, X, W), what the flux has over its mean along x, ``middle0``
        (batch, 2, X, W, R) and ``salt0`` (batch, 60, W), by how much concentrations at mid-bin differ from the window's start. The
        next sweep's are ``flux1``, ``middle1``, ``salt1``; the next window's ``flux0`` is ``shape1``.
        """
        given = self.given(current, spread, temperature, seconds, negative0, positive0, parameters)
        # particles about the mean at the start: what is large is carried exactly
        rest = (given.particles * self.volumes).sum(-1, keepdim=True)
        given.particles = given.particles - rest
        before = given.mean_flux + flux0
        answer = self.particles((given.particles + rest).unsqueeze(3) + middle0, given)
        start = torch.cat([(given.particles * self.surface).sum(-1, keepdim=True), torch.zeros_like(flux0)], -1)
        at_surface = self.within((answer * self.surface.view(-1, 1)).sum(-2), start, LATE)
        first = self.salt.filled(electrolyte0.unsqueeze(-1))
        salt, salt_ends, salt_last = self.salt(
            before,
            first + salt0,
            electrolyte0,
            given.kelvin[:, 0],
            given.seconds[:, 0],
            given.area,
            given.salt_diffusivity[:, 0],
        )
        outer = at_surface[..., 0] + (at_surface[..., 1:] @ before.unsqueeze(-1)).squeeze(-1)
        found = self.kinetics(before, outer + rest, salt, given)
        flux = self.improve(before, found, at_surface[..., 1:])
        ends = answer[..., 0] + (answer[..., 1:] @ flux[:, :, :, None, :, None]).squeeze(-1)
        residual = (found["flux"] - before).square().mean((1, 2)).sqrt()
        results = self.results(
            self._kept(ends, flux, given) + rest.unsqueeze(3), found, salt, salt_ends, salt_last, parameters, given
        )
        return results | {
            "residual": residual,
            "flux1": flux - given.mean_flux,
            "middle1": self.within(ends, given.particles) - given.particles.unsqueeze(3),
            "salt1": salt - first,
            "shape1": (flux - given.mean_flux)[..., -1:].expand(-1, -1, -1, BLOCK),
        }

    def _kept(self, ends: Tensor, flux: Tensor, given: Given) -> Tensor:
        """Shift each particle to the mean that charge says: what rounding took or gave is returned."""
        passed = torch.cumsum(flux * given.seconds, -1) * (-3 / (self.side_radius * cells.FARADAY))
        mean = (ends * self.volumes).sum(-1)
        return ends + (passed - mean).unsqueeze(-1)

    def results(self, ends: Tensor, found: dict[str, Tensor], salt: Tensor, salt_ends: Tensor, salt_last: Tensor,
                parameters: Tensor, given: Given) -> dict[str, Tensor]:  # fmt: skip
        """Collect the outputs."""
        interface, separator = found["interface"][:, :, 0], self.cell["separator"]
        between = laws.conductivity(salt[:, POINTS : 2 * POINTS], given.kelvin[:, 0]) * given.salt_conductivity[:, 0]
        across = given.density[:, 0, 0] * separator["thickness"] / separator["porosity"] ** 1.5 * (1 / between).mean(1)
        diffusion = (given.thermal * (found["salt"][:, 1:] - found["salt"][:, :1]))[:, 0, 0]
        resistance = parameters[:, 9:] * given.density[:, 0, 0] * self.cell["area"] * torch.exp(parameters[:, :1])
        fields = ends.permute(0, 1, 3, 4, 2)  # batch, 2, W, R, X
        surface = ends[..., -1] * SURFACE[-1] + ends[..., -2] * SURFACE[-2]
        surface = (surface / self.side_largest).transpose(-1, -2)
        last = self.project @ ends[:, :, :, -1].transpose(-1, -2)
        return {
            "voltage": interface[:, 1] - interface[:, 0] - across + diffusion - found["ohmic"] - resistance,
            "margin": interface[:, 0],
            "margin_least": found["least"][:, 0, 0],
            "anode": (found["interface"] + found["shape"])[:, 0].transpose(1, 2),
            "negative_surface": surface[:, 0],
            "positive_surface": surface[:, 1],
            "electrolyte": salt_ends.transpose(1, 2) * 1000,
            "negative": fields[:, 0],
            "positive": fields[:, 1],
            "negative1": last[:, 0],
            "positive1": last[:, 1],
            "electrolyte1": salt_last,
        }


STATES = ("negative", "positive", "electrolyte")


def run(window: Window, *inputs: Tensor) -> dict[str, Tensor]:
    """Run window after window, as the exported graph does."""
    series, states, parameters = inputs[:4], list(inputs[4:7]), inputs[7]
    runs = len(parameters)
    found: dict[str, list[Tensor]] = {}
    shape = torch.zeros(runs, 2, POINTS, BLOCK)
    for start in range(0, series[0].shape[1], BLOCK):
        part = {
            "flux1": shape,
            "middle1": torch.zeros(runs, 2, POINTS, BLOCK, RADII),
            "salt1": torch.zeros(runs, 3 * POINTS, BLOCK),
        }
        for _ in range(window.config.sweeps):
            guess = [part[name] for name in ("flux1", "middle1", "salt1")]
            part = window(*(value[:, start : start + BLOCK] for value in series), *states, parameters, *guess)
        shape, states = part["shape1"], [part[f"{name}1"] for name in STATES]
        for name, value in part.items():
            found.setdefault(name, []).append(value)
    return {name: parts[-1] if name.endswith("1") else torch.cat(parts, 1) for name, parts in found.items()}
