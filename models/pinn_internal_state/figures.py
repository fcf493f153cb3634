"""Belief -> figures with 90 % intervals: profiles, surfaces, margin, voltage. Everything is linear in the directions of doubt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.pinn_internal_state.belief import Belief, Kind, strain
from models.pinn_internal_state.estimate import FIELD_ERROR, Z90, margin_error
from models.pinn_internal_state.filter import Step
from models.pinn_internal_state.forward import Network
from models.pinn_internal_state.states import SHELLS, Block, FloatArray, read_cell

#: Radii of a profile, and positions along an electrode.
POINTS = 10
#: Values of the outermost shells that give the surface's: linear, as in the network.
SURFACE = np.zeros(SHELLS)
SURFACE[-2:] = -0.5, 1.5
SIDES = ("negative", "positive")
#: Standard deviation of the reconstructed voltage beyond the belief's. [V]
VOLTAGE_ERROR = 0.001


@dataclass(frozen=True)
class Figure:
    """A figure and half the width of its 90 % interval, both of one shape."""

    value: FloatArray
    half: FloatArray

    @property
    def lower(self) -> FloatArray:
        return np.asarray(self.value - self.half)

    @property
    def upper(self) -> FloatArray:
        return np.asarray(self.value + self.half)


@lru_cache(maxsize=2)
def _maps(network: Network) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return matrices from modes to radii (POINTS, SHELLS), from modes to the surface (SHELLS,), from nodes to positions."""
    volume = np.diff(np.linspace(0.0, 1.0, SHELLS + 1) ** 3)
    pairs = volume.reshape(POINTS, -1)
    shells = (network.basis.shells * volume[:, None]).reshape(POINTS, -1, SHELLS).sum(axis=1) / pairs.sum(axis=1)[:, None]
    return shells, SURFACE @ network.basis.shells, network.basis.to_positions((np.arange(POINTS) + 0.5) / POINTS)


def _with_interval(value: FloatArray, along: FloatArray, error: float) -> Figure:
    sigma = np.sqrt(np.square(along).sum(axis=0) + error**2)
    return Figure(np.asarray(value, dtype=np.float64), Z90 * sigma)


def profiles(kind: Kind, belief: Belief) -> dict[str, Figure]:
    """Return what is inside both electrodes.

    Returns
    -------
    dict of Figure
        ``negative_profile``, ``positive_profile``, shape (POINTS,): concentration from the centre of the particles to their
        surface, mean over x [mol/m3]; ``negative_surface``, ``positive_surface``, shape (POINTS,): at the surface from the negative
        to the positive collector [mol/m3]; ``negative_stoichiometry``, ``positive_stoichiometry``: of the surface, mean over x [1].
    """
    layout, weights, wider = kind.network.layout, kind.network.basis.weights, strain(kind, belief)
    radii, surface, positions = _maps(kind.network)
    found = {}
    for number, (side, error) in enumerate(zip(SIDES, FIELD_ERROR, strict=True)):
        largest = read_cell()[side]["largest"]
        centre, doubt = layout.electrode(belief.centre, number), layout.electrode(wider * belief.directions, number)
        found[f"{side}_profile"] = _with_interval(radii @ (centre @ weights), (doubt @ weights) @ radii.T, error)
        outside, its_doubt = surface @ centre, np.einsum("k,dkx->dx", surface, doubt)
        found[f"{side}_surface"] = _with_interval(outside @ positions, its_doubt @ positions, error)
        mean = _with_interval(outside @ weights, its_doubt @ weights, error)
        found[f"{side}_stoichiometry"] = Figure(mean.value / largest, mean.half / largest)
    return found


def charge(kind: Kind, belief: Belief) -> Figure:
    """Return the state of charge from the lithium in the negative electrode. [1]"""
    ahead = strain(kind, belief) * (kind.soc(belief.directions) - kind.soc(np.zeros_like(belief.centre)))
    low, high = kind.windows()[0]
    return _with_interval(kind.soc(belief.centre), ahead, 0.25 * FIELD_ERROR[0] / float(high - low))


def plating(kind: Kind, step: Step, block: Block) -> tuple[Figure, float]:
    """Return the block's least margin to plating [V], and where along the negative electrode it is, 1 at the separator."""
    filled = block.filled
    place = int(np.flatnonzero(filled)[np.argmin(step.margin[filled])])
    margin = Figure(step.margin[place], Z90 * np.hypot(strain(kind, step.end) * step.margin_sigma[place], margin_error(step)))
    along = step.anode[place]
    least = int(np.argmin(along))
    inside = least < len(along) - 1 and float(along[least]) < float(step.margin[place])
    return margin, float(kind.network.basis.nodes[least]) if inside else 1.0


def voltages(step: Step, block: Block) -> tuple[float, Figure, Figure] | None:
    """Return measured and reconstructed voltage of the last bin that has one, and the block's mean difference; all in [V]."""
    seen = np.flatnonzero(block.filled & (block.noise < 1.0))
    if not len(seen):
        return None
    last = int(seen[-1])
    weight = 1.0 / np.square(block.noise[seen])
    mean = float((block.voltage - step.voltage)[seen] @ weight / weight.sum())
    sigma = float(np.hypot(step.voltage_sigma[seen] @ weight / weight.sum(), VOLTAGE_ERROR))
    again = Figure(step.voltage[last], Z90 * np.hypot(step.voltage_sigma[last], VOLTAGE_ERROR))
    return float(block.voltage[last]), again, Figure(np.float64(mean), np.float64(Z90 * sigma))  # type: ignore[arg-type]
