"""A cell whose value stays the same, bit by bit, while its peers move.

Looked at in snapshots: the first sample of each minute, gathered in blocks of UTC time, so that a split of the data
changes nothing and the cost at 1 Hz is a sixtieth of a pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

TimeArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

MINUTE = 60_000
#: Fewer snapshots than this in a block, and nothing is said of it.
FEWEST = 5
#: Fewer cells than this, and there are no peers to compare with.
PEERS = 3


@dataclass
class Block:
    """Lowest and highest snapshot of every cell in the open block; NaN for a cell that lacked one."""

    number: int
    start: int
    count: int
    low: FloatArray
    high: FloatArray


@dataclass
class Watch:
    """What is carried: the open block, the last minute that gave a snapshot, and the stuck cells with their start."""

    block: Block | None = None
    minute: int | None = None
    stuck: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A cell (by its row) was found stuck, or to move again, at a sample of this window."""

    index: int
    row: int
    stuck: bool
    since: int


def judged(block: Block, movement: float, stuck: dict[int, int]) -> tuple[list[int], list[int]]:
    """Return the rows that are newly stuck, and those that move again, by a whole block.

    A cell is stuck when it did not change at all while the middle one of all cells moved by at least `movement` [V].
    """
    if block.count < FEWEST or block.low.size < PEERS:
        return [], []
    spans = block.high - block.low
    known = spans[~np.isnan(spans)]
    moved = known.size >= PEERS and float(np.sort(known)[known.size // 2]) >= movement
    still = np.flatnonzero(spans == 0.0).tolist() if moved else []
    again = np.flatnonzero(spans > 0.0).tolist()
    return [row for row in still if row not in stuck], [row for row in again if row in stuck]


def watch(time: TimeArray, cells: FloatArray, carried: Watch, length: int, movement: float) -> list[Change]:
    """Take the watch through a window; `carried` is changed.

    Parameters
    ----------
    time : ndarray of int64, shape (n,)
        [ms UTC]
    cells : ndarray of float64, shape (k, n)
        [V]
    length : int
        Of a block. [ms]
    movement : float
        [V]
    """
    minute = time // MINUTE
    taken = np.flatnonzero(np.diff(minute, prepend=-1 if carried.minute is None else carried.minute) != 0)
    if not taken.size:
        return []
    carried.minute = int(minute[taken[-1]])
    snapshots, number = cells[:, taken], time[taken] // length
    edges = np.flatnonzero(np.diff(number, prepend=number[0] - 1) != 0)
    lows, highs = (reduce(snapshots, edges, axis=1) for reduce in (np.minimum.reduceat, np.maximum.reduceat))
    changes: list[Change] = []
    counts = np.diff(np.append(edges, taken.size))
    for i, edge in enumerate(edges.tolist()):
        index = int(taken[edge])
        fresh = Block(int(number[edge]), int(time[index]), int(counts[i]), lows[:, i], highs[:, i])
        if carried.block is not None and carried.block.number != fresh.number:
            changes += _close(carried, index, movement)
        carried.block = fresh if carried.block is None else _joined(carried.block, fresh)
    return changes


def _close(carried: Watch, index: int, movement: float) -> list[Change]:
    block = carried.block
    assert block is not None
    carried.block = None
    new, gone = judged(block, movement, carried.stuck)
    carried.stuck.update(dict.fromkeys(new, block.start))
    return [Change(index, row, True, block.start) for row in new] + [
        Change(index, row, False, carried.stuck.pop(row)) for row in gone
    ]


def _joined(block: Block, more: Block) -> Block:
    low, high = np.minimum(block.low, more.low), np.maximum(block.high, more.high)
    return Block(block.number, block.start, block.count + more.count, low, high)


def as_state(carried: Watch) -> dict[str, Any]:
    """Return the watch as strict JSON."""
    block = carried.block
    plain = None
    if block is not None:
        low, high = ([None if math.isnan(v) else v for v in part.tolist()] for part in (block.low, block.high))
        plain = [block.number, block.start, block.count, low, high]
    return {"block": plain, "minute": carried.minute, "stuck": [[row, since] for row, since in sorted(carried.stuck.items())]}


def of_state(state: dict[str, Any]) -> Watch:
    """Return the watch from its JSON."""
    plain = state["block"]
    block = None if plain is None else Block(plain[0], plain[1], plain[2], np.array(plain[3], float), np.array(plain[4], float))
    return Watch(block, state["minute"], dict(state["stuck"]))
