"""A cell's own beginning, as it is kept: its first charges and the course of its fade since. Strict JSON of a fixed largest size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes.curves import Curve, curve_of, mean
from models.neural_soh.modes.differences import PAST, blended, lost, vector, wear
from models.neural_soh.modes.half_cells import CHEMISTRIES, HalfCells, half_cells
from models.neural_soh.segments import Segment

FloatArray = npt.NDArray[np.float64]

#: Kinds of charges (current, temperature) that are kept, and up to which charge a new kind is.
KINDS, BEGINNING = 2, 50
#: So many first charges of a kind are averaged, if their charges differ by less than the second, by the capacity. [1]
AVERAGED, ALIKE = 5, 0.02
#: A charge that others are compared with: least charge at constant current, by the capacity. [1]
WIDE = 0.6
#: Charges are comparable if their currents differ by less than this share [1], and their temperatures by less than this. [K]
SAME_RATE, SAME_TEMPERATURE = 0.06, 4.0
#: Points of the course of the fade that are kept; when it is full, every other one is dropped.
COURSE = 24
#: Before so many charges there is no course.
FEW = 4
#: A fade up to this is not told of. [1]
LEAST_FADE = 0.003
VERSION = 2


@dataclass(frozen=True, eq=False)
class Kind:
    """Charges of one current and temperature.

    Attributes
    ----------
    first : Curve
        Mean of the first ones.
    differences, count : ndarray or None
        Mean over the last charges of their differences to it, and of each value over how many; see `differences.blended`.
    lost : float
        Capacity lost since, the mean over the last charges. [1]
    """

    first: Curve
    differences: FloatArray | None = None
    count: FloatArray | None = None
    lost: float = 0.0


@dataclass(frozen=True, eq=False)
class Reference:
    """What is kept of a cell.

    Attributes
    ----------
    kinds : tuple of Kind
    charges : int
        Charges so far that could be compared with one of them, they included.
    course : tuple of (int, float)
        At some of those charges: its number, and the capacity lost as it shows it. [1]
    every : int
        Of so many charges one is in the course.
    """

    kinds: tuple[Kind, ...] = ()
    charges: int = 0
    course: tuple[tuple[int, float], ...] = ()
    every: int = 1

    def seen(self, segment: Segment, capacity: float, chemistry: str) -> Reference:
        """Return what is kept after another charge.

        Parameters
        ----------
        segment : Segment
        capacity : float
            Nominal. [Ah]
        chemistry : str
            One that cannot be told leaves everything as it is.
        """
        now = curve_of(segment, capacity) if chemistry in CHEMISTRIES else None
        if now is None:
            return self
        place = self.like(now)
        if place is None:
            if now.charged < WIDE or len(self.kinds) >= KINDS or self.charges >= BEGINNING:
                return self
            return replace(self, kinds=(*self.kinds, _kept(Kind(now))), charges=self.charges + 1)
        kind = self.kinds[place]
        if kind.differences is None and kind.first.count < AVERAGED and _alike(kind.first, now):
            return self._with(place, Kind(mean(kind.first, now)))
        return self._compared(place, now, half_cells(CHEMISTRIES[chemistry]))

    def _with(self, place: int, kind: Kind) -> Reference:
        # kept as it comes back from the state, so that an answer does not depend on when the state was written
        kinds = (*self.kinds[:place], _kept(kind), *self.kinds[place + 1 :])
        return replace(self, kinds=kinds, charges=self.charges + 1)

    def _compared(self, place: int, now: Curve, cells: HalfCells) -> Reference:
        """Return what is kept after a charge that is compared with the first ones of its kind."""
        kind = self.kinds[place]
        worn = wear(kind.first, now, cells)
        if worn is None:
            return self
        gone = lost(worn)
        found = replace(self, charges=self.charges + 1)
        differences, count = blended(kind.differences, kind.count, vector(kind.first, now, worn, found.past(gone)))
        average = kind.lost + (gone - kind.lost) / float(count[0])
        found = self._with(place, Kind(kind.first, differences, count, average))
        number = self.charges
        if number % self.every == 0:
            course, every = (*self.course, (number, round(gone, 6))), self.every
            if len(course) > COURSE:
                every *= 2
                course = tuple(point for point in course if point[0] % every == 0)
            found = replace(found, course=course, every=every)
        return found

    def like(self, now: Curve) -> int | None:
        """Return the place of the kind that a charge is of, or None."""
        for place, kind in enumerate(self.kinds):
            colder = abs(now.temperature - kind.first.temperature)
            if abs(now.rate - kind.first.rate) < SAME_RATE * kind.first.rate and not colder >= SAME_TEMPERATURE:
                return place
        return None

    def past(self, gone: float) -> list[float]:
        """Return the capacity lost at fractions of the charges so far, over that lost now [1]; NaN before there are enough of them."""
        now = self.charges - 1
        before = [point for point in self.course if point[0] < now]
        if not before or now < FEW:
            return [float("nan")] * len(PAST)
        number, then = np.array([(0, 0.0), *before]).T
        return [float(np.interp(fraction * now, number, then) / max(gone, LEAST_FADE)) for fraction in PAST]

    def to_state(self) -> dict[str, Any]:
        """Return it as strict JSON."""
        return {
            "version": VERSION,
            "kinds": [_listed(kind) for kind in self.kinds],
            "charges": self.charges,
            "course": [list(point) for point in self.course],
            "every": self.every,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> Reference:
        """Return it from what :meth:`to_state` gave; nothing, or another version's, is an empty one."""
        if not state or state.get("version") != VERSION:
            return cls()
        return cls(
            tuple(_kind(kept) for kept in state["kinds"]),
            int(state["charges"]),
            tuple((int(number), float(gone)) for number, gone in state["course"]),
            int(state["every"]),
        )


def _alike(first: Curve, now: Curve) -> bool:
    same = (first.hold is None) == (now.hold is None) and (first.rest is None) == (now.rest is None)
    return same and abs(first.charged - now.charged) < ALIKE


def _kept(kind: Kind) -> Kind:
    return _kind(_listed(kind))


def _rounded(values: FloatArray | None, digits: int) -> list[float] | None:
    return None if values is None else [round(value, digits) for value in values.tolist()]


def _array(values: list[float] | None) -> FloatArray | None:
    return None if values is None else np.array(values, float)


def _listed(kind: Kind) -> dict[str, Any]:
    """Return a kind as strict JSON, rounded far below any sensor's step."""
    curve = kind.first
    return {
        "charged": round(curve.charged, 6),
        "voltage": _rounded(curve.voltage, 5),
        "hold": _rounded(curve.hold, 6),
        "rest": _rounded(curve.rest, 5),
        "rate": round(curve.rate, 6),
        "temperature": round(curve.temperature, 3) if np.isfinite(curve.temperature) else None,
        "of": curve.count,
        "differences": _rounded(kind.differences, 4),
        "count": _rounded(kind.count, 0),
        "lost": round(kind.lost, 6),
    }


def _kind(kept: Mapping[str, Any]) -> Kind:
    curve = Curve(
        float(kept["charged"]),
        np.array(kept["voltage"], float),
        _array(kept["hold"]),
        _array(kept["rest"]),
        float(kept["rate"]),
        float("nan") if kept["temperature"] is None else float(kept["temperature"]),
        int(kept["of"]),
    )
    return Kind(curve, _array(kept["differences"]), _array(kept["count"]), float(kept["lost"]))
