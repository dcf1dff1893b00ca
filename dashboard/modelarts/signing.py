"""Request signatures, algorithm SDK-HMAC-SHA256 in its ``Access=`` form.

Source: API Gateway, "AK/SK-based Authentication"; worked examples in
``tests/contract/documents/signature-vectors.json``.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a query sorted and encoded for the signature; send exactly this text."""
    return "&".join(
        f"{_encode(name)}={_encode(value)}" for name, value in sorted(pairs)
    )


def authorization(
    *,
    access_key: str,
    secret_key: str,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
) -> str:
    """Return the value of the ``Authorization`` header.

    Args:
        path: Path as sent, percent-encoded. A slash is added for the signature.
        query: Result of ``canonical_query``.
        headers: All headers to sign, including ``X-Sdk-Date``.
        body: Exact bytes of the body.
    """
    signed = {name.lower(): value.strip() for name, value in headers.items()}
    names = ";".join(sorted(signed))
    canonical_request = "\n".join(
        (
            method.upper(),
            _canonical_path(path),
            query,
            "".join(f"{name}:{signed[name]}\n" for name in sorted(signed)),
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    digest = hashlib.sha256(canonical_request.encode()).hexdigest()
    string_to_sign = f"{ALGORITHM}\n{signed['x-sdk-date']}\n{digest}"
    signature = hmac.new(
        secret_key.encode(), string_to_sign.encode(), hashlib.sha256
    ).hexdigest()
    return (
        f"{ALGORITHM} Access={access_key}, SignedHeaders={names}, Signature={signature}"
    )


def _canonical_path(path: str) -> str:
    encoded = "/".join(_encode(segment) for segment in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _encode(text: str) -> str:
    return quote(text, safe="")
