"""Forecasts from own estimates that are weighed by set, for the table of `training.soh.forecast`: seeds, errors, weights.

    python -m training.soh.forecast_stacked_make [--seeds 5]

Needs the pieces of `training.soh.forecast` (estimates of the networks and trees over all sets) and of `training.soh.forecast_make` (the same of
training cells left out, and what ships). Sets that are not weighed keep the estimates over all sets: their members cost minutes a fit.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.measured_data import shared_data
from models.neural_soh.forecast_path import HORIZONS
from training.soh.cells import Cell, FloatArray
from training.soh.forecast import CACHE as TABLE_CACHE
from training.soh.forecast_general import trend
from training.soh.forecast_make import CACHE as SHIPPED_CACHE
from training.soh.forecast_make_judge import rmse
from training.soh.forecast_rows import GROUPS, data_hash, folds
from training.soh.forecast_shipped import Make, piece
from training.soh.forecast_shipped import fingerprint as shipped_fingerprint
from training.soh.forecast_stacked import OF_ONE_SET, POOLED, Estimates, blend, choose_weights, left_out, of_one_set
from training.soh.forecast_tasks import ROOT, Piece, Source, cells_of, code_hash, fingerprint
from training.soh.forecast_told import told_rows
from training.soh.literature import split

RESULTS = ROOT / "training" / "soh" / "results" / "forecast_stacked.json"
#: Sets whose members are weighed.
WEIGHED = ("XJTU-2C", "XJTU-3C", "XJTU-R2.5", "XJTU-R3", "TJU-1")
CODE = (
    "training/soh/forecast_stacked.py",
    "training/soh/comparators.py",
    "training/soh/causal.py",
    "training/soh/literature.py",
)


class Stacked:
    """Own estimates of test cells, weighed by set.

    Parameters
    ----------
    make : Make
        Has honest estimates of training cells over all sets.
    source : Source
        Has estimates of test cells over all sets, by seed.
    """

    def __init__(self, make: Make, source: Source) -> None:
        self.make, self.source = make, source
        self.folder = SHIPPED_CACHE / f"stacked-{code_hash(CODE)}"
        self.weights = {group: self._weights(group) for group in WEIGHED}

    def _weights(self, group: str) -> dict[str, float]:
        train = split(cells_of(self.source.shared, group))[0]

        def compute() -> dict[str, FloatArray]:
            return {
                f"{member}/{cell.name}": values
                for member, fit in OF_ONE_SET.items()
                for cell, values in zip(train, left_out(train, fit, 0), strict=True)
            }

        found = piece(self.folder / f"left_out_{group}.npz", compute)
        members = [
            {POOLED: self.make.estimates[group, cell.name], **{member: found[f"{member}/{cell.name}"] for member in OF_ONE_SET}}
            for cell in train
        ]
        return choose_weights(train, members)

    def estimates(self, group: str, seed: int) -> dict[str, FloatArray]:
        """Return the estimates of the test cells of a set, by name."""
        kept = Piece("estimated", "", "", seed).load(self.source)
        test = [cell for _, cells in folds(group, cells_of(self.source.shared, group)) for cell in cells]
        pooled = {cell.name: kept[f"{group}/estimate/{cell.name}"] for cell in test}
        weights = self.weights.get(group, {POOLED: 1.0})
        wanted = [member for member in OF_ONE_SET if weights.get(member)]
        found = self._of_one_set(group, test, wanted, seed) if wanted else {name: {} for name in pooled}
        return {name: blend({POOLED: values, **found[name]}, weights) for name, values in pooled.items()}

    def _of_one_set(self, group: str, test: Sequence[Cell], wanted: Sequence[str], seed: int) -> dict[str, Estimates]:
        def compute() -> dict[str, FloatArray]:
            estimate = of_one_set(split(cells_of(self.source.shared, group))[0], seed, wanted)
            return {f"{member}/{cell.name}": values for cell in test for member, values in estimate(cell).items()}

        found = piece(self.folder / f"{group}_seed{seed}.npz", compute)
        return {cell.name: {member: found[f"{member}/{cell.name}"] for member in wanted} for cell in test}


def errors(stacked: Stacked, group: str, seed: int) -> dict[str, list[float]]:
    """Return mean errors of the cells of a set 5, 20, 50 and 100 ahead, of the trend and of what ships. [% of SOH]"""
    found: dict[str, list[list[float]]] = {"robust trend": [], "shipped": []}
    estimates = stacked.estimates(group, seed)
    for cell in cells_of(stacked.source.shared, group):
        if cell.name in estimates:
            rows = told_rows(cell, estimates[cell.name], 0)
            found["robust trend"].append(rmse(trend(rows.inputs), rows.change))
            if group != "TJU-3":  # its cells are each left out here, and most of them are in the shipped weights
                found["shipped"].append(rmse(stacked.make.shipped.change(rows.inputs), rows.change))
    return {name: [float(value) for value in np.nanmean(np.array(values), axis=0)] for name, values in found.items() if values}


def mean_of_sets(
    found: Mapping[str, Sequence[Mapping[str, Sequence[float]]]], name: str, seeds: Sequence[int]
) -> dict[str, Any]:
    """Return and print the mean of sets and its spread over seeds; where what ships has seen the cells, the trend stands for it."""
    means: dict[str, Any] = {}
    for place, ahead in enumerate(HORIZONS):
        by_seed = [
            float(np.mean([found[group][seed].get(name, found[group][seed]["robust trend"])[place] for group in found]))
            for seed in seeds
        ]
        spread = float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else 0.0
        means[str(ahead)] = {"mean": float(np.mean(by_seed)), "spread": spread, "seeds": by_seed}
        print(f"{name}, from own estimates weighed by set, {ahead} ahead: {np.mean(by_seed):.3f} ± {spread:.3f}", flush=True)
    return means


def main() -> None:
    """Print the rows of the table and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    shared = shared_data()
    if shared is None:
        raise SystemExit("the measured data are not here; they belong into ../shared/data, or set TWIN_SHARED_DATA")
    stacked = Stacked(Make(shared, SHIPPED_CACHE / shipped_fingerprint()), Source(shared, TABLE_CACHE / fingerprint()))
    found = {group: [errors(stacked, group, seed) for seed in seeds] for group in GROUPS}
    for group, each in found.items():
        lines = {
            name: [round(float(np.mean([seed[name][place] for seed in each])), 3) for place in range(4)] for name in each[0]
        }
        print(group, stacked.weights.get(group, POOLED), lines, flush=True)
    means = {name: mean_of_sets(found, name, seeds) for name in ("shipped", "robust trend")}
    record = {"weights": stacked.weights, "by_set_and_seed": found, "mean_of_sets": means, "code": code_hash(CODE)}
    RESULTS.write_text(json.dumps({"data_sha256": data_hash(shared), **record}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
