"""What a forecaster sees of a cell at a charge: the history of its health and the drift of its charges; nothing of the future.

The history of health is what the plugin itself uses, `models/neural_soh/forecast_history.py`; the drift of the literature's statistics of
charges is here. Figures are bit-identical whether the life goes on or not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.neural_soh.forecast_history import (
    FRESH,
    LINES,
    MEMORY,
    SHORTEST,
    health_history,
    health_names,
    polynomial_weights,
    recent_median,
    running_mean,
    theil_sen,
    weighted,
)

__all__ = [
    "FRESH", "LINES", "MEMORY", "SHORTEST", "charge_drift", "charge_state", "estimate_inputs", "filled", "forecast_inputs",
    "health_history", "health_names", "recent_median", "running_mean", "theil_sen", "weighted",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

#: Charges that the drift of a charge's statistics is measured against, and over.
REFERENCE, RECENT = 10, 5


def filled(values: Floats) -> Floats:
    """Return the columns with each missing value replaced by the last known one, and by zero before there is any.

    Examples
    --------
    >>> filled(np.array([[np.nan], [2.0], [np.nan]])).ravel().tolist()
    [0.0, 2.0, 2.0]
    """
    rows = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(np.isfinite(values), rows, -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=0), 0.0)


def charge_drift(features: Floats) -> Floats:
    """Return how the statistics of the last charges differ from those of the first, and how fast they change.

    Parameters
    ----------
    features : ndarray, shape (N, F)
        Of each charge, NaN where one could not be told.

    Returns
    -------
    ndarray, shape (N, 2 F)
        Recent median less the mean of the first charges, and the slope over the last 20 per hundred charges.
    """
    values = filled(features)
    smooth = recent_median(values, RECENT)
    drift = smooth - running_mean(values, REFERENCE)
    return np.hstack([drift, 100 * weighted(smooth, polynomial_weights(SHORTEST, 1, 1))])


def charge_state(features: Floats) -> Floats:
    """Return the recent median of the statistics of the last charges, and of the last charge alone; a row for each charge."""
    values = filled(features)
    return np.hstack([recent_median(values, RECENT), values])


def estimate_inputs(features: Floats) -> Floats:
    """Return what an estimate of health without any measured capacity may see: state and drift of the charges, and their count."""
    count = np.log(np.arange(1.0, len(features) + 1))
    return np.hstack([charge_state(features), charge_drift(features), count[:, None]])


def forecast_inputs(soh: Floats, features: Floats) -> Floats:
    """Return what a forecast may see: the history of health, and state and drift of the charges."""
    return np.hstack([health_history(soh), charge_state(features)[:, : features.shape[1]], charge_drift(features)])
