"""What is believed of a cell: a centre and directions of doubt over states of the network, and how time and gaps change it.

The covariance is the sum of the directions' outer products. It is sampled by members that are the centre plus mixtures of the
directions with fixed cosine weights: no draw of chance, and no member further out than 1.5 standard deviations in any direction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from models.pinn_internal_state.forward import Network
from models.pinn_internal_state.states import KELVIN, PARAMETERS, RATED, SHELLS, FloatArray, read_cell

#: Members of the ensemble: with 22 directions, 23 are the least.
MEMBERS = 24
#: Directions of a start in mid-operation that are kept of `start.json`.
GRADIENTS = 8
#: A parameter is not believed further from its prior than so many of the prior's deviations.
FARTHEST = 3.0
#: In which a parameter that is held in doubt, see :attr:`Uncertainty.surest`, returns to its prior as far as it is. [s]
RETURN = 21_600.0


@dataclass(frozen=True)
class Uncertainty:
    """One standard deviation of what is not known of a cell and of its sensors.

    Attributes
    ----------
    parameters : mapping
        By name of :data:`PARAMETERS`: of the logarithm of the factor; of ``series_resistance`` for a cell of 5 Ah. [Ohm]
    balance : float
        Of the positive electrode's lithium against the negative's, over the capacity. [1]
    current_offset : float
        Of the current sensor, over the capacity. [1/h]
    voltage_offset : float
        Of the voltage of one cell. [V]
    voltage_noise : float
        White, of one sample. [V]
    voltage_error, voltage_error_per_rate : float
        Of the network's voltage against this cell's: at rest [V], and for each 1C [V h]; calibrated for simulated cells on the
        validation seeds 2000 to 2011 and development seeds 4000 to 4015.
    walk : float
        How fast parameters and offsets may change: the share of their own standard deviation in a day.
    surest : float
        Share of its own standard deviation below which a parameter is never believed known: a network that is not this cell errs
        alike in every cycle, and no number of cycles averages that out.
    """

    parameters: Mapping[str, float] = field(default_factory=dict)
    balance: float = 0.0
    current_offset: float = 0.002
    voltage_offset: float = 0.002
    voltage_noise: float = 0.001
    voltage_error: float = 0.0005
    voltage_error_per_rate: float = 0.001
    walk: float = 0.1
    surest: float = 0.3


#: A simulated cell whose parameters are known: only its sensors are in doubt.
KNOWN = Uncertainty()
#: A cell whose parameters are known to 10 to 20 %, its balance exactly: standard deviation 14 %.
PERTURBED = Uncertainty(
    parameters={
        "negative_diffusivity": 0.14,
        "positive_diffusivity": 0.14,
        "negative_exchange": 0.14,
        "positive_exchange": 0.14,
        "electrolyte_diffusivity": 0.14,
        "electrolyte_conductivity": 0.14,
    }
)


@dataclass(frozen=True)
class Belief:
    """A Gaussian over states.

    Attributes
    ----------
    centre : ndarray, shape (layout.size,)
    directions : ndarray, shape (D, layout.size)
        The covariance is ``directions.T @ directions``.
    unfit : float
        How many times larger the error of the network's voltage was of late than is stated of it; 1 where it was not.
    """

    centre: FloatArray
    directions: FloatArray
    unfit: float = 1.0


@lru_cache(maxsize=4)
def mixture(count: int) -> FloatArray:
    """Return weights (MEMBERS, count): orthonormal columns, each of sum 0 (the discrete cosines but the first)."""
    row, column = np.arange(MEMBERS)[:, None], np.arange(1, count + 1)[None]
    return np.asarray(np.sqrt(2.0 / MEMBERS) * np.cos(np.pi * (row + 0.5) * column / MEMBERS))


def members(centre: FloatArray, directions: FloatArray) -> FloatArray:
    """Return an ensemble (MEMBERS, n) with this mean and covariance."""
    return np.asarray(centre + np.sqrt(MEMBERS) * mixture(len(directions)) @ directions)


def spread_of(values: FloatArray, count: int) -> FloatArray:
    """Return the directions (count, ...) of what the members (MEMBERS, ...) came to."""
    flat = mixture(count).T @ values.reshape(MEMBERS, -1) / np.sqrt(MEMBERS)
    return np.asarray(flat.reshape(count, *values.shape[1:]))


@dataclass(frozen=True)
class Kind:
    """The kind of cell, and this one's capacity.

    Attributes
    ----------
    network : Network
    capacity : float
        [Ah]
    shift : float
        Lithium that the positive electrode lacks against a new cell, over the capacity. [1]
    """

    network: Network
    capacity: float
    uncertainty: Uncertainty
    shift: float = 0.0

    def windows(self) -> FloatArray:
        """Return concentrations of the empty and full cell, shape (2 electrodes, 2). [mol/m3]"""
        cell = read_cell()
        return np.array([np.array(cell["window"][side]) * cell[side]["largest"] for side in ("negative", "positive")])

    def rested(self, soc: float, shift: float | None = None) -> FloatArray:
        """Return the state of a cell of nominal parameters at rest."""
        layout, basis = self.network.layout, self.network.basis
        low, high = self.windows().T
        uniform = np.repeat(basis.uniform[:, None], layout.nodes, axis=1)
        level = low + (soc + np.array([0.0, self.shift if shift is None else shift])) * (high - low)
        rest = np.zeros(len(PARAMETERS) + 2)
        rest[0] = np.log(self.capacity / RATED)
        return layout.join(level[0] * uniform, level[1] * uniform, basis.rested, rest)

    def charge_direction(self, negative: float = 1.0, positive: float = 1.0) -> FloatArray:
        """Return what a change of 1 in each electrode's state of charge does to a state."""
        layout, basis = self.network.layout, self.network.basis
        step = np.diff(self.windows(), axis=1)[:, 0] * (negative, positive)
        uniform = np.repeat(basis.uniform[:, None], layout.nodes, axis=1)
        return layout.join(step[0] * uniform, step[1] * uniform, np.zeros(layout.liquid), np.zeros(len(PARAMETERS) + 2))

    def soc(self, states: FloatArray) -> FloatArray:
        """Return the state of charge from the lithium in the negative electrode. Linear, but for a constant."""
        low, high = self.windows()[0]
        return np.asarray((self.mean_concentration(states, 0) - low) / (high - low))

    def balance(self, states: FloatArray) -> FloatArray:
        """Return the lithium that the positive electrode lacks, over the capacity. Linear, but for a constant."""
        low, high = self.windows()[1]
        return np.asarray((self.mean_concentration(states, 1) - low) / (high - low) - self.soc(states))

    def mean_concentration(self, states: FloatArray, side: int) -> FloatArray:
        """Return the concentration over a whole electrode. [mol/m3]"""
        edges = np.linspace(0.0, 1.0, SHELLS + 1) ** 3
        along = self.network.layout.electrode(states, side) @ self.network.basis.weights
        return np.asarray(along @ (np.diff(edges) @ self.network.basis.shells))

    def sigmas(self) -> FloatArray:
        """Return the standard deviations of parameters and offsets before anything is known."""
        doubt, scale = self.uncertainty, RATED / self.capacity
        found = [doubt.parameters.get(name, 0.0) for name in PARAMETERS]
        found[-1] *= scale
        return np.array([*found, doubt.current_offset * self.capacity, doubt.voltage_offset])


