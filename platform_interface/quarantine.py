"""Samples from the future: kept on the platform, remembered, and never computed with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from platform_interface.errors import PlatformError
from platform_interface.mapping import Source
from platform_interface.platforms.base import Bucket, Platform
from platform_interface.table import Table, tables_of
from platform_interface.when import text

#: A clock may be this far ahead. [ms]
TOLERANCE = 300_000
#: More than this is no slip of a clock.
MOST = 100_000
_PREFIX = "quarantine/"
_FOR_EVER = 2**62

#: Times that do not count, each with the digests of the samples: the true sample of that time may still come.
Held = Mapping[int, set[str]]
NONE: Held = {}


@dataclass
class Quarantine:
    """Samples that do not count, by sensor pattern, and what to save of them."""

    held: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    changes: dict[str, str | None] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return how many samples are kept apart, by sensor pattern."""
        return {pattern: sum(map(len, times.values())) for pattern, times in self.held.items() if times}


def digest_of(table: Table, position: int) -> str:
    """Return a hash of one sample of a source."""
    return hashlib.blake2b(np.ascontiguousarray(table.values[:, position]).data, digest_size=8).hexdigest()


def without(table: Table, held: Held) -> Table:
    """Return the table without the samples that are kept apart."""
    if not held or not table.time.size:
        return table
    suspects = np.flatnonzero(np.isin(table.time, np.fromiter(held, np.int64, len(held))))
    drop = [int(i) for i in suspects if digest_of(table, int(i)) in held[int(table.time[i])]]
    if not drop:
        return table
    keep = np.ones(table.time.size, bool)
    keep[drop] = False
    return table.rows(keep)


def quarantined(
    platform: Platform, asset: str, sources: Mapping[str, Source], buckets: Sequence[Bucket], limit: int, newest: int | None
) -> Quarantine:
    """Add the samples at or after `limit` to those that were ever from the future.

    Remembering them matters: tomorrow their time has come, and they would look like any other sample.

    Parameters
    ----------
    sources : mapping
        What is read, by sensor pattern.
    limit : int
        First instant that is future. [ms UTC]
    newest : int or None
        What was computed up to. [ms UTC]

    Raises
    ------
    PlatformError
        This machine's clock, or the site's, must be wrong.
    """
    if newest is not None and newest > limit:
        raise PlatformError(
            f"{asset} was computed up to {text(newest)}, which lies ahead of this machine's clock ({text(limit - TOLERANCE)}). "
            "Set the clock; nothing was changed."
        )
    result = Quarantine(_saved(platform, asset))
    if all(bucket.last < limit for bucket in buckets):
        return result
    for pattern, source in sources.items():
        table = tables_of(source.names, platform.read(asset, source.names, limit, _FOR_EVER))
        times = result.held.setdefault(pattern, {})
        before = sum(map(len, times.values()))
        for position, time in enumerate(table.time.tolist()):
            times.setdefault(time, set()).add(digest_of(table, position))
        count = sum(map(len, times.values()))
        if count > MOST:
            raise PlatformError(
                f"{asset}: {count} samples of '{pattern}' lie in the future. The clock of the logger, or of this machine, is "
                "wrong; correct it, or the times on the platform. Nothing was changed."
            )
        if count > before:
            result.changes[_PREFIX + pattern] = json.dumps({str(t): sorted(d) for t, d in sorted(times.items())})
    return result


def _saved(platform: Platform, asset: str) -> dict[str, dict[int, set[str]]]:
    try:
        return {
            key.removeprefix(_PREFIX): {int(time): set(digests) for time, digests in json.loads(value).items()}
            for key, value in platform.load_state(asset, _PREFIX).items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise PlatformError(
            f"the saved quarantine of {asset} cannot be read ({error}); restore {asset} from a back-up"
        ) from None
