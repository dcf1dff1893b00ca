"""Home: a scientist's own instances as cards; others are redirected to the list."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Prefetch
from django.http import HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import has_own_page
from dashboard.instances import availability, selectors
from dashboard.instances.edit_states import InstanceEdit
from dashboard.instances.filters import OWN_PAGE, ordered
from dashboard.instances.models import FleetVersion, Instance
from dashboard.livepoll.pages import (
    PollForm,
    layout_hash,
    not_modified,
    poll_interval,
    poller,
)

CARDS = 100
"""On one page."""

RECENT = 3
"""Edits shown on a card."""


@dataclass(frozen=True)
class Card(selectors.Row):
    """An own instance, with what its state and the person's rights allow.

    Attributes:
        recent: Its latest edits, newest first.
    """

    recent: list[InstanceEdit]
    may_start: bool
    may_stop: bool


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """Show a scientist's own instances; redirect everyone else to the list."""
    if not has_own_page(request.user):
        return redirect("instances:list")
    return render(request, "instances/home.html", _context(request))


@require_safe
def home_changes(request: SignedInRequest) -> HttpResponse:
    """Fragment: what changed at home since the last poll.

    Query parameters:
        See ``PollForm``, and ``page``: which page of the cards.

    Returns:
        200 with ``instances/home.html#changes``; 204 when nothing changed, with the
        mirror's age in ``HX-Trigger``; 400 for a ``since`` that makes no sense; a
        redirect by htmx for somebody whose role has changed.
    """
    form = PollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    if not has_own_page(request.user):
        return HttpResponseClientRedirect("/")
    version, since = FleetVersion.current(), form.cleaned_data["since"]
    if form.is_current(version):
        return not_modified(selectors.publish_fleet_state(version), request)
    context = _context(request)
    context["whole"] = form.needs_all_rows(
        version=context["version"], layout=context["layout"]
    )
    context["changed"] = [
        card for card in context["cards"] if card.instance.version > since
    ]
    return render(request, "instances/home.html#changes", context)


def _context(request: SignedInRequest) -> dict[str, Any]:
    now = timezone.now()
    # Before the cards: what changes in between is then sent twice, but never missed.
    version = FleetVersion.current()
    page = _page(request.user, now, request.GET.get("page"))
    cards = _cards(page, request.user, now)
    layout = layout_hash([card.instance.pk for card in cards])
    return {
        "version": version,
        "cards": cards,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "own_page_query": QueryDict(f"{OWN_PAGE}=1"),
        "layout": layout,
        "poller": poller(
            request,
            reverse("instances:home_changes"),
            {"since": version, "layout": layout, "page": page.number},
            version=version,
            interval_seconds=poll_interval(
                has_open_edit=any(card.has_open_edit for card in cards),
                is_moving=any(card.is_moving for card in cards),
            ),
        ),
        "freshness": selectors.freshness(now),
    }


def _page(user: User, now: datetime, number: str | None) -> Page[Instance]:
    recent = selectors.edits.get()().select_related("actor").order_by("-seq")[:RECENT]
    instances = ordered(
        Instance.objects.visible_to(user).owned_by(user), "stops_in"
    ).prefetch_related(Prefetch("edits", recent, to_attr="recent"))
    return Paginator(selectors.with_news(instances, now), CARDS).get_page(number)


def _cards(page: Page[Instance], user: User, now: datetime) -> list[Card]:
    return [_card(row) for row in selectors.rows(page, user=user, now=now)]


def _card(row: selectors.Row) -> Card:
    instance = row.instance
    return Card(
        **vars(row)
        | {"may_edit": row.may_edit and not availability.why_not_editable(instance)},
        recent=instance.recent,  # type: ignore[attr-defined]
        may_start=row.may_edit and not availability.why_not_startable(instance),
        may_stop=row.may_edit and not availability.why_not_stoppable(instance),
    )
