"""The mapping file of `ingest`: which column is which sensor, in which unit, and what its times mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, ValidationError

from platform_interface.checked import Checked
from platform_interface.errors import UsageError
from platform_interface.manifest import Unit
from platform_interface.settings import _zone
from platform_interface.spelling import did_you_mean, faults_of
from platform_interface.strict_json import parse
from platform_interface.table import Times

if TYPE_CHECKING:
    import pyarrow as pa

#: Columns of the Battery Data Format that become sensors: label -> (sensor, unit). Current: positive on charge.
BDF = {
    "Current / A": ("Current", "ampere"),
    "Voltage / V": ("Voltage", "volt"),
    "Ambient Temperature / degC": ("Ambient Temperature", "degC"),
    "Surface Temperature T1 / degC": ("Cell Temperature", "degC"),
    "Temperature T1 / degC": ("Cell Temperature", "degC"),
}
BDF_TIME = "Unix Time / s"
#: Stands for a row without a usable time; the reasons.
NEVER = int(np.iinfo(np.int64).min)
WITHOUT = "rows without a time"
OUTSIDE = "rows with a time outside 1970 to 2100"
AMBIGUOUS = "rows whose local time is ambiguous (clock change)"
_YEAR_1980, _YEAR_2100 = 315_532_800_000, 4_102_444_800_000
_OFFSET = r"\d[T ]\d.*([Zz]|[+-]\d{2}(:?\d{2})?)\s*$"
_PLACE = re.compile(r"\\\{n\\\}")


class AssetStatement(Checked):
    """What is said of the asset; kept as its parameters."""

    name: str = Field("", description="Name for people.")
    tags: list[str] = Field(default_factory=list, description="Tags, for `assetTag`.")
    time_zone: Annotated[str, BeforeValidator(_zone)] | None = Field(None, description="IANA zone of the site.")
    positive_current: Literal["discharge", "charge"] | None = Field(None, description="What a positive current means.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters by name, such as Capacity [Ah].")


class TimeColumn(Checked):
    """The column of times."""

    column: str = Field(BDF_TIME, description="Name of the column.")
    time_zone: Annotated[str, BeforeValidator(_zone)] | None = Field(
        None, description="Zone of times that carry none. Needed for those; there is no default."
    )
    unit: Literal["s", "ms", "us", "ns"] = Field("s", description="Unit of times that are numbers since 1970.")
    start: str | None = Field(None, description="ISO 8601 time with offset, where the column counts from a test's start.")


class ColumnTarget(Checked):
    """What one column, or a numbered family `name{n}`, becomes."""

    sensor: str = Field(description="Sensor name; `Name|*` for a numbered family.", min_length=1)
    unit: Unit = Field(description="Unit of the column, a pint name or its symbol.")


class FileMapping(Checked):
    """The whole mapping file."""

    asset: AssetStatement = Field(default_factory=lambda: AssetStatement(), description="The asset.")
    time: TimeColumn = Field(default_factory=lambda: TimeColumn(), description="The times.")
    rows: dict[str, str | int | float] = Field(default_factory=dict, description="Take only rows with these values, by column.")
    columns: dict[str, ColumnTarget] = Field(default_factory=dict, description="The sensors, by column.")

    def chosen_rows(self, content: pa.Table, where: str) -> pa.Table:
        """Return the rows that `rows` asks for."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for column, wanted in self.rows.items():
            data = content.column(column)
            if pa.types.is_dictionary(data.type):
                data = pc.cast(data, data.type.value_type)
            try:
                content = content.filter(pc.equal(data, pa.scalar(wanted).cast(data.type)))
            except pa.ArrowException:
                raise UsageError(f"{where}: rows.{column}: the column holds {data.type}, and {wanted!r} is none") from None
        return content

    def times(self, content: pa.Table, where: str) -> Moments:
        """Return the times, and how many rows have none for which reason."""
        import pyarrow as pa

        data = content.column(self.time.column).combine_chunks()
        if pa.types.is_string(data.type) or pa.types.is_large_string(data.type):
            data = _parsed(data, self.time.column, where)
        if pa.types.is_timestamp(data.type):
            return self._from_timestamps(data, where)
        if pa.types.is_integer(data.type) or pa.types.is_floating(data.type):
            return self._from_numbers(data, where)
        raise UsageError(f"{where}: column '{self.time.column}' holds {data.type}, which is no time")

    def _from_timestamps(self, data: Any, where: str) -> Moments:
        import pandas as pd

        index = pd.DatetimeIndex(data.to_pandas())
        known = np.asarray(index.notna())
        offsets = index.tz is not None
        if index.tz is None:
            if self.time.time_zone is None:
                first = index[0].isoformat() if len(index) else ""
                raise UsageError(
                    f'{where}: times such as {first} carry no zone, and UTC is not assumed. Set "time": {{"time_zone": "UTC"}} '
                    "in the mapping file, or the zone of the site."
                )
            index = index.tz_localize(self.time.time_zone, ambiguous="NaT", nonexistent="NaT")
        clear = np.asarray(index.notna())
        time = np.asarray(index.tz_convert("UTC").as_unit("ms").asi8, np.int64)
        outside = clear & ~((time >= 0) & (time < _YEAR_2100))
        told = f"the first time is {index[outside][0].isoformat()}, which is outside 1970 to 2100" if outside.any() else ""
        counts = {WITHOUT: int((~known).sum()), AMBIGUOUS: int((known & ~clear).sum()), OUTSIDE: int(outside.sum())}
        return Moments(np.where(clear & ~outside, time, NEVER), counts, told, offsets if known.any() else None)

    def _from_numbers(self, data: Any, where: str) -> Moments:
        import pyarrow as pa

        numbers = data.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        factor = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}[self.time.unit]
        with np.errstate(over="ignore"):
            instants = np.rint(numbers * factor + self._begin(where))
        known = np.isfinite(numbers)
        inside = known & (instants >= 0) & (instants < _YEAR_2100)
        outside, told = known & ~inside, ""
        if outside.any():
            told = (
                f"the first time is {numbers[outside][0]:g}, which is outside 1970 to 2100 in {self.time.unit}; check time.unit"
            )
        if inside.any() and self.time.start is None and instants[inside].max() < _YEAR_1980:
            first = numbers[inside][0]
            raise UsageError(
                f"{where}: times begin at {first:g} {self.time.unit}, in {1970 + int(instants[inside][0]) // 31_557_600_000}: "
                "they seem to count from the start of a test. Set time.start in the mapping file."
            )
        time = np.full(numbers.size, NEVER)
        time[inside] = instants[inside].astype(np.int64)
        return Moments(time, {WITHOUT: int((~known).sum()), OUTSIDE: int(outside.sum())}, told)

    def _begin(self, where: str) -> float:
        from platform_interface.when import instant

        try:
            return 0.0 if self.time.start is None else float(instant(self.time.start))
        except ValueError as error:
            raise UsageError(where, [f"time.start: {error}"]) from None


