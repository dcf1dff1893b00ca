"""Reads of accounts and of the ModelArts users mapped to them."""

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
    """Return the accounts, active ones first.

    Args:
        q: Words, each of which must occur in a name, the email address or the name of a
            mapped ModelArts user.
    """
    factors = Authenticator.objects.filter(user=OuterRef("pk")).exclude(
        type=Authenticator.Type.RECOVERY_CODES
    )
    accounts = (
        User.objects.prefetch_related("cloud_users", "socialaccount_set")
        .annotate(has_second_factor=Exists(factors))
        .order_by("-is_active", "username")
    )
    for word in q.split()[:8]:
        # A subquery, since a join would return an account several times.
        mapped = CloudUser.objects.filter(
            account=OuterRef("pk"), identifier__icontains=word
        )
        accounts = accounts.filter(
            Q(username__icontains=word)
            | Q(email__icontains=word)
            | Q(first_name__icontains=word)
            | Q(last_name__icontains=word)
            | Q(Exists(mapped))
        )
    return accounts


class SeenOwner(NamedTuple):
    """A ModelArts user who owns instances.

    Attributes:
        identifier: The name, or the ID where the name is unknown.
        accounts: Usernames of the accounts that are mapped to this user.
    """

    identifier: str
    id: str
    instances: int
    accounts: list[str]


def owners_seen() -> list[SeenOwner]:
    """Return the owners in the mirror, unmapped ones first, then by instances."""
    usernames: dict[str, list[str]] = {}
    mapped = CloudUser.objects.values_list("identifier", "account__username")
    for identifier, username in mapped.order_by("account__username"):
        usernames.setdefault(identifier, []).append(username)
    owners = [
        SeenOwner(
            identifier=name or id_,
            id=id_,
            instances=number,
            accounts=[*usernames.get(name, []), *usernames.get(id_, [])],
        )
        for name, id_, number in owner_counts.get()(SUGGESTIONS)
    ]
    return sorted(owners, key=lambda owner: bool(owner.accounts))
