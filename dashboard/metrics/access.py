import ipaddress

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
"""A proxy's own address is private, but the requests it forwards may not be."""


def may_read(request: HttpRequest) -> bool:
    """Return whether this request may read the metrics.

    It needs ``CURFEW_METRICS_TOKEN``, if that is set, or must come directly from a
    private address.
    """
    token = settings.CURFEW.metrics_token.get_secret_value()
    if token:
        given = request.headers.get("Authorization", "")
        return constant_time_compare(given, f"Bearer {token}")
    if any(header in request.headers for header in FORWARDED):
        return False
    try:
        peer = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
        return peer.ipv4_mapped.is_private
    return peer.is_private
