"""Numbers on the way to ThingsBoard and back: what its JSON reader would keep as text, and what it gives as text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from platform_interface.errors import PlatformError
from platform_interface.platforms.decimals import MOST_DECIMALS
from platform_interface.table import Mask, Times, Values

#: From here on a double is written with an exponent, which ThingsBoard keeps as an integer or as text.
_EXPONENT = 1e16
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
#: A text longer than this is no number. [characters]
_LONGEST_NUMBER = 400


def kept_as_number(value: float) -> Any:
    """Return one finite number such that it is written as ThingsBoard reads a double."""
    return plain(round(value, MOST_DECIMALS))


def plain(value: float) -> Any:
    """Return a number that is written with a decimal point and no large exponent."""
    return orjson.Fragment(f"{value:.1f}") if abs(value) >= _EXPONENT else value


class Odd:
    """What is not a number in an answer: how many samples of which kind."""

    def __init__(self) -> None:
        self.parsed = 0
        self.absent = 0


def columns(content: bytes) -> dict[str, tuple[list[Any], list[Any]]] | None:
    """Return times and values of each key of an answer, without an object a point; ``None`` where it is not of the usual form.

    ``[{"ts":1,"value":2.5},{"ts":2,"value":2.6}]`` is read as ``[1,2.5,2,2.6]``. A text in JSON holds no bare quote, so the
    replaced words are found nowhere else; and they must be there as often as there are points.
    """
    points, begun = content.count(b',"value":'), content.count(b'[{"ts":')
    if begun + content.count(b'},{"ts":') != points or content.count(b"}]") != begun:
        return None
    flat = content.replace(b'},{"ts":', b",").replace(b',"value":', b",").replace(b'[{"ts":', b"[").replace(b"}]", b"]")
    try:
        found = orjson.loads(flat)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or not all(isinstance(each, list) and len(each) % 2 == 0 for each in found.values()):
        return None
    if sum(map(len, found.values())) != 2 * points:
        return None
    return {name: (each[::2], each[1::2]) for name, each in found.items()}


def pairs(points: Any, where: str) -> tuple[list[Any], list[Any]]:
    """Return times and values of ``[{"ts": ..., "value": ...}, ...]``."""
    try:
        times, values = [point["ts"] for point in points], [point["value"] for point in points]
    except (TypeError, KeyError, IndexError):
        raise PlatformError(f"{where}: the platform answered with {str(points)[:80]!r} in place of samples") from None
    if not isinstance(points, list):
        raise PlatformError(f"{where}: the platform answered with {str(points)[:80]!r} in place of samples")
    return times, values


def samples(times: Any, values: Any, where: str, start: int, end: int, odd: Odd) -> tuple[Times, Values, Mask | None]:
    """Read the points of one key.

    Parameters
    ----------
    times, values : list or ndarray
        In the order of time, as they came.
    start, end : int
        What was asked for: ``start <= t < end``. [ms UTC]

    Raises
    ------
    PlatformError
        Another shape, times out of order, or outside of what was asked for.
    """
    if isinstance(times, list) and set(map(type, times)) - {int}:
        raise PlatformError(f"{where}: the platform answered with times that are not whole milliseconds")
    try:
        time = np.array(times, np.int64)
    except OverflowError:
        raise PlatformError(f"{where}: the platform answered with a time beyond all years") from None
    if time.size and (time[0] < start or time[-1] >= end or bool((time[1:] <= time[:-1]).any())):
        raise PlatformError(
            f"{where}: the platform answered with times that are out of order, twice there, or outside the range asked for "
            f"({start} to {end} ms); nothing of it was used"
        )
    if isinstance(values, list) and set(map(type, values)) - {float, int}:
        return time, *_mixed(values, odd)
    return time, *_finite(np.array(values, np.float64), odd)


def _finite(numbers: Values, odd: Odd) -> tuple[Values, Mask | None]:
    """Take what is not finite for no sample, as its text in JSON is."""
    absent = ~np.isfinite(numbers)
    if not absent.any():
        return numbers, None
    odd.absent += int(absent.sum())
    return np.where(absent, np.nan, numbers), absent


def _mixed(values: Sequence[Any], odd: Odd) -> tuple[Values, Mask | None]:
    """Read values of several kinds: a text that is a number counts, a yes is 1, everything else is no sample."""
    numbers = np.full(len(values), np.nan)
    absent = np.zeros(len(values), bool)
    for position, value in enumerate(values):
        number = math.nan
        if isinstance(value, (bool, int, float)):
            number = float(value)
        elif isinstance(value, str) and len(value) <= _LONGEST_NUMBER and _NUMBER.fullmatch(value):
            number = float(value)
            odd.parsed += math.isfinite(number)
        if math.isfinite(number):
            numbers[position] = number
        else:
            absent[position] = True
            odd.absent += 1
    return numbers, absent if absent.any() else None
