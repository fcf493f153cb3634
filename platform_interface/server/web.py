"""From a request to a function of the store: who asks, the body within its limits, errors as ThingsBoard words them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from platform_interface.errors import DamagedError, LeaseError, PlatformError, TwinError
from platform_interface.log import LOGGER
from platform_interface.platforms.local_served import ServedStore
from platform_interface.server.answers import RefusalError, refused
from platform_interface.server.days import Days
from platform_interface.server.entities import Entities
from platform_interface.server.keys import Doorkeeper

#: Bodies of requests, and of uploads. [bytes]
BODY, UPLOAD = 16 * 2**20, 50 * 2**20
#: A whole body has to be here within this time. [s]
BODY_TIME = 60.0
#: Requests that are worked on at once; the rest wait.
THREADS = 16
#: A wrong key is answered after this time. [s]
WRONG_KEY = 0.3


@dataclass
class Served:
    """What the endpoints work on.

    Attributes
    ----------
    store : ServedStore
        The store.
    door : Doorkeeper
        Knows the key.
    pages : Path
        Folder of the HTML pages.
    body_time : float
        How long a body may take to arrive. [s]
    homes : dict
        Asset of each alarm that was seen, by the alarm's UUID.
    """

    store: ServedStore
    door: Doorkeeper
    pages: Path
    body_time: float = BODY_TIME
    entities: Entities = field(init=False)
    days: Days = field(default_factory=Days)
    homes: dict[str, str] = field(default_factory=dict)
    limiter: anyio.CapacityLimiter | None = None

    def __post_init__(self) -> None:
        self.entities = Entities(self.store)


@dataclass(frozen=True)
class Call:
    """One request, its body read."""

    path: Mapping[str, str]
    query: QueryParams
    body: bytes
    user: Mapping[str, Any]
    accept: str = ""

    def json(self) -> Any:
        """Return the body as JSON, or refuse it."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise RefusalError(400, f"Invalid JSON: {error}") from None

    def integer(self, name: str, default: int | None = None, least: int | None = None) -> int:
        """Return a whole number of the query."""
        given = self.query.get(name)
        if given is None or given == "":
            if default is None:
                raise RefusalError(400, f"Required request parameter '{name}' is not present")
            return default
        try:
            value = int(given)
        except ValueError:
            raise RefusalError(400, f"{name}: '{given[:64]}' is not a whole number") from None
        if least is not None and value < least:
            raise RefusalError(400, f"{name}: {value} is less than {least}")
        if abs(value) > 2**62:
            raise RefusalError(400, f"{name}: {given[:64]} is too large")
        return value

    def flag(self, name: str) -> bool:
        """Whether a switch of the query is on."""
        return self.query.get(name, "").lower() == "true"

    def words(self, name: str) -> list[str]:
        """Return a list given with commas or repeated."""
        return [word for given in self.query.getlist(name) for word in given.split(",") if word]


Work = Callable[[Served, Call], Response]


async def authorized(request: Request) -> Mapping[str, Any]:
    """Return who asks, or refuse; a wrong key is told so a little later."""
    served: Served = request.app.state.served
    header = request.headers.get("x-authorization") or request.headers.get("authorization") or ""
    try:
        return served.door.user_of(header)
    except RefusalError:
        if header.startswith("ApiKey "):
            await asyncio.sleep(WRONG_KEY)
        raise


async def body_of(request: Request, limit: int) -> bytes:
    """Read a body within its limits of size and time."""
    served: Served = request.app.state.served
    coding = request.headers.get("content-encoding", "identity")
    if coding != "identity":  # what a body becomes when it is unpacked has no bound
        raise RefusalError(415, f"Content-Encoding: '{coding[:32]}' is not taken; send the body as it is")
    too_large = RefusalError(413, f"Request payload size exceeds the limit of {limit} bytes")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(served.body_time):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise RefusalError(408, f"The request was not complete within {served.body_time:.0f} s") from None
    return b"".join(parts)


async def in_thread(served: Served, work: Callable[[], Response]) -> Response:
    """Do blocking work beside the loop, so many at once."""
    if served.limiter is None:
        served.limiter = anyio.CapacityLimiter(THREADS)
    return await anyio.to_thread.run_sync(work, limiter=served.limiter)


def guarded(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn what goes wrong into an answer; never a traceback."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RefusalError as refusal:
            return refused(refusal)
        except LeaseError as error:
            return refused(RefusalError(409, str(error)))
        except DamagedError as error:
            LOGGER.warning("%s", error)
            return refused(RefusalError(500, str(error)))
        except PlatformError as error:
            return refused(RefusalError(400, str(error)))
        except TwinError as error:
            return refused(RefusalError(500, str(error)))

    return answer


def serves(method: str, path: str, work: Work, limit: int = BODY) -> Route:
    """Return the route of a function that needs a key."""

    async def endpoint(request: Request) -> Response:
        user = await authorized(request)
        body = await body_of(request, limit) if request.method not in ("GET", "DELETE") else b""
        call = Call(request.path_params, request.query_params, body, user, request.headers.get("accept", ""))
        return await in_thread(request.app.state.served, lambda: work(request.app.state.served, call))

    return Route(path, guarded(endpoint), methods=[method])
