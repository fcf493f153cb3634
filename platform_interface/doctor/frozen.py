"""A channel that stands still while its peers move: the probe, its wire or its address is at fault, not the battery.

Peers are the elements of one array, and a single sensor of the same quantity on the same times. What moves them is their median.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from platform_interface.doctor.channels import Channel, Kept, View, of_quantity
from platform_interface.doctor.findings import Finding
from platform_interface.table import Mask, Times, Values
from platform_interface.when import text

#: Samples that repeat one value to the last bit. Fewer say little: a live 1 °C sensor repeats itself for minutes.
RUN = 30
#: How far the peers' median must have moved meanwhile: five steps of the coarsest usual sensor (1 °C), 20 of 1 mV.
MOVED = {"temperature": 5.0, "cell_voltage": 0.020}
#: ... and in any case this many steps of the sensor itself, where it is coarser.
STEPS = 5.0
#: ... and how many times as far as this channel strays from its peers when it is alive (5th to 95th percentile).
STRAYS = 3.0
#: Between which percentiles of the run: where a load changes, elements polled in turn are apart for a sample or two.
INNER = (10, 90)
_UNIT = {"temperature": "°C", "cell_voltage": "V"}
_SINGLE = {"temperature": "temperature", "cell_voltage": "voltage"}


@dataclass
class Run:
    """One value held: from when to when, how often, and between what the peers' median lay meanwhile."""

    value: float
    start: int
    end: int
    count: int
    low: float
    high: float

    @property
    def moved(self) -> float:
        return max(0.0, self.high - self.low)

    def joined(self, later: Run) -> Run:
        """Return this run and one that goes on in the next window."""
        low, high = min(self.low, later.low), max(self.high, later.high)
        return Run(self.value, self.start, later.end, self.count + later.count, low, high)


def runs_of(time: Times, values: Values, common: Values, longest: float) -> list[Run]:
    """Return the runs of one repeated value; the first and the last always, others of at least `RUN` samples.

    Parameters
    ----------
    time, values, common : ndarray, shape (n,)
        Times [ms], one channel, the median of its peers.
    longest : float
        A run does not go on across a longer interval. [ms]
    """
    breaks = (values[1:] != values[:-1]) | (time[1:] - time[:-1] > longest)
    edges = np.concatenate([[0], np.flatnonzero(breaks) + 1, [time.size]])
    wanted = edges[1:] - edges[:-1] >= RUN
    wanted[[0, -1]] = True
    found = []
    for first, last in zip(edges[:-1][wanted].tolist(), edges[1:][wanted].tolist(), strict=True):
        low, high = inner(common[first:last]) if last - first >= RUN // 2 else (np.inf, -np.inf)
        found.append(Run(float(values[first]), int(time[first]), int(time[last - 1]), last - first, low, high))
    return found


def inner(values: Values) -> tuple[float, float]:
    """Return the percentiles `INNER` of a few samples; NumPy's own takes ten times as long for so few.

    Examples
    --------
    >>> inner(np.arange(11.0))
    (1.0, 9.0)
    """
    ordered = np.sort(values)
    low, high = (_at(ordered, share / 100 * (ordered.size - 1)) for share in INNER)
    return low, high


