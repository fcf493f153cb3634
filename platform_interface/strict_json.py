"""JSON that people write: what the standard reader lets pass silently is refused."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str) -> Any:
    """Read JSON; a key that is given twice in one object is a fault, not a silent choice of the last.

    Raises
    ------
    ValueError
        Not JSON, or a key given twice. The message never shows a value.

    Examples
    --------
    >>> parse('{"capacity": 5, "capacity": 50}')
    Traceback (most recent call last):
    ValueError: 'capacity' is given twice in one object
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_not_json)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"'{key}' is given twice in one object")
        content[key] = value
    return content


def _not_json(word: str) -> Any:
    raise ValueError(f"{word} is not a number in JSON")
