"""How a charge differs from the cell's first comparable one, as one vector of fixed length with masks; pure NumPy.

Every difference is divided by the size of the change, so that the vector tells which way a cell has gone and not how far. Voltages
are compared in places that the first charge gives, whatever the chemistry. Temperature and C-rate are in no value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes import electrodes
from models.neural_soh.modes.curves import HELD, RESTED, Curve
from models.neural_soh.modes.half_cells import HalfCells
from models.neural_soh.modes.smoothing import NARROWEST, PLACES, VOLT, monotone

FloatArray = npt.NDArray[np.float64]

#: A change of charge at the same voltage, as its root mean square, is not taken to be smaller: noise would be blown up. [1]
SMALLEST = 0.001
#: Fractions of the charges so far at which the fade is compared with that of now. [1]
PAST = (0.25, 0.5)
#: Groups and how many values they have; what was not seen is 0, and so is its mask.
GROUPS = {
    "quantity": len(PLACES),
    "increment": len(PLACES) - 1,
    "from_full": len(PLACES),
    "hold": 2 * len(HELD),
    "rest": len(RESTED),
    "rested_now": len(RESTED) - 1,
    "wear": 8,
}
#: Not a difference to the beginning, so not divided by its size.
UNSCALED = ("rested_now",)
#: An answer is of the mean over about so many charges.
RECENT = 4
NAMES = (
    "size", *(f"fade_at_{fraction:g}" for fraction in PAST),
    *(f"{group}_{number}" for group, count in GROUPS.items() for number in range(count)),
    *(f"seen_fade_at_{fraction:g}" for fraction in PAST), *(f"seen_{group}" for group in GROUPS),
)  # fmt: skip
#: For each value of the vector but the masks, the place of its mask; the size has none.
MASKED = (
    np.repeat(np.arange(len(PAST) + len(GROUPS)), [1] * len(PAST) + list(GROUPS.values()))
    + 1
    + len(PAST)
    + sum(GROUPS.values())
)
VALUES = 1 + len(MASKED)


def wear(first: Curve, now: Curve, cells: HalfCells) -> FloatArray | None:
    """Return what the electrodes have lost by a fit, and what that has cost.

    Returns
    -------
    ndarray, shape (8,), or None
        Lithium over the nominal capacity, active material of the negative and of the positive electrode [1], rise of resistance [V at 1C,
        by the product's film], capacity that the first three have cost and all together, over the nominal capacity [1]. None
        where too little of the charge was seen.
    """
    begun = monotone(first.voltage)
    # a charge begins somewhere: where the first charge had that voltage, and the fit moves it
    charged = now.charge + float(np.interp(now.voltage[1], begun, first.charge)) - float(now.charge[1])
    if min(charged[-1], first.charged) - max(charged[0], 0.0) < NARROWEST * first.charged:
        return None
    # the product of the half cells has another capacity; what is lost is by it again
    before, after = (first.charge * cells.nominal, first.voltage), (charged * cells.nominal, now.voltage)
    lost, cost = electrodes.wear(cells, before, after, now.rate, anywhere=True)
    lost[3] /= VOLT * cells.film
    return np.concatenate([lost, cost])


def lost(worn: FloatArray) -> float:
    """Return the capacity lost since the first charge as the fit has it, over the nominal one. [1]"""
    return float(worn[-1])


def vector(first: Curve, now: Curve, worn: FloatArray, past: Sequence[float]) -> FloatArray:
    """Return the differences of a charge to the first one.

    Parameters
    ----------
    first, now : Curve
    worn : ndarray, shape (8,)
        As :func:`wear` gives it.
    past : sequence of float
        Capacity lost at each of :data:`PAST` of the charges so far, over that lost now; NaN where not known. [1]

    Returns
    -------
    ndarray, shape (len(NAMES),)
    """
    shift = quantity(first, now)
    gone = float(max(np.sqrt(np.nanmean(shift**2)) if np.isfinite(shift).any() else 0.0, SMALLEST))
    whole = _whole(first, now)
    found: dict[str, FloatArray | None] = {
        "quantity": shift,
        "increment": np.diff(shift) * len(PLACES) / 4,
        "from_full": _from_full(first, now) if whole else None,
        "hold": _hold(first, now) if whole else None,
        "rest": _rest(first, now) if whole else None,
        "rested_now": _rested(now) if whole else None,
        "wear": worn,
    }
    course = np.array(past, float)
    values = [np.array([np.log10(gone / SMALLEST)]), np.nan_to_num(np.clip(course, -1.0, 2.0))]
    seen = np.isfinite(course).tolist()
    for group, part in found.items():
        there = part is not None and bool(np.isfinite(part).any())
        filled = np.zeros(GROUPS[group]) if part is None else np.nan_to_num(part)
        values.append(filled if group in UNSCALED else filled / gone)
        seen.append(there)
    return np.concatenate([*values, np.array(seen, float)])


def quantity(first: Curve, now: Curve) -> FloatArray:
    """Return the difference of charge at the same voltage, since the first place that both have seen; NaN elsewhere. [1]"""
    places = PLACES * first.charged
    voltage = np.interp(places, first.charge, monotone(first.voltage))
    there = monotone(now.voltage)
    # the first points of a charge are the rise of the overpotential, not of the cell
    inside = (voltage >= there[2]) & (voltage <= there[-1])
    found = np.full(len(places), np.nan)
    if inside.sum() < 2:
        return found
    charged = np.interp(voltage[inside], there, now.charge)
    found[inside] = (charged - charged[0]) - (places[inside] - places[inside][0])
    return found


def _whole(first: Curve, now: Curve) -> bool:
    return first.hold is not None and now.hold is not None


def _from_full(first: Curve, now: Curve) -> FloatArray:
    """Return differences of voltage at the same charge short of full; 0 where this charge was not. [V]"""
    assert first.hold is not None and now.hold is not None
    places = PLACES * first.charged
    moved = places - first.charged - first.hold[0] + now.charged + now.hold[0]
    seen = (moved >= 0.02 * now.charged) & (moved <= now.charged)
    difference = np.interp(moved, now.charge, now.voltage) - np.interp(places, first.charge, first.voltage)
    return np.where(seen, difference, 0.0) / VOLT


def _hold(first: Curve, now: Curve) -> FloatArray:
    """Return differences of the hold's charges by the capacity [1] and of its times [10 h]."""
    assert first.hold is not None and now.hold is not None
    difference = (now.hold - first.hold)[1:]
    found: FloatArray = difference * np.repeat([1.0, 0.1], len(HELD))
    return found


def _rest(first: Curve, now: Curve) -> FloatArray | None:
    """Return differences of the relaxation: of its shape since its first time, and of where it ends. [0.1 V]"""
    if first.rest is None or now.rest is None:
        return None
    shape = (now.rest - now.rest[0]) - (first.rest - first.rest[0])
    return np.append(shape[1:], now.rest[-1] - first.rest[-1]) / VOLT * 10.0


def _rested(now: Curve) -> FloatArray | None:
    """Return the relaxation itself: plated lithium that is stripped holds the voltage up for a while. [0.01 V]"""
    return None if now.rest is None else (now.rest[1:] - now.rest[0]) / VOLT * 100.0


def blended(kept: FloatArray | None, count: FloatArray | None, now: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean over the last charges after another one: each value over those that have shown it.

    Parameters
    ----------
    kept : ndarray or None
        Mean so far; None before the first charge.
    count : ndarray or None
        Of each value that is not a mask, over how many charges its mean is.
    now : ndarray
        Vector of a charge.
    """
    if kept is None or count is None:
        seen = np.append(True, now[MASKED] > 0)
        return now.copy(), seen.astype(float)
    seen = np.append(True, now[MASKED] > 0)
    count = np.where(seen, np.minimum(count + 1.0, RECENT), count)
    found = np.maximum(kept, now)
    change = (now[:VALUES] - kept[:VALUES]) / np.maximum(count, 1.0)
    found[:VALUES] = np.where(seen, kept[:VALUES] + change, kept[:VALUES])
    return found, count
