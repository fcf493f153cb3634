"""Figures from kept estimates: errors by cell, spread over seeds, paired differences, coverage of intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.soh import intervals, stacking
from training.soh.cells import Cell, FloatArray
from training.soh.protocols import Fold, Task, folds
from training.soh.scores import Score, mean_by_cell, mean_by_group, paired_interval, score
from training.soh.study import ESTIMATORS, HELD_OUT, INTERVAL_SEEDS

#: Means of estimators; which they are was fixed on XJTU-R3 and on training cells of other sets.
BLENDS = {"blend": ("ensemble", "lstm", "network"), "wide-blend": ("ensemble", "process", "lstm", "network")}
#: An estimator whose seeds are draws of charges, and those that a stack takes the mean of where training cells are few.
DRAWN, DRAWS = "process", (0, 1, 2)
#: Starts the name of how far members are apart, and the name of their shares.
SPREAD, SHARES = "spread:", "shares"
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
    shares : dict
        Of each fold of a stack: those of its members.
    """

    scores: tuple[Score, ...]
    coverage: dict[str, dict[str, Any]]
    shares: dict[str, list[float]]


def estimates(work: Path, task: Task, name: str, seed: int, fold: Fold) -> dict[str, FloatArray] | None:
    """Return what was kept of a fold, None where something is missing; a blend and a stack are made of their members."""
    if name == "stack":
        return stack(work, task, seed, fold)
    if name in BLENDS:
        members = [estimates(work, task, member, seed, fold) for member in BLENDS[name]]
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


def stack(work: Path, task: Task, seed: int, fold: Fold) -> dict[str, FloatArray] | None:
    """Return the estimates of a stack, and how far its members are apart; shares are told from held-out training cells.

    Kernel regression is cheap and hangs on which charges were drawn, so a stack takes the mean of draws: what differs by seed are others.
    """
    names = stacking.members(task.name)
    members = [_member(work, task, name, seed, fold) for name in names]
    told = [estimates(work, task, name, INTERVAL_SEEDS[0], fold) for name in names]
    if any(member is None for member in (*members, *told)):
        return None
    known = [member for member in members if member is not None]
    held = [member for member in told if member is not None]
    part = np.full(len(names), 1.0 / len(names))
    if len(fold.train) >= intervals.FEWEST_CELLS:
        columns = [np.column_stack([member[HELD_OUT + cell.name] for member in held]) for cell in fold.train]
        part = stacking.shares(columns, [cell.soh for cell in fold.train])
    found = {SHARES: part}
    for key in sorted(set.intersection(*(set(member) for member in known)) - {"cpu_seconds"}):
        together = np.column_stack([member[key] for member in known]).astype(float)
        found |= {key: together @ part, SPREAD + key: stacking.spread(together)}
    return found


def _member(work: Path, task: Task, name: str, seed: int, fold: Fold) -> dict[str, FloatArray] | None:
    if name != DRAWN or len(fold.train) >= intervals.FEWEST_CELLS:
        return estimates(work, task, name, seed, fold)
    draws = [estimates(work, task, name, draw, fold) for draw in DRAWS]
    known = [draw for draw in draws if draw is not None]
    if len(known) < len(DRAWS):
        return None
    return {cell.name: np.mean([draw[cell.name] for draw in known], axis=0) for cell in fold.test}


def run(work: Path, task: Task, name: str, seed: int, known: Sequence[Fold]) -> Run | None:
    """Return the figures of a seed, None where a fold is missing."""
    scores: list[Score] = []
    coverage: dict[str, dict[str, Any]] = {}
    shares: dict[str, list[float]] = {}
    for fold in known:
        found = estimates(work, task, name, seed, fold)
        if found is None:
            return None
        scores += [score(cell.name, cell.group, cell.soh, found[cell.name]) for cell in fold.test]
        if SHARES in found:
            shares[f"{fold.group} {fold.name}"] = np.round(found[SHARES], 3).tolist()
        if any(key.startswith(HELD_OUT) for key in found):
            coverage[fold.group] = _coverage(found, fold)
    return Run(tuple(scores), coverage, shares)


def _coverage(found: dict[str, FloatArray], fold: Fold) -> dict[str, Any]:
    errors = [_errors(found[HELD_OUT + cell.name], cell) for cell in fold.train]
    if SHARES in found:
        width = intervals.width(errors, [_known(found[SPREAD + HELD_OUT + cell.name], cell) for cell in fold.train])
        halves = {cell.name: width.at(_known(found[SPREAD + cell.name], cell)) for cell in fold.test}
    else:
        half = intervals.half_width(errors)
        halves = {cell.name: np.full(int(np.isfinite(cell.soh).sum()), half) for cell in fold.test}
    shares = {cell.name: float(np.mean(np.abs(_errors(found[cell.name], cell)) <= halves[cell.name])) for cell in fold.test}
    wide = 200 * float(np.mean([half.mean() for half in halves.values()]))
    return {"width": wide, "mean": float(np.mean(list(shares.values()))), "cells": shares}


def _known(values: FloatArray, cell: Cell) -> FloatArray:
    return np.asarray(values[np.isfinite(cell.soh)], dtype=float)


def _errors(found: FloatArray, cell: Cell) -> FloatArray:
    known = np.isfinite(cell.soh)
    return np.asarray(found[known] - cell.soh[known], dtype=float)


def figures(work: Path, shared: Path, tasks: Iterable[Task], seeds: Sequence[int]) -> dict[str, Any]:
    """Return all figures that the kept estimates allow, by task and estimator."""
    result: dict[str, Any] = {}
    for task in tasks:
        known = list(folds(task, shared))
        runs = {}
        for name in (*ESTIMATORS, *BLENDS, "stack"):
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
    if all(one.shares for one in done.values()):
        found["shares"] = next(iter(done.values())).shares
    if any(one.coverage for one in done.values()):
        found["coverage"] = {str(seed): one.coverage for seed, one in done.items() if one.coverage}
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
