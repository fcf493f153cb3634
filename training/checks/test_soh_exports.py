"""Exported networks tell what training told, and how errors are fitted: needs onnx and SciPy."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.neural_soh.forecast import Forecaster
from models.neural_soh.forecast_history import history_inputs, names
from models.neural_soh.modes.classifier import Classifier
from models.neural_soh.modes.differences import NAMES
from tests.test_soh_forecast_shipped import fading, general
from tests.test_soh_modes_network import CLASSIFIER, ROWS, WEIGHTS
from training.soh.forecast_export import graph_of
from training.soh.modes import export, scores, shipped
from training.soh.modes.labels import classes
from training.soh.modes.learn import Rule, Told, rule

RANDOM = np.random.default_rng(0)


@given(ROWS)
def test_shipped_file_tells_what_its_weights_say_in_numpy(rows: np.ndarray) -> None:
    made = export.from_onnx(WEIGHTS.read_bytes())
    for found, expected in zip(CLASSIFIER.answer(rows), made.predict(rows), strict=True):
        assert np.abs(found - expected).max() < 1e-5


def test_exported_ensemble_tells_what_it_told_in_training() -> None:
    random = np.random.default_rng(0)
    sizes = [len(NAMES), shipped.WIDTH, shipped.WIDTH, 4]
    members = [[(0.1 * random.normal(size=pair), random.normal(size=pair[1])) for pair in pairwise(sizes)] for _ in range(3)]
    ensemble = shipped.Shipped(
        random.normal(size=len(NAMES)), random.uniform(0.5, 2.0, len(NAMES)), members, np.full(5, -0.5), 0.6
    )
    about = json.dumps({"least": 0.6, "features": NAMES})
    classifier = Classifier(export.to_onnx(ensemble, about))
    rows = random.normal(size=(50, len(NAMES)))
    assert classifier.least == 0.6
    for found, expected in zip(classifier.answer(rows), ensemble.predict(rows), strict=True):
        assert np.abs(found - expected).max() < 1e-5


def test_network_of_other_features_is_refused() -> None:
    made = export.from_onnx(WEIGHTS.read_bytes())
    with pytest.raises(ValueError, match="made for other features"):
        Classifier(export.to_onnx(made, json.dumps({"least": 0.5, "features": ["voltage"]})))


def test_error_of_the_rule_is_that_of_the_top_share() -> None:
    shares = np.tile([0.8, 0.1, 0.05, 0.05], (500, 1))
    told = shares + np.array([1.0, -1.0, 0.0, 0.0]) * RANDOM.normal(0.0, 0.02, (500, 1))
    found = rule(Told(told, np.zeros(500)), shares, np.zeros(500, np.int64))
    assert found.error == pytest.approx(0.02, rel=0.1)


def test_members_that_are_apart_make_an_answer_less_sure() -> None:
    shares = np.array([[0.8, 0.2, 0.0, 0.0]] * 2)
    found = Rule(0.02, 0.5).probabilities(Told(shares, np.array([0.0, 0.1])))
    assert found[0, 0] > 0.999
    assert 0.8 < found[1, 0] < 0.9


def test_error_of_a_share_is_found_where_it_depends_on_what_was_seen() -> None:
    x = np.zeros((4000, len(NAMES)))
    place = NAMES.index("seen_from_full")
    x[:, place] = RANDOM.integers(2, size=4000)
    error = np.where(x[:, place] > 0, 0.03, 0.12)
    shares = np.tile([0.7, 0.1, 0.1, 0.1], (4000, 1))
    given = shares + np.array([1.0, 0.0, 0.0, 0.0]) * (error * RANDOM.normal(size=4000))[:, None]
    found = shipped.error_of(shipped.doubted(x, given, shares), x)
    assert np.unique(found.round(6)) == pytest.approx([0.03, 0.12], rel=0.15)


def test_the_graph_says_what_the_arrays_do():
    model = general()
    inputs = history_inputs(fading(90, scatter=2e-3))[19:]
    ahead, lower, upper = Forecaster(graph_of(model, {"knee_factor": "2"})).paths(inputs)
    wanted = inputs[:, [names().index("health")]] + model.change(inputs)
    assert ahead == pytest.approx(wanted, abs=1e-5)
    assert upper - lower == pytest.approx(2 * model.half_width(inputs), abs=1e-5)


@given(arrays(float, (6, 4), elements=st.floats(0.01, 1.0)), st.floats(0.005, 0.3))
def test_likeliest_class_is_that_of_the_seventy_percent_and_probabilities_are_of_a_whole(
    drawn: np.ndarray, error: float
) -> None:
    told = drawn / drawn.sum(axis=1, keepdims=True)
    found = scores.told(told, np.full(6, error))
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert (found >= 0).all()
    clear = np.abs(told.max(axis=1) - 0.7) > 1e-6
    if error < 0.1:
        assert np.array_equal(found.argmax(axis=1)[clear], classes(told)[clear])


def test_probability_at_the_border_is_a_half_and_one_error_above_it_that_of_the_normal_law() -> None:
    shares = np.array([[0.7, 0.3, 0.0, 0.0], [0.75, 0.25, 0.0, 0.0]])
    found = scores.told(shares, np.full(2, 0.05))
    assert found[0] == pytest.approx([0.5, 0.0, 0.0, 0.0, 0.5], abs=1e-9)
    assert found[1, 0] == pytest.approx(0.8413, abs=1e-4)
