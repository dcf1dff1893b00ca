"""Runs Django in threads while the event loop handles the network.

A request is passed to a thread when it has arrived completely, and the thread is free
as soon as the response is ready, so slow clients occupy no thread. The event loop sends
responses that need no lookup itself.

Many requests may wait for the same answer: after a change of the fleet, all watchers of
a page ask whether it has changed. The first one occupies a thread, and the others wait
for it without one (``Later.key``).
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

import structlog
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

log = structlog.get_logger(__name__)

Headers = list[tuple[str, str]]
Response = tuple[str, Headers]
"""Status line and headers of a response without a body."""

MEMORY_BYTES = 1024 * 1024
"""Longer responses wait for their reader in a temporary file."""

CHUNK_BYTES = 64 * 1024
"""The loop sends this much at a time and waits until the client has read it."""

READER_GRACE_SECONDS = 30
READER_BYTES_PER_SECOND = 16 * 1024
"""After the grace period, slower readers are disconnected."""

MAX_FILES = 16
"""Long responses in progress per process; one more disconnects the oldest."""

MAX_QUEUED = 1_024
"""Requests that wait for a thread per process; more get 503."""

MAX_QUEUED_POLLS = 64
"""How many of these may be polls, which can come back later; more get 204 with
``Retry-After``. This leaves room for pages. With 2,000 watchers the slowest polls still
waited 3 s (``docs/performance.md``).
"""

MAX_ROUNDS = 3
"""How often a request waits for another one with the same key."""

RETRY_AFTER_SECONDS = 5


class Later(NamedTuple):
    """What a shortcut returns if only the application can answer a poll.

    The client loses nothing if it has to come back later.

    Attributes:
        key: The shortcut may know the answer once the application has answered another
            request with the same key; empty if no other request helps.
    """

    key: str = ""


Shortcut = Callable[["WSGIEnvironment"], Response | Later | None]


class ClientGoneError(Exception):
    """The client disconnected, or was disconnected, before its request had arrived."""


class Answer(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | IO[bytes]


class Gateway:
    """An ASGI application that calls a WSGI one.

    Args:
        shortcut: Returns a response, or ``Later`` or None when the application has to
            answer. Must not block.
        threads: Number of concurrent requests to the application.
        longest_body: Bytes. Of a longer body the application gets only the length, by
            which it rejects it.
        plain_headers: For responses that the application does not make.
        prefix: Path below which the proxy shows the application, such as ``/curfew``.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        *,
        shortcut: Shortcut,
        threads: int,
        longest_body: int,
        plain_headers: Headers,
        prefix: str = "",
    ) -> None:
        self._application = application
        self._shortcut = shortcut
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._longest_body = longest_body
        self._plain_headers = plain_headers
        self._prefix = prefix
        self._queued = self._queued_polls = 0
        self._in_progress: dict[str, asyncio.Event] = {}
        self._files: dict[asyncio.Timeout, None] = {}

    async def __call__(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        environ = environ_of(scope, self._prefix)
        short = self._shortcut(environ)
        if isinstance(short, Later):
            short = await self._after_same(environ, short)
        if short and not isinstance(short, Later):
            status, headers = short
            await _send(send, Answer(int(status[:3]), _encoded(headers), b""))
            return
        try:
            is_whole = await self._read_body(environ, receive)
        except ClientGoneError:
            return
        if isinstance(short, Later):
            answer = await self._call_for_poll(environ, short)
        else:
            answer = await self._call_application(environ)
        if not is_whole:
            answer.headers.append((b"connection", b"close"))
        if isinstance(answer.body, bytes):
            await _send(send, answer)
        else:
            await self._send_file(send, answer)

    async def _after_same(
        self, environ: "WSGIEnvironment", later: Later
    ) -> Response | Later | None:
        """Wait for the request in progress with the same key, and ask again."""
        short: Response | Later | None = later
        for _ in range(MAX_ROUNDS):
            if not isinstance(short, Later) or short.key not in self._in_progress:
                break
            await self._in_progress[short.key].wait()
            short = self._shortcut(environ)
        return short

    async def _call_for_poll(self, environ: "WSGIEnvironment", later: Later) -> Answer:
        is_first = bool(later.key) and later.key not in self._in_progress
        # Others wait for the first one.
        most = MAX_QUEUED // 2 if is_first else MAX_QUEUED_POLLS
        if self._queued_polls >= most:
            wait = ("Retry-After", str(RETRY_AFTER_SECONDS))
            return Answer(204, _encoded([*self._plain_headers, wait]), b"")
        if is_first:
            self._in_progress[later.key] = asyncio.Event()
        self._queued_polls += 1
        try:
            return await self._call_application(environ)
        finally:
            self._queued_polls -= 1
            if is_first:
                self._in_progress.pop(later.key).set()

    async def _read_body(
        self, environ: "WSGIEnvironment", receive: ASGIReceiveCallable
    ) -> bool:
        """Put the body into the environ; return False when it is too long."""
        declared = environ.get("CONTENT_LENGTH", "0")
        body = b""
        if declared == "0" and "HTTP_TRANSFER_ENCODING" not in environ:
            return True
        if declared.isdecimal() and int(declared) > self._longest_body:
            return False
        is_whole = False
        while not is_whole and len(body) <= self._longest_body:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            body += message.get("body", b"")
            is_whole = not message.get("more_body", False)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = BytesIO(body)
        return is_whole

    async def _call_application(self, environ: "WSGIEnvironment") -> Answer:
        if self._queued >= MAX_QUEUED:
            headers = [("Retry-After", str(RETRY_AFTER_SECONDS))]
            return self._plain(503, "Too many requests at this moment.", headers)
        loop = asyncio.get_running_loop()
        self._queued += 1
        try:
            return await loop.run_in_executor(self._threads, self._run, environ)
        finally:
            self._queued -= 1

    def _run(self, environ: "WSGIEnvironment") -> Answer:
        """Run the application in a thread, to the last byte of its response."""
        try:
            return _answer_of(self._application, environ)
        except Exception:
            # Django shows a page for every exception; making that page has failed.
            log.exception("no answer", path=environ["PATH_INFO"])
            return self._plain(500, "An error in Curfew; its log says more.", [])

    def _plain(self, status: int, sentence: str, headers: Headers) -> Answer:
        text = f"{sentence}\n".encode()
        kind = ("Content-Type", "text/plain; charset=utf-8")
        length = ("Content-Length", str(len(text)))
        return Answer(
            status, _encoded([*self._plain_headers, *headers, kind, length]), text
        )

    async def _send_file(self, send: ASGISendCallable, answer: Answer) -> None:
        if len(self._files) >= MAX_FILES:
            oldest = next(iter(self._files))
            del self._files[oldest]
            if not oldest.expired():
                oldest.reschedule(0)
        timeout = asyncio.timeout(_patience(answer))
        self._files[timeout] = None
        try:
            await _send(send, answer, timeout)
        finally:
            self._files.pop(timeout, None)


def environ_of(scope: HTTPScope, prefix: str = "") -> "WSGIEnvironment":
    """Convert the request to a WSGI environ without a body (PEP 3333).

    Headers with an underscore are dropped: to WSGI ``X_Forwarded_For`` is
    ``X-Forwarded-For``, and no proxy has vouched for it (CVE-2015-0219).

    Args:
        prefix: Becomes ``SCRIPT_NAME``. A path without it is kept whole: health checks
            ask past the proxy, and some proxies take the prefix off.
    """
    host, port = scope["server"] or ("", None)
    path = unquote_to_bytes(scope["raw_path"]).decode("latin-1")
    if prefix and f"{path}/".startswith(f"{prefix}/"):
        path = path.removeprefix(prefix)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": prefix,
        "PATH_INFO": path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or ""),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name = _variable(raw_name)
        if not name:
            continue
        value = raw_value.decode("latin-1")
        if name in environ:
            joint = "; " if name == "HTTP_COOKIE" else ","
            value = f"{environ[name]}{joint}{value}"
        environ[name] = value
    return environ


