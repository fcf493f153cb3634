"""What a page says in words and tables: figures, events, refusals, data, parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from platform_interface.checks import Tally
from platform_interface.dashboard.channel import Channel
from platform_interface.dashboard.state import Stretch
from platform_interface.dashboard.subject import Subject
from platform_interface.dashboard.symbols import label, unit_symbol
from platform_interface.dashboard.zone import shown
from platform_interface.mapping import Plan, site_name, wanted_by
from platform_interface.settings import ModelSettings
from platform_interface.when import DAY, span

#: Rows of the table of events; the newest are shown.
MOST_EVENTS = 200
#: Outputs shown as figures at the head of a page.
MOST_TILES = 6
#: Range selector: what a button says, its name, and its length. [ms]
_RANGES = (
    ("1 h", "1 hour", 3_600_000), ("6 h", "6 hours", 21_600_000), ("1 d", "1 day", DAY), ("7 d", "7 days", 7 * DAY),
    ("30 d", "30 days", 30 * DAY), ("90 d", "90 days", 90 * DAY), ("1 y", "1 year", 365 * DAY),
)  # fmt: skip
_MARKS = {
    "gap": "gap", "refused": "refused or not computed", "info": "note", "warning": "warning alarm", "critical": "critical alarm",
}  # fmt: skip
_COLUMNS = ("count", "low", "low_at", "high", "high_at", "last", "last_at")


def tiles(about: Subject) -> list[dict[str, str]]:
    """Return the latest value of each output, arrays left out: from the checkpoint, before decimation."""
    latest = {} if about.history.latest is None else about.history.latest.carry.get("latest", {})
    found = []
    for key, series in about.plan.outputs.items():
        if series not in latest:
            continue
        value, unit = latest[series]
        codes = about.plan.manifest.outputs[key].codes or {}
        word = codes.get(f"{value:g}")
        found.append({"name": series, "value": word or f"{value:.5g}", "unit": "" if word else _unit_after(unit)})
    return found[:MOST_TILES]


def _unit_after(unit: str) -> str:
    symbol = unit_symbol(unit)
    return "" if symbol == "1" else symbol


def events(about: Subject, zone: ZoneInfo) -> list[dict[str, str]]:
    newest = sorted(about.alarms, key=lambda alarm: alarm["start"], reverse=True)[:MOST_EVENTS]
    return [
        {
            "status": alarm["status"], "severity": alarm["severity"], "name": alarm["name"], "text": alarm["text"],
            "start": shown(alarm["start"], zone), "at": str(alarm["start"]),
            "end": "" if alarm["end"] is None else shown(alarm["end"], zone),
            "lasted": "" if alarm["end"] is None else span((alarm["end"] - alarm["start"]) / 1000),
        }
        for alarm in newest
    ]  # fmt: skip


def refused(about: Subject, stretches: Sequence[Stretch], zone: ZoneInfo) -> list[dict[str, str]]:
    rows = [
        {"what": about.plan.outputs.get(s.output, s.output) or about.plan.name, "from": shown(s.start, zone),
         "to": shown(s.end, zone), "reason": s.text}
        for s in stretches
    ]  # fmt: skip
    drawn = {stretch.output for stretch in stretches}
    for output, reason in (about.words.model.get("refusals") or {}).items():
        if output not in drawn:
            rows.append({"what": about.plan.outputs.get(output, output), "from": "", "to": "", "reason": str(reason)})
    if not stretches and about.state.word == "refused":
        rows.insert(0, {"what": about.plan.name, "from": "", "to": "", "reason": about.state.reason})
    return rows


def parameters(about: Subject) -> list[dict[str, str]]:
    given = about.settings.models.get(about.plan.name, ModelSettings())
    rows = []
    for name, entry in about.plan.manifest.inputs.items():
        if entry.is_sensor or entry.initialisation_value is not None:
            continue
        value = about.plan.parameters.get(name)
        rows.append({
            "name": site_name(name), "value": "not set" if value is None else _value(value),
            "unit": _unit_after(entry.unit) if isinstance(value, float) else "", "source": str(wanted_by(name, entry, given)),
            "description": entry.description,
        })  # fmt: skip
    return rows


def configuration(plan: Plan) -> list[dict[str, Any]]:
    return [
        {"name": name, "value": _value(plan.configuration[name]), "default": _value(option.default),
         "changed": plan.configuration[name] != option.default, "description": option.description}
        for name, option in plan.manifest.configuration.items()
    ]  # fmt: skip


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def sensors(plan: Plan, inputs: Mapping[str, Channel], tallies: Mapping[str, Tally]) -> list[dict[str, str]]:
    rows = []
    for name, channel in inputs.items():
        source, tally = plan.sources[name], tallies[name]
        dirt = ", ".join(f"{count:,} {kind}" for kind, count in sorted(tally.counts.items()))
        gaps = f"{tally.gap_count:,}, {span(tally.gap_seconds)} in all" if tally.gap_count else "none"
        rows.append({
            "name": label(channel.title, channel.unit), "note": channel.note, "rows": f"{tally.rows:,}",
            "used": f"{tally.used:,}", "dirt": dirt or "nothing", "gaps": gaps, "limit": span(source.max_gap),
            "warnings": " ".join(f"{warning}." for warning in tally.warnings),
        })  # fmt: skip
    return rows


def gap_rows(inputs: Mapping[str, Channel], zone: ZoneInfo) -> list[dict[str, str]]:
    """Return the longest gaps of all inputs."""
    every = [(end - start, start, end, channel.title) for channel in inputs.values() for start, end in channel.gaps]
    return [
        {"sensor": title, "from": shown(start, zone), "to": shown(end, zone), "lasted": span(length / 1000)}
        for length, start, end, title in sorted(every, reverse=True)[:20]
    ]


def panel_words(panel: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return what stands around a panel in text, the figures for those who cannot see the lines among it."""
    rows = [_figure_row(line, zone) for line in panel["lines"]]
    for key, column, name in (("lowest", "low", "least of all"), ("highest", "high", "greatest of all")):
        if key in panel:
            value, at = panel[key]
            rows.append({**dict.fromkeys(_COLUMNS, ""), "name": name, column: f"{value:.6g}", f"{column}_at": shown(at, zone)})
    bars = panel.get("bars")
    pairs = zip(bars["numbers"], bars["values"], strict=True) if bars else ()
    kinds = list(dict.fromkeys(span["kind"] for span in panel["spans"]))
    return {
        **{key: panel[key] for key in ("id", "kind", "title", "notes", "unit")}, "rows": rows, "codes": panel.get("codes"),
        "band": panel["band"]["name"] if "band" in panel else "",
        "marks": [{"kind": k, "name": _MARKS[k], "strip": k not in ("gap", "refused")} for k in kinds],
        "bars": [(number, "none" if value is None else f"{value:.5g}") for number, value in pairs],
        "bars_at": shown(bars["time"], zone) if bars else "",
        "heat": _heat_words(panel["heat"], panel["unit"]) if "heat" in panel else None,
        "fan": _fan_words(panel["fan"], zone) if "fan" in panel else None,
    }  # fmt: skip


