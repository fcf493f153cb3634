"""State of health from the last charges: the network in onnxruntime, and what it refuses to answer.

The graph holds scaling, masks, history and interval; what its training cells were, and therefore where it can be used, is in its
metadata under ``range`` (and, to be read by people, in `range.json`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from models.neural_soh.features import CURVE, FEATURES, WINDOWS
from models.neural_soh.segments import FloatArray

#: Charges that the network sees.
LENGTH = 8
#: Order of the chemistries in the graph's input.
CHEMISTRIES = ("LFP", "LCO", "NCA", "NMC")
NARROW, RATE, TEMPERATURE, CHEMISTRY, UNLIKE = 1, 2, 3, 4, 5
#: A charge is whole, which the graph does not have to guess, if it begins below this by the window [1], and by so much for 1C more [h],
#: ends above this [1], and holds until the current is below this. [1/h]
EMPTY = dict(zip(CHEMISTRIES, (0.25, 0.25, 0.05, 0.05), strict=True))
ADDED = dict(zip(CHEMISTRIES, (0.15, 0.09, 0.09, 0.09), strict=True))
FULL, FALLEN = 0.96, 0.07
#: An estimate is accepted this far beyond the health of the training cells. [1]
BEYOND = 0.03
#: Said where a wrong parameter looks like an odd charge.
CHECK = "; where every charge is told so, check capacity, cells in series and the sign of the current"
_AT = {name: place for place, name in enumerate(FEATURES)}


@dataclass(frozen=True)
class Estimate:
    """State of health after a charge.

    Attributes
    ----------
    soh, lower, upper : float
        Capacity over the nominal one and its 90 % interval; NaN where no charge tells anything. [1]
    """

    soh: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Outside:
    """Why a charge is not estimated.

    Attributes
    ----------
    code : int
        1 too little was seen, 2 C-rate, 3 temperature, 4 chemistry, 5 unlike any charge of the training.
    text : str
        What is wrong, and which charge would make an estimate possible.
    """

    code: int
    text: str


class Estimator:
    """Estimates from features of charges.

    Parameters
    ----------
    content : bytes
        Of `weights.onnx`.
    """

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.about: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.range: dict[str, Any] = json.loads(self.about["range"])

    def estimate(self, history: FloatArray, chemistry: str) -> Estimate:
        """Return the state of health after the last of some charges.

        Parameters
        ----------
        history : ndarray, shape (k, 63)
            Features of the last charges, oldest first, NaN where not seen; of more than :data:`LENGTH` the last ones count.
        chemistry : str
            One of :data:`CHEMISTRIES`.

        Raises
        ------
        ValueError
            Shape or chemistry are not what the network knows.
        """
        rows = np.asarray(history, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(FEATURES):
            raise ValueError(f"charges have shape {rows.shape}; needed is (number of charges, {len(FEATURES)})")
        soh, lower, upper = self.estimates(rows[None, -LENGTH:], (chemistry,))
        return Estimate(float(soh[0]), float(lower[0]), float(upper[0]))

    def estimates(self, histories: FloatArray, chemistries: tuple[str, ...]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the same of several cells at once, shape (B,) each, from charges of shape (B, k, 63) with k up to LENGTH."""
        for chemistry in chemistries:
            if chemistry not in CHEMISTRIES:
                raise ValueError(f"chemistry '{chemistry}' is not known to the network; there are {', '.join(CHEMISTRIES)}")
        count, length = histories.shape[:2]
        charges = np.full((count, LENGTH, len(FEATURES)), np.nan, dtype=np.float32)
        charges[:, LENGTH - length :] = np.where(np.isfinite(histories), histories, np.nan)
        kinds = np.zeros((count, len(CHEMISTRIES)), dtype=np.float32)
        kinds[np.arange(count), [CHEMISTRIES.index(chemistry) for chemistry in chemistries]] = 1.0
        soh, lower, upper = self._session.run(["soh", "lower", "upper"], {"charges": charges, "chemistry": kinds})
        return np.asarray(soh, float), np.asarray(lower, float), np.asarray(upper, float)

    def outside(self, features: FloatArray, chemistry: str) -> Outside | None:
        """Return why a charge is not to be estimated, or None where it is like those of the training.

        Parameters
        ----------
        features : ndarray, shape (63,)
        chemistry : str
        """
        known: Mapping[str, Any] | None = self.range["chemistries"].get(chemistry)
        if known is None or chemistry not in WINDOWS:
            there = ", ".join(self.range["chemistries"])
            return Outside(
                CHEMISTRY, f"chemistry is {chemistry}, the network knows {there}; train it with cells of this chemistry"
            )
        return (
            _narrow(features, chemistry, known)
            or _rate(features, known)
            or _temperature(features, known)
            or _held(features, chemistry, known)
            or _unlike(features, known)
        )

    def beyond(self, estimate: Estimate, chemistry: str) -> Outside | None:
        """Return why an estimate is not to be given: no training cell of the chemistry was as worn, or as good."""
        low, high = self.range["chemistries"][chemistry]["soh"]
        if low - BEYOND <= estimate.soh <= high + BEYOND:
            return None
        text = f"the estimate would be {estimate.soh:.2f}, {chemistry} is known from {low:.2f} to {high:.2f}"
        return Outside(UNLIKE, f"{text}; check the capacity, else measure it: the network was never shown such a cell")


