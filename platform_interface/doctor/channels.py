"""`Channel`: the samples of one sensor, or one array sensor, as the checks of a mapping look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from platform_interface import units
from platform_interface.checks import Clean
from platform_interface.mapping import Plan
from platform_interface.table import Times, Values

#: Quantity -> the unit in which the checks compare.
BASE_UNITS = {"current": "ampere", "voltage": "volt", "cell_voltage": "volt", "temperature": "degC", "soc": "dimensionless"}
#: Most samples of a sensor that a check looks at in one window of a run: evidence must cost next to nothing there.
ROWS_OF_A_RUN = 250


@dataclass(frozen=True)
class Channel:
    """Samples of one window.

    Attributes
    ----------
    pattern : str
        Name on the platform, ``Name|*`` for an array.
    numbers : tuple of int
        The site's numbers of an array's elements; empty for a single sensor.
    quantity : str
        What is measured: a key of `BASE_UNITS`, or ``other temperature`` or ``other``.
    unit : str
        Unit of the raw values, as the platform or settings have it.
    time : ndarray of int64, shape (n,)
        Strictly increasing. [ms UTC]
    values : ndarray of float64, shape (k, n)
        In the base unit, current positive on discharge; NaN where there is none.
    codes : mapping
        Element -> (raw value that is a code for "no sensor", how often it was there).
    """

    pattern: str
    numbers: tuple[int, ...]
    quantity: str
    unit: str
    time: Times
    values: Values
    codes: Mapping[int, tuple[float, int]] = field(default_factory=dict)

    def label(self, element: int) -> str:
        """Return the name of one element."""
        return f"{self.pattern.removesuffix('*')}{self.numbers[element]}" if self.numbers else self.pattern

    def thinned(self, most: int | None) -> Channel:
        """Return at most `most` samples, evenly taken; all with None."""
        if most is None or self.time.size <= most:
            return self
        step = -(-self.time.size // most)
        return replace(self, time=self.time[::step].copy(), values=np.ascontiguousarray(self.values[:, ::step]))

    @cached_property
    def level(self) -> Values:
        """Median over the elements, shape (n,); NaN where none has a value. Several checks ask for it."""
        some = ~np.isnan(self.values).all(axis=0)
        if some.all():
            return over_elements(self.values)
        found = np.full(self.time.size, np.nan)
        found[some] = over_elements(self.values[:, some])
        return found


View = Mapping[str, Channel]


def of_model(plan: Plan, cleaned: Mapping[str, Clean]) -> dict[str, Channel]:
    """Return what one model was given in one window, by the sensor's name."""
    found = {}
    for name, source in plan.sources.items():
        base = BASE_UNITS.get(source.quantity)
        if base is None or not cleaned[name].time.size:
            continue
        given = plan.manifest.inputs[name]
        factor = units.conversion(given.unit, base)
        numbers = source.numbers if source.pattern.endswith("|*") else ()
        channel = Channel(source.pattern, numbers, source.quantity, source.unit, cleaned[name].time, cleaned[name].values)
        found[source.pattern] = channel if factor.is_identity else _converted(channel, factor)
    return found


def _converted(channel: Channel, factor: units.Conversion) -> Channel:
    channel = channel.thinned(ROWS_OF_A_RUN) if channel.numbers else channel
    return replace(channel, values=channel.values * factor.multiply / factor.divide + factor.add)


def of_quantity(view: View, quantity: str) -> list[Channel]:
    """Return the channels of a view that measure one quantity."""
    return [channel for channel in view.values() if channel.quantity == quantity]


def as_of(time: Times, other: Channel, tolerance: int) -> Values:
    """Return another channel's latest values at given times; NaN where none is at most `tolerance` ms old.

    Parameters
    ----------
    time : ndarray, shape (m,)
        [ms]

    Returns
    -------
    ndarray, shape (k, m)
    """
    place = np.searchsorted(other.time, time, side="right") - 1
    known = place >= 0
    fresh = known & (time - other.time[np.maximum(place, 0)] <= tolerance)
    values = other.values[:, np.maximum(place, 0)].copy()
    values[:, ~fresh] = np.nan
    return values


def over_elements(values: Values) -> Values:
    """Return the median over the elements, shape (n,); elements without a value do not count, and one has to have one."""
    whole: Values = np.median(values, axis=0) if not np.isnan(values).any() else np.nanmedian(values, axis=0)
    return whole


class Kept:
    """Rows of figures over a run in bounded memory: when there are too many, every second one goes.

    Parameters
    ----------
    most : int
        Rows held at once.
    """

    def __init__(self, most: int = 20_000) -> None:
        self.most = most
        self._parts: list[Values] = []
        self._step = 1
        self._count = 0

    def add(self, rows: Values) -> None:
        """Add figures, shape (columns, n)."""
        part = rows[:, :: self._step]
        self._parts.append(part)
        self._count += part.shape[1]
        if self._count > self.most:
            self._parts = [self.rows()[:, ::2]]
            self._count = self._parts[0].shape[1]
            self._step *= 2

    def rows(self) -> Values:
        """Return all that is kept, shape (columns, n)."""
        return np.concatenate(self._parts, axis=1) if self._parts else np.empty((0, 0))
