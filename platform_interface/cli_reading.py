"""Commands that look at what is there and write nothing to the platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platform_interface.cli_base import DONE, HANDLED, Quiet, app, launched
from platform_interface.log import redact


@app.command()
def doctor(
    asset: Annotated[str, typer.Argument(help="Id of the asset.")],
    days: Annotated[
        int, typer.Option("--days", min=1, help="Most days that are looked at, beside nights around clock changes.")
    ] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Hold the data of an asset against its mapping; propose corrections, apply none."""
    launch, settings = launched(quiet=as_json)
    from platform_interface.doctor.examine import examine
    from platform_interface.doctor.show import show_examination
    from platform_interface.plans import readable_manifests
    from platform_interface.platforms import connect
    from platform_interface.progress import Progress
    from platform_interface.when import now

    platform = connect(launch, settings)
    manifests = readable_manifests(settings)
    [found] = platform.assets([asset], "")
    with Progress("looking at", as_json) as progress:
        result = examine(platform, found, settings, manifests, now(), days, lambda share: progress.asset(asset, share))
    show_examination(result, as_json)
    return DONE


@app.command()
def dashboard(
    asset: Annotated[str, typer.Argument(help="Id of the asset; none: the index of the fleet only.")] = "",
    model: Annotated[str, typer.Option("--model", help="One model; all of them without.")] = "",
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder of the pages; platform.pages of the settings without.")
    ] = None,
    single_file: Annotated[bool, typer.Option("--single-file", help="Everything in the page itself, for sending.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Pages of every asset.")] = False,
    start: Annotated[str, typer.Option("--from", help="Start of the stretch shown, ISO 8601 with offset.")] = "",
    end: Annotated[str, typer.Option("--to", help="End of the stretch shown, ISO 8601 with offset.")] = "",
    quiet: Quiet = False,
) -> int:
    """Write offline HTML pages of an asset, and the index of the fleet."""
    launch, settings = launched(quiet)
    from platform_interface.dashboard.command import Request, stretch, write_pages
    from platform_interface.progress import Progress

    folder = settings.folder(settings.platform.pages) if output is None else output
    request = Request([asset] if asset else [], every, model, folder, single_file, stretch(start, end))
    with Progress("drawing", quiet) as progress:
        paths = write_pages(launch, settings, request, progress.asset)
    if not quiet:
        print(redact("\n".join(str(path) for path in paths)))
    return DONE


@app.command()
def explore(
    model: Annotated[str, typer.Option("--model", help="Plugin to explore; the first that offers it without.")] = "",
    output: Annotated[Path, typer.Option("--output", help="File, or folder for explorer.html.")] = Path("explorer.html"),
    quiet: Quiet = False,
) -> int:
    """Write one HTML file in which a plugin's networks are explored with sliders, offline."""
    _, settings = launched(quiet)
    from platform_interface.explorer.command import write_explorer

    path = write_explorer(settings, model, output)
    if not quiet:
        print(redact(f"{path}: open it in a browser"))
    return DONE


@app.command()
def backtest(
    model: Annotated[str, typer.Argument(help="Plugin to run.")],
    asset: Annotated[str, typer.Argument(help="Asset; without it all that the launch names.")] = "",
    begin: Annotated[str, typer.Option("--from", help="Begin, ISO 8601 with offset.")] = "",
    end: Annotated[str, typer.Option("--to", help="End, ISO 8601 with offset.")] = "",
    changed: Annotated[
        list[str] | None, typer.Option("--set", help="name=value of the model's configuration; repeat it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Run a model over history with a changed configuration and count its alarms; nothing is written."""
    launch, settings = launched(as_json)
    import json

    from platform_interface.backtest import backtest as compute
    from platform_interface.backtest import show
    from platform_interface.progress import Progress

    with Progress("backtest of", as_json) as progress:
        results = compute(launch, settings, model, asset, (begin, end), changed or [], progress.asset)
    if as_json:
        print(redact(json.dumps([result.as_dict() for result in results], ensure_ascii=False, indent=1)))
    else:
        print(redact("\n".join(line for result in results for line in show(result))))
    return HANDLED if any(result.status == "failed" for result in results) else DONE
