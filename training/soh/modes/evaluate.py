"""Measure how well failure modes are told: in distribution, on shifted cells, on another parameter set; with and without a C/5 test.

    python -m training.soh.modes.evaluate WORK [--seeds 5] [--views test regular partial]

Reads the cells of WORK (training.soh.modes.simulate), writes `training/soh/results/modes.json` and prints a table. Each view is kept in WORK as it
is done, so that the command goes on where it was; `--again` forgets that.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.soh.modes.dataset import VIEWS, Table, feature_names, table, without_tests
from training.soh.modes.labels import CLASSES, classes
from training.soh.modes.learn import ENSEMBLE, INNER, Trained, learn
from training.soh.modes.scores import answers, confusion, figures, folds, macro_f1
from training.soh.modes.shards import Life, lives

FloatArray = npt.NDArray[np.float64]

RESULTS = Path(__file__).parents[1] / "results" / "modes.json"
FOLDS = 5
#: Measurements of each training look; one more is made for tests.
REPLICATES = 2
#: Fades of a bin. [1]
FADES = {"all": (0.0, 1.0), "below 2 %": (0.0, 0.02), "2 to 5 %": (0.02, 0.05), "above 5 %": (0.05, 1.0)}
#: Test sets of which the populations are pooled.
TESTS = {
    "in distribution": ("nominal",),
    "shifted": ("shifted",),
    "second set": ("second",),
    "shifted + second set": ("shifted", "second"),
}


def one_seed(everything: Table, view: str, seed: int) -> dict[str, dict[str, Any]]:
    """Return figures of all test sets, models and fades for one seed of noise, split and training; keys are 'set / model / fade'."""
    names = feature_names(view)
    nominal = everything.rows(everything.population == "nominal")
    found: dict[str, dict[str, Any]] = {}
    # a nominal cell is judged by models that have not seen it, cells of other kinds by one that has seen all nominal ones
    found |= _cross_validated("in distribution", nominal, names, seed)
    trained = learn(_training(nominal), names, seed)
    for test in ("shifted", "second set", "shifted + second set"):
        rows = everything.rows(np.isin(everything.population, TESTS[test]))
        if len(rows.label):
            found |= _figures(test, rows, _judged(trained, rows))
    # what would be shipped: trained on every population, each cell judged by models that have not seen it
    found |= _cross_validated("pooled", everything, names, seed, inner=0)
    return found


Judged = dict[str, tuple[FloatArray, FloatArray, FloatArray]]


def _training(rows: Table) -> Table:
    return replace(rows, x=rows.x[:REPLICATES])


def _judged(trained: Trained, rows: Table) -> Judged:
    """Return of each model probabilities, shares and the least probability of an answer of every look, measured as in no training."""
    found = trained.predict(rows.x[REPLICATES])
    return {name: (*both, np.full(len(rows.label), trained.least[name])) for name, both in found.items()}


def _cross_validated(test: str, rows: Table, names: list[str], seed: int, inner: int = INNER) -> dict[str, dict[str, Any]]:
    whole: Judged = {}
    for train, held in folds(rows.cell, FOLDS, seed):
        for name, parts in _judged(learn(_training(rows.rows(train)), names, seed, inner), rows.rows(held)).items():
            arrays = whole.setdefault(name, tuple(np.zeros((len(held), *part.shape[1:])) for part in parts))  # type: ignore[arg-type]
            for array, part in zip(arrays, parts, strict=True):
                array[held] = part
    found = _figures(test, rows, whole)
    if test == "pooled":
        for population in np.unique(rows.population):
            chosen = rows.population == population
            kept: Judged = {name: tuple(part[chosen] for part in parts) for name, parts in whole.items()}  # type: ignore[misc]
            found |= _figures(f"pooled, {population}", rows.rows(chosen), kept)
    return found


def _figures(test: str, rows: Table, judged: Judged) -> dict[str, dict[str, Any]]:
    found = {}
    for model, (probabilities, shares, least) in judged.items():
        for fade, (low, high) in FADES.items():
            chosen = (rows.fade >= low) & (rows.fade < high)
            if not chosen.any():
                continue
            part = figures(rows.label[chosen], probabilities[chosen], least[chosen], rows.shares[chosen].argmax(axis=1))
            part["cells"] = len(np.unique(rows.cell[chosen]))
            error = shares[chosen] - rows.shares[chosen]
            part["share_rmse"] = float(np.sqrt(np.mean(error**2))) if np.isfinite(error).all() else None
            if part["share_rmse"] is not None:
                part["macro_f1_by_shares"] = macro_f1(rows.label[chosen], classes(shares[chosen]))
            if model == ENSEMBLE and fade == "all":
                part["confusion"] = confusion(rows.label[chosen], answers(probabilities[chosen], least[chosen]))
            found[f"{test} / {model} / {fade}"] = part
    return found


def control(cells: Sequence[Life], seed: int, permutations: int = 20) -> dict[str, float]:
    """Return macro-F1 of a classifier that sees temperature and C-rate only, and of the same with labels dealt anew among the cells.

    A context that tells nothing is within the second.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    def score(rows: Table, label: npt.NDArray[np.int64]) -> float:
        answer = np.zeros_like(label)
        for train, held in folds(rows.cell, FOLDS, seed):
            model = ExtraTreesClassifier(50, class_weight="balanced", random_state=seed)
            answer[held] = model.fit(rows.context[train], label[train]).predict(rows.context[held])
        return macro_f1(label, answer)

    everything = table(cells, "partial", 1, seed)
    found: dict[str, float] = {}
    for population in ("nominal", "pooled"):
        rows = everything.rows((everything.population == population) | (population == "pooled"))
        last = np.array(
            [number for number, cell in enumerate(rows.cell) if number + 1 == len(rows.cell) or rows.cell[number + 1] != cell]
        )
        mask = np.zeros(len(rows.cell), bool)
        mask[last] = True
        rows = rows.rows(mask)
        random = np.random.default_rng(seed)
        dealt = [score(rows, random.permutation(rows.label)) for _ in range(permutations)]
        found |= {
            f"{population}": score(rows, rows.label),
            f"{population}, dealt: mean": float(np.mean(dealt)),
            f"{population}, dealt: largest": float(np.max(dealt)),
        }
    return found


