"""Files, calibration and table of the simulated cells, on cells made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.neural_soh.modes.half_cells import half_cells
from training.soh.modes import calibrate, cases, shards, simulate
from training.soh.modes.dataset import CYCLES, VIEWS, feature_names, measured, table, without_tests
from training.soh.modes.labels import MECHANISMS

LOST = (0.0, 0.01, 0.02, 0.04)


def written(folder: Path, number: int = 0) -> shards.Life:
    """A cell that loses lithium, in the file that a simulation would have left."""
    case = cases.draw(number, 0)
    cells = half_cells(case.condition.parameters)
    arrays: dict[str, np.ndarray] = {}
    for look, lost in enumerate(LOST):
        for kind, rate in (("cycle", case.condition.charge_rate), ("test", 0.2)):
            arrays |= {f"{look}/{kind}_{name}": rows for name, rows in curves(case.condition.parameters, lost, rate).items()}
    capacity = np.array([cells.capacity(*cells.capacities, cells.lithium * (1 - lost)) for lost in LOST])
    # without its mechanism the cell keeps everything, without any other nothing changes
    without = np.tile(capacity, (len(MECHANISMS), 1))
    without[0] = capacity[0]
    arrays |= {"capacity": capacity, "capacity_without": without}
    shards.write(folder, case, arrays, cells.nominal, "by hand")
    return shards.read(shards.path_of(folder, case))


def curves(product: str, lost: float, rate: float) -> dict[str, np.ndarray]:
    cells = half_cells(product)
    lithium = cells.lithium * (1 - lost)
    low, high = cells.window(*cells.capacities, lithium)
    x = np.linspace(low, high, 80)
    voltage = cells.voltage(x, (lithium - x * cells.capacities[0]) / cells.capacities[1])
    time = (x - low) * cells.capacities[0] / (rate * cells.nominal) * 3600.0
    current = np.full(80, rate * cells.nominal)
    rest = np.stack([np.linspace(0, 1800, 31), np.zeros(31), cells.upper - 0.01 * np.linspace(0, 1, 31)])
    hold = np.array([[0.0, 600.0], [-0.2, -0.1], [cells.upper, cells.upper]])
    return {
        "cc": np.stack([time, -current, voltage]),
        "cv": hold,
        "rest": rest,
        "discharge": np.stack([time, current, voltage[::-1]]),
    }


def test_file_gives_back_what_was_written(tmp_path: Path) -> None:
    life = written(tmp_path)
    assert (life.looks, life.population, life.model) == (3, "nominal", "by hand")
    assert life.condition == cases.draw(0, 0).condition
    assert life.shares(3).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert life.fade(0) == 0.0
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_cell_that_has_its_file_or_has_failed_is_not_simulated_again(tmp_path: Path) -> None:
    written(tmp_path)
    shards.failure_path(tmp_path, cases.draw(1, 0)).write_text("{}", encoding="utf-8")
    left = {case.number for case in simulate.to_do(tmp_path, 6, 0)}
    assert left == {2, 3, 4, 5}


@pytest.mark.parametrize("view", VIEWS)
def test_table_has_a_row_a_look_with_its_label_and_no_label_in_its_features(tmp_path: Path, view: str) -> None:
    lives = [written(tmp_path, number) for number in (0, 1, 2)]
    found = table(lives, view, 2, 0)
    assert found.x.shape == (2, 9, len(feature_names(view)))
    assert np.isfinite(found.x).all()
    assert (found.label == 0).all()
    assert sorted(set(found.cell)) == ["cell-0-00000", "cell-0-00001", "cell-0-00002"]
    assert not np.array_equal(found.x[0], found.x[1])
    # another label of the same curves leaves every feature as it is
    for life in lives:
        life.arrays["capacity_without"][:] = life.arrays["capacity_without"][::-1].copy()
    again = table(lives, view, 2, 0)
    assert (again.label == 3).all()
    assert again.x.tobytes() == found.x.tobytes()


def test_charges_without_their_tests_are_the_same_as_never_tested_ones(tmp_path: Path) -> None:
    lives = [written(tmp_path, 0)]
    assert without_tests(table(lives, "test", 2, 7)).x.tobytes() == table(lives, "regular", 2, 7).x.tobytes()


def test_features_of_a_look_do_not_depend_on_looks_after_it(tmp_path: Path) -> None:
    life = written(tmp_path)
    whole = measured(life, "test", np.random.default_rng(5))
    cut = {name: rows for name, rows in life.arrays.items() if not name.startswith("3/")} | {
        "capacity": life.arrays["capacity"][:3],
        "capacity_without": life.arrays["capacity_without"][:, :3],
    }
    shorter = shards.Life(life.name, life.population, life.model, life.condition, life.nominal, cut)
    until = measured(shorter, "test", np.random.default_rng(5))
    assert len(whole) == len(CYCLES) - 1
    assert len(until) == len(whole) - 1
    assert all(one.tobytes() == other.tobytes() for one, other in zip(until, whole, strict=False))


FOUND: dict[str, list[tuple[float, float]]] = {
    "none": [(0.0, 0.0)],
    "sei": [(10.0, 0.01), (1000.0, 0.10)],
    "plating": [(0.01, 0.001), (1.0, 0.05)],
    "lam_ne": [(10.0, 0.01), (100.0, 0.2)],
    "lam_pe": [(10.0, 0.01), (100.0, 0.1)],
}


def test_largest_fade_is_one_that_every_mechanism_reaches() -> None:
    assert calibrate.largest_fade(FOUND) == pytest.approx(0.95 * 0.05)


def test_rate_of_a_mechanism_is_read_between_measured_ones_in_logarithms() -> None:
    # a severity of 1 is a fade of 0.0475; sei's share of it is 0.0316, half way between 0.01 and 0.10 in logarithms
    wanted = 10**-1.5 / 0.0475
    found = calibrate.multipliers(FOUND, np.array([wanted, 1 - wanted, 0.0, 0.0]), 1.0)
    assert found[0] == pytest.approx(100.0)
    # hardly any share costs hardly anything, in proportion below the smallest measured fade
    assert 0 < found[2] < 1e-5
