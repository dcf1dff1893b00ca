"""Permissions for saved views. Pure functions."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dashboard.accounts.models import User

    from .models import SavedView


def can_share(user: "User") -> bool:
    return user.is_active and user.role != user.Role.VIEWER


def can_change(user: "User", view: "SavedView") -> bool:
    """Whether the user may rename or delete the view: its owner, or an admin."""
    if not user.is_active:
        return False
    if view.owner_id == user.pk:
        return True
    return view.shared and user.role == user.Role.ADMIN
