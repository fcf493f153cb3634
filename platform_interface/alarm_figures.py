"""Figures of a list of alarms: time in flood, chattering, what stood longest, counts by name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from platform_interface.when import text

#: More than 10 alarms in 10 minutes, until there are fewer than 5.
FLOOD_SPAN, FLOOD_BEGINS, FLOOD_ENDS = 600_000, 11, 5
#: An alarm 3 times within a minute; samples must be at most 10 s apart to tell.
CHATTER_SPAN, CHATTER, RESOLVABLE = 60_000, 3, 10_000


@dataclass
class Line:
    """Alarms of one name and severity. `standing` in hours."""

    name: str
    severity: str
    count: int
    standing: float
    longest: float


def flood_minutes(begins: Sequence[int], last: int) -> float:
    """Return the time in flood: from the 11th alarm in 10 minutes until fewer than 5 are left in them. [min]

    Parameters
    ----------
    begins : sequence of int
        When alarms began, rising. [ms UTC]
    last : int
        End of the history. [ms UTC]

    Examples
    --------
    >>> round(flood_minutes([second * 1000 for second in range(11)], 3_600_000), 2)  # from 10 s until 606 s
    9.93
    """
    total, since = 0, None
    for i, begin in enumerate(begins):
        if since is not None and begins[i - FLOOD_ENDS] + FLOOD_SPAN <= begin:
            total += begins[i - FLOOD_ENDS] + FLOOD_SPAN - since
            since = None
        if since is None and i + 1 >= FLOOD_BEGINS and begins[i + 1 - FLOOD_BEGINS] > begin - FLOOD_SPAN:
            since = begin
    if since is not None:
        total += min(begins[-FLOOD_ENDS] + FLOOD_SPAN, last) - since
    return total / 60_000.0


def chattering(alarms: Iterable[Mapping[str, Any]]) -> int:
    """Return how many alarms began at least as the third of their name within a minute."""
    count = 0
    recent: dict[str, list[int]] = {}
    for alarm in sorted(alarms, key=lambda each: int(each["start"])):
        times = [t for t in recent.get(alarm["name"], []) if alarm["start"] - t < CHATTER_SPAN]
        count += len(times) >= CHATTER - 1
        recent[alarm["name"]] = [*times, alarm["start"]]
    return count


def longest(alarms: Sequence[Mapping[str, Any]], last: int) -> dict[str, Any] | None:
    """Return the alarm that stood longest; one still open stands until the end of the history."""
    if not alarms:
        return None
    found = max(alarms, key=lambda alarm: (_hours(alarm, last), -alarm["start"]))
    return {
        "name": found["name"], "severity": found["severity"], "start": text(found["start"]),
        "end": None if found["end"] is None else text(found["end"]), "hours": round(_hours(found, last), 3),
    }  # fmt: skip


def _hours(alarm: Mapping[str, Any], last: int) -> float:
    return float((last if alarm["end"] is None else alarm["end"]) - alarm["start"]) / 3_600_000.0


def lines(alarms: Iterable[Mapping[str, Any]], last: int) -> list[Line]:
    """Return the alarms counted by name and severity, the most frequent first."""
    found: dict[tuple[str, str], Line] = {}
    for alarm in alarms:
        key, hours = (str(alarm["name"]), str(alarm["severity"])), _hours(alarm, last)
        line = found.setdefault(key, Line(*key, 0, 0.0, 0.0))
        found[key] = replace(line, count=line.count + 1, standing=line.standing + hours, longest=max(line.longest, hours))
    rounded = [replace(line, standing=round(line.standing, 3), longest=round(line.longest, 3)) for line in found.values()]
    return sorted(rounded, key=lambda line: (-line.count, line.name, line.severity))
