"""The network of ORegan2022, whose diffusivities depend on concentration: laws it keeps by construction, and the truth.

`pinn_truth_oregan.npz` is made by ``python -m training.pinn.oregan_truth``, the graph by ``python -m training.pinn.oregan``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from training.pinn.mesh import RADII, electrolyte, particle_modes

HERE = Path(__file__).parent
GRAPH = HERE.parent / "training" / "pinn" / "oregan.onnx"
CELL = json.loads(GRAPH.with_suffix(".cell.json").read_text("utf-8"))
FARADAY = 96485.33212
PLACES, MODES = 20, 20
STATES = ("negative", "positive", "electrolyte")


@pytest.fixture(scope="module")
def session():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(GRAPH), options, providers=["CPUExecutionProvider"])


def concentration(side: str, soc: float) -> float:
    low, high = CELL["window"][side]
    return (low + soc * (high - low)) * CELL[side]["largest"]


def rested(negative: float, positive: float) -> dict[str, np.ndarray]:
    """State of a cell at rest, from the concentrations in its particles. [mol/m3]"""
    uniform = particle_modes().project.sum(1)
    state = {
        f"{side}0": np.tile((value * uniform)[None, :, None], (1, 1, PLACES))
        for side, value in (("negative", negative), ("positive", positive))
    }
    return state | {"electrolyte0": (electrolyte(CELL, MODES).modes.project @ np.full(60, 1000.0))[None]}


def run(session, current, soc=0.6, celsius=25.0, seconds=5.0, state=None, spread=0.0):
    """Run one cell; `current` is one value a bin. [A]"""
    current = np.asarray(current, dtype=float)[None]
    feed = {
        "current": current,
        "spread": np.zeros_like(current) + spread,
        "temperature": np.zeros_like(current) + celsius + 273.15,
        "seconds": np.zeros_like(current) + seconds,
        **(state or rested(concentration("negative", soc), concentration("positive", soc))),
        "parameters": np.zeros((1, 10)),
    }
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, {name: value.astype(np.float32) for name, value in feed.items()})
    return dict(zip(names, (value[0] for value in found), strict=True))


def inventory(fields: np.ndarray, side: str) -> np.ndarray:
    """Lithium in the particles of an electrode from c(r, x), shape (N, 20, 20). [Ah]"""
    edges = np.linspace(0, 1, RADII + 1)
    mean = np.einsum("nrx,r->n", fields, np.diff(edges**3)) / fields.shape[2]
    part = CELL[side]
    return mean * part["active"] * part["thickness"] * CELL["area"] * FARADAY / 3600


def load(seed: int, bins: int = 120) -> np.ndarray:
    """A load of steps between -1C and 2C. [A]"""
    return np.repeat(np.random.default_rng(seed).uniform(-5, 10, bins // 12), 12)


def test_inputs_and_outputs_are_those_of_the_shipped_network(session):
    shipped = onnxruntime.InferenceSession(str(HERE.parent / "models" / "pinn_internal_state" / "weights.onnx"))
    assert [value.name for value in session.get_inputs()] == [value.name for value in shipped.get_inputs()]
    assert [value.name for value in session.get_outputs()] == [value.name for value in shipped.get_outputs()]
    assert GRAPH.stat().st_size < 5e6


@pytest.mark.parametrize("celsius", [15.0, 45.0])
def test_lithium_is_conserved_though_diffusivity_changes_a_hundredfold(session, celsius):
    assert np.ptp(CELL["negative"]["diffusivity"]) > 2  # decades
    current = load(1)
    found = run(session, current, celsius=celsius)
    passed = np.cumsum(current) * 5 / 3600
    for side, sign in (("negative", -1), ("positive", 1)):
        start = inventory(np.full((1, 20, 20), concentration(side, 0.6)), side)
        np.testing.assert_allclose(inventory(found[side], side), start + sign * passed, atol=2e-4)


def test_a_rested_cell_without_current_stays_as_it_is(session):
    found = run(session, np.zeros(48), soc=0.4)
    assert np.ptp(found["voltage"]) < 2e-5
    np.testing.assert_allclose(found["negative"], concentration("negative", 0.4), rtol=2e-5)
    np.testing.assert_allclose(found["electrolyte"], 1000.0, rtol=1e-4)


def test_a_run_in_two_parts_is_the_run_in_one(session):
    current = load(2)
    whole, first = run(session, current), run(session, current[:60])
    second = run(session, current[60:], state={f"{name}0": first[f"{name}1"][None] for name in STATES})
    for name, limit in (("negative", 0.5), ("positive", 0.5), ("electrolyte", 0.1), ("voltage", 1e-4)):
        np.testing.assert_allclose(np.concatenate([first[name], second[name]]), whole[name], atol=limit, rtol=0)


def test_padding_changes_nothing(session):
    current = load(3)
    plain = run(session, current)
    padded = run(session, np.r_[current, np.zeros(24)], seconds=np.r_[np.full(120, 5.0), np.zeros(24)])
    for name in ("voltage", "margin", "negative", "positive"):
        np.testing.assert_allclose(padded[name][:120], plain[name], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(padded["negative1"], plain["negative1"], rtol=1e-5, atol=0.05)


def test_a_full_particle_takes_no_more_and_its_neighbours_do(session):
    found = run(session, np.full(48, -7.0), soc=0.3, celsius=30.0)
    surface = found["negative_surface"]
    assert np.isfinite(found["negative"]).all()
    assert surface.max() > 0.998  # full at the separator,
    assert surface.max() < 1.005  # no more than full but for a bin at its edge,
    assert surface[-1, 0] < 0.9  # though there is room at the collector


def test_the_network_agrees_with_the_simulated_hour_that_is_kept(session):
    with np.load(HERE / "pinn_truth_oregan.npz") as truth:
        found = run(
            session,
            truth["current"],
            celsius=truth["temperature"] - 273.15,
            spread=truth["spread"],
            state=rested(float(truth["negative0"]), float(truth["positive0"])),
        )
        error = {name: found[name][59::60] - truth[name] for name in ("negative", "positive")}
        error |= {"voltage": found["voltage"] - truth["voltage"], "margin": found["margin"] - truth["anode"]}
    size = {name: float(np.sqrt(np.mean(value**2))) for name, value in error.items()}
    assert size["negative"] < 15
    assert size["positive"] < 5
    assert size["voltage"] < 3e-3
    assert size["margin"] < 2e-3
