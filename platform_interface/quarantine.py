"""Samples from the future: kept on the platform, remembered, and never computed with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from platform_interface.errors import PlatformError
from platform_interface.late import tables_of
from platform_interface.platforms.base import Bucket, Platform
from platform_interface.start import Track

#: A clock may be this far ahead. [ms]
TOLERANCE = 300_000
#: More than this is no slip of a clock.
MOST = 100_000
_PREFIX = "quarantine/"
_FOR_EVER = 2**62


@dataclass
class Quarantine:
    """Times that do not count, by sensor pattern, and what to save of them."""

    times: dict[str, set[int]] = field(default_factory=dict)
    changes: dict[str, str | None] = field(default_factory=dict)


def quarantined(platform: Platform, asset: str, tracks: Sequence[Track], buckets: Sequence[Bucket], limit: int) -> Quarantine:
    """Add the samples at or after `limit` to those that were ever from the future.

    Remembering them matters: tomorrow their time has come, and they would look like any other sample.

    Raises
    ------
    PlatformError
        So many that the site's clock must be wrong.
    """
    saved = platform.load_state(asset, _PREFIX)
    result = Quarantine({key.removeprefix(_PREFIX): set(json.loads(value)) for key, value in saved.items()})
    if all(bucket.last < limit for bucket in buckets):
        return result
    sources = {source.pattern: source for track in tracks for source in track.plan.sources.values()}
    for pattern, source in sources.items():
        table = tables_of(source, platform.read(asset, source.names, limit, _FOR_EVER))
        fresh = set(table.time.tolist()) - result.times.get(pattern, set())
        if fresh:
            times = result.times.setdefault(pattern, set()) | fresh
            if len(times) > MOST:
                raise PlatformError(
                    f"{asset}: {len(times)} samples of '{pattern}' lie in the future. The clock of the logger is wrong; "
                    "correct the times on the platform."
                )
            result.times[pattern] = times
            result.changes[_PREFIX + pattern] = json.dumps(sorted(times))
    return result
