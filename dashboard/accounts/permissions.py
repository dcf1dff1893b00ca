"""Permissions, one pure function for each question.

Pages, polls and workers use these functions only. A deactivated account may do nothing.
Source of the roles: ``docs/contract.md``, "Roles".
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from .models import User

    type Anybody = User | AnonymousUser


GRANTED: dict[str, frozenset[str]] = {
    "audit.view_auditevent": frozenset({"operator", "admin"}),
    "audit.export_auditevent": frozenset({"admin"}),
}
"""Django's permissions, which lower apps ask for, and the roles that have them."""


class Owner(NamedTuple):
    """The ModelArts user who created an instance (table 21)."""

    id: str
    name: str


def can_see_fleet(user: "Anybody") -> bool:
    """Whether this person sees the instances and edits: all of them, or none."""
    return user.is_authenticated and user.is_active


def fleet_scope(user: "Anybody") -> str:
    """Return the name of the set of instances that this person sees."""
    return "all" if can_see_fleet(user) else "none"


def holds(user: "Anybody", permission: str) -> bool:
    """Whether this person's role grants one of Django's permissions."""
    return _has_role(user, *GRANTED.get(permission, ()))


def owns(user: "Anybody", owner: Owner) -> bool:
    """Whether the ModelArts user is mapped to this account, by ID or name."""
    if not user.is_authenticated:
        return False
    # An instance without a known owner belongs to no account.
    return bool(({owner.id, owner.name} - {""}) & user.cloud_identifiers)


def can_write_rules(user: "Anybody") -> bool:
    """Whether this person writes the rules that notebooks are held to."""
    return _has_role(user, "admin")


def can_decide_exceptions(user: "Anybody") -> bool:
    """Whether this person may give an instance leave to break a rule."""
    return _has_role(user, "operator", "admin")


def can_hand_over(user: "Anybody") -> bool:
    """Whether this person writes handovers, takes over, and makes links to walls."""
    return _has_role(user, "operator", "admin")


def can_bulk(user: "Anybody") -> bool:
    """Whether this person may create bulk changes, of instances they ``can_edit``."""
    return _has_role(user, "scientist", "operator", "admin")


def can_edit(user: "Anybody", owner: Owner) -> bool:
    """Whether this person may change, start and stop that owner's instances.

    Operators and admins act on any instance, scientists on their own, viewers on none.
    """
    if _has_role(user, "operator", "admin"):
        return True
    return _has_role(user, "scientist") and owns(user, owner)


def can_remind_of_others(user: "Anybody") -> bool:
    """Whether this person may be notified about instances of other owners."""
    return _has_role(user, "operator", "admin")


def can_manage_channels(user: "Anybody") -> bool:
    """Whether this person may set up channels and read the log of notifications."""
    return _has_role(user, "admin")


def has_own_page(user: "Anybody") -> bool:
    """Whether the home of this person shows their own instances first."""
    return _has_role(user, "scientist")


def can_manage_people(user: "Anybody") -> bool:
    """Whether this person may see and change accounts."""
    return _has_role(user, "admin")


def _has_role(user: "Anybody", *roles: str) -> bool:
    return user.is_authenticated and user.is_active and user.role in roles
