"""What changed in a cell since its own beginning, as one vector of fixed length with masks; pure NumPy.

Causal: the vector of a look is computed from the beginning and from that look and those between them, and from nothing later. Every difference is
divided by the size of the change, so that the vector tells which way a cell has gone and not how far; the size itself is one of the values. Voltages
are compared on a grid that the cell's own first charge gives, so that it lies in the same places of the charge whatever the chemistry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes import electrodes
from models.neural_soh.modes.half_cells import HalfCells
from models.neural_soh.modes.smoothing import NARROWEST, PLACES, VOLT, rising, smooth
from training.soh.modes.looks import Cycle, Look, charge
from training.soh.modes.loops import balance, polarisation

FloatArray = npt.NDArray[np.float64]

#: After the charge. [s]
RESTED = np.array([60.0, 120.0, 300.0, 600.0, 1200.0, 1740.0])
#: A change is not taken to be smaller than this: noise would be blown up. [1]
SMALLEST = 0.003
#: Fractions of the cycles so far at which the fade is compared with that of now. [1]
PAST = np.array([0.25, 0.5])


@dataclass(frozen=True, eq=False)
class Product:
    """What is known of the product before a cell is seen.

    Attributes
    ----------
    cells : HalfCells
    rate : float
        Of the regular charge. [1/h]
    """

    cells: HalfCells
    rate: float


def names(with_test: bool) -> list[str]:
    """Return the names of the values in order; `seen_...` are the masks, 1 where a group could be computed."""
    found = ["size", *(f"fade_at_{fraction:g}" for fraction in PAST)]
    for kind in ("regular", "test")[: 1 + with_test]:
        for group, count in GROUPS.items():
            found += [f"{kind}_{group}_{number}" for number in range(count)]
    return [*found, "seen_past", *(f"seen_{kind}_{group}" for kind in ("regular", "test")[: 1 + with_test] for group in GROUPS)]


def features(history: Sequence[Look], cycles: Sequence[float], product: Product, with_test: bool) -> FloatArray:
    """Compare a cell with its own beginning.

    Parameters
    ----------
    history : sequence of Look
        In order of time; the first is the beginning, the last is now.
    cycles : sequence of float
        Cycles done at each look.
    product : Product
    with_test : bool
        Whether C/5 tests are used; without, they are not touched.

    Returns
    -------
    ndarray, shape (len(names(with_test)),)
        What was not seen is 0 and its mask is 0.
    """
    first, now = history[0], history[-1]
    size = change(first.regular, now.regular, product)
    past = _past(history, cycles, product.cells.nominal)
    values, seen = [np.array([np.log10(size / SMALLEST)]), np.nan_to_num(past)], [float(np.isfinite(past).all())]
    pairs: list[tuple[Cycle | None, Cycle | None, float]] = [(first.regular, now.regular, product.rate)]
    if with_test:
        pairs.append((first.test, now.test, 0.2))
    for before, after, rate in pairs:
        for group, found in _groups(before, after, product.cells, rate).items():
            whole = found is not None and bool(np.isfinite(found).any())
            part = np.zeros(GROUPS[group]) if found is None else np.nan_to_num(found)
            values.append(part if group in UNSCALED else part / size)
            seen.append(float(whole))
    return np.concatenate([*values, np.array(seen)])


def change(first: Cycle, now: Cycle, product: Product) -> float:
    """Return how far a cell has gone: capacity lost as measured, or for a partial charge as the fit has it. [1]"""
    if now.hold is not None and first.hold is not None:
        lost = charge(first.constant)[-1] + charge(first.hold)[-1] - charge(now.constant)[-1] - charge(now.hold)[-1]
        return float(max(abs(lost) / product.cells.nominal, SMALLEST))
    fit = _wear(first, now, product.cells, product.rate)
    return SMALLEST if fit is None else float(max(abs(fit[-1]), SMALLEST))


def grid(first: Cycle) -> tuple[FloatArray, FloatArray]:
    """Return charge [Ah] and voltage [V] of the grid's places in the first charge."""
    charged = charge(first.constant)
    places = PLACES * charged[-1]
    return places, np.interp(places, charged, rising(first.constant[2]))


def quantity(first: Cycle, now: Cycle, nominal: float) -> FloatArray:
    """Return the difference of charge at the same voltage, since the first place of the grid that both have seen.

    Returns
    -------
    ndarray
        Over the nominal capacity, at each of :data:`PLACES`; NaN where this charge was not. [1]
    """
    places, voltage = grid(first)
    there = rising(now.constant[2])
    inside = (voltage >= there[0]) & (voltage <= there[-1])
    found = np.full(len(places), np.nan)
    if inside.sum() < 2:
        return found
    charged = np.interp(voltage[inside], there, charge(now.constant))
    found[inside] = ((charged - charged[0]) - (places[inside] - places[inside][0])) / nominal
    return found


def _groups(before: Cycle | None, after: Cycle | None, cells: HalfCells, rate: float) -> dict[str, FloatArray | None]:
    """Compute every group of a kind of cycle; None where it was not seen."""
    if before is None or after is None:
        return dict.fromkeys(GROUPS)
    shift = quantity(before, after, cells.nominal)
    empty, full = _voltages(before, after)
    return {
        "quantity": shift,
        "increment": np.diff(shift) * len(PLACES) / 4,
        "from_empty": empty,
        "from_full": full,
        "rest": _rest(before, after),
        "rested_now": _rested(after),
        "discharge": _discharge(before, after),
        "polarisation": polarisation(before, after, cells),
        "scalars": _scalars(before, after, cells),
        "balance": balance(before, after, cells),
        "wear": _wear(before, after, cells, rate),
    }


