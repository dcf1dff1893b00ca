"""The instances that a policy or a schedule is about."""

from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property

from dashboard.accounts.models import Team
from dashboard.accounts.selectors import TeamScope, scope_of_team
from dashboard.instances.models import Instance
from dashboard.instances.tag_lookups import has_tag, is_tagged
from dashboard.web.stored_messages import Message

from . import messages


class InstanceScope(models.Model):
    """What an instance must be to be in the scope; an empty field matches any.

    Attributes:
        flavor_type: ``CPU``, ``GPU`` or ``ASCEND``, in any case.
        owner: Name or ID of a ModelArts user.
        tag: A key, or ``key=value``, as in the filter of the list.
    """

    cloud = models.CharField(max_length=255, blank=True)
    workspace_id = models.CharField(max_length=255, blank=True)
    flavor_type = models.CharField(max_length=32, blank=True)
    owner = models.CharField(max_length=255, blank=True)
    tag = models.CharField(max_length=512, blank=True, default="", db_default="")
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        abstract = True

    @cached_property
    def team_scope(self) -> TeamScope | None:
        """What belongs to its team; None if it applies to all teams."""
        return scope_of_team(self.team) if self.team else None

    @property
    def scope_words(self) -> list[str]:
        """The values of the scope; empty for all instances."""
        team = self.team.name if self.team else ""
        parts = (team, self.cloud, self.workspace_id, self.flavor_type, self.owner)
        return [part for part in (*parts, self.tag) if part]

    @property
    def because(self) -> Message:
        """Why it applies to an instance that it includes, in one sentence."""
        values = {
            messages.IN_TEAM: self.team.name if self.team else "",
            messages.IN_CLOUD: self.cloud,
            messages.IN_WORKSPACE: self.workspace_id,
            messages.OF_FLAVOR_TYPE: self.flavor_type,
            messages.OWNED_BY: self.owner,
            messages.TAGGED: self.tag,
        }
        parts = [part(value=value) for part, value in values.items() if value]
        if not parts:
            return messages.APPLIES_TO_ALL()
        return messages.APPLIES_BECAUSE(parts=parts)

    def includes(self, instance: Instance) -> bool:
        """Whether an instance is in the scope; needs its cloud."""
        return (
            self.cloud in {"", instance.cloud.name}
            and self.workspace_id in {"", instance.workspace_id}
            and self.flavor_type.upper() in {"", instance.flavor_type.upper()}
            and self.owner in {"", instance.owner_name, instance.owner_id}
            and (not self.tag or is_tagged(instance.tags, self.tag))
            and self._includes_team_of(instance)
        )

    def as_q(self) -> Q:
        """Return a database filter that matches what ``includes`` does."""
        condition = Q()
        if self.cloud:
            condition &= Q(cloud__name=self.cloud)
        if self.workspace_id:
            condition &= Q(workspace_id=self.workspace_id)
        if self.flavor_type:
            condition &= Q(flavor_type__iexact=self.flavor_type)
        if self.owner:
            condition &= Q(owner_name=self.owner) | Q(owner_id=self.owner)
        if self.tag:
            condition &= has_tag(self.tag)
        if self.team_scope is not None:
            owners, workspaces = (
                self.team_scope.owners - {""},
                self.team_scope.workspaces,
            )
            condition &= (
                Q(owner_id__in=owners)
                | Q(owner_name__in=owners)
                | Q(workspace_id__in=workspaces)
            )
        return condition

    def _includes_team_of(self, instance: Instance) -> bool:
        scope = self.team_scope if self.team_id else None
        return scope is None or scope.includes(instance.owner, instance.workspace_id)
