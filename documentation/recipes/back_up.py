"""Copy a store of the embedded platform while runs, ingests and the server go on: python back_up.py STORE TARGET

TARGET is a new folder; it appears whole or not at all. Databases are copied by SQLite itself. Every other file is replaced as a
whole by whoever writes it, so a copy of it is whole too. The order matters: each asset's database comes before its series. A
result that is newer than the saved state is computed again by the next run; one that is older would be missing.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path


def back_up(store: Path, target: Path) -> int:
    """Copy the store; return how many files were copied."""
    if target.exists():
        raise SystemExit(f"{target} is there already; name a new folder")
    if not store.is_dir():
        raise SystemExit(f"{store} is not a folder; platform.store in settings.json names it")
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    databases = [path for path in _files(store) if path.suffix == ".db"]
    for path in databases:
        _copy_database(path, scratch / path.relative_to(store))
    count = len(databases)
    for path in _files(store):
        if path.suffix != ".db":
            count += _copy_file(path, scratch / path.relative_to(store))
    scratch.mkdir(parents=True, exist_ok=True)
    scratch.rename(target)
    return count


def _files(store: Path) -> Iterator[Path]:
    """Find what lasts: no file that is still being written, no log of SQLite, which its copy does not need."""
    for path in sorted(store.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(("-wal", "-shm", "-journal")):
            yield path


def _copy_database(path: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    there = f"{path.absolute().as_uri()}?mode=rw"  # without a mode SQLite would make a file that was just deleted anew
    try:
        with closing(sqlite3.connect(there, timeout=60, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            damage = target.execute("pragma integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        damage = str(error)
    if damage != "ok":
        raise SystemExit(f"{path} cannot be copied: {damage}. If it is damaged, keep the back-up before this one.")
    shutil.copymode(path, copy)


def _copy_file(path: Path, copy: Path) -> int:
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy2(path, copy)
    except FileNotFoundError:
        return 0  # a day that a run has emptied since it was listed
    return 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    print(f"{back_up(Path(sys.argv[1]), Path(sys.argv[2]))} files copied to {sys.argv[2]}")
