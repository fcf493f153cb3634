"""Simulated charges as a plugin gets them: sampled every 10 to 60 s, noisy, whole or in part, with or without a rest; pure NumPy.

Every row goes through the code that is shipped (`models.neural_soh.modes`): segment, curve, reference, differences.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes.curves import Curve, curve_of, mean
from models.neural_soh.modes.differences import NAMES, blended, lost, vector, wear
from models.neural_soh.modes.half_cells import half_cells
from models.neural_soh.modes.reference import AVERAGED, WIDE, Kind, Reference
from models.neural_soh.segments import Segment
from training.soh.modes.dataset import CYCLES, Table
from training.soh.modes.labels import SMALLEST_FADE, classes
from training.soh.modes.looks import CURRENT_NOISE, VOLTAGE_NOISE, charge
from training.soh.modes.shards import Life

FloatArray = npt.NDArray[np.float64]

#: Charges that a simulated cycle stands for.
CHARGES = 100
#: Intervals of sampling. [s]
SAMPLED = (10.0, 20.0, 30.0, 60.0)


@dataclass(frozen=True)
class Habits:
    """How a cell is charged: chances of what is seen.

    Attributes
    ----------
    late, latest : float
        Chance that a charge does not begin where the cell is empty, and the largest part of a full charge that it then lacks. [1]
    early, earliest : float
        Chance that it is ended at constant current, and the least part of that which it then has. [1]
    rested : float
        Chance of a long rest after a hold. [1]
    remembered : float
        Chance that the course of the fade is known. [1]
    """

    late: float
    latest: float
    early: float
    earliest: float
    rested: float
    remembered: float


#: First charges, later charges of training, and the two kinds of later ones that are judged.
BEGINNING = Habits(0.4, 0.15, 0.1, 0.85, 0.85, 1.0)
ANY = Habits(0.5, 0.35, 0.3, 0.75, 0.7, 0.75)
WHOLE = Habits(0.0, 0.0, 0.0, 1.0, 1.0, 1.0)
HABITS = {"whole charges": (WHOLE, WHOLE), "any charges": (BEGINNING, ANY)}


def segment_of(
    life: Life, look: int, habits: Habits, random: np.random.Generator, noise: np.random.Generator | None = None
) -> Segment:
    """Return the regular charge of a look as telemetry shows it; sampling and noise may have a generator of their own."""
    constant, hold, rest = (life.arrays[f"{look}/cycle_{part}"] for part in ("cc", "cv", "rest"))
    total = float(charge(constant)[-1])
    begun = habits.latest * random.uniform() * total if random.uniform() < habits.late else 0.0
    ended = random.uniform() < habits.early
    until = (habits.earliest + (1.0 - habits.earliest) * random.uniform()) * total if ended else total
    rested = 1.0 if random.uniform() < habits.rested else 0.3 * random.uniform()
    every = SAMPLED[int(random.integers(len(SAMPLED)))]
    if ended:
        rows = constant[:, charge(constant) <= until]
        end = float(rows[0, -1])
    else:
        parts, end = [constant], float(constant[0, -1])
        parts.append(_after(hold, end))
        end = float(parts[-1][0, -1])
        parts.append(_after(rest[:, rest[0] <= rested * rest[0, -1]], end))
        rows = np.concatenate(parts, axis=1)
    since = float(np.interp(begun, charge(constant), constant[0]))
    noise = random if noise is None else noise
    time = np.arange(since + every * noise.uniform(), rows[0, -1] + 1e-6, every)
    current, voltage = (np.interp(time, rows[0], row) for row in rows[1:])
    current = current * (1.0 + CURRENT_NOISE * noise.normal(size=len(time)))
    voltage = voltage + VOLTAGE_NOISE * noise.normal(size=len(time))
    last = int(np.searchsorted(time, end, side="right")) - 1
    counted = charge(np.stack([time, np.where(time <= end, current, 0.0)]))
    heat = np.full(len(time), life.condition.temperature)
    over = round(1000 * (time[-1] - time[0])) + 1
    return Segment(
        start=0, end=round(1000 * (time[last] - time[0])), known=over, told=over, ended="rest",
        time=time - time[0], current=current, voltage=voltage, temperature=heat, strain=np.full(len(time), np.nan),
        charge=counted, last=last, before=None,
    )  # fmt: skip


def _after(rows: FloatArray, end: float) -> FloatArray:
    """Return rows that follow on a time; its first one a moment after it."""
    found = rows.copy()
    found[0] += end
    found[0, 0] += 1e-3
    return found


def life_rows(
    life: Life, habits: tuple[Habits, Habits], counts: Sequence[int], random: np.random.Generator
) -> list[FloatArray]:
    """Return of each look the mean vectors over so many charges, (len(counts), F), as the plugin would have them; NaN where it refuses."""
    cells = half_cells(life.condition.parameters)
    first = _beginning(life, habits[0], random)
    found: list[FloatArray] = []
    kept = Reference((Kind(first),), 1)
    for look in range(1, life.looks + 1):
        number = round(CHARGES * CYCLES[look])
        kept = replace(kept, charges=number + 1)
        remembered = random.uniform() < habits[1].remembered
        each, gone = [], []
        for _ in range(max(counts)):
            now = curve_of(segment_of(life, look, habits[1], random), life.nominal)
            worn = None if now is None else wear(first, now, cells)
            if now is None or worn is None:
                continue
            past = kept.past(lost(worn)) if remembered else [np.nan, np.nan]
            if look == 2:
                past = [np.nan, past[1]]  # nothing was simulated at a quarter of it, and a line from the beginning is no course
            each.append(vector(first, now, worn, past))
            gone.append(lost(worn))
        found.append(np.array([_mean(each[:count]) for count in counts]))
        if gone:
            kept = replace(kept, course=(*kept.course, (number, gone[0])))
    return found


def _beginning(life: Life, habits: Habits, random: np.random.Generator) -> Curve:
    """Return the mean of first charges that begin and end alike."""
    seed = int(random.integers(2**31))
    first: Curve | None = None
    while first is None or first.count < AVERAGED:
        # the same seed gives the same habits; noise is drawn after them
        now = curve_of(segment_of(life, 0, habits, np.random.default_rng(seed), random), life.nominal)
        if now is None or now.charged < WIDE:
            seed, first = seed + 1, None
            continue
        first = now if first is None else mean(first, now)
    return first


def _mean(each: Sequence[FloatArray]) -> FloatArray:
    if not each:
        return np.full(len(NAMES), np.nan)
    kept, count = None, None
    for one in each:
        kept, count = blended(kept, count, one)
    assert kept is not None
    return kept


def table(lives: Iterable[Life], habits: tuple[Habits, Habits], counts: Sequence[int], replicates: int, seed: int) -> Table:
    """Return every look of every cell, measured several times with habits and noise of their own; see `dataset.Table`.

    Each of `replicates` has a beginning of its own and, in turn, means over so many charges.
    """
    rows: list[FloatArray] = []
    about: list[tuple[FloatArray, str, str, tuple[float, float], float]] = []
    for life in lives:
        draws = [
            life_rows(life, habits, counts, np.random.default_rng([seed, replicate, zlib.crc32(life.name.encode())]))
            for replicate in range(replicates)
        ]
        for look in range(1, life.looks + 1):
            shares = life.shares(look)
            if life.fade(look) < SMALLEST_FADE or not np.isfinite(shares).all():
                continue
            rows.append(np.concatenate([draw[look - 1] for draw in draws]))
            context = (life.condition.temperature, life.condition.charge_rate)
            about.append((shares, life.name, life.population, context, life.fade(look)))
    columns = list(zip(*about, strict=True))
    shares_of = np.array(columns[0])
    return Table(
        np.array(rows).transpose(1, 0, 2), shares_of, classes(shares_of), *(np.array(column) for column in columns[1:])
    )
