"""Training of the weights that ship: how charges are seen, which networks see which cells, and that exports say what the model says."""

from __future__ import annotations

import numpy as np
import pytest

from models.neural_soh.features import FEATURES
from models.neural_soh.segments import Rules, Samples, find
from training.soh.ship import kinds

AT = {name: place for place, name in enumerate(FEATURES)}


def segment(capacity=2.0):
    """Return a charge of an hour and a half at 0.5C from 3.4 to 4.1 V."""
    seconds = np.arange(0.0, 5400.0, 10.0)
    time = np.concatenate([seconds, seconds[-1] + 10.0 * np.arange(1, 200)])
    current = np.concatenate([np.full(len(seconds), -0.5 * capacity), np.zeros(199)])
    voltage = np.concatenate([3.4 + 0.7 * seconds / seconds[-1], np.full(199, 4.05)])
    nothing = np.full(len(time), np.nan)
    found, _ = find(Samples((1000 * time).astype(np.int64), current, voltage, nothing, nothing), capacity, Rules())
    return found[0]


def life(name, charges=30, simulated=False, seed=0):
    """Return a cell whose features are noise around its state of health."""
    random = np.random.default_rng(seed)
    soh = np.linspace(1.0, 0.8, charges)
    rows = 0.5 + 0.1 * random.normal(size=(charges, len(FEATURES)))
    rows[:, AT["charge"]] = soh
    return kinds.Life("test", name, "NMC", name, soh, {"whole": rows, "part": rows * 0.5}, {"whole": rows}, simulated)


def test_a_charge_cut_at_shares_of_itself_puts_in_that_much():
    whole = segment()
    part = kinds.cut(whole, 0.2, 0.7)
    assert part is not None
    assert part.charge[part.last] == pytest.approx(0.5 * whole.charge[whole.last], rel=0.02)


def test_a_charge_seen_to_its_end_keeps_the_rest_after_it():
    whole = segment()
    part = kinds.cut(whole, 0.3, 1.0)
    assert part is not None
    assert len(part.time) - part.last == len(whole.time) - whole.last


def test_more_overpotential_raises_the_voltage_but_not_beyond_where_the_charge_ended():
    whole = segment()
    higher = kinds.shifted(whole, 0.05)
    assert higher.voltage[0] == pytest.approx(whole.voltage[0] + 0.05)
    assert higher.voltage.max() == whole.voltage.max()
    assert (higher.charge == whole.charge).all()


def test_ways_of_seeing_are_the_same_each_time_and_differ_between_cells():
    charges = [segment()] * 3
    first, second, other = (kinds.ways_of(charges, 2.0, "NMC", word) for word in ("a", "a", "b"))
    assert set(first) == {"whole", *(name for name, *_ in kinds.WAYS)}
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert not np.array_equal(first["any a"], other["any a"], equal_nan=True)


def test_what_is_kept_in_a_file_is_read_back(tmp_path):
    kinds.save(tmp_path / "some.npz", [life("a"), life("b", simulated=True)])
    found = kinds.load(tmp_path / "some.npz")
    assert found is not None
    assert [one.name for one in found] == ["a", "b"]
    assert found[1].simulated
    np.testing.assert_allclose(found[0].ways["part"], life("a").ways["part"], rtol=1e-6)
    assert kinds.load(tmp_path / "none.npz") is None
