"""A file of samples comes in as it is; what its times and units mean is stated, not guessed."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_interface.errors import LeaseError, PlatformError, UsageError
from platform_interface.ingest import ingest
from platform_interface.platforms.local import LocalPlatform
from platform_interface.when import instant

T0 = instant("2026-01-31T08:00:00+00:00")
MAPPING = {
    "asset": {"name": "Pack", "tags": ["demo"], "positive_current": "charge", "parameters": {"Capacity": 60.0}},
    "time": {"column": "time"},
    "columns": {"i": {"sensor": "Current", "unit": "A"}, "u": {"sensor": "Voltage", "unit": "mV"}},
}
CSV = "time,i,u\n2026-01-31T08:00:00Z,1.5,3300\n2026-01-31T08:00:01Z,-2,3301\n"


@pytest.fixture
def site(tmp_path):
    class Site:
        platform = LocalPlatform(tmp_path / "store")

        def bring(self, content, mapping=MAPPING, name="log.csv", asset="pack", **options):
            path = tmp_path / name
            if isinstance(content, str):
                path.write_text(content, encoding=options.pop("encoding", "utf-8"))
            else:
                pq.write_table(content, path)
            stated = None
            if mapping is not None:
                stated = tmp_path / "mapping.json"
                stated.write_text(mapping if isinstance(mapping, str) else json.dumps(mapping), encoding="utf-8")
            return ingest(self.platform, path, asset, stated, **options)

        def fault(self, content, mapping=MAPPING, **options):
            with pytest.raises(UsageError) as caught:
                self.bring(content, mapping, **options)
            return str(caught.value)

        def values(self, *names):
            [table] = self.platform.read("pack", names, 0, 2**60)
            return [[None if gone else value for value, gone in zip(row, missing, strict=True)] for row, missing in zip(
                table.values.tolist(), table.absent.tolist() if table.absent is not None else np.zeros(table.values.shape), strict=True
            )]  # fmt: skip

        def times(self, name):
            return self.platform.read("pack", [name], 0, 2**60)[0].time.tolist()

    return Site()


def changed(**blocks):
    return {**MAPPING, **blocks}


def test_a_csv_comes_in_with_its_units_and_the_assets_statements(site):
    result = site.bring(CSV)
    assert (result.rows, result.first, result.last, result.counts) == (2, T0, T0 + 1000, {})
    assert site.values("Current", "Voltage") == [[1.5, -2.0], [3300.0, 3301.0]]
    assert site.platform.sensors("pack")["Voltage"].unit == "millivolt"
    [asset] = site.platform.assets([], "demo")
    assert (asset.name, dict(asset.parameters)) == ("Pack", {"Capacity": 60.0, "positive_current": "charge"})


def test_a_parquet_file_comes_in_the_same(site):
    content = pa.table(
        {"time": pa.array([T0, T0 + 1000], pa.timestamp("ms", "UTC")), "i": [1.5, None], "u": pa.array([3300, 3301])}
    )
    result = site.bring(content, name="log.parquet")
    assert (result.rows, result.counts) == (2, {"values absent": 1})
    assert site.values("Current", "Voltage") == [[1.5, None], [3300.0, 3301.0]]


def test_a_byte_order_mark_and_spaces_in_the_header_do_no_harm(site):
    assert site.bring(CSV.replace("time,i,u", "time, i ,u"), encoding="utf-8-sig").rows == 2


def test_rows_stay_in_the_order_and_number_in_which_they_came(site):
    lines = [
        "2026-01-31T08:00:02Z,1,1",
        "2026-01-31T08:00:00Z,2,2",
        "2026-01-31T08:00:00Z,2,2",
        ",3,3",
        "2026-01-31T08:00:03Z,,nan",
    ]
    result = site.bring("time,i,u\n" + "\n".join(lines) + "\n")
    assert site.times("Current") == [T0 + 2000, T0, T0, T0 + 3000]
    assert result.counts["rows out of order"] == 2
    assert result.counts["rows without a time"] == 1


def test_a_family_of_columns_becomes_an_array_and_each_keeps_its_number(site):
    mapping = changed(columns={"cell{n}_mv": {"sensor": "Cell Voltage|*", "unit": "mV"}})
    result = site.bring("time,cell10_mv,cell2_mv,cell1_mv,cellx_mv\n2026-01-31T08:00:00Z,10,2,1,9\n", mapping)
    assert site.values("Cell Voltage|1", "Cell Voltage|2", "Cell Voltage|10") == [[1.0], [2.0], [10.0]]
    assert result.unmapped == ["cellx_mv"]
    assert (site.platform.folder / "pack" / "series" / "cell_voltage").is_dir()


@pytest.mark.parametrize("target", [("cell{n}_mv", "Cell Voltage"), ("i", "Current|*")])
def test_a_family_and_an_array_name_go_together(site, target):
    text = site.fault(
        "time,cell1_mv,i\n2026-01-31T08:00:00Z,1,1\n", changed(columns={target[0]: {"sensor": target[1], "unit": "mV"}})
    )
    assert "a family '{n}' and a sensor 'Name|*' go together" in text


def test_every_fault_of_a_mapping_file_is_told_at_once(site):
    text = site.fault(
        CSV,
        {
            "asset": {"time_zone": "Europe/Berln", "tag": []},
            "time": {"colum": "time"},
            "columns": {"i": {"sensor": "Current", "unit": "Amper"}, "u": {"sensor": "", "unit": "mV"}},
        },
    )
    assert text.startswith("mapping.json has 5 faults:")
    assert "asset.time_zone: 'Europe/Berln' is not an IANA time zone; did you mean 'Europe/Berlin'?" in text
    assert "asset.tag: not a known field; did you mean 'tags'?" in text
    assert "time.colum: not a known field; did you mean 'column'?" in text
    assert "columns.i.unit: 'Amper' is not a unit; did you mean 'ampere'?" in text
    assert "columns.u.sensor" in text


def test_columns_that_are_not_there_are_told_at_once_with_the_nearest(site):
    text = site.fault(CSV, {"time": {"column": "tme"}, "columns": {"I": {"sensor": "Current", "unit": "A"}}})
    assert text == (
        "the mapping of log.csv has 2 faults:\n  time.column: 'tme' is not a column; did you mean 'time'?\n"
        "  columns.I: is not a column; did you mean 'i'?"
    )


def test_a_fault_leaves_no_half_made_asset(site):
    site.fault(CSV, {"time": {"column": "tme"}})
    assert site.platform.assets([], "") == []


NAIVE = CSV.replace("Z,", ",")


def test_times_without_a_zone_are_refused_and_the_remedy_is_shown(site):
    text = site.fault(NAIVE)
    assert "times such as 2026-01-31T08:00:00 carry no zone, and UTC is not assumed" in text
    assert '"time": {"time_zone": "UTC"}' in text


def test_times_without_a_zone_are_read_in_the_stated_one(site):
    site.bring(NAIVE, changed(time={"column": "time", "time_zone": "Europe/Berlin"}))
    assert site.times("Current") == [T0 - 3_600_000, T0 - 3_599_000]


def test_times_with_an_offset_need_no_zone(site):
    site.bring("time,i,u\n2026-01-31T16:00:00+08:00,1,1\n")
    assert site.times("Current") == [T0]


def test_an_hour_that_a_clock_shows_twice_is_not_guessed(site):
    result = site.bring(
        "time,i,u\n2026-10-25 02:30:00,1,1\n2026-03-29 02:30:00,1,1\n,1,1\n2026-10-25 04:00:00,1,1\n",
        changed(time={"column": "time", "time_zone": "Europe/Berlin"}),
    )
    assert result.counts == {"rows whose local time is ambiguous (clock change)": 2, "rows without a time": 1}
    assert result.rows == 1


@pytest.mark.parametrize(("unit", "factor"), [("s", 1e-3), ("ms", 1.0), ("us", 1e3), ("ns", 1e6)])
def test_numbers_are_times_in_the_stated_unit(site, unit, factor):
    number = f"{T0 * factor:.3f}" if unit == "s" else str(int(T0 * factor))
    site.bring(f"time,i,u\n{number},1,1\n", changed(time={"column": "time", "unit": unit}))
    assert site.times("Current") == [T0]


def test_numbers_in_the_wrong_unit_are_refused(site):
    assert "which is outside 1970 to 2100 in s; check time.unit" in site.fault(f"time,i,u\n{T0},1,1\n")


def test_times_that_count_from_the_start_of_a_test_are_refused_without_a_start(site):
    text = site.fault("time,i,u\n0.5,1,1\n1.5,1,1\n")
    assert "they seem to count from the start of a test. Set time.start in the mapping file." in text
    site.bring("time,i,u\n0.5,1,1\n1.5,1,1\n", changed(time={"column": "time", "start": "2026-01-31T08:00:00Z"}))
    assert site.times("Current") == [T0 + 500, T0 + 1500]


def test_a_start_without_an_offset_is_refused(site):
    text = site.fault("time,i,u\n0.5,1,1\n", changed(time={"column": "time", "start": "2026-01-31T08:00:00"}))
    assert "time.start: '2026-01-31T08:00:00' has no time zone; write '2026-01-31T08:00:00+00:00'" in text


def test_columns_of_the_battery_data_format_need_no_mapping(site):
    content = f"Unix Time / s,Current / A,Voltage / V,Step Count / 1\n{T0 // 1000},1.5,3.3,7\n"
    result = site.bring(content, None)
    assert site.values("Current", "Voltage") == [[1.5], [3.3]]
    assert site.platform.assets([], "")[0].parameters == {"positive_current": "charge"}
    assert result.unmapped == ["Step Count / 1"]


def test_a_file_of_other_columns_without_a_mapping_says_what_it_has(site):
    text = site.fault(CSV, None)
    assert "no column is mapped; the file has time, i, u" in text


def test_the_same_file_is_not_taken_twice_unless_asked_for(site):
    assert site.bring(CSV).rows == 2
    again = site.bring(CSV, name="another-name.csv")
    assert (again.rows, again.already) == (0, "log.csv, 2 rows from 2026-01-31T08:00:00Z to 2026-01-31T08:00:01Z")
    assert len(site.times("Current")) == 2
    assert site.bring(CSV, again=True).rows == 2
    assert len(site.times("Current")) == 4


def test_the_same_file_under_another_mapping_is_another_delivery(site):
    site.bring(CSV)
    assert site.bring(CSV, changed(columns={"u": {"sensor": "Cell Voltage", "unit": "mV"}})).rows == 2


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_only_the_rows_that_are_asked_for_come_in(site, name):
    lines = [("a", 1, 1.0), ("b", 2, 2.0), ("a", 2, 3.0)]
    text = "time,i,u,cell,step\n" + "".join(
        f"2026-01-31T08:00:0{n}Z,{i},0,{cell},{step}\n" for n, (cell, step, i) in enumerate(lines)
    )
    content = text
    if name.endswith("parquet"):
        content = pa.table({
            "time": pa.array([T0 + n * 1000 for n in range(3)], pa.timestamp("ms", "UTC")), "i": [i for *_, i in lines], "u": [0.0] * 3,
            "cell": pa.array([cell for cell, *_ in lines]).dictionary_encode(), "step": [step for _, step, _ in lines],
        })  # fmt: skip
    assert site.bring(content, changed(rows={"cell": "a", "step": 2}), name=name).rows == 1
    assert site.values("Current") == [[3.0]]


def test_rows_by_a_column_that_is_not_there_are_refused(site):
    assert "rows.cel: no such column; did you mean 'cell'?" in site.fault(
        "time,i,u,cell\n2026-01-31T08:00:00Z,1,1,a\n", changed(rows={"cel": "a"})
    )


def test_rows_by_a_word_in_a_column_of_numbers_are_refused(site):
    assert "rows.step: the column holds int64, and 'a' is none" in site.fault(
        "time,i,u,step\n2026-01-31T08:00:00Z,1,1,5\n", changed(rows={"step": "a"})
    )


def test_words_in_a_column_of_numbers_are_refused_with_the_column(site):
    text = site.fault("time,i,u\n2026-01-31T08:00:00Z,charging,3300\n")
    assert "log.csv: column 'i' (Current) is not all numbers; is a header or a word in it?" in text
    assert "invalid value 'charging'" in text
    content = pa.table({"time": pa.array([T0], pa.timestamp("ms", "UTC")), "i": ["charging"], "u": [1.0]})
    assert "column 'i' (Current) holds string, not numbers" in site.fault(content, name="log.parquet")


def test_a_whole_number_of_64_bits_that_no_float_holds_comes_in_as_the_nearest(site):
    site.bring(f"time,i,u\n2026-01-31T08:00:00Z,{2**63 - 1},1\n")
    assert site.values("Current") == [[float(2**63)]]


@pytest.mark.parametrize("column", ["yesterday", "31.01.2026 08:00"])
def test_times_of_another_form_are_refused(site, column):
    assert "column 'time' is not ISO 8601" in site.fault(f"time,i,u\n{column},1,1\n")


def test_a_file_of_another_kind_or_none_is_refused(site, tmp_path):
    assert "'.xlsx' is not read; give .csv or .parquet" in site.fault("x", name="log.xlsx")
    assert "cannot be read as parquet" in site.fault("not parquet", name="log.parquet")
    assert "cannot be read as csv" in site.fault("", name="log.csv")
    with pytest.raises(UsageError, match="does not exist"):
        ingest(site.platform, tmp_path / "none.csv", "pack", None)


def test_an_asset_that_is_being_computed_takes_no_file(site):
    site.bring(CSV)
    site.platform.take_lease("pack", "a run", 60.0)
    with pytest.raises(LeaseError, match="pack is being computed"):
        site.bring(CSV, again=True)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("platform_interface.ingest._BLOCK", 64)
    monkeypatch.setattr("platform_interface.ingest.BATCH", 2)


def lines(*values, header="time,i,u"):
    return header + "\n" + "".join(f"2026-01-31T08:00:{n:02}Z,{value}\n" for n, value in enumerate(values))


class Taken(LocalPlatform):
    """Another run takes the asset over after some renewals."""

    renewals = 0

    def take_lease(self, asset, owner, seconds):
        self.renewals += 1
        return super().take_lease(asset, owner, seconds) if self.renewals < 4 else "process 7 on another"


def test_a_lease_is_renewed_before_every_write_and_its_loss_says_what_is_in(site, small_blocks):
    content = pa.table({"time": pa.array(range(T0, T0 + 6), pa.timestamp("ms", "UTC")), "i": [1.0] * 6, "u": [1.0] * 6})
    site.platform = Taken(site.platform.folder)
    with pytest.raises(LeaseError) as caught:
        site.bring(content, name="log.parquet")
    assert "4 rows of it are in already. Wait for that run and ingest the file again, which is safe" in str(caught.value)
    assert "rows that are in already count once" in str(caught.value)
    assert site.times("Current") == list(range(T0, T0 + 4))


def test_two_columns_for_one_sensor_are_refused_with_both(site):
    target = {"sensor": "Current", "unit": "A"}
    assert "columns.u: 'Current' is already column 'i'" in site.fault(CSV, changed(columns={"i": target, "u": target}))


def test_of_two_temperatures_of_the_battery_data_format_the_first_is_taken(site):
    header = "Unix Time / s,Temperature T1 / degC,Surface Temperature T1 / degC"
    result = site.bring(f"{header}\n{T0 // 1000},20,30\n", None)
    assert (site.values("Cell Temperature"), result.unmapped) == ([[30.0]], ["Temperature T1 / degC"])


@pytest.mark.parametrize("early", ["", "1"])
def test_a_column_that_is_empty_or_whole_at_first_comes_in_with_its_decimals(site, small_blocks, early):
    result = site.bring(lines(*[f"{early},2"] * 5, "1.5,2.5"))
    assert (result.rows, site.values("Current")[0][-1]) == (6, 1.5)


def test_a_column_that_is_not_mapped_may_hold_anything(site, small_blocks):
    assert site.bring(lines(*[",1,1"] * 5, "a word,1,1", header="time,note,i,u")).rows == 6


def test_true_and_false_come_in_as_one_and_zero(site):
    site.bring(lines("true,1", "false,1"))
    assert site.values("Current") == [[1.0, 0.0]]


def test_a_word_late_in_a_file_names_its_column_and_how_many_rows_are_in(site, small_blocks):
    rows = [f"x,{n},2" for n in range(8)]
    text = site.fault(lines(*rows, "x,charging,2", header="time,note,i,u"))
    count = len(site.times("Current"))
    assert count > 0
    assert "log.csv: column 'i' (Current) is not all numbers; is a header or a word in it?" in text
    assert "invalid value 'charging'" in text
    assert f"{count} rows of it are in already. It is safe to ingest the mended file" in text
    site.bring(lines(*rows, "x,9,2", header="time,note,i,u"))
    assert set(site.times("Current")) == {T0 + 1000 * n for n in range(9)}


@pytest.mark.parametrize(
    ("stated", "wrong", "right"),
    [({}, "0001-01-01T00:00:00Z", "2026-01-31T08:00:00Z"), ({"unit": "ms"}, "-1e307", str(T0)), ({"unit": "s"}, "1e307", str(T0 // 1000))],
)  # fmt: skip
def test_rows_with_a_time_out_of_range_are_left_out_and_counted(site, stated, wrong, right):
    mapping = changed(time={"column": "time", **stated})
    result = site.bring(f"time,i,u\n{right},1,1\n{wrong},2,2\n{right},3,3\n", mapping)
    assert (result.rows, result.counts) == (2, {"rows with a time outside 1970 to 2100": 1})
    assert site.values("Current") == [[1.0, 3.0]]
    assert "which is outside 1970 to 2100" in site.fault(f"time,i,u\n{wrong},1,1\n", mapping)


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_a_column_name_that_is_there_twice_is_refused(site, name):
    stamps = pa.array([T0], pa.timestamp("ms", "UTC"))
    table = pa.Table.from_arrays([stamps, pa.array([1]), pa.array([2])], names=["time", "i", "i"])
    content = table if name.endswith("parquet") else "time,i, i\n2026-01-31T08:00:00Z,1,2\n"
    assert "column 'i' is there 2 times; rename all but one" in site.fault(content, name=name)


def test_a_mapping_that_is_a_folder_is_refused(site, tmp_path):
    (tmp_path / "log.csv").write_text(CSV, encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read as a mapping file: is a folder"):
        ingest(site.platform, tmp_path / "log.csv", "pack", tmp_path)


def test_a_sensor_is_not_named_as_the_time_column(site):
    text = site.fault(CSV, changed(columns={"i": {"sensor": "time", "unit": "A"}}))
    assert "columns.i.sensor: 'time' is the name of the time column" in text


@pytest.mark.parametrize("name", ["LOG.CSV", "LOG.PARQUET"])
def test_the_suffix_may_be_in_capitals(site, name):
    content = pa.table({"time": pa.array([T0], pa.timestamp("ms", "UTC")), "i": [1.0], "u": [1.0]})
    assert site.bring(content if name.endswith("PARQUET") else lines("1,1"), name=name).rows == 1


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_offsets_may_change_with_the_clock(site, name):
    times = ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
    text = "time,i,u\n" + "".join(f"{time},1,1\n" for time in times)
    site.bring(pa.table({"time": times, "i": [1, 1], "u": [1, 1]}) if name.endswith("parquet") else text, name=name)
    assert site.times("Current") == [instant(time) for time in times]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_with_and_without_an_offset_are_not_mixed(site, small_blocks, count, zone):
    times = ["2026-01-31T08:00:00Z"] * count + ["2026-01-31T08:00:01"] * count
    text = site.fault(
        pa.table({"time": times, "i": [1] * 2 * count, "u": [1] * 2 * count}),
        changed(time={"column": "time", "time_zone": zone}), name="log.parquet",
    )  # fmt: skip
    assert "mixes times with and without an offset" in text or (zone is None and "carry no zone" in text)


def test_another_damaged_asset_does_not_matter(site, caplog):
    site.bring(CSV, asset="other")
    site.platform._file("other").close()
    (site.platform.folder / "other" / "asset.db").write_bytes(b"damaged" * 500)
    site.platform = LocalPlatform(site.platform.folder)
    assert site.bring(CSV).rows == 2
    assert not caplog.messages
    with pytest.raises(PlatformError):
        site.bring(CSV, asset="other")
