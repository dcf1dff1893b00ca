from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import fleet_scope, has_own_page
from dashboard.instances import availability, selectors
from dashboard.instances.edit_states import InstanceEdit
from dashboard.instances.filters import OWN_PAGE, ordered
from dashboard.instances.models import FleetVersion, Instance
from dashboard.livepoll import state
from dashboard.livepoll.changes import Elsewhere
from dashboard.livepoll.pages import (
    PollForm,
    layout_hash,
    not_modified,
    poll_interval,
    poller,
    shown_page,
)
from dashboard.livepoll.state import FleetState
from dashboard.livepoll.token import SharedPage, page_key

CARDS_PER_PAGE = 25
"""A card takes 0.9 ms to render: with a hundred the page took 119 ms of CPU, not 44."""

EDITS_PER_CARD = 3


@dataclass
class Card(selectors.Row):
    """An own instance with its latest changes."""

    recent: list[InstanceEdit]

    @property
    def may_restart(self) -> bool:
        return self.may_stop and availability.restart_applies_setting(self.instance)


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """Show a scientist's own instances; redirect everyone else to the list."""
    if not has_own_page(request.user):
        return redirect("instances:list")
    # Read before the cards: a change in between is sent twice, never missed.
    shown = _shown_to(request.user, FleetVersion.current())
    return render(request, "instances/home.html", _context(request, shown))


@require_safe
def home_changes(request: SignedInRequest) -> HttpResponse:
    """Answer a poll of this page with what changed since the last one.

    Query parameters:
        See ``PollForm``; and ``page`` of the cards.

    Returns:
        200 with ``instances/home.html#changes``; 204 with the mirror's age in
        ``HX-Trigger`` when nothing changed; 400 for an invalid ``since``; a redirect by
        htmx when the person's role has changed.
    """
    form = PollForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    if not has_own_page(request.user):
        return HttpResponseClientRedirect(reverse("home"))
    version, since = FleetVersion.current(), form.cleaned_data["since"]
    if form.is_current(version):
        fleet = selectors.publish_fleet_state(version)
        return not_modified(fleet, request, page=shown_page(request))
    shown = _shown_to(request.user, version)
    if shown.page == shown_page(request):
        fleet = FleetState(version, shown.freshness.read_at_ms)
        return not_modified(fleet, request, page=shown.page)
    context = _context(request, shown)
    context["whole"] = form.needs_all_rows(
        version=context["version"], layout=context["layout"]
    )
    context["changed"] = [
        card for card in context["cards"] if card.instance.version > since
    ]
    return render(request, "instances/home.html#changes", context)


def _context(request: SignedInRequest, shown: "_Shown") -> dict[str, Any]:
    now, version = shown.freshness.now, shown.version
    page = _page(request.user, now, request.GET.get("page"))
    cards = [_card(row) for row in selectors.rows(page, user=request.user, now=now)]
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
                expects_change=any(card.this_run.expects_change for card in cards),
            ),
            page=shown.page,
        ),
        "freshness": shown.freshness,
    }


class _Shown(NamedTuple):
    """What the person's own pages show at a fleet version, without the cards."""

    version: int
    page: SharedPage
    freshness: selectors.Freshness


def _shown_to(user: User, version: int) -> _Shown:
    """Read whether anything changed for the person, and publish it for polls."""
    key = page_key("own", fleet_scope(user), user.pk)
    refs = list(_own(user).values_list("pk", "version"))
    freshness = selectors.freshness(timezone.now())
    page = SharedPage(key, layout_hash((refs, freshness.signature)))
    state.put_page(
        page,
        version,
        instance_pks=frozenset(pk for pk, _ in refs),
        elsewhere=Elsewhere.LISTED,
    )
    state.keep_reader(key, lambda version: _shown_to(user, version).page)
    return _Shown(version, page, freshness)


def _own(user: User) -> QuerySet[Instance]:
    return ordered(Instance.objects.visible_to(user).owned_by(user), "stops_in")


def _page(user: User, now: datetime, number: str | None) -> Page[Instance]:
    edits = selectors.edits.get()().select_related("actor").order_by("-seq")
    recent = Prefetch("edits", edits[:EDITS_PER_CARD], to_attr="recent")
    instances = _own(user).prefetch_related(recent)
    cards = selectors.with_news(instances, now)
    return Paginator(cards, CARDS_PER_PAGE).get_page(number)


def _card(row: selectors.Row) -> Card:
    instance = row.instance
    return Card(
        **vars(row)
        | {"may_edit": row.may_edit and not availability.why_not_editable(instance)},
        recent=instance.recent,  # type: ignore[attr-defined]
    )
