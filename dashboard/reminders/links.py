"""URLs in messages: absolute ones, and signed ones that lead to one action."""

from typing import NamedTuple

from django.conf import settings
from django.core import signing
from django.urls import reverse

LASTS_SECONDS = 24 * 3_600
_SALT = "curfew.reminders.action"
_ANSWER_SALT = "curfew.reminders.answer"


class LinkError(Exception):
    """The link was not made here, or was changed."""


class ExpiredLinkError(LinkError):
    pass


class ActionLink(NamedTuple):
    """An action on a reminder, for one person."""

    person_pk: int
    reminder_pk: int
    action: str


def absolute(path: str) -> str:
    """Return the URL of a path from the root of the host, as ``reverse`` returns it."""
    return f"{settings.CURFEW.origin}{path}"


def action_path(link: ActionLink) -> str:
    """Return the path of a signed link, which works for a day."""
    token = signing.dumps(list(link), salt=_SALT, compress=False)
    return reverse("reminders:act", args=[token])


class QuestionLink(NamedTuple):
    """An answer to the question whether a run is still needed, for one person.

    It needs no sign-in, so it allows nothing but this answer until the deadline.
    """

    person_pk: int
    question_pk: int
    answer: str


def answer_path(link: QuestionLink) -> str:
    """Return the path of a signed link to the page with the answer."""
    token = signing.dumps(list(link), salt=_ANSWER_SALT, compress=False)
    return reverse("reminders:answer", args=[token])


def read_answer(token: str) -> QuestionLink:
    """Return the content of a link to an answer; the question has the deadline.

    Raises:
        LinkError: It was not made here.
    """
    try:
        person, question, answer = signing.loads(token, salt=_ANSWER_SALT)
        return QuestionLink(int(person), int(question), str(answer))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise LinkError from error


def read(token: str) -> ActionLink:
    """Return the content of a signed link.

    Raises:
        ExpiredLinkError: It is older than a day.
        LinkError: It was not made here.
    """
    try:
        person, reminder, action = signing.loads(
            token, salt=_SALT, max_age=LASTS_SECONDS
        )
        return ActionLink(int(person), int(reminder), str(action))
    except signing.SignatureExpired as error:
        raise ExpiredLinkError from error
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise LinkError from error
