"""A small line chart as SVG: panels side by side, one legend. No library is needed for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 960, 300
_TOP, _BOTTOM, _LEFT, _RIGHT = 62, 44, 46, 14
_DAY = 86_400_000


@dataclass(frozen=True)
class Line:
    """One series: its name and its points, in order of time."""

    name: str
    time: list[int]
    values: list[float]


@dataclass(frozen=True)
class Panel:
    """One chart with its own axes; `lines` share them."""

    title: str
    lines: list[Line] = field(default_factory=list)


def chart(panels: list[Panel], colours: dict[str, str], unit: str, rises_from_zero: bool = True) -> str:
    """Return the SVG text.

    Parameters
    ----------
    panels : list of Panel
        From left to right.
    colours : dict
        Colour of each name of a line; also the order of the legend.
    unit : str
        What the vertical axes show.
    rises_from_zero : bool, optional
        Let the vertical axes begin at 0; else below the least value.
    """
    style = "font-family:Helvetica,Arial,sans-serif;font-size:12px;fill:#333"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" style="{style}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_legend(colours, unit),
    ]
    width = WIDTH / len(panels)
    for position, panel in enumerate(panels):
        parts += _panel(panel, position * width + _LEFT, (position + 1) * width - _RIGHT, colours, rises_from_zero)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(colours: dict[str, str], unit: str) -> list[str]:
    parts = [f'<text x="{_LEFT}" y="22" font-weight="bold">{escape(unit)}</text>']
    x = _LEFT + 70
    for name, colour in colours.items():
        parts.append(f'<line x1="{x}" y1="18" x2="{x + 22}" y2="18" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<text x="{x + 28}" y="22">{escape(name)}</text>')
        x += 48 + round(6.6 * len(name))
    return parts


def _panel(panel: Panel, left: float, right: float, colours: dict[str, str], from_zero: bool) -> list[str]:
    start = min(line.time[0] for line in panel.lines)
    end = max(line.time[-1] for line in panel.lines)
    marks = _round_steps(
        max(max(line.values) for line in panel.lines), 0.0 if from_zero else min(min(line.values) for line in panel.lines)
    )
    bottom, top = HEIGHT - _BOTTOM, _TOP

    def across(time: float) -> float:
        return left + (right - left) * (time - start) / (end - start)

    def up(value: float) -> float:
        return bottom - (bottom - top) * (value - marks[0]) / (marks[-1] - marks[0])

    parts = [f'<text x="{left}" y="{top - 14}" font-weight="bold">{escape(panel.title)}, {_year(start, end)}</text>']
    for mark in marks:
        y = up(mark)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#e2e2e2"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#666">{mark:g}</text>')
    for moment in _midnights(start, end):
        x, label = across(moment), _day(moment)
        parts.append(f'<line x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}" stroke="#999"/>')
        anchor = "middle" if x < right - 8 else "end"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 19}" text-anchor="{anchor}" fill="#666">{label}</text>')
    for line in panel.lines:
        points = " ".join(f"{across(t):.1f},{up(v):.1f}" for t, v in zip(line.time, line.values, strict=True))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colours[line.name]}" stroke-width="2" stroke-linejoin="round"/>'
        )
    return parts


def _round_steps(highest: float, lowest: float = 0.0) -> list[float]:
    """Return round numbers from at most `lowest` to at least `highest`."""
    rough = (highest - lowest) / 4
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first, last = int(lowest // step), -int(-highest // step)
    return [step * number for number in range(first, last + 1)]


def _midnights(start: int, end: int) -> list[int]:
    """Return two or three UTC midnights, evenly spread."""
    first = -(-start // _DAY)
    days = end // _DAY - first
    step = max(1, days // 2)
    return [(first + number) * _DAY for number in range(0, days + 1, step)][:3]


def _day(moment: int) -> str:
    date = datetime.fromtimestamp(moment / 1000, UTC)
    return f"{date.day} {date:%b}"


def _year(start: int, end: int) -> str:
    years = {datetime.fromtimestamp(moment / 1000, UTC).year for moment in (start, end)}
    return "–".join(str(year) for year in sorted(years))
