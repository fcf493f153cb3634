"""The table of raw telemetry, a cell left out: ``python -m training.soh.ship.evaluate [--seeds 5]``; writes `training/soh/results/raw.json`.

Networks, counting and gradient boosting on the same charges, seen in the same ways. Errors are in % of SOH, of a cell over its life, and
then means over the twelve cells. Differences are paired by cell, with a bootstrap over cells.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.neural_soh.estimate import RATE, TEMPERATURE, Estimator
from models.neural_soh.features import FEATURES
from training.soh.cells import FloatArray
from training.soh.leakage import check_split
from training.soh.raw import baseline
from training.soh.ship import intervals, make
from training.soh.ship.kinds import SEEN, Life
from training.soh.ship.leave import Found, as_cell, combined, histories, leave_one_out, together
from training.soh.ship.network import CHARGE, CHEMISTRIES

#: By cell: of each seed MAE and RMSE. [% of SOH]
Errors = dict[str, list[tuple[float, float]]]
DRAWS = 10_000
#: What is said of a charge that nothing can be told of, before any that something could: the mean of new and worn out. [1]
UNKNOWN = 0.9


def key(life: Life) -> str:
    return f"{life.group} {life.name}"


def errors_of(life: Life, guess: FloatArray) -> tuple[float, float]:
    """Return MAE and RMSE over all labelled charges of a cell. [% of SOH]"""
    filled = np.where(np.isfinite(guess), guess, UNKNOWN)
    away = 100.0 * (filled - life.soh)[np.isfinite(life.soh)]
    return float(np.mean(np.abs(away))), float(np.sqrt(np.mean(away**2)))


def network(lives: Sequence[Life], found: Found, seeds: Sequence[int], way: str) -> Errors:
    """Return errors of each seed's network by itself."""
    return {
        key(life): [errors_of(life, combined(found[life.group, life.name, seed][way])[0]) for seed in seeds] for life in lives
    }


def networks(lives: Sequence[Life], found: Found, seeds: Sequence[int], way: str) -> Errors:
    """Return errors of the networks of all seeds together."""
    joined = {key(life): together([found[life.group, life.name, seed][way] for seed in seeds]) for life in lives}
    return {key(life): [errors_of(life, combined(joined[key(life)])[0])] for life in lives}


def counted(lives: Sequence[Life], way: str, last: int) -> Errors:
    """Return errors of taking the charge put in, as the median of the last charges, for the capacity."""
    told = {}
    for life in lives:
        past = histories(life.seen[way][:, [CHARGE]])[:, -last:, 0]
        seen = np.isfinite(past).any(axis=1)
        middle = np.full(len(past), np.nan)
        middle[seen] = np.nanmedian(past[seen], axis=1)
        told[key(life)] = [errors_of(life, middle)]
    return told


