"""Estimates of every estimator on every fold and seed, kept as files: the study behind `documentation/explanation/soh-measured.md`.

    python -m training.soh.study WORK [--tasks xjtu-loo mit] [--only ensemble network] [--seeds 0 1 2 3 4] [--plan]

A file that is there is not made again, so this can be stopped at any time and started again. `python -m training.soh.report WORK`
makes figures of what is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measured_data import shared_data
from training.soh import intervals, literature
from training.soh.cells import Cell, FloatArray
from training.soh.comparators import Fit
from training.soh.protocols import TASKS, Fold, Task, folds

#: Estimators by name, cheapest first; the networks need torch and are looked up when they are asked for.
ESTIMATORS = ("persistence", "cycle-count", "boosting", "ensemble", "perceptrons", "process", "long-history", "lstm", "network")
#: Which of them are fitted on parts of the training cells too, for intervals, where there are cells enough.
WITH_INTERVALS = ("boosting", "ensemble", "perceptrons", "process", "long-history", "lstm", "network")
#: Seeds that intervals are made by: they cost five fits more for each one that is counted. [1]
INTERVAL_SEEDS = (0,)
#: Starts the name of an estimate of a training cell that had no part in it.
HELD_OUT = "held-out:"


def estimator(name: str) -> Fit:
    """Return an estimator by its name."""
    from training.soh import comparators

    if name in ("lstm", "network"):
        from training.soh import networks

        return {"lstm": networks.lstm, "network": networks.cnn_transformer}[name]
    if name in ("process", "long-history"):
        from training.soh import processes

        return {"process": processes.process, "long-history": processes.long_history}[name]
    return {
        "persistence": comparators.first_level,
        "cycle-count": comparators.by_count,
        "boosting": comparators.boosting,
        "ensemble": comparators.ensemble,
        "perceptrons": comparators.perceptrons,
    }[name]


@dataclass(frozen=True)
class Step:
    """One estimator on one fold by one seed, and the file of its estimates."""

    task: Task
    fold: Fold
    name: str
    seed: int
    file: Path


def steps(shared: Path, work: Path, tasks: Sequence[Task], names: Sequence[str], seeds: Sequence[int]) -> Iterator[Step]:
    """Give all steps: the first seed of everything before the second of anything."""
    known = {task.name: list(folds(task, shared)) for task in tasks}
    for seed in seeds:
        for task in tasks:
            for name in names:
                for fold in known[task.name]:
                    place = work / "estimates" / task.name / name / str(seed)
                    yield Step(task, fold, name, seed, place / f"{fold.group}-{fold.name}.npz".replace("/", "-"))


def carry_out(step: Step) -> float:
    """Fit, estimate, keep; return the seconds it took."""
    started = time.process_time()
    make, fold = estimator(step.name), step.fold
    predict = make(fold.train, step.seed)
    found: dict[str, FloatArray] = {cell.name: predict(cell) for cell in fold.test}
    if step.name in WITH_INTERVALS and step.seed in INTERVAL_SEEDS and len(fold.train) >= intervals.FEWEST_CELLS:
        found |= held_out(make, fold.train, step.seed)
    spent = time.process_time() - started
    step.file.parent.mkdir(parents=True, exist_ok=True)
    partial = step.file.with_suffix(".part.npz")
    np.savez_compressed(partial, cpu_seconds=spent, **found)
    partial.replace(step.file)
    return spent


def held_out(make: Fit, cells: Sequence[Cell], seed: int) -> dict[str, FloatArray]:
    """Return estimates of training cells, each by an estimator that was fitted without it."""
    found = {}
    for part in intervals.parts(len(cells), seed):
        inside = set(part.tolist())
        predict = make([cell for number, cell in enumerate(cells) if number not in inside], seed)
        found |= {HELD_OUT + cells[number].name: predict(cells[number]).astype(np.float32) for number in sorted(inside)}
    return found


def data_hash(shared: Path) -> str:
    """Return the SHA-256 of the file that everything is read from."""
    return hashlib.sha256((shared / literature.FILE).read_bytes()).hexdigest()


def main() -> None:
    """Carry the study out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder that keeps the estimates")
    parser.add_argument("--tasks", nargs="+", choices=[task.name for task in TASKS], default=[task.name for task in TASKS])
    parser.add_argument("--only", nargs="+", choices=ESTIMATORS, default=ESTIMATORS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--plan", action="store_true", help="print what is left to do, and stop")
    chosen = parser.parse_args()
    shared = shared_data()
    if shared is None:
        raise SystemExit("the measured data (../shared/data or TWIN_SHARED_DATA) are not here; there is nothing to study")
    tasks = [task for task in TASKS if task.name in chosen.tasks]
    plan = list(steps(shared, chosen.work, tasks, chosen.only, chosen.seeds))
    left = [step for step in plan if not step.file.is_file()]
    print(f"{len(left)} of {len(plan)} steps are left", flush=True)
    if chosen.plan:
        return
    chosen.work.mkdir(parents=True, exist_ok=True)
    (chosen.work / "data.json").write_text(json.dumps({"sha256": data_hash(shared)}) + "\n", "utf-8")
    for number, step in enumerate(left, 1):
        spent = carry_out(step)
        print(
            f"{number} of {len(left)}: {step.task.name}, {step.name}, seed {step.seed}, {step.file.stem}: {spent:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
