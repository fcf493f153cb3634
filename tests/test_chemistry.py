"""The open-circuit curves: shape, inverse, energy, hysteresis, a cell's own table, and the names people type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chemistry import CHEMISTRIES, chemistry, from_table
from models.chemistry.interpolation import hermite, monotone_slopes
from platform_interface import ModelError

SOC = np.linspace(0.0, 1.0, 501)
LINE = {"soc": [0.0, 0.25, 0.5, 0.75, 1.0], "ocv": [3.0, 3.25, 3.5, 3.75, 4.0]}


@pytest.mark.parametrize("name", CHEMISTRIES)
@pytest.mark.parametrize("temperature", [-10.0, 25.0, 45.0])
def test_every_curve_rises_stays_inside_its_limits_and_inverts(name, temperature):
    curve = chemistry(name)
    volts = curve.ocv(SOC, temperature)
    low, high = curve.limits
    assert (np.diff(volts) > 0.0).all()
    assert low - 0.05 < volts[0] and volts[-1] < high + 0.05
    assert curve.soc(volts, temperature) == pytest.approx(SOC, abs=1e-6)


@pytest.mark.parametrize("name", CHEMISTRIES)
def test_the_slope_is_the_derivative_of_the_curve(name):
    curve = chemistry(name)
    at = np.linspace(0.05, 0.95, 301) + 1e-4
    step = 1e-6
    by_difference = (curve.ocv(at + step) - curve.ocv(at - step)) / (2.0 * step)
    assert curve.slope(at) == pytest.approx(by_difference, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", CHEMISTRIES)
def test_hysteresis_is_never_negative_and_no_curve_is_called_certain(name):
    curve = chemistry(name)
    assert (curve.hysteresis(SOC) >= 0.0).all()
    assert (curve.uncertainty(SOC) >= 0.005).all()
    assert (curve.uncertainty(SOC, -10.0) > curve.uncertainty(SOC, 25.0)).all()


def test_energy_of_a_line_is_its_area_and_changes_sign_with_the_direction():
    line = from_table(LINE, chemistry("NMC"))
    assert line.energy(0.0, 1.0) == pytest.approx(3.5)
    assert line.energy(0.5, 0.0) == pytest.approx(-1.625)  # 0.5 times the mean of 3.0 and 3.5


def test_soc_outside_0_to_1_and_voltages_beyond_the_curve_have_no_answer():
    curve = chemistry("NMC")
    assert np.isnan(curve.ocv(np.array([-0.01, 1.01]))).all()
    assert np.isnan(curve.soc(np.array([2.0, 4.5]))).all()
    assert float(curve.ocv(1.0 + 1e-12)) == pytest.approx(4.2)


def test_the_demo_sets_are_what_pybamm_gives():
    assert chemistry("NMC").ocv(np.array([0.2, 0.5, 0.8])) == pytest.approx([3.485, 3.751, 4.042], abs=0.001)
    assert chemistry("LFP-Prada2013").ocv(np.array([0.2, 0.5, 0.8])) == pytest.approx([3.168, 3.266, 3.310], abs=0.001)


def test_lfp_is_flat_where_its_hysteresis_is_largest():
    curve = chemistry("LFP")
    assert 0.01 * float(curve.slope(0.5)) < 0.001  # V per percent
    assert 0.015 < float(curve.hysteresis(0.5)) < 0.025


def test_warmth_moves_the_voltage_by_the_entropic_coefficient():
    curve = chemistry("LCO")
    coefficient = np.interp(0.2, curve.knots, curve.entropy)
    assert float(curve.ocv(0.2, 35.0) - curve.ocv(0.2, 25.0)) == pytest.approx(10.0 * coefficient)


def test_a_name_is_found_in_any_case_and_a_wrong_one_shows_the_nearest():
    assert chemistry("nmc") is chemistry("NMC")
    with pytest.raises(ModelError, match="did you mean 'LFP'"):
        chemistry("LPF")


def test_a_cells_own_table_takes_numbers_or_lists():
    own = from_table(LINE | {"hysteresis": 0.01, "uncertainty": [0.01] * 5}, chemistry("NMC"))
    assert float(own.ocv(0.3)) == pytest.approx(3.3)
    assert float(own.hysteresis(0.3)) == 0.01
    assert "own" in own.name


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"soc": [0.0, 0.5, 1.0], "ocv": [3.0, 3.5, 4.0]}, "at least 5"),
        ({"soc": [0, 25, 50, 75, 100]}, "as fractions"),
        ({"ocv": [3.0, 3.25, 3.25, 3.75, 4.0]}, "must rise"),
        ({"ocv": [300.0, 325.0, 350.0, 375.0, 400.0]}, "of one cell"),
        ({"ocv": [3.0, "3.25", 3.5, 3.75, 4.0]}, "'ocv' is not a list of numbers"),
        ({"hysteresis": [0.1, 0.1]}, "one for each soc"),
        ({"hysteresis": -0.1}, "must not be negative"),
        ({"soc": None}, "'soc' is not a list"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(change, fault):
    with pytest.raises(ModelError, match=fault):
        from_table(LINE | change, chemistry("NMC"))


@given(st.lists(st.floats(0.001, 1.0), min_size=4, max_size=30))
def test_the_cubic_between_rising_knots_never_falls(steps):
    x = np.cumsum(np.array([0.1 + 0.01 * i for i in range(len(steps))]))
    y = np.cumsum(steps)
    value, slope = hermite(x, y, monotone_slopes(x, y), np.linspace(x[0], x[-1], 500))
    assert (np.diff(value) >= -1e-12).all()
    assert (slope >= -1e-9).all()