def _fan_words(fan: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return when a forecast was made, and what it says in words."""
    rows = zip(fan["ahead"], fan["values"], fan["low"], fan["high"], strict=True)
    told = [
        f"after {ahead}: {value:.5g}" + ("" if low is None or high is None else f" ({low:.5g} to {high:.5g})")
        for ahead, value, low, high in rows
        if value is not None
    ]
    return {"at": "" if fan["time"] is None else shown(fan["time"], zone), "told": ", ".join(told)}


def _heat_words(heat: Mapping[str, Any], unit: str) -> dict[str, str]:
    return {"low": f"{heat['low']:.5g}", "high": f"{heat['high']:.5g}", "unit": unit, "along": heat["along"]}


def _figure_row(line: Mapping[str, Any], zone: ZoneInfo) -> dict[str, str]:
    row = {"name": str(line["name"]), "count": f"{line['count']:,}", "shape": line["shape"]}
    for column in ("low", "high", "last"):
        value, at = line[column]
        row |= {column: f"{value:.6g}", f"{column}_at": shown(at, zone)}
    return row


def range_buttons(span_shown: int) -> list[dict[str, Any]]:
    """Return the buttons of the range selector that make sense for so long a page. [ms]"""
    fitting = [{"name": name, "title": title, "span": span} for name, title, span in _RANGES if span < span_shown]
    return [*fitting, {"name": "All", "title": "", "span": 0}]
