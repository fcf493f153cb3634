"""The parts of `training/pinn` that need neither torch nor PyBaMM: profiles, figures of merit, the study's order, the results page."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from training.pinn import evaluate_metrics as metrics
from training.pinn import report, study
from training.pinn.evaluate import chosen_weights
from training.pinn.evaluate_network import PARAMETERS, WEIGHTS, padded
from training.pinn.evaluate_noisy import NOISE, cut, measured
from training.pinn.evaluate_profiles import FACTORS, FIRST_SEED, drawn_factors
from training.pinn.profiles import DURATION, NOMINAL, draw, temperature


def test_same_seed_draws_the_same_profile_and_another_seed_another() -> None:
    first, again, other = draw(100_000), draw(100_000), draw(100_001)
    assert first.kind == again.kind
    assert np.array_equal(first.current, again.current)
    assert not np.array_equal(first.current, other.current)


def test_chosen_ambient_changes_temperature_and_not_the_load() -> None:
    drawn, hot = draw(100_003), draw(100_003, 55.0)
    assert hot.ambient == 55.0
    assert np.array_equal(drawn.current, hot.current)
    assert drawn.soc == hot.soc


def test_profiles_stay_within_three_c_of_discharge_and_half_of_it_on_charge() -> None:
    for seed in range(40):
        current = draw(seed).current
        assert len(current) == DURATION + 1
        assert current.max() <= 3.0 * NOMINAL
        assert current.min() >= -1.5 * NOMINAL


def test_cell_without_current_keeps_the_temperature_around_it() -> None:
    assert temperature(np.zeros(100), 25.0) == pytest.approx(np.full(100, 298.15))


def test_bin_mean_and_spread_of_a_ramp_are_those_of_the_line_between_samples() -> None:
    ramp = np.arange(11.0)  # two bins, 0 to 5 and 5 to 10
    assert metrics.bin_mean(ramp) == pytest.approx([2.5, 7.5])
    assert metrics.bin_spread(ramp) == pytest.approx([5 / np.sqrt(12)] * 2)


def test_bins_of_one_value_have_no_spread() -> None:
    assert metrics.bin_spread(np.full(11, 4.2)) == pytest.approx([0.0, 0.0], abs=1e-6)


def test_rmse_over_runs_weighs_each_by_its_bins() -> None:
    assert metrics.pooled([3.0, 4.0], [1, 1]) == pytest.approx(np.sqrt(12.5))
    assert metrics.pooled([3.0, 4.0], [3, 1]) == pytest.approx(np.sqrt((27 + 16) / 4))


def test_field_error_counts_every_node_after_the_start() -> None:
    truth = {"negative": np.zeros((20, 20, 3)), "positive": np.full((20, 20, 3), 7.0)}
    truth["negative"][:, :, 0] = 1e6  # the start is known and is not compared
    negative = np.full((2, 20, 20), 2.0)
    negative[:, -1] = 4.0  # the outermost of twenty shells
    errors = metrics.field_errors(truth, negative, np.full((2, 20, 20), 7.0))
    assert errors["negative"] == pytest.approx(np.sqrt((19 * 4 + 16) / 20))
    assert errors["negative_surface"] == pytest.approx(4.0)
    share = 1 - 0.95**3
    assert errors["negative_mean"] == pytest.approx(2.0 + 2.0 * share)
    assert errors["positive"] == 0.0


def test_plating_counts_charging_bins_of_small_true_margin_and_both_wrong_signs() -> None:
    current = np.array([-1.0, -1.0, -1.0, -1.0, 2.0])
    true = np.array([0.010, -0.010, 0.002, 0.080, -0.050])  # the fourth is far from plating, the fifth does not charge
    predicted = np.array([0.013, 0.001, -0.002, 0.5, 0.5])
    found = metrics.plating_errors(current, true, predicted)
    assert (found["bins"], found["plating"], found["missed"], found["false"]) == (3, 1, 1, 1)
    assert found["millivolt"] == pytest.approx(np.sqrt((3**2 + 11**2 + 4**2) / 3))
    assert found["worst_millivolt"] == pytest.approx(11.0)


def test_value_on_the_end_of_its_interval_is_covered() -> None:
    assert metrics.coverage(np.array([0.0, 1.0, 2.0, 3.0]), np.zeros(4), np.full(4, 2.0)) == 0.75


def test_state_of_charge_follows_from_lithium_by_volume_of_shell() -> None:
    field = np.zeros((20, 20, 2))
    field[-1] = 100.0
    share = 1 - 0.95**3
    assert metrics.mean_soc({"negative": field}, 0.0, 0.5, 100.0) == pytest.approx([share / 0.5])


def test_padding_repeats_the_last_value_or_fills() -> None:
    assert padded(np.arange(25.0)).shape == (1, 48)
    assert padded(np.arange(25.0))[0, -1] == 24.0
    assert padded(np.arange(25.0), 0.0)[0, -1] == 0.0
    assert padded(np.arange(24.0)).shape == (1, 24)


def test_perturbed_parameters_are_ten_to_twenty_percent_off_and_are_inputs_of_the_network() -> None:
    for seed in range(50):
        off = np.abs(np.array(list(drawn_factors(seed).values())) - 1)
        assert off.min() >= 0.1
        assert off.max() <= 0.2
    assert drawn_factors(FIRST_SEED) == drawn_factors(FIRST_SEED)
    assert set(FACTORS) <= set(PARAMETERS)


def test_sensor_noise_repeats_by_seed_and_has_the_stated_size() -> None:
    steady = {name: np.zeros(20_001) for name in ("current", "voltage", "temperature")}
    seen, again = measured(steady, 5), measured(steady, 5)
    assert np.array_equal(seen.voltage, again.voltage)
    assert np.std(seen.current) == pytest.approx(NOISE["current"], rel=0.05)
    assert np.std(seen.temperature) == pytest.approx(NOISE["temperature"], rel=0.05)
    biased = measured(steady, 5, bias=True)
    assert abs(np.mean(biased.current)) == pytest.approx(10e-3, abs=1e-3)
    assert abs(np.mean(biased.voltage)) == pytest.approx(2e-3, abs=1e-4)


def test_run_entered_in_mid_profile_keeps_samples_and_fields_together() -> None:
    samples = np.arange(21.0)
    fields = np.tile(np.arange(0.0, 25.0, 5.0), (20, 20, 1))
    truth = dict.fromkeys(("current", "temperature", "voltage", "anode"), samples) | dict.fromkeys(
        ("negative", "positive"), fields
    )
    part = cut(truth, 10)
    assert part["current"][0] == part["negative"][0, 0, 0] == 10.0
    assert part["negative"].shape[2] == (len(part["current"]) - 1) // 5 + 1


def record(row: str, variant: str, seed: int, negative: float, positive: float, sha: str = "a" * 64) -> dict[str, object]:
    """One record as `training.pinn.evaluate` keeps it."""
    run = {"seed": 100_000, "kind": "dynamic", "ambient": 20.0, "warmest": 30.0, "soc": 0.5, "bins": 720}
    run |= {"negative": negative, "positive": positive}
    worst = {
        f"worst_{side}": {"seed": 100_000, "rmse": value} for side, value in (("negative", negative), ("positive", positive))
    }
    return {
        "row": row,
        "variant": variant,
        "training_seed": seed,
        "weights": f"{variant}.onnx",
        "sha256": sha,
        "versions": {"python": "3.11"},
        "settings": {"ambient": {"hot": 55.0, "cold": 0.0}.get(row)},
        "summary": {"negative": negative, "positive": positive, **worst},
        "replaced": [],
        "runs": [run],
    }


def written(records: list[dict[str, object]], folder: Path) -> str:
    """The page of some records."""
    for number, one in enumerate(records):
        (folder / f"{number}.json").write_text(json.dumps(one), encoding="utf-8")
    return report.page(report.read(folder))


def line_of(page: str, start: str) -> str:
    """The first line of a page that begins with some words."""
    return next(line for line in page.splitlines() if line.startswith(start))


def test_table_says_required_aim_or_no_by_both_electrodes(tmp_path: Path) -> None:
    page = written(
        [
            record("known-start", "shipped", 0, 9.0, 2.5),
            record("hot", "shipped", 0, 24.0, 11.0),
            record("cold", "shipped", 0, 50.0, 31.0),
        ],
        tmp_path,
    )
    assert "| aim |" in line_of(page, "| in range").split("runs", 1)[1]
    assert "| required |" in line_of(page, "| +20 °C").split("runs", 1)[1]
    assert "| **no** |" in line_of(page, "| -15 °C")


def test_row_without_a_record_says_so(tmp_path: Path) -> None:
    assert "not run" in line_of(written([], tmp_path), "| in range")


def test_seeds_of_training_are_written_with_mean_least_and_largest(tmp_path: Path) -> None:
    page = written([record("known-start", "data-only", seed, 100.0 + seed, 50.0) for seed in range(3)], tmp_path)
    assert "101 (100 to 102) / 50.0 (50.0 to 50.0); 3 seeds" in line_of(page, "| in range")


def test_record_at_another_temperature_stays_out_of_the_row_and_is_listed(tmp_path: Path) -> None:
    other = record("known-start", "shipped", 0, 9.0, 2.5)
    other["settings"] = {"ambient": 10.0}
    page = written([other], tmp_path)
    assert "not run" in line_of(page, "| in range")
    assert "* known-start at 10 °C: 9.0 / 2.5, 1 runs" in page


def test_page_states_what_kind_of_cell_it_is_about_before_its_first_table(tmp_path: Path) -> None:
    page = written([record("known-start", "shipped", 0, 9.0, 2.5)], tmp_path)
    assert page.index("Simulated cell, known parameters") < page.index("\n| ")


def test_unequal_training_is_called_unfair(tmp_path: Path) -> None:
    network, baseline = record("known-start", "network", 0, 9.0, 2.5), record("known-start", "data-only", 0, 90.0, 25.0)
    network["training_cpu_seconds"], baseline["training_cpu_seconds"] = 1800.0, 1805.0
    assert "They are equal." in written([network, baseline], tmp_path)
    baseline["training_cpu_seconds"] = 900.0
    assert "They are not equal" in written([network, baseline], tmp_path)


def plan(folder: Path) -> list[study.Step]:
    """A study of two variants and two seeds."""
    return study.steps(folder / "data", folder, 60, [0, 1], ["network", "data-only"], folder / "results", folder / "cache")


def test_study_trains_the_first_seed_of_every_variant_before_the_second_of_any(tmp_path: Path) -> None:
    names = [step.name for step in plan(tmp_path) if step.name.startswith("train")]
    assert names == ["train network, seed 0", "train data-only, seed 0", "train network, seed 1", "train data-only, seed 1"]


def test_every_trained_variant_gets_the_same_seconds(tmp_path: Path) -> None:
    words = [step.words for step in plan(tmp_path) if step.name.startswith("train")]
    assert {one[one.index("--seconds") + 1] for one in words} == {"60"}


def test_step_is_done_only_when_its_record_is_about_the_weights_that_are_there(tmp_path: Path) -> None:
    export, evaluation = plan(tmp_path)[1:3]
    assert not study.done(export)
    assert not study.done(evaluation)
    export.makes.write_bytes(b"weights")
    assert study.done(export)
    evaluation.makes.parent.mkdir()
    evaluation.makes.write_text(json.dumps({"sha256": hashlib.sha256(b"weights").hexdigest()}), encoding="utf-8")
    assert study.done(evaluation)
    export.makes.write_bytes(b"trained anew")
    assert not study.done(evaluation)


def test_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    done, left = tmp_path / "done", tmp_path / "left"
    done.touch()
    steps = [study.Step("first", ("timeit", "--no-such-option"), done), study.Step("second", ("this",), left)]
    assert study.carry_out(steps, tmp_path) == 1
    assert (tmp_path / "second.log").read_text(encoding="utf-8").startswith("The Zen of Python")


def test_failed_step_names_its_log_and_ends_the_study(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no-such-module|exit code 1"):
        study.carry_out([study.Step("broken", ("no_such_module_at_all",), tmp_path / "never")], tmp_path)


def test_each_parameter_set_is_evaluated_with_its_own_committed_weights_and_never_with_those_of_another() -> None:
    assert [chosen_weights(None, name).name for name in ("OKane2022", "ORegan2022")] == ["weights.onnx", "oregan.onnx"]
    with pytest.raises(SystemExit, match=r"weights\.onnx is for OKane2022, and the truth would be of ORegan2022"):
        chosen_weights(WEIGHTS, "ORegan2022")
    with pytest.raises(SystemExit, match="no weights are committed for Chen2020"):
        chosen_weights(None, "Chen2020")
