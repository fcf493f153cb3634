"""Commands. Exit codes are decided here only: 0 done, 1 something failed and was handled, 2 wrong usage or no platform."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from platform_interface import __version__
from platform_interface.command_line import shown, without_launch
from platform_interface.errors import DamagedError, LeaseError, PlatformError, TwinError, UsageError
from platform_interface.launch import program_folder
from platform_interface.log import LOGGER, redact, set_up, show_no_secret_in_tracebacks

if TYPE_CHECKING:
    from platform_interface.launch import Launch
    from platform_interface.settings import Settings

DONE, HANDLED, WRONG = 0, 1, 2
COMMANDS = ("run", "check", "doctor", "list", "validate", "new-model", "ingest", "forget", "backtest", "dashboard")
#: Commands whose argument may be the file of a launch; inline JSON is taken from any.
TAKES_A_FILE = ("run", "check", "doctor", "list", "backtest", "dashboard")

app = typer.Typer(
    add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Battery twins on an IoT asset platform. Without a command: run.\n\n"
         "python entrypoint.py dev-parameters.json, or with the launch as inline JSON.",
)  # fmt: skip

Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but failures.")]
LogFormat = Annotated[str, typer.Option("--log-format", help="text or json.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Compute and report, write nothing to the platform.")]


class _Taken:
    """The launch argument, taken out of the command line before the parser sees it."""

    argument: str | None = None


def main(arguments: list[str]) -> int:
    """Run one command line and return the exit code."""
    set_up()
    show_no_secret_in_tracebacks()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        parser: Any = typer.main.get_command(app)  # calling `app` would put typer's own hook before ours
        _Taken.argument, rest = without_launch(arguments, COMMANDS, TAKES_A_FILE)
        result = parser(rest, standalone_mode=False)
        return result if isinstance(result, int) else DONE
    except typer.Exit as stop:
        return int(stop.exit_code)
    except typer.Abort:
        return _failed("stopped", HANDLED)
    except TyperException as error:
        return _failed(f"{shown(error, arguments)}\nSee: python entrypoint.py --help", WRONG)
    except (UsageError, PlatformError) as error:
        return _failed(str(error), WRONG)
    except TwinError as error:
        return _failed(str(error), HANDLED)
    except KeyboardInterrupt:
        return _failed("stopped; what was computed is kept, run again to go on", HANDLED)
    except BrokenPipeError:
        return HANDLED
    except OSError as error:
        return _failed(f"{error.filename or 'a file'}: {error.strerror}. Check the path and the rights on it.", WRONG)


def _failed(message: str, code: int) -> int:
    print(redact(f"ERROR: {message}"), file=sys.stderr)
    return code


def _launched(quiet: bool = False, log_format: str = "text", dry_run: bool = False) -> tuple[Launch, Settings]:
    from platform_interface.launch import read_launch
    from platform_interface.settings import load_settings

    if log_format not in ("text", "json"):
        raise UsageError(f"--log-format: '{log_format}' is neither 'text' nor 'json'")
    launch = read_launch(_Taken.argument)
    settings = load_settings(program_folder() / "settings.json", launch)
    if dry_run:
        execution = settings.execution.model_copy(update={"upload_output": False})
        settings = settings.model_copy(update={"execution": execution})
    set_up("json" if log_format == "json" else "text", quiet, settings.execution.debug_mode)
    return launch, settings


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        print(f"battery-twin {__version__}")
        raise typer.Exit(DONE)


@app.command()
def run(quiet: Quiet = False, log_format: LogFormat = "text", dry_run: DryRun = False) -> int:
    """Compute what is new on every asset that the launch names (the default)."""
    if _Taken.argument is None:
        raise UsageError(
            "nothing to run: give a launch, for example\n  python entrypoint.py dev-parameters.example.json\n"
            "or see python entrypoint.py --help"
        )
    launch, settings = _launched(quiet, log_format, dry_run)
    from platform_interface.fleet import run_fleet
    from platform_interface.show import Progress, show_run

    with Progress("computing", quiet or log_format == "json") as progress:
        report = run_fleet(launch, settings, progress.asset)
    path = report.save(settings.folder(settings.platform.reports))
    if settings.execution.write_pages:
        from platform_interface.dashboard.command import write_after_run

        write_after_run(launch, settings, report)
    show_run(report, path, quiet, log_format)
    return HANDLED if report.failed else DONE


@app.command()
def check() -> int:
    """Check every precondition of a run; each failure with its remedy."""
    from platform_interface.precheck import precheck

    good = True
    for line in precheck(_Taken.argument):
        good = good and line.good
        print(redact(f"{line.mark}  {line.text}"))
    return DONE if good else WRONG


@app.command()
def doctor(
    asset: Annotated[str, typer.Argument(help="Id of the asset.")],
    days: Annotated[
        int, typer.Option("--days", min=1, help="Most days that are looked at, beside nights around clock changes.")
    ] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Hold the data of an asset against its mapping; propose corrections, apply none."""
    launch, settings = _launched(quiet=as_json)
    from platform_interface.doctor.examine import examine
    from platform_interface.doctor.show import show_examination
    from platform_interface.plans import readable_manifests
    from platform_interface.platforms import connect
    from platform_interface.show import Progress
    from platform_interface.when import now

    platform = connect(launch, settings)
    manifests = readable_manifests(settings)
    [found] = platform.assets([asset], "")
    with Progress("looking at", as_json) as progress:
        result = examine(platform, found, settings, manifests, now(), days, lambda share: progress.asset(asset, share))
    show_examination(result, as_json)
    return DONE


