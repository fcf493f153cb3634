"""Data that contradict what the site states lead to a warning, and to no change."""

from __future__ import annotations

import numpy as np
import pytest

from platform_interface.checks import Clean
from platform_interface.contradictions import EVIDENCE, SignEvidence, soc_votes, voltage_votes
from platform_interface.mapping import Source
from platform_interface.units import Conversion

HOURS = 6
TIME = np.arange(0, HOURS * 3600, 10) * 1000
#: Half an hour of 50 A discharge, half an hour of 50 A charge, and so on; positive on discharge.
CURRENT = np.where((TIME // 1_800_000) % 2 == 0, 50.0, -50.0)
CAPACITY = 100.0
SOC = 0.8 - np.concatenate([[0.0], np.cumsum((CURRENT[1:] + CURRENT[:-1]) / 2 * np.diff(TIME) / 3.6e6)]) / CAPACITY
#: A resistance of 2 mOhm behind a constant 3.3 V, and a current that changes every sample.
PULSES = 20.0 * np.array([(i * 7) % 5 - 2 for i in range(TIME.size)], float)
VOLTAGE = 3.3 - 0.002 * PULSES


def source(name, quantity):
    return Source(name, (name,), Conversion(), 1.0, None, (), "drop", 60.0, "", quantity)


def evidence(**series):
    """Weigh one window of `name: (quantity, time, values)`."""
    found = SignEvidence()
    sources = {name: source(name, quantity) for name, (quantity, _, _) in series.items()}
    cleaned = {name: Clean(time, np.atleast_2d(values), [], {}) for name, (_, time, values) in series.items()}
    found.add(sources, cleaned)
    return found


def test_a_right_sign_is_silent():
    found = evidence(current=("current", TIME, CURRENT), soc=("soc", TIME[::6], SOC[::6]))
    agree, against = found.votes[("current", "soc")]
    assert agree > 300
    assert against == 0
    assert found.warnings("pack") == []


def test_a_flipped_sign_is_found_from_the_state_of_charge():
    found = evidence(current=("current", TIME, -CURRENT), soc=("soc", TIME[::6], SOC[::6]))
    [warning] = found.warnings("pack")
    assert warning.startswith("'soc' moves against 'current' in ")
    assert "assets.pack.positive_current" in warning
    assert warning.endswith("Nothing was changed.")


def test_a_flipped_sign_is_found_from_the_voltage_and_a_right_one_is_silent():
    assert evidence(current=("current", TIME, PULSES), voltage=("voltage", TIME, VOLTAGE)).warnings("pack") == []
    [warning] = evidence(current=("current", TIME, -PULSES), voltage=("voltage", TIME, VOLTAGE)).warnings("pack")
    assert warning.startswith("'voltage' moves against 'current' in ")


def test_votes_are_those_counted_by_hand():
    # 10 A for three minutes out of 10 Ah: each minute 1/60 h * 10 A / 10 Ah = 1.67 % less charge.
    time, current = np.array([0, 60_000, 120_000, 180_000]), np.array([10.0, 10.0, 10.0, 10.0])
    falling, mixed = np.array([0.5, 0.483, 0.467, 0.45]), np.array([0.5, 0.483, 0.5, 0.4995])
    assert soc_votes(time, current, time, falling) == (3, 0)
    assert soc_votes(time, current, time, falling[::-1]) == (0, 3)
    assert soc_votes(time, current, time, mixed) == (1, 1)
    volts, amperes = np.array([3.3, 3.2, 3.3, 3.4]), np.array([0.0, 50.0, 0.0, 50.0])
    assert voltage_votes(time, amperes, time, volts) == (2, 1)


def test_a_recalibration_of_the_state_of_charge_is_no_vote():
    time = np.array([0, 60_000, 120_000])
    assert soc_votes(time, np.array([10.0, 10.0, 10.0]), time, np.array([0.5, 0.62, 0.604])) == (1, 0)


def test_steps_across_a_gap_or_outside_the_current_are_no_votes():
    time = np.array([0, 60_000, 120_000])
    current = np.array([10.0, 10.0, 10.0])
    assert soc_votes(time, current, np.array([0, 1_000_000]), np.array([0.5, 0.48])) == (0, 0)
    assert soc_votes(time, current, np.array([-60_000, 0]), np.array([0.52, 0.5])) == (0, 0)
    assert voltage_votes(np.array([0, 1, 2]), current, np.array([3, 4, 5]), np.array([3.3, 3.2, 3.1])) == (0, 0)


def test_too_little_evidence_says_nothing():
    steps = EVIDENCE
    time = np.arange(steps) * 60_000
    soc = 0.5 + 0.002 * np.arange(steps)
    series = {"current": ("current", time, np.full(steps, 10.0)), "soc": ("soc", time, soc)}
    assert evidence(**series).votes[("current", "soc")] == [0, EVIDENCE - 1]
    assert evidence(**series).warnings("pack") == []


def test_evidence_adds_up_over_windows():
    found = SignEvidence()
    sources = {"current": source("current", "current"), "soc": source("soc", "soc")}
    for low in range(0, 1500, 100):
        window = {
            "current": Clean(TIME[low : low + 100], np.atleast_2d(-CURRENT[low : low + 100]), [], {}),
            "soc": Clean(TIME[low : low + 100 : 10], np.atleast_2d(SOC[low : low + 100 : 10]), [], {}),
        }
        found.add(sources, window)
    assert len(found.warnings("pack")) == 1


def test_a_fraction_that_is_mapped_as_percent_is_told():
    found = evidence(current=("current", TIME, CURRENT), soc=("soc", TIME, SOC / 100))
    assert any(
        "'soc' never exceeds 0.80%: it looks like a fraction that is mapped as percent" in w for w in found.warnings("pack")
    )


@pytest.mark.parametrize("top", [0.02, 1.0])
def test_a_state_of_charge_that_rises_above_a_percent_is_not_doubted(top):
    time = np.arange(5) * 1000
    assert evidence(current=("current", time, np.zeros(5)), soc=("soc", time, np.linspace(0, top, 5))).warnings("pack") == []


def test_a_model_without_a_current_gives_no_evidence():
    assert evidence(soc=("soc", TIME, SOC)).votes == {}
    assert evidence(current=("current", TIME[:2], CURRENT[:2]), soc=("soc", TIME, SOC)).votes == {}
