"""What a page of the list shows at a fleet version, without the content of its rows."""

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import get_language, override

from dashboard.accounts.models import User
from dashboard.accounts.permissions import fleet_scope
from dashboard.livepoll import changes, state
from dashboard.livepoll.changes import Elsewhere
from dashboard.livepoll.pages import layout_hash
from dashboard.livepoll.token import SharedPage, page_key
from dashboard.web.process_cache import ProcessCache

from . import filter_widgets, listing, prices, row_cache, selectors
from .display import Display, display_of
from .filters import ListQuery

# For a moment: it contains the time, and clouds are read without a new fleet version.
_pages = ProcessCache(max_size=256, seconds=1)
# Without the version: each page as this process read it last.
_latest = ProcessCache(max_size=256, seconds=60)
# By fleet version, for all pages.
_freshness = ProcessCache(max_size=4, seconds=1)


class ListPage(NamedTuple):
    """What the page shows at a fleet version.

    Attributes:
        numbers: Of the quick filters.
        parts: ``filter_widgets.shown_parts``.
        heads: By key of an instance, the head of the group that begins with it.
        names: Heads and rows, as in ``ListPollForm.displayed``.
        look: Differs when all rows look different, as after a change of the prices.
        shared: Its digest is of all of this, and of the rows' versions.
    """

    query: ListQuery
    version: int
    display: Display
    fleet: listing.FleetPage
    freshness: selectors.Freshness
    numbers: listing.Counters
    parts: tuple[str, ...]
    heads: dict[int, row_cache.GroupHead]
    names: list[str]
    look: str
    shared: SharedPage

    @property
    def columns(self) -> list[filter_widgets.Column]:
        """Built when it is needed: most pages that are read are not drawn."""
        return filter_widgets.columns(self.query, self.parts)


def shown_to(
    user: User, query: ListQuery, version: int, *, since: int | None = None
) -> ListPage:
    """Return what the page shows, found out once for all who look at the same.

    Publish it for polls, and keep how to find it out again.

    Args:
        user: The person, who may see a part of the fleet.
        query: See ``filters``.
        version: The fleet version, read before.
        since: The version that a poll has. In a large fleet the page may then be of a
            version between the two (``listing.pause_seconds``).
    """
    display, language = display_of.get()(user), get_language()
    key = (fleet_scope(user), query, query.seen_by(user), display, language)

    def compute(version: int) -> ListPage:
        page = _read(user, query, display, version)
        _publish(page)
        _latest.put(key, page)
        return page

    def at(version: int) -> ListPage:
        return _pages.get_or_compute((version, *key), lambda: compute(version))

    def read(version: int) -> SharedPage:
        with override(language):
            return at(version).shared

    if since is not None and (paused := _paused_page(key, version, since)):
        return paused
    page = at(version)
    state.keep_reader(page.shared.key, read)
    return page


def _paused_page(key: Hashable, version: int, since: int) -> ListPage | None:
    """Return the latest page, if it need not be read again yet; see ``state``."""
    page: ListPage | None = _latest.get(key)
    if page is None or page.version < since or not listing.pause_seconds():
        return None
    changes.read(version)
    is_paused = state.is_paused(page.shared.key, version, read_at=page.version)
    return page if is_paused else None


def _publish(page: ListPage) -> None:
    state.put_page(
        page.shared,
        page.version,
        instance_pks=frozenset(row_ref.pk for row_ref in page.fleet.row_refs),
        elsewhere=Elsewhere.LISTED if page.query.is_plain else Elsewhere.ALL,
        pause_seconds=listing.pause_seconds(),
    )


def _read(user: User, query: ListQuery, display: Display, version: int) -> ListPage:
    # The version was read before the rows: a change in between is sent twice, never
    # missed.
    now = timezone.now()
    within = query.without(*filter_widgets.QUICK)
    numbers = listing.counters(user, version=version, within=within)
    fleet = listing.fleet_page(
        query, user=user, version=version, now=now, group=display.group
    )
    freshness = _freshness.get_or_compute(version, lambda: _read_freshness(version))
    generations = listing.generations(user, version=version)
    parts = filter_widgets.shown_parts(
        display, clouds=len(freshness.clouds), generations=len(generations)
    )
    heads = _group_heads(fleet, display.group, query, parts)
    names = [
        name
        for row_ref in fleet.row_refs
        for name in (row_name(heads.get(row_ref.pk)), str(row_ref.pk))
        if name
    ]
    priced = prices.current.get()().signature if "price" in parts else ()
    seen = query.seen_by(user)
    key = page_key(
        *("list", fleet_scope(user), seen.narrowed, query.sort, query.per_page),
        *(query.page, sorted(display.hidden), display.group, get_language()),
    )
    digest = layout_hash(
        (
            *(names, [row_ref.version for row_ref in fleet.row_refs]),
            *(fleet.page.paginator.count, fleet.page.number, fleet.interval_seconds),
            *(numbers, parts, priced, freshness.signature),
        )
    )
    return ListPage(
        query=query,
        version=version,
        display=display,
        fleet=fleet,
        freshness=freshness,
        numbers=numbers,
        parts=parts,
        heads=heads,
        names=names,
        look=f".{layout_hash(priced)}" if priced else "",
        shared=SharedPage(key, digest),
    )


def _read_freshness(version: int) -> selectors.Freshness:
    freshness = selectors.freshness(timezone.now())
    # The sweep may be late while the workers are busy.
    state.put(version, freshness.read_at_ms)
    return freshness


def row_name(head: row_cache.GroupHead | None) -> str:
    """Return what a head is called in ``ListPollForm.displayed``; empty for None."""
    return f"g{head.key}" if head else ""


def _group_heads(
    fleet: listing.FleetPage, group: str, query: ListQuery, parts: Iterable[str]
) -> dict[int, row_cache.GroupHead]:
    """Return a head for the first row of each group, by key of its instance."""
    if not group:
        return {}
    columns = len(filter_widgets.columns(query, parts)) + 1
    firsts: dict[str, int] = {}
    for row_ref in fleet.row_refs:
        firsts.setdefault(row_ref.group, row_ref.pk)
    return {
        pk: row_cache.GroupHead(
            label=filter_widgets.group_label(group, value),
            number=fleet.groups.get(value, 0),
            columns=columns,
        )
        for value, pk in firsts.items()
    }
