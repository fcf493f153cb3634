"""Rainflow counting of the state of charge as a stream: the residue is carried, the past is not needed.

Three steps: recalibrations of the BMS are taken out (`recalibration_offset`), a hysteresis gate keeps the
turning points that matter, and ASTM E1049-85 (section 5.4.4) pairs them into cycles.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from models.eq_cycles.throughput import (
    MILLISECONDS_PER_HOUR,
    FloatArray,
    TimeArray,
    running_total,
)

DEPTH_BINS = 10
_FIRST_BLOCK, _LARGEST_BLOCK = 64, 65_536


@dataclass
class RainflowState:
    """What is carried between windows; every field is strict JSON.

    Attributes
    ----------
    residue : list of float
        Turning points not yet paired into a cycle, oldest first.
    extreme : float
        Farthest level since the last turning point: a turning point once the level comes back by the gate.
    direction : int
        1 rising, -1 falling, 0 while the level has not left the first one by the gate.
    closed : float
        Cycles closed so far; half cycles count 0.5.
    variation : float
        Sum of the ranges between successive turning points. [full depth]
    histogram : list of float, length 10
        Closed cycles by depth: 0-10 %, 10-20 %, ...
    """

    residue: list[float] = field(default_factory=list)
    extreme: float = 0.0
    direction: int = 0
    closed: float = 0.0
    variation: float = 0.0
    histogram: list[float] = field(default_factory=lambda: [0.0] * DEPTH_BINS)


@dataclass(frozen=True)
class RainflowCount:
    """The count at each sample of one window.

    Attributes
    ----------
    closed : array, shape (n,)
        Cycles closed so far.
    equivalent : array, shape (n,)
        Sum of count times range, open ranges as half cycles. [full-depth cycles]
    cycles : list of tuple (int, float, float)
        Each cycle closed here: sample that closed it, range, count (0.5 or 1.0).
    changed : list of int
        Samples at which the histogram changed.
    histograms : array, shape (len(changed), 10)
        The histogram after each of them.
    """

    closed: FloatArray
    equivalent: FloatArray
    cycles: list[tuple[int, float, float]]
    changed: list[int]
    histograms: FloatArray


def recalibration_offset(
    time: TimeArray, soc: FloatArray, carried: float, max_gap: float, limits: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    r"""Find jumps that no current explains, and the offset that takes them out of the level.

    .. math:: |\Delta \mathrm{SOC}| > \mathrm{limit} + \mathrm{rate}\,\Delta t, \qquad \Delta t \le \mathrm{max\_gap}

    Parameters
    ----------
    time : array, shape (n,)
        Sample times, ascending; the first is the sample before. [ms]
    soc : array, shape (n,)
        State of charge, a fraction.
    carried : float
        Offset before the first step.
    max_gap : float
        Longest interval that is judged; a change over a longer one is kept. [s]
    limits : tuple of float
        Jump limit, a fraction, and rate limit. [1/h]

    Returns
    -------
    offset, jump : array, shape (n - 1,)
        Offset to add to the later sample, and the jump taken out there (0 where there is none).
    """
    limit, rate = limits
    step = np.diff(soc)
    length = np.diff(time).astype(np.float64)
    allowed = limit + rate * (length / MILLISECONDS_PER_HOUR)
    jump = np.where((length <= max_gap * 1000.0) & (np.abs(step) > allowed), step, 0.0)
    return running_total(carried, -jump), jump


def close_cycles(residue: list[float]) -> list[tuple[float, float]]:
    """Pair turning points into cycles and take them out of `residue`, in place.

    Returns
    -------
    list of tuple (float, float)
        Range and count of each cycle; 0.5 where the range holds the start of the history.

    References
    ----------
    ASTM E1049-85 (2017), section 5.4.4, doi:10.1520/E1049-85R17.

    Examples
    --------
    >>> residue = [-2.0, 1.0, -3.0]
    >>> close_cycles(residue), residue
    ([(3.0, 0.5)], [1.0, -3.0])
    """
    closed = []
    while len(residue) >= 3:
        newest = abs(residue[-1] - residue[-2])
        earlier = abs(residue[-2] - residue[-3])
        if newest < earlier:
            break
        if len(residue) == 3:
            closed.append((earlier, 0.5))
            del residue[0]
        else:
            closed.append((earlier, 1.0))
            del residue[-3:-1]
    return closed


def open_cycles(state: RainflowState) -> list[tuple[float, float]]:
    """Return what a count that ended here would add: the rest of the ASTM procedure.

    Returns
    -------
    list of tuple (float, float)
        Range and count of each cycle that the newest level closes, then the residue as half cycles.
    """
    residue = list(state.residue)
    if state.direction != 0:
        residue.append(state.extreme)
    closed = close_cycles(residue)
    return closed + [(abs(b - a), 0.5) for a, b in pairwise(residue)]


def depth_bin(depth: float) -> int:
    """Return the bin of a depth: 0 for 0-10 %, ..., 9 for 90 % and deeper; 0.3 belongs to bin 3.

    Examples
    --------
    >>> depth_bin(0.7 - 0.4), depth_bin(1.0)
    (3, 9)
    """
    return min(int(round(depth * DEPTH_BINS, 9)), DEPTH_BINS - 1)


def count(levels: FloatArray, carried: RainflowState, gate: float) -> tuple[RainflowState, RainflowCount]:
    """Count on from a carried state.

    Parameters
    ----------
    levels : array, shape (n,)
        State of charge of the new samples, a fraction; n may be 0.
    carried : RainflowState
        State after the samples before; not changed.
    gate : float
        A turning point counts once the level has come back from it by more than this. 0 keeps all.

    Returns
    -------
    state : RainflowState
        State after the new samples.
    counted : RainflowCount
        The count at each of them.

    Notes
    -----
    A cycle is closed when the turning point that completes it is confirmed, so at the sample where the
    level has come back by the gate; nothing looks ahead. `equivalent` is half the total variation of
    the gated level: pairing turning points moves ranges about but keeps their sum, so it needs no
    pairing (the tests hold it against the package `rainflow` all the same).

    References
    ----------
    ASTM E1049-85 (2017), doi:10.1520/E1049-85R17. S. D. Downing, D. F. Socie, Simple rainflow counting
    algorithms, Int. J. Fatigue 4 (1982) 31-40, doi:10.1016/0142-1123(82)90018-4.
    """
    state = replace(carried, residue=list(carried.residue), histogram=list(carried.histogram))
    reach = np.empty(len(levels))
    cycles: list[tuple[int, float, float]] = []
    position = _leave_start(levels, state, gate)
    reach[:position] = state.variation
    while position < len(levels):
        stop = _follow(levels, reach, position, state, gate)
        if stop > position:
            state.extreme = float(reach[stop - 1])
        reach[position:stop] = state.variation + np.abs(reach[position:stop] - state.residue[-1])
        if stop < len(levels):
            cycles += [(stop, depth, weight) for depth, weight in _turn(state, float(levels[stop]))]
        position = stop
    return state, _gather(len(levels), 0.5 * reach, cycles, carried)


def _leave_start(levels: FloatArray, state: RainflowState, gate: float) -> int:
    """Return the first sample with a known direction; before it, the first level is all there is."""
    if state.direction != 0 or len(levels) == 0:
        return 0
    if not state.residue:
        state.residue, state.extreme = [float(levels[0])], float(levels[0])
    away = np.abs(levels - state.residue[0]) > gate
    position = int(away.argmax())
    if not away[position]:
        return len(levels)
    state.extreme = float(levels[position])
    state.direction = 1 if state.extreme > state.residue[0] else -1
    return position


def _follow(levels: FloatArray, reach: FloatArray, position: int, state: RainflowState, gate: float) -> int:
    """Write the farthest level so far into `reach` until the level comes back by the gate; return where.

    Blocks grow fourfold, so that work stays in proportion to the way between two turning points.
    """
    sign = float(state.direction)
    farthest, size = state.extreme * sign, _FIRST_BLOCK
    while position < len(levels):
        block = levels[position : position + size] * sign
        envelope = np.maximum(np.maximum.accumulate(block), farthest)
        turned = envelope - block > gate
        first = int(turned.argmax())
        stop = first if turned[first] else len(block)
        reach[position : position + stop] = envelope[:stop] * sign
        position += stop
        if turned[first]:
            break
        farthest, size = float(envelope[-1]), min(4 * size, _LARGEST_BLOCK)
    return position


def _turn(state: RainflowState, level: float) -> list[tuple[float, float]]:
    """Make the farthest level a turning point and start the other way from `level`."""
    state.variation += abs(state.extreme - state.residue[-1])
    state.residue.append(state.extreme)
    closed = close_cycles(state.residue)
    for depth, weight in closed:
        state.histogram[depth_bin(depth)] += weight
        state.closed += weight
    state.extreme, state.direction = level, -state.direction
    return closed


def _gather(
    samples: int, equivalent: FloatArray, cycles: list[tuple[int, float, float]], carried: RainflowState
) -> RainflowCount:
    """Spread the closed cycles over the samples."""
    closed, histogram = carried.closed, list(carried.histogram)
    rows: dict[int, list[float]] = {}
    totals: dict[int, float] = {}
    for position, depth, weight in cycles:
        histogram[depth_bin(depth)] += weight
        closed += weight
        rows[position], totals[position] = list(histogram), closed
    changed = list(rows)
    level = np.array([carried.closed, *totals.values()])
    spread = level[np.searchsorted(np.array(changed, dtype=np.int64), np.arange(samples), side="right")]
    table = np.array(list(rows.values()), dtype=np.float64).reshape(len(changed), DEPTH_BINS)
    return RainflowCount(spread, equivalent, cycles, changed, table)
