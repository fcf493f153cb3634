"""How hard a cycle is on the cell: factors of temperature, state of charge and C-rate.

Each factor is 1 at the reference conditions and where its input is not known. They rank operation; they
are not a life prediction for a given cell.
"""

from __future__ import annotations

import numpy as np

from models.eq_cycles.throughput import FloatArray, TimeArray

ZERO_CELSIUS = 273.15  # [K]
GAS_CONSTANT = 8.314462618  # [J/(mol K)]


def temperature_stress(temperature: FloatArray, coefficient: float = 0.0693, reference: float = 298.15) -> FloatArray:
    r"""Return the factor of temperature, never below 1.

    .. math:: S_T = \max\left(1, \exp\left(k_T (T - T_{ref}) \frac{T_{ref}}{T}\right)\right)

    Parameters
    ----------
    temperature : array
        Cell temperature, NaN where it is not known. [degC]
    coefficient : float, optional
        k_T. [1/K]
    reference : float, optional
        T_ref. [K]

    Returns
    -------
    array
        Factor, 1 where the temperature is not known.

    Notes
    -----
    Below the reference the exponential would give a discount, but ageing rises again in the cold
    (lithium plating; crossover near 25 degC, Waldmann 2014), so the factor stays 1: in the cold it is a
    lower bound. Supported up to 60 degC; beyond that it is extrapolated.

    References
    ----------
    B. Xu et al., Modeling of lithium-ion battery degradation for cell life assessment, IEEE Trans. Smart
    Grid 9 (2018) 1131-1140, doi:10.1109/TSG.2016.2578950. T. Waldmann et al., J. Power Sources 262 (2014)
    129-135, doi:10.1016/j.jpowsour.2014.03.112.

    Examples
    --------
    >>> temperature_stress(np.array([10.0, 25.0, 35.0, np.nan])).round(3).tolist()
    [1.0, 1.0, 1.955, 1.0]
    """
    kelvin = np.ascontiguousarray(temperature) + ZERO_CELSIUS
    factor = np.exp(coefficient * (kelvin - reference) * (reference / kelvin))
    return np.where(np.isnan(kelvin), 1.0, np.maximum(factor, 1.0))


def soc_stress(soc: FloatArray, coefficient: float = 1.04, reference: float = 0.5) -> FloatArray:
    r"""Return the factor of the state of charge.

    .. math:: S_\sigma = \exp\left(k_\sigma (\mathrm{SOC} - \sigma_{ref})\right)

    Parameters
    ----------
    soc : array
        State of charge, a fraction, NaN where it is not known.
    coefficient, reference : float, optional
        k_sigma and sigma_ref.

    Returns
    -------
    array
        Factor, 0.59 at 0 % to 1.68 at 100 %; 1 where the state of charge is not known.

    Notes
    -----
    Xu et al. apply it to the mean of a cycle; here it weights each interval.

    References
    ----------
    B. Xu et al., doi:10.1109/TSG.2016.2578950.

    Examples
    --------
    >>> soc_stress(np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [0.595, 1.0, 1.682]
    """
    factor = np.exp(coefficient * (np.ascontiguousarray(soc) - reference))
    return np.where(np.isnan(factor), 1.0, factor)


def rate_stress(
    c_rate: FloatArray,
    temperature: FloatArray,
    activation: float = 370.3,
    range_of_rate: tuple[float, float] = (0.5, 10.0),
    reference: float = 298.15,
) -> FloatArray:
    r"""Return the factor of the C-rate: each C lowers the activation energy of the loss.

    .. math:: S_C = \exp\left(\frac{a\,(C - C_{ref})}{R\,T}\right), \qquad C_{ref} \le C \le C_{max}

    Parameters
    ----------
    c_rate : array
        Magnitude of the current over the nominal capacity. [1/h]
    temperature : array
        Cell temperature, NaN (not known) means `reference`. [degC]
    activation : float, optional
        a. [J/mol per C]
    range_of_rate : tuple of float, optional
        C_ref and C_max, the rates of the tests behind the fit; outside, the nearest counts. [1/h]
    reference : float, optional
        Temperature where it is not known. [K]

    Returns
    -------
    array
        Factor, 1 at C_ref and below.

    Notes
    -----
    Fitted to LFP/graphite cells (2.2 Ah, C/2 to 10C). It is the ratio of the losses at equal throughput.

    References
    ----------
    J. Wang et al., Cycle-life model for graphite-LiFePO4 cells, J. Power Sources 196 (2011) 3942-3948,
    doi:10.1016/j.jpowsour.2010.11.134.

    Examples
    --------
    >>> rate_stress(np.array([0.1, 1.0, 2.0]), np.array([25.0, 25.0, np.nan])).round(3).tolist()
    [1.0, 1.078, 1.251]
    """
    lowest, highest = range_of_rate
    kelvin = np.ascontiguousarray(temperature) + ZERO_CELSIUS
    kelvin = np.where(np.isnan(kelvin), reference, kelvin)
    excess = np.clip(c_rate, lowest, highest) - lowest
    return np.exp(activation * excess / (GAS_CONSTANT * kelvin))


def as_of(time: TimeArray, source_time: TimeArray, source: FloatArray, tolerance: float) -> FloatArray:
    """Return the newest source value at each time, NaN where it is older than the tolerance.

    Parameters
    ----------
    time : array, shape (n,)
        Times wanted, ascending. [ms]
    source_time : array, shape (m,)
        Times of the source, ascending; m may be 0. [ms]
    source : array, shape (m,)
        Values of the source.
    tolerance : float
        Oldest value that may be used. [s]

    Returns
    -------
    array, shape (n,)
        Values of the source; none from the future.
    """
    if len(source) == 0:
        return np.full(len(time), np.nan)
    position = np.searchsorted(source_time, time, side="right") - 1
    found = np.maximum(position, 0)
    usable = (position >= 0) & (time - source_time[found] <= tolerance * 1000.0)
    return np.where(usable, source[found], np.nan)
