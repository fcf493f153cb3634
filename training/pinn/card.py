"""Write the card of the data set from the simulated files themselves.

python -m training.pinn.card DATA
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.pinn.dataset import SETS, load, path_of
from training.pinn.profiles import KINDS, NOMINAL

PAGE = Path(__file__).parents[2] / "documentation" / "explanation" / "pinn-data.md"
FIGURES = ("current", "temperature", "voltage", "anode")


def read(folder: Path, which: str, parameters: str) -> tuple[list[dict[str, Any]], list[int], list[int]]:
    """Return what is told of each run of a set, the seeds whose simulation ended early, and the seeds that are missing."""
    first, count = SETS[which]
    runs, short, missing = [], [], []
    for seed in range(first, first + count):
        path = path_of(folder, seed, None, parameters)
        kept = load(path) if path.exists() else None
        if kept is None:
            (short if path.exists() else missing).append(seed)
            continue
        told = {name: float(kept[name]) for name in ("ambient", "soc", "cpu")} | {"kind": str(kept["kind"])}
        told |= {f"{name}_{what}": float(getattr(np, what)(kept[name])) for name in FIGURES for what in ("min", "max")}
        told["seconds"] = len(kept["current"]) - 1
        told["electrolyte_min"] = float(kept["electrolyte"].min())
        runs.append(told)
    return runs, short, missing


def ends(runs: Sequence[dict[str, Any]], low: str, high: str, digits: int = 2, factor: float = 1.0, shift: float = 0.0) -> str:
    """Write the least and the largest over all runs."""
    least = min(run[low] for run in runs) * factor + shift
    most = max(run[high] for run in runs) * factor + shift
    return f"{least:.{digits}f} to {most:.{digits}f}"


def rows(which: str, runs: list[dict[str, Any]], short: list[int], missing: list[int]) -> list[str]:
    """Return a set's part of the card."""
    first, count = SETS[which]
    kinds = ", ".join(f"{sum(run['kind'] == kind for run in runs)} {kind}" for kind in KINDS)
    early = sum(run["seconds"] < 3600 for run in runs)
    cpu = [run["cpu"] for run in runs]
    return [
        f"## {which.capitalize()}",
        "",
        "| | |",
        "|---|---|",
        f"| seeds | {first} to {first + count - 1} |",
        f"| runs | {len(runs)}: {kinds} |",
        f"| ended before ten minutes, left out | {len(short)}{': ' + ', '.join(map(str, short)) if short else ''} |",
        f"| not simulated yet | {len(missing)} |",
        f"| ended before the hour, kept | {early} |",
        f"| ambient, °C | {ends(runs, 'ambient', 'ambient', 1)} |",
        f"| cell temperature, °C | {ends(runs, 'temperature_min', 'temperature_max', 1, shift=-273.15)} |",
        f"| SOC at the start | {ends(runs, 'soc', 'soc')} |",
        f"| current, C (1C = {NOMINAL:g} A) | {ends(runs, 'current_min', 'current_max', 2, 1 / NOMINAL)} |",
        f"| voltage, V | {ends(runs, 'voltage_min', 'voltage_max')} |",
        f"| anode potential at the separator, mV | {ends(runs, 'anode_min', 'anode_max', 0, 1e3)} |",
        f"| least electrolyte concentration, mol/m³ | {min(run['electrolyte_min'] for run in runs):.0f} |",
        f"| CPU seconds of simulation | {sum(cpu):.0f} in all; {np.median(cpu):.1f} median, {max(cpu):.1f} at most |",
        "",
    ]


def mesh_lines(path: Path) -> list[str]:
    """Return the error of the truth itself."""
    if not path.is_file():
        return ["Not measured yet: `python -m training.pinn.evaluate mesh`."]
    found = json.loads(path.read_text("utf-8"))
    lines = [
        "Fields on 20 points against the same profile on 40, averaged to 20 by volume. RMSE over r, x, t.",
        "",
        "| seed | kind | ambient, °C | negative, mol/m³ | positive, mol/m³ | anode potential, mV |",
        "|---|---|---|---|---|---|",
    ]
    for run in found["runs"]:
        cells = [
            run["seed"],
            run["kind"],
            run["ambient"],
            f"{run['negative']:.2f}",
            f"{run['positive']:.2f}",
            f"{run['margin']:.2f}",
        ]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    summary = found["summary"]
    return [*lines, "", f"All together: {summary['negative']:.2f} / {summary['positive']:.2f} mol/m³ (negative / positive)."]


def page(folder: Path, mesh: Path, parameters: str) -> str:
    """Return the card."""
    from training.pinn.evaluate import versions

    lines = [
        "# PINN internal states: the data",
        "",
        "Written by `python -m training.pinn.card` from the simulated files; do not edit.",
        "",
        f"Doyle-Fuller-Newman simulations with PyBaMM, parameter set {parameters}, 20 points in each electrode, the separator and",
        "both particles, IDAKLU at a relative tolerance of 1e-6, current and cell temperature prescribed at 1 Hz. Each run is an hour and",
        "starts relaxed. Voltage limits of the simulation are 2.0 and 4.5 V, wider than the cell's, so that cold and hard loads are seen.",
        "",
        "Three of five runs are dynamic (steps of 2 to 120 s, to 3C on discharge and 1.5C on charge), one of five is constant current with",
        "rests, one of five a charge of constant current and constant voltage. Profiles follow from their seed alone",
        "(`training/pinn/profiles.py`). The files are not in the repository: `python -m training.pinn.dataset FOLDER --set train` makes",
        "them again. Evaluation draws its own seeds, from 100000 on, and its own temperatures.",
        "",
        "The cell's temperature follows from a one-line heat balance (22 mΩ, 0.12 W/K, 70 J/K). It is a prescription that both truth and",
        "network are given, not a claim about a cell.",
        "",
    ]
    for which in SETS:
        runs, short, missing = read(folder, which, parameters)
        if not runs:
            raise SystemExit(
                f"{folder}: no {parameters} runs of the set '{which}'. Make them with python -m training.pinn.dataset."
            )
        lines += rows(which, runs, short, missing)
    lines += ["## Error of the truth itself", "", *mesh_lines(mesh), ""]
    lines += ["## Made with", "", ", ".join(f"{name} {value}" for name, value in versions().items()), ""]
    return "\n".join(lines)


def main() -> None:
    """Write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--parameters", default="OKane2022")
    parser.add_argument("--mesh", type=Path, default=Path(__file__).parent / "results" / "mesh-shipped-0.json")
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args()
    chosen.page.write_text(page(chosen.data, chosen.mesh, chosen.parameters), "utf-8")
    print(chosen.page)


if __name__ == "__main__":
    main()
