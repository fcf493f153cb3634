"""Errors of forecasts: of each cell, over cells, over seeds; never over charges of all cells at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.soh.cells import FloatArray
from training.soh.forecast_rows import HORIZONS

#: Forecast and measured changes of health of a cell, shape (charges, horizons).
OfCells = Mapping[str, FloatArray]


def cell_errors(forecast: OfCells, truth: OfCells, horizon: int) -> dict[str, float]:
    """Return the RMSE of each cell that lived for the horizon. [% of SOH]"""
    column = HORIZONS.index(horizon)
    errors = {}
    for name, values in forecast.items():
        missed = (values - truth[name])[:, column]
        known = np.isfinite(truth[name][:, column])
        if known.any():
            errors[name] = float(100 * np.sqrt(np.mean(missed[known] ** 2)))
    return errors


@dataclass(frozen=True)
class Score:
    """Errors of a forecaster in one group at one horizon.

    Attributes
    ----------
    seeds : tuple of float
        Mean over cells of their RMSE, of each seed. [% of SOH]
    worst : float
        Of the worst cell, mean over seeds. [% of SOH]
    worst_cell : str
    cells : int
    """

    seeds: tuple[float, ...]
    worst: float
    worst_cell: str
    cells: int

    @property
    def mean(self) -> float:
        """Over seeds. [% of SOH]"""
        return float(np.mean(self.seeds))

    def record(self) -> dict[str, object]:
        """Return what the results file keeps."""
        return {
            "rmse": round(self.mean, 4),
            "seeds": [round(value, 4) for value in self.seeds],
            "worst": round(self.worst, 4),
            "worst_cell": self.worst_cell,
            "cells": self.cells,
        }


def score(forecasts: Sequence[OfCells], truth: OfCells, horizon: int) -> Score:
    """Return the score of a forecaster; one forecast of each cell a seed."""
    by_seed = [cell_errors(forecast, truth, horizon) for forecast in forecasts]
    cells = list(by_seed[0])
    over_seeds = {name: float(np.mean([errors[name] for errors in by_seed])) for name in cells}
    worst = max(over_seeds, key=over_seeds.__getitem__)
    return Score(tuple(float(np.mean(list(errors.values()))) for errors in by_seed), over_seeds[worst], worst, len(cells))


def mean_of_groups(scores: Sequence[Score]) -> tuple[float, float]:
    """Return the mean over groups, and its standard deviation over seeds. [% of SOH]"""
    seeds = max(len(each.seeds) for each in scores)
    means = [np.mean([each.seeds[seed % len(each.seeds)] for each in scores]) for seed in range(seeds)]
    return float(np.mean(means)), float(np.std(means, ddof=1)) if seeds > 1 else 0.0


def average(members: Sequence[OfCells]) -> dict[str, FloatArray]:
    """Return the mean forecast of several forecasters."""
    return {name: np.mean([member[name] for member in members], axis=0) for name in members[0]}
