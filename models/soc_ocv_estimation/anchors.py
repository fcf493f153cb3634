"""From the voltage of a rest to a SOC and its uncertainty: relaxation, hysteresis, curve, resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.chemistry import Chemistry
from models.soc_ocv_estimation import belief as beliefs
from models.soc_ocv_estimation.belief import CURVE, OFFSET, SOC, STANDBY, Belief

FloatArray = npt.NDArray[np.float64]

#: A voltage goes on changing by the same amount each time the age of the rest doubles, up to about this age: 14 h after a
#: C/20 charge of a Panasonic NCR18650PF leave 7.5, 5.3 and 3.5 times that amount to come at 5, 18 and 51 min. [s]
SETTLED = 36_000.0
#: Activation energy of solid diffusion over the gas constant: 35 kJ/mol; graphite alone has 42.8 in PyBaMM's Marquis2019. [K]
DIFFUSION_HEAT = 4_210.0
#: Least number of doublings still to come, and one sigma of their number over itself (2 h pauses after charging: 0.5-1.5).
LEAST, REMAINDER_SIGMA = 0.5, 0.5
#: Variance of the slope of a line through rungs over two doublings, over that of one voltage. [1]
LINE_NOISE = 0.4
#: Voltage that a current of 1C still drops at the end of a rest: ohmic and slow parts (our choice, upper end). [V h]
LOAD_DROP = 0.2
#: One sigma of the hysteresis that the history does not tell, over half the distance of the branches (our choice).
BRANCH_DOUBT = 0.5
#: One sigma of where 0 and 100 % of a curve lie on the battery: end of charge and ageing shift them (our choice). [1]
AXIS_SIGMA = 0.01
#: Points at which a voltage is compared with the curve.
POINTS = 201
#: An innovation of more sigmas says that curve or capacity are not as stated.
SURPRISE = 3.0
#: An anchor that leaves more of the variance than this says nothing of the SOC.
USELESS = 0.98


@dataclass(frozen=True)
class RestVoltage:
    """The voltage of one cell (mean of the pack) some time into a rest.

    Attributes
    ----------
    voltage : float
        At this age of the rest. [V]
    change : float
        Of the voltage while the age doubles. [V]
    age : float
        Of the rest. [s]
    temperature : float
        [°C]
    c_rate : float
        Logged mean current of the rest over the capacity. [1/h]
    branch, branch_sigma : float
        Where between the branches the cell is: -1 after discharge, +1 after charge; and one sigma.
    unseen : float
        One sigma of what may still relax when the rest itself was not logged. [V]
    """

    voltage: float
    change: float
    age: float
    temperature: float
    c_rate: float
    branch: float
    branch_sigma: float
    unseen: float = 0.0


@dataclass(frozen=True)
class VoltageSensor:
    """Resolution and systematic error of the voltage of one cell. [V]"""

    resolution: float
    accuracy: float


@dataclass(frozen=True)
class Reading:
    """What a rest says of the SOC, whatever was believed before.

    Attributes
    ----------
    soc, sigma : float
        As if it were a direct measurement. [1]
    shared : float
        The part of `sigma` that the next anchor nearby repeats: curve and accuracy. [1]
    equilibrium : float
        The extrapolated voltage. [V]
    """

    soc: float
    sigma: float
    shared: float
    equilibrium: float


def equilibrium(rest: RestVoltage, sensor: VoltageSensor) -> tuple[float, float]:
    r"""Extrapolate a rest to its end.

    .. math:: V_\infty = V(t) + n\,\Delta V,\quad n = \max(\log_2(10\,\mathrm{h}\,a(T)/t), 0.5)

    Returns
    -------
    voltage, sigma : float
        Sigma holds what the relaxation leaves open, the resolution and the voltage dropped by the current. [V]

    Notes
    -----
    Valid from some minutes on, when charge transfer is over and slow diffusion is not: the tail is then nearly linear in the
    logarithm of time. In the cold it takes longer by the Arrhenius factor a of solid diffusion. A time constant that grows
    with the time rested (reference) is the same observation.

    References
    ----------
    L. Pei et al., J. Power Sources 253 (2014).
    """
    slower = math.exp(DIFFUSION_HEAT * (1.0 / (rest.temperature + 273.15) - 1.0 / 298.15))
    doublings = max(math.log2(SETTLED * slower / rest.age), LEAST) if rest.age > 0.0 else 0.0
    rounding = sensor.resolution / math.sqrt(12.0)
    noise = rounding * math.sqrt(1.0 + LINE_NOISE * doublings * doublings)
    slow, load = REMAINDER_SIGMA * doublings * rest.change, LOAD_DROP * rest.c_rate
    sigma = math.sqrt(slow * slow + noise * noise + load * load + rest.unseen**2)
    return rest.voltage + doublings * rest.change, sigma


def _grid(mean: float, sigma: float) -> FloatArray:
    """Return points over five sigma around the belief, inside 0 to 1 and at least 0.05 wide."""
    low, high = max(mean - 5.0 * sigma, 0.0), min(mean + 5.0 * sigma, 1.0)
    if high - low < 0.05:
        middle = min(max((low + high) / 2.0, 0.025), 0.975)
        low, high = middle - 0.025, middle + 0.025
    return np.linspace(low, high, POINTS)


def read_rest(rest: RestVoltage, chemistry: Chemistry, sensor: VoltageSensor, mean: float, sigma: float) -> Reading | None:
    """Compare a rest with the curve, around a believed SOC.

    Parameters
    ----------
    rest : RestVoltage
    chemistry : Chemistry
    sensor : VoltageSensor
    mean, sigma : float
        Belief before: where on the curve to look, and over which width to average it. [1]

    Returns
    -------
    Reading or None
        None: the curve is so flat or the hysteresis so wide that the rest says nothing.

    Notes
    -----
    The likelihood of every SOC is multiplied with the belief, and the mean and variance of the product are turned into
    the one Gaussian measurement that would give them (moment matching, as in expectation propagation). So a plateau,
    whose slope is nearly nothing against hysteresis and curve error, weighs nearly nothing.
    """
    volts, free = equilibrium(rest, sensor)
    soc = _grid(mean, sigma)
    half_gap = chemistry.hysteresis(soc)
    curve = chemistry.ocv(soc, rest.temperature)
    expected, axis = curve + rest.branch * half_gap, AXIS_SIGMA * np.gradient(curve, soc)
    shared = chemistry.uncertainty(soc, rest.temperature) ** 2 + sensor.accuracy**2 + axis * axis
    branch = half_gap * half_gap * (rest.branch_sigma**2 + BRANCH_DOUBT**2)
    variance = shared + branch + free * free
    log_prior = -0.5 * ((soc - mean) / sigma) ** 2
    log_weight = log_prior - 0.5 * ((volts - expected) ** 2 / variance + np.log(variance))
    (before, spread_before), (after, spread_after) = _moments(soc, log_prior), _moments(soc, log_weight)
    if spread_after >= USELESS * spread_before:
        return None
    precision = 1.0 / spread_after - 1.0 / spread_before
    value = (after / spread_after - before / spread_before) / precision
    weight = np.exp(log_weight - log_weight.max())
    share = float(weight @ shared / (weight @ variance))
    return Reading(float(value), float(precision**-0.5), float((share / precision) ** 0.5), float(volts))


def _moments(at: FloatArray, log_weight: FloatArray) -> tuple[float, float]:
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = float(weight @ at)
    return mean, float(weight @ (at - mean) ** 2)


def anchored(before: Belief, rest: RestVoltage, chemistry: Chemistry, sensor: VoltageSensor) -> tuple[Belief, Reading | None]:
    """Correct a belief with the voltage of a rest.

    Returns
    -------
    belief : Belief
    reading : Reading or None
        None when the rest says nothing of the SOC; the belief is then the one before.
    """
    believed, sigma = float(before.mean[SOC]), float(before.covariance[SOC, SOC] ** 0.5)
    nearest, width = first_look(before, rest, chemistry, sensor)
    distance = abs(nearest - believed)
    if distance > SURPRISE * width:
        before = beliefs.doubted(before, distance)
        sigma = float(before.covariance[SOC, SOC] ** 0.5)
    reading = read_rest(rest, chemistry, sensor, believed, sigma)
    if reading is None:
        return before, None
    row = np.zeros(5)
    row[SOC], row[CURVE] = 1.0, reading.shared
    own = max(reading.sigma**2 - reading.shared**2, 1e-8)
    return beliefs.measured(before, row, reading.soc, own), reading


def first_look(before: Belief, rest: RestVoltage, chemistry: Chemistry, sensor: VoltageSensor) -> tuple[float, float]:
    """Return the SOC at the rest's voltage on the mean curve, and one sigma of its distance from the belief. [1]"""
    volts, free = equilibrium(rest, sensor)
    nearest = nearest_soc(chemistry, volts, rest.temperature)
    slope = float(chemistry.slope(nearest, rest.temperature))
    doubt = float(np.hypot(chemistry.uncertainty(nearest, rest.temperature), chemistry.hysteresis(nearest)))
    sigma = float(before.covariance[SOC, SOC] ** 0.5)
    return nearest, float(np.hypot(sigma, np.hypot(free, doubt) / max(slope, 1e-6)))


def nearest_soc(chemistry: Chemistry, volts: float, temperature: float) -> float:
    """Return the SOC of the mean curve at a voltage, the nearer end where it is beyond the curve."""
    found = float(chemistry.soc(volts, temperature))
    return found if found == found else float(volts > float(chemistry.ocv(0.5, temperature)))


def zeroed(before: Belief, current: float, hours: float, limit: float) -> Belief:
    """Take the mean logged current of a rest as offset plus true standby current.

    Parameters
    ----------
    current : float
        Mean of the logged current over the rest so far. [A]
    hours : float
        Length of the rest. [h]
    limit : float
        A larger current is a load, and nothing is learnt from it. [A]

    Notes
    -----
    Offset and standby current are told apart only by how sure one is of each beforehand; both stay in the belief, and
    their sum alone is measured, so many rests do not make the offset surer than one.
    """
    if abs(current) > limit or hours <= 0.0:
        return before
    row = np.zeros(5)
    row[OFFSET], row[STANDBY] = 1.0, 1.0
    return beliefs.measured(before, row, current, (0.05 * limit) ** 2)
