"""Gradient boosting on raw telemetry, leave one cell out over all sets: ``python -m training.soh.raw.baseline [--seeds 5]``.

What the networks have to beat. Nothing is tuned: one setting of scikit-learn's HistGradientBoosting for every row, written before
the first run. Cells count the same, whatever their number of charges. Errors are in % of SOH.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.neural_soh.features import FEATURES, STRAIN
from training.soh.leakage import check_split
from training.soh.raw.cell import FloatArray
from training.soh.raw.dataset import Charges, read
from training.soh.raw.samsung import GROUP as SAMSUNG
from training.soh.raw.windows import WINDOWS, Window, cut_by_charge, cut_by_voltage, voltages_of

#: Charges of the past whose median is told beside the last one.
HISTORY = 5
SETTINGS = {"max_iter": 150, "learning_rate": 0.1, "max_leaf_nodes": 15, "min_samples_leaf": 10, "max_features": 0.5}
Columns = Callable[[Charges], FloatArray]
#: Errors of one cell: MAE and RMSE of each seed. [% of SOH]
Errors = dict[tuple[str, str], list[tuple[float, float]]]


def all_columns(charges: Charges) -> FloatArray:
    return charges.cell.features


def with_history(charges: Charges) -> FloatArray:
    """Return features and their medians over the last charges, this one included."""
    rows = charges.cell.features
    padded = np.concatenate([np.full((HISTORY - 1, rows.shape[1]), np.nan), rows])
    past = np.stack([padded[HISTORY - 1 - lag : len(padded) - lag] for lag in range(HISTORY)])
    seen = np.isfinite(past).any(axis=0)
    median = np.full(rows.shape, np.nan)
    filled = np.ma.median(np.ma.masked_invalid(past), axis=0)
    median[seen] = np.asarray(filled.filled(np.nan))[seen]
    return np.hstack([rows, median])


def only(*names: str) -> Columns:
    """Return a choice of features."""
    places = [FEATURES.index(name) for name in names]
    return lambda charges: charges.cell.features[:, places]


def without_strain(charges: Charges) -> FloatArray:
    return charges.cell.features[:, [place for place, name in enumerate(FEATURES) if name not in STRAIN]]


def cycle_count(charges: Charges) -> FloatArray:
    return np.arange(len(charges.cell), dtype=float)[:, None]


def predicted(train: Sequence[Charges], test: Charges, columns: Columns, seed: int) -> FloatArray:
    """Return the state of health of every charge of a cell from a model fitted to others."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    check_split([item.cell for item in train], [test.cell])
    rows = np.concatenate([columns(item) for item in train])
    soh = np.concatenate([item.cell.soh for item in train])
    weights = np.concatenate([np.full(len(item.cell), 1.0 / max(1, np.isfinite(item.cell.soh).sum())) for item in train])
    known = np.isfinite(soh)
    told = np.isfinite(rows[known]).any(axis=0)  # a column that no training cell has cannot be binned
    model = HistGradientBoostingRegressor(**SETTINGS, early_stopping=False, random_state=seed)
    model.fit(rows[known][:, told], soh[known], sample_weight=weights[known] / weights[known].mean())
    return np.asarray(model.predict(columns(test)[:, told]), dtype=np.float64)


def errors_of(test: Charges, guess: FloatArray) -> tuple[float, float]:
    """Return mean absolute and root mean square error over the charges with a label. [% of SOH]"""
    away = 100.0 * (guess - test.cell.soh)[np.isfinite(test.cell.soh)]
    return float(np.mean(np.abs(away))), float(np.sqrt(np.mean(away**2)))


def leave_one_out(cells: Sequence[Charges], columns: Columns, seeds: Sequence[int]) -> Errors:
    """Return the errors of each cell by models fitted to all others."""
    found: Errors = {}
    for number, test in enumerate(cells):
        train = [*cells[:number], *cells[number + 1 :]]
        found[test.cell.group, test.cell.name] = [errors_of(test, predicted(train, test, columns, seed)) for seed in seeds]
    return found


def seen(charges: Charges, rows: FloatArray) -> Charges:
    """Return the same cell as seen through other features."""
    return replace(charges, cell=replace(charges.cell, features=rows))


