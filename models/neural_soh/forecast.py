"""Health 5 to 100 charges ahead from the estimates so far, with intervals, the end of life, and the warning of a knee.

It works for whatever cell: all that it is told is how health was estimated charge by charge. Training and measured errors are in
`training/soh/forecast_make.py` and `documentation/explanation/soh-forecast.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from models.neural_soh.forecast_history import FIRST, MEMORY, SHORTEST, FloatArray, history_inputs, recent_median
from models.neural_soh.forecast_path import AHEAD, HORIZONS, SINCE, STANDING, bend, charges_to_end

#: Estimates carried: those that the newest forecast looks back on, and the ones a standing warning does.
KEPT = MEMORY + STANDING - 1


@dataclass(frozen=True)
class History:
    """Estimates of health so far, as much of them as a forecast needs: of fixed size, however long the cell lives.

    Attributes
    ----------
    count : int
        Charges with an estimate.
    first : tuple of float
        The first ones. [1]
    last : tuple of float
        The last ones. [1]

    Examples
    --------
    >>> History().add(0.99).add(0.98).to_state()
    {'count': 2, 'first': [0.99, 0.98], 'last': [0.99, 0.98]}
    """

    count: int = 0
    first: tuple[float, ...] = ()
    last: tuple[float, ...] = ()

    def add(self, soh: float) -> History:
        """Return the history with the estimate after one more charge.

        Parameters
        ----------
        soh : float
            State of health. [1]

        Raises
        ------
        ValueError
            It is no number.
        """
        value = float(soh)
        if not math.isfinite(value):
            raise ValueError(f"an estimate of health of {value} cannot be forecast from; leave charges without an estimate out")
        return History(self.count + 1, (*self.first, value)[:FIRST], (*self.last, value)[-KEPT:])

    def to_state(self) -> dict[str, Any]:
        """Return what JSON can hold; floats survive it bit by bit."""
        return {"count": self.count, "first": list(self.first), "last": list(self.last)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """Return the history that was kept.

        Raises
        ------
        ValueError
            It is not one that :meth:`to_state` returned.
        """
        count, first, last = int(state["count"]), *(tuple(float(value) for value in state[name]) for name in ("first", "last"))
        if (len(first), len(last)) != (min(count, FIRST), min(count, KEPT)):
            raise ValueError(
                f"a history of {count} estimates with {len(first)} first and {len(last)} last ones was not kept whole"
            )
        return cls(count, first, last)

    def seen(self) -> tuple[FloatArray, FloatArray]:
        """Return what stands for the whole history, and the number of charges known at each value of it.

        Where charges between are left out, rows of the last :data:`STANDING` charges look back on none of them.
        """
        if self.count <= KEPT:
            return np.array(self.last), np.arange(1.0, self.count + 1)
        soh = np.array([*self.first, *self.last])
        count = np.concatenate([np.arange(1.0, FIRST + 1), np.arange(self.count - KEPT + 1.0, self.count + 1)])
        return soh, count


@dataclass(frozen=True)
class Forecast:
    """Health ahead of the newest charge.

    Attributes
    ----------
    ahead, lower, upper : ndarray, shape (4,)
        Health after 5, 20, 50 and 100 more charges, and its 90 % interval. [1]
    end, end_lower, end_upper : float
        Charges until health is 0.8; 0 where it is already, NaN where it is not within 100. [charges]
    knee : bool
        Whether fade is about to become much faster than it was.
    """

    ahead: FloatArray
    lower: FloatArray
    upper: FloatArray
    end: float
    end_lower: float
    end_upper: float
    knee: bool


class Forecaster:
    """Forecasts from a history of estimates.

    Parameters
    ----------
    content : bytes
        Of `forecast.onnx`; scaling and intervals are inside it.
    """

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.about: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self._factor = float(self.about["knee_factor"])

    def paths(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return health ahead, lower and upper edge for rows of `forecast_history.history_inputs`, each of shape (N, 4). [1]"""
        found = self._session.run(["ahead", "lower", "upper"], {"history": inputs})
        ahead, lower, upper = (np.asarray(values, float) for values in found)
        return ahead, lower, upper

    def forecast(self, history: History) -> Forecast | None:
        """Return the forecast after the newest charge, or None with fewer than 20 of them."""
        if history.count < SHORTEST:
            return None
        soh, count = history.seen()
        newest = slice(-min(STANDING, history.count - SHORTEST + 1), None)
        ahead, lower, upper = self.paths(history_inputs(soh, count)[newest])
        now = soh[-1:]
        end, soonest, latest = (float(charges_to_end(now, path[-1:] - now)[0]) for path in (ahead, lower, upper))
        ratio = self._bend(soh, count, ahead[:, HORIZONS.index(AHEAD)], newest)
        knee = len(ratio) == STANDING and bool((ratio >= self._factor).all())
        return Forecast(ahead[-1], lower[-1], upper[-1], end, soonest, latest, knee)

    @staticmethod
    def _bend(soh: FloatArray, count: FloatArray, ahead: FloatArray, newest: slice) -> FloatArray:
        smooth = recent_median(soh, 5)
        new = np.full(len(ahead), smooth[SINCE])
        return bend(new, smooth[newest], count[newest] - 1, ahead - soh[newest])