def whole(features: FloatArray, chemistry: str) -> bool:
    """Return whether a charge ran from empty to full for sure."""
    rate, tail = float(features[_AT["cc_rate"]]), float(features[_AT["cv_last_rate"]])
    began, ended = float(features[_AT["voltage_first"]]), float(features[_AT["voltage_last"]])
    return began < _empty(chemistry, rate) and ended > FULL and (chemistry == "LFP" or tail < FALLEN)


def _empty(chemistry: str, rate: float) -> float:
    return EMPTY[chemistry] + ADDED[chemistry] * rate


def _held(features: FloatArray, chemistry: str, known: Mapping[str, Any]) -> Outside | None:
    """Refuse a charge that ended early in its hold, and where only simulated cells are known every one that is not whole."""
    tail, ended = float(features[_AT["cv_last_rate"]]), float(features[_AT["voltage_last"]])
    if chemistry != "LFP" and ended > FULL and tail >= FALLEN:
        text = f"the constant voltage ended at {tail:.2f} of the capacity an hour, known are charges held until it is below {FALLEN:.2f}"
        return Outside(NARROW, f"{text}; let the charger hold for longer")
    if not known["cells"] and not whole(features, chemistry):
        low, high = WINDOWS[chemistry]
        volts = low + _empty(chemistry, float(features[_AT["cc_rate"]])) * (high - low)
        text = f"{chemistry} is known from simulated cells only, of which nothing but whole charges is told"
        return Outside(
            NARROW, f"{text}; charge from below {volts:.2f} V to full, and hold until the current is below {FALLEN:.2f}C"
        )
    return None


def _narrow(features: FloatArray, chemistry: str, known: Mapping[str, Any]) -> Outside | None:
    """Refuse a charge of which too little was seen."""
    put, least = float(features[_AT["charge"]]), float(known["least_charge"])
    low, high = WINDOWS[chemistry]
    ended, needed = float(features[_AT["voltage_last"]]), known["least_last_voltage"]
    begun, latest = float(features[_AT["voltage_first"]]), known["most_first_voltage"]
    if not put >= least:
        seen = f"{100.0 * put:.1f} %" if np.isfinite(put) else "nothing"
        return Outside(
            NARROW,
            f"{seen} of the capacity was charged, at least {100.0 * least:.0f} % are needed; charge over a wider range{CHECK}",
        )
    if not np.isfinite(begun) or not np.isfinite(features[_AT[CURVE[0]] :]).any():
        return Outside(
            NARROW,
            f"no part of the charge before the constant voltage was seen; begin a charge below {low + latest * (high - low):.2f} V{CHECK}",
        )
    if begun > latest:
        volts, limit = (low + value * (high - low) for value in (begun, latest))
        return Outside(
            NARROW, f"the charge began at {volts:.2f} V, {chemistry} is known from {limit:.2f} V and less; begin a charge lower"
        )
    if ended < needed:
        volts, limit = (low + value * (high - low) for value in (ended, needed))
        return Outside(
            NARROW, f"the charge ended at {volts:.2f} V, {chemistry} is known to {limit:.2f} V and more; charge further"
        )
    return None


def _rate(features: FloatArray, known: Mapping[str, Any]) -> Outside | None:
    """Refuse a current that no training cell was charged with; an unknown one is not held against the charge."""
    rate, (low, high) = float(features[_AT["cc_rate"]]), known["rate"]
    if np.isfinite(rate) and not low <= rate <= high:
        text = f"the cell was charged at {rate:.2f} of its capacity an hour, known are {low:.2f} to {high:.2f} 1/h"
        return Outside(RATE, f"{text}; charge at a rate between these{CHECK}")
    return None


def _temperature(features: FloatArray, known: Mapping[str, Any]) -> Outside | None:
    """Refuse a temperature that no training cell had; an unmeasured one is not held against the charge."""
    warm, (low, high) = float(features[_AT["temperature_mean"]]), known["temperature"]
    if np.isfinite(warm) and not low <= warm <= high:
        text = f"the cell had {warm:.1f} °C while it was charged, known are {low:.0f} to {high:.0f} °C"
        return Outside(TEMPERATURE, f"{text}; charge it at a temperature between these")
    return None


def distance(features: FloatArray, known: Mapping[str, Any]) -> float:
    """Return how far a charge lies beyond those of the training: root mean square over what was seen, by the spread there. [1]"""
    low, high, spread = (np.array(known["features"][name], dtype=np.float64) for name in ("low", "high", "spread"))
    beyond = np.maximum(np.maximum(low - features, features - high), 0.0) / spread
    judged = np.isfinite(beyond)
    return float(np.sqrt(np.mean(np.minimum(beyond[judged], 10.0) ** 2))) if judged.any() else 0.0


def _unlike(features: FloatArray, known: Mapping[str, Any]) -> Outside | None:
    """Refuse a charge far beyond all charges of the training."""
    away, most = distance(features, known), float(known["most_distance"])
    if away > most:
        text = f"the charge lies {away:.2f} spreads outside those the network knows, at most {most:.2f} are accepted"
        return Outside(UNLIKE, f"{text}; check capacity, chemistry and cells in series, then charge from below 20 % to full")
    return None
