"""What a report is about."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from dashboard.accounts.models import Team, User
from dashboard.accounts.permissions import cost_scope
from dashboard.accounts.selectors import scope_of_team
from dashboard.instances.tag_lookups import has_tag

from .models import Allocation


@dataclass(frozen=True)
class Scope:
    """What must apply to an allocation, all of it; an empty field matches any.

    Attributes:
        owners: Names and IDs of ModelArts users; None for all.
        cloud: Its name.
        tag: A key, or ``key=value``.
        owner: Name or ID of one more ModelArts user.
    """

    owners: frozenset[str] | None = None
    cloud: str = ""
    workspace: str = ""
    flavor: str = ""
    tag: str = ""
    team: Team | None = None
    owner: str = ""

    @property
    def is_everything(self) -> bool:
        return self == Scope()

    def q(self) -> Q:
        """Return a filter of allocations or of instances, which have the same names."""
        condition = Q()
        if self.owners is not None:
            condition &= _owned_by(self.owners)
        if self.owner:
            condition &= _owned_by(frozenset({self.owner}))
        if self.cloud:
            condition &= Q(cloud__name=self.cloud)
        if self.workspace:
            condition &= Q(workspace_id=self.workspace)
        if self.flavor:
            condition &= Q(flavor=self.flavor)
        if self.tag:
            condition &= has_tag(self.tag)
        if self.team:
            team = scope_of_team(self.team)
            condition &= _owned_by(team.owners) | Q(workspace_id__in=team.workspaces)
        return condition

    def allocations(self) -> QuerySet[Allocation]:
        return Allocation.objects.filter(self.q())

    def of_allocation(self) -> Q:
        """Return a filter of rows that have an allocation."""
        return Q() if self.is_everything else Q(allocation__in=self.allocations())


def scope_for(user: User) -> Scope:
    """Return whose costs the user sees, to be narrowed down."""
    if cost_scope(user) == "all":
        return Scope()
    is_own = cost_scope(user) == "own"
    return Scope(owners=user.cloud_identifiers if is_own else frozenset())


def _owned_by(identifiers: frozenset[str]) -> Q:
    known = identifiers - {""}
    return Q(owner_id__in=known) | Q(owner_name__in=known)
