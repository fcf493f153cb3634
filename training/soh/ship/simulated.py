"""Regular charges of simulated cells of `training/soh/modes`: NMC, of which no raw measured life is there, and LCO.

The state of health of a charge is what the 1C discharge after it gave over the nominal capacity: a capacity as the measured
sets have it, not the one at C/5. The simulation has no temperature of the cell; the ambient one stands for it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.neural_soh.segments import Rules, Samples, Segment, find
from training.soh.cells import FloatArray
from training.soh.modes import looks, shards
from training.soh.ship.kinds import Life, random_of, ways_of

CHEMISTRY = {"OKane2022": "NMC", "Ai2020": "LCO"}
#: Between the end of the rest and the discharge. [s]
SAMPLED = 10.0
#: Standard deviation of the temperature's samples. [degC]
WARMTH = 0.2


def segment_of(look: looks.Look, nominal: float, temperature: float, random: np.random.Generator) -> Segment | None:
    """Return the regular charge of a look at a cell, and the rest after it, as telemetry would have it."""
    cycle = looks.noisy(look, random).regular
    parts, clock = [], 0.0
    for rows in (cycle.constant, cycle.hold, cycle.rest):
        if rows is not None:
            kept = rows[:, :-1]  # the last sample of a part is the first of the next one
            parts.append(np.stack([kept[0] - rows[0, 0] + clock, kept[1], kept[2]]))
            clock += float(rows[0, -1] - rows[0, 0])
    table = np.concatenate(parts, axis=1)
    after = table[0, -1] + np.array([SAMPLED, 2.0 * SAMPLED])  # the discharge that tells that the rest is over
    time = np.round(1000.0 * np.append(table[0], after)).astype(np.int64)
    current, voltage = np.append(table[1], np.full(2, nominal)), np.append(table[2], np.full(2, table[2, -1]))
    warm = temperature + WARMTH * random.normal(size=len(time))
    found, _ = find(Samples(time, current, voltage, warm, np.full(len(time), np.nan)), nominal, Rules())
    return found[0] if found else None


def life_of(life: shards.Life) -> Life:
    """Return a simulated cell as it is seen: a charge for each look at it."""
    chemistry = CHEMISTRY[life.condition.parameters]
    segments, soh = [], []
    for number, look in enumerate(looks.history(life, life.looks)):
        segment = segment_of(look, life.nominal, life.condition.temperature, random_of(life.name, str(number)))
        if segment is None or look.regular.discharge is None:
            continue
        segments.append(segment)
        soh.append(float(looks.charge(look.regular.discharge)[-1]) / life.nominal)
    ways = ways_of(segments, life.nominal, chemistry, life.name)
    return Life(life.condition.parameters, life.name, chemistry, life.name, np.array(soh), ways, {}, True)


def lives(folder: Path, every: int = 1) -> list[Life]:
    """Return simulated cells, of each so many one.

    Parameters
    ----------
    folder : Path
        With the files of `training.soh.modes.simulate`.
    """
    paths = sorted(folder.glob("cell-*.npz"))[::every]
    return [life_of(shards.read(path)) for path in paths]


def spans(some: list[Life]) -> FloatArray:
    """Return least and greatest state of health. [1]"""
    soh = np.concatenate([one.soh for one in some])
    return np.array([soh.min(), soh.max()])
