"""HTTP/1.1 as uvicorn speaks it, with a bound on all that a client can hold back.

Uvicorn closes a connection that is idle between two requests, and nothing else: one may
open a connection and say nothing, send a head or a body byte by byte for ever, send a
head without end, or never read the answer. Each such connection costs memory and a file
descriptor of the process, but no thread.
"""

import asyncio
import resource
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

REQUEST_SECONDS = 10
"""From the first byte of a request, or the connection, to the last one of its body."""

READER_SECONDS = 30
"""So long a client may take for what the process holds ready for it (64 KiB)."""

HEAD_BYTES = 64 * 1024
"""Of the request line and the headers together."""

MOST_CONNECTIONS = 4_096
"""Of one process. With more, the one that has waited longest for its request is closed,
so that new ones are always served."""

_SPARE_FILES = 256
"""Descriptors that connections leave to files, database and Redis."""

_SENTENCES = {
    400: "This request is not HTTP/1.1.",
    408: f"The request did not arrive within {REQUEST_SECONDS} seconds.",
    431: "The head of the request is too large.",
}

# Connections whose request has not arrived, the oldest first.
_waiting: dict["BoundedProtocol", None] = {}


def most_connections() -> int:
    """How many connections this process holds at once."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(files - _SPARE_FILES, files // 2))


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        plain_headers: Of the answers that no application makes; the entry point fills
            them in.
    """

    plain_headers: ClassVar[list[tuple[bytes, bytes]]] = []

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._most = most_connections()
        self._request_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._arrived = self._answered = 0
        self._head_bytes = 0
        self._in_head = False
        self._refused_with = 400

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for the first request."""
        super().connection_made(transport)
        _waiting[self] = None
        self._expect_request()
        if len(self.connections) > self._most:
            oldest = next(iter(_waiting))
            del _waiting[oldest]
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if self._request_timer is None and self._arrived <= self._answered:
            self._expect_request()
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self._refuse(431)

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Have the request answered, unless its head is too large."""
        self._in_head = False
        size = len(self.url) + sum(
            len(name) + len(value) for name, value in self.headers
        )
        if size > HEAD_BYTES:
            self._refused_with = 431
            raise ValueError("too large a head")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Let the clock stand: what follows is our own time."""
        self._arrived += 1
        _waiting.pop(self, None)
        self._forget_request()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._answered += 1
        has_begun = bool(self.pipeline) or self._in_head
        super().on_response_complete()
        if self._arrived <= self._answered and not self.transport.is_closing():
            _waiting[self] = None
            if has_begun and self._request_timer is None:
                self._expect_request()

    def pause_writing(self) -> None:
        """Have the client take what is ready for it within a time."""
        super().pause_writing()
        self._reader_timer = self.loop.call_later(READER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it was taken."""
        self._forget_reader()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        _waiting.pop(self, None)
        self._forget_request()
        self._forget_reader()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser does not understand, or what we refused."""
        self._refuse(self._refused_with)

    def _expect_request(self) -> None:
        self._request_timer = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def _too_late(self) -> None:
        self._request_timer = None
        if self._in_head or (self.cycle and not self.cycle.response_started):
            self._refuse(408)
        else:
            self.transport.close()  # nothing was ever asked

    def _forget_request(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _forget_reader(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _refuse(self, status: int) -> None:
        """Answer in place of the application and hang up."""
        body = f"{_SENTENCES[status]}\n".encode()
        headers = [
            *self.plain_headers,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        self.transport.close()