GROUPS = {
    "quantity": len(PLACES),
    "increment": len(PLACES) - 1,
    "from_empty": len(PLACES),
    "from_full": len(PLACES),
    "rest": len(RESTED) + 1,
    "rested_now": len(RESTED) - 1,
    "discharge": len(PLACES),
    "polarisation": len(PLACES) + 3,
    "scalars": 5,
    "balance": 7,
    "wear": 8,
}
#: Not a difference to the beginning, so not divided by its size.
UNSCALED = ("rested_now",)


def _voltages(before: Cycle, after: Cycle) -> tuple[FloatArray | None, FloatArray | None]:
    """Return differences of voltage at the same charge from empty, and at the same charge short of full; only of full charges."""
    if after.hold is None or before.hold is None:
        return None, None
    first, now = charge(before.constant), charge(after.constant)
    places = PLACES * first[-1]
    one, other = rising(before.constant[2]), rising(after.constant[2])
    at = np.interp(places, first, one)
    empty = np.where(places <= now[-1], np.interp(places, now, other) - at, 0.0)
    held = charge(after.hold)[-1] - charge(before.hold)[-1]
    moved = places - first[-1] + now[-1] + held
    full = np.where((moved >= 0) & (moved <= now[-1]), np.interp(moved, now, other) - at, 0.0)
    return empty / VOLT, full / VOLT


def _rest(before: Cycle, after: Cycle) -> FloatArray | None:
    """Return the difference of the relaxation: of its shape since the first second, and of where it ends."""
    if before.rest is None or after.rest is None:
        return None
    first, now = (np.interp(RESTED, rows[0], rows[2]) for rows in (before.rest, after.rest))
    return np.append((now - now[0]) - (first - first[0]), now[-1] - first[-1]) / VOLT * 10.0


def _rested(after: Cycle) -> FloatArray | None:
    """Return the relaxation itself: plated lithium that is stripped holds the voltage up for a while."""
    if after.rest is None:
        return None
    now = np.interp(RESTED, after.rest[0], after.rest[2])
    return (now[1:] - now[0]) / VOLT * 100.0


def _discharge(before: Cycle, after: Cycle) -> FloatArray | None:
    if before.discharge is None or after.discharge is None:
        return None
    first, now = charge(before.discharge), charge(after.discharge)
    places = PLACES * first[-1]
    at = np.interp(places, first, smooth(before.discharge[2]))
    return np.where(places <= now[-1], np.interp(places, now, smooth(after.discharge[2])) - at, 0.0) / VOLT


def _scalars(before: Cycle, after: Cycle, cells: HalfCells) -> FloatArray | None:
    """Return differences of the charge at constant current and in the hold, of the hold's hours, of the discharge, of the resistance."""
    if any(part is None for cycle in (before, after) for part in (cycle.hold, cycle.rest, cycle.discharge)):
        return None

    nominal = cells.nominal

    def of(cycle: Cycle) -> FloatArray:
        assert cycle.hold is not None and cycle.rest is not None and cycle.discharge is not None
        current = float(np.median(np.abs(cycle.discharge[1]))) / nominal
        step = float(cycle.rest[2, -3:].mean() - np.interp(60.0, cycle.discharge[0], cycle.discharge[2])) / current
        hours = float(cycle.hold[0, -1]) / 3600.0
        held = charge(cycle.hold)[-1] / nominal
        return np.array(
            [
                charge(cycle.constant)[-1] / nominal,
                held,
                0.1 * hours,
                charge(cycle.discharge)[-1] / nominal,
                step / (VOLT * cells.film),
            ]
        )

    return of(after) - of(before)


def _wear(before: Cycle, after: Cycle, cells: HalfCells, rate: float) -> FloatArray | None:
    """Return what the electrodes have lost by a fit (lithium, negative, positive, resistance) and what that has cost."""
    first, now = charge(before.constant), charge(after.constant)
    one, other = smooth(before.constant[2]), smooth(after.constant[2])
    if after.hold is None:
        # a part of a charge begins somewhere: where the first charge had that voltage, and the fit moves it
        now = now + np.interp(other[0], rising(before.constant[2]), first)
    if min(now[-1], first[-1]) - now[0] < NARROWEST * first[-1]:
        return None
    lost, cost = electrodes.wear(cells, (first, one), (now, other), rate)
    lost[3] /= VOLT * cells.film
    return np.concatenate([lost, cost])


def _past(history: Sequence[Look], cycles: Sequence[float], nominal: float) -> FloatArray:
    """Return the fade of the regular discharge at earlier cycles over that of now; NaN where nothing was seen between."""
    seen = [look.regular.discharge for look in history]
    if len(history) < 3 or any(rows is None for rows in seen):
        return np.full(len(PAST), np.nan)
    capacity = np.array([charge(rows)[-1] for rows in seen if rows is not None]) / nominal
    fade = capacity[0] - capacity
    then = np.interp(PAST * cycles[-1], cycles, fade)
    return np.clip(then / max(fade[-1], SMALLEST), -1.0, 2.0)
