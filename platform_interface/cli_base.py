"""What the commands share: the parser, common options, exit codes, and the launch taken out of the arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from platform_interface.errors import UsageError
from platform_interface.launch import program_folder
from platform_interface.log import LOGGER, set_up

if TYPE_CHECKING:
    from platform_interface.launch import Launch
    from platform_interface.settings import Settings

DONE, HANDLED, WRONG = 0, 1, 2

app = typer.Typer(
    add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Battery twins on an IoT asset platform. Without a command: run.\n\n"
         "python entrypoint.py dev-parameters.json, or with the launch as inline JSON.",
)  # fmt: skip

Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but failures.")]
LogFormat = Annotated[str, typer.Option("--log-format", help="text or json.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Compute and report, write nothing to the platform.")]


class Taken:
    """The launch argument, taken out of the command line before the parser sees it."""

    argument: str | None = None


def launched(quiet: bool = False, log_format: str = "text", dry_run: bool = False) -> tuple[Launch, Settings]:
    from platform_interface.launch import read_launch
    from platform_interface.settings import load_settings

    if log_format not in ("text", "json"):
        raise UsageError(f"--log-format: '{log_format}' is neither 'text' nor 'json'")
    launch = read_launch(Taken.argument)
    settings = load_settings(program_folder() / "settings.json", launch)
    if dry_run:
        execution = settings.execution.model_copy(update={"upload_output": False})
        settings = settings.model_copy(update={"execution": execution})
    set_up("json" if log_format == "json" else "text", quiet, settings.execution.debug_mode)
    if launch.inline and launch.configurationValues:
        _tell_of_defaults(launch)
    return launch, settings


def _tell_of_defaults(launch: Launch) -> None:
    """Name what the platform's form did not send: the file's defaults count, which the vendor warns of, a line each."""
    from platform_interface.vendor import not_sent, settings_file

    left = not_sent(settings_file(program_folder() / "settings.json"), launch)
    if left:
        more = "" if len(left) <= 12 else f" and {len(left) - 12} more"
        LOGGER.debug("not sent, so settings.json counts: %s%s", ", ".join(left[:12]), more)
