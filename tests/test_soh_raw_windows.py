"""Charges seen in part, and the measurement of the baseline: no label in the cut, no future in the history, no cell left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.neural_soh.features import FEATURES
from tests.test_soh_raw import cell
from training.soh.leakage import check_causal
from training.soh.raw.baseline import counted, errors_of, seen, summary, with_history, without_strain
from training.soh.raw.dataset import charges_of
from training.soh.raw.windows import WINDOWS, Window, cut_by_charge, cut_by_voltage, voltages_of

CHARGE = FEATURES.index("charge")


@pytest.fixture(scope="module")
def charges():
    return charges_of(cell())


def test_a_charge_cut_at_edges_of_its_own_holds_another_share_of_it_each_time(charges):
    whole = charges.cell.features[:, CHARGE]
    share = cut_by_charge(charges, WINDOWS[0])[:, CHARGE] / whole
    assert len(set(share.round(6))) == len(share)
    assert (share > 0.35).all()
    assert (share < 0.85).all()


def test_cutting_without_spread_would_leave_the_label_in_the_ampere_hours(charges):
    whole = charges.cell.features[:, CHARGE]
    share = cut_by_charge(charges, Window("fixed", 0.2, 0.8, 0.0))[:, CHARGE] / whole
    assert np.ptp(share) < 0.04  # to one sample: the ampere-hours are 0.6 of the capacity


def test_a_cut_is_the_same_every_time(charges):
    assert cut_by_charge(charges, WINDOWS[1]).tobytes() == cut_by_charge(charges, WINDOWS[1]).tobytes()


def test_a_charge_seen_between_two_voltages_shows_no_others(charges):
    low, high = voltages_of([charges], WINDOWS[0])
    assert (low, high) == (pytest.approx(3.3 + 0.2 * 0.85, abs=0.03), pytest.approx(3.3 + 0.8 * 0.85, abs=0.03))
    rows = cut_by_voltage(charges, low, high)
    last = 3.2 + rows[:, FEATURES.index("voltage_last")] * 1.0
    assert (last < high).all()
    assert np.isnan(cut_by_voltage(charges, 4.3, 4.4)).all()


def test_history_knows_the_past_only(charges):
    def columns(one):
        return with_history(replace(charges, cell=one))

    assert check_causal(columns, charges.cell, [1, 2, 3]) == 6
    third = columns(charges.cell)[2, len(FEATURES) + CHARGE]
    assert third == pytest.approx(np.median(charges.cell.features[:3, CHARGE]))


def test_errors_are_over_every_charge_with_a_label_and_in_percent(charges):
    one = seen(charges, charges.cell.features)
    one = replace(one, cell=replace(one.cell, soh=np.array([1.0, np.nan, 0.9, 0.8])))
    assert errors_of(one, np.array([1.01, 5.0, 0.9, 0.77])) == pytest.approx((4.0 / 3.0, np.sqrt(10.0 / 3.0)))


def test_the_summary_is_the_mean_over_cells_and_names_the_worst():
    errors = {("A", "one"): [(1.0, 2.0), (1.0, 2.2)], ("A", "two"): [(3.0, 4.0), (3.0, 4.2)]}
    assert summary("row", errors) == "| row | 2.00 | 3.10 | 0.14 | A two 4.10 | A 3.10 |"


def test_strain_is_left_out_by_name(charges):
    assert without_strain(charges).shape[1] == len(FEATURES) - 2


def test_a_full_charge_of_a_full_cell_counts_its_capacity(charges):
    assert counted([charges])["test", "a"][0][0] < 2.5  # to the first and last minute
