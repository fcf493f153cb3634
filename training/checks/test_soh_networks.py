"""Networks of the state of health: who is drawn, what a fold sees, what is exported, what leaves no cell in."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from models.neural_soh.features import FEATURES
from tests.test_soh_protocol import fading
from tests.test_soh_raw_ship import life
from training.soh import processes
from training.soh.ship.export import from_torchscript, to_onnx, to_torchscript
from training.soh.ship.history import LENGTH, Estimator
from training.soh.ship.learn import Design, rows_of, train


def test_no_charge_of_a_cell_that_is_left_out_is_ever_drawn():

    rows = rows_of([life("a"), life("b", 90), life("c")])
    chance = rows.chance([0, 2])
    drawn = np.searchsorted(chance, np.random.default_rng(0).random(20_000))
    assert set(rows.cell[drawn]) == {0, 2}
    assert np.mean(rows.cell[drawn] == 0) == pytest.approx(0.5, abs=0.02)


def test_a_network_of_a_fold_is_the_same_whatever_the_left_out_cell_holds():

    cells = [life("a"), life("b", seed=1), life("c", seed=2)]
    other = [*cells[:2], life("c", seed=9)]
    networks = [train(some, [[0, 1]], [0], Design(steps=5))[0] for some in (cells, other)]
    for one, two in zip(*(network.state_dict().values() for network in networks), strict=True):
        assert torch.equal(one, two)


def test_the_exports_say_what_the_model_in_python_says(tmp_path):

    estimator = Estimator(train([life("a"), life("b", seed=1)], [[0, 1]] * 2, [0, 1], Design(steps=5)), 1.7).eval()
    to_onnx(estimator, tmp_path / "some.onnx", {"what": "test"})
    to_torchscript(estimator, tmp_path / "some.pt")
    session, script = onnxruntime.InferenceSession(str(tmp_path / "some.onnx")), from_torchscript(tmp_path / "some.pt")
    random = np.random.default_rng(0)
    for count in (1, 3, 40):
        rows = random.normal(0.5, 0.5, (count, LENGTH, len(FEATURES))).astype(np.float32)
        rows[random.random(rows.shape) < 0.3] = np.nan
        rows[-1, :5] = np.nan
        chemistry = np.eye(4, dtype=np.float32)[random.integers(4, size=count)]
        with torch.inference_mode():
            wanted = estimator(torch.tensor(rows), torch.tensor(chemistry))
            traced = script(torch.tensor(rows), torch.tensor(chemistry))
        found = session.run(None, {"charges": rows, "chemistry": chemistry})
        for one, two, three in zip(wanted, traced, found, strict=True):
            np.testing.assert_allclose(two.numpy(), one.numpy(), atol=1e-5)
            np.testing.assert_allclose(three, one.numpy(), atol=1e-5)


def test_the_weighted_median_of_charges_of_one_weight_is_the_median():

    answer = torch.tensor([[0.9, 0.95, 0.91, 0.4, 0.92, 0.93, 0.94, 0.96]], dtype=torch.float32)
    scale = torch.full((1, LENGTH), 10.0)  # so large that age does not count
    median, _ = Estimator([]).combined(answer, scale, torch.ones(1, LENGTH))
    assert float(median[0]) == pytest.approx(np.median(answer.numpy()), abs=1e-4)


def test_error_of_a_cell_left_out_is_that_of_a_regression_fitted_without_it() -> None:

    random = np.random.default_rng(0)
    rows, labels = torch.tensor(random.normal(size=(4, 3, 5))), torch.tensor(random.normal(size=(4, 3)))
    logs = {
        name: torch.full((4,) if name in ("length", "slope") else (), value, dtype=torch.float64)
        for name, value in processes.BEGIN.items()
    }
    found = processes.errors_left_out(rows, labels, logs)
    for out in range(4):
        others = [cell for cell in range(4) if cell != out]
        known = rows[others].reshape(9, 5)
        weights = torch.linalg.solve(processes.with_noise(known, logs), labels[others].reshape(9))
        torch.testing.assert_close(found[out], labels[out] - processes.kernel(rows[out], known, logs) @ weights)


def test_kernel_regression_follows_a_slope_beyond_what_it_was_trained_on_and_looks_at_no_later_charge() -> None:

    predict = processes.process([fading(seed, name=str(seed)) for seed in range(6)], seed=0)
    cell = fading(7, count=60)
    whole = predict(cell)
    assert 100 * np.abs(whole - cell.soh).mean() < 2.0
    np.testing.assert_allclose(predict(cell.until(20)), whole[:20], atol=1e-9)
