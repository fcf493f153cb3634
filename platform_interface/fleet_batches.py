"""Batches of assets on workers that may die: which asset was it, what of the batch is done, and what is tried again.

A worker computes the assets of a batch in order and tells each as it is done. When it dies, what was told is kept, the first
asset that was not is suspected and computed alone, and the rest is handed out again. A suspect that dies alone twice is given
up and named. A batch that only waited for the worker is handed out again and nobody is suspected.
"""

from __future__ import annotations

import json
import queue
import re
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_interface.errors import PlatformError
from platform_interface.fleet_worker import PATIENCE, TOPIC, Common, Parcel, compute
from platform_interface.log import LOGGER, redact
from platform_interface.platforms.base import Asset
from platform_interface.report import FAILED, AssetReport, asset_report
from platform_interface.when import span

if TYPE_CHECKING:
    from distributed import Client, Future

#: Deaths of an asset that was computed alone, after which it is given up.
_DEATHS = 2
#: Assets given up, one in four of all that are done or more, from which on nobody gets another chance: it is the model.
_EPIDEMIC = 5
#: Deaths of workers before a batch was begun, after which its first asset is suspected nevertheless.
_UNSEEN = 4
#: How often the cluster is looked at when nothing is told. [s]
_LOOK = 5.0
_PLACE = re.compile(r'^  File "(?P<file>[^"]*)", line (?P<line>\d+) in (?P<function>.+)$')


@dataclass
class _Batch:
    """A batch that a worker has."""

    positions: list[int]
    patience: float
    stack: Path | None
    future: Any = None
    begun: bool = False
    heard: float = field(default_factory=time.monotonic)


