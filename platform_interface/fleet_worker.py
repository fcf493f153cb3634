"""What a worker process does: it is handed batches of assets, computes one asset at a time, and tells each as it is done.

Everything here runs in the worker. What is known of a batch in the process that hands it out is in `fleet_batches.py`.
"""

from __future__ import annotations

import faulthandler
import hashlib
import platform as machine
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, Literal

from platform_interface import __version__
from platform_interface.errors import TwinError, UsageError
from platform_interface.fleet import result_of
from platform_interface.launch import Launch, program_folder
from platform_interface.log import LOGGER, add_secret, dask_logs, in_every_line, redact, set_up
from platform_interface.plans import plugin_folders, prepare_models
from platform_interface.platforms import connect
from platform_interface.platforms.base import Asset
from platform_interface.report import FAILED, AssetReport, as_json
from platform_interface.run import LEASE, Job
from platform_interface.settings import Settings

#: Topic of the messages that workers send; all runs share it, so that a scheduler that stays keeps a bounded number.
TOPIC = "battery-twin"
#: How long the message that a batch is begun may take to leave before native code may stop the process. [s]
_HEARD = 0.01
_PROGRAM_FILES = (".py", ".json", ".onnx")
_ONE_AT_A_TIME = threading.Lock()  # the watchdog and the registry of models are the process's


@dataclass(frozen=True, repr=False)
class Common:
    """What every batch of a run has in common. Dask shows the arguments of tasks: nothing of this may be shown."""

    run: str
    launch: Launch
    settings: Settings
    clock: Callable[[], int]
    versions: dict[str, str]
    log: tuple[Literal["text", "json"], bool, dict[str, Any]]
    own: bool = False
    """Whether the worker belongs to this run alone: its log may then be set up."""

    def __repr__(self) -> str:
        return f"<run {self.run}>"


@dataclass(frozen=True, repr=False)
class Parcel:
    """A batch as it is handed to a worker."""

    common: Common
    number: int
    assets: tuple[Asset, ...]
    stack: str = ""
    """File for the stack of a worker that hangs or crashes; empty: its standard error."""
    patience: float = 0.0
    """How long a lease of a worker that died is waited for. [s]"""

    def __repr__(self) -> str:
        return f"<batch {self.number}: {len(self.assets)} assets>"


@dataclass
class _Ready:
    """The job of the run that this process works for; made once."""

    run: str = ""
    job: Job | None = None
    fault: str = ""


@dataclass
class _Kept:
    ready: _Ready = field(default_factory=_Ready)


_KEPT = _Kept()


def versions(settings: Settings) -> dict[str, str]:
    """Return what must be equal in all processes of a run: equal versions give equal bits (law 1)."""
    found = {"battery-twin": __version__, "python": machine.python_version(), "machine": machine.machine()}
    for name in ("numpy", "pandas", "pyarrow", "distributed"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["program files"] = _PROGRAM
    found["plugin files"] = " ".join(_digest(folder) for folder in plugin_folders(settings))
    return found


@cache
def _digest(folder: Path) -> str:
    """Return a hash of a folder of the program as it was first used: a plugin of old would compute other numbers."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*")):
        if path.suffix in _PROGRAM_FILES and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


_PROGRAM = _digest(program_folder() / "platform_interface")  # as it is imported: a worker may outlive an upgrade


def compute(parcel: Parcel) -> list[bytes]:
    """Compute a batch; return the reports of its assets, packed.

    Raises
    ------
    UsageError
        This worker has other versions than the process that hands out.
    """
    from distributed import get_worker

    worker = get_worker()

    def tell(**message: Any) -> None:
        worker.log_event(TOPIC, {"run": parcel.common.run, "batch": parcel.number, **message})

    found = []
    with _ONE_AT_A_TIME, _stack_file(parcel) as file:
        tell(begun=True)
        time.sleep(_HEARD)
        ready = _made_ready(parcel.common)
        for position, asset in enumerate(parcel.assets):
            with _watchdog(parcel, file):
                packed = pack(_computed(ready, parcel, asset))
            tell(position=position, report=packed)
            found.append(packed)
    return found


def pack(result: AssetReport) -> bytes:
    """Return a report as it travels: small, and free of secrets."""
    return zlib.compress(redact(as_json(result)).encode(), 1)


def _computed(ready: _Ready, parcel: Parcel, asset: Asset) -> AssetReport:
    job = ready.job
    if job is None:
        return AssetReport(asset.id, asset.name, FAILED, ready.fault)
    if parcel.patience:
        execution = job.settings.execution
        wait = max(execution.lease_wait, parcel.patience)
        settings = job.settings.model_copy(update={"execution": execution.model_copy(update={"lease_wait": wait})})
        job = Job(job.platform, settings, job.models, job.clock)
    return result_of(job, asset)


def _made_ready(common: Common) -> _Ready:
    """Read plugins and open the platform, once a run: an asset of a day costs little more than that."""
    if _KEPT.ready.run == common.run:
        return _KEPT.ready
    for secret in (common.launch.userApiKey, common.launch.userPassword):
        add_secret(secret)
    if common.own:
        style, quiet, facts = common.log
        set_up(style, quiet, common.settings.execution.debug_mode)
        in_every_line(**facts)
        dask_logs(common.settings.execution.debug_mode)
    elif not LOGGER.handlers:  # else Python's own last resort would print what nobody has masked
        set_up()
    _compare(common)
    ready = _Ready(common.run)
    try:
        ready.job = Job(connect(common.launch, common.settings), common.settings, prepare_models(common.settings), common.clock)
    except TwinError as error:
        ready.fault = f"a worker on {machine.node()} could not begin: {error}"
        return ready  # not kept: the next batch tries again
    _KEPT.ready = ready
    return ready


def _compare(common: Common) -> None:
    if common.own:  # of one folder and one Python, and a person may edit a file meanwhile
        return
    here = versions(common.settings)
    other = [
        f"{name}: {here.get(name)} there, {wanted} here" for name, wanted in common.versions.items() if here.get(name) != wanted
    ]
    if other:
        raise UsageError(
            f"the worker on {machine.node()} would compute other numbers; give it the same program folder and "
            f"requirements.txt ({'; '.join(other)})"
        )


@contextmanager
def _stack_file(parcel: Parcel) -> Iterator[IO[str]]:
    """Give the file that names the place where native code crashes or hangs: functions and lines, no values."""
    if not parcel.stack:
        yield sys.__stderr__ or sys.stderr
        return
    with open(parcel.stack, "w", encoding="utf-8") as file:  # noqa: PTH123 - the handler needs a plain file
        faulthandler.enable(file)
        try:
            yield file
        finally:
            faulthandler.disable()


@contextmanager
def _watchdog(parcel: Parcel, file: IO[str]) -> Iterator[None]:
    """End this process when an asset takes too long: by a thread of C, for native code may hold the interpreter."""
    faulthandler.dump_traceback_later(parcel.common.settings.execution.asset_timeout + parcel.patience, exit=True, file=file)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


#: How long a worker waits for the lease of one that died where nothing but time tells that it did. [s]
PATIENCE = LEASE + 10.0
