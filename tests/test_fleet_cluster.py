"""A fleet on a Dask cluster that is there: encrypted, refused when it is not or when a worker would compute other numbers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from platform_interface.errors import PlatformError, UsageError
from platform_interface.fleet import run_fleet
from tests.command import PROGRAM
from tests.fleet_kit import (
    CRASH,
    HANG,
    SLOW,
    contents,
    ended,
    fleet,
    journal_lines,
    launch_path,
    launched,
    plugins,
    report,
    started,
    states,
    until,
)

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="kill -9 is a POSIX signal"),
    pytest.mark.xdist_group("fleet_cluster"),
]


@contextmanager
def dask(log: Path, *arguments, cwd=PROGRAM):
    """Run one of Dask's own commands, as a person on a cluster does: in the program's folder."""
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, arguments)], cwd=cwd, env=environment, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A program folder that nobody edits while a worker starts."""
    return copied(tmp_path_factory.mktemp("program"))


def copied(folder, source=PROGRAM):
    for name in ("platform_interface", "models"):
        shutil.copytree(source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("entrypoint.py", "settings.json"):
        shutil.copy(source / name, folder / name)
    return folder


@contextmanager
def scheduler(folder: Path, *more):
    log = folder / "scheduler.log"
    with dask(
        log, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", folder / "s.json", *more
    ) as p:
        until(lambda: (folder / "s.json").exists() and (folder / "s.json").stat().st_size)
        time.sleep(0.1)
        yield json.loads((folder / "s.json").read_text())["address"], p


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate of one authority for everybody, as a site would have several."""
    from distributed import Security

    folder = tmp_path_factory.mktemp("certificates")
    made = Security.temporary()
    (folder / "ca.pem").write_text(made.tls_ca_file)
    (folder / "cert.pem").write_text(made.tls_client_cert)
    (folder / "key.pem").write_text(made.tls_client_key)
    return folder


def options(folder):
    return ["--tls-ca-file", folder / "ca.pem", "--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem"]


def files(folder):
    return {
        "scheduler_ca": str(folder / "ca.pem"),
        "scheduler_certificate": str(folder / "cert.pem"),
        "scheduler_key": str(folder / "key.pem"),
    }


@pytest.fixture(scope="module")
def cluster(program, certificates, tmp_path_factory):
    """An encrypted cluster of two workers, started by Dask's own commands in the program's folder."""
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        address, _ = stack.enter_context(scheduler(folder, "--protocol", "tls", *options(certificates)))
        worker = ["worker", address, "--nworkers", 2, "--nthreads", 1, "--no-dashboard", *options(certificates)]
        stack.enter_context(dask(folder / "worker.log", *worker, "--local-directory", folder, cwd=program))
        yield address


def test_an_encrypted_cluster_leaves_the_same_contents_as_one_process(program, cluster, certificates, tmp_path):
    ids = fleet(tmp_path / "one", 6)
    fleet(tmp_path / "two", 6)
    run_fleet(*launched(tmp_path / "one"))
    ended(started(launch_path(tmp_path / "two", scheduler=cluster, **files(certificates)), program=program))
    found = report(tmp_path / "two")
    assert states(found) == dict.fromkeys(ids, "done")
    assert found["workers"] == 2
    assert contents(tmp_path / "two", ids, ["eq_cycles"]) == contents(tmp_path / "one", ids, ["eq_cycles"])


def test_an_asset_that_hangs_on_a_cluster_is_named_although_its_stack_is_elsewhere(program, cluster, certificates, tmp_path):
    ids = fleet(tmp_path, 6, {1: HANG, 4: CRASH})
    plugins(tmp_path)
    path = launch_path(tmp_path, "moody", scheduler=cluster, asset_timeout="5s", **files(certificates))
    ended(started(path, program=program), code=1)
    reasons = {asset["asset"]: asset["reason"] for asset in report(tmp_path)["assets"] if asset["status"] == "failed"}
    assert reasons.keys() == {ids[1], ids[4]}
    assert "took longer than execution.asset_timeout (5 s)" in reasons[ids[1]]
    assert "died each time" in reasons[ids[4]]


def test_a_cluster_whose_scheduler_dies_ends_the_run_with_a_sentence_and_the_run_resumes(program, tmp_path):
    ids = fleet(tmp_path, 8, dict.fromkeys(range(8), SLOW))
    plugins(tmp_path)
    with ExitStack() as stack:
        address, process = stack.enter_context(scheduler(tmp_path))
        stack.enter_context(dask(tmp_path / "w.log", "worker", address, "--nthreads", 1, "--no-dashboard", cwd=program))
        run = started(launch_path(tmp_path, "moody", scheduler=address), program=program)
        until(lambda: journal_lines(tmp_path) >= 1, run)
        os.killpg(process.pid, signal.SIGKILL)
        output = ended(run, code=2, seconds=100)
    assert "ERROR: the Dask cluster is lost" in output
    assert "`run --resume` goes on from there" in output
    (tmp_path / "harmless").touch()
    ended(started(launch_path(tmp_path, "moody"), "--resume", program=program))
    assert states(report(tmp_path)) == dict.fromkeys(ids, "done")
    assert report(tmp_path)["taken_over"] >= 1


def test_a_worker_of_another_version_is_refused(program, tmp_path):
    fleet(tmp_path, 2)
    other = copied(tmp_path / "other", program)
    changed = other / "models" / "eq_cycles" / "model.py"
    changed.write_text(changed.read_text() + "\n# another version\n")
    with ExitStack() as stack:
        address, _ = stack.enter_context(scheduler(tmp_path))
        stack.enter_context(dask(tmp_path / "w.log", "worker", address, "--nthreads", 1, "--no-dashboard", cwd=other))
        output = ended(started(launch_path(tmp_path, scheduler=address), program=program), code=2)
    assert re.search(r"ERROR: the worker on \S+ would compute other numbers.*\(plugin files: .* there, .* here\)", output)


ADDRESSES = {
    "tcp://10.0.0.7:8786": "is not encrypted, and whoever can send to it can run code on the workers",
    "tcp://localhost.example.org:8786": "is not encrypted",
    "http://127.0.0.1:8786": "is not an address; write tls://host:port",
    "127.0.0.1:8786": "is not an address; write tls://host:port",
    "tls://dask.example.org:8786": "scheduler_ca: is needed with tls://",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_others_could_listen_to_is_refused(tmp_path, address):
    fleet(tmp_path, 2)
    with pytest.raises(UsageError) as refused:
        run_fleet(*launched(tmp_path, scheduler=address))
    assert ADDRESSES[address] in str(refused.value)


def test_a_scheduler_that_is_not_there_is_a_sentence(tmp_path, monkeypatch):
    fleet(tmp_path, 2)
    monkeypatch.setattr("platform_interface.fleet_dask.CONNECT", 1.0)
    with pytest.raises(PlatformError, match=r"the Dask scheduler at tcp://127.0.0.1:9 cannot be reached"):
        run_fleet(*launched(tmp_path, scheduler="tcp://127.0.0.1:9"))


def test_the_embedded_platform_is_not_handed_to_other_machines(tmp_path, certificates):
    fleet(tmp_path, 2)
    with pytest.raises(UsageError, match="the embedded platform is a folder of this machine"):
        run_fleet(*launched(tmp_path, scheduler="tls://10.0.0.7:8786", **files(certificates)))
