"""A pass: the models that start at one instant go through the windows together and share what is read."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from platform_interface import alarms
from platform_interface import report as status
from platform_interface.checkpoint import Checkpoint
from platform_interface.checks import Clean, Tally, clean
from platform_interface.doctor.evidence import Evidence
from platform_interface.errors import LeaseError, ModelError
from platform_interface.fingerprint import Ordered, Piece, combined, ordered, pieces
from platform_interface.mapping import Source
from platform_interface.model import registered
from platform_interface.outputs import Column
from platform_interface.platforms.base import Bucket, Platform
from platform_interface.quarantine import NONE, Held, without
from platform_interface.report import ModelReport
from platform_interface.settings import Execution
from platform_interface.start import Track
from platform_interface.step import Given, Outcome, run_step
from platform_interface.table import Table, empty, tables_of
from platform_interface.when import text
from platform_interface.window import Window, windows


class Shared:
    """What the models of one window have in common: raw samples are read, ordered, hashed and cleaned once."""

    def __init__(self, tables: Sequence[Table], window: Window, quarantine: Mapping[str, Held]) -> None:
        self.tables = tables
        self.window = window
        self.quarantine = quarantine
        self._ordered: dict[tuple[str, ...], Ordered] = {}
        self._pieces: dict[tuple[str, ...], list[Piece]] = {}
        self._clean: dict[tuple[Source, str], Clean] = {}

    def ordered(self, source: Source) -> Ordered:
        """Return the source's raw samples of the window and its look-back, in canonical order."""
        if source.names not in self._ordered:
            table = without(tables_of(source.names, self.tables), self.quarantine.get(source.pattern, NONE))
            self._ordered[source.names] = ordered(table)
        return self._ordered[source.names]

    def inside(self, source: Source) -> Ordered:
        """Return only the window's."""
        whole = self.ordered(source)
        table = whole.table.between(*self.window)
        return whole if table is whole.table else Ordered(table, whole.unsorted, whole.duplicates, whole.tied)

    def pieces(self, sources: Mapping[str, Source]) -> list[Piece]:
        """Return the fingerprint of the window for the sources of one model."""
        for source in sources.values():
            if source.names not in self._pieces:
                self._pieces[source.names] = pieces(self.inside(source).table, *self.window)
        return combined(((name, self._pieces[source.names]) for name, source in sorted(sources.items())), *self.window)

    def clean(self, source: Source, carry: dict[str, Any], tally: Tally) -> Clean:
        """Return the samples that models may see."""
        key = (source, json.dumps(carry, sort_keys=True))
        if key not in self._clean:
            self._clean[key] = clean(self.inside(source), source, carry, tally)
        return self._clean[key]

    def context(self, source: Source, carry: dict[str, Any], lookback: float) -> Clean:
        """Return the samples of the look-back before the window."""
        start = self.window[0]
        table = self.ordered(source).table.between(start - round(lookback * 1000), start)
        tied = bool((table.time[1:] == table.time[:-1]).any())
        return clean(Ordered(table, 0, 0, tied), source, carry, Tally(), context=True)


