"""Addresses of the cloud, by region or from the configuration."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from dashboard.modelarts.messages import Problem

SERVICE_TYPE = "modelartsv1"
"""Type of ModelArts in the service catalog of a token."""

OTC_REGIONS = ("eu-de", "eu-nl")
"""The regions for which Open Telekom Cloud publishes the pattern of addresses."""

_HUAWEI_HOST = re.compile(r"([a-z0-9-]+\.)*(?P<site>myhuaweicloud\.(com|eu))")
_MODELARTS_HOST = re.compile(r"modelarts\.(?P<region>[a-z]+(-[a-z0-9]+)+)\..+")
_PROJECT_PATH = re.compile(r"/v1(?:/(?P<project_id>[^/]+))?$")
# As keystoneauth, service catalogs, and our own documentation write it.
_PLACEHOLDER = re.compile(
    r"[%$]\((?:project|tenant)_id\)s|\$?\{(?:project|tenant)_id\}"
)
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?|[0-9A-Fa-f:.]+")


class Endpoint(NamedTuple):
    """Root address without ``/v1``, and the project if the address contains one."""

    root: str
    project_id: str | None


def split_endpoint(address: str) -> Endpoint:
    """Split an address that may end in ``/v1`` or ``/v1/{project_id}``.

    A placeholder counts as no project: ``%(project_id)s``, ``$(project_id)s``,
    ``{project_id}``, or the same with ``tenant_id``.
    """
    address = address.strip().rstrip("/")
    match = _PROJECT_PATH.search(address)
    if match is None:
        return Endpoint(address, None)
    project_id = match["project_id"]
    if project_id and _PLACEHOLDER.fullmatch(project_id):
        project_id = None
    return Endpoint(address[: match.start()], project_id)


def address_fault(address: str) -> Problem | None:
    """Return what is wrong with an HTTP address; None if requests can be sent to it."""
    try:
        parts = urlsplit(address.strip())
        _ = parts.port
    except ValueError:
        return Problem.CLOUD_ADDRESS_INVALID
    if parts.scheme not in {"https", "http"}:
        return Problem.CLOUD_ADDRESS_SCHEME
    if re.search(r"[{}$%(]", parts.netloc + parts.path):
        return Problem.CLOUD_ADDRESS_PLACEHOLDER
    if not _HOST.fullmatch(parts.hostname or ""):
        return Problem.CLOUD_ADDRESS_HOST
    if parts.query or parts.fragment:
        return Problem.CLOUD_ADDRESS_QUERY
    return None


def region_endpoint(region: str | None) -> str | None:
    """Return the root address in a region of Open Telekom Cloud, None elsewhere."""
    if region not in OTC_REGIONS:
        return None
    return f"https://modelarts.{region}.otc.t-systems.com"


def region_of(endpoint: str | None) -> str | None:
    """Return the region in an address of ModelArts; None if it has none."""
    match = _MODELARTS_HOST.fullmatch(_host(endpoint))
    return match["region"] if match else None


def billing_endpoint(*addresses: str | None) -> str | None:
    """Return the billing service of Huawei Cloud's site with one of these addresses."""
    for address in addresses:
        if match := _HUAWEI_HOST.fullmatch(_host(address)):
            return f"https://bss.{match['site']}"
    return None


def _host(address: str | None) -> str:
    try:
        return urlsplit((address or "").strip()).hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine itself."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def sends_unencrypted(address: str) -> bool:
    """Return whether requests are unencrypted: http, except to loopback."""
    parts = urlsplit(address)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
