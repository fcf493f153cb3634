"""Observations in: there is no upsert, so what is there is read, what is missing is posted, and what is stale is deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from platform_interface.errors import PlatformError
from platform_interface.platforms.http import RefusedError
from platform_interface.platforms.sensorthings.samples import LAST, Samples, shown
from platform_interface.platforms.sensorthings.service import Id, Service, UnknownOutcomeError
from platform_interface.table import Table, Times, Values
from platform_interface.when import text

#: Most observations of one request.
CHUNK = 5_000
#: After a fault of unknown outcome: look, and post what is missing, at most this often.
ATTEMPTS = 12
#: So many single rows are refused before the rest is taken as refused too.
PATIENCE = 20


@dataclass
class Wanted:
    """What one series is to hold: pairs of time and value, in the order they came."""

    name: str
    stream: Id
    time: Times
    values: Values

    def rows(self, which: Sequence[int]) -> Wanted:
        """Return some of the pairs."""
        chosen = np.asarray(which, np.int64)
        return Wanted(self.name, self.stream, self.time[chosen], self.values[chosen])


@dataclass
class Refusals:
    """What the server refused for good."""

    rows: dict[str, set[tuple[int, float]]] = field(default_factory=dict)
    reason: str = ""

    def add(self, name: str, pairs: Sequence[tuple[int, float]]) -> None:
        """Add rows of a series."""
        self.rows.setdefault(name, set()).update(pairs)

    def holds(self, name: str, time: int, value: float) -> bool:
        """Whether a row was refused."""
        return (time, value) in self.rows.get(name, ())

    def sentences(self) -> list[str]:
        """Return one sentence a series."""
        return [
            f"the platform refused {len(pairs)} of the values of '{name}', the first at {text(min(pairs)[0])}"
            + (f" ({self.reason})" if self.reason else "")
            for name, pairs in self.rows.items() if pairs
        ]  # fmt: skip


def wanted_of(table: Table, streams: Mapping[str, Id]) -> list[Wanted]:
    """Return the finite samples of a table, by series; a server of numbers holds no others."""
    found = []
    for row, name in enumerate(table.names):
        present = np.isfinite(table.values[row])
        if table.absent is not None:
            present &= ~table.absent[row]
        if present.any():
            found.append(Wanted(name, streams[name], table.time[present], table.values[row][present]))
    return found


def missing(wanted: Wanted, there: Samples) -> Wanted:
    """Return the pairs that the server does not hold."""
    held = set(zip(there.time.tolist(), there.values.tolist(), strict=True))
    pairs = zip(wanted.time.tolist(), wanted.values.tolist(), strict=True)
    return wanted.rows([i for i, pair in enumerate(pairs) if pair not in held])


def stale(wanted: Wanted | None, there: Samples) -> list[Id]:
    """Return the observations that must go: those that are not wanted, and all but one of those that are alike."""
    left = set() if wanted is None else set(zip(wanted.time.tolist(), wanted.values.tolist(), strict=True))
    found = []
    for ident, time, value in zip(there.ids, there.time.tolist(), there.values.tolist(), strict=True):
        if (time, value) in left:
            left.remove((time, value))
        else:
            found.append(ident)
    return found


class Writer:
    """Posts and deletes observations.

    Parameters
    ----------
    service : Service
        Where to.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.most = CHUNK

    def post(
        self, wanted: Sequence[Wanted], feature: Id | None, made: int, look: Callable[[Sequence[Wanted]], list[Wanted]],
        refusals: Refusals,
    ) -> bool:  # fmt: skip
        """Post samples; after a fault of unknown outcome look what is there, and post what is missing.

        Parameters
        ----------
        made : int
            When the values were made, the same for all. [ms UTC]
        look : callable
            Returns what is still missing of what was to be posted.

        Returns
        -------
        bool
            Whether there were such faults: something may be there twice.

        Raises
        ------
        PlatformError
            The platform could not be reached, time after time.
        """
        left = [part for part in wanted if part.time.size]
        for attempt in range(ATTEMPTS):
            fault = self._post_all(left, feature, made, refusals)
            if fault is None:
                return attempt > 0
            budget = self.service.http.budget
            if budget.left() <= 0 or attempt + 1 == ATTEMPTS:
                raise PlatformError(
                    f"{fault} It was looked for and repeated {attempt + 1} times; the next run goes on from here."
                )
            budget.sleep(min(0.05 * 2**attempt, 5.0))
            left = [
                part.rows([i for i in range(part.time.size)
                           if not refusals.holds(part.name, int(part.time[i]), float(part.values[i]))])
                for part in look(left)
            ]  # fmt: skip
            left = [part for part in left if part.time.size]
        raise AssertionError("the last attempt returns or raises")

    def _post_all(
        self, wanted: Sequence[Wanted], feature: Id | None, made: int, refusals: Refusals
    ) -> UnknownOutcomeError | None:
        """Post chunk after chunk, several at a time; return the first fault of unknown outcome."""

        def one(chunk: list[Wanted]) -> UnknownOutcomeError | None:
            try:
                self._post(chunk, feature, made, refusals)
            except UnknownOutcomeError as error:
                return error
            return None

        faults = self.service.http.map(one, chunks(wanted, self.most))
        return next((fault for fault in faults if fault is not None), None)

    def _post(self, chunk: list[Wanted], feature: Id | None, made: int, refusals: Refusals) -> None:
        """Post one chunk; halve what is refused until single rows stand alone."""
        waiting = [chunk]
        alone = 0
        while waiting:
            part = waiting.pop()
            refused, reason = self._sent(part, feature, made)
            if not refused:
                continue
            refusals.reason = refusals.reason or reason
            size = sum(piece.time.size for piece in refused)
            if size == 1 or alone >= PATIENCE:
                alone += 1
                for piece in refused:
                    refusals.add(piece.name, list(zip(piece.time.tolist(), piece.values.tolist(), strict=True)))
                continue
            waiting += chunks(refused, -(-size // 2))

    def _sent(self, part: Sequence[Wanted], feature: Id | None, made: int) -> tuple[list[Wanted], str]:
        """Send one request; return the rows that were refused, and why."""
        try:
            if not self.service.has_data_arrays:
                return self._sent_singly(part, feature, made), "answered with an error"
            answer = self.service.post("/CreateObservations", [_group(piece, feature, made) for piece in part])
        except RefusedError as error:
            if error.status in (401, 403):
                raise
            return list(part), f"{error.status} {error.text}"
        told = answer.json()
        total = sum(piece.time.size for piece in part)
        if not isinstance(told, list) or len(told) != total:
            raise UnknownOutcomeError(
                f"{answer.where} answered with {len(told) if isinstance(told, list) else 'no'} links for {total} observations."
            )
        refused, at = [], 0
        for piece in part:
            bad = [i for i in range(piece.time.size) if not _is_link(told[at + i])]
            at += piece.time.size
            if bad:
                refused.append(piece.rows(bad))
        return refused, "answered with 'error'"

    def _sent_singly(self, part: Sequence[Wanted], feature: Id | None, made: int) -> list[Wanted]:
        """Post observation by observation, where the server takes no data arrays."""
        refused = []
        for piece in part:
            bad = []
            for i, (time, value) in enumerate(zip(piece.time.tolist(), piece.values.tolist(), strict=True)):
                body: dict[str, Any] = {"phenomenonTime": shown(time), "result": value, "resultTime": shown(made),
                                        "Datastream": {"@iot.id": piece.stream}}  # fmt: skip
                if feature is not None:
                    body["FeatureOfInterest"] = {"@iot.id": feature}
                try:
                    self.service.post("/Observations", body)
                except RefusedError as error:
                    if error.status in (401, 403):
                        raise
                    bad.append(i)
            if bad:
                refused.append(piece.rows(bad))
        return refused

    def delete(self, observations: Sequence[Id]) -> None:
        """Delete observations, several at a time; those that are gone already are fine."""
        self.service.http.map(lambda ident: self.service.delete(self.service.path("Observations", ident)), observations)


def chunks(wanted: Sequence[Wanted], most: int) -> list[list[Wanted]]:
    """Cut samples into requests of at most so many rows."""
    found: list[list[Wanted]] = []
    room = 0
    for piece in wanted:
        at = 0
        while at < piece.time.size:
            if not room:
                found.append([])
                room = max(1, most)
            take = min(room, piece.time.size - at)
            found[-1].append(piece.rows(range(at, at + take)))
            at, room = at + take, room - take
    return found


def _group(piece: Wanted, feature: Id | None, made: int) -> dict[str, Any]:
    components = ["phenomenonTime", "result", "resultTime", *([] if feature is None else ["FeatureOfInterest/id"])]
    more = [shown(made), *([] if feature is None else [feature])]
    rows = [[shown(time), value, *more] for time, value in zip(piece.time.tolist(), piece.values.tolist(), strict=True)]
    return {
        "Datastream": {"@iot.id": piece.stream},
        "components": components,
        "dataArray@iot.count": len(rows),
        "dataArray": rows,
    }


def _is_link(told: Any) -> bool:
    return isinstance(told, str) and not told.strip().lower().startswith("error")


def within(end: int | None) -> int:
    """Return the end of a range that may have none. [ms UTC]"""
    return LAST + 1 if end is None else end
