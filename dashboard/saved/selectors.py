"""Reads of saved views for the pages."""

from dataclasses import dataclass

from dashboard.accounts.models import User
from dashboard.instances.filters import ListQuery

from .models import FirstView, SavedView
from .permissions import can_share
from .queries import canonical

MENU_LENGTH = 12
"""Of one's own, and as many of the team's; the page of views has all."""


@dataclass(frozen=True)
class Menu:
    """The views to choose from on the list.

    Attributes:
        mine: One's own.
        team: Shared by others.
        current: That which the list shows now; None when it has no name.
        query: What the list shows now, in the one spelling.
        may_share: Whether a new view can be shared.
    """

    mine: list[SavedView]
    team: list[SavedView]
    current: SavedView | None
    query: str
    may_share: bool

    @property
    def hidden(self) -> int:
        """How many have no room in the menu."""
        return sum(max(0, len(views) - MENU_LENGTH) for views in (self.mine, self.team))


def menu(query: ListQuery, *, user: User) -> Menu:
    """The menu above a list that shows this; one query."""
    shown = canonical(query)
    views = list(SavedView.objects.for_menu(user))
    return Menu(
        mine=[view for view in views if view.owner_id == user.pk],
        team=[view for view in views if view.owner_id != user.pk],
        current=named(shown, views, user=user),
        query=shown,
        may_share=can_share(user),
    )


def named(query: str, views: list[SavedView], *, user: User) -> SavedView | None:
    """The view of these that shows this, one's own rather than another's."""
    found = [view for view in views if query and view.query == query]
    return min(found, key=lambda view: view.owner_id != user.pk, default=None)


def default_view(user: User) -> SavedView | None:
    """What opens first for this person; None for the usual."""
    first = FirstView.objects.filter(
        user=user, view__in=SavedView.objects.visible_to(user)
    ).select_related("view")
    return next((one.view for one in first), None)
