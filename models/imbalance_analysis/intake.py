"""From the frames of a stretch of time into memory: snapshots, steps of current, charges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from models.imbalance_analysis import charge, frames
from models.imbalance_analysis.frames import Limits, TimeArray, as_lists, from_lists, gather
from models.imbalance_analysis.history import A_DAY, Entry, fold
from models.imbalance_analysis.judge import resistances
from models.imbalance_analysis.memory import FLOAT, Memory, Run
from models.imbalance_analysis.robust import FloatArray, finest_step, median, row_medians

#: Fitted charges of one age class that are kept side by side.
CHARGES_APART = 4


@dataclass(frozen=True)
class Stretch:
    """Frames of one stretch of time; current [A], cells [V] (k, n), SOC and balancing at the frames' times, NaN unknown."""

    time: TimeArray
    current: FloatArray
    cells: FloatArray
    soc: FloatArray
    balancing: FloatArray

    def part(self, low: int, high: int) -> Stretch:
        cut = slice(low, high)
        return Stretch(self.time[cut], self.current[cut], self.cells[:, cut], self.soc[cut], self.balancing[cut])


@dataclass(frozen=True)
class Setting:
    """What intake needs to know of the pack."""

    limits: Limits
    capacity: float
    low_band: float
    high_band: float
    float_above: float


Spread = tuple[list[int], list[float]]


def absorb(memory: Memory, new: Stretch, setting: Setting) -> tuple[Spread, Spread]:
    """Take a stretch of frames into memory; return the spreads at rest and under load: times [ms], values [mV]."""
    if not len(new.time):
        return ([], []), ([], [])
    joined = _with_last(memory, new)
    first = len(joined.time) - len(new.time)
    limits = setting.limits
    since = frames.small_since(
        joined.time, joined.current, limits, None if first == 0 or memory.last is None else memory.last["since"]
    )
    position = frames.charge_position(joined.time, joined.current, memory.charge, limits.max_gap)
    rest, memory.slots["rest"] = frames.rest_frames(joined.time[first:], since[first:], limits, memory.slots["rest"])
    load, memory.slots["load"] = frames.load_frames(joined.time, joined.current, limits, memory.slots["load"])
    step, memory.slots["step"] = frames.step_frames(joined.time, joined.current, limits, memory.slots["step"])
    spreads = (_snapshots(memory, joined, rest + first, load, setting), _spread(joined.time[load], gather(joined.cells, load)))
    _steps(memory, joined, step)
    _charges(memory, joined, position, first, setting)
    memory.charge = float(position[-1])
    memory.last = {
        "time": int(joined.time[-1]), "current": _number(joined.current[-1]), "since": int(since[-1]) if since[-1] >= 0 else None,
        "cells": as_lists(joined.cells[:, -1]),
    }  # fmt: skip
    return spreads


def _number(value: Any) -> float | None:
    return float(value) if value == value else None


def _with_last(memory: Memory, new: Stretch) -> Stretch:
    """Put the last frame in front."""
    last = memory.last
    if last is None:
        return new
    current = np.nan if last["current"] is None else last["current"]
    unknown = np.full(1, np.nan)
    return Stretch(
        np.concatenate(([last["time"]], new.time)),
        np.concatenate(([current], new.current)),
        np.concatenate((from_lists(last["cells"])[:, None], new.cells), axis=1),
        np.concatenate((unknown, new.soc)),
        np.concatenate((unknown, new.balancing)),
    )


def _spread(time: TimeArray, rows: FloatArray) -> Spread:
    some = (~np.isnan(rows)).sum(axis=1) >= 2
    time, rows = time[some], rows[some]
    return time.tolist(), (np.nanmax(rows, axis=1) - np.nanmin(rows, axis=1)).tolist() if len(rows) else []


