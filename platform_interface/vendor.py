"""Folders written for the vendor's boilerplate: its two manifest forms, read as today's.

Facts: the dict-keyed form is current there; an older one has lists with `logical_name` and a
separate `parameters` list. Types, unit words and the seed by `initialisation_value` are kept.
"""

from __future__ import annotations

from typing import Any

_TYPES = {"pd.Series": "pd.Series", "pd.DataFrame": "pd.DataFrame", "float": "float", "dict": "dict", "Dict": "dict",
          "Series": "pd.Series", "DataFrame": "pd.DataFrame", "number": "float", "int": "float"}  # fmt: skip
_COMPLEXITY = {"Simple", "Medium", "Advanced", "Expert"}
_KNOWN = {"name", "version", "description", "category", "complexity", "computational_cost", "inputs", "parameters",
          "outputs", "configuration", "author", "references"}  # fmt: skip
_CATEGORY = {"Performance", "Safety", "Health", "Efficiency", "Other"}


def _keyed(block: Any) -> dict[str, Any]:
    """Turn a list with `logical_name` into a dict; a dict stays one."""
    if isinstance(block, list):
        return {
            str(item.get("logical_name", item.get("name", position))): {
                key: value for key, value in item.items() if key not in ("logical_name", "name")
            }
            for position, item in enumerate(block)
            if isinstance(item, dict)
        }
    return dict(block) if isinstance(block, dict) else {}


def _known(word: Any, words: set[str], otherwise: str) -> str:
    return word if isinstance(word, str) and word in words else otherwise


def _input(field: Any) -> Any:
    if not isinstance(field, dict):
        return field
    known = {
        key: field[key] for key in ("unit", "description", "required", "initialisation_value") if field.get(key) is not None
    }
    kind = _TYPES.get(str(field.get("type", "pd.Series")), field.get("type"))
    quantity = {"A": "current", "W": "power"}.get(str(field.get("unit")), "other")
    return {**known, "type": kind, "quantity": quantity if kind == "pd.Series" else "other"}


def _output(field: Any) -> Any:
    if not isinstance(field, dict):
        return field
    known = {key: field[key] for key in ("unit", "description", "decimation_threshold") if field.get(key) is not None}
    return {**known, "type": _TYPES.get(str(field.get("type", "pd.Series")), field.get("type"))}


def _option(field: Any) -> Any:
    if not isinstance(field, dict):
        field = {"default": field}
    default = field.get("default")
    guess = "boolean" if isinstance(default, bool) else "string" if isinstance(default, str) else "number"
    return {"type": field.get("type", guess), "default": default, "description": field.get("description", "")}


def manifest_of_vendor(content: dict[str, Any]) -> dict[str, Any]:
    """Return today's form of a vendor manifest; unknown words become 'Other' or 'Simple'.

    Parameters
    ----------
    content : dict
        `model.json` of the vendor's boilerplate, dict-keyed or with lists.
    """
    inputs = {name: _input(field) for name, field in _keyed(content.get("inputs", {})).items()}
    for name, field in _keyed(content.get("parameters", {})).items():
        inputs[name] = _input({"type": "float", **field} if isinstance(field, dict) else field)
    version = str(content.get("version", "0.0.0"))
    return {
        **{key: value for key, value in content.items() if key not in _KNOWN},
        "manifest_version": 1,
        "name": content.get("name"),
        "version": version if version.count(".") == 2 else f"{version}.0",
        "description": content.get("description") or f"Vendor model {content.get('name')}",
        "category": _known(content.get("category"), _CATEGORY, "Other"),
        "complexity": _known(content.get("complexity"), _COMPLEXITY, "Simple"),
        "inputs": inputs,
        "outputs": {name: _output(field) for name, field in _keyed(content.get("outputs", {})).items()},
        "configuration": {name: _option(field) for name, field in _keyed(content.get("configuration", {})).items()},
    }
