"""May this person do that? Pure functions over (user, owner)."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from .models import User


GRANTED: dict[str, frozenset[str]] = {
    "audit.view_auditevent": frozenset({"operator", "admin"}),
    "audit.export_auditevent": frozenset({"admin"}),
}
"""Django's permissions and the roles that hold them: what apps below this one ask."""


class Owner(NamedTuple):
    """The upstream user who created an instance (table 21)."""

    id: str
    name: str


def holds(user: "User | AnonymousUser", permission: str) -> bool:
    """Whether this person's role grants one of Django's permissions."""
    if not user.is_authenticated or not user.is_active:
        return False
    return user.role in GRANTED.get(permission, frozenset())


def owns(user: "User | AnonymousUser", owner: Owner) -> bool:
    """Whether the upstream user is mapped to this account, by id or by name."""
    if not user.is_authenticated:
        return False
    # An instance without a known owner belongs to nobody.
    return bool(({owner.id, owner.name} - {""}) & user.cloud_identifiers)


def can_write_rules(user: "User | AnonymousUser") -> bool:
    """Whether this person writes the rules that notebooks are held to."""
    return user.is_authenticated and user.is_active and user.role == "admin"


def can_decide_exceptions(user: "User | AnonymousUser") -> bool:
    """Whether this person may give an instance leave to break a rule."""
    decides = {"operator", "admin"}
    return user.is_authenticated and user.is_active and user.role in decides


def can_bulk(user: "User | AnonymousUser") -> bool:
    """Whether this person may change many at once: each of them only if theirs."""
    acts = {"scientist", "operator", "admin"}
    return user.is_authenticated and user.is_active and user.role in acts


def can_edit(user: "User | AnonymousUser", owner: Owner) -> bool:
    """Whether this person may change, start and stop that owner's instances.

    Source: DESIGN, part 1.4. Operators and admins act on any instance, scientists on
    their own, viewers on none; a deactivated account on none, whatever its role.
    """
    if not user.is_authenticated or not user.is_active:
        return False
    if user.role in {user.Role.OPERATOR, user.Role.ADMIN}:
        return True
    return user.role == user.Role.SCIENTIST and owns(user, owner)
