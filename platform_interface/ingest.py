"""A file of samples -> the embedded platform: CSV, Parquet, or columns of the Battery Data Format.

Rows come in as they are, in their order: nothing is sorted, merged or repaired; what looks wrong is counted and told, and
judged on every run. Of the rows that the mapping asks for, only those are left out that have no place in time, and each
kind is counted: rows without a time, rows with a time outside 1970 to 2100, and rows whose local time is ambiguous because
the clock was changed (shown twice, or never). A file that is already in (by its SHA-256) is not taken twice.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_interface.errors import LeaseError, PlatformError, UsageError
from platform_interface.ingest_mapping import NEVER, Chosen, FileMapping, columns_of, mixed, read_mapping
from platform_interface.platforms.base import Asset, Platform
from platform_interface.table import Mask, Table, Times
from platform_interface.when import text

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows that are read and written at a time.
BATCH = 262_144
_LEASE = 600.0
_BLOCK = 1 << 24
_ONCE = "rows that are in already count once"


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
        The file or the mapping is wrong; every fault is named, and how many rows are in already.
    LeaseError, PlatformError
        The asset is being computed or was taken over, or the platform refuses.
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
        _Delivery(platform, path, owner, result).bring(mapping, chosen, progress)
        note = f"{path.name}, {result.rows} rows from {_shown(result.first)} to {_shown(result.last)}"
        platform.save_state(asset, {ledger: note}, owner)
    finally:
        platform.drop_lease(asset, owner)
    return result


def _shown(instant: int | None) -> str:
    return "never" if instant is None else text(instant)


def _asset(platform: Platform, asset: str, mapping: FileMapping) -> Asset:
    try:
        [known] = platform.assets([asset], "")
    except PlatformError:
        known = Asset(asset)
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


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _column_names(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if _kind(path) == ".parquet":
            names = list(pq.read_schema(path).names)
        elif _kind(path) in (".csv", ".txt", ".bdf"):
            names = [_clean(name) for name in _schema(path)]
        else:
            raise UsageError(f"{path.name}: '{path.suffix}' is not read; give .csv or .parquet")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} cannot be read as {_kind(path)[1:]}: {error}") from None
    if twice := _twice(names):
        raise UsageError(path.name, twice)
    return names


def _twice(names: Sequence[str]) -> list[str]:
    return [
        f"column '{name}' is there {count} times; rename all but one" for name, count in Counter(names).items() if count > 1
    ]


def _clean(name: str) -> str:
    return name.strip().lstrip("\ufeff").strip()


def _csv(path: Path, types: dict[str, Any] | None = None, only: Sequence[str] = ()) -> Any:
    from pyarrow import csv

    options = csv.ConvertOptions(column_types=types, include_columns=list(only))
    return csv.open_csv(path, read_options=csv.ReadOptions(block_size=_BLOCK), convert_options=options)


def _schema(path: Path) -> dict[str, Any]:
    """Give the columns of a CSV file as they are written, with the type that its first block suggests."""
    with _csv(path) as reader:
        schema = reader.schema
    if len(set(schema.names)) < len(schema.names):
        raise UsageError(path.name, _twice([_clean(name) for name in schema.names]))
    return {column.name: column.type for column in schema}


def _batches(path: Path, chosen: Chosen) -> Iterator[tuple[pa.Table, float]]:
    """Give the file piece by piece, with the share that is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if _kind(path) != ".parquet":
            yield from _blocks(path, chosen)
            return
        with pq.ParquetFile(path) as file:
            done = 0
            for batch in file.iter_batches(BATCH):
                done += batch.num_rows
                yield pa.table(batch), done / max(1, file.metadata.num_rows)
    except pa.ArrowException as error:
        raise UsageError(f"{path.name} cannot be read: {error}") from None


def _blocks(path: Path, chosen: Chosen) -> Iterator[tuple[pa.Table, float]]:
    """Give a CSV file block by block: sensors as numbers whatever its first block suggests, other columns not at all."""
    import pyarrow as pa

    kinds = _schema(path)
    needed = [name for name in kinds if _clean(name) in chosen.used | chosen.choosing]
    sensors = {column: sensor for columns in chosen.bases.values() for column, sensor, _ in columns if column != chosen.time}
    types = {name: pa.float64() for name in needed if _clean(name) in sensors and not pa.types.is_boolean(kinds[name])}
    size = path.stat().st_size
    try:
        for count, batch in enumerate(_csv(path, types, needed), 1):
            content = pa.table(batch)
            yield content.rename_columns([_clean(name) for name in content.column_names]), min(1.0, count * _BLOCK / size)
    except pa.ArrowInvalid as error:
        found = re.search(r"In CSV column #(\d+): (.*)", str(error), re.DOTALL)
        if found is None:
            raise
        column = _clean(list(kinds)[int(found.group(1))])
        if column not in sensors:
            raise UsageError(f"{path.name}: column '{column}' cannot be read: {found.group(2)}") from None
        raise UsageError(
            f"{path.name}: column '{column}' ({sensors[column]}) is not all numbers; is a header or a word in it? {found.group(2)}"
        ) from None


@dataclass
class _Delivery:
    """One file on its way to one asset, under the lease of one owner."""

    platform: Platform
    path: Path
    owner: str
    result: Ingested
    latest: int | None = None
    offsets: bool | None = None
    outside: str = ""

    def bring(self, mapping: FileMapping, chosen: Chosen, progress: Callable[[float], None]) -> None:
        """Bring every row in; an error says how many are in already."""
        try:
            for content, share in _batches(self.path, chosen):
                self._batch(mapping.chosen_rows(content, self.path.name), mapping, chosen)
                progress(share)
        except UsageError as error:
            if not self.result.rows:
                raise
            raise UsageError(f"{error}\n{self._rows_in()} It is safe to ingest the mended file: {_ONCE}.") from None
        if self.outside and not self.result.rows:
            raise UsageError(f"{self.path.name}: {self.outside}")

    def _rows_in(self) -> str:
        return f"{self.result.rows} rows of it are in already."

    def _batch(self, content: pa.Table, mapping: FileMapping, chosen: Chosen) -> None:
        where = self.path.name
        moments = mapping.times(content, where)
        if moments.offsets is not None and self.offsets not in (None, moments.offsets):
            raise UsageError(mixed(where, mapping.time.column))
        self.offsets = self.offsets if moments.offsets is None else moments.offsets
        self.outside = self.outside or moments.outside
        usable = moments.time != NEVER
        tables = [
            (base, columns, _table(content, moments.time, usable, columns, where, self.result))
            for base, columns in chosen.bases.items()
        ]
        for kind, count in moments.counts.items():
            self.result.add(kind, count)
        if not usable.any():
            return
        for base, columns, table in tables:
            self._renew()
            self.platform.append(self.result.asset, base, table, {sensor: unit for _, sensor, unit in columns})
        self.latest = _count(moments.time[usable], self.latest, self.result)

    def _renew(self) -> None:
        """Keep the lease; a file may take longer than it lasts."""
        holder = self.platform.take_lease(self.result.asset, self.owner, _LEASE)
        if holder is not None:
            raise LeaseError(
                f"{self.result.asset} was taken over by another run ({holder}) while {self.path.name} was read. "
                f"{self._rows_in()} Wait for that run and ingest the file again, which is safe: {_ONCE}."
            )


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
