"""Tell what wears a cell out from a charge, its own beginning and a network; what cannot be told says why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from models.neural_soh.modes.curves import LEAST, curve_of
from models.neural_soh.modes.differences import NAMES
from models.neural_soh.modes.half_cells import CHEMISTRIES
from models.neural_soh.modes.mechanisms import CLASSES, MECHANISMS
from models.neural_soh.modes.reference import LEAST_FADE, SAME_RATE, SAME_TEMPERATURE, WIDE, Reference
from models.neural_soh.segments import Segment

FloatArray = npt.NDArray[np.float64]

#: Code of an answer that is not sure enough; 1 to 5 are :data:`CLASSES`.
TOO_EARLY = 0
#: A fade up to this is not told of where the state of health shows none. [1]
LEAST_AGREED = 0.01


@dataclass(frozen=True, eq=False)
class Modes:
    """What a charge says of what wears the cell out.

    Attributes
    ----------
    shares : ndarray, shape (4,)
        Of each mechanism in the capacity lost since the beginning; they sum to 1. NaN where nothing can be told. [1]
    probabilities : ndarray, shape (5,)
        Of each class, mixed last; NaN where nothing can be told. [1]
    code : int
        0 too early to tell, 1 to 4 the mechanism, 5 mixed.
    lost : float
        Capacity lost since the first charges as fits of the electrodes have it, over the nominal one; NaN without one. [1]
    reason : str
        Why nothing can be told; empty where something is.
    """

    shares: FloatArray
    probabilities: FloatArray
    code: int
    lost: float
    reason: str


class Classifier:
    """The network, ready to be asked.

    Parameters
    ----------
    content : bytes
        Of modes.onnx. Scaling is inside; the rule of abstention is in its metadata.
    """

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.about: dict[str, Any] = json.loads(self._session.get_modelmeta().custom_metadata_map["modes"])
        self.least = float(self.about["least"])
        if tuple(self.about["features"]) != NAMES:
            raise ValueError("modes.onnx was made for other features; make it anew: python -m training.soh.modes.make")

    def answer(self, features: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return shares (N, 4) and probabilities (N, 5) of (N, F) features."""
        given = np.asarray(features, np.float32)
        shares, probabilities = self._session.run(["shares", "probabilities"], {"features": given})
        return np.asarray(shares, float), np.asarray(probabilities, float)

    def tell(
        self, reference: Reference, segment: Segment, capacity: float, chemistry: str, soh_fade: float | None = None
    ) -> Modes:
        """Tell what wears a cell out.

        Parameters
        ----------
        reference : Reference
            Of the charges until this one, this one included.
        segment : Segment
        capacity : float
            Nominal. [Ah]
        chemistry : str
        soh_fade : float, optional
            Fade by the estimate of the state of health, since the beginning. [1]
        """
        if chemistry not in CHEMISTRIES:
            known = ", ".join(sorted(CHEMISTRIES))
            return nothing(f"failure modes: the electrodes of {chemistry} are not known; known are {known}")
        now = curve_of(segment, capacity)
        if now is None:
            return nothing(
                f"failure modes: no constant current over {LEAST:.0%} of the capacity in this charge; "
                f"charge at one current over at least {LEAST:.0%}, better {WIDE:.0%}"
            )
        place = reference.like(now)
        if place is None:
            return nothing(_not_comparable(reference, now.rate, now.temperature))
        kind = reference.kinds[place]
        if kind.differences is None:
            return nothing("failure modes: the first charges, which later ones are compared with", 0.0)
        unseen = soh_fade is not None and soh_fade < LEAST_FADE
        if kind.lost <= (LEAST_AGREED if unseen else LEAST_FADE):
            return nothing(f"failure modes: less than {LEAST_FADE:.1%} of the capacity lost, too early to tell", kind.lost)
        shares, probabilities = self.answer(kind.differences[None])
        top = int(probabilities[0].argmax())
        code = top + 1 if probabilities[0, top] >= self.least else TOO_EARLY
        return Modes(shares[0], probabilities[0], code, kind.lost, "")


def nothing(reason: str, lost: float = float("nan")) -> Modes:
    """Return an answer that says why there is none."""
    return Modes(np.full(len(MECHANISMS), np.nan), np.full(len(CLASSES), np.nan), TOO_EARLY, lost, reason)


def _not_comparable(reference: Reference, rate: float, temperature: float) -> str:
    if not reference.kinds:
        return f"failure modes: no charge at one current over {WIDE:.0%} of the capacity has been seen yet to compare with"
    kinds = " or ".join(
        f"{kind.first.rate:.2f}C" + (f" at {kind.first.temperature:.0f} °C" if np.isfinite(kind.first.temperature) else "")
        for kind in reference.kinds
    )
    here = f"{rate:.2f}C" + (f" at {temperature:.0f} °C" if np.isfinite(temperature) else "")
    return (
        f"failure modes: a charge at {here} cannot be compared with the cell's first ones; "
        f"charge at {kinds} (within {SAME_RATE:.0%} and {SAME_TEMPERATURE:.0f} K)"
    )
