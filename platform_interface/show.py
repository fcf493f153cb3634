"""What a person sees on a terminal: tables. Names from a platform are data, never markup."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from platform_interface.log import redact, shown
from platform_interface.progress import MANY
from platform_interface.report import DONE, FAILED, NO_NEW_DATA, REFUSED, AssetReport, ModelReport, RunReport
from platform_interface.when import span

if TYPE_CHECKING:
    from platform_interface.ingest import Ingested
    from platform_interface.launch import Launch
    from platform_interface.settings import Settings

_STYLE = {DONE: "green", NO_NEW_DATA: "dim", REFUSED: "yellow", FAILED: "red"}
_SHORT = {"ampere_hour": "Ah", "kilowatt_hour": "kWh", "dimensionless": "", "volt": "V", "ampere": "A", "degC": "°C",
          "percent": "%", "hour": "h", "watt": "W", "kilowatt": "kW", "millivolt": "mV", "watt_hour": "Wh", "second": "s",
          "ohm": "Ω", "milliohm": "mΩ"}  # fmt: skip
_MOST_ALARMS = 5
_MOST_LATEST = 4
_MOST_LINES = 30


def console() -> Console:
    """Return the console for results: wide enough off a terminal that nothing is cut."""
    return Console(width=None if sys.stdout.isatty() else 150, markup=False, highlight=False, emoji=False)


def unit_word(unit: str) -> str:
    """Return the symbol of a unit."""
    return _SHORT.get(unit, unit)


def show_run(report: RunReport, path: Path, quiet: bool, log_format: str) -> None:
    """Print the one table of a run and where its report lies."""
    if log_format == "json":
        print(redact(json.dumps({"report": str(path), "failed": report.failed, "nothing_new": report.nothing_new,
                                 "seconds": report.seconds, "assets": len(report.assets)})))  # fmt: skip
        return
    if quiet and not report.failed:
        return
    out = console()
    if len(report.assets) > MANY:
        show_many(report, out)
    else:
        _show_few(report, out)
    if report.nothing_new:
        out.print(Text("no new data", style="bold"))
    count = len(report.assets)
    taken = f" ({report.taken_over:,} taken over from the run that was stopped)" if report.taken_over else ""
    out.print(f"{count:,} asset{'s' if count != 1 else ''} in {report.seconds:.1f} s{taken}. Report: {path}", soft_wrap=True)


def _show_few(report: RunReport, out: Console) -> None:
    out.print(_run_table(report.assets))
    sentences = _sentences(report)
    for number, (mark, sentence) in enumerate(sentences, 1):
        out.print(Text(f"{number:>3} ", style="dim") + Text(shown(sentence), style=_STYLE.get(mark, "")))
    for severity, sentence in _alarms(report):
        out.print(Text(shown(sentence), style="bold red" if severity == "critical" else "yellow"))


def show_many(report: RunReport, out: Console) -> None:
    """Print the sums of a run over many assets, and of those that need a person the worst; the report has all."""
    out.print(_totals(report))
    ranked = sorted(enumerate(report.assets), key=lambda pair: (_urgency(pair[1]), pair[0]))
    urgent = [asset for _, asset in ranked if _urgency(asset) < 3]
    if urgent:
        out.print(_run_table(urgent[:_MOST_LINES]))
        _more(out, len(urgent) - _MOST_LINES, "assets that failed, were refused or have an alarm")
    sentences = _alike(report)
    for number, (mark, sentence) in enumerate(sentences[:_MOST_LINES], 1):
        out.print(Text(f"{number:>3} ", style="dim") + Text(shown(sentence), style=_STYLE.get(mark, "")))
    _more(out, len(sentences) - _MOST_LINES, "warnings")
    found = sorted(_alarms(report), key=lambda alarm: alarm[0] != "critical")
    for severity, sentence in found[:_MOST_LINES]:
        out.print(Text(shown(sentence), style="bold red" if severity == "critical" else "yellow"))
    _more(out, len(found) - _MOST_LINES, "lines on alarms")


def _more(out: Console, count: int, what: str) -> None:
    if count > 0:
        out.print(Text(f"and {count:,} more {what}; see the report", style="dim"))


def _urgency(asset: AssetReport) -> int:
    if asset.failed:
        return 0
    if asset.alarms:
        return 1
    return 2 if asset.status == REFUSED or any(model.status == REFUSED for model in asset.models) else 3


def _totals(report: RunReport) -> Table:
    """Return how many assets are in which state, by model."""
    states = (DONE, NO_NEW_DATA, REFUSED, FAILED)
    counts: dict[str, Counter[str]] = {}
    for asset in report.assets:
        for name, state in [(model.model, model.status) for model in asset.models] or [("", asset.status)]:
            counts.setdefault(name, Counter())[state] += 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", *states):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for name, found in counts.items():
        cells = [Text(f"{found[state]:,}" if found[state] else "", style=_STYLE[state]) for state in states]
        table.add_row(name or "(no model)", *cells)
    return table


def _alike(report: RunReport) -> list[tuple[str, str]]:
    """Return each sentence once, failures first, with the assets that it is about."""
    about: dict[tuple[str, str, str], list[str]] = {}
    for asset in report.assets:
        for mark, sentence in _of_asset(asset):
            about.setdefault((mark, "", sentence), []).append(asset.asset)
        for model in asset.models:
            for mark, sentence in _of_model(model):
                about.setdefault((mark, f", {model.model}", sentence), []).append(asset.asset)
    ranked = sorted(
        about.items(), key=lambda item: [FAILED, REFUSED].index(item[0][0]) if item[0][0] in (FAILED, REFUSED) else 2
    )
    return [
        (mark, f"{assets[0]}{f' and {len(assets) - 1:,} more' if len(assets) > 1 else ''}{model}: {sentence}")
        for (mark, model, sentence), assets in ranked
    ] + [("", f"workers: {incident}") for incident in report.incidents]


def _run_table(assets: Sequence[AssetReport]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("asset", "model", "state", "window (UTC)", "rows", "latest", "warnings"):
        table.add_column(heading, justify="right" if heading in ("rows", "warnings") else "left", no_wrap=heading == "asset")
    for asset in assets:
        if not asset.models:
            table.add_row(shown(asset.asset), "", Text(asset.status, style=_STYLE.get(asset.status, "")), "", "", "", "")
        for position, model in enumerate(asset.models):
            warnings = len(_of_model(model)) + (len(_of_asset(asset)) if position == 0 else 0)
            table.add_row(
                shown(asset.asset) if position == 0 else "", model.model, Text(model.status, style=_STYLE.get(model.status, "")),
                _window(model), f"{model.rows_in:,}" if model.rows_in else "", _latest(model), str(warnings or ""),
            )  # fmt: skip
    return table


def _alarms(report: RunReport) -> list[tuple[str, str]]:
    """Return what stands on each asset: the worst in full, of many how many more."""
    found = []
    for asset in report.assets:
        for alarm in asset.alarms[:_MOST_ALARMS]:
            since = alarm["since"][:16].replace("T", " ")
            found.append((alarm["severity"], f"ALARM {asset.asset}, {alarm['severity']} since {since}: {alarm['text']}"))
        if len(asset.alarms) > _MOST_ALARMS:
            found.append(("", f"ALARM {asset.asset}: {len(asset.alarms) - _MOST_ALARMS} more; see `dashboard {asset.asset}`"))
    return found


def _window(model: ModelReport) -> str:
    if not model.start:
        return ""
    return f"{model.start[:16].replace('T', ' ')} – {model.end[:16].replace('T', ' ')}"


def _latest(model: ModelReport) -> Text:
    scalars = {name: pair for name, pair in model.latest.items() if "|" not in name}
    lines = [f"{name} {pair[0]:.6g} {unit_word(pair[1])}".rstrip() for name, pair in list(scalars.items())[:_MOST_LATEST]]
    if len(scalars) > _MOST_LATEST:
        lines.append(f"and {len(scalars) - _MOST_LATEST} more in the report")
    return Text(shown("\n".join(lines)))


def _of_model(model: ModelReport) -> list[tuple[str, str]]:
    found = [(model.status, f"{model.status}: {model.reason}")] if model.reason else []
    found += [(REFUSED, f"{output} not computable: {reason}") for output, reason in model.refusals.items()]
    return found + [("", note) for note in model.notes]


def _of_asset(asset: AssetReport) -> list[tuple[str, str]]:
    found = [(asset.status, f"{asset.status}: {asset.reason}")] if asset.reason else []
    found += [("", warning) for warning in asset.warnings]
    for sensor in asset.sensors:
        found += [("", warning) for warning in sensor["warnings"]]
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sensor["dirt"].items())
        gaps = f"{sensor['gaps']:,} gap{'s' if sensor['gaps'] != 1 else ''} longer than {span(sensor['max_gap_seconds'])}"
        parts = [f"{counts} of {sensor['rows']:,} rows"] if counts else []
        parts += (
            [f"{gaps}, {span(sensor['gap_seconds'])} in all, count as nothing"]
            if sensor["gaps"] and sensor["quantity"] == "current"
            else []
        )
        if parts:
            found.append(("", f"{sensor['sensor']}: {'; '.join(parts)}"))
    found += [("", f"{name}: {count} samples from the future are kept apart") for name, count in asset.quarantined.items()]
    return list(dict.fromkeys(found))  # two models may read one sensor with other limits, and find the same


def _sentences(report: RunReport) -> list[tuple[str, str]]:
    found = []
    for asset in report.assets:
        found += [(mark, f"{asset.asset}: {text}") for mark, text in _of_asset(asset)]
        for model in asset.models:
            found += [(mark, f"{asset.asset}, {model.model}: {text}") for mark, text in _of_model(model)]
    return found + [("", f"workers: {incident}") for incident in report.incidents]


def show_ingest(result: Ingested, file: str) -> None:
    """Print what an ingest did."""
    from platform_interface.when import text

    if result.already:
        print(f"{file} is in {result.asset} already ({result.already}). Nothing was done; --again takes it once more.")
        return
    span = "" if result.first is None or result.last is None else f", {text(result.first)} to {text(result.last)}"
    print(f"{result.asset}: {result.rows:,} rows{span}")
    for kind, count in result.counts.items():
        print(f"  {count:,} {kind}")
    if result.unmapped:
        more = "" if len(result.unmapped) <= 12 else f" and {len(result.unmapped) - 12} more"
        print(shown(f"  columns not mapped: {', '.join(result.unmapped[:12])}{more}"))


def show_plugins(settings: Settings) -> None:
    """Print the plugins that there are."""
    from platform_interface.errors import UsageError
    from platform_interface.manifest import discover, read_manifest
    from platform_interface.plans import plugin_folders

    print("plugins:")
    for name, folder in discover(plugin_folders(settings)).items():
        try:
            manifest = read_manifest(folder)
            print(f"  {name} {manifest.version}: {manifest.description}")
        except UsageError as error:
            print(f"  {name}: not valid; python entrypoint.py validate {name} ({len(error.faults)} faults)")


def show_assets(launch: Launch, settings: Settings) -> None:
    """Print the assets of the platform, with their series."""
    from platform_interface.platforms import connect

    platform = connect(launch, settings)
    found = platform.assets(launch.asset_ids, launch.assetTag)
    print(f"{len(found)} assets on the {platform.describe()}:")
    for asset in found:
        name, tags = f" ({asset.name})" if asset.name else "", "".join(f" #{tag}" for tag in asset.tags)
        print(shown(f"  {asset.id}{name}{tags}"))
        sensors = platform.sensors(asset.id).values()
        for kind, output in (("sensors", False), ("outputs", True)):
            names = _grouped([(s.name, s.unit) for s in sensors if s.output == output])
            if names:
                print(shown(f"    {kind}: {', '.join(names)}"))


def _grouped(pairs: list[tuple[str, str]]) -> list[str]:
    """Show an array sensor once, with its length."""
    counts: dict[tuple[str, str], int] = {}
    for name, unit in pairs:
        stem = name.rsplit("|", 1)[0] + "|*" if "|" in name else name
        counts[(stem, unit)] = counts.get((stem, unit), 0) + 1
    return [
        f"{name} [{unit_word(unit) or '1'}]{f' × {count}' if name.endswith('|*') else ''}"
        for (name, unit), count in counts.items()
    ]
