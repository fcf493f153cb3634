"""The network of failure modes: one file that tells what training told, in parts of a whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.neural_soh.modes.classifier import Classifier
from models.neural_soh.modes.differences import NAMES

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


def test_file_is_small_says_what_it_is_and_holds_no_path_of_a_machine() -> None:
    content = WEIGHTS.read_bytes()
    assert len(content) < 1_500_000
    for path in (Path(__file__).parents[1], Path.home(), Path(tempfile.gettempdir())):
        assert str(path).encode() not in content
    about = CLASSIFIER.about
    assert {"what", "version", "seed", "cells", "data", "least", "classes", "features"} <= set(about)
