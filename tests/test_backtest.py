"""The backtest: what it counts, what it refuses, and that it writes nothing; by the real command and by hand."""

from __future__ import annotations

import json
import shutil

import pytest

from platform_interface.alarm_figures import chattering, flood_minutes, lines, longest
from platform_interface.backtest import options_of
from platform_interface.errors import UsageError
from platform_interface.manifest import Manifest
from tests.command import command

MAPPING = {
    "asset": {"positive_current": "discharge", "parameters": {"Chemistry": "NMC"}},
    "time": {"column": "time"},
    "columns": {"cell{n}": {"sensor": "Cell Voltage|*", "unit": "V"}},
}


def log():
    """Two hours, every 10 s; cell 2 is at 3.25 V from 00:10 to 00:20 (cleared at 00:21) and from 01:10 to the end, 01:59:50."""
    rows = ["time,cell1,cell2"]
    for n in range(720):
        low = 60 <= n < 120 or n >= 420
        rows.append(f"2026-03-01T{n // 360:02d}:{n % 360 // 6:02d}:{n % 6 * 10:02d}Z,3.7,{3.25 if low else 3.7}")
    return "\n".join(rows) + "\n"


def inline(folder):
    return json.dumps(
        {"configurationValues": {"platform": {"store": str(folder / "store"), "reports": str(folder / "reports")}}}
    )


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    place = tmp_path_factory.mktemp("origin")
    (place / "log.csv").write_text(log())
    (place / "mapping.json").write_text(json.dumps(MAPPING))
    done = command("ingest", "log.csv", "--asset", "car", "--mapping", "mapping.json", inline(place), cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def backtest(folder, *arguments):
    return command("backtest", "voltage_monitor", *arguments, inline(folder), cwd=folder)


def contents(folder):
    files = [path for path in sorted((folder / "store").rglob("*")) if path.is_file() and path.name != "asset.db-shm"]
    return {str(path): path.read_bytes() for path in files}


def result(folder, *arguments):
    done = backtest(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)
    return found


def test_a_limit_on_the_history_is_counted_as_by_hand_and_nothing_is_written(origin, tmp_path):
    folder = shutil.copytree(origin, tmp_path / "copy")
    before = contents(folder)
    found = result(folder, "car", "--set", "undervoltage_warning=3.3")
    assert contents(folder) == before
    assert not (folder / "reports").exists()
    assert found["alarms"] == 2
    assert found["alarms_per_day"] == pytest.approx(24, rel=0.01)
    assert found["by_name"] == [
        {"name": "cell 2 undervoltage warning", "severity": "warning", "count": 2, "standing": 1.014,
         "longest": 0.831}
    ]  # fmt: skip
    assert found["by_kind"][0]["name"] == "cell # undervoltage warning"
    assert found["longest_standing"]["start"] == "2026-03-01T01:10:00Z"
    assert found["longest_standing"]["end"] is None
    assert (found["flood_minutes"], found["chattering_alarms"]) == (0.0, 0)
    assert found["configuration"] == {"undervoltage_warning": 3.3}


def test_the_settings_own_configuration_is_the_one_without_changes(origin):
    assert result(origin, "car")["alarms"] == 0


def test_a_span_of_the_history_may_be_chosen(origin):
    span = ("--from", "2026-03-01T00:00:00Z", "--to", "2026-03-01T01:00:00+00:00")
    found = result(origin, "car", "--set", "undervoltage_warning=3.3", *span)
    assert (found["alarms"], found["start"]) == (1, "2026-03-01T00:00:00Z")
    assert found["days"] == pytest.approx(1 / 24, abs=0.001)


def test_a_person_reads_the_same_figures(origin):
    said = backtest(origin, "car", "--set", "undervoltage_warning=3.3").stdout
    for part in ("car, voltage_monitor, with undervoltage_warning = 3.3", "2 alarms, 24", "still open", "nothing was written"):
        assert part in said


def test_without_an_asset_every_one_is_computed(origin):
    assert json.loads(backtest(origin, "--json").stdout)[0]["asset"] == "car"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("car", "--set", "undervoltage_waning=3.3"), "did you mean 'undervoltage_warning'?"),
        (("car", "--set", "undervoltage_warning=low"), "'low' is not a number"),
        (("car", "--set", "undervoltage_warning=33"), "33.0 is above the maximum 5"),
        (("car", "--set", "undervoltage_warning"), "write name=value"),
        (("cart",), "did you mean 'car'?"),
        (("car", "--from", "2026-03-01"), "has no time zone"),
        (("car", "--from", "2026-03-02T00:00:00Z", "--to", "2026-03-01T00:00:00Z"), "--from is not before --to"),
    ],
)
def test_what_is_misspelled_is_refused_with_what_would_be_right(origin, arguments, said):
    done = backtest(origin, *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_an_unknown_model_is_refused_with_the_nearest(origin):
    done = command("backtest", "voltage_monitr", inline(origin), cwd=origin)
    assert done.returncode == 2
    assert "did you mean 'voltage_monitor'?" in done.stderr


def test_limits_that_contradict_one_another_are_a_refusal_not_a_failure(origin):
    found = result(origin, "car", "--set", "undervoltage_warning=4.5")
    assert found["status"] == "refused"
    assert "do not rise" in found["reason"]


def test_several_faults_come_at_once():
    manifest = Manifest.model_validate({
        "manifest_version": 1, "name": "m", "version": "1.0.0", "description": "d", "inputs": {"a": {"type": "pd.Series"}},
        "outputs": {"b": {}},
        "configuration": {"yes": {"type": "boolean", "default": True}, "count": {"type": "integer", "default": 1},
                          "word": {"type": "string", "default": "x", "choices": ["x", "y"]}},
    })  # fmt: skip
    assert options_of(manifest, ["yes=false", "count=3", "word=y"]) == {"yes": False, "count": 3, "word": "y"}
    with pytest.raises(UsageError) as error:
        options_of(manifest, ["yes=maybe", "count=1.5", "word=z", "wrd=x"])
    assert len(error.value.faults) == 4


def alarm(start, end=None, name="cell 1 low"):
    return {"name": name, "severity": "warning", "start": start * 1000, "end": None if end is None else end * 1000}


def test_a_flood_lasts_from_the_eleventh_alarm_until_fewer_than_five_are_left():
    begins = [30_000 * i for i in range(12)]  # the 11th at 300 s; at 810 s four are left
    assert flood_minutes(begins, 3_600_000) == pytest.approx(8.5)
    assert flood_minutes(begins[:10], 3_600_000) == 0.0
    assert flood_minutes(begins, 600_000) == pytest.approx(5.0)
    later = [begin + 7_200_000 for begin in begins]
    assert flood_minutes(begins + later, 36_000_000) == pytest.approx(17.0)


def test_chattering_is_the_third_of_a_name_within_a_minute():
    assert chattering([alarm(t) for t in (0, 20, 40, 59, 200)]) == 2
    assert chattering([alarm(t, name=f"cell {t} low") for t in (0, 20, 40)]) == 0


def test_the_longest_standing_alarm_may_be_open():
    assert longest([], 0) is None
    assert longest([alarm(0, 3600), alarm(100)], 10_000_000)["hours"] == pytest.approx(2.75)
    [line] = lines([alarm(0, 3600), alarm(7200)], 9_000_000)
    assert (line.count, line.standing, line.longest) == (2, 1.5, 1.0)
