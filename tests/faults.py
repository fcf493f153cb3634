"""A bad network and a bad server, between a real client and the real embedded platform.

`Faults` wraps an ASGI application. Each request meets at most one fault, drawn from a seeded generator at the rates given; every
fault is counted by its kind. `start` serves a store through it in a process of its own.

======== ==========================================================================================
kind     what happens
======== ==========================================================================================
429      refused: too many requests; ThingsBoard gives no Retry-After. Nothing was done.
500      refused with ThingsBoard's error body. Nothing was done.
503      refused by a proxy, in HTML. Nothing was done.
slow     answered, after a while.
cut      done; the connection ends in the middle of the answer's body.
expired  refused: 401 with errorCode 11, the token has expired, and so for every request with this token from then on.
         Nothing was done. Bearer tokens only; a fresh one is good for a few requests at least.
lost     done; the connection ends before any answer.
reset    not done; the connection ends before any answer.
twice    done two times, as by a network that repeats; the second answer is sent.
garbage  not done; 200 with the page of somebody else's proxy.
======== ==========================================================================================

That the server cannot be reached at all is not a fault of this kind: stop the process, and start it again on its port.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.command import PROGRAM, launch_file
from tests.serving import READY, Server

KINDS = ("429", "500", "503", "slow", "cut", "expired", "lost", "reset", "twice", "garbage")
#: GET: counts by kind. PUT: ``{"rates": {kind: share}, "json_only": bool}``; counts start anew.
CONTROL = "/faults"
#: A token does not expire before it was used so often.
FRESH = 3
Scope = Mapping[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


def evenly(total: float, *kinds: str) -> dict[str, float]:
    """Return rates that add up to `total`, the same for each kind."""
    return dict.fromkeys(kinds or KINDS, total / len(kinds or KINDS))


class Faults:
    """An ASGI application that passes requests on, and some not.

    Parameters
    ----------
    app : callable
        The application.
    rates : mapping
        Share of requests, by kind; the sum is at most 1.
    seed : int
        Of the generator.
    delay : float
        Time that every request takes on its way. [s]
    slow : float
        Longest time of the kind ``slow``. [s]
    json_only : bool
        Answer as ThingsBoard does, which gives no Arrow whatever a client accepts.
    """

    def __init__(
        self, app: Application, rates: Mapping[str, float], seed: int = 0, delay: float = 0.0, slow: float = 0.3,
        json_only: bool = False,
    ) -> None:  # fmt: skip
        self.app = app
        self.delay = delay
        self.slow = slow
        self.json_only = json_only
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.used: Counter[bytes] = Counter()
        self.expired: set[bytes] = set()
        self.set(rates)

    def set(self, rates: Mapping[str, float]) -> None:
        """Take new rates and count anew."""
        unknown = set(rates) - set(KINDS)
        if unknown or sum(rates.values()) > 1:
            raise ValueError(f"rates of {unknown or 'all kinds together'}: not possible")
        self.rates = dict(rates)
        self.counts.clear()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == CONTROL:
            await self._control(scope, receive, send)
        else:
            if self.json_only:
                scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0].lower() != b"accept"]}
            await asyncio.sleep(self.delay)
            await self._request(scope, receive, send)

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "PUT":
            given = json.loads(await _body(receive))
            self.set(given["rates"])
            self.json_only = given["json_only"]
        await _answer(send, 200, json.dumps(self.counts))

    def _drawn(self, scope: Scope) -> str:
        """Return the fault that this request meets; empty: none."""
        point, kind = self.chance.random(), ""
        for name, rate in self.rates.items():
            if 0 <= point < rate:
                kind = name
            point -= rate
        kind = self._of_token(scope, kind)
        self.counts["requests"] += 1
        if kind:
            self.counts[kind] += 1
        return kind

    def _of_token(self, scope: Scope, kind: str) -> str:
        """Return the fault, given which token the request carries."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        token = headers.get(b"x-authorization", headers.get(b"authorization", b""))
        self.used[token] += 1
        if kind == "expired" and token.startswith(b"Bearer ") and self.used[token] > FRESH:
            self.expired.add(token)
        if token in self.expired:
            return "expired"
        return "" if kind == "expired" else kind

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._drawn(scope)
        if kind in ("429", "500", "503", "expired", "garbage"):
            await _body(receive)
            await _answer(send, *_REFUSALS[kind])
        elif kind == "reset":
            await _hang_up(send)
        elif kind in ("lost", "cut", "twice"):
            await self._done_but(kind, scope, receive, send)
        else:
            if kind == "slow":
                await asyncio.sleep(self.chance.uniform(0.2, 1.0) * self.slow)
            await self.app(scope, receive, send)

    async def _done_but(self, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application do the request, and then lose its answer, or half of it, or do it again."""
        body = await _body(receive)
        answer = await self._answer_of(scope, body)
        if kind == "twice":
            answer = await self._answer_of(scope, body)
        if kind == "lost":
            await _hang_up(send)
            return
        start, content = answer[0], b"".join(part.get("body", b"") for part in answer[1:])
        await send(start)
        if kind == "twice":
            await send({"type": "http.response.body", "body": content})
            return
        if content:
            await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
            await asyncio.sleep(0.01)  # let the half reach the client
        await _hang_up(send)

    async def _answer_of(self, scope: Scope, body: bytes) -> list[Message]:
        answer: list[Message] = []
        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                await asyncio.sleep(3600)  # a client that waits says nothing more
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            answer.append(message)

        await self.app({**scope}, receive, send)
        return answer


def _error(status: int, message: str, code: int) -> tuple[int, str, str]:
    body = {"status": status, "message": message, "errorCode": code, "timestamp": int(time.time() * 1000)}
    return status, json.dumps(body), "application/json"


_PROXY = "<!doctype html><title>{0}</title><h1>{0}</h1><p>This page is of a proxy, not of the platform.</p>"
_REFUSALS = {
    "429": _error(429, "Too many requests for current tenant!", 33),
    "500": _error(500, "Internal server error", 2),
    "503": (503, _PROXY.format("Service Unavailable"), "text/html"),
    "expired": _error(401, "Token has expired", 11),
    "garbage": (200, _PROXY.format("Please log in"), "text/html"),
}


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, body: str, kind: str = "application/json") -> None:
    content = body.encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _hang_up(send: Send) -> None:
    """End the connection without another word; `send` is a method of uvicorn's, which knows the connection."""
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    for _ in range(5):
        await asyncio.sleep(0)  # let uvicorn see it, or it would try to answer


# --- in a process of its own


def start(
    folder: Path, rates: Mapping[str, float] | None = None, *arguments: Any, seed: int = 0, delay: float = 0.0, port: int = 0,
    json_only: bool = False,
) -> Server:  # fmt: skip
    """Serve ``folder/store`` through faults and wait until it listens; `serving.Server` says how to end it."""
    folder.mkdir(parents=True, exist_ok=True)
    platform = {"store": str(folder / "store"), "reports": str(folder / "reports"), "pages": str(folder / "pages")}
    launch = launch_file(folder, {"platform": platform}, name="serve.json")
    given = [
        "--rates",
        json.dumps(rates or {}),
        "--seed",
        str(seed),
        "--delay",
        str(delay),
        *(["--json-only"] if json_only else []),
    ]
    with (folder / "serve.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults", *given, "--", str(launch), "--port", str(port), *map(str, arguments)],
            cwd=PROGRAM, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(READY):
        process.kill()
        process.wait(timeout=30)
        raise AssertionError(f"it did not start: {line!r}\n{(folder / 'serve.log').read_text(encoding='utf-8')}")
    return Server(process, line.strip().rpartition(" at ")[2], folder / "store", folder / "store" / "serve.key")


def counts(server: Server) -> Counter[str]:
    """Return the number of requests, and of faults by kind, since the rates were set."""
    with urllib.request.urlopen(server.address + CONTROL, timeout=30) as answer:
        return Counter(json.loads(answer.read()))


def set_rates(server: Server, rates: Mapping[str, float], json_only: bool = False) -> None:
    """Give a running server other rates, and tell whether it answers in JSON alone; it counts anew."""
    given = json.dumps({"rates": dict(rates), "json_only": json_only}).encode()
    request = urllib.request.Request(server.address + CONTROL, given, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()


def main() -> int:
    """Run `serve` with faults around its application."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rates", type=json.loads, default={}, help="JSON object: share of requests by kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="time of every request on its way [s]")
    parser.add_argument("--json-only", action="store_true", help="answer as ThingsBoard does, which gives no Arrow")
    parser.add_argument("serve", nargs=argparse.REMAINDER, help="-- and the arguments of `serve`")
    given = parser.parse_args()
    from platform_interface import cli
    from platform_interface.server import loop

    module: Any = loop
    original = module.application

    def wrapped(*arguments: Any) -> Faults:
        return Faults(original(*arguments), given.rates, given.seed, given.delay, json_only=given.json_only)

    module.application = wrapped
    return cli.main(["serve", *[word for word in given.serve if word != "--"]])


if __name__ == "__main__":
    sys.exit(main())
