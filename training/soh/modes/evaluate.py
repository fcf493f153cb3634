"""Measure how well failure modes are told: in distribution, on shifted cells, on another parameter set; with and without a C/5 test.

    python -m training.soh.modes.evaluate WORK [--confirm OTHER] [--seeds 5] [--views test regular partial]

Reads the cells of WORK (training.soh.modes.simulate), writes `training/soh/results/modes.json` and prints a table. OTHER is a folder of cells of
another seed, which nothing was chosen by. Each seed and view is kept in WORK as it is done, so that the command goes on where it was; `--again`
forgets that.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.soh.modes.dataset import VIEWS, Table, feature_names, table, without_tests
from training.soh.modes.kept import HERE, SHIPPED, code, fingerprint, kept
from training.soh.modes.labels import CLASSES, classes
from training.soh.modes.learn import ENSEMBLE, Rule, Told, Trained, learn, rule
from training.soh.modes.report import printed, summary, written
from training.soh.modes.scores import answers, confusion, figures, folds, macro_f1
from training.soh.modes.shards import read

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

RESULTS = Path(__file__).parents[1] / "results" / "modes.json"
FOLDS = 5
#: Times that everything is measured, with noise of its own; a seed trains on two of them and is judged on a third.
REPLICATES = 4
#: Fades of a bin. [1]
FADES = {"all": (0.0, 1.0), "below 2 %": (0.0, 0.02), "2 to 5 %": (0.02, 0.05), "above 5 %": (0.05, 1.0)}
#: Populations that are trained on: both parameter sets, none of the shifted temperatures and C-rates.
KNOWN = ("nominal", "second")
#: Modules that features depend on.
SOURCES = ("dataset", "features", "loops", "looks", "labels")


@dataclass(frozen=True, eq=False)
class Judged:
    """Looks and what a model makes of them: shares, probabilities of the classes, least probability of an answer."""

    rows: Table
    shares: FloatArray
    probabilities: FloatArray
    least: FloatArray

    def where(self, chosen: BoolArray) -> Judged:
        """Return some of the looks."""
        return Judged(self.rows.rows(chosen), self.shares[chosen], self.probabilities[chosen], self.least[chosen])


def judged(rows: Table, answer: Told, by: Rule) -> Judged:
    """Return what a model makes of looks by a rule."""
    return Judged(rows, answer.shares, by.probabilities(answer), np.full(len(rows.label), by.least))


def together(parts: Sequence[Judged]) -> Judged:
    """Return the looks of several."""
    tables = [part.rows for part in parts]
    rows = Table(
        np.concatenate([part.x for part in tables], axis=1),
        *(np.concatenate([getattr(part, name) for part in tables]) for name in ("shares", "label", "cell", "population")),
        *(np.concatenate([getattr(part, name) for part in tables]) for name in ("context", "fade")),
    )
    arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in ("shares", "probabilities", "least"))
    return Judged(rows, *arrays)


def measured(rows: Table, seed: int) -> Table:
    """Return a table of three measurements, two to train on and one to be judged on, in the turn of a seed."""
    return replace(rows, x=rows.x[[(seed + number) % REPLICATES for number in range(3)]])


def _trained(rows: Table, names: list[str], seed: int, unseen: bool = False) -> Trained:
    return learn(replace(rows, x=rows.x[:2]), names, seed, unseen)


def one_seed(everything: Table, fresh: Table | None, view: str, seed: int) -> dict[str, dict[str, Any]]:
    """Return figures of all test sets, models and fades for one seed of noise, split and training; keys are 'set / model / fade'."""
    names = feature_names(view)
    everything = measured(everything, seed)
    of = {name: everything.rows(everything.population == name) for name in ("nominal", "shifted", "second")}
    base = everything.rows(np.isin(everything.population, KNOWN))
    found: dict[str, dict[str, Any]] = {}
    outside, rules = _crossed(base, names, seed)
    trained = _trained(base, names, seed)
    for model, looks in outside.items():
        parts = {"in distribution": looks.where(base.population == "nominal")}
        parts["second set, other cells of it known"] = looks.where(base.population == "second")
        parts["shifted"] = judged(of["shifted"], trained.predict(of["shifted"].x[2])[model], rules[model])
        parts["shifted + second set"] = together((parts["shifted"], parts["second set, other cells of it known"]))
        if fresh is not None:
            new = measured(fresh, seed)
            whole = judged(new, trained.predict(new.x[2])[model], rules[model])
            parts |= {
                "fresh, in distribution": whole.where(new.population == "nominal"),
                "fresh, shifted": whole.where(new.population == "shifted"),
                "fresh, second set": whole.where(new.population == "second"),
                "fresh, shifted + second set": whole.where(new.population != "nominal"),
            }
        for test, part in parts.items():
            found |= _figures(test, model, part)
    alone = _trained(of["nominal"], names, seed, unseen=True).predict(of["second"].x[2])
    for model, answer in alone.items():
        by = rules.get(model, rules["kernel"])
        found |= _figures("second set, never seen", model, judged(of["second"], answer, by))
    if view == "test":
        found |= _left_out(base, names, seed, rules[ENSEMBLE])
    return found


def _crossed(base: Table, names: list[str], seed: int) -> tuple[dict[str, Judged], dict[str, Rule]]:
    """Return each look judged by models that have not seen its cell, by a rule chosen on other cells; and the rule of all of them."""
    shares: dict[str, FloatArray] = defaultdict(lambda: np.zeros((len(base.label), base.shares.shape[1])))
    spread: dict[str, FloatArray] = defaultdict(lambda: np.zeros(len(base.label)))
    split = list(folds(base.cell, FOLDS, seed))
    for train, held in split:
        for model, answer in _trained(base.rows(train), names, seed).predict(base.x[2][held]).items():
            shares[model][held], spread[model][held] = answer.shares, answer.spread
    found, rules = {}, {}
    for model in shares:
        answer = Told(shares[model], spread[model])
        rules[model] = rule(answer, base.shares, base.label)
        parts, order = [], []
        for train, held in split:
            by = rule(answer.rows(train), base.shares[train], base.label[train])
            parts.append(judged(base.rows(held), answer.rows(held), by))
            order.append(np.flatnonzero(held))
        back = np.argsort(np.concatenate(order))
        whole = together(parts)
        found[model] = Judged(base, whole.shares[back], whole.probabilities[back], whole.least[back])
    return found, rules


def _left_out(base: Table, names: list[str], seed: int, by: Rule) -> dict[str, dict[str, Any]]:
    """Judge the second set's cells of each condition by models that have seen none of that temperature and C-rate of it."""
    second = base.population == "second"
    parts = []
    for condition in np.unique(base.context[second], axis=0):
        held = second & (base.context == condition).all(axis=1)
        answer = _trained(base.rows(~held), names, seed).predict(base.x[2][held])[ENSEMBLE]
        parts.append(judged(base.rows(held), answer, by))
    return _figures("second set, its condition never seen", ENSEMBLE, together(parts))


