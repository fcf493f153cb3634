"""Evaluate a row of the results table: exported weights on freshly simulated profiles.

    python -m training.pinn.evaluate known-start
    python -m training.pinn.evaluate hot --seeds 100000 8
    python -m training.pinn.evaluate known-start --ambient 10 --weights models/pinn_internal_state/data_only.onnx

Seeds of profiles and the temperature are chosen here; a record goes to `training/pinn/results`, which
`python -m training.pinn.report` makes a page of. Needs PyBaMM for profiles that the cache does not hold.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from training.pinn import evaluate_ageing, evaluate_rows
from training.pinn.evaluate_network import DATA_ONLY, WEIGHTS, sha256
from training.pinn.evaluate_profiles import FIRST_SEED

RESULTS = Path(__file__).parent / "results"
CACHE = Path(tempfile.gettempdir()) / "pinn-evaluation"
ROOT = Path(__file__).parents[2]

#: Function of each row, and what it takes when nothing is said on the command line.
ROWS: dict[str, tuple[Callable[..., dict[str, Any]], dict[str, Any]]] = {
    "known-start": (evaluate_rows.known_start, {"ambient": None}),
    "hot": (evaluate_rows.known_start, {"ambient": 55.0}),
    "cold": (evaluate_rows.known_start, {"ambient": 0.0}),
    "oregan": (evaluate_rows.known_start, {"ambient": None, "parameters": "ORegan2022", "count": 8}),
    "anode": (evaluate_rows.known_start, {"ambient": None, "kinds": ("dynamic", "charge"), "count": 20}),
    "anode-cold": (evaluate_rows.known_start, {"ambient": 0.0, "kinds": ("dynamic", "charge")}),
    "noisy-rest": (evaluate_rows.noisy_rest, {"ambient": None}),
    "noisy-rest-bias": (evaluate_rows.noisy_rest, {"ambient": None, "bias": True}),
    "noisy-middle": (evaluate_rows.noisy_middle, {"ambient": None}),
    "coverage": (evaluate_rows.coverage_rows, {"ambient": None}),
    "coverage-perturbed": (evaluate_rows.coverage_rows, {"ambient": None, "perturbed": True}),
    "mesh": (evaluate_rows.mesh_error, {"ambient": None, "count": 3}),
    "sei": (evaluate_ageing.sei_row, {"ambient": None}),
}
COUNT = 12
OREGAN = Path(__file__).parent / "oregan.onnx"
#: Committed weights, by the parameter set of the cell they are for; and how a record names each.
COMMITTED = {"OKane2022": WEIGHTS, "ORegan2022": OREGAN}
NAMES = {WEIGHTS.resolve(): "shipped", OREGAN.resolve(): "shipped", DATA_ONLY.resolve(): "data-only"}


def revision() -> str:
    """Return the commit the tree stands on, with a plus when something is changed."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain") else "")


def versions() -> dict[str, str]:
    """Return what it ran with."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "onnxruntime", "pybamm", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def shown(path: Path) -> str:
    """Return a path as it is written in a record: within the repository, or its name alone."""
    resolved = path.resolve()
    return str(resolved.relative_to(ROOT)) if resolved.is_relative_to(ROOT) else path.name


def training_seconds(weights: Path) -> float | None:
    """Return the CPU seconds that weights of the study were trained for, from what their training left beside them."""
    baseline, network = weights.with_suffix(".json"), weights.with_suffix("") / "record.json"
    if baseline.is_file():
        return float(json.loads(baseline.read_text("utf-8"))["log"][-1]["cpu"])
    return float(json.loads(network.read_text("utf-8"))["cpu_seconds"]) if network.is_file() else None


def record(
    row: str, variant: str, training_seed: int, weights: Path, settings: dict[str, Any], found: dict[str, Any]
) -> dict[str, Any]:
    """Return what is kept of an evaluation."""
    return {
        "row": row,
        "variant": variant,
        "training_seed": training_seed,
        "weights": shown(weights),
        "sha256": sha256(weights) if weights.is_file() else None,
        "training_cpu_seconds": training_seconds(weights),
        "revision": revision(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "versions": versions(),
        "settings": settings,
        **found,
    }


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=[*ROWS], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument(
        "--seeds", nargs=2, type=int, metavar=("FIRST", "COUNT"), help=f"profiles; {FIRST_SEED} {COUNT} unless said"
    )
    parser.add_argument("--ambient", type=float, help="temperature around the cell, °C")
    parser.add_argument(
        "--window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="of charge, of a fresh condition of `sei`"
    )
    parser.add_argument("--cycles", type=int, help="of a fresh condition of `sei`, which `--ambient` asks for; 300 unless said")
    parser.add_argument("--weights", type=Path, help="the committed ones of the row's parameter set unless said")
    parser.add_argument("--parameters", help="parameter set of the truth")
    parser.add_argument("--variant", help="name in the table; told from the weights unless said")
    parser.add_argument("--training-seed", type=int, default=0, help="seed the weights were trained with, for the table")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of simulated profiles")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--processes", type=int, default=1, help="simulations at a time")
    return parser.parse_args(words)


def chosen_weights(said: Path | None, parameters: str) -> Path:
    """Return the weights to evaluate.

    Raises
    ------
    SystemExit
        There are none for this parameter set, or they are committed ones for another: their error would be that of the mix-up.
    """
    if said is None and parameters not in COMMITTED:
        raise SystemExit(
            f"no weights are committed for {parameters}; name some with --weights (committed: {', '.join(COMMITTED)})"
        )
    weights = said or COMMITTED[parameters]
    for known, path in COMMITTED.items():
        if weights.resolve() == path.resolve() and known != parameters:
            raise SystemExit(
                f"{shown(weights)} is for {known}, and the truth would be of {parameters}; say both --weights and --parameters"
            )
    return weights


def main() -> None:
    """Evaluate a row and keep the record."""
    chosen = arguments()
    function, settings = ROWS[chosen.row]
    settings = {"first": FIRST_SEED, "count": COUNT, **settings}
    if chosen.seeds:
        settings["first"], settings["count"] = chosen.seeds
    said = ("ambient", "parameters", "window", "cycles")
    settings |= {name: getattr(chosen, name) for name in said if getattr(chosen, name) is not None}
    weights = chosen_weights(chosen.weights, settings.get("parameters", "OKane2022"))
    variant = chosen.variant or NAMES.get(weights.resolve(), weights.stem)
    started, busy = time.monotonic(), time.process_time()
    found = function(weights, cache=chosen.cache, processes=chosen.processes, **settings)
    found["seconds"] = round(time.monotonic() - started, 1)
    found["cpu_seconds"] = round(time.process_time() - busy, 1)
    kept = record(chosen.row, variant, chosen.training_seed, weights, settings, found)
    changed = "" if chosen.ambient is None else f"-{chosen.ambient:g}C"
    path = chosen.results / f"{chosen.row}{changed}-{variant}-{chosen.training_seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    print(json.dumps({key: value for key, value in kept.items() if key != "runs"}, indent=1))
    print(f"{path}: {len(kept.get('runs', []))} runs, {found['seconds']:.0f} s")


if __name__ == "__main__":
    main()
