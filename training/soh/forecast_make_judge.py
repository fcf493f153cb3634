"""What the shipped forecaster does on cells that it had not seen: of sets that it knows, and of sets that it never saw.

Each is told the measured health of a cell, and then own estimates of it; truth is measured health. Rules stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.neural_soh.forecast import Forecaster
from models.neural_soh.forecast_history import SHORTEST, names
from models.neural_soh.forecast_path import AHEAD, HORIZONS, STANDING, charges_to_end
from training.soh.cells import Cell, FloatArray
from training.soh.forecast_general import trend
from training.soh.forecast_life import Warnings, bend_ahead, choose_factor, judge_warnings, measured_end
from training.soh.forecast_rows import GROUPS
from training.soh.forecast_shipped import FAMILIES, Make
from training.soh.forecast_told import Told, told_rows

_PLACE = {name: place for place, name in enumerate(names())}
#: True charges to the end of life at which its forecast is judged.
TO_END = (20, 50, 100)


def persistence(inputs: FloatArray) -> FloatArray:
    """Say that health stays as it is."""
    return np.zeros((len(inputs), len(HORIZONS)))


def linear_trend(inputs: FloatArray) -> FloatArray:
    """Go on along the least-squares line through the last 20 charges."""
    slope = inputs[:, [_PLACE["slope of 20"]]] / 100
    return np.asarray(inputs[:, [_PLACE["line of 20, less now"]]] + slope * np.array(HORIZONS))


RULES = {"persistence": persistence, "linear trend": linear_trend, "robust trend": trend}


def rmse(change: FloatArray, truth: FloatArray) -> list[float]:
    """Return the error of a cell at each horizon, NaN where it did not live for it. [% of SOH]"""
    missed = np.where(np.isfinite(truth), change - truth, np.nan)
    known = np.isfinite(truth).any(axis=0)
    found = np.full(truth.shape[1], np.nan)
    found[known] = 100 * np.sqrt(np.nanmean(missed[:, known] ** 2, axis=0))
    return list(found)


def shares_inside(change: FloatArray, half: FloatArray, truth: FloatArray) -> list[float]:
    """Return the share of charges of a cell whose truth is inside the interval, at each horizon; NaN where it did not live for it."""
    known = np.isfinite(truth)
    inside = np.where(known, np.abs(change - truth) <= half, False).sum(axis=0)
    return list(np.where(known.any(axis=0), inside / np.maximum(known.sum(axis=0), 1), np.nan))


def _row(values: Sequence[Sequence[float]], digits: int = 4) -> list[float | None]:
    table = np.array(values, float)
    return [round(float(np.nanmean(column)), digits) if np.isfinite(column).any() else None for column in table.T]


@dataclass(frozen=True, eq=False)
class Case:
    """A cell, the health that is told of it, its rows, and what was forecast at each.

    Attributes
    ----------
    cell : Cell
    told : ndarray, shape (len(cell),)
        [1]
    rows : Told
    change, half : ndarray, shape (len(rows), 4)
        Forecast change of health, half width of its interval. [1]
    """

    cell: Cell
    told: FloatArray
    rows: Told
    change: FloatArray
    half: FloatArray


def scores(cases: Sequence[Case]) -> dict[str, Any]:
    """Return errors of each set, of the forecaster and of rules; coverage of the intervals, by cell and the worst cell's."""
    found: dict[str, Any] = {}
    for group in GROUPS:
        inside = [case for case in cases if case.cell.group == group]
        errors = {"forecaster": [rmse(case.change, case.rows.change) for case in inside]}
        errors |= {name: [rmse(rule(case.rows.inputs), case.rows.change) for case in inside] for name, rule in RULES.items()}
        shares = [shares_inside(case.change, case.half, case.rows.change) for case in inside]
        found[group] = {
            "cells": len(inside), "rmse": {name: _row(values) for name, values in errors.items()},
            "worst": [round(float(value), 4) for value in np.nanmax(np.array(errors["forecaster"]), axis=0)],
            "coverage": _row(shares), "worst_coverage": [round(float(value), 3) for value in np.nanmin(np.array(shares), axis=0)],
            "width": _row([list(200 * case.half.mean(axis=0)) for case in inside]),
        }  # fmt: skip
    found["mean of sets"] = {
        "rmse": {name: _row([found[group]["rmse"][name] for group in GROUPS]) for name in ("forecaster", *RULES)},
        "coverage": _row([found[group]["coverage"] for group in GROUPS]),
        "width": _row([found[group]["width"] for group in GROUPS]),
    }
    return found


def _life(cell: Cell, told: FloatArray, rows: Told, change: FloatArray) -> tuple[FloatArray, np.ndarray, FloatArray]:
    return cell.soh, rows.charge, bend_ahead(told, rows.charge, change[:, HORIZONS.index(AHEAD)])