@app.command("list")
def list_assets() -> int:
    """List assets, their series and the plugins."""
    launch, settings = _launched()
    from platform_interface.show import show_assets, show_plugins

    show_plugins(settings)
    show_assets(launch, settings)
    return DONE


@app.command()
def validate(
    names: Annotated[list[str] | None, typer.Argument(help="Plugins; all of them without.")] = None,
) -> int:
    """Check manifests and code of plugins; every fault at once."""
    _, settings = _launched()
    from platform_interface.validation import validate_plugins

    good = True
    for name, faults in validate_plugins(settings, names or []).items():
        good = good and not faults
        print(f"{name}: {'valid' if not faults else ''}" if not faults else "\n".join(faults))
    return DONE if good else WRONG


@app.command("new-model")
def new_model(name: Annotated[str, typer.Argument(help="Lower-case words joined by _.")]) -> int:
    """Make a plugin folder that passes validation and conformance at once."""
    from platform_interface.scaffold import scaffold

    folder = scaffold(name, program_folder() / "models")
    print(f"{folder} is made. It runs with the next run. Next: python entrypoint.py validate {name}")
    return DONE


@app.command()
def ingest(
    file: Annotated[Path, typer.Argument(help=".csv or .parquet")],
    asset: Annotated[str, typer.Option("--asset", help="Id of the asset; made when it is new.")],
    mapping: Annotated[Path | None, typer.Option("--mapping", help="Mapping file; not needed for BDF columns.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Take the file although it is in already.")] = False,
    quiet: Quiet = False,
) -> int:
    """Bring a file of samples into the embedded platform."""
    launch, settings = _launched(quiet)
    from platform_interface.ingest import ingest as bring
    from platform_interface.platforms import connect
    from platform_interface.show import Progress, show_ingest

    platform = connect(launch, settings)
    with Progress(f"reading {file.name}", quiet) as progress:
        result = bring(platform, file, asset, mapping, lambda share: progress.asset(asset, share), again)
    if not quiet:
        show_ingest(result, file.name)
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
    launch, settings = _launched(quiet)
    from platform_interface.dashboard.command import Request, stretch, write_pages
    from platform_interface.show import Progress

    folder = settings.folder(settings.platform.pages) if output is None else output
    request = Request([asset] if asset else [], every, model, folder, single_file, stretch(start, end))
    with Progress("drawing", quiet) as progress:
        paths = write_pages(launch, settings, request, progress.asset)
    if not quiet:
        print(redact("\n".join(str(path) for path in paths)))
    return DONE


@app.command()
def forget(
    asset: Annotated[str, typer.Argument(help="Id of the asset.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Delete an asset with all its series, state and alarms."""
    launch, settings = _launched()
    from platform_interface.platforms import connect

    platform = connect(launch, settings)
    if not yes and not typer.confirm(f"Delete {asset} with everything it has, for good?"):
        print("nothing was deleted")
        return DONE
    try:
        holder = platform.take_lease(asset, "forget", 60.0)
    except DamagedError:
        holder = None  # its file is damaged: all the more reason to let it go
    if holder is not None:
        raise LeaseError(f"{asset} is being computed ({holder}); nothing was deleted. Wait for it.")
    platform.forget(asset)
    from platform_interface.dashboard.page import remove_pages

    pages = remove_pages(settings.folder(settings.platform.pages), asset)
    LOGGER.info("%s is deleted%s", asset, f", and {pages} pages of it; `dashboard` writes the index anew" if pages else "")
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
    launch, settings = _launched(as_json)
    import json

    from platform_interface.backtest import backtest as compute
    from platform_interface.backtest import show
    from platform_interface.show import Progress

    with Progress("backtest of", as_json) as progress:
        results = compute(launch, settings, model, asset, (begin, end), changed or [], progress.asset)
    if as_json:
        print(redact(json.dumps([result.as_dict() for result in results], ensure_ascii=False, indent=1)))
    else:
        print(redact("\n".join(line for result in results for line in show(result))))
    return HANDLED if any(result.status == "failed" for result in results) else DONE


def commands() -> dict[str, Any]:
    """Return the commands by name; the documentation is made from it."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)
