"""Reads of accounts for the pages about people."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef, Q, QuerySet

from dashboard.web.provided import Provided

from .models import CloudUser, User

SUGGESTIONS = 500

owner_counts: Provided[Callable[[int], Iterable[tuple[str, str, int]]]] = Provided()
"""``instances.selectors.count_by_owner``, which ``dashboard.instances`` provides."""


def people(q: str = "") -> QuerySet[User]:
    """Everybody, those who may sign in first, with what the list shows of them.

    Args:
        q: Every word of it must occur in name, address or an upstream user.
    """
    factors = Authenticator.objects.filter(user=OuterRef("pk")).exclude(
        type=Authenticator.Type.RECOVERY_CODES
    )
    found = (
        User.objects.prefetch_related("cloud_users", "socialaccount_set")
        .annotate(has_second_factor=Exists(factors))
        .order_by("-is_active", "username")
    )
    for word in q.split()[:8]:
        # A subquery, not a join: a person is one row, however many words fit.
        mapped = CloudUser.objects.filter(
            account=OuterRef("pk"), identifier__icontains=word
        )
        found = found.filter(
            Q(username__icontains=word)
            | Q(email__icontains=word)
            | Q(first_name__icontains=word)
            | Q(last_name__icontains=word)
            | Q(Exists(mapped))
        )
    return found


class SeenOwner(NamedTuple):
    """An upstream user who owns instances.

    Attributes:
        identifier: What is mapped: the name, or the id where no name was told.
        accounts: Names of the accounts that are this upstream user already.
    """

    identifier: str
    id: str
    instances: int
    accounts: list[str]


def owners_seen() -> list[SeenOwner]:
    """Upstream users seen in the mirror, unmapped ones first, most instances first."""
    accounts: dict[str, list[str]] = {}
    mapped = CloudUser.objects.values_list("identifier", "account__username")
    for identifier, username in mapped.order_by("account__username"):
        accounts.setdefault(identifier, []).append(username)
    seen = [
        SeenOwner(
            identifier=name or id_,
            id=id_,
            instances=number,
            accounts=[*accounts.get(name, []), *accounts.get(id_, [])],
        )
        for name, id_, number in owner_counts.get()(SUGGESTIONS)
    ]
    return sorted(seen, key=lambda owner: bool(owner.accounts))
