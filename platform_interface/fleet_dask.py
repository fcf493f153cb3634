"""The workers of a run: processes of its own on this machine, or a Dask cluster that is there."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_interface.errors import PlatformError, UsageError
from platform_interface.hosts import is_loopback
from platform_interface.launch import Launch
from platform_interface.log import as_set_up, dask_logs
from platform_interface.platforms.base import Asset
from platform_interface.report import AssetReport
from platform_interface.settings import Settings

if TYPE_CHECKING:
    from distributed import Client

_WHERE = "parameters.execution.scheduler"
#: What Dask is told for processes of our own.
_OWN = {
    "distributed.scheduler.allowed-failures": 0,  # a death is ours to judge
    "distributed.scheduler.worker-ttl": None,  # native code may hold the interpreter for long; the watchdog decides
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.http.routes": [],  # nobody is to look in
    "distributed.worker.http.routes": [],
    "distributed.worker.preload": ["platform_interface.fleet_preload"],
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.diagnostics.nvml": False,
    "distributed.admin.tick.interval": "1s",  # a process that ticks takes the interpreter from the one that computes
    "distributed.admin.tick.cycle": "10s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
}
#: How long a scheduler, or its first worker, is waited for. [s]
CONNECT = 30.0


@dataclass
class Cluster:
    """What a run uses: a client, how many workers there are, and where they leave their stacks."""

    client: Client
    workers: int
    stacks: Path | None


def compute_on_workers(
    launch: Launch, settings: Settings, clock: Callable[[], int], assets: Sequence[Asset],
    take: Callable[[AssetReport], None],
) -> tuple[int, list[str]]:  # fmt: skip
    """Compute assets on workers; `take` gets each report as it is done.

    Returns
    -------
    workers : int
        How many there were.
    incidents : list of str
        Workers that died, and what became of the assets.

    Raises
    ------
    UsageError, PlatformError
        The scheduler's address is not usable, there is nobody, a worker is of another version, or all are lost.
    """
    from platform_interface.fleet_batches import Batches
    from platform_interface.fleet_worker import Common, versions

    execution = settings.execution
    own = not execution.scheduler
    common = Common(uuid.uuid4().hex[:12], launch, settings, clock, versions(settings), as_set_up(), own)
    opened = _own_processes(min(execution.workers, len(assets)), settings) if own else _cluster_at(settings)
    with _dask_talks_as_we_do(execution.debug_mode), opened as cluster:
        batches = Batches(cluster.client, common, assets, cluster.stacks, cluster.workers)
        for result in batches.results():
            take(result)
        return batches.workers, batches.incidents


@contextmanager
def _dask_talks_as_we_do(debug: bool) -> Iterator[None]:
    """Keep Dask's own talk off the terminal, unless a person looks for a fault: then it goes our way, without secrets."""
    import distributed  # noqa: F401 - it sets up its loggers as it is imported

    before = dask_logs(debug)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed")
            yield
    finally:
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers


@contextmanager
def _own_processes(count: int, settings: Settings) -> Iterator[Cluster]:
    """Start processes that nobody else on this machine can reach: keys made for this run encrypt and sign every message."""
    import dask
    from distributed import Client, LocalCluster, Security

    quiet = logging.WARNING if settings.execution.debug_mode else logging.CRITICAL + 1
    with dask.config.set(_OWN), tempfile.TemporaryDirectory(prefix="twin-fleet-") as scratch:
        with _ctrl_c_is_for_this_process():
            cluster = LocalCluster(
                n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1", protocol="tls://",
                security=Security.temporary(), dashboard_address="127.0.0.1:0", worker_dashboard_address=None,
                scheduler_kwargs={"dashboard": False}, silence_logs=quiet, local_directory=scratch,
            )  # fmt: skip
        try:
            with Client(cluster, set_as_default=False) as client:
                yield Cluster(client, count, Path(scratch))
        except BaseException:
            _end(cluster)
            raise
        finally:
            cluster.close()


@contextmanager
def _ctrl_c_is_for_this_process() -> Iterator[None]:
    """Let the thread that starts workers, now and when one has died, be born without Ctrl-C: so are its workers.

    A terminal sends it to all of them, and one that only just starts would answer with a traceback.
    """
    if os.name != "posix":
        yield
        return
    resource_tracker.ensure_running()  # a thread that starts it with its first worker would be given Ctrl-C again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(cluster: Any) -> None:
    """End own workers at once: the run stops, and every instruction of a worker may be its last (law 2)."""
    for nanny in list(cluster.workers.values()):
        if getattr(nanny, "pid", None):
            nanny.auto_restart = False
            with contextlib.suppress(OSError):
                os.kill(nanny.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


@contextmanager
def _cluster_at(settings: Settings) -> Iterator[Cluster]:
    """Connect to a cluster that is there."""
    from distributed import Client

    address = settings.execution.scheduler
    security = _security(settings)
    try:
        client = Client(address, security=security, timeout=CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise PlatformError(
            f"the Dask scheduler at {address} cannot be reached: {error}. Is it running, and are the certificates of one authority?"
        ) from None
    try:
        client.wait_for_workers(1, timeout=CONNECT)
        yield Cluster(client, len(client.nthreads()), None)
    except TimeoutError:
        raise PlatformError(f"the Dask scheduler at {address} has no workers. Start some, in the program's folder.") from None
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=5)


def _security(settings: Settings) -> Any:
    """Return how the scheduler is talked to; refuse what others could listen to.

    Raises
    ------
    UsageError
        The address has no known scheme, is not encrypted, or a certificate is missing.
    """
    from distributed import Security

    execution = settings.execution
    scheme, _, rest = execution.scheduler.partition("://")
    if scheme == "tcp" and _loopback(rest):
        return Security()
    if scheme == "tcp":
        danger = "is not encrypted, and whoever can send to it can run code on the workers, which have the platform's key"
        remedy = "Use tls:// with certificates; tcp:// is for this machine only"
        raise UsageError("settings.json", [f"{_WHERE}: '{execution.scheduler}' {danger}. {remedy}"])
    if scheme != "tls":
        raise UsageError("settings.json", [f"{_WHERE}: '{execution.scheduler}' is not an address; write tls://host:port"])
    files = {name: getattr(execution, name) for name in ("scheduler_ca", "scheduler_certificate", "scheduler_key")}
    faults = []
    for name, given in files.items():
        if not given:
            faults.append(f"parameters.execution.{name}: is needed with tls://: a PEM file")
        elif not settings.folder(given).is_file():
            faults.append(f"parameters.execution.{name}: {settings.folder(given)} is not a file")
    if faults:
        raise UsageError("settings.json", faults)
    if settings.platform.connector == "local" and not _loopback(rest):
        reason = "the embedded platform is a folder of this machine, and workers of a cluster are on others"
        remedy = "use execution.workers here, or a platform that is reached over the network"
        raise UsageError("settings.json", [f"{_WHERE}: {reason}; {remedy}"])
    ca, certificate, key = (str(settings.folder(given)) for given in files.values())
    return Security(
        require_encryption=True, tls_ca_file=ca, tls_client_cert=certificate, tls_client_key=key,
    )  # fmt: skip


def _loopback(rest: str) -> bool:
    return is_loopback(rest.rsplit(":", 1)[0])