def _at(ordered: Values, place: float) -> float:
    below = int(place)
    above = min(below + 1, ordered.size - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def may_stand_still(values: Values) -> Mask:
    """Return which elements may have a run: a quick look at every seventh sample, of which each run holds four alike in a row.

    An element that ends in half a run may go on in the next window.
    """
    few = values[:, :: RUN // 4]
    if few.shape[1] < 8:
        return np.ones(values.shape[0], bool)
    alike = few[:, 1:] == few[:, :-1]
    whole: Mask = (alike[:, 2:] & alike[:, 1:-1] & alike[:, :-2]).any(axis=1)
    ending: Mask = (values[:, -RUN // 2 :] == values[:, -1:]).all(axis=1)
    return whole | ending


@dataclass
class _Peers:
    """What is carried of one array over the windows."""

    labels: list[str]
    quantity: str
    shares: list[int]
    open: list[Run | None] = field(default_factory=list)
    held: list[list[Run]] = field(default_factory=list)
    strays: Kept = field(default_factory=Kept)
    resolution: Values = field(default_factory=lambda: np.empty(0))
    last: int = 0


@dataclass
class FrozenEvidence:
    """Runs of one repeated value, over the windows of a run."""

    peers: dict[str, _Peers] = field(default_factory=dict)

    def add(self, view: View) -> None:
        """Look at one window."""
        for quantity in MOVED:
            for array in of_quantity(view, quantity):
                singles = [c for c in of_quantity(view, _SINGLE[quantity]) if not c.numbers]
                self._array(array, singles, quantity)

    def _array(self, array: Channel, singles: list[Channel], quantity: str) -> None:
        if array.values.shape[0] < 3 or array.time.size < 2:
            return
        share = array.values.shape[0] if quantity == "cell_voltage" else 1
        alike = [single for single in singles if np.array_equal(single.time, array.time)]
        values = np.vstack([array.values, *(single.values / share for single in alike)]) if alike else array.values
        labels = [array.label(i) for i in range(array.values.shape[0])] + [single.pattern for single in alike]
        shares = [1] * array.values.shape[0] + [share] * len(alike)
        known = self.peers.get(array.pattern)
        if known is None or known.labels != labels:
            known = _Peers(labels, quantity, shares, [None] * len(labels), [[] for _ in labels])
            known.resolution = np.full(len(labels), np.inf)
            self.peers[array.pattern] = known
        some = ~np.isnan(array.level)
        if some.all():
            self._rows(known, array.time, values, array.level)
        elif np.count_nonzero(some) >= 2:
            self._rows(known, array.time[some], values[:, some], array.level[some])

    def _rows(self, known: _Peers, time: Times, values: Values, common: Values) -> None:
        longest = max(600_000.0, 10.0 * float(np.median(np.diff(time))))
        near = known.last and time[0] - known.last <= longest
        settled = may_stand_still(values)
        for element, row in enumerate(values):
            before = known.open[element]
            if not settled[element]:
                if before is not None:
                    self._hold(known, element, before)
                known.open[element] = None
                continue
            steps = np.abs(row[1:] - row[:-1])
            known.resolution[element] = min(known.resolution[element], steps.min(initial=np.inf, where=steps > 0))
            found = runs_of(time, row, common, longest)
            if before is not None and near and found[0].value == before.value:
                found[0] = before.joined(found[0])
            elif before is not None:
                self._hold(known, element, before)
            for run in found[:-1]:
                self._hold(known, element, run)
            known.open[element] = found[-1]
        known.last = int(time[-1])
        step = max(1, time.size // 100)
        known.strays.add(np.vstack([time[None, ::step].astype(float), values[:, ::step] - common[::step]]))

    def _hold(self, known: _Peers, element: int, run: Run) -> None:
        """Keep the few runs of an element in which its peers moved farthest."""
        if run.count >= RUN and run.moved >= MOVED[known.quantity]:
            held = known.held[element]
            held.append(run)
            held.sort(key=lambda each: -each.moved)
            del held[3:]

    def findings(self, asset: str) -> list[Finding]:
        """Say which channels stood still."""
        found = []
        for known in self.peers.values():
            strays = known.strays.rows()
            for element, label in enumerate(known.labels):
                still = known.open[element]
                if still is not None:
                    self._hold(known, element, still)
                    known.open[element] = None
                for run in known.held[element][:1]:
                    finding = _finding(known, label, run, strays, element)
                    found += [finding] if finding else []
        return found


def _finding(known: _Peers, label: str, run: Run, strays: Values, element: int) -> Finding | None:
    floor, unit = MOVED[known.quantity], _UNIT[known.quantity]
    finest = known.resolution[element] if np.isfinite(known.resolution[element]) else float(np.median(known.resolution))
    floor = max(floor, STEPS * finest) if np.isfinite(finest) else floor
    alive = strays[element + 1][(strays[0] < run.start) | (strays[0] > run.end)]
    alive = alive[np.isfinite(alive)]
    strays_by = float(np.ptp(np.percentile(alive, [5, 95]))) if alive.size >= RUN else None
    if run.moved < (2 * floor if strays_by is None else max(floor, STRAYS * strays_by)):
        return None
    usual = (
        "It has no other value in the data."
        if strays_by is None
        else f"Otherwise its distance from them stays within {strays_by:.3g} {unit}."
    )
    return Finding(
        "frozen",
        label,
        f"'{label}' held {run.value * known.shares[element]:.6g} {unit} in {run.count:,} samples from {text(run.start)} to "
        f"{text(run.end)} while the median of its {len(known.labels) - 1} peers moved by {run.moved:.3g} {unit}. {usual} "
        "No setting repairs that: look at the probe, its wire and its address.",
        round(run.moved, 6), unit, run.count, run.count, text(run.start), text(run.end),
    )  # fmt: skip
