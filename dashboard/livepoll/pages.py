"""The parts of a page that polls: its poller, the query of a poll, the answer 204."""

import hashlib
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlencode

from django import forms
from django.http import HttpRequest, HttpResponse

from dashboard.livepoll import shortcut, token
from dashboard.livepoll.state import FleetState
from dashboard.livepoll.token import ALONE, SharedPage

NEVER_READ = "nothing"
"""``layout`` of the page that is shown until a cloud was read."""


class PollForm(forms.Form):
    """What a poll adds to the query of its page.

    Attributes:
        since: Version of what the page shows: the fleet's or, on the page of one
            instance, that instance's.
        layout: ``layout_hash`` of the page as drawn; empty when unknown.
        until: When the page changes without a new version, Unix **ms**; empty or 0 for
            never.
    """

    since = forms.IntegerField(min_value=0, max_value=2**63 - 1)
    layout = forms.CharField(max_length=32, required=False)
    until = forms.IntegerField(min_value=0, max_value=2**63 - 1, required=False)

    @property
    def is_past(self) -> bool:
        until_ms = self.cleaned_data["until"]
        return bool(until_ms) and time.time() * 1000 >= until_ms

    def is_current(self, version: int) -> bool:
        """Whether the page as drawn shows this version of the fleet."""
        return bool(self.cleaned_data["since"] == version) and not self.is_past

    def needs_all_rows(self, *, version: int, layout: str) -> bool:
        """Whether the rows that changed are not enough to update the page."""
        # A version from the future is of another database.
        is_unknown = self.cleaned_data["since"] > version
        return bool(is_unknown or self.cleaned_data["layout"] != layout)


class Poller(NamedTuple):
    """The element that polls; its template is ``_poller.html``.

    Attributes:
        now_ms: The server's clock, Unix **ms**.
    """

    url: str
    interval_seconds: int
    poll_token: str
    now_ms: int | str


def layout_hash(layout: object) -> str:
    """Return a digest of which rows a page shows, and in which order."""
    return hashlib.blake2b(repr(layout).encode(), digest_size=6).hexdigest()


def poll_interval(*, has_open_edit: bool = False, expects_change: bool = False) -> int:
    """Return after how many seconds a page polls again.

    Args:
        has_open_edit: Whether an edit of an instance on the page is under way.
        expects_change: Whether the cloud is about to report a change of one.
    """
    if has_open_edit:
        return 1
    return 2 if expects_change else 5


def poller(
    request: HttpRequest,
    path: str,
    params: Mapping[str, object],
    *,
    interval_seconds: int,
    version: int | None = None,
    cloud_pk: int = 0,
    until_ms: int | None = None,
    page: SharedPage = ALONE,
) -> Poller:
    """Return the poller of a page that is about to be drawn.

    Args:
        request: The request for the page.
        path, params: What the poller requests; a list repeats a parameter.
        interval_seconds: See ``poll_interval``.
        version: The fleet version, read before what the page shows. Without one the
            poller has no poll token, and Django answers all its polls.
        cloud_pk: The cloud whose age the page shows; 0 for all.
        until_ms: When the page changes without a new version, Unix **ms**.
        page: What it shows.
    """
    url = f"{path}?{urlencode(params, doseq=True)}"
    text = ""
    if version is not None:
        text = poll_token(
            request,
            url,
            version=version,
            cloud_pk=cloud_pk,
            until_ms=until_ms,
            page=page,
        )
    return Poller(url, interval_seconds, text, now_ms())


def not_modified(
    fleet: FleetState | None = None,
    request: HttpRequest | None = None,
    *,
    cloud_pk: int = 0,
    until_ms: int | None = None,
    page: SharedPage = ALONE,
) -> HttpResponse:
    """Return 204; ``HX-Trigger`` has the mirror's age and a new poll token.

    Args:
        fleet: Read before the page was found to be unchanged; None for a page that
            shows no age.
        request: The poll; None for a page whose poller has no poll token.
        cloud_pk, until_ms, page: See ``poller``.
    """
    text = ""
    if fleet and request:
        text = poll_token(
            request,
            request.get_full_path(),
            version=fleet.version,
            cloud_pk=cloud_pk,
            until_ms=until_ms,
            page=page,
        )
    as_of_ms = fleet.as_of_ms(cloud_pk) if fleet else None
    event = shortcut.unchanged_event(as_of_ms, poll_token=text)
    return HttpResponse(status=204, headers={"HX-Trigger": event})


def shown_page(request: HttpRequest) -> SharedPage:
    """Return what the page of a poll shows, by its poll token, which may have expired.

    ``ALONE`` without a token that was made for this poll.
    """
    path, _, query = request.get_full_path().partition("?")
    read = token.read(
        request.headers.get(token.HEADER, ""),
        session_key=request.session.session_key or "",
        path=unquote_to_bytes(path),
        query=query,
        may_be_old=True,
    )
    return read.page if read else ALONE


def poll_token(
    request: HttpRequest,
    url: str,
    *,
    version: int,
    cloud_pk: int = 0,
    until_ms: int | None = None,
    page: SharedPage = ALONE,
) -> str:
    """Return the poll token of the person who makes this request; see ``poller``.

    It expires with the token of a poll that not all of the middleware has seen.
    """
    assert request.user.pk is not None  # noqa: S101  (a poll token belongs to a person)
    if expires_at := getattr(request, "poll_token_expires_at", None):
        until_ms = min(expires_at * 1000, until_ms or expires_at * 1000)
    return token.issue(
        version=version,
        user_pk=request.user.pk,
        session_key=request.session.session_key or "",
        url=url,
        cloud_pk=cloud_pk,
        until_ms=until_ms,
        page=page,
    )


def now_ms() -> int:
    """Return the server's clock in Unix **ms**; the countdowns use it."""
    return time.time_ns() // 1_000_000
