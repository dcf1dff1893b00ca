"""Reject parameters that name something unknown: a status, an owner, a cloud.

A page with such a filter shows that nothing matches. A program would take the empty
list for an answer. People with an account and documented statuses are always known,
even if nothing matches at the moment.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from dashboard.accounts.models import CloudUser, User
from dashboard.instances.filters import MISSING
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts.statuses import InstanceStatus


def unknown(values: Mapping[str, Any], user: User) -> dict[str, list[str]]:
    """Return the unknown values, for ``problems.invalid``.

    Args:
        values: Cleaned query parameters by name.
        user: What they may not see counts as unknown.
    """
    checks = {
        "status": _is_status,
        "owner": _is_owner,
        "cloud": _is_cloud,
        "workspace": _is_workspace,
        "flavor": _is_flavor,
    }
    return {
        name: [_sentence(name, values[name])]
        for name, is_known in checks.items()
        if isinstance(values.get(name), str)
        and values[name]
        and not is_known(values[name], user)
    }


def _sentence(name: str, value: str) -> str:
    hint = " Name one; commas make no list." if "," in value else ""
    return f"Curfew knows no {name} “{value}”.{hint}"


def _is_status(value: str, user: User) -> bool:
    documented = {MISSING, *map(str, InstanceStatus)}
    # The cloud may have new ones.
    return value.upper() in documented or _seen(Q(status__iexact=value), user)


def _is_owner(value: str, user: User) -> bool:
    return (
        _seen(Q(owner_name=value) | Q(owner_id=value), user)
        or CloudUser.objects.filter(identifier=value).exists()
    )


def _is_cloud(value: str, user: User) -> bool:
    return Cloud.objects.filter(name=value).exists()


def _is_workspace(value: str, user: User) -> bool:
    return _seen(Q(workspace_id=value), user)


def _is_flavor(value: str, user: User) -> bool:
    return _seen(Q(flavor=value), user)


def _seen(condition: Q, user: User) -> bool:
    return Instance.objects.visible_to(user).filter(condition).exists()
