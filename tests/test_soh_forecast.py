"""Forecast of health: causal histories, rules by hand, ends of life, knees, honest estimates, intervals by cell, splits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.measured_data import shared_data
from training.soh import forecast_histories as histories
from training.soh.cells import Cell
from training.soh.forecast_estimates import estimator, out_of_fold
from training.soh.forecast_intervals import cell_quantile, coverage, fit_interval
from training.soh.forecast_life import bend_ahead, charges_to_end, choose_factor, judge_warnings, knee_of, measured_end, warning
from training.soh.forecast_models import linear_trend, persistence, robust_trend
from training.soh.forecast_rows import GROUPS, HORIZONS, data_hash, folds, read_group, rows_of, rows_of_cell
from training.soh.forecast_scores import cell_errors, mean_of_groups, score
from training.soh.forecast_tasks import keep, pieces

DATA = shared_data()


def line_cell(slope=-0.001, count=140, name="a", group="TJU-1"):
    soh = 1.0 + slope * np.arange(count)
    features = np.stack([np.arange(count, dtype=float), np.ones(count)], axis=1)
    return Cell(name, group, 2.0, ("x", "y"), features, soh)


def random_cell(seed, count, name="a"):
    generator = np.random.default_rng(seed)
    soh = 1 - np.cumsum(generator.exponential(1e-3, count)) + generator.normal(0, 1e-3, count)
    features = generator.normal(size=(count, 3))
    features[generator.random(features.shape) < 0.05] = np.nan
    return Cell(name, "TJU-1", 2.0, ("x", "y", "z"), features, soh)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 150), st.data())
def test_what_is_seen_at_a_charge_is_bit_identical_whether_the_life_goes_on_or_not(seed, count, data):
    known = data.draw(st.integers(1, count))
    cell = random_cell(seed, count)
    short = cell.until(known)
    assert np.array_equal(
        histories.forecast_inputs(cell.soh, cell.features)[:known], histories.forecast_inputs(short.soh, short.features)
    )
    assert np.array_equal(histories.estimate_inputs(cell.features)[:known], histories.estimate_inputs(short.features))


def test_what_is_seen_needs_no_more_than_the_last_fifty_charges_the_first_sums_and_the_count():
    cell = random_cell(3, 300)
    other = cell.soh.copy()
    other[histories.FRESH : 300 - histories.MEMORY] = 0.5
    seen = histories.health_history(cell.soh)[-1]
    assert np.array_equal(seen, histories.health_history(other)[-1])


def test_health_has_a_name_for_every_column():
    assert (
        histories.health_history(line_cell().soh).shape[1]
        == len(histories.health_names())
        == len(set(histories.health_names()))
    )


def test_on_a_straight_line_every_slope_is_that_of_the_line():
    seen = dict(zip(histories.health_names(), histories.health_history(line_cell(-0.002).soh)[60], strict=True))
    for window in histories.LINES:
        assert seen[f"slope of {window}"] == pytest.approx(-0.2)
        assert seen[f"line of {window}, less now"] == pytest.approx(0, abs=1e-12)
    assert seen["median slope"] == pytest.approx(-0.2)
    assert seen["curvature of 50"] == pytest.approx(0, abs=1e-8)
    assert seen["median of 5, less now"] == pytest.approx(0.004)
    assert seen["loss since new"] == pytest.approx(-0.116)


def test_on_a_parabola_the_curvature_is_half_the_second_derivative():
    charges = np.arange(80.0)
    seen = dict(zip(histories.health_names(), histories.health_history(1 - 1e-5 * charges**2)[-1], strict=True))
    assert seen["curvature of 20"] == pytest.approx(-0.1)
    assert seen["curvature of 50"] == pytest.approx(-0.1)


def test_a_missing_statistic_is_the_last_known_one_and_never_a_later_one():
    values = np.array([[np.nan, 1.0], [2.0, np.nan], [np.nan, np.nan], [5.0, 4.0]])
    assert histories.filled(values).tolist() == [[0.0, 1.0], [2.0, 1.0], [2.0, 1.0], [5.0, 4.0]]


def test_no_change_and_the_line_are_what_one_calculates_by_hand():
    cell = line_cell(-0.001)
    rows = rows_of_cell(cell, cell.soh, 0, 1)
    assert persistence(rows)[0].tolist() == [0, 0, 0, 0, 0]
    assert linear_trend(rows)[0] == pytest.approx([-0.001, -0.005, -0.02, -0.05, -0.1])
    assert robust_trend(rows)[0] == pytest.approx([-0.001, -0.005, -0.02, -0.05, -0.1])
    assert rows.charge[0] == 19
    assert rows.change[0] == pytest.approx([-0.001, -0.005, -0.02, -0.05, -0.1])
    assert cell_errors({"a": persistence(rows)}, {"a": rows.change}, 5) == {"a": pytest.approx(0.5)}


def test_one_wild_charge_moves_the_line_and_hardly_the_robust_trend():
    cell = line_cell(-0.001, count=220)
    soh = cell.soh.copy()
    soh[95] -= 0.1
    rows = rows_of_cell(cell, soh, 0, 1)
    place = int(np.flatnonzero(rows.charge == 99)[0])
    true = rows.change[place]
    assert np.abs(robust_trend(rows)[place] - true).max() < 0.01 < np.abs(linear_trend(rows)[place] - true).max()


def test_a_robust_trend_never_says_that_a_cell_heals():
    cell = line_cell(+0.001)
    assert robust_trend(rows_of_cell(cell, cell.soh, 0, 1)).max() <= 0


def test_the_last_charges_of_a_cell_are_no_rows_of_far_horizons():
    cell = line_cell(count=90)
    rows = rows_of_cell(cell, cell.soh, 0, 1)
    known = {horizon: int(np.isfinite(rows.change[:, column]).sum()) for column, horizon in enumerate(HORIZONS)}
    assert known == {1: 70, 5: 66, 20: 51, 50: 21, 100: 0}


def test_an_end_of_life_is_where_the_path_crosses_it():
    now = np.array([0.85, 0.82, 0.79, 0.95])
    change = np.array([
        [0, 0, -0.01, -0.04, -0.09],
        [-0.001, -0.005, -0.02, -0.05, -0.1],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, -0.1],
    ])  # fmt: skip
    found = charges_to_end(now, change)
    assert found[:3] == pytest.approx([60.0, 20.0, 0.0])
    assert np.isnan(found[3])


def test_a_measured_end_of_life_takes_more_than_one_low_charge():
    soh = np.full(40, 0.9)
    soh[20] = 0.5
    soh[30:] = 0.79
    assert measured_end(soh) == 32
    assert measured_end(soh[:32]) is None


def bent(knee=200, count=300, before=-1e-4, after=-1e-3, noise=0.0):
    charges = np.arange(count)
    soh = 1 + before * np.minimum(charges, knee) + after * np.maximum(charges - knee, 0)
    return soh + np.random.default_rng(0).normal(0, noise, count)


def test_a_knee_is_found_where_two_lines_meet():
    found = knee_of(bent(noise=5e-4))
    assert found is not None
    assert found.charge == pytest.approx(200, abs=6)
    assert found.before == pytest.approx(-1e-4, abs=3e-5)
    assert found.after == pytest.approx(-1e-3, abs=1e-4)


@pytest.mark.parametrize(
    "soh",
    [1 - 5e-4 * np.arange(300.0), bent(after=-1.5e-4), bent(before=-1e-3, after=-1e-4), bent(count=207), np.ones(10)],
    ids=["straight", "hardly steeper", "slower", "no loss after it yet", "too short"],
)
def test_no_knee_is_found_where_there_is_none(soh):
    assert knee_of(soh) is None


def ratios(soh, look=50):
    charges = np.arange(19, len(soh) - look)
    return charges, bend_ahead(soh, charges, soh[charges + look] - soh[charges])


def test_with_a_perfect_forecast_a_knee_is_warned_of_before_it_and_a_line_never():
    soh = bent()
    charges, ratio = ratios(soh)
    given_at = warning(charges, ratio, 2.5)
    assert given_at is not None
    assert 150 < given_at < 200
    assert warning(*ratios(1 - 5e-4 * np.arange(300.0)), 2.5) is None


def test_a_warning_knows_nothing_of_later_charges():
    soh = bent(noise=1e-3)
    charges, ratio = ratios(soh)
    found = warning(charges, ratio, 2.0)
    assert found is not None
    kept = charges <= found
    assert (
        warning(charges[kept], bend_ahead(soh[: found + 1], charges[kept], soh[charges[kept] + 50] - soh[charges[kept]]), 2.0)
        == found
    )


def test_a_ratio_that_does_not_stand_is_no_warning():
    charges = np.arange(20, 40)
    ratio = np.where(charges % 4 == 0, 1.0, 9.0)
    assert warning(charges, ratio, 2.0) is None
    assert warning(charges, np.full(20, np.nan), 2.0) is None


def test_warnings_are_counted_with_their_lead_and_the_false_ones():
    line = 1 - 5e-4 * np.arange(300.0)
    charges, ratio = ratios(bent())
    lives = [(bent(), charges, ratio), (line, np.arange(19, 250), np.full(231, 9.0)), (line, *ratios(line))]
    found = judge_warnings(lives, 2.5)
    assert (found.knees, found.warned, found.late, found.without, found.false) == (1, 1, 0, 2, 1)
    assert 0 < found.leads[0] < 50


def test_the_factor_is_the_one_that_warns_most_with_few_false_alarms():
    line = 1 - 5e-4 * np.arange(300.0)
    restless = (line, np.arange(19, 250), np.full(231, 2.1))
    assert choose_factor([(bent(), *ratios(bent())), restless]) > 2.1


class Remembers:
    """A fit that notes whose health it was shown and answers its mean."""

    def __init__(self):
        self.shown = []

    def __call__(self, seen, seed):
        self.shown.append({round(float(value), 6) for _, soh, _ in seen.values() for value in soh})
        return lambda group, wanted: np.full(len(wanted), seen[group][1].mean())


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(2, 5))
def test_an_estimate_of_a_training_cell_never_saw_that_cell(count, others, parts):
    pool = {
        group: [
            line_cell(slope=-0.001 * (place + 1) - start, count=30, name=str(place), group=group) for place in range(number)
        ]
        for group, number, start in (("MIT", count, 0.0), ("TJU-1", others, 1e-4))
    }
    fit = Remembers()
    found = out_of_fold(pool, {"MIT": 1, "TJU-1": 1}, 0, fit, parts)
    dealt = min(parts, count, others)
    every = [cell for cells in pool.values() for cell in cells]
    for group, cells in pool.items():
        for place, cell in enumerate(cells):
            own = {round(float(value), 6) for value in cell.soh[5:]}
            rest = {round(float(value), 6) for other in every if other is not cell for value in other.soh[5:]}
            assert not (own - rest) & fit.shown[place % dealt]
            assert len(found[group][place]) == len(cell)


def test_an_estimate_of_a_test_cell_is_made_without_its_health():
    cells = [random_cell(seed, 60, str(seed)) for seed in range(3)]
    estimate = estimator({"TJU-1": cells[:2]}, {"TJU-1": 1}, 0, lambda seen, seed: lambda group, wanted: wanted[:, 0])
    blind = Cell("x", "TJU-1", 2.0, cells[2].names, cells[2].features, np.full(60, np.nan))
    assert np.array_equal(estimate(cells[2]), estimate(blind))


def test_estimates_from_others_need_others():
    with pytest.raises(ValueError, match="TJU-1: 1 cell; an estimate"):
        out_of_fold({"TJU-1": [line_cell()]}, {"TJU-1": 1}, 0, Remembers())


def test_a_forecast_from_estimates_is_judged_by_measured_health():
    cell = line_cell(-0.001)
    rows = rows_of([cell], [cell.soh + 0.01])
    assert rows.now[0] == pytest.approx(cell.soh[19] + 0.01)
    assert rows.now + rows.change[:, 0] == pytest.approx(cell.soh[20:])


def test_every_cell_weighs_the_same_in_an_interval_however_long_it_lived():
    scores = [np.full(1000, 5.0), *(np.full(2, float(value)) for value in range(1, 5))]
    assert cell_quantile(scores, 0.6) == 4.0
    assert cell_quantile(scores, 5 / 6) == 5.0
    assert cell_quantile(scores, 0.84) == np.inf


def test_an_interval_holds_what_it_promises_on_new_cells():
    generator = np.random.default_rng(1)

    def draw(count):
        sizes = generator.gamma(2.0, 0.5, count)
        names = [str(place) for place in range(count)]
        forecast = {name: np.full(30, -0.02) for name in names}
        truth = {name: -0.02 + 0.01 * size * generator.normal(size=30) for name, size in zip(names, sizes, strict=True)}
        return forecast, truth

    limit = fit_interval(*draw(60))
    assert limit.validated
    shares = coverage(limit, *draw(2000))
    assert 0.86 < np.mean(list(shares.values())) < 0.96
    assert not fit_interval(*draw(6)).validated
    assert np.isfinite(fit_interval(*draw(6)).factor)


def test_a_score_is_a_mean_of_cells_and_names_the_worst():
    truth = {"a": np.zeros((4, 5)), "b": np.zeros((1, 5)), "c": np.full((1, 5), np.nan)}
    forecast = {"a": np.full((4, 5), 0.01), "b": np.full((1, 5), 0.03), "c": np.zeros((1, 5))}
    found = score([forecast, {name: 2 * values for name, values in forecast.items()}], truth, 5)
    assert found.seeds == pytest.approx((2.0, 4.0))
    assert (found.worst_cell, found.worst, found.cells) == ("b", pytest.approx(4.5), 2)
    assert mean_of_groups([found, found]) == pytest.approx((3.0, np.sqrt(2)))


def test_a_cell_left_out_is_in_no_training_set_of_its_own():
    cells = [line_cell(name=str(place), group="TJU-3") for place in range(9)]
    pairs = folds("TJU-3", cells)
    assert [test[0].name for _, test in pairs] == [cell.name for cell in cells]
    assert all(test[0] not in train and len(train) == 8 for train, test in pairs)


@pytest.mark.skipif(DATA is None, reason="the measured data (../shared/data or TWIN_SHARED_DATA) are not here")
def test_persistence_on_measured_cells_is_what_numpy_says():
    cells = read_group(DATA, "XJTU-2C")
    ((_, test),) = folds("XJTU-2C", cells)
    rows = rows_of(test)
    truth = {cell.name: rows.change[rows.cell == place] for place, cell in enumerate(test)}
    found = cell_errors({name: np.zeros_like(values) for name, values in truth.items()}, truth, 50)
    for cell in test:
        assert found[cell.name] == pytest.approx(100 * np.sqrt(np.mean((cell.soh[69:] - cell.soh[19:-50]) ** 2)))
    assert len(data_hash(DATA)) == 64
    assert len(GROUPS) == 9


def test_every_piece_of_the_table_has_a_file_of_its_own_and_comes_by_seed(tmp_path):
    plan = list(pieces(GROUPS, 2))
    assert len({piece.name for piece in plan}) == len(plan)
    assert [piece.seed for piece in plan] == sorted(piece.seed for piece in plan)
    keep(tmp_path / "a" / "b.npz", {"x": np.arange(3.0)})
    with np.load(tmp_path / "a" / "b.npz") as kept:
        assert kept["x"].tolist() == [0, 1, 2]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.npz"]
