"""Names that people type: the nearest match, and every fault of a file at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"``, or what there is to choose from, or nothing."""
    known = sorted(set(candidates))
    match = get_close_matches(name, known, n=1, cutoff=0.6) or [k for k in known if k.lower() == name.lower()]
    if match:
        return f"; did you mean '{match[0]}'?"
    if known and len(known) <= 12:
        return "; there is " + ", ".join(f"'{k}'" for k in known)
    return ""


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is not None:
        for argument in get_args(annotation):
            found = _model_in(argument)
            if found is not None:
                return found
    return None


def _fields_at(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """Names that are allowed beside the last element of `location`."""
    current: type[BaseModel] | None = model
    for part in location[:-1]:
        if current is None:
            return []
        by_alias = {info.alias or name: info for name, info in current.model_fields.items()}
        if part in by_alias:
            inner = _model_in(by_alias[part].annotation)
            keeps_keys = get_origin(by_alias[part].annotation) in (dict, list)
            current = inner
            if keeps_keys and inner is not None:
                continue
    return [] if current is None else [info.alias or name for name, info in current.model_fields.items() if not info.exclude]


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence a fault: where, what, and the nearest name. Values are shown, except of secrets."""
    sentences = []
    for item in error.errors(include_url=False):
        location = tuple(part for part in item["loc"] if not str(part).startswith(("function-", "literal[")))
        where = ".".join(str(part) for part in location) or "the file"
        if item["type"] == "extra_forbidden":
            hint = did_you_mean(str(location[-1]), _fields_at(model, location))
            sentences.append(f"{where}: not a known field{hint}")
        elif item["type"] == "missing":
            sentences.append(f"{where}: is missing")
        elif item["type"] == "value_error":
            sentences.append(f"{where}: {str(item['msg']).removeprefix('Value error, ')}")
        else:
            sentences.append(f"{where}: {item['msg']} (got {_shown(item.get('input'))})")
    return list(dict.fromkeys(sentences))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
