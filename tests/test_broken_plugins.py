"""The conformance suite catches plugins that break the laws; each is broken in one way only."""

from __future__ import annotations

import pytest

from tests import conformance
from tests.kit import PLUGINS


def test_a_global_counter_is_caught():
    with pytest.raises(AssertionError, match="differs"):
        conformance.law_1_any_split(PLUGINS / "broken_counter", 1, [0.4], 100)


def test_a_rolling_mean_without_state_is_caught():
    with pytest.raises(AssertionError, match="Result differs"):
        conformance.law_1_any_split(PLUGINS / "broken_rolling", 1, [0.4], 100)


def test_integrating_over_gaps_is_caught():
    with pytest.raises(AssertionError, match="the gap counted"):
        conformance.law_4_gaps(PLUGINS / "broken_gaps", 1)


def test_changing_the_input_is_caught():
    with pytest.raises(AssertionError, match="read-only"):
        conformance.law_1_any_split(PLUGINS / "broken_mutates", 1, [], 100)


def test_each_broken_plugin_keeps_the_laws_that_it_does_not_break():
    conformance.law_1_any_split(PLUGINS / "broken_gaps", 1, [0.3, 0.6], 50)
    conformance.law_4_gaps(PLUGINS / "broken_rolling", 1)
