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
from models.pinn_internal_state.forward import SCALARS, DivergedError
from models.pinn_internal_state.observation import Observation, misfit, observed
from models.pinn_internal_state.states import Block, FloatArray

#: States of charge that a start is looked for at.
GRID = np.linspace(0.02, 0.98, 24)
#: No direction is made smaller in one pass than this, so that a derivative can still be told from rounding.
LEAST = 0.03
#: Times that a first block is gone through, and how many more any block may be.
PASSES, MORE_PASSES = 6, 2
#: A correction larger than this is not taken as linear: the block is gone through again. In the passes of a first block, larger than
#: the second number. [standard deviations]
SETTLED, CONVERGED = 1.0, 0.05
#: What the last block counts in :attr:`Belief.unfit`.
LATELY = 0.15
#: Residual of Butler-Volmer above which the network does not follow a member; of some 0.1 where it does. [A/m2]
FOLLOWED = 20.0
#: What is tried until every member is followed: how far the centre moves to more charge, and what the ensemble is made smaller by.
TRIALS = ((0.0, 1.0), (0.0, 0.3), (0.0, 0.05), (1.5, 0.05), (-1.5, 0.05))
#: Shares of a correction that are tried until one makes things better.
SHARES = (1.0, 0.4, 0.1)
#: Share of the cost that a pass must take away for another one to be made.
WORTH = 0.02


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
        Root mean square of measured minus reconstructed voltage, beyond the sensor's noise. [V]
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


@dataclass(frozen=True)
class _Probe:
    """The ensemble run from one point.

    Attributes
    ----------
    weights : ndarray, shape (D,)
        Where the centre was, in directions of the belief.
    inverse : ndarray, shape (D, D)
        From the directions that were run to those of the belief.
    found : dict
        What the network gave.
    """

    weights: FloatArray
    inverse: FloatArray
    found: dict[str, FloatArray]


@dataclass(frozen=True)
class _Solution:
    """The correction from a probe: where the centre belongs, and the root of the covariance there and its inverse."""

    weights: FloatArray
    transform: FloatArray
    inverse: FloatArray


def advance(kind: Kind, belief: Belief, block: Block, passes: int = 1) -> Step:
    """Go through a block.

    Parameters
    ----------
    belief : Belief
        At the block's start.
    block : Block
        With at least one bin that is no padding.
    passes : int
        More than one where the start is far from known; more are made where a correction came out large, see :data:`SETTLED`.

    Raises
    ------
    DivergedError
        The network cannot follow the block from anywhere near the belief.
    """
    probe = _first(kind, belief, block)
    observation = observed(kind, block, belief.unfit, probe.found["residual"])
    solution = _solved(probe, block, observation)
    for number in range(1, passes + MORE_PASSES):
        if np.abs(solution.weights - probe.weights).max() < (SETTLED if number >= passes else CONVERGED):
            break
        nearer = _nearer(kind, belief, block, observation, (probe, solution))
        if nearer is None:
            break
        before, after = (_cost(one, block, observation) for one in (probe, nearer))
        probe = nearer
        observation = observed(kind, block, belief.unfit, probe.found["residual"])
        solution = _solved(probe, block, observation)
        if before - after < WORTH * (1.0 + before):
            break
    missed = np.sqrt(observation.missed(block.voltage - _voltage(probe, solution)))
    if missed > belief.unfit:  # it fits worse than was believed of it: then it tells less, too
        solution = _solved(probe, block, observed(kind, block, float(missed), probe.found["residual"]))
    change = solution.weights - probe.weights
    change *= min(1.0, SETTLED / max(float(np.abs(change).max()), 1e-12))
    return _step(kind, belief, block, probe, _Solution(probe.weights + change, solution.transform, solution.inverse))


def _first(kind: Kind, belief: Belief, block: Block) -> _Probe:
    """Run the ensemble from the belief; smaller, and then from more or less charge, where a member runs empty or full."""
    count = len(belief.directions)
    ahead = kind.soc(belief.directions) - kind.soc(np.zeros(belief.directions.shape[1]))
    toward = ahead / max(float(np.linalg.norm(ahead)), 1e-12)
    for shift, scale in TRIALS:
        probe = _probed(kind, belief, block, (shift * toward, scale * np.eye(count), np.eye(count) / scale))
        if probe is not None:
            return probe
    raise DivergedError("the network cannot follow this block from anywhere near what is believed")


def _nearer(kind: Kind, belief: Belief, block: Block, observation: Observation, at: tuple[_Probe, _Solution]) -> _Probe | None:
    """Run the ensemble from a solution, or from halfway to it and so on, until it is better than the probe; None where nothing is."""
    probe, solution = at
    before = _cost(probe, block, observation)
    for share in SHARES:
        weights = probe.weights + share * (solution.weights - probe.weights)
        for scale in (1.0, 0.1):
            found = _probed(kind, belief, block, (weights, scale * solution.transform, solution.inverse / scale))
            if found is not None:
                break
        if found is not None and _cost(found, block, observation) < before:
            return found
    return None


def _cost(probe: _Probe, block: Block, observation: Observation) -> float:
    return observation.cost(probe.weights, block.voltage - probe.found["voltage"].mean(axis=0))


