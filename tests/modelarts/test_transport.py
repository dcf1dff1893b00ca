"""Limits, over real sockets: time, size, encoding, redirects, broken answers."""

import gzip
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest

from dashboard.modelarts import errors
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.requests import UpdateInstanceRequest
from dashboard.outbound import transport

from .conftest import Serve, cloud_config, read_request

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"id": "DE-1"}'
CHANGE = UpdateInstanceRequest(description="new")


@pytest.fixture
def put(serve: Callable[[Serve], str]) -> Iterator[Callable[[Serve], None]]:
    """Send an update to a server with this behavior."""
    clients = []

    def send(handle: Serve) -> None:
        client = ModelArtsClient(cloud_config(serve(handle)))
        clients.append(client)
        client.demanager.update_instance("DE-1", CHANGE)

    yield send
    for client in clients:
        client.close()


def answering(*parts: bytes) -> Serve:
    def handle(connection: socket.socket) -> None:
        read_request(connection)
        for part in parts:
            connection.sendall(part)

    return handle


def complete(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_a_good_answer_and_keep_alive(serve: Callable[[Serve], str]) -> None:
    connections = []

    def handle(connection: socket.socket) -> None:
        connections.append(connection)
        while read_request(connection):
            connection.sendall(complete(HEAD, BODY))

    with ModelArtsClient(cloud_config(serve(handle))) as client:
        for _ in range(3):
            assert client.demanager.show_instance("DE-1").instance.id == "DE-1"
    assert len(connections) == 1


def reset(connection: socket.socket) -> None:
    read_request(connection)
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@pytest.mark.parametrize(
    "handle",
    [
        pytest.param(answering(HEAD + b"Content-Length: 100\r\n\r\n{"), id="truncated"),
        pytest.param(answering(complete(HEAD, b"")), id="empty"),
        pytest.param(answering(complete(HEAD, b"<html>")), id="html"),
        pytest.param(answering(complete(HEAD, b"[1]")), id="wrong type"),
        pytest.param(answering(complete(HEAD, b'{"id": 5.5}')), id="no id"),
        pytest.param(answering(b""), id="closed unanswered"),
        pytest.param(answering(b"nonsense\r\n\r\n"), id="no HTTP"),
        pytest.param(answering(b"HTTP/1.1 204 No Content\r\n\r\n"), id="204"),
        pytest.param(
            answering(HEAD + b"X-Big: " + b"x" * 200_000 + b"\r\n\r\n"), id="big header"
        ),
        pytest.param(
            answering(
                complete(HEAD + b"Content-Encoding: gzip\r\n", gzip.compress(BODY))
            ),
            id="compressed",
        ),
        pytest.param(reset, id="reset"),
    ],
)
def test_a_broken_answer_to_a_write_is_ambiguous(
    put: Callable[[Serve], None], handle: Serve
) -> None:
    with pytest.raises(errors.AmbiguousError):
        put(handle)


@pytest.mark.parametrize("status", [b"200 OK", b"500 Oh", b"400 No"])
def test_a_response_without_end_is_cut_off(
    put: Callable[[Serve], None], status: bytes
) -> None:
    sent = 0

    def handle(connection: socket.socket) -> None:
        nonlocal sent
        read_request(connection)
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n")
        for _ in itertools.repeat(None, 10_000):
            connection.sendall(b" " * 10_000)
            sent += 10_000

    with pytest.raises(errors.ModelArtsError) as caught:
        put(handle)
    assert caught.value.ambiguous is (not status.startswith(b"400"))
    assert sent < 20 * transport.MAX_BYTES


@pytest.mark.parametrize("head", [b"", HEAD + b"Content-Length: 999999\r\n\r\n"])
def test_a_dripping_answer_ends_with_the_deadline(
    put: Callable[[Serve], None], head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single bytes never reach the read timeout; only the deadline ends the call."""
    monkeypatch.setattr(transport, "TOTAL_SECONDS", 0.5)
    dripped = 0

    def handle(connection: socket.socket) -> None:
        nonlocal dripped
        read_request(connection)
        connection.sendall(head)
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            connection.sendall(b"H")
            dripped += 1
            time.sleep(0.02)  # the drip itself, not a wait for anything

    with pytest.raises(errors.AmbiguousError):
        put(handle)
    assert dripped < 1_000


def test_a_silent_server_is_ambiguous(
    put: Callable[[Serve], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.2)

    def handle(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass  # until the client hangs up

    with pytest.raises(errors.AmbiguousError, match="in time"):
        put(handle)


def test_the_deadline_shortens_a_longer_read_timeout(
    put: Callable[[Serve], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "TOTAL_SECONDS", 0.3)
    given_up = threading.Event()

    def handle(connection: socket.socket) -> None:
        read_request(connection)
        given_up.wait(timeout=transport.READ_SECONDS - 1)
        connection.sendall(complete(HEAD, BODY))

    try:
        with pytest.raises(errors.AmbiguousError):
            put(handle)
    finally:
        given_up.set()


def test_no_listener_means_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    config = cloud_config(f"http://127.0.0.1:{port}")
    with (
        ModelArtsClient(config) as client,
        pytest.raises(errors.NotSentError, match="refuses the connection"),
    ):
        client.demanager.update_instance("DE-1", CHANGE)


def test_no_tls_means_not_sent(serve: Callable[[Serve], str]) -> None:
    received = []

    def handle(connection: socket.socket) -> None:
        received.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    address = serve(handle).replace("http://", "https://")
    with (
        ModelArtsClient(cloud_config(address)) as client,
        pytest.raises(errors.NotSentError, match="secure connection"),
    ):
        client.demanager.update_instance("DE-1", CHANGE)
    assert b"CANARY" not in b"".join(received)


def test_a_redirect_is_refused_and_nothing_follows_it(
    put: Callable[[Serve], None], serve: Callable[[Serve], str]
) -> None:
    visits = []
    elsewhere = serve(lambda connection: visits.append(read_request(connection)))
    head = b"HTTP/1.1 307 Go\r\nLocation: " + elsewhere.encode() + b"\r\n"
    with pytest.raises(errors.RefusedError, match="redirects"):
        put(answering(complete(head, b"")))
    assert visits == []


def test_no_proxy_from_the_environment(
    serve: Callable[[Serve], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    config = cloud_config(serve(answering(complete(HEAD, BODY))))
    with ModelArtsClient(config) as client:
        assert client.demanager.show_instance("DE-1").instance.id == "DE-1"


def test_the_hook_does_not_count_against_the_deadline() -> None:
    clock = itertools.count(1_000.0, 5.0)  # five seconds pass at each look
    with (
        patch("time.monotonic", lambda: next(clock)),
        transport.deadline(100) as present,
    ):
        with present.paused():
            next(clock)
        # Looks: deadline 0 s, pause 5 to 15 s, now 20 s. The ten are given back.
        assert present.remaining_seconds() == 100 - 20 + 10


def test_the_outer_deadline_counts() -> None:
    with transport.deadline(1) as outer, transport.deadline(100) as inner:
        assert inner is outer
