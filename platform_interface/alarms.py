"""Alarms of models, append-only: one that a recomputation no longer supports becomes withdrawn, never vanishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_interface.outputs import OutputError
from platform_interface.when import text
from platform_interface.window import Window

SEVERITIES = ("info", "warning", "critical")
ACTIVE, CLEARED, WITHDRAWN = "active", "cleared", "withdrawn"


def active(alarms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the alarms that stand, the worst first, then the oldest, as the run report has them."""
    standing = [alarm for alarm in alarms if alarm["status"] == ACTIVE]
    standing.sort(key=lambda alarm: (-SEVERITIES.index(alarm["severity"]), alarm["start"]))
    return [
        {**{key: alarm[key] for key in ("model", "name", "severity", "text")}, "since": text(alarm["start"])}
        for alarm in standing
    ]


def records_of(raised: Sequence[Mapping[str, Any]], model: str, window: Window) -> dict[str, dict[str, Any]]:
    """Return what a model raised in one window, as records by key.

    Raises
    ------
    OutputError
        An unknown severity, or a time outside what the window can know.
    """
    found: dict[str, dict[str, Any]] = {}
    for alarm in raised:
        if not (isinstance(alarm["name"], str) and isinstance(alarm["text"], str)):
            raise OutputError("an alarm's name and text are str")
        if alarm["severity"] not in SEVERITIES:
            raise OutputError(f"alarm '{alarm['name']}': severity '{alarm['severity']}' is none of {', '.join(SEVERITIES)}")
        start = _milliseconds(alarm["start"])
        end = None if alarm["end"] is None else _milliseconds(alarm["end"])
        if start >= window[1] or (end is not None and not max(start, window[0]) <= end < window[1]):
            raise OutputError(
                f"alarm '{alarm['name']}' from {text(start)} to {'open' if end is None else text(end)} lies outside the window "
                f"{text(window[0])} to {text(window[1])}"
            )
        key = f"{model}/{alarm['name']}/{start}"
        found[key] = {
            "key": key, "model": model, "name": alarm["name"], "severity": alarm["severity"], "text": alarm["text"],
            "start": start, "end": end, "status": ACTIVE if end is None else CLEARED, "seen": window[1] - 1,
        }  # fmt: skip
    return found


def _milliseconds(moment: Any) -> int:
    return int(moment.timestamp() * 1000 + 0.5)


def changes(
    known: Mapping[str, Mapping[str, Any]], raised: Mapping[str, dict[str, Any]], model: str, start: int, end: int | None
) -> list[dict[str, Any]]:
    """Return the alarm records to save after ``start <= t < end`` was computed (again).

    Parameters
    ----------
    known : mapping
        Alarms of the asset on the platform, by key.
    raised : mapping
        What the model raised or cleared in the range, by key.
    start, end : int
        Range computed; no end: nothing later is supported. [ms UTC]
    """

    def computed(instant: int | None) -> bool:
        return instant is not None and instant >= start and (end is None or instant < end)

    # `seen`, the end of the window that raised it, tells when an alarm that began earlier must have come up again
    for key, record in raised.items():
        old_seen = known.get(key, {}).get("seen", start)
        if old_seen < start:  # raised by an earlier window, and only cleared by this one
            record["seen"] = old_seen
    found = [record for key, record in raised.items() if dict(known.get(key, {})) != record]
    for key, old in known.items():
        if old["model"] != model or key in raised or old["status"] == WITHDRAWN:
            continue
        if computed(old["start"]) or computed(old["seen"]):
            found.append({**old, "status": WITHDRAWN})
        elif computed(old["end"]):
            found.append({**old, "end": None, "status": ACTIVE})
    return found
