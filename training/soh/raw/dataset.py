"""Raw cells -> charges with features and labels: ``python -m training.soh.raw.dataset WORK``.

A charge's label is the capacity that was measured next after it, before the charge after that one ended; a charge that no
measurement followed has none and stays. Writes one compressed file a set, with a hash of the data, and prints what there is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.neural_soh.features import FEATURES, LEAST_CHARGE, features
from models.neural_soh.segments import Rules, Samples, Segment, find
from training.soh.cells import Cell
from training.soh.raw import calce, nasa, samsung, storage
from training.soh.raw.cell import FloatArray, RawCell

READERS: dict[str, Callable[[Path], list[RawCell]]] = {
    nasa.GROUP: nasa.read,
    calce.GROUP: calce.read,
    samsung.GROUP: samsung.read,
    storage.GROUP: storage.read,
}
#: Changes with everything that decides what is in a cached file.
VERSION = 2


@dataclass(frozen=True, eq=False)
class Charges:
    """The charges of one cell.

    Attributes
    ----------
    cell : Cell
        Features and labels of each.
    segments : tuple of Segment
        The charges themselves.
    chemistry : str
    data_hash : str
        Of the telemetry.
    """

    cell: Cell
    segments: tuple[Segment, ...]
    chemistry: str
    data_hash: str


def rules_of(raw: RawCell) -> Rules:
    """Return the rules for a cell's logger."""
    return Rules(max_gap=raw.max_gap)


def segments_of(raw: RawCell) -> list[Segment]:
    """Return the charges of a cell that took up enough to tell of, in order."""
    milliseconds = np.round(raw.time * 1000.0).astype(np.int64)
    samples = Samples(milliseconds, raw.current, raw.voltage, raw.temperature, raw.strain)
    found, _ = find(samples, raw.nominal, rules_of(raw))
    return [segment for segment in found if segment.charge[segment.last] >= LEAST_CHARGE * raw.nominal]


def features_of(raw: RawCell) -> FloatArray:
    """Return the features of each charge of a cell, shape (charges, features)."""
    rows = [features(segment, raw.nominal, raw.chemistry) for segment in segments_of(raw)]
    return np.array(rows).reshape(-1, len(FEATURES))


def labelled(raw: RawCell, segments: Sequence[Segment]) -> FloatArray:
    """Return the state of health that was measured next after each charge; NaN where none was before the next charge was over."""
    known = np.array([segment.known for segment in segments]) / 1000.0
    place = np.searchsorted(raw.label_time, known, side="right")
    until = np.append(known[1:], np.inf)
    soh = np.full(len(known), np.nan)
    there = place < len(raw.label_time)
    there[there] &= raw.label_time[place[there]] <= until[there]
    soh[there] = raw.label_capacity[place[there]] / raw.nominal
    return soh


def charges_of(raw: RawCell) -> Charges:
    """Return the charges of a cell."""
    segments = segments_of(raw)
    rows = np.array([features(segment, raw.nominal, raw.chemistry) for segment in segments]).reshape(-1, len(FEATURES))
    cell = Cell(raw.name, raw.group, raw.nominal, FEATURES, rows, labelled(raw, segments))
    return Charges(cell, tuple(segments), raw.chemistry, raw.data_hash())


def read(shared: Path, groups: Sequence[str] = tuple(READERS)) -> list[Charges]:
    """Return the charges of every cell of some sets."""
    return [charges_of(raw) for group in groups for raw in READERS[group](shared)]


def save(folder: Path, charges: Sequence[Charges]) -> Path:
    """Write the cells of one set."""
    group = charges[0].cell.group
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{group.replace(' ', '-').lower()}.npz"
    arrays: dict[str, np.ndarray] = {"version": np.array(VERSION), "names": np.array(FEATURES), "group": np.array(group)}
    arrays["cells"] = np.array([item.cell.name for item in charges])
    arrays["nominal"] = np.array([item.cell.nominal for item in charges])
    arrays["hashes"] = np.array([item.data_hash for item in charges])
    for number, item in enumerate(charges):
        arrays[f"features_{number}"], arrays[f"soh_{number}"] = item.cell.features, item.cell.soh
    np.savez_compressed(path, **arrays)
    return path


def load(path: Path) -> list[Cell]:
    """Read the cells of one set.

    Raises
    ------
    ValueError
        The file is of another version, or has other features.
    """
    with np.load(path, allow_pickle=False) as stored:
        if int(stored["version"]) != VERSION or tuple(stored["names"].tolist()) != FEATURES:
            raise ValueError(f"{path.name} was written by another version; run python -m training.soh.raw.dataset again")
        return [
            Cell(
                str(name), str(stored["group"]), float(nominal), FEATURES, stored[f"features_{number}"], stored[f"soh_{number}"]
            )
            for number, (name, nominal) in enumerate(zip(stored["cells"], stored["nominal"], strict=True))
        ]


def table(charges: Sequence[Charges]) -> str:
    """Return one line a cell."""
    lines = ["| set | cell | charges | labelled | SOH, first | SOH, last | least | most | data |", "|" + "---|" * 9]
    for item in charges:
        soh = item.cell.soh[np.isfinite(item.cell.soh)]
        span = [f"{value:.3f}" for value in (soh[0], soh[-1], soh.min(), soh.max())] if len(soh) else ["–"] * 4
        row = [item.cell.group, item.cell.name, str(len(item.cell)), str(len(soh)), *span, item.data_hash[:8]]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> None:
    """Read every set, write it, print what there is."""
    from benchmarks.measured_data import shared_data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder to write to, such as training-work/soh/raw")
    work = parser.parse_args().work
    shared = shared_data()
    if shared is None:
        raise SystemExit("The measured data is not there. Set TWIN_SHARED_DATA to its folder.")
    every = []
    for group in READERS:
        charges = read(shared, (group,))
        save(work, charges)
        every += charges
    print(table(every))


if __name__ == "__main__":
    main()
