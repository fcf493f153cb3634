"""Full, incremental and manual runs -> windows sized by values. Pure: no clock, no platform."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from platform_interface.platforms.base import Bucket

#: Parts of a day that a dense day is cut into: boundaries fall on whole minutes.
_PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 72, 96, 144, 288, 480, 1440)

Window = tuple[int, int]


def windows(buckets: Sequence[Bucket], start: int, end: int, max_values: int) -> list[Window]:
    """Cut ``start <= t < end`` into windows of at most about `max_values` values.

    Parameters
    ----------
    buckets : sequence of Bucket
        Where the samples lie, oldest first; those outside the range do not count.
    start, end : int
        Range to cover, without a hole. [ms UTC]
    max_values : int
        Values that one window may hold. Within a bucket samples are taken as evenly spread.

    Returns
    -------
    list of (int, int)
        Adjoining windows; empty when there is nothing to cover.
    """
    if end <= start:
        return []
    cuts: list[int] = []
    held = 0.0
    for bucket in buckets:
        for low, values in _slices(bucket, start, end, max_values):
            if held and held + values > max_values:
                cuts.append(low)
                held = 0.0
            held += values
    edges = [start, *sorted({cut for cut in cuts if start < cut < end}), end]
    return list(pairwise(edges))


def _slices(bucket: Bucket, start: int, end: int, max_values: int) -> list[tuple[int, float]]:
    """Return the parts of a bucket inside the range, each small enough, with the values it holds."""
    if bucket.last < start or bucket.first >= end or not bucket.values:
        return []
    length = bucket.end - bucket.start
    duration = max(1, bucket.last + 1 - bucket.first)
    needed = ceil(bucket.values / max_values * length / duration)
    parts = next((part for part in _PARTS if part >= needed), _PARTS[-1])
    density = bucket.values / duration
    edges = [bucket.start + length * i // parts for i in range(parts + 1)]
    found = []
    for low, high in pairwise(edges):
        covered = min(high, end, bucket.last + 1) - max(low, start, bucket.first)
        if covered > 0:
            found.append((low, covered * density))
    return found
