"""Answers as ThingsBoard gives them: JSON, pages of entities, and errors with its codes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from starlette.responses import Response

from platform_interface.log import redact

#: ThingsBoard's own error codes.
GENERAL, AUTHENTICATION, EXPIRED, PERMISSION, BAD_REQUEST, NOT_FOUND, TOO_MANY, CONFLICT = 2, 10, 11, 20, 31, 32, 33, 35
_CODES = {401: AUTHENTICATION, 403: PERMISSION, 404: NOT_FOUND, 409: CONFLICT, 429: TOO_MANY}


class RefusalError(Exception):
    """A request that is not served: the status, and a sentence for whoever sent it.

    Parameters
    ----------
    status : int
        HTTP status.
    message : str
        What is wrong and what to do.
    code : int
        ThingsBoard's error code; the usual one of the status where it is 0.
    plain : bool
        Whether the body is the bare sentence, as the telemetry endpoints of ThingsBoard give it.
    """

    def __init__(self, status: int, message: str, code: int = 0, plain: bool = False) -> None:
        super().__init__(message)
        self.status, self.message, self.plain = status, message, plain
        self.code = code or _CODES.get(status, BAD_REQUEST if status < 500 else GENERAL)


def json_answer(content: Any, status: int = 200) -> Response:
    """Return content as JSON; numbers that JSON has no word for become null."""
    return Response(orjson.dumps(content), status, media_type="application/json")


def refused(refusal: RefusalError) -> Response:
    """Return the answer to a request that is not served."""
    message = redact(refusal.message)
    headers = {"connection": "close"} if refusal.status in (408, 413) else None
    if refusal.plain:
        return Response(message.encode("utf-8", "replace"), refusal.status, headers, "text/plain")
    content = {
        "status": refusal.status, "message": message, "errorCode": refusal.code, "timestamp": round(time.time() * 1000),
    }  # fmt: skip
    body = orjson.dumps({**content, "message": message.encode("utf-8", "replace").decode()})
    return Response(body, refusal.status, headers, "application/json")


def page_of(
    found: Sequence[dict[str, Any]], size: int, number: int, order: Callable[[dict[str, Any]], Any] | None, descending: bool
) -> Response:
    """Return one page of a list: `order` is what it is sorted by; the order is stable."""
    rows = sorted(found, key=order, reverse=descending) if order else list(found)
    pages = -(-len(rows) // size)
    part = rows[number * size : (number + 1) * size]
    return json_answer(
        {"data": part, "totalPages": pages, "totalElements": len(rows), "hasNext": (number + 1) * size < len(rows)}
    )
