"""One input or output of a model while its samples go by: a line, a few lines, or a band with the elements furthest from it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from platform_interface.dashboard.thinning import NARROWEST, Allowance, Trail, pieces
from platform_interface.table import Times, Values

#: Up to so many elements are drawn as lines, more as a band.
MOST_LINES = 6
#: An element is pointed out when its mean deviation from the median is this many times the usual one ...
FAR = 5.0
#: ... and at most so many are.
MOST_FAR = 3
#: How the text of a code ends that speaks of the time before its sample.
UP_TO = "up to this sample"
#: Columns of a heatmap that one page shows.
MOST_COLUMNS = 1500
#: Median absolute deviation of normal noise -> standard deviation.
_TO_SIGMA = 1.4826


@dataclass
class Channel:
    """Samples of one input or output, thinned as they come.

    Parameters
    ----------
    key : str
        Logical name in the manifest.
    numbers : tuple of int
        The site's numbers of the elements of an array; empty for a single series.
    codes : mapping
        Meaning of each code; empty for a quantity.
    holds : bool
        A value holds until the next one: the series is decimated. Otherwise nothing is known between two samples.
    profile : str
        What the elements of an array run along; such an array is drawn as a heatmap.
    of, ahead : str, int
        The output that this one says the future of, and how many uses ahead; such a one is drawn as a part of that one's fan.
    """

    key: str
    title: str
    unit: str
    note: str
    numbers: tuple[int, ...]
    allowance: Allowance
    codes: Mapping[str, str] = field(default_factory=dict)
    holds: bool = False
    profile: str = ""
    of: str = ""
    ahead: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    trails: list[Trail] = field(init=False)
    low: Trail = field(default_factory=Trail)
    middle: Trail = field(default_factory=Trail)
    high: Trail = field(default_factory=Trail)
    last_row: tuple[int, Values] | None = None
    rows: int = 0
    _deviations: list[Values] = field(default_factory=list)
    _columns: list[tuple[int, Values]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trails = [Trail(codes=bool(self.codes), holds=self.holds) for _ in range(max(1, len(self.numbers)))]

    @property
    def is_band(self) -> bool:
        return len(self.numbers) > MOST_LINES and not self.profile

    @property
    def backward(self) -> list[float]:
        """Codes whose text says that they speak of the time up to their sample, not of the time behind it."""
        return [float(code) for code, text in self.codes.items() if text.endswith(UP_TO)]

    @property
    def empty(self) -> bool:
        return self.rows == 0

    def add(self, time: Times, values: Values, gaps: Sequence[tuple[int, int]], held: Sequence[int] = ()) -> None:
        """Add the samples of one window.

        Parameters
        ----------
        time : ndarray of int64, shape (n,)
            Increasing. [ms UTC]
        values : ndarray of float64, shape (k, n)
            One row an element; NaN where it has no sample.
        gaps : sequence of (int, int)
            The line is broken before the sample at the end of each that is wide enough to be seen. [ms UTC]
        held : sequence of int
            How many samples of each element were put in to carry a value to the edges of gaps; they are not counted.
        """
        wide = [gap for gap in gaps if gap[1] - gap[0] >= self.allowance.span * NARROWEST]
        self.gaps += wide
        self.rows += time.size
        if time.size:
            self.last_row = (int(time[-1]), values[:, -1].copy())
        for part, broken in pieces(time, np.array([end for _, end in wide], np.int64)):
            self._add_piece(time[part], values[:, part], broken)
        for trail, more in zip(self.trails, held, strict=False):
            trail.count -= more

    def heat(self) -> tuple[Times, Values]:
        """Return times (n,) and columns (n, k) of the heatmap; a gap is a pair of columns of NaN."""
        times = np.array([time for time, _ in self._columns], np.int64)
        return times, np.array([column for _, column in self._columns])

    def _add_columns(self, time: Times, values: Values, broken: bool) -> None:
        """Keep a column in each slot of the range, whole: a profile of extremes of different times would be none."""
        nothing = np.full(len(values), np.nan)
        if broken and self._columns and time.size:
            self._columns += [(self._columns[-1][0] + 1, nothing), (int(time[0]) - 1, nothing)]
        slot = max(1, self.allowance.span // MOST_COLUMNS)
        for index in range(time.size):
            if not self._columns or time[index] // slot != self._columns[-1][0] // slot or index == 0:
                self._columns.append((int(time[index]), values[:, index].copy()))

    def _add_piece(self, time: Times, values: Values, broken: bool) -> None:
        if self.profile:
            self._add_columns(time, values, broken)
        points = self.allowance.of(int(time[-1] - time[0]), time.size)
        if self.is_band:
            self._add_band(time, values, points, broken)
            points = self.allowance.less(1 / 3).of(int(time[-1] - time[0]), time.size)
        for trail, row in zip(self.trails, values, strict=True):
            trail.add(time, row, points, broken)

    def _add_band(self, time: Times, values: Values, points: int, broken: bool) -> None:
        self.low.add(time, np.fmin.reduce(values, axis=0), points, broken)
        self.high.add(time, np.fmax.reduce(values, axis=0), points, broken)
        some = np.unique(np.linspace(0, time.size - 1, min(time.size, max(2, points // 2))).astype(np.int64))
        block = values[:, some]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a row without any sample has no median
            middle = np.nanmedian(block, axis=0)
        self.middle.add(time[some], middle, some.size, broken)
        self._deviations.append((block - middle).astype(np.float32))

    def furthest(self) -> list[tuple[int, float]]:
        """Return position and mean deviation from the median of the elements that stand out, furthest first.

        Looked at over the whole range and over its last third, where a trend shows.
        """
        if not self._deviations:
            return []
        whole = np.concatenate(self._deviations, axis=1)
        found: dict[int, float] = {}
        for part in (whole, whole[:, whole.shape[1] * 2 // 3 :]):
            for position, level in _far(part):
                if abs(level) > abs(found.get(position, 0.0)):
                    found[position] = level
        return sorted(found.items(), key=lambda item: -abs(item[1]))[:MOST_FAR]


def _far(deviations: Values) -> list[tuple[int, float]]:
    known = ~np.isnan(deviations)
    counts = known.sum(axis=1)
    level = np.where(known, deviations, 0.0).sum(axis=1) / np.maximum(1, counts)
    level[counts == 0] = 0.0
    usual = _TO_SIGMA * float(np.median(np.abs(level - np.median(level))))
    limit = FAR * max(usual, 1e-12)
    return [(int(i), float(level[i])) for i in np.flatnonzero(np.abs(level) > limit)]
