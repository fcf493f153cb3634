"""Estimators from V, I, T, behind one face: the plugin's own, and the noisy data-only baseline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from training.pinn.evaluate_metrics import SAMPLES, bin_mean, bin_spread
from training.pinn.evaluate_network import open_session, padded

if TYPE_CHECKING:
    from training.pinn.evaluate_noisy import Measured


@dataclass(frozen=True)
class Estimate:
    """What an estimator says of a run.

    Attributes
    ----------
    negative, positive : ndarray, shape (bins, r, x)
        At the end of each bin. [mol/m3]
    margin : ndarray, shape (bins,), or None
        Mean of the bin. [V]
    low, high : dict
        Ends of the 90 % intervals by name: ``negative``, ``positive``, ``margin``, ``soc``, ``voltage``; what has none is absent.
    seconds : float, optional
        That the estimate took.
    """

    negative: np.ndarray
    positive: np.ndarray
    margin: np.ndarray | None = None
    low: dict[str, np.ndarray] = field(default_factory=dict)
    high: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: float | None = None


def estimator(weights: Path, perturbed: bool = False) -> Callable[[Measured], Estimate]:
    """Return the estimator that belongs to a file of weights; `perturbed` tells the plugin's that parameters are 10 to 20 % off."""
    names = {one.name for one in open_session(weights).get_inputs()}
    return data_only(weights) if "voltage0" in names else plugin(weights, perturbed)


def data_only(weights: Path) -> Callable[[Measured], Estimate]:
    """Return the noisy data-only baseline; it has no intervals."""
    session = open_session(weights)

    def estimate(seen: Measured) -> Estimate:
        started = time.perf_counter()
        current = bin_mean(seen.current)
        inputs = {
            "current": padded(current, 0.0),
            "spread": padded(bin_spread(seen.current), 0.0),
            "temperature": padded(bin_mean(seen.temperature)),
            "voltage": padded(bin_mean(seen.voltage)),
            "voltage0": np.array([[seen.voltage[0]]], np.float32),
            "seconds": padded(np.full(len(current), float(SAMPLES)), 0.0),
        }
        negative, positive = session.run(["negative", "positive"], inputs)
        bins = len(current)
        return Estimate(negative[0, :bins], positive[0, :bins], seconds=time.perf_counter() - started)

    return estimate


def plugin(weights: Path, perturbed: bool = False) -> Callable[[Measured], Estimate]:
    """Return the plugin's estimator, which is told whether the cell was at rest and nothing of its charge."""
    from models.pinn_internal_state.belief import KNOWN, PERTURBED
    from models.pinn_internal_state.estimate import estimate as of_samples
    from models.pinn_internal_state.forward import open_network
    from models.pinn_internal_state.states import KELVIN

    thorough = weights.with_name("thorough.onnx")
    network = open_network(weights.read_bytes(), thorough.read_bytes() if thorough.is_file() else None)
    uncertainty = PERTURBED if perturbed else KNOWN

    def estimate(seen: Measured) -> Estimate:
        started = time.perf_counter()
        seconds = np.arange(len(seen.current)) * 1.0
        start: Literal["rest", "unknown"] = "rest" if seen.rested else "unknown"
        found = of_samples(seen.current, seen.voltage, seen.temperature - KELVIN, seconds, network, start, uncertainty)
        names = ("negative", "positive", "margin", "soc", "voltage")
        low = {name: getattr(found, name) - getattr(found, f"{name}_half") for name in names}
        high = {name: getattr(found, name) + getattr(found, f"{name}_half") for name in names}
        return Estimate(found.negative, found.positive, found.margin, low, high, time.perf_counter() - started)

    return estimate
