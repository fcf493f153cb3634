"""``make bench``: takes every ratio in one run and writes `documentation/explanation/performance.md`. Asserts nothing."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import linear_regression, median

from benchmarks import pages, pinn, soh
from benchmarks.processes import ROOT, Spent, process, store, twin_run

PAGE = ROOT / "documentation" / "explanation" / "performance.md"
DAYS, YEAR = 30, 365
GROWTH = (1, 3, 10)
MODELS = "eq_cycles,voltage_monitor,imbalance_analysis,soc_ocv_estimation"
IMPORTS = "import pandas, pyarrow, pydantic"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    value: str
    goal: str
    met: bool | None
    how: str

    def line(self) -> str:
        """Return it as Markdown."""
        met = {True: "yes", False: "**no**", None: ""}[self.met]
        return f"| {self.what} | {self.value} | {self.goal} | {met} | {self.how} |"


def say(sentence: str) -> None:
    """Tell the person who waits."""
    print(sentence, file=sys.stderr, flush=True)


def pairs(count: int, first: Callable[[int], Spent], second: Callable[[int], Spent]) -> list[tuple[Spent, Spent]]:
    """Run A, B, A, B, ..., so that a busy machine hurts both; a first pair warms the disk cache and does not count."""
    taken = []
    for number in range(count + 1):
        taken.append((first(number), second(number)))
        a, b = taken[-1]
        say(f"  {'warm-up' if number == 0 else number}: {a.seconds:.2f} s / {b.seconds:.2f} s = {a.seconds / b.seconds:.2f}")
    return taken[1:]


def ratio(taken: list[tuple[Spent, Spent]]) -> float:
    """Return the median of the ratios of whole processes."""
    return median(a.seconds / b.seconds for a, b in taken)


def seconds(taken: list[tuple[Spent, Spent]]) -> str:
    """Return the median times of both."""
    return f"{median(a.seconds for a, _ in taken):.2f} s and {median(b.seconds for _, b in taken):.2f} s, {len(taken)} pairs"


def cold_start(folder: Path) -> list[Row]:
    """One demo asset, every plugin of `models/`, from nothing to the finished report."""
    say("cold start: one demo asset / the imports alone")
    template = folder / "demo" / "store"
    store("demo", template)

    def run(number: int) -> Spent:
        fresh = folder / f"demo-{number}" / "store"
        shutil.copytree(template, fresh)
        return twin_run(fresh, "ageing-cell")

    taken = pairs(5, run, lambda _number: process("-c", IMPORTS))
    value = ratio(taken)
    how = f"process to finished report on a fresh store ÷ process that does `{IMPORTS}`; {seconds(taken)}"
    return [Row("Cold start, demo asset `ageing-cell`", f"{value:.2f}", "≤ 3", value <= 3, how)]


def cells(target: Path) -> list[Row]:
    """96 cells, 30 days at 1 Hz, against reading the same values with pyarrow."""
    say(f"96 cells, {DAYS} days at 1 Hz / reading them with pyarrow")
    files = target / "cells" / "series" / "cell_voltage"
    taken = pairs(
        3,
        lambda _number: twin_run(target, "cells", "cell_extremes", "full"),
        lambda _number: process("-m", "benchmarks.read_only", str(files)),
    )
    value, peak = ratio(taken), max(a.peak for a, _ in taken)
    values = 96 * 86_400 * DAYS / 1e6
    size = sum(file.stat().st_size for file in files.glob("*.parquet")) / DAYS / 1e6
    how = (
        f"{values:.0f} M values ({size:.1f} MB a day) through fetch, checks, `cell_extremes`, outputs ÷ a process that only reads "
        f"them into NumPy with pyarrow and its threads, row group by row group; {seconds(taken)}"
    )
    return [
        Row(f"96 cells, {DAYS} days: time", f"{value:.2f}", "≤ 3", value <= 3, how),
        Row(
            f"96 cells, {DAYS} days: peak memory",
            f"{peak:.0f} MB",
            "< 500 MB",
            peak < 500,
            "largest `ru_maxrss` of the process",
        ),
    ]


def all_models(target: Path) -> list[Row]:
    """Four models on one asset: 96 cells, current and voltage, 30 days at 1 Hz, against reading the same values."""
    say(f"{MODELS}: 96 cells, current, voltage, {DAYS} days at 1 Hz / reading them with pyarrow")
    series = target / "pack" / "series"
    folders = [str(series / name) for name in ("cell_voltage", "pack")]
    taken = pairs(
        3,
        lambda _number: twin_run(target, "pack", MODELS, "full"),
        lambda _number: process("-m", "benchmarks.read_only", *folders),
    )
    value, peak = ratio(taken), max(a.peak for a, _ in taken)
    what = f"All four models, {98 * 86_400 * DAYS / 1e6:.0f} M values"
    how = (
        f"96 cells, current, voltage, {DAYS} days through fetch, checks, {MODELS.replace(',', ', ')}, outputs ÷ a process that "
        f"only reads them into NumPy with pyarrow; {seconds(taken)}"
    )
    return [
        Row(f"{what}: time", f"{value:.2f}", "≤ 4", value <= 4, how),
        Row(f"{what}: peak memory", f"{peak:.0f} MB", "< 500 MB", peak < 500, "largest `ru_maxrss` of the process"),
    ]


def growth(target: Path) -> list[Row]:
    """How time grows with rows."""
    say("growth with rows: " + ", ".join(f"{days}x" for days in GROWTH))
    slopes = []
    for _ in range(3):
        inside = [twin_run(target, f"cells-{days}", "cell_extremes", "full").inside for days in GROWTH]
        slopes.append(linear_regression([math.log(days) for days in GROWTH], [math.log(spent) for spent in inside]).slope)
        say("  " + ", ".join(f"{spent:.2f} s" for spent in inside) + f": exponent {slopes[-1]:.2f}")
    value = median(slopes)
    how = f"slope of log(time) over log(rows) for {', '.join(map(str, GROWTH))} days of cells, start-up left out; 3 rounds"
    return [Row("Growth of time with rows, exponent", f"{value:.2f}", "about 1", value <= 1.1, how)]


def incremental(folder: Path) -> list[Row]:
    """One new hour on a year of history and on a day of it."""
    say("incremental: an hour after a year / an hour after a day")
    target = folder / "history" / "store"
    store("history", target, YEAR)
    for asset in ("year", "day"):
        twin_run(target, asset, "eq_cycles")

    def run_year(number: int) -> Spent:
        store("hour", target, number)
        return twin_run(target, "year", "eq_cycles")

    taken = pairs(7, run_year, lambda _number: twin_run(target, "day", "eq_cycles"))
    value, inside = ratio(taken), median(a.inside / b.inside for a, b in taken)
    how = f"`eq_cycles`, four sensors at 10 s, one hour appended before each pair; {seconds(taken)}"
    part = ", ".join(f"{median(pair[side].inside for pair in taken):.3f} s" for side in (0, 1))
    return [
        Row("New hour on a year ÷ on a day of history", f"{value:.2f}", "≤ 1.5", value <= 1.5, how),
        Row(
            "the same without start-up",
            f"{inside:.2f}",
            "≤ 1.5",
            inside <= 1.5,
            f"seconds of the asset in the run report: {part}",
        ),
    ]


def stages(target: Path, asset: str, models: str) -> tuple[dict[str, float], float]:
    """Return seconds by stage of the full run of these models on an asset, and its wall time."""
    say(f"stages of {asset}")
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.stages", str(target), asset, models],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    spent = json.loads(output)
    return spent, spent.pop("wall")


def remote() -> list[Row]:
    """Take the lines of the way over HTTP; in a process of their own, so that this one stays small."""
    say("the way over HTTP")
    call = [sys.executable, "-m", "benchmarks.remote", "--json"]
    output = subprocess.run(call, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    return [Row(*line) for line in json.loads(output)]


def share_table(shares: dict[str, float], wall: float) -> list[str]:
    """Return the busy seconds by stage as lines of Markdown."""
    total = sum(shares.values())
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    return [
        f"Wall time {wall:.2f} s, busy time {total:.2f} s.",
        "",
        "| stage | seconds | share of busy time |",
        "|---|---|---|",
        *[f"| {name} | {spent:.2f} | {spent / total:.0%} |" for name, spent in ranked],
        "",
    ]


def written(rows: list[Row], cells_shares: list[str], model_shares: list[str]) -> str:
    """Return the page."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", "pyarrow", "pydantic"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"
    lines = [
        "# Performance",
        "",
        "Written by `make bench`; do not edit. Ratios are medians over pairs run in turn (A, B, A, B, ...) on one machine, so that",
        "a busy machine hurts both sides; a first pair is not counted. Whole processes are timed, with the start of Python, unless",
        "a row says otherwise. Nothing here is asserted by a test.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}, Python {platform.python_version()}, {versions}.",
        "",
        "| what | median | goal | met | how measured |",
        "|---|---|---|---|---|",
        *[row.line() for row in rows],
        "",
        "## Where the time of the 96 cells goes",
        "",
        "Busy seconds by stage, each without the stages inside it. The next window is read, ordered and hashed by a thread while",
        "one is computed and written, so busy time exceeds wall time, and a stage that waits for a core or for the disk counts",
        "the wait. A model's line is its `process` alone.",
        "",
        *cells_shares,
        "## Where the time of the four models goes",
        "",
        *model_shares,
        "## How it is kept",
        "",
        "* A window holds at most about 2 M values (`execution.max_values`), and at most two windows are in memory.",
        "* The row groups of a day file are of one size, so a window of an evenly sampled day begins where a row group does.",
        "* Each source is read, ordered, hashed and checked once a window, whatever number of models reads it.",
        "* Days whose files have not changed are known by a token (inode, time, size) and are not opened.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure everything and write the page."""
    with tempfile.TemporaryDirectory(prefix="twin-bench-") as name:
        folder = Path(name)
        rows = cold_start(folder)
        say(f"writing 96 cells, {DAYS} days at 1 Hz")
        target = folder / "cells" / "store"
        store("cells", target, DAYS)
        rows += cells(target) + growth(target)
        cells_shares = share_table(*stages(target, "cells", "cell_extremes"))
        shutil.rmtree(target)
        say(f"writing 96 cells, current and voltage, {DAYS} days at 1 Hz")
        store("pack", target, DAYS)
        rows += all_models(target)
        model_shares = share_table(*stages(target, "pack", MODELS))
        shutil.rmtree(target)
        rows += incremental(folder)
        say("page of 5 M points")
        (folder / "pages").mkdir()
        rows += [Row(*line) for line in pages.lines(folder / "pages")]
    rows += remote()
    say("network of pinn_internal_state")
    rows += [Row(*line) for line in pinn.lines()]
    say("one charge of neural_soh")
    rows += [Row(*line) for line in soh.lines()]
    text = written(rows, cells_shares, model_shares)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    say(f"\n{PAGE.relative_to(ROOT)}:\n\n{text}")


if __name__ == "__main__":
    main()
