from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import BigAutoField, prefetch_related_objects

from dashboard.accounts.models import User
from dashboard.instances.display import DEFAULT, Display
from dashboard.instances.filters import ME, ListQuery
from dashboard.web.raw_queries import Prepared

from .models import ListDisplay, SavedView
from .permissions import can_share
from .queries import normalized

MENU_LENGTH = 12
"""The menu shows this many of the user's own views and of the team's."""


class Menu(NamedTuple):
    """The menu of saved views above the list.

    Attributes:
        mine: The user's own views.
        team: Views that others share.
        current: The view that the list shows; None without one.
        query: Canonical query of the list.
        may_share: Whether the user may share a new view.
    """

    mine: list[SavedView]
    team: list[SavedView]
    current: SavedView | None
    query: str
    may_share: bool

    @property
    def mine_query(self) -> str:
        """Canonical query of the instances of the person who looks."""
        return urlencode({"owner": ME})

    @property
    def hidden(self) -> int:
        """Number of views that the menu leaves to the page of views."""
        return sum(max(0, len(views) - MENU_LENGTH) for views in (self.mine, self.team))


def menu(query: ListQuery, *, user: User) -> Menu:
    """Return the menu above a list with this query.

    One database query, and one for the owners of views that others share.
    """
    current = normalized(query)
    views = _for_menu.rows(user=user.pk)
    team = [view for view in views if view.owner_id != user.pk]
    prefetch_related_objects(team, "owner")
    return Menu(
        mine=[view for view in views if view.owner_id == user.pk],
        team=team,
        current=named(current, views, user=user),
        query=current,
        may_share=can_share(user),
    )


def named(query: str, views: list[SavedView], *, user: User) -> SavedView | None:
    """Return the view with this normalized query, preferably the user's own."""
    matches = [view for view in views if query and view.query == query]
    return min(matches, key=lambda view: view.owner_id != user.pk, default=None)


def default_view(user: User) -> SavedView | None:
    """Return the view that opens first for the user; None unless visible to them."""
    return SavedView.objects.visible_to(user).filter(default_for__user=user).first()


def display_of(user: User) -> Display:
    """Return how the person sees the list."""
    for stored in _displays.rows(user=user.pk):
        return Display(frozenset(stored.hidden), stored.is_compact, stored.group)
    return DEFAULT


# For each list.
_for_menu = Prepared(
    lambda user: SavedView.objects.for_menu(user).select_related(None),
    user=BigAutoField(),
)
_displays = Prepared(
    lambda user: ListDisplay.objects.filter(user=user), user=BigAutoField()
)
