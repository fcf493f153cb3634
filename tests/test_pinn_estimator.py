"""The estimator against a simulated (DFN) cell: a dynamic hour from rest, of which only voltage, current and temperature are given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.pinn_internal_state.belief import KNOWN, PERTURBED, Belief, Kind, members, mixture, spread_of
from models.pinn_internal_state.bins import Samples, binned, stretches, width_for
from models.pinn_internal_state.estimate import Z90, started
from models.pinn_internal_state.filter import PASSES, advance, locate
from models.pinn_internal_state.observation import observed
from models.pinn_internal_state.states import Block
from tests.pinn_kit import network

#: Bins of a block.
COUNT = 72


@pytest.fixture(scope="module")
def truth():
    with np.load(Path(__file__).parent / "pinn_truth.npz") as content:  # written by `python -m training.pinn.kept_truth`
        return {name: content[name].astype(float) for name in content.files}


def blocks(truth, noise=0.0005, seed=1):
    random = np.random.default_rng(seed)
    for first in range(0, len(truth["current"]), COUNT):
        part = slice(first, first + COUNT)
        voltage = truth["voltage"][part] + noise * random.normal(size=COUNT)
        series = (truth["current"][part], truth["spread"][part], truth["temperature"][part])
        yield part, Block(*series, np.full(COUNT, 5.0), voltage, np.full(COUNT, noise))


@pytest.fixture(scope="module")
def steps(truth):
    """Go through the hour, from an unknown state of charge."""
    kind, belief, found = Kind(network(), 5.0, KNOWN), None, []
    for part, block in blocks(truth):
        first = belief is None
        belief = started(kind, block, "rest") if belief is None else belief
        step = advance(kind, belief, block, PASSES if first else 1)
        belief = step.end
        found.append((part, block, step))
    return kind, found


def test_the_state_of_charge_at_rest_is_found_within_half_a_percent(truth, steps):
    kind, found = steps
    assert float(kind.soc(found[0][2].start.centre)) == pytest.approx(float(truth["soc"]), abs=0.005)


def test_charge_is_located_before_anything_is_known(truth):
    kind = Kind(network(), 5.0, KNOWN)
    _, block = next(blocks(truth))
    assert locate(kind, block) == pytest.approx(float(truth["soc"]), abs=0.03)


def test_voltage_and_margin_of_every_block_are_those_of_the_simulation(truth, steps):
    _, found = steps
    voltage = np.concatenate([step.voltage for _, _, step in found])
    assert np.sqrt(np.mean((voltage - truth["voltage"]) ** 2)) < 0.003
    beside = np.concatenate([step.anode[:, -1] for _, _, step in found])  # the node nearest to the separator
    assert np.sqrt(np.mean((beside - truth["anode"]) ** 2)) < 0.006
    assert all((step.margin <= step.anode[:, -1] + 0.01).all() for _, _, step in found)


def test_fields_at_the_ends_of_blocks_are_those_of_the_simulation(truth, steps):
    kind, found = steps
    every = len(truth["current"]) // len(truth["negative"])
    volume = np.diff(np.linspace(0.0, 1.0, 21) ** 3)
    shared = [(part.stop, step) for part, _, step in found if part.stop % every == 0]
    assert len(shared) > 1
    for number, side in enumerate(("negative", "positive")):
        for stop, step in shared:
            true = float((truth[side][stop // every - 1] * volume[:, None]).sum(axis=0).mean())
            assert float(kind.mean_concentration(step.end.centre, number)) == pytest.approx(true, abs=100.0), (side, stop)


def test_doubt_of_parameters_widens_the_margin(truth):
    _, block = next(blocks(truth))
    sigmas = []
    for doubt in (KNOWN, PERTURBED):
        kind = Kind(network(), 5.0, doubt)
        step = advance(kind, started(kind, block, float(truth["soc"])), block, PASSES)
        sigmas.append(float(step.margin_sigma.mean()))
    assert sigmas[1] > 3.0 * sigmas[0]
    assert sigmas[1] * Z90 < 0.03


def test_a_voltage_that_does_not_fit_widens_what_follows(truth):
    kind = Kind(network(), 5.0, KNOWN)
    _, block = next(blocks(truth))
    belief = started(kind, block, float(truth["soc"]))
    wrong = replace(block, voltage=block.voltage + 0.02 * np.sin(np.arange(COUNT)))
    fits, misfits = (advance(kind, belief, one, PASSES) for one in (block, replace(wrong, voltage=wrong.voltage + 0.015)))
    assert misfits.misfit > 2.0 * fits.misfit
    assert misfits.end.unfit > fits.end.unfit
    assert misfits.voltage_sigma.mean() > fits.voltage_sigma.mean()


def test_a_network_that_doubts_its_own_flux_tells_less():
    kind = Kind(network(), 5.0, KNOWN)
    flat = np.ones(24)
    block = Block(flat, 0 * flat, 298.0 * flat, 5.0 * flat, 3.7 * flat, 0.001 * flat)
    sure, unsure = (observed(kind, block, 1.0, np.full((3, 24), residual)) for residual in (0.0, 2.0))
    assert (np.diag(unsure.noise) > 4.0 * np.diag(sure.noise)).all()


def test_members_have_the_mean_and_covariance_they_are_made_of():
    random = np.random.default_rng(1)
    belief = Belief(random.normal(size=7), random.normal(size=(5, 7)))
    states = members(belief.centre, belief.directions)
    assert np.allclose(states.mean(axis=0), belief.centre)
    assert np.allclose(np.cov(states.T, bias=True), belief.directions.T @ belief.directions)
    assert np.allclose(spread_of(states, 5), belief.directions)
    assert np.allclose(mixture(5).T @ mixture(5), np.eye(5))


def test_bins_keep_the_charge_and_say_what_was_not_seen():
    time = np.arange(0, 3601, 30) * 1000
    current = 2.0 + np.sin(time / 2e5)
    samples = Samples(time.astype(np.int64), current, np.full(len(time), 3.7), np.full(len(time), 25.0))
    block = binned(samples, 0, 60.0, 24, 5.0, 0.001)
    seconds = time[:49] / 1000.0
    assert block.current @ block.seconds == pytest.approx(np.trapezoid(current[:49], seconds), rel=1e-9)
    assert block.doubt > 0
    gone = binned(samples.part(0, 20), 0, 60.0, 24, 5.0, 0.001)
    assert gone.filled.sum() == 9


def test_the_width_of_a_bin_is_twice_the_usual_interval():
    time = np.cumsum(np.full(40, 10_000))
    nothing = np.zeros(40)
    assert width_for(Samples(time, nothing, nothing, nothing), 300_000) == (30.0, 11)
    assert width_for(Samples(time[:5], *(nothing[:5],) * 3), 300_000) is None


def test_a_block_ends_at_a_gap_and_at_its_boundary():
    time = np.array([0, 10, 20, 3000, 3010, 3700, 3710], dtype=np.int64)
    found = list(stretches(time, 3600, 1000, False))
    assert found == [(0, 3, True, False), (3, 5, True, True), (4, 7, False, False)]
