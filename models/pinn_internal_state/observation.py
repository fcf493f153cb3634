"""What a block's voltage tells: means over windows, and how wrong the sensor, the cell's parameters and the network may be in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.pinn_internal_state.belief import Kind
from models.pinn_internal_state.bins import BLIND
from models.pinn_internal_state.states import Block, FloatArray

#: Bins whose voltage is compared together, and over which time errors of the network hang together at least. [bins, s]
TOGETHER, CORRELATED = 6, 300.0
#: Error of the network's voltage for each A/m2 by which its flux misses Butler-Volmer; of runs on the validation seeds. [V m2/A]
RESIDUAL_ERROR = 0.01


@dataclass(frozen=True)
class Observation:
    """Means over windows, and their error.

    Attributes
    ----------
    pool : ndarray, shape (W, N)
        From the voltages of bins to their means over windows.
    noise : ndarray, shape (W, W)
        Covariance of the error of those. [V2]
    """

    pool: FloatArray
    noise: FloatArray

    def cost(self, weights: FloatArray, error: FloatArray) -> float:
        """Return half the squares of a belief's weights and of a difference of voltages, each over its variance."""
        missing = self.pool @ error
        return float(weights @ weights + missing @ np.linalg.solve(self.noise, missing)) / 2.0

    def missed(self, error: FloatArray) -> float:
        """Return the mean square of a difference of voltages over its variance."""
        return float(np.mean(np.square(self.pool @ error) / np.diag(self.noise)))


def observed(kind: Kind, block: Block, unfit: float, residual: FloatArray) -> Observation:
    """Return what a block's voltage tells.

    Parameters
    ----------
    unfit : float
        See `belief.Belief`.
    residual : ndarray, shape (M, N)
        What the network says of its own flux, of each member. [A/m2]
    """
    weight = np.where(block.filled, 1.0 / np.square(block.noise), 0.0)
    own = np.square(np.median(residual, axis=0))
    load = (np.abs(block.current) + block.spread) / kind.capacity
    middle = np.cumsum(block.seconds) - block.seconds / 2
    rows = []
    for first in range(0, len(weight), TOGETHER):
        row = np.zeros(len(weight))
        row[first : first + TOGETHER] = weight[first : first + TOGETHER]
        if row.sum() > 0:
            rows.append(row)
    total = np.array([row.sum() for row in rows])
    pool = np.array(rows) / total[:, None]
    doubt = kind.uncertainty
    stated = unfit * (doubt.voltage_error + doubt.voltage_error_per_rate * (pool @ load))
    error = np.hypot(stated, RESIDUAL_ERROR * np.sqrt(pool @ own))
    place = pool @ middle
    apart = np.abs(np.subtract.outer(place, place))
    systematic = np.outer(error, error) * np.exp(-apart / max(CORRELATED, float(block.seconds.sum()) / 2))
    return Observation(pool, systematic + np.diag(1.0 / total))


def misfit(error: FloatArray, block: Block) -> float:
    """Return the root mean square of a difference of voltages [V], less what the sensor's noise makes of it."""
    seen = block.filled & (block.noise < BLIND)
    if not seen.any():
        return 0.0
    weight = 1.0 / (1.0 + np.square(block.noise[seen] / 0.005))
    excess = np.square(error[seen]) - np.square(block.noise[seen])
    return float(np.sqrt(max(0.0, float(excess @ weight / weight.sum()))))
