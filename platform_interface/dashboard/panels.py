"""Channels -> panels: plain JSON that the page's own script draws. No colour is chosen here but by number."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from platform_interface.dashboard.channel import Channel
from platform_interface.dashboard.state import Stretch
from platform_interface.dashboard.symbols import label, unit_symbol
from platform_interface.dashboard.thinning import Trail
from platform_interface.table import Times, Values

#: Lines of one panel, and how far their sizes may differ to share an axis.
MOST_TOGETHER, MOST_APART = 4, 8.0
#: How the names of outputs end that are the interval of another one: it is shaded around that one's line.
INTERVAL = ("_lower", "_upper")
#: Letters that fit along the axis of a panel.
LONGEST_LABEL = 30
_NO_ID = re.compile(r"[^A-Za-z0-9_-]")
#: So few codes or whole numbers that are not decimated are events: nothing is known between them.
MOST_EVENTS = 200
#: Shaded stretches of one panel.
MOST_SPANS = 200
#: Different texts of one shaded stretch.
MOST_TEXTS = 3
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def axis_label(names: Sequence[str], unit: str) -> str:
    """Return the label where it fits along an axis, else the unit alone: the names stand above the panel."""
    whole = label(names[0], unit)
    return whole if len(names) == 1 and len(whole) <= LONGEST_LABEL else f"/ {unit_symbol(unit)}"


class Encoder:
    """Times and values as base64: times as whole ticks since the start of the page, values as float32, which a screen cannot tell
    from more.

    Parameters
    ----------
    start, end : int
        Range of the page. [ms UTC]
    points : int
        Of one line, at most about.
    """

    def __init__(self, start: int, end: int, points: int) -> None:
        self.start, self.end = start, end
        self.points = points
        span = max(1, end - start)
        self.tick = next(tick for tick in (1, 10, 100, 1000, 60_000) if span // tick < 2**32)

    def line(self, trail: Trail) -> dict[str, Any]:
        """Return the points of one trail."""
        return self.arrays(*trail.line(self.points))

    def arrays(self, time: Times, values: Values) -> dict[str, Any]:
        """Return points as text."""
        ticks = np.clip((time - self.start) // self.tick, 0, 2**32 - 1).astype("<u4")
        return {"x": _text(ticks.tobytes()), "y": _text(values.astype("<f4").tobytes())}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def input_panels(channels: Mapping[str, Channel], spans: Sequence[Stretch], encoder: Encoder) -> list[dict[str, Any]]:
    """Return a panel for each input, with its own gaps."""
    found: list[dict[str, Any]] = []
    for channel in channels.values():
        if not channel.empty:
            gaps = [Stretch(start, end, "gap") for start, end in channel.gaps]
            found.append(_panel([channel], [*gaps, *spans], encoder, "input", len(found)))
    return found


def output_panels(channels: Mapping[str, Channel], spans: Sequence[Stretch], encoder: Encoder) -> list[dict[str, Any]]:
    """Return panels of the outputs; those of one unit and of like size share one, and what speaks of the future is a fan."""
    found: list[dict[str, Any]] = []
    known = {key: channel for key, channel in channels.items() if not channel.empty}
    fans = {channel.of: fan(known, channel.of) for channel in known.values() if channel.of in known}
    parts = {key for each in fans.values() for key in each["keys"]}
    for group in together([channel for key, channel in known.items() if key not in parts]):
        keys = {channel.key for channel in group}
        mine = [span for span in spans if not span.output or span.output in keys]
        panel = _panel(group, mine, encoder, "output", len(found))
        if group[0].key in fans:
            panel["fan"] = fans[group[0].key]
        found.append(panel)
    return found


def fan(channels: Mapping[str, Channel], of: str) -> dict[str, Any]:
    """Return the last forecast of an output: how far ahead, the value now and then, the ends of its interval, and whose it is."""
    mine = sorted((channel for channel in channels.values() if channel.of == of), key=lambda channel: channel.ahead)
    rows = [[channels.get(f"{channel.key}{end}") for end in ("", *INTERVAL)] for channel in (channels[of], *mine)]
    keys = [channel.key for row in rows[1:] for channel in row if channel is not None]
    middle, low, high = (
        [None if channel is None or channel.last_row is None else _or_none(float(channel.last_row[1][0])) for channel in column]
        for column in zip(*rows, strict=True)
    )
    now = channels[of].last_row
    return {"keys": keys, "ahead": [0, *(channel.ahead for channel in mine)], "values": middle, "low": low, "high": high,
            "time": None if now is None else now[0]}  # fmt: skip


def together(channels: Sequence[Channel]) -> list[list[Channel]]:
    """Group single quantities that can share an axis: one unit, sizes not too far apart; the order is kept."""
    groups: list[list[Channel]] = []
    keys = {channel.key: channel for channel in channels}
    ends = {f"{key}{end}" for key in keys for end in INTERVAL if all(f"{key}{other}" in keys for other in INTERVAL)}
    for channel in channels:
        if channel.key in ends:
            continue
        if f"{channel.key}{INTERVAL[0]}" in ends:  # a figure and the ends of its interval are one panel
            groups.append([channel, *(keys[f"{channel.key}{end}"] for end in INTERVAL)])
            continue
        home = next((group for group in groups if _fits(channel, group)), None)
        if home is None:
            groups.append([channel])
        else:
            home.append(channel)
    return groups


def _fits(channel: Channel, group: Sequence[Channel]) -> bool:
    plain = not channel.numbers and not channel.codes and not group[0].numbers and not group[0].codes
    if not plain or channel.unit != group[0].unit or len(group) >= MOST_TOGETHER:
        return False
    if channel.unit == "dimensionless" and not _akin(channel.title.split(), group[0].title.split()):
        return False
    if _events(channel) != _events(group[0]):
        return False
    sizes = [max(abs(c.trails[0].low[0]), abs(c.trails[0].high[0]), 1e-12) for c in (channel, *group)]
    return max(sizes) <= MOST_APART * min(sizes)


def _events(channel: Channel) -> bool:
    """Whether an output speaks of single events: few values, and nothing is known between them."""
    return not channel.holds and channel.trails[0].count <= MOST_EVENTS


def _akin(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether names without a unit speak of one thing: cycles go with cycles, SOC with its lower end, alarms with neither."""
    return one[-1:] == other[-1:] or set(one) <= set(other) or set(other) <= set(one)


