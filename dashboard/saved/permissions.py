"""May this person do that with a saved view? Pure functions."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dashboard.accounts.models import User

    from .models import SavedView


def can_share(user: "User") -> bool:
    """Whether this person may put a view into everybody's menu.

    Viewers change nothing for others; what they save is for themselves.
    """
    return user.is_active and user.role != user.Role.VIEWER


def can_change(user: "User", view: "SavedView") -> bool:
    """Whether this person may rename or delete it.

    Its owner may, and of what is shared the admins.
    """
    if not user.is_active:
        return False
    if view.owner_id == user.pk:
        return True
    return view.shared and user.role == user.Role.ADMIN
