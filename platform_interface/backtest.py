"""A model over the history of assets with a changed configuration: how many alarms would there have been?

Nothing is written: the model runs by the same code as ever, on a platform that keeps what it is given in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from platform_interface import report as status
from platform_interface.alarm_figures import Line, chattering, flood_minutes, lines, longest
from platform_interface.errors import UsageError
from platform_interface.launch import Launch
from platform_interface.manifest import Manifest, Option, discover
from platform_interface.mapping import output_names, wanted_by
from platform_interface.plans import plugin_folders, prepare_models
from platform_interface.platforms import connect
from platform_interface.platforms.memory import Memory
from platform_interface.run import Job, Progress, run_asset
from platform_interface.settings import Execution, ModelSettings, Settings
from platform_interface.spelling import did_you_mean
from platform_interface.when import instant, now, text

DAY = 86_400_000


@dataclass
class Backtest:
    """What one model would have said of one asset."""

    model: str
    asset: str
    status: str
    reason: str = ""
    start: str = ""
    end: str = ""
    days: float = 0.0
    configuration: dict[str, Any] = field(default_factory=dict)
    alarms: int = 0
    alarms_per_day: float | None = None
    flood_minutes: float = 0.0
    chattering_alarms: int | None = None
    chattering: str = ""
    longest_standing: dict[str, Any] | None = None
    by_kind: list[Line] = field(default_factory=list)
    by_name: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def options_of(manifest: Manifest, words: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` words against the model's configuration.

    Raises
    ------
    UsageError
        Every fault: no ``=``, an unknown name with the nearest one, a value of the wrong type or out of bounds.
    """
    found: dict[str, Any] = {}
    faults = []
    for word in words:
        name, equals, value = word.partition("=")
        option = manifest.configuration.get(name)
        if not equals:
            faults.append(f"--set {word}: write name=value")
        elif option is None:
            faults.append(
                f"--set {name}: {manifest.name} has no such configuration{did_you_mean(name, manifest.configuration)}"
            )
        else:
            found[name] = _value(value, option)
            fault = option.fault_of(found[name])
            if fault:
                faults.append(f"--set {name}: {fault}")
    if faults:
        raise UsageError("the backtest", faults)
    return found


def _value(word: str, option: Option) -> Any:
    """Return a word as the option's type; as it is where it cannot be."""
    if option.type == "boolean":
        return {"true": True, "false": False}.get(word.lower(), word)
    if option.type == "string":
        return word
    try:
        return int(word) if option.type == "integer" else float(word)
    except ValueError:
        return word


def backtest(
    launch: Launch, settings: Settings, model: str, asset: str = "", span: tuple[str, str] = ("", ""),
    changed: Iterable[str] = (), progress: Progress = lambda _asset, _share: None,
) -> list[Backtest]:  # fmt: skip
    """Run one model over history with a changed configuration; nothing is written.

    Parameters
    ----------
    model, asset : str
        Plugin, and asset; without an asset, all that the launch names.
    span : (str, str)
        From and to, ISO 8601 with offset; empty: all there is.
    changed : iterable of str
        ``name=value``, over the configuration of the settings.

    Raises
    ------
    UsageError, PlatformError
        A name is unknown, a time is not one, there is no such asset.
    """
    source = connect(launch, settings)
    assets = source.assets([asset] if asset else launch.asset_ids, "" if asset else launch.assetTag)
    settings, given = _settings(settings, model, span, changed)
    prepared = prepare_models(settings)
    results = []
    for each in assets:
        memory = Memory(source)
        report = run_asset(Job(memory, settings, prepared, now, progress), each)
        results.append(_result(model, report, memory, given))
    return results


def _settings(settings: Settings, model: str, span: tuple[str, str], changed: Iterable[str]) -> tuple[Settings, dict[str, Any]]:
    """Return settings that run the model, with those it reads from, over the span."""
    folders = discover(plugin_folders(settings))
    if model not in folders:
        raise UsageError(f"'{model}' is not a plugin{did_you_mean(model, folders)}")
    enabled = settings.execution.enabled_models
    execution = settings.execution.model_copy(update={"enabled_models": [*enabled, model] if enabled else []})
    prepared = prepare_models(settings.model_copy(update={"execution": execution}))
    if model in prepared.broken:
        raise UsageError(prepared.broken[model])
    manifests = dict(prepared.manifests)
    own = settings.models.get(model, ModelSettings())
    given = options_of(manifests[model], changed)
    own = own.model_copy(update={"configuration": {**own.configuration, **given}})
    dates = _dates(*span)
    execution = Execution(
        enabled_models=sorted(_with_producers(model, manifests, settings)),
        compute_type="full" if dates is None else "manual",
        manual_start_date=None if dates is None else dates[0],
        manual_end_date=None if dates is None else dates[1],
        max_values=settings.execution.max_values,
        plugin_folders=settings.execution.plugin_folders,
    )
    return settings.model_copy(update={"execution": execution, "models": {**settings.models, model: own}}), given