def _parsed(data: Any, column: str, where: str) -> Any:
    """Read ISO 8601 times: all with an offset, which may change with the clock, or all without."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        series = pd.to_datetime(data.to_pandas(), format="ISO8601", utc=True)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{where}: column '{column}' is not ISO 8601: {error}") from None
    known = series.notna().to_numpy()
    offset = pc.match_substring_regex(data, _OFFSET).fill_null(False).to_numpy(zero_copy_only=False)
    if (known & offset).any() and (known & ~offset).any():
        raise UsageError(mixed(where, column))
    return pa.array(series if (known & offset).any() else series.dt.tz_localize(None))


def mixed(where: str, column: str) -> str:
    """Say that a column has times of two kinds."""
    return f"{where}: column '{column}' mixes times with and without an offset; give every time its offset"


@dataclass
class Moments:
    """Times of some rows.

    Attributes
    ----------
    time : ndarray of int64
        `NEVER` where a row has no usable time. [ms UTC]
    counts : dict
        Rows without a usable time, by kind.
    outside : str
        What to say when every time is out of range; empty when none is.
    offsets : bool or None
        Whether the times carry an offset; None where that is not known or does not matter.
    """

    time: Times
    counts: dict[str, int]
    outside: str = ""
    offsets: bool | None = None


@dataclass
class Chosen:
    """Columns to take, by time base: (column, sensor, unit); the column of times, and those that choose rows."""

    time: str
    choosing: set[str]
    bases: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    by_sensor: dict[str, str] = field(default_factory=dict)

    def take(self, found: Mapping[str, int], target: ColumnTarget, array: bool) -> list[str]:
        """Take the columns of one target; return what is wrong with it. Each of a family keeps its own number."""
        stem = target.sensor.removesuffix("|*")
        base = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")[:100] or "array" if array else "pack"
        labels = [f"{stem}|{number}" for number in found.values()] if array else [stem]
        self.used.update(found)
        for column, label in zip(found, labels, strict=True):
            if label == "time":
                return [f"columns.{column}.sensor: 'time' is the name of the time column; choose another"]
            if label in self.by_sensor:
                return [f"columns.{column}: '{label}' is already column '{self.by_sensor[label]}'; give each sensor one column"]
            self.by_sensor[label] = column
            self.bases.setdefault(base, []).append((column, label, target.unit))
        return []


def read_mapping(path: Path | None) -> FileMapping:
    """Read a mapping file; none stands for columns of the Battery Data Format.

    Raises
    ------
    UsageError
        With every fault.
    """
    if path is None:
        return FileMapping(asset=AssetStatement(positive_current="charge"))
    try:
        content = parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist (looked in {Path.cwd()})") from None
    except OSError as error:
        reason = "is a folder" if path.is_dir() else error.strerror
        raise UsageError(f"{path} cannot be read as a mapping file: {reason}") from None
    except ValueError as error:
        raise UsageError(path.name, [f"not JSON: {error}"]) from None
    try:
        return FileMapping.model_validate(content)
    except ValidationError as error:
        raise UsageError(path.name, faults_of(error, FileMapping)) from None


def columns_of(mapping: FileMapping, names: Sequence[str], where: str) -> Chosen:
    """Match the columns of a file; those of an array sensor share a time base of their own.

    Raises
    ------
    UsageError
        Columns that are not there, with the nearest name; two for one sensor; nothing to take.
    """
    chosen = Chosen(mapping.time.column, set(mapping.rows), used={mapping.time.column})
    faults = [f"rows.{name}: no such column{did_you_mean(name, names)}" for name in mapping.rows if name not in names]
    if mapping.time.column not in names:
        faults.append(f"time.column: '{mapping.time.column}' is not a column{did_you_mean(mapping.time.column, names)}")
    targets = mapping.columns or _bdf(names)
    if not targets:
        faults.append(f"no column is mapped; the file has {', '.join(names[:12])}")
    for column, target in targets.items():
        found = _numbered(column, names) if "{n}" in column else {column: 0} if column in names else {}
        if not found:
            faults.append(f"columns.{column}: is not a column{did_you_mean(column, names)}")
        elif target.sensor.endswith("|*") != ("{n}" in column):
            faults.append(f"columns.{column}: a family '{{n}}' and a sensor 'Name|*' go together; got '{target.sensor}'")
        else:
            faults.extend(chosen.take(found, target, "{n}" in column))
    if faults:
        raise UsageError(f"the mapping of {where}", faults)
    return chosen


def _bdf(names: Sequence[str]) -> dict[str, ColumnTarget]:
    """Return the columns of the Battery Data Format that are there; of two labels for one sensor the first."""
    first: dict[str, str] = {}
    for label, (sensor, _) in BDF.items():
        if label in names:
            first.setdefault(sensor, label)
    return {label: ColumnTarget(sensor=sensor, unit=BDF[label][1]) for sensor, label in first.items()}


def _numbered(column: str, names: Sequence[str]) -> dict[str, int]:
    """Return the columns of a family with their numbers, in numeric order."""
    pattern = re.compile(_PLACE.sub(r"(\\d+)", re.escape(column)) + "$")
    found = [(int(match.group(1)), name) for name in names if (match := pattern.match(name))]
    return {name: number for number, name in sorted(found)}
