"""The signed link that turns off a person's digest."""

from django.core import signing
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.reminders.links import LinkError, absolute

_SALT = "curfew.digests.off"


def off_url(person: User) -> str:
    """Return the address that turns off the digest of this person, without sign-in.

    It allows nothing else and does not expire: a person may find an old mail.
    """
    token = signing.dumps(person.pk, salt=_SALT, compress=False)
    return absolute(reverse("digests:off", args=[token]))


def read(token: str) -> int:
    """Return the ``User.pk`` of a link.

    Raises:
        LinkError: It was not made here.
    """
    try:
        return int(signing.loads(token, salt=_SALT))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise LinkError from error
