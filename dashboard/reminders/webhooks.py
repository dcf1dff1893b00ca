"""Reminders by webhook: apprise speaks, our adapter watches where it goes."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from apprise import AppriseAsset, NotifyType
from apprise.plugins.base import NotifyBase
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.mattermost import NotifyMattermost
from apprise.plugins.slack import NotifySlack
from apprise.plugins.workflows import NotifyWorkflows
from django.utils.translation import gettext

from . import messages, network
from .outcome import Outcome, refused
from .texts import Notification

LONGEST = 2_000
TEAMS_QUERY = frozenset({"api-version", "sp", "sv", "sig"})
"""What the address of a workflow holds; anything else is not passed on."""

PURPOSE = "webhooks"


class WebhookError(Exception):
    """An address that nothing is sent to; the text says why, for people."""


class Service(NamedTuple):
    """A kind of webhook.

    Attributes:
        plugin: What recognises and speaks to it; None for plain JSON.
    """

    name: str
    label: str
    plugin: type[NotifyBase] | None


SERVICES = (
    Service("slack", "Slack", NotifySlack),
    Service("teams", "Microsoft Teams", NotifyWorkflows),
    Service("discord", "Discord", NotifyDiscord),
    Service("mattermost", "Mattermost", NotifyMattermost),
    Service("json", "JSON", None),
)
LABELS = {service.name: service.label for service in SERVICES}


class Address(NamedTuple):
    """An address that was looked at.

    Attributes:
        service: A name of ``SERVICES``.
        shown: As much of it as people may see.
    """

    service: str
    shown: str


def recognise(address: str) -> Address:
    """Which service an address belongs to; asks nobody on the network.

    Raises:
        WebhookError: Nothing may be sent there.
    """
    if len(address) > LONGEST or not address.isprintable() or " " in address:
        raise WebhookError(gettext("Enter a valid address."))
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        raise WebhookError(gettext("Enter a valid address.")) from None
    if parts.scheme != "https" or not host:
        raise WebhookError(gettext("The URL must start with https://."))
    if parts.username or parts.password or parts.fragment:
        raise WebhookError(
            gettext("The address cannot contain a user name or a fragment.")
        )
    try:
        network.check(host, port)
    except network.ForbiddenError as error:
        raise WebhookError(str(error.message)) from None
    for service in SERVICES:
        if service.plugin is None or speaker(service, address) is not None:
            return Address(service.name, _shown(address))
    raise AssertionError("the last one takes anything")


def send(
    address: str, service: str, notification: Notification, *, alarm: bool
) -> Outcome:
    """Send one notification; never raises for what the other side does.

    Args:
        address: As it was recognised.
        service: A name of ``SERVICES``.
        notification: Its subject and text.
        alarm: Whether it is bad news, which some services colour.
    """
    found = next((one for one in SERVICES if one.name == service), None)
    plugin = speaker(found, address) if found else None
    if plugin is None:
        return refused(messages.ADDRESS_UNSUPPORTED())
    kind = NotifyType.FAILURE if alarm else NotifyType.INFO
    speak: Callable[[], Any] = lambda: plugin.notify(  # noqa: E731
        body=notification.text, title=notification.subject, notify_type=kind
    )
    return network.send_guarded(speak)


def speaker(service: Service, address: str) -> NotifyBase | None:
    """Return what speaks to ``address``; ``None`` if the service does not know it."""
    asset = AppriseAsset(
        app_id="Curfew",
        app_desc="Curfew",
        app_url="",
        http_redirects=False,
        plugin_paths=[],
        async_mode=False,
    )
    # Nothing is loaded from elsewhere into messages.
    asset.image_url_mask = asset.image_url_logo = ""
    if service.plugin is None:
        parts = urlsplit(address)
        # Not by apprise's own reading of addresses, in which a query gives orders.
        return NotifyJSON(  # type: ignore[no-untyped-call]  # untyped library
            asset=asset,
            host=f"[{parts.hostname}]"
            if ":" in (parts.hostname or "")
            else parts.hostname,
            port=parts.port,
            fullpath=parts.path or "/",
            secure=True,
            params=dict(parse_qsl(parts.query, keep_blank_values=True)),
        )
    # A query gives apprise orders, such as to read a file: only what signs it is kept.
    base, _, query = address.partition("?")
    signed = TEAMS_QUERY if service.name == "teams" else frozenset()
    kept = urlencode([pair for pair in parse_qsl(query) if pair[0] in signed])
    results = service.plugin.parse_native_url(f"{base}?{kept}" if kept else base)
    if not results:
        return None
    results |= {"asset": asset, "verify": True, "redirect": False, "retry": 0}
    try:
        found: NotifyBase = service.plugin(**results)
    except (TypeError, ValueError):
        return None
    return found


def _shown(address: str) -> str:
    parts = urlsplit(address)
    secret = parts.path + parts.query
    tail = re.sub(r"\W", "", secret)[-4:] if len(secret) >= 24 else ""
    return f"https://{parts.netloc}/…{tail}"[:300]
