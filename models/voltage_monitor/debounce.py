"""From "beyond the limit" to an alarm: on-delay, off-delay and the band between set and clear.

One rule for all: limits, cells without value, asynchronous frames. Loops run over stretches, not over samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TimeArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
CodeArray = NDArray[np.int8]

#: Codes of a sample.
NORMAL, BETWEEN, BEYOND = -1, 0, 1


@dataclass
class Channel:
    """One alarm that is on its way, or standing; carried between windows.

    Attributes
    ----------
    since : int
        First sample beyond the limit. [ms UTC]
    last : int
        Last sample seen. [ms UTC]
    peak : float
        Farthest value since then.
    raised : int or None
        When the on-delay was over. [ms UTC]
    calm : int or None
        First sample past the clear threshold, as long as none has come back. [ms UTC]
    """

    since: int
    last: int
    peak: float
    raised: int | None = None
    calm: int | None = None


@dataclass(frozen=True)
class Transition:
    """An alarm was raised, or cleared, at a sample of this window."""

    index: int
    raised: bool
    since: int
    peak: float


@dataclass(frozen=True)
class Rule:
    """Which way is bad, and the delays. [ms]"""

    side: int
    on_delay: int
    off_delay: int
    max_gap: float


def codes(values: FloatArray, side: int, set_at: FloatArray | float, clear_at: FloatArray | float) -> CodeArray:
    """Say of each value whether it is beyond `set_at`, past `clear_at`, or between the two."""
    found = np.zeros(values.shape, np.int8)
    if side < 0:
        found[values < set_at] = BEYOND
        found[values > clear_at] = NORMAL
    else:
        found[values > set_at] = BEYOND
        found[values < clear_at] = NORMAL
    return found


def walk(
    time: TimeArray, code: CodeArray, values: FloatArray, channel: Channel | None, rule: Rule
) -> tuple[Channel | None, list[Transition]]:
    """Take one alarm through the samples of a window.

    Parameters
    ----------
    time, code, values : ndarray of int64, int8, float64, shape (n,)
        Strictly increasing [ms UTC]; `BEYOND`, `BETWEEN` or `NORMAL`; for the peak.
    channel : Channel or None
        From the window before.
    rule : Rule
        A time of waiting begins anew behind an interval longer than its `max_gap`: nobody knows what was between.

    Returns
    -------
    (Channel or None, list of Transition)
        What is carried on, and what happened, in order of time.
    """
    if not time.size:
        return channel, []
    before = time[0] if channel is None else channel.last
    gap = np.diff(time, prepend=before) > rule.max_gap
    starts = np.flatnonzero(gap | np.append(True, code[1:] != code[:-1]))
    found: list[Transition] = []
    done = 0
    for low, high in _telling(time, code, starts, rule):
        if channel is not None and (gap[low] or low > done):
            channel = _interrupted(channel, values[done:low][code[done:low] == BEYOND], rule.side)
        if code[low] == BEYOND:
            channel = _beyond(time, values, low, high, channel, rule, found)
        elif channel is not None and channel.raised is None:
            channel = None
        elif channel is not None:
            channel = _back(time, code, low, high, channel, rule, found)
        done = high
    if channel is not None:
        channel.last = int(time[-1])
    return channel, found


def _telling(time: TimeArray, code: CodeArray, starts: NDArray[np.intp], rule: Rule) -> list[tuple[int, int]]:
    """Return the stretches that can raise or clear: as long as the delay, and the first and the last one.

    Noise about a limit makes a stretch of every few samples; all but these only begin a time of waiting anew.
    """
    ends = np.append(starts[1:], time.size)
    lasted, kind = time[ends - 1] - time[starts], code[starts]
    delay = np.where(kind == BEYOND, rule.on_delay, rule.off_delay)
    telling = (kind != BETWEEN) & (lasted >= delay)
    telling[[0, -1]] = True
    return list(zip(starts[telling].tolist(), ends[telling].tolist(), strict=True))


def _interrupted(channel: Channel, beyond: FloatArray, side: int) -> Channel | None:
    """Begin the times of waiting anew behind a gap, or behind stretches too short to tell, with these values beyond."""
    channel.calm = None
    if channel.raised is None:
        return None
    channel.peak = _farther(channel.peak, beyond, side) if beyond.size else channel.peak
    return channel


def _beyond(
    time: TimeArray, values: FloatArray, low: int, high: int, channel: Channel | None, rule: Rule, found: list[Transition]
) -> Channel:
    """Go through one stretch beyond the limit."""
    if channel is None:
        channel = Channel(int(time[low]), int(time[low]), float(values[low]))
    channel.calm = None
    if channel.raised is None:
        index = low + int(np.searchsorted(time[low:high], channel.since + rule.on_delay))
        if index < high:
            channel.raised = int(time[index])
            channel.peak = _farther(channel.peak, values[low : index + 1], rule.side)
            found.append(Transition(index, True, channel.since, channel.peak))
    channel.peak = _farther(channel.peak, values[low:high], rule.side)
    return channel


def _back(
    time: TimeArray, code: CodeArray, low: int, high: int, channel: Channel, rule: Rule, found: list[Transition]
) -> Channel | None:
    """Go through one stretch of a standing alarm that is not beyond the limit."""
    if code[low] == BETWEEN:
        channel.calm = None
        return channel
    channel.calm = int(time[low]) if channel.calm is None else channel.calm
    index = low + int(np.searchsorted(time[low:high], channel.calm + rule.off_delay))
    if index == high:
        return channel
    found.append(Transition(index, False, channel.since, channel.peak))
    return None


def _farther(peak: float, values: FloatArray, side: int) -> float:
    return min(peak, float(values.min())) if side < 0 else max(peak, float(values.max()))


def as_state(channel: Channel) -> list[Any]:
    """Return a channel as strict JSON."""
    return [channel.since, channel.last, channel.peak, channel.raised, channel.calm]
