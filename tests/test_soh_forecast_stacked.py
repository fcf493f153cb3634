"""Own estimates of three members: never from a model that saw the cell, weighed on training cells left out."""

from __future__ import annotations

import numpy as np
import pytest

from training.soh.cells import Cell
from training.soh.forecast_stacked import STEPS, blend, choose_weights, left_out


def cell(name, level=1.0, count=40):
    return Cell(name, "TJU-1", 2.0, ("x",), np.zeros((count, 1)), level - 1e-3 * np.arange(count))


@pytest.mark.parametrize("number", [2, 3, 9])
def test_an_estimate_comes_from_a_model_that_never_saw_the_cell(number):
    cells = [cell(str(place)) for place in range(number)]
    shown = []

    def fit(seen, _seed):
        names = {each.name for each in seen}
        shown.append(names)
        return lambda wanted: np.full(len(wanted), float(wanted.name in names))

    assert all((estimate == 0).all() for estimate in left_out(cells, fit, 0))
    assert len(shown) == min(4, number)


def test_weights_are_those_of_the_members_that_are_right():
    cells = [cell("a"), cell("b", 0.9)]
    right = [{"pooled": each.soh + 0.01, "history": each.soh - 0.01, "count": each.soh + 0.2} for each in cells]
    assert choose_weights(cells, right) == {"pooled": 0.5, "history": 0.5, "count": 0.0}
    count = [{"pooled": each.soh + 0.01, "history": each.soh + 0.02, "count": each.soh} for each in cells]
    assert choose_weights(cells, count) == {"pooled": 0.0, "history": 0.0, "count": 1.0}


def test_weights_add_up_to_one_in_coarse_steps():
    generator = np.random.default_rng(0)
    cells = [cell(str(place)) for place in range(5)]
    members = [
        {name: each.soh + 0.01 * generator.normal(size=len(each)) for name in ("pooled", "history", "count")} for each in cells
    ]
    found = choose_weights(cells, members)
    assert sum(found.values()) == 1
    assert all(value * STEPS == int(value * STEPS) for value in found.values())


def test_a_blend_is_the_weighted_mean():
    estimates = {"pooled": np.array([1.0, 0.8]), "count": np.array([0.8, 0.4])}
    assert blend(estimates, {"pooled": 0.75, "count": 0.25}) == pytest.approx([0.95, 0.7])
