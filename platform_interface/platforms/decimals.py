"""Numbers that every platform keeps as numbers: ThingsBoard keeps a decimal of more than 16 places as text."""

from __future__ import annotations

import numpy as np

from platform_interface.table import Values

#: Places behind the decimal point.
MOST_DECIMALS = 16


def rounded16(values: Values) -> Values:
    """Return the values such that none has more than 16 decimals; only values below 0.5 can.

    The same object is returned where nothing changes. Values that are no finite numbers stay as they are.

    Examples
    --------
    >>> rounded16(np.array([0.00031234567890123456, 0.1, 3.7000000000000002])).tolist()
    [0.0003123456789012, 0.1, 3.7]
    """
    flat = values.ravel()
    small = np.flatnonzero(np.abs(flat) < 0.5)
    part = flat[small]
    scale = 10.0**MOST_DECIMALS
    doubtful = small[np.rint(part * scale) / scale != part]  # most of them; a product may miss by one, so these are looked at
    if not doubtful.size:
        return values
    result = flat.copy()
    result[doubtful] = [round(value, MOST_DECIMALS) for value in flat[doubtful].tolist()]
    return result.reshape(values.shape)
