"""The form of an alarm as a platform keeps it; what has another form is none of ours, or damaged."""

from __future__ import annotations

from typing import Any

_WORDS = {"severity": ("info", "warning", "critical"), "status": ("active", "cleared", "withdrawn")}
_LATEST = 253_402_300_800_000  # the year 10000 [ms UTC]


def is_alarm(record: Any) -> bool:
    """Whether this is an alarm that a run can weigh, show and clear."""
    if not isinstance(record, dict):
        return False
    texts = all(isinstance(record.get(name), str) for name in ("key", "model", "name", "text"))
    words = all(record.get(name) in known for name, known in _WORDS.items())
    return texts and words and _is_time(record.get("start")) and all(
        record.get(name, 0) is None or _is_time(record.get(name, 0)) for name in ("end", "seen")
    )  # fmt: skip


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LATEST