def _panel(channels: Sequence[Channel], spans: Sequence[Stretch], encoder: Encoder, kind: str, number: int) -> dict[str, Any]:
    first = channels[0]
    others = len(channels) - 1
    names = " · ".join(channel.title for channel in channels) if others < 2 else f"{first.title} and {others} more"
    shaded, left_out = _spans(spans, encoder.start, encoder.end)
    notes = [channel.note for channel in channels if channel.note]
    if left_out:
        notes.append(f"The {MOST_SPANS} longest stretches are shaded, {left_out:,} shorter ones are not.")
    panel: dict[str, Any] = {
        "id": f"{kind}-{number}-{_NO_ID.sub('-', first.key)}", "kind": kind,
        "title": label(names, first.unit), "unit": unit_symbol(first.unit),
        "axis": axis_label([channel.title for channel in channels], first.unit),
        "notes": notes, "spans": shaded, "lines": [],
    }  # fmt: skip
    if first.codes:
        panel["title"] = names
        known = {float(code): text for code, text in first.codes.items()}
        panel["codes"] = {f"{code:g}": known.get(code, f"code {code:g}") for code in sorted(first.trails[0].present)}
    if first.profile:
        _add_heat(panel, first, encoder)
    elif [channel.key for channel in channels[1:3]] == [f"{first.key}{end}" for end in INTERVAL]:
        _add_interval(panel, [first, *channels[3:]], channels[1:3], encoder)
    elif first.is_band:
        _add_band(panel, first, encoder)
    else:
        _add_lines(panel, channels, encoder)
    if first.numbers and kind == "output" and first.last_row is not None:
        time, values = first.last_row
        panel["bars"] = {"numbers": list(first.numbers), "values": [_or_none(value) for value in values], "time": time}
    for number, line in enumerate(panel["lines"]):
        line["colour"], line["dash"] = number, DASHES[number % len(DASHES)]
    return panel


def _or_none(value: float) -> float | None:
    return None if value != value else float(f"{value:.7g}")


def _add_lines(panel: dict[str, Any], channels: Sequence[Channel], encoder: Encoder) -> None:
    for channel in channels:
        names = [f"{channel.title} {number}" for number in channel.numbers] or [channel.title]
        for name, trail in zip(names, channel.trails, strict=True):
            if trail.count > 0:
                panel["lines"].append({"name": name, "shape": _shape(channel, trail), **encoder.line(trail), **_figures(trail)})


