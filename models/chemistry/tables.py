"""The chemistries there are, and a cell's own curve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from models.chemistry.curve import Chemistry
from platform_interface import ModelError

_CURVES: dict[str, Any] = json.loads((Path(__file__).parent / "curves.json").read_text(encoding="utf-8"))
_KNOTS = np.array(_CURVES.pop("soc"), dtype=np.float64)

#: Words for a manifest's `choices`.
CHEMISTRIES: tuple[str, ...] = tuple(_CURVES)
#: One sigma of a curve measured on a cell of the same type: half of half the distance of the branches of a C/20 sweep, which
#: does not tell where between them equilibrium lies (20 mV on a Panasonic NCR18650PF). [V]
OWN_CURVE_SIGMA = 0.01


def chemistry(name: str) -> Chemistry:
    """Return a chemistry by its word; case does not count.

    Raises
    ------
    ModelError
        There is none of that name; the message has the nearest one.
    """
    known = {word.casefold(): word for word in CHEMISTRIES}
    word = known.get(name.casefold())
    if word is None:
        near = get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
        hint = f"did you mean '{known[near[0]]}'?" if near else f"there is {', '.join(CHEMISTRIES)}."
        raise ModelError(f"chemistry '{name}' has no open-circuit curve; {hint} An 'OCV Curve' of the asset's own also serves.")
    return _of(word)


@cache
def _of(word: str) -> Chemistry:
    curve = _CURVES[word]
    arrays = [np.array(curve[key], dtype=np.float64) for key in ("ocv", "hysteresis", "spread", "entropy")]
    return Chemistry(word, curve["source"], (curve["limits"][0], curve["limits"][1]), _KNOTS, *arrays)


def from_table(table: Mapping[str, Any], base: Chemistry) -> Chemistry:
    """Return the curve of the asset's own cells.

    Parameters
    ----------
    table : mapping
        ``soc`` (fractions, ascending, from 0 to 1) and ``ocv`` [V]; optional ``hysteresis``, half the distance of the
        branches [V]; optional ``uncertainty``, one sigma [V]: numbers at the same SOC, or one number.
    base : Chemistry
        Gives the limits, and the temperature coefficient.

    Raises
    ------
    ModelError
        With what is wrong in the table.
    """
    soc, ocv = _column(table, "soc"), _column(table, "ocv")
    if len(soc) < 5 or len(soc) != len(ocv):
        raise ModelError(f"OCV Curve has {len(soc)} values of soc and {len(ocv)} of ocv; give at least 5 pairs.")
    if not ((np.diff(soc) > 0.0).all() and abs(soc[0]) < 1e-9 and abs(soc[-1] - 1.0) < 1e-9):
        raise ModelError("OCV Curve: soc must rise from 0 to 1, as fractions.")
    if not (np.diff(ocv) > 0.0).all():
        raise ModelError("OCV Curve: ocv must rise with soc, in volt of one cell.")
    low, high = base.limits
    if not (low - 0.5 <= ocv[0] and ocv[-1] <= high + 0.3):
        raise ModelError(
            f"OCV Curve runs from {ocv[0]:g} to {ocv[-1]:g} V, but a cell of {base.name} has {low:g} to {high:g} V. "
            "Give the voltage of one cell, not of the pack, or correct the chemistry."
        )
    half_gap = _column(table, "hysteresis", soc, 0.0)
    spread = _column(table, "uncertainty", soc, OWN_CURVE_SIGMA)
    if half_gap.min() < 0.0 or spread.min() <= 0.0:
        raise ModelError("OCV Curve: hysteresis must not be negative, and uncertainty must be positive. [V]")
    entropy = np.interp(soc, base.knots, base.entropy)
    return Chemistry(
        f"own ({base.name})", "the asset's parameter 'OCV Curve'", base.limits, soc, ocv, half_gap, spread, entropy
    )


def _column(table: Mapping[str, Any], key: str, like: Any = None, default: float | None = None) -> Any:
    """Return one column of a table as an array; one number stands for all."""
    value = table.get(key, default)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and like is not None:
        value = [value] * len(like)
    numbers = isinstance(value, (list, tuple)) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)
    array = np.array(value if numbers else [], dtype=np.float64)
    if not len(array) or not np.isfinite(array).all() or (like is not None and len(array) != len(like)):
        raise ModelError(f"OCV Curve: '{key}' is not a list of numbers, one for each soc.")
    return array
