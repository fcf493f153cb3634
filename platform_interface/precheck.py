"""`check`: every precondition of a run on one line, each failure with its remedy."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platform_interface.errors import TwinError
from platform_interface.launch import Launch, program_folder, read_launch
from platform_interface.settings import Settings, load_settings

if TYPE_CHECKING:
    from platform_interface.mapping import Plan
    from platform_interface.platforms.base import Platform


@dataclass(frozen=True)
class Line:
    """One precondition; `idle`: not met, and nobody asked for it."""

    good: bool
    text: str
    idle: bool = False

    @property
    def mark(self) -> str:
        return "--  " if self.idle else "ok  " if self.good else "FAIL"


def precheck(argument: str | None) -> Iterator[Line]:
    """Check in the order in which a run needs things; stop where the next cannot be asked."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Line(sys.version_info >= (3, 11), f"Python {version} (3.11 or newer is needed)")
    yield from _libraries()
    try:
        launch = read_launch(argument)
        yield Line(True, "launch: " + ("inline" if launch.inline else argument or "none given; all assets"))
        settings = load_settings(program_folder() / "settings.json", launch)
        yield Line(True, "settings.json: every name and value is known")
    except TwinError as error:
        yield Line(False, str(error))
        return
    yield _writable("reports", settings.folder(settings.platform.reports))
    yield from _models(settings)
    yield from _platform(launch, settings)


def _libraries() -> Iterator[Line]:
    from importlib.metadata import PackageNotFoundError, version

    wanted = [
        line.split("==")
        for line in (program_folder() / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    ]
    wrong = []
    for name, pinned in ((pair[0].strip(), pair[1].split(";")[0].strip()) for pair in wanted):
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found != pinned:
            wrong.append(f"{name} is {found}, not {pinned}")
    remedy = f"; run: {sys.executable} -m pip install -r requirements.txt"
    yield Line(not wrong, "libraries: as pinned" if not wrong else f"libraries: {', '.join(wrong)}{remedy}")


def _writable(name: str, folder: Path) -> Line:
    place = folder
    while not place.exists():
        place = place.parent
    good = os.access(place, os.W_OK)
    return Line(good, f"{name}: {folder}" + ("" if good else f" cannot be written; give the user rights on {place}"))


def _models(settings: Settings) -> Iterator[Line]:
    from platform_interface.plans import prepare_models

    try:
        prepared = prepare_models(settings)
    except TwinError as error:
        yield Line(False, str(error))
        return
    for name, manifest in prepared.manifests.items():
        yield Line(True, f"model {name} {manifest.version}")
    for name, reason in prepared.broken.items():
        yield Line(False, f"model {name}: {reason}")


def _platform(launch: Launch, settings: Settings) -> Iterator[Line]:
    from platform_interface.plans import plans_of, prepare_models
    from platform_interface.platforms import connect
    from platform_interface.run import Job

    try:
        platform = connect(launch, settings)
        assets = platform.assets(launch.asset_ids, launch.assetTag)
        yield Line(
            bool(assets),
            f"{platform.describe()}: {len(assets)} asset{'' if len(assets) == 1 else 's'}"
            + ("" if assets else "; `ingest` brings one in"),
        )
        if settings.execution.upload_output:
            yield from _self_test(platform)
        job = Job(platform, settings, prepare_models(settings))
        named = {*settings.execution.enabled_models, *launch.configurationValues.get("models", {})}
        for asset in assets:
            yield from _plans(asset.id, plans_of(job, asset), named)
    except TwinError as error:
        yield Line(False, str(error))


def _self_test(platform: Platform) -> Iterator[Line]:
    from platform_interface.platforms.selftest import self_test

    for finding in self_test(platform):
        yield Line(finding.good, finding.text, finding.idle)


def _plans(asset: str, plans: Sequence[Plan], named: Collection[str]) -> Iterator[Line]:
    """Say what each model reads. One that nobody named and that this asset's sensors do not serve is idle, if another runs."""
    some = any(not plan.refusals for plan in plans)
    for plan in plans:
        read = ", ".join(f"{name} ← {source.pattern}" for name, source in plan.sources.items())
        if not plan.refusals:
            yield Line(True, f"{asset}, {plan.name}: {read}")
        else:
            idle = some and plan.unserved and plan.name not in named
            yield Line(idle, f"{asset}, {plan.name}: {' '.join(plan.refusals)}", idle)