def boosting(lives: Sequence[Life], way: str, seeds: Sequence[int]) -> Errors:
    """Return errors of `training.soh.raw.baseline`: trained on the cuts it is asked about, the last charge alone."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    told: Errors = {}
    for life in lives:
        peers = [other for other in lives if other is not life]
        check_split([as_cell(other) for other in peers], [as_cell(life)])
        rows, soh = (np.concatenate(parts) for parts in zip(*((other.seen[way], other.soh) for other in peers), strict=True))
        weight = np.concatenate([np.full(len(one.soh), 1.0 / max(1, np.isfinite(one.soh).sum())) for one in peers])
        known = np.isfinite(soh)
        there = np.isfinite(rows[known]).any(axis=0)
        told[key(life)] = []
        for seed in seeds:
            model = HistGradientBoostingRegressor(**baseline.SETTINGS, early_stopping=False, random_state=seed)
            model.fit(rows[known][:, there], soh[known], sample_weight=weight[known] / weight[known].mean())
            told[key(life)].append(errors_of(life, np.asarray(model.predict(life.seen[way][:, there]), dtype=float)))
    return told


def same_rows(lives: Sequence[Life], others: Sequence[Life], seeds: Sequence[int]) -> dict[str, Errors]:
    """Return errors of boosting trained on every way of seeing, as the networks are, with the median of the last eight charges."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    from training.soh.ship.learn import rows_of

    every = [*lives, *others]
    rows = rows_of(every)
    inputs = np.hstack([rows.features, np.eye(len(CHEMISTRIES))[rows.chemistry]])
    told: dict[str, Errors] = {way: {} for way in SEEN}
    for left, life in enumerate(lives):
        kept = np.flatnonzero(rows.cell != left)
        there = np.isfinite(inputs[kept]).any(axis=0)
        for seed in seeds:
            drawn = np.random.default_rng(seed).choice(kept, 20_000, p=rows.weight[kept] / rows.weight[kept].sum())
            model = HistGradientBoostingRegressor(
                max_iter=200, learning_rate=0.1, max_leaf_nodes=20, max_features=0.5, early_stopping=False, random_state=seed
            )
            model.fit(inputs[drawn][:, there], rows.soh[drawn])
            for way in SEEN:
                own = np.hstack(
                    [life.seen[way], np.tile(np.eye(len(CHEMISTRIES))[CHEMISTRIES.index(life.chemistry)], (len(life.soh), 1))]
                )
                guess = np.where(np.isfinite(own[:, CHARGE]), model.predict(own[:, there]), np.nan)
                past = histories(guess[:, None])[:, :, 0]
                seen = np.isfinite(past).any(axis=1)
                guess[seen] = np.nanmedian(past[seen], axis=1)
                told[way].setdefault(key(life), []).append(errors_of(life, guess))
    return told


def inside(
    lives: Sequence[Life], others: Sequence[Life], found: Found, seeds: Sequence[int], way: str
) -> dict[str, dict[str, float]]:
    """Return, by cell, errors and share of the charges that the range of use of the other cells lets pass."""
    judge = Estimator.__new__(Estimator)
    told: dict[str, dict[str, float | None]] = {}
    for life in lives:
        peers = [other for other in lives if other is not life]
        judge.range = intervals.range_of([*peers, *others], intervals.limits_of(peers, found, seeds))
        codes = np.array([_code(judge, row, life.chemistry) for row in life.seen[way]])
        table = together([found[life.group, life.name, seed][way] for seed in seeds])
        table[2] *= codes == 0
        estimate = combined(table[:, codes == 0])[0] if (codes == 0).any() else np.zeros(0)
        soh = life.soh[codes == 0]
        known = np.isfinite(soh)
        away = 100.0 * (estimate - soh)[known]
        told[key(life)] = {
            "answered": float(np.mean(codes == 0)), "by_rate_or_temperature": float(np.mean(np.isin(codes, (RATE, TEMPERATURE)))),
            "rmse": float(np.sqrt(np.mean(away**2))) if known.any() else None,
        }  # fmt: skip
    return told


def _code(judge: Estimator, row: FloatArray, chemistry: str) -> int:
    refused = judge.outside(row, chemistry)
    return 0 if refused is None else refused.code


