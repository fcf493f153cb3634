"""SOC on measured cells, a sample of what benchmarks/soc_panasonic.py and soc_lfp.py show in full; skipped without the data."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmarks import soc_lfp, soc_panasonic
from benchmarks.measured_data import shared_data
from models.soc_ocv_estimation import anchors
from models.soc_ocv_estimation.belief import SOC, first_belief

DATA = shared_data()
pytestmark = pytest.mark.skipif(DATA is None, reason="the measured data (../shared/data or TWIN_SHARED_DATA) are not here")


@pytest.fixture(scope="module")
def curve():
    return soc_panasonic.own_curve(DATA)


@pytest.fixture(scope="module")
def files():
    return {test.name: test for test in soc_panasonic.tests(DATA, fill=True)}


def errors(test, curve):
    """RMSE of the filter and of counting from the same anchor, over all signs of gain, offset and start."""
    config = soc_panasonic.configuration()
    signs = product((-soc_panasonic.GAIN, soc_panasonic.GAIN), (-0.02, 0.02), (-0.2, 0.2))
    found = [soc_panasonic.estimate(test, curve, *way, config) for way in signs]
    return [
        [soc_panasonic.root_mean_square(estimate - one.truth) for estimate in (one.soc, one.counted)] for one in found
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["03-20-17_01.43 25degC_US06", "06-02-17_04.58 0degC_US06", "06-11-17_08.42 n10degC_Cycle_4"])
def test_on_a_drive_file_the_filter_is_no_worse_than_counting_from_its_anchor(name, files, curve):
    (test,) = (test for key, test in files.items() if key.startswith(name))
    fused, counted = np.array(errors(test, curve)).T
    assert fused.max() <= counted.max()
    assert fused.mean() <= counted.mean()
    assert fused.max() < 0.03


def test_on_a_pulse_file_the_filter_is_far_better_than_counting(files, curve):
    (test,) = (test for key, test in files.items() if key.startswith("03-11-17_08.47 25degC"))
    fused, counted = np.array(errors(test, curve)).T
    assert fused.max() < 0.02 < 0.08 < counted.min()


def test_the_mislabelled_file_is_left_out_and_the_recharge_cut(files):
    assert not any("LA92_NN" in name for name in files)
    assert all(test.truth[-1] == pytest.approx(test.truth.min()) for test in files.values() if test.kind == "drive")


def test_the_c20_sweep_has_given_what_it_took(curve):
    assert soc_panasonic.charge_conserving_capacity(DATA) == pytest.approx(2.818, abs=0.005)
    assert (np.diff(curve.voltage) > 0.0).all()


def test_in_the_middle_of_lfp_a_rest_of_five_minutes_tells_nothing_and_does_not_pull():
    lfp = soc_lfp.own_curve(DATA)
    volts = float(lfp.ocv(0.5) - lfp.hysteresis(0.5))
    rest = anchors.RestVoltage(volts, 0.0005, 300.0, 25.0, 0.0, -1.0, 0.1)
    after, _ = anchors.anchored(first_belief(0.6, 0.05, 0.008, 0.05, 0.006), rest, lfp, soc_lfp.SENSOR)
    assert abs(after.mean[SOC] - 0.6) < 0.01
    rows = [line.split("|") for line in soc_lfp.identifiability(lfp)[2:]]
    told = {row[1].strip(): row[6].strip() for row in rows}
    assert told["50%"] == told["55%"] == "nothing"
    assert told["5%"] == told["98%"] == "the SOC"


def test_on_lfp_the_interval_is_narrower_than_half_and_holds_the_truth():
    lfp = soc_lfp.own_curve(DATA)
    for test in soc_lfp.tests(DATA):
        cells = [cell.strip() for cell in soc_lfp.row(test, lfp, "own", 0.0, 0.0, None).split("|")]
        assert float(cells[9]) < 0.5
        assert cells[8] == "100%"
        assert float(cells[7].rstrip("%")) < 10.0
