import ipaddress
import re
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest

_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](:\d*)?|(?P<v4>[^:]*):\d*")
"""Some gateways add a port: ``192.0.2.1:443``, ``[2001:db8::1]:443``."""


def client_address(request: HttpRequest) -> str | None:
    """Return the client's address in canonical spelling; None if it has none.

    Without trusted proxies that is the peer of the connection; anyone can write
    ``X-Forwarded-For``. Each trusted proxy appends the address that called it, so with
    n proxies the n-th from the end is right.
    """
    proxies: int = settings.CURFEW.trusted_proxies
    candidate = request.META.get("REMOTE_ADDR", "")
    if proxies:
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        candidate = hops[-proxies] if len(hops) >= proxies else hops[0]
    candidate = candidate.strip().strip('"')
    if match := _WITH_PORT.fullmatch(candidate):
        candidate = match["v6"] or match["v4"] or ""
    try:
        address = ipaddress.ip_address(candidate)
    except ValueError:
        return None
    # A dual-stack gateway writes an IPv4 address as an IPv4-mapped IPv6 one.
    return (getattr(address, "ipv4_mapped", None) or address).compressed


def network_of(address: str) -> str:
    """Return the network of one party: an IPv4 address or an IPv6 /64.

    A home has a whole /64, so counting single addresses would limit nothing.

    Args:
        address: In canonical spelling.
    """
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def bind_address(sender: object, request: HttpRequest, **_: Any) -> None:
    """Bind the address to the log context, where audit and tasks read it, too.

    A receiver of django-structlog's ``bind_extra_request_metadata``.
    """
    structlog.contextvars.bind_contextvars(address=client_address(request))
