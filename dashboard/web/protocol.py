"""HTTP/1.1 of uvicorn, with limits on everything a client can delay.

Uvicorn only closes connections that are idle between two requests. A client could also
send nothing, send a head or a body slowly or without end, or never read the response.
Each such connection takes memory and a file descriptor, but no thread.
"""

import asyncio
import resource
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

REQUEST_SECONDS = 10
"""From the connection, or the first byte of a request, to the end of its body."""

READER_SECONDS = 30
"""For a client to take what the process has buffered for it (64 KiB)."""

HEAD_BYTES = 64 * 1024
"""Of the request line and the headers together."""

MAX_CONNECTIONS = 4_096
"""Per process.

Beyond it, the connection that has waited longest for its request is closed, so that new
ones are always served.
"""

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
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(files - _SPARE_FILES, files // 2))


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        plain_headers: For responses that no application makes; set by the entry point.
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
        super().connection_made(transport)
        _waiting[self] = None
        self._expect_request()
        if len(self.connections) > self._most:
            oldest = next(iter(_waiting))
            del _waiting[oldest]
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._request_timer is None and self._arrived <= self._answered:
            self._expect_request()
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self._refuse(431)

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Pass the request on, unless its head is too large."""
        self._in_head = False
        size = len(self.url) + sum(
            len(name) + len(value) for name, value in self.headers
        )
        if size > HEAD_BYTES:
            self._refused_with = 431
            raise ValueError("the head is too large")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the timer: the client has sent everything."""
        self._arrived += 1
        _waiting.pop(self, None)
        self._stop_request_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._answered += 1
        has_begun = bool(self.pipeline) or self._in_head
        super().on_response_complete()
        if self._arrived <= self._answered and not self.transport.is_closing():
            _waiting[self] = None
            if has_begun and self._request_timer is None:
                self._expect_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_timer = self.loop.call_later(READER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_reader_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        _waiting.pop(self, None)
        self._stop_request_timer()
        self._stop_reader_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser or ``on_headers_complete`` rejects."""
        self._refuse(self._refused_with)

    def _expect_request(self) -> None:
        self._request_timer = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def _too_late(self) -> None:
        self._request_timer = None
        if self._in_head or (self.cycle and not self.cycle.response_started):
            self._refuse(408)
        else:
            self.transport.close()  # no request was ever started

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _stop_reader_timer(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()

    def _refuse(self, status: int) -> None:
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
