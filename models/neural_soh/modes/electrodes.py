"""Where the electrodes of a cell stand, told from a charge: lithium and active material lost since the beginning; pure NumPy.

The equilibrium voltage of two electrodes and a resistance are fitted to the charge at the beginning; then, with the beginning's
deviation from the fit left in place, to the charge now. Deviations of kinetics and diffusion cancel as far as they have not changed.

References
----------
Dubarry, Truchot, Liaw, J. Power Sources 219 (2012) 204, doi:10.1016/j.jpowsour.2012.07.016
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes.half_cells import HalfCells

FloatArray = npt.NDArray[np.float64]

#: Stoichiometries at the first point, capacities of the electrodes relative to the product's, and a resistance times the 1C current. [V]
NAMES = ("negative_first", "positive_first", "negative", "positive", "resistance")
#: How far a cell is from the product, and a worn cell from its beginning, before anything is seen: standard deviations.
MADE = np.array([0.02, 0.02, 0.04, 0.04, 0.05])
#: The former where a charge may begin anywhere, and the share of the charge after which its voltage says where. [1]
MADE_ANYWHERE, ANYWHERE = np.array([0.04, 0.04, 0.04, 0.04, 0.05]), 0.05
WORN = np.array([0.03, 0.06, 0.08, 0.08, 0.05])
#: Of the fit's residuals: at the beginning against the product, now against the beginning. [V]
MISFIT, DRIFT = 8e-3, 1.5e-3
#: Beginnings that are tried of a charge that may have begun anywhere.
BEGINNINGS = 60
ITERATIONS, SETTLED = 12, 1e-5
_STEP = 1e-4


def modelled(cells: HalfCells, parameters: FloatArray, charged: FloatArray, rate: float) -> FloatArray:
    """Return the voltage while a cell is charged.

    Parameters
    ----------
    cells : HalfCells
    parameters : ndarray, shape (5,)
        See :data:`NAMES`.
    charged : ndarray
        Since the first point. [Ah]
    rate : float
        Of the charge. [1/h]
    """
    x = parameters[0] + charged / (parameters[2] * cells.capacities[0])
    y = parameters[1] - charged / (parameters[3] * cells.capacities[1])
    found: FloatArray = cells.voltage(x, y) + parameters[4] * rate
    return found


def designed(cells: HalfCells) -> FloatArray:
    """Return the parameters of the product, discharged."""
    low, _ = cells.window(*cells.capacities, cells.lithium)
    return np.array([low, (cells.lithium - low * cells.capacities[0]) / cells.capacities[1], 1.0, 1.0, 0.02])


def placed(cells: HalfCells, charged: FloatArray, voltage: FloatArray, rate: float) -> FloatArray:
    """Return the parameters of the product at the beginning of a charge that may have begun anywhere.

    Of :data:`BEGINNINGS` in the product's window the one with the least misfit to the charge [Ah] and voltage [V], whatever the resistance.
    """
    low, high = cells.window(*cells.capacities, cells.lithium)
    x = np.linspace(low, low + 0.6 * (high - low), BEGINNINGS)
    y = (cells.lithium - x * cells.capacities[0]) / cells.capacities[1]
    tried = cells.voltage(x[:, None] + charged / cells.capacities[0], y[:, None] - charged / cells.capacities[1])
    left = voltage - tried
    best = int(left.std(axis=1).argmin())
    return np.array([x[best], y[best], 1.0, 1.0, np.clip(left[best].mean() / max(rate, 0.05), 0.0, 0.5)])


def fitted(
    cells: HalfCells,
    start: FloatArray,
    prior: FloatArray,
    points: tuple[FloatArray, FloatArray, FloatArray],
    rate: float,
    residual: float,
) -> FloatArray:
    """Fit parameters to a charge by Gauss-Newton steps, held to their start.

    Parameters
    ----------
    start, prior : ndarray, shape (5,)
        Parameters expected, and their standard deviations.
    points : tuple of ndarray
        Charge since the first point [Ah], voltage, and what is to be added to the modelled voltage [V].
    rate : float
        [1/h]
    residual : float
        Standard deviation. [V]
    """
    charged, voltage, added = points
    found = start.copy()
    for _ in range(ITERATIONS):
        base = modelled(cells, found, charged, rate)
        slopes = np.stack(
            [(modelled(cells, found + _STEP * unit, charged, rate) - base) / _STEP for unit in np.eye(len(found))]
        )
        left = (slopes / residual) @ ((voltage - added - base) / residual) + (start - found) / prior**2
        step = np.linalg.solve((slopes / residual) @ (slopes / residual).T + np.diag(prior**-2.0), left)
        found = found + np.clip(step, -prior, prior)
        found[:2] = np.clip(found[:2], 0.0, 1.0)
        found[2:4] = np.clip(found[2:4], 0.3, 1.5)
        if np.abs(step).max() < SETTLED:
            break
    return found


def wear(
    cells: HalfCells,
    first: tuple[FloatArray, FloatArray],
    now: tuple[FloatArray, FloatArray],
    rate: float,
    anywhere: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Tell what a cell has lost between two charges.

    Parameters
    ----------
    first : tuple of ndarray
        Charge since the cell was empty [Ah] and voltage [V] of a full charge at the beginning.
    now : tuple of ndarray
        The same of a charge now, or of a part of one.
    rate : float
        [1/h]
    anywhere : bool
        Whether the first charge may have begun anywhere, and not where the cell was empty.

    Returns
    -------
    lost : ndarray, shape (4,)
        Lithium over the nominal capacity, active material of the negative and of the positive electrode [1], rise of resistance times the
        1C current [V].
    cost : ndarray, shape (4,)
        Capacity that the first three have cost each, by leaving one out at a time, and all together, over the nominal capacity. [1]
    """
    places = np.linspace(max(first[0][0], 0.03 * first[0][-1]), 0.98 * first[0][-1], 60)
    seen = np.interp(places, *first)
    start = designed(cells)
    if anywhere:
        start = placed(cells, places, seen, rate)
    begun = fitted(cells, start, MADE, (places, seen, np.zeros_like(places)), rate, MISFIT)
    deviation = seen - modelled(cells, begun, places, rate)
    # the charge now is taken at the same places, so that a cell that has not changed has lost nothing
    both = (places >= now[0][0]) & (places <= now[0][-1])
    points = (places[both], np.interp(places[both], *now), deviation[both])
    worn = fitted(cells, begun, WORN, points, rate, DRIFT)
    before, after = _amounts(cells, begun), _amounts(cells, worn)
    lost = np.array(
        [(before[2] - after[2]) / cells.nominal, 1.0 - after[0] / before[0], 1.0 - after[1] / before[1], worn[4] - begun[4]]
    )
    return lost, _cost(cells, before, after)


def _amounts(cells: HalfCells, parameters: FloatArray) -> FloatArray:
    negative, positive = parameters[2] * cells.capacities[0], parameters[3] * cells.capacities[1]
    return np.array([negative, positive, parameters[0] * negative + parameters[1] * positive])


def _cost(cells: HalfCells, before: FloatArray, after: FloatArray) -> FloatArray:
    left = cells.capacity(*after)
    found = []
    for number in (2, 0, 1):
        other = after.copy()
        other[number] = before[number]
        found.append((cells.capacity(*other) - left) / cells.nominal)
    found.append((cells.capacity(*before) - left) / cells.nominal)
    cost: FloatArray = np.nan_to_num(np.array(found))
    return cost
