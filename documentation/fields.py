"""A pydantic class -> one Markdown table: name, type, default, unit, meaning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from platform_interface.when import span

#: How a field that is read by one of the program's own validators is written by a person.
WRITTEN_AS = {
    "seconds": "duration",
    "_unit": "unit",
    "_version": "MAJOR.MINOR.PATCH",
    "_date": "time, ISO 8601 with offset",
    "_zone": "IANA time zone",
    "_names": "list of text, or text with commas",
}
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "object", list: "list"}
_UNIT = re.compile(r"\s*\[([^\]]+)\]$")


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; `|` and line ends inside cells are escaped."""
    head = list(headings)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()


def field_table(model: type[BaseModel]) -> str:
    """Return the table of one class."""
    rows = [
        (f"`{name}`", type_of(field), default_of(field), unit_of(field), meaning_of(field))
        for name, field in visible(model).items()
    ]
    return table(("field", "type", "default", "unit", "meaning"), rows)


def visible(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields that a person may write; those set on reading are excluded from every dump."""
    return {name: field for name, field in model.model_fields.items() if not field.exclude}


def classes_below(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return a class and every class inside its fields, each once."""
    found = [model]
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            found += [item for item in classes_below(inner) if item not in found]
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def validator_of(annotation: Any, metadata: Iterable[Any] = ()) -> str | None:
    """Return the name of the function that reads the field, of a field or of a type that may be left out."""
    for item in [*metadata, *getattr(annotation, "__metadata__", ())]:
        if isinstance(item, BeforeValidator):
            return str(getattr(item.func, "__name__", ""))
    inner = [validator_of(argument) for argument in get_args(annotation) if argument is not NoneType]
    return inner[0] if len(inner) == 1 and get_origin(annotation) not in (list, dict, tuple) else None


def type_of(field: FieldInfo) -> str:
    """Return the type in words, with the bounds."""
    written = WRITTEN_AS.get(validator_of(field.annotation, field.metadata) or "")
    bounds = _bounds(field.metadata)
    return f"{written or _words(field.annotation)}{f', {bounds}' if bounds else ''}"


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{json_text(value)}`" for value in arguments)
    if annotation is Any:
        return "any"
    if origin is dict:
        return "object" if arguments[1] is Any else f"object of {_words(arguments[1])}"
    if origin is list:
        return f"list of {_words(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(_words(argument) for argument in arguments)}]"
    if hasattr(annotation, "__metadata__"):
        return WRITTEN_AS.get(validator_of(annotation) or "", _words(arguments[0]))
    if arguments:
        return " or ".join(_words(argument) for argument in arguments if argument is not NoneType)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return _PLAIN.get(annotation, str(annotation))


def _bounds(metadata: Iterable[Any]) -> str:
    low = next((item.ge for item in metadata if getattr(item, "ge", None) is not None), None)
    high = next((item.le for item in metadata if getattr(item, "le", None) is not None), None)
    pattern = next((item.pattern for item in metadata if getattr(item, "pattern", None)), None)
    parts = [
        f"{low:,}" if low is not None else "",
        f"to {high:,}" if high is not None else "or more" if low is not None else "",
    ]
    return " ".join(part for part in parts if part) + (f"`{pattern}`" if pattern else "")


def default_of(field: FieldInfo) -> str:
    """Return the default as JSON; durations also as people write them."""
    if field.is_required():
        return "**required**"
    if field.default_factory is not None or field.default is PydanticUndefined:
        value = field.get_default(call_default_factory=True, validated_data={})
        return f"`{json_text(value)}`" if isinstance(value, (list, dict)) else "each field's default"
    if validator_of(field.annotation, field.metadata) == "seconds" and isinstance(field.default, float):
        return f'`"{span(field.default).replace(" ", "")}"`' if field.default else '`"0s"`'
    return "not set" if field.default is None else f"`{json_text(field.default)}`"


def json_text(value: Any) -> str:
    """Return a value as it stands in a JSON file."""
    import json

    return json.dumps(value, ensure_ascii=False)


def unit_of(field: FieldInfo) -> str:
    """Return the unit that stands at the end of the description."""
    found = _UNIT.search(field.description or "")
    return found.group(1) if found else ""


def meaning_of(field: FieldInfo) -> str:
    """Return the description without its unit."""
    return _UNIT.sub("", field.description or "").strip()
