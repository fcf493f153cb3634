"""What the kept pieces say of each group: errors, coverage of intervals, end of life, warnings of knees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from training.soh.cells import Cell, FloatArray
from training.soh.forecast_histories import SHORTEST
from training.soh.forecast_intervals import Interval, coverage, fit_interval
from training.soh.forecast_life import (
    AHEAD,
    END,
    bend_ahead,
    charges_to_end,
    choose_factor,
    judge_warnings,
    measured_end,
)
from training.soh.forecast_models import FITTED, RULES
from training.soh.forecast_rows import HORIZONS, LEAVE_ONE_OUT, Rows, folds, rows_of
from training.soh.forecast_scores import OfCells, Score, average, score
from training.soh.forecast_tasks import (
    DETERMINISTIC,
    ESTIMATED_FITTED,
    ESTIMATED_HORIZONS,
    ESTIMATED_MEMBERS,
    MEMBERS,
    POOLED,
    TREND_UP_TO,
    Piece,
    Source,
    cells_of,
    measured,
    stride_of,
)

Scores = dict[str, dict[int, Score]]
#: Health, charges with a forecast, and the ratio that a knee is warned by.
Life = tuple[FloatArray, "np.ndarray", FloatArray]
#: True charges to the end of life at which its forecast is judged.
TO_END = (20, 50, 100)


def by_cell(cells: Sequence[Cell], rows: Rows, values: FloatArray) -> dict[str, FloatArray]:
    """Return the values of the rows of each cell."""
    return {cell.name: values[rows.cell == place] for place, cell in enumerate(cells)}


class Group:
    """One group's cells, what came true, and what was forecast."""

    def __init__(self, source: Source, name: str, seeds: int) -> None:
        self.source, self.name, self.seeds = source, name, seeds
        pairs = folds(name, cells_of(source.shared, name))
        self.test = [cell for _, test in pairs for cell in test]
        self.train = pairs[0][0] if self.calibrated else []

    @property
    def calibrated(self) -> bool:
        """Whether there are training cells besides: where cells are left out in turn there are none."""
        return self.name not in LEAVE_ONE_OUT

    @cached_property
    def rows(self) -> Rows:
        """Rows of the test cells, every charge."""
        return measured(self.source.shared, self.name, self.test, 1)

    @cached_property
    def truth(self) -> dict[str, FloatArray]:
        """Measured change of health of each test cell."""
        return by_cell(self.test, self.rows, self.rows.change)

    @cached_property
    def seen(self) -> Rows:
        """Rows of the training cells."""
        return measured(self.source.shared, self.name, self.train, stride_of(self.name))

    @cached_property
    def seen_truth(self) -> dict[str, FloatArray]:
        """Measured change of health of each training cell."""
        return by_cell(self.train, self.seen, self.seen.change)

    def piece(self, kind: str, model: str, seed: int) -> dict[str, FloatArray]:
        """Return a kept piece's forecasts of this group's cells."""
        if model in POOLED:
            kept = Piece(kind, model, "", seed).load(self.source)
            return {name.split("/", 1)[1]: values for name, values in kept.items() if name.split("/", 1)[0] == self.name}
        return Piece(kind, model, self.name, seed).load(self.source)

    def estimated(self, seed: int) -> dict[str, FloatArray]:
        """Return own estimates of this group's cells and the forecasts from them, by model and cell."""
        kept = Piece("estimated", "", "", seed).load(self.source)
        return {name.split("/", 1)[1]: values for name, values in kept.items() if name.split("/", 1)[0] == self.name}

    def forecasts(self, model: str) -> list[OfCells]:
        """Return a model's forecasts of the test cells, one a seed."""
        count = 1 if model in DETERMINISTIC else self.seeds
        return [self.piece("measured", model, seed) for seed in range(count)]

    @cached_property
    def ensemble(self) -> list[dict[str, FloatArray]]:
        """Mean forecast of the members for the test cells, one a seed."""
        members = [self.forecasts(model) for model in MEMBERS]
        return [average([member[seed] for member in members]) for seed in range(self.seeds)]

    @cached_property
    def left_out(self) -> dict[str, FloatArray]:
        """Mean forecast of the members for training cells that they were not fitted to."""
        return average([self.piece("calibration", model, 0) for model in MEMBERS])

    @cached_property
    def limits(self) -> list[Interval]:
        """Intervals of the horizons; from the errors of other cells left out where that is all there is."""
        forecast, truth = (self.left_out, self.seen_truth) if self.calibrated else (self.ensemble[0], self.truth)
        return [
            fit_interval({name: values[:, column] for name, values in forecast.items()}, {name: values[:, column] for name, values in truth.items()})
            for column in range(len(HORIZONS))
        ]  # fmt: skip


