"""The reference of the run report. A field without a sentence here stops the generator, and so the tests."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from documentation.fields import table
from platform_interface.checks import Tally
from platform_interface.report import MOST_ALIKE, AssetReport, ModelReport, RunReport

RUN = {
    "run": "Name of the run: start time UTC and process. The report's file has the same name.",
    "started": "When the run began. [ISO 8601, UTC]",
    "platform": "What and where the platform was, without secrets.",
    "task": "`programTaskId` of the launch: the platform's own name of this execution.",
    "settings": "All settings in force, after every override. There is no key in them.",
    "assets": "One entry an asset, see below.",
    "seconds": "Wall time of the run. [s]",
    "versions": "Of this program, Python, the machine type and the numeric libraries. Equal versions and machine type give equal bits.",
    "workers": "How many processes computed; 1: the one that was started.",
    "incidents": "Workers that died or were ended, and what became of the assets: [fleets](../explanation/fleets.md).",
    "taken_over": "How many assets were taken over from a run that was stopped (`run --resume`).",
}
ASSET = {
    "asset": "Id on the platform.",
    "name": "Name for people.",
    "status": "`done`, `refused` (another run holds the asset) or `failed`.",
    "reason": "Why, when it is not `done`.",
    "models": "One entry a model, see below.",
    "sensors": "One entry a sensor that was read, see below.",
    "warnings": "What concerns the whole asset: a doubtful sign of the current, sensors named in settings that it lacks.",
    "findings": "Where the data contradict the mapping, with a `proposal` to paste: [data checks](../explanation/data-checks.md).",
    "quarantined": "By sensor, how many samples from the future are kept apart.",
    "alarms": "Every alarm that stands after the run, the worst first: model, name, severity, text, since.",
    "seconds": "Wall time of this asset. [s]",
}
MODEL = {
    "model": "Name of the plugin.",
    "version": "Version of the plugin that computed.",
    "state_version": "Form of the state it carries.",
    "status": "`done`, `no new data`, `refused` (not computable, see `reason`) or `failed` (the plugin has a fault).",
    "reason": "Why it was refused or failed, and what would help.",
    "start": "First instant computed in this run; empty when there was nothing to do. [ISO 8601, UTC]",
    "end": "End of what was computed in this run: the new watermark. [ISO 8601, UTC]",
    "computed_until": "Up to which instant the model has computed the asset, now or before; empty where nothing is. [ISO 8601, UTC]",
    "windows": "Every window of this run: [start, end).",
    "rows_in": "Samples read, summed over the inputs: 100 rows of three sensors are 300.",
    "rows_used": "Samples the model was given, summed over the inputs.",
    "rows_out": "Rows written to the platform.",
    "latest": "Last value and unit of each series it writes, also from runs before.",
    "refusals": "By output: why it is not computable, and the cheapest remedy.",
    "notes": f"Warnings. Of those that differ in figures only, the first {MOST_ALIKE} and a count.",
    "late_samples": "Samples that arrived behind the watermark and are now in the numbers, summed over the inputs.",
    "too_late_samples": "Samples that arrived after the look-back and are not in the numbers.",
    "rolled_back_to": "The checkpoint from which late samples were computed again; empty when there were none.",
    "settings_hashes": "Hashes of configuration, mapping, parameters, manifest and output names. Equal hashes: the same computation.",
    "configuration": "The configuration in force, defaults included.",
    "parameters": "The parameters used, in the manifest's units.",
    "inputs": "By logical name: which sensor was read, its unit, and whether its sign was turned.",
    "input_hash": "blake2b over the fingerprints of all input of this run, in window order. Equal hash: equal input.",
    "seconds": "Time spent in this model. [s]",
}
SENSOR = {
    "sensor": "Name on the platform; `Name|*` for an array.",
    "unit": "Unit of the raw values.",
    "quantity": "What is measured, as the manifest says.",
    "read_by": "Models that read it.",
    "max_gap_seconds": "Longest interval that counted as operation. [s]",
    "rows": "Rows read, exact duplicates included.",
    "used": "Rows that models were given.",
    "dirt": "By kind, how much was found: see [data checks](../explanation/data-checks.md).",
    "gaps": "Number of intervals longer than `max_gap_seconds`.",
    "gap_seconds": "Their length in all. [s]",
    "warnings": "What a person should look at.",
}


def report_page() -> str:
    """Return the reference of the report.

    Raises
    ------
    KeyError
        A field of the report is not described here, or a described one is gone.
    """
    return f"""# The run report

Every run writes a JSON file `<run>.json` into the folder of `platform.reports`, and the same content as `latest.json`.
It holds what is needed to answer "why is this number what it is" a year later. Secrets are masked. The first level is:

{_table(RunReport, RUN)}

## An asset

{_table(AssetReport, ASSET)}

## A model on an asset

{_table(ModelReport, MODEL)}

## A sensor of an asset

{_sensor_table()}

Next: [exit codes](errors.md), for schedulers that do not read the report.
"""


def _table(cls: Any, words: dict[str, str]) -> str:
    names = [field.name for field in fields(cls)]
    _same(cls.__name__, names, words)
    return table(("field", "meaning"), [(f"`{name}`", words[name]) for name in names])


def _sensor_table() -> str:
    names = ["sensor", "unit", "quantity", "read_by", "max_gap_seconds", *Tally().as_dict()]
    _same("sensor", names, SENSOR)
    return table(("field", "meaning"), [(f"`{name}`", SENSOR[name]) for name in names])


def _same(where: str, names: list[str], words: dict[str, str]) -> None:
    odd = sorted(set(names) ^ set(words))
    if odd:
        raise KeyError(f"{where}: {', '.join(odd)}; describe each field of the report in documentation/report_fields.py")
