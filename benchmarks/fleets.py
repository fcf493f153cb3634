"""``python -m benchmarks.fleets [assets]``: many assets in one process and on two workers, and what faults cost. Asserts nothing.

Prints a Markdown table. Whole commands are timed, with the start of Python and of the workers. The store is made once; every
run computes all of it again (`compute_type: full`), so all do the same work.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.processes import ROOT
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.table import Table
from platform_interface.when import DAY

BEGIN = 1_767_225_600_000  # 2026-01-01T00:00Z
STEP = 10_000  # [ms]
UNITS = {"Current": "A", "Voltage": "V", "Cell Temperature": "degC"}
WORKERS = 2
PAIRS = 3
MODELS = "eq_cycles,soc_ocv_estimation"
#: First currents that make an asset misbehave, far outside of what the others have. [A]
CRASH, HANG = 901.0, 902.0
PLUGIN = f'''
import ctypes
import os

from platform_interface import Model, register_model


@register_model("moody")
class Moody(Model):
    """Crashes or hangs in native code, as the first current says."""

    def process(self, data):
        first = float(data["current"].iloc[0])
        if not os.path.exists({{flag!r}}):
            if first == {CRASH}:
                os.abort()
            if first == {HANG}:
                ctypes.PyDLL(None).sleep(100_000)
        return {{{{"moody_throughput": data["current"].abs().cumsum()}}}}
'''


@dataclass
class Spent:
    """What one command took and came to."""

    seconds: float
    cpu: float
    """Of the command and all its workers. [s]"""
    peak: float
    """Of the largest worker, or of the command where it has none. [MB]"""
    code: int
    report: dict[str, Any] = field(default_factory=dict)


def say(sentence: str) -> None:
    """Tell the person who waits."""
    print(sentence, file=sys.stderr, flush=True)


def day(number: int) -> Table:
    """Return a day of one pack at 10 s: current, voltage, temperature, at the resolution of real loggers."""
    time_ = np.arange(BEGIN, BEGIN + DAY, STEP, dtype=np.int64)
    random = np.random.default_rng(number)
    phase = 2 * np.pi * (time_ % (DAY // 3)) / (DAY // 3) + number
    current = np.round(40 * np.sin(phase) + random.normal(0, 0.5, time_.size), 1)
    voltage = np.round(48 + 3 * np.cos(phase) - 0.01 * current, 2)
    temperature = np.round(25 + 3 * np.sin(phase) + random.normal(0, 0.1, time_.size), 1)
    return Table(time_, tuple(UNITS), np.stack([current, voltage, temperature]))


def write_store(folder: Path, count: int, first: dict[int, float] | None = None) -> list[str]:
    """Write so many assets; `first` gives some of them a first current."""
    platform = LocalPlatform(folder)
    parameters = {"positive_current": "discharge", "Capacity": 100.0, "Cells in series": 14, "Chemistry": "NMC"}
    ids = [f"pack-{number:04d}" for number in range(count)]
    for number, asset in enumerate(ids):
        platform.save_asset(Asset(asset, "", ("fleet",), parameters))
        table = day(number)
        if first and number in first:
            table.values[0, 0] = first[number]
        platform.append(asset, "pack", table, UNITS)
    return ids


def launch(folder: Path, assets: Sequence[str], models: str, **execution: Any) -> Path:
    """Write the launch of a run over these assets."""
    values = {
        "platform": {"store": str(folder / "store"), "reports": str(folder / "reports")},
        "sensors": {"Current": {"valid_range": [-2000, 2000]}},
        "execution": {
            "enabled_models": models, "compute_type": "full", "plugin_folders": [str(folder / "plugins")], **execution
        },
    }  # fmt: skip
    path = folder / f"launch-{len(list(folder.glob('launch-*')))}.json"
    path.write_text(json.dumps({"assetIds": list(assets), "configurationValues": values}), encoding="utf-8")
    return path


def run(path: Path, *options: str, disturb: Callable[[subprocess.Popen[bytes]], None] | None = None) -> Spent:
    """Run the command to its end and measure it with its workers; `disturb` may do it harm meanwhile."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "entrypoint.py", "run", "--quiet", *options, str(path)], cwd=ROOT, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        peaks: dict[int, float] = {}
        watch = threading.Thread(target=_watch, args=(process.pid, peaks), daemon=True)
        watch.start()
        if disturb is not None:
            disturb(process)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.join()
    latest = path.parent / "reports" / "latest.json"
    report = json.loads(latest.read_text(encoding="utf-8")) if latest.exists() else {}
    workers = [peak for pid, peak in peaks.items() if pid != process.pid]
    peak = max(workers, default=usage.ru_maxrss / 1e3)
    return Spent(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, peak, process.returncode, report)


