"""Calls to a cloud use a proxy if one is configured, and only then."""

import base64
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.modelarts import errors
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.iam import PasswordCredentials, fetch_token

from .conftest import Serve, cloud_config, read_request
from .test_certificates import certificate

ANSWER = b'{"id": "DE-1"}'
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
)


class Proxy:
    """A proxy that supports only CONNECT.

    Attributes:
        heads: The head of each request to it.
        answer: What it says to CONNECT.
    """

    def __init__(self, serve: Callable[[Serve], str]) -> None:
        self.heads: list[bytes] = []
        self.answer = b"HTTP/1.1 200 Connection established\r\n\r\n"
        self.address = serve(self._handle)

    def _handle(self, connection: socket.socket) -> None:
        head = read_request(connection)
        self.heads.append(head)
        connection.sendall(self.answer)
        if b" 200 " not in self.answer:
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as cloud:
            back = threading.Thread(target=_pump, args=(cloud, connection))
            back.start()
            _pump(connection, cloud)
            back.join(timeout=10)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(serve: Callable[[Serve], str]) -> Proxy:
    return Proxy(serve)


@pytest.fixture
def sealed(
    serve: Callable[[Serve], str], tmp_path: Path
) -> tuple[str, Path, list[bytes]]:
    """A cloud over TLS: its address, its authority and its requests."""
    path = certificate(tmp_path, "127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    requests: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(connection, server_side=True) as tls,
        ):
            requests.append(read_request(tls))
            tls.sendall(HEAD + ANSWER)

    return serve(handle).replace("http://", "https://"), path, requests


def test_https_is_a_tunnel_in_which_the_proxy_sees_no_token(
    proxy: Proxy, sealed: tuple[str, Path, list[bytes]]
) -> None:
    address, authority, requests = sealed
    way = proxy.address.replace("http://", "http://curfew:s%23cret@")
    config = replace(cloud_config(address), verify=str(authority), proxy=way)
    with ModelArtsClient(config) as client:
        assert client.demanager.show_instance("DE-1").instance.id == "DE-1"
    assert len(requests) == 1
    (head,) = proxy.heads
    host = address.removeprefix("https://").encode()
    assert head.startswith(b"CONNECT " + host)
    sign_in = base64.b64encode(b"curfew:s#cret")
    assert b"Proxy-Authorization: Basic " + sign_in in head
    assert b"CANARY" not in head
    assert b"Proxy-Authorization" not in requests[0]


def test_without_a_proxy_the_environment_is_ignored(
    proxy: Proxy,
    sealed: tuple[str, Path, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.address)
    address, authority, requests = sealed
    config = replace(cloud_config(address), verify=str(authority))
    with ModelArtsClient(config) as client:
        client.demanager.show_instance("DE-1")
    assert (len(requests), proxy.heads) == (1, [])


@pytest.mark.parametrize("refusal", ["407 Proxy Authentication Required", "403 No"])
def test_a_refusing_proxy_is_named(proxy: Proxy, refusal: str) -> None:
    proxy.answer = f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode()
    config = replace(cloud_config("https://cloud.invalid"), proxy=proxy.address)
    with (
        ModelArtsClient(config) as client,
        pytest.raises(errors.NotSentError, match="CURFEW_CLOUD_PROXY"),
    ):
        client.demanager.show_instance("DE-1")


def test_an_unreachable_proxy_is_named_for_the_sign_in_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    credentials = PasswordCredentials(auth_url="https://iam.invalid", password="x")
    with pytest.raises(errors.NotSentError, match="through the proxy"):
        fetch_token(credentials, with_catalog=False, proxy=f"http://127.0.0.1:{port}")
