"""Imbalance: what must accuse nobody, what must be refused, and what must not flood an operator."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from benchmarks import imbalance_measured as bench
from models.chemistry import chemistry
from models.imbalance_analysis import causes, charge, history, judge
from models.imbalance_analysis.memory import Hold, Memory
from models.imbalance_analysis.model import ImbalanceAnalysis
from models.imbalance_analysis.verdict import Verdict, in_use
from platform_interface.model import ModelInput

MANIFEST = bench.read_manifest(bench.ROOT / "models" / bench.MODEL)
CONFIGURATION = {name: option.default for name, option in MANIFEST.configuration.items()}


@pytest.fixture(scope="module")
def healthy():
    frame, current, soc, _ = bench.simulate(bench.Pack("NMC", cells=12, days=16, seed=11))
    return frame.iloc[::5], current.iloc[::5], soc.iloc[::5]


def age(frame):
    return ((frame.index - frame.index[0]) / pd.Timedelta("1D")).to_numpy()


def windows(frame, current, soc, edges, name="NMC"):
    """Run window after window; return models, last state and all outputs as text."""
    models, state, outputs = [], {}, {}
    for start, end in pairwise(edges):
        inside = (frame.index >= start) & (frame.index < end)
        model = ImbalanceAnalysis(CONFIGURATION)
        model.state = json.loads(json.dumps(state, allow_nan=False))
        given = {"cell_voltage": frame[inside], "current": current[inside], "soc": soc[inside]}
        given |= {"capacity": 100.0, "chemistry": name}
        for output, values in model.process(ModelInput(given, start, end, {}, {"cell_voltage": 600.0})).items():
            outputs.setdefault(output, []).append(values)
        state = model.state
        models.append(model)
    numbers = {
        output: (pd.concat(parts).index.asi8.tolist(), json.dumps(pd.concat(parts).to_numpy().tolist()))
        for output, parts in outputs.items()
    }
    return models, state, numbers


def whole(frame):
    return [frame.index[0].floor("D"), frame.index[-1] + pd.Timedelta("1s")]


def test_a_frozen_channel_accuses_no_cell_and_is_told_once(healthy):
    frame, current, soc = healthy
    frozen = frame.copy()
    frozen.loc[age(frame) > 5.5, 7] = float(frame.loc[age(frame) > 5.5, 7].iloc[0])
    models, _, _ = windows(frozen, current, soc, pd.date_range("2026-01-01", periods=17, freq="1D", tz="UTC"))
    assert not [alarm for model in models for alarm in model.alarms]
    notes = [str(note) for model in models for note in model.notes if "stood still" in str(note)]
    assert len(notes) == 1
    assert "cells 7 " in notes[0]


def test_a_reading_that_stands_still_with_all_others_is_not_frozen():
    hold = Hold.of(3)
    for level in (3300.0, 3310.0, 3330.0, 3360.0):
        hold.see(np.array([3300.0, level, 3300.0]), 3300.0)
    assert not hold.frozen().any()
    for level in (3300.0, 3320.0, 3340.0, 3355.0):
        hold.see(np.array([3300.0, level, level]), level)
    assert hold.frozen().tolist() == [True, False, False]


def test_a_cell_that_swings_about_the_limit_is_accused_once(healthy):
    frame, current, soc = healthy
    swinging = frame.copy()
    swinging.loc[:, 5] = frame.median(axis=1) - 0.001 * (10.0 + np.sin(2.0 * np.pi * age(frame) / 5.0))
    alarms, _, _ = bench.run_model(swinging, current, soc, (100.0, "NMC"))
    assert len({(alarm["name"], alarm["start"]) for alarm in alarms}) == 1


def test_one_dead_cell_is_named_in_the_refusals_and_keeps_no_other_from_being_judged(healthy):
    frame, current, soc = healthy
    broken = frame.copy()
    broken.loc[:, 7] = np.nan
    broken.loc[:, 3] -= 0.03
    (model,), state, numbers = windows(broken, current, soc, whole(frame))
    assert {alarm["name"] for alarm in model.alarms} == {"cell 3 suspect"}
    for output in ("cell_deviation", "cell_trend", "cell_capacity_ratio", "leak_current"):
        assert "cells without a value: 7." in model.refusals[output]
        assert output not in numbers
    assert state["charges"]


def test_many_charges_over_a_flat_stretch_do_not_add_up_to_a_capacity():
    charges, cells = 120, 4
    days, nothing = np.arange(-charges, 0.0), np.zeros((charges, cells))
    flat = charge.combine(
        days, nothing, np.full_like(nothing, charge.LEAD), nothing, np.full_like(nothing, 0.99 * charge.STRETCH)
    )
    assert flat.stretch_error.min() > causes.STRETCH_KNOWN
    assert flat.lead_error.min() > 0.9 * charge.LEAD
    steep = charge.combine(days, nothing, np.full_like(nothing, 0.01), nothing, np.full_like(nothing, 0.02))
    assert steep.stretch_error.max() < 0.011


def plateau(days=40, cells=12):
    """LFP between 45 and 65 % of charge, every day; cell 5 has 10 % less capacity, and no voltage shows it."""
    random = np.random.default_rng(0)
    hour = np.arange(days * 288) / 12.0 % 24.0
    current = np.where((hour >= 7) & (hour < 8), 20.0, np.where((hour >= 14) & (hour < 15), -20.0, 0.0))
    drawn = np.concatenate(([0.0], np.cumsum(current[:-1]) / 12.0))
    capacity = 100.0 * (1.0 + random.normal(0.0, 0.005, cells))
    capacity[4] *= 0.9
    state = 0.65 + random.normal(0.0, 0.005, cells) - drawn[:, None] / capacity
    volts = chemistry("LFP").ocv(state) - 0.0008 * current[:, None] + random.normal(0.0, 0.001, cells)
    index = pd.date_range("2026-01-01", periods=len(hour), freq="5min", tz="UTC").as_unit("ms")
    frame = pd.DataFrame(np.round(volts + random.normal(0.0, 0.0007, volts.shape), 3), index, columns=range(1, cells + 1))
    return frame, pd.Series(current, index), pd.Series(np.round(0.65 - drawn / 100.0, 2), index)


def test_a_weak_cell_on_the_plateau_of_lfp_is_refused_and_not_published_as_healthy():
    (model,), state, numbers = windows(*plateau(), whole(plateau()[0]), "LFP")
    assert state["charges"]
    assert "cell_capacity_ratio" not in numbers
    assert "not identifiable" in model.refusals["cell_capacity_ratio"]


def test_calibration_is_no_noise_so_no_number_of_charges_makes_a_lead_surer_than_one():
    cells = [0.0] * 4
    one = {
        "weight": 1, "soc": 0.5, "single": 0.03, "lead": cells, "lead_error": [0.03] * 4, "stretch": cells,
        "stretch_error": [0.05] * 4,
    }  # fmt: skip
    memory = Memory([1, 2, 3, 4], np.zeros((4, 4)), Hold.of(4))
    memory.charges = [{**one, "time": day * history.DAY} for day in range(50)]
    drift = causes.drift_of(memory, 50 * history.DAY)
    assert drift is not None
    assert drift.lead_error.min() == pytest.approx(0.03)


def test_energy_counts_a_weak_cell_that_is_balanced_at_the_middle_as_weak_and_not_as_unbalanced():
    excess = np.r_[np.zeros(11), 1.0 / 0.9 - 1.0]
    error = np.full(12, 0.001)
    drift = charge.Drift(np.zeros(12), error, np.zeros(12), error, excess, error)
    verdict = Verdict(lead=0.4 * excess, lead_error=error, source=1, at=0.9, capacity=1.0 / (1.0 + excess))
    memory = Memory(list(range(1, 13)), np.zeros((4, 12)), Hold.of(12))
    causes.price(verdict, memory, drift, {}, (100.0, chemistry("NMC")))
    assert verdict.energy is not None
    lost, recoverable = verdict.energy
    whole_string = 1.2 * chemistry("NMC").energy(0.0, 1.0)
    assert lost == pytest.approx(0.1 * whole_string, rel=0.03)
    assert recoverable < 0.01 * whole_string


def test_a_string_that_has_left_float_charge_is_in_use_after_three_days(healthy):
    frame, current, soc = healthy
    index = pd.date_range("2025-12-22", periods=10 * 288, freq="5min", tz="UTC").as_unit("ms")
    floating = pd.DataFrame(3.6, index, columns=frame.columns)
    flags = pd.DataFrame(1.0, index, columns=frame.columns).reindex(index.append(frame.index), fill_value=0.0)
    busy = current.where((current != 0.0) | (current.index.hour < 2), 3.0)
    given = {
        "cell_voltage": pd.concat([floating, frame]), "current": pd.concat([pd.Series(0.0, index), busy]),
        "soc": pd.concat([pd.Series(1.0, index), soc]), "balancing": flags, "capacity": 100.0, "chemistry": "NMC",
    }  # fmt: skip
    model = ImbalanceAnalysis(CONFIGURATION)
    status = model.process(ModelInput(given, index[0], frame.index[-1] + pd.Timedelta("1s"), {}, {"cell_voltage": 600.0}))[
        "status"
    ]
    assert set(status[:"2025-12-31"]) == {1.0}
    assert set(status["2026-01-05":]) == {0.0}


def test_snapshots_of_a_parked_day_cover_the_whole_day(healthy):
    frame, _, soc = healthy
    rest = frame.iloc[:287]
    _, state, _ = windows(rest, pd.Series(0.0, rest.index), soc.iloc[:287] * 0.0 + 0.8, whole(rest))
    hours = [snapshot[0] / 3_600_000.0 % 24.0 for snapshot in state["day"]["2"]]
    assert len(hours) == history.A_DAY
    assert min(hours) < 2.0
    assert max(hours) > 22.0
    assert max(np.diff(hours)) < 2.0


def test_an_alarm_outlives_a_change_of_the_cells_and_is_cleared(healthy):
    frame, current, soc = healthy
    low = frame.copy()
    low.loc[age(frame) < 8.0, 9] -= 0.03
    split = frame.index[0] + pd.Timedelta("8D")
    begin, end = whole(frame)
    (first,), state, _ = windows(low, current, soc, [begin, split])
    second = ImbalanceAnalysis(CONFIGURATION)
    second.state = state
    late = low.index >= split
    given = {"cell_voltage": low[late].drop(columns=[12]), "current": current[late], "soc": soc[late]}
    second.process(ModelInput(given | {"capacity": 100.0}, split, end, {}, {"cell_voltage": 600.0}))
    (raised,) = [alarm for alarm in first.alarms if alarm["end"] is None]
    (cleared,) = second.alarms
    assert (cleared["name"], cleared["start"]) == (raised["name"], raised["start"])
    assert cleared["end"] is not None


def test_any_split_leaves_the_same_bits_with_frozen_dead_and_missing_readings(healthy):
    frame, current, soc = (values.copy() for values in healthy)
    random, count = np.random.default_rng(1), len(frame)
    days = age(frame)
    frame.loc[:, 10] -= 0.0015 * days
    frame.iloc[int(count * 0.3) : int(count * 0.6), 2] = frame.iloc[int(count * 0.3), 2]
    frame.iloc[int(count * 0.5) : int(count * 0.7), 8] = np.nan
    frame.iloc[5::37, 4] = np.nan
    current[random.random(count) < 0.01] = np.nan
    keep = (random.random(count) > 0.02) & ~((days > 6.0) & (days < 6.5))
    frame, current, soc = frame[keep], current[keep], soc[keep]
    begin, end = whole(frame)

    def told(edges):
        models, state, numbers = windows(frame, current, soc, edges)
        alarms = [alarm for model in models for alarm in model.alarms]
        return json.dumps(state, sort_keys=True), alarms, [str(note) for model in models for note in model.notes], numbers

    expected = told([begin, end])
    assert expected[1]
    for _ in range(3):
        cuts = sorted(random.choice(frame.index[1:-1], size=int(random.integers(2, 30)), replace=False))
        assert told([begin, *[pd.Timestamp(cut) for cut in cuts], end]) == expected


def test_every_reason_says_what_to_do():
    assert set(judge.ADVICE) == set(judge.REASONS)


def test_a_band_that_is_no_longer_visited_is_out_of_use():
    entries = [{"time": 0}]
    assert in_use(entries, 20 * history.DAY)
    assert not in_use(entries, 22 * history.DAY)
    assert not in_use([], 0)


def test_a_step_is_told_apart_from_a_drift_in_the_text():
    days = np.arange(12.0)
    random = np.random.default_rng(3)
    levels = random.normal(0.0, 0.05, (12, 16))
    levels[6:, 4] -= 20.0
    levels[:, 9] -= 2.0 * days
    trend = judge.trend_of(days, levels, 1.0)
    assert (trend.largest[4], trend.within[4]) == (pytest.approx(20.0, abs=0.5), 1.0)
    assert trend.largest[9] == pytest.approx(2.0, abs=0.5)
    (found,) = [each for each in judge.judge_trend(trend, 5.0, "at rest") if each.position == 9]
    assert "largest fall 2 mV in 1.0 days" in found.text
