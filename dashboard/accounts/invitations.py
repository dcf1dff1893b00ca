"""Invitations: mails with a link with which a new person chooses a password.

The link is that of a password reset, so it is signed, works once, expires after
``PASSWORD_RESET_TIMEOUT``, and ends when the person signs in in another way.
"""

import smtplib
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from allauth.account import app_settings
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import EmailMessage, mailers
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from dashboard.audit.services import record_event
from dashboard.web.smtp_errors import smtp_problem
from dashboard.web.stored_messages import Message

from .models import User

DAYS = settings.PASSWORD_RESET_TIMEOUT // 86_400
"""How long a link works."""


class Invited(NamedTuple):
    """The outcome of some invitations.

    Attributes:
        sent: Who got one.
        problem: Why the others got none; empty if all did.
    """

    sent: list[User]
    problem: Message


def may_be_invited(user: User) -> bool:
    """Whether a person has an address and no way to sign in yet."""
    has_way_in = user.has_usable_password() or user.last_login is not None
    return bool(user.is_active and user.email and not has_way_in)


def send_invitations(
    *, users: Iterable[User], actor: User, only_new: bool = False
) -> Invited:
    """Send invitations through one connection; each that was sent is recorded.

    Args:
        users: Those who may not be invited get none.
        only_new: Leave out people who were invited before.
    """
    mailer, problem = mailers.default, Message()
    sent: list[User] = []
    waiting = [
        user
        for user in users
        if may_be_invited(user) and not (only_new and user.invited_at)
    ]
    if not waiting:
        return Invited([], problem)
    try:
        mailer.open()
    except (OSError, smtplib.SMTPException) as error:
        return Invited([], smtp_problem(error))
    try:
        for user in waiting:
            try:
                mailer.send_messages([_mail(user, actor)])
            except (
                smtplib.SMTPResponseException,
                smtplib.SMTPRecipientsRefused,
            ) as error:
                problem = smtp_problem(error)
            except (OSError, smtplib.SMTPException) as error:
                # The connection is gone, and so would be the others.
                return Invited(sent, smtp_problem(error))
            else:
                _record(user, actor)
                sent.append(user)
    finally:
        with suppress(OSError, smtplib.SMTPException):
            mailer.close()
    return Invited(sent, problem)


@transaction.atomic
def _record(user: User, actor: User) -> None:
    user.invited_at = timezone.now()
    user.save(update_fields=["invited_at"])
    record_event(actor, "user.invited", user, target_label=user.username)


def _mail(user: User, actor: User) -> EmailMessage:
    key = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    path = reverse(
        "account_reset_password_from_key", args=[user_pk_to_url_str(user), key]
    )
    context = {
        "username": user.username,
        "inviter": actor,
        "url": f"{settings.CURFEW.origin}{path}",
        "days": DAYS,
    }
    with translation.override(user.language or translation.get_language()):
        subject, text = (
            render_to_string(f"account/email/invitation_{part}.txt", context)
            for part in ("subject", "message")
        )
    return EmailMessage(" ".join(subject.split()), text.strip(), to=[user.email])
