"""Figures from kept estimates: errors by cell, spread over seeds, paired differences, coverage of intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.soh import intervals
from training.soh.cells import Cell, FloatArray
from training.soh.protocols import Fold, Task, folds
from training.soh.scores import Score, mean_by_cell, mean_by_group, paired_interval, score
from training.soh.study import ESTIMATORS, HELD_OUT

#: The mean of these is the estimator named blend; which they are was fixed before any test cell of these tables was looked at.
BLEND = ("ensemble", "lstm", "network")
#: What others are compared with, cell by cell.
BASELINE = "ensemble"


@dataclass(frozen=True)
class Run:
    """Estimates of all test cells of a task by one seed.

    Attributes
    ----------
    scores : tuple of Score
    coverage : dict
        Of a group with intervals: share covered of each cell, and full width [% of SOH].
    """

    scores: tuple[Score, ...]
    coverage: dict[str, dict[str, Any]]


def estimates(work: Path, task: Task, name: str, seed: int, fold: Fold) -> dict[str, FloatArray] | None:
    """Return what was kept of a fold, None where something is missing; a blend is made of its members."""
    if name == "blend":
        members = [estimates(work, task, member, seed, fold) for member in BLEND]
        if any(member is None for member in members):
            return None
        known = [member for member in members if member is not None]
        keys = set.intersection(*(set(member) for member in known)) - {"cpu_seconds"}
        return {key: np.mean([member[key] for member in known], axis=0) for key in keys}
    path = work / "estimates" / task.name / name / str(seed) / f"{fold.group}-{fold.name}.npz"
    if not path.is_file():
        return None
    with np.load(path) as content:
        return {key: content[key] for key in content.files}


def run(work: Path, task: Task, name: str, seed: int, known: Sequence[Fold]) -> Run | None:
    """Return the figures of a seed, None where a fold is missing."""
    scores: list[Score] = []
    coverage: dict[str, dict[str, Any]] = {}
    for fold in known:
        found = estimates(work, task, name, seed, fold)
        if found is None:
            return None
        scores += [score(cell.name, cell.group, cell.soh, found[cell.name]) for cell in fold.test]
        if any(key.startswith(HELD_OUT) for key in found):
            coverage[fold.group] = _coverage(found, fold)
    return Run(tuple(scores), coverage)


def _coverage(found: dict[str, FloatArray], fold: Fold) -> dict[str, Any]:
    half = intervals.half_width([_errors(found[HELD_OUT + cell.name], cell) for cell in fold.train])
    shares = {cell.name: float(np.mean(np.abs(_errors(found[cell.name], cell)) <= half)) for cell in fold.test}
    return {"width": 200 * half, "mean": float(np.mean(list(shares.values()))), "cells": shares}


def _errors(found: FloatArray, cell: Cell) -> FloatArray:
    known = np.isfinite(cell.soh)
    return np.asarray(found[known] - cell.soh[known], dtype=float)


def figures(work: Path, shared: Path, tasks: Iterable[Task], seeds: Sequence[int]) -> dict[str, Any]:
    """Return all figures that the kept estimates allow, by task and estimator."""
    result: dict[str, Any] = {}
    for task in tasks:
        known = list(folds(task, shared))
        runs = {}
        for name in (*ESTIMATORS, "blend"):
            done = {seed: one for seed in seeds if (one := run(work, task, name, seed, known)) is not None}
            if done:
                runs[name] = done
        mean = mean_by_cell if task.name == "xjtu-loo" else mean_by_group
        result[task.name] = {name: _summary(done, runs.get(BASELINE), mean) for name, done in runs.items()}
    return result


def _summary(done: dict[int, Run], baseline: dict[int, Run] | None, mean: Any) -> dict[str, Any]:
    averaged = _over_seeds([one.scores for one in done.values()])
    worst = max(averaged, key=lambda one: one.mae)
    groups = sorted({one.group for one in averaged})
    found: dict[str, Any] = {
        "seeds": sorted(done),
        "mae": [round(mean(one.scores, "mae"), 4) for one in done.values()],
        "rmse": [round(mean(one.scores, "rmse"), 4) for one in done.values()],
        "mape": [round(mean(one.scores, "mape"), 4) for one in done.values()],
        "by_group": {group: _of_group(averaged, group) for group in groups},
        "worst": asdict(worst),
    }
    if baseline is not None and baseline is not done:
        shared = sorted(done.keys() & baseline.keys())
        own, other = (_over_seeds([runs[seed].scores for seed in shared]) for runs in (done, baseline)) if shared else ((), ())
        if shared:
            difference, low, high = paired_interval(own, other)
            found["against_ensemble"] = {"mae_difference": difference, "low": low, "high": high, "seeds": shared}
    if any(one.coverage for one in done.values()):
        found["coverage"] = {str(seed): one.coverage for seed, one in done.items()}
    return found


def _of_group(scores: Sequence[Score], group: str) -> dict[str, float]:
    inside = [one for one in scores if one.group == group]
    return {"cells": len(inside), "mae": mean_by_cell(inside, "mae"), "rmse": mean_by_cell(inside, "rmse")}


def _over_seeds(runs: Sequence[Sequence[Score]]) -> list[Score]:
    """Return each cell's errors, averaged over seeds."""
    return [
        Score(
            same[0].cell,
            same[0].group,
            *(float(np.mean([getattr(one, name) for one in same])) for name in ("mae", "rmse", "bias", "mape")),
        )
        for same in zip(*runs, strict=True)
    ]
