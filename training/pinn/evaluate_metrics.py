"""Figures of merit, on arrays: no network, no simulation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

#: Samples of a bin at 1 Hz, as in `truth.BIN`.
SAMPLES = 5


def bin_mean(samples: np.ndarray) -> np.ndarray:
    """Mean over each bin of a signal that is linear between its samples.

    Parameters
    ----------
    samples : ndarray, shape (bins * SAMPLES + 1,)
        One value a second; a bin's last sample is the next bin's first.

    Returns
    -------
    ndarray, shape (bins,)
    """
    middle = (samples[1:] + samples[:-1]) / 2
    return middle.reshape(-1, SAMPLES).mean(1)


def bin_spread(samples: np.ndarray) -> np.ndarray:
    """Standard deviation within each bin of a signal that is linear between its samples; shapes as in :func:`bin_mean`."""
    first, last = samples[:-1], samples[1:]
    square = ((first**2 + first * last + last**2) / 3).reshape(-1, SAMPLES).mean(1)
    return np.sqrt(np.maximum(square - bin_mean(samples) ** 2, 0.0))


def rmse(error: np.ndarray) -> float:
    """Root of the mean square over every node."""
    return float(np.sqrt(np.mean(np.square(np.asarray(error, dtype=float)))))


def pooled(values: Iterable[float], weights: Iterable[float]) -> float:
    """RMSE over all runs from the RMSE and the number of nodes (or bins) of each."""
    errors, counts = np.asarray(list(values), dtype=float), np.asarray(list(weights), dtype=float)
    return float(np.sqrt((errors**2 * counts).sum() / counts.sum()))


def field_errors(truth: dict[str, Any], negative: np.ndarray, positive: np.ndarray, start: int = 0) -> dict[str, float]:
    """Errors of c(r, x, t) of one run.

    Parameters
    ----------
    truth : dict
        As from `truth.simulate`: fields (r, x, bins + 1), the first one at the start.
    negative, positive : ndarray, shape (bins, r, x)
        Predicted at the end of each bin. [mol/m3]
    start : int
        First bin that counts.

    Returns
    -------
    dict
        Node RMSE, RMSE of the outermost shell and RMSE of the mean over r and x, of each electrode. [mol/m3]
    """
    found = {}
    for name, predicted in (("negative", negative), ("positive", positive)):
        true = np.moveaxis(truth[name], 2, 0)[1:].astype(float)
        error = (predicted[: len(true)] - true)[start:]
        found[name] = rmse(error)
        found[f"{name}_surface"] = rmse(error[:, -1])
        found[f"{name}_mean"] = rmse((error * shell_volumes(error.shape[1])[None, :, None]).sum(1).mean(1))
    return found


def shell_volumes(count: int) -> np.ndarray:
    """Share of a sphere's volume in each of `count` shells of equal thickness."""
    edges = np.linspace(0.0, 1.0, count + 1)
    return edges[1:] ** 3 - edges[:-1] ** 3


def plating_errors(current: np.ndarray, true: np.ndarray, predicted: np.ndarray, below: float = 0.050) -> dict[str, float]:
    """Errors of the anode potential where it matters: charging bins whose true margin is small.

    Parameters
    ----------
    current : ndarray, shape (bins,)
        Mean of the bin, positive on discharge. [A]
    true, predicted : ndarray, shape (bins,)
        Mean of the bin of the margin to plating. [V]
    below : float
        A bin counts when its true margin is less. [V]

    Returns
    -------
    dict
        ``bins`` that count, ``millivolt`` their RMSE [mV], ``plating`` bins that truly plate, ``missed`` bins that plate and are
        called safe, ``false`` bins that are safe and are called plating.
    """
    counts = (current < 0) & (true < below)
    error = 1e3 * (predicted - true)[counts]
    plates, called = true[counts] < 0, predicted[counts] < 0
    return {
        "bins": int(counts.sum()),
        "millivolt": rmse(error) if counts.any() else float("nan"),
        "worst_millivolt": float(np.abs(error).max()) if counts.any() else float("nan"),
        "plating": int(plates.sum()),
        "missed": int((plates & ~called).sum()),
        "false": int((~plates & called).sum()),
    }


def coverage(true: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Share of true values that lie within their interval, ends included."""
    return float(np.mean((true >= low) & (true <= high)))


def mean_soc(truth: dict[str, Any], x0: float, x100: float, largest: float) -> np.ndarray:
    """State of charge at the end of each bin from the lithium in the negative electrode.

    Parameters
    ----------
    truth : dict
        As from `truth.simulate`.
    x0, x100 : float
        Stoichiometry of the negative electrode of the empty and of the full cell.
    largest : float
        Concentration of the fully lithiated negative electrode. [mol/m3]
    """
    field = np.moveaxis(truth["negative"], 2, 0)[1:].astype(float)
    stoichiometry = (field * shell_volumes(field.shape[1])[None, :, None]).sum(1).mean(1) / largest
    return (stoichiometry - x0) / (x100 - x0)
