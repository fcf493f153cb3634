"""The files that pages hand to operators: they are what the program takes, they agree with the pages, and a back-up is one."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import distributed
import numpy as np
import pytest
import yaml

from platform_interface.launch import read_launch
from platform_interface.metrics import GAUGES, PREFIX
from platform_interface.settings import load_settings
from tests.command import PROGRAM, brought_in, command, report_of
from tests.conformance import FAR, assert_same
from tests.kit import EQ_CYCLES, Site
from tests.test_kill import MODELS, finish, launch, start, telemetry

pytestmark = pytest.mark.xdist_group("recipes")
PAGES = PROGRAM / "documentation" / "how-to"
RECIPES = PROGRAM / "documentation" / "recipes"
BACK_UP = RECIPES / "back_up.py"


def text(name: str) -> str:
    return (RECIPES / name).read_text(encoding="utf-8")


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(text(name))
    return parser


def manifests() -> dict[str, dict]:
    return {content["kind"]: content for content in yaml.safe_load_all(text("cronjob.yaml"))}


def check_command(words: list[str], folder: Path) -> None:
    """Run the words behind `entrypoint.py`, as far as the program's own reader: nothing is there to compute."""
    position = words.index("entrypoint.py")
    path = folder / "launch.json"
    path.write_text(json.dumps({"configurationValues": {"platform": {"store": str(folder / "none")}}}), encoding="utf-8")
    arguments = [str(path) if word.endswith("launch.json") else word for word in words[position + 1 :]]
    done = command(*arguments, cwd=folder)
    assert done.returncode == 2 and "no assets" in done.stderr, done.stderr


def test_the_crontab_line_is_the_one_of_the_page_and_its_command_is_taken(tmp_path):
    (line,) = [line for line in text("crontab").splitlines() if not line.startswith("#")]
    assert line in (PAGES / "run-on-a-schedule.md").read_text(encoding="utf-8")
    assert "%" not in line  # cron would end the command there
    check_command(shlex.split(line), tmp_path)


def test_the_service_runs_a_command_that_the_program_takes(tmp_path):
    service = unit("battery-twin.service")["Service"]
    assert service["Type"] == "oneshot" and service["WorkingDirectory"] == "/opt/battery-twin"
    check_command(shlex.split(service["ExecStart"]), tmp_path)


def test_the_service_gives_the_key_by_a_file_and_the_timer_starts_it():
    service, timer = unit("battery-twin.service")["Service"], unit("battery-twin.timer")
    name, _, source = service["LoadCredential"].partition(":")
    assert source.startswith("/etc/") and f"file:/run/credentials/battery-twin.service/{name}" in text("battery-twin.service")
    assert timer["Timer"]["OnCalendar"] == "*:0/15" and timer["Install"]["WantedBy"] == "timers.target"
    assert {"NoNewPrivileges", "ProtectSystem", "PrivateTmp", "SystemCallFilter", "CapabilityBoundingSet"} <= set(service)


