"""The neural_soh plugin by the real commands on measured cells that no shipped weights have seen: file, ingest, run, platform."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.measured_data import shared_data
from training.soh import end_to_end
from training.soh.raw import calce, nasa

SHARED = shared_data()
pytestmark = pytest.mark.skipif(SHARED is None, reason="the measured data (../shared/data or TWIN_SHARED_DATA) are not here")


@pytest.mark.parametrize(("reader", "name"), [(calce.read, "CS2_35"), (nasa.read, "B0005")])
def test_health_of_a_cell_that_was_never_trained_on_is_near_its_measured_capacity(reader, name, tmp_path):
    (cell,) = [cell for cell in reader(SHARED) if cell.name == name]
    result = end_to_end.computed(end_to_end.measured(cell, name, tmp_path), tmp_path)
    away = (result.soh - result.truth())[np.isfinite(result.truth())]
    assert len(away) > 0.9 * len(result.soh)
    assert np.abs(away).mean() < 0.02
    assert np.median(np.abs(away)) < 0.015
    assert (result.lower <= result.soh).all()
    assert (result.soh <= result.upper).all()
