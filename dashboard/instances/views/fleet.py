"""The list of instances, its poll, and one instance's countdown."""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBadRequest, QueryDict
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_bulk, edit_scope
from dashboard.instances import countdown, list_page, listing, row_cache, selectors
from dashboard.instances.filters import ListPollForm, ListQuery
from dashboard.instances.models import FleetVersion, Instance
from dashboard.livepoll.pages import (
    NEVER_READ,
    Poller,
    layout_hash,
    not_modified,
    now_ms,
    poll_token,
    shown_page,
)
from dashboard.livepoll.state import FleetState
from dashboard.livepoll.token import ALONE, SharedPage
from dashboard.web.process_cache import ProcessCache

PINNED_ROWS = "Curfew-Pinned-Rows"
"""Header of a poll whose rows must keep their order: ``ListPollForm.pinned``. It is no
query parameter, because the poll token is bound to the URL."""

DISPLAYED_ROWS = "Curfew-Displayed-Rows"
"""Header of a poll whose rows may move: ``ListPollForm.displayed``."""

ROW_MOVES = "Curfew-Row-Moves"
"""Header of the answer: ``listing.moves``, with commas. ``static/list.js`` carries them
out before the rows that changed are swapped in."""

OUT_OF_ORDER = "moved"
"""``layout`` of a page whose rows are up to date, but kept their order until now."""

_TOKEN, _NOW = secrets.token_hex(), secrets.token_hex()
"""Stand for the poll token and the time in an answer that several polls get."""

_ROWS = SafeString(f"<!-- {secrets.token_hex()} -->")
"""Stands for the rows while the template is rendered, which joins all that it has
rendered so far at each of its levels: a tenth of the page's CPU. Nobody can put it into
a name or a URL."""


@require_safe
def fleet(request: SignedInRequest) -> HttpResponse:
    """Show the list.

    Query parameters:
        See ``filters``; the page names those that it ignores as unsupported.
    """
    query, version = ListQuery.of(request.GET), FleetVersion.current()
    page = list_page.shown_to(request.user, query, version)
    context = _context(request.user, page)
    token = poll_token(request, context["url"], version=version, page=page.shared)
    context["poller"] = _poller(page, context["url"], token, now_ms())
    rows = _html(page.fleet.row_refs, request.user, page)
    context["rows"] = rows and _ROWS
    may_bulk, number = can_bulk(request.user), page.fleet.page.paginator.count
    context["head"] = row_cache.head_html(context["columns"], may_bulk=may_bulk)
    # To mask it takes as long as several rows, so all forms of the page share one.
    context["csrf_token"] = token = get_token(request)
    if may_bulk:
        context["bulk_bar"] = row_cache.bulk_bar_html(query, number, csrf_token=token)
    facets = listing.facets(request.user, version=version)
    context["filters"] = row_cache.filters_html(facets, query)
    response = render(request, "instances/list.html", context)
    response.content = response.content.replace(_ROWS.encode(), rows, 1)
    return response