def _snapshots(memory: Memory, stretch: Stretch, rest: frames.IndexArray, load: frames.IndexArray, setting: Setting) -> Spread:
    """Keep the snapshots of small current by band; those under load only tell which readings stand still."""
    places = np.union1d(rest, load)
    rows = gather(stretch.cells, places)
    at_rest = np.isin(places, rest)
    if at_rest.any():
        finest = finest_step(rows[at_rest])
        known = np.inf if memory.resolution is None else memory.resolution
        memory.resolution = min(finest, known) if min(finest, known) < np.inf else None
    for place, row, level, keep in zip(places.tolist(), rows, row_medians(rows).tolist(), at_rest.tolist(), strict=True):
        if level == level:
            frozen = _stand_still(memory, row, level)
            if keep:
                _keep(memory, stretch, place, np.where(frozen, np.nan, row), setting)
    return _spread(stretch.time[places[at_rest]], rows[at_rest])


def _stand_still(memory: Memory, row: FloatArray, level: float) -> npt.NDArray[np.bool_]:
    """Return which readings stand still, and take them out of the open day as well."""
    before = memory.hold.frozen()
    memory.hold.see(row, level)
    frozen = memory.hold.frozen()
    for cell in np.flatnonzero(frozen & ~before).tolist():
        for kept in (snapshot for band in memory.day.values() for snapshot in band):
            if kept[3 + cell] is not None and abs(kept[2] + kept[3 + cell] - memory.hold.value[cell]) < 0.02:  # type: ignore[operator]
                kept[3 + cell] = None
    return frozen


def _keep(memory: Memory, stretch: Stretch, place: int, row: FloatArray, setting: Setting) -> None:
    """Keep one snapshot; of too many, one of the two that lie closest together goes, so that they cover the whole day."""
    level = median(row)
    if level != level:
        return
    soc = float(stretch.soc[place])
    kept = memory.day.setdefault(str(_band(soc, level, float(stretch.balancing[place]), setting)), [])
    kept.append([float(stretch.time[place]), _number(soc), level, *as_lists(np.round(row - level, 2))])
    if len(kept) > A_DAY:
        apart = np.diff([snapshot[0] for snapshot in kept])
        del kept[int(np.argmin(apart)) + 1]


def _band(soc: float, level: float, balancing: float, setting: Setting) -> int:
    if balancing >= 0.5 or level / 1000.0 > setting.float_above:
        return FLOAT
    if soc != soc:
        return 1
    return 0 if soc < setting.low_band else 2 if soc >= setting.high_band else 1


def _steps(memory: Memory, stretch: Stretch, found: frames.IndexArray) -> None:
    """Add steps of current to the sums, in order, and keep the largest."""
    if not len(found):
        return
    amperes = np.diff(stretch.current)[found - 1]
    change = gather(stretch.cells, found) - gather(stretch.cells, found - 1)
    known = np.isfinite(change)
    change0 = np.where(known, change, 0.0)
    squares = known * (amperes**2)[:, None]
    terms = np.stack([known.astype(np.float64), squares, change0 * amperes[:, None], change0**2], axis=1)
    memory.steps = np.cumsum(np.concatenate((memory.steps[None], terms)), axis=0)[-1]
    for place in np.flatnonzero(np.abs(amperes) >= (0.0 if memory.step is None else abs(memory.step["amperes"]))).tolist():
        size = float(amperes[place])
        if memory.step is None or abs(size) > abs(memory.step["amperes"]):
            memory.step = {
                "time": int(stretch.time[found[place]]), "amperes": size, "change": as_lists(np.round(change[place], 2)),
            }  # fmt: skip


