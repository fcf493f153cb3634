"""What a forecaster sees of the health of a cell at a charge: the history of its estimates, nothing of the future.

NumPy alone, so that the same lines run in training and in service. Every figure of a charge is a sum in one fixed order over the
charges up to it, which makes it bit-identical whether the life goes on or not: matrix products and pandas' rolling windows are not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Charges that must be known before anything is forecast.
SHORTEST = 20
#: Charges whose health is looked back on; a service has to carry these, the first ones and the count, no more.
MEMORY = 50
#: Charges that say what the cell was like when new; where estimates scatter, the second.
FRESH, FIRST = 5, 20
#: Lags whose health is seen as it is, next to the newest. [charges]
LAGS = (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 15, 16, 19, 24, 29, 39, 49)
#: Windows of a straight line, and of a parabola. [charges]
LINES = (5, 10, 20, 35, 50)
PARABOLAS = (20, 50)
#: Windows of a median. [charges]
MEDIANS = (11, 21)


def weighted(values: FloatArray, weights: FloatArray) -> FloatArray:
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


def polynomial_weights(window: int, degree: int, derivative: int) -> FloatArray:
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


#: Weights by window, degree and derivative: made once, for a pseudo-inverse costs more than a forecast.
_WEIGHTS = {
    **{(window, 0, 0): polynomial_weights(window, 0, 0) for window in LINES},
    **{(window, 1, derivative): polynomial_weights(window, 1, derivative) for window in LINES for derivative in (0, 1)},
    **{(window, 2, 2): polynomial_weights(window, 2, 2) for window in PARABOLAS},
}


def lagged(values: FloatArray, lag: int) -> FloatArray:
    """Return the values `lag` charges ago, the first one where there are not that many."""
    return values[np.maximum(np.arange(len(values)) - lag, 0)]


def recent_median(values: FloatArray, window: int) -> FloatArray:
    """Return the median of the last charges of each column; `window` must be odd."""
    seen = np.stack([lagged(values, lag) for lag in range(window)])
    return np.asarray(np.sort(seen, axis=0)[window // 2])


def running_mean(values: FloatArray, first: int) -> FloatArray:
    """Return the mean of the first charges, of as many as are known of them."""
    count = np.minimum(np.arange(len(values)), first - 1)
    sums = np.cumsum(values[:first], axis=0)
    divisor = (count + 1.0).reshape((-1,) + (1,) * (values.ndim - 1))
    return np.asarray(sums[count] / divisor)


def theil_sen(values: FloatArray, window: int = SHORTEST) -> FloatArray:
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


def health_history(soh: FloatArray, count: FloatArray | None = None) -> FloatArray:
    """Return what is seen of the health of each charge's past; a row for each charge.

    Parameters
    ----------
    soh : ndarray, shape (N,)
        Measured or estimated health up to and with each charge. [1]
    count : ndarray, shape (N,), optional
        Charges known up to and with each; 1, 2, ... unless something between is left out.

    Returns
    -------
    ndarray, shape (N, columns of :func:`health_names`)
        Slopes per hundred charges, so that all columns are of similar size.
    """
    columns = [lagged(soh, lag) - soh for lag in LAGS]
    for window in LINES:
        level = weighted(soh, _WEIGHTS[window, 1, 0])
        mean = weighted(soh, _WEIGHTS[window, 0, 0])
        square = weighted((soh - 1.0) ** 2, _WEIGHTS[window, 0, 0])
        scatter = np.sqrt(np.maximum(square - (mean - 1.0) ** 2, 0.0))
        columns += [level - soh, 100 * weighted(soh, _WEIGHTS[window, 1, 1]), scatter]
    columns += [1e4 * weighted(soh, _WEIGHTS[window, 2, 2]) for window in PARABOLAS]
    known = np.arange(1.0, len(soh) + 1) if count is None else count
    loss = soh - running_mean(soh, FRESH)
    columns += [100 * theil_sen(soh), recent_median(soh, 5) - soh, soh, loss, 100 * loss / known, np.log(known)]
    return np.stack(columns, axis=1)


def names() -> list[str]:
    """Return the names of the columns of :func:`history_inputs`."""
    medians = [f"median of {window}, less now" for window in MEDIANS]
    return [*health_names(), *medians, "roughness", "loss since the first, of medians", "mean rate of medians"]


def history_inputs(soh: FloatArray, count: FloatArray | None = None) -> FloatArray:
    """Return what the shipped forecaster sees: :func:`health_history`, and what stays of it where estimates scatter.

    Parameters and the shape are those of :func:`health_history`.

    Returns
    -------
    ndarray, shape (N, columns of :func:`names`)
    """
    known = np.arange(1.0, len(soh) + 1) if count is None else count
    medians = [recent_median(soh, window) for window in MEDIANS]
    rough = np.abs(soh - 2 * lagged(soh, 1) + lagged(soh, 2))
    roughness = np.zeros_like(soh)
    for lag in range(SHORTEST - 2):  # one by one: a mean over an axis adds in an order that depends on how many rows there are
        roughness = roughness + lagged(rough, lag) / (SHORTEST - 2)
    loss = medians[0] - running_mean(soh, FIRST)
    extra = [*(median - soh for median in medians), roughness, loss, 100 * loss / known]
    return np.hstack([health_history(soh, known), np.stack(extra, axis=1)])
