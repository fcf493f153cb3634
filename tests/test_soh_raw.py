"""Readers of raw ageing telemetry: units, sign and identity are checked on entry, and each trap of the measured sets is stepped over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.measured_data import shared_data
from training.soh.raw import calce, nasa, samsung, storage
from training.soh.raw.build import apart
from training.soh.raw.cell import RawCell, RawDataError, agreement
from training.soh.raw.dataset import READERS, charges_of, labelled, load, save, segments_of

SHARED = shared_data()
measured = pytest.mark.skipif(SHARED is None, reason="the measured data is not there; set TWIN_SHARED_DATA")


def cycles(count=4, nominal=2.0, every=60.0):
    """Return time, current (positive on discharge) and voltage of cycles of an hour each way with half an hour of rest, and labels."""
    rows, found, clock = [], [], 0.0
    for number in range(count):
        capacity = nominal * (1.0 - 0.01 * number)
        seconds = 3600.0 * capacity / nominal
        for current, low, high, length in (
            (-nominal, 3.3, 4.15, seconds), (0.0, 4.1, 4.1, 2400.0), (nominal, 4.0, 3.0, seconds), (0.0, 3.2, 3.2, 2400.0),
        ):  # fmt: skip
            steps = int(length // every)
            for step in range(steps):
                rows.append((clock, current, low + (high - low) * step / steps))
                clock += every
            if current > 0:
                found.append((clock - every, capacity))
    return np.array(rows), np.array(found)


def cell(**changes):
    """Return a cell in order, with changes."""
    rows, found = cycles()
    empty = np.full(len(rows), np.nan)
    values = {
        "name": "a", "group": "test", "chemistry": "NMC", "nominal": 2.0, "time": rows[:, 0], "current": rows[:, 1],
        "voltage": rows[:, 2], "temperature": empty, "strain": empty, "label_time": found[:, 0], "label_capacity": found[:, 1],
    }  # fmt: skip
    return RawCell(**{**values, **changes})


def test_a_cell_in_order_is_taken():
    share, charge = agreement(cell())
    assert share == pytest.approx(1.0)
    assert charge > 4.0


def test_a_current_of_the_wrong_sign_is_refused_with_what_to_do():
    with pytest.raises(RawDataError, match=r"test a: voltage and current agree in direction over 0% .* turn its sign"):
        cell(current=-cell().current)


@pytest.mark.parametrize(
    ("channel", "factor", "offset", "words"),
    [
        ("voltage", 1000.0, 0.0, "millivolts"),
        ("current", 1000.0, 0.0, "milliamperes"),
        ("label_capacity", 1000.0, 0.0, "milliampere-hours"),
        ("voltage", 1.0, 45.0, "of a pack"),
    ],
)
def test_another_unit_is_refused_and_named(channel, factor, offset, words):
    with pytest.raises(RawDataError, match=words):
        cell(**{channel: getattr(cell(), channel) * factor + offset})


def test_kelvin_is_refused_and_named():
    with pytest.raises(RawDataError, match="kelvin"):
        cell(temperature=np.full(len(cell()), 298.15))


def test_time_that_does_not_increase_is_refused_with_where():
    time = cell().time.copy()
    time[7] = time[6]
    with pytest.raises(RawDataError, match=r"time does not increase after 360\.000 s"):
        cell(time=time)


def test_a_sentinel_is_refused():
    current = cell().current.copy()
    current[100] = 3.4e37
    with pytest.raises(RawDataError, match="sentinel"):
        cell(current=current)


def test_the_hash_is_of_the_data_and_not_of_the_name():
    assert cell().data_hash() == cell(name="b", group="other").data_hash()
    voltage = cell().voltage.copy()
    voltage[3] += 1e-6
    assert cell().data_hash() != cell(voltage=voltage).data_hash()


def test_a_cell_until_a_time_knows_neither_samples_nor_capacities_after_it():
    short = cell().until(12000.0)
    assert short.time[-1] == 12000.0
    assert short.label_time.tolist() == [9540.0]


def test_a_charge_is_labelled_by_the_capacity_measured_next_after_it():
    raw = cell()
    charges = charges_of(raw)
    assert len(charges.cell) == 4
    assert charges.cell.soh == pytest.approx([1.0, 0.99, 0.98, 0.97])


def test_a_charge_that_no_measurement_followed_before_the_next_charge_has_no_label():
    raw = cell(label_time=cell().label_time[[0, 2]], label_capacity=cell().label_capacity[[0, 2]])
    soh = charges_of(raw).cell.soh
    assert np.isnan(soh).tolist() == [False, True, False, True]


def test_a_capacity_that_is_known_when_the_charge_ends_belongs_to_the_charge_before():
    raw = cell()
    segments = segments_of(raw)
    known = np.array([segment.known for segment in segments]) / 1000.0
    raw = cell(label_time=known, label_capacity=np.array([2.0, 1.9, 1.8, 1.7]))
    assert labelled(raw, segments)[:3] == pytest.approx([0.95, 0.9, 0.85])


def test_samples_that_share_a_second_keep_their_order_a_millisecond_apart():
    assert apart(np.array([0.0, 0.0, 0.0, 1.0, 2.0, 2.0])).tolist() == [0.0, 0.001, 0.002, 1.0, 2.0, 2.001]


# --- NASA ---


def nasa_tables():
    """Return tests.csv and the series of two cycles, one with a label below 0.1 Ah, and a switching sentinel."""
    rows, _ = cycles(2)
    rows = rows[rows[:, 1] != 0]
    tests, series, uid = [], [], 1
    start = pd.Timestamp("2008-04-02 13:00:00")
    for current in (-2.0, 2.0, -2.0, 2.0):
        low = 3.3 if current < 0 else 4.0
        time = np.arange(0, 3500, 50.0)
        volts = low + (0.85 if current < 0 else -1.2) * time / 3500
        capacity = {2: 1.85, 4: 0.03}.get(uid, np.nan)
        kind = "charge" if current < 0 else "discharge"
        tests.append((kind, str(start), "B0005", uid, capacity))
        series.append(pd.DataFrame({"uid": uid, "voltage_v": volts, "current_a": -current, "temp_c": 24.0, "t_s": time}))
        start += pd.Timedelta(hours=2)
        uid += 1
    series[2].loc[3, "voltage_v"] = 8.39
    return pd.DataFrame(tests, columns=["type", "start_time", "battery_id", "uid", "capacity_ah"]), pd.concat(series)


def test_nasa_labels_below_a_tenth_of_an_ampere_hour_are_left_out_and_counted():
    raw = nasa.cell_of("B0005", *nasa_tables())
    assert raw.label_capacity.tolist() == [1.85]
    assert any("1 capacities missing or below 0.1 Ah" in note for note in raw.notes)


def test_nasa_tests_are_on_one_clock_with_discharge_positive_and_no_switching_sentinel():
    raw = nasa.cell_of("B0005", *nasa_tables())
    assert raw.time[70] == 7200.0
    assert raw.current[0] == -2.0
    assert raw.voltage.max() < 4.6
    assert raw.notes[0].startswith("1 samples outside 1.0 to 4.6 V")
    assert raw.label_time[0] == 7200.0 + 3450.0


# --- CALCE ---


def calce_table(held_at=4.199, ended=0.05, empty=2.699):
    """Return the rows of two cycles: step 2 charges, 4 holds, 7 discharges; the next file repeats them."""
    rows, counter = [], 0.0
    start = pd.Timestamp("2010-09-17 08:00:00")
    for cycle in (1, 2):
        hold = (held_at, ended) if cycle == 2 else (4.199, 0.05)
        for number in range(20):
            rows.append((cycle, 2, start, 0.55, 3.6 + 0.03 * number, counter))
            start += pd.Timedelta(seconds=300)
        for number in range(3):
            rows.append((cycle, 4, start, hold[1] * (3 - number), hold[0], counter))
            start += pd.Timedelta(seconds=0 if number == 0 else 1137)
        for number in range(21):
            last = empty if cycle == 2 else 2.699
            rows.append((cycle, 7, start, -1.1, 4.0 + (last - 4.0) * number / 20, counter))
            counter += 0.05 if number < 20 else 0.0
            start += pd.Timedelta(seconds=180)
    table = pd.DataFrame(rows, columns=["cycle", "step", "time", "current_a", "voltage_v", "discharge_ah"])
    table.insert(2, "file", "CS2_35_2_4_11")
    table.insert(0, "cell", "CS2_35")
    return table


def test_calce_capacities_are_of_each_cycle_and_not_of_the_counter():
    raw = calce.cell_of("CS2_35", calce_table())
    assert raw.label_capacity == pytest.approx([1.0, 1.0])
    assert (np.diff(raw.time) > 0).all()


def test_calce_tails_logged_a_third_of_an_hour_apart_are_no_gap():
    raw = calce.cell_of("CS2_35", calce_table())
    assert raw.max_gap > 1137.0
    assert len(segments_of(raw)) == 2


@pytest.mark.parametrize("changes", [{"held_at": 4.08}, {"ended": 0.2}, {"empty": 3.2}])
def test_calce_discharge_after_a_partial_charge_or_not_to_the_end_is_no_capacity(changes):
    raw = calce.cell_of("CS2_35", calce_table(**changes))
    assert len(raw.label_capacity) == 1
    assert any(note.startswith("1 discharges") for note in raw.notes)


def test_the_repeated_calce_file_is_left_out_and_an_unknown_copy_is_refused():
    table = calce_table()
    known = pd.concat([table.assign(file=calce.REPEATED), table])
    raw = calce.cell_of("CS2_35", known)
    assert len(raw) == len(table)
    with pytest.raises(RawDataError, match="time runs backwards in file CS2_35_another"):
        calce.cell_of("CS2_35", pd.concat([table, table.assign(file="CS2_35_another")]))


# --- Samsung ---


def samsung_table(*, cut=None, sentinel=False):
    """Return rows of three cycles; the discharge of cycle `cut` ends at 3.5 V."""
    parts = []
    for cycle in (1, 2, 3):
        for phase, current, low, high in (("charge", 3.0, 3.1, 4.2), ("discharge", -3.0, 4.0, 2.5)):
            last = 3.5 if cycle == cut and phase == "discharge" else high
            time = np.arange(0, 3401, 10.0) if last == high else np.arange(0, 1201, 10.0)
            volts = np.linspace(low, last, len(time))
            parts.append(
                pd.DataFrame({
                    "cycle": cycle, "phase": phase, "t_s": time, "current_a": current, "voltage_v": volts, "temp_c": 21.0,
                    "hoop_strain": 1e-4,
                })
            )  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    if sentinel:
        table.loc[table.index[500], "current_a"] = 3.4e37
    return table


PEAKS = pd.Series(4.13, index=pd.MultiIndex.from_product([["charge", "discharge"], [1, 2, 3]]))


def test_samsung_sentinel_currents_are_left_out_and_the_charge_still_adds_up():
    raw = samsung.cell_of("D1A", samsung_table(sentinel=True), PEAKS)
    assert raw.label_capacity == pytest.approx([3.0 * 3400 / 3600] * 3)
    assert raw.notes[0].startswith("1 dropped readings")


def test_samsung_a_discharge_cut_in_two_gives_no_capacity_from_either_part():
    raw = samsung.cell_of("D1A", samsung_table(cut=1), PEAKS)
    assert len(raw.label_capacity) == 1


def test_samsung_a_discharge_after_an_overcharge_is_no_capacity():
    peaks = PEAKS.copy()
    peaks["discharge", 2] = 4.51
    assert len(samsung.cell_of("D1A", samsung_table(), peaks).label_capacity) == 2


def test_samsung_files_too_short_are_left_out_and_nothing_is_counted_from_one_to_the_next():
    table = samsung_table()
    short = table[~((table["cycle"] == 2) & (table["phase"] == "charge") & (table["t_s"] > 30))]
    raw = samsung.cell_of("D1A", short, PEAKS)
    assert any(note.startswith("1 files of fewer") for note in raw.notes)
    assert sum(np.diff(raw.time) > raw.max_gap) == 4


# --- LFP storage cells ---


def storage_tables(last_volt=3.65):
    time = np.arange(0, 3600, 30.0)
    parts = [
        pd.DataFrame({
            "cell": 1, "cycle": cycle, "t_s": time, "current_a": 100.0, "temp_c": 55.0,
            "voltage_v": np.linspace(2.9, 3.65 if cycle == 2 else last_volt, len(time)),
        })
        for cycle in (2, 3)
    ]  # fmt: skip
    charge = 100.0 * time[-1] / 3600
    return pd.concat(parts), pd.DataFrame({"cell": 1, "cycle": [2, 3], "soh": [charge / 102] * 2, "charge_ah": charge})


def test_storage_cell_reads_none_of_the_columns_that_are_the_label():
    assert not {"soc_frac", "charge_capacity_ah"} & set(storage._COLUMNS)


def test_storage_cell_charge_that_broke_off_is_no_capacity():
    assert len(storage.cell_of(1, *storage_tables()).label_capacity) == 2
    assert len(storage.cell_of(1, *storage_tables(last_volt=3.38)).label_capacity) == 1


def test_storage_cell_charge_whose_current_does_not_add_up_is_no_capacity():
    table, soh = storage_tables()
    assert len(storage.cell_of(1, table, soh.assign(charge_ah=[soh["charge_ah"][0], 80.0])).label_capacity) == 1


def test_storage_cell_charge_is_not_labelled_by_its_own_ampere_hours():
    table, soh = storage_tables()
    raw = storage.cell_of(1, table, soh.assign(soh=[0.97, 0.95]))
    charges = charges_of(raw)
    assert charges.cell.soh[0] == pytest.approx(0.95)  # of the cycle after


def test_what_is_written_is_read_again_to_the_last_bit(tmp_path):
    charges = charges_of(cell())
    (again,) = load(save(tmp_path, [charges]))
    assert again.features.tobytes() == charges.cell.features.tobytes()
    assert again.soh.tobytes() == charges.cell.soh.tobytes()


# --- the measured sets ---

EXPECTED = {
    "NASA": {"B0005": (168, 168), "B0006": (168, 168), "B0007": (168, 168)},
    "CALCE": {"CS2_35": (885, 854), "CS2_37": (1041, 1009)},
    "Samsung": {"D1A": (451, 636), "D1B": (444, 635), "D2c1": (386, 386), "D2c2": (361, 361)},
    "LFP 102 Ah": {"cell-1": (472, 473), "cell-4": (395, 393), "cell-5": (379, 377)},
}


@measured
@pytest.mark.parametrize("group", READERS)
def test_measured_set_is_read_whole_with_its_signs_and_its_capacities_follow_its_charges(group):
    for raw in READERS[group](SHARED):
        share, _ = agreement(raw)
        assert share > 0.99
        charges = charges_of(raw)
        assert (len(charges.cell), len(raw.label_capacity)) == EXPECTED[group][raw.name]
        put = charges.cell.features[:, charges.cell.names.index("charge")]
        known = np.isfinite(charges.cell.soh)
        assert known.mean() > 0.9
        assert abs(np.median(put[known] - charges.cell.soh[known])) < 0.015  # charged full from empty, what goes in comes out
