"""How fast a mechanism must run to cost a wished fade, measured per condition, so that no condition favours a mechanism."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training.soh.modes.labels import MECHANISMS

if TYPE_CHECKING:
    from training.soh.modes.life import Bench

FloatArray = npt.NDArray[np.float64]

#: Multipliers tried of each mechanism; see `life.RATES`.
TRIED: dict[str, tuple[float, ...]] = {
    "sei": (30.0, 1e3, 1e4, 1e5),
    "plating": (0.005, 0.05, 0.5, 8.0),
    "lam_ne": (30.0, 300.0, 1500.0, 6000.0),
    "lam_pe": (100.0, 1000.0, 2200.0, 5000.0),
}
#: Fades at the end of a life, if every mechanism reaches them in the condition. [1]
FADES = (0.008, 0.08)


def table(bench: Bench, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Return (multiplier, fade after a whole life) of each mechanism alone; measured once and kept in `folder`."""
    from training.soh.modes.life import LOOKS, OFF, capacities

    path = folder / f"calibration-{bench.condition}.json"
    if path.is_file():
        return dict(json.loads(path.read_text("utf-8")))
    none = np.full(len(MECHANISMS), OFF)
    kept = capacities(bench, none, (1.0, 1.0, 1.0), LOOKS[-1:])
    found: dict[str, list[tuple[float, float]]] = {"none": [(0.0, float(1.0 - kept[-1] / kept[0]))]}
    for number, (mechanism, multipliers) in enumerate(TRIED.items()):
        found[mechanism] = []
        for multiplier in multipliers:
            chosen = none.copy()
            chosen[number] = multiplier
            try:
                left = capacities(bench, chosen, (1.0, 1.0, 1.0), LOOKS[-1:])
            except Exception as error:  # noqa: BLE001  a solver fails in its own ways; the condition goes on with the rates that ran
                print(f"{bench.condition}: {mechanism} at {multiplier:g} left out: {str(error)[:80]}", flush=True)
                continue
            found[mechanism].append((multiplier, float(1.0 - left[-1] / left[0])))
            if found[mechanism][-1][1] > FADES[1]:
                break  # faster still is not wanted, and is where solvers struggle
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def largest_fade(found: dict[str, list[tuple[float, float]]]) -> float:
    """Return the fade that every mechanism alone can reach in a condition, at most that of :data:`FADES`. [1]"""
    return min(FADES[1], *(0.95 * max(fade for _, fade in found[mechanism]) for mechanism in MECHANISMS))


def multipliers(found: dict[str, list[tuple[float, float]]], shares: FloatArray, severity: float) -> FloatArray:
    """Return the multiplier of each mechanism that costs its share of the last fade.

    Parameters
    ----------
    found : dict
        As :func:`table` gives it.
    shares : ndarray, shape (4,)
        Wished. [1]
    severity : float
        0 to 1 between the smallest and the largest fade, on a logarithmic scale. [1]
    """
    fade = FADES[0] * (largest_fade(found) / FADES[0]) ** severity
    return np.array([_multiplier(found[name], share * fade) for name, share in zip(MECHANISMS, shares, strict=True)])


def _multiplier(pairs: list[tuple[float, float]], fade: float) -> float:
    """Interpolate in logarithms; below the smallest measured fade in proportion to it."""
    usable = [(m, f) for m, f in pairs if f > 1e-5]
    multiplier, measured = np.array(usable).T
    measured = np.maximum.accumulate(measured)
    if fade < measured[0]:
        return float(multiplier[0] * max(fade, 1e-9) / measured[0])
    return float(np.exp(np.interp(np.log(fade), np.log(measured), np.log(multiplier))))
