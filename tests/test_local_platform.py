"""The embedded platform: what is written is read, readers see whole days, one owner at a time, ids are no paths."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_interface.errors import LeaseError, PlatformError
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.platforms.local_lock import writing
from platform_interface.platforms.local_series import DayFiles
from platform_interface.table import Table
from platform_interface.when import DAY

NAN = float("nan")
EVER = 2**60


@pytest.fixture
def platform(tmp_path):
    found = LocalPlatform(tmp_path / "store")
    found.save_asset(Asset("pack", "Pack", ("demo",), {"Capacity": 60.0}))
    return found


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    folder, numbers = tmp_path_factory.mktemp("series"), count()
    return lambda: DayFiles(folder / str(next(numbers)))


def rows(time, *values, names=("a",), absent=None):
    block = np.array(values, float).reshape(len(names), len(time))
    return Table(np.array(time, np.int64), names, block, None if absent is None else np.array(absent, bool))


def read(files, names=("a",), start=0, end=EVER):
    table = files.read(list(names), start, end)
    return sorted(zip(table.time.tolist(), *table.values.tolist(), strict=True))


instants = st.integers(0, 3 * DAY - 1)
blocks = st.dictionaries(instants, st.integers(0, 9), max_size=6)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), blocks, st.none()),
        st.tuples(st.just("replace"), blocks, st.tuples(instants, st.one_of(st.none(), instants))),
    ),
    max_size=6,
)


@given(actions, st.tuples(instants, instants))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_append_replace_and_read_do_what_a_list_of_rows_would(fresh, steps, edges):
    files, model = fresh(), []
    for action, block, limits in steps:
        if action == "append":
            files.append(rows(list(block), list(block.values())))
            model += list(block.items())
            continue
        start, end = limits
        last = EVER if end is None else end
        block = {t: v for t, v in block.items() if start <= t < last}
        ordered = dict(sorted(block.items()))
        files.replace(start, end, rows(list(ordered), list(ordered.values())))
        model = [(t, v) for t, v in model if not start <= t < last] + list(block.items())
    assert read(files) == sorted((t, float(v)) for t, v in model)
    low, high = min(edges), max(edges)
    assert read(files, ("a",), low, high) == sorted((t, float(v)) for t, v in model if low <= t < high)


def test_rows_are_read_in_the_order_in_which_they_came(fresh):
    files = fresh()
    files.append(rows([3, 1], [30, 10]))
    files.append(rows([2, 2], [20, 21]))
    assert files.read(["a"], 0, EVER).time.tolist() == [3, 1, 2, 2]


def test_what_was_never_delivered_is_told_from_what_is_not_a_number(fresh):
    files = fresh()
    files.append(rows([1, 2, 3], [NAN, NAN, 3.0], absent=[[False, True, False]]))
    table = files.read(["a"], 0, EVER)
    assert np.isnan(table.values[0, :2]).all()
    assert table.absent.tolist() == [[False, True, False]]


def test_a_sensor_that_comes_later_is_absent_before(fresh):
    files = fresh()
    files.append(rows([1], [1.0]))
    files.append(rows([2], [2.0], names=("b",)))
    table = files.read(["a", "b"], 0, EVER)
    assert table.absent.tolist() == [[False, True], [True, False]]
    assert files.read(["c"], 0, EVER).absent.tolist() == [[True, True]]


def test_replacing_leaves_the_rows_outside_alone_with_all_their_columns(fresh):
    files = fresh()
    files.replace(0, None, rows([1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7, 8], names=("a", "b")))
    files.replace(2, 4, rows([3], [9]))
    table = files.read(["a", "b"], 0, EVER)
    assert table.time.tolist() == [1, 3, 4]
    np.testing.assert_array_equal(table.values, [[1, 9, 4], [5, NAN, 8]])


def test_replacing_with_nothing_deletes_and_an_open_end_deletes_all_after(fresh):
    files = fresh()
    files.append(rows([1, DAY, 2 * DAY, 9 * DAY], [1, 2, 3, 4]))
    files.replace(DAY, None, rows([], []))
    assert read(files) == [(1, 1.0)]
    assert files.days() == [0]


def test_rows_outside_the_replaced_range_are_refused(fresh):
    with pytest.raises(PlatformError, match="rows outside the replaced range"):
        fresh().replace(0, DAY, rows([2 * DAY], [1]))


def test_a_half_written_file_of_a_killed_run_is_never_read(fresh):
    files = fresh()
    files.append(rows([1], [1.0]))
    (files.folder / ".1970-01-02.parquet.4711").write_bytes(b"half")
    (files.folder / "notes.parquet").write_bytes(b"not a day")
    assert files.days() == [0]
    assert read(files) == [(1, 1.0)]


def test_a_write_leaves_nothing_but_day_files(fresh):
    files = fresh()
    files.append(rows([1, DAY], [1.0, 2.0]))
    files.replace(1, 2, rows([1], [3.0]))
    assert sorted(path.name for path in files.folder.iterdir()) == ["1970-01-01.parquet", "1970-01-02.parquet"]


def test_a_damaged_file_is_named(fresh):
    files = fresh()
    files.append(rows([1], [1.0]))
    (files.folder / "1970-01-01.parquet").write_bytes(b"damaged")
    with pytest.raises(PlatformError, match=r"1970-01-01\.parquet"):
        read(files)


def test_readers_see_whole_days_while_a_writer_replaces_them(fresh):
    files, stop, torn = fresh(), threading.Event(), []
    times = list(range(0, 1000))
    files.replace(0, DAY, rows(times, [0.0] * 1000))

    def look():
        while not stop.is_set():
            values = files.read(["a"], 0, DAY).values[0]
            if values.size != 1000 or not (values == values[0]).all():
                torn.append(values)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in range(1, 40):
        files.replace(0, DAY, rows(times, [float(version)] * 1000))
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == []


def test_a_token_changes_with_its_day_and_with_no_other(platform):
    platform.append("pack", "pack", rows([1, DAY + 1], [1.0, 2.0]), {"a": "V"})
    one, two = platform.buckets("pack", ["a"], {})
    platform.append("pack", "pack", rows([2], [1.0]), {"a": "V"})
    again = platform.buckets("pack", ["a"], {})
    assert again[0].token != one.token
    assert again[1].token == two.token
    [left] = platform.buckets("pack", ["a"], {bucket.start: bucket.token for bucket in (one, two)})
    assert (left.start, left.values, left.first, left.last) == (0, 2, 1, 2)


def test_a_token_changes_also_when_the_same_rows_are_written_again(platform):
    platform.replace("pack", "model.m", 0, None, rows([1], [1.0]), {"a": "V"})
    before = platform.buckets("pack", ["a"], {})[0].token
    platform.replace("pack", "model.m", 0, None, rows([1], [2.0]), {"a": "V"})
    assert platform.buckets("pack", ["a"], {})[0].token != before


def test_series_are_found_by_name_whatever_their_time_base(platform):
    platform.append("pack", "pack", rows([1], [1.0]), {"a": "volt"})
    platform.replace("pack", "model.m", 0, None, rows([1], [2.0], names=("x",)), {"x": "hour"})
    sensors = platform.sensors("pack")
    assert (sensors["a"].unit, sensors["a"].output) == ("volt", False)
    assert (sensors["x"].unit, sensors["x"].output) == ("hour", True)
    assert [table.names for table in platform.read("pack", ["a", "x", "none"], 0, EVER)] == [("a",), ("x",)]


def test_the_last_value_before_an_instant_is_that_of_the_latest_number(platform):
    platform.append("pack", "pack", rows([5, 3, DAY + 1, DAY + 2], [5.0, 3.0, 7.0, NAN]), {"a": "V"})
    assert [platform.last_value("pack", "a", before) for before in (3, 4, DAY, DAY + 2, EVER)] == [None, 3.0, 5.0, 7.0, 7.0]
    assert platform.last_value("pack", "none", EVER) is None


def test_assets_are_named_tagged_or_all_and_the_nearest_id_is_told(platform):
    platform.save_asset(Asset("rack-7", tags=("other",)))
    assert [asset.id for asset in platform.assets([], "")] == ["pack", "rack-7"]
    assert [asset.id for asset in platform.assets([], "demo")] == ["pack"]
    assert platform.assets(["pack"], "")[0] == Asset("pack", "Pack", ("demo",), {"Capacity": 60.0})
    with pytest.raises(PlatformError, match=r"asset 'rack-8' is not in .*; did you mean 'rack-7'\?"):
        platform.assets(["rack-8"], "")


@pytest.mark.parametrize(
    "asset", ["../x", "a/b", "", ".", "..", "/etc", "a\\b", "a\nb", "x ", "x.", ".hidden", "a" * 101, "pack\0", "pack\n"]
)
def test_an_id_that_is_a_path_is_refused_everywhere(platform, asset):
    for act in (
        lambda: platform.save_asset(Asset(asset)),
        lambda: platform.assets([asset], ""),
        lambda: platform.append(asset, "pack", rows([1], [1.0]), {"a": "V"}),
        lambda: platform.forget(asset),
    ):
        with pytest.raises(PlatformError, match="cannot be an asset id here"):
            act()


def test_forgetting_deletes_the_asset_and_no_other(platform):
    platform.save_asset(Asset("other"))
    platform.append("pack", "pack", rows([1], [1.0]), {"a": "V"})
    platform.forget("pack")
    assert [asset.id for asset in platform.assets([], "")] == ["other"]
    assert not (platform.folder / "pack").exists()
    with pytest.raises(PlatformError, match="asset 'pack' is not in"):
        platform.forget("pack")


def test_a_second_owner_is_refused_and_told_who_holds_the_asset(platform):
    assert platform.take_lease("pack", "one", 60.0) is None
    assert f"process {os.getpid()} on " in platform.take_lease("pack", "two", 60.0)
    assert platform.take_lease("pack", "one", 60.0) is None
    platform.drop_lease("pack", "two")
    assert platform.take_lease("pack", "two", 60.0) is not None
    platform.drop_lease("pack", "one")
    assert platform.take_lease("pack", "two", 60.0) is None


def test_an_expired_lease_is_taken_over_and_its_owner_can_save_no_more(platform):
    platform.take_lease("pack", "one", 0.01)
    time.sleep(0.05)
    assert platform.take_lease("pack", "two", 60.0) is None
    with pytest.raises(LeaseError, match="another run took this asset over"):
        platform.save_state("pack", {"k": "v"}, "one")
    assert platform.load_state("pack", "") == {}


def test_the_lease_of_a_dead_process_is_taken_over(platform):
    code = "import sys; from pathlib import Path; from platform_interface.platforms.local import LocalPlatform as P;"
    code += "assert P(Path(sys.argv[1])).take_lease('pack', 'dead', 3600.0) is None"
    subprocess.run([sys.executable, "-c", code, str(platform.folder)], check=True)
    assert platform.take_lease("pack", "alive", 60.0) is None


def test_state_is_saved_all_or_nothing_and_only_under_the_lease(platform):
    with pytest.raises(LeaseError):
        platform.save_state("pack", {"k": "v"}, "one")
    platform.take_lease("pack", "one", 60.0)
    platform.save_state("pack", {"a/1": "x", "a/2": "y", "b/1": "z"}, "one")
    with pytest.raises(PlatformError):
        platform.save_state("pack", {"a/1": None, "a/3": object()}, "one")
    assert platform.load_state("pack", "a/") == {"a/1": "x", "a/2": "y"}
    platform.save_state("pack", {"a/1": None, "a/2": "new"}, "one")
    assert platform.load_state("pack", "") == {"a/2": "new", "b/1": "z"}


def test_alarms_are_changed_by_key_and_never_removed(platform):
    def alarm(key, status):
        words = {"model": "m", "name": "hot", "text": "It is hot.", "severity": "info"}
        return {"key": key, **words, "start": 1, "end": None, "status": status, "seen": 2}

    platform.save_alarms("pack", [alarm("b", "active"), alarm("a", "active")])
    platform.save_alarms("pack", [alarm("c", "active"), alarm("b", "withdrawn")])
    assert [(alarm["key"], alarm["status"]) for alarm in platform.alarms("pack")] == [
        ("b", "withdrawn"),
        ("a", "active"),
        ("c", "active"),
    ]


@pytest.mark.parametrize(
    ("base", "unit", "fault"),
    [("pack", "millivolt", "is in volt, and this is in millivolt"), ("other", "volt", "is on the time base 'pack' already")],
)
def test_a_sensor_never_changes_its_unit_or_time_base_under_its_old_samples(platform, base, unit, fault):
    platform.append("pack", "pack", rows([1], [3.7]), {"a": "volt"})
    with pytest.raises(PlatformError, match=fault):
        platform.append("pack", base, rows([2], [3700.0]), {"a": unit})
    assert platform.read("pack", ["a"], 0, EVER)[0].values.tolist() == [[3.7]]


def test_a_model_cannot_write_over_a_sensor(platform):
    platform.append("pack", "pack", rows([1], [3.7]), {"a": "volt"})
    with pytest.raises(PlatformError, match="is a sensor already"):
        platform.replace("pack", "model.m", 0, None, rows([1], [2.0]), {"a": "volt"})


RACE = """
import sys
from pathlib import Path
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
platform = LocalPlatform(Path(sys.argv[1]))
sys.stdin.readline()
for n in range(40):
    try:
        platform.save_asset(Asset(f"asset-{n}"))
        platform._file(f"asset-{n}").save_sensors(sys.argv[2], {"a": "V"}, False)
        print(n)
    except Exception as error:
        print(n, str(error)[:200])
