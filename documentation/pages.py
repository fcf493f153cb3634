"""Reference pages made from settings, commands, plugins, mapping file and errors."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from documentation.fields import field_table, json_text, table
from platform_interface import cli, cli_base, errors, settings
from platform_interface.ingest_mapping import BDF, BDF_TIME, AssetStatement, ColumnTarget, FileMapping, TimeColumn
from platform_interface.launch import VENDOR_NAMES, Launch, program_folder
from platform_interface.manifest import Input, Manifest, Output, discover, read_manifest
from platform_interface.mapping import site_name
from platform_interface.when import span


def settings_page() -> str:
    """Return the reference of launch arguments and `settings.json`."""
    vendor = table(("vendor's name", "the same as"), [(f"`{old}`", f"`{new}`") for old, new in VENDOR_NAMES.items()])
    parts = (settings.Execution, settings.PlatformSettings, settings.SensorFacts, settings.AssetFacts, settings.ModelSettings)
    blocks = "\n\n".join(
        f"## {part.__name__}\n\n{inspect.cleandoc(part.__doc__ or '')}\n\n{field_table(part)}" for part in parts
    )
    beside = ", ".join(f"`{name}`" for name in settings.TOP_LEVEL if name != "parameters")
    return f"""# Settings

A run is told what to do by the **launch**, one JSON object (a file, or inline from a scheduler), and by
**settings.json** beside `entrypoint.py`. Unknown names and wrong values are reported all at once, with the nearest name.

Weakest first: defaults of a model's manifest, `settings.json`, `configurationValues` of the launch. In `settings.json` a
value may stand alone or as `{{"default": value}}`. `valueDev` beats `default` only in a local run: one that was not
started with inline JSON.

## Launch

{field_table(Launch)}

Without `assetId`, `assetIds` and `assetTag`, every asset of the platform is computed. Each key also goes by its vendor's name.
Further `altergo…` keys of a scheduler's inline launch are not used and no error.

{vendor}

## settings.json

Settings stand under `parameters`. Beside it the file may have {beside}.

{field_table(settings.Settings)}

{blocks}

How durations, times and units are written: [conventions](conventions.md).
"""


def mapping_page() -> str:
    """Return the reference of the mapping file of `ingest`."""
    bdf = table(("column", "sensor", "unit"), [(f"`{label}`", sensor, unit) for label, (sensor, unit) in BDF.items()])
    parts = "\n\n".join(
        f"## {part.__name__}\n\n{inspect.cleandoc(part.__doc__ or '')}\n\n{field_table(part)}"
        for part in (AssetStatement, TimeColumn, ColumnTarget)
    )
    return f"""# The mapping file of `ingest`

It says which column of a CSV or Parquet file is which sensor, in which unit, and what its times mean. A worked example:
[ingest a file](../how-to/ingest-a-file.md).

## The file

{field_table(FileMapping)}

{parts}

## Without a mapping file

Columns of the Battery Data Format need none. Times are read from `{BDF_TIME}`; a positive current is charge there.

{bdf}
"""


def commands_page() -> str:
    """Return the reference of the command line."""
    blocks = []
    for name, command in cli.commands().items():
        arguments = " ".join(
            _usage(option) for option in command.params if option.required or option.param_type_name == "argument"
        )
        rows = [(_names(option), _default(option), option.help or "") for option in command.params if option.name != "help"]
        usage = f"python entrypoint.py {name} {arguments}".strip()
        listing = table(("argument or option", "default", "meaning"), rows) if rows else "No options."
        blocks.append(f"## {name}\n\n{command.help}\n\n```\n{usage}\n```\n\n{listing}")
    commands = "\n\n".join(blocks)
    taking = ", ".join(f"`{name}`" for name in cli.TAKES_A_FILE)
    return f"""# Commands

All commands are given to `python entrypoint.py`. Without a command, `run` is meant. `--help` shows help, of a command too;
`--version` shows the version.

