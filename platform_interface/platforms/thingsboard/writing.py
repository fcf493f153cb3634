"""Samples into ThingsBoard: in chunks that may be repeated, and around what it refuses."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from platform_interface.log import LOGGER, redact
from platform_interface.platforms.decimals import rounded16
from platform_interface.platforms.http import RefusedError
from platform_interface.platforms.thingsboard.api import LARGEST_BODY, Api, key_groups, keys_of
from platform_interface.platforms.thingsboard.bulk import FEW_SERIES, rows_text
from platform_interface.platforms.thingsboard.entities import Entity
from platform_interface.platforms.thingsboard.values import plain
from platform_interface.table import Table
from platform_interface.when import now, text

#: Values of one request at most.
MOST_VALUES = 50_000
#: Answers that say that something in the request is wrong, or that there is too much of it.
WRONG, LARGE = 400, 413
#: Requests that the search for refused samples may cost, a chunk.
MOST_SEARCHES = 200


@dataclass
class Refused:
    """What the platform refused for good, of one replacement."""

    points: list[tuple[str, int, float]] = field(default_factory=list)
    said: str = ""


@dataclass
class Writer:
    """Writes series of things.

    Parameters
    ----------
    api : Api
        The platform.
    folder : Path
        Where refused samples are kept.
    """

    api: Api
    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, entity: Entity, table: Table) -> list[str]:
        """Write every number of a table; return what was refused, a sentence a series."""
        table = Table(table.time, table.names, rounded16(table.values), table.absent)
        refused = Refused()
        self.api.http.map(lambda chunk: self._chunk(entity, chunk, refused), _chunks(table))
        return self._keep(entity, refused) if refused.points else []

    def delete(self, entity: Entity, names: Sequence[str], start: int, end: int) -> None:
        """Delete the samples with ``start <= t < end``."""
        for group in key_groups(names):
            self.api.delete(f"{entity.telemetry}/timeseries/delete", [
                *keys_of(group), ("startTs", start), ("endTs", end), ("deleteAllDataForKeys", "false"),
                ("rewriteLatestIfDeleted", "true"),
            ])  # fmt: skip

    def delete_all(self, entity: Entity, names: Sequence[str]) -> None:
        """Delete series with everything in them."""
        for group in key_groups(names):
            self.api.delete(f"{entity.telemetry}/timeseries/delete", [*keys_of(group), ("deleteAllDataForKeys", "true")])

    def _chunk(self, entity: Entity, chunk: Table, refused: Refused) -> None:
        """Write a chunk; look for what is wrong in one that is refused."""
        pending, searches = [chunk], 0
        while pending:
            part = pending.pop()
            said = self._post(entity, part)
            if not said:
                continue
            searches += 1
            halves = _halves(part) if searches <= MOST_SEARCHES and not self._hopeless(entity, part) else []
            if halves:
                pending += halves
                continue
            with self._lock:
                refused.said = said
                refused.points += _points(part)

    def _hopeless(self, entity: Entity, part: Table) -> bool:
        """Whether a series is refused at its beginning, middle and end: then it is the name, not a sample."""
        if len(part.names) > 1 or part.time.size < 8:
            return False
        return all(self._post(entity, part.rows(np.array([at]))) for at in (0, part.time.size // 2, part.time.size - 1))

    def _post(self, entity: Entity, part: Table) -> str:
        """Send; return what the platform says against it, empty when it took it."""
        body = _body(part)
        if not body:
            return ""
        if len(body) > 3 * LARGEST_BODY and part.size > 1:
            return "more than is sent at a time"
        try:
            self.api.http.request(
                "POST", f"{entity.telemetry}/timeseries/ANY", data=body, headers={"Content-Type": "application/json"}
            ).json()  # a page of a proxy is no acknowledgement
        except RefusedError as error:
            if error.status not in (WRONG, LARGE):
                raise
            return f"{error.status} {error.text}"
        return ""

    def _keep(self, entity: Entity, refused: Refused) -> list[str]:
        """Write down what was refused, and say it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        slug = re.sub(r"[^A-Za-z0-9_-]+", "_", entity.id)[:60]
        digest = hashlib.blake2b(entity.uuid.encode(), digest_size=4).hexdigest()
        path = self.folder / f"{slug}-{digest}-{now()}.jsonl"
        lines = [
            json.dumps({"asset": entity.id, "series": name, "ts": time, "value": value, "said": redact(refused.said)})
            for name, time, value in sorted(refused.points)
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        LOGGER.warning("%s: the platform refused %d values; they are in %s", entity.id, len(lines), path)
        return list(_sentences(refused, path))


def _sentences(refused: Refused, path: Path) -> Iterator[str]:
    by_name: dict[str, list[int]] = {}
    for name, time, _ in refused.points:
        by_name.setdefault(name, []).append(time)
    for name, times in sorted(by_name.items()):
        yield (
            f"the platform refused {len(times)} value{'s' if len(times) > 1 else ''} of '{name}' from {text(min(times))} to "
            f"{text(max(times))} ({refused.said}); {'they are' if len(times) > 1 else 'it is'} in {path}."
        )


def _chunks(table: Table) -> list[Table]:
    """Cut a table into pieces whose bodies are small enough."""
    width = sum(len(name.encode()) + 26 for name in table.names) + 40
    rows = max(1, min(LARGEST_BODY // 2 // width, MOST_VALUES // max(1, len(table.names))))
    return [
        table.rows(np.arange(low, min(low + rows, table.time.size)))
        for low in range(0, table.time.size if table.names else 0, rows)
    ]


def _body(part: Table) -> bytes:
    """Return the body of a request; empty when there is no number in it."""
    if not part.size:
        return b""
    if len(part.names) <= FEW_SERIES and bool((np.abs(part.values) < 1e16).all()):
        return rows_text(part)
    rows = _rows(part)
    return orjson.dumps(rows) if rows else b""


def _rows(part: Table) -> list[dict[str, Any]]:
    """Return ``{"ts", "values"}`` a row; what was not delivered or is no finite number is left out."""
    values: Any = part.values.T
    finite = np.isfinite(part.values) & (np.abs(part.values) < 1e16)
    if bool(finite.all()):
        return [
            {"ts": time, "values": dict(zip(part.names, row, strict=True))}
            for time, row in zip(part.time.tolist(), values.tolist(), strict=True)
        ]
    rows = []
    for time, row in zip(part.time.tolist(), values.tolist(), strict=True):
        held = {name: plain(value) for name, value in zip(part.names, row, strict=True) if abs(value) < float("inf")}
        if held:
            rows.append({"ts": time, "values": held})
    return rows


def _points(part: Table) -> list[tuple[str, int, float]]:
    return [
        (name, time, value)
        for name, row in zip(part.names, part.values.tolist(), strict=True)
        for time, value in zip(part.time.tolist(), row, strict=True)
        if abs(value) < float("inf")
    ]


def _halves(part: Table) -> list[Table]:
    """Cut by series first, for a name is refused whole; then by time."""
    if len(part.names) > 1:
        middle = len(part.names) // 2
        return [part.select(part.names[:middle]), part.select(part.names[middle:])]
    if part.time.size > 1:
        middle = part.time.size // 2
        return [part.rows(np.arange(middle)), part.rows(np.arange(middle, part.time.size))]
    return []


def stale_runs(held: np.ndarray[Any, np.dtype[np.int64]], kept: np.ndarray[Any, np.dtype[np.int64]]) -> list[tuple[int, int]]:
    """Return ranges ``start <= t < end`` that cover every held time that is not kept, and none that is; both in order.

    Examples
    --------
    >>> stale_runs(np.array([1, 2, 3, 5, 7, 9]), np.array([2, 7]))
    [(1, 2), (3, 6), (9, 10)]
    """
    stale = held[kept[np.minimum(np.searchsorted(kept, held), kept.size - 1)] != held] if kept.size else held
    if not stale.size:
        return []
    place = np.searchsorted(kept, stale)  # stale times with no kept one between them have the same place
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    ends = np.append(starts[1:], stale.size) - 1
    return [(low, high + 1) for low, high in zip(stale[starts].tolist(), stale[ends].tolist(), strict=True)]
