"""Samples come as Arrow or as JSON, and in either form only sound ones are used."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from platform_interface.arrow_points import ARROW, packed, unpacked
from platform_interface.errors import PlatformError
from platform_interface.platforms.thingsboard.values import columns
from tests.answering import Asked, Told, answering
from tests.test_thingsboard_answers import opened, usual

TIME = np.arange(1000, 1050, dtype=np.int64)
VALUES = np.arange(50) / 7
KINDS = (pa.int64(), pa.float64())
WHOLE = packed({"I": (TIME, VALUES)})


def stream(*batches: tuple[Any, ...], words: tuple[str, str] = ("ts", "value"), kinds: Any = KINDS) -> bytes:
    schema = pa.schema(list(zip(words, kinds, strict=True)))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for name, time, values in batches:
            columns = [pa.array(time, kinds[0]), pa.array(values, kinds[1])]
            writer.write_batch(pa.record_batch(columns, schema=schema), custom_metadata={"key": name} if name else None)
    return bytes(sink.getvalue())


def read(content: bytes, kind: str = ARROW, limit: int = 100) -> Any:
    def answer(asked: Asked) -> Told:
        if asked.path.endswith("/values/timeseries"):
            return Told(raw=content, headers={"Content-Type": kind})
        return usual(asked)

    with answering(answer) as server:
        tables = opened(server, request_values=limit).read("pack", ["I"], 0, 10_000)
        asked = [each for each in server.asked if each.path.endswith("/values/timeseries")]
        assert all(each.headers["Accept"] == f"{ARROW}, application/json;q=0.9" for each in asked)
    return tables


def test_both_forms_give_the_same_samples_and_the_answer_says_which_it_is():
    text = json.dumps({"I": [{"ts": t, "value": v} for t, v in zip(TIME.tolist(), VALUES.tolist(), strict=True)]})
    compact = text.replace(": ", ":").replace(", ", ",").encode()
    assert columns(compact) is not None and columns(text.encode()) is None
    for content, kind in ((WHOLE, ARROW), (compact, "application/json"), (text.encode(), "application/json;charset=UTF-8")):
        [found] = read(content, kind)
        assert np.array_equal(found.time, TIME) and np.array_equal(found.values[0], VALUES)
    for content, kind in ((WHOLE, "application/json"), (compact, ARROW)):
        with pytest.raises(PlatformError):
            read(content, kind)


def test_what_is_not_finite_is_no_sample_in_either_form(caplog):
    values = [1.0, float("nan"), float("inf"), 4.0]
    as_json = b'{"I":[{"ts":1,"value":1.0},{"ts":2,"value":"NaN"},{"ts":3,"value":"Infinity"},{"ts":4,"value":4.0}]}'
    huge = as_json.replace(b'"NaN"', b'"1e999"').replace(b'"Infinity"', b"null")
    for content, kind in ((packed({"I": (np.arange(1, 5), np.array(values))}), ARROW), (as_json, ""), (huge, "")):
        caplog.clear()
        [found] = read(content, kind)
        assert found.absent is not None and found.absent[0].tolist() == [False, True, True, False]
        assert np.array_equal(found.values[0], [1.0, np.nan, np.nan, 4.0], equal_nan=True)
        assert "2 that are no number" in caplog.text


@pytest.mark.parametrize("length", range(0, len(WHOLE), 29))
def test_a_stream_that_ends_early_is_never_taken_for_whole(length):
    with pytest.raises(ValueError, match=r"\w"):
        unpacked(WHOLE[:length])


@pytest.mark.parametrize(
    "content",
    [
        WHOLE[:-8], b"", b"{}", WHOLE[:300] + WHOLE[-8:],
        stream(("I", [1], [1.0]), ("I", [2], [2.0])), stream((None, [1], [1.0])), stream(("Other", [1], [1.0])),
        stream(("I", [1, 2], [1.0, None])), stream(("I", [1], [1.0]), words=("time", "value")),
        stream(("I", [1], ["x"]), kinds=(pa.int64(), pa.string())),
        stream(("I", [2, 1], [1.0, 2.0])), stream(("I", [1, 1], [1.0, 2.0])), stream(("I", [-1], [1.0])), stream(("I", [10_000], [1.0])),
    ],
)  # fmt: skip
def test_a_damaged_or_strange_stream_is_an_error_with_a_sentence(content):
    with pytest.raises(PlatformError, match="answered with"):
        read(content)


@pytest.mark.parametrize(
    "content",
    [
        b'{"I":[{"ts":1,"value":2},{"ts":3,"value":4,"value":5}]}', b'{"I":[{"ts":1,"value":[2]}]}', b'{"I":[[1,2]]}', b'{"I":[1,2]}',
        b'{"I":[{"ts":1,"value":2},{"ts":3}]}', b'{"I":[{"ts":1.5,"value":2}]}', b'{"I":[{"ts":true,"value":2}]}',
        b'{"I":[{"value":2,"ts":1}]}', b'{"I":[{"ts":1,"value":2}]', b'{"I":{"ts":1,"value":2}}', b"null", b'[{"ts":1,"value":2}]',
    ],
)  # fmt: skip
def test_the_short_way_through_json_finds_nothing_that_is_not_there(content):
    """Where the short way takes an answer, it finds what the long way does; else it leaves it to that."""
    found = columns(content)
    if found is not None:
        wanted = {
            name: ([p["ts"] for p in points], [p["value"] for p in points]) for name, points in json.loads(content).items()
        }
        assert found == wanted


def test_a_name_or_text_that_looks_like_the_frame_of_a_point_does_not_mislead():
    odd = '},{"ts":1,"value":2}]'
    content = json.dumps({odd: [{"ts": 1, "value": odd}, {"ts": 2, "value": ',"value":'}]}, separators=(",", ":")).encode()
    assert columns(content) in (None, {odd: ([1, 2], [odd, ',"value":'])})
