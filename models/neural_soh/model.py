"""The plugin's one class: finds charges, keeps what the figures need of the past, names what it could not compute.

Method, ranges of validity and references are in this folder's README.md.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from models.neural_soh.estimate import LENGTH, UNLIKE, Estimate, Estimator, Outside
from models.neural_soh.features import BINS, CURVE, FEATURES, LEAST_CHARGE, WINDOWS, features
from models.neural_soh.forecast import Forecaster
from models.neural_soh.forecast_path import HORIZONS, charges_to_end
from models.neural_soh.intake import samples_of
from models.neural_soh.memory import Memory, recall
from models.neural_soh.modes.classifier import TOO_EARLY, Classifier
from models.neural_soh.resistance import step_of
from models.neural_soh.segments import FloatArray, Rules, Segment, find
from platform_interface import Model, ModelError, ModelInput, register_model

#: Codes of `status`; from 2 on one more than the codes of `estimate.Outside`.
ESTIMATED, TOO_SMALL = 0, 1
#: Names of the loss shares, in the classifier's order.
SHARES = ("loss_share_sei", "loss_share_plating", "loss_share_negative", "loss_share_positive")
#: How a chemistry is named on the platform, and which one's window and networks it has.
KINDS = {"NMC811": "NMC"}
#: What puts in less than this of the capacity is no charge but noise or braking. [1]
NOISE = 0.005
#: Samples of a charge further apart than this miss where it began. [s]
COARSE = 90.0
#: No capacity is below 0, nor far above what a cell was rated for. [1]
HIGHEST = 1.5
_AT = {name: place for place, name in enumerate(FEATURES)}


@register_model("neural_soh")
class NeuralSoh(Model):
    """State of health, forecast and failure modes from the charges of a cell."""

    def process(self, data: ModelInput) -> dict[str, Any]:
        """Judge the charges that are over, and keep the open one.

        Raises
        ------
        ModelError
            Chemistry or number of cells are not what the networks can be used for.
        """
        self.capacity = float(data["capacity"])
        self.named = str(data["chemistry"])
        self.chemistry = KINDS.get(self.named, self.named)
        if self.chemistry not in WINDOWS:
            raise ModelError(
                f"chemistry is {self.named}; charges are understood of {', '.join(WINDOWS)}. Check the asset's 'Chemistry'; for another "
                "one train the network: documentation/how-to/train-soh.md."
            )
        memory = recall(self.state)
        rules = Rules(idle=self.config["idle"], max_gap=data.max_gap["current"])
        samples = samples_of(data)
        if len(data["current"]) and not len(samples):
            self.note(
                "none of the samples of the current has a voltage from the last minute. Map a voltage that is logged with it."
            )
        found, memory.charging = find(samples, self.capacity, rules, memory.charging)
        self._rows: dict[str, list[tuple[int, Any]]] = {}
        self._small = self._judged = 0
        self._reasons: dict[tuple[str, int], list[str]] = {}
        if found:
            self._estimator = _estimator(self.weights("weights.onnx"))
            self._forecaster = _forecaster(self.weights("forecast.onnx"))
            self._classifier = _classifier(self.weights("modes.onnx"))
        for segment in found:
            self._judge(memory, segment)
        self._say()
        self.state = memory.to_state()
        return self._outputs()

    def _judge(self, memory: Memory, segment: Segment) -> None:
        """Tell of one charge."""
        put = float(segment.charge[segment.last]) / self.capacity
        if put < NOISE:
            return
        if put < LEAST_CHARGE:
            self._row("status", segment, TOO_SMALL)
            self._small += 1
            return
        self._judged += 1
        told = features(segment, self.capacity, self.chemistry, self.config["idle"])
        self._shown(memory, segment, told)
        outside = _too_coarse(segment) or self._estimator.outside(told, self.chemistry)
        if outside is None:
            last = [*memory.last, told][-LENGTH:]
            estimate = self._estimator.estimate(np.array(last), self.chemistry)
            outside = self._estimator.beyond(estimate, self.chemistry)
        if outside is not None:
            self._row("status", segment, 1 + outside.code)
            self._reasons.setdefault(("not estimated", outside.code), []).append(outside.text)
            return
        memory.last, memory.charges = last, memory.charges + 1
        self._row("status", segment, ESTIMATED)
        self._row("charges", segment, memory.charges)
        for name, value in (("", estimate.soh), ("_lower", estimate.lower), ("_upper", estimate.upper)):
            self._row(f"soh{name}", segment, value)
            self._row(f"capacity_now{name}", segment, value * self.capacity)
        self._ahead(memory, segment, estimate)
        self._modes(memory, segment, estimate.soh)

    def _shown(self, memory: Memory, segment: Segment, told: FloatArray) -> None:
        """Tell what a charge shows without any network: its incremental capacity and its resistance."""
        low, high = WINDOWS[self.chemistry]
        curve = told[_AT[CURVE[0]] :] * self.capacity * BINS / (high - low)
        if np.isfinite(curve).any():
            self._row("incremental_capacity", segment, curve)
        named = dict(zip(FEATURES, told.tolist(), strict=True))
        step = step_of(named)
        if step is None:
            return
        ohm = step[0] / self.capacity
        self._row("resistance", segment, 1e3 * ohm)
        grown = memory.resistance.add(ohm, named["temperature_mean"], step[1])
        if grown is not None:
            self._row("resistance_growth", segment, grown)

    def _ahead(self, memory: Memory, segment: Segment, estimate: Estimate) -> None:
        """Tell how health goes on; what is not known of it now is not known of it later, and is added to the forecast's interval."""
        memory.health = memory.health.add(estimate.soh)
        forecast = self._forecaster.forecast(memory.health)
        if forecast is None:
            return
        below = np.hypot(forecast.ahead - forecast.lower, estimate.soh - estimate.lower)
        above = np.hypot(forecast.upper - forecast.ahead, estimate.upper - estimate.soh)
        paths = {
            "": (estimate.soh, forecast.ahead),
            "_lower": (estimate.lower, forecast.ahead - below),
            "_upper": (estimate.upper, forecast.ahead + above),
        }
        for end, (now, path) in paths.items():
            for horizon, value in zip(HORIZONS, np.clip(path, 0.0, HIGHEST).tolist(), strict=True):
                self._row(f"soh_ahead_{horizon}{end}", segment, value)
            (charges,) = charges_to_end(np.array([now]), path[None] - now)
            if np.isfinite(charges):
                self._row(f"charges_to_end{end}", segment, float(charges))
        self._row("knee_warning", segment, float(forecast.knee))

    def _modes(self, memory: Memory, segment: Segment, soh: float) -> None:
        """Tell what wears the cell out."""
        memory.reference = memory.reference.seen(segment, self.capacity, self.named)
        faded = float(np.median(memory.health.first)) - soh
        modes = self._classifier.tell(memory.reference, segment, self.capacity, self.named, faded)
        if modes.reason and not np.isfinite(modes.lost):
            self._reasons.setdefault(("failure modes not told", 0), []).append(modes.reason.removeprefix("failure modes: "))
            return
        code = TOO_EARLY if modes.reason else modes.code
        self._row("failure_mode", segment, code)
        if code != TOO_EARLY:
            for name, share in zip(SHARES, modes.shares, strict=True):
                self._row(name, segment, share)

    def _row(self, name: str, segment: Segment, value: Any) -> None:
        self._rows.setdefault(name, []).append((segment.told, value))

    def _say(self) -> None:
        """Say what was not told, why, and what would help, by the last charge of each kind."""
        if self._small and not self._judged:
            self.note(
                f"not estimated: all {self._small} charges put in less than {LEAST_CHARGE:.0%} of the capacity. Charge further; where "
                "they are torn apart, log more often or raise max_gap of 'current'."
            )
        for (what, _), reasons in self._reasons.items():
            last = ", the last one" if len(reasons) > 1 else ""
            self.note(f"{what}: {len(reasons)} of {self._judged} charges{last}: {reasons[-1]}.")

    def _millivolts(self) -> list[int]:
        """Return the middle of each interval of voltage, which numbers the elements of the curve. [mV]"""
        low, high = WINDOWS[self.chemistry]
        return [round(1000.0 * (low + (high - low) * (place + 0.5) / BINS)) for place in range(BINS)]

    def _outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, rows in self._rows.items():
            index = pd.DatetimeIndex(np.array([time for time, _ in rows], dtype="M8[ms]")).tz_localize("UTC")
            values = np.array([value for _, value in rows], dtype=np.float64)
            found[name] = pd.Series(values, index) if values.ndim == 1 else pd.DataFrame(values, index, self._millivolts())
        return found


def _too_coarse(segment: Segment) -> Outside | None:
    """Refuse a charge whose samples are too far apart."""
    every = float(np.median(np.diff(segment.time[: segment.last + 1])))
    if every <= COARSE:
        return None
    text = f"samples come every {every:.0f} s, known are charges with one at least every {COARSE:.0f} s"
    return Outside(UNLIKE, f"{text}; log every minute or more often")


@lru_cache(maxsize=2)
def _estimator(content: bytes) -> Estimator:
    return Estimator(content)


@lru_cache(maxsize=2)
def _forecaster(content: bytes) -> Forecaster:
    return Forecaster(content)


@lru_cache(maxsize=2)
def _classifier(content: bytes) -> Classifier:
    return Classifier(content)
