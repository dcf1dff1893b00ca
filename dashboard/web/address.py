"""Where a request comes from."""

import ipaddress
import re
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest

_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](:\d*)?|(?P<v4>[^:]*):\d*")
"""An address as some gateways write it: ``192.0.2.1:443``, ``[2001:db8::1]:443``."""


def client_address(request: HttpRequest) -> str | None:
    """The client's address, as far as those can be believed who tell it.

    Without trusted proxies that is the other end of the connection, and
    ``X-Forwarded-For`` is anybody's text. Each trusted proxy adds the address it was
    called from at the end, so with n of them the n-th from the end is true.

    Returns:
        The address in its one canonical spelling; None when there is none.
    """
    proxies: int = settings.CURFEW.trusted_proxies
    told = request.META.get("REMOTE_ADDR", "")
    if proxies:
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        told = hops[-proxies] if len(hops) >= proxies else hops[0]
    told = told.strip().strip('"')
    if match := _WITH_PORT.fullmatch(told):
        told = match["v6"] or match["v4"] or ""
    try:
        address = ipaddress.ip_address(told)
    except ValueError:
        return None
    # A gateway that listens on both writes an IPv4 address inside an IPv6 one.
    return (getattr(address, "ipv4_mapped", None) or address).compressed


def network_of(address: str) -> str:
    """Return the network that one party holds: an IPv4 address, an IPv6 /64.

    A line at home has a whole /64, so counting its addresses one by one counts nothing.

    Args:
        address: A canonical address.
    """
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def bind_address(sender: object, request: HttpRequest, **_: Any) -> None:
    """Put the address beside the request's id: for logs, audit and the tasks it queues.

    A receiver of django-structlog's ``bind_extra_request_metadata``.
    """
    structlog.contextvars.bind_contextvars(address=client_address(request))
