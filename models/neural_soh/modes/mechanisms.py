"""Mechanisms that wear a cell out, the classes that are told, and what is mixed; pure NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: SEI growth, lithium plating, loss of active material of the negative and of the positive electrode. Cracking is represented by the
#: last two, which are driven by stress; cracks themselves are not simulated.
MECHANISMS = ("sei", "plating", "lam_ne", "lam_pe")
MIXED = len(MECHANISMS)
CLASSES = (*MECHANISMS, "mixed")
#: Below this top share no mechanism is said to be the one. [1]
DOMINANT = 0.70


def classes(shares_of: FloatArray, dominant: float = DOMINANT) -> npt.NDArray[np.int64]:
    """Name each row of shares: the number of the mechanism with at least the dominant share, else :data:`MIXED`.

    Parameters
    ----------
    shares_of : ndarray, shape (N, M)
    dominant : float
        [1]

    Returns
    -------
    ndarray, shape (N,)
        Index into :data:`CLASSES`.
    """
    table = np.atleast_2d(shares_of)
    top = table.argmax(axis=1)
    found: npt.NDArray[np.int64] = np.where(table.max(axis=1) >= dominant, top, table.shape[1]).astype(np.int64)
    return found