@require_safe
def changes(request: SignedInRequest) -> HttpResponse:
    """Answer a poll of the list with what changed since the last one.

    Query parameters:
        The list's own, and those of ``PollForm``. Without ``layout`` all rows are sent.

    Returns:
        200 with ``instances/list.html#changes``: the rows that changed, with the moves
        in ``Curfew-Row-Moves`` unless ``Curfew-Pinned-Rows`` keeps the order; all rows
        when it is not known which ones the page has; a refresh by htmx when the columns
        changed. 204 with the mirror's age in ``HX-Trigger`` when nothing on the page
        changed; 400 for an invalid ``since``.
    """
    asked = _asked(request)
    form = _forms.get_or_compute(asked, lambda: _form(request.GET, asked))
    if not form.is_valid():
        return HttpResponseBadRequest()
    version, since = FleetVersion.current(), form.cleaned_data["since"]
    is_out_of_order = form.cleaned_data["layout"].startswith(OUT_OF_ORDER)
    if form.is_current(version) and not is_out_of_order:
        fleet = selectors.publish_fleet_state(version)
        return not_modified(fleet, request, page=shown_page(request))
    query = ListQuery.of(request.GET)
    # A poll whose token has expired, one a minute, reads the page in any case.
    is_quick = hasattr(request, "poll_token_expires_at")
    page = list_page.shown_to(
        request.user, query, version, since=since if is_quick else None
    )
    is_in_order = form.cleaned_data["displayed"] in ([], page.names)
    if page.shared == shown_page(request) and is_in_order:
        fleet = FleetState(page.version, page.freshness.read_at_ms)
        return not_modified(fleet, request, page=page.shared)
    never_read = page.freshness.never_read
    if form.cleaned_data["layout"] == NEVER_READ and not never_read:
        return HttpResponseClientRefresh()
    columns = form.cleaned_data["columns"]
    if (columns or form.cleaned_data["layout"]) and columns != ",".join(page.parts):
        return HttpResponseClientRefresh()  # for the heads of other columns
    # A version from the future comes from another database: its rows mean nothing.
    pinned = form.cleaned_data["pinned"] if since <= version else []
    # All that the answer depends on, so those who see the same share it.
    key = (
        *(page.version, page.shared, page.freshness.now, asked),
        *(edit_scope(request.user), can_bulk(request.user)),
        *(timezone.get_current_timezone_name(), timezone.localdate()),
    )
    answer = _answers.get_or_compute(
        key, lambda: _answer(request.user, page, form, pinned)
    )
    token = poll_token(request, answer.url, version=page.version, page=answer.page)
    html = answer.html.replace(_TOKEN, token).replace(_NOW, str(now_ms()))
    return HttpResponse(html, headers=answer.headers)


class _Answer(NamedTuple):
    """The answer to a poll with news, for everyone who gets the same.

    Attributes:
        html: With ``_TOKEN`` and ``_NOW`` in places that differ.
        url: Of the next poll.
        page: What it shows.
    """

    html: str
    headers: dict[str, str]
    url: str
    page: SharedPage


# As long as a ``ListPage``.
_answers = ProcessCache(max_size=256, seconds=1)


def _answer(
    user: User, page: list_page.ListPage, form: ListPollForm, pinned: Sequence[int]
) -> _Answer:
    """Draw what changed since a poll's last answer."""
    version, since = page.version, form.cleaned_data["since"]
    context = _context(user, page, out_of_band=True, pinned=pinned)
    url = context["url"]
    context["poller"] = _poller(page, url, _TOKEN, _NOW)
    row_refs = page.fleet.row_refs
    displayed = _displayed(form, page, context["layout"])
    known = {*displayed}
    moves = (
        listing.moves(displayed, page.names)
        if displayed and displayed != page.names
        else []
    )
    context["whole"] = (
        not pinned
        and not displayed
        and form.needs_all_rows(version=version, layout=context["layout"])
    )
    if context["whole"]:
        context["rows"] = row_cache.text_of(_html(row_refs, user, page))
    else:
        if pinned:
            row_refs = listing.row_refs_of(pinned, user=user)
        news = [
            row_ref
            for row_ref in row_refs
            if row_ref.version > since or (known and str(row_ref.pk) not in known)
        ]
        heads = [
            head
            for head in page.heads.values()
            if known and list_page.row_name(head) not in known
        ]
        rows = _html(news, user, page, out_of_band=True)
        context["changed"] = row_cache.new_heads_html(heads) + row_cache.text_of(rows)
    return _Answer(
        # Without the request, because the fragment has nothing of the page's frame.
        html=render_to_string("instances/list.html#changes", context),
        headers={ROW_MOVES: ",".join(moves)} if moves else {},
        url=url,
        # A page in an old order shows what no other page does.
        page=ALONE if context["moved"] else page.shared,
    )


# By ``_Asked``.
_forms = ProcessCache(max_size=256, seconds=60)


