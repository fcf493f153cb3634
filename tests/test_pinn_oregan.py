"""The network of ORegan2022, whose diffusivities depend on concentration: laws it keeps by construction, and the truth.

`pinn_truth_oregan.npz` is made by ``python -m training.pinn.oregan_truth``, the graph by ``python -m training.pinn.oregan``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pinn_graph import Graph, load

HERE = Path(__file__).parent
PLUGIN = HERE.parent / "models" / "pinn_internal_state"
PATH = HERE.parent / "training" / "pinn" / "oregan.onnx"
OREGAN = Graph(PATH, PATH.with_suffix(".cell.json"), 20)
SHIPPED = Graph(PLUGIN / "weights.onnx", PLUGIN / "cell.json", 8)
STATES = ("negative", "positive", "electrolyte")
run, inventory, concentration, rested = OREGAN.run, OREGAN.inventory, OREGAN.concentration, OREGAN.rested


def test_inputs_and_outputs_are_those_of_the_shipped_network():
    session, shipped = OREGAN.session, SHIPPED.session
    assert [value.name for value in session.get_inputs()] == [value.name for value in shipped.get_inputs()]
    assert [value.name for value in session.get_outputs()] == [value.name for value in shipped.get_outputs()]
    assert PATH.stat().st_size < 5e6


@pytest.mark.parametrize("celsius", [15.0, 45.0])
def test_lithium_is_conserved_though_diffusivity_changes_a_hundredfold(celsius):
    assert np.ptp(OREGAN.cell["negative"]["diffusivity"]) > 2  # decades
    current = load(1, 120)
    found = run(current, celsius=celsius)
    passed = np.cumsum(current) * 5 / 3600
    for side, sign in (("negative", -1), ("positive", 1)):
        start = inventory(np.full((1, 20, 20), concentration(side, 0.6)), side)
        np.testing.assert_allclose(inventory(found[side], side), start + sign * passed, atol=2e-4)


def test_a_rested_cell_without_current_stays_as_it_is():
    found = run(np.zeros(48), soc=0.4)
    assert np.ptp(found["voltage"]) < 2e-5
    np.testing.assert_allclose(found["negative"], concentration("negative", 0.4), rtol=2e-5)
    np.testing.assert_allclose(found["electrolyte"], 1000.0, rtol=1e-4)


def test_a_run_in_two_parts_is_the_run_in_one():
    current = load(2, 120)
    whole, first = run(current), run(current[:60])
    second = run(current[60:], state={f"{name}0": first[f"{name}1"][None] for name in STATES})
    for name, limit in (("negative", 0.5), ("positive", 0.5), ("electrolyte", 0.1), ("voltage", 1e-4)):
        np.testing.assert_allclose(np.concatenate([first[name], second[name]]), whole[name], atol=limit, rtol=0)


def test_padding_changes_nothing():
    current = load(3, 120)
    plain = run(current)
    padded = run(np.r_[current, np.zeros(24)], seconds=np.r_[np.full(120, 5.0), np.zeros(24)])
    for name in ("voltage", "margin", "negative", "positive"):
        np.testing.assert_allclose(padded[name][:120], plain[name], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(padded["negative1"], plain["negative1"], rtol=1e-5, atol=0.05)


def test_a_full_particle_takes_no_more_and_its_neighbours_do():
    found = run(np.full(48, -7.0), soc=0.3, celsius=30.0)
    surface = found["negative_surface"]
    assert np.isfinite(found["negative"]).all()
    assert surface.max() > 0.998  # full at the separator,
    assert surface.max() < 1.005  # no more than full but for a bin at its edge,
    assert surface[-1, 0] < 0.9  # though there is room at the collector


def test_the_network_agrees_with_the_simulated_hour_that_is_kept():
    with np.load(HERE / "pinn_truth_oregan.npz") as truth:
        found = run(
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
