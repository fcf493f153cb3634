"""Checks before every route: the name by which we were called, and a line for the access log."""

from __future__ import annotations

import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platform_interface.log import LOGGER
from platform_interface.server.answers import RefusalError, refused

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_PORT = re.compile(r":\d{1,5}$")
_ODD = re.compile(r"[^\x21-\x7e]")
#: Headers of every answer.
_SAFE = [
    (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"cache-control", b"no-store"),
    (b"x-frame-options", b"DENY"),
]  # fmt: skip


class Guards:
    """Wrap an application.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    hosts : tuple of str
        Names that a request may call us by; empty: any. A page of a foreign site whose name points to this machine (DNS
        rebinding) calls us by that name.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...] = ()) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        began, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                held = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _SAFE if pair[0] not in held)]
            await send(message)

        if self._foreign(scope):
            await refused(RefusalError(421, "This server does not go by that name; use the address that it printed"))(
                scope, receive, noted
            )
        else:
            await self.app(scope, receive, noted)
        path = _ODD.sub("?", scope["path"])[:200]
        LOGGER.info("%s %s %d %.0f ms", scope["method"], path, status, (time.perf_counter() - began) * 1000)

    def _foreign(self, scope: Scope) -> bool:
        if not self.hosts:
            return False
        given = [value for name, value in scope["headers"] if name == b"host"]
        name = _PORT.sub("", given[0].decode("latin-1").lower()) if len(given) == 1 else ""
        return name not in self.hosts
