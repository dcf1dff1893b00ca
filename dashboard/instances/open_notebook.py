"""Where a person opens a notebook: its own address, or the vendor's console.

The address has no credentials (``modelarts.lenient.PageAddress``), so that the cloud
asks who comes. Source: ``docs/decisions/0023-open-notebook.md``.
"""

from typing import NamedTuple
from urllib.parse import quote, urlsplit

from .models import Instance
from .run_state import is_running

_ID = "{instance_id}"


class OpenLink(NamedTuple):
    """Where "Open notebook" leads.

    Attributes:
        is_console: Whether it is a page of the vendor's console, not the notebook.
    """

    url: str
    is_console: bool


def open_link(instance: Instance) -> OpenLink | None:
    """Return where an instance is opened; None if nowhere.

    Args:
        instance: With its document and its cloud.
    """
    address = instance.document.get("url", "")
    if (
        instance.capabilities.opens_in_browser
        and is_running(instance)
        and _is_allowed(address, instance.cloud.notebook_hosts)
    ):
        return OpenLink(address, is_console=False)
    url = console_address(instance)
    return OpenLink(url, is_console=True) if url else None


def console_address(instance: Instance) -> str:
    """Return the page of an instance in the vendor's console; empty if unknown."""
    console = instance.cloud.console_url
    if console and instance.missing_since is None and instance.has_usable_id:
        return console.replace(_ID, quote(instance.instance_id, safe=""))
    return ""


def _is_allowed(address: str, hosts: list[str]) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "https" and any(
        host == allowed or (allowed[:2] == "*." and host.endswith(allowed[1:]))
        for allowed in hosts
    )
