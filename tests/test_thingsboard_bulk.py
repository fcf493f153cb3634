"""Bodies made in bulk are byte by byte those made row by row."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_interface.platforms.thingsboard.bulk import FEW_SERIES
from platform_interface.platforms.thingsboard.writing import _body, _rows
from platform_interface.table import Table

numbers = st.floats(-1e15, 1e15) | st.sampled_from([0.0, -0.0, 3.0, 1e-7, 5e-324, 0.1, 9007199254740993.0])


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=4, unique=True),
    st.lists(numbers, min_size=1, max_size=20),
)
def test_a_body_of_any_names_and_numbers_is_the_same(names, values):
    table = Table(np.arange(len(values), dtype=np.int64), tuple(names), np.array([values] * len(names)))
    assert _body(table) == orjson.dumps(_rows(table))


@pytest.mark.parametrize("width", [1, FEW_SERIES, FEW_SERIES + 1])
def test_any_number_of_series_gives_the_same_body(width):
    table = Table(
        np.array([0, 1767225600000, 4102444800000]), tuple(map(str, range(width))), np.arange(3.0 * width).reshape(width, 3)
    )
    assert orjson.loads(_body(table)) == _rows(table)


def test_what_is_no_finite_number_or_very_large_goes_the_slow_way_and_nothing_gives_no_body():
    time = np.array([1, 2])
    assert orjson.loads(_body(Table(time, ("a",), np.array([[np.nan, 1.0]])))) == [{"ts": 2, "values": {"a": 1.0}}]
    assert b"20000000000000000.0" in _body(Table(time, ("a",), np.array([[2e16, 1.0]])))
    assert _body(Table(time, ("a",), np.array([[np.nan, np.inf]]))) == b""
    assert _body(Table(np.empty(0, np.int64), ("a",), np.empty((1, 0)))) == b""
