"""What happened: JSON for schedulers and for the question "why is this number what it is" a year later."""

from __future__ import annotations

import hashlib
import json
import os
import platform as machine
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platform_interface import __version__
from platform_interface.errors import PlatformError
from platform_interface.log import redact
from platform_interface.when import now, text

#: Notes of one kind that are shown in full.
MOST_ALIKE = 5
DONE, NO_NEW_DATA, REFUSED, FAILED = "done", "no new data", "refused", "failed"


@dataclass
class ModelReport:
    """One model on one asset."""

    model: str
    version: str
    state_version: int
    status: str = NO_NEW_DATA
    reason: str = ""
    start: str = ""
    end: str = ""
    computed_until: str = ""
    windows: list[list[str]] = field(default_factory=list)
    rows_in: int = 0
    rows_used: int = 0
    rows_out: int = 0
    latest: dict[str, Any] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    late_samples: int = 0
    too_late_samples: int = 0
    rolled_back_to: str = ""
    settings_hashes: dict[str, str] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    input_hash: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._alike: dict[str, int] = {}

    def note(self, sentence: str) -> None:
        """Add a warning once; of many that differ in their figures only, the first few and a count."""
        if sentence in self.notes:
            return
        kind = re.sub(r"\d+", "#", sentence)
        self._alike[kind] = self._alike.get(kind, 0) + 1
        more = self._alike[kind] - MOST_ALIKE
        if more <= 0:
            self.notes.append(sentence)
            return
        before = f"{more - 1} more like: {kind}"
        if before in self.notes:
            self.notes.remove(before)
        self.notes.append(f"{more} more like: {kind}")


@dataclass
class AssetReport:
    """One asset."""

    asset: str
    name: str = ""
    status: str = DONE
    reason: str = ""
    models: list[ModelReport] = field(default_factory=list)
    sensors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    quarantined: dict[str, int] = field(default_factory=dict)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return self.status == FAILED or any(model.status == FAILED for model in self.models)

    @property
    def state(self) -> str:
        """Failed where anything did, done where any model was, else no new data, else refused."""
        if self.failed:
            return FAILED
        if not self.models:
            return self.status
        states = {model.status for model in self.models}
        return next(state for state in (DONE, NO_NEW_DATA, REFUSED) if state in states)


@dataclass
class RunReport:
    """One run."""

    run: str
    started: str
    platform: str
    task: str
    settings: dict[str, Any] = field(default_factory=dict)
    assets: list[AssetReport] = field(default_factory=list)
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    workers: int = 1
    incidents: list[str] = field(default_factory=list)
    taken_over: int = 0

    @property
    def failed(self) -> bool:
        return any(asset.failed for asset in self.assets)

    @property
    def nothing_new(self) -> bool:
        """Whether no model of any asset had anything to do; one that refuses has not."""
        models = [model for asset in self.assets for model in asset.models]
        states = {model.status for model in models}
        return NO_NEW_DATA in states and states <= {NO_NEW_DATA, REFUSED}

    def save(self, folder: Path) -> Path:
        """Write the report as ``<run>.json`` and as ``latest.json``; return the former.

        Raises
        ------
        PlatformError
            It cannot be written; no half file is left.
        """
        folder.mkdir(parents=True, exist_ok=True)
        content = redact(as_json(self, indent=1))
        path = folder / f"{self.run}.json"
        for target in (path, folder / "latest.json"):
            scratch = target.with_name(f".{target.name}.{os.getpid()}")
            try:
                scratch.write_text(content + "\n", encoding="utf-8", errors="replace")
                os.replace(scratch, target)
            except OSError as error:
                scratch.unlink(missing_ok=True)
                raise PlatformError(
                    f"the report was not saved: {target}: {error.strerror}. The results are on the platform. Check the disk, "
                    "and the rights on the folder."
                ) from None
        return path


def as_json(report: RunReport | AssetReport, indent: int | None = None) -> str:
    """Return a report as JSON; secrets are not masked yet."""
    return json.dumps(asdict(report), indent=indent, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """Return what JSON has for a value of another kind: a number for one of NumPy, else its text."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else str(value)


def asset_report(content: Mapping[str, Any]) -> AssetReport:
    """Return an asset's report from its JSON.

    Raises
    ------
    TypeError, KeyError
        It is none, or one of another version.
    """
    return AssetReport(**{**content, "models": [ModelReport(**model) for model in content["models"]]})


def new_report(platform: str, settings: dict[str, Any], task: str) -> RunReport:
    """Begin a report; its name is the time and the process, so that two runs never share one."""
    moment = now()
    stamp = text(moment // 1000 * 1000).replace(":", "").replace("-", "")
    report = RunReport(f"{stamp}-{os.getpid()}", text(moment), platform, task, settings)
    report.versions = {"battery-twin": __version__, "python": machine.python_version(), "machine": machine.machine()}
    content = json.dumps(settings, sort_keys=True, default=str)
    report.versions["settings"] = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    for name in ("numpy", "pandas", "pyarrow"):
        report.versions[name] = _version(name)
    return report


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
