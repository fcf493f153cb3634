"""Every charge of the training cells, seen in several ways: whole, cut anywhere, and with the overpotential of another current.

A model that meets only charges of one current takes the current for the cell. What a cell of another rate or resistance shows
first of all is another overpotential: some of the cuts therefore have a constant voltage added. Nothing here depends on a label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.neural_soh.features import FEATURES, features
from models.neural_soh.parts import seen_between
from models.neural_soh.segments import Segment
from training.soh.raw.cell import FloatArray
from training.soh.raw.dataset import Charges, read
from training.soh.raw.windows import WINDOWS, cut_by_charge, cut_by_voltage, voltages_of

#: Changes with everything that decides what is in a cached file.
VERSION = 2
#: Cells that no shipped weights have seen: the demonstration from end to end.
KEPT_OUT = (("NASA", "B0005"), ("CALCE", "CS2_35"))
#: Voltage added to a shifted charge lies within. [V]
SHIFT = (-0.03, 0.06)
#: Ways of seeing, as (name, lower edge, upper edge, shifted); an edge is drawn between its two numbers, by the charge put in. [1]
WAYS: tuple[tuple[str, tuple[float, float], tuple[float, float], bool], ...] = (
    ("part a", (0.1, 0.3), (0.7, 0.9), False),
    ("part b", (0.1, 0.3), (0.7, 0.9), False),
    ("part shifted", (0.1, 0.3), (0.7, 0.9), True),
    ("short a", (0.25, 0.35), (0.55, 0.65), False),
    ("short b", (0.25, 0.35), (0.55, 0.65), False),
    ("short shifted", (0.25, 0.35), (0.55, 0.65), True),
    ("any a", (0.0, 0.4), (0.5, 1.0), False),
    ("any b", (0.1, 0.6), (0.7, 1.0), False),
    ("any shifted", (0.0, 0.4), (0.5, 1.0), True),
    ("end a", (0.02, 0.3), (1.0, 1.0), False),
    ("end b", (0.2, 0.7), (1.0, 1.0), False),
    ("begin", (0.0, 0.0), (0.3, 0.95), False),
)
#: Ways of seeing the upper part of a charge, to its end: the lower edge, drawn within a tenth of it. [1]
UPPER = {"20-100 %": 0.2, "50-100 %": 0.5}
#: How charges of a cell that is left out are seen.
SEEN = ("whole", *UPPER, *(window.name for window in WINDOWS), *(f"{window.name} by voltage" for window in WINDOWS))


@dataclass(frozen=True, eq=False)
class Life:
    """The charges of one cell as they are seen.

    Attributes
    ----------
    group, name, chemistry, data_hash : str
    soh : ndarray, shape (N,)
        [1]; NaN where none was measured.
    ways : dict of ndarray, shape (N, F)
        Features by way of seeing, for training.
    seen : dict of ndarray, shape (N, F)
        The same for evaluation: edges are other draws, those by voltage are told from other cells of the set.
    simulated : bool
    """

    group: str
    name: str
    chemistry: str
    data_hash: str
    soh: FloatArray
    ways: dict[str, FloatArray]
    seen: dict[str, FloatArray]
    simulated: bool = False


def random_of(*words: str) -> np.random.Generator:
    """Return a generator of its own for some words."""
    digest = hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def shifted(segment: Segment, volts: float) -> Segment:
    """Return the charge of a cell with that much more overpotential, up to the voltage where it ended."""
    return replace(segment, voltage=np.minimum(segment.voltage + volts, float(segment.voltage.max())))


def cut(segment: Segment, low: float, high: float) -> Segment | None:
    """Return a charge as seen between two shares of what it put in; an edge of 0 or 1 keeps what is before or after."""
    put = segment.charge[: segment.last + 1] / segment.charge[segment.last]
    first, last = (int(place) for place in np.searchsorted(put, [low, high]))
    return seen_between(segment, 0 if low <= 0 else first, len(segment.time) if high >= 1 else last)


def ways_of(segments: Sequence[Segment], nominal: float, chemistry: str, word: str) -> dict[str, FloatArray]:
    """Return the features of some charges by every way of seeing, shape (charges, features) each."""
    found = {"whole": np.array([_told(segment, nominal, chemistry) for segment in segments])}
    for name, low, high, shift in WAYS:
        random = random_of(word, name)
        edges = np.stack([random.uniform(*low, len(segments)), random.uniform(*high, len(segments))], axis=1)
        volts = random.uniform(*SHIFT, len(segments)) if shift else np.zeros(len(segments))
        rows = []
        for segment, (begin, end), offset in zip(segments, edges, volts, strict=True):
            seen = shifted(segment, float(offset)) if shift else segment
            rows.append(_told(cut(seen, float(begin), float(end)), nominal, chemistry))
        found[name] = np.array(rows)
    return found


def _told(segment: Segment | None, nominal: float, chemistry: str) -> FloatArray:
    return np.full(len(FEATURES), np.nan) if segment is None else features(segment, nominal, chemistry)


def life_of(charges: Charges, cells: Sequence[Charges]) -> Life:
    """Return a measured cell as it is seen; windows of voltage are told from the other cells of its set."""
    cell = charges.cell
    peers = [item for item in cells if item.cell.group == cell.group and item is not charges]
    seen = {"whole": cell.features}
    for name, edge in UPPER.items():
        lows = edge + random_of(charges.data_hash, name, "seen").uniform(-0.1, 0.1, len(charges.segments))
        parts = [cut(segment, float(low), 1.0) for segment, low in zip(charges.segments, lows, strict=True)]
        seen[name] = np.array([_told(part, cell.nominal, charges.chemistry) for part in parts])
    for window in WINDOWS:
        seen[window.name] = cut_by_charge(charges, window)
        seen[f"{window.name} by voltage"] = cut_by_voltage(charges, *voltages_of(peers, window))
    ways = ways_of(charges.segments, cell.nominal, charges.chemistry, charges.data_hash)
    return Life(cell.group, cell.name, charges.chemistry, charges.data_hash, cell.soh, ways, seen)


def measured(shared: Path) -> list[Life]:
    """Return every measured cell."""
    cells = read(shared)
    return [life_of(item, cells) for item in cells]


def save(path: Path, lives: Sequence[Life]) -> None:
    """Write cells to one compressed file."""
    arrays: dict[str, np.ndarray] = {"version": np.array(VERSION), "names": np.array(FEATURES)}
    arrays["cells"] = np.array([[one.group, one.name, one.chemistry, one.data_hash] for one in lives])
    arrays["simulated"] = np.array([one.simulated for one in lives])
    for number, one in enumerate(lives):
        arrays[f"soh_{number}"] = one.soh
        for kind, table in (("way", one.ways), ("seen", one.seen)):
            for name, rows in table.items():
                arrays[f"{kind}_{number}_{name}"] = rows.astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> list[Life] | None:
    """Read cells; None where there is no such file, or one of another version."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        if int(stored["version"]) != VERSION or tuple(stored["names"].tolist()) != FEATURES:
            return None
        tables: dict[tuple[str, int], dict[str, FloatArray]] = {}
        for key in stored.files:
            kind, _, rest = key.partition("_")
            if kind in ("way", "seen"):
                number, _, name = rest.partition("_")
                tables.setdefault((kind, int(number)), {})[name] = stored[key].astype(np.float64)
        return [
            Life(
                *(str(word) for word in words), stored[f"soh_{number}"], tables[("way", number)],
                tables.get(("seen", number), {}), bool(simulated),
            )
            for number, (words, simulated) in enumerate(zip(stored["cells"], stored["simulated"], strict=True))
        ]  # fmt: skip
