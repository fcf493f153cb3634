"""Law 2: a run that is killed at any moment and started again leaves what an undisturbed one leaves.

Real processes of the real command, a real `kill -9`, the real store on disk.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conformance import FAR, assert_same
from tests.kit import ASSET, EQ_CYCLES, PLUGINS, Site, pack, seconds

ROOT = Path(__file__).parent.parent
MODELS = ["eq_cycles", "after_cycles", "alarming"]
#: `TWIN_KILLS=200 python -m pytest tests/test_kill.py` for a soak.
KILLS = int(os.environ.get("TWIN_KILLS", "12"))

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 is a POSIX signal")


def telemetry(hours: float = 60.0, step: float = 30.0):
    time = seconds(*np.arange(0, hours * 3600, step))
    wave = np.sin(np.arange(time.size) / 57.0)
    return pack(time, current=60 * wave, soc=0.5 + 0.3 * wave, voltage=50 + wave, temperature=25 + 5 * wave)


def launch(folder: Path) -> Path:
    values = {
        **EQ_CYCLES,
        "platform": {"store": str(folder / "store"), "reports": str(folder / "reports")},
        "execution": {"enabled_models": MODELS, "plugin_folders": [str(PLUGINS)], "max_values": 1500},
    }
    path = folder / "launch.json"
    path.write_text(json.dumps({"assetIds": [ASSET], "configurationValues": values}))
    return path


def start(path: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "entrypoint.py"), str(path), "--quiet", *more], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What one run in this process leaves, and how long the command takes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    site = Site(folder / "store", {"Capacity": 100.0}, EQ_CYCLES)
    site.put(telemetry())
    site.run(MODELS, FAR)
    wanted = site.contents(MODELS)
    timed = Site(folder / "timed" / "store", {"Capacity": 100.0}, EQ_CYCLES)
    timed.put(telemetry())
    began = time.monotonic()
    finish(start(launch(folder / "timed")))
    return wanted, time.monotonic() - began


def test_kill_9_at_random_moments_changes_nothing(undisturbed):
    wanted, duration = undisturbed
    chance, cut_short = random.Random(20261121), 0
    for number in range(KILLS):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            site = Site(folder / "store", {"Capacity": 100.0}, EQ_CYCLES)
            site.put(telemetry())
            for _ in range(2):
                process = start(launch(folder))
                time.sleep(chance.uniform(0.35, 0.98) * duration)
                running = process.poll() is None
                cut_short += running
                duration *= 1.0 if running else 0.8  # the machine was busier when it was timed
                process.send_signal(signal.SIGKILL)
                process.wait()
                process.communicate()
            finish(start(launch(folder)))
            assert_same(site.contents(MODELS), wanted, f"killed, number {number}")
            withdrawn = [alarm for alarm in site.platform.alarms(ASSET) if alarm["status"] == "withdrawn"]
            assert withdrawn == []
    assert cut_short >= KILLS / 2, f"only {cut_short} of {2 * KILLS} runs were killed while they ran"


def test_kill_9_during_a_recomputation_after_late_data_changes_nothing(undisturbed):
    wanted, duration = undisturbed
    chance = random.Random(7)
    for number in range(max(2, KILLS // 4)):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            site = Site(folder / "store", {"Capacity": 100.0}, EQ_CYCLES)
            rows = telemetry()
            late = np.random.default_rng(number).random(rows.time.size) < 0.01
            site.put(rows.part(~late))
            finish(start(launch(folder)))
            site.put(rows.part(late))
            process = start(launch(folder))
            time.sleep(chance.uniform(0.35, 0.98) * duration)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            finish(start(launch(folder)))
            assert_same(site.contents(MODELS), wanted, f"killed after late data, number {number}")
