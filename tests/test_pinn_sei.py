"""SEI growth: the law, its conservation, the kept truth, and the film in the kinetics. The truth needs PyBaMM, these tests do not.

`pinn_sei_cycle.npz` is made by ``python -m training.pinn.ageing --trace tests/pinn_sei_cycle.npz``.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as any_of

from models.pinn_internal_state import sei
from training.pinn import ageing_predict as predict
from training.pinn import ageing_protocol as protocol
from training.pinn import evaluate_ageing as evaluate
from training.pinn.ageing_film import FilmSolver
from training.pinn.ageing_forward import DOUBT, Cycler, Forward, bins, crossing, cut
from training.pinn.mesh import particle_modes

FILM = sei.Film()
POTENTIAL, KELVIN, SECONDS = any_of.floats(-0.3, 1.5), any_of.floats(248.0, 338.0), any_of.floats(0.0, 1e8)
THICKNESS = any_of.floats(5e-9, 5e-6)
TRACE = Path(__file__).parent / "pinn_sei_cycle.npz"


def cycle_of_potential(bins_count: int = 60, nodes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    potential = 0.12 + 0.08 * np.sin(np.linspace(0, 6, bins_count))[:, None] + 0.005 * random.normal(size=(bins_count, nodes))
    return potential, np.full(bins_count, 298.15) + random.normal(size=bins_count), random.uniform(5, 60, bins_count)


def lg_m50(nodes: int = 8) -> sei.Electrode:
    side = protocol.cell()["negative"]
    return sei.Electrode.of(side["thickness"], side["active"], side["radius"], protocol.cell()["area"], nodes)


# --- the law -----------------------------------------------------------------------------------------------------------------


def test_growth_at_the_reactions_own_potential_is_volume_times_concentration_times_rate():
    speed, hindrance = sei.rates(FILM, np.array([0.4]), 298.15)
    # 9.585e-5 m3/mol x 4541 mol/m3 x 4e-4 x 1e-12 m/s, and 4e-16 m/s / 2e-18 m2/s
    assert speed[0] == pytest.approx(1.7410194e-16, rel=1e-6)
    assert hindrance[0] == pytest.approx(200.0)


def test_growth_at_a_tenth_of_a_volt_and_35_degrees_is_as_calculated_by_hand():
    speed, _ = sei.rates(FILM, np.array([0.1]), 308.15)
    # exp(0.5 x 0.3 / 0.0265543) = exp(5.64880) = 283.95; exp(38000 / 8.314463 x 1.088433e-4) = exp(0.497447) = 1.64452
    assert speed[0] == pytest.approx(1.7410194e-16 * 283.95 * 1.64452, rel=1e-4)


def test_a_thick_film_under_diffusion_grows_with_the_square_root_of_time():
    fast = sei.with_factor(FILM, 1e6)
    speed, hindrance = sei.rates(fast, np.array([0.1]), 298.15)
    after = sei.grown(np.array([5e-9]), speed, hindrance, 1e7)
    assert after[0] ** 2 == pytest.approx(25e-18 + 2 * 2e-18 * 4541 * 9.585e-5 * 1e7, rel=1e-6)


def test_two_half_steps_are_one_step():
    speed, hindrance = np.array([3e-13, 1e-12]), np.array([1e5, 1e8])
    whole = sei.grown(np.array([5e-9, 4e-7]), speed, hindrance, 8000.0)
    half = sei.grown(sei.grown(np.array([5e-9, 4e-7]), speed, hindrance, 3000.0), speed, hindrance, 5000.0)
    np.testing.assert_allclose(half, whole, rtol=1e-14)


@given(POTENTIAL, KELVIN, SECONDS, THICKNESS)
def test_a_film_never_shrinks(potential: float, kelvin: float, seconds: float, thickness: float):
    speed, hindrance = sei.rates(FILM, np.array([potential]), kelvin)
    assert sei.grown(np.array([thickness]), speed, hindrance, seconds)[0] >= thickness


@given(POTENTIAL, KELVIN, any_of.floats(0.1, 20.0), any_of.floats(1.0, 1e7), THICKNESS)
def test_more_heat_at_the_same_potential_grows_a_thicker_film(
    potential: float, kelvin: float, warmer: float, seconds: float, thickness: float
):
    cold, hot = (sei.rates(FILM, np.array([potential]), kelvin + more) for more in (0.0, warmer))
    assert hot[0] > cold[0]
    assert sei.grown(np.array([thickness]), *hot, seconds)[0] >= sei.grown(np.array([thickness]), *cold, seconds)[0]


@given(POTENTIAL, KELVIN, any_of.floats(1e-3, 0.2), any_of.floats(1.0, 1e7), THICKNESS)
def test_a_lower_potential_grows_a_thicker_film(
    potential: float, kelvin: float, lower: float, seconds: float, thickness: float
):
    high, low = (sei.rates(FILM, np.array([potential - less]), kelvin) for less in (0.0, lower))
    assert sei.grown(np.array([thickness]), *low, seconds)[0] >= sei.grown(np.array([thickness]), *high, seconds)[0]


@given(any_of.lists(any_of.integers(0, 60), max_size=5).map(sorted))
def test_any_split_of_the_bins_gives_the_same_bits(splits: list[int]):
    potential, kelvin, seconds = cycle_of_potential()
    history, last = sei.grow(FILM, np.full(3, 5e-9), potential, kelvin, seconds)
    pieces, carried = [], np.full(3, 5e-9)
    for low, high in pairwise([0, *splits, 60]):
        piece, carried = sei.grow(FILM, carried, potential[low:high], kelvin[low:high], seconds[low:high])
        pieces.append(piece)
    assert np.concatenate(pieces).tobytes() == history.tobytes() and carried.tobytes() == last.tobytes()


def test_a_bin_without_length_leaves_the_film_as_it_is():
    _, last = sei.grow(FILM, np.array([3.3e-8]), np.zeros((4, 1)), np.full(4, 298.15), np.zeros(4))
    assert last[0] == 3.3e-8


def test_cycles_taken_together_grow_as_cycles_one_after_another():
    potential, kelvin, seconds = cycle_of_potential()
    thickness = np.full(3, 5e-9)
    for _ in range(200):
        _, thickness = sei.grow(FILM, thickness, potential, kelvin, 60 * seconds)
    together = sei.growth_of_cycles(FILM, np.full(3, 5e-9), potential, kelvin, 60 * seconds, 200)
    np.testing.assert_allclose(together, thickness, rtol=2e-4)


def test_a_bias_of_a_millivolt_moves_growth_by_two_percent():
    potential, kelvin, seconds = cycle_of_potential()
    first = np.full(3, 5e-9)
    grown = [sei.grow(FILM, first, potential + bias, kelvin, seconds)[1] - first for bias in (0.0, 1e-3)]
    expected = sei.sensitivity_to_potential(FILM, first, np.array([0.1]), 298.15) * 1e-3
    np.testing.assert_allclose(grown[1] / grown[0] - 1, expected, rtol=0.02)
    assert expected[0] == pytest.approx(-0.0195, abs=2e-4)


# --- conservation and intervals ---------------------------------------------------------------------------------------------


def test_lithium_lost_is_the_films_volume_through_its_molar_volume():
    # 100 nm on 3.3593 m2: 3.3593e-7 m3 / 9.585e-5 m3/mol x 96485 As/mol / 3600
    lost = sei.lithium_lost(FILM, lg_m50(), np.full(8, 105e-9))
    assert lost == pytest.approx(3.3597e-7 / 9.585e-5 * 96485.33 / 3600, rel=2e-4)


def test_the_film_adds_its_resistance_over_the_area_of_all_particles():
    assert sei.film_resistance(FILM, lg_m50(), np.full(8, 1e-7)) == pytest.approx(2e5 * 1e-7 / 3.3597, rel=2e-4)


def test_the_interval_covers_a_rate_that_is_wrong_by_its_uncertainty():
    potential, kelvin, seconds = cycle_of_potential()
    first = np.full(3, 5e-9)
    film = sei.with_factor(FILM, FILM.rate_factor, 0.3)
    _, known = sei.grow(film, first, potential, kelvin, seconds)
    lower, upper = sei.interval(film, known, first, 298.15, 1e-3)
    for factor in (np.exp(-0.45), np.exp(0.45)):
        _, other = sei.grow(sei.with_factor(film, film.rate_factor * factor), first, potential, kelvin, seconds)
        assert (lower < other).all() and (other < upper).all()
    wider = sei.interval(film, known, first, 298.15, 20e-3)
    assert (wider[0] < lower).all() and (wider[1] > upper).all() and (wider[0] > first).all()


def test_the_interval_is_as_calculated_by_hand():
    # hypot(0.3, 0.5 x 96485.33 / (8.314463 x 298.15) x 0.01 = 0.194609) = 0.357593; exp(1.644854 x 0.357593) = 1.800722
    lower, upper = sei.interval(sei.with_factor(FILM, 4e-4, 0.3), np.array([105e-9]), np.array([5e-9]), 298.15, 0.01)
    assert upper[0] == pytest.approx(5e-9 + 100e-9 * 1.800722, rel=1e-6)
    assert lower[0] == pytest.approx(5e-9 + 100e-9 / 1.800722, rel=1e-6)


def test_a_rate_factor_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"the SEI rate factor is 0.0; it must be positive"):
        sei.with_factor(FILM, 0.0)


# --- the truth --------------------------------------------------------------------------------------------------------------


def test_the_law_on_the_truths_own_potential_grows_the_truths_film():
    with np.load(TRACE) as kept:
        potential, seconds = kept["potential"].astype(float), np.diff(kept["time"])
        kelvin = np.full(len(seconds), float(kept["kelvin"]))
        _, grown = sei.grow(FILM, kept["before"], (potential[1:] + potential[:-1]) / 2, kelvin, seconds)
        growth = kept["after"] - kept["before"]
        np.testing.assert_allclose(grown - kept["before"], growth, rtol=5e-5)
        even = sei.Electrode(lg_m50().surface, np.full(20, 0.05))
        lost = sei.lithium_lost(FILM, even, grown) - sei.lithium_lost(FILM, even, kept["before"])
        assert float(lost) == pytest.approx(float(np.diff(kept["lost"])[0]), rel=5e-5)


def test_the_kept_truth_is_small_and_loses_ten_to_twenty_percent_in_a_thousand_cycles():
    kept = protocol.kept()
    assert protocol.KEPT.stat().st_size < 200_000
    truth = {(one["temperature"], *one["window"]): one for one in kept["conditions"] if one["model"] == "DFN"}
    assert len({key[0] for key in truth}) >= 3 and len({key[1:] for key in truth}) >= 2
    assert all(one["cycle"][-1] == 1000 for one in truth.values())
    full = truth[25.0, 0.0, 1.0]
    assert 0.10 < full["lost"][-1] / protocol.cell()["capacity"] < 0.20
    assert 0.10 < 1 - full["capacity"][-1] / full["capacity"][0] < 0.20


def test_lithium_lost_and_thickness_of_the_kept_truth_agree_through_the_molar_volume():
    for one in protocol.kept()["conditions"]:
        for thickness, lost in zip(one["thickness"], one["lost"], strict=True):
            assert float(sei.lithium_lost(FILM, lg_m50(), np.full(8, thickness * 1e-9))) == pytest.approx(lost, rel=2e-4)


def test_errors_are_relative_and_the_first_hundred_cycles_are_told_apart():
    truth = {"cycle": [1, 50, 100, 150, 200], "thickness": [6.0, 50.0, 100.0, 150.0, 200.0], "lost": [1.0, 2.0, 4.0, 5.0, 8.0]}
    found = evaluate.errors(truth, (np.array([6.0, 50.0, 101.0, 150.0, 200.5]), np.array([1.1, 2.0, 4.0, 4.9, 8.0])))
    assert found["thickness"] == pytest.approx({"1": 0.0, "50": 0.0, "100": 1.0, "200": 0.25})
    assert (found["thickness_worst"], found["nanometres"]) == (1.0, 0.5)
    assert (found["lost_worst"], found["lost_worst_ever"]) == (2.0, 10.0)


def test_the_truth_depends_on_potential_so_no_clock_reproduces_it():
    kept = protocol.kept()["conditions"]
    truth = next(one for one in kept if one["model"] == "DFN")
    for name, curve in evaluate.baselines(truth, None).items():
        assert evaluate.errors(truth, curve)["thickness_worst"] > 10, name  # %


# --- protocol and prediction --------------------------------------------------------------------------------------------------


def test_a_window_ends_its_charge_at_the_fresh_cells_own_voltage():
    assert protocol.Condition().charge_voltage == 4.2
    assert protocol.Condition(high=0.8).charge_voltage == pytest.approx(protocol.open_circuit_voltage(0.8), abs=5e-4)
    with pytest.raises(ValueError, match="not inside 0-1"):
        protocol.Condition(low=0.8, high=0.2)


def test_bins_fill_a_time_and_a_cut_ends_them_where_it_says():
    lengths = bins(1000.0, 30.0)
    assert lengths.sum() == pytest.approx(1000.0) and lengths.max() <= 30.0 and lengths[0] == 2.0
    assert cut(lengths, 421.3).sum() == pytest.approx(421.3)


def test_a_crossing_is_found_between_the_middles_of_bins():
    assert crossing(np.full(4, 10.0), np.array([4.0, 3.0, 2.0, 1.0]), 2.5) == pytest.approx(20.0)
    assert crossing(np.full(4, 10.0), np.array([4.0, 3.5, 3.2, 3.0]), 2.5) is None


def test_thickness_between_points_follows_their_growth():
    def point(cycle: float) -> predict.Point:
        growth = 3 - 2e-3 * cycle + 3e-6 * cycle**2
        value = 5 + 3 * cycle - 1e-3 * cycle**2 + 1e-6 * cycle**3
        return predict.Point(cycle, np.array([value]), np.array([growth]), 2.9, 5.0)

    found = predict.at_cycles([point(0), point(100), point(200)], [37, 150])[:, 0]
    np.testing.assert_allclose(found, [point(37).thickness[0], point(150).thickness[0]], rtol=1e-12)


def film_evens(resistance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A charge over a slope of potential; what a film adds, and the change of the modes without and with it."""
    solver, uniform = FilmSolver(protocol.cell(), 298.15, 8), particle_modes().project.sum(1)
    modes = np.repeat((15000.0 * uniform)[:, None], 8, axis=1)
    shape = np.repeat(np.linspace(0.0, -0.02, 8)[None], 40, axis=0)
    added, (bare, coated) = solver.solve(
        (modes, modes), np.full(40, -3.5), np.full(40, 20.0), 0.1 + shape, np.full((40, 8), 1000.0), np.full(8, resistance)
    )
    return added, bare[0] - modes[0], coated[0] - modes[0]


