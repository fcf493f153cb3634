"""The real command in a process of its own, and a store with one small asset for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).resolve().parent.parent
ASSET = "pack-1"
#: One hour of 50 A discharge and 3.3 V, every 10 s: 50 Ah out of 100 Ah, a quarter of an equivalent full cycle.
CSV = (
    "time,i,u\n"
    + "".join(f"2026-01-31T08:{n // 6:02d}:{n % 6 * 10:02d}Z,50,3300\n" for n in range(360))
    + "2026-01-31T09:00:00Z,50,3300\n"
)
MAPPING = {
    "asset": {"tags": ["test"], "positive_current": "discharge", "parameters": {"Capacity": 100.0}},
    "time": {"column": "time"},
    "columns": {"i": {"sensor": "Current", "unit": "A"}, "u": {"sensor": "Voltage", "unit": "mV"}},
}


def command(*arguments: Any, cwd: Path, program: Path = PROGRAM, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command line to its end."""
    return subprocess.run(
        [sys.executable, str(program / "entrypoint.py"), *map(str, arguments)],
        cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def values(folder: Path, models: str = "eq_cycles", **execution: Any) -> dict[str, Any]:
    """Return configurationValues that keep everything in a folder."""
    return {
        "platform": {"store": str(folder / "store"), "reports": str(folder / "reports")},
        "execution": {"enabled_models": models, **execution},
    }


def launch_file(folder: Path, configuration: dict[str, Any] | None = None, name: str = "dev.json", **content: Any) -> Path:
    """Write a dev-parameters file."""
    path = folder / name
    path.write_text(json.dumps({"configurationValues": configuration or values(folder), **content}), encoding="utf-8")
    return path


def inline(folder: Path) -> str:
    """Return the same as inline JSON, for the commands that take no file."""
    return json.dumps({"configurationValues": values(folder)})


def brought_in(folder: Path, asset: str = ASSET) -> subprocess.CompletedProcess[str]:
    """Ingest the small asset into the folder's store, by the command."""
    (folder / "log.csv").write_text(CSV, encoding="utf-8")
    (folder / "mapping.json").write_text(json.dumps(MAPPING), encoding="utf-8")
    return command("ingest", "log.csv", "--asset", asset, "--mapping", "mapping.json", inline(folder), cwd=folder)


def report_of(folder: Path) -> dict[str, Any]:
    """Return the last report of the folder."""
    found: dict[str, Any] = json.loads((folder / "reports" / "latest.json").read_text(encoding="utf-8"))
    return found


def plugin(folder: Path, name: str, body: str) -> None:
    """Write a plugin whose `process` has this body."""
    place = folder / "plugins" / name
    place.mkdir(parents=True)
    manifest = {
        "manifest_version": 1, "name": name, "version": "1.0.0", "description": "Test.",
        "inputs": {"current": {"type": "pd.Series", "unit": "ampere", "quantity": "current"}}, "outputs": {f"{name}_out": {}},
    }  # fmt: skip
    (place / "model.json").write_text(json.dumps(manifest), encoding="utf-8")
    (place / "__init__.py").write_text("", encoding="utf-8")
    (place / "README.md").write_text(f"# {name}\n", encoding="utf-8")
    code = f"from platform_interface import Model, ModelError, register_model\n\n\n@register_model({name!r})\nclass Plugin(Model):\n"
    (place / "model.py").write_text(f"{code}    def process(self, data):\n        {body}\n", encoding="utf-8")
