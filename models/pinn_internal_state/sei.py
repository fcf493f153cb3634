r"""Growth of the solid-electrolyte interphase (SEI) as an ordinary differential equation on the anode's potential.

The reaction consumes ethylene carbonate (EC) that diffuses through the film, and lithium:

.. math::
    \frac{dL}{dt} = \frac{\bar V}{z}\, c_0\, A(T)\, \frac{k_e}{1 + L k_e / D}, \qquad
    k_e = f\, k\, \exp\left(-\frac{\alpha F}{R T} (\varphi - U)\right), \qquad
    A = \exp\left(\frac{E}{R}\left(\frac{1}{T_0} - \frac{1}{T}\right)\right)

with the potential :math:`\varphi` of the graphite against the electrolyte *behind* the film, which is what the network gives as
``anode``: the ohmic drop over the film does not drive the reaction. This is the law of PyBaMM's ``SEI: "ec reaction limited"``.

Pure functions of arrays; thickness is carried in float64 and a step depends on nothing but the step before, so any split of the same
steps gives the same bits.

References
----------
Yang, Leng, Zhang, Ge, Wang, J. Power Sources 360 (2017) 28, doi:10.1016/j.jpowsour.2017.05.110
O'Kane et al., Phys. Chem. Chem. Phys. 24 (2022) 7909, doi:10.1039/D2CP00417H (values)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

GAS, FARADAY, REFERENCE = 8.31446261815324, 96485.33212, 298.15


@dataclass(frozen=True)
class Film:
    """What decides how fast a film grows; the values of OKane2022, but for `rate_factor`.

    Attributes
    ----------
    rate_factor : float
        On the rate constant. 4e-4 loses 10-20 % of an LG M50 in 1,000 full cycles at 25 °C. The factor of a real cell is not known.
    rate_uncertainty : float
        Standard deviation of the logarithm of the factor; ln 2 says "known within a factor of two".
    rate : float
        Rate constant at 25 °C and no overpotential. [m/s]
    transfer : float
        Transfer coefficient.
    open_circuit : float
        Potential of the reaction. [V]
    concentration : float
        Of EC in the electrolyte. [mol/m3]
    diffusivity : float
        Of EC in the film. [m2/s]
    activation : float
        Activation energy of the growth. [J/mol]
    molar_volume : float
        Of the film. [m3/mol]
    lithium : float
        Moles of lithium in a mole of film.
    resistivity : float
        Of the film. [Ohm m]
    first_thickness : float
        Of a fresh cell. [m]
    """

    rate_factor: float = 4e-4
    rate_uncertainty: float = float(np.log(2.0))
    rate: float = 1e-12
    transfer: float = 0.5
    open_circuit: float = 0.4
    concentration: float = 4541.0
    diffusivity: float = 2e-18
    activation: float = 38000.0
    molar_volume: float = 9.585e-5
    lithium: float = 1.0
    resistivity: float = 2e5
    first_thickness: float = 5e-9


@dataclass(frozen=True)
class Electrode:
    """Where the film grows: area and nodes of the negative electrode.

    Attributes
    ----------
    surface : float
        Area of all particles. [m2]
    weights : ndarray, shape (X,)
        Of the nodes in a mean along x; they sum to 1.
    """

    surface: float
    weights: FloatArray

    @classmethod
    def of(cls, thickness: float, active: float, radius: float, area: float, nodes: int) -> Electrode:
        """Describe an electrode of spheres, seen at Gauss-Legendre nodes; lengths in m, `area` of the plate in m2."""
        _, weights = np.polynomial.legendre.leggauss(nodes)
        return cls(3.0 * active / radius * thickness * area, np.asarray(weights, dtype=np.float64) / 2.0)


def rates(film: Film, potential: FloatArray, temperature: FloatArray | float) -> tuple[FloatArray, FloatArray]:
    """Speed of growth of a film of no thickness, and how diffusion slows it.

    Parameters
    ----------
    potential : ndarray
        Solid against electrolyte, behind the film. [V]
    temperature : ndarray or float
        Broadcasts against `potential`. [K]

    Returns
    -------
    tuple of ndarray
        ``speed`` [m/s] and ``hindrance`` [1/m]: dL/dt = speed / (1 + hindrance L).
    """
    thermal = GAS * np.asarray(temperature, dtype=np.float64) / FARADAY
    kinetic = film.rate_factor * film.rate * np.exp(-film.transfer * (potential - film.open_circuit) / thermal)
    arrhenius = np.exp(film.activation / GAS * (1.0 / REFERENCE - 1.0 / np.asarray(temperature, dtype=np.float64)))
    return film.molar_volume / film.lithium * film.concentration * arrhenius * kinetic, kinetic / film.diffusivity


def grown(thickness: FloatArray, speed: FloatArray, hindrance: FloatArray, seconds: FloatArray | float) -> FloatArray:
    r"""Thickness after a time at constant potential: exact for a step of any length. [m]

    The equation is separable: :math:`L + \kappa L^2 / 2` grows linearly in time. Written without cancellation, so that a step of
    a second on a film of a micrometre keeps its digits.
    """
    first = 1.0 + hindrance * thickness
    passed = speed * seconds
    return np.asarray(thickness + 2.0 * passed / (first + np.sqrt(first * first + 2.0 * hindrance * passed)))


def grow(
    film: Film, thickness: FloatArray, potential: FloatArray, temperature: FloatArray, seconds: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Grow a film over many bins, one after another.

    Parameters
    ----------
    thickness : ndarray, shape (X,)
        At the start. [m]
    potential : ndarray, shape (N, X)
        Mean of each bin. [V]
    temperature, seconds : ndarray, shape (N,)
        Of each bin, and its length; 0 s changes nothing. [K, s]

    Returns
    -------
    tuple of ndarray
        Thickness at the end of each bin, (N, X), and at the very end, (X,). [m]
    """
    speed, hindrance = rates(film, np.asarray(potential, dtype=np.float64), np.asarray(temperature, dtype=np.float64)[:, None])
    last = np.array(thickness, dtype=np.float64)
    history = np.empty_like(speed)
    for index, length in enumerate(np.asarray(seconds, dtype=np.float64)):
        last = grown(last, speed[index], hindrance[index], length)
        history[index] = last
    return history, last


