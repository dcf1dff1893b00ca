"""Where ModelArts is, for a region or an address somebody configured."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from dashboard.modelarts import messages

SERVICE_TYPE = "modelartsv1"
"""Type of ModelArts in the service catalog of a token."""

OTC_REGIONS = ("eu-de", "eu-nl")
"""The regions that Open Telekom Cloud publishes its address pattern for."""

_PROJECT_PATH = re.compile(r"/v1(?:/(?P<project_id>[^/]+))?$")
# As keystoneauth, service catalogs, and our own documentation write it.
_PLACEHOLDER = re.compile(
    r"[%$]\((?:project|tenant)_id\)s|\$?\{(?:project|tenant)_id\}"
)
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?|[0-9A-Fa-f:.]+")


class Endpoint(NamedTuple):
    """Root address without ``/v1``, and the project if the address named one."""

    root: str
    project_id: str | None


def split_endpoint(address: str) -> Endpoint:
    """Take an address apart that may end in ``/v1`` or ``/v1/{project_id}``.

    Args:
        address: The project may be an id or a placeholder: ``%(project_id)s``,
            ``$(project_id)s``, ``{project_id}``, or the same with ``tenant_id``.

    Returns:
        No project where the address has none or a placeholder.
    """
    address = address.strip().rstrip("/")
    match = _PROJECT_PATH.search(address)
    if match is None:
        return Endpoint(address, None)
    project_id = match["project_id"]
    if project_id and _PLACEHOLDER.fullmatch(project_id):
        project_id = None
    return Endpoint(address[: match.start()], project_id)


def address_fault(address: str) -> str | None:
    """What is wrong with an HTTP address of a cloud, as one of ``messages``.

    Returns:
        None where requests can be sent there.
    """
    try:
        parts = urlsplit(address.strip())
        _ = parts.port
    except ValueError:
        return messages.CLOUD_ADDRESS_INVALID
    if parts.scheme not in {"https", "http"}:
        return messages.CLOUD_ADDRESS_SCHEME
    if re.search(r"[{}$%(]", parts.netloc + parts.path):
        return messages.CLOUD_ADDRESS_PLACEHOLDER
    if not _HOST.fullmatch(parts.hostname or ""):
        return messages.CLOUD_ADDRESS_HOST
    if parts.query or parts.fragment:
        return messages.CLOUD_ADDRESS_QUERY
    return None


def region_endpoint(region: str | None) -> str | None:
    """Root address in a region of Open Telekom Cloud, None elsewhere."""
    if region not in OTC_REGIONS:
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