def test_no_film_adds_nothing():
    added, bare, coated = film_evens(0.0)
    assert np.abs(added).max() < 1e-7  # V; Newton stops at 1e-6 A/m2
    np.testing.assert_allclose(bare, coated, rtol=1e-9)


def test_a_film_evens_the_flux_out_and_keeps_the_charge():
    added, bare, coated = film_evens(0.08)
    weights = np.polynomial.legendre.leggauss(8)[1] / 2
    assert np.ptp(coated) < 0.8 * np.ptp(bare)
    assert weights @ coated == pytest.approx(weights @ bare, rel=1e-9)
    # less lithium goes in where most went in: the potential behind the film rises there
    assert added[-1, -1] > 0 > added[-1, 0]


def test_the_network_does_not_doubt_a_whole_discharge_that_is_taken_in_blocks():
    forward, seconds = Forward(), np.full(115, 30.0)
    residual, voltage = forward.run(forward.rested(1.0), np.full(115, 5.0), seconds, 298.15, 0.0, ["residual", "voltage"])
    assert np.abs(residual).max() <= DOUBT and (np.diff(voltage) < 0).all()


def test_a_run_in_two_parts_ends_where_the_whole_run_ends():
    forward, seconds = Forward(), np.full(60, 20.0)
    current, start = np.linspace(4.0, 1.0, 60), forward.rested(0.7)
    names = ["anode", "negative1", "positive1", "electrolyte1"]
    whole = forward.run(start, current, seconds, 298.15, 0.0, names)
    first = forward.run(start, current[:24], seconds[:24], 298.15, 0.0, names)
    state = dict(zip(("negative0", "positive0", "electrolyte0"), first[1:], strict=True))
    second = forward.run(state, current[24:], seconds[24:], 298.15, 0.0, names)
    np.testing.assert_array_equal(np.concatenate([first[0], second[0]]), whole[0])
    np.testing.assert_array_equal(second[1], whole[1])


def test_the_committed_network_closes_a_cycle_and_grows_the_truths_film():
    forward = Forward()
    condition = protocol.Condition(25.0, 0.0, 1.0, 1)
    points = predict.Ageing(Cycler(forward, condition, 60.0)).run()
    truth = next(one for one in protocol.kept()["conditions"] if one["model"] == "DFN")
    electrode = predict.electrode(forward)
    grown = points[-1].thickness @ electrode.weights - FILM.first_thickness
    assert grown * 1e9 == pytest.approx(truth["thickness"][0] - 5.0, rel=0.01)
    assert points[0].capacity == pytest.approx(truth["capacity"][0], rel=0.005)
    assert points[0].hours == pytest.approx(truth["hours"][0], rel=0.005)
