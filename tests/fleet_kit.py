"""A small fleet for tests: a store of short assets, plugins that misbehave on one of them, and the real command over it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from platform_interface.launch import Launch
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.platforms.local_series import DayFiles
from platform_interface.report import AssetReport, RunReport, as_json
from platform_interface.settings import Settings, load_settings
from platform_interface.table import Table
from tests.command import PROGRAM, plugin

START = 1_767_225_600_000
KEY = "fleet-key-TOPSECRET-5f3a"
#: Steps of a plugin by the first current of an asset, so that each misbehaves on one asset only.
CRASH, HANG, REGEX, SLOW = 901.0, 902.0, 903.0, 904.0


def fleet(folder: Path, count: int, currents: Mapping[int, float] | None = None, hours: float = 1.0) -> list[str]:
    """Fill a store with assets `a00`, `a01`, ...; `currents` gives some of them a first current that a plugin looks at."""
    platform = LocalPlatform(folder / "store")
    ids = [f"a{number:02d}" for number in range(count)]
    for number, asset in enumerate(ids):
        platform.save_asset(Asset(asset, "", ("fleet",), {"positive_current": "discharge", "Capacity": 100.0}))
        bring(folder, asset, number, 0.0, hours, (currents or {}).get(number))
    return ids


def bring(folder: Path, asset: str, seed: int, start: float, end: float, first: float | None = None) -> None:
    """Bring samples of some hours into an asset."""
    time_ = START + np.arange(int(start * 3600), int(end * 3600), 10, dtype=np.int64) * 1000
    current = np.round(50 * np.sin(np.arange(time_.size) / (20 + seed)), 1)
    if first is not None:
        current[0] = first
    units = {"Current": "ampere", "Voltage": "volt"}
    LocalPlatform(folder / "store").append(
        asset, "pack", Table(time_, tuple(units), np.stack([current, 50 + current / 100])), units
    )


def configuration(folder: Path, models: str = "eq_cycles", **execution: Any) -> dict[str, Any]:
    """Return configurationValues of a run over the fleet."""
    return {
        "platform": {"store": str(folder / "store"), "reports": str(folder / "reports")},
        "sensors": {"Current": {"valid_range": [-2000, 2000]}},
        "execution": {"enabled_models": models, "plugin_folders": [str(folder / "plugins")], "batch_assets": 4, **execution},
    }


def plugins(folder: Path) -> None:
    """Write a plugin that crashes, hangs or dawdles, as the first current of the asset says; else it counts."""
    body = f"""
        import ctypes, os, re, time
        first, flag = float(data["current"].iloc[0]), {str(folder / "harmless")!r}
        if not os.path.exists(flag):
            if first == {CRASH}:
                os.abort()
            if first == {HANG}:
                open(f"{{flag}}-{{os.getpid()}}", "w").close()
                ctypes.PyDLL(None).sleep(1000)
            if first == {REGEX}:
                re.match(r"(a+)+$", "a" * 60 + "b")
            if first == {SLOW}:
                time.sleep(0.3)
        return {{"moody_out": data["current"].abs().cumsum()}}
"""
    plugin(folder, "moody", body.strip())


def launched(folder: Path, models: str = "eq_cycles", **execution: Any) -> tuple[Launch, Settings]:
    """Return launch and settings of a run in this process."""
    launch = Launch(assetTag="fleet", configurationValues=configuration(folder, models, **execution))
    return launch, load_settings(PROGRAM / "settings.json", launch)


def launch_path(folder: Path, models: str = "eq_cycles", name: str = "fleet.json", **execution: Any) -> Path:
    """Write the launch of a run, with a key in it."""
    content = {"assetTag": "fleet", "userApiKey": KEY, "configurationValues": configuration(folder, models, **execution)}
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder / name


def started(path: Path, *options: str, program: Path = PROGRAM) -> subprocess.Popen[str]:
    """Start the command, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(program / "entrypoint.py"), "run", *options, str(path)], cwd=path.parent, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str], code: int = 0, seconds: float = 120) -> str:
    """Wait for the end; return all that was printed."""
    output, errors = process.communicate(timeout=seconds)
    assert process.returncode == code, (process.returncode, output, errors)
    assert "Traceback" not in output + errors, output + errors
    return output + errors


def report(folder: Path) -> dict[str, Any]:
    """Return the last report."""
    found: dict[str, Any] = json.loads((folder / "reports" / "latest.json").read_text(encoding="utf-8"))
    return found


def states(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the state of every asset."""
    return {asset["asset"]: asset["status"] for asset in found["assets"]}


def contents(folder: Path, ids: Sequence[str], models: Sequence[str]) -> dict[str, Any]:
    """Return every output and the last checkpoint of every model, for comparison bit by bit."""
    platform = LocalPlatform(folder / "store")
    found: dict[str, Any] = {}
    for asset in ids:
        outputs = sorted(name for name, sensor in platform.sensors(asset).items() if sensor.output)
        for model in models:
            table = DayFiles(folder / "store" / asset / "series" / f"model.{model}").read(outputs, -(2**62), 2**62)
            saved = platform.load_state(asset, f"checkpoint/{model}/")
            found[f"{asset}/{model}"] = (
                table.time.tolist(),
                table.values.tobytes(),
                outputs,
                saved[max(saved)] if saved else None,
            )
    return found


def timeless(content: Any) -> Any:
    """Return a report without what differs from run to run."""
    if isinstance(content, (AssetReport, RunReport)):
        return timeless(json.loads(as_json(content)))
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key != "seconds"}
    return [timeless(item) for item in content] if isinstance(content, list) else content


def workers_of(process: subprocess.Popen[str], count: int) -> list[psutil.Process]:
    """Wait until a run has its worker processes, and return them."""
    return until(lambda: _spawned(process.pid, count), process)


def _spawned(pid: int, count: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children(recursive=True)
    found = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return found if len(found) >= count else []


def until(condition: Any, process: subprocess.Popen[str] | None = None, seconds: float = 60) -> Any:
    """Wait until a condition holds, and return what it gave."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def hanging(folder: Path) -> int:
    """Return how many workers hang in native code."""
    return len(list(folder.glob("harmless-*")))


def journal_lines(folder: Path) -> int:
    """Return how many assets the journal has."""
    path = folder / "reports" / "fleet-journal.jsonl"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


def shown_of(process: psutil.Process) -> str:
    """Return what others see of a process: command line and environment."""
    return " ".join(process.cmdline()) + "\n".join(f"{key}={value}" for key, value in process.environ().items())
