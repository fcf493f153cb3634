"""Blocks: neighbouring cells, such as a module, that stand or move together.

A cell is held against its own block, so a module that is warmer, older or measured by another chip accuses no cell.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from models.imbalance_analysis.robust import NORMAL, FloatArray, median

#: Shortest block: with five cells two may be faulty and the median is still that of the others.
SHORTEST = 5
#: Cells on either side of a border that may belong to the other block.
DOUBT = 2
#: A border is a jump of the medians of five cells on either side by more than this many standard deviations.
BORDER_LIMIT = 6.0
#: One sigma of the difference of two medians of five, in sigmas of one cell: 1.253 sqrt(2 / 5).
_OF_MEDIANS = 0.79

Block = tuple[int, int]


def find_blocks(profile: FloatArray, floor: float) -> list[Block]:
    """Split cells in their order where the level jumps.

    Parameters
    ----------
    profile : array, shape (k,)
        One value a cell, in the order of the string; NaN where there is none. [mV]
    floor : float
        Smallest scatter of one cell that is believed. [mV]

    Returns
    -------
    list of (int, int)
        First position and the one after the last; together they cover all cells.

    Notes
    -----
    The scatter is that of differences between neighbours, which a few borders do not change. At every position the
    medians of five cells before and after are compared; of positions that hang together the one that splits best
    (least sum of absolute deviations) is the border. Blocks shorter than five cells are not seen.

    Examples
    --------
    >>> find_blocks(np.array([0.0, 1, 0, 1, 0, 1, 40, 41, 40, 41, 40, 41]), 1.0)
    [(0, 6), (6, 12)]
    """
    filled = _filled(profile)
    cells = len(filled)
    if cells < 2 * SHORTEST:
        return [(0, cells)]
    windows = sliding_window_view(filled, SHORTEST)
    medians = np.sort(windows, axis=1)[:, SHORTEST // 2]
    costs = np.abs(windows - medians[:, None]).sum(axis=1)
    splits = costs[:-SHORTEST] + costs[SHORTEST:]
    jumps = np.abs(medians[SHORTEST:] - medians[:-SHORTEST])  # jumps[j]: border before cell j + SHORTEST
    neighbours = NORMAL * median(np.abs(np.diff(filled))) / np.sqrt(2.0)
    sure = np.flatnonzero(jumps > BORDER_LIMIT * _OF_MEDIANS * max(neighbours, floor))
    groups = np.split(sure, np.flatnonzero(np.diff(sure) > 1) + 1)
    borders = [int(group[np.argmin(splits[group])]) + SHORTEST for group in groups if len(group)]
    return [(low, high) for low, high in pairwise([0, *borders, cells]) if high > low]


def _filled(profile: FloatArray) -> FloatArray:
    """Put the pack's median where a cell has no value."""
    return np.where(np.isfinite(profile), profile, np.nan_to_num(median(profile)))


def members(profile: FloatArray, blocks: list[Block]) -> npt.NDArray[np.int64]:
    """Return the block of every cell: its own, or the neighbouring one where a cell near the border fits that better.

    Parameters
    ----------
    profile : array, shape (k,)
        [mV]
    blocks : list of (int, int)
        Of `find_blocks`.

    Returns
    -------
    array, shape (k,)
        Place in `blocks`.

    Notes
    -----
    A border is known to two cells. A cell that near to it is held against both blocks and judged by the nearer, so that no
    healthy cell is accused because a border was put beside it.

    Examples
    --------
    >>> members(np.array([0.0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9]), [(0, 5), (5, 11)]).tolist()
    [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    """
    levels = [median(profile[low:high]) for low, high in blocks]
    found = np.repeat(np.arange(len(blocks)), [high - low for low, high in blocks])
    for place, (_, border) in enumerate(blocks[:-1]):
        for cell in range(max(border - DOUBT, 0), min(border + DOUBT, len(profile))):
            away = [abs(profile[cell] - levels[place]), abs(profile[cell] - levels[place + 1])]
            found[cell] = place + int(np.argmin(np.nan_to_num(away)))
    return found


def block_medians(profile: FloatArray, blocks: list[Block], member: npt.NDArray[np.int64] | None = None) -> FloatArray:
    """Return for every cell the median of its block, by `members` where they are not given; shape (k,). [mV]"""
    belongs = members(profile, blocks) if member is None else member
    levels = np.array([median(profile[low:high]) for low, high in blocks])
    return np.asarray(levels[belongs], dtype=np.float64)


def shifted(profile: FloatArray, blocks: list[Block], floor: float, least: float) -> list[tuple[int, int, float]]:
    """Return the blocks that moved away from the pack: first, after the last, by how much.

    Parameters
    ----------
    profile : array, shape (k,)
        Change of every cell against the pack median since the reference days. [mV]
    blocks : list of (int, int)
        Of `find_blocks`.
    floor, least : float
        Smallest scatter that is believed, and smallest shift of interest. [mV]

    Notes
    -----
    The whole string never counts as a block: what all cells do together is not imbalance.
    """
    found = []
    for low, high in blocks:
        own = profile[low:high]
        own = own[np.isfinite(own)]
        if len(own) < SHORTEST or high - low == len(profile):
            continue
        middle = median(own)
        noise = max(NORMAL * median(np.abs(own - middle)), floor)
        if abs(middle) >= max(least, BORDER_LIMIT * noise * 1.253 / np.sqrt(len(own))):
            found.append((low, high, middle))
    return found
