"""A connection that does not get anywhere is closed: uvicorn itself waits for headers, bodies and readers for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Headers have to be whole within this time of a connection or of the request's first byte; then its body. [s]
HEADER_TIME, BODY_TIME = 15.0, 60.0
#: A client that takes less than so much of an answer in so long is let go. [s, bytes]
WRITE_TIME, LEAST = 60.0, 65_536
#: Connections at one time.
CONNECTIONS = 256


class Patient(HttpToolsProtocol):
    """uvicorn's protocol with an end to its patience."""

    header_time, body_time, write_time, least, most = HEADER_TIME, BODY_TIME, WRITE_TIME, LEAST, CONNECTIONS
    _waiting: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None
    _left = 0
    _begun = False
    refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if there are not too many."""
        if len(self.connections) >= self.most:
            self.refused = True
            transport.abort()
            return
        super().connection_made(transport)
        self._wait(self.header_time)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._done_waiting()
        self._done_writing()
        if not self.refused:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take data; a new request on a kept connection has its own time."""
        if self.refused:
            return
        if self._waiting is None and not self._begun:
            self._wait(self.header_time)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Note the first byte of a request; one that came with the end of another has its own time too."""
        self._begun = True
        if self._waiting is None:
            self._wait(self.header_time)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Give the body its time."""
        self._wait(self.body_time)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock: the request is here."""
        self._begun = False
        self._done_waiting()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Start the clock of a client that reads too slowly."""
        super().pause_writing()
        if self._writing is None:
            self._left = self.transport.get_write_buffer_size()
            self._writing = self.loop.call_later(self.write_time, self._look)

    def resume_writing(self) -> None:
        """Stop it."""
        self._done_writing()
        super().resume_writing()

    def _look(self) -> None:
        """Let go of a reader who took next to nothing since the last look; a slow one may take his time."""
        left = self.transport.get_write_buffer_size()
        if self._left - left < self.least:
            self._give_up()
            return
        self._left = left
        self._writing = self.loop.call_later(self.write_time, self._look)

    def _wait(self, seconds: float) -> None:
        self._done_waiting()
        self._waiting = self.loop.call_later(seconds, self._give_up)

    def _done_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _done_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _give_up(self) -> None:
        self._done_waiting()
        self._done_writing()
        transport: Any = self.transport
        if transport is not None:  # also one that closes as soon as its answer is taken
            transport.abort()
