"""The leakage guard catches what leaks and lets honest features pass; it runs here on every feature of every measured set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.measured_data import shared_data
from training.soh import literature
from training.soh.cells import Cell
from training.soh.leakage import LeakageError, check_causal, check_labels, check_split
from training.soh.raw.dataset import READERS, charges_of, features_of, segments_of

SHARED = shared_data()
measured = pytest.mark.skipif(SHARED is None, reason="the measured data is not there; set TWIN_SHARED_DATA")


def life(seed, length=400, noise=2e-3):
    """Return the SOH of a cell that fades faster and faster, as measured."""
    random = np.random.default_rng(seed)
    age = np.linspace(0, 1, length)
    fade = (0.15 + 0.1 * random.random()) * age + 0.05 * age ** (3 + random.integers(3))
    return 1.0 - fade, 1.0 - fade + noise * random.standard_normal(length)


def cells(column_of, count=3, noise=2e-3):
    """Return cells whose one feature is made from true and measured SOH."""
    found = []
    for seed in range(count):
        true, measured_soh = life(seed, noise=noise)
        column = column_of(true, measured_soh, np.random.default_rng(100 + seed))
        found.append(Cell(f"cell-{seed}", "made", 1.0, ("x",), np.asarray(column, dtype=float)[:, None], measured_soh))
    return found


LEAKS = {
    "the label": lambda true, soh, random: soh,
    "charge by the nominal capacity": lambda true, soh, random: 101.8 * soh,
    "by a factor of the cell": lambda true, soh, random: (90 + 20 * random.random()) * soh + 3,
    "its inverse, as a fraction of state of charge at a time": lambda true, soh, random: 0.167 / soh,
    "a power": lambda true, soh, random: soh**2.5,
    "a curved function": lambda true, soh, random: np.tanh(4 * soh - 3),
    "rounded to four digits": lambda true, soh, random: np.round(soh, 4),
    "made of it in a third of the rows": lambda true, soh, random: np.where(
        random.random(len(soh)) < 0.33, 102 * soh, 102 * soh + 0.3 * random.standard_normal(len(soh))
    ),
}
HONEST = {
    "charging time of a smooth life": lambda true, soh, random: 3600 * true - 100,
    "a measurement of it with its own noise": lambda true, soh, random: true + 2e-3 * random.standard_normal(len(soh)),
    "cycle count": lambda true, soh, random: np.arange(len(soh)),
    "the capacity measured before": lambda true, soh, random: np.append(soh[0], soh[:-1]),
    "mean of the last capacities": lambda true, soh, random: pd.Series(soh).rolling(5, min_periods=1).mean().shift(1).bfill(),
    "nothing to do with it": lambda true, soh, random: random.standard_normal(len(soh)),
    "a constant": lambda true, soh, random: np.full(len(soh), 0.5),
    "a number of levels": lambda true, soh, random: np.round(5 * true),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_function_of_the_label_is_refused(name):
    with pytest.raises(LeakageError, match=r"(?s)1 columns are functions of the label.*x: "):
        check_labels(("x",), cells(LEAKS[name]))


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_feature_is_not_refused_however_well_it_follows_the_label(name):
    made = cells(HONEST[name])
    check_labels(("x",), made)
    check_labels(("x",), made[:1])


@settings(deadline=None, max_examples=30)
@given(st.floats(-50, 50).filter(lambda slope: abs(slope) > 0.01), st.floats(-10, 10), st.integers(0, 1000))
def test_any_line_of_the_label_is_refused_in_any_order_of_the_rows(slope, offset, seed):
    made = cells(lambda true, soh, random: slope * soh + offset)
    order = np.random.default_rng(seed).permutation(len(made[0]))
    shuffled = [replace(cell, features=cell.features[order], soh=cell.soh[order]) for cell in made]
    with pytest.raises(LeakageError):
        check_labels(("x",), shuffled)


def test_all_columns_that_leak_are_named_at_once_and_the_others_are_not():
    made = []
    for cell in cells(LEAKS["the label"]):
        random = np.random.default_rng(5)
        features = np.column_stack([cell.soh * 2, random.standard_normal(len(cell)), 1 / cell.soh])
        made.append(replace(cell, names=("twice", "noise", "inverse"), features=features))
    with pytest.raises(LeakageError) as caught:
        check_labels(("twice", "noise", "inverse"), made)
    assert "twice:" in str(caught.value)
    assert "inverse:" in str(caught.value)
    assert "noise:" not in str(caught.value)


def test_features_scaled_over_the_whole_life_are_refused():
    made = cells(HONEST["a measurement of it with its own noise"])[0]

    def scaled(cell):
        low, high = cell.features.min(axis=0), cell.features.max(axis=0)
        return (cell.features - low) / (high - low)

    with pytest.raises(LeakageError, match="knows the future"):
        check_causal(scaled, made, [50, 200])


@pytest.mark.parametrize("centred", [True, False])
def test_a_centred_mean_is_refused_and_a_trailing_one_is_not(centred):
    made = cells(HONEST["a measurement of it with its own noise"])[0]

    def smooth(cell):
        return pd.DataFrame(cell.features).rolling(5, min_periods=1, center=centred).mean().to_numpy()

    if centred:
        with pytest.raises(LeakageError, match=r"feature 0 of charge 48"):
            check_causal(smooth, made, [50])
    else:
        assert check_causal(smooth, made, [50, 200]) == 250


def test_charges_that_vanish_later_are_refused():
    made = cells(HONEST["cycle count"])[0]
    with pytest.raises(LeakageError, match="vanish"):
        check_causal(lambda cell: cell.features[: 300 if len(cell) < 400 else 100], made, [350])


def test_a_cell_on_two_sides_of_a_split_is_refused_by_its_name():
    made = cells(HONEST["a measurement of it with its own noise"])
    check_split(made[:2], made[2:])
    with pytest.raises(LeakageError, match="made cell-1 is on two sides"):
        check_split(made[:2], made[1:])


def three(cell):
    """Return the cell with three features, so that a charge can be told from another."""
    return replace(cell, names=("x", "y", "z"), features=np.hstack([cell.features, cell.features**2, np.sqrt(cell.features)]))


def test_a_cell_on_two_sides_under_two_names_is_refused_by_its_data():
    made = [three(cell) for cell in cells(HONEST["a measurement of it with its own noise"])]
    renamed = replace(made[0], name="other", group="another set")
    with pytest.raises(LeakageError, match="one cell under two names"):
        check_split(made[:2], [renamed])


def test_a_part_of_a_cell_that_was_copied_into_another_is_refused():
    made = [three(cell) for cell in cells(HONEST["a measurement of it with its own noise"])]
    mixed = np.vstack([made[1].features[:350], made[0].features[:50]])
    with pytest.raises(LeakageError, match="share 50 charges to the last digit"):
        check_split(made[:1], [replace(made[1], features=mixed)])


def test_validation_is_a_side_too():
    made = cells(HONEST["a measurement of it with its own noise"])
    with pytest.raises(LeakageError):
        check_split(made[:1], made[1:2], made[1:])


# --- the measured sets ---


@measured
@pytest.mark.parametrize("group", literature.GROUPS)
def test_no_feature_of_the_literature_set_is_a_function_of_the_label_and_no_cell_is_on_two_sides(group):
    every = literature.read(SHARED, group)
    check_labels(literature.FEATURES, every)
    check_split(*literature.split(every))
    check_causal(lambda cell: cell.features, every[0], [10, len(every[0]) // 2])


@measured
@pytest.mark.parametrize("group", READERS)
def test_features_of_raw_telemetry_are_the_same_bits_when_only_the_past_is_known(group):
    raw = READERS[group](SHARED)[0]
    known = [segment.known / 1000.0 for segment in segments_of(raw)]
    compared = check_causal(features_of, raw, [known[10] - 900.0, known[40], raw.time[len(raw) // 2]])
    assert compared > 40


@measured
@pytest.mark.parametrize("group", READERS)
def test_no_feature_of_raw_telemetry_is_a_function_of_the_label(group):
    every = [charges_of(raw).cell for raw in READERS[group](SHARED)]
    check_labels(every[0].names, every)
    check_split(every[:1], every[1:])


@measured
def test_the_columns_of_the_storage_cells_that_are_made_from_the_label_are_refused():
    folder = SHARED / "lfp102ah_essl1_ageing"
    curves, table = pd.read_parquet(folder / "charge_30s.parquet"), pd.read_csv(folder / "cycles.csv")
    tenth = curves[curves["t_s"] == 600.0].set_index(["cell", "cycle"])["soc_frac"]
    names = ("charge_ah", "soc_after_ten_minutes", "soh", "dr")
    made = []
    for number, rows in table.groupby("cell"):
        keys = pd.MultiIndex.from_frame(rows[["cell", "cycle"]])
        columns = [rows["charge_ah"], tenth.reindex(keys).to_numpy(), rows["soh"], rows["dr"]]
        made.append(Cell(f"cell-{number}", "ESSL1", 102.0, names, np.column_stack(columns), rows["soh"].to_numpy(float)))
    with pytest.raises(LeakageError) as caught:
        check_labels(names, made)
    refused = str(caught.value)
    assert all(f"  {name}:" in refused for name in ("charge_ah", "soc_after_ten_minutes", "soh"))
    assert "  dr:" not in refused
