"""A command line before the parser sees it, and what may be said of one that it does not understand: a key may be among it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from platform_interface.launch import begins_json, is_launch_argument

if TYPE_CHECKING:
    from typer.exceptions import TyperException

_MAY_HOLD_A_KEY = re.compile(r"[{}:\"]|key|token|secret|password", re.IGNORECASE)
#: Words that can be no key: options, commands, names, files.
_PLAIN = re.compile(r"-{0,2}[A-Za-z][a-z]*([-_.][a-z0-9]+)*")


def told_of(error: TyperException, arguments: list[str]) -> str:
    """Return the parser's message; nothing of what was typed when a key may be in it."""
    if any(_MAY_HOLD_A_KEY.search(argument) for argument in arguments):
        return "the arguments are not understood, and are not shown: a key may be among them. Put inline JSON in single quotes."
    told = getattr(error, "format_message", None)  # str() of a missing option is empty
    message = str(told() if told is not None else error)
    for argument in sorted(arguments, key=len, reverse=True):
        if not _PLAIN.fullmatch(argument):
            for form in (repr(argument), argument):
                message = message.replace(form, "[argument]")
    return message


def without_launch(arguments: Sequence[str], commands: Sequence[str], taking: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take the launch out of the arguments; the command parser would echo what it cannot read.

    Parameters
    ----------
    commands, taking : sequence of str
        All commands, and those whose argument may be the file of a launch.

    Returns
    -------
    (str or None, list of str)
        The launch, and what the parser sees.
    """
    launch: str | None = None
    first = arguments[0] if arguments else "-"
    command = "run" if first.startswith("-") or (first not in commands and is_launch_argument(first)) else first
    rest: list[str] = []
    for argument in arguments:
        may_be_file = command in taking and not argument.startswith("-")
        if launch is None and (begins_json(argument) or (may_be_file and is_launch_argument(argument))):
            launch = argument
        else:
            rest.append(argument)
    named = command == first or {"--help", "--version"} & set(arguments)
    return launch, rest if named else ["run", *rest]