def measured_scores(group: Group) -> Scores:
    """Return the scores of all forecasters that are told measured health."""
    found: dict[str, Sequence[OfCells]] = {
        name: [by_cell(group.test, group.rows, rule(group.rows))] for name, rule in RULES.items()
    }
    found |= {model: group.forecasts(model) for model in (*FITTED, *POOLED)}
    found["ensemble"] = group.ensemble
    return {
        model: {horizon: score(forecasts, group.truth, horizon) for horizon in HORIZONS} for model, forecasts in found.items()
    }


def member_scores(group: Group) -> Scores:
    """Return the scores of the members on training cells left out, and of rules there."""
    found: dict[str, OfCells] = {name: by_cell(group.train, group.seen, rule(group.seen)) for name, rule in RULES.items()}
    found |= {model: group.piece("calibration", model, 0) for model in MEMBERS}
    found["ensemble"] = group.left_out
    return {
        model: {horizon: score([forecast], group.seen_truth, horizon) for horizon in HORIZONS}
        for model, forecast in found.items()
    }


def estimated_scores(group: Group) -> Scores:
    """Return the scores of forecasters that are told the plugin's own estimates; against measured health, as all are."""
    found: dict[str, list[dict[str, FloatArray]]] = {name: [] for name in (*RULES, *ESTIMATED_FITTED, "ensemble")}
    errors: dict[str, list[dict[int, Score]]] = {name: [] for name in found}
    for seed in range(group.seeds):
        kept = group.estimated(seed)
        rows = rows_of(group.test, [kept[f"estimate/{cell.name}"] for cell in group.test])
        truth = by_cell(group.test, rows, rows.change)
        now = {name: by_cell(group.test, rows, rule(rows)) for name, rule in RULES.items()}
        for model in ESTIMATED_FITTED:
            now[model] = {cell.name: kept[f"{model}/{cell.name}"] for cell in group.test}
        far = average([now[model] for model in ESTIMATED_MEMBERS])
        near = np.array(HORIZONS) <= TREND_UP_TO
        now["ensemble"] = {name: np.where(near, now["robust trend"][name], values) for name, values in far.items()}
        for model, forecast in now.items():
            errors[model].append({horizon: score([forecast], truth, horizon) for horizon in ESTIMATED_HORIZONS})
    return {
        model: {horizon: over_seeds([each[horizon] for each in found]) for horizon in ESTIMATED_HORIZONS}
        for model, found in errors.items()
    }


def over_seeds(scores: Sequence[Score]) -> Score:
    """Return scores of single seeds as one; the worst cell is the first seed's, by the mean of the worst errors."""
    first = scores[0]
    return Score(
        tuple(each.mean for each in scores), float(np.mean([each.worst for each in scores])), first.worst_cell, first.cells
    )


