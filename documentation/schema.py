"""The manifest's reference page and its JSON Schema for editors."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from documentation.fields import classes_below, field_table, validator_of, visible
from platform_interface.manifest import Input, Manifest, Option, Output

_DURATION = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|sec|min|m|h|d|days?|w)?\s*$"},
    ]
}


def schema_text() -> str:
    """Return the JSON Schema of `model.json`, as a person may write it."""
    schema = Manifest.model_json_schema()
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "model.json of a battery twin plugin",
    }
    for model in classes_below(Manifest):
        block = schema if model is Manifest else schema["$defs"][model.__name__]
        _as_written(model, block["properties"])
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _as_written(model: type[BaseModel], properties: dict[str, Any]) -> None:
    """Let durations be words, versions have their form, and leave out what is set on reading."""
    for name, field in model.model_fields.items():
        if name not in visible(model):
            del properties[name]
            continue
        reader = validator_of(field.annotation, field.metadata)
        if reader == "seconds":
            kept = {key: properties[name][key] for key in ("default", "description") if key in properties[name]}
            properties[name] = {**_DURATION, **kept}
        elif reader == "_version":
            properties[name]["pattern"] = r"^\d+\.\d+\.\d+$"


_INTRODUCTION = """# The manifest, `model.json`

A plugin folder says here what it reads, what it gives and how it can be configured. It is read before any code of the
plugin is imported. Every fault of the file is reported at once, with the nearest name. How to write one:
[write a model](../how-to/write-a-model.md).

Editors can check the file while you type, with [manifest.schema.json](manifest.schema.json). In VS Code:

<!-- run as=json -->
```json
{"json.schemas": [{"fileMatch": ["models/*/model.json"], "url": "./documentation/reference/manifest.schema.json"}]}
```

How durations, units and ranges are written: [conventions](conventions.md). Folders with a manifest of the vendor's
boilerplate have neither `manifest_version` nor `state_version`; they are read too, see
[migrate a vendor model](../how-to/migrate-a-vendor-model.md).

"""


def manifest_page() -> str:
    """Return the reference of `model.json`."""
    return f"""{_INTRODUCTION}## The file

{field_table(Manifest)}

## Input

One entry of `inputs`, by logical name. Without `sensor`, and where `settings.json` says nothing, the site's name is made
of the logical one: `cell_voltage` reads "Cell Voltage", and `soc` reads "SOC".

{field_table(Input)}

## Output

One entry of `outputs`, by logical name. An array output becomes the series `Name|0`, `Name|1`, ….

{field_table(Output)}

## Option

One entry of `configuration`, by name. Settings may override it; the value is checked against type, bounds and choices.

{field_table(Option)}
"""
