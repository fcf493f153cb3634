"""Failure modes: labels, cases, features and scores. Needs neither PyBaMM nor scikit-learn nor torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.neural_soh.modes import electrodes
from models.neural_soh.modes.half_cells import half_cells
from training.soh.modes import cases, features, scores
from training.soh.modes.labels import CLASSES, MECHANISMS, MIXED, classes, shares
from training.soh.modes.looks import Cycle, Look, charge, noisy, partial, without_test

CELLS = half_cells("OKane2022")
PRODUCT = features.Product(CELLS, 0.5)
FADES = arrays(float, 4, elements=st.floats(-0.02, 0.12))


def charged(
    negative: float = 1.0, positive: float = 1.0, lithium: float = 1.0, rate: float = 0.2, resistance: float = 0.02
) -> Cycle:
    """A cell in equilibrium but for a resistance, charged, rested and discharged."""
    amounts = (negative * CELLS.capacities[0], positive * CELLS.capacities[1], lithium * CELLS.lithium)
    low, high = CELLS.window(*amounts)
    minutes = np.arange(0.0, 60.0 / rate, 1.0)
    current = rate * CELLS.nominal
    passed = current * minutes / 60.0
    x = low + passed / amounts[0]
    voltage = CELLS.voltage(x, (amounts[2] - x * amounts[0]) / amounts[1])
    kept = (voltage + resistance * rate <= CELLS.upper) & (x <= high)
    time, voltage = minutes[kept] * 60.0, voltage[kept]
    amperes = np.full(len(time), current)
    left = (high - x[kept][-1]) * amounts[0] * 3600.0 / current
    hold = np.array([[0.0, 2.0 * left], [-current, 0.0], [CELLS.upper, CELLS.upper]])
    rest = np.array([np.arange(0.0, 1801.0, 60.0), np.zeros(31), CELLS.upper - 0.01 * (1 - np.exp(-np.arange(31.0) / 5))])
    down = np.stack([time, amperes, voltage[::-1] - resistance * rate])
    return Cycle(np.stack([time, -amperes, voltage + resistance * rate]), hold, rest, down)


def look(**cell: float) -> Look:
    return Look(charged(rate=0.5, **cell), charged(**cell))


LIFE = [look(), look(lithium=0.99), look(lithium=0.98, negative=0.99), look(lithium=0.96, negative=0.98, resistance=0.03)]
CYCLES = (0.0, 1.0, 2.0, 4.0)


# labels


def test_shares_of_a_fade_are_what_each_absence_would_have_saved() -> None:
    assert shares(0.10, np.array([0.04, 0.08, 0.10, 0.08])) == pytest.approx([0.6, 0.2, 0.0, 0.2])


def test_mechanism_whose_absence_makes_a_cell_fade_more_has_no_share() -> None:
    assert shares(0.05, np.array([0.01, 0.06, 0.05, 0.04])) == pytest.approx([0.8, 0.0, 0.0, 0.2])


@given(st.floats(-0.01, 0.12), FADES)
def test_shares_are_of_a_whole_or_there_are_none(fade: float, without: np.ndarray) -> None:
    found = shares(fade, without)
    if np.isnan(found).any():
        assert (without >= fade).all()
        return
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0, abs=1e-9)


@given(st.floats(0.0, 0.12), FADES, st.permutations(range(4)))
def test_shares_know_no_order_of_mechanisms(fade: float, without: np.ndarray, order: list[int]) -> None:
    there, back = shares(fade, without)[order], shares(fade, without[order])
    assert np.allclose(there, back, equal_nan=True, atol=1e-9)


def test_class_is_mixed_below_a_top_share_of_seventy_percent_and_not_at_it() -> None:
    table = np.array([[0.7, 0.1, 0.1, 0.1], [0.69, 0.11, 0.1, 0.1], [0.0, 0.0, 0.0, 1.0], [0.25, 0.25, 0.25, 0.25]])
    assert classes(table).tolist() == [0, MIXED, 3, MIXED]
    assert CLASSES[MIXED] == "mixed"


# cases


def test_same_number_and_seed_draw_the_same_cell_and_another_number_another() -> None:
    first, again, other = cases.draw(6, 0), cases.draw(6, 0), cases.draw(10, 0)
    assert first.condition == again.condition
    assert np.array_equal(first.shares, again.shares)
    assert not np.array_equal(first.shares, other.shares)


@given(st.integers(0, 100_000), st.integers(0, 50))
def test_wished_shares_are_of_a_whole(number: int, seed: int) -> None:
    drawn = cases.draw(number, seed)
    assert drawn.shares.sum() == pytest.approx(1.0)
    assert (drawn.shares >= 0).all()
    assert drawn.population != "nominal" or drawn.spread == (1.0, 1.0, 1.0)


def test_condition_and_wished_mechanism_are_independent() -> None:
    drawn = [cases.draw(number, 3) for number in range(0, 8000, 2)]
    nominal = [case for case in drawn if case.population == "nominal"]
    top = np.array([case.shares.argmax() for case in nominal])
    hot = np.array([case.condition.temperature for case in nominal]) > 20.0
    for mechanism in range(len(MECHANISMS)):
        assert np.mean(top[hot] == mechanism) == pytest.approx(np.mean(top[~hot] == mechanism), abs=0.06)


def test_shifted_cells_have_temperatures_and_rates_that_no_nominal_cell_has() -> None:
    for part in ("temperature", "charge_rate"):
        nominal = {getattr(condition, part) for condition in cases.POPULATIONS["nominal"]}
        assert nominal.isdisjoint(getattr(condition, part) for condition in cases.POPULATIONS["shifted"])
    assert all(condition.parameters != "OKane2022" for condition in cases.POPULATIONS["second"])


# looks and features


def test_charge_of_a_constant_current_is_current_times_hours() -> None:
    rows = np.array([[0.0, 1800.0, 3600.0], [-2.0, -2.0, -2.0], [3.5, 3.6, 3.7]])
    assert charge(rows).tolist() == [0.0, 1.0, 2.0]


def test_partial_charge_shows_no_hold_no_rest_no_discharge_and_no_test() -> None:
    seen = partial(LIFE[0], 0.2, 0.8)
    assert seen.test is None
    assert seen.regular.hold is None
    assert seen.regular.rest is None
    assert seen.regular.discharge is None
    full = charge(LIFE[0].regular.constant)[-1]
    assert 0.5 * full < charge(seen.regular.constant)[-1] <= 0.62 * full


def test_noise_is_a_millivolt_and_a_thousandth_of_the_current() -> None:
    seen = noisy(LIFE[0], np.random.default_rng(0))
    assert seen.test is not None and LIFE[0].test is not None
    time, current, voltage = seen.test.constant
    clean = [np.interp(time, LIFE[0].test.constant[0], row) for row in LIFE[0].test.constant[1:]]
    assert np.std(voltage - clean[1]) == pytest.approx(1e-3, rel=0.1)
    assert np.std(current - clean[0]) == pytest.approx(1e-3, rel=0.1)  # at 1 A
    assert np.diff(time)[:-1] == pytest.approx(10.0)


@pytest.mark.parametrize("with_test", [True, False])
def test_vector_has_one_name_a_value_and_a_cell_that_has_not_changed_has_no_difference(with_test: bool) -> None:
    found = features.features([LIFE[0], LIFE[0]], (0.0, 1.0), PRODUCT, with_test)
    names = features.names(with_test)
    assert len(found) == len(names) == len(set(names))
    differences = [number for number, name in enumerate(names) if not name.startswith("seen") and "rested_now" not in name]
    assert found[differences] == pytest.approx(0.0, abs=1e-6)


def test_features_of_a_look_are_the_same_bits_whatever_comes_later() -> None:
    until = features.features(LIFE[:3], CYCLES[:3], PRODUCT, True)
    worn = replace(LIFE[3].regular, constant=LIFE[3].regular.constant * 1.1)
    for later in (LIFE[3], Look(worn, None)):
        history = [*LIFE[:3], later][:3]
        assert features.features(history, CYCLES[:3], PRODUCT, True).tobytes() == until.tobytes()


def test_without_the_test_its_features_are_not_there_and_the_others_are_the_same() -> None:
    full, bare = features.features(LIFE, CYCLES, PRODUCT, True), features.features(LIFE, CYCLES, PRODUCT, False)
    blind = features.features([without_test(seen) for seen in LIFE], CYCLES, PRODUCT, False)
    assert bare.tobytes() == blind.tobytes()
    both = dict(zip(features.names(True), full, strict=True))
    assert all(both[name] == value for name, value in zip(features.names(False), bare, strict=True))


def test_what_was_not_seen_is_zero_and_masked() -> None:
    history = [LIFE[0], partial(LIFE[3], 0.2, 0.8)]
    found = dict(zip(features.names(False), features.features(history, (0.0, 4.0), PRODUCT, False), strict=True))
    for group in ("from_empty", "rest", "discharge", "scalars"):
        assert found[f"seen_regular_{group}"] == 0.0
        assert all(value == 0.0 for name, value in found.items() if name.startswith(f"regular_{group}_"))
    assert found["seen_regular_quantity"] == 1.0
    assert found["seen_past"] == 0.0


def test_difference_of_charge_at_a_voltage_is_that_of_two_lines() -> None:
    def line(hours: float) -> Cycle:
        time = np.linspace(0.0, hours * 3600.0, 200)
        return Cycle(np.stack([time, np.full(200, -1.0), np.linspace(3.0, 4.0, 200)]), None, None, None)

    # 2 Ah between 3 and 4 V, then 1.8 Ah: at the grid's last place 0.94 * 0.2 Ah are missing since its first
    found = features.quantity(line(2.0), line(1.8), 1.0)
    assert found[0] == 0.0
    assert found[-1] == pytest.approx(-0.94 * 0.2, abs=1e-6)


def test_size_of_a_change_is_the_capacity_lost_and_never_smaller_than_the_noise() -> None:
    lost = CELLS.capacity(*CELLS.capacities, CELLS.lithium) - CELLS.capacity(*CELLS.capacities, 0.97 * CELLS.lithium)
    found = features.change(LIFE[0].regular, look(lithium=0.97).regular, PRODUCT)
    assert found == pytest.approx(lost / CELLS.nominal, rel=0.05)
    assert features.change(LIFE[0].regular, LIFE[0].regular, PRODUCT) == features.SMALLEST


# electrodes


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ({"lithium": 0.97}, (0.03, 0.0, 0.0)),
        ({"negative": 0.95}, (0.0, 0.05, 0.0)),
        ({"positive": 0.96}, (0.0, 0.0, 0.04)),
        ({"lithium": 0.98, "negative": 0.98, "positive": 0.97}, (0.02, 0.02, 0.03)),
    ],
)
def test_fit_tells_lithium_and_material_of_either_electrode_apart(cell: dict[str, float], expected: tuple[float, ...]) -> None:
    first, now = ((charge(cycle.constant), cycle.constant[2]) for cycle in (charged(), charged(**cell)))
    lost, _ = electrodes.wear(CELLS, first, now, 0.2)
    lithium = expected[0] * CELLS.lithium / CELLS.nominal
    assert lost[:3] == pytest.approx([lithium, *expected[1:]], abs=0.002)


def test_part_of_a_charge_tells_the_same_as_the_whole() -> None:
    first, now = ((charge(cycle.constant), cycle.constant[2]) for cycle in (charged(), charged(positive=0.96)))
    kept = (now[0] > 1.0) & (now[0] < 4.0)
    # where in the charge the part lies is known from its first voltage only, by about 0.1 Ah
    lost, _ = electrodes.wear(CELLS, first, (now[0][kept] + 0.1, now[1][kept]), 0.2)
    assert lost[:3] == pytest.approx([0.0, 0.0, 0.04], abs=0.015)


def test_capacity_of_the_design_is_near_the_nominal_one() -> None:
    for name in ("OKane2022", "Ai2020"):
        cells = half_cells(name)
        assert cells.capacity(*cells.capacities, cells.lithium) == pytest.approx(cells.nominal, rel=0.1)


# scores


@given(st.integers(2, 6), st.integers(0, 1000), st.lists(st.integers(0, 12), min_size=8, max_size=60))
def test_no_cell_is_on_both_sides_of_a_split_and_every_look_is_tested_once(count: int, seed: int, drawn: list[int]) -> None:
    cells = np.array([f"cell-{number}" for number in drawn])
    tested = np.zeros(len(cells), int)
    for train, test in scores.folds(cells, count, seed):
        assert not set(cells[train]) & set(cells[test])
        assert (train ^ test).all()
        tested += test
    assert (tested == 1).all()


def test_macro_f1_of_a_small_table_is_that_of_the_hand() -> None:
    truth, answer = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    # class 0: 2 right of 3 there and 3 said, 4/6; class 1: 4/5; class 2: 0
    assert scores.f1_scores(truth, answer, 3) == pytest.approx([2 / 3, 4 / 5, 0.0])
    assert scores.macro_f1(truth, answer, 3) == pytest.approx((2 / 3 + 4 / 5) / 3)


def test_model_that_is_not_sure_enough_says_too_early() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0, 0.0, 0.0], [0.4, 0.3, 0.3, 0.0, 0.0]])
    assert scores.answers(probabilities, 0.5).tolist() == [0, scores.TOO_EARLY]


def test_rule_of_abstention_answers_everything_where_everything_is_right() -> None:
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]])
    assert scores.threshold(probabilities, np.array([0, 1, 1])) <= 0.6


@given(st.integers(10, 80), st.integers(0, 1000))
def test_rule_of_abstention_refuses_no_more_of_the_training_cells_than_it_may(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(5), count)
    least = scores.threshold(probabilities, random.integers(5, size=count))
    assert np.mean(probabilities.max(axis=1) < least) <= scores.MOST_ABSTAINED + 1.0 / count
