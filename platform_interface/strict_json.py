"""JSON that people write: what the standard reader lets pass silently is refused."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_MOST_DIGITS = 19
_DEEPEST = 64


def parse(text: str) -> Any:
    """Read JSON; a key that is given twice in one object is a fault, not a silent choice of the last.

    Raises
    ------
    ValueError
        Not JSON, a key given twice, a number that no double or 64-bit integer holds, a text that is none. The message
        never shows a value.

    Examples
    --------
    >>> parse('{"capacity": 5, "capacity": 50}')
    Traceback (most recent call last):
    ValueError: 'capacity' is given twice in one object
    >>> parse('{"capacity": 1e999}')
    Traceback (most recent call last):
    ValueError: a number is larger than this program can hold (1.8e308)
    """
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_not_json, parse_float=_decimal, parse_int=_whole)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if "\\u" in text or _NO_TEXT.search(text):
        _refuse_what_is_no_text(content)
    return content


def usable(value: Any, depth: int = 0) -> Any:
    """Return what a platform sent, as this program can hold it: a number that no double holds, as its text; no text that is none.

    Examples
    --------
    >>> usable({"Capacity": float("inf"), "name": "pack\\ud800"})
    {'Capacity': 'inf', 'name': 'pack?'}
    """
    if depth > _DEEPEST:
        return "nested too deeply"
    if isinstance(value, dict):
        return {usable(str(key)): usable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [usable(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _NO_TEXT.sub("?", value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return "a whole number of more than 19 digits"
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"'{key}' is given twice in one object")
        content[key] = value
    return content


def _not_json(word: str) -> Any:
    raise ValueError(f"{word} is not a number in JSON")


def _decimal(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is larger than this program can hold (1.8e308)")
    return number


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _MOST_DIGITS or abs(int(text)) >= 2**63:
        raise ValueError("a whole number is larger than this program can hold (19 digits)")
    return int(text)


def _refuse_what_is_no_text(content: Any) -> None:
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and (found := _NO_TEXT.search(value)):
            kind = "the null character" if found.group() == "\0" else "half of a surrogate pair"
            raise ValueError(f"a text or a name holds {kind}, which no text may hold")