class Pass:
    """Runs groups of models over their windows; writes outputs first, then the checkpoints.

    Parameters
    ----------
    platform, asset, owner
        Where to read and write, and under whose lease.
    execution : Execution
        Size of windows, look-back, whether anything is written.
    quarantine : mapping
        Times, by sensor, that do not count.
    lease : float
        Renewed to this at every window. [s]
    """

    def __init__(
        self, platform: Platform, asset: str, owner: str, execution: Execution, quarantine: Mapping[str, Held], lease: float
    ) -> None:
        self.platform = platform
        self.asset = asset
        self.owner = owner
        self.execution = execution
        self.quarantine = quarantine
        self.lease = lease
        self.tallies: dict[Source, Tally] = {}
        self.readers: dict[Source, set[str]] = {}
        self.evidence = Evidence()
        self.went_through: set[str] = set()
        self.digests: dict[str, str] = {}
        self._alarms: dict[str, Any] | None = None
        self._renewed = time.monotonic()

    def run(
        self, tracks: Sequence[Track], start: int, end: int, buckets: Sequence[Bucket], progress: Callable[[float], None]
    ) -> None:
        """Compute ``start <= t < end``."""
        tokens = {bucket.start: bucket.token for bucket in buckets}
        plan = windows(buckets, start, end, self.execution.max_values)
        with ThreadPoolExecutor(1) as reader:
            coming = self._shared(tracks, plan[0]) if plan else None
            for number, window in enumerate(plan, 1):
                live = [track for track in tracks if track.alive]
                if not live or coming is None:
                    break
                shared, following = coming, plan[number] if number < len(plan) else None
                ahead = reader.submit(self._shared, live, following) if following else None
                self._window(live, shared, window, number == len(plan), tokens)
                progress(number / len(plan))
                coming = ahead.result() if ahead else None
        for track in tracks:
            if track.alive:
                track.report.status = status.DONE

    def _shared(self, tracks: Sequence[Track], window: Window) -> Shared:
        """Read, order and hash a window: all that needs no model, so the next window's is done while one is computed."""
        shared = Shared(self._read(tracks, window), window, self.quarantine)
        for track in tracks:
            shared.pieces(track.plan.sources)
        return shared

    def _window(self, tracks: Sequence[Track], shared: Shared, window: Window, last: bool, tokens: dict[int, str]) -> None:
        computed: dict[tuple[str, str], tuple[Column, str]] = {}
        changes: dict[str, str | None] = {}
        self.went_through = set()
        for track in tracks:
            began = time.perf_counter()
            outcome = self._step(track, shared, computed)
            if outcome is not None and outcome.prepared is not None:
                changes.update(self._commit(track, outcome, shared, window, last, tokens))
            if not track.alive:
                self._clear_unsupported(track, window[0])
            track.report.seconds = round(track.report.seconds + time.perf_counter() - began, 4)
        self.evidence.window_done()
        if self.execution.upload_output and changes:
            self.platform.save_state(self.asset, changes, self.owner)

    def _read(self, tracks: Sequence[Track], window: Window) -> list[Table]:
        names = list(dict.fromkeys(name for track in tracks for source in track.plan.sources.values() for name in source.names))
        lookback = max((i.lookback for track in tracks for i in track.plan.manifest.inputs.values()), default=0.0)
        return self.platform.read(self.asset, names, window[0] - round(lookback * 1000), window[1])

    def _step(self, track: Track, shared: Shared, computed: dict[tuple[str, str], tuple[Column, str]]) -> Outcome | None:
        plan, latest = track.plan, track.history.latest
        stopped = sorted({producer for producer, _ in plan.computed.values()} - self.went_through)
        if stopped:
            track.stop(status.REFUSED, f"it reads from {', '.join(stopped)}, which stopped at {text(shared.window[0])}.")
            return None
        carry = {} if latest is None else latest.carry
        state = {} if latest is None else latest.state
        version = plan.manifest.state_version if latest is None else latest.state_version
        given, checks = self._given(track, shared, carry, computed)
        outcome = run_step(registered(plan.name), plan, given, state, {**carry, "checks": checks}, version)
        _take_over(track.report, outcome)
        if outcome.failed:
            track.stop(status.FAILED, outcome.failed)
        elif outcome.refused:
            track.stop(status.REFUSED, outcome.refused)
        elif outcome.prepared is not None:
            self.went_through.add(plan.name)
            for name, column in outcome.prepared.columns.items():
                computed[(plan.name, name)] = (column, plan.manifest.outputs[name].unit)
        return outcome

    def _given(
        self, track: Track, shared: Shared, carry: dict[str, Any], computed: Mapping[tuple[str, str], tuple[Column, str]]
    ) -> tuple[Given, dict[str, Any]]:
        plan = track.plan
        cleaned: dict[str, Clean] = {}
        context: dict[str, Clean] = {}
        checks: dict[str, Any] = {}
        for name, source in plan.sources.items():
            before = carry.get("checks", {}).get(name, {})
            tally = self.tallies.setdefault(source, Tally())
            self.readers.setdefault(source, set()).add(plan.name)
            cleaned[name] = shared.clean(source, before, tally)
            checks[name] = cleaned[name].carry
            lookback = plan.manifest.inputs[name].lookback
            if lookback:
                context[name] = shared.context(source, before, lookback)
        self.evidence.of_model(plan, cleaned)
        track.report.rows_in += sum(shared.inside(source).table.time.size for source in plan.sources.values())
        track.report.rows_used += sum(item.time.size for item in cleaned.values())
        given = {name: computed.get(pair) or _no_samples() for name, pair in plan.computed.items()}
        return Given(shared.window, cleaned, context, given, self._seeds(track, carry, shared.window[0])), checks

    def _seeds(self, track: Track, carry: dict[str, Any], start: int) -> dict[str, float]:
        """Return the last value of the outputs that seed inputs: carried, else what the platform has from before."""
        seeds = {}
        for name, output in track.plan.seeds.items():
            value = carry.get("seeds", {}).get(output)
            if value is None:
                value = self.platform.last_value(self.asset, track.plan.outputs[output], start)
            if value is not None:
                seeds[name] = value
        return seeds

    def _commit(
        self, track: Track, outcome: Outcome, shared: Shared, window: Window, last: bool, tokens: dict[int, str]
    ) -> dict[str, str | None]:
        """Write the outputs; return the changes of the state, to be saved after all outputs are written."""
        plan, prepared = track.plan, outcome.prepared
        assert prepared is not None
        covered = shared.pieces(plan.sources)
        units = {name: plan.manifest.outputs[output].unit for output, name in plan.outputs.items()}
        columns = {name: units[name.rsplit("|", 1)[0] if name not in units else name] for name in prepared.table.names}
        outcome.carry["latest"] = {
            **outcome.carry.get("latest", {}),
            **{n: [v, columns[n]] for n, v in prepared.latest.items()},
        }
        manifest = plan.manifest
        checkpoint = Checkpoint(
            window[1], track.origin, manifest.version, manifest.state_version, plan.hashes, outcome.state, outcome.carry,
            _chained(track, covered), {name: self.digests[name] for name in sorted(track.upstream)},
        )  # fmt: skip
        self.digests[plan.name] = checkpoint.digest
        try:
            changes = track.history.advanced(checkpoint, covered, tokens, self.execution.lookback)
        except ModelError as error:
            track.stop(status.FAILED, str(error))
            return {}
        if self.execution.upload_output:
            self._hold_lease()
            refused = self.platform.replace(
                self.asset, f"model.{plan.name}", window[0], None if last else window[1], prepared.table, columns
            )
            for sentence in refused:
                track.report.note(sentence)
            self._save_alarms(plan.name, outcome, window[0], None if last else window[1])
        _account(track.report, window, covered, outcome)
        return changes

    def _clear_unsupported(self, track: Track, start: int) -> None:
        """Take away what the platform still has behind the point at which a model stopped: no checkpoint stands for it."""
        if self.execution.upload_output:
            self._hold_lease()
            known = self.platform.sensors(self.asset)
            if any(name in known for name in track.plan.outputs.values()):
                self.platform.replace(self.asset, f"model.{track.plan.name}", start, None, empty(()), {})

    def _hold_lease(self) -> None:
        """Renew the lease before anything is written; stop when another run has it."""
        if time.monotonic() - self._renewed < self.lease / 4:
            return
        self._renewed = time.monotonic()
        holder = self.platform.take_lease(self.asset, self.owner, self.lease)
        if holder is not None:
            raise LeaseError(f"the asset was taken over by {holder}; this run stops, nothing of it is lost or mixed")

    def _save_alarms(self, model: str, outcome: Outcome, start: int, end: int | None) -> None:
        if self._alarms is None:
            self._alarms = {alarm["key"]: alarm for alarm in self.platform.alarms(self.asset)}
        changed = alarms.changes(self._alarms, outcome.alarms, model, start, end)
        if changed:
            self.platform.save_alarms(self.asset, changed)
            self._alarms.update({alarm["key"]: alarm for alarm in changed})

    def sensor_reports(self) -> list[dict[str, Any]]:
        """Return what was found in each source."""
        return [
            {"sensor": source.pattern, "unit": source.unit, "quantity": source.quantity, "read_by": sorted(self.readers[source]),
             "max_gap_seconds": source.max_gap, **tally.as_dict()}
            for source, tally in self.tallies.items()
        ]  # fmt: skip


