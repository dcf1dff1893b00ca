"""A server without a trusted certificate gets no request."""

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dashboard.modelarts import errors
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.requests import UpdateInstanceRequest
from dashboard.outbound import transport

from .conftest import Serve, cloud_config, read_request

CHANGE = UpdateInstanceRequest(description="new")


def certificate(folder: Path, address: str, *, is_expired: bool = False) -> Path:
    """Return a key and its self-signed certificate for an address, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cloud")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * day)
        .not_valid_after(now - day if is_expired else now + day)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / f"{address}.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("named", "trusted", "heard"),
    [("127.0.0.1", True, 1), ("127.0.0.1", False, 0), ("192.0.2.1", True, 0)],
    ids=["the cloud", "a stranger", "another host"],
)
def test_only_a_trusted_cloud_gets_the_request(
    serve: Callable[[Serve], str],
    tmp_path: Path,
    named: str,
    trusted: bool,
    heard: int,
) -> None:
    path = certificate(tmp_path, named)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    requests: list[object] = []

    def handle(connection: socket.socket) -> None:
        connection.settimeout(5)
        try:
            with context.wrap_socket(connection, server_side=True) as sealed:
                requests.append(read_request(sealed))
                sealed.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            pass  # the client hung up

    address = serve(handle).replace("http://", "https://")
    config = replace(cloud_config(address), verify=str(path) if trusted else True)
    with (
        ModelArtsClient(config) as client,
        pytest.raises(errors.PermissionRefusedError if heard else errors.NotSentError),
    ):
        client.demanager.update_instance("DE-1", CHANGE)
    assert len(requests) == heard


def test_nothing_older_than_tls_1_2(tmp_path: Path) -> None:
    for verify in (True, False, str(certificate(tmp_path, "127.0.0.1"))):
        context = transport.ssl_context(verify)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
