"""The one-time link with which the first admin creates an account.

It is signed, works for half an hour, and ends as soon as there is an admin or another
link. The file ``setup_link`` has the nonce of the link that counts.
"""

import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core import signing
from django.urls import reverse

from dashboard.accounts.models import User

from . import private_files

LASTS = timedelta(minutes=30)
_SALT = "curfew.setup"


class LinkError(Exception):
    """The link was not made here."""


class EndedLinkError(LinkError):
    """The link has expired, was used, or was replaced by another one."""


def is_needed() -> bool:
    """Whether no one can manage this site yet, and it can be set up."""
    admins = User.objects.filter(role=User.Role.ADMIN, is_active=True)
    return private_files.has_data_dir() and not admins.exists()


def create_link() -> str:
    """Return the URL of a new link; earlier ones end."""
    nonce = secrets.token_urlsafe(16)
    with private_files.locked():
        private_files.write(_file(), nonce)
    token = signing.dumps(nonce, salt=_SALT)
    return f"{settings.CURFEW.origin}{reverse('setup:account', args=[token])}"


def check_link(token: str) -> None:
    """Check that an account can be created with a link.

    Raises:
        EndedLinkError: No longer.
        LinkError: It was not made here.
    """
    try:
        nonce = signing.loads(token, salt=_SALT, max_age=LASTS)
    except signing.SignatureExpired as error:
        raise EndedLinkError from error
    except signing.BadSignature as error:
        raise LinkError from error
    try:
        current = _file().read_text()
    except FileNotFoundError:
        raise EndedLinkError from None
    if not hmac.compare_digest(str(nonce), current) or not is_needed():
        raise EndedLinkError


@contextmanager
def using_link(token: str) -> Iterator[None]:
    """Use a link up, unless the block fails; no one else uses it meanwhile.

    Raises:
        LinkError: As ``check_link``.
    """
    with private_files.locked():
        check_link(token)
        yield
        _file().unlink(missing_ok=True)


def _file() -> Path:
    return private_files.data_dir() / "setup_link"