def difference(first: Errors, second: Errors, column: int) -> dict[str, float]:
    """Return the mean over cells of the first less the second, and its 95 % interval by bootstrap over cells. [% of SOH]"""
    apart = np.array([np.mean(first[cell], axis=0)[column] - np.mean(second[cell], axis=0)[column] for cell in first])
    drawn = apart[np.random.default_rng(0).integers(0, len(apart), (DRAWS, len(apart)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"mean": float(apart.mean()), "low": float(low), "high": float(high), "better_cells": int((apart < 0).sum())}


def summary(errors: Errors) -> dict[str, Any]:
    """Return means over cells, spread of seeds, the worst cell, and the mean of each set."""
    table = np.array(list(errors.values()))
    mean, by_cell = table.mean(axis=0), table.mean(axis=1)
    worst = int(by_cell[:, 1].argmax())
    sets: dict[str, list[float]] = {}
    for name, row in zip(errors, by_cell, strict=True):
        sets.setdefault(name.rpartition(" ")[0], []).append(float(row[1]))
    return {
        "mae": float(mean[:, 0].mean()), "rmse": float(mean[:, 1].mean()), "median_rmse": float(np.median(by_cell[:, 1])),
        "rmse_of_seeds": [float(value) for value in mean[:, 1]], "worst": [list(errors)[worst], float(by_cell[worst, 1])],
        "sets": {name: float(np.mean(values)) for name, values in sets.items()},
        "cells": {name: [float(value) for value in row] for name, row in zip(errors, by_cell, strict=True)},
    }  # fmt: skip


def rows(
    lives: Sequence[Life], others: Sequence[Life], found: Found, seeds: Sequence[int]
) -> Iterator[tuple[str, str, Errors]]:
    """Yield method, way of seeing and errors."""
    for way in SEEN:
        yield "one network", way, network(lives, found, seeds, way)
        yield "networks together", way, networks(lives, found, seeds, way)
        yield "networks together, strain hidden", way, networks(lives, found, seeds, f"{way}, strain hidden")
    for last in (1, 8):
        yield f"charge taken for the capacity, median of {last}", SEEN[0], counted(lives, SEEN[0], last)
    for way in SEEN:
        yield "gradient boosting", way, boosting(lives, way, range(2))
    for way, errors in same_rows(lives, others, range(2)).items():
        yield "gradient boosting on the networks' rows, median of 8", way, errors


def main() -> None:
    """Compute every row, write and print them."""
    from benchmarks.measured_data import shared_data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=make.ROOT / "training-work" / "soh" / "ship")
    parser.add_argument("--modes", type=Path, default=make.ROOT / "training-work" / "soh" / "modes")
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args()
    shared = shared_data()
    if shared is None:
        raise SystemExit("The measured data is not there. Set TWIN_SHARED_DATA to its folder.")
    lives, others = make.lives_of(chosen.work, shared, chosen.modes)
    seeds = range(chosen.seeds)
    found = leave_one_out(
        lives, others, seeds, make.kept(chosen.work, "twelve", [*lives, *others], make.DESIGN, chosen.seeds), make.DESIGN,
        lambda step, loss: make.say(f"  step {step} of {make.DESIGN.steps}: {loss:.3f}"),
    )  # fmt: skip
    told: dict[str, Any] = {
        "seeds": chosen.seeds,
        "data": make.hash_of([*lives, *others]),
        "features": len(FEATURES),
        "rows": {},
    }
    every: dict[tuple[str, str], Errors] = {}
    print("| method | charge seen | MAE | RMSE | median cell | worst cell | RMSE by set |\n" + "|" + "---|" * 7)
    for method, way, errors in rows(lives, others, found, seeds):
        every[method, way] = errors
        short = summary(errors)
        told["rows"].setdefault(method, {})[way] = short
        sets = " ".join(f"{name} {value:.2f}" for name, value in short["sets"].items())
        worst = f"{short['worst'][0]} {short['worst'][1]:.2f}"
        line = (
            f"| {method} | {way} | {short['mae']:.2f} | {short['rmse']:.2f} | {short['median_rmse']:.2f} | {worst} | {sets} |"
        )
        print(line, flush=True)
    told["paired"] = {
        f"one network less {other}, {way}": {name: difference(every["one network", way], every[other, way], column) for column, name in enumerate(("mae", "rmse"))}
        for other in ("gradient boosting", "gradient boosting on the networks' rows, median of 8") for way in SEEN
    }  # fmt: skip
    told["inside_the_range"] = {way: inside(lives, others, found, seeds, way) for way in SEEN}
    (make.RESULTS / "raw.json").write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(json.dumps({name: told[name] for name in ("paired", "inside_the_range")}, indent=1))


if __name__ == "__main__":
    main()
