"""Notifications by webhook, in the format of the service that an address belongs to."""

import re
from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from . import messages, network
from .notification import Notification
from .outcome import Outcome, refused

MAX_LENGTH = 2_000
PURPOSE = "webhooks"

_DISCORD_LONGEST = 2_000
_COLORS = {True: "#a32037", False: "#3aa3e3"}

Payload = dict[str, Any]


class WebhookError(Exception):
    """Nothing is sent to this address; the message gives people the reason."""


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
    return {"text": notification.subject + _(": ") + notification.text}


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
    content = "\n".join(notification)[:_DISCORD_LONGEST]
    # A name such as @everyone must not call everyone.
    return {"content": content, "allowed_mentions": {"parse": []}}


def _mattermost(notification: Notification, alarm: bool) -> Payload:
    # https://developers.mattermost.com/integrate/webhooks/incoming/
    return {"text": "\n".join(notification), "username": "Curfew"}


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
        pattern: Of the address without ``https://`` and the query.
    """

    name: str
    label: str
    pattern: re.Pattern[str]
    payload: Callable[[Notification, bool], Payload]

    def matches(self, address: str) -> bool:
        scheme, _, rest = address.partition("?")[0].partition("://")
        path = rest.removesuffix("/")
        return scheme.lower() == "https" and bool(self.pattern.fullmatch(path))


_HOST = r"[a-z0-9_.-]+(:\d+)?"
_SLACK = r"hooks\.slack(-gov)?\.com/services(/[a-z0-9]+){3}"
_SLACK_WORKFLOW = r"hooks\.slack\.com/(workflows|triggers)/[a-z0-9/_-]+"
_TEAMS = (
    rf"{_HOST}(/powerautomate/automations/direct(/cu/\d+)?)?"
    r"/workflows/[a-z0-9_-]+/triggers/manual/paths/invoke"
)
_DISCORD = r"discord(app)?\.com/api/webhooks/\d+/[a-z0-9_-]+"
_MATTERMOST = rf"mattermost\.{_HOST}/hooks/[a-z0-9_-]+"
SERVICES = (
    Service("slack", "Slack", re.compile(_SLACK, re.I), _slack),
    Service("slack", "Slack", re.compile(_SLACK_WORKFLOW, re.I), _slack_workflow),
    Service("teams", "Microsoft Teams", re.compile(_TEAMS, re.I), _teams),
    Service("discord", "Discord", re.compile(_DISCORD, re.I), _discord),
    Service("mattermost", "Mattermost", re.compile(_MATTERMOST, re.I), _mattermost),
    Service("json", "JSON", re.compile(r".+"), _json),
)
LABELS = {service.name: service.label for service in SERVICES}


def recognize(address: str) -> str:
    """Return the name of the service that an address belongs to.

    Raises:
        WebhookError: Nothing may be sent there.
    """
    if len(address) > MAX_LENGTH or not address.isprintable() or " " in address:
        raise WebhookError(_("Enter a valid address."))
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or network.HTTPS
    except ValueError:
        raise WebhookError(_("Enter a valid address.")) from None
    if parts.scheme != "https" or not host:
        raise WebhookError(_("The URL must start with https://."))
    if parts.username or parts.password or parts.fragment:
        raise WebhookError(_("The URL cannot contain a username or a fragment."))
    try:
        network.check(host, port)
    except network.ForbiddenError as error:
        raise WebhookError(str(error.message)) from None
    return next(service.name for service in SERVICES if service.matches(address))


def send(
    address: str, service: str, notification: Notification, *, alarm: bool
) -> Outcome:
    """Send one notification; failures of the webhook are outcomes, not exceptions.

    Args:
        service: As ``recognize`` returned it.
        alarm: Whether it is bad news, which some services show in another color.
    """
    for candidate in SERVICES:
        if candidate.name == service and candidate.matches(address):
            return network.post(address, candidate.payload(notification, alarm))
    return refused(messages.ADDRESS_UNSUPPORTED())


def mask(address: str) -> str:
    """Return the host of an address, and the end of a secret that is long enough."""
    parts = urlsplit(address)
    secret = parts.path + parts.query
    tail = re.sub(r"\W", "", secret)[-4:] if len(secret) >= 24 else ""
    return f"https://{parts.netloc}/…{tail}"[:300]
