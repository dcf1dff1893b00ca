"""Where mail goes: a mail server, or nowhere."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

log = structlog.get_logger(__name__)


class Unsent(BaseEmailBackend):
    """Where no mail server is named: nothing is sent, and the log says so."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Drop them."""
        log.warning("no mail server: mail not sent", mails=len(email_messages))
        return 0


def mailer(url: str) -> dict[str, Any]:
    """An entry of Django's ``MAILERS``.

    Args:
        url: ``smtp://user:password@host:587`` (STARTTLS), ``smtps://…:465`` (TLS from
            the first byte); empty drops all mail.
    """
    if not url:
        return {"BACKEND": "dashboard.mail.Unsent"}
    parts = urlsplit(url)
    is_tls = parts.scheme == "smtps"
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": parts.hostname,
            "port": parts.port or (465 if is_tls else 587),
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_ssl": is_tls,
            "use_tls": not is_tls,
            "timeout": 10,
        },
    }
