"""Anyone's ageing data by a configuration: Parquet, CSV and HDF5 give the same cells, and every fault is told at once."""

from __future__ import annotations

import h5py
import pandas as pd
import pytest
import yaml

from tests.test_soh_raw import cycles
from training.soh.raw import general
from training.soh.raw.cell import RawDataError

TEXT = """
name: our-lab
files: '*.{ending}'
{cell}
chemistry: NMC
nominal_ah: 2.0
positive_current: {sign}
channels:
  time: {{name: t, unit: min}}
  current: {{name: i_ma, unit: mA}}
  voltage: {{name: u, unit: V}}
  temperature: {{name: temp, unit: K}}
labels:
  {labels}
  time: {{name: when, unit: s}}
  capacity: {{name: cap, unit: mAh}}
max_gap_s: 300
"""


def tables(name="cell-1", factor=1.0):
    rows, found = cycles()
    table = pd.DataFrame({
        "id": name, "t": rows[:, 0] / 60.0, "i_ma": -1000.0 * rows[:, 1], "u": rows[:, 2], "temp": 298.15,
    })  # fmt: skip
    return table, pd.DataFrame({"id": name, "when": found[:, 0], "cap": 1000.0 * factor * found[:, 1]})


def write(folder, ending="parquet", sign="charge", cell="cell: id", labels="file: labels.csv\n  cell: id", **changes):
    text = TEXT.format(ending=ending, sign=sign, cell=cell, labels=labels)
    for old, new in changes.items():
        text = text.replace(*new) if isinstance(new, tuple) else text + f"{old}: {new}\n"
    path = folder / "set.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def parquet(tmp_path):
    both = [tables("cell-10"), tables("cell-2", 0.9)]
    pd.concat([table for table, _ in both]).to_parquet(tmp_path / "data.parquet")
    pd.concat([found for _, found in both]).to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path


def test_cells_of_a_table_are_read_in_natural_order_with_units_and_sign_inside(parquet):
    first, second = general.read(write(parquet))
    assert (first.name, second.name) == ("cell-2", "cell-10")
    assert first.time[1] == 60.0
    assert first.current[0] == -2.0
    assert first.temperature[0] == pytest.approx(25.0)
    assert first.label_capacity[0] == pytest.approx(1.8)


def test_a_csv_file_is_a_cell_where_no_column_names_it(tmp_path):
    table, found = tables()
    table.to_csv(tmp_path / "one.csv", index=False)
    found.to_parquet(tmp_path / "labels.parquet")
    (cell,) = general.read(write(tmp_path, "csv", cell="", labels="file: labels.parquet"))
    assert cell.name == "one"
    assert len(cell.label_time) == 4


def test_hdf5_holds_a_group_a_cell_with_its_capacities(tmp_path):
    table, found = tables()
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for name in ("t", "i_ma", "u", "temp"):
            file[f"cell-1/{name}"] = table[name].to_numpy()
        for name in ("when", "cap"):
            file[f"cell-1/{name}"] = found[name].to_numpy()
    (cell,) = general.read(write(tmp_path, "h5", cell="", labels=""))
    assert cell.name == "cell-1"
    assert cell.label_capacity == pytest.approx([2.0, 1.98, 1.96, 1.94])
    assert "i_ma" in general.draft(tmp_path / "data.h5")


def test_a_sign_that_the_voltage_contradicts_is_refused(parquet):
    with pytest.raises(RawDataError, match="agree in direction over 0%"):
        general.read(write(parquet, sign="discharge"))


def test_every_fault_of_a_configuration_is_told_at_once(parquet):
    path = write(parquet, unit=("unit: mA", "unit: milliamp"), word=("nominal_ah: 2.0", "nominal_ah: -2"), extra="1")
    with pytest.raises(RawDataError, match=r"(?s)2 faults:.*nominal_ah:.*extra:"):
        general.read(path)
    with pytest.raises(RawDataError, match=r"channels\.current\.unit: 'milliamp' is not a unit; there is A, mA"):
        general.read(write(parquet, unit=("unit: mA}", "unit: milliamp}")))


def test_the_sign_has_no_default(parquet):
    with pytest.raises(RawDataError, match="positive_current: Field required"):
        general.read(write(parquet, line=("positive_current: charge", "")))


def test_a_column_that_is_not_there_is_told_with_the_nearest(parquet):
    with pytest.raises(RawDataError, match="no column 'i_mA'; did you mean 'i_ma'"):
        general.read(write(parquet, name=("i_ma", "i_mA")))


def test_a_cell_in_two_files_is_refused(parquet):
    tables("cell-2")[0].to_parquet(parquet / "more.parquet")
    with pytest.raises(RawDataError, match="cell 'cell-2' was in another file already"):
        general.read(write(parquet))


def test_a_draft_finds_data_and_labels_and_leaves_the_sign_open(tmp_path):
    table = pd.DataFrame({"Test_Time(s)": [0.0], "Current(A)": [1.0], "Voltage(V)": [3.3], "Discharge_Capacity(Ah)": [1.1]})
    table.to_csv(tmp_path / "arbin.csv", index=False)
    text = general.draft(tmp_path / "arbin.csv")
    read_in = yaml.safe_load(text)
    assert read_in["channels"]["current"] == {"name": "Current(A)", "unit": "A"}
    assert read_in["channels"]["time"]["name"] == "Test_Time(s)"
    assert read_in["labels"]["capacity"]["name"] == "Discharge_Capacity(Ah)"
    assert read_in["positive_current"] is None
