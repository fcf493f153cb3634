"""Real processes: how long each takes and how much memory it has at its peak. Imports nothing heavy.

A child's peak counts what its parent held when it was started, so this process stays small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ROOT / "benchmarks" / "plugins"


@dataclass(frozen=True)
class Spent:
    """What one process took."""

    seconds: float
    peak: float
    """Largest resident memory. [MB]"""
    inside: float = 0.0
    """What the run report says of the asset alone: without start-up. [s]"""


def process(*arguments: str) -> Spent:
    """Run Python with these arguments from the repository and measure it.

    Raises
    ------
    RuntimeError
        It failed; with what it wrote.
    """
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=output, stderr=output)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            output.seek(0)
            raise RuntimeError(f"{arguments}: exit code {child.returncode}\n{output.read().decode(errors='replace')[-2000:]}")
    bytes_each = 1 if sys.platform == "darwin" else 1024
    return Spent(seconds, usage.ru_maxrss * bytes_each / 1e6)


def store(what: str, folder: Path, number: int = 0) -> None:
    """Write a synthetic store, or more of one."""
    process("-m", "benchmarks.stores", what, str(folder), str(number))


def twin_run(folder: Path, asset: str, models: str = "", compute_type: str = "incremental") -> Spent:
    """Run `entrypoint.py` on one asset of a store as a scheduler would, to its finished report."""
    reports = folder.parent / "reports"
    values: dict[str, Any] = {
        "execution": {
            "enabled_models": models,
            "compute_type": compute_type,
            "plugin_folders": [str(PLUGINS)] if models else [],
        },
        "platform": {"connector": "local", "store": str(folder), "reports": str(reports)},
    }
    launch = folder.parent / "dev-parameters.json"
    launch.write_text(json.dumps({"assetId": asset, "configurationValues": values}), encoding="utf-8")
    spent = process("entrypoint.py", str(launch))
    report = json.loads((reports / "latest.json").read_text(encoding="utf-8"))["assets"][0]
    wrong = [model for model in report["models"] if models and model["status"] != "done"]
    if wrong:
        raise RuntimeError(f"{asset}: {wrong[0]['model']} {wrong[0]['status']}: {wrong[0]['reason']}")
    return Spent(spent.seconds, spent.peak, report["seconds"])