def gradients(network: Network, kelvin: float) -> FloatArray:
    """Return how cells in mid-operation depart from rest, one direction a row; larger in the cold, where diffusion is slow."""
    prior, layout, basis = _start(), network.layout, network.basis
    nodes = (np.polynomial.legendre.leggauss(prior["nodes"])[0] + 1) / 2
    others = [np.delete(nodes, number) for number in range(len(nodes))]
    move = np.stack([np.prod((basis.nodes[:, None] - o) / (node - o), axis=1) for node, o in zip(nodes, others, strict=True)])
    grown = float(np.exp(0.5 * 27_000.0 / 8.314 * max(0.0, 1.0 / kelvin - 1.0 / 298.15)))
    inverse = np.linalg.pinv(basis.liquid)
    rows = []
    for negative, positive, salt in zip(
        *(prior[name][:GRADIENTS] for name in ("negative", "positive", "electrolyte")), strict=True
    ):
        inside = [basis.modes @ (np.reshape(part, (SHELLS, -1)) @ move) for part in (negative, positive)]
        rows.append(layout.join(inside[0], inside[1], inverse @ np.array(salt), np.zeros(len(PARAMETERS) + 2)) * grown)
    return np.array(rows)


@lru_cache(maxsize=1)
def _start() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name("start.json").read_text("utf-8"))
    return found


