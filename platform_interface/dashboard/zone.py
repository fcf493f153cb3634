"""Times as the site's clock shows them. Inside everything stays in milliseconds UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from platform_interface.when import DAY

#: From this instant on until the next: offset [ms] and what the clock calls itself.
Transition = tuple[int, int, str]


def zone_of(name: str | None) -> ZoneInfo | None:
    """Return the zone; `None` when there is no such name."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


def transitions(zone: ZoneInfo, start: int, end: int) -> list[Transition]:
    """Return the offsets of a zone from UTC that hold in ``start <= t <= end``, oldest first.

    Parameters
    ----------
    start, end : int
        [ms UTC]

    Examples
    --------
    >>> transitions(ZoneInfo("Europe/Berlin"), 1774656000000, 1774828800000)
    [(1774656000000, 3600000, 'CET'), (1774746000000, 7200000, 'CEST')]
    """
    found = [(start, *_clock(zone, start))]
    for low in range(start, end, DAY):
        high = min(low + DAY, end)
        if _clock(zone, high) != found[-1][1:]:
            instant = _change(zone, low, high)
            found.append((instant, *_clock(zone, instant)))
    return found


def _clock(zone: ZoneInfo, instant: int) -> tuple[int, str]:
    moment = datetime.fromtimestamp(instant / 1000, UTC).astimezone(zone)
    offset = moment.utcoffset()
    return (0 if offset is None else round(offset.total_seconds() * 1000)), moment.tzname() or ""


def _change(zone: ZoneInfo, low: int, high: int) -> int:
    """Return the first second after `low` at which the clock shows another offset."""
    before = _clock(zone, low)
    while high - low > 1000:
        middle = (low + high) // 2000 * 1000
        low, high = (middle, high) if _clock(zone, middle) == before else (low, middle)
    return high


def shown(instant: int, zone: ZoneInfo) -> str:
    """Show an instant as the site's clock does: ``"2026-03-29 03:00 CEST"``."""
    moment = datetime.fromtimestamp(instant // 1000, UTC).astimezone(zone)
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzname()}"
