"""What one charge shows of a cell: statistics of its parts, and its curve of charge over voltage.

Everything is by the nominal capacity and by the chemistry's window of voltage, so that cells of 1 and of 100 Ah share one model.
What was not seen is NaN, which is the mask. A charge is described by itself alone: nothing of the past or the future enters.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from models.neural_soh.parts import IndexArray, Parts, parts_of
from models.neural_soh.segments import FloatArray, Segment

#: Voltages between which charging tells of a cell, by chemistry. [V]
WINDOWS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"LFP": (3.0, 3.6), "LCO": (3.2, 4.2), "NCA": (3.2, 4.2), "NMC": (3.2, 4.2)}
)
#: Intervals of the curve of charge over voltage.
BINS = 32
#: Times into the rest after a charge at which the voltage's fall is told. [s]
RELAXED = (60.0, 300.0, 1800.0)
#: A step of the current is over within this time, and is at least this large. [s], [1/h]
STEP_TIME, STEP_SIZE = 31.0, 0.05
#: Least charge of a segment that is told of at all, by the capacity. [1]
LEAST_CHARGE = 0.05
STATISTICS = (
    "voltage_first", "voltage_last", "voltage_mean", "voltage_std", "voltage_skewness", "voltage_kurtosis", "voltage_slope",
    "cc_charge", "cc_time", "cc_rate", "cc_levels",
    "cv_charge", "cv_time", "cv_rate", "cv_last_rate", "cv_decay", "cv_voltage",
    "charge", "duration",
    "temperature_first", "temperature_mean", "temperature_rise",
    "resistance_first", "resistance_last",
    *(f"relaxation_{seconds:.0f}" for seconds in RELAXED),
    "strain_swing", "strain_rise",
    "peak_height", "peak_voltage",
)  # fmt: skip
CURVE = tuple(f"curve_{number:02d}" for number in range(BINS))
#: Names of the features, in order.
FEATURES = STATISTICS + CURVE
#: Features that only a charge with a strain gauge has.
STRAIN = ("strain_swing", "strain_rise")


def features(segment: Segment, capacity: float, chemistry: str, idle: float = 0.01) -> FloatArray:
    """Return what a charge shows.

    Parameters
    ----------
    segment : Segment
    capacity : float
        Nominal. [Ah]
    chemistry : str
        A key of :data:`WINDOWS`.
    idle : float
        Current up to which a cell rests, by its capacity. [1/h]

    Returns
    -------
    ndarray, shape (len(FEATURES),)
        In the order of :data:`FEATURES`; NaN where it was not seen. Voltages by the window [1], charges by the capacity [1], currents
        by the capacity [1/h], times [h], temperatures [degC], resistances times the capacity [Ohm Ah], relaxations [V], strain by
        the charge [1], height of the peak [1/V].

    Raises
    ------
    ValueError
        The chemistry has no window; the message names those that have.
    """
    if chemistry not in WINDOWS:
        raise ValueError(f"chemistry '{chemistry}' has no window of voltage; there are {', '.join(WINDOWS)}")
    window = WINDOWS[chemistry]
    parts = parts_of(segment, capacity, idle)
    told = {
        **_ramp(segment, parts, capacity, window),
        **_held(segment, parts, capacity, window),
        **_whole(segment, parts, capacity),
        **_steps(segment, capacity),
        **_relaxation(segment, capacity, idle),
    }
    curve = charge_curve(segment, parts.ramp, capacity, window)
    told["peak_height"], told["peak_voltage"] = _peak(curve, window)
    statistics = np.array([told.get(name, np.nan) for name in STATISTICS])
    return np.concatenate([np.where(np.isfinite(statistics), statistics, np.nan), curve])


def charge_curve(segment: Segment, points: IndexArray, capacity: float, window: tuple[float, float]) -> FloatArray:
    r"""Return the charge that each interval of voltage took.

    .. math:: \Delta q_i = \frac{Q(V_{i+1}) - Q(V_i)}{C}

    Returns
    -------
    ndarray, shape (BINS,)
        By the capacity; NaN for an interval that the charge did not cross from edge to edge. [1]

    Notes
    -----
    Voltage is taken at its highest so far, so that noise and pauses do not count an interval twice. The first two points are the
    rise of the overpotential and are left out.
    """
    none = np.full(BINS, np.nan)
    points = points[2:]
    if len(points) < 2:
        return none
    highest = np.maximum.accumulate(segment.voltage[points])
    rising = np.concatenate([[True], np.diff(highest) > 0])
    volts, charge = highest[rising], segment.charge[points][rising]
    if len(volts) < 2:
        return none
    edges = np.linspace(window[0], window[1], BINS + 1)
    at = np.interp(edges, volts, charge, left=np.nan, right=np.nan)
    return np.asarray(np.diff(at) / capacity, dtype=np.float64)


def _ramp(segment: Segment, parts: Parts, capacity: float, window: tuple[float, float]) -> dict[str, float]:
    """Tell of the charge before the constant voltage."""
    points = parts.ramp
    if len(points) < 3:
        return {}
    time, charge = segment.time[points], segment.charge[points]
    relative = (segment.voltage[points] - window[0]) / (window[1] - window[0])
    hours, filled = float(time[-1] - time[0]) / 3600.0, float(charge[-1] - charge[0]) / capacity
    weight = np.gradient(time)
    mean = float(np.average(relative, weights=weight))
    away = relative - mean
    spread = float(np.sqrt(np.average(away**2, weights=weight)))
    level = max(parts.currents, key=len) if parts.currents else points
    told = {
        "voltage_first": float(relative[1]), "voltage_last": float(relative[-1]), "voltage_mean": mean, "voltage_std": spread,
        "cc_charge": filled, "cc_time": hours, "cc_rate": -float(np.mean(segment.current[level])) / capacity,
        "cc_levels": float(len(parts.currents)),
    }  # fmt: skip
    if spread > 0:
        told["voltage_skewness"] = float(np.average(away**3, weights=weight)) / spread**3
        told["voltage_kurtosis"] = float(np.average(away**4, weights=weight)) / spread**4
    put = (charge - charge.mean()) / capacity
    if float(put @ put) > 0:
        told["voltage_slope"] = float(put @ (relative - relative.mean())) / float(put @ put)
    return told


def _held(segment: Segment, parts: Parts, capacity: float, window: tuple[float, float]) -> dict[str, float]:
    """Tell of the constant voltage: how much went in, and how fast the current fell."""
    points = parts.voltage
    if not len(points):
        return {"cv_charge": 0.0, "cv_time": 0.0} if len(parts.ramp) else {}
    first = int(points[0]) - 1 if points[0] > 0 else 0
    time, rate = segment.time[points], -segment.current[points] / capacity
    told = {
        "cv_charge": float(segment.charge[points[-1]] - segment.charge[first]) / capacity,
        "cv_time": float(time[-1] - segment.time[first]) / 3600.0,
        "cv_rate": float(np.average(rate, weights=np.gradient(time))), "cv_last_rate": float(rate[-1]),
        "cv_voltage": (float(np.mean(segment.voltage[points])) - window[0]) / (window[1] - window[0]),
    }  # fmt: skip
    hours, log = (time - time.mean()) / 3600.0, np.log(rate)
    told["cv_decay"] = -float(hours @ (log - log.mean())) / float(hours @ hours)
    return told


def _whole(segment: Segment, parts: Parts, capacity: float) -> dict[str, float]:
    """Tell of the whole charge: size, temperature, strain."""
    until = segment.last + 1
    put = float(segment.charge[segment.last]) / capacity
    told = {"charge": put, "duration": float(segment.time[segment.last]) / 3600.0}
    warm = segment.temperature[:until][np.isfinite(segment.temperature[:until])]
    if len(warm):
        told |= {
            "temperature_first": float(warm[0]), "temperature_mean": float(np.mean(warm)),
            "temperature_rise": float(np.max(warm) - warm[0]),
        }  # fmt: skip
    strain = segment.strain[:until][np.isfinite(segment.strain[:until])]
    if len(strain) > 1 and put > 0:
        told |= {
            "strain_swing": float(np.max(strain) - np.min(strain)) / put,
            "strain_rise": float(strain[-1] - strain[0]) / put,
        }
    return told


def _steps(segment: Segment, capacity: float) -> dict[str, float]:
    """Tell the resistance from the step of the current at both ends."""
    told = {}
    if segment.before is not None and segment.before[0] <= STEP_TIME:
        step = segment.before[1] - float(segment.current[0])
        if step > STEP_SIZE * capacity:
            told["resistance_first"] = _positive((float(segment.voltage[0]) - segment.before[2]) / step * capacity)
    after = segment.last + 1
    if after < len(segment.time) and segment.time[after] - segment.time[segment.last] <= STEP_TIME:
        step = float(segment.current[after] - segment.current[segment.last])
        if step > STEP_SIZE * capacity:
            told["resistance_last"] = _positive(float(segment.voltage[segment.last] - segment.voltage[after]) / step * capacity)
    return told


def _positive(resistance: float) -> float:
    """Return a resistance, NaN where the voltage moved against the current: the two were not logged at one time."""
    return resistance if resistance > 0 else float("nan")


def _relaxation(segment: Segment, capacity: float, idle: float) -> dict[str, float]:
    """Tell how far the voltage fell at rest."""
    end = float(segment.time[segment.last])
    resting = np.arange(segment.last + 1, len(segment.time))
    moves = np.flatnonzero(np.abs(segment.current[resting]) > idle * capacity)
    resting = resting[: int(moves[0])] if len(moves) else resting
    told = {}
    for seconds in RELAXED:
        if len(resting) and segment.time[resting[-1]] - end >= 0.9 * seconds:
            level = np.interp(end + seconds, segment.time[resting], segment.voltage[resting])
            told[f"relaxation_{seconds:.0f}"] = float(segment.voltage[segment.last] - level)
    return told


def _peak(curve: FloatArray, window: tuple[float, float]) -> tuple[float, float]:
    """Return height and place of the highest incremental capacity. [1/V], [1]"""
    if not np.isfinite(curve).any():
        return np.nan, np.nan
    place = int(np.nanargmax(curve))
    return float(curve[place]) * BINS / (window[1] - window[0]), (place + 0.5) / BINS
