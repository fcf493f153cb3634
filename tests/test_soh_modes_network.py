"""The network of failure modes: one file that tells what training told, in parts of a whole."""

from __future__ import annotations

import json
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.neural_soh.modes.classifier import Classifier
from models.neural_soh.modes.differences import NAMES
from training.soh.modes import export, shipped

WEIGHTS = Path(__file__).parents[1] / "models" / "neural_soh" / "modes.onnx"
CLASSIFIER = Classifier(WEIGHTS.read_bytes())
ROWS = arrays(np.float64, (3, len(NAMES)), elements=st.floats(-20.0, 20.0, width=32))


@given(ROWS)
def test_shares_and_probabilities_are_of_a_whole(rows: np.ndarray) -> None:
    shares, probabilities = CLASSIFIER.answer(rows)
    assert shares.shape == (3, 4) and probabilities.shape == (3, 5)
    assert (shares >= 0).all() and (probabilities >= -1e-6).all()
    assert shares.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


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


def test_file_is_small_says_what_it_is_and_holds_no_path_of_a_machine() -> None:
    content = WEIGHTS.read_bytes()
    assert len(content) < 1_500_000
    for path in (Path(__file__).parents[1], Path.home(), Path(tempfile.gettempdir())):
        assert str(path).encode() not in content
    about = CLASSIFIER.about
    assert {"what", "version", "seed", "cells", "data", "least", "classes", "features"} <= set(about)


def test_network_of_other_features_is_refused() -> None:
    made = export.from_onnx(WEIGHTS.read_bytes())
    with pytest.raises(ValueError, match="made for other features"):
        Classifier(export.to_onnx(made, json.dumps({"least": 0.5, "features": ["voltage"]})))
