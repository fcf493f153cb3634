"""Instants and durations as people write them. Inside: int milliseconds UTC, and seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

DAY = 86_400_000
#: The last instant of the year 9999, after which no calendar goes. [ms UTC]
LAST = 253_402_300_799_999
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|sec|min|m|h|d|days?|w)?\s*$")
_SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "day": 86400.0,
            "days": 86400.0, "w": 604800.0, None: 1.0}  # fmt: skip


def seconds(value: Any) -> float:
    """Read ``"5min"``, ``"1h"``, ``"90 d"`` or a number of seconds.

    Raises
    ------
    ValueError
        Not a duration, or a negative one.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a duration; write for example '5min'")
    if isinstance(value, (int, float)):
        if not 0 <= value < float("inf"):
            raise ValueError(f"{value!r} s is not a duration; it must be finite and not negative")
        return float(value)
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration; write for example '30s', '5min', '2h' or '7d'")
    return float(match.group(1)) * _SECONDS[match.group(2)]


Seconds = Annotated[float, BeforeValidator(seconds)]


def instant(value: str) -> int:
    """Read an ISO 8601 time with its offset. [ms UTC]

    Raises
    ------
    ValueError
        Not a time, or one without an offset; the message shows the same time with one.
    """
    try:
        parsed = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise ValueError(f"'{value}' is not an ISO 8601 time; write for example 2026-01-31T00:00:00+00:00") from None
    if parsed.tzinfo is None:
        raise ValueError(f"'{value}' has no time zone; write '{parsed.isoformat()}+00:00' for UTC, or the offset of the site")
    return round(parsed.timestamp() * 1000)


def now() -> int:
    """Return the present. [ms UTC]"""
    return round(datetime.now(UTC).timestamp() * 1000)


def text(milliseconds: int) -> str:
    """Show an instant as ISO 8601 in UTC, milliseconds only where they are not zero."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    rest = milliseconds % 1000
    return f"{moment}.{rest:03d}Z" if rest else f"{moment}Z"


def day_of(milliseconds: int) -> int:
    """Return the start of the UTC day. [ms UTC]"""
    return milliseconds // DAY * DAY


def span(duration: float) -> str:
    """Show a duration [s] in the unit that suits it: ``"90 s"``, ``"12 min"``, ``"3.5 h"``, ``"8 d"``."""
    for limit, unit, name in ((172_800, 86_400, "d"), (7_200, 3_600, "h"), (120, 60, "min")):
        if duration >= limit:
            return f"{duration / unit:.3g} {name}"
    return f"{duration:.3g} s"
