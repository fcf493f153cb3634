"""Monotone cubic interpolation without scipy, elementwise and so independent of how an array is split."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def monotone_slopes(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the derivatives at the knots that keep a cubic Hermite curve monotone.

    Parameters
    ----------
    x, y : array, shape (n,)
        Knots, ascending in `x`; at least two.

    Returns
    -------
    array, shape (n,)
        dy/dx at the knots: the weighted harmonic mean of the neighbouring secants, 0 at a local extreme.

    References
    ----------
    F. N. Fritsch, J. Butland, A method for constructing local monotone piecewise cubic interpolants, SIAM J. Sci. Stat.
    Comput. 5 (1984) 300-304. doi:10.1137/0905021
    """
    width, secant = np.diff(x), np.diff(y) / np.diff(x)
    before, after = secant[:-1], secant[1:]
    w_before, w_after = 2.0 * width[1:] + width[:-1], width[1:] + 2.0 * width[:-1]
    same = before * after > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        harmonic = (w_before + w_after) / (w_before / before + w_after / after)
    inner = np.where(same, harmonic, 0.0)
    return np.concatenate([[secant[0]], inner, [secant[-1]]])


def hermite(x: FloatArray, y: FloatArray, slopes: FloatArray, at: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Evaluate a cubic Hermite curve and its derivative.

    Parameters
    ----------
    x, y, slopes : array, shape (n,)
        Knots and derivatives there.
    at : array
        Points inside the knots; NaN gives NaN.

    Returns
    -------
    value, derivative : array, shape of `at`
    """
    known = np.where(np.isnan(at), x[0], at)
    piece = np.clip(np.searchsorted(x, known, side="right") - 1, 0, len(x) - 2)
    width, start, end = x[piece + 1] - x[piece], slopes[piece], slopes[piece + 1]
    t, rise = (at - x[piece]) / width, y[piece + 1] - y[piece]
    second = (3.0 * rise - (2.0 * start + end) * width) * t
    third = ((start + end) * width - 2.0 * rise) * t * t
    value = y[piece] + t * (start * width + second + third)
    derivative = start + (2.0 * second + 3.0 * third) / width
    return value, derivative
