"""Refusals leave their line in the log: bad input, limits, certificates."""

import io
import json
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from dashboard.accounts.models import User
from dashboard.instances import refresh, upstream
from dashboard.instances.models import Cloud, Instance
from tests.modelarts.test_certificates import certificate


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_input_that_is_refused(
    client: Client, instance: Instance, operator: User, log: io.StringIO
) -> None:
    client.force_login(operator)
    url = f"{instance.get_absolute_url()}edit/"
    assert client.post(url, {"description": "<script>"}).status_code == 422
    (said,) = [line for line in lines(log) if line.get("code") == 422]
    assert said["level"] == "warning"
    assert said["user_id"] == operator.pk
    assert said["address"] == "127.0.0.1"
    assert said["request"] == f"POST {url}"
    assert said["timestamp"].endswith("Z")
    assert "<script>" not in json.dumps(said)


def test_a_certificate_that_is_not_trusted(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(tmp_path, "127.0.0.1"))
    listener = socket.create_server(("127.0.0.1", 0))

    def shake_hands() -> None:
        with suppress(OSError):  # until the listener is shut down
            while True:
                connection, _ = listener.accept()
                # Whoever else comes by, such as a client of a server that is gone, may
                # say nothing, and must not keep ours waiting.
                connection.settimeout(2)
                with suppress(OSError), connection:
                    context.wrap_socket(connection, server_side=True).close()

    thread = threading.Thread(target=shake_hands)
    thread.start()
    (tmp_path / "clouds.yaml").write_text(
        "clouds: {demo: {auth: {auth_url: 'https://127.0.0.1/v3', token: t, "
        "project_id: p}, modelartsv1_endpoint_override: "
        f"'https://127.0.0.1:{listener.getsockname()[1]}'}}}}"
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    upstream.forget_clients()
    refresh.ensure_clouds()
    refresh.refresh_cloud("demo")
    upstream.forget_clients()
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=30)
    listener.close()
    assert "certificate of ModelArts is not trusted" in str(Cloud.objects.get().problem)
    said = [line for line in lines(log) if line.get("event") == "cloud refreshed"]
    assert "certificate of ModelArts is not trusted" in said[-1]["problem"]
