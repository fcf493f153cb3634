"""What one evaluation says, and what it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.imbalance_analysis import history, judge
from models.imbalance_analysis.history import Entry
from models.imbalance_analysis.robust import FloatArray

NORMAL, IN_FLOAT, TOO_LITTLE = 0, 1, 2
#: A band whose newest snapshots are older than this against the others' is out of use. [ms]
FRESH = 21 * history.DAY


@dataclass(frozen=True)
class Practical:
    """Smallest effects of interest: [mV], [mV], ratio, ratio, [1/d]"""

    level: float
    trend: float
    resistance: float
    capacity: float
    rate: float


@dataclass
class Verdict:
    """One evaluation; arrays have shape (k,), None is not computable, and `reasons` says why."""

    status: int = TOO_LITTLE
    deviation: FloatArray | None = None
    trend: FloatArray | None = None
    shift: FloatArray | None = None
    shifts: list[tuple[int, int, float]] = field(default_factory=list)
    since: int = 0
    lead: FloatArray | None = None
    lead_error: FloatArray | None = None
    source: int = 0
    at: float = 0.5
    resistance: FloatArray | None = None
    capacity: FloatArray | None = None
    leak: FloatArray | None = None
    energy: tuple[float, float] | None = None
    suspects: list[tuple[int, list[judge.Finding]]] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


def in_use(entries: list[Entry], newest: int) -> bool:
    """Return whether a band has fresh snapshots; old ones are no longer held against any cell."""
    return bool(entries) and newest - entries[-1]["time"] <= FRESH
