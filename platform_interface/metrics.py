"""A Prometheus textfile of the last run, for the textfile collector of node_exporter.

Every series carries ``schedule``, the name of the file without its ending: several scheduled runs on one machine write a
file each, and the collector would refuse two files that hold one series.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platform_interface.alarms import SEVERITIES
from platform_interface.log import LOGGER, redact
from platform_interface.report import DONE, FAILED, NO_NEW_DATA, REFUSED, AssetReport, RunReport
from platform_interface.when import instant

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from platform_interface.settings import Settings

PREFIX = "battery_twin_"
STATES = (DONE, NO_NEW_DATA, REFUSED, FAILED)
#: Name without prefix, labels beside `schedule`, and what it says. The page for operators has each of them.
GAUGES = {
    "info": (("version",), "Version of the program, as a label."),
    "run_success": ((), "1: the run ended and nothing failed. 0: a model or an asset failed, or nothing could be begun."),
    "run_complete": ((), "1: the run ended with a report. 0: it stopped before: settings, platform, or a person."),
    "run_end_timestamp_seconds": ((), "When the run ended."),
    "run_duration_seconds": ((), "How long the run took."),
    "run_assets": (("state",), "Assets of the run, by the worst state of their models."),
    "run_models": (("model", "state"), "Assets on which a model ended in a state."),
    "run_rows_read": ((), "Samples that models were given, before checks."),
    "run_rows_used": ((), "Samples that models were given, after checks."),
    "run_rows_written": ((), "Rows of outputs that were written."),
    "run_late_samples": ((), "Samples that arrived late and were computed."),
    "run_too_late_samples": ((), "Samples that arrived later than the look-back and were not computed."),
    "alarms": (("severity",), "Alarms that stand on the assets of the run."),
    "asset_alarms": (("asset", "severity"), "Alarms that stand on one asset; no series where there is none."),
    "asset_failed": (("asset",), "1: something failed on this asset."),
    "asset_duration_seconds": (("asset",), "How long the asset took."),
    "asset_computed_until_timestamp_seconds": (
        ("asset", "model"),
        "Up to which instant a model has computed the asset; the age of its data is time() minus this.",
    ),
}


@dataclass
class Outcome:
    """What the run hands over: its report, once there is one."""

    report: RunReport | None = None


@contextmanager
def measured(settings: Settings) -> Iterator[Outcome]:
    """Write the textfile that the settings name when the block ends, however it ends.

    A dry run writes none: it would hide the outcome of the last real one. A file that cannot be written is a warning.
    """
    outcome, began = Outcome(), time.monotonic()
    try:
        yield outcome
    finally:
        if settings.platform.metrics and settings.execution.upload_output:
            write_metrics(settings.folder(settings.platform.metrics), outcome.report, time.monotonic() - began)


def write_metrics(path: Path, report: RunReport | None, seconds: float) -> None:
    """Write the textfile, whole or not at all.

    Parameters
    ----------
    path : Path
        Ends in ``.prom``, or the collector passes it over.
    report : RunReport or None
        None: the run could not be begun, or was stopped.
    seconds : float
        Duration of the run. [s]
    """
    from prometheus_client import write_to_textfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(path), registry_of(report, path.stem, seconds))
    except OSError as error:
        LOGGER.warning("the metrics were not written: %s: %s. Check the folder and the rights on it.", path, error.strerror)


def registry_of(report: RunReport | None, schedule: str, seconds: float) -> CollectorRegistry:
    """Return every gauge with its values."""
    from prometheus_client import CollectorRegistry, Gauge

    from platform_interface import __version__

    registry = CollectorRegistry()
    gauges = {
        name: Gauge(f"{PREFIX}{name}", meaning, ("schedule", *labels), registry=registry)
        for name, (labels, meaning) in GAUGES.items()
        if report is not None or not labels or name == "info"
    }

    def put(name: str, value: float, *labels: str) -> None:
        gauges[name].labels(*(_label(label) for label in (schedule, *labels))).set(value)

    put("info", 1, __version__)
    put("run_success", report is not None and not report.failed)
    put("run_complete", report is not None)
    put("run_end_timestamp_seconds", time.time())
    put("run_duration_seconds", round(seconds, 3))
    for name, value, labels in [] if report is None else _of_report(report):
        put(name, value, *labels)
    return registry


_Value = tuple[str, float, tuple[str, ...]]


def _of_report(report: RunReport) -> Iterator[_Value]:
    states = Counter(asset.state for asset in report.assets)
    yield from (("run_assets", states[state], (state,)) for state in STATES)
    models = [model for asset in report.assets for model in asset.models]
    by_model = Counter((model.model, model.status) for model in models)
    for model in sorted({model.model for model in models}):
        yield from (("run_models", by_model[model, state], (model, state)) for state in STATES)
    yield "run_rows_read", sum(model.rows_in for model in models), ()
    yield "run_rows_used", sum(model.rows_used for model in models), ()
    yield "run_rows_written", sum(model.rows_out for model in models), ()
    yield "run_late_samples", sum(model.late_samples for model in models), ()
    yield "run_too_late_samples", sum(model.too_late_samples for model in models), ()
    standing = Counter(alarm["severity"] for asset in report.assets for alarm in asset.alarms)
    yield from (("alarms", standing[severity], (severity,)) for severity in SEVERITIES)
    for asset in report.assets:
        yield from _of_asset(asset)


def _of_asset(asset: AssetReport) -> Iterator[_Value]:
    yield "asset_failed", asset.failed, (asset.asset,)
    yield "asset_duration_seconds", asset.seconds, (asset.asset,)
    for severity, count in Counter(alarm["severity"] for alarm in asset.alarms).items():
        yield "asset_alarms", count, (asset.asset, severity)
    for model in asset.models:
        if model.computed_until:
            until = instant(model.computed_until) / 1000
            yield "asset_computed_until_timestamp_seconds", until, (asset.asset, model.model)


def _label(text: str) -> str:
    """Return a name as the file can hold it: no secret, and valid UTF-8. The writer escapes the rest."""
    return redact(text).encode("utf-8", "replace").decode("utf-8")