The launch is one JSON object: a file (any path; {taking} take one) or inline JSON (any command takes it). It is taken
out of the command line before the command parser sees it, so that no message can show its key. What it may hold:
[settings](settings.md#launch).

{commands}

Exit codes: [errors](errors.md).
"""


def _usage(option: Any) -> str:
    word = str(option.name).upper()
    if option.param_type_name != "argument":
        return f"{option.opts[0]} {word}"
    return word if option.required else f"[{word}{'...' if option.nargs == -1 else ''}]"


def _names(option: Any) -> str:
    return f"`{str(option.name).upper()}`" if option.param_type_name == "argument" else ", ".join(f"`{o}`" for o in option.opts)


def _default(option: Any) -> str:
    if option.required:
        return "**required**"
    default = str(option.default) if isinstance(option.default, Path) else option.default
    return "" if default is None or option.nargs == -1 else f"`{json_text(default)}`"


def models_page() -> str:
    """Return the reference of every plugin in `models/`."""
    folders = discover([program_folder() / "models"])
    blocks = [_plugin(read_manifest(folder)) for _, folder in sorted(folders.items())]
    return (
        "# Models\n\nEvery plugin in `models/`, from its manifest. Equations, ranges of validity and references are in its model card.\n\n"
        + ("\n\n".join(blocks))
    )


def _plugin(manifest: Manifest) -> str:
    name = manifest.name
    inputs = [
        (f"`{key}`", given.sensor or _site(key, given), given.type, given.unit, "yes" if given.required else "no",
         _range(given.valid_range), _times(given), given.description)
        for key, given in manifest.inputs.items()
    ]  # fmt: skip
    outputs = [
        (f"`{key}`", given.series or site_name(key), given.unit, _decimation(given), _range(given.valid_range),
         given.description)
        for key, given in manifest.outputs.items()
    ]  # fmt: skip
    options = [
        (f"`{key}`", option.type, f"`{json_text(option.default)}`", _allowed(option), option.description)
        for key, option in manifest.configuration.items()
    ]
    read = table(("input", "name on the site", "type", "unit", "required", "valid range", "times", "meaning"), inputs)
    written = table(("output", "series", "unit", "decimation", "valid range", "meaning"), outputs)
    configured = table(("option", "type", "default", "allowed", "meaning"), options) if options else "No options."
    return f"""## {name}

{manifest.description} Version {manifest.version}, state version {manifest.state_version}.
[Model card](../../models/{name}/README.md).

**Inputs.** The name on the site holds where `models.{name}.inputs` in the settings says nothing.

{read}

**Outputs.**

{written}

**Configuration**, under `models.{name}.configuration`.

{configured}"""


def _site(key: str, given: Input) -> str:
    if given.initialisation_value:
        return f"the last `{given.initialisation_value}`"
    return site_name(key) + ("|*" if given.type == "pd.DataFrame" else "")


def _times(given: Input) -> str:
    if not given.is_sensor:
        return ""
    parts = [f"gap over {span(given.max_gap)}"]
    if given.align_to:
        parts.append(f"as-of `{given.align_to}`, at most {span(given.tolerance)} old")
    if given.lookback:
        parts.append(f"with {span(given.lookback)} before the window")
    return "; ".join(parts)


def _range(limits: tuple[float, float] | None) -> str:
    return "" if limits is None else f"{limits[0]:g} to {limits[1]:g}"


def _decimation(given: Output) -> str:
    return "" if given.decimation_threshold is None or given.type == "pd.DataFrame" else f"{given.decimation_threshold:g}"


def _allowed(option: Any) -> str:
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    low, high = option.minimum, option.maximum
    if low is None and high is None:
        return ""
    return f"{low:g} to {high:g}" if None not in (low, high) else f"{low:g} or more" if high is None else f"{high:g} or less"


EXIT_CODES = [
    (str(cli_base.DONE), 'Done. Refusals and "no new data" are included: they are in the report.', "Nothing."),
    (
        str(cli_base.HANDLED),
        "Something failed and was handled: a model, an asset, or the run was stopped.",
        "Read the report; run again.",
    ),
    (
        str(cli_base.WRONG),
        "Wrong usage, settings, manifest or mapping, or no platform. Nothing was computed.",
        "Tell a person.",
    ),
]


def errors_page() -> str:
    """Return the reference of exit codes and exceptions."""
    codes = table(("exit code", "meaning", "what a scheduler should do"), EXIT_CODES)
    tree = inspect.cleandoc(errors.__doc__ or "").split("::", 1)[1]
    rows = [
        (f"`{name}`", inspect.cleandoc(item.__doc__ or "").splitlines()[0])
        for name, item in vars(errors).items()
        if isinstance(item, type) and issubclass(item, errors.TwinError)
    ]
    return f"""# Errors

## Exit codes

{codes}

## Exceptions

Each message says what is wrong, where, the value with its unit, and what to do.

```
{inspect.cleandoc(tree)}
```

{table(("exception", "meaning"), rows)}

Plugins raise `ModelError` only, see [write a model](../how-to/write-a-model.md#refuse-do-not-guess). Any other exception of a
plugin is a failure of that model on that asset; the other models and assets go on.
"""