def _dates(begin: str, end: str) -> tuple[int, int] | None:
    """Return the span as times; an open side is as far as there are samples. [ms UTC]"""
    if not begin and not end:
        return None
    found, faults = [], []
    for option, value, usual in (("--from", begin, 0), ("--to", end, now())):
        try:
            found.append(instant(value) if value else usual)
        except ValueError as error:
            faults.append(f"{option}: {error}")
    if not faults and found[0] >= found[1]:
        faults.append("--from is not before --to")
    if faults:
        raise UsageError("the backtest", faults)
    return found[0], found[1]


def _with_producers(model: str, manifests: Mapping[str, Manifest], settings: Settings) -> set[str]:
    """Return the model and all whose outputs it reads, directly or not."""
    writers = {
        series: name
        for name, manifest in manifests.items()
        for series in output_names(manifest, settings.models.get(name, ModelSettings())).values()
    }
    found, waiting = {model}, [model]
    while waiting:
        name = waiting.pop()
        given = settings.models.get(name, ModelSettings())
        read = [str(wanted_by(i, each, given)) for i, each in manifests[name].inputs.items() if each.is_sensor]
        more = {writers[each.removesuffix("|*")] for each in read if each.removesuffix("|*") in writers} - found
        found |= more
        waiting += more
    return found


def _result(model: str, report: status.AssetReport, memory: Memory, given: dict[str, Any]) -> Backtest:
    """Sum up the alarms of one model on one asset."""
    own = next((each for each in report.models if each.model == model), None)
    if own is None:
        return Backtest(model, report.asset, report.status, report.reason)
    result = Backtest(model, report.asset, own.status, own.reason, own.start, own.end, configuration=given, notes=own.notes)
    if not own.start:
        result.reason = result.reason or "no sample of its inputs lies in this stretch"
        return result
    first, last = max(instant(own.start), memory.first or 0), instant(own.end)
    alarms = [alarm for alarm in memory.raised.values() if alarm["model"] == model and alarm["status"] != "withdrawn"]
    begins = sorted(alarm["start"] for alarm in alarms)
    result.start, result.days = text(first), round((last - first) / DAY, 3)
    result.alarms = len(alarms)
    result.alarms_per_day = round(len(alarms) / result.days, 4) if result.days else None
    result.flood_minutes = round(flood_minutes(begins, last), 2)
    if memory.short_intervals * 2 >= memory.intervals:
        result.chattering_alarms = chattering(alarms)
    else:
        result.chattering = "not resolvable: most samples are more than 10 s apart"
    result.longest_standing = longest(alarms, last)
    result.by_name = lines(alarms, last)
    result.by_kind = lines([{**alarm, "name": re.sub(r"\d+", "#", alarm["name"])} for alarm in alarms], last)
    return result


def show(result: Backtest, most: int = 12) -> Iterable[str]:
    """Return the lines a person sees."""
    changed = (
        ", ".join(f"{name} = {value}" for name, value in result.configuration.items()) or "the configuration of the settings"
    )
    yield f"{result.asset}, {result.model}, with {changed}"
    if result.reason:
        yield f"  {result.status}: {result.reason}"
    if not result.start:
        return
    rate = "" if result.alarms_per_day is None else f", {result.alarms_per_day:.3g} a day"
    yield f"  {result.start} to {result.end}, {result.days:.1f} d: {result.alarms} alarm{'s' if result.alarms != 1 else ''}{rate}"
    yield f"  minutes in flood {result.flood_minutes:.1f}; chattering alarms {result.chattering or result.chattering_alarms}"
    if result.longest_standing:
        top = result.longest_standing
        state = "still open" if top["end"] is None else f"until {top['end']}"
        yield f"  longest standing {top['hours']:.1f} h: {top['name']}, from {top['start']} {state}"
    for title, group in (("by kind", result.by_kind), ("by name", result.by_name)):
        if group:
            yield f"  {title}"
        for line in group[:most]:
            yield f"    {line.count:>6}  {line.severity:<8}  {line.name}  ({line.standing:.1f} h in all, longest {line.longest:.1f} h)"
        if len(group) > most:
            yield f"           and {len(group) - most} more; --json has them all"
    yield "  nothing was written"
