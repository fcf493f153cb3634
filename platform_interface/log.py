"""What may be shown: log lines as text or JSON, no secrets, and no control characters on a terminal."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any, Literal, TextIO
from urllib.parse import quote, quote_plus

LOGGER = logging.getLogger("twin")
_SECRETS: set[str] = set()
_MASK = "[secret]"
#: What every JSON line tells beside its own facts.
_COMMON: dict[str, Any] = {}
_DIRECTIONS = "\u2028\u2029\u202a-\u202e\u2066-\u2069"  # they make a text read other than it is
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_DIRECTIONS}\ud800-\udfff]")
#: Of what a terminal obeys, only what our own tables and bars need: colours, cursor up, erase line, hide and show the cursor.
_NOT_OURS = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f{_DIRECTIONS}]|\x1b(?!\\[\\??[0-9;]*[mAKhl])")


def add_secret(value: str) -> None:
    """Remember a value that must never be shown; words shorter than 4 characters are left alone."""
    if len(value.strip()) < 4:
        return
    sent = value.encode("utf-8", "replace")
    forms = {value, value.strip(), quote(sent), quote(sent, ""), quote_plus(sent), sent.decode("latin-1")}
    for _ in range(3):  # a text quoted in a message, in a traceback, in a report
        forms |= {form for known in forms for form in _quoted(known)}
    _SECRETS.update(forms)


def _quoted(value: str) -> tuple[str, ...]:
    """Return how a text looks in JSON, with and without ASCII only, and in Python's two kinds of quotes."""
    texts = (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value), repr(f'"{value}')[1:])
    return tuple(text[1:-1] for text in texts)


def redact(text: str) -> str:
    """Return the text with every known secret masked."""
    for secret in sorted(_SECRETS, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return text


def shown(text: str) -> str:
    """Return the text as a terminal may show it: secrets masked, control characters as escapes.

    Examples
    --------
    >>> shown("pack \x1b]0;1")
    'pack \\\\x1b]0;1'
    """
    return _CONTROL.sub(_escaped, redact(text))


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode("ascii")


class _Guarded:
    """A stream that no name from a platform can give orders through."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rule = _NOT_OURS if stream.isatty() else _CONTROL

    def write(self, text: str) -> int:
        return self._stream.write(self._rule.sub(_escaped, text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Escape control characters in all that is printed."""
    kept = sys.stdout, sys.stderr
    for stream in kept:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    guards: Any = [_Guarded(stream) for stream in kept]
    sys.stdout, sys.stderr = guards
    try:
        yield
    finally:
        sys.stdout, sys.stderr = kept


def show_no_secret_in_tracebacks() -> None:
    """Mask secrets in the traceback of an error that nobody expected."""
    import traceback

    def show(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        print(shown("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr)

    sys.excepthook = show


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        return shown(f"{prefix}{super().format(record)}")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line.update({**_COMMON, **getattr(record, "facts", {})})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # control characters that JSON leaves as they are: a guarded stream would escape them in a way that JSON does not know
        return _CONTROL.sub(
            lambda found: f"\\u{ord(found.group()):04x}", redact(json.dumps(line, default=str, ensure_ascii=False))
        )


def in_every_line(**facts: Any) -> None:
    """Let every JSON line from now on tell this too."""
    _COMMON.update(facts)


def tell_machines(message: str, **facts: Any) -> None:
    """Log a line that only readers of JSON get; people have the table."""
    if any(isinstance(handler.formatter, _Json) for handler in LOGGER.handlers):
        LOGGER.info(message, extra={"facts": facts})


def set_up(style: Literal["text", "json"] = "text", quiet: bool = False, debug: bool = False) -> None:
    """Send log lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    LOGGER.handlers[:] = [handler]
    LOGGER.propagate = False
    LOGGER.setLevel(logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO)


def as_set_up() -> tuple[Literal["text", "json"], bool, dict[str, Any]]:
    """Return style, quietness and common facts of the log, for another process to be set up alike."""
    style: Literal["text", "json"] = "json" if any(isinstance(h.formatter, _Json) for h in LOGGER.handlers) else "text"
    return style, LOGGER.level >= logging.WARNING, dict(_COMMON)


def dask_logs(debug: bool) -> list[tuple[logging.Logger, int, list[logging.Handler]]]:
    """Send what Dask logs our way, in debug mode only; return how it was."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("distributed", "tornado", "asyncio")]
    before = []
    ours: logging.Handler = logging.StreamHandler(sys.stderr)  # not that of our own log: Dask sets the level of what it finds
    ours.setFormatter(LOGGER.handlers[0].formatter if LOGGER.handlers else _Text())
    for logger in map(logging.getLogger, names):
        before.append((logger, logger.level, list(logger.handlers)))
        logger.setLevel(logging.WARNING if debug else logging.CRITICAL + 1)
        if logger.handlers:
            logger.handlers[:] = [ours]
    return before