def _shape(channel: Channel, trail: Trail) -> str:
    """Return how points are joined: codes and whole numbers by steps, and not at all where they are single events."""
    if not channel.codes and not (trail.whole and channel.unit == "dimensionless"):
        return "linear"
    return "none" if not channel.holds and trail.count <= MOST_EVENTS else "hv"


def _add_band(panel: dict[str, Any], channel: Channel, encoder: Encoder) -> None:
    panel["band"] = {"low": encoder.line(channel.low), "high": encoder.line(channel.high)}
    panel["band"]["name"] = f"least to greatest of {len(channel.numbers)}"
    panel["lines"].append({"name": "median", "shape": "linear", **encoder.line(channel.middle), **_figures(channel.middle)})
    for position, level in channel.furthest():
        trail = channel.trails[position]
        unit = "" if channel.unit == "dimensionless" else f" {unit_symbol(channel.unit)}"
        name = f"{channel.title} {channel.numbers[position]}, {level:+.3g}{unit} from the median"
        panel["lines"].append({"name": name, "shape": "linear", **encoder.line(trail), **_figures(trail)})
    panel["lowest"], panel["highest"] = channel.low.low, channel.high.high


def _add_interval(panel: dict[str, Any], lines: Sequence[Channel], ends: Sequence[Channel], encoder: Encoder) -> None:
    """Lines, and an area for the interval of the first of them."""
    first = lines[0]
    panel["title"] = label(" · ".join(channel.title for channel in lines), first.unit)
    panel["axis"] = axis_label([channel.title for channel in lines], first.unit)
    told = {channel.note for channel in ends}
    panel["notes"] = [note for note in panel["notes"] if note not in told]
    low, high = (channel.trails[0] for channel in ends)
    panel["band"] = {"low": encoder.line(low), "high": encoder.line(high), "name": f"interval of {first.title}"}
    panel["lowest"], panel["highest"] = low.low, high.high
    _add_lines(panel, lines, encoder)


def _add_heat(panel: dict[str, Any], channel: Channel, encoder: Encoder) -> None:
    """A heatmap over time, and its first and last element as lines that are read off, not drawn."""
    time, columns = channel.heat()
    known = columns[np.isfinite(columns)]
    panel["heat"] = {
        **encoder.arrays(time, columns), "numbers": list(channel.numbers), "along": channel.profile,
        "low": float(known.min()) if known.size else 0.0, "high": float(known.max()) if known.size else 0.0,
    }  # fmt: skip
    ends = channel.profile.split(" to ")
    names = ends if len(ends) == 2 else [f"{channel.title} {channel.numbers[position]}" for position in (0, -1)]
    for name, trail in zip(names, (channel.trails[0], channel.trails[-1]), strict=True):
        if trail.count > 0:
            panel["lines"].append({"name": name, "shape": "linear", **encoder.line(trail), **_figures(trail)})


def _figures(trail: Trail) -> dict[str, Any]:
    """Return what the table below a panel says: of all samples, not of the drawn ones."""
    return {"count": trail.count, "low": trail.low, "high": trail.high, "last": trail.last}


def _spans(spans: Sequence[Stretch], start: int, end: int) -> tuple[list[dict[str, Any]], int]:
    """Return the longest stretches of a page in order of time, and how many are left out.

    Those of one kind that overlap are one, or their colours would add up.
    """
    inside = [span for span in spans if span.end >= start and span.start <= end]
    found = [joint for kind in dict.fromkeys(span.kind for span in inside) for joint in _joined(inside, kind)]
    longest = sorted(found, key=lambda span: span.start - span.end)[:MOST_SPANS]
    shown = [
        {"from": span.start, "to": span.end, "kind": span.kind, "text": span.text}
        for span in sorted(longest, key=lambda span: (span.start, span.end))
    ]
    return shown, len(found) - len(longest)


def _joined(spans: Sequence[Stretch], kind: str) -> list[Stretch]:
    found: list[tuple[int, int, dict[str, None]]] = []
    for span in sorted((span for span in spans if span.kind == kind), key=lambda span: (span.start, span.end)):
        if found and span.start <= found[-1][1]:
            first, last, texts = found[-1]
            found[-1] = (first, max(last, span.end), texts)
        else:
            found.append((span.start, span.end, {}))
        if len(found[-1][2]) < MOST_TEXTS:
            found[-1][2][span.text] = None
    return [Stretch(start, end, kind, " ".join(texts)) for start, end, texts in found]
