"""Intervals and range of use of what ships, both told from training cells alone.

The half width of an interval is a factor times the difficulty that the networks tell themselves: how far off such charges are, how far the
networks are apart, how far the last charges are. The factor is the 90 % quantile of error over difficulty of a cell that the networks did
not see, of the cell where it is largest: charges of one cell are no independent samples, cells are. So few of them make no valid
interval: it is unvalidated, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.neural_soh.estimate import distance
from models.neural_soh.features import CURVE, FEATURES, STRAIN
from training.soh.cells import FloatArray
from training.soh.ship.kinds import Life
from training.soh.ship.learn import edges_of
from training.soh.ship.leave import Found, combined, together
from training.soh.ship.network import BENCH, CHARGE, CHEMISTRIES

#: Share of charges that an interval is to hold. [1]
COVERAGE = 0.9
#: Margins of the range of use beyond training cells: rate [1/h], temperature [degC], voltages by the window [1].
RATE_MARGIN, TEMPERATURE_MARGIN, VOLTAGE_MARGIN = 0.1, 3.0, 0.02
#: A charge is answered where charges like it, of training cells left out, were told within this error. Limits that are tried, of the
#: voltage where it began, by the window, and of what it put in; how much is alike. [1]
ACCEPTED, BEGUN, LIMITS, ALIKE = 0.05, (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15), 0.1
#: Fewest charges that something is told from.
FEWEST = 50
#: Charges of training cells that may be further out than the limit. [1]
OUT = 0.001
SOURCES = {
    "NASA": "NASA PCoE",
    "CALCE": "CALCE CS2",
    "Samsung": "ARTS-Laboratory Samsung 30Q",
    "LFP 102 Ah": "ESSL1 LFP 102 Ah",
}
_AT = {name: place for place, name in enumerate(FEATURES)}


def judged(life: Life, found: Found, seeds: Sequence[int], way: str) -> FloatArray:
    """Return of each labelled charge of a cell that the networks did not see: charge put in, voltage where it began, error, difficulty. [1]"""
    table = together([found[life.group, life.name, seed][way] for seed in seeds])
    estimate, difficulty = combined(table)
    told = np.isfinite(life.soh) & np.isfinite(estimate)
    rows = life.seen[way][told]
    return np.stack([rows[:, CHARGE], rows[:, _AT["voltage_first"]], (estimate - life.soh)[told], difficulty[told]])


def strange(life: Life, lives: Sequence[Life]) -> bool:
    """Return whether most charges of a cell are at a rate or a temperature that other cells of its chemistry had not."""
    peers = [one.ways["whole"] for one in lives if one is not life and one.chemistry == life.chemistry]
    if not peers:
        return True
    rows = np.concatenate(peers)
    edges = edges_of(rows)
    rate, warm = (life.ways["whole"][:, _AT[name]] for name in ("cc_rate", "temperature_mean"))
    outside = (rate < edges[0]) | (rate > edges[1]) | (warm < edges[2]) | (warm > edges[3])
    return float(np.mean(outside)) > 0.5


def factor(lives: Sequence[Life], found: Found, seeds: Sequence[int], limits: Mapping[str, tuple[float, float]]) -> float:
    """Return the factor from what networks said of cells that they had not seen, over charges that are answered. [1]

    Cells at rates or temperatures that the others of their chemistry had not are left out: they would be refused.
    """
    return max(
        _quantile([judged(life, found, seeds, way) for way in life.seen], *limits[life.chemistry])
        for life in lives
        if not strange(life, lives)
    )


def _quantile(tables: Sequence[FloatArray], least: float, most: float) -> float:
    """Return the quantile of error over difficulty of one cell, each way of seeing it counting the same."""
    ratios, weights = [], []
    for put, begun, error, difficulty in tables:
        kept = (put >= least) & (begun <= most)
        ratios.append(np.abs(error[kept]) / difficulty[kept])
        weights.append(np.full(int(kept.sum()), 1.0 / max(FEWEST, kept.sum())))
    ratio, weight = np.concatenate(ratios), np.concatenate(weights)
    order = np.argsort(ratio)
    summed = np.cumsum(weight[order])
    return float(ratio[order][np.searchsorted(summed, COVERAGE * summed[-1])]) if len(ratio) else 0.0


def limits_of(lives: Sequence[Life], found: Found, seeds: Sequence[int]) -> dict[str, tuple[float, float]]:
    """Return, by chemistry, the least charge and the highest voltage of its beginning that are answered. [1]

    Both by the errors of left-out cells; a chemistry of simulated cells alone gets the strictest of the others that are like it.
    """
    limits = {}
    for chemistry in CHEMISTRIES:
        own = [life for life in lives if life.chemistry == chemistry and not life.simulated and not strange(life, lives)]
        if own:
            limits[chemistry] = _limits([judged(one, found, seeds, way) for one in own for way in one.seen])
    layered = [limits[name] for name in limits if name != "LFP"]
    strictest = (max((one[0] for one in layered), default=LIMITS[0]), min((one[1] for one in layered), default=BEGUN[0]))
    return {chemistry: limits.get(chemistry, strictest) for chemistry in CHEMISTRIES}


def _limits(tables: Sequence[FloatArray]) -> tuple[float, float]:
    """Return limits that hold for every cell and every way of seeing it by itself."""

    def good(least: float, most: float, high: float, low: float) -> bool:
        for put, begun, error, _ in tables:
            rows = (put >= least) & (put < most) & (begun <= high) & (begun > low)
            if rows.sum() >= FEWEST and float(np.sqrt(np.mean(error[rows] ** 2))) > ACCEPTED:
                return False
        return True

    begun = BEGUN[0]
    for limit in BEGUN[1:]:
        if not good(LIMITS[2], np.inf, limit, limit - ALIKE):
            break
        begun = limit
    least = LIMITS[0]
    for limit in LIMITS[1:]:
        if not good(limit, limit + ALIKE, begun, -np.inf):
            break
        least = limit
    return least, begun


def range_of(lives: Sequence[Life], limits: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Return what is written to `range.json`: by chemistry, where the training cells were, and the limits of :func:`limits_of`."""
    chemistries = {}
    for chemistry in CHEMISTRIES:
        own = [life for life in lives if life.chemistry == chemistry]
        if own:
            chemistries[chemistry] = _one(own, *limits[chemistry])
    return {"interval": "unvalidated: fewer than 40 cells", "coverage": COVERAGE, "chemistries": chemistries}