def first_belief(kind: Kind, soc: float, sigma: float, relaxed: float, celsius: float, before: Belief | None = None) -> Belief:
    """Return what is believed of a start.

    Parameters
    ----------
    soc, sigma : float
        Guess and its standard deviation.
    relaxed : float
        1 for a cell in mid-operation of which nothing is known, near 0 for one at rest.
    celsius : float
        Temperature. [°C]
    before : Belief, optional
        What was known before a gap: parameters and offsets stay.
    """
    layout = kind.network.layout
    rest = slice(layout.parameters.start, layout.size)
    width = layout.size - rest.start
    centre, balance = kind.rested(soc), kind.uncertainty.balance
    own = np.diag(kind.sigmas())
    if before is not None:
        centre = kind.rested(soc, float(kind.balance(before.centre)))
        centre[rest] = before.centre[rest]
        own = _square_root(before.directions[:, rest])
        balance = _sigma(_ahead(kind.balance, before.directions))
    of_parameters = np.concatenate([np.zeros((width, rest.start)), own], axis=1)
    charge = [sigma * kind.charge_direction(), balance * kind.charge_direction(0.0, 1.0)]
    inside = relaxed * gradients(kind.network, celsius + KELVIN)
    unfit = 1.0 if before is None else before.unfit
    return Belief(centre, np.concatenate([np.array(charge), inside, of_parameters]), unfit)


def _square_root(directions: FloatArray) -> FloatArray:
    """Return as many directions as there are columns, with the same covariance."""
    value, vector = np.linalg.eigh(directions.T @ directions)
    return np.asarray(np.sqrt(np.maximum(value, 0.0))[:, None] * vector.T)


def aged(kind: Kind, belief: Belief, seconds: float, doubt: float) -> Belief:
    """Let doubt grow with time, and with the charge that passed unseen between samples far apart. [s, Ah]"""
    layout = kind.network.layout
    directions = belief.directions.copy()
    rest = slice(layout.parameters.start, layout.size)
    variance = np.square(directions[:, rest]).sum(axis=0)
    prior = np.square(kind.sigmas())
    grown = np.minimum(variance + prior * (kind.uncertainty.walk**2 * seconds / 86_400.0), np.maximum(prior, variance))
    grown = np.maximum(grown, min(1.0, kind.uncertainty.surest * belief.unfit) ** 2 * prior)
    directions[:, rest] *= np.sqrt(grown / np.where(variance > 0, variance, 1.0))
    days = seconds / 86_400.0
    ahead = _ahead(kind.balance, directions)
    more = (kind.uncertainty.walk * kind.uncertainty.balance) ** 2 * days
    directions += _grown(ahead, more)[:, None] * kind.charge_direction(0.0, 1.0)
    if doubt > 0:
        ahead = _ahead(kind.soc, directions)
        directions += _grown(ahead, (doubt / kind.capacity) ** 2)[:, None] * kind.charge_direction()
    centre, usual = belief.centre.copy(), kind.rested(0.5)[rest]
    limit = FARTHEST * np.sqrt(prior)
    kept = np.clip((prior - grown) / np.maximum(prior - variance, 1e-30), 0.0, 1.0)  # what is forgotten returns to the prior
    kept = np.power(kept, 0.5 * min(1.0, seconds / RETURN))
    centre[rest] = usual + np.clip(kept * (centre[rest] - usual), -limit, limit)
    return replace(belief, centre=centre, directions=directions)


def strain(kind: Kind, belief: Belief) -> float:
    """Return how far the parameters are from their prior: the root mean square in its deviations, at least 1.

    Parameters far out say that this is another cell than the prior's; what hangs on them is in doubt by as much.
    """
    rest = slice(kind.network.layout.parameters.start, kind.network.layout.size)
    sigma = kind.sigmas()
    away = (belief.centre[rest] - kind.rested(0.5)[rest])[sigma > 0] / sigma[sigma > 0]
    return max(1.0, float(np.sqrt(np.mean(np.square(away)))))


def _ahead(figure: Callable[[FloatArray], FloatArray], directions: FloatArray) -> FloatArray:
    """Return what each direction does to a figure that is linear but for a constant."""
    return figure(directions) - figure(np.zeros(directions.shape[1]))


def _sigma(ahead: FloatArray) -> float:
    return float(np.sqrt(np.square(ahead).sum()))


def _grown(ahead: FloatArray, variance: float) -> FloatArray:
    """Return what must be added to a figure's share in each direction so that its variance grows by `variance`."""
    sigma = _sigma(ahead)
    return ahead * (np.sqrt(sigma**2 + variance) / sigma - 1.0) if sigma > 1e-9 else np.zeros_like(ahead)
