"""Where does each model start? After its checkpoint, unless late data, a change or the user say otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from platform_interface import report as status
from platform_interface.checkpoint import History, erased, load_history
from platform_interface.late import Examination
from platform_interface.mapping import Plan
from platform_interface.platforms.base import Bucket, Platform
from platform_interface.quarantine import Held
from platform_interface.report import ModelReport
from platform_interface.settings import Execution
from platform_interface.when import text

_COMPUTE_FULL = "Run once with compute_type full to compute it anew"


@dataclass
class Track:
    """One model on one asset, through one run."""

    plan: Plan
    history: History
    report: ModelReport
    alive: bool = True
    origin: int | None = None
    upstream: set[str] = field(default_factory=set)

    def stop(self, state: str, reason: str) -> None:
        """Take the model out of the run."""
        self.alive = False
        self.report.status, self.report.reason = state, reason


def new_track(platform: Platform, asset: str, plan: Plan) -> Track:
    """Load what is known of a model on an asset."""
    manifest = plan.manifest
    report = ModelReport(manifest.name, manifest.version, manifest.state_version)
    report.settings_hashes = plan.hashes
    report.configuration, report.parameters = dict(plan.configuration), dict(plan.parameters)
    report.inputs = {
        name: f"{source.pattern} [{source.unit}]{' with its sign turned' if source.sign < 0 else ''}"
        for name, source in plan.sources.items()
    }
    report.notes = list(plan.notes)
    if manifest.vendor:
        report.note(
            "a folder of the vendor's boilerplate: it carries no state, so gaps and late samples change its numbers "
            "and a split of the data may too (laws 1 and 3 do not hold)"
        )
    track = Track(plan, load_history(platform, asset, plan.name), report, upstream={m for m, _ in plan.computed.values()})
    latest = track.history.latest
    track.origin = None if latest is None else latest.origin
    if latest is not None:
        report.latest = dict(latest.carry.get("latest", {}))
        report.computed_until = text(latest.end)
    return track


def ready(tracks: Sequence[Track], compute_type: str) -> list[Track]:
    """Return the tracks that can run; the others' reports say why not."""
    going: dict[str, Track] = {}
    for track in tracks:
        lost = sorted(name for name in track.upstream if name not in going)
        if track.plan.refusals:
            track.stop(status.REFUSED, " ".join(track.plan.refusals))
        elif lost:
            track.stop(status.REFUSED, f"it reads from {', '.join(lost)}, which does not run.")
        elif not track.plan.sources and not track.plan.computed:
            track.stop(status.REFUSED, "none of its sensors is on this asset.")
        elif track.history.fault and compute_type != "full":
            track.stop(status.FAILED, f"{track.history.fault}. {_COMPUTE_FULL}.")
        elif compute_type != "full" and not _fits(track):
            continue
        else:
            going[track.plan.name] = track
    return list(going.values())


def _fits(track: Track) -> bool:
    """Whether the checkpoint belongs to today's model and settings; else the report asks for a full run."""
    latest = track.history.latest
    if latest is None:
        return True
    manifest = track.plan.manifest
    changed = [part for part, value in track.plan.hashes.items() if latest.plan.get(part) != value]
    if changed:
        track.stop(status.REFUSED, f"{' and '.join(changed)} changed since {text(latest.end)}. {_COMPUTE_FULL}.")
        return False
    if latest.state_version == manifest.state_version:
        if latest.model_version != manifest.version:
            track.report.note(
                f"version {latest.model_version} computed up to {text(latest.end)}, {manifest.version} from there"
            )
        return True
    track.report.note(f"state version {latest.state_version} is migrated to {manifest.state_version}")
    return True


