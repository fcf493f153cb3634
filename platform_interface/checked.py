"""Base of everything that is read from a file that people write: frozen, no unknown field, no value bent into another type."""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo, field_validator


class Checked(BaseModel):
    """A part of a file: ``true`` is no number in it, and ``"nan"`` is none either."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        if _is_number(cls, info.field_name) and _holds_truth(value):
            raise ValueError(f"{value!r} is not a number")
        return value


@lru_cache(maxsize=1024)
def _is_number(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields[name]
    if any(isinstance(reader, BeforeValidator) for reader in field.metadata):
        return False  # it has words of its own
    kinds = _leaves(field.annotation)
    return bool(kinds & {int, float}) and bool not in kinds


def _leaves(annotation: Any) -> set[Any]:
    """Return the types that a value, or an element of it, may have; a dict's values are not looked into."""
    origin = get_origin(annotation)
    if origin is Annotated and any(isinstance(reader, BeforeValidator) for reader in get_args(annotation)):
        return set()
    if origin in (Annotated, Union, types.UnionType, list, tuple):
        return {leaf for argument in get_args(annotation) for leaf in _leaves(argument)}
    return {annotation}


def _holds_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, (list, tuple)) and any(isinstance(each, bool) for each in value))


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    if low > high:
        raise ValueError(f"from {low:g} to {high:g} is empty; the lower end comes first")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
