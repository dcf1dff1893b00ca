from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from . import permissions


class User(AbstractUser):
    """A person with an account here.

    Source of the roles: ``docs/contract.md``, "Roles".

    Attributes:
        one_time_until: End of a one-time password, with which the person can only
            choose another one. None for any other password, or none.
        invited_at: When the last invitation was mailed; None once the person has chosen
            a password.
        language: Language code of pages and mail; empty for that of the browser.
        time_zone: Of the times on pages; empty for that of the browser.
    """

    class Role(models.TextChoices):
        VIEWER = "viewer", _("Viewer")
        SCIENTIST = "scientist", _("Scientist")
        MANAGER = "manager", _("Manager")
        OPERATOR = "operator", _("Operator")
        ADMIN = "admin", _("Admin")

    if TYPE_CHECKING:
        # Reverse managers of allauth's models, which have no types.
        authenticator_set: Any
        socialaccount_set: Any
        usersession_set: Any

    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    one_time_until = models.DateTimeField(null=True, blank=True)
    invited_at = models.DateTimeField(null=True, blank=True)
    language = models.CharField(max_length=16, blank=True, default="")
    time_zone = models.CharField(max_length=64, blank=True, default="")

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(
                    role__in=["viewer", "scientist", "manager", "operator", "admin"]
                ),
                name="user_role_known",
            )
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @cached_property
    def cloud_identifiers(self) -> frozenset[str]:
        """IDs and names of the mapped ModelArts users."""
        return frozenset(self.cloud_users.values_list("identifier", flat=True))

    @property
    def has_factor(self) -> bool:
        """Whether there is an authenticator app or a passkey."""
        return any(
            factor.type != "recovery_codes" for factor in self.authenticator_set.all()
        )

    @property
    def lacks_second_factor(self) -> bool:
        """Whether the role requires two-factor authentication and it is not set up.

        People who only use single sign-on have the factors of the identity provider.
        """
        if self.role not in settings.CURFEW.second_factor_roles:
            return False
        uses_only_sso = not self.has_usable_password() and bool(
            self.socialaccount_set.all()
        )
        return not uses_only_sso and not self.has_factor

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Whether the role has the permission; makes no queries."""
        return permissions.has_permission(self, perm)

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__.pop("cloud_identifiers", None)
        super().refresh_from_db(*args, **kwargs)


class CloudUser(models.Model):
    """The ID or name of a ModelArts user that is mapped to an account.

    It decides which instances a scientist may change, so only admins set it.
    """

    account = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="cloud_users"
    )
    identifier = models.CharField(max_length=255)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "identifier"], name="cloud_user_once_per_account"
            ),
            models.CheckConstraint(
                condition=~models.Q(identifier=""), name="cloud_user_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return self.identifier


class Team(models.Model):
    """A group of people, and the instances that belong to them.

    An instance belongs to a team if its owner is one of the team's owners or is mapped
    to a member, or if it is in one of the team's workspaces. It may belong to several.

    Attributes:
        deputy: Who speaks for the team when its members cannot be reached; need not be
            a member.
        cost_center: As the accounting calls it.
    """

    NAME_LENGTH: ClassVar = 80

    name = models.CharField(max_length=NAME_LENGTH)
    cost_center = models.CharField(max_length=80, blank=True)
    members = models.ManyToManyField(User, related_name="teams")
    deputy = models.ForeignKey(
        User,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="deputy_of",
    )

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="team_once_per_name"),
            models.CheckConstraint(
                condition=~models.Q(name=""), name="team_name_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("people:team", args=[self.pk])


class TeamOwner(models.Model):
    """The ID or name of a ModelArts user whose instances belong to a team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="owners")
    identifier = models.CharField(max_length=255)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["team", "identifier"], name="team_owner_once_per_team"
            ),
            models.CheckConstraint(
                condition=~models.Q(identifier=""), name="team_owner_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return self.identifier


class TeamWorkspace(models.Model):
    """The ID of a workspace whose instances belong to a team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="workspaces")
    identifier = models.CharField(max_length=255)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["team", "identifier"], name="team_workspace_once_per_team"
            ),
            models.CheckConstraint(
                condition=~models.Q(identifier=""), name="team_workspace_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return self.identifier
