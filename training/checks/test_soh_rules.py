"""The plugin says of a charge that it is whole by the very rule that is in the graph."""

from __future__ import annotations

from models.neural_soh import estimate
from training.soh.ship import network


def test_the_plugin_and_the_graph_have_one_rule_of_whole():
    assert tuple(estimate.EMPTY[name] for name in estimate.CHEMISTRIES) == network.EMPTY
    assert tuple(estimate.ADDED[name] for name in estimate.CHEMISTRIES) == network.ADDED
    assert (estimate.FULL, estimate.FALLEN) == (network.FULL, network.FALLEN)
