"""Models of failure modes, the rule of abstention, and charges as a plugin gets them, on cells made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.neural_soh.modes.differences import NAMES
from tests.test_soh_modes_files import written
from training.soh.modes import shipped, telemetry
from training.soh.modes.classify import Kernel, Ridge, physical, whole
from training.soh.modes.dataset import Table, feature_names
from training.soh.modes.kept import fingerprint, kept
from training.soh.modes.make import Members, joined

RANDOM = np.random.default_rng(0)


def simplex(count: int) -> np.ndarray:
    return RANDOM.dirichlet(np.ones(4), count)


# models


@given(arrays(float, (5, 4), elements=st.floats(-1.0, 2.0)))
def test_whatever_a_model_says_is_made_of_a_whole(shares: np.ndarray) -> None:
    found = whole(shares)
    assert (found > 0).all()
    assert found.sum(axis=1) == pytest.approx(1.0)


def test_ridge_finds_shares_that_are_linear_in_the_features() -> None:
    shares = simplex(200)
    x = np.tile(shares @ RANDOM.normal(size=(4, 9)), (2, 1, 1))
    model = Ridge(penalty=1e-6)
    model.fit(x, shares)
    assert model.predict(x[0]) == pytest.approx(shares, abs=1e-4)


def test_kernel_finds_shares_that_are_not_and_keeps_to_its_mean_far_away() -> None:
    x = RANDOM.uniform(-1.0, 1.0, (1, 400, 2))
    shares = whole(np.column_stack([np.sin(3 * x[0, :, 0]) ** 2, x[0, :, 1] ** 2, 0.2 * np.ones(400), 0.1 * np.ones(400)]))
    model = Kernel(length=1.0)
    model.fit(x[:, :300], shares[:300])
    assert np.sqrt(np.mean((model.predict(x[0, 300:]) - shares[300:]) ** 2)) < 0.02
    # values beyond five deviations say no more than those at five
    assert model.predict(np.full((1, 2), 1e6)) == pytest.approx(model.predict(np.full((1, 2), 1e3)))


def test_features_that_mean_the_same_in_any_chemistry_are_no_curves() -> None:
    names = feature_names("test")
    some = [names[place] for place in physical(names)]
    assert any("wear" in name for name in some)
    assert not any("increment_" in name or "from_empty_" in name for name in some if not name.startswith("seen"))


# the rule


@given(st.integers(20, 200), st.integers(0, 1000))
def test_shipped_rule_leaves_no_more_looks_without_an_answer_than_it_may(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(5), count)
    least = shipped.least_of(probabilities, random.integers(5, size=count))
    assert np.mean(probabilities.max(axis=1) < least) <= shipped.SILENT + 1.0 / count


def test_shipped_rule_answers_everything_where_everything_is_right() -> None:
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]])
    assert shipped.least_of(probabilities, np.array([0, 1, 1])) == 0.6


# charges as a plugin gets them


def test_vectors_of_simulated_charges_are_those_of_the_plugin_and_hold_no_label(tmp_path: Path) -> None:
    lives = [written(tmp_path, number) for number in (0, 3)]
    found = telemetry.table(lives, telemetry.HABITS["any charges"], (1, 2), 2, 0)
    assert found.x.shape == (4, 6, len(NAMES))
    assert np.isfinite(found.x).all()
    assert (found.label == 0).all()
    for life in lives:
        life.arrays["capacity_without"][:] = life.arrays["capacity_without"][::-1].copy()
    again = telemetry.table(lives, telemetry.HABITS["any charges"], (1, 2), 2, 0)
    assert (again.label == 3).all()
    assert again.x.tobytes() == found.x.tobytes()


def test_charges_of_a_look_do_not_depend_on_looks_after_it(tmp_path: Path) -> None:
    life = written(tmp_path)
    habits = telemetry.HABITS["any charges"]
    whole_life = telemetry.life_rows(life, habits, (1,), np.random.default_rng(3))
    for name in list(life.arrays):
        if name.startswith("3/"):
            life.arrays[name] = life.arrays[name] * 1.01
    until = telemetry.life_rows(life, habits, (1,), np.random.default_rng(3))
    assert [one.tobytes() for one in until[:2]] == [one.tobytes() for one in whole_life[:2]]
    assert until[2].tobytes() != whole_life[2].tobytes()


def test_habits_cut_a_charge_where_they_say(tmp_path: Path) -> None:
    life = written(tmp_path)
    random = np.random.default_rng(0)
    full = telemetry.segment_of(life, 0, telemetry.WHOLE, random)
    late = telemetry.segment_of(life, 0, telemetry.Habits(1.0, 0.35, 1.0, 0.75, 1.0, 1.0), random)
    assert full.charge[full.last] > late.charge[late.last] > 0.3 * full.charge[full.last]
    assert late.last == len(late.time) - 1
    assert full.last < len(full.time) - 1
    assert (np.diff(full.time) > 0).all()


# what is kept


def table() -> Table:
    shares = simplex(3)
    text = np.array(["a", "b", "c"])
    return Table(RANDOM.normal(size=(2, 3, 5)), shares, np.arange(3), text, text, np.zeros((3, 2)), np.full(3, 0.01))


def test_table_is_built_once_and_comes_back_as_it_was(tmp_path: Path) -> None:
    made, calls = table(), []

    def build() -> Table:
        calls.append(1)
        return made

    for _ in range(2):
        found = kept(tmp_path / "table.npz", build)
        assert all(np.array_equal(getattr(found, name), value) for name, value in vars(made).items())
    assert len(calls) == 1
    both = joined([made, made])
    assert both.x.shape == (2, 6, 5)
    assert both.cell.tolist() == ["a", "b", "c"] * 2


def test_members_of_the_ensemble_come_back_from_their_files(tmp_path: Path) -> None:
    members = Members(tmp_path, "name")
    layers = [(RANDOM.normal(size=(3, 2)), RANDOM.normal(size=2)), (RANDOM.normal(size=(2, 4)), RANDOM.normal(size=4))]
    assert 1 not in members
    members[1] = layers
    assert list(members) == [1]
    for (weight, offset), (other, there) in zip(members[1], layers, strict=True):
        assert np.array_equal(weight, other) and np.array_equal(offset, there)


def test_fingerprint_knows_names_and_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a")
    other.write_text("a")
    assert fingerprint([one]) != fingerprint([other])
    before = fingerprint([one])
    one.write_text("b")
    assert fingerprint([one]) != before
