"""Somebody who only says to be the cloud: the row U14 of the fault matrix.

A front that speaks TLS stands before the emulator. Which certificates the client takes
stands in ``tests/modelarts/test_certificates.py``; here a person is told, and nothing
is lost.
"""

import os
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.test import Client

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator
from dashboard.instances import upstream
from dashboard.instances.refresh import refresh_cloud
from tests.modelarts.test_certificates import certificate

from .checker import violations
from .world import World


class Front:
    """Ends TLS, and passes on what it was told in confidence.

    Attributes:
        heard: All of that.
        overheard: What was sent before anybody had shown a certificate.
    """

    def __init__(self, certificate: Path, behind: tuple[str, int]) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: str = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard = self.overheard = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take nobody any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        try:
            self.overheard += client.recv(65_536, socket.MSG_PEEK)
            with (
                self._context.wrap_socket(client, server_side=True) as sealed,
                socket.create_connection(self._behind) as cloud,
            ):
                self._relay(sealed, cloud)
        except OSError:
            pass  # they hung up

    def _relay(self, client: ssl.SSLSocket, cloud: socket.socket) -> None:
        while True:
            # What is deciphered already, no descriptor tells.
            ready = [client] if client.pending() else []
            ready = ready or select.select([client, cloud], [], [])[0]
            for source in ready:
                data = source.recv(65_536)
                if not data:
                    return
                if source is client:
                    self.heard += data
                    cloud.sendall(data)
                else:
                    client.sendall(data)


CERTIFICATES = {
    "sound": ("127.0.0.1", False, True, ""),
    "self-signed": ("127.0.0.1", False, False, "self-signed certificate"),
    "wrong name": ("192.0.2.1", False, True, "IP address mismatch"),
    "expired": ("127.0.0.1", True, True, "certificate has expired"),
}


@pytest.fixture
def front(
    request: pytest.FixtureRequest, cloud: Emulator, tmp_path: Path
) -> Iterator[Front]:
    """Between us and the cloud from now on, with one of ``CERTIFICATES``."""
    named, is_expired, is_trusted, _ = CERTIFICATES[request.param]
    shown = certificate(tmp_path, named, is_expired=is_expired)
    described = Path(os.environ["OS_CLIENT_CONFIG_FILE"])
    config = yaml.safe_load(described.read_text())
    address = config["clouds"]["demo"]["auth"]["auth_url"].split("/")[2]
    host, _, port = address.partition(":")
    front = Front(shown, (host, int(port)))
    secure = described.read_text().replace(
        f"http://{address}", f"https://{front.address}"
    )
    config = yaml.safe_load(secure)
    # The emulator's own catalog knows nothing of the front.
    override = {"modelartsv1_endpoint_override": f"https://{front.address}"}
    config["clouds"]["demo"] |= override
    if is_trusted:
        config["clouds"]["demo"]["cacert"] = str(shown)
    described.write_text(yaml.safe_dump(config))
    upstream.forget_clients()
    yield front
    upstream.forget_clients()
    front.close()


@pytest.mark.parametrize(
    ("front", "why"),
    [(name, why) for name, (*_, why) in CERTIFICATES.items()],
    indirect=["front"],
    ids=list(CERTIFICATES),
)
def test_fault_u14_certificate_not_trusted(
    why: str, cloud: Emulator, front: Front, operator: User, client: Client
) -> None:
    world = World(cloud)
    edit = world.submit(world.instances.popleft(), operator, description="U14")
    outcome = refresh_cloud("demo")
    world.deliver()
    edit.refresh_from_db()
    client.force_login(operator)
    page = client.get("/instances/").text
    assert outcome is not None
    if not why:
        assert not outcome.problem
        assert b"X-Auth-Token" in front.heard or b"x-auth-token" in front.heard
        assert edit.state == Edit.State.APPLIED
        return
    assert front.heard == b""
    assert b"HTTP" not in front.overheard
    assert "is not trusted" in str(outcome.problem)
    assert "is not trusted" in page
    assert why in page
    assert edit.state == Edit.State.RETRYING
    assert world.cloud.log.entries(route="update") == []
    assert violations(world.evidence(), finished=False) == []
