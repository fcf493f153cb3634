"""Samples -> bins on a grid of absolute time, whole blocks of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.pinn_internal_state.states import KELVIN, RATED, Block, FloatArray

TimeArray = npt.NDArray[np.int64]

#: Widths of a bin that are chosen from, and bins of a block of each: blocks of 6 to 48 minutes that divide the UTC day. [s]
WIDTHS = {5.0: 72, 10.0: 72, 30.0: 48, 60.0: 24, 120.0: 24}
#: Intervals without a gap that a width is chosen by, and of how many at most.
TRIAL, MOST_TRIAL = 11, 120
#: Between samples closer than this the current is taken to be a straight line. [s]
CLOSE = 5.0
#: Resistance by which an unseen swing of the current becomes doubt of the voltage, of a cell of 5 Ah: far apart, close. [Ohm]
SWING, SWING_CLOSE = 0.04, 0.0015
#: Noise of a bin without a voltage. [V]
BLIND = 1e3
#: Share of a bin that must be covered by samples.
COVERED = 0.999


@dataclass(frozen=True)
class Samples:
    """Samples of one cell in order of time.

    Attributes
    ----------
    time : ndarray of int64, shape (n,)
        [ms UTC]
    current, voltage, temperature : ndarray, shape (n,)
        Positive on discharge [A]; of one cell [V]; [°C]. The last two are NaN where nothing was measured.
    """

    time: TimeArray
    current: FloatArray
    voltage: FloatArray
    temperature: FloatArray

    def __len__(self) -> int:
        return len(self.time)

    def part(self, low: int, high: int) -> Samples:
        return Samples(*(value[low:high] for value in vars(self).values()))

    def after(self, before: Samples) -> Samples:
        """Return `before` and these."""
        return Samples(*(np.concatenate(pair) for pair in zip(vars(before).values(), vars(self).values(), strict=True)))


def width_for(samples: Samples, gap: int) -> tuple[float, int] | None:
    """Choose the width of a bin: twice the usual interval of the first samples, at least.

    Returns
    -------
    tuple of float and int, or None
        Width [s], and the sample that decided it; None while there are too few.
    """
    steps = np.diff(samples.time)
    usual = np.flatnonzero(steps <= gap)
    if len(usual) >= TRIAL and usual[TRIAL - 1] < MOST_TRIAL:
        wanted = 2.0 * float(np.median(steps[usual[:TRIAL]])) / 1000.0
        return next((width for width in WIDTHS if width >= wanted), max(WIDTHS)), int(usual[TRIAL - 1]) + 1
    return (max(WIDTHS), MOST_TRIAL) if len(steps) >= MOST_TRIAL else None


def binned(samples: Samples, start: int, width: float, count: int, capacity: float, noise: float) -> Block:
    """Return the bins of one block from samples without a gap; bins that they do not cover are padding.

    Parameters
    ----------
    samples : Samples
        From before the first covered bin to beyond the last one.
    start : int
        Of the block. [ms UTC]
    width : float
        Of a bin. [s]
    count : int
        Bins of the block.
    capacity : float
        [Ah]
    noise : float
        Standard deviation of one sample of the voltage. [V]

    Notes
    -----
    Between samples everything runs on a straight line. Where they are more than 5 s apart, what the current did meanwhile is
    doubted: in the voltage by its swing within the bin, in the charge by the time at which it may have changed.
    """
    time = (samples.time - start) / 1000.0
    edges = np.arange(count + 1) * width
    cuts = np.unique(np.concatenate([time, edges]))
    cuts = cuts[(cuts >= max(time[0], 0.0)) & (cuts <= min(time[-1], edges[-1]))]
    length, middle = np.diff(cuts), (cuts[1:] + cuts[:-1]) / 2
    which = np.minimum((middle / width).astype(np.int64), count - 1)
    owner = np.clip(np.searchsorted(time, middle, side="right") - 1, 0, len(time) - 2)

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(which, values, count).astype(np.float64)

    seconds = total(length)
    filled = seconds >= COVERED * width
    safe = np.where(filled, seconds, 1.0)
    at = np.interp(cuts, time, samples.current)
    low, high = at[:-1], at[1:]
    current = total(length * (low + high) / 2) / safe
    square = total(length * (low * low + low * high + high * high) / 3) / safe
    spread = np.sqrt(np.maximum(square - current**2, 0.0))
    voltage, seen = _mean(time, samples.voltage, cuts, which, owner, count)
    warm, felt = _mean(time, samples.temperature, cuts, which, owner, count)
    if (felt > 0).any():
        warm = np.interp(np.arange(count), np.flatnonzero(felt > 0), warm[felt > 0])
    far = np.diff(time) > CLOSE
    wide = total(length * far[owner]) / safe > 0.5
    swing = np.where(wide, SWING, SWING_CLOSE) * RATED / capacity * spread
    inside = np.maximum(np.histogram(time[np.isfinite(samples.voltage)], edges)[0], 1)
    error = np.where(filled & (seen > 0.5 * width), np.hypot(noise / np.sqrt(inside), swing), BLIND)
    held = (time[1:] > 0) & (time[:-1] < edges[-1]) & far
    doubt = np.sqrt(np.square(np.diff(samples.current) * np.diff(time))[held].sum() / 12.0) / 3600.0
    zero = np.where(filled, 1.0, 0.0)
    fallback = float(np.mean(warm[filled])) if filled.any() else 25.0
    return Block(
        current * zero, spread * zero, np.where(filled, warm, fallback) + KELVIN, width * zero,
        np.where(error < BLIND, voltage, 3.7), error, float(doubt),
    )  # fmt: skip


def _mean(
    time: FloatArray, values: FloatArray, cuts: FloatArray, which: TimeArray, owner: TimeArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """Return the mean of each bin over the intervals between two known samples, and how long those are. [s]"""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(count), np.zeros(count)
    both = (known[:-1] & known[1:])[owner]
    at = np.interp(cuts, time[known], values[known])
    length = np.diff(cuts) * both
    seen = np.bincount(which, length, count).astype(np.float64)
    level = np.bincount(which, length * (at[:-1] + at[1:]) / 2, count)
    return level / np.where(seen > 0, seen, 1.0), seen


def stretches(time: TimeArray, length: int, gap: int, begun: bool) -> Iterator[tuple[int, int, bool, bool]]:
    """Yield runs of samples of one block without a gap.

    Parameters
    ----------
    begun : bool
        Whether the first sample is the last one of the block before.

    Yields
    ------
    low, high : int
        First sample, the last one of the block before included where no gap lies between; and the first one after the run.
    closed : bool
        Whether there is a sample after the run.
    joined : bool
        Whether that one follows without a gap.
    """
    if not len(time):
        return
    steps, blocks = np.diff(time), time // length
    broken = steps > gap
    ends = np.flatnonzero(broken | (np.diff(blocks) != 0)) + 1
    low = 0
    for high in ends.tolist()[begun:]:
        joined = not bool(broken[high - 1])
        yield low, high, True, joined
        low = high - 1 if joined else high
    yield low, len(time), False, False