def _watch(pid: int, peaks: dict[int, float]) -> None:
    """Note the largest resident memory of a process and of its workers until it ends. [MB]"""
    while Path(f"/proc/{pid}/status").exists():
        for each in (pid, *workers_of(pid)):
            try:
                words = Path(f"/proc/{each}/status").read_text(encoding="ascii", errors="replace").split()
                peaks[each] = int(words[words.index("VmHWM:") + 1]) / 1e3
            except (OSError, ValueError):
                continue  # it has just ended
        if Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.2)


def workers_of(pid: int) -> list[int]:
    """Return the worker processes of a run."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text(encoding="ascii").split()]
            found += [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        except OSError:
            continue
    return found


def contents(folder: Path, assets: Sequence[str]) -> str:
    """Return a hash of every output series and of the last checkpoints of these assets."""
    platform, digest = LocalPlatform(folder / "store"), hashlib.blake2b(digest_size=12)
    for asset in assets:
        names = sorted(name for name, sensor in platform.sensors(asset).items() if sensor.output)
        for table in platform.read(asset, names, 0, 2**62):
            digest.update(table.time.tobytes() + table.values.tobytes())
        saved = platform.load_state(asset, "checkpoint/")
        digest.update(json.dumps({key: json.loads(text)["state"] for key, text in saved.items()}, sort_keys=True).encode())
    return digest.hexdigest()


def journal_lines(folder: Path) -> int:
    """Return how many assets a run has finished."""
    path = folder / "reports" / "fleet-journal.jsonl"
    return path.read_bytes().count(b"\n") - 1 if path.exists() else 0


def _after(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while journal_lines(folder) < count and Path(f"/proc/{process.pid}/task").exists():
        time.sleep(0.01)


def speeds(folder: Path, assets: Sequence[str], models: str, pairs: int) -> list[str]:
    """Compare one process with workers over the same assets, in turn; return lines of the table."""
    one, two = launch(folder, assets, models), launch(folder, assets, models, workers=WORKERS)
    taken, same = [], set()
    for number in range(pairs + 1):
        a = run(one)
        same.add(contents(folder, assets))
        b = run(two)
        same.add(contents(folder, assets))
        say(f"  {'warm-up' if number == 0 else number}: {a.seconds:.1f} s / {b.seconds:.1f} s = {a.seconds / b.seconds:.2f}")
        taken.append((a, b))
    taken = taken[1:]
    ratio = median(a.seconds / b.seconds for a, b in taken)
    seconds = [median(pair[side].seconds for pair in taken) for side in (0, 1)]
    overhead = median((b.cpu - a.cpu) / len(assets) for a, b in taken)
    peaks = [max(pair[side].peak for pair in taken) for side in (0, 1)]
    count = f"{len(assets):,} assets, `{models}`"
    equal = "equal" if len(same) == 1 else "**DIFFER**"
    how = f"{seconds[0]:.1f} s and {seconds[1]:.1f} s, whole commands, {len(taken)} pairs; contents {equal}"
    return [
        f"| {count}: speed-up with {WORKERS} workers | {ratio:.2f} | ≥ 1.7 | {how} |",
        f"| {count}: processor time more per asset | {1000 * overhead:.1f} ms | | of all processes, start of the workers included |",
        f"| {count}: peak memory of a worker | {peaks[1]:.0f} MB | | `VmHWM`; one process alone: {peaks[0]:.0f} MB |",
    ]


def growth(folder: Path, assets: Sequence[str]) -> str:
    """Measure how time on workers grows with the number of assets."""
    few = assets[: max(1, len(assets) // 10)]
    slopes, taken = [], []
    for _ in range(PAIRS):
        seconds = [run(launch(folder, part, "eq_cycles", workers=WORKERS)).seconds for part in (few, assets)]
        slopes.append(math.log(seconds[1] / seconds[0]) / math.log(len(assets) / len(few)))
        taken.append(" → ".join(f"{spent:.1f} s" for spent in seconds))
    return (
        f"| growth from {len(few):,} to {len(assets):,} assets, exponent | {median(slopes):.2f} | ≤ 1.1 | {'; '.join(taken)} |"
    )


def faults(folder: Path, count: int) -> list[str]:
    """Do harm to runs; return what was reported, and whether the contents are those of one undisturbed process."""
    bad = {count // 3: CRASH, count // 2: HANG}
    ids = write_store(folder / "store", count, bad)
    good = [asset for number, asset in enumerate(ids) if number not in bad]
    flag = folder / "harmless"
    _write_plugin(folder, flag)
    flag.touch()
    run(launch(folder, ids, "moody,eq_cycles"))
    wanted, wanted_good = contents(folder, ids), contents(folder, good)
    path = launch(folder, ids, "moody,eq_cycles", workers=WORKERS, asset_timeout="10s")

    def kill_worker(process: subprocess.Popen[bytes]) -> None:
        _after(folder, count // 4, process)
        for victim in workers_of(process.pid)[:1]:
            os.kill(victim, signal.SIGKILL)

    def kill_all(process: subprocess.Popen[bytes]) -> None:
        _after(folder, count // 2, process)
        os.kill(process.pid, signal.SIGKILL)

    lines = [_line("a worker killed (`kill -9`)", run(path, disturb=kill_worker), contents(folder, ids) == wanted)]
    stopped = run(path, disturb=kill_all)
    finished = journal_lines(folder)
    resumed = run(path, "--resume")
    lines.append(_line(f"the run killed after {finished} assets, `--resume`", resumed, contents(folder, ids) == wanted))
    assert stopped.code == -signal.SIGKILL
    flag.unlink()
    disturbed = run(path)
    lines.append(_line("one asset crashes, one hangs in native code", disturbed, contents(folder, good) == wanted_good))
    return lines


def _line(what: str, spent: Spent, equal: bool) -> str:
    states: dict[str, int] = {}
    for asset in spent.report["assets"]:
        states[asset["status"]] = states.get(asset["status"], 0) + 1
    told = "; ".join(spent.report["incidents"]) or f"{spent.report['taken_over']} taken over"
    counts = ", ".join(f"{number} {state}" for state, number in states.items())
    return (
        f"| {what} | {counts}, exit code {spent.code}, {spent.seconds:.0f} s | {'equal' if equal else '**DIFFER**'} | {told} |"
    )


def _write_plugin(folder: Path, flag: Path) -> None:
    place = folder / "plugins" / "moody"
    place.mkdir(parents=True)
    manifest = {
        "manifest_version": 1, "name": "moody", "version": "1.0.0", "description": "Crashes or hangs when told to.",
        "inputs": {"current": {"type": "pd.Series", "unit": "ampere", "quantity": "current", "sensor": "Current"}},
        "outputs": {"moody_throughput": {}},
    }  # fmt: skip
    (place / "model.json").write_text(json.dumps(manifest), encoding="utf-8")
    (place / "__init__.py").touch()
    (place / "model.py").write_text(PLUGIN.format(flag=str(flag)), encoding="utf-8")


def main() -> None:
    """Measure everything and print the tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory(prefix="twin-fleets-") as name:
        folder, harmed = Path(name) / "speed", Path(name) / "faults"
        for place in (folder, harmed):
            (place / "plugins").mkdir(parents=True) if place is folder else place.mkdir()
        say(f"writing {count:,} assets, one day at 10 s")
        ids = write_store(folder / "store", count)
        lines = ["| what | value | goal | how |", "|---|---|---|---|"]
        lines += speeds(folder, ids, "eq_cycles", PAIRS)
        lines += speeds(folder, ids[: max(2, count // 5)], MODELS, 1)
        lines.append(growth(folder, ids))
        say("faults")
        lines += [
            "",
            "| fault | assets | contents of the others | told |",
            "|---|---|---|---|",
            *faults(harmed, max(12, count // 10)),
        ]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
