"""What the vendor's boilerplate lays down: its two manifest forms, read as today's, and its settings file and launch.

Facts: the dict-keyed form is current there; an older one has lists with `logical_name` and a
separate `parameters` list. Types, unit words and the seed by `initialisation_value` are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_interface.errors import UsageError

if TYPE_CHECKING:
    from platform_interface.launch import Launch

#: Name of the settings file there; the platform looks for it when it launches a function.
SETTINGS = "altergo-settings.json"
_TYPES = {"pd.Series": "pd.Series", "pd.DataFrame": "pd.DataFrame", "float": "float", "dict": "dict", "Dict": "dict",
          "Series": "pd.Series", "DataFrame": "pd.DataFrame", "number": "float", "int": "float",
          "string": "str"}  # fmt: skip
_COMPLEXITY = {"Simple", "Medium", "Advanced", "Expert"}
_KNOWN = {"name", "version", "description", "category", "complexity", "computational_cost", "inputs", "parameters",
          "outputs", "configuration", "author", "references"}  # fmt: skip
_CATEGORY = {"Performance", "Safety", "Health", "Efficiency", "Other"}


def _keyed(block: Any, where: str, faults: list[str]) -> dict[str, Any]:
    """Turn a list with `logical_name` into a dict; a dict stays one."""
    if isinstance(block, dict):
        return dict(block)
    if not isinstance(block, list):
        faults.append(f"{where}: is a {type(block).__name__}, neither an object nor a list")
        return {}
    found: dict[str, Any] = {}
    for position, item in enumerate(block):
        name = item.get("logical_name", item.get("name")) if isinstance(item, dict) else None
        if not isinstance(name, str):
            faults.append(f"{where}.{position}: has no logical_name")
        elif name in found:
            faults.append(f"{where}.{position}: '{name}' is there already")
        else:
            found[name] = {key: value for key, value in item.items() if key not in ("logical_name", "name")}
    return found


def _known(word: Any, words: set[str], otherwise: str) -> str:
    return word if isinstance(word, str) and word in words else otherwise


def _stated(field: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a field says; a word that nobody knows stays, and is refused by name."""
    return {key: value for key, value in field.items() if value is not None}


def _input(field: Any) -> Any:
    if not isinstance(field, dict):
        return field
    kind = _TYPES.get(str(field.get("type", "pd.Series")), field.get("type"))
    quantity = {"A": "current", "W": "power"}.get(str(field.get("unit")), "other")
    return {"quantity": quantity if kind == "pd.Series" else "other", **_stated(field), "type": kind}


def _output(field: Any) -> Any:
    if not isinstance(field, dict):
        return field
    return {**_stated(field), "type": _TYPES.get(str(field.get("type", "pd.Series")), field.get("type"))}


def _option(field: Any) -> Any:
    if not isinstance(field, dict):
        field = {"default": field}
    default = field.get("default")
    guess = "boolean" if isinstance(default, bool) else "string" if isinstance(default, str) else "number"
    return {"description": "", **_stated(field), "type": field.get("type", guess), "default": default}


def manifest_of_vendor(content: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    """Return today's form of a vendor manifest; unknown words become 'Other' or 'Simple'.

    Parameters
    ----------
    content : dict
        `model.json` of the vendor's boilerplate, dict-keyed or with lists.
    faults : list of str
        Gets what would be lost on the way.
    """
    blocks = {
        name: _keyed(content.get(name, {}), name, faults) for name in ("inputs", "parameters", "outputs", "configuration")
    }
    inputs = {name: _input(field) for name, field in blocks["inputs"].items()}
    for name, field in blocks["parameters"].items():
        if name in inputs:
            faults.append(f"parameters: '{name}' is an input already")
        inputs[name] = _input({"type": "float", **field} if isinstance(field, dict) else field)
    version = str(content.get("version", "0.0.0"))
    return {
        **{key: value for key, value in content.items() if key not in _KNOWN},
        "manifest_version": 1,
        "name": content.get("name"),
        "version": version + ".0" * (2 - version.count(".")),
        "description": content.get("description") or f"Vendor model {content.get('name')}",
        "category": _known(content.get("category"), _CATEGORY, "Other"),
        "complexity": _known(content.get("complexity"), _COMPLEXITY, "Simple"),
        "inputs": inputs,
        "outputs": {name: _output(field) for name, field in blocks["outputs"].items()},
        "configuration": {name: _option(field) for name, field in blocks["configuration"].items()},
    }


def settings_file(path: Path) -> Path:
    """Return the settings file that counts: ours, or the vendor's where only that is there.

    Raises
    ------
    UsageError
        Both are there and differ: the platform's form would show one, and the run would obey the other.
    """
    theirs = path.with_name(SETTINGS)
    if not theirs.is_file():
        return path
    if path.is_file() and path.read_bytes() != theirs.read_bytes():
        raise UsageError(
            f"{path.name} and {SETTINGS} are both there and differ; keep one, or make the second a copy of the first"
        )
    return theirs


def not_sent(path: Path, launch: Launch) -> list[str]:
    """Return the settings of the file that a platform's launch left out, so that the file's defaults count."""
    from platform_interface.strict_json import parse

    content = parse(path.read_text(encoding="utf-8-sig"))
    return list(_absent(content["parameters"], launch.configurationValues))


def _absent(expected: Mapping[str, Any], sent: Any, above: str = "") -> Iterator[str]:
    for key, value in expected.items():
        if not isinstance(sent, dict) or key not in sent:
            yield f"{above}{key}"
        elif isinstance(value, dict) and not {"default", "valueDev"} & set(value):
            yield from _absent(value, sent[key], f"{above}{key}.")
