"""What wore a cell out, as shares of its fade, told from the same life with one mechanism off at a time; pure NumPy.

share_i is proportional to fade_full - fade_without_i, where both cells went through the same cycles: the part of the fade that would not have
happened. A share of the fade is not a share of the lithium: active material that was lost without costing capacity has no share yet.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes.mechanisms import CLASSES, DOMINANT, MECHANISMS, MIXED, classes

__all__ = ["CLASSES", "DOMINANT", "MECHANISMS", "MIXED", "SMALLEST_FADE", "classes", "shares"]
FloatArray = npt.NDArray[np.float64]

#: Fades below this are left out: small for the attribution, and too small to be told by a millivolt. [1]
SMALLEST_FADE = 0.003


def shares(fade: float, fade_without: FloatArray) -> FloatArray:
    """Attribute a fade to mechanisms.

    Parameters
    ----------
    fade : float
        Of the full run, capacity lost over the capacity at the beginning. [1]
    fade_without : ndarray, shape (M,)
        Of the same life with one mechanism off. [1]

    Returns
    -------
    ndarray, shape (M,)
        Shares of at least 0 that sum to 1; NaN where no mechanism has cost anything.

    Examples
    --------
    >>> shares(0.04, np.array([0.01, 0.03, 0.04, 0.04])).tolist()
    [0.75, 0.25, 0.0, 0.0]
    """
    saved = np.clip(fade - np.asarray(fade_without, float), 0.0, None)
    total = saved.sum()
    if not total > 0:
        return np.full(saved.shape, np.nan)
    return np.round(saved / total, 12)
