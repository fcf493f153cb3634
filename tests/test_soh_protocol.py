"""How SOH is measured: causal inputs, whole cells, every charge, intervals by cell. Needs neither torch nor scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measured_data import shared_data
from training.soh import causal, comparators, intervals, literature, results, scores, stacking, study
from training.soh.cells import Cell, natural
from training.soh.leakage import check_causal
from training.soh.protocols import TASKS, Fold, Task, folds

DATA = shared_data()
needs_data = pytest.mark.skipif(DATA is None, reason="the measured data (../shared/data or TWIN_SHARED_DATA) are not here")
#: Training and test cells of each group, counted in the files by hand.
SPLITS = {
    "XJTU-2C": (6, 2), "XJTU-3C": (12, 3), "XJTU-R2.5": (6, 2), "XJTU-R3": (6, 2), "XJTU-RW": (6, 2), "XJTU-satellite": (6, 2),
    "TJU-1": (53, 13), "TJU-2": (44, 11), "TJU-3": (8, 1), "HUST": (57, 20), "MIT": (102, 23),
}  # fmt: skip


def fading(seed: int, count: int = 40, name: str = "one") -> Cell:
    """A cell whose two features follow its health; some are missing."""
    random = np.random.default_rng(seed)
    soh = 1.0 - 0.003 * np.arange(count) * random.uniform(0.5, 1.5)
    features = np.column_stack([soh + 0.01 * random.normal(size=count), random.normal(size=count)])
    features[random.random(features.shape) < 0.1] = np.nan
    return Cell(name, "made", 2.0, ("health", "noise"), features, soh)


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_inputs_of_a_charge_are_the_same_bits_whatever_comes_later(seed: int, until: int) -> None:
    cell = fading(seed)
    assert check_causal(causal.table, cell, [until]) == until
    assert check_causal(causal.long_table, cell, [until]) == until
    assert check_causal(lambda known: causal.columns(known, memory=40), cell, [until]) == until


def test_long_change_is_since_the_first_charge_until_there_are_enough() -> None:
    found = causal.long_change(np.arange(6.0)[:, None], ago=(2, 4), count=1)
    np.testing.assert_array_equal(found, [[0, 0], [1, 1], [2, 2], [2, 3], [2, 4], [2, 4]])


def test_a_feature_that_is_missing_is_that_of_the_charge_before_and_stays_missing_before_the_first() -> None:
    found = causal.filled(np.array([[np.nan], [2.0], [np.nan], [4.0]]))
    np.testing.assert_array_equal(found[:, 0], [np.nan, 2.0, 2.0, 4.0])


def test_short_median_and_beginning_of_six_charges_by_hand() -> None:
    values = np.array([[1.0], [9.0], [2.0], [8.0], [3.0], [7.0]])
    np.testing.assert_array_equal(causal.short_median(values)[:, 0], [1.0, 5.0, 2.0, 5.0, 3.0, 7.0])
    np.testing.assert_array_equal(causal.beginning(values, count=3)[:, 0], [1.0, 5.0, 2.0, 2.0, 2.0, 2.0])


def test_columns_have_names() -> None:
    cell = fading(0)
    assert len(causal.names(cell)) == causal.table(cell).shape[1]


def test_errors_of_a_cell_by_hand() -> None:
    found = scores.score("one", "made", np.array([1.0, 0.9, np.nan]), np.array([0.98, 0.95, 7.0]))
    assert found.mae == pytest.approx(3.5)
    assert found.rmse == pytest.approx(np.sqrt((4 + 25) / 2))
    assert found.bias == pytest.approx(1.5)
    assert found.mape == pytest.approx((2 / 1.0 + 5 / 0.9) / 2)


def test_an_estimate_that_is_not_a_number_is_an_error_and_not_a_row_less() -> None:
    with pytest.raises(ValueError, match="1 of 2 estimates are not numbers"):
        scores.score("one", "made", np.array([1.0, 0.9]), np.array([np.nan, 0.9]))


def test_groups_weigh_alike_however_many_cells_they_have() -> None:
    found = [scores.Score("a", "x", 1.0, 0, 0, 0), scores.Score("b", "x", 3.0, 0, 0, 0), scores.Score("c", "y", 6.0, 0, 0, 0)]
    assert scores.mean_by_group(found, "mae") == pytest.approx(4.0)
    assert scores.mean_by_cell(found, "mae") == pytest.approx(10 / 3)


def test_difference_of_every_cell_by_the_same_amount_has_an_interval_of_no_width() -> None:
    other = [scores.Score(str(k), "x", float(k), 0, 0, 0) for k in range(9)]
    own = [scores.Score(one.cell, "x", one.mae - 0.25, 0, 0, 0) for one in reversed(other)]
    assert scores.paired_interval(own, other) == pytest.approx((-0.25, -0.25, -0.25))
    with pytest.raises(ValueError, match="1 of them in one alone"):
        scores.paired_interval(own[1:], other)


def test_half_width_counts_each_cell_once_and_the_new_one_as_beyond_all() -> None:
    cells = [np.array([0.1] * 100), np.array([0.2]), np.array([0.3]), np.array([0.4])]
    assert intervals.half_width(cells, level=0.4) == 0.2  # two of five cells
    assert intervals.half_width(cells, level=0.8) == 0.4
    assert intervals.half_width(cells, level=0.9) == float("inf")


@given(st.integers(0, 200))
def test_intervals_cover_cells_of_one_kind_at_least_as_promised(seed: int) -> None:
    random = np.random.default_rng(seed)
    cells = [random.normal(scale=0.02, size=50) for _ in range(240)]
    half = intervals.half_width(cells[:120])
    assert np.mean([np.mean(np.abs(one) <= half) for one in cells[120:]]) > 0.87


def test_width_follows_how_far_members_are_apart_where_errors_do() -> None:
    random = np.random.default_rng(0)
    spreads = [np.exp(random.normal(-5, 1, size=60)) for _ in range(120)]
    errors = [0.8 * spread * random.normal(size=60) for spread in spreads]
    found = intervals.width(errors[:60], spreads[:60])
    assert found.power > 0.5
    assert np.mean([np.mean(np.abs(e) <= found.at(s)) for e, s in zip(errors[60:], spreads[60:], strict=True)]) > 0.87
    assert np.mean([found.at(s).mean() for s in spreads]) < 0.9 * intervals.half_width(errors[:60])


def test_width_is_the_same_everywhere_where_errors_have_nothing_to_do_with_members() -> None:
    random = np.random.default_rng(1)
    spreads = [np.full(30, 0.01) for _ in range(50)]
    errors = [random.normal(scale=0.02, size=30) for _ in spreads]
    np.testing.assert_allclose(intervals.width(errors, spreads).at(spreads[0]), intervals.half_width(errors), rtol=0.1)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6))
def test_shares_are_not_negative_and_have_a_sum_of_one(values: list[float]) -> None:
    found = stacking.on_simplex(np.array(values))
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(stacking.on_simplex(found), found, atol=1e-12)


@given(st.integers(0, 200), st.integers(1, 4))
def test_shares_of_members_fit_no_worse_than_equal_ones(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    labels = [random.normal(size=9) for _ in range(5)]
    found = [label[:, None] + random.normal(size=(9, count)) * np.arange(1, count + 1) for label in labels]
    told = stacking.shares(found, labels, shrunk=0.0)
    error = [float(np.mean([np.mean((one @ w - label) ** 2) for one, label in zip(found, labels, strict=True)]))
             for w in (told, np.full(count, 1 / count))]  # fmt: skip
    assert error[0] <= error[1] + 1e-9
    np.testing.assert_allclose(stacking.shares(found, labels, shrunk=1.0), 1 / count)


def test_a_member_without_error_has_all_shares_but_what_is_given_back() -> None:
    labels = [np.array([1.0, 0.9, np.nan])] * 3
    found = [np.column_stack([label, label + 0.1]) for label in labels]
    np.testing.assert_allclose(stacking.shares(found, labels, shrunk=0.2), [0.9, 0.1], atol=1e-6)


def test_a_stack_of_few_training_cells_is_the_mean_of_its_members(tmp_path) -> None:
    cells = [fading(seed, name=str(seed)) for seed in range(4)]
    fold, task = Fold("made", "split", tuple(cells[:3]), tuple(cells[3:])), Task("t", "t")
    kept = [("ensemble", 0, 0.0), *((results.DRAWN, draw, float(draw)) for draw in results.DRAWS)]
    for name, seed, value in kept:
        place = tmp_path / "estimates" / "t" / name / str(seed) / "made-split.npz"
        place.parent.mkdir(parents=True)
        np.savez(place, cpu_seconds=1.0, **{"3": np.full(40, value)})
    found = results.estimates(tmp_path, task, "stack", 0, fold)
    assert found is not None
    np.testing.assert_array_equal(found["3"], 0.5)  # half of nothing, half of the mean of 0, 1 and 2
    assert results.estimates(tmp_path, task, "stack", 1, fold) is None


def test_parts_hold_each_cell_once() -> None:
    assert sorted(np.concatenate(intervals.parts(43, seed=1)).tolist()) == list(range(43))


def test_a_step_of_the_study_keeps_estimates_of_test_cells_and_of_those_left_out(tmp_path) -> None:
    cells = [fading(seed, name=str(seed)) for seed in range(42)]
    fold = Fold("made", "split", tuple(cells[:41]), tuple(cells[41:]))
    found = study.held_out(comparators.first_level, fold.train, seed=0)
    assert set(found) == {study.HELD_OUT + cell.name for cell in fold.train}
    step = study.Step(
        Task("t", "t"), fold, "persistence", 0, tmp_path / "estimates" / "t" / "persistence" / "0" / "made-split.npz"
    )
    study.carry_out(step)
    kept = results.estimates(tmp_path, step.task, "persistence", 0, fold)
    assert kept is not None
    assert results.estimates(tmp_path, step.task, "blend", 0, fold) is None
    level = np.mean([np.nanmedian(cell.soh[:5]) for cell in fold.train])
    np.testing.assert_allclose(kept["41"], level)
    done = results.run(tmp_path, step.task, "persistence", 0, [fold])
    assert done is not None
    assert done.scores[0].mae == pytest.approx(100 * np.abs(level - cells[41].soh).mean())


def test_names_sort_as_people_count() -> None:
    assert sorted(["c-10", "c-9", "b-11"], key=natural) == ["b-11", "c-9", "c-10"]


def test_features_and_labels_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="3 charges and 1 names"):
        Cell("one", "made", 2.0, ("a",), np.zeros((2, 1)), np.zeros(3))


@needs_data
@pytest.mark.parametrize("group", literature.GROUPS)
def test_splits_are_those_of_the_literature(group: str) -> None:
    assert DATA is not None
    train, test = literature.split(literature.read(DATA, group))
    assert (len(train), len(test)) == SPLITS[group]


@needs_data
def test_no_cell_is_on_both_sides_and_each_of_xjtu_is_tested_once() -> None:
    assert DATA is not None
    for task in TASKS:
        if task.name in ("xjtu-loo", "tju"):
            found = list(folds(task, DATA))  # the guard looks at every fold
            tested = [(cell.group, cell.name) for fold in found for cell in fold.test]
            assert len(tested) == len(set(tested)) == {"xjtu-loo": 47, "tju": 33}[task.name]
