"""Log lines, as text or JSON, with secrets removed."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, Literal

LOGGER = logging.getLogger("twin")
_SECRETS: set[str] = set()
_MASK = "[secret]"


def add_secret(value: str) -> None:
    """Remember a value that must never be shown; words shorter than 4 characters are left alone."""
    if len(value.strip()) < 4:
        return
    forms = {value, value.strip()}
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


def show_no_secret_in_tracebacks() -> None:
    """Mask secrets in the traceback of an error that nobody expected."""
    import traceback

    def show(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        print(redact("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr)

    sys.excepthook = show


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        return redact(f"{prefix}{super().format(record)}")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line.update(getattr(record, "facts", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return redact(json.dumps(line, default=str, ensure_ascii=False))


def set_up(style: Literal["text", "json"] = "text", quiet: bool = False, debug: bool = False) -> None:
    """Send log lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    LOGGER.handlers[:] = [handler]
    LOGGER.propagate = False
    LOGGER.setLevel(logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO)
