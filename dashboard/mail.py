from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend

log = structlog.get_logger(__name__)


class Unsent(BaseEmailBackend):
    """Sends nothing and logs that; used without a mail server."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        log.warning("no mail server: mail not sent", mails=len(email_messages))
        return 0


class Smtp(EmailBackend):
    """A mail server. Headers mark each mail as automatic.

    Source: RFC 3834 (``Auto-Submitted``); Exchange has its own header. Without them
    every absence note would come back.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            message.extra_headers.setdefault("Auto-Submitted", "auto-generated")
            message.extra_headers.setdefault("X-Auto-Response-Suppress", "All")
        return super().send_messages(email_messages) or 0


def mailer(url: str, *, starttls: bool = True) -> dict[str, Any]:
    """Return an entry of Django's ``MAILERS``.

    Args:
        url: ``smtp://user:password@host:587`` (STARTTLS), ``smtps://…:465`` (TLS from
            the first byte); empty drops all mail.
        starttls: False sends to an ``smtp://`` server in clear.
    """
    if not url:
        return {"BACKEND": "dashboard.mail.Unsent"}
    parts = urlsplit(url)
    is_tls = parts.scheme == "smtps"
    default_port = 465 if is_tls else 587 if starttls else 25
    return {
        "BACKEND": "dashboard.mail.Smtp",
        "OPTIONS": {
            "host": parts.hostname,
            "port": parts.port or default_port,
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_ssl": is_tls,
            "use_tls": starttls and not is_tls,
            "timeout": 10,
        },
    }
