"""What is measured at one look at a cell, clean, noisy or cut to a part of the charge; pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from training.soh.modes.shards import Life

FloatArray = npt.NDArray[np.float64]

#: Standard deviation of a sample. [V], and of a current relative to itself [1]
VOLTAGE_NOISE, CURRENT_NOISE = 1e-3, 1e-3
#: Time between samples; the simulation's minutes are interpolated. [s]
SAMPLED = 10.0


@dataclass(frozen=True, eq=False)
class Cycle:
    """A charge, the rest after it and the discharge; rows are time [s], current [A, positive on discharge], voltage [V].

    A part that was not seen is None. `constant` is the part of the charge at constant current, `hold` that at constant voltage.
    """

    constant: FloatArray
    hold: FloatArray | None
    rest: FloatArray | None
    discharge: FloatArray | None


@dataclass(frozen=True, eq=False)
class Look:
    """A cell at one time.

    Attributes
    ----------
    regular : Cycle
        What the cell gets in use.
    test : Cycle or None
        The same at C/5, where there was one.
    """

    regular: Cycle
    test: Cycle | None


def history(life: Life, until: int) -> list[Look]:
    """Return the looks at a cell up to one of them, the beginning first."""
    return [Look(_cycle(life, look, "cycle"), _cycle(life, look, "test")) for look in range(until + 1)]


def _cycle(life: Life, look: int, kind: str) -> Cycle:
    return Cycle(*(life.arrays[f"{look}/{kind}_{part}"] for part in ("cc", "cv", "rest", "discharge")))


def noisy(look: Look, random: np.random.Generator) -> Look:
    """Sample as telemetry does, with noise of its own on every sample."""

    def series(rows: FloatArray | None) -> FloatArray | None:
        if rows is None:
            return None
        time = np.append(np.arange(rows[0, 0], rows[0, -1], SAMPLED), rows[0, -1])
        current, voltage = (np.interp(time, rows[0], row) for row in rows[1:])
        current = current * (1.0 + CURRENT_NOISE * random.normal(size=len(time)))
        return np.stack([time, current, voltage + VOLTAGE_NOISE * random.normal(size=len(time))])

    def cycle(seen: Cycle) -> Cycle:
        constant = series(seen.constant)
        assert constant is not None
        return Cycle(constant, series(seen.hold), series(seen.rest), series(seen.discharge))

    return Look(cycle(look.regular), None if look.test is None else cycle(look.test))


def without_test(look: Look) -> Look:
    """Forget the C/5 test."""
    return replace(look, test=None)


def partial(look: Look, low: float, high: float) -> Look:
    """Keep of a regular cycle the charge between two fractions of it; hold, rest and discharge are seen of no partial charge.

    Parameters
    ----------
    low, high : float
        Of the charge that this full charge took up. [1]
    """
    seen = look.regular
    charged = charge(seen.constant)
    total = charged[-1] + (charge(seen.hold)[-1] if seen.hold is not None else 0.0)
    kept = (charged >= low * total) & (charged <= high * total)
    return Look(Cycle(seen.constant[:, kept], None, None, None), None)


def charge(rows: FloatArray) -> FloatArray:
    """Return the charge that has passed since the first sample, positive in either direction. [Ah]"""
    time, current = rows[0], np.abs(rows[1])
    steps = 0.5 * (current[1:] + current[:-1]) * np.diff(time) / 3600.0
    return np.concatenate([[0.0], np.cumsum(steps)])
