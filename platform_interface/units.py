"""Units at the boundary: pint names, converted once.

The units of daily use are in a small table, so that a scheduled run need not build pint's registry
(0.3 s); the rest, and every doubt, goes to pint. A test holds the table against pint.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from platform_interface.spelling import did_you_mean

ALIASES = {
    "°C": "degC", "celsius": "degC", "degree_Celsius": "degC", "C°": "degC", "%": "percent", "p.u.": "dimensionless",
    "pu": "dimensionless", "1": "dimensionless", "": "dimensionless", "fraction": "dimensionless", "cycles": "dimensionless",
    "Ω": "ohm", "mΩ": "milliohm", "A": "ampere", "mA": "milliampere", "V": "volt", "mV": "millivolt", "W": "watt",
    "kW": "kilowatt", "Ah": "ampere_hour", "A·h": "ampere_hour", "mAh": "milliampere_hour", "Wh": "watt_hour",
    "kWh": "kilowatt_hour", "s": "second", "h": "hour", "K": "kelvin", "volts": "volt", "amps": "ampere",
}  # fmt: skip
#: Words of the vendor's manifests that name no unit: a count, a label, a flag.
VENDOR_WORDS = frozenset({"id", "label", "0/1", "various", "number"})

#: name -> (dimension, factor to the base unit, offset after the factor)
COMMON: dict[str, tuple[str, float, float]] = {
    "volt": ("volt", 1.0, 0.0), "millivolt": ("volt", 1e-3, 0.0), "ampere": ("ampere", 1.0, 0.0),
    "milliampere": ("ampere", 1e-3, 0.0), "kiloampere": ("ampere", 1e3, 0.0), "ampere_hour": ("ampere_hour", 1.0, 0.0),
    "milliampere_hour": ("ampere_hour", 1e-3, 0.0), "watt": ("watt", 1.0, 0.0), "kilowatt": ("watt", 1e3, 0.0),
    "watt_hour": ("watt_hour", 1.0, 0.0), "kilowatt_hour": ("watt_hour", 1e3, 0.0), "dimensionless": ("1", 1.0, 0.0),
    "percent": ("1", 1e-2, 0.0), "degC": ("degC", 1.0, 0.0), "kelvin": ("degC", 1.0, -273.15), "second": ("second", 1.0, 0.0),
    "hour": ("second", 3600.0, 0.0), "minute": ("second", 60.0, 0.0), "day": ("second", 86400.0, 0.0),
    "millivolt / day": ("volt / second", 1e-3 / 86400.0, 0.0), "ohm": ("ohm", 1.0, 0.0), "milliohm": ("ohm", 1e-3, 0.0),
}  # fmt: skip


@dataclass(frozen=True)
class Conversion:
    """``value * multiply / divide + add``; dividing keeps decimals exact: 3312 mV is 3.312 V."""

    multiply: float = 1.0
    divide: float = 1.0
    add: float = 0.0

    @property
    def is_identity(self) -> bool:
        return self == Conversion()


def canonical(unit: str) -> str:
    """Return the pint name of a unit word."""
    word = unit.strip()
    return "dimensionless" if word in VENDOR_WORDS else ALIASES.get(word, word)


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


def fault_of(unit: str) -> str | None:
    """Say what is wrong with a unit word; ``None`` when it is a unit."""
    name = canonical(unit)
    if name in COMMON:
        return None
    from tokenize import TokenError

    import pint

    try:
        _registry().parse_units(name)
    except (pint.errors.PintError, ValueError, AttributeError, TypeError, AssertionError, TokenError, SyntaxError):
        return f"'{unit}' is not a unit{did_you_mean(unit, [*COMMON, *ALIASES])}"
    return None


def dimension(unit: str) -> str:
    """Return a word that is equal for units that convert into one another."""
    name = canonical(unit)
    return COMMON[name][0] if name in COMMON else str(_registry().parse_units(name).dimensionality)


@lru_cache(maxsize=256)
def conversion(source: str, target: str) -> Conversion:
    """Return how a value in `source` becomes one in `target`.

    Raises
    ------
    ValueError
        The two do not measure the same quantity.
    """
    origin, goal = canonical(source), canonical(target)
    if origin == goal:
        return Conversion()
    if origin in COMMON and goal in COMMON:
        dimension_a, factor_a, offset_a = COMMON[origin]
        dimension_b, factor_b, offset_b = COMMON[goal]
        if dimension_a != dimension_b:
            raise ValueError(f"'{source}' cannot become '{target}': they do not measure the same quantity")
        return _linear(factor_a / factor_b, (offset_a - offset_b) / factor_b)
    return _by_pint(source, target, origin, goal)


def shifted(conversion: Conversion, offset: float | None) -> Conversion:
    """Return the conversion of raw values that an offset, in their own unit, is first added to."""
    if not offset:
        return conversion
    return replace(conversion, add=conversion.add + offset * conversion.multiply / conversion.divide)


def _by_pint(source: str, target: str, origin: str, goal: str) -> Conversion:
    import pint

    fault = fault_of(source) or fault_of(target)
    if fault:
        raise ValueError(fault)
    registry = _registry()
    try:
        zero = registry.Quantity(0.0, origin).to(goal).magnitude
        one = registry.Quantity(1.0, origin).to(goal).magnitude
    except pint.errors.PintError as error:
        raise ValueError(f"'{source}' cannot become '{target}': {error}") from None
    return _linear(float(one - zero), float(zero))


def _linear(factor: float, offset: float) -> Conversion:
    inverse = 1.0 / factor
    if factor < 1.0 and abs(inverse - round(inverse)) < 1e-9 * inverse:
        return Conversion(divide=float(round(inverse)), add=offset)
    return Conversion(multiply=factor, add=offset)
