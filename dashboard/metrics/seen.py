"""How a request of ``manage.py doctor`` arrived: what the proxies made of it.

Only who has the secret key can ask.
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
    """A value for ``HEADER``, good for a minute."""
    return _signer.sign("doctor")


def is_signed(request: HttpRequest) -> bool:
    """Whether ``doctor`` asks."""
    try:
        _signer.unsign(request.headers.get(HEADER, ""), max_age=LIFE_SECONDS)
    except BadSignature:
        return False
    return True


def describe(request: HttpRequest) -> dict[str, Any]:
    """Where a request came from, as far as we believe it, and what was said of it."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return {
        "address": client_address(request),
        "forwarded_for": [hop.strip() for hop in forwarded.split(",") if hop.strip()],
    }
