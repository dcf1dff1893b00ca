"""How a request of ``manage.py doctor`` arrived through the proxies.

Only someone with the secret key can ask.
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
    """Return a value for ``HEADER``, valid for a minute."""
    return _signer.sign("doctor")


def is_signed(request: HttpRequest) -> bool:
    try:
        _signer.unsign(request.headers.get(HEADER, ""), max_age=LIFE_SECONDS)
    except BadSignature:
        return False
    return True


def describe(request: HttpRequest) -> dict[str, Any]:
    """Return where a request seems to come from, and what the proxies added."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return {
        "address": client_address(request),
        "forwarded_for": [hop.strip() for hop in forwarded.split(",") if hop.strip()],
    }
