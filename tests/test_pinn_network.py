"""The shipped network, through onnxruntime: laws that it must keep by construction, and the truth it was made for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from training.pinn.mesh import RADII, electrolyte, particle_modes, quadrature

PLUGIN = Path(__file__).parents[1] / "models" / "pinn_internal_state"
CELL = json.loads((PLUGIN / "cell.json").read_text("utf-8"))
FARADAY = 96485.33212
NODES, MODES = 8, 20


@pytest.fixture(scope="module")
def session():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(PLUGIN / "weights.onnx"), options, providers=["CPUExecutionProvider"])


def rested(soc: float, runs: int = 1) -> dict[str, np.ndarray]:
    """States of cells at rest."""
    uniform = particle_modes().project.sum(1)
    state = {}
    for side in ("negative", "positive"):
        low, high = CELL["window"][side]
        concentration = (low + soc * (high - low)) * CELL[side]["largest"]
        state[f"{side}0"] = np.tile((concentration * uniform)[None, :, None], (runs, 1, NODES))
    state["electrolyte0"] = np.tile(electrolyte(CELL, MODES).modes.project @ np.full(60, 1000.0), (runs, 1))
    return state


def run(session, current, soc=0.6, celsius=25.0, seconds=5.0, state=None, spread=0.0, parameters=None, outputs=None):
    """Run one cell; `current` is one value a bin. [A]"""
    current = np.asarray(current, dtype=float)[None]
    feed = {
        "current": current,
        "spread": np.zeros_like(current) + spread,
        "temperature": np.zeros_like(current) + celsius + 273.15,
        "seconds": np.zeros_like(current) + seconds,
        **(state or rested(soc)),
        "parameters": np.zeros((1, 10)) if parameters is None else np.asarray(parameters)[None],
    }
    names = outputs or [output.name for output in session.get_outputs()]
    found = session.run(names, {name: value.astype(np.float32) for name, value in feed.items()})
    return dict(zip(names, (value[0] for value in found), strict=True))


def inventory(fields: np.ndarray, side: str) -> np.ndarray:
    """Lithium in the particles of an electrode from c(r, x), shape (N, 20, 20). [Ah]"""
    edges = np.linspace(0, 1, RADII + 1)
    mean = np.einsum("nrx,r->n", fields, np.diff(edges**3)) / fields.shape[2]
    part = CELL[side]
    return mean * part["active"] * part["thickness"] * CELL["area"] * FARADAY / 3600


def load(seed: int, bins: int = 240) -> np.ndarray:
    """A load of steps between -1C and 2C. [A]"""
    random = np.random.default_rng(seed)
    return np.repeat(random.uniform(-5, 10, bins // 12), 12)


def test_the_graph_is_small_and_states_no_outside_data():
    content = (PLUGIN / "weights.onnx").read_bytes()
    assert len(content) < 5e6
    assert b"weights.onnx.data" not in content
    assert len(hashlib.sha256(content).hexdigest()) == 64


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("celsius", [-15.0, 25.0, 55.0])
def test_lithium_is_conserved_whatever_the_load(session, seed, celsius):
    current = load(seed) * (0.3 if celsius < 0 else 1.0)
    found = run(session, current, celsius=celsius, outputs=["negative", "positive"])
    passed = np.cumsum(current) * 5 / 3600
    start = {
        side: float(inventory(np.full((1, 20, 20), rested_concentration(side, 0.6)), side)[0])
        for side in ("negative", "positive")
    }
    np.testing.assert_allclose(inventory(found["negative"], "negative"), start["negative"] - passed, atol=2e-4)
    np.testing.assert_allclose(inventory(found["positive"], "positive"), start["positive"] + passed, atol=2e-4)


def rested_concentration(side: str, soc: float) -> float:
    low, high = CELL["window"][side]
    return (low + soc * (high - low)) * CELL[side]["largest"]


def test_a_rested_cell_without_current_stays_as_it_is(session):
    found = run(session, np.zeros(48), soc=0.4)
    assert np.ptp(found["voltage"]) < 2e-5
    np.testing.assert_allclose(found["negative"], rested_concentration("negative", 0.4), rtol=2e-5)
    np.testing.assert_allclose(found["electrolyte"], 1000.0, rtol=1e-4)


def test_padding_changes_nothing(session):
    current = load(5)
    plain = run(session, current)
    seconds = np.r_[np.full(240, 5.0), np.zeros(48)]
    padded = run(session, np.r_[current, np.zeros(48)], seconds=seconds)
    for name in ("voltage", "margin", "negative", "positive"):
        np.testing.assert_allclose(padded[name][:240], plain[name], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(padded["negative1"], plain["negative1"], rtol=1e-5, atol=0.05)


def test_a_run_in_two_parts_is_close_to_the_run_in_one(session):
    current = load(6)
    whole = run(session, current)
    first = run(session, current[:120])
    state = {f"{name}0": first[f"{name}1"][None] for name in ("negative", "positive", "electrolyte")}
    second = run(session, current[120:], state=state)
    joined = np.concatenate([first["negative"], second["negative"]])
    # the sweeps are not iterated to the end, so parts differ by what is left to converge
    assert np.sqrt(np.mean((joined - whole["negative"]) ** 2)) < 15
    np.testing.assert_allclose(inventory(joined, "negative"), inventory(whole["negative"], "negative"), atol=2e-4)


def test_the_same_input_gives_the_same_bits(session):
    first, second = run(session, load(7)), run(session, load(7))
    for name, value in first.items():
        assert np.array_equal(value, second[name]), name


def test_twenty_percent_less_exchange_current_costs_about_eleven_millivolts_of_plating_margin(session):
    charge = np.full(240, -5.0)
    nominal = run(session, charge, soc=0.5, outputs=["margin"])["margin"]
    slower = run(session, charge, soc=0.5, parameters=[0, 0, 0, np.log(0.8), 0, 0, 0, 0, 0, 0], outputs=["margin"])["margin"]
    assert 5e-3 < np.mean(nominal[120:] - slower[120:]) < 15e-3


def test_series_resistance_takes_its_share_of_the_voltage(session):
    current = np.full(48, 5.0)
    plain = run(session, current, outputs=["voltage"])["voltage"]
    worse = run(session, current, parameters=[0] * 9 + [0.01], outputs=["voltage"])["voltage"]
    np.testing.assert_allclose(plain - worse, 0.05, atol=1e-5)


def test_a_cell_of_twice_the_area_at_twice_the_current_is_the_same_cell(session):
    current = load(8)
    plain = run(session, current)
    double = run(session, 2 * current, parameters=[np.log(2)] + [0] * 9)
    np.testing.assert_allclose(double["voltage"], plain["voltage"], atol=2e-5)


def test_hot_cells_level_out_faster_than_cold_ones(session):
    pulse = np.r_[np.full(60, 5.0), np.zeros(60)]
    spread = {}
    for celsius in (0.0, 45.0):
        last = run(session, pulse, celsius=celsius, outputs=["negative"])["negative"][-1]
        spread[celsius] = float(np.ptp(last.mean(1)))
    assert spread[45.0] < spread[0.0] / 3


def test_the_network_agrees_with_the_simulated_hour_that_is_kept(session):
    with np.load(Path(__file__).parent / "pinn_truth.npz") as truth:
        found = run(
            session, truth["current"], soc=float(truth["soc"]), spread=truth["spread"], celsius=truth["temperature"] - 273.15
        )

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


def test_more_sweeps_follow_blocks_that_end_near_empty_from_mid_discharge(session):
    """Starts are what the estimator believed of the demo's cell; the learned guess loses them, and says so by its residual."""
    with np.load(Path(__file__).with_name("pinn_near_empty.npz")) as file:
        feed = {name: file[name] for name in file.files}
    assert session.run(["residual"], feed)[0].max() > 1.0  # A/m2, where 1C is 1.5
    thorough = onnxruntime.InferenceSession(str(PLUGIN / "thorough.onnx"), providers=["CPUExecutionProvider"])
    residual, surface = thorough.run(["residual", "negative_surface"], feed)
    assert residual.max() < 0.1
    assert surface.min() > 0.04


def test_both_graphs_agree_where_both_settle(session):
    thorough = onnxruntime.InferenceSession(str(PLUGIN / "thorough.onnx"), providers=["CPUExecutionProvider"])
    one, other = (run(each, load(3), outputs=["voltage", "negative", "positive"]) for each in (session, thorough))
    assert np.abs(one["voltage"] - other["voltage"]).max() < 1e-3
    for name in ("negative", "positive"):
        assert np.sqrt(np.mean((one[name] - other[name]) ** 2)) < 10.0  # mol/m3
