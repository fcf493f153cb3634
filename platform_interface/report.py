"""What happened: JSON for schedulers and for the question "why is this number what it is" a year later."""

from __future__ import annotations

import hashlib
import json
import os
import platform as machine
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platform_interface import __version__
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
        """Write the report as ``<run>.json`` and as ``latest.json``; return the former."""
        folder.mkdir(parents=True, exist_ok=True)
        content = redact(json.dumps(asdict(self), indent=1, ensure_ascii=False, default=str))
        path = folder / f"{self.run}.json"
        for target in (path, folder / "latest.json"):
            scratch = target.with_name(f".{target.name}.{os.getpid()}")
            scratch.write_text(content + "\n", encoding="utf-8")
            os.replace(scratch, target)
        return path


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
