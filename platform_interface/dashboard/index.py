"""The index: the fleet at a glance, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from platform_interface import __version__
from platform_interface.alarms import ACTIVE
from platform_interface.dashboard.state import State
from platform_interface.dashboard.subject import Subject
from platform_interface.dashboard.thinning import chosen
from platform_interface.dashboard.words import tiles
from platform_interface.dashboard.zone import shown
from platform_interface.mapping import site_name
from platform_interface.table import Times, Values
from platform_interface.when import DAY, now, span

_ORDER = ("bad", "notice", "none", "good")
_WIDTH, _HEIGHT, _POINTS = 150.0, 34.0, 120
#: Days of the small line of an index.
SPARK_DAYS = 30
#: Figures of each model.
MOST_FIGURES = 3


def index_content(
    subjects: Sequence[Subject], broken: Mapping[str, str], files: Mapping[tuple[str, str], str], where: str, assets: int
) -> dict[str, Any]:
    """Return what the index shows.

    Parameters
    ----------
    subjects : sequence of Subject
        Every model on every asset.
    broken : mapping
        Plugins whose manifest could not be read, with the reason.
    files : mapping
        Page of an asset and model, where there is one.
    where : str
        Platform, for people.
    assets : int
        How many there are; without a usable model they have no row.
    """
    by_asset: dict[str, list[Subject]] = {}
    for about in subjects:
        by_asset.setdefault(about.asset.id, []).append(about)
    rows = [_row(group, files) for group in by_asset.values()]
    rows.sort(key=lambda row: (_ORDER.index(row["state"].mark), row["asset"]))
    words = {"bad": "failed or critical", "notice": "refused or warning", "none": "not computed", "good": "computed"}
    counts = {mark: sum(row["state"].mark == mark for row in rows) for mark in _ORDER}
    return {
        "rows": rows, "where": where, "written": f"{shown(now(), subjects[0].zone[0])}" if subjects else "", "twin": __version__,
        "broken": list(broken.items()), "figure": None, "assets": assets,
        "counts": [
            {"mark": mark, "sign": State(mark, "").sign, "text": f"{counts[mark]} {word}"}
            for mark, word in words.items() if counts[mark]
        ],
    }  # fmt: skip


def _row(group: Sequence[Subject], files: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    asset, zone = group[0].asset, group[0].zone[0]
    worst = min((about.state for about in group), key=lambda state: _ORDER.index(state.mark))
    newest = _last_sample(group)
    active = [alarm for about in group for alarm in about.alarms if alarm["status"] == ACTIVE]
    return {
        "asset": asset.name or asset.id, "id": asset.id, "tags": list(asset.tags), "state": worst, "alarms": len(active),
        "last": "none" if newest is None else shown(newest, zone),
        "age": "" if newest is None else f"{span(max(0.0, (now() - newest) / 1000))} ago",
        "models": [_model(about, files) for about in group],
    }  # fmt: skip


def _model(about: Subject, files: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "name": site_name(about.plan.name), "state": about.state, "file": files.get((about.asset.id, about.plan.name), ""),
        "figures": tiles(about)[:MOST_FIGURES], "spark": spark(*_last_month(about)), "spark_of": _main_output(about),
    }  # fmt: skip


def _last_sample(group: Sequence[Subject]) -> int | None:
    names = {name for about in group for source in about.plan.sources.values() for name in source.names}
    platform, asset = group[0].platform, group[0].asset.id
    buckets = platform.buckets(asset, sorted(names), {}) if names else []
    return max((bucket.last for bucket in buckets), default=None)


def _main_output(about: Subject) -> str:
    """Return the model's first output that is a quantity."""
    outputs = about.plan.manifest.outputs
    return next(
        (about.plan.outputs[key] for key, given in outputs.items() if given.type == "pd.Series" and not given.codes), ""
    )


def _last_month(about: Subject) -> tuple[Times, Values]:
    """Return the last month of the model's main output."""
    platform, name = about.platform, _main_output(about)
    nothing = np.empty(0, np.int64), np.empty(0)
    latest = about.history.latest
    if not name or latest is None or name not in platform.sensors(about.asset.id):
        return nothing
    tables = platform.read(about.asset.id, [name], latest.end - SPARK_DAYS * DAY, latest.end)
    if not tables:
        return nothing
    table = tables[0]
    present = ~np.isnan(table.values[0])
    time, values = table.time[present], table.values[0][present]
    order = np.argsort(time, kind="stable")
    return time[order], values[order]


def spark(time: Times, values: Values) -> str:
    """Return the path of a small line, for SVG of 150 by 34; empty for fewer than two points.

    Examples
    --------
    >>> spark(np.array([0, 10]), np.array([1.0, 2.0]))
    'M2,32L148,2'
    """
    if time.size < 2:
        return ""
    kept = chosen(time, values, _POINTS)
    time, values = time[kept], values[kept]
    low, high = float(values.min()), float(values.max())
    x = 2 + (time - time[0]) / max(1, int(time[-1] - time[0])) * (_WIDTH - 4)
    y = _HEIGHT - 2 - (values - low) / (high - low) * (_HEIGHT - 4) if high > low else np.full(values.size, _HEIGHT / 2)
    return "M" + "L".join(f"{a:.4g},{b:.4g}" for a, b in zip(x, y, strict=True))
