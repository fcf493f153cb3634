"""Health some charges ahead: forecasters, comparators, intervals, end of life and knees, in one table by one command.

    python -m training.soh.forecast [--groups TJU-1 MIT] [--seeds 5]

Reads the measured data beside the project, or in TWIN_SHARED_DATA. Each piece is kept, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measured_data import shared_data
from training.soh.forecast_judge import Group, estimated_scores, intervals, knees, life, measured_scores, member_scores
from training.soh.forecast_rows import GROUPS, HORIZONS, data_hash
from training.soh.forecast_scores import Score, mean_of_groups
from training.soh.forecast_tasks import ESTIMATED_HORIZONS, ESTIMATED_MEMBERS, MEMBERS, ROOT, Source, fingerprint, keep, pieces

CACHE = ROOT / "training-work" / "soh" / "forecast"
RESULTS = ROOT / "training" / "soh" / "results" / "forecast.json"
SHIPPED = "ensemble"


def compute(source: Source, groups: Sequence[str], seeds: int) -> None:
    """Compute the pieces that are not kept yet."""
    plan = list(pieces(groups, seeds))
    for number, piece in enumerate(plan, 1):
        if source.kept(piece.name).is_file():
            continue
        started = time.process_time()
        keep(source.kept(piece.name), piece.compute(source))
        print(f"{number} of {len(plan)}: {piece.name}: {time.process_time() - started:.0f} CPU s", flush=True)


def table(scores: Mapping[str, Mapping[str, Mapping[int, Score]]], horizons: Sequence[int]) -> list[str]:
    """Return the lines of a table: forecasters down, horizons across, mean over groups, spread over seeds, skill."""
    groups = list(scores)
    means = {
        model: {horizon: mean_of_groups([scores[group][model][horizon] for group in groups]) for horizon in horizons}
        for model in scores[groups[0]]
    }
    lines = [f"{'forecaster':20s}" + "".join(f"{f'{horizon} ahead':>16s}" for horizon in horizons)]
    for model, found in means.items():
        lines.append(f"{model:20s}" + "".join(f"{found[horizon][0]:9.3f} ±{found[horizon][1]:.3f}" for horizon in horizons))
    for rule in ("persistence", "linear trend"):
        skill = (f"{100 * (1 - means[SHIPPED][horizon][0] / means[rule][horizon][0]):15.0f}%" for horizon in horizons)
        lines.append(f"{'skill, ' + rule:20s}" + "".join(skill))
    return lines


def group_table(scores: Mapping[str, Mapping[str, Mapping[int, Score]]], horizons: Sequence[int]) -> list[str]:
    """Return the lines of a table of what ships: groups down; error and worst cell."""
    lines = [f"{SHIPPED:12s}" + "".join(f"{f'{horizon} ahead (worst cell)':>24s}" for horizon in horizons)]
    for group, models in scores.items():
        found = [models[SHIPPED][horizon] for horizon in horizons]
        lines.append(f"{group:12s}" + "".join(f"{each.mean:14.3f} ({each.worst:7.3f})" for each in found))
    return lines


def recorded(scores: Mapping[str, Mapping[str, Mapping[int, Score]]]) -> dict[str, Any]:
    """Return scores as the results file keeps them."""
    return {
        group: {model: {str(horizon): each.record() for horizon, each in found.items()} for model, found in models.items()}
        for group, models in scores.items()
    }


def show(title: str, lines: Sequence[str]) -> None:
    """Print a part of the report."""
    print(f"\n{title}\n" + "\n".join(lines), flush=True)


def report(source: Source, groups: Sequence[str], seeds: int) -> dict[str, Any]:
    """Print the tables; return what the results file keeps."""
    read = [Group(source, name, seeds) for name in groups]
    measured = {group.name: measured_scores(group) for group in read}
    estimated = {group.name: estimated_scores(group) for group in read}
    chosen = {group.name: member_scores(group) for group in read if group.calibrated}
    show("From measured capacity, RMSE [% of SOH], mean of groups ± seeds", table(measured, HORIZONS))
    show("Of each group", group_table(measured, HORIZONS))
    show("From own estimates, RMSE [% of SOH]", table(estimated, ESTIMATED_HORIZONS))
    show("Of each group", group_table(estimated, ESTIMATED_HORIZONS))
    if chosen:
        show("Members, on training cells left out: what the choice rests on", table(chosen, HORIZONS))
    found = {"intervals": intervals(read), "end_of_life": life(read), "knees": knees(read)}
    for title, part in found.items():
        show(title, [f"{name}: {json.dumps(values)}" for name, values in part.items()])
    return {
        "configuration": {
            "groups": list(groups), "seeds": seeds, "horizons": list(HORIZONS), "members": list(MEMBERS),
            "estimated_members": list(ESTIMATED_MEMBERS), "code": fingerprint(),
        },
        "data_sha256": data_hash(source.shared),
        "measured": recorded(measured), "estimated": recorded(estimated), "training_cells_left_out": recorded(chosen), **found,
    }  # fmt: skip


def main() -> None:
    """Print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--results", type=Path, default=RESULTS, help="written only where all groups are in the table")
    chosen = parser.parse_args()
    shared = shared_data()
    if shared is None:
        raise SystemExit("the measured data are not here; they belong into ../shared/data, or set TWIN_SHARED_DATA")
    source = Source(shared, chosen.cache / fingerprint())
    groups = [group for group in GROUPS if group in chosen.groups]
    compute(source, groups, chosen.seeds)
    found = report(source, groups, chosen.seeds)
    if groups == list(GROUPS):
        chosen.results.parent.mkdir(parents=True, exist_ok=True)
        chosen.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