def summary(seeds: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return mean and standard deviation over seeds of every figure, and the first seed's confusion matrix."""
    found: dict[str, dict[str, Any]] = {}
    for key in seeds[0]:
        if not (f"/ {ENSEMBLE} /" in key or key.endswith("/ all")):
            continue
        together = defaultdict(list)
        for seed in seeds:
            for name, value in seed.get(key, {}).items():
                together[name].append(value)
        row: dict[str, Any] = {"looks": together["looks"][0], "cells": together["cells"][0]}
        for name, values in together.items():
            if name in ("looks", "cells") or values[0] is None:
                continue
            if name == "confusion":
                row[name] = values[0]
            elif name == "f1":
                row[name] = [round(float(value), 3) for value in np.nanmean(np.array(values), axis=0)]
            else:
                row[name] = [
                    round(float(np.nanmean(values)), 4),
                    round(float(np.nanstd(values)), 4),
                    round(float(np.nanmin(values)), 4),
                ]
        found[key] = row
    return found


def evaluate(work: Path, seeds: int, views: Sequence[str], again: bool, minutes: float) -> dict[str, Any]:
    """Evaluate seed after seed; one that is kept in the folder, and was made of as many cells, is not done again."""
    cells = list(lives(work))
    done: dict[str, list[dict[str, dict[str, Any]]]] = {view: [] for view in views}
    begun, tables = time.monotonic(), dict[int, Table]()
    for seed, view in product(range(seeds), views):
        path = work / f"evaluated-{len(cells)}-{view}-{seed}.json"
        if again or not path.is_file():
            if time.monotonic() - begun > 60.0 * minutes and done[view]:
                continue
            started = time.monotonic()
            if view != "regular" or seed not in tables:
                tables = {seed: table(cells, view, REPLICATES + 1, seed)}
            rows = (
                tables[seed]
                if view != "regular" or tables[seed].x.shape[2] == len(feature_names(view))
                else without_tests(tables[seed])
            )
            path.write_text(json.dumps(one_seed(rows, view, seed)), encoding="utf-8")
            print(f"{view}, seed {seed}: {time.monotonic() - started:.0f} s", flush=True)
        done[view].append(json.loads(path.read_text("utf-8")))
    return {
        "cells": {name: sum(life.population == name for life in cells) for name in ("nominal", "shifted", "second")},
        "failed": len(list(work.glob("failed-*.json"))),
        "models": sorted({life.model for life in cells}),
        "seeds": {view: len(found) for view, found in done.items()},
        "classes": CLASSES,
        "figures": "mean, standard deviation and least over seeds",
        "context_only": control(cells, 0),
        "views": {view: summary(found) for view, found in done.items()},
    }


def printed(result: dict[str, Any]) -> str:
    """Return the table of a result."""
    lines = [f"cells: {result['cells']}, failed: {result['failed']}, context only: {result['context_only']}"]
    head = f"{'view':8} {'test set':22} {'model':20} {'fade':10} {'looks':>5} {'macro-F1':>15} {'answered':>9} {'abstains':>8} {'top of 4':>8}"
    for view, rows in result["views"].items():
        lines += ["", head]
        for key, row in rows.items():
            test, model, fade = key.split(" / ")
            if model != ENSEMBLE and fade != "all":
                continue
            f1, spread, _ = row["macro_f1"]
            said, abstained, top = (row[name][0] for name in ("macro_f1_answered", "abstention", "macro_f1_top_mechanism"))
            lines.append(
                f"{view:8} {test:22} {model:20} {fade:10} {row['looks']:5d} {f1:7.3f} ± {spread:5.3f} {said:9.3f} {abstained:8.2f} {top:8.3f}"
            )
    return "\n".join(lines)


def written(result: dict[str, Any]) -> str:
    """Return a result as JSON, a line a row."""
    rows = json.dumps(result | {"views": {}}, indent=1).removesuffix('"views": {}\n}')
    views = []
    for view, figures_of in result["views"].items():
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in figures_of.items())
        views.append(f" {json.dumps(view)}: {{\n{lines}\n }}")
    return rows + '"views": {\n' + ",\n".join(views) + "\n}\n}\n"


def main() -> None:
    """Evaluate, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no further seed after this time")
    parser.add_argument("--again", action="store_true", help="evaluate anew what is kept")
    chosen = parser.parse_args()
    result = evaluate(chosen.work, chosen.seeds, chosen.views, chosen.again, chosen.minutes)
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    chosen.results.write_text(written(result), encoding="utf-8")
    print(printed(result))


if __name__ == "__main__":
    main()
