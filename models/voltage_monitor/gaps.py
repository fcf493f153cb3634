"""Times without a sample, and samples too far apart for what is looked for in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.voltage_monitor import stuck, texts
from models.voltage_monitor.debounce import FloatArray
from models.voltage_monitor.events import NO_CELL, Event
from models.voltage_monitor.frame import Frame

#: Fewer samples than this in a window say nothing of how the sensor logs.
FEWEST = 4


def no_data(frame: Frame, before: int | None) -> list[Event]:
    """Return the gaps, told at the first sample behind them.

    Parameters
    ----------
    before : int or None
        Last sample before the window. [ms UTC]
    """
    edges = np.append(frame.time[0] if before is None else before, frame.time)
    wide = np.flatnonzero(np.diff(edges) > frame.gap)
    return [Event(int(i), "no data", False, NO_CELL, int(edges[i])) for i in wide]


def hours_without_data(frame: Frame, gaps: Sequence[Event], before: float) -> FloatArray:
    """Return the time in gaps up to each sample, from that before the window on. [h]"""
    steps = np.zeros(frame.time.size)
    for event in gaps:
        steps[event.index] = (frame.time[event.index] - event.since) / 3_600_000.0
    return np.cumsum(np.append(before, steps))[1:]


def too_coarse(frame: Frame, gaps: int, stuck_minutes: float) -> list[str]:
    """Return what cannot be told because the samples of a window lie too far apart; for the report."""
    if frame.time.size < FEWEST:
        return []
    if 4 * gaps >= 3 * frame.time.size:
        return [texts.MOSTLY_GAPS.format(frame.gap / 1000.0)]
    usual = float(np.median(np.diff(frame.time))) / 60_000.0
    if usual * stuck.FEWEST > stuck_minutes and len(frame.numbers) >= stuck.PEERS:
        return [texts.NO_STUCK.format(usual, stuck_minutes, stuck.FEWEST * usual)]
    return []
