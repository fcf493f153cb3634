"""What is carried from run to run: strict JSON, the checkpoints worth keeping, and the way back."""

from __future__ import annotations

import json
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_interface.checkpoint import Checkpoint, Day, History, erased, fault_in_state, load_history, worth_keeping
from platform_interface.errors import ModelError
from platform_interface.fingerprint import Piece
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.when import DAY

HOUR = 3_600_000


def checkpoint(end, **content):
    return Checkpoint(end, None, "1.0.0", 1, {"configuration": "x"}, **content)


def history(*ends, pieces=()):
    found = History("m")
    for end in ends:
        found.advanced(checkpoint(end), [p for p in pieces if p.end == end], {}, 3650 * 86400.0)
    return found


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ({"cells": [1, (2, 3)]}, "state.cells[1] is a tuple; a state is strict JSON: use a list"),
        ({"a": {1, 2}}, "state.a is a set; a state is strict JSON: use a list"),
        ({"a": np.float64(1.0)}, "state.a is a float64; a state is strict JSON: use float(), int() or .tolist()"),
        ({"a": [np.int64(1)]}, "state.a[0] is a int64; a state is strict JSON: use float(), int() or .tolist()"),
        ({"a": np.bool_(True)}, "state.a is a bool; a state is strict JSON: use float(), int() or .tolist()"),
        ({"a": np.array([1.0])}, "state.a is a ndarray; a state is strict JSON: use float(), int() or .tolist()"),
        ({"a": {"b": {3: 1}}}, "state.a.b has the key 3 of type int; a state is strict JSON: use str(key)"),
        ({"a": [{"b": float("nan")}]}, "state.a[0].b is nan; a state is strict JSON: use None, or leave it out"),
        ({"a": float("-inf")}, "state.a is -inf; a state is strict JSON: use None, or leave it out"),
        ({"a": b"x"}, "state.a is a bytes; a state is strict JSON: use float(), int() or .tolist()"),
        ({"a": OrderedDict()}, "state.a is a OrderedDict; a state is strict JSON: use float(), int() or .tolist()"),
        (None, None),
        ({"a": [1, 2.5, "x", True, None, {"b": []}]}, None),
    ],
)
def test_what_is_not_strict_json_is_named_with_its_path(state, fault):
    assert fault_in_state(state) == fault


trees = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=15,
)


@given(st.dictionaries(st.text(), trees, max_size=4))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_a_state_without_fault_comes_back_exactly(state):
    assert fault_in_state(state) is None
    [text] = History("m").advanced(checkpoint(1, state=state), [], {}, 0.0).values()
    assert json.loads(text)["state"] == state


def test_a_state_with_a_fault_is_not_saved_and_the_model_is_named():
    with pytest.raises(ModelError, match=r"^m: state\.x is a tuple"):
        History("m").advanced(checkpoint(1, state={"x": ()}), [], {}, 0.0)


