"""Millions of samples -> the few thousand that a screen can show, with every extreme kept and every gap a gap."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from platform_interface.table import Times, Values

#: A piece between two gaps has at least this many points.
FEWEST = 4
#: A gap shorter than this part of the shown range is narrower than a pixel: the line is not broken there.
NARROWEST = 1 / 800


def chosen(time: Times, values: Values, points: int) -> Any:
    """Return the positions of at most about `points` samples to draw.

    The range of time is cut into equal stretches, and of each the least and the greatest value stay: a spike of one
    sample is never lost. First and last sample stay too.

    Parameters
    ----------
    time : ndarray of int64, shape (n,)
        Not decreasing. [ms UTC]
    values : ndarray of float64, shape (n,)
        Finite.
    points : int
        How many to keep.

    Examples
    --------
    >>> chosen(np.arange(9), np.array([0.0, 1, 0, 7, 0, 2, -7, 1, 2]), 6).tolist()
    [0, 3, 5, 6, 8]
    """
    if time.size <= max(points, FEWEST):
        return np.arange(time.size)
    from tsdownsample import MinMaxDownsampler

    inner = max(4, (points - 2) // 2 * 2)  # two stretches at least, or tsdownsample panics
    thinner: Any = MinMaxDownsampler  # its class has no types
    kept = thinner().downsample(time, np.ascontiguousarray(values), n_out=inner)
    return np.unique(np.concatenate([[0], kept.astype(np.int64), [time.size - 1]]))


def steps(time: Times, values: Values, points: int) -> Any:
    """Return the positions of the samples where a code changes, the last one too; thinned when there are too many."""
    if not time.size:
        return np.arange(0)
    changed = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    kept = np.unique(np.append(changed, time.size - 1))
    return kept[chosen(time[kept], values[kept], points)]


def pieces(time: Times, breaks: Times) -> list[tuple[slice, bool]]:
    """Cut samples before each time in `breaks`; the flag says whether a gap lies before the piece.

    Examples
    --------
    >>> pieces(np.array([0, 1, 7, 8]), np.array([7]))
    [(slice(0, 2, None), False), (slice(2, 4, None), True)]
    """
    if not time.size:
        return []
    at = np.searchsorted(time, breaks)
    at = at[at < time.size]
    cuts = at[time[at] == breaks[: at.size]]  # `breaks` is in order
    edges = sorted({0, *cuts.tolist(), time.size})
    broken = set(cuts.tolist())
    return [(slice(low, high), low in broken) for low, high in pairwise(edges)]


@dataclass
class Allowance:
    """How many points a stretch may have: half by its length in time, half by its samples, so that a burst has detail.

    Parameters
    ----------
    points : int
        Of the whole range.
    span : int
        Length of the range. [ms]
    samples : int
        Samples in the range, about.
    """

    points: int
    span: int
    samples: int

    def of(self, duration: int, count: int) -> int:
        """Return the points of a stretch that is so long [ms] and has so many samples."""
        share = (duration / max(1, self.span) + count / max(1, self.samples)) / 2
        return max(FEWEST, round(self.points * min(1.0, share)))

    def less(self, factor: float) -> Allowance:
        """Return an allowance for lines that matter less."""
        return Allowance(max(FEWEST, round(self.points * factor)), self.span, self.samples)


@dataclass
class Trail:
    """One line, gathered window by window; NaN stands where it is broken. Keeps what a table says of all samples.

    Parameters
    ----------
    codes : bool
        Values are codes: which there are is kept.
    holds : bool
        A value holds until the next: of codes only the changes are drawn.
    """

    codes: bool = False
    holds: bool = False
    count: int = 0
    low: tuple[float, int] = (float("inf"), 0)
    high: tuple[float, int] = (float("-inf"), 0)
    last: tuple[float, int] | None = None
    whole: bool = True
    present: set[float] = field(default_factory=set)
    _time: list[Times] = field(default_factory=list)
    _values: list[Values] = field(default_factory=list)

    def add(self, time: Times, values: Values, points: int, broken: bool) -> None:
        """Add one piece, thinned; `values` may hold NaN, which is left out."""
        present = ~np.isnan(values)
        if not present.all():
            time, values = time[present], values[present]
        if not time.size:
            return
        self._note(time, values)
        kept = (steps if self.codes and self.holds else chosen)(time, values, points)
        if broken and self._time:
            self._time.append(time[:1])
            self._values.append(np.array([np.nan]))
        self._time.append(time[kept])
        self._values.append(values[kept])

    def _note(self, time: Times, values: Values) -> None:
        least, greatest = int(values.argmin()), int(values.argmax())
        self.low = min(self.low, (float(values[least]), int(time[least])), key=lambda pair: pair[0])
        self.high = max(self.high, (float(values[greatest]), int(time[greatest])), key=lambda pair: pair[0])
        self.last = (float(values[-1]), int(time[-1]))
        self.count += time.size
        self.whole = self.whole and bool((values == np.rint(values)).all())
        if self.codes:
            self.present.update(np.unique(values).tolist())

    def line(self, most: int) -> tuple[Times, Values]:
        """Return the points, thinned once more when many windows left too many."""
        if not self._time:
            return np.empty(0, np.int64), np.empty(0)
        time, values = np.concatenate(self._time), np.concatenate(self._values)
        if time.size <= 1.5 * most or (self.codes and self.holds):
            return time, values
        edges = np.flatnonzero(np.isnan(values))
        parts = np.split(np.arange(time.size), edges)
        kept = []
        for part in parts:
            head = part[:1] if np.isnan(values[part[:1]]).any() else part[:0]
            body = part[head.size :]
            share = max(FEWEST, round(most * body.size / time.size))
            kept += [head, body[chosen(time[body], values[body], share)]]
        which = np.concatenate(kept)
        return time[which], values[which]