def _figures(test: str, model: str, looks: Judged) -> dict[str, dict[str, Any]]:
    found = {}
    for fade, (low, high) in FADES.items():
        chosen = (looks.rows.fade >= low) & (looks.rows.fade < high)
        if not chosen.any() or (fade != "all" and model != ENSEMBLE):
            continue
        kept_looks = looks.where(chosen)
        rows = kept_looks.rows
        part = figures(rows.label, kept_looks.probabilities, kept_looks.least, rows.shares.argmax(axis=1))
        part["cells"] = len(np.unique(rows.cell))
        part["share_rmse"] = float(np.sqrt(np.mean((kept_looks.shares - rows.shares) ** 2)))
        part["macro_f1_by_shares"] = macro_f1(rows.label, classes(kept_looks.shares))
        if fade == "all":
            part["confusion"] = confusion(rows.label, answers(kept_looks.probabilities, kept_looks.least))
        found[f"{test} / {model} / {fade}"] = part
    return found


def control(everything: Table, seed: int, permutations: int = 20) -> dict[str, float]:
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

    found: dict[str, float] = {}
    last = np.append(everything.cell[1:] != everything.cell[:-1], True)
    for population in ("nominal", "pooled"):
        rows = everything.rows(last & ((everything.population == population) | (population == "pooled")))
        random = np.random.default_rng(seed)
        dealt = [score(rows, random.permutation(rows.label)) for _ in range(permutations)]
        found |= {
            f"{population}": round(score(rows, rows.label), 4),
            f"{population}, dealt: mean": round(float(np.mean(dealt)), 4),
            f"{population}, dealt: largest": round(float(np.max(dealt)), 4),
        }
    return found


