"""Simulate cells that wear out, each with its counterfactual lives, and keep one file a cell.

    python -m training.soh.modes.simulate WORK --cells 400 --seed 0 [--minutes 60] [--model SPMe]

A cell that has its file is not simulated again, so the command can be stopped at any time and goes on where it was; with a larger --cells it adds
cells. A life whose solver fails leaves a file that says so, and is counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.soh.modes import calibrate
from training.soh.modes.cases import Case, Condition, draw
from training.soh.modes.labels import MECHANISMS
from training.soh.modes.shards import failure_path, path_of, write

if TYPE_CHECKING:
    from training.soh.modes.life import Bench

#: One cell may take this long; a solver that crawls is given up. [s]
PATIENCE = 90
#: Cells are done in blocks, and within a block by condition, so that few simulations are held in memory.
BLOCK = 96


def simulate(case: Case, bench: Bench, folder: Path) -> None:
    """Simulate the life of a cell and its four counterfactuals, and write its file."""
    from training.soh.modes.life import OFF, capacities, live

    chosen = calibrate.multipliers(calibrate.table(bench, folder), case.shares, case.severity)
    seen = live(bench, chosen, case.spread)
    without = []
    for number in range(len(MECHANISMS)):
        other = chosen.copy()
        other[number] = OFF
        without.append(capacities(bench, other, case.spread))
    write(folder, case, seen | {"capacity_without": np.array(without), "multipliers": chosen}, bench.capacity, bench.model)


@contextlib.contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in a block that takes too long."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def to_do(folder: Path, count: int, seed: int, films: bool = False) -> Iterator[Case]:
    """Yield the cells that have no file yet, block after block, within a block by condition."""
    for start in range(0, count, BLOCK):
        block = [draw(number, seed, films) for number in range(start, min(start + BLOCK, count))]
        for case in sorted(block, key=lambda case: (str(case.condition), case.number)):
            if not path_of(folder, case).exists() and not failure_path(folder, case).exists():
                yield case


def carry_out(folder: Path, count: int, seed: int, minutes: float, model: str, films: bool) -> None:
    """Simulate what is left, until done or out of time, and say how it goes."""
    from training.soh.modes.life import Bench

    benches: dict[Condition, Bench] = {}
    started, done, failed = time.monotonic(), 0, 0
    for case in to_do(folder, count, seed, films):
        if time.monotonic() - started > 60.0 * minutes:
            print("out of time; the same command goes on", flush=True)
            break
        try:
            if case.condition not in benches:
                benches[case.condition] = Bench(case.condition, model)
                calibrate.table(benches[case.condition], folder)
            with patience(PATIENCE):
                simulate(case, benches[case.condition], folder)
            done += 1
        except Exception as error:  # noqa: BLE001  solvers fail in their own ways; the cell is named and the set goes on
            failed += 1
            reason = {
                "cell": case.number,
                "condition": str(case.condition),
                "shares": case.shares.tolist(),
                "why": str(error)[:300],
            }
            failure_path(folder, case).write_text(json.dumps(reason) + "\n", encoding="utf-8")
        if (done + failed) % 10 == 0:
            spent = time.monotonic() - started
            print(f"{done} cells, {failed} failed, {spent:.0f} s, {spent / (done + failed):.1f} s a cell", flush=True)
    print(f"{done} cells simulated, {failed} failed, {(time.monotonic() - started) / 60:.1f} min", flush=True)


def main() -> None:
    """Simulate cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for the cells' files")
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--films", action="store_true", help="the SEI of each cell has a resistivity of its own")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time")
    parser.add_argument("--model", choices=["SPMe", "DFN", "SPM"], default="SPMe")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    chosen.work.mkdir(parents=True, exist_ok=True)
    carry_out(chosen.work, chosen.cells, chosen.seed, chosen.minutes, chosen.model, chosen.films)


if __name__ == "__main__":
    main()
