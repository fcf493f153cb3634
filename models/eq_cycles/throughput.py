"""Charge, energy and full cycles from a current: integrals that any split of the data leaves bit-identical.

Every function here is elementwise on contiguous float64, or a sum in sample order that starts from the
carried total (`running_total`). That, and nothing else, is what makes split and one-shot runs equal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TimeArray = npt.NDArray[np.int64]

MILLISECONDS_PER_HOUR = 3_600_000.0


def operating_hours(time: TimeArray, max_gap: float) -> FloatArray:
    """Return the length of every interval between samples; a gap counts as no operation.

    Parameters
    ----------
    time : array, shape (n,)
        Sample times, ascending. [ms]
    max_gap : float
        Longest interval that still counts as continuous operation. [s]

    Returns
    -------
    array, shape (n - 1,)
        Interval lengths, 0 where the interval is longer than `max_gap`. [h]

    Examples
    --------
    >>> operating_hours(np.array([0, 3_600_000, 90_000_000]), max_gap=3600.0).tolist()
    [1.0, 0.0]
    """
    length = np.diff(time).astype(np.float64)
    return np.where(length <= max_gap * 1000.0, length / MILLISECONDS_PER_HOUR, 0.0)


def split_trapezoid(flow: FloatArray, hours: FloatArray) -> tuple[FloatArray, FloatArray]:
    r"""Integrate the positive and the negative part of a flow that is linear between samples.

    .. math::
        A^+ = \tfrac12\,\Delta t\,(a^+ + b^+) \quad\text{same sign},\qquad
        A^+ = \tfrac12\,\Delta t\,\frac{\max(a^+, b^+)^2}{|a| + |b|} \quad\text{sign change}

    Parameters
    ----------
    flow : array, shape (n,)
        Current or power, positive on discharge. [A] or [W]
    hours : array, shape (n - 1,)
        Interval lengths. [h]

    Returns
    -------
    discharged, charged : array, shape (n - 1,)
        Both non-negative, for each interval. [Ah] or [Wh]

    Notes
    -----
    The second form is the exact area of the triangle up to the zero crossing, so charge and discharge
    do not cancel inside an interval.

    Examples
    --------
    >>> discharged, charged = split_trapezoid(np.array([30.0, -10.0]), np.array([1.0]))
    >>> discharged.tolist(), charged.tolist()
    ([11.25], [1.25])
    """
    first, last = flow[:-1], flow[1:]
    crossing = np.signbit(first) != np.signbit(last)
    magnitude = np.abs(first) + np.abs(last)
    divisor = np.where(magnitude > 0.0, magnitude, 1.0)

    def area(start: FloatArray, end: FloatArray) -> FloatArray:
        peak = np.maximum(start, end)
        height = np.where(crossing, peak * (peak / divisor), start + end)
        return np.asarray(0.5 * hours * height, dtype=np.float64)

    discharged = area(np.maximum(first, 0.0), np.maximum(last, 0.0))
    charged = area(np.maximum(-first, 0.0), np.maximum(-last, 0.0))
    return discharged, charged


def split_right(flow: FloatArray, hours: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Integrate with the sample at the end of each interval, as the vendor's eq_cycles 2.1.0 does.

    Parameters
    ----------
    flow : array, shape (n,)
        Current, positive on discharge; zero counts as discharge. [A]
    hours : array, shape (n - 1,)
        Interval lengths. [h]

    Returns
    -------
    discharged, charged : array, shape (n - 1,)
        Both non-negative, for each interval. [Ah]

    Notes
    -----
    Off by up to half an interval at every step of the current; the trapezoid is the default.
    """
    last = flow[1:]
    return np.maximum(last, 0.0) * hours, np.maximum(-last, 0.0) * hours


def running_total(carried: float, steps: FloatArray) -> FloatArray:
    """Add steps to a carried total, one after the other.

    Parameters
    ----------
    carried : float
        Total before the first step.
    steps : array, shape (n,)
        What each interval adds.

    Returns
    -------
    array, shape (n,)
        Total after each step.

    Notes
    -----
    `np.cumsum` adds in order, so prepending the carried total gives the bits of one unbroken sum;
    adding it to the sum of the steps would not.
    """
    return np.cumsum(np.concatenate(([carried], steps)))[1:]


def equivalent_cycle_steps(
    discharged: FloatArray,
    charged: FloatArray,
    capacity: float,
    soh: FloatArray,
    efficiency: tuple[float, float] = (0.99, 0.98),
) -> FloatArray:
    r"""Return the equivalent cycles of each interval by the vendor's definition.

    .. math:: \Delta n = \frac{\eta_d Q_d + \eta_c Q_c}{2\,C\,\mathrm{SOH}}

    Parameters
    ----------
    discharged, charged : array, shape (n,)
        Charge of each interval, both non-negative. [Ah]
    capacity : float
        Nominal capacity. [Ah]
    soh : array, shape (n,)
        State of health (capacity) at the end of each interval, a fraction above 0.
    efficiency : tuple of float, optional
        Weight of discharge and of charge, a fraction.

    Returns
    -------
    array, shape (n,)
        Equivalent cycles of each interval.

    Examples
    --------
    >>> equivalent_cycle_steps(np.array([100.0]), np.array([100.0]), 100.0, np.array([1.0])).tolist()
    [0.985]
    """
    of_discharge, of_charge = efficiency
    weighted = discharged * of_discharge + charged * of_charge
    return np.asarray(weighted / (2.0 * capacity * soh), dtype=np.float64)
