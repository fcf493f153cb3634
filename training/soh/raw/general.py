"""Anyone's ageing data: a YAML configuration says where the cells, their channels, units, sign and capacities are.

    python -m training.soh.raw.general draft FILE       # what there is, as a configuration to correct
    python -m training.soh.raw.general check CONFIG     # reads everything and prints a line a cell

Parquet and CSV hold a table (of one cell, or with a column that names it); HDF5 holds a group a cell with a dataset a channel. The
direction of the current has to be stated, as everywhere in this project; it is checked against the voltage.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.neural_soh.features import WINDOWS
from training.soh.cells import natural
from training.soh.raw.build import apart, floats, labels
from training.soh.raw.cell import CHANNELS, FloatArray, RawCell, RawDataError

#: Factor and offset to the unit inside, by channel.
UNITS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "time": {"s": (1.0, 0.0), "ms": (1e-3, 0.0), "min": (60.0, 0.0), "h": (3600.0, 0.0), "datetime": (1.0, 0.0)},
    "current": {"A": (1.0, 0.0), "mA": (1e-3, 0.0)},
    "voltage": {"V": (1.0, 0.0), "mV": (1e-3, 0.0)},
    "temperature": {"degC": (1.0, 0.0), "K": (1.0, -273.15)},
    "strain": {"1": (1.0, 0.0), "ppm": (1e-6, 0.0), "microstrain": (1e-6, 0.0)},
    "capacity": {"Ah": (1.0, 0.0), "mAh": (1e-3, 0.0)},
}
#: Words that columns are told by in a draft, most telling first.
WORDS: Mapping[str, tuple[str, ...]] = {
    "time": ("test_time", "t_s", "timestamp", "time", "datetime"),
    "current": ("current", "i_a", "amps"),
    "voltage": ("voltage", "volts", "v_v", "ecell"),
    "temperature": ("temp", "t_c"),
    "strain": ("strain",),
    "capacity": ("discharge_ah", "discharge_capacity", "capacity", "soh"),
}
_NEEDED = ("time", "current", "voltage")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Channel(_Strict):
    """A column or dataset, and its unit."""

    name: str
    unit: str


class Labels(_Strict):
    """Where the capacities are: a table with the cell's name, or datasets in the cell's group (no file)."""

    file: str | None = None
    cell: str | None = None
    time: Channel
    capacity: Channel


class Configuration(_Strict):
    """One set."""

    name: str
    files: str = Field(description="pattern, beside the configuration")
    cell: str | None = Field(default=None, description="column that names the cell; without it a file is a cell")
    chemistry: Literal["LFP", "LCO", "NCA", "NMC"]
    nominal_ah: float = Field(gt=0)
    positive_current: Literal["charge", "discharge"]
    channels: dict[str, Channel]
    labels: Labels
    max_gap_s: float = Field(default=300.0, gt=0)

    def faults(self) -> list[str]:
        """Return what pydantic cannot see."""
        found = [f"channels: '{name}' is needed" for name in _NEEDED if name not in self.channels]
        for name, channel in {**self.channels, "capacity": self.labels.capacity}.items():
            if name not in UNITS:
                found.append(f"channels.{name}: not a channel{_near(name, UNITS)}")
            elif channel.unit not in UNITS[name]:
                found.append(f"channels.{name}.unit: '{channel.unit}' is not a unit{_near(channel.unit, UNITS[name])}")
        if self.labels.time.unit not in UNITS["time"]:
            found.append(
                f"labels.time.unit: '{self.labels.time.unit}' is not a unit{_near(self.labels.time.unit, UNITS['time'])}"
            )
        return found


def configuration(path: Path) -> Configuration:
    """Read a configuration; every fault of it is told at once.

    Raises
    ------
    RawDataError
        With the faults, each by its place.
    """
    import yaml

    try:
        read_in = Configuration.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        faults = read_in.faults()
    except ValidationError as error:
        listed = error.errors(include_url=False, include_input=False)
        faults = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in listed]
    except yaml.YAMLError as error:
        faults = [f"not YAML: {error}"]
    if faults:
        raise RawDataError(f"{path.name} has {len(faults)} fault{'s' * (len(faults) > 1)}:\n  " + "\n  ".join(faults))
    return read_in


def read(path: Path) -> list[RawCell]:
    """Read the cells that a configuration names, in natural order.

    Raises
    ------
    RawDataError
        A column, a unit, a sign or an identity is not as stated.
    """
    stated = configuration(path)
    files = sorted(path.parent.glob(stated.files), key=lambda file: natural(file.name))
    if not files:
        raise RawDataError(f"{path.name}: files: nothing matches '{stated.files}' beside the configuration")
    cells: dict[str, RawCell] = {}
    for file in files:
        for name, columns, own in _tables(file, stated):
            if name in cells:
                raise RawDataError(
                    f"{file.name}: cell '{name}' was in another file already; name a column that tells them apart"
                )
            when, capacity = _labels(path.parent, stated, name, own)
            cells[name] = _cell(name, columns, when, capacity, stated)
    return [cells[name] for name in sorted(cells, key=natural)]


def _cell(name: str, columns: dict[str, FloatArray], when: FloatArray, capacity: FloatArray, stated: Configuration) -> RawCell:
    """Bring the channels to the units and the sign inside."""
    time = columns["time"]
    if (np.diff(time) < 0).any():
        at = int((np.diff(time) < 0).argmax()) + 1
        raise RawDataError(
            f"{stated.name} {name}: time runs backwards at row {at}. Sort the file, or leave out what it repeats."
        )
    sign = 1.0 if stated.positive_current == "discharge" else -1.0
    empty = np.full(len(time), np.nan)
    when, capacity = labels(list(zip(when.tolist(), capacity.tolist(), strict=True)))
    return RawCell(
        name, stated.name, stated.chemistry, stated.nominal_ah, apart(time), sign * columns["current"], columns["voltage"],
        columns.get("temperature", empty), columns.get("strain", empty), when, capacity, stated.max_gap_s,
    )  # fmt: skip


def _tables(file: Path, stated: Configuration) -> Iterator[tuple[str, dict[str, FloatArray], Any]]:
    """Yield name, channels and, from HDF5, the group of each cell in a file."""
    if file.suffix in (".h5", ".hdf5"):
        import h5py

        with h5py.File(file, "r") as opened:
            groups = {name: item for name, item in opened.items() if isinstance(item, h5py.Group)} or {file.stem: opened}
            for name, group in groups.items():
                yield (
                    name,
                    {key: _one(group, channel, key, f"{file.name} {name}") for key, channel in stated.channels.items()},
                    group,
                )
        return
    table = pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
    if stated.cell is None:
        parts: Any = [(file.stem, table)]
    else:
        _there(stated.cell, table.columns, file.name)
        parts = table.groupby(stated.cell, observed=True)
    for name, rows in parts:
        yield str(name), {key: _one(rows, channel, key, file.name) for key, channel in stated.channels.items()}, None


def _labels(folder: Path, stated: Configuration, name: str, group: Any) -> tuple[FloatArray, FloatArray]:
    """Return times and capacities of one cell."""
    wanted = stated.labels
    if wanted.file is None:
        if group is None:
            raise RawDataError(f"{stated.name}: labels.file is needed; only HDF5 holds capacities beside the channels")
        return _one(group, wanted.time, "time", name), _one(group, wanted.capacity, "capacity", name)
    file = folder / wanted.file
    if not file.exists():
        raise RawDataError(f"{stated.name}: labels.file: {wanted.file} is not beside the configuration")
    table = pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
    if wanted.cell is not None:
        _there(wanted.cell, table.columns, wanted.file)
        table = table[table[wanted.cell].astype(str) == name]
    return _one(table, wanted.time, "time", wanted.file), _one(table, wanted.capacity, "capacity", wanted.file)


def _one(source: Any, channel: Channel, key: str, where: str) -> FloatArray:
    """Return a column or dataset in the unit inside."""
    _there(channel.name, source.keys(), where)
    values = source[channel.name]
    if channel.unit == "datetime":
        moments = pd.to_datetime(pd.Series(np.asarray(values)))
        return floats((moments - pd.Timestamp(0, tz=moments.dt.tz)).dt.total_seconds())
    factor, offset = UNITS[key][channel.unit]
    return floats(np.asarray(values)) * factor + offset


def _there(name: str, names: Any, where: str) -> None:
    if name not in names:
        raise RawDataError(f"{where}: no column '{name}'{_near(name, names)}")


def _near(name: str, names: Any) -> str:
    near = get_close_matches(name, [str(other) for other in names], n=1, cutoff=0.4)
    return f"; did you mean '{near[0]}'?" if near else f"; there is {', '.join(str(other) for other in names)}"


def draft(file: Path) -> str:
    """Return a configuration with what is likely in a file; what cannot be told is left to be stated."""
    names, first = _names(file)
    found = {}
    for channel, words in WORDS.items():
        match = next((name for word in words for name in names if word in name.lower()), None)
        if match is not None:
            found[channel] = match
    lines = [
        f"name: {file.stem}",
        f"files: '*{file.suffix}'",
        "# cell: a column that names the cell; without it a file is a cell",
    ]
    lines += [
        f"chemistry:  # one of {', '.join(WINDOWS)}",
        "nominal_ah:",
        "positive_current:  # charge or discharge",
        "channels:",
    ]
    for channel in CHANNELS:
        if channel in found:
            lines.append(f"  {channel}: {{name: {found[channel]}, unit: {next(iter(UNITS[channel]))}}}")
    lines += ["labels:", "  # file: a table with the capacities", "  time: {name: , unit: s}"]
    lines += [
        f"  capacity: {{name: {found.get('capacity', '')}, unit: Ah}}",
        f"# columns: {', '.join(names)}",
        f"# first: {first}",
    ]
    return "\n".join(lines)


def _names(file: Path) -> tuple[list[str], str]:
    """Return the columns of a file, or the datasets of its first group, and its first row."""
    if file.suffix in (".h5", ".hdf5"):
        import h5py

        with h5py.File(file, "r") as opened:
            group = next((item for item in opened.values() if isinstance(item, h5py.Group)), opened)
            names = [str(name) for name in group]
            return names, ", ".join(f"{name} {group[name].shape}" for name in names)
    table = pd.read_csv(file, nrows=5) if file.suffix == ".csv" else pd.read_parquet(file).head(5)
    return [str(name) for name in table.columns], ", ".join(str(value) for value in table.iloc[0])


def main() -> None:
    """Draft a configuration, or check one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("draft", "check"))
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "draft":
        print(draft(chosen.file))
        return
    from training.soh.raw.dataset import charges_of, table

    print(table([charges_of(raw) for raw in read(chosen.file)]))


if __name__ == "__main__":
    main()
