"""Capacity from the charge that passed between two rests far apart in SOC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Rests remembered for comparison.
KEPT = 8


@dataclass(frozen=True)
class Capacity:
    """Capacity and one sigma of it. [Ah]"""

    value: float
    sigma: float


def between(
    first: dict[str, Any], last: dict[str, Any], offset: tuple[float, float], gain_sigma: float, least: float
) -> Capacity | None:
    r"""Return the capacity that two rests and the charge between them give.

    .. math:: C = -(\Delta Q - o\,\Delta t)/\Delta s

    Parameters
    ----------
    first, last : dict
        ``soc`` and ``sigma`` as the rests alone tell them [1], and the counters ``charge`` [Ah] and ``hours`` [h].
    offset : tuple of float
        Current sensor's offset and its sigma. [A]
    gain_sigma : float
        One sigma of the gain. [1]
    least : float
        Least change of SOC. [1]

    Returns
    -------
    Capacity or None
        None where the rests are too near to each other.

    Examples
    --------
    >>> empty = {"soc": 0.2, "sigma": 0.01, "charge": 30.0, "hours": 10.0}
    >>> full = {"soc": 0.8, "sigma": 0.01, "charge": 0.0, "hours": 0.0}
    >>> round(between(full, empty, (0.0, 0.0), 0.0, 0.3).value, 6)
    50.0
    """
    change = last["soc"] - first["soc"]
    if abs(change) < least:
        return None
    time = last["hours"] - first["hours"]
    charge = last["charge"] - first["charge"] - offset[0] * time
    value = -charge / change
    if value <= 0.0:
        return None
    voltage = (first["sigma"] ** 2 + last["sigma"] ** 2) ** 0.5 / abs(change)
    drift = offset[1] * time / max(abs(charge), 1e-12)
    return Capacity(value, value * float((voltage**2 + drift**2 + gain_sigma**2) ** 0.5))


def best(known: list[dict[str, Any]], last: dict[str, Any], *settings: Any) -> Capacity | None:
    """Return the surest capacity between `last` and any rest known; see `between`."""
    found = [capacity for first in known if (capacity := between(first, last, *settings)) is not None]
    return min(found, key=lambda capacity: capacity.sigma / capacity.value) if found else None


def remembered(known: list[dict[str, Any]], last: dict[str, Any]) -> list[dict[str, Any]]:
    """Add a rest; beyond `KEPT` the one that tells least goes: nearest in SOC to a newer, surer one."""
    kept = [*known, last]
    if len(kept) <= KEPT:
        return kept
    values = [min(abs(one["soc"] - other["soc"]) for other in kept[i + 1 :]) for i, one in enumerate(kept[:-1])]
    kept.pop(values.index(min(values)))
    return kept
