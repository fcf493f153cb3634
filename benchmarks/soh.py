"""Time that `neural_soh` takes for one charge: its features and the network, one thread: ``python -m benchmarks.soh``.

`make bench` takes `lines` too. The charge is made here: a ramp of two hours and a tail of constant voltage at 10 s, then half an hour of
rest.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.processes import ROOT

WEIGHTS = ROOT / "models" / "neural_soh" / "weights.onnx"
REPEATS, WARM = 300, 30
#: Required and aimed at. [ms]
REQUIRED, AIM = 5.0, 1.0
Line = tuple[str, str, str, bool | None, str]


def charge() -> Any:
    """Return a charge of a cell of 5 Ah, as `segments.find` hands it out."""
    from models.neural_soh.segments import Rules, Samples, find

    seconds = np.arange(0.0, 4.0 * 3600.0, 10.0)
    ramp, tail = seconds < 6600.0, (seconds >= 6600.0) & (seconds < 9000.0)
    current = np.where(
        ramp, -2.5, np.where(tail, -2.5 * np.exp(-(seconds - 6600.0) / 900.0), np.where(seconds < 10800.0, 0.0, 5.0))
    )
    part = np.clip(seconds / 6600.0, 0.0, 1.0)
    voltage = np.where(seconds < 9000.0, 3.1 + 0.8 * part + 0.3 * part**4, 4.18)
    nothing = np.full(len(seconds), np.nan)
    warm = np.full(len(seconds), 25.0)
    found, _ = find(Samples((1000 * seconds).astype(np.int64), current, np.minimum(voltage, 4.2), warm, nothing), 5.0, Rules())
    return found[0]


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Return median and least time of a call. [ms]"""
    taken = []
    for number in range(WARM + repeats):
        began = time.perf_counter()
        call()
        if number >= WARM:
            taken.append(1e3 * (time.perf_counter() - began))
    return median(taken), min(taken)


def measured(repeats: int = REPEATS) -> dict[str, Any]:
    """Return times of features, network and both. [ms]"""
    from models.neural_soh.estimate import LENGTH, Estimator
    from models.neural_soh.features import features

    segment = charge()
    estimator = Estimator(WEIGHTS.read_bytes())
    row = features(segment, 5.0, "NMC")
    history = np.tile(row, (LENGTH, 1))

    def both() -> None:
        told = features(segment, 5.0, "NMC")
        estimator.outside(told, "NMC")
        estimator.estimate(history, "NMC")

    load = f"{os.getloadavg()[0]:.1f}"
    return {
        "features": timed(lambda: features(segment, 5.0, "NMC"), repeats),
        "network": timed(lambda: estimator.estimate(history, "NMC"), repeats),
        "both": timed(both, repeats),
        "points": len(segment.time),
        "repeats": repeats,
        "load": load,
    }


def lines(found: dict[str, Any] | None = None) -> list[Line]:
    """Return the line of the table of `make bench`.

    Parameters
    ----------
    found : dict, optional
        What was measured; measured anew when not given.
    """
    found = found or measured()
    middle, least = found["both"]
    how = (
        f"features {found['features'][0]:.2f} ms, network {found['network'][0]:.2f} ms; {found['points']} points, 8 charges of history, "
        f"onnxruntime, 1 thread; median of {found['repeats']}, least {least:.2f} ms; load {found['load']}"
    )
    goal = f"≤ {REQUIRED:g} ms, aim {AIM:g}"
    return [("SOH: one charge, features and network", f"{middle:.2f} ms", goal, middle <= REQUIRED, how)]


if __name__ == "__main__":
    if not WEIGHTS.exists():
        sys.exit("models/neural_soh/weights.onnx is not there; run python -m training.soh.ship.make")
    for line in lines():
        print(" | ".join(str(cell) for cell in line))
