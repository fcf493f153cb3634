"""The forecaster that ships: causality, carried history, what stands still, ends of life by hand, intervals, graph and arrays."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.neural_soh.forecast import KEPT, Forecaster, History
from models.neural_soh.forecast_history import FIRST, health_history, health_names, history_inputs, names
from models.neural_soh.forecast_path import HORIZONS, bend, charges_to_end
from training.soh.cells import Cell
from training.soh.forecast_general import SEEN_PLACES, General, row_weights, trend, unit
from training.soh.forecast_make_judge import rmse, shares_inside
from training.soh.forecast_shipped import FAMILIES, with_factor
from training.soh.forecast_told import told_rows, with_errors

SHIPPED = Path(__file__).resolve().parents[1] / "models" / "neural_soh" / "forecast.onnx"


@cache
def shipped() -> Forecaster:
    return Forecaster(SHIPPED.read_bytes())


def fading(count, slope=-5e-4, scatter=0.0, seed=0):
    return 1 + slope * np.arange(count) + scatter * np.random.default_rng(seed).normal(size=count)


def history_of(soh):
    history = History()
    for value in soh:
        history = history.add(value)
    return history


lives = st.builds(
    fading, st.integers(1, 200), st.floats(-2e-3, 1e-4), st.sampled_from([0.0, 1e-3, 1e-2]), st.integers(0, 2**32 - 1)
)


@settings(max_examples=40, deadline=None)
@given(lives, st.data())
def test_what_the_forecaster_sees_is_bit_identical_whether_the_life_goes_on_or_not(soh, data):
    known = data.draw(st.integers(1, len(soh)))
    assert np.array_equal(history_inputs(soh)[:known], history_inputs(soh[:known]))


@settings(max_examples=40, deadline=None)
@given(lives)
def test_a_carried_history_shows_the_forecaster_what_the_whole_life_does(soh):
    seen, count = history_of(soh).seen()
    newest = slice(-min(5, len(soh)), None)
    assert np.array_equal(history_inputs(seen, count)[newest], history_inputs(soh)[newest])


@settings(max_examples=25, deadline=None)
@given(lives, st.lists(st.booleans(), min_size=1, max_size=7))
def test_a_history_that_went_through_json_forecasts_the_same(soh, stops):
    whole, stopped = history_of(soh), History()
    for place, value in enumerate(soh):
        stopped = stopped.add(value)
        if stops[place % len(stops)]:
            stopped = History.from_state(json.loads(json.dumps(stopped.to_state(), allow_nan=False)))
    assert stopped == whole
    one, other = shipped().forecast(whole), shipped().forecast(stopped)
    assert (one is None) == (other is None) == (len(soh) < 20)
    if one is not None and other is not None:
        for name in ("ahead", "lower", "upper"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
        assert np.array_equal(
            [one.end, one.end_lower, one.end_upper], [other.end, other.end_lower, other.end_upper], equal_nan=True
        )
        assert one.knee == other.knee


def test_a_history_stays_as_large_as_it_is():
    long, longer = (history_of(fading(count)).to_state() for count in (400, 2000))
    assert len(long["first"]) == len(longer["first"]) == FIRST
    assert len(long["last"]) == len(longer["last"]) == KEPT
    assert len(json.dumps(longer)) < 2000


def test_an_estimate_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="nan cannot be forecast from"):
        History().add(float("nan"))


def test_a_history_that_was_not_kept_whole_is_refused():
    state = history_of(fading(30)).to_state()
    with pytest.raises(ValueError, match="30 estimates with 20 first and 29 last"):
        History.from_state({**state, "last": state["last"][1:]})


@pytest.mark.parametrize("level", [1.02, 0.95, 0.85])
@pytest.mark.parametrize("count", [20, 60, 500])
def test_a_history_that_stands_still_is_forecast_to_stand_still(level, count):
    found = shipped().forecast(history_of(np.full(count, level)))
    assert found is not None
    assert np.abs(found.ahead - level).max() < 0.01
    assert np.isnan(found.end)
    assert not found.knee


@pytest.mark.parametrize("slope", [-1e-4, -4e-4])
def test_a_straight_fade_is_forecast_to_go_on(slope):
    soh = fading(150, slope)
    found = shipped().forecast(history_of(soh))
    assert found is not None
    assert found.ahead == pytest.approx(soh[-1] + slope * np.array(HORIZONS), abs=0.03)
    assert (np.diff(found.ahead) < 0).all()


@settings(max_examples=25, deadline=None)
@given(lives.filter(lambda soh: len(soh) >= 20))
def test_an_interval_holds_its_forecast_and_the_end_is_between_its_edges(soh):
    found = shipped().forecast(history_of(soh))
    assert found is not None
    assert (found.lower < found.ahead).all()
    assert (found.ahead < found.upper).all()
    beyond = [np.inf if np.isnan(value) else value for value in (found.end_lower, found.end, found.end_upper)]
    assert beyond == sorted(beyond)


def test_an_estimate_that_scatters_more_is_forecast_with_a_wider_interval():
    calm, restless = (shipped().forecast(history_of(fading(150, scatter=scatter))) for scatter in (1e-4, 8e-3))
    assert calm is not None
    assert restless is not None
    assert ((restless.upper - restless.lower) > 2 * (calm.upper - calm.lower))[:2].all()


def test_nothing_is_forecast_from_nineteen_charges():
    assert shipped().forecast(history_of(fading(19))) is None
    assert shipped().forecast(history_of(fading(20))) is not None


def test_an_end_of_life_is_where_the_path_crosses_it_by_hand():
    now = np.array([0.82, 0.81, 0.79, 0.95])
    change = np.array([[-0.005, -0.02, -0.05, -0.1], [0.0, 0.0, -0.02, -0.09], [0, 0, 0, 0], [0, 0, 0, -0.1]])
    found = charges_to_end(now, change)
    assert found[:3] == pytest.approx([20.0, 35.0, 0.0])
    assert np.isnan(found[3])


def test_a_bend_is_the_forecast_rate_over_the_past_one_by_hand():
    found = bend(np.array([1.0, 1.0]), np.array([0.99, 1.0]), np.array([110, 110]), np.array([-0.015, -0.002]))
    assert found == pytest.approx([3.0, 2.0])


def test_every_column_has_a_name_and_medians_do_not_follow_one_wild_charge():
    soh = fading(80)
    wild = soh.copy()
    wild[-1] -= 0.05
    seen = dict(zip(names(), history_inputs(wild)[-1], strict=True))
    assert len(names()) == len(set(names())) == history_inputs(soh).shape[1]
    assert names()[: len(health_names())] == health_names()
    assert np.array_equal(history_inputs(soh)[:, : len(health_names())], health_history(soh))
    assert seen["median of 11, less now"] == pytest.approx(0.05 + 5 * 5e-4)
    assert seen["loss since the first, of medians"] == pytest.approx(soh[74] - soh[:20].mean())
    assert dict(zip(names(), history_inputs(soh)[-1], strict=True))["roughness"] == pytest.approx(0, abs=1e-12)


def test_the_graph_needs_one_thread_no_training_library_and_tells_what_it_is():
    model = onnxruntime.InferenceSession(SHIPPED.read_bytes(), providers=["CPUExecutionProvider"])
    assert [each.name for each in model.get_outputs()] == ["ahead", "lower", "upper"]
    assert {"what", "version", "seed", "data_sha256", "training_cells", "knee_factor"} <= set(shipped().about)
    assert SHIPPED.stat().st_size < 1.2e6
    assert not [word for word in (b"/work", b"/tmp", b"/root") if word in SHIPPED.read_bytes()]


def general(spread=-1.0, factor=2.0):
    columns = len(SEEN_PLACES)
    generator = np.random.default_rng(0)
    layers = [generator.normal(size=shape) for shape in ((columns, 3), (3,), (3, 4), (4,))]
    still = [np.zeros((columns, 4)), np.full(4, spread)]
    ones = np.ones(columns)
    return General(-ones, ones, 0 * ones, ones, (layers, layers), still, np.full(4, factor))


def test_a_typical_error_is_in_units_of_what_the_history_suggests():
    inputs = history_inputs(fading(120, -1e-3))[-1:]
    fade = 1e-3 * (1 + 1 + (114 - 9.5) / 120) / 3
    assert unit(inputs)[0, 2:] == pytest.approx(np.hypot(np.hypot(fade * np.array([50, 100]), 5.77e-3), 1e-3), rel=1e-3)
    assert general().half_width(inputs) == pytest.approx(2 * np.exp(-1) * unit(inputs))


def test_families_and_cells_weigh_the_same_in_an_interval_however_many_rows_they_have():
    many = [np.full((1000, 4), 1.0) for _ in range(50)]
    few = [np.full((5, 4), 3.0)]
    assert with_factor(general(), [many, few]).factor == pytest.approx(np.full(4, 3.0))
    assert with_factor(general(), [many] * 12 + [few]).factor == pytest.approx(np.full(4, 1.0))


def test_rows_weigh_their_cell_the_same_and_sets_by_the_root_of_their_cells():
    weights = row_weights(np.array([0, 0, 1, 2, 3, 4]), ["a", "b", "b", "b", "b"])
    assert weights[:2].sum() == pytest.approx(weights[2:].sum() / 2)
    assert np.ptp(weights[2:]) == 0


def test_batches_of_one_product_are_left_out_together():
    assert {family for group, family in FAMILIES.items() if group.startswith("XJTU")} == {"XJTU"}
    assert len(set(FAMILIES.values())) == 6


def cell(count=140):
    soh = fading(count)
    return Cell("a", "TJU-1", 2.0, ("x",), np.zeros((count, 1)), soh)


def test_errors_drawn_are_the_same_in_every_run_and_causal():
    one = with_errors(cell(), 3)
    assert np.array_equal(one, with_errors(cell(), 3))
    assert not np.array_equal(one, with_errors(cell(), 4))
    assert 0 < np.abs(one - cell().soh).max() < 0.1


def test_what_is_told_is_judged_by_measured_health():
    life = cell()
    rows = told_rows(life, life.soh + 0.01, 0)
    assert rows.change[0] == pytest.approx(-0.01 - 5e-4 * np.array(HORIZONS))
    assert np.isnan(rows.change[-1, 1:]).all()
    assert len(told_rows(life, life.soh, 0, 30)) == 30
    assert trend(told_rows(life, life.soh, 0).inputs)[0] == pytest.approx(-5e-4 * np.array(HORIZONS))


def test_an_error_and_a_coverage_leave_out_what_has_no_truth():
    truth = np.array([[0.0, np.nan], [0.0, np.nan]])
    change = np.array([[0.03, 0.0], [0.04, 0.0]])
    assert rmse(change, truth)[0] == pytest.approx(100 * np.sqrt((0.0009 + 0.0016) / 2))
    assert np.isnan(rmse(change, truth)[1])
    assert shares_inside(change, np.full((2, 2), 0.035), truth)[0] == 0.5
