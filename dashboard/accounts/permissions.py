"""What users may do: one pure function for each question.

Pages, polls and workers ask only these. A deactivated account may do nothing.
Source of the roles: ``docs/contract.md``, "Roles".
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import AnonymousUser

    from .models import User

    type UserOrAnonymous = User | AnonymousUser


ROLES_BY_PERMISSION: dict[str, frozenset[str]] = {
    "audit.view_auditevent": frozenset({"manager", "operator", "admin"}),
    "audit.export_auditevent": frozenset({"manager", "admin"}),
}
"""The roles that have each of Django's permissions, which lower apps check."""


class Owner(NamedTuple):
    """The ModelArts user who created an instance (table 21)."""

    id: str
    name: str


def can_see_fleet(user: "UserOrAnonymous") -> bool:
    """Whether the user sees instances and edits: all of them, or none."""
    return user.is_authenticated and user.is_active


def fleet_scope(user: "UserOrAnonymous") -> str:
    """Return the name of the set of instances that the user sees."""
    return "all" if can_see_fleet(user) else "none"


def has_permission(user: "UserOrAnonymous", permission: str) -> bool:
    """Whether the user's role has one of Django's permissions."""
    return _has_role(user, *ROLES_BY_PERMISSION.get(permission, ()))


def owns(user: "UserOrAnonymous", owner: Owner) -> bool:
    """Whether the ModelArts user is mapped to this account, by ID or name."""
    if not user.is_authenticated:
        return False
    # An instance without a known owner belongs to no account.
    return bool(({owner.id, owner.name} - {""}) & user.cloud_identifiers)


def can_write_rules(user: "UserOrAnonymous") -> bool:
    """Whether the user may write policies."""
    return _has_role(user, "admin")


def can_decide_exceptions(user: "UserOrAnonymous") -> bool:
    """Whether the user may decide on exceptions from policies."""
    return _has_role(user, "operator", "admin")


def can_hand_over(user: "UserOrAnonymous") -> bool:
    """Whether the user may write handovers, take over and create wallboard links."""
    return _has_role(user, "operator", "admin")


def can_bulk(user: "UserOrAnonymous") -> bool:
    """Whether the user may create bulk changes, of instances they ``can_edit``."""
    return _has_role(user, "scientist", "operator", "admin")


def can_approve_bulk(
    user: "UserOrAnonymous", author_pk: int | None, owners: "Iterable[Owner]"
) -> bool:
    """Whether the user may approve a bulk change of these owners' instances.

    Never their own, and only what they may change themselves.
    """
    is_another = user.pk != author_pk and can_bulk(user)
    return is_another and all(can_edit(user, owner) for owner in owners)


def can_edit(user: "UserOrAnonymous", owner: Owner) -> bool:
    """Whether the user may change, start and stop the instances of this owner.

    Operators and admins act on any instance, scientists on their own, viewers and
    managers on none.
    """
    if _has_role(user, "operator", "admin"):
        return True
    return _has_role(user, "scientist") and owns(user, owner)


def edit_scope(user: "UserOrAnonymous") -> str | frozenset[str]:
    """Return a name of the set of instances that the user ``can_edit``."""
    if _has_role(user, "operator", "admin"):
        return "all"
    if user.is_authenticated and _has_role(user, "scientist"):
        return user.cloud_identifiers
    return "none"


def can_remind_of_others(user: "UserOrAnonymous") -> bool:
    """Whether the user may be notified about instances of other owners."""
    return _has_role(user, "operator", "admin")


def can_acknowledge(user: "UserOrAnonymous") -> bool:
    """Whether the user may acknowledge notifications for the team."""
    return _has_role(user, "operator", "admin")


def can_manage_channels(user: "UserOrAnonymous") -> bool:
    """Whether the user may set up channels and read the log of notifications."""
    return _has_role(user, "admin")


def can_see_system(user: "UserOrAnonymous") -> bool:
    """Whether the user sees how Curfew itself is doing."""
    return _has_role(user, "operator", "admin")


def can_operate_system(user: "UserOrAnonymous") -> bool:
    """Whether the user may run checks and refreshes, and send test mail."""
    return _has_role(user, "admin")


def cost_scope(user: "UserOrAnonymous") -> str:
    """Return whose costs the user sees: ``all``, their ``own``, or ``none``.

    Scientists see the costs of their own instances.
    """
    if not can_see_fleet(user):
        return "none"
    return "own" if _has_role(user, "scientist") else "all"


def can_set_prices(user: "UserOrAnonymous") -> bool:
    """Whether the user may write the price list."""
    return _has_role(user, "admin")


def can_set_budgets(user: "UserOrAnonymous") -> bool:
    """Whether the user may write budgets."""
    return _has_role(user, "operator", "admin")


def has_own_page(user: "UserOrAnonymous") -> bool:
    """Whether the home page shows the user's own instances first."""
    return _has_role(user, "scientist")


def can_manage_people(user: "UserOrAnonymous") -> bool:
    """Whether the user may see and change accounts."""
    return _has_role(user, "admin")


def _has_role(user: "UserOrAnonymous", *roles: str) -> bool:
    return user.is_authenticated and user.is_active and user.role in roles
