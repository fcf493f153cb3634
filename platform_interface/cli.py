"""Commands. Exit codes are decided here only: 0 done, 1 something failed and was handled, 2 wrong usage or no platform."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from platform_interface import (
    __version__,
    cli_reading,  # noqa: F401 - its commands join the parser
)
from platform_interface.cli_base import DONE, HANDLED, WRONG, DryRun, LogFormat, Quiet, Taken, app, launched
from platform_interface.command_line import told_of, without_launch
from platform_interface.errors import DamagedError, LeaseError, PlatformError, TwinError, UsageError
from platform_interface.launch import program_folder
from platform_interface.log import LOGGER, guarded_streams, set_up, show_no_secret_in_tracebacks, shown

COMMANDS = (
    "run", "check", "doctor", "list", "validate", "new-model", "ingest", "forget", "backtest", "dashboard", "explore", "serve"
)  # fmt: skip
#: Commands whose argument may be the file of a launch; inline JSON is taken from any.
TAKES_A_FILE = ("run", "check", "doctor", "list", "backtest", "dashboard", "serve")
#: What the parser makes of Ctrl-C in a command.
_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run one command line and return the exit code."""
    with guarded_streams():
        return _guarded(arguments)


def _guarded(arguments: list[str]) -> int:
    set_up()
    show_no_secret_in_tracebacks()
    try:
        parser: Any = typer.main.get_command(app)  # calling `app` would put typer's own hook before ours
        Taken.argument, rest = without_launch(arguments, COMMANDS, TAKES_A_FILE)
        result = parser(rest, standalone_mode=False)
        if result == _INTERRUPTED:
            raise KeyboardInterrupt
        return result if isinstance(result, int) else DONE
    except typer.Exit as stop:
        return int(stop.exit_code)
    except typer.Abort:
        return _failed("stopped", HANDLED)
    except TyperException as error:
        return _failed(f"{told_of(error, arguments)}\nSee: python entrypoint.py --help", WRONG)
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
    print(shown(f"ERROR: {message}"), file=sys.stderr)
    return code


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        print(f"battery-twin {__version__}")
        raise typer.Exit(DONE)


@app.command()
def run(
    quiet: Quiet = False,
    log_format: LogFormat = "text",
    dry_run: DryRun = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run of many assets that was stopped.")] = False,
) -> int:
    """Compute what is new on every asset that the launch names (the default)."""
    if Taken.argument is None:
        raise UsageError(
            "nothing to run: give a launch, for example\n  python entrypoint.py dev-parameters.example.json\n"
            "or see python entrypoint.py --help"
        )
    launch, settings = launched(quiet, log_format, dry_run)
    from platform_interface.fleet import run_fleet
    from platform_interface.metrics import measured
    from platform_interface.progress import Progress
    from platform_interface.show import show_run

    with measured(settings) as outcome, Progress("computing", quiet or log_format == "json") as progress:
        report = run_fleet(launch, settings, progress.asset, resume=resume, finished=progress.fleet)
        path = report.save(settings.folder(settings.platform.reports))
        outcome.report = report
    if settings.execution.write_pages:
        from platform_interface.dashboard.command import write_after_run

        write_after_run(launch, settings, report)
    if launch.demoFleet and settings.execution.upload_output:
        from platform_interface.explorer.command import write_for_demo

        write_for_demo(settings)
    show_run(report, path, quiet, log_format)
    return HANDLED if report.failed else DONE


@app.command()
def check() -> int:
    """Check every precondition of a run; each failure with its remedy."""
    from platform_interface.precheck import precheck

    good = True
    for line in precheck(Taken.argument):
        good = good and line.good
        print(shown(f"{line.mark}  {line.text}"))
    return DONE if good else WRONG


@app.command("list")
def list_assets() -> int:
    """List assets, their series and the plugins."""
    launch, settings = launched()
    from platform_interface.show import show_assets, show_plugins

    show_plugins(settings)
    show_assets(launch, settings)
    return DONE


@app.command()
def validate(
    names: Annotated[list[str] | None, typer.Argument(help="Plugins; all of them without.")] = None,
) -> int:
    """Check manifests and code of plugins; every fault at once."""
    _, settings = launched()
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
    launch, settings = launched(quiet)
    from platform_interface.ingest import ingest as bring
    from platform_interface.platforms import connect
    from platform_interface.progress import Progress
    from platform_interface.show import show_ingest

    platform = connect(launch, settings)
    with Progress(f"reading {file.name}", quiet) as progress:
        result = bring(platform, file, asset, mapping, lambda share: progress.asset(asset, share), again)
    if not quiet:
        show_ingest(result, file.name)
    return DONE


@app.command()
def forget(
    asset: Annotated[str, typer.Argument(help="Id of the asset.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Delete an asset with all its series, state and alarms."""
    launch, settings = launched()
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
def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; another than loopback needs a certificate.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0: any that is free.")] = 8080,
    key: Annotated[
        str, typer.Option("--key", help='Where the key is: "env:NAME" or "file:PATH". Without: a key file in the store.')
    ] = "",
    certificate: Annotated[Path | None, typer.Option("--certificate", help="PEM file of the certificate, for TLS.")] = None,
    private_key: Annotated[Path | None, typer.Option("--private-key", help="PEM file of the certificate's key.")] = None,
    quiet: Quiet = False,
    log_format: LogFormat = "text",
) -> int:
    """Serve the embedded platform over HTTP, for people and for clients of ThingsBoard's REST API."""
    launch, settings = launched(quiet, log_format)
    from platform_interface.server.command import Listening, serve_forever

    return serve_forever(launch, settings, Listening(host, port, key, certificate, private_key))


def commands() -> dict[str, Any]:
    """Return the commands by name; the documentation is made from it."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)
