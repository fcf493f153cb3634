"""The page of five million points: seconds and size, beside a process that only reads the same values.

``python -m benchmarks.pages``; `make bench` takes `lines` too.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import ROOT, process, twin_run

ASSET, MODEL = "pages", "eq_cycles"
#: Samples of each of the four sensors, one a second.
SAMPLES = 1_250_000
ROUNDS = 5
Line = tuple[str, str, str, bool | None, str]


def write_store(folder: Path) -> None:
    """Write four sensors at 1 Hz for a fortnight, with a gap, and compute the model on them."""
    process("-m", "benchmarks.pages", "store", str(folder))
    twin_run(folder, ASSET, MODEL)


def lines(folder: Path) -> list[Line]:
    """Return the lines of the table of `make bench`.

    Parameters
    ----------
    folder : Path
        An empty folder to work in.
    """
    target, launch = folder / "store", folder / "dev-parameters.json"
    write_store(target)
    command = ("entrypoint.py", "dashboard", ASSET, "--model", MODEL, "--single-file", "--output", str(folder / "pages"))
    reading = ("-m", "benchmarks.read_only", str(target / ASSET / "series" / "pack"))
    taken = [(process(*command, str(launch)), process(*reading)) for _ in range(ROUNDS + 1)][1:]
    inside, busy = json.loads(_output("inside", str(launch)))
    [page] = (folder / "pages").glob("*.html")
    whole, ratio = median(a.seconds for a, _ in taken), median(a.seconds / b.seconds for a, b in taken)
    peak, size = max(a.peak for a, _ in taken), page.stat().st_size / 1e6
    points = f"{SAMPLES * 4 / 1e6:.0f} M points"
    return [
        (f"Page of {points}", f"{inside:.2f} s", "≤ 1 s", inside <= 1.0,
         f"read, check, thin, render, write, one file; inside the process, median of {ROUNDS}; {busy:.2f} s of processor"),
        ("the same as a command", f"{whole:.2f} s", "", None,
         f"with the start of Python, {ratio:.1f} times a process that only reads the values with pyarrow; peak {peak:.0f} MB"),
        ("size of the single file", f"{size:.2f} MB", "≤ 6 MB", size <= 6.0, "4.8 MB of it are plotly's script"),
    ]  # fmt: skip


def _output(*arguments: str) -> str:
    import subprocess

    call = [sys.executable, "-m", "benchmarks.pages", *arguments]
    return subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _store(folder: Path) -> None:
    import numpy as np

    from platform_interface.platforms.base import Asset
    from platform_interface.platforms.local import LocalPlatform
    from platform_interface.table import Table

    random = np.random.default_rng(1)
    moments = 1_767_225_600_000 + np.arange(SAMPLES, dtype=np.int64) * 1000
    moments[SAMPLES // 2 :] += 6 * 3_600_000
    phase = np.arange(SAMPLES) / 9000
    units = {"Current": "ampere", "Voltage": "volt", "BMS SOC": "percent", "Cell Temperature": "degC"}
    values = np.array([
        50 * np.sin(phase) + random.normal(0, 1, SAMPLES), 52 - 2 * np.sin(phase) + random.normal(0, 0.02, SAMPLES),
        50 + 40 * np.cos(phase), 25 + 5 * np.sin(phase / 10) + random.normal(0, 0.1, SAMPLES),
    ])  # fmt: skip
    platform = LocalPlatform(folder)
    parameters = {"Capacity": 100.0, "positive_current": "discharge", "time_zone": "Europe/Berlin"}
    platform.save_asset(Asset(ASSET, "Pages", (), parameters))
    platform.append(ASSET, "pack", Table(moments, tuple(units), values), units)


def _inside(launch: str) -> tuple[float, float]:
    """Return the median seconds of a page once everything is imported: by the clock, and of processor."""
    from platform_interface.dashboard.command import Request, write_pages
    from platform_interface.launch import program_folder, read_launch
    from platform_interface.settings import load_settings

    given: Any = read_launch(launch)
    settings = load_settings(program_folder() / "settings.json", given)
    spent = []
    with tempfile.TemporaryDirectory() as scratch:
        request = Request([ASSET], model=MODEL, output=Path(scratch), single=True)
        for _ in range(ROUNDS + 1):
            began = time.perf_counter(), time.process_time()
            write_pages(given, settings, request, lambda _asset, _share: None)
            spent.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return median(wall for wall, _ in spent[1:]), median(busy for _, busy in spent[1:])


def main(arguments: list[str]) -> None:
    """Measure, or do one part in a process of its own."""
    if arguments[:1] == ["store"]:
        _store(Path(arguments[1]))
    elif arguments[:1] == ["inside"]:
        print(json.dumps(_inside(arguments[1])))
    else:
        with tempfile.TemporaryDirectory(prefix="twin-pages-") as name:
            for what, value, goal, met, how in lines(Path(name)):
                print(f"{what}: {value} (goal {goal or 'none'}{'' if met is None else ', met' if met else ', NOT MET'}); {how}")


if __name__ == "__main__":
    main(sys.argv[1:])
