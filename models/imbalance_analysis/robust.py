"""Medians, robust scatter and trends over cells, and the limit beyond which one cell is an outlier among n.

Arrays of snapshots have one row a snapshot and one column a cell; NaN is a cell without a sample.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Makes the median absolute deviation a standard deviation for normal scatter.
NORMAL = 1.4826
#: Base of the outlier limit; `outlier_limit` says what it means.
BASE_LIMIT = 6.0


def row_medians(values: FloatArray) -> FloatArray:
    """Return the median of every row, NaN left out.

    Parameters
    ----------
    values : array, shape (n, k)
        One row a snapshot.

    Returns
    -------
    array, shape (n,)
        NaN where a row has no value.

    Examples
    --------
    >>> row_medians(np.array([[3.0, 1.0, 2.0], [1.0, np.nan, 4.0]])).tolist()
    [2.0, 2.5]
    """
    ordered = np.sort(values, axis=1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=1)
    rows = np.arange(len(values))
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, values.shape[1] - 1)
    return np.where(count > 0, 0.5 * (ordered[rows, low] + ordered[rows, high]), np.nan)


def row_midmeans(values: FloatArray) -> FloatArray:
    """Return the mean of the middle half of every row, NaN left out: as robust as quartiles, finer than the resolution.

    Examples
    --------
    >>> row_midmeans(np.array([[1.0, 2.0, 3.0, 90.0, np.nan]])).tolist()
    [2.5]
    """
    ordered = np.sort(values, axis=1)
    count = (~np.isnan(ordered)).sum(axis=1)[:, None]
    place = np.arange(values.shape[1])
    middle = (place >= count // 4) & (place < count - count // 4)
    total = np.where(middle, ordered, 0.0).sum(axis=1)
    return np.asarray(np.where(count[:, 0] > 0, total / np.maximum(middle.sum(axis=1), 1), np.nan), dtype=np.float64)


def column_medians(values: FloatArray) -> FloatArray:
    """Return the median of every column, NaN left out; shape (n, k) -> (k,)."""
    return row_medians(np.ascontiguousarray(values.T))


def median(values: FloatArray) -> float:
    """Return the median of finite values, NaN where there is none."""
    ordered = np.sort(values[np.isfinite(values)])  # np.median does the same, ten times slower on so few values
    count = len(ordered)
    return float(0.5 * (ordered[(count - 1) // 2] + ordered[count // 2])) if count else float("nan")


def scatter(values: FloatArray, floor: float = 0.0) -> float:
    """Return 1.4826 times the median absolute deviation, at least `floor`.

    Examples
    --------
    >>> round(scatter(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), 4)
    1.4826
    """
    centre = median(values)
    spread = NORMAL * median(np.abs(values - centre))
    return max(spread, floor) if np.isfinite(spread) else floor


def outlier_limit(cells: int, base: float = BASE_LIMIT) -> float:
    r"""Return beyond how many robust standard deviations one of n cells is an outlier.

    .. math:: k(n) = b\,(1 + 4/n)

    Parameters
    ----------
    cells : int
        Cells compared.
    base : float, optional
        b; the limit for a very long string.

    Returns
    -------
    float
        7.5 for 16 cells, 6.25 for 96.

    Notes
    -----
    The second term pays for the uncertainty of a scatter that is itself estimated from n values. Simulated, the
    chance that a healthy string has one or more such cells: normal scatter 0.2 % (n = 16), 0.004 % (n = 96);
    Student's t with 8 degrees of freedom, whose tails are heavier, 0.8 % and 2.4 %. Deviations persist, so this is a
    chance per string, not per look.

    Examples
    --------
    >>> outlier_limit(16), outlier_limit(96)
    (7.5, 6.25)
    """
    return base * (1.0 + 4.0 / max(cells, 1))


def trends(days: FloatArray, values: FloatArray) -> FloatArray:
    """Return the Theil-Sen slope of every column: the median of the slopes of all pairs.

    Parameters
    ----------
    days : array, shape (m,)
        Ascending. [d]
    values : array, shape (m, k)
        One row a day. [mV]

    Returns
    -------
    array, shape (k,)
        NaN where fewer than two rows have a value. [mV/d]

    References
    ----------
    P. K. Sen, J. Am. Stat. Assoc. 63 (1968) 1379-1389, doi:10.1080/01621459.1968.10480934.

    Examples
    --------
    >>> trends(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([[0.0], [-2.0], [-4.0], [-6.0], [99.0]])).tolist()
    [-2.0]
    """
    first, second = np.triu_indices(len(days), 1)
    if not len(first):
        return np.full(values.shape[1], np.nan)
    slopes = (values[second] - values[first]) / (days[second] - days[first])[:, None]
    return column_medians(slopes)


def trend_errors(days: FloatArray, values: FloatArray, slopes: FloatArray, resolution: float) -> FloatArray:
    """Return one sigma of Theil-Sen slopes from the robust scatter of the residuals.

    Parameters
    ----------
    days, values : array, shape (m,), (m, k)
        As for `trends`. [d], [mV]
    slopes : array, shape (k,)
        [mV/d]
    resolution : float
        Step of the voltage measurement; the scatter is at least that of its rounding. [mV]

    Returns
    -------
    array, shape (k,)
        [mV/d]

    Notes
    -----
    Doubled, because days that follow each other are not independent (our choice: it stands for a correlation of 0.6
    from day to day).
    """
    lever = np.sqrt(((days - days.mean()) ** 2).sum())
    residuals = values - slopes * days[:, None]
    residuals = residuals - column_medians(residuals)
    noise = np.maximum(NORMAL * column_medians(np.abs(residuals)), resolution / np.sqrt(12.0))
    return np.asarray(2.0 * noise / lever, dtype=np.float64)


def falls(values: FloatArray) -> FloatArray:
    """Return the Mann-Kendall statistic of every column, positive where values fall: standard normal without a trend.

    Parameters
    ----------
    values : array, shape (m, k)
        One row a day, oldest first.

    Returns
    -------
    array, shape (k,)

    Notes
    -----
    It asks for the order only, so a fall that begins late counts as much as a straight one. Ties are counted as no
    evidence, and the variance is that without ties: conservative.

    References
    ----------
    H. B. Mann, Econometrica 13 (1945) 245-259, doi:10.2307/1907187.

    Examples
    --------
    Seven days, every one below the one before: 21 pairs over sqrt(7 * 6 * 19 / 18).

    >>> falls(np.arange(7.0)[::-1, None]).round(2).tolist()
    [3.15]
    """
    days = len(values)
    first, second = np.triu_indices(days, 1)
    score = np.nan_to_num(np.sign(values[first] - values[second])).sum(axis=0)
    return np.asarray(score / np.sqrt(max(days * (days - 1) * (2 * days + 5) / 18.0, 1.0)), dtype=np.float64)


def finest_step(values: FloatArray) -> float:
    """Return the smallest difference between readings of one snapshot, from 0.1 mV on; infinite where all are equal.

    Parameters
    ----------
    values : array, shape (n, k)
        [mV]

    Returns
    -------
    float
        An upper bound of the measurement's resolution. [mV]
    """
    steps = np.diff(np.sort(values, axis=1), axis=1)
    steps = steps[steps > 0.1]
    return float(np.round(steps.min(), 1)) if steps.size else float("inf")
