"""What a forecaster sees of a cell at a charge: the history of its health and the drift of its charges; nothing of the future.

NumPy alone, so that the same lines run in training and in service. Every figure of a charge is a sum in one fixed order over the
charges up to it, which makes it bit-identical whether the life goes on or not: matrix products and pandas' rolling windows are not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Charges that must be known before anything is forecast.
SHORTEST = 20
#: Charges whose health is looked back on; a service has to carry these, the sums over the first ones and the count, no more.
MEMORY = 50
#: Charges that say what the cell was like when new.
FRESH = 5
#: Lags whose health is seen as it is, next to the newest. [charges]
LAGS = (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 15, 16, 19, 24, 29, 39, 49)
#: Windows of a straight line, and of a parabola. [charges]
LINES = (5, 10, 20, 35, 50)
PARABOLAS = (20, 50)
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


def weighted(values: Floats, weights: Floats) -> Floats:
    """Return for each charge the sum over the charges up to it, weighted by how far back they are.

    Parameters
    ----------
    values : ndarray, shape (N,) or (N, F)
    weights : ndarray, shape (W, W)
        Row m holds the weights of the newest, the second newest, ... where m + 1 charges are known, zero beyond.

    Returns
    -------
    ndarray, shape of `values`
    """
    count, window = len(values), len(weights)
    rows = np.arange(count)
    known = np.minimum(rows, window - 1)
    shape = (-1,) + (1,) * (values.ndim - 1)
    total = np.zeros_like(values)
    for lag in range(min(window, count)):
        total = total + weights[known, lag].reshape(shape) * values[np.maximum(rows - lag, 0)]
    return total


def polynomial_weights(window: int, degree: int, derivative: int) -> Floats:
    """Return the weights of :func:`weighted` that give a coefficient of the least-squares polynomial through the last charges.

    Parameters
    ----------
    window : int
        Of the polynomial; shorter while fewer charges are known. [charges]
    degree : int
    derivative : int
        0 for the value at the newest charge, 1 for the slope there, 2 for half the second derivative. [charges]

    Notes
    -----
    With fewer than ``degree + 2`` charges a slope is 0 and the value is the mean.
    """
    table = np.zeros((window, window))
    for known in range(1, window + 1):
        if known < degree + 2:
            table[known - 1, :known] = 1 / known if derivative == 0 else 0.0
            continue
        design = np.vander(-np.arange(known, dtype=float), degree + 1, increasing=True)
        table[known - 1, :known] = np.linalg.pinv(design)[derivative]
    return table


def lagged(values: Floats, lag: int) -> Floats:
    """Return the values `lag` charges ago, the first one where there are not that many."""
    return values[np.maximum(np.arange(len(values)) - lag, 0)]


def recent_median(values: Floats, window: int) -> Floats:
    """Return the median of the last charges of each column; `window` must be odd."""
    seen = np.stack([lagged(values, lag) for lag in range(window)])
    return np.asarray(np.sort(seen, axis=0)[window // 2])


def running_mean(values: Floats, first: int) -> Floats:
    """Return the mean of the first charges, of as many as are known of them."""
    count = np.minimum(np.arange(len(values)), first - 1)
    sums = np.cumsum(values[:first], axis=0)
    divisor = (count + 1.0).reshape((-1,) + (1,) * (values.ndim - 1))
    return np.asarray(sums[count] / divisor)


def theil_sen(values: Floats, window: int = SHORTEST) -> Floats:
    """Return the median slope between each charge of the newer half of the window and the one half a window earlier. [1/charge]

    Notes
    -----
    Theil's incomplete method: a tenth of the pairs of the full one, and fixed memory.

    References
    ----------
    Sen, J. Am. Stat. Assoc. 63 (1968) 1379, doi:10.1080/01621459.1968.10480934
    """
    half = window // 2
    span = np.minimum(np.arange(len(values)), half).astype(float)
    slopes = np.stack([lagged(values, lag) - lagged(values, lag + half) for lag in range(half)])
    return np.asarray(np.median(slopes, axis=0) / np.maximum(span, 1.0))


def health_names() -> list[str]:
    """Return the names of the columns of :func:`health_history`."""
    names = [f"health {lag} charges ago, less now" for lag in LAGS]
    for window in LINES:
        names += [f"line of {window}, less now", f"slope of {window}", f"scatter of {window}"]
    names += [f"curvature of {window}" for window in PARABOLAS]
    return [*names, "median slope", "median of 5, less now", "health", "loss since new", "mean rate", "log of charges"]


def health_history(soh: Floats) -> Floats:
    """Return what is seen of the health of each charge's past; a row for each charge.

    Parameters
    ----------
    soh : ndarray, shape (N,)
        Measured or estimated health up to and with each charge. [1]

    Returns
    -------
    ndarray, shape (N, columns of :func:`health_names`)
        Slopes per hundred charges, so that all columns are of similar size.
    """
    columns = [lagged(soh, lag) - soh for lag in LAGS]
    for window in LINES:
        level = weighted(soh, polynomial_weights(window, 1, 0))
        mean = weighted(soh, polynomial_weights(window, 0, 0))
        square = weighted((soh - 1.0) ** 2, polynomial_weights(window, 0, 0))
        scatter = np.sqrt(np.maximum(square - (mean - 1.0) ** 2, 0.0))
        columns += [level - soh, 100 * weighted(soh, polynomial_weights(window, 1, 1)), scatter]
    columns += [1e4 * weighted(soh, polynomial_weights(window, 2, 2)) for window in PARABOLAS]
    count = np.arange(1.0, len(soh) + 1)
    loss = soh - running_mean(soh, FRESH)
    columns += [100 * theil_sen(soh), recent_median(soh, 5) - soh, soh, loss, 100 * loss / count, np.log(count)]
    return np.stack(columns, axis=1)


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
