"""Units of SensorThings <-> pint names, where both sides are sure; an empty word where they are not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from platform_interface.units import ALIASES, COMMON

#: pint name -> (symbol, QUDT definition, quantity)
KNOWN: dict[str, tuple[str, str, str]] = {
    "volt": ("V", "http://qudt.org/vocab/unit/V", "Voltage"),
    "millivolt": ("mV", "http://qudt.org/vocab/unit/MilliV", "Voltage"),
    "ampere": ("A", "http://qudt.org/vocab/unit/A", "ElectricCurrent"),
    "milliampere": ("mA", "http://qudt.org/vocab/unit/MilliA", "ElectricCurrent"),
    "kiloampere": ("kA", "http://qudt.org/vocab/unit/KiloA", "ElectricCurrent"),
    "ampere_hour": ("A·h", "http://qudt.org/vocab/unit/A-HR", "ElectricCharge"),
    "milliampere_hour": ("mA·h", "http://qudt.org/vocab/unit/MilliA-HR", "ElectricCharge"),
    "watt": ("W", "http://qudt.org/vocab/unit/W", "Power"),
    "kilowatt": ("kW", "http://qudt.org/vocab/unit/KiloW", "Power"),
    "watt_hour": ("W·h", "http://qudt.org/vocab/unit/W-HR", "Energy"),
    "kilowatt_hour": ("kW·h", "http://qudt.org/vocab/unit/KiloW-HR", "Energy"),
    "dimensionless": ("1", "http://qudt.org/vocab/unit/UNITLESS", "DimensionlessRatio"),
    "percent": ("%", "http://qudt.org/vocab/unit/PERCENT", "DimensionlessRatio"),
    "degC": ("°C", "http://qudt.org/vocab/unit/DEG_C", "Temperature"),
    "kelvin": ("K", "http://qudt.org/vocab/unit/K", "Temperature"),
    "second": ("s", "http://qudt.org/vocab/unit/SEC", "Time"),
    "minute": ("min", "http://qudt.org/vocab/unit/MIN", "Time"),
    "hour": ("h", "http://qudt.org/vocab/unit/HR", "Time"),
    "ohm": ("Ω", "http://qudt.org/vocab/unit/OHM", "Resistance"),
    "milliohm": ("mΩ", "http://qudt.org/vocab/unit/MilliOHM", "Resistance"),
}
_SYMBOLS = {
    **{symbol: name for name, (symbol, _, _) in KNOWN.items()},
    **{word: name for word, name in ALIASES.items() if word},
    "Cel": "degC", "A.h": "ampere_hour", "mA.h": "milliampere_hour", "W.h": "watt_hour", "kW.h": "kilowatt_hour",
    "Ohm": "ohm", "mOhm": "milliohm", "degree Celsius": "degC", "degrees Celsius": "degC", "{count}": "dimensionless",
    "µV": "microvolt", "uV": "microvolt", "kV": "kilovolt", "µA": "microampere", "µΩ": "microohm", "MW": "megawatt", "MWh": "megawatt_hour",
}  # fmt: skip
_NAMES = {
    "celsius": "degC", "degree celsius": "degC", "degrees celsius": "degC", "degc": "degC", "amp": "ampere", "amps": "ampere",
    "amperes": "ampere", "volts": "volt", "millivolts": "millivolt", "watts": "watt", "kilowatts": "kilowatt",
    "ampere hour": "ampere_hour", "watt hour": "watt_hour", "kilowatt hour": "kilowatt_hour", "percentage": "percent",
    "ohms": "ohm", "seconds": "second", "hours": "hour", "minutes": "minute",
    **{name.lower(): name for name in COMMON},
}  # fmt: skip
#: As Unicode writes them once and for all: micro, ohm and degree Celsius have two signs each.
_SYMBOLS = {normalize("NFKC", symbol): name for symbol, name in _SYMBOLS.items()}
_DEFINITIONS = {definition.rsplit("/", 1)[1]: name for name, (_, definition, _) in KNOWN.items()}


def unit_of(stated: Any) -> str:
    """Return the pint name of a unitOfMeasurement; empty where it is unknown, or where its parts contradict one another."""
    if not isinstance(stated, Mapping):
        return ""
    symbol, name, definition = (
        normalize("NFKC", str(stated.get(key) or "")).strip() for key in ("symbol", "name", "definition")
    )
    tail = re.split("[/#:]", definition)[-1]
    found = {
        word for word in (
            _SYMBOLS.get(symbol), _NAMES.get(name.lower()) or _SYMBOLS.get(name),
            _DEFINITIONS.get(tail) if "qudt" in definition else _SYMBOLS.get(tail) if "ucum" in definition.lower() else None,
        ) if word
    }  # fmt: skip
    return found.pop() if len(found) == 1 else ""


def stated(unit: str) -> dict[str, str]:
    """Return a unit as unitOfMeasurement."""
    symbol, definition, _ = KNOWN.get(unit, ("", "", ""))
    return {
        "name": unit or "not stated",
        "symbol": symbol or unit or "not stated",
        "definition": definition or "urn:pint:" + unit,
    }


def quantity_of(unit: str) -> str:
    """Return the definition of what is observed."""
    quantity = KNOWN.get(unit, ("", "", ""))[2]
    return f"http://qudt.org/vocab/quantitykind/{quantity}" if quantity else "urn:battery-twin:quantity"
