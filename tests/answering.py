"""A tiny HTTP server of the tests' own, that answers what a test tells it to: for what the embedded platform never says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

UUID = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Told:
    """One answer: JSON of `content`, or these bytes as they are."""

    content: Any = None
    status: int = 200
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Answering:
    """The server: its address, and what it was asked."""

    address: str
    asked: list[Asked]


@contextmanager
def answering(answer: Callable[[Asked], Told]) -> Iterator[Answering]:
    """Answer every request by a function while the block runs."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        timeout = 30

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Asked(self.command, parts.path, parse_qs(parts.query, keep_blank_values=True), dict(self.headers), body)
            asked.append(request)
            told = answer(request)
            content = told.raw if told.raw is not None else b"" if told.content is None else json.dumps(told.content).encode()
            self.send_response(told.status)
            for name, value in {"Content-Length": str(len(content)), **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
            if int(told.headers.get("Content-Length", len(content))) != len(content):
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = _any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Answering(f"http://127.0.0.1:{server.server_address[1]}", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
