"""Charges as they are seen in the field: from somewhere to somewhere, not from empty to full.

Cutting a full charge at exactly 20 and 80 % of itself would leave 60 % of the capacity as its ampere-hours: a label in a feature.
Each charge is therefore cut at edges of its own, drawn around the nominal ones, and a model that is given the ampere-hours alone
is shown beside every result. Cutting at voltages has no such fault, and is shown too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.neural_soh.features import FEATURES, features
from models.neural_soh.parts import seen_between
from models.neural_soh.segments import Segment
from training.soh.raw.cell import FloatArray
from training.soh.raw.dataset import Charges

#: Charges of each cell that a window of voltage is told from.
FIRST = 5


@dataclass(frozen=True)
class Window:
    """A part of a charge.

    Attributes
    ----------
    name : str
    low, high : float
        Edges, by the charge of the segment. [1]
    spread : float
        Each edge is drawn within this of its place. [1]
    """

    name: str
    low: float
    high: float
    spread: float


WINDOWS = (Window("20-80 %", 0.2, 0.8, 0.1), Window("30-60 %", 0.3, 0.6, 0.05))


def cut_by_charge(charges: Charges, window: Window) -> FloatArray:
    """Return the features of charges cut at edges drawn for each, shape (charges, features)."""
    word = f"{charges.data_hash} {window.name}".encode()
    random = np.random.default_rng(int.from_bytes(hashlib.blake2b(word, digest_size=8).digest(), "little"))
    middle = np.array([window.low, window.high])
    edges = middle + random.uniform(-window.spread, window.spread, (len(charges.segments), 2))
    rows = []
    for segment, (low, high) in zip(charges.segments, edges, strict=True):
        put = segment.charge[: segment.last + 1] / segment.charge[segment.last]
        places = np.searchsorted(put, [low, high])
        rows.append(_features(seen_between(segment, int(places[0]), int(places[1])), charges))
    return np.array(rows).reshape(-1, len(FEATURES))


def voltages_of(cells: Sequence[Charges], window: Window) -> tuple[float, float]:
    """Return the voltages at which the first charges of some cells had a window's share of their charge. [V]"""
    found = []
    for charges in cells:
        for segment in charges.segments[:FIRST]:
            put = segment.charge[: segment.last + 1] / segment.charge[segment.last]
            found.append(np.interp([window.low, window.high], put, segment.voltage[: segment.last + 1]))
    low, high = np.median(np.array(found), axis=0)
    return float(low), float(high)


def cut_by_voltage(charges: Charges, low: float, high: float) -> FloatArray:
    """Return the features of charges as seen between two voltages, shape (charges, features). [V]"""
    rows = []
    for segment in charges.segments:
        highest = np.maximum.accumulate(segment.voltage[: segment.last + 1])
        places = np.searchsorted(highest, [low, high])
        rows.append(_features(seen_between(segment, int(places[0]), int(places[1])), charges))
    return np.array(rows).reshape(-1, len(FEATURES))


def _features(segment: Segment | None, charges: Charges) -> FloatArray:
    if segment is None:
        return np.full(len(FEATURES), np.nan)
    return features(segment, charges.cell.nominal, charges.chemistry)
