"""Units as an axis shows them."""

from __future__ import annotations

_SYMBOLS = {
    "ampere_hour": "Ah", "kilowatt_hour": "kWh", "dimensionless": "1", "volt": "V", "ampere": "A", "degC": "°C", "percent": "%",
    "hour": "h", "watt": "W", "kilowatt": "kW", "millivolt": "mV", "watt_hour": "Wh", "second": "s", "ohm": "Ω",
    "milliohm": "mΩ", "kelvin": "K", "day": "d", "millivolt / day": "mV/d", "millivolt/day": "mV/d",
    "milliampere": "mA", "1 / hour": "1/h", "nanometer": "nm", "mole / meter ** 3": "mol/m³",
}  # fmt: skip


def unit_symbol(unit: str) -> str:
    """Return how an axis shows a unit; a number without one is ``1``, as in Battery Data Format labels."""
    return _SYMBOLS.get(unit, unit)


def label(name: str, unit: str) -> str:
    """Return a label as the Battery Data Format writes it: ``Current / A``."""
    return f"{name} / {unit_symbol(unit)}"
