"""Addresses in messages: of this site, and signed ones that lead to one action."""

from typing import NamedTuple

from django.conf import settings
from django.core import signing
from django.urls import reverse

LASTS_SECONDS = 24 * 3_600
_SALT = "curfew.reminders.action"


class LinkError(Exception):
    """The link is none of ours, or was changed on its way."""


class ExpiredLinkError(LinkError):
    """It was ours, and has run out."""


class Act(NamedTuple):
    """What a link opens: a reminder of a person, and the action on it."""

    person_pk: int
    reminder_pk: int
    action: str


def absolute(path: str) -> str:
    """The address of a page, for messages that leave the site."""
    return f"{settings.CURFEW.site_url}{path}"


def action_link(act: Act) -> str:
    """A signed address that serves this person alone, for a day."""
    return absolute(action_path(act))


def action_path(act: Act) -> str:
    """The same, within the site."""
    token = signing.dumps(list(act), salt=_SALT, compress=False)
    return reverse("reminders:act", args=[token])


def read(token: str) -> Act:
    """What a link says.

    Raises:
        ExpiredLinkError: It is older than a day.
        LinkError: It was not made here.
    """
    try:
        person, reminder, action = signing.loads(
            token, salt=_SALT, max_age=LASTS_SECONDS
        )
        return Act(int(person), int(reminder), str(action))
    except signing.SignatureExpired as error:
        raise ExpiredLinkError from error
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise LinkError from error
