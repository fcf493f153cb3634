"""The shipped network, through onnxruntime: laws that it must keep by construction, and the truth it was made for."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tests.pinn_graph import Graph, load
from training.pinn.mesh import RADII, particle_modes, quadrature

PLUGIN = Path(__file__).parents[1] / "models" / "pinn_internal_state"
NODES = 8
SHIPPED = Graph(PLUGIN / "weights.onnx", PLUGIN / "cell.json", NODES)
THOROUGH = Graph(PLUGIN / "thorough.onnx", PLUGIN / "cell.json", NODES)
run, inventory, concentration = SHIPPED.run, SHIPPED.inventory, SHIPPED.concentration


def test_the_graph_is_small_and_states_no_outside_data():
    content = (PLUGIN / "weights.onnx").read_bytes()
    assert len(content) < 5e6
    assert b"weights.onnx.data" not in content
    assert len(hashlib.sha256(content).hexdigest()) == 64


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("celsius", [-15.0, 25.0, 55.0])
def test_lithium_is_conserved_whatever_the_load(seed, celsius):
    current = load(seed, 240) * (0.3 if celsius < 0 else 1.0)
    found = run(current, celsius=celsius, outputs=["negative", "positive"])
    passed = np.cumsum(current) * 5 / 3600
    start = {
        side: float(inventory(np.full((1, 20, 20), concentration(side, 0.6)), side)[0]) for side in ("negative", "positive")
    }
    np.testing.assert_allclose(inventory(found["negative"], "negative"), start["negative"] - passed, atol=2e-4)
    np.testing.assert_allclose(inventory(found["positive"], "positive"), start["positive"] + passed, atol=2e-4)


def test_a_rested_cell_without_current_stays_as_it_is():
    found = run(np.zeros(48), soc=0.4)
    assert np.ptp(found["voltage"]) < 2e-5
    np.testing.assert_allclose(found["negative"], concentration("negative", 0.4), rtol=2e-5)
    np.testing.assert_allclose(found["electrolyte"], 1000.0, rtol=1e-4)


def test_padding_changes_nothing():
    current = load(5, 240)
    plain = run(current)
    seconds = np.r_[np.full(240, 5.0), np.zeros(48)]
    padded = run(np.r_[current, np.zeros(48)], seconds=seconds)
    for name in ("voltage", "margin", "negative", "positive"):
        np.testing.assert_allclose(padded[name][:240], plain[name], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(padded["negative1"], plain["negative1"], rtol=1e-5, atol=0.05)


def test_a_run_in_two_parts_is_close_to_the_run_in_one():
    current = load(6, 240)
    whole = run(current)
    first = run(current[:120])
    state = {f"{name}0": first[f"{name}1"][None] for name in ("negative", "positive", "electrolyte")}
    second = run(current[120:], state=state)
    joined = np.concatenate([first["negative"], second["negative"]])
    # the sweeps are not iterated to the end, so parts differ by what is left to converge
    assert np.sqrt(np.mean((joined - whole["negative"]) ** 2)) < 15
    np.testing.assert_allclose(inventory(joined, "negative"), inventory(whole["negative"], "negative"), atol=2e-4)


def test_the_same_input_gives_the_same_bits():
    first, second = run(load(7, 240)), run(load(7, 240))
    for name, value in first.items():
        assert np.array_equal(value, second[name]), name


def test_twenty_percent_less_exchange_current_costs_about_eleven_millivolts_of_plating_margin():
    charge = np.full(240, -5.0)
    nominal = run(charge, soc=0.5, outputs=["margin"])["margin"]
    slower = run(charge, soc=0.5, parameters=[0, 0, 0, np.log(0.8), 0, 0, 0, 0, 0, 0], outputs=["margin"])["margin"]
    assert 5e-3 < np.mean(nominal[120:] - slower[120:]) < 15e-3


def test_series_resistance_takes_its_share_of_the_voltage():
    current = np.full(48, 5.0)
    plain = run(current, outputs=["voltage"])["voltage"]
    worse = run(current, parameters=[0] * 9 + [0.01], outputs=["voltage"])["voltage"]
    np.testing.assert_allclose(plain - worse, 0.05, atol=1e-5)


def test_a_cell_of_twice_the_area_at_twice_the_current_is_the_same_cell():
    current = load(8, 240)
    plain = run(current)
    double = run(2 * current, parameters=[np.log(2)] + [0] * 9)
    np.testing.assert_allclose(double["voltage"], plain["voltage"], atol=2e-5)


def test_hot_cells_level_out_faster_than_cold_ones():
    pulse = np.r_[np.full(60, 5.0), np.zeros(60)]
    spread = {}
    for celsius in (0.0, 45.0):
        last = run(pulse, celsius=celsius, outputs=["negative"])["negative"][-1]
        spread[celsius] = float(np.ptp(last.mean(1)))
    assert spread[45.0] < spread[0.0] / 3


def test_the_network_agrees_with_the_simulated_hour_that_is_kept():
    with np.load(Path(__file__).parent / "pinn_truth.npz") as truth:
        found = run(truth["current"], soc=float(truth["soc"]), spread=truth["spread"], celsius=truth["temperature"] - 273.15)

        def error(name: str, own: str | None = None) -> float:
            value = found[name] if own is None else found[name][59::60]
            return float(np.sqrt(np.mean((value - truth[own or name]) ** 2)))

        assert error("negative", "negative") < 30
        assert error("positive", "positive") < 5
        assert float(np.sqrt(np.mean((found["margin"] - truth["anode"]) ** 2))) < 2e-3
        assert error("voltage") < 3e-3


def test_quadrature_integrates_and_interpolates_polynomials_exactly():
    x = quadrature(NODES)
    np.testing.assert_allclose(x.weights @ x.nodes**5, 1 / 6, rtol=1e-12)
    np.testing.assert_allclose(x.cumulative @ x.nodes**3, x.nodes**4 / 4, atol=1e-12)
    np.testing.assert_allclose(x.to_cells @ x.nodes**2, ((np.arange(20) + 0.5) / 20) ** 2, atol=1e-12)
    np.testing.assert_allclose(x.from_cells @ x.to_cells, np.eye(NODES), atol=1e-9)


def test_modes_keep_the_mean_and_decay_towards_it():
    modes = particle_modes()
    assert modes.rate[0] == 0
    assert np.all(np.diff(modes.rate) > 0)
    np.testing.assert_allclose(modes.vectors @ modes.project, np.eye(RADII), atol=1e-9)
    # first eigenvalue of a sphere: the square of 4.4934, the first root of tan(x) = x
    assert modes.rate[1] == pytest.approx(4.4934**2, rel=0.01)


def test_more_sweeps_follow_blocks_that_end_near_empty_from_mid_discharge():
    """Starts are what the estimator believed of the demo's cell; the learned guess loses them, and says so by its residual."""
    with np.load(Path(__file__).with_name("pinn_near_empty.npz")) as file:
        feed = {name: file[name] for name in file.files}
    assert SHIPPED.session.run(["residual"], feed)[0].max() > 1.0  # A/m2, where 1C is 1.5
    residual, surface = THOROUGH.session.run(["residual", "negative_surface"], feed)
    assert residual.max() < 0.1
    assert surface.min() > 0.04


def test_both_graphs_agree_where_both_settle():
    one, other = (each.run(load(3, 240), outputs=["voltage", "negative", "positive"]) for each in (SHIPPED, THOROUGH))
    assert np.abs(one["voltage"] - other["voltage"]).max() < 1e-3
    for name in ("negative", "positive"):
        assert np.sqrt(np.mean((one[name] - other[name]) ** 2)) < 10.0  # mol/m3
