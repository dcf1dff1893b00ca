from dashboard.accounts.models import User

from .models import SavedView


def can_share(user: User) -> bool:
    readers = {user.Role.VIEWER, user.Role.MANAGER}
    return user.is_active and user.role not in readers


def can_change(user: User, view: SavedView) -> bool:
    """Return whether the user may rename or delete the view.

    Its owner may, and admins may if it is shared.
    """
    is_owner = view.owner_id == user.pk
    is_admin = user.role == user.Role.ADMIN
    return user.is_active and (is_owner or (view.shared and is_admin))