def starts(
    platform: Platform,
    asset: str,
    tracks: Sequence[Track],
    buckets: Sequence[Bucket],
    execution: Execution,
    quarantine: Mapping[str, Held],
    changes: dict[str, str | None],
) -> dict[int | None, list[Track]]:
    """Group the tracks by the instant they start from, `None` for the first sample; roll back what must be computed again.

    Parameters
    ----------
    changes : dict
        Gets what the state must be changed by before anything is computed.
    """
    for track in tracks:
        if execution.compute_type == "full":
            changes.update(erased(track.history))
            track.origin = None
        elif execution.compute_type == "manual":
            has_past = track.history.latest is not None
            _back_to_late_data(platform, asset, track, buckets, execution.lookback, quarantine, changes)
            _to_manual_start(track, execution, has_past, changes)
        else:
            _back_to_late_data(platform, asset, track, buckets, execution.lookback, quarantine, changes)
    _in_lockstep(tracks, changes)
    groups: dict[int | None, list[Track]] = {}
    for track in tracks:
        watermark = track.history.watermark
        if watermark is None:
            watermark = track.origin
        groups.setdefault(watermark, []).append(track)
    return groups


def _to_manual_start(track: Track, execution: Execution, has_past: bool, changes: dict[str, str | None]) -> None:
    begin = execution.manual_start_date
    assert begin is not None  # settings have made sure
    before = track.history.before(begin)
    if before is None and has_past:
        changes.update(erased(track.history))
        track.report.note(f"no checkpoint lies before {text(begin)}: computed again from the beginning")
        return
    if before is None:
        track.origin = begin
        track.report.note(f"nothing was computed before {text(begin)}: cumulative outputs count from there")
        return
    changes.update(track.history.rolled_back(begin))
    if before.end < begin:
        track.report.note(f"computed from the last checkpoint before the start, {text(before.end)}")


def _back_to_late_data(
    platform: Platform, asset: str, track: Track, buckets: Sequence[Bucket], lookback: float,
    quarantine: Mapping[str, Held], changes: dict[str, str | None],
) -> None:  # fmt: skip
    examination = Examination(platform, asset, track.plan.sources, track.history, quarantine)
    found = examination.run(buckets, lookback)
    changes.update(examination.changes)
    report = track.report
    if found.instant is not None:
        changes.update(track.history.rolled_back(found.instant))
        report.late_samples = found.arrived
        reached = track.history.watermark
        report.rolled_back_to = "the beginning" if reached is None else text(reached)
        report.note(f"{found.arrived} late samples since {text(found.instant)}: computed again from {report.rolled_back_to}")
    kept = track.history.watermark
    lost = [(start, count) for start, count in found.too_late if kept is not None and start < kept]
    if lost:
        report.too_late_samples = sum(count for _, count in lost)
        report.note(
            f"{report.too_late_samples} samples since {text(min(lost)[0])} arrived after the look-back and are not in the numbers. "
            f"{_COMPUTE_FULL}."
        )


def _in_lockstep(tracks: Sequence[Track], changes: dict[str, str | None]) -> None:
    """Bring models that depend on one another back to one common checkpoint."""
    for members in _connected(tracks):
        while not _agree(members):
            marks = [track.history.watermark for track in members]
            known = [mark for mark in marks if mark is not None]
            goal = None if None in marks else min(known) - (1 if len(set(marks)) == 1 else 0)
            for track in members:
                changes.update(erased(track.history) if goal is None else track.history.rolled_back(goal))
        if all(track.history.watermark is None for track in members):
            origins = {track.origin for track in members}
            for track in members:
                track.origin = track.origin if len(origins) == 1 else None


def _agree(members: Sequence[Track]) -> bool:
    """Whether models stand at one instant, and each consumer has read what its producers now say of it."""
    if len({track.history.watermark for track in members}) > 1:
        return False
    digests = {track.plan.name: track.history.latest.digest for track in members if track.history.latest is not None}
    return all(
        track.history.latest is None or track.history.latest.producers == {name: digests.get(name) for name in track.upstream}
        for track in members
    )


def _connected(tracks: Sequence[Track]) -> list[list[Track]]:
    groups: list[list[Track]] = []
    for track in tracks:
        names = {track.plan.name, *track.upstream}
        touching = [g for g in groups if any(m.plan.name in names for m in g)]
        groups = [g for g in groups if g not in touching]
        groups.append([m for g in touching for m in g] + [track])
    return groups
