"""Write the results page from the records in `training/pinn/results`; every figure on it is a record's.

python -m training.pinn.report
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.pinn import report_text

FOLDER = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[2] / "documentation" / "explanation" / "pinn-measured.md"


@dataclass(frozen=True)
class Goal:
    """A row of the table of goals, negative / positive electrode.

    Attributes
    ----------
    row : str
        As `training.pinn.evaluate` names it.
    title : str
    start : str
        What is known of the start.
    required, aim : tuple of float, or None
        RMSE; one figure where only the negative electrode has a goal, or the same for both. [mol/m3]
    """

    row: str
    title: str
    start: str
    required: tuple[float, ...] | None
    aim: tuple[float, ...] | None


GOALS = (
    Goal("known-start", "in range, 15 to 35 °C", "known", (30, 5), (10, 3)),
    Goal("hot", "+20 °C held out, 55 °C around the cell", "known", (60, 12), (25, 6)),
    Goal("cold", "-15 °C held out, 0 °C around the cell", "known", (150, 30), (60, 15)),
    Goal("noisy-rest", "noise 1 mV, 10 mA, 0.1 K, from rest, SOC 0.15 to 0.85", "unknown", (60, 60), (45, 45)),
    Goal("noisy-rest-bias", "the same with a bias of 10 mA and 2 mV", "unknown", None, None),
    Goal("noisy-middle", "noise, entered in mid-profile, SOC 0.2 to 0.8, after 30 min", "unknown", (200, 200), (100, 100)),
    Goal("oregan", "ORegan2022, 15 to 35 °C", "known", (150,), (60,)),
)
COLUMNS = (
    "full c(r, x), node RMSE, mol/m³, negative / positive",
    "start",
    "required",
    "aim",
    "committed weights",
    "reached",
    "worst run",
    "network, by seed of training",
    "data only, by seed",
)
VARIANTS = {
    "network": "network",
    "data-only": "data only",
    "data-only-noisy": "data only, noisy",
    "no-physics-loss": "without physics in the loss",
    "predictor-only": "without correctors",
    "plain-sweeps": "nothing learned",
}


def read(folder: Path) -> list[dict[str, Any]]:
    """Return all records, by row, variant and seed of training."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    found = [one for one in found if "row" in one]
    return sorted(found, key=lambda one: (one["row"], one["variant"], one["training_seed"]))


def chosen(records: Iterable[dict[str, Any]], row: str, variant: str) -> list[dict[str, Any]]:
    """Return a row's records of a variant at the row's own temperature, one for each seed of training."""
    at = {"hot": 55.0, "cold": 0.0, "anode-cold": 0.0}.get(row)
    return [one for one in records if (one["row"], one["variant"], one["settings"].get("ambient")) == (row, variant, at)]


