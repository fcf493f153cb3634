"""A file of samples -> the embedded platform: CSV, Parquet, or columns of the Battery Data Format.

Nothing is sorted, merged or dropped; what looks wrong is counted and told, and judged on every run.
A file that is already in (by its SHA-256) is not taken twice.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_interface.errors import LeaseError, UsageError
from platform_interface.ingest_mapping import FileMapping, columns_of, read_mapping
from platform_interface.platforms.base import Asset, Platform
from platform_interface.table import Mask, Table, Times
from platform_interface.when import text

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows that are read and written at a time.
BATCH = 262_144
_LEASE = 600.0


@dataclass
class Ingested:
    """What an ingest did."""

    asset: str
    rows: int = 0
    skipped: int = 0
    first: int | None = None
    last: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    already: str = ""

    def add(self, kind: str, count: int) -> None:
        if count:
            self.counts[kind] = self.counts.get(kind, 0) + count


def ingest(
    platform: Platform, path: Path, asset: str, mapping_path: Path | None,
    progress: Callable[[float], None] = lambda _share: None, again: bool = False,
) -> Ingested:  # fmt: skip
    """Bring a file of samples in.

    Parameters
    ----------
    platform : Platform
        Where to.
    path : Path
        ``.csv`` or ``.parquet``.
    asset : str
        Id of the asset; created when it is new.
    mapping_path : Path or None
        Which column is which sensor; not needed for columns of the Battery Data Format.
    progress : callable
        Called with the share done.
    again : bool
        Take the file although it is in.

    Raises
    ------
    UsageError
        The file or the mapping is wrong; every fault is named.
    LeaseError, PlatformError
        The asset is being computed, or the platform refuses.
    """
    if not path.is_file():
        raise UsageError(f"{path} does not exist (looked in {Path.cwd()})")
    mapping = read_mapping(mapping_path)
    names = _column_names(path)
    chosen = columns_of(mapping, names, path.name)
    result = Ingested(asset, unmapped=[name for name in names if name not in chosen.used])
    platform.save_asset(_asset(platform, asset, mapping))
    owner = f"ingest-{os.getpid()}-{uuid.uuid4().hex}"
    holder = platform.take_lease(asset, owner, _LEASE)
    if holder is not None:
        raise LeaseError(f"{asset} is being computed ({holder}); wait for it and ingest again")
    try:
        ledger = f"ingest/{_sha256(path, mapping)}"
        if platform.load_state(asset, ledger) and not again:
            result.already = platform.load_state(asset, ledger)[ledger]
            return result
        _bring(platform, path, asset, mapping, chosen, result, progress)
        note = f"{path.name}, {result.rows} rows from {_shown(result.first)} to {_shown(result.last)}"
        platform.save_state(asset, {ledger: note}, owner)
    finally:
        platform.drop_lease(asset, owner)
    return result


def _shown(instant: int | None) -> str:
    return "never" if instant is None else text(instant)


def _asset(platform: Platform, asset: str, mapping: FileMapping) -> Asset:
    known = {item.id: item for item in platform.assets([], "")}.get(asset, Asset(asset))
    stated = mapping.asset
    parameters = {**known.parameters, **stated.parameters}
    for key in ("positive_current", "time_zone"):
        if getattr(stated, key):
            parameters[key] = getattr(stated, key)
    return Asset(asset, stated.name or known.name, tuple(dict.fromkeys([*known.tags, *stated.tags])), parameters)


def _sha256(path: Path, mapping: FileMapping) -> str:
    digest = hashlib.sha256(mapping.model_dump_json().encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _column_names(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            return list(pq.read_schema(path).names)
        if path.suffix in (".csv", ".txt", ".bdf"):
            return [name.strip().lstrip("\ufeff") for name in _csv(path).schema.names]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} cannot be read as {path.suffix[1:]}: {error}") from None
    raise UsageError(f"{path.name}: '{path.suffix}' is not read; give .csv or .parquet")


def _csv(path: Path) -> Any:
    from pyarrow import csv

    return csv.open_csv(path, read_options=csv.ReadOptions(block_size=1 << 24))


def _batches(path: Path) -> Iterator[tuple[pa.Table, float]]:
    """Give the file piece by piece, with the share that is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                done = 0
                for batch in file.iter_batches(BATCH):
                    done += batch.num_rows
                    yield pa.table(batch), done / max(1, file.metadata.num_rows)
            return
        size, read = path.stat().st_size, 0
        for batch in _csv(path):
            read += batch.nbytes
            content = pa.table(batch)
            yield (
                content.rename_columns([n.strip().lstrip("\ufeff") for n in content.column_names]),
                min(1.0, read / (4 * size)),
            )
    except pa.ArrowException as error:
        raise UsageError(f"{path.name} cannot be read: {error}") from None


def _bring(
    platform: Platform, path: Path, asset: str, mapping: FileMapping, chosen: Any, result: Ingested,
    progress: Callable[[float], None],
) -> None:  # fmt: skip
    latest = None
    for content, share in _batches(path):
        content = mapping.chosen_rows(content, path.name)
        time = mapping.times(content, path.name)
        usable = time != np.iinfo(np.int64).min
        result.add("rows without a time", int((~usable).sum()))
        latest = _count(time[usable], latest, result)
        for base, columns in chosen.bases.items():
            table = _table(content, time, usable, columns, path.name, result)
            platform.append(asset, base, table, {sensor: unit for _, sensor, unit in columns})
        progress(share)


def _count(time: Times, latest: int | None, result: Ingested) -> int | None:
    if not time.size:
        return latest
    result.rows += time.size
    before = np.maximum.accumulate(np.concatenate([[latest if latest is not None else time[0]], time]))[:-1]
    result.add("rows out of order", int((time < before).sum()))
    result.first = min(int(time.min()), result.first if result.first is not None else int(time.min()))
    result.last = max(int(time.max()), result.last if result.last is not None else int(time.max()))
    return max(int(time.max()), latest if latest is not None else int(time.max()))


def _table(
    content: pa.Table, time: Times, usable: Mask, columns: Sequence[tuple[str, str, str]], where: str, result: Ingested
) -> Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = np.full((len(columns), time.size), np.nan)
    absent = np.zeros(values.shape, bool)
    for row, (column, sensor, _) in enumerate(columns):
        data = content.column(column)
        if pa.types.is_boolean(data.type):
            data = pc.cast(data, pa.int8())
        if not (pa.types.is_integer(data.type) or pa.types.is_floating(data.type) or pa.types.is_null(data.type)):
            raise UsageError(
                f"{where}: column '{column}' ({sensor}) holds {data.type}, not numbers; is a header or a word in it?"
            )
        absent[row] = data.is_null().to_numpy()
        values[row] = data.cast(pa.float64(), safe=False).to_numpy()
    result.add("values not finite", int((~np.isfinite(values) & ~absent).sum()))
    result.add("values absent", int(absent.sum()))
    table = Table(time, tuple(sensor for _, sensor, _ in columns), values, absent if absent.any() else None)
    return table if usable.all() else table.rows(usable)
