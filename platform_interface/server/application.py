"""The application: every route, the checks before them, and one form of error after them."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from platform_interface.log import LOGGER
from platform_interface.server import (
    access,
    alarm_lists,
    alarms,
    assets,
    attributes,
    history,
    others,
    people,
    resources,
    telemetry,
)
from platform_interface.server.answers import RefusalError, refused
from platform_interface.server.web import Served

#: The order matters: the first route that fits is taken, and those of attributes fit much.
ROUTES: list[BaseRoute] = [
    *access.ROUTES, *assets.ROUTES, *history.ROUTES, *telemetry.ROUTES, *attributes.ROUTES, *alarm_lists.FIRST,
    *alarms.ROUTES, *alarm_lists.ROUTES, *resources.ROUTES, *others.ROUTES, *people.ROUTES,
]  # fmt: skip


def application(served: Served) -> Starlette:
    """Return the ASGI application over a store."""
    app = Starlette(routes=ROUTES, exception_handlers={HTTPException: _unknown, Exception: _unexpected})
    app.router.redirect_slashes = False
    app.state.served = served
    return app


async def _unknown(request: Request, error: Any) -> Response:
    path = request.url.path[:200]
    if error.status_code == 405:
        return refused(RefusalError(405, f"Request method '{request.method[:16]}' is not supported for {path}"))
    return refused(
        RefusalError(error.status_code, f"{path} is not served by this platform" if error.status_code == 404 else error.detail)
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    LOGGER.error("%s %s: %s", request.method, request.url.path[:200], type(error).__name__, exc_info=error)
    return refused(RefusalError(500, f"Unexpected {type(error).__name__}; the log of the server says more"))
