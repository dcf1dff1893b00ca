"""The poller of a page: what it asks for, how soon, and by which poll_token."""

from typing import NamedTuple

from django.http import HttpResponse
from django.utils import timezone

from dashboard.accounts.http import SignedInRequest
from dashboard.livepoll import shortcut, state, token

from .models import Cloud, FleetVersion
from .selectors import freshness


class Poller(NamedTuple):
    """The element that asks.

    Attributes:
        url: What it asks for.
        poll_token: Spares the server to look up who asks while nothing changes.
        interval_seconds: How soon.
    """

    url: str
    poll_token: str
    interval_seconds: int


def poller(
    request: SignedInRequest,
    url: str,
    *,
    version: int,
    interval_seconds: int,
    cloud: Cloud | None = None,
    until_ms: int | None = None,
) -> Poller:
    """The poller of a page that was just drawn.

    Args:
        request: Who asks.
        url: What the poller is going to ask for.
        version: The fleet's, read before what the page shows.
        interval_seconds: See ``Poller``.
        cloud: Whose mirror's age the page tells; None for that of all.
        until_ms: When the page changes by time alone, Unix **ms**; None for never.
    """
    poll_token = _poll_token(request, url, version, cloud, until_ms)
    return Poller(url, poll_token, interval_seconds)


def unchanged(
    request: SignedInRequest,
    *,
    version: int,
    as_of_ms: int | None,
    cloud: Cloud | None = None,
    until_ms: int | None = None,
) -> HttpResponse:
    """204 with the mirror's age in ``HX-Trigger``, and a new poll_token for the poller.

    Args:
        request: The poll.
        version: The fleet's, read before it was found that nothing changed.
        as_of_ms: When the mirror was last complete, Unix **ms**.
        cloud: See ``poller``.
        until_ms: See ``poller``.
    """
    poll_token = _poll_token(request, request.get_full_path(), version, cloud, until_ms)
    news = shortcut.unchanged(as_of_ms, poll_token=poll_token)
    return HttpResponse(status=204, headers={"HX-Trigger": news})


def publish() -> None:
    """Tell all processes what the database says, for their polls. Never raises."""
    # The version first: what changes in between is then told too late, never skipped.
    version = FleetVersion.current()
    state.put(version, freshness(timezone.now()).read_at_ms)


def _poll_token(
    request: SignedInRequest,
    url: str,
    version: int,
    cloud: Cloud | None,
    until_ms: int | None,
) -> str:
    return token.issue(
        version=version,
        user_pk=request.user.pk,
        session_key=request.session.session_key or "",
        url=url,
        cloud_pk=cloud.pk if cloud else 0,
        until_ms=until_ms,
    )
