"""What a person sees on a terminal: tables and progress. Names from a platform are data, never markup."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from platform_interface.log import redact
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


class Progress:
    """A bar on a terminal; nothing elsewhere."""

    def __init__(self, title: str, silent: bool) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        if not silent and sys.stderr.isatty():
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._title = title

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def asset(self, asset: str, share: float) -> None:
        """Show how far an asset is."""
        if self._bar is not None:
            if asset not in self._tasks:
                self._tasks[asset] = self._bar.add_task(f"{self._title} {asset}".replace("[", r"\["), total=1.0)
            self._bar.update(self._tasks[asset], completed=share)


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
    out.print(_run_table(report))
    sentences = _sentences(report)
    for number, (mark, sentence) in enumerate(sentences, 1):
        out.print(Text(f"{number:>3} ", style="dim") + Text(redact(sentence), style=_STYLE.get(mark, "")))
    for severity, sentence in _alarms(report):
        out.print(Text(redact(sentence), style="bold red" if severity == "critical" else "yellow"))
    if report.nothing_new:
        out.print(Text("no new data", style="bold"))
    count = len(report.assets)
    out.print(f"{count} asset{'s' if count != 1 else ''} in {report.seconds:.1f} s. Report: {path}", soft_wrap=True)


def _run_table(report: RunReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("asset", "model", "state", "window (UTC)", "rows", "latest", "warnings"):
        table.add_column(heading, justify="right" if heading in ("rows", "warnings") else "left", no_wrap=heading == "asset")
    for asset in report.assets:
        if not asset.models:
            table.add_row(asset.asset, "", Text(asset.status, style=_STYLE.get(asset.status, "")), "", "", "", "")
        for position, model in enumerate(asset.models):
            warnings = len(_of_model(model)) + (len(_of_asset(asset)) if position == 0 else 0)
            table.add_row(
                asset.asset if position == 0 else "", model.model, Text(model.status, style=_STYLE.get(model.status, "")),
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
    return Text("\n".join(lines))


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
    return found


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
        print(f"  columns not mapped: {', '.join(result.unmapped[:12])}{more}")


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
        print(f"  {asset.id}{f' ({asset.name})' if asset.name else ''}{' #' + ' #'.join(asset.tags) if asset.tags else ''}")
        sensors = platform.sensors(asset.id).values()
        for kind, output in (("sensors", False), ("outputs", True)):
            names = _grouped([(s.name, s.unit) for s in sensors if s.output == output])
            if names:
                print(f"    {kind}: {', '.join(names)}")


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