"""


def test_two_processes_that_make_one_asset_and_series_never_undo_each_other(tmp_path):
    bases = ("one", "two")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path), base], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for base in bases
    ]
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0].splitlines() for racer in racers]
    platform = LocalPlatform(tmp_path)
    for n in range(40):
        entered = [base for base, lines in zip(bases, said, strict=True) if lines[n] == str(n)]
        assert len(entered) == 1, [lines[n] for lines in said]
        assert platform._file(f"asset-{n}").sensors()["a"][0] == entered[0]


def test_a_writer_that_waited_for_an_asset_that_was_forgotten_writes_nothing_anywhere(platform):
    platform.append("pack", "pack", rows([1], [1.0]), {"a": "V"})
    with writing(platform.folder / "pack"):
        waiting = threading.Thread(target=lambda: failed.append(_refused(platform)))
        failed = []
        waiting.start()
        time.sleep(0.3)
        (platform.folder / "pack").rename(platform.folder / "elsewhere")
    waiting.join(timeout=30)
    assert failed == [True]
    assert not (platform.folder / "pack").exists()


def _refused(platform):
    try:
        with writing(platform.folder / "pack"):
            return False
    except PlatformError:
        return True


FORGET = """
import os, shutil, sys
from pathlib import Path
from platform_interface.platforms.local import LocalPlatform
shutil.rmtree = lambda *arguments, **options: os.kill(os.getpid(), 9)
LocalPlatform(Path(sys.argv[1])).forget("pack")
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is a POSIX signal")
def test_a_kill_while_an_asset_is_forgotten_leaves_no_half_of_it(platform):
    platform.append("pack", "pack", rows([1], [1.0]), {"a": "V"})
    assert subprocess.run([sys.executable, "-c", FORGET, str(platform.folder)], check=False).returncode == -9
    assert platform.ids() == []
    platform.save_asset(Asset("pack"))
    assert platform.sensors("pack") == {}
    platform.forget("pack")
    assert not list((platform.folder / ".forgotten").iterdir()), "what the killed one left is gone, too"


def test_days_of_a_long_change_do_not_all_wait_in_memory(fresh, monkeypatch):
    files, most = fresh(), []
    monkeypatch.setattr("platform_interface.platforms.local_series.MOST_WAITING", 2)
    write = DayFiles._write_days

    def noted(self, written):
        most.append(sum(table.size for _, table in written))
        write(self, written)

    monkeypatch.setattr(DayFiles, "_write_days", noted)
    files.upsert(rows([DAY * n for n in range(10)], [1.0] * 10))
    files.remove(["a"], 0, 9 * DAY)
    assert max(most) <= 3
    assert files.days() == [9 * DAY]
