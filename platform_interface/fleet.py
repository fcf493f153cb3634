"""Many assets, in this process or on workers. One asset's failure stays its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from platform_interface import report as status
from platform_interface.errors import PlatformError, TwinError
from platform_interface.fleet_journal import Journal, told
from platform_interface.launch import Launch
from platform_interface.log import LOGGER, in_every_line, tell_machines
from platform_interface.plans import prepare_models
from platform_interface.platforms import connect
from platform_interface.platforms.base import Asset, Platform
from platform_interface.report import AssetReport, RunReport, new_report
from platform_interface.run import Job, Progress, run_asset
from platform_interface.settings import Settings
from platform_interface.spelling import did_you_mean
from platform_interface.when import now

#: Told after every asset: how many are done, of how many.
Finished = Callable[[int, int], None]
#: Tracebacks of unexpected errors of one kind that a process shows; a thousand assets would show it a thousand times.
_MOST_TRACEBACKS = 3
_SHOWN: Counter[str] = Counter()


def _warn_of_unknown_names(platform: Platform, settings: Settings, computed: Sequence[Asset]) -> None:
    """Say which names of assets and sensors in the settings no asset has: a misspelled fact would silently not apply.

    The platform is asked for the series of one asset after the other only until every name is found.
    """
    left = {*settings.sensors, *(name for facts in settings.assets.values() for name in facts.sensors)}
    named = [name for name in settings.assets if name != "*"]
    ids = [asset.id for asset in computed]
    known = _names(platform, ids, left)
    if left or not set(ids).issuperset(named):
        assets = [asset.id for asset in platform.assets([], "")]
        for name in named:
            if name not in assets:
                LOGGER.warning("settings.json: parameters.assets.%s: no such asset%s", name, did_you_mean(name, assets))
        known |= _names(platform, sorted(set(assets) - set(ids)), left)
    for name in sorted(left):
        LOGGER.warning("settings.json: no asset has a sensor '%s'%s", name, did_you_mean(name, known))


def _names(platform: Platform, assets: Iterable[str], left: set[str]) -> set[str]:
    """Return the names of series of assets, until nothing is left of the names looked for."""
    known: set[str] = set()
    for asset in assets:
        if not left:
            break
        try:
            found = platform.sensors(asset)
        except TwinError:  # told where it is computed
            left.clear()
            break
        for name in found:
            known |= {name, name.rsplit("|", 1)[0] + "|*"} if "|" in name else {name}
        left -= known
    return known


def run_fleet(
    launch: Launch, settings: Settings, progress: Progress = lambda _asset, _share: None, clock: Callable[[], int] = now,
    resume: bool = False, finished: Finished = lambda _done, _of: None,
) -> RunReport:  # fmt: skip
    """Compute every asset that the launch names, and report.

    Parameters
    ----------
    resume : bool
        Go on with a run of many assets that was stopped: take over what it had finished.
    finished : callable
        Told after every asset how many are done, of how many.

    Raises
    ------
    UsageError, PlatformError
        Nothing could be begun, or the workers are lost.
    """
    began = time.perf_counter()
    platform = connect(launch, settings)
    if launch.demoFleet:
        from platform_interface.demo import bring_in

        bring_in(platform)
    job = Job(platform, settings, prepare_models(settings), clock, progress)
    assets = platform.assets(launch.asset_ids, launch.assetTag)
    if not assets:
        wanted = f"carry the tag '{launch.assetTag}'" if launch.assetTag else "are there"
        raise PlatformError(f"no assets {wanted} on the {platform.describe()}. `ingest` brings one in; `list` shows them.")
    _warn_of_unknown_names(platform, settings, assets)
    report = new_report(platform.describe(), settings.model_dump(mode="json"), launch.programTaskId)
    in_every_line(run=report.run)
    journal, taken = _begun(launch, settings, assets, report, resume)
    report.taken_over = len(taken)
    try:
        report.assets = _all(job, launch, assets, taken, report, journal, finished)
    except BaseException:
        if journal is not None:
            journal.close()
        raise
    if journal is not None:
        journal.finish()
    report.seconds = round(time.perf_counter() - began, 3)
    return report


def _begun(
    launch: Launch, settings: Settings, assets: Sequence[Asset], report: RunReport, resume: bool
) -> tuple[Journal | None, dict[str, AssetReport]]:
    """Open the journal of a run that may be gone on with: one of many assets that writes."""
    if len(assets) < 2 or not settings.execution.upload_output:
        if resume:
            LOGGER.info("--resume is for runs of many assets that write; all is computed")
        return None, {}
    journal = Journal(settings.folder(settings.platform.reports))
    finished = journal.begin(report, told(launch, settings, report.versions), len(assets), resume)
    return journal, {asset.id: finished[asset.id] for asset in assets if asset.id in finished}


def _all(
    job: Job, launch: Launch, assets: Sequence[Asset], taken: dict[str, AssetReport], report: RunReport,
    journal: Journal | None, finished: Finished,
) -> list[AssetReport]:  # fmt: skip
    """Compute what is not taken over, and return all reports in the order of the assets."""
    found = dict(taken)
    left = [asset for asset in assets if asset.id not in found]
    finished(len(found), len(assets))

    def take(result: AssetReport) -> None:
        found[result.asset] = result
        if journal is not None:
            journal.add(result)
        finished(len(found), len(assets))
        tell_machines(f"{result.asset}: {result.state}", asset=result.asset, state=result.state, seconds=result.seconds)

    if left and on_workers(job.settings, len(left)):
        from platform_interface.fleet_dask import compute_on_workers

        report.workers, report.incidents = compute_on_workers(launch, job.settings, job.clock, left, take)
    else:
        for asset in left:
            take(result_of(job, asset))
    return [found[asset.id] for asset in assets]


def on_workers(settings: Settings, assets: int) -> bool:
    """Whether a run of so many assets is handed to worker processes."""
    return bool(settings.execution.scheduler) or (settings.execution.workers > 1 and assets > 1)


def result_of(job: Job, asset: Asset) -> AssetReport:
    """Compute one asset; whatever happens is in its report."""
    try:
        result = run_asset(job, asset)
    except TwinError as error:
        result = AssetReport(asset.id, asset.name, status.FAILED, str(error))
    except Exception as error:  # law 6: even a fault of ours on one asset must not cost the others their night
        kind = _kind(error)
        _SHOWN[kind] += 1
        shown = error if _SHOWN[kind] <= _MOST_TRACEBACKS else None
        LOGGER.error("%s: unexpected %s%s", asset.id, type(error).__name__, "" if shown else ", as before", exc_info=shown)
        reason = f"unexpected {type(error).__name__}: {error}. Please report it, with the traceback in the log."
        result = AssetReport(asset.id, asset.name, status.FAILED, reason)
    for name, reason in job.models.broken.items():
        result.models.append(status.ModelReport(name, "?", 0, status.FAILED, reason))
    return result


def _kind(error: BaseException) -> str:
    """Return what an error has in common with others: its class and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__} {place}"