class Batches:
    """Hands out the assets of a run and gathers their reports.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    common : Common
        What every batch is handed.
    assets : sequence of Asset
        To be computed, in the order of the report.
    stacks : Path or None
        Folder for the stacks of workers that die; none where workers are on other machines.
    workers : int
        How many there are.
    """

    def __init__(self, client: Client, common: Common, assets: Sequence[Asset], stacks: Path | None, workers: int) -> None:
        self.client = client
        self.common = common
        self.assets = assets
        self.stacks = stacks
        self.workers = workers
        self.incidents: list[str] = []
        self._waiting = deque(range(len(assets)))
        self._suspects: deque[int] = deque()
        self._flying: dict[int, _Batch] = {}
        self._done: set[int] = set()
        self._deaths: dict[int, int] = {}
        self._unseen: dict[int, int] = {}
        self._given_up_count = 0
        self._handed_out = 0
        self._news: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._alone_since: float | None = None

    def results(self) -> Iterator[AssetReport]:
        """Compute; yield the report of every asset once, as it is done.

        Raises
        ------
        PlatformError
            The cluster is lost.
        UsageError
            A worker has other versions.
        """
        self.client.subscribe_topic(TOPIC, self._hear)
        try:
            while len(self._done) < len(self.assets):
                self._hand_out()
                try:
                    number, news = self._news.get(timeout=_LOOK)
                except queue.Empty:
                    self._look_after_cluster()
                    continue
                self._alone_since = None
                if number in self._flying:
                    yield from self._told(number, news)
        finally:
            for batch in self._flying.values():
                batch.future.release()

    def _hear(self, event: tuple[float, Any]) -> None:
        """Take a message of a worker; called by the client's own thread."""
        message = event[1]
        if isinstance(message, dict) and message.get("run") == self.common.run:
            self._news.put((message["batch"], message))

    def _hand_out(self) -> None:
        """Keep every worker busy, and one batch ready; batches get smaller towards the end, so that all end together."""
        while len(self._flying) <= self.workers and (self._suspects or self._waiting):
            if self._suspects:
                positions, patience = [self._suspects.popleft()], PATIENCE
            else:
                most = 1 if self._epidemic() else self.common.settings.execution.batch_assets
                size = max(1, min(most, -(-len(self._waiting) // (2 * self.workers))))
                positions, patience = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))], 0.0
            self._submit(positions, patience)

    def _submit(self, positions: list[int], patience: float) -> None:
        self._handed_out += 1
        number = self._handed_out
        stack = None if self.stacks is None else self.stacks / f"{number}.txt"
        batch = self._flying[number] = _Batch(positions, patience, stack)
        assets = tuple(self.assets[position] for position in positions)
        parcel = Parcel(self.common, number, assets, str(stack or ""), patience)
        key = f"twin-{self.common.run}-{number}"
        future: Future[Any] = self.client.submit(compute, parcel, key=key, pure=False)
        batch.future = future
        future.add_done_callback(lambda _: self._news.put((number, None)))

    def _told(self, number: int, news: Any) -> Iterator[AssetReport]:
        """Take one message, or the end of a batch."""
        batch = self._flying[number]
        if news is None:
            yield from self._over(number, batch)
            return
        batch.begun, batch.heard = True, time.monotonic()
        if "report" in news:
            yield from self._result(batch.positions[news["position"]], news["report"])

    def _result(self, position: int, packed: bytes) -> Iterator[AssetReport]:
        if position in self._done:
            return
        self._done.add(position)
        result = asset_report(json.loads(zlib.decompress(packed)))
        if position in self._deaths and result.status != FAILED:
            self._tell(f"{result.asset}: its worker died while it was computed; computed again, alone, it is {result.status}")
        yield result

    def _over(self, number: int, batch: _Batch) -> Iterator[AssetReport]:
        """Take the end of a batch."""
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        del self._flying[number]
        try:
            missing = self._missing(batch)
        except KilledWorker:
            yield from self._dead(batch, time.monotonic() - batch.heard)
            return
        except (CancelledError, TimeoutError):
            raise PlatformError(self._lost("the connection to its scheduler broke")) from None
        except (ImportError, AttributeError) as error:
            raise PlatformError(
                f"a worker cannot import the program ({error}). Start the workers in the program's folder, with its requirements.txt."
            ) from None
        for position, report in missing:
            yield from self._result(position, report)
        if batch.stack is not None:
            batch.stack.unlink(missing_ok=True)

    def _missing(self, batch: _Batch) -> list[tuple[int, bytes]]:
        """Return the reports that were not told: none, as a rule, so that nothing is fetched twice."""
        if batch.future.status == "finished" and self._done.issuperset(batch.positions):
            return []
        return list(zip(batch.positions, batch.future.result(timeout=60), strict=True))

    def _dead(self, batch: _Batch, silent: float) -> Iterator[AssetReport]:
        """Decide what becomes of a batch whose worker died."""
        left = [position for position in batch.positions if position not in self._done]
        if not left:
            return
        suspect, innocent = left[0], left[1:]
        if not batch.begun and self._unseen.get(suspect, 0) < _UNSEEN:
            self._unseen[suspect] = self._unseen.get(suspect, 0) + 1
            self._waiting.extendleft(reversed(left))
            return
        self._waiting.extendleft(reversed(innocent))
        stack = _read(batch.stack)
        limit = self.common.settings.execution.asset_timeout
        if stack.startswith("Timeout") or (not stack and silent >= 0.98 * (limit + batch.patience)):
            yield self._given_up(suspect, _too_long(limit, stack))
            return
        self._deaths[suspect] = self._deaths.get(suspect, 0) + (len(batch.positions) == 1)
        if self._deaths[suspect] < (1 if self._epidemic() else _DEATHS):
            LOGGER.info(
                "%s: its worker died while it was computed%s; tried again, alone", self.assets[suspect].id, _place(stack)
            )
            self._suspects.append(suspect)
            return
        yield self._given_up(suspect, _deadly(stack, self._deaths[suspect]))

    def _given_up(self, position: int, reason: str) -> AssetReport:
        self._done.add(position)
        self._given_up_count += 1
        asset = self.assets[position]
        self._tell(f"{asset.id}: {reason}")
        return AssetReport(asset.id, asset.name, FAILED, reason)

    def _epidemic(self) -> bool:
        """Whether so many assets end their workers that each is best handed out alone, and once."""
        return self._given_up_count >= max(_EPIDEMIC, len(self._done) // 4)

    def _tell(self, sentence: str) -> None:
        self.incidents.append(sentence)
        LOGGER.debug("%s", sentence)

    def _look_after_cluster(self) -> None:
        """Raise when there is nobody left who could tell anything."""
        try:
            count = len(self.client.nthreads() if self.client.status == "running" else ())
        except (OSError, TimeoutError):
            count = 0
        if count:
            self.workers, self._alone_since = count, None
            return
        now = time.monotonic()
        self._alone_since = now if self._alone_since is None else self._alone_since
        if now - self._alone_since > 12 * _LOOK:
            raise PlatformError(self._lost("it has had no worker for a minute"))

    def _lost(self, reason: str) -> str:
        count = f"{len(self._done):,} of {len(self.assets):,}"
        return f"the Dask cluster is lost: {reason}. {count} assets were done; `run --resume` goes on from there."


def _read(stack: Path | None) -> str:
    """Return what a worker that died left of its stack, and put it into the log."""
    if stack is None or not stack.exists():
        return ""
    text = redact(stack.read_text(encoding="utf-8", errors="replace")).strip()
    stack.unlink(missing_ok=True)
    if text:
        LOGGER.debug("stack of a worker that died:\n%s", text)
    return text


def _place(stack: str) -> str:
    """Say where the thread that computed was: in a plugin if it was in one, else in its innermost function."""
    for block in re.split(r"\n\s*\n", stack):
        frames = [found for line in block.splitlines() if (found := _PLACE.match(line))]
        if any(frame["function"] == "result_of" for frame in frames):
            inside = next((frame for frame in frames if frame["file"].endswith("model.py")), frames[0])
            where = "/".join(Path(inside["file"]).parts[-2:])
            return f"; it was in {inside['function']} ({where}, line {inside['line']})"
    return ""


def _too_long(limit: float, stack: str) -> str:
    return (
        f"took longer than execution.asset_timeout ({span(limit)}), so its worker was ended{_place(stack)}. "
        "Give it more time there, or look for what hangs; the other assets are not concerned."
    )


def _deadly(stack: str, alone: int) -> str:
    times = "once" if alone == 1 else f"{alone} times"
    return (
        f"its worker process died each time it was computed, {times} alone{_place(stack)}. That is a crash of native code, "
        "or more memory than there is. Run it alone, with debug_mode, or leave out the model; the other assets are not concerned."
    )
