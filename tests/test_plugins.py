"""The conformance suite over every plugin in `models/`, and over the well-made ones of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests import conformance, kit
from tests.kit import PLUGINS
from tests.random_site import plugin_folders

MODELS = Path(__file__).parent.parent / "models"
FOLDERS = {
    name: folder
    for name, folder in plugin_folders(MODELS, PLUGINS).items()
    if not name.startswith("broken_") and name not in ("after_cycles", "failing", "after_failing", "stops_at_noon")
}
EVERY = pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
FEW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # a seed says nothing when it is made smaller
    suppress_health_check=list(HealthCheck),
)
SEEDS = st.integers(0, 10_000)


@EVERY
@FEW
@given(seed=SEEDS, cuts=st.lists(st.floats(0.01, 0.99), max_size=5), max_values=st.sampled_from([7, 40, 300, 100_000]))
def test_law_1_no_split_changes_a_number(folder, seed, cuts, max_values):
    conformance.law_1_any_split(folder, seed, cuts, max_values)


@EVERY
@FEW
@given(seed=SEEDS)
def test_law_2_no_order_or_repeat_of_delivery_changes_a_number(folder, seed):
    conformance.law_2_any_order_and_repeats(folder, seed)


@EVERY
@FEW
@given(seed=SEEDS, share=st.floats(0.02, 0.5))
def test_law_3_no_late_sample_changes_a_number(folder, seed, share):
    conformance.law_3_late_data(folder, seed, share)


@EVERY
@FEW
@given(seed=SEEDS)
def test_law_3_one_late_sample_changes_no_number(folder, seed):
    conformance.law_3_one_late_sample(folder, seed)


@EVERY
@FEW
@given(seed=SEEDS)
def test_law_4_a_longer_gap_adds_nothing(folder, seed):
    conformance.law_4_gaps(folder, seed)


@EVERY
@FEW
@given(seed=SEEDS)
def test_law_4_dirt_is_counted_and_never_reaches_the_model(folder, seed):
    conformance.law_4_dirt_never_arrives(folder, seed)


@EVERY
def test_law_5_a_missing_input_is_refused_with_its_remedy(folder):
    conformance.law_5_refuses(folder, 1)


@EVERY
@FEW
@given(seed=SEEDS)
def test_law_6_windows_of_one_sample_or_none_are_no_failure(folder, seed):
    conformance.law_6_empty_and_single(folder, seed)


@EVERY
def test_a_plugin_folder_is_complete_and_valid(folder):
    from platform_interface.validation import _faults

    assert _faults(folder.name, folder) == []


def test_a_fresh_new_model_is_valid_and_conforms(tmp_path, monkeypatch):
    from platform_interface.scaffold import scaffold
    from platform_interface.validation import _faults

    folder = scaffold("fresh_model", tmp_path)
    monkeypatch.setattr(kit, "FOLDERS", [PLUGINS, tmp_path])
    assert _faults("fresh_model", folder) == []
    conformance.law_1_any_split(folder, 3, [0.2, 0.7], 40)
    conformance.law_3_late_data(folder, 3, 0.2)
    for law in (
        conformance.law_2_any_order_and_repeats,
        conformance.law_4_gaps,
        conformance.law_4_dirt_never_arrives,
        conformance.law_5_refuses,
        conformance.law_6_empty_and_single,
    ):
        law(folder, 3)