def _voltage(probe: _Probe, solution: _Solution) -> FloatArray:
    """Return the voltage at a solution, as if everything were linear around the probe. [V]"""
    voltage = probe.found["voltage"]
    along = probe.inverse @ spread_of(voltage, len(probe.weights))
    return np.asarray(voltage.mean(axis=0) + (solution.weights - probe.weights) @ along)


def _probed(kind: Kind, belief: Belief, block: Block, at: tuple[FloatArray, FloatArray, FloatArray]) -> _Probe | None:
    """Run the ensemble from a point; None where the network does not follow every member."""
    weights, transform, inverse = at
    states = members(belief.centre + weights @ belief.directions, transform @ belief.directions)
    try:
        found = kind.network.run(states, block, (*SCALARS, "anode"))
    except DivergedError:
        return None
    if found["residual"][:, block.filled].max() > FOLLOWED:
        return None
    return _Probe(weights, inverse, found)


def _solved(probe: _Probe, block: Block, observation: Observation) -> _Solution:
    """Correct by the block's voltage, as if everything were linear around the probe."""
    pool, noise = observation.pool, observation.noise
    count = len(probe.weights)
    voltage = probe.found["voltage"]
    short = probe.inverse @ spread_of(voltage, count) @ pool.T
    gain = np.linalg.solve(noise, short.T).T
    missing = pool @ (block.voltage - voltage.mean(axis=0)) + probe.weights @ short
    information = short @ gain.T
    weights = np.linalg.solve(np.eye(count) + information, gain @ missing)
    value, vector = np.linalg.eigh((information + information.T) / 2)
    root = np.maximum(1.0 / np.sqrt(1.0 + np.maximum(value, 0.0)), LEAST)
    return _Solution(weights, (vector * root) @ vector.T, (vector / root) @ vector.T)


def _step(kind: Kind, belief: Belief, block: Block, probe: _Probe, solution: _Solution) -> Step:
    """Apply the correction to everything that the last pass gave: all of it is linear in the directions."""
    weights, transform, found = solution.weights, solution.transform, probe.found
    change, count = weights - probe.weights, len(belief.directions)

    def corrected(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        along = probe.inverse @ spread_of(values, count).reshape(count, -1)
        value = values.mean(axis=0).ravel() + change @ along
        return value.reshape(values.shape[1:]), (transform @ along).reshape(count, *values.shape[1:])

    layout = kind.network.layout
    start = Belief(belief.centre + weights @ belief.directions, transform @ belief.directions, belief.unfit)
    ends = [corrected(found[name]) for name in ("negative1", "positive1", "electrolyte1")]
    rest = slice(layout.parameters.start, layout.size)
    centre = layout.join(ends[0][0], ends[1][0], ends[2][0], start.centre[rest])
    directions = layout.join(ends[0][1], ends[1][1], ends[2][1], start.directions[:, rest])
    voltage, of_voltage = corrected(found["voltage"])
    margin, of_margin = corrected(found["margin_least"])
    anode, _ = corrected(found["anode"])
    missed = observed(kind, block, 1.0, found["residual"]).missed(block.voltage - voltage)
    unfit = float(np.sqrt(max(1.0, (1.0 - LATELY) * belief.unfit**2 + LATELY * missed)))
    return Step(
        start, Belief(centre, directions, unfit), voltage, np.sqrt(np.square(of_voltage).sum(axis=0)), margin,
        np.sqrt(np.square(of_margin).sum(axis=0)), anode, misfit(block.voltage - voltage, block),
        float(found["residual"].mean(axis=0)[block.filled].max()),
    )  # fmt: skip


def locate(kind: Kind, block: Block, before: Belief | None = None) -> float:
    """Return the state of charge whose cell at rest comes nearest to a block's voltage, by trying a grid of them."""
    layout = kind.network.layout
    states = np.array([kind.rested(float(soc)) for soc in GRID])
    if before is not None:
        states[:, layout.parameters.start :] = before.centre[layout.parameters.start :]
    weight = np.where(block.filled, 1.0 / np.square(np.maximum(block.noise, 0.002)), 0.0)
    miss = _misses(kind, states, block, weight)
    if not np.isfinite(miss).any():
        raise DivergedError("the network cannot follow this block from any state of charge")
    best = int(np.argmin(miss))
    if 0 < best < len(GRID) - 1 and np.isfinite(miss[best - 1 : best + 2]).all():
        low, mid, high = miss[best - 1 : best + 2]
        return float(GRID[best] + (GRID[1] - GRID[0]) * 0.5 * (low - high) / max(low - 2 * mid + high, 1e-12))
    return float(GRID[best])


def _misses(kind: Kind, states: FloatArray, block: Block, weight: FloatArray) -> FloatArray:
    """Return the weighted squares of what each state's voltage misses; infinite where the network cannot follow."""
    try:
        found = kind.network.run(states, block, ("voltage", "residual"))
    except DivergedError:
        if len(states) == 1:
            return np.array([np.inf])
        return np.concatenate([_misses(kind, half, block, weight) for half in np.array_split(states, 2)])
    followed = found["residual"][:, block.filled].max(axis=1) < FOLLOWED
    return np.where(followed, np.square(found["voltage"] - block.voltage) @ weight, np.inf)
