"""Where ModelArts is, for a region or an address somebody configured."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

SERVICE_TYPE = "modelartsv1"
"""Type of ModelArts in the service catalog of a token."""

# The regions the address pattern of Open Telekom Cloud is published for.
_OTC_REGIONS = frozenset({"eu-de", "eu-nl"})
_PROJECT_PATH = re.compile(r"/v1(?:/(?P<project_id>[^/]+))?$")


class Endpoint(NamedTuple):
    """Root address without ``/v1``, and the project if the address named one."""

    root: str
    project_id: str | None


def split_endpoint(address: str) -> Endpoint:
    """Take an address apart that may end in ``/v1`` or ``/v1/{project_id}``."""
    address = address.strip().rstrip("/")
    match = _PROJECT_PATH.search(address)
    if match is None:
        return Endpoint(address, None)
    return Endpoint(address[: match.start()], match["project_id"])


def region_endpoint(region: str | None) -> str | None:
    """Root address in a region of Open Telekom Cloud, None elsewhere."""
    if region not in _OTC_REGIONS:
        return None
    return f"https://modelarts.{region}.otc.t-systems.com"


def is_loopback(host: str) -> bool:
    """Whether a host name or address never leaves this machine."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def sends_in_clear(address: str) -> bool:
    """Whether what is sent there could be read on the way: http beyond loopback."""
    parts = urlsplit(address)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