def intervals(groups: Sequence[Group]) -> dict[str, Any]:
    """Return coverage and width of the intervals on test cells, of the first seed."""
    found: dict[str, Any] = {}
    for group in groups:
        found[group.name] = {}
        for column, horizon in enumerate(HORIZONS):
            forecast = {name: values[:, column] for name, values in group.ensemble[0].items()}
            truth = {name: values[:, column] for name, values in group.truth.items()}
            limit = group.limits[column]
            shares = coverage(limit, forecast, truth)
            width = 200 * np.mean([limit.half_width(forecast[name])[np.isfinite(truth[name])].mean() for name in shares])
            found[group.name][str(horizon)] = {
                "validated": limit.validated and group.calibrated, "training_cells": limit.cells, "coverage": round(float(np.mean(list(shares.values()))), 3),
                "worst_cell_coverage": round(min(shares.values()), 3), "width": round(float(width), 3),
            }  # fmt: skip
    return found


def life(groups: Sequence[Group]) -> dict[str, Any]:
    """Return errors of the forecast end of life at some charges before it, with its interval's coverage; test cells, first seed."""
    found: dict[str, Any] = {}
    for group in groups:
        errors: dict[int, list[tuple[float, bool]]] = {before: [] for before in TO_END}
        for place, cell in enumerate(group.test):
            end = measured_end(cell.soh)
            now = group.rows.now[group.rows.cell == place]
            for before in TO_END if end is not None else ():
                row = end - before - (SHORTEST - 1)  # type: ignore[operator]
                if 0 <= row < len(now):
                    errors[before].append(_end_error(group, cell, now[[row]], row, before))
        found[group.name] = {
            str(before): {
                "cells": len(seen),
                "mean_error": round(float(np.mean([abs(error) for error, _ in seen])), 1) if seen else None,
                "worst_error": round(float(max(abs(error) for error, _ in seen)), 1) if seen else None,
                "coverage": round(float(np.mean([inside for _, inside in seen])), 2) if seen else None,
            }
            for before, seen in errors.items()
        }
    return found


def _end_error(group: Group, cell: Cell, now: FloatArray, row: int, before: int) -> tuple[float, bool]:
    """Return by how many charges an end of life is missed, one beyond the longest horizon counting as at it; and if it is inside."""
    change = group.ensemble[0][cell.name][[row]]
    half = np.array([limit.half_width(change[:, column]) for column, limit in enumerate(group.limits)]).T
    middle, early, late = (
        float(np.nan_to_num(charges_to_end(now, path, END)[0], nan=HORIZONS[-1]))
        for path in (change, change - half, change + half)
    )
    return middle - before, early <= before <= late or (before >= HORIZONS[-1] and late >= HORIZONS[-1] and early <= before)


def lives(cells: Sequence[Cell], rows: Rows, forecast: OfCells) -> list[Life]:
    """Return of each cell what warnings are judged by."""
    found: list[Life] = []
    for place, cell in enumerate(cells):
        charges = rows.charge[rows.cell == place]
        change = forecast[cell.name][:, HORIZONS.index(AHEAD)]
        found.append((cell.soh, charges, bend_ahead(cell.soh, charges, change)))
    return found


def knees(groups: Sequence[Group]) -> dict[str, Any]:
    """Return how warnings met knees of test cells; their factor comes from training cells left out, of all groups at once."""
    calibrated = [group for group in groups if group.calibrated]
    if not calibrated:
        return {}
    factor = choose_factor([each for group in calibrated for each in lives(group.train, group.seen, group.left_out)])
    found: dict[str, Any] = {}
    every: list[Life] = []
    judge: Callable[[list[Life]], dict[str, Any]] = lambda seen: _warnings(seen, factor)  # noqa: E731
    for group in groups:
        seen = lives(group.test, group.rows, group.ensemble[0])
        every += seen
        found[group.name] = judge(seen)
    return {**found, "all": {"factor": factor, **judge(every)}}


def _warnings(seen: list[Life], factor: float) -> dict[str, Any]:
    found = judge_warnings(seen, factor)
    return {
        "knees": found.knees, "warned": found.warned, "late": found.late, "missed": found.knees - found.warned - found.late,
        "median_lead": float(np.median(found.leads)) if found.leads else None, "leads": [min(found.leads), max(found.leads)] if found.leads else [],
        "without_knee": found.without, "false_alarms": found.false,
    }  # fmt: skip
