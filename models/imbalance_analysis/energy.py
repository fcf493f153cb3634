"""What imbalance costs: charge that the weakest cells keep the others from using."""

from __future__ import annotations

import numpy as np

from models.imbalance_analysis.robust import FloatArray


def usable_fraction(lead: FloatArray, capacity: FloatArray) -> tuple[float, float]:
    r"""Return what a series string can use, as it is and after perfect balancing.

    .. math::
        u = \min_i z_i c_i + \min_i (1 - z_i) c_i, \qquad z_i = \tfrac12 + \delta_i, \qquad u_{bal} = \min_i c_i

    Parameters
    ----------
    lead : array, shape (k,)
        SOC of each cell minus that of the median cell, at half charge. [fraction]
    capacity : array, shape (k,)
        Capacity of each cell over that of the median cell.

    Returns
    -------
    usable, balanced : float
        Of the median cell's capacity; 1 is a perfect string.

    Notes
    -----
    The first cell to be empty ends the discharge, the first to be full the charge. Balancing aligns the charge of
    the cells, so only the smallest capacity is left as a loss; it mends neither capacity nor resistance.

    Examples
    --------
    Two good cells and one that stands 10 % low: 40 % can be taken out and 50 % put in, and balancing mends it.

    >>> usable, balanced = usable_fraction(np.array([0.0, 0.0, -0.1]), np.ones(3))
    >>> round(usable, 4), round(balanced, 4)
    (0.9, 1.0)
    """
    charge = np.clip(0.5 + lead, 0.0, 1.0)
    usable = float((charge * capacity).min() + ((1.0 - charge) * capacity).min())
    return min(usable, 1.0), min(float(capacity.min()), 1.0)


def proven(value: FloatArray, error: FloatArray, sigmas: float = 2.0) -> FloatArray:
    """Draw values towards zero by so many sigmas, so that the worst of many noisy cells is no artefact of noise."""
    return np.asarray(np.sign(value) * np.maximum(np.abs(value) - sigmas * error, 0.0), dtype=np.float64)


def lost_energy(
    lead: FloatArray, lead_error: FloatArray, excess: FloatArray, excess_error: FloatArray, pack: tuple[float, float]
) -> tuple[float, float]:
    """Return energy lost to imbalance, and the part of it that balancing brings back.

    Parameters
    ----------
    lead, lead_error : array, shape (k,)
        SOC against the median cell, and one sigma. [fraction]
    excess, excess_error : array, shape (k,)
        How much faster a cell's SOC moves than the median's (0.087 for 8 % less capacity), and one sigma.
    pack : tuple of float
        Capacity of the median cell [Ah] and mean voltage of the string [V].

    Returns
    -------
    lost, recoverable : float
        Of one full discharge; a lower bound, as only what is beyond two sigmas counts. [kWh]
    """
    capacity = 1.0 / (1.0 + proven(excess, excess_error))
    usable, balanced = usable_fraction(proven(lead, lead_error), capacity)
    whole = pack[0] * pack[1] / 1000.0
    return (1.0 - usable) * whole, max(balanced - usable, 0.0) * whole