def leave_one_out_by_voltage(cells: Sequence[Charges], window: Window, columns: Columns, seeds: Sequence[int]) -> Errors:
    """The same, charges seen between two voltages that the training cells of each set give."""
    cache: dict[tuple[str, float, float], Charges] = {}
    found: Errors = {}
    for number, test in enumerate(cells):
        fold = []
        for item in cells:
            peers = [other for other in cells if other.cell.group == item.cell.group and other is not test]
            low, high = voltages_of(peers, window)
            key = (item.data_hash, low, high)
            if key not in cache:
                cache[key] = seen(item, cut_by_voltage(item, low, high))
            fold.append(cache[key])
        train = [*fold[:number], *fold[number + 1 :]]
        found[test.cell.group, test.cell.name] = [
            errors_of(fold[number], predicted(train, fold[number], columns, seed)) for seed in seeds
        ]
    return found


def counted(cells: Sequence[Charges]) -> Errors:
    """Return the errors of taking the ampere-hours of a charge for the capacity."""
    place = FEATURES.index("charge")
    return {(item.cell.group, item.cell.name): [errors_of(item, item.cell.features[:, place])] for item in cells}


def summary(name: str, errors: Errors) -> str:
    """Return one line: mean over cells of MAE and RMSE, spread of the seeds, worst cell, and each set."""
    table = np.array(list(errors.values()))
    mean = table.mean(axis=0)
    spread = f"{mean[:, 1].std(ddof=1):.2f}" if len(mean) > 1 else "–"
    by_cell = table.mean(axis=1)
    worst = int(by_cell[:, 1].argmax())
    groups = dict.fromkeys(group for group, _ in errors)
    sets = " ".join(
        f"{group} {np.mean([by_cell[place, 1] for place, key in enumerate(errors) if key[0] == group]):.2f}" for group in groups
    )
    where = " ".join(list(errors)[worst])
    return (
        f"| {name} | {mean[:, 0].mean():.2f} | {mean[:, 1].mean():.2f} | {spread} | {where} {by_cell[worst, 1]:.2f} | {sets} |"
    )


def rows(cells: Sequence[Charges], seeds: Sequence[int]) -> Iterator[tuple[str, Errors]]:
    """Yield every row of the table: its name and its errors."""
    yield "ampere-hours of the charge taken for the capacity", counted(cells)
    yield "cycle count", leave_one_out(cells, cycle_count, seeds)
    yield "full charge, ampere-hours alone", leave_one_out(cells, only("charge"), seeds)
    yield "full charge", leave_one_out(cells, all_columns, seeds)
    cuts = [[seen(item, cut_by_charge(item, window)) for item in cells] for window in WINDOWS]
    for window, cut in zip(WINDOWS, cuts, strict=True):
        yield f"{window.name}, ampere-hours alone", leave_one_out(cut, only("charge"), seeds)
        yield window.name, leave_one_out(cut, all_columns, seeds)
    for name, some in (("full charge", cells), *((window.name, cut) for window, cut in zip(WINDOWS, cuts, strict=True))):
        own = [item for item in some if item.cell.group == SAMSUNG]
        yield f"Samsung alone, {name}, with strain", leave_one_out(own, all_columns, seeds)
        yield f"Samsung alone, {name}, without strain", leave_one_out(own, without_strain, seeds)
    for window in WINDOWS:
        yield f"{window.name} by voltage", leave_one_out_by_voltage(cells, window, all_columns, seeds)
    for name, some in (("full charge", cells), (WINDOWS[0].name, cuts[0])):
        yield f"{name}, median of the last {HISTORY} too", leave_one_out(some, with_history, seeds)


def main() -> None:
    """Run every row, print the table, then each cell."""
    from benchmarks.measured_data import shared_data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--save", type=Path, help="also write the errors of every cell and seed to this JSON file")
    chosen = parser.parse_args()
    shared = shared_data()
    if shared is None:
        raise SystemExit("The measured data is not there. Set TWIN_SHARED_DATA to its folder.")
    cells = read(shared)
    done: dict[str, Errors] = {}
    print("| charge seen | MAE | RMSE | ± seeds | worst cell | RMSE by set |\n" + "|" + "---|" * 6)
    for name, errors in rows(cells, range(chosen.seeds)):
        done[name] = errors
        print(summary(name, errors), flush=True)
        if chosen.save:
            stored = {row: {" ".join(key): value for key, value in kept.items()} for row, kept in done.items()}
            chosen.save.write_text(json.dumps(stored, indent=1), encoding="utf-8")
    print("\n| cell | " + " | ".join(done) + " |\n" + "|" + "---|" * (len(done) + 1))
    for group, cell in done["full charge"]:
        shown = [
            f"{np.mean(errors[group, cell], axis=0)[1]:.2f}" if (group, cell) in errors else "" for errors in done.values()
        ]
        print(f"| {group} {cell} | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
