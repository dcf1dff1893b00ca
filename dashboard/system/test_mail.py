"""A mail to oneself, and how it ended, in the cache."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.utils import translation
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.digests.mails import language_of
from dashboard.reminders import mailing
from dashboard.reminders.links import absolute
from dashboard.reminders.outcome import SENT
from dashboard.web.stored_messages import Message

from . import messages

KEPT_SECONDS = 3_600
LATE_SECONDS = 60
"""A mail that no worker has taken up for so long is not on its way."""


@dataclass(frozen=True)
class TestMail:
    """The last test mail of a person.

    Attributes:
        state: ``sending``, ``sent`` or ``failed``.
    """

    state: str
    message: Message
    at: datetime


def announce(person: User) -> None:
    """Note that a mail is about to be sent."""
    _store(person, "sending", messages.MAIL_ON_ITS_WAY(address=person.email))


def last(person: User) -> TestMail | None:
    """Return the last test mail of a person; None if there was none lately."""
    try:
        stored = cache.get(_key(person))
    except redis.RedisError:
        return None
    if stored is None:
        return None
    state, message = stored["state"], Message.from_json(stored["message"])
    if state == "sending" and time.time() - stored["at"] > LATE_SECONDS:
        state, message = "failed", messages.MAIL_NOT_TAKEN_UP()
    return TestMail(state, message, datetime.fromtimestamp(stored["at"], UTC))


def send(person: User) -> None:
    """Send a mail to a person, and store how that ended."""
    with translation.override(language_of(person)):
        site = absolute("/")
        mail = EmailMessage(
            subject=_("Test mail from Curfew"),
            body=_(
                "This is a test. You requested it on the system page of %(site)s, and "
                "it shows that Curfew can send mail."
            )
            % {"site": site},
            to=[person.email],
        )
    outcome = mailing.send(mail)
    if outcome == SENT:
        _store(person, "sent", messages.MAIL_SENT(address=person.email))
    else:
        _store(person, "failed", messages.MAIL_NOT_SENT(reason=outcome.detail))


def _store(person: User, state: str, message: Message) -> None:
    content: dict[str, Any] = {"state": state, "message": message.to_json()}
    cache.set(_key(person), content | {"at": time.time()}, timeout=KEPT_SECONDS)


def _key(person: User) -> str:
    return f"system:mail:{person.pk}"
