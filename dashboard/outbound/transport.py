"""HTTP with a deadline, a size limit and, for webhooks, public addresses only.

httpx limits the time of each read but not of the whole call, so a server that sends one
byte a second would block a caller without end. So this module enforces a deadline on
the socket. The deadline covers the connection, TLS, headers and body, and the calls to
the identity service that a call needs first. It does not cover the name lookup, which
the C library cannot interrupt.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

import httpcore
import httpx

from dashboard.outbound.public import public_addresses

TOTAL_SECONDS = 6.0
"""The deadline of a call, from its first to its last byte."""

CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
WRITE_SECONDS = 5.0
POOL_SECONDS = 2.0

MAX_BYTES = 1_000_000
"""The size limit of an answer, unless ``largest_answer`` raises it."""

NEVER_SENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout),
    httpx.ProxyError,
)
"""Failures before any part of a request is sent."""

_MAX_BYTES_KEY = "curfew_max_bytes"
_MAX_CONNECTIONS = 4
# Gateways close idle connections without notice; close them earlier.
_KEEPALIVE_SECONDS = 15.0


class OversizedAnswerError(httpx.TransportError):
    """The answer is larger than the call allows."""


class EncodedAnswerError(httpx.TransportError):
    """The answer is compressed although the request forbids it: it could be a bomb."""


class Deadline:
    """The time by which the current call must end, by the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds

    def spent_seconds(self) -> float:
        """Return the seconds since the start, without pauses."""
        return self._seconds - self.remaining_seconds()

    def remaining_seconds(self) -> float:
        """Return the seconds left; negative after the deadline."""
        return self._ends - time.monotonic()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time spent inside the block."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._ends += time.monotonic() - began


_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(seconds: float | None = None) -> Iterator[Deadline]:
    """Apply a deadline to all requests of this thread inside the block.

    A block inside another has the deadline of the outer block.

    Args:
        seconds: From now on; None means ``TOTAL_SECONDS``.
    """
    outer = _deadline.get()
    if outer is not None:
        yield outer
        return
    new = Deadline(TOTAL_SECONDS if seconds is None else seconds)
    token = _deadline.set(new)
    try:
        yield new
    finally:
        _deadline.reset(token)


def largest_answer(max_bytes: int) -> dict[str, Any]:
    """Return request extensions that allow an answer of this many bytes."""
    return {_MAX_BYTES_KEY: max_bytes}


def open_http(
    *,
    verify: bool | str = True,
    proxy: str | None = None,
    public_only: bool = False,
    transport: httpx.BaseTransport | None = None,
    **options: Any,
) -> httpx.Client:
    """Return a client with a pool and limits; it ignores redirects and ``*_PROXY``.

    Args:
        verify: Whether to check certificates, or the path of the authority's file or
            directory. TLS 1.2 or newer in any case.
        proxy: Address of an HTTP proxy, ``http://user:password@host:3128``. It tunnels
            https, so it sees only the names of hosts.
        public_only: Whether to refuse a host that has an address in a private network.
            The host is looked up once, and the connection uses a checked address.
        transport: Replaces the network, for tests.
        options: For ``httpx.Client``.
    """
    return httpx.Client(
        transport=transport or BoundedTransport(verify, proxy, public_only=public_only),
        timeout=httpx.Timeout(
            connect=CONNECT_SECONDS,
            read=READ_SECONDS,
            write=WRITE_SECONDS,
            pool=POOL_SECONDS,
        ),
        headers={"Accept-Encoding": "identity", "User-Agent": "curfew"},
        follow_redirects=False,
        trust_env=False,
        **options,
    )


def ssl_context(verify: bool | str) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or newer. See ``open_http`` for ``verify``.

    Raises:
        OSError: There is no readable certificate authority at that path.
    """
    if isinstance(verify, str):
        path = Path(verify)
        context = (
            ssl.create_default_context(capath=path)
            if path.is_dir()
            else ssl.create_default_context(cafile=path)
        )
    else:
        context = httpx.create_ssl_context(verify=verify, trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class BoundedTransport(httpx.BaseTransport):
    """HTTP/1.1 over a small pool, with the deadline and the size limit."""

    def __init__(
        self, verify: bool | str, proxy: str | None = None, *, public_only: bool = False
    ) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context(verify),
            proxy=_proxy(proxy) if proxy else None,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=_DeadlineBackend(
                to_proxy=proxy is not None, public_only=public_only
            ),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return when the head of its answer has arrived.

        Reading the body may raise ``OversizedAnswerError`` or ``EncodedAnswerError``.

        Raises:
            httpx.TransportError: As httpx's own transport does.
        """
        with _httpx_errors():
            answer = self._pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=cast(httpx.SyncByteStream, request.stream),
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_BoundedStream(
                answer,
                request.extensions.get(_MAX_BYTES_KEY, MAX_BYTES),
            ),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


def _proxy(address: str) -> httpcore.Proxy:
    """Return the proxy at an address with a percent-encoded user and password."""
    parts = httpx.Proxy(address)
    return httpcore.Proxy(
        httpcore.URL(
            scheme=parts.url.raw_scheme,
            host=parts.url.raw_host,
            port=parts.url.port,
            target=b"/",
        ),
        auth=parts.raw_auth,
        ssl_context=ssl_context(verify=True) if parts.url.scheme == "https" else None,
    )


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, max_bytes: int) -> None:
        self._answer = answer
        self._max_bytes = max_bytes

    def __iter__(self) -> Iterator[bytes]:
        encoding = httpx.Headers(self._answer.headers).get("Content-Encoding")
        if encoding and encoding.lower() != "identity":
            raise EncodedAnswerError("compressed answer")
        received = 0
        with _httpx_errors():
            for chunk in self._answer.iter_stream():
                received += len(chunk)
                if received > self._max_bytes:
                    raise OversizedAnswerError(f"over {self._max_bytes} bytes")
                yield chunk

    def close(self) -> None:
        self._answer.close()


class _DeadlineBackend(httpcore.SyncBackend):
    def __init__(self, *, to_proxy: bool, public_only: bool) -> None:
        self._to_proxy = to_proxy
        self._public_only = public_only

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception
        # TLS checks the host of the URL in any case, not this address.
        for address in public_addresses(host, port) if self._public_only else [host]:
            limit = _shortened(timeout, httpcore.ConnectTimeout)
            try:
                return _DeadlineStream(
                    super().connect_tcp(
                        address, port, limit, local_address, socket_options
                    )
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        if self._to_proxy:
            raise httpcore.ProxyError(str(failure)) from failure
        raise failure


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        timeout = _shortened(timeout, httpcore.ReadTimeout)
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _shortened(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        timeout = _shortened(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(
            self._stream.start_tls(ssl_context, server_hostname, timeout)
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _shortened(timeout: float | None, expired: type[Exception]) -> float | None:
    """Return the timeout, or the time left until the deadline if that is shorter."""
    current = _deadline.get()
    if current is None:
        return timeout
    remaining = current.remaining_seconds()
    if remaining <= 0:
        raise expired("the call took too long")
    return remaining if timeout is None else min(timeout, remaining)


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Raise httpx's error of the same name for an error of httpcore."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        named: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise named(str(error)) from error


def causes(failure: BaseException) -> Iterator[BaseException]:
    """Yield the failure and then its causes, one after the other."""
    cause: BaseException | None = failure
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
