"""Verification of signed requests: SDK-HMAC-SHA256.

Both header forms, ``Access=`` and the older scoped ``Credential=``. Source:
``docs/modelarts-api.md``, C.3.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"

_HEADER = re.compile(
    rf"{ALGORITHM} (?P<kind>Access|Credential)=(?P<key>[^,]+), "
    r"SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Authorization:
    """A parsed ``Authorization`` header.

    Attributes:
        scope: ``date/region/service/sdk_request`` of the older form, else empty.
        signed_headers: Lower-case names, as listed.
        signature: 64 hexadecimal digits.
    """

    access_key: str
    scope: str
    signed_headers: tuple[str, ...]
    signature: str


def parse_authorization(header: str) -> Authorization | None:
    """Parse the header; None if it has neither form or does not sign the date."""
    match = _HEADER.fullmatch(header)
    if match is None:
        return None
    access_key, _, scope = match["key"].partition("/")
    scoped = match["kind"] == "Credential"
    names = tuple(match["names"].split(";"))
    if scoped != (scope.count("/") == 3) or "x-sdk-date" not in names:
        return None
    return Authorization(access_key, scope, names, match["signature"])


def signing_time(header: str) -> float | None:
    """Return ``X-Sdk-Date`` as Unix seconds; None if it is malformed."""
    try:
        moment = datetime.strptime(header, DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp()


def expected_signature(
    authorization: Authorization,
    secret_key: str,
    *,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
) -> str:
    """Return the signature that the client should have sent.

    Args:
        authorization: Its names are the signed headers.
        target: Request target as received: path and query, percent-encoded.
        headers: All headers, by lower-case name; a missing one counts as empty.
    """
    path, _, query = target.partition("?")
    lines = [
        f"{n}:{headers.get(n, '').strip()}\n" for n in authorization.signed_headers
    ]
    canonical = "\n".join(
        (
            method.upper(),
            _canonical_path(path),
            _canonical_query(query),
            "".join(lines),
            ";".join(authorization.signed_headers),
            hashlib.sha256(body).hexdigest(),
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    date = headers.get("x-sdk-date", "")
    if not authorization.scope:
        return _hmac(secret_key.encode(), f"{ALGORITHM}\n{date}\n{digest}").hex()
    key = f"SDK{secret_key}".encode()
    for part in authorization.scope.split("/"):
        key = _hmac(key, part)
    return _hmac(key, f"{ALGORITHM}\n{date}\n{authorization.scope}\n{digest}").hex()


def _canonical_path(path: str) -> str:
    encoded = "/".join(quote(part, safe="~") for part in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(query: str) -> str:
    pairs = []
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        pairs.append((unquote(name), unquote(value)))
    pairs.sort()
    return "&".join(f"{quote(n, safe='~')}={quote(v, safe='~')}" for n, v in pairs)


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.new(key, message.encode(), hashlib.sha256).digest()
