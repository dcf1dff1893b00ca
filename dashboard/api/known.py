"""Rejects filters that name something unknown, such as a cloud that does not exist.

On a page, people see that nothing matches. A program would take the empty list for a
valid answer. Documented statuses and mapped ModelArts users are always known, even if
no instance has them now.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from dashboard.accounts.models import CloudUser, Team, User
from dashboard.costs.scopes import scope_for
from dashboard.instances.filter_fields import EXCLUDED
from dashboard.instances.filters import ME, MISSING
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.tag_lookups import has_tag
from dashboard.modelarts.statuses import InstanceStatus


def unknown(values: Mapping[str, Any], user: User) -> dict[str, list[str]]:
    """Return the unknown values, for ``problems.invalid``.

    Args:
        values: Cleaned query parameters by name.
        user: What they may not see counts as unknown.
    """
    errors = {}
    for name in ("status", "owner", "team", "cloud", "workspace", "flavor", "tag"):
        given = values.get(name) or []
        for text in [given] if isinstance(given, str) else given:
            value = text.removeprefix(EXCLUDED)
            if not _is_known(name, value, user):
                hint = " Send each value separately." if "," in value else ""
                errors[name] = [f"Unknown {name} “{value}”.{hint}"]
    return errors


def _is_known(name: str, value: str, user: User) -> bool:
    match name:
        case "status" if value.upper() in {MISSING, *map(str, InstanceStatus)}:
            return True
        case "owner" if value == ME:
            return True
        case "owner" if CloudUser.objects.filter(identifier=value).exists():
            return True
        case "team":
            return Team.objects.filter(name=value).exists()
        case "cloud":
            return Cloud.objects.filter(name=value).exists()
    condition = {
        "status": Q(status__iexact=value),
        "owner": Q(owner_name=value) | Q(owner_id=value),
        "workspace": Q(workspace_id=value),
        "flavor": Q(flavor=value),
        "tag": has_tag(value),
    }[name]
    if Instance.objects.visible_to(user).filter(condition).exists():
        return True
    # Runs of the past may have other owners, flavors and tags than instances now.
    return name != "status" and scope_for(user).allocations().filter(condition).exists()