def figure(value: float) -> str:
    """Write an error with the digits it deserves."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def pair(record: dict[str, Any]) -> str:
    """Write negative / positive."""
    return f"{figure(record['summary']['negative'])} / {figure(record['summary']['positive'])}"


def spread(records: list[dict[str, Any]]) -> str:
    """Write the mean over seeds of training, negative / positive, with the least and the largest."""
    if not records:
        return "not run"
    parts = []
    for side in ("negative", "positive"):
        values = [float(one["summary"][side]) for one in records]
        mean = figure(sum(values) / len(values))
        parts.append(mean if len(values) == 1 else f"{mean} ({figure(min(values))} to {figure(max(values))})")
    seeds = f"{len(records)} seed{'s' if len(records) > 1 else ''}"
    return f"{' / '.join(parts)}; {seeds}"


def reached(record: dict[str, Any], goal: Goal) -> str:
    """Tell what of a goal is reached: both electrodes must."""
    if goal.required is None or goal.aim is None:
        return "reported"
    values = [float(record["summary"][side]) for side in ("negative", "positive")]

    def within(limits: tuple[float, ...]) -> bool:
        return all(value <= limit for value, limit in zip(values, limits, strict=False))

    return "aim" if within(goal.aim) else "required" if within(goal.required) else "**no**"


def limits(values: tuple[float, ...] | None) -> str:
    """Write a goal."""
    return "-" if values is None else " / ".join(f"{value:g}" for value in values)


def main_table(records: list[dict[str, Any]]) -> list[str]:
    """Return the table of goals: the committed weights, seeds of training, and the baseline beside them."""
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
    ]
    for goal in GOALS:
        own = chosen(records, goal.row, "shipped")
        base = chosen(records, goal.row, "data-only") or chosen(records, goal.row, "data-only-noisy")
        base = [one for one in base if not str(one["weights"]).startswith("models/")] or base
        cells = [goal.title, goal.start, limits(goal.required), limits(goal.aim)]
        if own:
            worst = [f"{figure(own[0]['summary'][f'worst_{side}']['rmse'])}" for side in ("negative", "positive")]
            cells += [f"{pair(own[0])}, {len(own[0]['runs'])} runs", reached(own[0], goal), " / ".join(worst)]
        else:
            cells += ["not run", "", ""]
        cells += [spread(chosen(records, goal.row, "network")), spread(base)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def ablation_table(records: list[dict[str, Any]]) -> list[str]:
    """Return what each part is worth, by row."""
    present = [name for name in VARIANTS if any(one["variant"] == name for one in records)]
    if not present:
        return ["No study has run yet."]
    rows = [goal for goal in GOALS if any(chosen(records, goal.row, name) for name in present)]
    lines = [f"| variant | {' | '.join(goal.title for goal in rows)} |", f"|---{'|---' * len(rows)}|"]
    lines += [
        f"| {VARIANTS[name]} | {' | '.join(spread(chosen(records, goal.row, name)) for goal in rows)} |" for name in present
    ]
    return lines


def plating_table(records: list[dict[str, Any]]) -> list[str]:
    """Return the anode potential on charging bins with a true margin under 50 mV."""
    lines = [
        "| profiles | bins | RMSE, mV | worst bin, mV | bins that plate | missed | false | required / aim, mV |",
        "|---|---|---|---|---|---|---|---|",
    ]
    titles = {
        "anode": "15 to 35 °C, dynamic and charge",
        "anode-cold": "0 °C, dynamic and charge",
        "hot": "55 °C, all kinds",
    }
    for row, title in titles.items():
        for one in chosen(records, row, "shipped"):
            found = one["summary"].get("plating")
            if found is None:
                lines.append(f"| {title} | 0 | - | - | - | - | - | 5 / 2 |")
                continue
            values = [found["bins"], figure(found["millivolt"]), figure(found["worst_millivolt"])]
            values += [found["plating"], found["missed"], found["false"], "5 / 2"]
            lines.append(f"| {title} | {' | '.join(str(value) for value in values)} |")
    return lines if len(lines) > 2 else ["Not run."]


def coverage_table(records: list[dict[str, Any]]) -> list[str]:
    """Return how much of the truth lies within the 90 % intervals."""
    names = ("negative", "positive", "margin", "soc", "voltage")
    lines = [f"| row | runs | {' | '.join(names)} | worst run |", f"|---|---{'|---' * len(names)}|---|"]
    titles = {goal.row: goal.title for goal in GOALS}
    titles |= {"coverage": "from rest, nominal parameters", "coverage-perturbed": "from rest, each parameter 10 to 20 % off"}
    for row in ("coverage", "coverage-perturbed", "noisy-rest", "noisy-rest-bias", "noisy-middle"):
        for one in chosen(records, row, "shipped"):
            shares = one["summary"].get("coverage", {})
            worst = one["summary"].get("coverage_worst_run", {})
            least = min(worst, key=lambda name: float(worst[name]), default=None)
            cells = [f"{100 * shares[name]:.1f} %" if name in shares else "-" for name in names]
            cells.append(f"{100 * worst[least]:.0f} % ({least})" if least else "-")
            lines.append(f"| {titles[row]} | {len(one['runs'])} | {' | '.join(cells)} |")
    return lines if len(lines) > 2 else ["Not run."]


def page(records: list[dict[str, Any]]) -> str:
    """Return the page."""
    tables = {
        "main": main_table(records),
        "ablation": ablation_table(records),
        "plating": plating_table(records),
        "coverage": coverage_table(records),
        "commands": [f"python -m training.pinn.evaluate {goal.row}" for goal in GOALS],
    }
    return report_text.written(records, tables)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=FOLDER)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    records = read(given.results)
    given.page.write_text(page(records), "utf-8")
    print(f"{given.page}: {len(records)} records")


if __name__ == "__main__":
    main()
