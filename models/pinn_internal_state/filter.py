"""One block: predict with every member, compare with the measured voltage, correct; and where to begin.

An ensemble transform filter in the space of the directions of doubt, with the voltage of a whole block as the observation; a first
block is iterated, because open-circuit potentials are not linear.

References
----------
Bishop, Etherton, Majumdar, Mon. Weather Rev. 129 (2001) 420, doi:10.1175/1520-0493(2001)129<0420:ASWTET>2.0.CO;2
Sakov, Oliver, Bertino, Mon. Weather Rev. 140 (2012) 1988, doi:10.1175/MWR-D-11-00248.1 (iterations)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.pinn_internal_state.belief import Belief, Kind, members, spread_of
from models.pinn_internal_state.forward import SCALARS, Block, FloatArray

#: Bins whose voltage is compared together, and over which time errors of the network hang together at least. [bins, s]
TOGETHER, CORRELATED = 6, 300.0
#: States of charge that a start is looked for at.
GRID = np.linspace(0.02, 0.98, 24)
#: No direction is made smaller in one pass than this, so that a derivative can still be told from rounding.
LEAST = 0.03
#: Times that a first block is gone through.
PASSES = 6


@dataclass(frozen=True)
class Step:
    """What a block came to.

    Attributes
    ----------
    start, end : Belief
        At the block's start and end, both with the block's voltage taken in.
    voltage : ndarray, shape (N,)
        Reconstructed, the sensor's offset in it. [V]
    voltage_sigma : ndarray, shape (N,)
        [V]
    margin : ndarray, shape (N,)
        To plating, the least within each bin. [V]
    margin_sigma : ndarray, shape (N,)
        [V]
    anode : ndarray, shape (N, nodes)
        Potential difference along the negative electrode. [V]
    misfit : float
        Root mean square of measured minus reconstructed voltage. [V]
    residual : float
        Largest of the network's own doubt of its flux. [A/m2]
    """

    start: Belief
    end: Belief
    voltage: FloatArray
    voltage_sigma: FloatArray
    margin: FloatArray
    margin_sigma: FloatArray
    anode: FloatArray
    misfit: float
    residual: float


def advance(kind: Kind, belief: Belief, block: Block, passes: int = 1) -> Step:
    """Go through a block.

    Parameters
    ----------
    belief : Belief
        At the block's start.
    block : Block
        With at least one bin that is no padding.
    passes : int
        More than one where the start is far from known.
    """
    count = len(belief.directions)
    weights, transform, inverse = np.zeros(count), np.eye(count), np.eye(count)
    pool, noise = _observation(kind, block)
    for _ in range(passes):
        before = weights
        centre = belief.centre + before @ belief.directions
        states = members(centre, transform @ belief.directions)
        found = kind.network.run(states, block, (*SCALARS, "anode"))
        seen = inverse @ spread_of(found["voltage"], count)
        at = found["voltage"].mean(axis=0)
        short = seen @ pool.T
        gain = np.linalg.solve(noise, short.T).T
        missing = pool @ (block.voltage - at) + before @ short
        information = short @ gain.T
        weights = np.linalg.solve(np.eye(count) + information, gain @ missing)
        value, vector = np.linalg.eigh((information + information.T) / 2)
        root = np.maximum(1.0 / np.sqrt(1.0 + np.maximum(value, 0.0)), LEAST)
        last, transform = inverse, (vector * root) @ vector.T
        inverse = (vector / root) @ vector.T
    change = weights - before
    return _step(kind, belief, block, found, (change, weights, transform, last))


def _step(
    kind: Kind,
    belief: Belief,
    block: Block,
    found: dict[str, FloatArray],
    solved: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
) -> Step:
    """Apply the correction to everything that the last pass gave: all of it is linear in the directions."""
    change, weights, transform, last = solved
    count = len(belief.directions)

    def corrected(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        along = last @ spread_of(values, count).reshape(count, -1)
        value = values.mean(axis=0).ravel() + change @ along
        return value.reshape(values.shape[1:]), (transform @ along).reshape(count, *values.shape[1:])

    layout = kind.network.layout
    start = Belief(belief.centre + weights @ belief.directions, transform @ belief.directions)
    ends = [corrected(found[name]) for name in ("negative1", "positive1", "electrolyte1")]
    rest = slice(layout.parameters.start, layout.size)
    centre = layout.join(ends[0][0], ends[1][0], ends[2][0], start.centre[rest])
    directions = layout.join(ends[0][1], ends[1][1], ends[2][1], start.directions[:, rest])
    voltage, of_voltage = corrected(found["voltage"])
    margin, of_margin = corrected(found["margin_least"])
    anode, _ = corrected(found["anode"])
    filled = block.filled & np.isfinite(block.voltage)
    error = (block.voltage - voltage)[filled] / np.sqrt(1.0 + np.square(block.noise[filled] / 0.005))
    misfit = float(np.sqrt(np.mean(np.square(error)))) if filled.any() else 0.0
    return Step(
        start, Belief(centre, directions), voltage, np.sqrt(np.square(of_voltage).sum(axis=0)), margin,
        np.sqrt(np.square(of_margin).sum(axis=0)), anode, misfit, float(found["residual"].mean(axis=0)[block.filled].max()),
    )  # fmt: skip


def _observation(kind: Kind, block: Block) -> tuple[FloatArray, FloatArray]:
    """Return the matrix (W, N) that takes voltages of bins to their means over windows, and the covariance (W, W) of its error."""
    weight = np.where(block.filled, 1.0 / np.square(block.noise), 0.0)
    rows, place, rate = [], [], []
    middle = np.cumsum(block.seconds) - block.seconds / 2
    for first in range(0, len(weight), TOGETHER):
        part = slice(first, first + TOGETHER)
        total = weight[part].sum()
        if total <= 0:
            continue
        row = np.zeros(len(weight))
        row[part] = weight[part] / total
        rows.append((row, total))
        place.append(float(row @ middle))
        rate.append(float(row @ (np.abs(block.current) + block.spread)) / kind.capacity)
    pool = np.array([row for row, _ in rows])
    doubt = kind.uncertainty
    error = doubt.voltage_error + doubt.voltage_error_per_rate * np.array(rate)
    apart = np.abs(np.subtract.outer(place, place))
    systematic = np.outer(error, error) * np.exp(-apart / max(CORRELATED, float(block.seconds.sum()) / 2))
    return pool, systematic + np.diag([1.0 / total for _, total in rows])


def locate(kind: Kind, block: Block, before: Belief | None = None) -> float:
    """Return the state of charge whose cell at rest comes nearest to a block's voltage, by trying a grid of them."""
    layout = kind.network.layout
    states = np.array([kind.rested(float(soc)) for soc in GRID])
    if before is not None:
        states[:, layout.parameters.start :] = before.centre[layout.parameters.start :]
    voltage = kind.network.run(states, block, ("voltage",))["voltage"]
    weight = np.where(block.filled, 1.0 / np.square(np.maximum(block.noise, 0.002)), 0.0)
    miss = ((voltage - block.voltage) ** 2 * weight).sum(axis=1)
    best = int(np.argmin(miss))
    if 0 < best < len(GRID) - 1:
        low, mid, high = miss[best - 1 : best + 2]
        return float(GRID[best] + (GRID[1] - GRID[0]) * 0.5 * (low - high) / max(low - 2 * mid + high, 1e-12))
    return float(GRID[best])
