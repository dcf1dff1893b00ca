"""Writes of teams. Each is one transaction with its audit event."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Model, ProtectedError

from dashboard.audit.services import record_event

from .models import Team, TeamOwner, TeamWorkspace, User
from .signals import teams_changed


class TeamInUseError(Exception):
    """Something else refers to the team; ``users`` names what."""

    def __init__(self, users: list[str]) -> None:
        self.users = users
        super().__init__(", ".join(users))


@transaction.atomic
def save_team(
    *,
    team: Team | None = None,
    name: str,
    cost_center: str = "",
    deputy: User | None = None,
    members: Iterable[User] = (),
    owners: Iterable[str] = (),
    workspaces: Iterable[str] = (),
    actor: User | None,
) -> Team:
    """Create a team, or replace everything about an existing one.

    Raises:
        ValidationError: The name is empty or taken.
    """
    if team is None:
        team, before = Team(), {}
    else:
        team = Team.objects.select_for_update().get(pk=team.pk)
        before = _described(team)
    team.name, team.cost_center, team.deputy = name, cost_center, deputy
    team.full_clean()
    team.save()
    team.members.set(members)
    _replace(TeamOwner, team, owners)
    _replace(TeamWorkspace, team, workspaces)
    after = _described(team)
    if before != after:
        action = "team.changed" if before else "team.added"
        before = {key: before[key] for key in before if before[key] != after[key]}
        after = {key: after[key] for key in after if not before or key in before}
        record_event(actor, action, team, before=before, after=after)
        teams_changed.send(Team)
    return team


@transaction.atomic
def delete_team(*, team: Team, actor: User) -> None:
    """Delete a team; its people and their accounts stay.

    Raises:
        TeamInUseError: For example, a policy applies to this team.
    """
    team = Team.objects.select_for_update().get(pk=team.pk)
    record_event(actor, "team.deleted", team, before=_described(team))
    try:
        team.delete()
    except ProtectedError as error:
        raise TeamInUseError(sorted(map(str, error.protected_objects))) from error
    teams_changed.send(Team)


def join_teams(*, user: User, names: Iterable[str], actor: User) -> None:
    """Make a user a member of exactly these teams; call it in a transaction.

    A team that does not exist is created.
    """
    before = sorted(user.teams.values_list("name", flat=True))
    after = sorted(set(names))
    if before == after:
        return
    teams = {team.name: team for team in Team.objects.filter(name__in=after)}
    for name in after:
        if name not in teams:
            teams[name] = save_team(name=name, actor=actor)
    user.teams.set(teams.values())
    record_event(
        actor,
        "user.teams_changed",
        user,
        target_label=user.username,
        before={"teams": before},
        after={"teams": after},
    )
    teams_changed.send(Team)


def _replace[Row: (TeamOwner, TeamWorkspace)](
    model: type[Row], team: Team, identifiers: Iterable[str]
) -> None:
    wanted = {identifier.strip() for identifier in identifiers} - {""}
    rows = model.objects.filter(team=team)
    rows.exclude(identifier__in=wanted).delete()
    known = set(rows.values_list("identifier", flat=True))
    new = sorted(wanted - known)
    rows.bulk_create([model(team=team, identifier=name) for name in new])


def _described(team: Team) -> dict[str, Any]:
    def identifiers(rows: Any) -> list[str]:
        return sorted(rows.values_list("identifier", flat=True))

    deputy: Model | None = team.deputy
    return {
        "name": team.name,
        "cost_center": team.cost_center,
        "deputy": deputy.get_username() if isinstance(deputy, User) else "",
        "members": sorted(team.members.values_list("username", flat=True)),
        "owners": identifiers(team.owners),
        "workspaces": identifiers(team.workspaces),
    }
