"""What the command `dashboard` does: pages of one asset, or of all when asked, and the index of the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from platform_interface.dashboard.content import page_content
from platform_interface.dashboard.index import index_content
from platform_interface.dashboard.page import file_name, render, sweep, write, write_shared
from platform_interface.dashboard.state import LastWords, saved_reports, words_of
from platform_interface.dashboard.subject import Subject, Wanted, subject
from platform_interface.errors import TwinError, UsageError
from platform_interface.launch import Launch
from platform_interface.log import LOGGER
from platform_interface.mapping import site_name
from platform_interface.plans import plans_of, prepare_models
from platform_interface.platforms import connect
from platform_interface.platforms.base import Asset, Platform
from platform_interface.report import RunReport
from platform_interface.run import Job
from platform_interface.settings import Settings
from platform_interface.spelling import did_you_mean
from platform_interface.when import instant

INDEX = "index.html"


@dataclass(frozen=True)
class Request:
    """What is to be written.

    Attributes
    ----------
    assets : list of str
        Assets that get pages.
    every : bool
        All assets of the platform do.
    give : bool
        The platform is given each page too.
    """

    assets: Sequence[str] = ()
    every: bool = False
    model: str = ""
    output: Path = Path("twin-pages")
    single: bool = False
    wanted: Wanted = field(default_factory=Wanted)
    give: bool = False


def stretch(start: str, end: str) -> Wanted:
    """Read the options ``--from`` and ``--to``.

    Raises
    ------
    UsageError
        Not ISO 8601 with offset, or the wrong way round.
    """
    found: dict[str, int | None] = {}
    faults = []
    for name, value in (("--from", start), ("--to", end)):
        try:
            found[name] = instant(value) if value else None
        except ValueError as error:
            faults.append(f"{name}: {error}")
    wanted = Wanted(found.get("--from"), found.get("--to"))
    if wanted.start is not None and wanted.end is not None and wanted.start >= wanted.end:
        faults.append("--from is not before --to")
    if faults:
        raise UsageError("dashboard", faults)
    return wanted


def write_pages(launch: Launch, settings: Settings, request: Request, progress: Callable[[str, float], None]) -> list[Path]:
    """Write the pages asked for, and the index unless one page is to stand alone; return the files.

    Raises
    ------
    UsageError
        No such model.
    PlatformError
        No such asset, or the platform cannot be reached.
    """
    if request.single and not (request.assets or request.every):
        raise UsageError("--single-file makes the page of an asset: name one")
    platform = connect(launch, settings)
    job = Job(platform, settings, prepare_models(settings, code=False))
    if request.model and request.model not in job.models.manifests:
        known = {**job.models.manifests, **job.models.broken}
        reason = job.models.broken.get(request.model)
        raise UsageError(reason or f"'{request.model}' is not an enabled model{did_you_mean(request.model, known)}")
    assets = platform.assets([], "") if request.every else platform.assets(list(request.assets), "") if request.assets else []
    reports = saved_reports(settings.folder(settings.platform.reports))
    sweep(request.output)
    written = []
    for asset in assets:
        written += _asset_pages(job, asset, reports, request, progress)
    if not request.single:
        write_shared(request.output)
        written.append(_write_index(job, request, launch, reports))
    return written


def write_after_run(launch: Launch, settings: Settings, report: RunReport) -> None:
    """Write the pages of what a run computed; that they cannot be written is a warning, for the numbers are on the platform.

    A remote platform is also given each page, whole in one file; the local one has the folder.
    """
    give = settings.platform.connector != "local" and settings.execution.upload_output
    request = Request([asset.asset for asset in report.assets], output=settings.folder(settings.platform.pages), give=give)
    try:
        write_pages(launch, settings, request, lambda _asset, _share: None)
    except (TwinError, OSError) as error:
        LOGGER.warning("the pages could not be written: %s", error)


def _subjects(job: Job, asset: Asset, reports: Sequence[Mapping[str, Any]]) -> list[Subject]:
    words = words_of(reports, asset.id)
    return [
        subject(job.platform, job.settings, asset, plan, words.get(plan.name, LastWords())) for plan in plans_of(job, asset)
    ]


def _asset_pages(
    job: Job, asset: Asset, reports: Sequence[Mapping[str, Any]], request: Request, progress: Callable[[str, float], None]
) -> list[Path]:
    every = _subjects(job, asset, reports)
    subjects = [about for about in every if request.model in ("", about.plan.name)]
    written = []
    for number, about in enumerate(subjects, 1):
        links = [] if request.single else _links(asset, every, about)
        content = page_content(about, request.wanted)
        path = request.output / file_name(asset.id, about.plan.name)
        write(path, render("dashboard.html", {**content, "links": links}, request.single))
        written.append(path)
        if request.give:
            _give(job.platform, asset, about.plan.name, {**content, "links": []}, path.name)
        progress(asset.id, number / len(subjects))
    return written


def _give(platform: Platform, asset: Asset, model: str, content: dict[str, Any], name: str) -> None:
    """Give the platform a page that is whole in one file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path, render("dashboard.html", content, True))
        try:
            platform.put_page(asset.id, model, path)
        except TwinError as error:
            LOGGER.warning("%s: the platform did not take the page of %s: %s", asset.id, model, error)


def _links(asset: Asset, every: Iterable[Subject], here: Subject) -> list[dict[str, Any]]:
    models = [
        {"name": site_name(about.plan.name), "file": file_name(asset.id, about.plan.name), "here": about is here}
        for about in every
    ]
    return [{"name": "Fleet", "file": INDEX, "here": False}, *models]


def _write_index(job: Job, request: Request, launch: Launch, reports: Sequence[Mapping[str, Any]]) -> Path:
    named = not request.every and (launch.asset_ids or launch.assetTag)
    assets = job.platform.assets(launch.asset_ids, launch.assetTag) if named else job.platform.assets([], "")
    subjects = [about for asset in assets for about in _subjects(job, asset, reports)]
    path = request.output / INDEX
    there = _there(request.output, subjects)
    content = index_content(subjects, job.models.broken, there, job.platform.describe(), len(assets))
    write(path, render("index.html", content, False))
    return path


def _there(folder: Path, subjects: Iterable[Subject]) -> dict[tuple[str, str], str]:
    """Return the pages that lie in the folder, from this run or an earlier one."""
    names = {(about.asset.id, about.plan.name): file_name(about.asset.id, about.plan.name) for about in subjects}
    return {key: name for key, name in names.items() if (folder / name).exists()}