def kept_table(folder: Path, view: str) -> Table:
    """Return the table of a folder's cells in a view; charges without tests are those of the view with them."""
    if view == "regular":
        return without_tests(kept_table(folder, "test"))
    paths = sorted(folder.glob("cell-*.npz"))
    shipped = [SHIPPED / "modes" / f"{name}.py" for name in ("electrodes", "half_cells", "smoothing")]
    by = code([*(HERE / f"{name}.py" for name in SOURCES), *shipped])
    name = f"features-{fingerprint(paths)[:12]}-{by}-{view}-{REPLICATES}.npz"
    return kept(folder / name, lambda: table((read(path) for path in paths), view, REPLICATES, 0))


def evaluate(work: Path, confirm: Path | None, seeds: int, views: Sequence[str], again: bool, minutes: float) -> dict[str, Any]:
    """Evaluate seed after seed; one that is kept in the folder, and was made of the same cells, is not done again."""
    paths = [*sorted(work.glob("cell-*.npz")), *(sorted(confirm.glob("cell-*.npz")) if confirm else [])]
    by = f"{fingerprint(paths)[:12]}-{code(HERE / f'{name}.py' for name in ('classify', 'learn', 'scores', 'evaluate', *SOURCES))}"
    done: dict[str, list[dict[str, dict[str, Any]]]] = {view: [] for view in views}
    begun = time.monotonic()
    for seed, view in product(range(seeds), views):
        path = work / f"evaluated-{by}-{view}-{seed}.json"
        if again or not path.is_file():
            if time.monotonic() - begun > 60.0 * minutes and done[view]:
                continue
            started = time.process_time()
            fresh = kept_table(confirm, view) if confirm else None
            path.write_text(json.dumps(one_seed(kept_table(work, view), fresh, view, seed)), encoding="utf-8")
            print(f"{view}, seed {seed}: {time.process_time() - started:.0f} CPU-s", flush=True)
        done[view].append(json.loads(path.read_text("utf-8")))
    cells = {folder.name: _counted(kept_table(folder, views[0])) for folder in (work, confirm) if folder}
    return {
        "cells": cells,
        "failed": len(list(work.glob("failed-*.json"))),
        "data": fingerprint(paths),
        "seeds": {view: len(found) for view, found in done.items()},
        "classes": CLASSES,
        "figures": "mean, standard deviation and least over seeds",
        "context_only": control(kept_table(work, views[0]), 0),
        "views": {view: summary(found) for view, found in done.items()},
    }


def _counted(rows: Table) -> dict[str, int]:
    return {name: len(np.unique(rows.cell[rows.population == name])) for name in ("nominal", "shifted", "second")}


def main() -> None:
    """Evaluate, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--confirm", type=Path, help="folder of cells that nothing was chosen by")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no further seed after this time")
    parser.add_argument("--again", action="store_true", help="evaluate anew what is kept")
    chosen = parser.parse_args()
    result = evaluate(chosen.work, chosen.confirm, chosen.seeds, chosen.views, chosen.again, chosen.minutes)
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    chosen.results.write_text(written(result), encoding="utf-8")
    print(printed(result))


if __name__ == "__main__":
    main()