@lru_cache(maxsize=256)
def _variable(header: bytes) -> str:
    if b"_" in header:
        return ""
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"


def _answer_of(application: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    started: list[tuple[str, Headers]] = []

    def start_response(status: str, headers: Headers, *_: Any) -> Any:
        started[:] = [(status, headers)]
        return None

    chunks = application(environ, start_response)
    try:
        body = _collected(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, headers = int(started[0][0][:3]), _encoded(started[0][1])
    has_length = any(name == b"content-length" for name, _ in headers)
    may_have_body = status >= 200 and status not in {204, 304}
    if not has_length and may_have_body and environ["REQUEST_METHOD"] != "HEAD":
        headers.append((b"content-length", str(_length(body)).encode()))
    return Answer(status, headers, body)


def _collected(chunks: Iterable[bytes]) -> bytes | IO[bytes]:
    parts, size = [], 0
    iterator = iter(chunks)
    for chunk in iterator:
        parts.append(chunk)
        size += len(chunk)
        if size > MEMORY_BYTES:
            break
    else:
        return b"".join(parts)
    file = TemporaryFile()  # noqa: SIM115  (``_send`` closes it)
    try:
        file.writelines(parts)
        file.writelines(iterator)
    except BaseException:
        file.close()
        raise
    return file


async def _send(
    send: ASGISendCallable, answer: Answer, timeout: asyncio.Timeout | None = None
) -> None:
    """Send a response at the client's pace, within its time limit."""
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": answer.headers,
        }
    )
    body = answer.body
    if isinstance(body, bytes) and len(body) <= CHUNK_BYTES:
        await send({"type": "http.response.body", "body": body, "more_body": False})
        return
    with BytesIO(body) if isinstance(body, bytes) else body as file:
        left = _length(file)
        file.seek(0)
        try:
            async with timeout or asyncio.timeout(_patience(answer)):
                while left > 0:
                    chunk = file.read(CHUNK_BYTES)
                    left -= len(chunk)
                    await send(
                        {
                            "type": "http.response.body",
                            "body": chunk,
                            "more_body": left > 0,
                        }
                    )
        except TimeoutError:
            log.warning("reader cut off", left_bytes=left)


def _patience(answer: Answer) -> float:
    return READER_GRACE_SECONDS + _length(answer.body) / READER_BYTES_PER_SECOND


def _length(body: bytes | IO[bytes]) -> int:
    return len(body) if isinstance(body, bytes) else body.seek(0, 2)


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in headers
    ]
