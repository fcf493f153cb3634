"""What every demo asset has in common: its clean signals, noise, heat balance and integrals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from demo_cells import FloatArray, PackCells, PackResult
from demo_dirt import Dirt, iso

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Asset:
    """One simulated asset, clean and as its logger would have written it.

    Attributes
    ----------
    name
        File stem.
    start
        Time of second 0, UTC.
    time, current, voltage
        Noiseless signals on the simulation's own grid, gaps included: seconds [s], current positive
        on charge [A], pack voltage [V].
    dirt
        The logged table with its faults and their ledger.
    mapping
        Ingest mapping.
    capacity
        Rated capacity, for equivalent full cycles. [Ah]
    max_gap
        Longest interval between rows over which the logged truth is integrated. [s]
    truth
        What only this asset knows: cells, faults, hourly state of charge.
    """

    name: str
    start: pd.Timestamp
    time: FloatArray
    current: FloatArray
    voltage: FloatArray
    dirt: Dirt
    mapping: dict[str, Any]
    capacity: float
    max_gap: float
    truth: dict[str, Any]


def clock(start: pd.Timestamp, seconds: FloatArray) -> pd.DatetimeIndex:
    """Turn seconds since `start` into UTC times, rounded to a millisecond."""
    steps = pd.to_timedelta(np.round(seconds * 1e3).astype(np.int64), unit="ms")
    return pd.DatetimeIndex(start + steps).as_unit("ms")


def quantise(values: FloatArray, step: float) -> FloatArray:
    """Round to a sensor's resolution; `values` and `step` have the same unit."""
    return np.asarray(np.round(np.round(values / step) * step, 6))


def lumped_temperature(
    time: FloatArray, heat: FloatArray, ambient: FloatArray, heat_capacity: float, loss: float
) -> FloatArray:
    r"""Integrate a lumped heat balance from ambient temperature.

    .. math:: C \, dT/dt = P(t) - h (T - T_a(t))

    Parameters
    ----------
    time
        Seconds. [s]
    heat
        Heat released. [W]
    ambient
        Ambient temperature. [degC]
    heat_capacity
        Heat capacity C of the pack. [J/K]
    loss
        Heat transfer h to ambient. [W/K]

    Returns
    -------
    FloatArray
        Temperature. [degC]

    Notes
    -----
    Exact for heat and ambient constant over a step. Reversible (entropic) heat is left out.
    """
    target = ambient + heat / loss
    decay = np.exp(-np.diff(time) * loss / heat_capacity)
    temperature = np.empty_like(time)
    temperature[0] = ambient[0]
    for step in range(decay.size):
        end = target[step + 1]
        temperature[step + 1] = end + (temperature[step] - end) * decay[step]
    return temperature


def pack_heat(result: PackResult, discharge: FloatArray) -> FloatArray:
    """Irreversible heat of a pack, current times overpotential summed over its cells [W]."""
    return np.asarray(discharge * (result.open_circuit_voltage - result.voltage).sum(axis=1))


def cell_columns(millivolt: FloatArray) -> dict[str, FloatArray]:
    """Name the columns of a (time, cells) array cell01_mv, cell02_mv and so on [mV]."""
    return {f"cell{cell + 1:02d}_mv": millivolt[:, cell] for cell in range(millivolt.shape[1])}


def throughput(time: FloatArray, current: FloatArray, voltage: FloatArray, max_gap: float) -> dict[str, float]:
    """Integrate charge and energy, each direction on its own.

    Parameters
    ----------
    time
        Seconds, strictly increasing. [s]
    current
        Current, positive on charge. [A]
    voltage
        Voltage at the terminals. [V]
    max_gap
        Intervals longer than this contribute nothing. [s]

    Returns
    -------
    dict
        charged_ah, discharged_ah [Ah], charged_kwh, discharged_kwh [kWh].

    Notes
    -----
    The current is linear between the samples; where it crosses zero, each side of the crossing counts
    for its own direction. A trapezoid of max(I, 0) would count too much there: 5 % on a drive cycle at 10 s.
    """
    steps = np.diff(time)
    hours = np.where(steps <= max_gap, steps, 0.0) / SECONDS_PER_HOUR
    sums: dict[str, float] = {}
    for name, sign in (("charged", 1.0), ("discharged", -1.0)):
        sums[f"{name}_ah"] = float(np.sum(hours * _positive_mean(sign * current)))
        sums[f"{name}_kwh"] = float(np.sum(hours * _positive_mean(sign * current * voltage))) / 1e3
    return {name: round(value, 5) for name, value in sums.items()}


def _positive_mean(values: FloatArray) -> FloatArray:
    """Return the mean of the positive part over each interval, the values being linear in between."""
    first, second = values[:-1], values[1:]
    high, low = np.maximum(first, second), np.minimum(first, second)
    crossing = (high > 0) & (low < 0)
    share = np.divide(high, high - low, out=np.ones_like(high), where=crossing)
    return np.where(crossing, high * share / 2, np.maximum((first + second) / 2, 0.0))


def with_cycles(sums: dict[str, float], capacity: float) -> dict[str, float]:
    """Add equivalent full cycles, (charged + discharged) / (2 capacity); `capacity` in Ah."""
    total = sums["charged_ah"] + sums["discharged_ah"]
    return sums | {"equivalent_full_cycles": round(total / (2 * capacity), 5)}


def hourly_soc(start: pd.Timestamp, result: PackResult, watched: list[int]) -> dict[str, Any]:
    """Sample the true state of charge on the hour.

    Parameters
    ----------
    start
        Time of second 0, UTC.
    result
        The solved pack.
    watched
        Indices, counted from 0, of cells listed one by one.

    Returns
    -------
    dict
        First time and, every 3600 s from it, the mean, lowest and highest cell and each watched
        cell (named from 1), as fractions of each cell's own capacity. [1]
    """
    hours = np.arange(result.time[0], result.time[-1] + 1, SECONDS_PER_HOUR)
    cells = range(result.soc.shape[1])
    soc = np.column_stack([np.interp(hours, result.time, result.soc[:, cell]) for cell in cells])
    series = {"mean": soc.mean(axis=1), "lowest": soc.min(axis=1), "highest": soc.max(axis=1)}
    series |= {f"cell{cell + 1:02d}": soc[:, cell] for cell in watched}
    listed = {name: [round(float(value), 4) for value in values] for name, values in series.items()}
    return {"from": iso(start), "step_s": 3600, "unit": "1"} | listed


def cell_truth(cells: PackCells, nominal_ohmic: float) -> dict[str, Any]:
    """List every cell of a pack; `nominal_ohmic` [ohm] is the resistance with factor 1."""
    return {
        "capacity_ah": [round(float(value), 3) for value in cells.capacity],
        "ohmic_mohm_nominal": nominal_ohmic * 1e3,
        "resistance_factor": [round(float(value) / nominal_ohmic, 4) for value in cells.ohmic],
        "start_soc": [round(float(value), 4) for value in cells.start_soc],
        "leak_ohm": {f"{cell + 1}": ohm for cell, ohm in cells.leak.items()},
    }
