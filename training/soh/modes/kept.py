"""Tables that are kept in the folder of the simulated cells, under names that say of which cells and by which code they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from training.soh.modes.dataset import Table

SHIPPED = Path(__file__).parents[3] / "models" / "neural_soh"
HERE = Path(__file__).parent


def fingerprint(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of files, in order, and of their names."""
    found = hashlib.sha256()
    for path in paths:
        found.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def code(sources: Iterable[Path]) -> str:
    """Return a short hash of source files."""
    return fingerprint(list(sources))[:12]


def kept(path: Path, build: Callable[[], Table]) -> Table:
    """Return the table of a file; if there is none it is built and written."""
    if not path.is_file():
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **vars(build()))
        part.replace(path)
    with np.load(path) as stored:
        return Table(**{key: stored[key] for key in stored.files})
