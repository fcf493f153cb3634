"""Failure modes as they are shipped: charges of telemetry, the cell's own beginning, answers and their reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.neural_soh.modes import electrodes, reference
from models.neural_soh.modes.classifier import TOO_EARLY, Classifier, Modes
from models.neural_soh.modes.curves import HELD, POINTS, RESTED, WHOLE, curve_of
from models.neural_soh.modes.differences import GROUPS, MASKED, NAMES, VALUES, blended, vector, wear
from models.neural_soh.modes.half_cells import CHEMISTRIES, half_cells
from models.neural_soh.modes.reference import Reference
from models.neural_soh.segments import Rules, Samples, Segment, find

CLASSIFIER = Classifier((Path(__file__).parents[1] / "models" / "neural_soh" / "modes.onnx").read_bytes())
CELLS = half_cells("OKane2022")


def charge(
    lithium: float = 1.0,
    negative: float = 1.0,
    rate: float = 0.5,
    every: float = 30.0,
    scale: float = 1.0,
    begin: float = 0.0,
    end: float = 1.0,
    degrees: float = 25.0,
    noise: int | None = None,
) -> Segment:
    """A cell in equilibrium but for a resistance: rest, constant current, hold, rest; sampled as telemetry is."""
    amounts = (negative * CELLS.capacities[0], CELLS.capacities[1], lithium * CELLS.lithium)
    low, high = CELLS.window(*amounts)
    current, resistance = rate * CELLS.nominal, 0.1 / CELLS.nominal
    x = np.linspace(low, high, 4000)
    open_circuit = CELLS.voltage(x, (amounts[2] - x * amounts[0]) / amounts[1])
    put = (x - low) * amounts[0]
    seconds, states = [0.0], [begin * put[-1]]
    amperes, volts = [current], [0.0]
    while amperes[-1] > 0.05 * CELLS.nominal and (end == 1.0 or states[-1] < end * put[-1]):
        level = float(np.interp(states[-1], put, open_circuit))
        taken = min(current, (CELLS.upper - level) / resistance)
        amperes.append(taken)
        volts.append(level + taken * resistance)
        states.append(states[-1] + taken * 10.0 / 3600.0)
        seconds.append(seconds[-1] + 10.0)
    amperes, volts = amperes[1:], volts[1:]
    rest = np.arange(10.0, 1801.0, 10.0)
    settled = volts[-1] - 0.01 * (1.0 - np.exp(-rest / 300.0))
    time = np.concatenate([[-20.0, -10.0], 10.0 * np.arange(len(amperes)), 10.0 * (len(amperes) - 1) + rest])
    ampere = np.concatenate([[0.0, 0.0], -np.array(amperes), np.zeros(len(rest))])
    volt = np.concatenate([[volts[0] - 0.05] * 2, volts, settled])
    kept = np.unique(np.r_[0, 1, np.arange(2, len(time), round(every / 10.0)), 1 + len(amperes), len(time) - 1])
    if noise is not None:
        volt = volt + 1e-3 * np.random.default_rng(noise).normal(size=len(volt))
    whole = Samples(
        np.round(1000.0 * (time[kept] + 1e6)).astype(np.int64),
        scale * ampere[kept], volt[kept], np.full(len(kept), degrees), np.full(len(kept), np.nan),
    )  # fmt: skip
    later = np.array([int(whole.time[-1]) + 1000 * step for step in (400, 800)])
    after = Samples(later, np.zeros(2), np.full(2, settled[-1]), np.full(2, degrees), np.full(2, np.nan))
    samples = Samples(*(np.concatenate(pair) for pair in zip(vars(whole).values(), vars(after).values(), strict=True)))
    (found,), _ = find(samples, scale * CELLS.nominal, Rules())
    return found


def life(count: int, scale: float = 1.0) -> list[Segment]:
    """A cell that loses 0.4 % of its lithium at each charge, after five charges without a loss."""
    return [charge(lithium=1.0 - 0.004 * max(number - 5, 0), scale=scale, noise=number) for number in range(count)]


LIFE = life(12)


def followed(segments: list[Segment], scale: float = 1.0) -> tuple[Reference, list[Modes]]:
    kept, answers = Reference(), []
    for segment in segments:
        kept = kept.seen(segment, scale * CELLS.nominal, "NMC")
        answers.append(CLASSIFIER.tell(kept, segment, scale * CELLS.nominal, "NMC"))
    return kept, answers


# a charge


def test_charge_of_a_charger_is_brought_to_its_curve_its_hold_and_its_rest() -> None:
    # 1 A for 2 h from 3.4 to 4.1 V, then a hold in which the current falls to 0.05 A in 1 h, then 30 min at rest
    minutes = np.arange(0.0, 120.0)
    held = np.arange(0.0, 61.0)
    rest = np.arange(1.0, 33.0)
    time = np.concatenate([minutes, 120.0 + held, 180.0 + rest]) * 60_000.0
    current = np.concatenate([np.full(120, -1.0), -1.0 + 0.95 * held / 60.0, np.zeros(32)])
    voltage = np.concatenate([3.4 + 0.7 * minutes / 120.0, np.full(61, 4.1), 4.1 - 1e-3 * rest])
    none = np.full(len(time), np.nan)
    (found,), _ = find(Samples(time.astype(np.int64), current, voltage, none, none), 2.5, Rules())
    curve = curve_of(found, 2.5)
    assert curve is not None
    assert curve.hold is not None and curve.rest is not None
    assert curve.rate == pytest.approx(0.4)
    assert np.isnan(curve.temperature)
    # the current keeps within 3 % of itself until two minutes into the hold
    assert curve.charged == pytest.approx((2.0 + 1.0 / 60.0) / 2.5, rel=0.01)
    assert np.interp(0.4, curve.charge, curve.voltage) == pytest.approx(3.4 + 0.35, abs=1e-3)
    # the current falls in proportion to time, to 0.15 A (0.06 / h) where the cell is called full
    full = (1.0 - 0.06 * 2.5) / 0.95
    at = (1.0 - HELD * 0.985) / 0.95
    assert curve.hold[1 + len(HELD) :] == pytest.approx(full - at, abs=0.02)
    charges = [(2.0 - 0.95 * (low + full)) / 2.0 * (full - low) / 2.5 for low in at]
    assert curve.hold[1 : 1 + len(HELD)] == pytest.approx(charges, abs=0.01)
    assert curve.rest == pytest.approx(4.1 - 1e-3 * RESTED / 60.0, abs=2e-3)


def test_charge_that_ends_early_has_no_hold_and_no_rest_and_one_without_constant_current_no_curve() -> None:
    early = curve_of(charge(end=0.7), CELLS.nominal)
    assert early is not None
    assert early.hold is None and early.rest is None
    assert curve_of(charge(begin=0.6, end=0.7), CELLS.nominal) is None


def test_hold_that_stops_at_a_high_current_is_not_whole() -> None:
    whole = charge()
    kept = -whole.current > 2.0 * WHOLE * CELLS.nominal
    cut = replace(
        whole, last=int(kept.sum()) - 1,
        **{name: getattr(whole, name)[kept] for name in ("time", "current", "voltage", "temperature", "strain", "charge")},
    )  # fmt: skip
    curve = curve_of(cut, CELLS.nominal)
    assert curve is not None
    assert curve.hold is None


# differences


def test_cell_that_has_not_changed_has_lost_nothing() -> None:
    curve = curve_of(charge(), CELLS.nominal)
    assert curve is not None
    worn = wear(curve, curve, CELLS)
    assert worn is not None
    assert worn == pytest.approx(0.0, abs=1e-4)
    found = dict(zip(NAMES, vector(curve, curve, worn, (np.nan, np.nan)), strict=True))
    differences = [name for name in NAMES if not name.startswith(("seen", "rested_now", "wear"))]
    assert [found[name] for name in differences] == pytest.approx([0.0] * len(differences), abs=1e-4)


@pytest.mark.parametrize(("begin", "material"), [(0.0, 0.01), (0.1, 0.015), (0.25, 0.03)])
def test_lost_lithium_is_found_wherever_a_charge_begins(begin: float, material: float) -> None:
    first, now = curve_of(charge(), CELLS.nominal), curve_of(charge(lithium=0.97, begin=begin), CELLS.nominal)
    assert first is not None and now is not None
    worn = wear(first, now, CELLS)
    assert worn is not None
    assert worn[0] == pytest.approx(0.03 * CELLS.lithium / CELLS.nominal, abs=0.004)
    # the less of the negative electrode's curve is seen, the less is known of its material
    assert worn[1:3] == pytest.approx(0.0, abs=material)


def test_first_charge_may_begin_anywhere() -> None:
    first, now = (curve_of(charge(lithium=part, begin=0.15), CELLS.nominal) for part in (1.0, 0.97))
    assert first is not None and now is not None
    placed = electrodes.placed(CELLS, CELLS.nominal * first.charge, first.voltage, first.rate)
    assert placed[0] == pytest.approx(0.15 * 0.9, abs=0.04)
    worn = wear(first, now, CELLS)
    assert worn is not None
    assert worn[0] == pytest.approx(0.03 * CELLS.lithium / CELLS.nominal, abs=0.008)


@given(st.sampled_from([0.2, 7.0, 100.0]))
@settings(max_examples=3, deadline=None)
def test_cells_of_any_capacity_have_the_same_differences(scale: float) -> None:
    for other in (charge(lithium=0.98), charge(lithium=0.98, begin=0.2, end=0.9)):
        small = vector_of(charge(), other, 1.0)
        large = vector_of(
            scaled(charge(), scale),
            scaled(other, scale),
            scale,
        )
        assert large == pytest.approx(small, abs=1e-6, rel=1e-6)


def scaled(segment: Segment, scale: float) -> Segment:
    return replace(segment, current=scale * segment.current, charge=scale * segment.charge)


def vector_of(first: Segment, now: Segment, scale: float) -> np.ndarray:
    one, other = curve_of(first, scale * CELLS.nominal), curve_of(now, scale * CELLS.nominal)
    assert one is not None and other is not None
    worn = wear(one, other, CELLS)
    assert worn is not None
    return vector(one, other, worn, (0.3, 0.6))


def test_what_was_not_seen_is_zero_and_masked_and_never_takes_part_in_a_mean() -> None:
    whole, part = (vector_of(charge(), now, 1.0) for now in (charge(lithium=0.98), charge(lithium=0.98, end=0.8)))
    named = dict(zip(NAMES, part, strict=True))
    for group in ("from_full", "hold", "rest", "rested_now"):
        assert named[f"seen_{group}"] == 0.0
        assert all(named[f"{group}_{number}"] == 0.0 for number in range(GROUPS[group]))
    kept, count = blended(*blended(None, None, whole), part)
    unseen = np.append(False, part[MASKED] == 0)
    assert kept[:VALUES][unseen] == pytest.approx(whole[:VALUES][unseen])
    assert kept[:VALUES][~unseen] == pytest.approx((whole + part)[:VALUES][~unseen] / 2.0)
    assert set(count.tolist()) == {1.0, 2.0}


# the cell's own beginning


def test_answer_of_a_charge_is_the_same_bits_whatever_comes_later() -> None:
    _, until = followed(LIFE[:9])
    _, whole = followed(LIFE)
    for one, other in zip(until, whole, strict=False):
        assert one.shares.tobytes() == other.shares.tobytes()
        assert (one.code, one.lost, one.reason) == (other.code, other.lost, other.reason)


def test_answer_does_not_depend_on_when_the_state_was_written() -> None:
    _, straight = followed(LIFE)
    kept = Reference()
    for segment, expected in zip(LIFE, straight, strict=True):
        kept = Reference.from_state(
            json.loads(json.dumps(kept.seen(segment, CELLS.nominal, "NMC").to_state(), allow_nan=False))
        )
        found = CLASSIFIER.tell(kept, segment, CELLS.nominal, "NMC")
        assert found.shares.tobytes() == expected.shares.tobytes()
        assert (found.code, found.lost) == (expected.code, expected.lost)


def test_state_is_strict_json_of_a_few_kilobytes_however_many_charges_there_were() -> None:
    kept = Reference()
    others = [charge(rate=0.25, degrees=40.0), charge(rate=0.25, degrees=40.0, lithium=0.97)]
    for segment in (LIFE[0], *others, *LIFE[1:], *(40 * LIFE[8:])):
        kept = kept.seen(segment, CELLS.nominal, "NMC")
    text = json.dumps(kept.to_state(), allow_nan=False)
    assert len(text) < 6500
    assert len(kept.kinds) == reference.KINDS
    assert len(kept.course) <= reference.COURSE
    numbers = [number for number, _ in kept.course]
    assert all(low < high for low, high in pairwise(numbers))
    assert json.loads(text) == Reference.from_state(json.loads(text)).to_state()


def test_state_of_another_version_begins_anew() -> None:
    kept, _ = followed(LIFE[:2])
    assert Reference.from_state({**kept.to_state(), "version": -1}).kinds == ()


def test_charges_that_are_refused_leave_the_beginning_as_it_is() -> None:
    kept, _ = followed(LIFE[:1])
    for chemistry, segment in (("LFP", LIFE[1]), ("NMC", charge(begin=0.6, end=0.7))):
        assert kept.seen(segment, CELLS.nominal, chemistry) is kept


# answers and reasons


def test_cell_that_loses_is_told_of_and_its_loss_grows() -> None:
    _, answers = followed(LIFE)
    assert answers[-1].reason == ""
    assert answers[-1].shares.sum() == pytest.approx(1.0, abs=1e-5)
    assert answers[-1].code in range(6)
    lost = [answer.lost for answer in answers[8:]]
    assert all(low < high for low, high in pairwise(lost))


@pytest.mark.parametrize(
    ("segment", "chemistry", "reason"),
    [
        (LIFE[-1], "LFP", "the electrodes of LFP are not known; known are LCO, NMC, NMC811"),
        (charge(begin=0.6, end=0.7), "NMC", "charge at one current over at least 25%, better 60%"),
        (charge(rate=0.25), "NMC", "a charge at 0.25C at 25 °C cannot be compared with the cell's first ones; charge at 0.50C at 25 °C"),
        (charge(degrees=40.0), "NMC", "a charge at 0.50C at 40 °C cannot be compared"),
        (LIFE[4], "NMC", "the first charges, which later ones are compared with"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_says_why_and_what_would_help(segment: Segment, chemistry: str, reason: str) -> None:
    kept, _ = followed(LIFE[:5])
    found = CLASSIFIER.tell(kept, segment, CELLS.nominal, chemistry)
    assert reason in found.reason
    assert found.code == TOO_EARLY
    assert np.isnan(found.shares).all() and np.isnan(found.probabilities).all()


def test_cell_without_a_beginning_asks_for_a_wide_charge() -> None:
    found = CLASSIFIER.tell(Reference(), charge(begin=0.5), CELLS.nominal, "NMC")
    assert "no charge at one current over 60% of the capacity" in found.reason


def test_cell_that_has_hardly_faded_is_too_early_to_tell() -> None:
    _, answers = followed([charge(noise=number) for number in range(8)])
    assert answers[-1].code == TOO_EARLY
    assert "less than 0.3% of the capacity lost" in answers[-1].reason
    kept, answers = followed(LIFE[:8])
    assert answers[-1].reason == ""
    found = CLASSIFIER.tell(kept, LIFE[7], CELLS.nominal, "NMC", soh_fade=0.0)
    assert (found.reason != "") == (answers[-1].lost <= 0.01)


def test_every_chemistry_that_is_told_has_half_cells() -> None:
    for product in CHEMISTRIES.values():
        cells = half_cells(product)
        assert cells.capacity(*cells.capacities, cells.lithium) == pytest.approx(cells.nominal, rel=0.1)
    assert len(curve_of(charge(), CELLS.nominal).voltage) == POINTS  # type: ignore[union-attr]
