"""Notifications by mail, through the server of ``CURFEW_MAIL_URL``."""

import re
import smtplib
from contextlib import suppress

from django.core.mail import EmailMessage, mailers

from dashboard.web.plain_text import one_line
from dashboard.web.smtp_errors import ANSWERED, smtp_problem

from . import messages
from .outcome import SENT, Outcome, not_sent, refused, unknown

_ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>]+")
_LONGEST = 200


def send(mail: EmailMessage) -> Outcome:
    """Send one mail; failures of the mail server are outcomes, not exceptions."""
    connection = mailers.default
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        return not_sent(smtp_problem(error))
    try:
        connection.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        return _outcome(*max(error.recipients.values(), default=(550, b"")))
    except smtplib.SMTPResponseException as error:
        return _outcome(error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException):
        return unknown(messages.MAIL_CONNECTION_BROKE())
    finally:
        # The server has accepted the mail by now, even if it disconnects early.
        with suppress(OSError, smtplib.SMTPException):
            connection.close()
    return SENT


def _outcome(code: int, answer: bytes | str) -> Outcome:
    """Return what an answer means, with the server's words but no address."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    reason = _ADDRESS.sub("…", one_line(text))[:_LONGEST].strip()
    detail = ANSWERED(code=code)
    if reason:
        detail = messages.MAIL_REFUSED(code=code, reason=reason)
    return not_sent(detail) if 400 <= code < 500 else refused(detail)