def knee_factor(make: Make) -> float:
    """Return the factor of the knee's warning: chosen on training cells, forecast from own estimates by what never saw their set."""
    lives = []
    for cell in make.train:
        told = make.estimates[cell.group, cell.name]
        rows = told_rows(cell, told, 0)
        lives.append(_life(cell, told, rows, make.left_out[FAMILIES[cell.group]].change(rows.inputs)))
    return choose_factor(lives)


def knees(cases: Sequence[Case], factor: float) -> dict[str, Any]:
    """Return how warnings met the knees of some cells."""
    found: Warnings = judge_warnings([_life(case.cell, case.told, case.rows, case.change) for case in cases], factor)
    return {
        "knees": found.knees, "warned": found.warned, "late": found.late, "missed": found.knees - found.warned - found.late,
        "median_lead": float(np.median(found.leads)) if found.leads else None, "without_knee": found.without,
        "false_alarms": found.false, "standing_charges": STANDING,
    }  # fmt: skip


def ends(cases: Sequence[Case]) -> dict[str, Any]:
    """Return by how many charges ends of life are missed, 20, 50 and 100 charges before; one not within 100 counts as at 100."""
    found: dict[str, Any] = {}
    for before in TO_END:
        missed, inside = [], []
        for case in cases:
            end = measured_end(case.cell.soh)
            if end is None or end - before < SHORTEST - 1:
                continue
            row = np.flatnonzero(case.rows.charge == end - before)
            now, change, half = case.told[case.rows.charge[row]], case.change[row], case.half[row]
            middle, early, late = (
                float(np.nan_to_num(charges_to_end(now, path)[0], nan=np.inf))
                for path in (change, change - half, change + half)
            )
            missed.append(abs(min(middle, HORIZONS[-1]) - before))
            inside.append(min(early, HORIZONS[-1]) <= before <= late)
        found[str(before)] = {
            "cells": len(missed), "median_error": round(float(np.median(missed)), 1) if missed else None,
            "mean_error": round(float(np.mean(missed)), 1) if missed else None,
            "inside_interval": round(float(np.mean(inside)), 3) if inside else None,
        }  # fmt: skip
    return found


def parity(make: Make, content: bytes) -> float:
    """Return the largest difference between the graph and the arrays that it was written from, over rows of test cells. [1]"""
    forecaster, largest = Forecaster(content), 0.0
    for cell in make.test[::7]:
        inputs = told_rows(cell, make.estimates[cell.group, cell.name], 0, 50).inputs
        ahead, lower, upper = forecaster.paths(inputs)
        now, change, half = inputs[:, [_PLACE["health"]]], make.shipped.change(inputs), make.shipped.half_width(inputs)
        for said, wanted in ((ahead, now + change), (lower, now + change - half), (upper, now + change + half)):
            largest = max(largest, float(np.abs(said - wanted).max()))
    return largest


def shown(title: str, found: Mapping[str, Any]) -> None:
    """Print one table: sets down, horizons across."""
    print(f"\n{title}: RMSE [% of SOH] {HORIZONS} ahead; coverage of the 90 % interval", flush=True)
    for group, part in found.items():
        lines = {group: part["rmse"]["forecaster"]} if group != "mean of sets" else part["rmse"]
        for name, values in lines.items():
            cover = part["coverage"] if name in (group, "forecaster") else []
            numbers = "".join(f"{value:9.3f}" if value is not None else "        -" for value in values)
            print(f"{name:14s}{numbers}   " + "".join(f"{value:7.3f}" for value in cover if value is not None))


def judged(make: Make, content: bytes, factor: float) -> dict[str, Any]:
    """Return and print all figures of the shipped forecaster."""
    told = {
        "measured": [cell.soh for cell in make.test],
        "own estimates": [make.estimates[cell.group, cell.name] for cell in make.test],
    }
    found: dict[str, Any] = {"parity": parity(make, content), "knee_factor": factor}
    print(f"graph and arrays differ by {found['parity']:.1e} at most; knee's factor {factor}", flush=True)
    for health, known in told.items():
        rows = [told_rows(cell, values, 0) for cell, values in zip(make.test, known, strict=True)]
        for way in ("known sets", "sets never seen"):
            cases = []
            for cell, values, each in zip(make.test, known, rows, strict=True):
                model = make.shipped if way == "known sets" else make.unseen[FAMILIES[cell.group]]
                cases.append(Case(cell, values, each, model.change(each.inputs), model.half_width(each.inputs)))
            name = f"{way}, from {health}"
            found[name] = {"scores": scores(cases), "ends": ends(cases), "knees": knees(cases, factor)}
            shown(name, found[name]["scores"])
            print(f"end of life: {found[name]['ends']}\nknees: {found[name]['knees']}", flush=True)
    return found