def growth_of_cycles(
    film: Film,
    thickness: FloatArray,
    potential: FloatArray,
    temperature: FloatArray,
    seconds: FloatArray,
    cycles: float,
    steps: int = 8,
) -> FloatArray:
    """Thickness after many repetitions of one cycle of potential. [m]

    As :func:`grow` over the cycle `cycles` times, with the film taken as constant within a cycle and its growth over cycles
    integrated by `steps` steps of the classical Runge-Kutta method. Shapes as there.
    """
    speed, hindrance = rates(film, np.asarray(potential, dtype=np.float64), np.asarray(temperature, dtype=np.float64)[:, None])
    lengths = np.asarray(seconds, dtype=np.float64)[:, None]

    def each(film_thickness: FloatArray) -> FloatArray:
        return np.asarray((speed * lengths / (1.0 + hindrance * film_thickness)).sum(0))

    last, step = np.array(thickness, dtype=np.float64), cycles / steps
    for _ in range(steps):
        one = each(last)
        two = each(last + step / 2 * one)
        three = each(last + step / 2 * two)
        last = last + step / 6 * (one + 2 * two + 2 * three + each(last + step * three))
    return last


def lithium_lost(film: Film, electrode: Electrode, thickness: FloatArray) -> FloatArray:
    """Lithium bound in the film since it was `first_thickness` thick; `thickness` is (..., X). [Ah]"""
    mean = np.asarray(thickness, dtype=np.float64) @ electrode.weights - film.first_thickness
    return np.asarray(mean * film.lithium / film.molar_volume * electrode.surface * FARADAY / 3600.0)


def film_resistance(film: Film, electrode: Electrode, thickness: FloatArray) -> float:
    """Resistance that the film adds to the cell, were the flux uniform; `thickness` is (X,). [Ohm]"""
    return float(film.resistivity * (thickness @ electrode.weights) / electrode.surface)


def sensitivity_to_potential(
    film: Film, thickness: FloatArray, potential: FloatArray, temperature: FloatArray | float
) -> FloatArray:
    r"""Relative change of the speed of growth with potential: :math:`-\alpha F / (R T (1 + \kappa L))`. [1/V]

    About -0.0195 per mV for a thin film at 25 °C: a bias of 1 mV on the anode potential is 2 % on the growth.
    """
    _, hindrance = rates(film, potential, temperature)
    thermal = GAS * np.asarray(temperature, dtype=np.float64) / FARADAY
    return np.asarray(-film.transfer / thermal / (1.0 + hindrance * thickness))


def interval(
    film: Film,
    thickness: FloatArray,
    first: FloatArray,
    temperature: float,
    potential_bias: float,
    quantile: float = 1.6448536269514722,
) -> tuple[FloatArray, FloatArray]:
    """Interval of a thickness that has grown from `first`, for two errors that never average out. [m]

    Parameters
    ----------
    thickness, first : ndarray
        Now, and where the growth started. [m]
    temperature : float
        Typical of the time. [K]
    potential_bias : float
        Standard deviation of the constant error of the anode potential; 0.006 for parameters that are 20 % off and not corrected
        by a measured voltage (``python -m training.pinn.ageing_doubt``). [V]
    quantile : float
        Of the normal distribution; the default holds 90 %.

    Notes
    -----
    Both errors multiply the speed, so their logarithms add: ``hypot(rate_uncertainty, alpha F bias / (R T))``. The growth is
    multiplied by the factor itself, which is exact in the kinetic regime; under diffusion it goes with the root of the factor, and
    the interval is too wide, not too narrow.
    """
    deviation = float(np.hypot(film.rate_uncertainty, film.transfer * FARADAY / (GAS * temperature) * potential_bias))
    growth = np.asarray(thickness, dtype=np.float64) - first
    return np.asarray(first + growth * np.exp(-quantile * deviation)), np.asarray(first + growth * np.exp(quantile * deviation))


def with_factor(film: Film, factor: float, uncertainty: float | None = None) -> Film:
    """Return the film with another rate factor, and its uncertainty where given.

    Raises
    ------
    ValueError
        The factor is not positive.
    """
    if not factor > 0:
        raise ValueError(f"the SEI rate factor is {factor}; it must be positive. 4e-4 is the LG M50 of this model's truth.")
    return replace(film, rate_factor=factor, rate_uncertainty=film.rate_uncertainty if uncertainty is None else uncertainty)
