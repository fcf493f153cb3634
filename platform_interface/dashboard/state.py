"""How a model stands on an asset: from its checkpoint, the alarms and the last run report that speaks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_interface import report as status
from platform_interface.alarms import ACTIVE
from platform_interface.checkpoint import History
from platform_interface.mapping import Plan
from platform_interface.when import instant

#: Reports that are looked at for a model's last words, newest first.
MOST_REPORTS = 50

#: Every state has a sign of its own beside its colour.
SIGNS = {"good": "✓", "notice": "!", "bad": "✕", "none": "–"}


@dataclass(frozen=True)
class State:
    """One word for people, with how it is shown: good, notice, bad or none."""

    mark: str
    word: str
    reason: str = ""

    @property
    def sign(self) -> str:
        return SIGNS[self.mark]


@dataclass(frozen=True)
class Stretch:
    """A stretch of time in which something holds: a gap, a refusal, an alarm. [ms UTC]"""

    start: int
    end: int
    kind: str
    text: str = ""
    output: str = ""


@dataclass(frozen=True)
class LastWords:
    """What the last run that did anything for a model said of it."""

    run: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)


def words_of(reports: Sequence[Mapping[str, Any]], asset: str) -> dict[str, LastWords]:
    """Return the last words of every model on one asset, from reports, newest first; no new data says nothing."""
    found: dict[str, LastWords] = {}
    for content in reports:
        for entry in content["assets"]:
            if entry.get("asset") == asset:
                _take_words(content, entry, found)
        if found and all(words.model.get("status") != status.NO_NEW_DATA for words in found.values()):
            return found
    return found


def saved_reports(folder: Path) -> list[dict[str, Any]]:
    """Return the newest reports of a folder, newest first."""
    paths = sorted((path for path in folder.glob("*.json") if path.name != "latest.json"), reverse=True)
    return [content for path in paths[:MOST_REPORTS] if (content := _content(path))]


def _take_words(content: Mapping[str, Any], entry: Mapping[str, Any], found: dict[str, LastWords]) -> None:
    for model in entry.get("models", []):
        known = found.get(model["model"])
        if known is None or known.model.get("status") == status.NO_NEW_DATA:
            found[model["model"]] = LastWords(str(content.get("started", "")), model)


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    good = isinstance(content, dict) and isinstance(content.get("assets"), list)
    return content if good else {}


def state_of(plan: Plan, history: History, words: LastWords, alarms: Sequence[Mapping[str, Any]]) -> State:
    """Return the state of one model on one asset; the worst that holds."""
    active = [alarm for alarm in alarms if alarm["status"] == ACTIVE]
    critical = [alarm for alarm in active if alarm["severity"] == "critical"]
    warning = [alarm for alarm in active if alarm["severity"] == "warning"]
    said, reason = words.model.get("status", ""), str(words.model.get("reason", ""))
    if plan.refusals:
        return State("notice", "refused", " ".join(plan.refusals))
    if history.fault:
        return State("bad", "failed", history.fault)
    if said == status.FAILED:
        return State("bad", "failed", reason)
    if critical:
        return State("bad", _alarms("critical", len(critical)), critical[-1]["text"])
    if said == status.REFUSED:
        return State("notice", "refused", reason)
    if history.latest is None:
        return State("none", "not computed", "No run has computed this model on this asset yet. Run: python entrypoint.py")
    if warning:
        return State("notice", _alarms("warning", len(warning)), warning[-1]["text"])
    return State("good", "computed")


def _alarms(severity: str, count: int) -> str:
    return f"{count} {severity} alarm{'s' if count > 1 else ''}"


def refused_stretches(plan: Plan, history: History, words: LastWords, state: State, first: int, last: int) -> list[Stretch]:
    """Return where the model, or one of its outputs, has no numbers for a reason.

    Parameters
    ----------
    first, last : int
        First and last sample of what the model reads. [ms UTC]
    """
    found = []
    latest = history.latest
    begun = first if latest is None or latest.origin is None else latest.origin
    if begun > first:
        found.append(
            Stretch(first, begun, "refused", "Before the start of the manual run that began the series; not computed.")
        )
    reached = first if latest is None else latest.end
    if reached <= last:
        reason = state.reason if state.word in ("refused", "failed", "not computed") else ""
        found.append(Stretch(reached, last + 1, "refused", reason or "Not computed yet: newer than the last run."))
    windows = words.model.get("windows") or []
    for output, reason in (words.model.get("refusals") or {}).items():
        if windows and output in plan.manifest.outputs:
            found.append(Stretch(instant(windows[0][0]), instant(windows[-1][1]), "refused", str(reason), output))
    return found


def alarm_stretches(alarms: Sequence[Mapping[str, Any]], last: int) -> list[Stretch]:
    """Return alarms that hold or held, as stretches; an active one lasts to the last sample."""
    return [
        Stretch(alarm["start"], last if alarm["end"] is None else alarm["end"], str(alarm["severity"]), str(alarm["text"]))
        for alarm in alarms
        if alarm["status"] != "withdrawn"
    ]


def merged(gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return intervals joined where they overlap, in order of time.

    Examples
    --------
    >>> merged([(5, 9), (0, 2), (8, 12)])
    [(0, 2), (5, 12)]
    """
    found: list[tuple[int, int]] = []
    for start, end in sorted(gaps):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