def _take_over(report: ModelReport, outcome: Outcome) -> None:
    for sentence in outcome.notes:
        report.note(sentence)
    report.refusals.update(outcome.refusals)


def _account(report: ModelReport, window: Window, covered: Sequence[Piece], outcome: Outcome) -> None:
    assert outcome.prepared is not None
    report.start = report.start or text(window[0])
    report.end = text(window[1])
    report.windows.append([text(window[0]), text(window[1])])
    report.rows_out += int(outcome.prepared.table.time.size)
    report.latest = dict(outcome.carry["latest"])
    digest = hashlib.blake2b(report.input_hash.encode(), digest_size=16)
    for piece in covered:
        digest.update(f"{piece.count}:{piece.digest}".encode())
    report.input_hash = digest.hexdigest()


def _chained(track: Track, covered: Sequence[Piece]) -> str:
    """Return the hash of everything that led to a checkpoint: of the one before, of settings, of input."""
    before = track.history.latest
    digest = hashlib.blake2b((before.digest if before else "").encode(), digest_size=16)
    digest.update(json.dumps(track.plan.hashes, sort_keys=True).encode())
    for piece in covered:
        digest.update(f"{piece.count}:{piece.digest}".encode())
    return digest.hexdigest()


def _no_samples() -> tuple[Column, str]:
    """Stand for an output that its model did not give in this window."""
    return Column(np.empty(0, np.int64), np.empty((1, 0))), "dimensionless"
