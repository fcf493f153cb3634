"""Figures of failure modes over seeds: their means, a table to read, and the file that keeps them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.soh.modes.learn import ENSEMBLE


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
                row[name] = [_over(column)[0] for column in np.array(values, float).T]
            else:
                row[name] = _over(np.array(values, float))
        found[key] = row
    return found


def _over(values: npt.NDArray[np.float64]) -> list[float]:
    """Return mean, standard deviation and least of what is there; NaN of nothing."""
    there = values[np.isfinite(values)]
    if not len(there):
        return [float("nan")] * 3
    return [round(float(value), 4) for value in (there.mean(), there.std(), there.min())]


def printed(result: dict[str, Any]) -> str:
    """Return the table of a result."""
    lines = [f"cells: {result['cells']}, failed: {result['failed']}, context only: {result['context_only']}"]
    head = f"{'view':8} {'test set':38} {'model':16} {'fade':10} {'cells':>5} {'looks':>5} {'macro-F1':>15} {'answered':>9} {'abstains':>8} {'top of 4':>8}"
    for view, rows in result["views"].items():
        lines += ["", head]
        for key, row in rows.items():
            test, model, fade = key.split(" / ")
            if model != ENSEMBLE and fade != "all":
                continue
            f1, spread, _ = row["macro_f1"]
            said, abstained, top = (row[name][0] for name in ("macro_f1_answered", "abstention", "macro_f1_top_mechanism"))
            lines.append(
                f"{view:8} {test:38} {model:16} {fade:10} {row['cells']:5d} {row['looks']:5d} {f1:7.3f} ± {spread:5.3f} {said:9.3f} {abstained:8.2f} {top:8.3f}"
            )
    return "\n".join(lines)


def written(result: dict[str, Any]) -> str:
    """Return a result as JSON, a line a row."""
    rows = json.dumps(result | {"views": {}}, indent=1).removesuffix('"views": {}\n}')
    views = []
    for view, figures_of in result["views"].items():
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in figures_of.items())
        views.append(f" {json.dumps(view)}: {{\n{lines}\n }}")
    # what has no value is null: NaN is no JSON
    return (rows + '"views": {\n' + ",\n".join(views) + "\n}\n}\n").replace("NaN", "null")
