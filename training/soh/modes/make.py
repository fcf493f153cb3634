"""Train the failure modes that the plugin ships, from kept simulations, and judge them on cells that they have not seen.

    python -m training.soh.modes.make WORK [WORK ...] [--confirm OTHER] [--seed 0]

WORK and OTHER are folders of simulated cells (training.soh.modes.simulate); no choice was made by OTHER's. Tables and members of the ensemble
are kept in the folders under names that say which cells they are of, so that the command goes on where it was. Writes models/neural_soh/modes.onnx
and training/soh/results/modes_shipped.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.neural_soh.modes.differences import NAMES
from models.neural_soh.modes.mechanisms import CLASSES
from training.soh.modes import shipped as ensemble
from training.soh.modes.dataset import Table
from training.soh.modes.export import to_onnx
from training.soh.modes.kept import HERE, SHIPPED, fingerprint, kept
from training.soh.modes.kept import code as kept_code
from training.soh.modes.scores import figures
from training.soh.modes.shards import read
from training.soh.modes.shipped import FILMS, Layers, Shipped, train
from training.soh.modes.telemetry import HABITS, table

FloatArray = npt.NDArray[np.float64]

ONNX = SHIPPED / "modes.onnx"
RESULTS = Path(__file__).parents[1] / "results" / "modes_shipped.json"
#: Beginnings of each cell, of any charges, for training; and for judging. An answer is of the mean over so many charges.
REPLICATES, JUDGED = 4, 1
TRAINING_COUNTS, JUDGED_COUNTS = (1, 2, 3), (1, 4)
#: Noise and habits of training, and of judging.
TRAINING_SEED, JUDGING_SEED = 0, 1
FADES = {"all": (0.0, 1.0), "below 2 %": (0.0, 0.02)}
VERSION = 1
#: Modules of what is shipped that vectors depend on.
SOURCES = ("curves", "differences", "electrodes", "half_cells", "reference", "smoothing")


def code() -> str:
    """Return a short hash of the code that vectors depend on."""
    shipped = [SHIPPED / "modes" / f"{name}.py" for name in SOURCES]
    return kept_code([*shipped, SHIPPED / "parts.py", HERE / "telemetry.py"])


def kept_table(work: Path, paths: list[Path], habits: str, counts: tuple[int, ...], replicates: int, seed: int) -> Table:
    """Return a table of cells, from the folder if it has that of these cells by this code."""
    name = f"vectors-{fingerprint(paths)[:12]}-{code()}-{habits.replace(' ', '-')}-{max(counts)}-{replicates}-{seed}.npz"
    return kept(work / name, lambda: table((read(path) for path in paths), HABITS[habits], counts, replicates, seed))


class Members(MutableMapping[int, Layers]):
    """Members of the ensemble, each in a file of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def _path(self, number: int) -> Path:
        return self._folder / f"member-{self._name}-{number}.npz"

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self._path(number).is_file()

    def __getitem__(self, number: int) -> Layers:
        with np.load(self._path(number)) as stored:
            count = len(stored.files) // 2
            return [(stored[f"weight_{place}"], stored[f"offset_{place}"]) for place in range(count)]

    def __setitem__(self, number: int, layers: Layers) -> None:
        arrays = {f"weight_{place}": weight for place, (weight, _) in enumerate(layers)}
        arrays |= {f"offset_{place}": offset for place, (_, offset) in enumerate(layers)}
        part = self._path(number).with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        part.replace(self._path(number))
        print(f"member {number} done", flush=True)

    def __delitem__(self, number: int) -> None:
        self._path(number).unlink()

    def __iter__(self) -> Iterator[int]:
        return iter(number for number in range(ensemble.MEMBERS) if number in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def judged(rows: Table, shares: FloatArray, probabilities: FloatArray, least: float) -> dict[str, Any]:
    """Return figures of each population and fade; shifted cells and the second set also together."""
    groups = {
        "nominal": ("nominal",),
        "shifted": ("shifted",),
        "second": ("second",),
        "shifted + second": ("shifted", "second"),
    }
    found: dict[str, Any] = {}
    for group, populations in groups.items():
        for (fade, (low, high)), films in product(FADES.items(), ("", ", other films")):
            other = np.char.startswith(rows.cell, FILMS) == bool(films)
            chosen = other & np.isin(rows.population, populations) & (rows.fade >= low) & (rows.fade < high)
            if not chosen.any():
                continue
            part = figures(rows.label[chosen], probabilities[chosen], least, rows.shares[chosen].argmax(axis=1))
            part["cells"] = len(np.unique(rows.cell[chosen]))
            part["share_rmse"] = float(np.sqrt(np.mean((shares[chosen] - rows.shares[chosen]) ** 2)))
            part["right_of_answered"] = right_of_answered(rows.label[chosen], probabilities[chosen], least)
            found[f"{group}{films} / {fade}"] = {
                key: round(value, 4) if isinstance(value, float) else value for key, value in part.items()
            }
    return found


def cells_of(folder: Path) -> list[Path]:
    """Return the files of a folder's cells."""
    return sorted(folder.glob("cell-*.npz"))


def joined(tables: list[Table]) -> Table:
    """Return tables of several folders as one."""
    names = ("shares", "label", "cell", "population", "context", "fade")
    x = np.concatenate([one.x for one in tables], axis=1)
    return Table(x, *(np.concatenate([getattr(one, name) for one in tables]) for name in names))


def right_of_answered(label: npt.NDArray[np.int64], probabilities: FloatArray, least: float) -> float:
    """Return the share of answers that are right; NaN without an answer."""
    said = probabilities.max(axis=1) >= least
    return float(np.mean(probabilities.argmax(axis=1)[said] == label[said])) if said.any() else float("nan")


def told(rows: Table) -> Table:
    """Return the looks of which every measurement could be told."""
    return rows.rows(np.isfinite(rows.x).all(axis=(0, 2)))


def confirmed(work: Path, paths: list[Path], made: Shipped) -> dict[str, Any]:
    """Return the shipped ensemble's figures on cells that it has not seen, whole charges and any charges."""
    found: dict[str, Any] = {}
    for habits in HABITS:
        rows = told(kept_table(work, paths, habits, JUDGED_COUNTS, JUDGED, JUDGING_SEED))
        for place, count in enumerate(JUDGED_COUNTS):
            shares, probabilities = made.predict(rows.x[place])
            found[f"{habits}, mean of {count}"] = judged(rows, shares, probabilities, made.least)
    return found


def make(works: list[Path], confirm: Path | None, seed: int) -> dict[str, Any]:
    """Train, export, and judge."""
    started = time.process_time()
    paths = [path for work in works for path in cells_of(work)]
    rows = told(
        joined([kept_table(work, cells_of(work), "any charges", TRAINING_COUNTS, REPLICATES, TRAINING_SEED) for work in works])
    )
    members = Members(
        works[0], f"{fingerprint(paths)[:12]}-{code()}-{seed}-{ensemble.WIDTH}-{ensemble.STEPS}-{ensemble.REPEATED}"
    )
    made, outside, probabilities = train(rows, seed, members)
    about = {
        "what": "failure modes of a cell from one charge and its first ones",
        "version": VERSION,
        "seed": seed,
        "cells": {name: len(np.unique(rows.cell[rows.population == name])) for name in np.unique(rows.population).tolist()},
        "looks": len(rows.label),
        "data": fingerprint(paths),
        "least": round(made.least, 6),
        "classes": list(CLASSES),
        "features": list(NAMES),
    }
    content = to_onnx(made, json.dumps(about))
    ONNX.write_bytes(content)
    result = {
        "configuration": {key: about[key] for key in ("version", "seed", "cells", "looks", "data", "least")}
        | {
            name.lower(): getattr(ensemble, name)
            for name in ("MEMBERS", "WIDTH", "STEPS", "BATCH", "LIMIT", "REPEATED", "RIGHT", "SILENT")
        }
        | {"replicates": REPLICATES, "code": code(), "doubt": made.doubt.round(4).tolist()},
        "versions": {name: version(name) for name in ("numpy", "onnx", "scipy", "torch")},
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "cross-validated": {
            f"any charges, mean of {TRAINING_COUNTS[ensemble.CALIBRATED]}": judged(rows, outside, probabilities, made.least)
        },
    }
    if confirm is not None:
        others = cells_of(confirm)
        result["confirmed"] = {"data": fingerprint(others), **confirmed(confirm, others, replace(made, least=about["least"]))}
    result["cpu_minutes"] = round((time.process_time() - started) / 60.0, 1)
    return result


def printed(result: dict[str, Any]) -> str:
    """Return a table of a result."""
    lines = [f"modes.onnx: {result['bytes'] / 1e6:.2f} MB, least probability {result['configuration']['least']:.3f}"]
    for part in ("cross-validated", "confirmed"):
        for habits, rows in result.get(part, {}).items():
            if habits == "data":
                continue
            for key, row in rows.items():
                lines.append(
                    f"{part:16} {habits:24} {key:42} {row['cells']:4d} cells {row['looks']:5d} looks  macro-F1 {row['macro_f1']:.3f}  "
                    f"answered {row['macro_f1_answered']:.3f} ({row['right_of_answered']:.3f} right)  abstains {row['abstention']:.2f}  "
                    f"top of 4 {row['macro_f1_top_mechanism']:.3f}  shares {row['share_rmse']:.3f}"
                )
    return "\n".join(lines)


def main() -> None:
    """Make what is shipped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", type=Path, nargs="+", metavar="WORK")
    parser.add_argument("--confirm", type=Path, help="folder of cells that nothing was chosen by")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    result = make(chosen.works, chosen.confirm, chosen.seed)
    RESULTS.write_text(json.dumps(result, indent=1).replace("NaN", "null") + "\n", encoding="utf-8")
    print(printed(result))


if __name__ == "__main__":
    main()