class _Asked(NamedTuple):
    """The texts by which a poll says what its page shows."""

    query: str
    pinned: str
    displayed: str


def _asked(request: SignedInRequest) -> _Asked:
    return _Asked(
        request.META["QUERY_STRING"],
        request.headers.get(PINNED_ROWS, ""),
        request.headers.get(DISPLAYED_ROWS, ""),
    )


def _form(params: QueryDict, asked: _Asked) -> ListPollForm:
    """Parse what a poll asks. Polls that ask the same share it: never change it."""
    lines = {"pinned": asked.pinned, "displayed": asked.displayed}
    return ListPollForm({**params.dict(), **lines})


def _displayed(form: ListPollForm, page: list_page.ListPage, layout: str) -> list[str]:
    """Return the rows that the page has, in their order.

    Empty when that is unknown, or when the page needs all rows.
    """
    params = form.cleaned_data
    displayed = list(dict.fromkeys(params["displayed"]))
    look = params["layout"].partition(".")[2]
    if (
        params["pinned"]
        or params["since"] > page.version  # of another database
        or look != layout.partition(".")[2]
        or {*displayed}.isdisjoint(page.names)
    ):
        return []
    return displayed


@require_safe
def countdown_fragment(
    request: SignedInRequest, cloud: str, instance_id: str
) -> HttpResponse:
    """Return this run and next run of an instance; 404 when it is not visible.

    Curfew's own pages do not request it. It is part of the public contract, for other
    sites and scripts.
    """
    instance = get_object_or_404(
        Instance.objects.visible_to(request.user).select_related("cloud"),
        cloud__name=cloud,
        instance_id=instance_id,
    )
    context = {
        "instance": instance,
        "this_run": countdown.this_run(instance, timezone.now()),
        "next_run": countdown.next_run(instance),
    }
    return render(request, "instances/_countdown.html", context)


def _context(
    user: User,
    page: list_page.ListPage,
    *,
    out_of_band: bool = False,
    pinned: Sequence[int] = (),
) -> dict[str, Any]:
    query, freshness = page.query, page.freshness
    moved = 0
    if pinned:
        moved = listing.moved(pinned, [row_ref.pk for row_ref in page.fleet.row_refs])
    layout = f"{layout_hash([*pinned] or page.names)}{page.look}"
    if freshness.never_read:
        layout = NEVER_READ
    url = reverse("instances:changes")
    params: dict[str, object] = {
        **query.lists,
        "since": page.version,
        "columns": ",".join(page.parts),
    }
    out_of_order = params | {"layout": f"{OUT_OF_ORDER}{page.look}"}
    return {
        "query": query,
        "has_no_owner": query.asks_for_own and not user.cloud_identifiers,
        "display": page.display,
        "fleet": page.fleet,
        "moved": moved,
        "order_url": f"{url}?{urlencode(out_of_order, doseq=True)}",
        "columns": page.columns,
        "layout": layout,
        "url": f"{url}?{urlencode(params | {'layout': layout}, doseq=True)}",
        "around": row_cache.around_html(
            page.numbers,
            query,
            page.fleet,
            may_bulk=can_bulk(user),
            out_of_band=out_of_band,
        ),
        "oob": out_of_band,
        "freshness": freshness,
    }


def _poller(
    page: list_page.ListPage, url: str, poll_token: str, now_ms: int | str
) -> Poller:
    interval_seconds = page.fleet.interval_seconds
    if page.freshness.never_read:
        interval_seconds = 2
    return Poller(url, interval_seconds, poll_token, now_ms)


def _html(
    row_refs: Sequence[listing.RowRef],
    user: User,
    page: list_page.ListPage,
    *,
    out_of_band: bool = False,
) -> bytes:
    return row_cache.rows_html(
        listing.rows_at(row_refs, user=user, now=page.freshness.now),
        shown=page.parts,
        heads={} if out_of_band else page.heads,
        out_of_band=out_of_band,
    )