def test_checkpoints_thin_out_with_age():
    now = 100 * DAY
    ends = [now - minutes * 60_000 for minutes in range(0, 10 * 24 * 60, 10)]
    keep = sorted(worth_keeping(ends, now, 7 * 86400.0))
    recent = [end for end in keep if now - end <= 2 * HOUR]
    hourly = [end for end in keep if 2 * HOUR < now - end <= 2 * DAY]
    daily = [end for end in keep if 2 * DAY < now - end <= 7 * DAY]
    before = [end for end in keep if now - end > 7 * DAY]
    assert len(recent) == 13
    assert len({end // HOUR for end in hourly}) == len(hourly) == 46
    assert len({end // DAY for end in daily}) == len(daily) <= 6
    assert before == [now - 7 * DAY - 10 * 60_000]


@given(st.sets(st.integers(0, 20 * DAY), min_size=1, max_size=60), st.floats(0, 10 * 86400))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_the_newest_checkpoint_is_kept_and_one_from_before_the_lookback(ends, lookback):
    watermark = max(ends)
    keep = worth_keeping(ends, watermark, lookback)
    assert keep <= ends
    assert watermark in keep
    oldest = watermark - round(lookback * 1000)
    older = [end for end in ends if end < oldest]
    assert not older or max(older) in keep


@given(st.lists(st.integers(1, 6 * HOUR), min_size=1, max_size=80))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_thinning_at_every_step_keeps_a_way_back_past_the_lookback(steps):
    lookback = 3 * 86400.0
    found, end = History("m"), 0
    for step in steps:
        end += step
        found.advanced(checkpoint(end), [], {}, lookback)
        first = steps[0]
        if end - first > lookback * 1000:
            assert found.before(end - round(lookback * 1000)) is not None
    assert found.watermark == end


def test_a_history_knows_its_last_checkpoint_and_those_before_an_instant():
    found = history(10, 20, 30)
    assert found.watermark == 30
    assert found.latest.end == 30
    assert found.before(30).end == 30
    assert found.before(29).end == 20
    assert found.before(9) is None
    assert History("m").watermark is None
    assert History("m").latest is None


def test_rolling_back_forgets_what_came_after_and_says_what_to_delete():
    pieces = [Piece(0, 10, 1, "a"), Piece(10, 20, 2, "b"), Piece(20, 30, 3, "c")]
    found = history(10, 20, 30, pieces=pieces)
    found.days[0].token = "t"
    changes = found.rolled_back(25)
    assert sorted(found.checkpoints) == [10, 20]
    assert found.days[0].pieces == pieces[:2]
    assert found.days[0].token == ""
    assert changes == {
        "checkpoint/m/000000000000030": None,
        "fingerprint/m/000000000000000": Day(pieces[:2]).as_text(),
    }


def test_rolling_back_before_the_first_checkpoint_forgets_everything():
    found = history(10, DAY + 5, pieces=[Piece(0, 10, 1, "a"), Piece(DAY, DAY + 5, 1, "b")])
    assert found.rolled_back(9) == {
        "checkpoint/m/000000000000010": None,
        "checkpoint/m/000000086400005": None,
        "fingerprint/m/000000000000000": None,
        "fingerprint/m/000000086400000": None,
    }
    assert (found.checkpoints, found.days) == ({}, {})


def test_rolling_back_to_the_last_checkpoint_changes_nothing():
    found = history(DAY, 2 * DAY, pieces=[Piece(0, DAY, 1, "a"), Piece(DAY, 2 * DAY, 2, "b")])
    assert found.rolled_back(2 * DAY) == {}


def test_advancing_adds_the_pieces_to_their_day_with_its_token():
    found = History("m")
    changes = found.advanced(checkpoint(DAY + 10), [Piece(0, DAY, 4, "a"), Piece(DAY, DAY + 10, 1, "b")], {DAY: "t"}, 1e6)
    assert set(changes) == {
        "fingerprint/m/000000000000000", "fingerprint/m/000000086400000", "checkpoint/m/000000086400010"
    }  # fmt: skip
    assert found.days[0].token == ""
    assert found.days[DAY] == Day([Piece(DAY, DAY + 10, 1, "b")], "t")


def test_advancing_says_which_checkpoints_are_no_longer_worth_keeping():
    found = history(10, 20)
    changes = found.advanced(checkpoint(30 * DAY), [], {}, 86400.0)
    assert changes["checkpoint/m/000000000000010"] is None
    assert sorted(found.checkpoints) == [20, 30 * DAY]


def test_erasing_deletes_every_checkpoint_and_fingerprint():
    found = history(10, 20, pieces=[Piece(0, 10, 1, "a")])
    assert set(erased(found).values()) == {None}
    assert (found.checkpoints, found.days) == ({}, {})


@pytest.fixture
def platform(tmp_path):
    found = LocalPlatform(tmp_path)
    found.save_asset(Asset("pack"))
    found.take_lease("pack", "me", 60.0)
    return found


def test_a_history_is_read_as_it_was_saved(platform):
    before = History("m")
    state = {"sum": 0.1 + 0.2, "last": None}
    changes = before.advanced(checkpoint(DAY, state=state, carry={"seeds": {"x": 1.0}}), [Piece(0, DAY, 4, "a")], {0: "t"}, 1e6)
    platform.save_state("pack", changes, "me")
    after = load_history(platform, "pack", "m")
    assert after == before
    assert load_history(platform, "pack", "m2") == History("m2")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("checkpoint/m/000000000000010", "{"),
        ("checkpoint/m/000000000000010", '{"end": 1}'),
        ("checkpoint/m/000000000000010", "[]"),
        ("fingerprint/m/000000000000000", '{"pieces": [[1]], "token": ""}'),
        ("fingerprint/m/000000000000000", "{}"),
        ("fingerprint/m/000000000000000", "3"),
    ],
)
def test_a_saved_state_that_cannot_be_read_asks_for_a_full_run(platform, key, text):
    platform.save_state("pack", {key: text}, "me")
    history = load_history(platform, "pack", "m")
    assert "cannot be read" in history.fault and not history.checkpoints
    assert erased(history) == {key: None}
