"""Everything that one page says and draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from platform_interface import __version__
from platform_interface.checks import Tally
from platform_interface.dashboard import panels, words
from platform_interface.dashboard.channel import Channel
from platform_interface.dashboard.panels import Encoder
from platform_interface.dashboard.reading import View, points_a_line, read_inputs, read_outputs
from platform_interface.dashboard.state import Stretch, alarm_stretches, merged, refused_stretches
from platform_interface.dashboard.subject import Subject, Wanted
from platform_interface.dashboard.zone import shown, transitions
from platform_interface.mapping import Plan, expand, site_name
from platform_interface.quarantine import TOLERANCE, Held, quarantined
from platform_interface.when import now


def page_content(about: Subject, wanted: Wanted) -> dict[str, Any]:
    """Return what the template shows, the drawn panels under ``figure``."""
    first, last = extent(about)
    start = max(first, wanted.start) if wanted.start is not None else first
    end = min(last + 1, wanted.end) if wanted.end is not None else last + 1
    zone, zone_note = about.zone
    content = _head(about, zone, zone_note)
    if end <= start:
        nothing = "No sample of this model lies on the platform" + (" in this stretch." if first <= last else ".")
        return {
            **content,
            "panels": [],
            "sensors": [],
            "figure": None,
            "nothing": nothing,
            "range": "",
            "gaps": [],
            "buttons": [],
        }
    inputs, tallies, outputs, points = _read(about, start, end)
    refused = refused_stretches(about.plan, about.history, about.words, about.state, first, last)
    alarms = alarm_stretches(about.alarms, last)
    encoder = Encoder(start, end, points)
    gaps = [Stretch(low, high, "gap") for low, high in _gaps_of_required(about.plan, inputs)]
    drawn = panels.output_panels(outputs, [*gaps, *refused, *alarms], encoder)
    drawn += panels.input_panels(inputs, alarms, encoder)
    figure = {
        "start": start, "end": end, "tick": encoder.tick, "zone": str(zone), "panels": drawn,
        "clock": transitions(zone, start, end),
    }  # fmt: skip
    return {
        **content, "figure": figure, "nothing": "", "range": f"{shown(start, zone)} – {shown(end - 1, zone)}",
        "panels": [words.panel_words(panel, zone) for panel in drawn], "sensors": words.sensors(about.plan, inputs, tallies),
        "refused": words.refused(about, refused, zone), "gaps": words.gap_rows(inputs, zone), "buttons": words.range_buttons(end - start),
    }  # fmt: skip


def extent(about: Subject) -> tuple[int, int]:
    """Return the first and the last sample of what the model reads and writes, without the future's. [ms UTC]"""
    names = [name for source in about.plan.sources.values() for name in source.names]
    known = {name: sensor for name, sensor in about.platform.sensors(about.asset.id).items() if sensor.output}
    for series in about.plan.outputs.values():
        names += [*expand(series, known), *expand(f"{series}|*", known)]
    limit = now() + TOLERANCE
    buckets = [bucket for bucket in about.platform.buckets(about.asset.id, names, {}) if bucket.first < limit] if names else []
    if not buckets:
        return 0, -1
    return min(bucket.first for bucket in buckets), min(limit, max(bucket.last for bucket in buckets))


def _read(about: Subject, start: int, end: int) -> tuple[dict[str, Channel], dict[str, Tally], dict[str, Channel], int]:
    plan = about.plan
    arrays = sum(len(source.names) for source in plan.sources.values() if len(source.names) > 1)
    points = points_a_line(len(plan.sources) + len(plan.outputs) + (6 if arrays else 0))
    carry = {} if about.history.latest is None else about.history.latest.carry.get("checks", {})
    latched = {name: {"latched": entry["latched"]} for name, entry in carry.items() if "latched" in entry}
    held = _held(about, start)
    view = View(about.platform, about.asset.id, start, end, about.settings.execution.max_values, held, latched)
    inputs, tallies = read_inputs(view, plan, points)
    reached = None if about.history.latest is None else about.history.latest.end
    return inputs, tallies, read_outputs(view, plan, _gaps_of_required(plan, inputs), points, reached), points


def _held(about: Subject, start: int) -> Mapping[str, Held]:
    sources = {source.pattern: source for source in about.plan.sources.values()}
    names = [name for source in sources.values() for name in source.names]
    buckets = about.platform.buckets(about.asset.id, names, {}) if names else []
    late = [bucket for bucket in buckets if bucket.last >= start]
    return quarantined(about.platform, about.asset.id, sources, late, now() + TOLERANCE, None).held


def _gaps_of_required(plan: Plan, inputs: Mapping[str, Channel]) -> list[tuple[int, int]]:
    """Return where an input that the model cannot do without has no samples; where none is needed, the first input counts."""
    needed = [name for name in inputs if plan.manifest.inputs[name].required] or list(inputs)[:1]
    return merged([gap for name in needed for gap in inputs[name].gaps])


def _head(about: Subject, zone: ZoneInfo, zone_note: str) -> dict[str, Any]:
    manifest, latest = about.plan.manifest, about.history.latest
    parts = [zone_note, *about.plan.notes, *about.words.model.get("notes", [])]
    return {
        "asset": about.asset.name or about.asset.id, "asset_id": about.asset.id, "model": site_name(manifest.name),
        "model_id": manifest.name, "version": manifest.version, "description": manifest.description, "state": about.state,
        "computed": "never" if latest is None else shown(latest.end, zone), "zone": str(zone), "written": shown(now(), zone),
        "twin": __version__, "notes": list(dict.fromkeys(part for part in parts if part)), "tiles": words.tiles(about),
        "events": words.events(about, zone), "more_events": max(0, len(about.alarms) - words.MOST_EVENTS),
        "parameters": words.parameters(about), "configuration": words.configuration(about.plan), "refused": words.refused(about, [], zone),
        "computed_inputs": [(site_name(name), f"{output} of {model}") for name, (model, output) in about.plan.computed.items()],
    }  # fmt: skip