def test_the_cron_job_never_runs_twice_at_once_and_keeps_no_rights(tmp_path):
    job = manifests()["CronJob"]["spec"]
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert job["concurrencyPolicy"] == "Forbid" and job["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert pod["restartPolicy"] == "Never" and pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    check_command(container["command"], tmp_path)


def test_the_cron_job_mounts_what_its_launch_names(tmp_path):
    found = manifests()
    (container,) = found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    volumes = {v["name"]: v for v in found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    content = found["ConfigMap"]["data"]["launch.json"]
    given = json.loads(content)
    assert given["userApiKey"] == "file:/run/secrets/battery-twin/key"
    assert mounts["/run/secrets/battery-twin"]["secret"]["defaultMode"] == 0o440
    assert mounts["/etc/battery-twin"]["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]
    assert given["configurationValues"]["platform"]["reports"].startswith("/data")
    assert mounts["/data"]["persistentVolumeClaim"]["claimName"] == found["PersistentVolumeClaim"]["metadata"]["name"]
    key = tmp_path / "key"
    key.write_text("a-key-of-the-cron-job", encoding="utf-8")
    path = tmp_path / "launch.json"
    path.write_text(content.replace("/run/secrets/battery-twin/key", str(key)), encoding="utf-8")
    settings = load_settings(PROGRAM / "settings.json", read_launch(str(path)))
    assert settings.platform.connector == "thingsboard" and settings.execution.settle_time == 300


def test_alerts_and_the_page_name_the_series_that_a_run_writes():
    rules = [rule for group in yaml.safe_load(text("alerts.yaml"))["groups"] for rule in group["rules"]]
    named = {name for rule in rules for name in re.findall(rf"{PREFIX}\w+", rule["expr"])}
    assert rules and named <= {PREFIX + name for name in GAUGES}
    page = (PAGES / "watch-the-service.md").read_text(encoding="utf-8")
    for name, (labels, meaning) in GAUGES.items():
        assert f"| `{name}` | {', '.join(f'`{label}`' for label in labels)} | {meaning} |" in page


def test_no_recipe_holds_a_secret():
    for path in RECIPES.iterdir():
        assert not re.search(r"(?i)(key|password|token)\W{1,3}[A-Za-z0-9+/]{16,}", path.read_text(encoding="utf-8")), path.name


# --- back-up


def copied(store: Path, target: Path) -> None:
    done = subprocess.run([sys.executable, str(BACK_UP), str(store), str(target)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """What a run leaves that nobody disturbed."""
    site = Site(tmp_path_factory.mktemp("undisturbed") / "store", {"Capacity": 100.0}, EQ_CYCLES)
    site.put(telemetry())
    site.run(MODELS, FAR)
    return site.contents(MODELS)


def test_back_ups_taken_while_a_run_goes_on_are_whole_and_go_on_to_the_same_contents(wanted, tmp_path):
    site = Site(tmp_path / "store", {"Capacity": 100.0}, EQ_CYCLES)
    site.put(telemetry())
    process = start(launch(tmp_path))
    copies, states = [], set()
    while process.poll() is None:
        copies.append(tmp_path / f"copy-{len(copies)}")
        copied(tmp_path / "store", copies[-1])
        time.sleep(0.1)
    finish(process)
    for copy in copies[-6:]:
        restored = Site(copy, {"Capacity": 100.0}, EQ_CYCLES)
        states.add(len(restored.platform.load_state("pack-1", "checkpoint/")))
        restored.run(MODELS, FAR)
        assert_same(restored.contents(MODELS), wanted, copy.name)
    assert len(states) > 1, "no back-up was taken in the middle of the run"


def test_a_restored_store_has_nothing_new_to_compute(wanted, tmp_path):
    site = Site(tmp_path / "store", {"Capacity": 100.0}, EQ_CYCLES)
    site.put(telemetry())
    site.run(MODELS, FAR)
    copied(tmp_path / "store", tmp_path / "copy")
    restored = Site(tmp_path / "copy", {"Capacity": 100.0}, EQ_CYCLES)
    assert restored.run(MODELS, FAR).nothing_new
    assert_same(restored.contents(MODELS), wanted, "restored")


def test_a_back_up_takes_what_is_only_in_the_log_of_the_database_and_leaves_what_is_being_written(tmp_path):
    site = Site(tmp_path / "store", {"Capacity": 100.0})
    site.platform.load_state("pack-1", "")  # the database is open, and so its log is kept beside it
    base = tmp_path / "store" / "pack-1"
    (base / "series").mkdir()
    (base / "series" / ".2026-01-01.parquet.99").write_bytes(b"half")
    with sqlite3.connect(base / "asset.db") as database:
        database.execute("insert into state values ('k', 'v')")
        database.commit()
        assert (base / "asset.db-wal").stat().st_size > 0
        copied(tmp_path / "store", tmp_path / "copy")
    database.close()
    assert [path.name for path in (tmp_path / "copy").rglob("*") if path.is_file()] == ["asset.db"]
    assert Site(tmp_path / "copy", {"Capacity": 100.0}).platform.load_state("pack-1", "k") == {"k": "v"}


def test_a_back_up_refuses_a_damaged_database_a_folder_that_is_there_and_no_store(tmp_path):
    site = Site(tmp_path / "store", {"Capacity": 100.0})
    site.put(telemetry(1.0))

    def said(*arguments: Path) -> str:
        done = subprocess.run([sys.executable, str(BACK_UP), *map(str, arguments)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        return done.stderr

    assert "is there already" in said(tmp_path / "store", tmp_path / "store")
    assert "is not a folder" in said(tmp_path / "nothing", tmp_path / "copy")
    (tmp_path / "store" / "pack-1" / "asset.db").write_bytes(b"SQLite format 3\0" + bytes(5000))
    assert "cannot be copied: file is not a database" in said(tmp_path / "store", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_the_signal_of_the_service_ends_a_run_that_gives_its_asset_back(tmp_path):
    site = Site(tmp_path / "store", {"Capacity": 100.0}, EQ_CYCLES)
    site.put(telemetry(600.0))
    process = start(launch(tmp_path))
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if site.platform.load_state("pack-1", "checkpoint/"):
            break
        time.sleep(0.02)
    process.send_signal(getattr(signal, unit("battery-twin.service")["Service"]["KillSignal"]))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and b"stopped; what was computed is kept" in errors
    assert np.all(site.platform.take_lease("pack-1", "next", 5) is None)


# --- a cluster, by Dask's own commands


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers over TLS, with certificates made by the recipe."""
    folder = tmp_path_factory.mktemp("cluster")
    for name in ("tls", "foreign"):
        subprocess.run(
            ["sh", str(RECIPES / "certificates.sh"), str(folder / name)], check=True, capture_output=True, timeout=60
        )
    tls = folder / "tls"
    given = [
        "--tls-ca-file",
        tls / "ca.pem",
        "--tls-cert",
        tls / "certificate.pem",
        "--tls-key",
        tls / "key.pem",
        "--no-dashboard",
    ]
    for name in ("one", "two"):
        assert brought_in(folder, name).returncode == 0
    log = (folder / "log").open("wb")

    def dask(*words: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, words), *map(str, given)], cwd=PROGRAM, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip

    file = folder / "scheduler.json"
    running = [dask("scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file)]
    running.append(dask("worker", "--scheduler-file", file, "--nworkers", 2, "--nthreads", 1, "--local-directory", folder))
    try:
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        all_there(address, tls, 2)
        yield folder, address
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def all_there(address: str, tls: Path, workers: int) -> None:
    """Wait for the workers: a run begins with those that a cluster has, and on a busy machine the second comes late."""
    files = {"tls_ca_file": tls / "ca.pem", "tls_client_cert": tls / "certificate.pem", "tls_client_key": tls / "key.pem"}
    security = distributed.Security(require_encryption=True, **{name: str(path) for name, path in files.items()})
    with distributed.Client(address, security=security, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=120)


def run_on_cluster(cluster, certificates: str) -> subprocess.CompletedProcess[str]:
    folder, address = cluster
    files = {"scheduler_ca": "ca.pem", "scheduler_certificate": "certificate.pem", "scheduler_key": "key.pem"}
    values = {
        "execution": {"scheduler": address, "enabled_models": ["eq_cycles"], "batch_assets": 1,
                      **{name: str(folder / certificates / file) for name, file in files.items()}},
        "platform": {"store": str(folder / "store"), "reports": str(folder / "reports")},
    }  # fmt: skip
    path = folder / "launch.json"
    path.write_text(json.dumps({"configurationValues": values}), encoding="utf-8")
    return command(path, cwd=folder)


def test_a_run_on_a_dask_cluster_over_tls_computes_its_assets(cluster):
    folder, _ = cluster
    done = run_on_cluster(cluster, "tls")
    assert done.returncode == 0, done.stderr
    report = report_of(folder)
    assert [(asset["asset"], asset["models"][0]["status"]) for asset in report["assets"]] == [("one", "done"), ("two", "done")]
    assert report["workers"] == 2


def test_a_client_with_certificates_of_another_authority_is_not_let_in(cluster):
    done = run_on_cluster(cluster, "foreign")
    assert done.returncode == 2 and "cannot be reached" in done.stderr and "Traceback" not in done.stderr


def test_the_private_keys_of_the_recipe_are_for_their_owner_only(cluster):
    folder, _ = cluster
    assert {path.stat().st_mode & 0o077 for path in (folder / "tls").iterdir()} == {0}
