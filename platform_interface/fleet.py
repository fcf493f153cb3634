"""Many assets, one after the other, in this process. One asset's failure stays its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from platform_interface import report as status
from platform_interface.errors import PlatformError, TwinError
from platform_interface.launch import Launch
from platform_interface.log import LOGGER
from platform_interface.plans import prepare_models
from platform_interface.platforms import connect
from platform_interface.platforms.base import Platform
from platform_interface.report import AssetReport, RunReport, new_report
from platform_interface.run import Job, Progress, run_asset
from platform_interface.settings import Settings
from platform_interface.spelling import did_you_mean
from platform_interface.when import now


def _warn_of_unknown_names(platform: Platform, settings: Settings) -> None:
    """Say which names of assets and sensors in the settings no asset has: a misspelled fact would silently not apply."""
    stated = {*settings.sensors, *(name for facts in settings.assets.values() for name in facts.sensors)}
    if not stated and not settings.assets:
        return
    assets = [asset.id for asset in platform.assets([], "")]
    for name in settings.assets:
        if name != "*" and name not in assets:
            LOGGER.warning("settings.json: parameters.assets.%s: no such asset%s", name, did_you_mean(name, assets))
    if stated:
        known = {sensor for asset in assets for sensor in platform.sensors(asset)}
        known |= {name.rsplit("|", 1)[0] + "|*" for name in known if "|" in name}
        for name in sorted(stated - known):
            LOGGER.warning("settings.json: no asset has a sensor '%s'%s", name, did_you_mean(name, known))


def run_fleet(
    launch: Launch, settings: Settings, progress: Progress = lambda _asset, _share: None, clock: Callable[[], int] = now
) -> RunReport:
    """Compute every asset that the launch names, and report.

    Raises
    ------
    UsageError, PlatformError
        Nothing could be begun.
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
    _warn_of_unknown_names(platform, settings)
    report = new_report(platform.describe(), settings.model_dump(mode="json"), launch.programTaskId)
    for asset in assets:
        try:
            result = run_asset(job, asset)
        except TwinError as error:
            result = AssetReport(asset.id, asset.name, status.FAILED, str(error))
        except Exception as error:  # law 6: even a fault of ours on one asset must not cost the others their night
            LOGGER.error("%s: unexpected %s", asset.id, type(error).__name__, exc_info=error)
            reason = f"unexpected {type(error).__name__}: {error}. Please report it, with the traceback above."
            result = AssetReport(asset.id, asset.name, status.FAILED, reason)
        for name, reason in job.models.broken.items():
            result.models.append(status.ModelReport(name, "?", 0, status.FAILED, reason))
        report.assets.append(result)
        LOGGER.debug("%s: %s", asset.id, result.status, extra={"facts": {"asset": asset.id, "seconds": result.seconds}})
    report.seconds = round(time.perf_counter() - began, 3)
    return report
