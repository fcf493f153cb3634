"""The rows of the results table, each a function from weights and settings to a record's figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.pinn.evaluate_metrics import bin_mean, field_errors, plating_errors, pooled, rmse
from training.pinn.evaluate_network import open_network
from training.pinn.evaluate_profiles import Specimen, collect
from training.pinn.profiles import draw

FIELDS = ("negative", "positive", "negative_surface", "positive_surface", "negative_mean", "positive_mean")


def described(specimen: Specimen) -> dict[str, Any]:
    """Return what a profile was."""
    truth = specimen.truth
    return {
        "seed": specimen.seed,
        "kind": str(truth["kind"]),
        "ambient": round(float(truth["ambient"]), 2),
        "soc": round(float(truth["soc"]), 3),
        "warmest": round(float(truth["temperature"].max()) - 273.15, 1),
        "bins": (len(truth["current"]) - 1) // 5,
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures over all runs: every bin of every run counts alike; and the worst run of each electrode."""
    found: dict[str, Any] = {}
    weights = [run["bins"] for run in runs]
    for name in FIELDS:
        if name in runs[0]:
            found[name] = round(pooled((run[name] for run in runs), weights), 3)
    for name in ("negative", "positive"):
        worst = max(runs, key=lambda run: float(run[name]))
        found[f"worst_{name}"] = {"seed": worst["seed"], "rmse": round(float(worst[name]), 3)}
    if "voltage" in runs[0]:
        found["voltage_millivolt"] = round(pooled((run["voltage"] for run in runs), weights), 3)
    plating = [run["plating"] for run in runs if run.get("plating", {}).get("bins")]
    if plating:
        found["plating"] = {name: sum(int(one[name]) for one in plating) for name in ("bins", "plating", "missed", "false")}
        found["plating"]["millivolt"] = round(
            pooled((one["millivolt"] for one in plating), (one["bins"] for one in plating)), 3
        )
        found["plating"]["worst_millivolt"] = round(max(one["worst_millivolt"] for one in plating), 3)
    return found


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Return figures as they are kept."""
    return {name: round(value, 3) if np.isfinite(value) else 0.0 for name, value in values.items()}


def known_start(
    weights: Path,
    cache: Path,
    first: int,
    count: int,
    ambient: float | None,
    parameters: str = "OKane2022",
    kinds: Sequence[str] | None = None,
    processes: int = 1,
) -> dict[str, Any]:
    """Fields, voltage and anode potential of runs whose relaxed start is known."""
    network = open_network(weights)
    accept = None if kinds is None else lambda seed: draw(seed, ambient).kind in kinds
    specimens, replaced = collect(cache, count, first, ambient, parameters, processes=processes, accept=accept)
    runs = []
    for specimen in specimens:
        truth, run = specimen.truth, described(specimen)
        said = network.predict(truth)
        run |= rounded(field_errors(truth, said.negative, said.positive))
        if said.voltage is not None:
            run["voltage"] = round(1e3 * rmse(said.voltage - bin_mean(truth["voltage"])), 3)
        if said.margin is not None:
            anode = bin_mean(truth["anode"])
            run["margin"] = round(1e3 * rmse(said.margin - anode), 3)
            run["plating"] = rounded(plating_errors(bin_mean(truth["current"]), anode, said.margin))
        runs.append(run)
        print(f"  {run['seed']} {run['kind']}: {run['negative']:.1f} / {run['positive']:.1f} mol/m3", flush=True)
    return {"summary": summary(runs), "replaced": replaced, "runs": runs}


def mesh_error(
    weights: Path, cache: Path, first: int, count: int, ambient: float | None, parameters: str = "OKane2022", processes: int = 1
) -> dict[str, Any]:
    """Error of the truth itself: fields on 20 points against fields on 40, averaged to 20 by volume of shell."""
    from training.pinn.truth import simulate

    specimens, replaced = collect(cache, count, first, ambient, parameters, processes=processes)
    runs = []
    for specimen in specimens:
        fine = simulate(draw(specimen.seed, ambient), parameters, points=40)
        bins = min(fine["negative"].shape[2], specimen.truth["negative"].shape[2]) - 1
        coarse = {side: halved(fine[side]) for side in ("negative", "positive")}
        truth = {side: specimen.truth[side][..., : bins + 1] for side in coarse}
        errors = field_errors(truth, *(np.moveaxis(coarse[side], 2, 0)[1 : bins + 1] for side in coarse))
        run = described(specimen) | rounded(errors)
        run["margin"] = round(1e3 * rmse(bin_mean(fine["anode"])[:bins] - bin_mean(specimen.truth["anode"])[:bins]), 3)
        runs.append(run)
        print(
            f"  {run['seed']} {run['kind']}: {run['negative']:.2f} / {run['positive']:.2f} mol/m3, {run['margin']} mV",
            flush=True,
        )
    return {"summary": summary(runs), "replaced": replaced, "runs": runs}


def halved(field: np.ndarray) -> np.ndarray:
    """Average a field (r, x, t) onto half as many cells along r, by volume, and along x."""
    edges = np.linspace(0.0, 1.0, len(field) + 1)
    volume = (edges[1:] ** 3 - edges[:-1] ** 3)[:, None, None]
    thin = (field * volume).reshape(-1, 2, *field.shape[1:]).sum(1) / volume.reshape(-1, 2, 1, 1).sum(1)
    return (thin[:, ::2] + thin[:, 1::2]) / 2


def noisy_rest(weights: Path, **settings: Any) -> dict[str, Any]:
    """Fields from noisy V, I, T of runs that start relaxed at an unknown state of charge."""
    from training.pinn import evaluate_noisy

    return evaluate_noisy.from_rest(weights, **settings)


def noisy_middle(weights: Path, **settings: Any) -> dict[str, Any]:
    """Fields from noisy V, I, T of runs that are entered in mid-profile, after 30 minutes."""
    from training.pinn import evaluate_noisy

    return evaluate_noisy.from_middle(weights, **settings)


def coverage_rows(weights: Path, **settings: Any) -> dict[str, Any]:
    """Share of the truth within the 90 % intervals."""
    from training.pinn import evaluate_noisy

    return evaluate_noisy.coverage_of_intervals(weights, **settings)
