"""Where mail goes: a mail server, or nowhere; and why a server cannot be used."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend
from django.utils.translation import gettext_noop

log = structlog.get_logger(__name__)


class Unsent(BaseEmailBackend):
    """Where no mail server is named: nothing is sent, and the log says so."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Drop them."""
        log.warning("no mail server: mail not sent", mails=len(email_messages))
        return 0


class Smtp(EmailBackend):
    """A mail server. Each mail says that a program wrote it.

    Source: RFC 3834 (``Auto-Submitted``); Exchange looks for its own header. Without
    them each absence note would come back.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send them with these headers."""
        for message in email_messages:
            message.extra_headers.setdefault("Auto-Submitted", "auto-generated")
            message.extra_headers.setdefault("X-Auto-Response-Suppress", "All")
        return super().send_messages(email_messages) or 0


def mailer(url: str, *, starttls: bool = True) -> dict[str, Any]:
    """An entry of Django's ``MAILERS``.

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


def smtp_problem(error: Exception) -> str:
    """Why no mail could be handed over, from what the attempt raised."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return gettext_noop(
                "The mail server does not accept the user and password in "
                "CURFEW_MAIL_URL."
            )
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(error):
            return gettext_noop(
                "The mail server offers no STARTTLS. Use an smtps:// address, or set "
                "CURFEW_MAIL_STARTTLS=false to send in clear."
            )
        case smtplib.SMTPNotSupportedError():
            return gettext_noop(
                "The mail server takes no user and password; remove them from "
                "CURFEW_MAIL_URL."
            )
        case smtplib.SMTPRecipientsRefused():
            return gettext_noop("The mail server refuses the recipient.")
        case smtplib.SMTPResponseException():
            return gettext_noop("The mail server answered %(code)s.") % {
                "code": error.smtp_code
            }
        case ssl.SSLCertVerificationError():
            return gettext_noop(
                "The certificate of the mail server is not trusted "
                "(%(verify_message)s)."
            ) % {"verify_message": error.verify_message}
        case ssl.SSLError():
            return gettext_noop(
                "The mail server speaks no TLS on this port. smtps:// is for port "
                "465, smtp:// for port 587."
            )
        case socket.gaierror():
            return gettext_noop(
                "The mail server cannot be reached: its name cannot be looked up."
            )
        case ConnectionRefusedError():
            return gettext_noop(
                "The mail server cannot be reached: it refuses the connection."
            )
        case TimeoutError():
            return gettext_noop("The mail server does not answer.")
        case smtplib.SMTPServerDisconnected():
            return gettext_noop("The mail server hung up.")
    return gettext_noop("The mail server cannot be reached.")
