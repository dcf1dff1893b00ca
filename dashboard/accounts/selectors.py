"""Reads of accounts and of the ModelArts users mapped to them."""

import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from dashboard.web.provided import Provided

from .models import CloudUser, Team, TeamOwner, TeamWorkspace, User
from .permissions import Owner

SUGGESTIONS = 500

owner_counts: Provided[Callable[[int], Iterable[tuple[str, str, int]]]] = Provided()
"""``instances.selectors.count_by_owner``, which ``dashboard.instances`` provides."""


def people(q: str = "") -> QuerySet[User]:
    """Return the accounts, active ones first.

    Args:
        q: Words, each of which must occur in a name, the email address or the name of a
            mapped ModelArts user or a team.
    """
    factors = Authenticator.objects.filter(user=OuterRef("pk")).exclude(
        type=Authenticator.Type.RECOVERY_CODES
    )
    accounts = (
        User.objects.prefetch_related("cloud_users", "socialaccount_set", "teams")
        .annotate(has_second_factor=Exists(factors))
        .order_by("-is_active", "username")
    )
    members = Team.members.through.objects.filter(user=OuterRef("pk"))
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
            | Q(Exists(members.filter(team__name__icontains=word)))
        )
    return accounts


def teams_of(user: User) -> QuerySet[Team]:
    """Return the teams that a person is a member or the deputy of, by name."""
    member = Team.members.through.objects.filter(user=user).values("team")
    return Team.objects.filter(Q(pk__in=member) | Q(deputy=user)).order_by("name")


def owner_identifiers(team: Team) -> frozenset[str]:
    """Return IDs and names of a team's owners, and of the owners of its members."""
    of_team = team.owners.values_list("identifier", flat=True)
    of_members = CloudUser.objects.filter(account__teams=team)
    return frozenset(of_team.union(of_members.values_list("identifier", flat=True)))


class TeamScope(NamedTuple):
    """What decides whether an instance belongs to a team.

    Attributes:
        owners: IDs and names of ModelArts users.
        workspaces: IDs of workspaces.
    """

    owners: frozenset[str]
    workspaces: frozenset[str]

    def includes(self, owner: Owner, workspace_id: str) -> bool:
        """Whether an instance of this owner in this workspace belongs to the team."""
        is_owned = bool(({*owner} - {""}) & self.owners)
        return is_owned or workspace_id in self.workspaces


def scope_of_team(team: Team) -> TeamScope:
    return TeamScope(owner_identifiers(team), workspace_identifiers(team))


def owners_of_deputies() -> dict[int, frozenset[str]]:
    """Return, by ``User.pk`` of deputies, the owners of their teams without an account.

    Nobody else hears what concerns such an owner.
    """
    mapped = CloudUser.objects.filter(
        identifier=OuterRef("identifier"), account__is_active=True
    )
    rows = TeamOwner.objects.filter(~Exists(mapped), team__deputy__is_active=True)
    found: dict[int, set[str]] = {}
    for deputy, identifier in rows.values_list("team__deputy", "identifier"):
        found.setdefault(deputy, set()).add(identifier)
    return {deputy: frozenset(names) for deputy, names in found.items()}


channels_of_team: Provided[Callable[[Team], Iterable[Any]]] = Provided()
"""The channels whose scope is a team, which ``dashboard.reminders`` provides."""


def identifiers_of_team(name: str) -> tuple[list[QuerySet[Any]], QuerySet[Any]]:
    """Return queries of a team's owners and of its workspaces, to be parts of others.

    Args:
        name: Of a team, perhaps of one that does not exist.
    """
    owners = [
        CloudUser.objects.filter(account__teams__name=name).values("identifier"),
        TeamOwner.objects.filter(team__name=name).values("identifier"),
    ]
    return owners, TeamWorkspace.objects.filter(team__name=name).values("identifier")


def team_names() -> tuple[str, ...]:
    return tuple(Team.objects.order_by(Lower("name")).values_list("name", flat=True))


def workspace_identifiers(team: Team) -> frozenset[str]:
    return frozenset(team.workspaces.values_list("identifier", flat=True))


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


class UnmappedOwner(NamedTuple):
    """An owner in the mirror to whom no account is mapped.

    Attributes:
        person: Who it probably is; None if nobody or several people match.
        teams: Names of the teams that have this owner.
    """

    owner: SeenOwner
    person: User | None
    teams: list[str]


def unmapped_owners() -> list[UnmappedOwner]:
    """Return the owners that belong to no account, by number of instances."""
    unmapped = [owner for owner in owners_seen() if not owner.accounts]
    people_by_key: dict[str, set[User]] = {}
    for user in User.objects.filter(is_active=True):
        for key in _likely_owners(user):
            people_by_key.setdefault(key, set()).add(user)
    teams_by_owner: dict[str, list[str]] = {}
    rows = TeamOwner.objects.values_list("identifier", "team__name")
    for identifier, name in rows.order_by("team__name"):
        teams_by_owner.setdefault(identifier, []).append(name)
    found = []
    for owner in unmapped:
        matching = people_by_key.get(_plain(owner.identifier.partition("@")[0]), set())
        person = next(iter(matching)) if len(matching) == 1 else None
        names = {owner.identifier, owner.id}
        in_teams = [team for name in names for team in teams_by_owner.get(name, ())]
        found.append(UnmappedOwner(owner, person, sorted(set(in_teams))))
    return found


def _likely_owners(user: User) -> set[str]:
    """Return the names that a person's ModelArts user may have."""
    local_part = user.email.partition("@")[0]
    names = [user.username.partition("@")[0], local_part]
    if user.first_name and user.last_name:
        first, last = user.first_name, user.last_name
        names += [first + last, last + first, first[0] + last]
    return {_plain(name) for name in names} - {""}


def _plain(name: str) -> str:
    """Return letters and digits only, without accents: ``ZoëLi`` as ``zoeli``."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in decomposed if letter.isalnum())
