"""One asset: fetch -> checks -> models -> replace -> checkpoint."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from platform_interface import report as status
from platform_interface.alarms import active
from platform_interface.doctor.evidence import evidence_of
from platform_interface.errors import LeaseError, TwinError
from platform_interface.log import LOGGER
from platform_interface.passes import Pass
from platform_interface.plans import Prepared, plans_of
from platform_interface.platforms.base import Asset, Bucket, Platform
from platform_interface.quarantine import TOLERANCE, quarantined
from platform_interface.report import AssetReport
from platform_interface.settings import Execution, Settings
from platform_interface.start import Track, new_track, ready, starts
from platform_interface.when import DAY, now, text

#: A lease lives this long after it was last renewed. [s]
LEASE = 120.0

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Job:
    """What every asset of a run has in common."""

    platform: Platform
    settings: Settings
    models: Prepared
    clock: Callable[[], int] = now
    progress: Progress = lambda _asset, _share: None


def run_asset(job: Job, asset: Asset) -> AssetReport:
    """Compute every enabled model on one asset, under its lease.

    Returns
    -------
    AssetReport
        Refusals and failures are in it; only a platform that cannot be reached raises.
    """
    began = time.perf_counter()
    result = AssetReport(asset.id, asset.name)
    owner = f"{os.getpid()}-{uuid.uuid4().hex}"
    writes = job.settings.execution.upload_output
    holder = _wait_for_lease(job, asset.id, owner) if writes else None
    if holder is not None:
        result.status = status.REFUSED
        result.reason = f"another run is computing this asset ({holder}). Wait for it, or set execution.lease_wait."
        return result
    try:
        with _heartbeat(job, asset.id, owner) if writes else nullcontext():
            _compute(job, asset, owner, result)
            result.alarms = active(job.platform.alarms(asset.id))
    except LeaseError as error:
        result.status, result.reason = status.FAILED, str(error)
    finally:
        if writes:
            job.platform.drop_lease(asset.id, owner)
        result.seconds = round(time.perf_counter() - began, 3)
    return result


@contextmanager
def _heartbeat(job: Job, asset: str, owner: str) -> Iterator[None]:
    """Renew the lease while a model computes, however long it takes; a process that is stopped stops renewing."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(LEASE / 4):
            try:
                if job.platform.take_lease(asset, owner, LEASE) is not None:
                    return  # taken over: the next write of this run is refused
            except TwinError as error:
                LOGGER.warning("%s: the lease could not be renewed: %s", asset, error)

    beat = threading.Thread(target=renew, daemon=True, name=f"lease of {asset}")
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()


def _wait_for_lease(job: Job, asset: str, owner: str) -> str | None:
    deadline = time.monotonic() + job.settings.execution.lease_wait
    while True:
        holder = job.platform.take_lease(asset, owner, LEASE)
        if holder is None or time.monotonic() >= deadline:
            return holder
        LOGGER.info("%s: waiting for %s", asset, holder)
        time.sleep(min(1.0, max(0.05, deadline - time.monotonic())))


def _compute(job: Job, asset: Asset, owner: str, result: AssetReport) -> None:
    execution = job.settings.execution
    tracks = [new_track(job.platform, asset.id, plan) for plan in plans_of(job, asset)]
    result.models = [track.report for track in tracks]
    tracks = ready(tracks, execution.compute_type)
    names = sorted({name for track in tracks for source in track.plan.sources.values() for name in source.names})
    present = job.clock()
    known = _known(tracks, execution.compute_type)
    buckets = job.platform.buckets(asset.id, names, known)
    sources = {source.pattern: source for track in tracks for source in track.plan.sources.values()}
    newest = max((mark for track in tracks if (mark := track.history.watermark) is not None), default=None)
    held = quarantined(job.platform, asset.id, sources, buckets, present + TOLERANCE, newest)
    result.quarantined = held.counts()
    changes: dict[str, str | None] = dict(held.changes)
    limit = present - round(execution.settle_time * 1000)
    watermarks = starts(job.platform, asset.id, tracks, buckets, execution, held.held, changes)
    if changes and execution.upload_output:
        job.platform.save_state(asset.id, changes, owner)
    groups, buckets = _from_first_sample(job, asset.id, names, watermarks, buckets, known)
    shared = Pass(job.platform, asset.id, owner, execution, held.held, lease=LEASE)
    shared.evidence = evidence_of(asset, job.settings.facts_of(asset.id))
    for start, group in sorted(groups.items()):
        last = _last_sample(job, asset.id, names, buckets, present)
        end = _end(last, start, limit, execution)
        if end > start:
            _announced(job, asset.id, group, start, end)
            shared.run(group, start, end, buckets, lambda share: job.progress(asset.id, share))
    for track in tracks:
        watermark = track.history.watermark
        track.report.computed_until = "" if watermark is None else text(watermark)
    result.sensors = shared.sensor_reports()
    sentences, result.findings = shared.evidence.report(asset.id)
    result.warnings += sentences


def _announced(job: Job, asset: str, group: Sequence[Track], start: int, end: int) -> None:
    models = ", ".join(track.plan.name for track in group)
    LOGGER.debug("%s: %s from %s to %s", asset, models, text(start), text(end))


def _known(tracks: Sequence[Track], compute_type: str) -> dict[int, str]:
    """Return the days that every model has seen whole, with their tokens: the platform may leave them out."""
    if compute_type == "full" or not tracks or any(track.history.latest is None for track in tracks):
        return {}
    known: dict[int, str] | None = None
    for track in tracks:
        latest = track.history.latest
        seen = {day: record.token for day, record in track.history.days.items() if latest and day + DAY <= latest.end}
        known = seen if known is None else {day: token for day, token in known.items() if seen.get(day) == token}
    return known or {}


def _from_first_sample(
    job: Job, asset: str, names: Sequence[str], watermarks: Mapping[int | None, list[Track]], buckets: list[Bucket],
    known: Mapping[int, str],
) -> tuple[dict[int, list[Track]], list[Bucket]]:  # fmt: skip
    """Let models without a past start at the first sample; list days again that were left out but must be computed."""
    earliest = None if None in watermarks else min((mark for mark in watermarks if mark is not None), default=0)
    left_out = {day: token for day, token in known.items() if earliest is not None and day + DAY <= earliest}
    if len(left_out) < len(known):
        buckets = job.platform.buckets(asset, names, left_out)
    first = min((bucket.first for bucket in buckets), default=None)
    groups: dict[int, list[Track]] = {}
    for mark, tracks in watermarks.items():
        start = first if mark is None else mark
        if start is not None:
            groups.setdefault(start, []).extend(tracks)
    return groups, buckets


def _last_sample(job: Job, asset: str, names: Sequence[str], buckets: Sequence[Bucket], present: int) -> int:
    """Return the time of the latest sample that is not from the future; -1 when there is none."""
    limit = present + TOLERANCE
    last = max((bucket.last for bucket in buckets if bucket.last < limit), default=-1)
    for bucket in buckets:
        if bucket.first < limit <= bucket.last:
            tables = job.platform.read(asset, names, bucket.first, limit)
            last = max([last, *(int(table.time.max()) for table in tables if table.time.size)])
    return last


def _end(last: int, start: int, limit: int, execution: Execution) -> int:
    """Return where a pass ends: behind the last sample, before what has not settled, within the caps."""
    end = min(last + 1, limit)
    if execution.compute_type == "manual":
        return min(end, execution.manual_end_date or end)
    if execution.compute_type == "incremental" and execution.max_days_period_compute:
        end = min(end, start + round(execution.max_days_period_compute * DAY))
    return end
