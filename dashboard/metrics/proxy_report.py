"""Reports to ``manage.py doctor`` how its request arrived through the proxies.

The request must be signed with the secret key.
"""

from typing import Any

from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest

from dashboard.web.address import client_address

PATH = "/healthz/seen"
HEADER = "Curfew-Doctor"
LIFE_SECONDS = 60

_signer = TimestampSigner(salt="curfew.doctor")


def sign() -> str:
    """Return a value of ``HEADER`` that is valid for a minute."""
    return _signer.sign("doctor")


def is_signed(request: HttpRequest) -> bool:
    try:
        _signer.unsign(request.headers.get(HEADER, ""), max_age=LIFE_SECONDS)
    except BadSignature:
        return False
    return True


def describe(request: HttpRequest) -> dict[str, Any]:
    """Return the address of the client, and what the proxies added."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return {
        "address": client_address(request),
        "forwarded_for": [hop.strip() for hop in forwarded.split(",") if hop.strip()],
    }
