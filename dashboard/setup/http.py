"""What all pages of the setup share."""

import time
from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _

from dashboard.accounts.http import SignedInRequest, admins_only

from . import answers, private_files

GIVE_UP_SECONDS = 60
"""How long a page waits for a worker; longer than a task may take."""

INTERVAL_SECONDS = 1
"""Between two polls of a page that waits."""


def where_allowed(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Respond with 404 where the site has no data directory, 403 to all but admins."""

    @wraps(view)
    def checked(request: SignedInRequest) -> HttpResponse:
        if not private_files.has_data_dir():
            raise Http404
        return admins_only(view)(request)

    return checked


class Started(NamedTuple):
    """What a page waits for, as the session has it.

    Attributes:
        key: ID of the answers.
        at: When it began, Unix seconds.
        names: The clouds.
    """

    key: str
    at: float
    names: list[str]

    @property
    def is_over(self) -> bool:
        return time.time() - self.at > GIVE_UP_SECONDS


def remember(
    request: SignedInRequest, session_key: str, key: str, names: list[str]
) -> None:
    request.session[session_key] = Started(key, time.time(), names)


def started(request: SignedInRequest, session_key: str) -> Started | None:
    """Return what was begun in this session; None if its answers are gone by now."""
    stored = request.session.get(session_key)
    if not stored:
        return None
    begun = Started(*stored)
    is_kept = time.time() - begun.at < answers.KEPT.total_seconds()
    return begun if is_kept else None


def not_written(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return _("The data directory cannot be written: %(reason)s.") % {"reason": reason}
