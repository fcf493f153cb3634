"""Late data: compare the fingerprints of a model's past input with what the platform holds now."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from platform_interface.checkpoint import Day, History
from platform_interface.fingerprint import Piece, combined, ordered, pieces
from platform_interface.mapping import Source
from platform_interface.platforms.base import Bucket, Platform
from platform_interface.quarantine import NONE, Held, without
from platform_interface.table import tables_of

#: More pieces than this on one day are joined when the day is looked at anyway.
MANY = 24


@dataclass
class Lateness:
    """What changed behind the watermark.

    Attributes
    ----------
    instant : int or None
        Earliest stretch within the look-back whose samples differ: computed again from there. [ms UTC]
    too_late : list of (int, int)
        Stretches older than the look-back that differ: start [ms UTC], and by how many samples.
    arrived : int
        Samples more than were computed, within the look-back.
    """

    instant: int | None = None
    too_late: list[tuple[int, int]] = field(default_factory=list)
    arrived: int = 0


def fingerprint(
    platform: Platform, asset: str, sources: Mapping[str, Source], quarantine: Mapping[str, Held], start: int, end: int
) -> list[Piece]:
    """Read a stretch and fingerprint it, as a window over it would have."""
    names = sorted({name for source in sources.values() for name in source.names})
    tables = platform.read(asset, names, start, end)
    parts = []
    for name, source in sorted(sources.items()):
        table = without(tables_of(source.names, tables), quarantine.get(source.pattern, NONE))
        parts.append((name, pieces(ordered(table).table, start, end)))
    return combined(parts, start, end)


class Examination:
    """Looks at the changed days of one model's past.

    Parameters
    ----------
    platform, asset
        Where to read.
    sources : mapping
        What the model reads.
    history : History
        What it has read.
    quarantine : mapping
        Times, by sensor, that do not count.
    """

    def __init__(
        self, platform: Platform, asset: str, sources: Mapping[str, Source], history: History,
        quarantine: Mapping[str, Held],
    ) -> None:  # fmt: skip
        self.platform = platform
        self.asset = asset
        self.sources = sources
        self.history = history
        self.quarantine = quarantine
        self.changes: dict[str, str | None] = {}

    def run(self, buckets: Iterable[Bucket], lookback: float) -> Lateness:
        """Compare; `changes` then holds what to save of days that proved unchanged."""
        found = Lateness()
        latest = self.history.latest
        if latest is None:
            return found
        horizon = latest.end - round(lookback * 1000)
        for bucket in buckets:
            start = max(bucket.start, latest.origin or bucket.start)
            end = min(bucket.end, latest.end)
            record = self.history.days.get(bucket.start, Day())
            if start >= end or bucket.first >= end or (bucket.token and record.token == bucket.token):
                continue
            if not self._day(record, start, end, horizon, found):
                fresh = Day(self._joined(record.pieces), bucket.token)
                self.changes.update(self.history.refreshed(bucket.start, fresh))
        return found

    def _day(self, record: Day, start: int, end: int, horizon: int, found: Lateness) -> bool:
        """Compare one day stretch by stretch; return whether anything differs."""
        differs = False
        for low, high, piece in _stretches(record.pieces, start, end):
            now = fingerprint(self.platform, self.asset, self.sources, self.quarantine, low, high)
            before = [] if piece is None else [(piece.count, piece.digest)]
            if [(p.count, p.digest) for p in now] == before:
                continue
            differs = True
            arrived = sum(p.count for p in now) - sum(count for count, _ in before)
            if high <= horizon:
                found.too_late.append((low, max(1, abs(arrived))))
            else:
                found.arrived += arrived
                found.instant = low if found.instant is None else min(found.instant, low)
        return differs

    def _joined(self, past: Sequence[Piece]) -> list[Piece]:
        """Join many pieces of an unchanged day, but never over the end of a checkpoint."""
        if len(past) <= MANY:
            return list(past)
        ends = sorted(self.history.checkpoints)
        groups: dict[int, list[Piece]] = {}
        for piece in past:
            groups.setdefault(bisect_right(ends, piece.start), []).append(piece)
        result = []
        for group in groups.values():
            start, end = group[0].start, group[-1].end
            result += (
                fingerprint(self.platform, self.asset, self.sources, self.quarantine, start, end) if len(group) > 1 else group
            )
        return result


def _stretches(past: Sequence[Piece], start: int, end: int) -> list[tuple[int, int, Piece | None]]:
    """Cover a range with the pieces and what lies between them."""
    found: list[tuple[int, int, Piece | None]] = []
    cursor = start
    for piece in sorted(past, key=lambda p: p.start):
        if piece.start >= end:
            break
        if piece.start > cursor:
            found.append((cursor, piece.start, None))
        found.append((piece.start, piece.end, piece))
        cursor = piece.end
    if cursor < end:
        found.append((cursor, end, None))
    return found
