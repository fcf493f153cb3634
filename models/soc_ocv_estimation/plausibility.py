"""Whether rests keep contradicting the counted charge: then a parameter or a sign is wrong, not the battery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.soc_ocv_estimation.anchors import SURPRISE
from models.soc_ocv_estimation.counting import Anchor

#: Rests looked back on, and how many of them must contradict until it is said, and may until it is taken back (our choice:
#: 3 of 8 at three sigmas each is no chance; a single one may be a load that the sensor does not see).
LOOKED_AT, RAISED, CLEARED = 8, 3, 1


@dataclass(frozen=True)
class Change:
    """The doubt began or ended at a sample of this window; `start` is the rest that began it. [ms UTC]"""

    index: int
    began: bool
    start: int
    text: str


def first_state() -> dict[str, Any]:
    """Return the state before the first rest; strict JSON."""
    return {"rests": [], "since": None}


def changes(anchors: Sequence[Anchor], state: dict[str, Any]) -> list[Change]:
    """Take the uses of rests of a window in; `state` is changed.

    A rest contradicts when any use of it lay more than `SURPRISE` sigmas from what was counted.
    """
    found = []
    for anchor in anchors:
        rests = state["rests"]
        if not rests or rests[-1][0] != anchor.start:
            rests.append([anchor.start, False])
            del rests[:-LOOKED_AT]
        rests[-1][1] = bool(rests[-1][1]) or anchor.surprise > SURPRISE
        count = sum(contradicts for _, contradicts in rests)
        if state["since"] is None and count >= RAISED:
            state["since"] = anchor.start
            found.append(Change(anchor.index, True, anchor.start, _text(anchor, count, len(rests))))
        elif state["since"] is not None and count <= CLEARED:
            text = f"Rests and counted charge agree again: {count} of the last {len(rests)} rests contradicts."
            found.append(Change(anchor.index, False, state["since"], text))
            state["since"] = None
    return found


def _text(anchor: Anchor, count: int, rests: int) -> str:
    return (
        f"At {count} of the last {rests} rests the voltage contradicts the counted charge by more than {SURPRISE:g} sigmas; at the last "
        f"one {anchor.expected:.0%} were counted, and the voltage says {anchor.told:.0%}. SOC, interval and energy are not to be "
        "trusted. Check the sign and the unit of the current, 'Capacity', 'Cells in series' and 'Chemistry'."
    )
