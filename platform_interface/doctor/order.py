"""Elements of an array that exchanged places at an instant: cells or probes swapped by a service or a new mapping.

Each element keeps an identity over months: its distance from the array's median. When the identity of one jumps to the
place of another, and that of the other to its own, while the rest stay, the two were exchanged.
An order that was wrong from the first sample on leaves no trace in the data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from platform_interface.doctor.channels import Channel, View, of_quantity
from platform_interface.doctor.findings import Finding
from platform_interface.table import Times, Values
from platform_interface.when import text

#: Length of a block: several loads and rests of most uses. [ms]
BLOCK = 6 * 3_600_000
#: Samples that a block needs, blocks on each side of an exchange, and blocks that are looked at on each side.
SAMPLES, SIDE, REACH = 10, 3, 8
#: Two elements must differ by this for an exchange to be seen: some steps of the usual resolutions (1 mV, 0.5 to 1 °C).
DIFFER = {"cell_voltage": 0.005, "temperature": 2.0}
#: ... and by this many times what elements stray from block to block.
NOISE = 6.0
#: An identity is found again when it is met to this share of the jump.
AGAIN = 0.3
_UNIT = {"cell_voltage": ("mV", 1e3), "temperature": ("°C", 1.0)}
_MOST_BLOCKS = 4_000


@dataclass
class _Array:
    """Blocks of one array: start, end and median distances; samples of the block that is still open."""

    channel: Channel
    start: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    medians: list[Values] = field(default_factory=list)
    open: list[tuple[Times, Values, Values]] = field(default_factory=list)


@dataclass(frozen=True)
class Exchange:
    """Two elements that changed places: between which instants, by how much they differ, in how many blocks."""

    first: int
    second: int
    before: int
    after: int
    differ: float
    blocks: int


@dataclass
class OrderEvidence:
    """Identities of the elements of each array, block by block."""

    arrays: dict[str, _Array] = field(default_factory=dict)

    def add(self, view: View) -> None:
        """Look at one window."""
        for quantity in DIFFER:
            for channel in of_quantity(view, quantity):
                if channel.values.shape[0] >= 4 and channel.numbers:
                    self._channel(channel)

    def _channel(self, channel: Channel) -> None:
        known = self.arrays.get(channel.pattern)
        if known is None or known.channel.numbers != channel.numbers:
            known = self.arrays[channel.pattern] = _Array(channel)
        if len(known.medians) >= _MOST_BLOCKS:
            return
        blocks = channel.time // BLOCK
        edges = np.concatenate([[0], np.flatnonzero(np.diff(blocks)) + 1, [channel.time.size]])
        for first, last in pairwise(edges.tolist()):
            if known.open and known.open[0][0][0] // BLOCK != blocks[first]:
                _close(known)
            part = slice(first, last, max(1, (last - first) // 500))
            known.open.append((channel.time[part], channel.values[:, part], channel.level[part]))

    def findings(self, asset: str) -> list[Finding]:
        """Say which elements exchanged places, and when."""
        found: list[Finding] = []
        for known in self.arrays.values():
            if known.open:
                _close(known)
            quantity = known.channel.quantity
            pairs = exchanges(known.medians, known.start, known.end, DIFFER[quantity])
            found += [_finding(known.channel, exchange) for exchange in pairs]
        return found


def _close(known: _Array) -> None:
    """Make the open block one row: the median distance of each element from the array's median."""
    time = np.concatenate([part for part, _, _ in known.open])
    values = np.concatenate([part for _, part, _ in known.open], axis=1)
    level = np.concatenate([part for _, _, part in known.open])
    known.open.clear()
    whole = np.isfinite(values).all(axis=0)
    if np.count_nonzero(whole) < SAMPLES:
        return
    values, level = values[:, whole], level[whole]
    known.start.append(int(time[0]))
    known.end.append(int(time[-1]))
    known.medians.append(np.median(values - level, axis=1))


def exchanges(medians: list[Values], start: list[int], end: list[int], floor: float) -> list[Exchange]:
    """Return the pairs of elements that exchanged places, each at its most likely boundary.

    Parameters
    ----------
    medians : list of ndarray, shape (k,)
        Distance of each element from the array's median, block by block.
    start, end : list of int
        First and last sample of each block. [ms]
    floor : float
        Smallest difference of two elements that counts. [unit of the medians]
    """
    best: dict[tuple[int, int], tuple[float, Exchange]] = {}
    for place in range(SIDE, len(medians) - SIDE + 1):
        before = np.array(medians[max(0, place - REACH) : place])
        after = np.array(medians[place : place + REACH])
        for first, second, differ, rest in _pairs(before, after, floor):
            found = Exchange(first, second, end[place - 1], start[place], differ, len(before) + len(after))
            if (first, second) not in best or rest < best[first, second][0]:
                best[first, second] = (rest, found)
    return [found for _, found in best.values()]


def _pairs(before: Values, after: Values, floor: float) -> list[tuple[int, int, float, float]]:
    """Return pairs whose identities are exchanged at one boundary, with the difference and what is left of it."""
    old, new = np.median(before, axis=0), np.median(after, axis=0)
    jump = new - old
    noise = max(_strays(before, old), _strays(after, new), float(np.median(np.abs(jump))))
    least = max(floor, NOISE * noise)
    moved = np.flatnonzero(np.abs(jump) >= least)
    if not 2 <= moved.size <= max(2, old.size // 3):
        return []
    found = []
    for first in moved:
        rest = np.maximum(np.abs(new[moved] - old[first]), np.abs(old[moved] - new[first]))
        second = int(moved[rest.argmin()])
        differ = float(abs(old[first] - old[second]))
        if second <= first or rest.min() > AGAIN * differ or differ < least:
            continue
        if _steady(before, after, int(first), second):
            found.append((int(first), second, differ, float(rest.min())))
    return found


def _strays(blocks: Values, middle: Values) -> float:
    """Return how far elements stray from their own median from block to block (1.48 × median absolute deviation)."""
    return 1.4826 * float(np.median(np.abs(blocks - middle)))


def _steady(before: Values, after: Values, first: int, second: int) -> bool:
    """Whether every block before has the two in one order, and every block after in the other; at once, not by drift."""
    old, new = before[:, first] - before[:, second], after[:, first] - after[:, second]
    if np.median(old) < 0:
        old, new = -old, -new
    sharp = old[-1] >= 0.5 * np.median(old) and new[0] <= 0.5 * np.median(new)
    return bool((old > 0).all() and (new < 0).all() and sharp)


def _finding(channel: Channel, exchange: Exchange) -> Finding:
    unit, factor = _UNIT[channel.quantity]
    one, other = channel.label(exchange.first), channel.label(exchange.second)
    return Finding(
        "order", channel.pattern,
        f"'{one}' and '{other}' exchanged places between {text(exchange.before)} and {text(exchange.after)}: each has since had the "
        f"distance from the median that the other had before ({exchange.differ * factor:.3g} {unit} apart, {exchange.blocks} blocks "
        "of 6 h), and the others have kept theirs. Two wires or columns were swapped then, or two parts in a service. No setting "
        "can say that: ingest the samples since then again with the two columns exchanged, or accept it as the new order.",
        round(exchange.differ * factor, 4), unit, exchange.blocks, exchange.blocks, text(exchange.before), text(exchange.after),
    )  # fmt: skip