def _charges(memory: Memory, stretch: Stretch, position: FloatArray, first: int, setting: Setting) -> None:
    """Follow charges, and close one when the next begins."""
    threshold = setting.capacity / 50.0
    broken = np.zeros(len(stretch.time), np.int64)
    broken[1:] = (stretch.current[1:] > threshold) | (np.diff(stretch.time) > setting.limits.max_gap)
    if first == 0:
        broken[0] = stretch.current[0] > threshold
    breaks = memory.breaks + np.cumsum(broken)
    memory.breaks = int(breaks[-1])
    charging = np.flatnonzero(stretch.current[first:] <= -threshold) + first
    if not len(charging):
        return
    new = np.ones(len(charging), bool)
    new[1:] = (np.diff(breaks[charging]) > 0) | (np.diff(stretch.time[charging]) > charge.PAUSE)
    run = memory.run
    new[0] = (
        not run.points or bool(breaks[charging[0]] > run.breaks) or bool(stretch.time[charging[0]] - run.last > charge.PAUSE)
    )
    edges = [*np.flatnonzero(new).tolist(), len(charging)]
    if not new[0]:
        edges = [0, *edges]
    share = position / setting.capacity
    for low, high in pairwise(edges):
        places = charging[low:high]
        if new[low]:
            close_charge(memory)
            memory.run = Run(begin=float(share[places[0]]))
        _extend(memory.run, stretch, share, places)
        memory.run.last, memory.run.breaks = int(stretch.time[places[-1]]), int(breaks[places[-1]])


def _extend(run: Run, stretch: Stretch, share: FloatArray, places: frames.IndexArray) -> None:
    """Add a point for every percent of charge that was put in."""
    bins = np.floor((share[places] - run.begin) / charge.GRID).astype(np.int64)
    take = np.flatnonzero(np.diff(np.maximum.accumulate(bins), prepend=run.bin) > 0)
    if not len(take):
        return
    rows = gather(stretch.cells, places[take])
    for place, row in zip(places[take].tolist(), rows, strict=True):
        soc = _number(stretch.soc[place])
        run.points.append(
            [float(stretch.time[place]), float(share[place]), float(stretch.current[place]), soc, *as_lists(np.round(row, 2))]
        )
    run.bin = int(max(run.bin, bins.max()))


def close_charge(memory: Memory) -> None:
    """Put the open charge, if it is long enough, where the next verdict fits it: then, and not in mid-window, resistances are known."""
    points, memory.run = memory.run.points, replace(memory.run, points=[])
    if len(points) >= charge.FEWEST and points[-1][1] - points[0][1] >= charge.SHORTEST:  # type: ignore[operator]
        memory.waiting.append(points)


def fit_charges(memory: Memory) -> None:
    """Fit the charges that are over."""
    for points in memory.waiting:
        _fit(memory, from_lists(points))
    memory.waiting = []


def _fit(memory: Memory, rows: FloatArray) -> None:
    """Lay one charge over the median cell's: time, position, current, SOC and cells, one row a point."""
    resistance = np.nan_to_num(resistances(memory.steps)[0])
    rows = rows[1:]  # the first point is still in the transient of switching on
    millivolts = rows[:, 4:] + rows[:, 2:3] * resistance
    still = (rows[:, 4:] == rows[0, 4:]).all(axis=0)
    millivolts[:, still] = np.nan  # a frozen channel is no flat cell
    if np.isnan(row_medians(millivolts)).any():
        return
    fit = charge.align(rows[:, 1], millivolts, memory.step_of_voltage)
    soc = median(rows[:, 3])
    memory.charges.append({
        "weight": 1, "time": int(0.5 * (rows[0, 0] + rows[-1, 0])), "soc": 0.5 if soc != soc else round(soc, 4),
        "single": round(charge.typical(fit.lead_error), 5),
        **{name: as_lists(np.round(value, 5)) for name, value in vars(fit).items()},
    })  # fmt: skip
    memory.charges = fold(memory.charges, CHARGES_APART, _two_charges)


def _two_charges(one: Entry, other: Entry) -> Entry:
    """Make one charge of two, each cell's numbers by their weights."""
    merged: Entry = {"weight": one["weight"] + other["weight"], "time": (one["time"] + other["time"]) // 2}
    merged |= {"soc": (one["soc"] + other["soc"]) / 2, "single": min(one["single"], other["single"])}
    for name, prior in (("lead", charge.LEAD), ("stretch", charge.STRETCH)):
        errors = np.maximum(from_lists([one[f"{name}_error"], other[f"{name}_error"]]), 1e-5)
        value, error = charge.pooled(from_lists([one[name], other[name]]), errors, prior)
        merged[name] = as_lists(np.round(value, 5))
        merged[f"{name}_error"] = as_lists(np.round(error, 5))
    return merged
