"""Fake clouds: without a network, or over a socket with faulty answers."""

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from dashboard.modelarts.auth import StaticTokenAuth
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.cloud_config import CloudConfig

PROJECT = "0123456789abcdef0123456789abcdef"
TOKEN = "CANARY-TOKEN"

type Answer = Callable[[httpx.Request], httpx.Response]
type Serve = Callable[[socket.socket], None]
type Write = Callable[..., None]


def cloud_config(
    endpoint: str | None = "https://modelarts.example.com",
    auth: httpx.Auth | None = None,
    project_id: str | None = PROJECT,
    region: str | None = None,
) -> CloudConfig:
    return CloudConfig(
        name="test",
        endpoint=endpoint,
        project_id=project_id,
        region=region,
        auth=auth or StaticTokenAuth(TOKEN),
    )


class FakeCloud:
    """Answers from a list or by a function, and records the requests."""

    def __init__(self, *answers: httpx.Response | Exception | Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.tokens: list[str | None] = []  # a repeated request is the same object

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.tokens.append(request.headers.get("X-Auth-Token"))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    def client(
        self, config: CloudConfig | None = None, **options: Any
    ) -> ModelArtsClient:
        return ModelArtsClient(
            config or cloud_config(), transport=httpx.MockTransport(self), **options
        )


@pytest.fixture
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    # The loader also looks here, beside the configured file.
    monkeypatch.setattr("openstack.config.loader.CONFIG_FILES", [])
    monkeypatch.setattr("openstack.config.loader.SECURE_FILES", [])


@pytest.fixture
def write(
    nothing_configured: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Write:
    """Call it with the entries of clouds.yaml, or of another file by its name."""

    def write_file(name: str = "clouds.yaml", **clouds: dict[str, Any]) -> None:
        path = tmp_path / name
        path.write_text(yaml.safe_dump({"clouds": clouds}))
        kind = "SECURE" if name == "secure.yaml" else "CONFIG"
        monkeypatch.setenv(f"OS_CLIENT_{kind}_FILE", str(path))

    return write_file


@pytest.fixture
def serve() -> Iterator[Callable[[Serve], str]]:
    """Serve raw bytes on loopback; call it with a handler to get an address."""
    opened: list[tuple[socket.socket, threading.Thread]] = []

    def begin(handle: Serve) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # the test is over
                with connection, _hung_up():
                    handle(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        opened.append((listener, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield begin
    for listener, thread in opened:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)
        assert not thread.is_alive()


@contextmanager
def _hung_up() -> Iterator[None]:
    with suppress(OSError):  # the client had enough: what these servers are for
        yield


def read_request(connection: socket.socket) -> bytes:
    """A whole request, head and body.

    Whoever hangs up on what it has not read resets the connection, and its answer may
    be lost by that.
    """
    received = b""
    length = None
    while length is None or len(received) < length:
        chunk = connection.recv(65536)
        if not chunk:
            break
        received += chunk
        head, end, _ = received.partition(b"\r\n\r\n")
        if end:
            length_header = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            length = len(head + end) + (int(length_header[1]) if length_header else 0)
    return received
