"""Notifications by webhook, in the format of the service that an address belongs to."""

import re
from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.utils.translation import gettext

from . import messages, network
from .outcome import Outcome, refused
from .texts import Notification

LONGEST = 2_000
PURPOSE = "webhooks"

_DISCORD_LONGEST = 2_000
_COLORS = {True: "#a32037", False: "#3aa3e3"}

Payload = dict[str, Any]


class WebhookError(Exception):
    """An address that nothing is sent to; the text says why, for people."""


def _slack(notification: Notification, alarm: bool) -> Payload:
    # https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    # Slack's own rule for text: these three characters and no others.
    text = escape(notification.text, quote=False)
    return {
        "text": escape(notification.subject, quote=False),
        "attachments": [{"text": text, "fallback": text, "color": _COLORS[alarm]}],
    }


def _slack_workflow(notification: Notification, alarm: bool) -> Payload:
    # https://slack.com/help/articles/360041352714: one variable named ``text``.
    return {"text": f"{notification.subject}: {notification.text}"}


def _teams(notification: Notification, alarm: bool) -> Payload:
    # https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook
    title = {
        "type": "TextBlock",
        "text": notification.subject,
        "wrap": True,
        "size": "Large",
        "weight": "Bolder",
        "color": "Attention" if alarm else "Default",
    }
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, {"type": "TextBlock", "text": notification.text, "wrap": True}],
        "msteams": {"width": "full"},
    }
    content_type = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": content_type, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _discord(notification: Notification, alarm: bool) -> Payload:
    # https://docs.discord.com/developers/resources/webhook#execute-webhook
    content = f"{notification.subject}\n{notification.text}"
    # A name such as @everyone must not call everyone.
    return {"content": content[:_DISCORD_LONGEST], "allowed_mentions": {"parse": []}}


def _mattermost(notification: Notification, alarm: bool) -> Payload:
    # https://developers.mattermost.com/integrate/webhooks/incoming/
    text = f"{notification.subject}\n{notification.text}"
    return {"text": text, "username": "Curfew"}


def _json(notification: Notification, alarm: bool) -> Payload:
    return {
        "version": "1.0",
        "title": notification.subject,
        "message": notification.text,
        "attachments": [],
        "type": "failure" if alarm else "info",
    }


class Service(NamedTuple):
    """A kind of webhook.

    Attributes:
        address: Pattern of what stands between ``https://`` and the query.
    """

    name: str
    label: str
    address: re.Pattern[str]
    payload: Callable[[Notification, bool], Payload]

    def has(self, address: str) -> bool:
        scheme, _, rest = address.partition("?")[0].partition("://")
        place = rest.removesuffix("/")
        return scheme.lower() == "https" and bool(self.address.fullmatch(place))


_HOST = r"[a-z0-9_.-]+(:\d+)?"
_WORKFLOW = r"/workflows/[a-z0-9_-]+/triggers/manual/paths/invoke"
_AUTOMATE = r"(/powerautomate/automations/direct(/cu/\d+)?)?"
SERVICES = (
    Service(
        "slack",
        "Slack",
        re.compile(r"hooks\.slack(-gov)?\.com/services(/[a-z0-9]+){3}", re.IGNORECASE),
        _slack,
    ),
    Service(
        "slack",
        "Slack",
        re.compile(
            r"hooks\.slack\.com/(workflows|triggers)/[a-z0-9/_-]+", re.IGNORECASE
        ),
        _slack_workflow,
    ),
    Service(
        "teams",
        "Microsoft Teams",
        re.compile(rf"{_HOST}{_AUTOMATE}{_WORKFLOW}", re.IGNORECASE),
        _teams,
    ),
    Service(
        "discord",
        "Discord",
        re.compile(r"discord(app)?\.com/api/webhooks/\d+/[a-z0-9_-]+", re.IGNORECASE),
        _discord,
    ),
    Service(
        "mattermost",
        "Mattermost",
        re.compile(rf"mattermost\.{_HOST}/hooks/[a-z0-9_-]+", re.IGNORECASE),
        _mattermost,
    ),
    Service("json", "JSON", re.compile(r".+"), _json),
)
LABELS = {service.name: service.label for service in SERVICES}


class Address(NamedTuple):
    """An address that may be sent to.

    Attributes:
        service: A name of ``SERVICES``.
        shown: As much of it as people may see.
    """

    service: str
    shown: str


def recognise(address: str) -> Address:
    """Return the service of an address; sends and looks up nothing.

    Raises:
        WebhookError: Nothing may be sent there.
    """
    if len(address) > LONGEST or not address.isprintable() or " " in address:
        raise WebhookError(gettext("Enter a valid address."))
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or network.HTTPS
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
    service = next(service for service in SERVICES if service.has(address))
    return Address(service.name, _shown(address))


def send(
    address: str, service: str, notification: Notification, *, alarm: bool
) -> Outcome:
    """Send one notification; never raises for what the other side does.

    Args:
        address: As it was recognised.
        service: A name of ``SERVICES``.
        notification: Its subject and text.
        alarm: Whether it is bad news, which some services color.
    """
    for candidate in SERVICES:
        if candidate.name == service and candidate.has(address):
            return network.post(address, candidate.payload(notification, alarm))
    return refused(messages.ADDRESS_UNSUPPORTED())


def _shown(address: str) -> str:
    parts = urlsplit(address)
    secret = parts.path + parts.query
    tail = re.sub(r"\W", "", secret)[-4:] if len(secret) >= 24 else ""
    return f"https://{parts.netloc}/…{tail}"[:300]
