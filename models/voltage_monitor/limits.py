"""Where a cell's voltage is too low or too high: by chemistry, by configuration, moved by temperature and load.

Sources and the range of validity are in this folder's README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: Cut-off on discharge and voltage of a full charge, as data sheets give them. [V per cell]
DATA_SHEET = {
    "NMC": (2.5, 4.2),
    "NCA": (2.5, 4.2),
    "LCO": (2.7, 4.2),
    "LMO": (2.5, 4.2),
    "LFP": (2.0, 3.65),
    "LFP-Prada2013": (2.0, 3.65),
    "LTO": (1.5, 2.8),
}
#: How far above the cut-off the warning stands: what is left is a few percent of the charge. [V]
RESERVE = {"NMC": 0.5, "NCA": 0.5, "LCO": 0.3, "LMO": 0.5, "LFP": 0.5, "LFP-Prada2013": 0.5, "LTO": 0.3}
#: How far above a full charge warning and critical stand: twice and five times the usual error of a cell monitor. [V]
ABOVE_FULL = (0.02, 0.05)

NAMES = ("undervoltage_critical", "undervoltage_warning", "overvoltage_warning", "overvoltage_critical")


@dataclass(frozen=True)
class Limit:
    """One limit of every cell.

    Attributes
    ----------
    kind, level : str
        ``undervoltage`` or ``overvoltage``; ``warning`` or ``critical``.
    side : int
        -1 where low is bad, +1 where high is bad.
    set, clear : float
        Beyond `set` it is violated, past `clear` it is normal again; between the two nothing changes. [V]
    on_delay, off_delay : int
        How long, without interruption, until the alarm is raised, and until it is cleared. [ms]
    """

    kind: str
    level: str
    side: int
    set: float
    clear: float
    on_delay: int
    off_delay: int

    @property
    def name(self) -> str:
        return f"{self.kind} {self.level}"


def default_limits(chemistry: str) -> tuple[float, float, float, float]:
    """Return the limits that hold where the settings say nothing, lowest first. [V]

    Examples
    --------
    >>> default_limits("NMC")
    (2.5, 3.0, 4.22, 4.25)
    """
    empty, full = DATA_SHEET[chemistry]
    warning, critical = ABOVE_FULL
    return empty, round(empty + RESERVE[chemistry], 3), round(full + warning, 3), round(full + critical, 3)


def thresholds_of(config: Mapping[str, Any], chemistry: str | None) -> tuple[float, float, float, float] | None:
    """Return the four limits, lowest first: configured, else by chemistry; `None` where one is neither. [V]

    Raises
    ------
    ValueError
        They do not rise, or a clear threshold lies beyond the limit on the other side.
    """
    usual = default_limits(chemistry) if chemistry else (0.0, 0.0, 0.0, 0.0)
    low, warn_low, warn_high, high = (float(config[name]) or usual[i] for i, name in enumerate(NAMES))
    if 0.0 in (low, warn_low, warn_high, high):
        return None
    named = ", ".join(f"{n} {v:g} V" for n, v in zip(NAMES, (low, warn_low, warn_high, high), strict=True))
    if not low <= warn_low < warn_high <= high:
        raise ValueError(f"the limits do not rise: {named}")
    if warn_low + config["undervoltage_hysteresis"] >= warn_high - config["overvoltage_hysteresis"]:
        raise ValueError(f"the hysteresis leaves no voltage at which nothing is wrong: {named}")
    return low, warn_low, warn_high, high


def limits_of(config: Mapping[str, Any], chemistry: str | None) -> list[Limit]:
    """Return the four limits with their clear thresholds and delays; none where the chemistry is not known."""
    found = thresholds_of(config, chemistry)
    if found is None:
        return []
    limits = []
    for name, threshold in zip(NAMES, found, strict=True):
        kind, level = name.split("_")
        side = -1 if kind == "undervoltage" else 1
        delays = (round(1000 * config[f"{level}_{word}_delay_s"]) for word in ("on", "off"))
        limits.append(Limit(kind, level, side, threshold, threshold - side * config[f"{kind}_hysteresis"], *delays))
    return limits


def shift(
    limit: Limit, config: Mapping[str, Any], temperature: FloatArray | None, current: FloatArray | None
) -> FloatArray | None:
    r"""Return how far a limit is moved at each sample; `None` where it stands still.

    .. math:: \Delta V = k \, (T - T_{ref}) \; - \; R \max(I, 0)   \quad\text{(undervoltage)}
    .. math:: \Delta V = k \, (T - T_{ref}) \; + \; R \max(-I, 0)  \quad\text{(overvoltage)}

    Parameters
    ----------
    limit : Limit
        Load moves warnings only: a critical limit protects the cell, so it stands on the terminal voltage.
    config : mapping
        Coefficients k [mV/K], resistance R of one cell [mOhm], reference temperature [degC].
    temperature, current : ndarray of float64, shape (n,), or None
        Cell temperature [degC] and current, positive on discharge [A]; NaN where not known: no shift.

    Returns
    -------
    ndarray of float64, shape (n,), or None
        [V]
    """
    coefficient = config[f"{limit.kind}_temperature_coefficient"] / 1000.0
    resistance = config["resistance_mohm"] / 1000.0 if limit.level == "warning" else 0.0
    moved = None
    if coefficient and temperature is not None:
        moved = np.nan_to_num(coefficient * (temperature - config["reference_temperature"]), nan=0.0)
    if resistance and current is not None:
        load = np.nan_to_num(limit.side * resistance * np.maximum(-limit.side * current, 0.0), nan=0.0)
        moved = load if moved is None else moved + load
    return moved