def _one(lives: Sequence[Life], least_charge: float, most_first: float) -> dict[str, Any]:
    whole = np.concatenate([life.ways["whole"] for life in lives])
    rows = np.concatenate([table for life in lives for way, table in life.ways.items() if "shifted" not in way])
    rows = rows[np.isfinite(rows[:, CHARGE])]
    measured = sorted({life.group for life in lives if not life.simulated})
    simulated = sorted({life.group for life in lives if life.simulated})
    last = float(np.nanquantile(rows[:, _AT["voltage_last"]], OUT)) - VOLTAGE_MARGIN
    told: dict[str, Any] = {
        "cells": sum(not life.simulated for life in lives),
        "simulated_cells": sum(life.simulated for life in lives),
        "source": ", ".join([*(SOURCES[name] for name in measured), *(f"PyBaMM {name} (simulated)" for name in simulated)]),
        "basis": "measured cells" if measured else "simulated cells only",
        "soh": [_round(min(np.nanmin(life.soh) for life in lives)), _round(max(np.nanmax(life.soh) for life in lives))],
        "rate": _span(whole[:, _AT["cc_rate"]], RATE_MARGIN, 0.02),
        "temperature": _span(whole[:, _AT["temperature_mean"]], TEMPERATURE_MARGIN, -60.0),
        "least_charge": least_charge,
        "most_first_voltage": most_first,
        "least_last_voltage": _round(last),
    }
    told["features"] = _edges(rows)
    away = np.sort([distance(row, told) for row in rows[:: max(1, len(rows) // 4000)]])
    told["most_distance"] = _round(max(0.5, 2.0 * float(away[int((1.0 - OUT) * (len(away) - 1))])))
    return told


def _edges(rows: FloatArray) -> dict[str, list[float | None]]:
    """Return edges and spread of each feature that is judged; None of one that is not."""
    judged = [name not in (*BENCH, *STRAIN) and not name.startswith(("resistance", "relaxation")) for name in FEATURES]
    found: dict[str, list[float | None]] = {"low": [], "high": [], "spread": []}
    for place, name in enumerate(FEATURES):
        column = rows[:, place][np.isfinite(rows[:, place])]
        if not judged[place] or len(column) < 20:
            for edge in found.values():
                edge.append(None)
            continue
        low, high = np.quantile(column, [OUT, 1.0 - OUT])
        least = 0.005 if name in CURVE else 0.02
        found["low"].append(_round(low))
        found["high"].append(_round(high))
        found["spread"].append(_round(max(float(high - low) / 4.0, least)))
    return found


def _span(values: FloatArray, margin: float, least: float) -> list[float]:
    """Return least and greatest value with a margin; a share of it for rates, which are ratios."""
    low, high = np.nanquantile(values, [0.002, 0.998])
    if margin < 1.0:
        return [_round(max(low * (1.0 - margin), least)), _round(high * (1.0 + margin))]
    return [_round(max(low - margin, least)), _round(high + margin)]


def _round(value: float) -> float:
    return float(f"{float(value):.4g}")
