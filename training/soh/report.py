"""The results page of SOH estimation, from kept estimates.

python -m training.soh.report WORK          # writes training/soh/results/estimates.json and documentation/explanation/soh-measured.md
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measured_data import shared_data
from training.soh.protocols import TASKS
from training.soh.report_text import HEAD, INTERVALS, TRIED
from training.soh.results import figures
from training.soh.stacking import members

RESULTS = Path(__file__).parent / "results" / "estimates.json"
PAGE = Path(__file__).parents[2] / "documentation" / "explanation" / "soh-measured.md"


@dataclass(frozen=True)
class Goal:
    """What is asked of a task.

    Attributes
    ----------
    text : str
    required, aim : tuple of float
        Of each kind of error; empty where the goal is the paired difference. [%]
    kinds : tuple of str
    """

    text: str
    required: tuple[float, ...] = ()
    aim: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ("mae", "rmse")


#: By task.
GOALS = {
    "xjtu-loo": Goal("Required: a difference to the strong baseline whose interval leaves out 0; aim: a quarter less MAE."),
    "xjtu-split": Goal("Required MAE 0.50, RMSE 0.70; aim 0.40, 0.55. Two or three test cells a batch.", (0.50, 0.70), (0.40, 0.55)),
    "tju": Goal("Required MAE 0.45, RMSE 0.55; aim 0.35, 0.45.", (0.45, 0.55), (0.35, 0.45)),
    "mit": Goal("Required MAE 0.13, RMSE 0.20; aim 0.10, 0.16.", (0.13, 0.20), (0.10, 0.16)),
    "hust": Goal("Required MAE 0.90, RMSE 1.30; aim 0.70, 0.90.", (0.90, 1.30), (0.70, 0.90)),
    "xjtu-leaky": Goal(
        "**This protocol leaks**: features and the count of charges of a test cell are scaled over its whole life, and rows are dropped by a "
        "rule that reads the label. Nothing here says how good an estimator is. Required MAPE 0.45, aim 0.35.",
        (0.45,), (0.35,), ("mape",),
    ),
}  # fmt: skip
TITLES = {
    "persistence": "persistence",
    "cycle-count": "count of charges",
    "boosting": "gradient boosting",
    "ensemble": "trees and perceptrons (the strong baseline)",
    "lstm": "LSTM",
    "network": "CNN + transformer",
    "perceptrons": "perceptrons",
    "process": "kernel regression",
    "long-history": "long history",
    "blend": "blend",
    "wide-blend": "wide blend",
    "stack": "stack",
}


def spread(values: Iterable[float]) -> str:
    """Write a mean with the least and largest."""
    known = list(values)
    text = f"{np.mean(known):.2f}"
    return text if len(known) == 1 else f"{text} ({min(known):.2f} to {max(known):.2f})"


def verdict(task: str, found: Mapping[str, Any]) -> str:
    """Say which goal is reached."""
    reached = [float(np.mean(found[kind])) for kind in GOALS[task].kinds]
    for limits, word in ((GOALS[task].aim, "aim"), (GOALS[task].required, "required")):
        if limits and all(value <= limit for value, limit in zip(reached, limits, strict=True)):
            return word
    return "**no**" if GOALS[task].required else "-"


def difference(found: Mapping[str, Any]) -> str:
    """Write the paired difference to the strong baseline."""
    paired = found.get("against_ensemble")
    return f"{paired['mae_difference']:+.3f} ({paired['low']:+.3f} to {paired['high']:+.3f})" if paired else "-"


def table(task: str, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a task's table."""
    lines = [
        GOALS[task].text,
        "",
        "| estimator | seeds | MAE, % | RMSE, % | MAPE, % | reached | difference | worst cell, MAE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        errors = [spread(one[kind]) for kind in ("mae", "rmse", "mape")]
        worst = f"{one['worst']['group']} {one['worst']['cell']}, {one['worst']['mae']:.2f}"
        cells = [TITLES[name], str(len(one["seeds"])), *errors, verdict(task, one), difference(one), worst]
        lines.append(f"| {' | '.join(cells)} |")
    return lines + shares(found)


def shares(found: Mapping[str, Any]) -> list[str]:
    """Say what shares members of the stack were told to have, where they are not equal."""
    told = {fold: values for fold, values in found.get("stack", {}).get("shares", {}).items() if len(set(values)) > 1}
    names = [TITLES[name] for name in members(next(iter(told)).split()[0].lower())] if told else []
    texts = [
        f"{fold}: {', '.join(f'{name} {value:.2f}' for name, value in zip(names, values, strict=True))}"
        for fold, values in told.items()
    ]
    return ["", f"Shares in the stack. {'; '.join(texts)}."] if texts else []


def groups(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return MAE / RMSE of each group, averaged over seeds."""
    names = list(next(iter(found.values()))["by_group"])
    if len(names) < 2:
        return []
    lines = ["", f"| MAE / RMSE, % | {' | '.join(names)} |", f"|---{'|---' * len(names)}|"]
    for name, one in found.items():
        values = [f"{one['by_group'][group]['mae']:.2f} / {one['by_group'][group]['rmse']:.2f}" for group in names]
        lines.append(f"| {TITLES[name]} | {' | '.join(values)} |")
    return lines


def coverage(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Return the table of 90 % intervals, averaged over seeds."""
    lines = [
        "| task | estimator | group | test cells | covered, mean over cells | least covered cell | full width, % | width ÷ RMSE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for task, estimators in found.items():
        for name, one in estimators.items():
            kept = list(one.get("coverage", {}).values())
            for group in kept[0] if kept else ():
                mean = float(np.mean([seed[group]["mean"] for seed in kept]))
                width = float(np.mean([seed[group]["width"] for seed in kept]))
                least = min(np.mean([seed[group]["cells"][cell] for seed in kept]) for cell in kept[0][group]["cells"])
                ratio = width / one["by_group"][group]["rmse"]
                count = len(kept[0][group]["cells"])
                lines.append(
                    f"| {task} | {TITLES[name]} | {group} | {count} | {mean:.3f} | {least:.2f} | {width:.2f} | {ratio:.1f} |"
                )
    return lines if len(lines) > 2 else ["None is kept yet."]


def page(found: Mapping[str, Any], data: str, versions: Mapping[str, str]) -> str:
    """Return the page."""
    lines = [HEAD]
    for task in TASKS:
        lines += [f"## {task.title}", ""]
        lines += (
            [*table(task.name, found[task.name]), *groups(found[task.name]), ""]
            if found.get(task.name)
            else ["Not run yet.", ""]
        )
    lines += [
        "## 90 % intervals",
        "",
        INTERVALS,
    ]
    lines += [*coverage(found), "", TRIED, "## What it ran on", ""]
    lines += [f"Features: SHA-256 `{data}`. {', '.join(f'{name} {value}' for name, value in versions.items())}.", ""]
    return "\n".join(lines)


def installed() -> dict[str, str]:
    """Return the versions of what the figures depend on."""
    found = {"Python": platform.python_version()}
    for name in ("numpy", "scikit-learn", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Write figures and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    chosen = parser.parse_args()
    shared = shared_data()
    if shared is None:
        raise SystemExit("the measured data (../shared/data or TWIN_SHARED_DATA) are not here, so labels cannot be read")
    found = figures(chosen.work, shared, TASKS, chosen.seeds)
    data = json.loads((chosen.work / "data.json").read_text("utf-8"))["sha256"]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"data": data, "versions": installed(), "tasks": found}, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(found, data, installed()), "utf-8")
    print(f"{RESULTS}\n{PAGE}")


if __name__ == "__main__":
    main()
