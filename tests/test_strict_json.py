"""JSON that people write, where the standard reader would be lenient."""

from __future__ import annotations

import pytest

from platform_interface.strict_json import parse


def test_ordinary_json_is_read():
    assert parse('{"a": [1, 2.5, null, {"b": "c"}]}') == {"a": [1, 2.5, None, {"b": "c"}]}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"capacity": 5, "capacity": 50}', "'capacity' is given twice in one object"),
        ('{"a": {"b": 1, "b": 1}}', "'b' is given twice"),
        ('{"a": NaN}', "NaN is not a number in JSON"),
        ('{"a": ', "Expecting value at line 1"),
        ("1" * 5000, "larger than this program can hold"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_would_pass_silently_is_a_fault(text, fault):
    with pytest.raises(ValueError, match=fault):
        parse(text)


def test_the_message_never_shows_a_value():
    with pytest.raises(ValueError, match="twice") as caught:
        parse('{"userApiKey": "sk-secret", "userApiKey": "sk-secret"}')
    assert "sk-secret" not in str(caught.value)
