"""The journal of a run over many assets: what a stopped run had finished, for ``run --resume``.

::

    fleet-journal.jsonl
      {"journal": 1, "told": "<hash>", "started": "2026-01-31T02:00:00Z", "assets": 1000}
      {"asset": "pack-0001", ...}                     the asset's report, as soon as it is done

It lies in the folder of the reports, is locked while its run goes on, and is deleted at the end of a whole run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from platform_interface.errors import UsageError
from platform_interface.launch import Launch
from platform_interface.log import LOGGER, redact
from platform_interface.report import DONE, AssetReport, RunReport, as_json, asset_report
from platform_interface.settings import Settings

NAME = "fleet-journal.jsonl"
#: A line is on its way to the disk after this at the latest; power that fails costs no more. [s]
_SYNC = 1.0
#: What may differ between a stopped run and the one that goes on with it: how it is computed, not what.
_FREE = {
    "workers", "scheduler", "scheduler_ca", "scheduler_certificate", "scheduler_key", "batch_assets", "asset_timeout",
    "debug_mode", "lease_wait", "write_pages",
}  # fmt: skip


def told(launch: Launch, settings: Settings, versions: Mapping[str, str]) -> str:
    """Return a hash of all that decides what a run computes; no secret goes into it.

    An asset is computed from its own data: one that is new under the tag, or gone, changes nothing for the others.
    """
    content = {
        "settings": settings.model_dump(mode="json", exclude={"execution": _FREE}),
        "platform": [launch.factoryApi, launch.iotApi, launch.userName],
        "assets": [sorted(launch.asset_ids), launch.assetTag],
        "versions": {name: version for name, version in versions.items() if name != "settings"},
    }
    return hashlib.blake2b(json.dumps(content, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


class Journal:
    """What a run has finished, on disk.

    Parameters
    ----------
    folder : Path
        Of the reports.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._file: IO[bytes] | None = None
        self._synced = 0.0

    def begin(self, report: RunReport, told: str, assets: int, resume: bool) -> dict[str, AssetReport]:
        """Open the journal of this run; return what a stopped run had finished and this one takes over, by asset.

        Raises
        ------
        UsageError
            `resume` is asked for, and the stopped run was told something else, or still goes on.
        """
        self._file = _locked(self.path)
        if self._file is None:
            if resume:
                raise UsageError(f"--resume: the run that writes {self.path} still goes on. Wait for its end.")
            LOGGER.info(
                "another run of many assets goes on; this one keeps no journal, so it cannot be resumed if it is stopped"
            )
            return {}
        header, finished, length = _read(self._file)
        if resume and header and header.get("told") != told:
            self.close()
            raise UsageError(
                f"--resume: the run that was stopped ({_described(header, finished)}) had other settings, assets or versions. "
                "Give it the same launch, or run without --resume: then all is computed anew."
            )
        if resume and header:
            self._file.truncate(length)  # a line that the stop cut off
            LOGGER.info("goes on with the run that was stopped: %s", _described(header, finished))
            return {asset: done for asset, done in finished.items() if done.status == DONE and not done.failed}
        if resume:
            LOGGER.info("there is no stopped run to go on with; all is computed")
        elif finished:
            LOGGER.warning(
                "a run was stopped (%s). This one begins anew; with --resume it would have gone on.",
                _described(header, finished),
            )
        self._file.truncate(0)
        self._write(json.dumps({"journal": 1, "told": told, "started": report.started, "assets": assets}))
        return {}

    def add(self, done: AssetReport) -> None:
        """Enter an asset that is done."""
        self._write(as_json(done))

    def _write(self, content: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(redact(content).encode("utf-8", "replace") + b"\n")
            self._file.flush()
            if time.monotonic() - self._synced > _SYNC:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:  # a full disk: the results are on the platform, and the run is worth more than its journal
            LOGGER.warning("%s: %s. The run goes on; if it is stopped it cannot be resumed.", self.path, error.strerror)
            self._abandon()

    def finish(self) -> None:
        """Delete the journal: the run is whole."""
        if self._file is None:
            return
        if os.name != "posix":  # an open file cannot be deleted there
            self.close()
        self.path.unlink(missing_ok=True)  # before the lock is let go: nobody may take it for that of a stopped run
        self.close()

    def _abandon(self) -> None:
        """Delete the journal in mid-run: what it lacks from now on would be taken for not computed."""
        file, self._file = self._file, None
        self.path.unlink(missing_ok=True)
        if file is not None:
            with contextlib.suppress(OSError):  # what is still buffered cannot be written either
                file.close()

    def close(self) -> None:
        """Let go of the journal; it stays where it is."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _described(header: Mapping[str, Any], finished: Mapping[str, AssetReport]) -> str:
    return f"{len(finished):,} of {header.get('assets', '?')} assets finished, begun {header.get('started', '?')}"


def _locked(path: Path) -> IO[bytes] | None:
    """Open the file for this process alone; None when a run that goes on has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = path.open("a+b")
        if not _lock(file):
            file.close()
            return None
        try:
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        except FileNotFoundError:
            pass
        file.close()  # its run ended between the opening and the lock, and deleted it


def _lock(file: IO[bytes]) -> bool:
    """Take the lock of a file; where there is none (Windows), opening must do."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, AssetReport], int]:
    """Return the header, what is finished, and how many bytes hold whole lines."""
    file.seek(0)
    header: dict[str, Any] = {}
    finished: dict[str, AssetReport] = {}
    length = 0
    for line in file:
        try:
            content = json.loads(line)
            if not line.endswith(b"\n"):
                break
            if not header:
                header = content if content.get("journal") == 1 else {}
                if not header:
                    break
            else:
                finished[content["asset"]] = asset_report(content)
        except (ValueError, TypeError, KeyError, AttributeError):
            break
        length += len(line)
    return header, finished, length
