from typing import NamedTuple
from urllib.parse import urlencode

from dashboard.accounts.models import User
from dashboard.instances.display import DEFAULT, Display
from dashboard.instances.filters import ME, ListQuery

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
    """Return the menu above a list with this query; one database query."""
    current = normalized(query)
    views = list(SavedView.objects.for_menu(user))
    return Menu(
        mine=[view for view in views if view.owner_id == user.pk],
        team=[view for view in views if view.owner_id != user.pk],
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
    stored = ListDisplay.objects.filter(user=user).first()
    if stored is None:
        return DEFAULT
    return Display(frozenset(stored.hidden), stored.is_compact, stored.group)
