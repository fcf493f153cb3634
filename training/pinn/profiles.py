"""Load profiles of one hour: dynamic to 3C with regeneration, constant current with rests, constant current - constant voltage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Length of a profile and the sampling time of its current. [s]
DURATION, STEP = 3600, 1.0
#: Charge of 1C for an hour in the parameter sets used. [Ah]
NOMINAL = 5.0
KINDS = ("dynamic", "constant", "charge")


@dataclass(frozen=True)
class Profile:
    """A load that a cell is put under.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    seed : int
        Repeats it exactly.
    ambient : float
        Temperature around the cell. [°C]
    soc : float
        State of charge at the start, 0 to 1.
    current : ndarray, shape (DURATION + 1,)
        Positive on discharge, one value a second; a ``charge`` holds only its constant-current part here, and the voltage limit
        shortens it in the simulation. [A]
    """

    kind: str
    seed: int
    ambient: float
    soc: float
    current: np.ndarray


def dynamic_current(random: np.random.Generator, mean: float, peak: float = 3.0) -> np.ndarray:
    """Draw a drive-like current: steps of 2 to 120 s behind a lag of 2 s, with regeneration. [C]

    Parameters
    ----------
    random : Generator
        Source of chance.
    mean : float
        Mean of the profile, positive on discharge. [C]
    peak : float
        Largest discharge; the largest charge is half of it. [C]
    """
    count = DURATION + 1
    level, position = np.zeros(count), 0
    while position < count:
        length = int(np.clip(random.exponential(20), 2, 120))
        kind = random.random()
        value = 0.0 if kind < 0.2 else abs(random.normal(0, 1.2)) if kind < 0.75 else -abs(random.normal(0, 0.6))
        level[position : position + length] = value
        position += length
    noise = 0.25 * random.normal(size=count)
    lag, smooth = np.exp(-STEP / 2.0), np.empty(count)
    last = 0.0
    for index in range(count):
        last = lag * last + (1 - lag) * (level[index] + noise[index])
        smooth[index] = last
    smooth = np.clip(smooth, -peak / 2, peak)
    smooth = np.clip(smooth - (smooth.mean() - mean), -peak / 2, peak)
    smooth[0] = 0.0
    return smooth


def constant_current(random: np.random.Generator, mean: float) -> np.ndarray:
    """Two pulses of constant current about `mean`, each followed by a rest. [C]"""
    current = np.zeros(DURATION + 1)
    edges = np.sort(random.integers(300, DURATION - 300, 3))
    current[5 : edges[0]] = mean * random.uniform(0.8, 1.6)
    current[edges[1] : edges[2]] = mean * random.uniform(0.4, 1.4)
    return current


def draw(seed: int, ambient: float | None = None, kind: str | None = None) -> Profile:
    """Draw a profile.

    Parameters
    ----------
    seed : int
        Repeats it.
    ambient : float, optional
        Temperature around the cell; drawn between 15 and 35 °C when not given. [°C]
    kind : str, optional
        One of :data:`KINDS`; drawn (three of five dynamic) when not given.
    """
    random = np.random.default_rng([20261121, seed])
    drawn_kind = str(random.choice(KINDS, p=(0.6, 0.2, 0.2)))
    drawn_ambient = float(random.uniform(15, 35))
    kind, ambient = kind or drawn_kind, drawn_ambient if ambient is None else ambient
    if kind == "charge":
        soc = float(random.uniform(0.05, 0.6))
        current = np.full(DURATION + 1, -random.uniform(0.3, 1.5))
        current[0] = 0.0
        return Profile(kind, seed, ambient, soc, current * NOMINAL)
    mean = float(random.uniform(0.1, 0.75) if random.random() < 0.6 else -random.uniform(0.1, 0.6))
    low, high = (0.1 + mean, 0.95) if mean > 0 else (0.08, 0.93 + mean)
    soc = float(random.uniform(low, high)) if low < high else float(low)
    current = dynamic_current(random, mean) if kind == "dynamic" else constant_current(random, mean)
    return Profile(kind, seed, ambient, soc, current * NOMINAL)


def temperature(current: np.ndarray, ambient: float) -> np.ndarray:
    """Temperature of a cell that heats by its current, from a one-line heat balance. [K]

    A prescription, not a claim: 22 mΩ, 0.12 W/K to the surroundings and 70 J/K, about a 21700 cell.
    """
    kelvin = np.empty(len(current))
    value = ambient + 273.15
    for index, ampere in enumerate(current):
        kelvin[index] = value
        value += STEP * (0.022 * ampere**2 - (value - ambient - 273.15) * 0.12) / 70.0
    return kelvin
