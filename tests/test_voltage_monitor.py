"""Voltage monitor: alarms, states and figures against timelines worked out by hand; laws by random ones."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chemistry import CHEMISTRIES
from models.voltage_monitor import figures, limits
from models.voltage_monitor.model import VoltageMonitor
from platform_interface import ModelError
from platform_interface.manifest import read_manifest
from platform_interface.model import ModelInput
from tests.kit import START

MANIFEST = read_manifest(Path(__file__).parent.parent / "models" / "voltage_monitor")
DEFAULTS = {name: option.default for name, option in MANIFEST.configuration.items()}
FAST = {"warning_on_delay_s": 0.0, "warning_off_delay_s": 0.0, "critical_on_delay_s": 0.0, "critical_off_delay_s": 0.0}
FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)


class Seen:
    """What a monitor said over all windows; times in seconds since the start."""

    def __init__(self):
        self.series, self.alarms, self.raised_at, self.notes, self.refusals = {}, {}, [], [], {}
        self.state = {}

    def add(self, model, outputs):
        for name, series in outputs.items():
            for moment, value in series.items():
                self.series.setdefault(name, []).append((seconds(moment), float(value)))
        for alarm in model.alarms:
            key = (alarm["name"], seconds(alarm["start"]))
            if key not in self.alarms:
                self.raised_at.append(key)
            end = None if alarm["end"] is None else seconds(alarm["end"])
            self.alarms[key] = (end, alarm["severity"], alarm["text"])
        self.notes += model.notes
        self.refusals.update(model.refusals)
        self.state = json.loads(json.dumps(model.state, allow_nan=False))

    def changes(self, name):
        """The series where its value changes."""
        values = self.series.get(name, [])
        return [pair for i, pair in enumerate(values) if i == 0 or pair[1] != values[i - 1][1]]

    def ends(self):
        return {key: value[0] for key, value in self.alarms.items()}

    def everything(self):
        return self.series, self.alarms, self.state


def seconds(moment):
    return (round(moment.timestamp() * 1000) - START) / 1000


def index(values):
    whole = START + np.rint(np.asarray(values, float) * 1000).astype(np.int64)
    return pd.DatetimeIndex(whole.view("M8[ms]")).tz_localize("UTC")


def watched(at, cells, cuts=(), numbers=None, chemistry="NMC", inputs=None, **configuration):
    """Run the monitor over samples `at` [s] of `cells` (k, n) [V], in windows that begin at `cuts` [s]."""
    cells = np.atleast_2d(np.asarray(cells, float))
    frame = pd.DataFrame(cells.T, index=index(at), columns=numbers or range(1, len(cells) + 1))
    aligned = {name: pd.Series(np.asarray(values, float), frame.index) for name, values in (inputs or {}).items()}
    seen = Seen()
    edges = [*index(sorted({float(at[0]), *[c for c in cuts if at[0] < c < at[-1]]})), frame.index[-1] + pd.Timedelta("1ms")]
    for start, end in pairwise(edges):
        part = {name: series[(series.index >= start) & (series.index < end)] for name, series in aligned.items()}
        part["cell_voltage"] = frame[(frame.index >= start) & (frame.index < end)]
        if chemistry:
            part["chemistry"] = chemistry
        model = VoltageMonitor({**DEFAULTS, **configuration})
        model.state = seen.state
        seen.add(model, model.process(ModelInput(part, start, end, max_gap=dict.fromkeys(part, 300.0))))
    return seen


def steps(*stretches, every=5.0):
    """Return times and values of stretches (length [s], value)."""
    values = [value for length, value in stretches for _ in range(round(length / every))]
    return np.arange(len(values)) * every, np.array(values)


def test_a_timeline_worked_out_by_hand():
    # below 3.00 V from 20 s; 10 s later, at 30 s, a warning. Between 3.00 and 3.05 V from 50 s: it stands. Above from 80 s:
    # 60 s later, at 140 s, it clears. The other cell stays at 3.70 V.
    at, low = steps((20, 3.2), (20, 2.95), (10, 2.90), (30, 3.02), (120, 3.10))
    seen = watched(at, [np.full(at.size, 3.7), low], numbers=[7, 82])
    assert seen.ends() == {("cell 82 undervoltage warning", 20.0): 140.0}
    assert seen.changes("status") == [(0.0, 0), (30.0, 5), (140.0, 0)]
    assert seen.changes("active_alarms") == [(0.0, 0), (30.0, 1), (140.0, 0)]
    assert seen.series["event_phase"] == [(30.0, 1), (140.0, 2)]
    assert seen.series["event_kind"] == [(30.0, 1), (140.0, 1)]
    assert seen.series["event_cell"] == [(30.0, 82), (140.0, 82)]
    assert seen.series["event_peak"] == [(30.0, 2.95), (140.0, 2.90)]
    assert seen.series["event_duration"] == [(30.0, 10.0), (140.0, 120.0)]
    assert seen.series["alarms_raised"][-1] == (195.0, 1)


def test_an_alarm_names_cell_value_limit_delay_and_what_to_do():
    at, low = steps((20, 3.2), (60, 2.95))
    [(_, severity, text)] = watched(at, [low], numbers=[82]).alarms.values()
    assert severity == "warning"
    for part in ("Cell 82", "below 3 V for 10 s", "lowest 2.95 V", "above 3.05 V for 60 s", "Reduce or stop the discharge"):
        assert part in text


def test_a_critical_alarm_comes_beside_its_warning_each_with_its_own_end():
    at, high = steps((20, 4.1), (40, 4.3), (60, 4.225), (100, 4.1))
    seen = watched(at, [high])
    # critical: above 4.25 V at 20 s, raised 2 s later (the sample at 25 s), below 4.23 V from 60 s, cleared at 120 s.
    # warning: above 4.22 V at 20 s, raised at 30 s, below 4.20 V from 120 s, cleared at 180 s.
    assert seen.ends() == {("cell 1 overvoltage critical", 20.0): 120.0, ("cell 1 overvoltage warning", 20.0): 180.0}
    assert seen.changes("status") == [(0.0, 0), (25.0, 6), (120.0, 5), (180.0, 0)]
    assert [a[1] for a in seen.alarms.values()] == ["critical", "warning"]


@FEW
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 30)), min_size=1, max_size=20))
def test_what_lasts_shorter_than_the_on_delay_never_alarms(visits):
    stretches = [stretch for below, above in visits for stretch in ((below, 2.0), (above, 3.5))]
    at, low = steps(*stretches, every=1.0)
    assert watched(at, [low], critical_on_delay_s=10.0).alarms == {}


@FEW
@given(
    level=st.floats(2.9, 3.1), seed=st.integers(0, 10_000), reach=st.floats(0.1, 0.99), on=st.sampled_from([0.0, 3.0]),
    kind=st.sampled_from(["undervoltage", "overvoltage"]),
)  # fmt: skip
def test_noise_narrower_than_the_distance_of_set_and_clear_raises_no_alarm_twice(level, seed, reach, on, kind):
    width = DEFAULTS[f"{kind}_hysteresis"]
    middle = level if kind == "undervoltage" else level + 1.22
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, 600) * width * reach
    seen = watched(np.arange(600.0), [middle + noise], **{**FAST, "warning_on_delay_s": on})
    names = [name for name, _ in seen.alarms]
    assert len(names) == len(set(names))


def test_the_same_noise_chatters_without_delay_and_hysteresis():
    noise = np.random.default_rng(1).uniform(-0.02, 0.02, 600)
    bare = {**FAST, "undervoltage_hysteresis": 0.0}
    seen = watched(np.arange(600.0), [3.0 + noise], **bare)
    assert len(seen.alarms) > 100
    assert seen.series["chattering_alarms"][-1][1] > 100
    assert len(watched(np.arange(600.0), [3.0 + noise]).alarms) <= 1


def test_a_gap_is_no_data_and_waiting_begins_anew_behind_it():
    at = np.array([0, 5, 10, 1000, 1005, 1010, 1015, 1020, 1025.0])
    low = np.array([3.5, 2.9, 2.9, 2.9, 2.9, 2.9, 3.5, 3.5, 3.5])
    seen = watched(at, [low], warning_on_delay_s=8.0)
    assert seen.ends() == {("cell 1 undervoltage warning", 1000.0): None}  # not 5 s: nobody knows of 10 s to 1000 s
    assert seen.changes("status") == [(0.0, 0), (1000.0, 4), (1005.0, 0), (1010.0, 5)]
    assert seen.series["event_kind"][0] == (1000.0, 8)
    assert seen.series["event_duration"][0] == (1000.0, 990.0)
    assert seen.series["no_data_hours"][-1][1] == pytest.approx(990 / 3600)


def test_an_alarm_that_stands_goes_on_standing_over_a_gap():
    at = np.array([0, 5, 10, 15, 1000, 1030, 1060, 1090.0])
    seen = watched(at, [[3.5, 2.9, 2.9, 2.9, 3.5, 3.5, 3.5, 3.5]])
    assert seen.ends() == {("cell 1 undervoltage warning", 5.0): 1060.0}


def moving(minutes, cells=4, resolution=0.001, reach=0.2):
    at = np.arange(0.0, minutes * 60, 10.0)
    wave = 3.7 + reach / 2 * np.sin(at / 700.0)
    return at, np.round(np.array([wave + 0.004 * i for i in range(cells)]) / resolution) * resolution


def test_a_stuck_cell_is_found_behind_its_block_and_released_when_it_moves():
    at, cells = moving(200)
    frozen = (at >= 1800) & (at < 7200)
    cells[2, frozen] = 3.71
    seen = watched(at, cells, numbers=[1, 2, 9, 4])
    # the first whole block of half an hour without movement is 1800 to 3600 s; the first with movement again 7200 to 9000 s
    assert seen.ends() == {("cell 9 stuck", 1800.0): 9000.0}
    assert seen.changes("status") == [(0.0, 0), (3600.0, 3), (9000.0, 0)]


def test_cells_at_rest_and_coarse_resolutions_are_not_stuck():
    at, cells = moving(200, reach=0.0)
    assert watched(at, cells).alarms == {}
    at, cells = moving(200, resolution=0.01, reach=0.04)
    assert watched(at, cells).alarms == {}
    one_moves = np.full((4, at.size), 3.7)
    one_moves[0] += 0.1 * np.sin(at / 500)
    assert watched(at, one_moves).alarms == {}


def test_a_cell_without_value_is_a_state_of_its_own_and_counts_no_limit():
    at = np.arange(0.0, 300.0, 10.0)
    cells = np.full((3, at.size), 3.7)
    cells[1, (at >= 50) & (at < 150)] = np.nan
    seen = watched(at, cells)
    assert seen.ends() == {("cell 2 without value", 50.0): 210.0}
    assert seen.changes("status") == [(0.0, 0), (110.0, 2), (210.0, 0)]
    assert {value for _, value in seen.series["min_cell_voltage"]} == {3.7}


def test_frames_of_different_instants_are_told_without_alarm():
    at = np.arange(0.0, 300.0, 10.0)
    cells = np.full((3, at.size), 3.7)
    reported = np.where((at >= 50) & (at < 150), 3.75, 3.705)
    seen = watched(at, cells, inputs={"bms_min_cell_voltage": np.full(at.size, 3.7), "bms_max_cell_voltage": reported})
    assert seen.alarms == {}
    assert seen.changes("status") == [(0.0, 0), (110.0, 1), (210.0, 0)]
    assert any("in 10 of 30 frames" in note for note in seen.notes)


def test_load_moves_warnings_by_current_times_resistance_and_no_critical_limit():
    at, low = steps((20, 3.2), (100, 2.95))
    current = np.full(at.size, 50.0)
    assert watched(at, [low], inputs={"current": current}, resistance_mohm=2.0).alarms == {}  # 3.0 - 50 A x 2 mOhm = 2.9 V
    [text] = [a[2] for a in watched(at, [low], inputs={"current": current}, resistance_mohm=0.5).alarms.values()]
    assert "below 2.975 V (3 V, moved by -25 mV" in text
    at, deep = steps((20, 3.2), (100, 2.45))
    seen = watched(at, [deep], inputs={"current": current}, resistance_mohm=20.0)  # the warning would stand at 2.0 V
    assert [name for name, _ in seen.alarms] == ["cell 1 undervoltage critical"]
    charging = watched(at, [deep], inputs={"current": -current}, resistance_mohm=20.0)
    assert len(charging.alarms) == 2  # charge does not excuse a low voltage


def test_temperature_moves_limits_by_kelvin_and_an_unknown_one_does_not():
    at, low = steps((20, 3.2), (100, 2.95))
    cold = {"undervoltage_temperature_coefficient": 4.0}  # at -5 degC 30 K x 4 mV: 2.88 V
    assert watched(at, [low], inputs={"temperature": np.full(at.size, -5.0)}, **cold).alarms == {}
    seen = watched(at, [low], **cold)
    assert len(seen.alarms) == 1
    assert any("no temperature" in note for note in seen.notes)


@pytest.mark.parametrize("chemistry", limits.DATA_SHEET)
def test_default_limits_rise_and_lie_outside_of_normal_use(chemistry):
    empty, low, high, full = limits.default_limits(chemistry)
    assert empty < low < high < full
    assert (empty, high - 0.02) == pytest.approx(limits.DATA_SHEET[chemistry])
    assert limits.limits_of(DEFAULTS, chemistry)


def test_without_chemistry_the_limits_are_refused_and_the_rest_is_given():
    at, low = steps((20, 3.2), (100, 2.0))
    seen = watched(at, [low], chemistry=None)
    assert "Set the asset's Chemistry" in seen.refusals["status"]
    assert "status" not in seen.series
    assert seen.series["min_cell_voltage"] == [(0.0, 3.2), (20.0, 2.0)]
    own = dict(zip(limits.NAMES, (2.5, 3.0, 4.2, 4.3), strict=True))
    assert "status" in watched(at, [low], chemistry=None, **own).series


def test_limits_that_contradict_one_another_are_refused_with_their_values():
    with pytest.raises(ModelError, match=r"do not rise: .*undervoltage_warning 4.5 V.*Correct models.voltage_monitor"):
        watched([0.0, 1.0], [[3.7, 3.7]], undervoltage_warning=4.5)
    with pytest.raises(ModelError, match="no voltage at which nothing is wrong"):
        watched([0.0, 1.0], [[3.7, 3.7]], undervoltage_hysteresis=0.7, overvoltage_hysteresis=0.6)


def single(**inputs):
    frame = pd.Series([3.7, 2.9, 2.9, 2.9], index([0, 10, 20, 30]))
    model = VoltageMonitor(DEFAULTS)
    data = {"voltage": frame, "chemistry": "NMC", **inputs}
    seen = Seen()
    start = frame.index[0]
    seen.add(model, model.process(ModelInput(data, start, start + pd.Timedelta("1h"), max_gap={"voltage": 300.0})))
    return seen


def test_an_asset_of_one_cell_is_watched_by_its_voltage():
    assert list(single(cells_in_series=1.0).ends()) == [("cell 1 undervoltage warning", 10.0)]


@pytest.mark.parametrize("inputs", [{}, {"cells_in_series": 96.0}])
def test_the_voltage_of_a_pack_is_refused_for_it_tells_only_the_mean(inputs):
    with pytest.raises(ModelError, match=r"tells only the mean .* Map the cells to 'cell_voltage'"):
        single(**inputs)


def test_without_any_voltage_the_remedy_is_named():
    with pytest.raises(ModelError, match="Map the array to 'cell_voltage'"):
        VoltageMonitor(DEFAULTS).process(ModelInput({}, *index([0, 1])))


def test_a_flood_begins_with_the_eleventh_alarm_in_ten_minutes_and_ends_with_fewer_than_five():
    at = np.arange(0.0, 3000.0, 10.0)
    cells = np.full((12, at.size), 3.7)
    for i in range(12):
        cells[i, at >= 30 * i] = 2.9
    seen = watched(at, cells, most_cell_alarms=100, **FAST)
    # alarms at 0, 30, ... 330 s: the 11th at 300 s. At 810 s those after 210 s are left: 240, 270, 300, 330 s: four.
    assert seen.changes("flood") == [(0.0, 0), (300.0, 1), (810.0, 0)]
    assert seen.series["flood_minutes"][-1][1] == pytest.approx(8.5)


def test_chattering_is_counted_from_the_third_alarm_of_a_minute_and_refused_where_it_cannot_be_seen():
    at = np.arange(0.0, 120.0, 5.0)
    low = np.where((at // 10) % 2 == 1, 2.9, 3.5)  # alarms at 10, 30, 50, 70, 90, 110 s
    seen = watched(at, [low], **FAST)
    assert [t for _, t in seen.raised_at] == [10.0, 30.0, 50.0, 70.0, 90.0, 110.0]
    assert seen.changes("chattering_alarms") == [(5.0, 0), (50.0, 1), (70.0, 2), (90.0, 3), (110.0, 4)]
    slow = watched(at * 6, [low], **FAST)
    assert "chattering_alarms" not in slow.series
    assert slow.refusals["chattering_alarms"].startswith("not resolvable")


def test_alarms_of_a_day_are_given_behind_it():
    at = np.arange(0.0, 3 * 86400.0, 200.0)
    low = np.full(at.size, 3.7)
    for begin in (3600, 7200, 86400 + 3600):
        low[(at >= begin) & (at < begin + 1000)] = 2.9
    seen = watched(at, [low])
    assert seen.series["alarms_per_day"] == [(86400.0, 2), (172800.0, 1)]


def test_a_pack_that_crosses_a_limit_raises_a_few_alarms_of_cells_and_one_of_the_pack():
    at = np.arange(0.0, 600.0, 10.0)
    cells = np.array([np.where((at >= 100 + 10 * i) & (at < 300 + 10 * i), 2.9 + i / 1000, 3.7) for i in range(20)])
    seen = watched(at, cells, numbers=range(50, 70), most_cell_alarms=3)
    # cells 50, 51, 52 from 100, 110, 120 s, each raised 10 s later and cleared 60 s behind its end; the pack from the fourth cell on,
    # until the last cell, which ends at 490 s, is cleared at 550 s
    assert seen.ends() == {
        **{(f"cell {50 + i} undervoltage warning", 100.0 + 10 * i): 360.0 + 10 * i for i in range(3)},
        ("pack undervoltage warning", 130.0): 550.0,
    }
    text = seen.alarms[("pack undervoltage warning", 130.0)][2]
    assert text == "No cell any more; at most 20 of 20 at once."
    assert max(value for _, value in seen.series["active_alarms"]) == 4
    assert seen.series["active_alarms"][-1][1] == 0
    assert len([1 for _, phase in seen.series["event_phase"] if phase == 1]) == 20  # every cell is an event


def test_figures_of_many_alarms_at_one_sample():
    carried = figures.Figures()
    time = START + np.arange(0, 1_200_000, 1000)
    marks = figures.flooded(time, [100] * 88, carried)
    assert np.flatnonzero(marks).tolist() == list(range(100, 700))


def test_recorded_extremes_are_never_farther_than_a_step_from_the_truth():
    random = np.random.default_rng(5)
    at = np.arange(0.0, 5000.0)
    cells = 3.7 + np.cumsum(random.normal(0, 0.001, (6, at.size)), axis=1)
    seen = watched(at, cells, numbers=[3, 5, 8, 13, 21, 34])
    kept = [t for t, _ in seen.series["min_cell_voltage"]]
    assert 10 < len(kept) < at.size / 2
    for name, true in (("min", cells.min(axis=0)), ("max", cells.max(axis=0))):
        values = dict(seen.series[f"{name}_cell_voltage"])
        held = np.array([values[kept[i]] for i in np.searchsorted(kept, at, side="right") - 1])
        assert np.abs(held - true).max() < 0.005
    numbers = np.array([3, 5, 8, 13, 21, 34])
    assert dict(seen.series["min_cell"]) == {t: numbers[cells[:, int(t)].argmin()] for t in kept}
    assert dict(seen.series["max_cell"]) == {t: numbers[cells[:, int(t)].argmax()] for t in kept}


def history(seed, cuts=()):
    """Run over a random history: limits crossed, noise, gaps, dropouts, a stuck cell, reported extremes that differ."""
    random = np.random.default_rng(seed)
    n = 300
    at = np.cumsum(random.choice([1.0, 10.0, 60.0, 400.0], n, p=[0.3, 0.4, 0.25, 0.05])) // 1
    cells = 3.7 + 0.9 * np.sin(np.cumsum(random.normal(0, 0.15, n))) + random.normal(0, 0.02, (14, n))
    cells = np.round(cells, 2)
    cells[3, n // 3 : 2 * n // 3] = 3.66
    cells[random.random(cells.shape) < 0.05] = np.nan
    cells[4, 50:150] = np.nan
    cells[0] = np.where(np.isnan(cells).all(axis=0), 3.7, cells[0])
    inputs = {
        "bms_min_cell_voltage": np.round(np.nanmin(cells, axis=0) + random.normal(0, 0.01, n), 3),
        "bms_max_cell_voltage": np.nanmax(cells, axis=0),
        "current": random.normal(0, 50, n),
        "temperature": random.normal(20, 10, n),
    }
    options = {
        "resistance_mohm": 1.0, "undervoltage_temperature_coefficient": 2.0, "stuck_minutes": 5.0, "data_delay_s": 5.0,
        "undervoltage_critical": 3.0, "undervoltage_warning": 3.3, "overvoltage_warning": 4.1,
        "most_cell_alarms": 3 + 10 * (seed % 3),
    }  # fmt: skip
    options |= (
        {"warning_on_delay_s": 5.0, "warning_off_delay_s": 10.0} if seed % 2 else {**FAST, "undervoltage_hysteresis": 0.0}
    )
    return watched(at, cells, cuts=[at[7], *cuts] if cuts else (), inputs=inputs, **options)


@FEW
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.floats(0, 15_000), min_size=1, max_size=8))
def test_no_split_changes_an_alarm_a_number_or_the_state(seed, cuts):
    assert history(seed, cuts).everything() == history(seed).everything()


def test_the_random_histories_hold_every_kind_of_event_every_status_and_floods():
    seen = [history(seed) for seed in range(20)]
    found = {name: {value for each in seen for _, value in each.series[name]} for name in ("event_kind", "status", "flood")}
    assert found == {"event_kind": set(range(1, 9)), "status": set(range(7)), "flood": {0, 1}}
    assert any(each.series["chattering_alarms"][-1][1] for each in seen)


def test_samples_farther_apart_than_max_gap_raise_nothing_and_the_report_says_so():
    at = np.arange(96) * 900.0
    seen = watched(at, np.where((at > 20_000) & (at < 60_000), 1.5, 3.6))
    assert seen.alarms == {}
    assert any("no limit with an on-delay raises an alarm" in note and "max_gap" in note for note in seen.notes)


def test_samples_too_rare_to_tell_a_stuck_cell_are_said():
    at = np.arange(40) * 290.0
    cells = np.full((3, at.size), 3.6)
    assert watched(at, cells, stuck_minutes=30.0).notes == []
    [note] = watched(at, cells, stuck_minutes=20.0).notes
    assert "Set stuck_minutes to 24.2 or more" in note


@FEW
@given(seed=st.integers(0, 10_000), on=st.sampled_from([0.0, 2.0, 10.0]), off=st.sampled_from([0.0, 5.0, 60.0]))
def test_noise_about_a_limit_and_gaps_leave_the_same_for_any_split(seed, on, off):
    random = np.random.default_rng(seed)
    at = np.cumsum(random.choice([1.0, 1.0, 2.0, 20.0, 400.0], 300, p=[0.5, 0.3, 0.15, 0.04, 0.01]))
    cells = 3.02 + 0.05 * np.cumsum(random.normal(0, 0.3, (3, at.size)), axis=1) + random.normal(0, 0.03, (3, at.size))
    cells = np.where(random.random(cells.shape) < 0.05, np.nan, np.clip(cells, 1.0, 4.5))
    cells[0] = np.where(np.isnan(cells).all(axis=0), 3.3, cells[0])
    delays = {"warning_on_delay_s": on, "warning_off_delay_s": off, "critical_on_delay_s": on, "critical_off_delay_s": off}
    delays |= {"data_delay_s": 3.0, "most_cell_alarms": 1}
    cuts = random.choice(at[1:-1], random.integers(1, 12), replace=False)
    assert watched(at, cells, cuts, **delays).everything() == watched(at, cells, **delays).everything()


def test_every_chemistry_that_has_a_curve_has_limits():
    assert set(CHEMISTRIES) <= set(limits.DATA_SHEET) == set(limits.RESERVE) == set(MANIFEST.inputs["chemistry"].choices)
