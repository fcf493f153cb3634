"""Rows in which only noisy voltage, current and temperature are known: from rest, with a bias, entered in mid-profile, intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.pinn import cell as cell_file
from training.pinn.evaluate_estimators import Estimate, estimator
from training.pinn.evaluate_metrics import bin_mean, coverage, field_errors, mean_soc, pooled, rmse
from training.pinn.evaluate_profiles import Specimen, collect
from training.pinn.evaluate_rows import described, rounded, summary

#: White noise of the sensors, each sample by itself, and the bias of the row with one: volt, ampere, kelvin.
NOISE = {"voltage": 1e-3, "current": 10e-3, "temperature": 0.1}
BIAS = {"voltage": 2e-3, "current": 10e-3}
#: Sample at which a run is entered in mid-profile, and samples after it before errors count. [s]
ENTRY, SETTLED = 1200, 1800
REST_SOC, MIDDLE_SOC = (0.15, 0.85), (0.2, 0.8)
SIDES = ("negative", "positive")


@dataclass(frozen=True)
class Measured:
    """What sensors say of a run.

    Attributes
    ----------
    current, voltage, temperature : ndarray, shape (samples,)
        One value a second. [A, V, K]
    rested : bool
        The cell was at rest before the first sample.
    """

    current: np.ndarray
    voltage: np.ndarray
    temperature: np.ndarray
    rested: bool


def measured(truth: dict[str, Any], seed: int, begin: int = 0, bias: bool = False) -> Measured:
    """Draw what sensors say of a run from sample `begin` on; the same seed draws the same noise."""
    random = np.random.default_rng([20261123, seed])
    signs = random.choice((-1.0, 1.0), 2)
    seen = {}
    for name, size in NOISE.items():
        samples = truth[name][begin:]
        seen[name] = samples + size * random.normal(size=len(samples))
    if bias:
        for sign, (name, size) in zip(signs, BIAS.items(), strict=True):
            seen[name] = seen[name] + sign * size
    return Measured(**seen, rested=begin == 0)


def cut(truth: dict[str, Any], begin: int) -> dict[str, Any]:
    """Return a run from sample `begin` on, a multiple of the bin's length."""
    found = dict(truth)
    for name in ("current", "temperature", "voltage", "anode"):
        found[name] = truth[name][begin:]
    for name in SIDES:
        found[name] = truth[name][..., begin // 5 :]
    return found


def soc_of(truth: dict[str, Any]) -> np.ndarray:
    """State of charge at the end of each bin, from the truth's lithium."""
    cell = cell_file.load()
    return mean_soc(truth, *cell["window"]["negative"], cell["negative"]["largest"])


def covered(truth: dict[str, Any], found: Estimate, counts: np.ndarray) -> dict[str, float]:
    """Return the share of nodes of both fields, of the margin and of state of charge within their intervals, over bins that count."""
    shares: dict[str, float] = {}
    for side in SIDES:
        if side in found.low:
            true = np.moveaxis(truth[side], 2, 0)[1:][counts]
            shares[side] = coverage(true, found.low[side][counts], found.high[side][counts])
    for name, true in (("margin", bin_mean(truth["anode"])), ("soc", soc_of(truth)), ("voltage", bin_mean(truth["voltage"]))):
        if name in found.low:
            shares[name] = coverage(true[counts], found.low[name][counts], found.high[name][counts])
    return rounded(shares)


def evaluated(
    specimen: Specimen, begin: int, settled: int, bias: bool, estimate: Callable[[Measured], Estimate]
) -> dict[str, Any]:
    """Estimate one run and compare from `settled` seconds after its entry on."""
    truth = cut(specimen.truth, begin)
    found = estimate(measured(specimen.truth, specimen.seed, begin, bias))
    bins = np.arange((len(truth["current"]) - 1) // 5)
    counts = bins >= settled // 5
    if begin:
        soc = soc_of(truth)
        counts &= (soc >= MIDDLE_SOC[0]) & (soc <= MIDDLE_SOC[1])
    run = described(specimen) | {"bins": int(counts.sum())}
    if not counts.any():
        return run
    part = {side: np.concatenate([truth[side][..., :1], truth[side][..., 1:][..., counts]], -1) for side in SIDES}
    run |= rounded(field_errors(part, found.negative[bins][counts], found.positive[bins][counts]))
    run["start"] = begin
    if found.margin is not None:
        run["margin"] = round(1e3 * rmse((found.margin[bins] - bin_mean(truth["anode"]))[counts]), 3)
    run["coverage"] = covered(truth, found, counts)
    if found.seconds is not None:
        run["estimate_seconds"] = round(found.seconds, 2)
    print(
        f"  {run['seed']} {run['kind']} SOC {run['soc']}: {run['negative']:.0f} / {run['positive']:.0f} mol/m3 {run['coverage']}",
        flush=True,
    )
    return run


def with_coverage(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures over all runs, with the mean coverage of each quantity, every bin counted alike, and the worst run's."""
    if not runs:
        return {}
    found = summary(runs)
    weights = np.array([run["bins"] for run in runs], float)
    if all("margin" in run for run in runs):
        found["margin_millivolt"] = round(pooled((run["margin"] for run in runs), weights), 3)
    names = set.intersection(*(set(run["coverage"]) for run in runs))
    shares = {name: np.array([run["coverage"][name] for run in runs]) for name in sorted(names)}
    found["coverage"] = {name: round(float((share * weights).sum() / weights.sum()), 3) for name, share in shares.items()}
    found["coverage_worst_run"] = {name: round(float(share.min()), 3) for name, share in shares.items()}
    return found


def _all(weights: Path, begin: int, settled: int, bias: bool, chosen: dict[str, Any]) -> tuple[list[dict[str, Any]], list[int]]:
    estimate = estimator(weights, bool(chosen.get("perturbed")))
    specimens, replaced = collect(**chosen)
    long_enough = [one for one in specimens if len(one.truth["current"]) > begin + settled + 60]
    left_out = [one.seed for one in specimens if one not in long_enough]
    if left_out:
        print(f"  ended before there was anything to count: {left_out}")
    return [evaluated(one, begin, settled, bias, estimate) for one in long_enough], replaced


def from_rest(weights: Path, bias: bool = False, **chosen: Any) -> dict[str, Any]:
    """From rest at an unknown state of charge; starts outside 0.15 to 0.85 are reported apart."""
    runs, replaced = _all(weights, 0, 0, bias, chosen)
    inside = [run for run in runs if REST_SOC[0] <= run["soc"] <= REST_SOC[1]]
    outside = [run for run in runs if run not in inside]
    return {"summary": with_coverage(inside), "outside": with_coverage(outside), "replaced": replaced, "runs": runs}


def from_middle(weights: Path, **chosen: Any) -> dict[str, Any]:
    """Entered after 20 minutes of load, gradients unknown; errors count 30 minutes later, at a SOC of 0.2 to 0.8."""
    runs, replaced = _all(weights, ENTRY, SETTLED, False, chosen)
    counted = [run for run in runs if run["bins"]]
    return {"summary": with_coverage(counted), "replaced": replaced, "runs": runs}


def coverage_of_intervals(weights: Path, **chosen: Any) -> dict[str, Any]:
    """Coverage from rest, with the truth's parameters perturbed when asked for; every start counts."""
    runs, replaced = _all(weights, 0, 0, False, chosen)
    return {"summary": with_coverage(runs), "replaced": replaced, "runs": runs}
