"""Notifications by mail, through the server of ``CURFEW_MAIL_URL``."""

import smtplib
from contextlib import suppress

from django.core.mail import EmailMessage, mailers

from dashboard.web.smtp_errors import ANSWERED, smtp_problem

from . import messages
from .outcome import SENT, Outcome, not_sent, refused, unknown
from .texts import Notification


def send(
    notification: Notification,
    *,
    to: str,
    message_id: str,
    thread_id: str | None = None,
) -> Outcome:
    """Send one notification; never raises for what a mail server does.

    Args:
        notification: Its subject and text.
        to: The address.
        message_id: The same for each attempt, so that a mailbox recognizes a duplicate.
        thread_id: The same for all mails of one thread. None begins no thread.
    """
    connection = mailers.default
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        return not_sent(smtp_problem(error))
    headers = {"Message-ID": message_id}
    if thread_id:
        # No mail has this id. Mail programs show those that refer to it together.
        headers |= {"In-Reply-To": thread_id, "References": thread_id}
    mail = EmailMessage(
        notification.subject, notification.text, to=[to], headers=headers
    )
    try:
        connection.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return _answer(max(codes, default=550))
    except smtplib.SMTPResponseException as error:
        return _answer(error.smtp_code)
    except (OSError, smtplib.SMTPException):
        return unknown(messages.MAIL_CONNECTION_BROKE())
    finally:
        # Accepted by then: a server that leaves early takes nothing back.
        with suppress(OSError, smtplib.SMTPException):
            connection.close()
    return SENT


def _answer(code: int) -> Outcome:
    detail = ANSWERED(code=code)
    return not_sent(detail) if 400 <= code < 500 else refused(detail)
