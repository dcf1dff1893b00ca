"""People, their roles, and the upstream users they are."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy

from . import permissions


class User(AbstractUser):
    """A person with an account here.

    Source of the roles: ``docs/contract.md``, "Roles".

    Attributes:
        one_time_until: The present password was made by an admin: it opens nothing
            but the page for choosing another, and until then at the latest. None for
            a password of the person's own, or none at all.
        language: Code of the language that pages and mails speak; empty for the one
            that the browser asks for.
    """

    class Role(models.TextChoices):
        VIEWER = "viewer", gettext_lazy("Viewer")
        SCIENTIST = "scientist", gettext_lazy("Scientist")
        OPERATOR = "operator", gettext_lazy("Operator")
        ADMIN = "admin", gettext_lazy("Admin")

    if TYPE_CHECKING:
        # Made by allauth's models, which publish no types.
        authenticator_set: Any
        socialaccount_set: Any
        usersession_set: Any

    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    one_time_until = models.DateTimeField(null=True, blank=True)
    language = models.CharField(max_length=16, blank=True, default="")

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(
                    role__in=["viewer", "scientist", "operator", "admin"]
                ),
                name="user_role_known",
            )
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @cached_property
    def cloud_identifiers(self) -> frozenset[str]:
        """Ids and names of the upstream users that are this person."""
        return frozenset(self.cloud_users.values_list("identifier", flat=True))

    @property
    def has_factor(self) -> bool:
        """Whether there is an authenticator app or a passkey; codes alone are none."""
        return any(
            factor.type != "recovery_codes" for factor in self.authenticator_set.all()
        )

    @property
    def lacks_second_factor(self) -> bool:
        """Whether the role wants a second factor and there is none.

        Whoever comes in by single sign-on alone has those of the identity provider.
        """
        if self.role not in settings.CURFEW.second_factor_roles:
            return False
        by_sso_alone = not self.has_usable_password() and bool(
            self.socialaccount_set.all()
        )
        return not by_sso_alone and not self.has_factor

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Whether the role tokens it; there are no other tokens, and no queries."""
        return permissions.holds(self, perm)

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Reload, the upstream users too."""
        self.__dict__.pop("cloud_identifiers", None)
        super().refresh_from_db(*args, **kwargs)


class CloudUser(models.Model):
    """An upstream user, by id or by name, that belongs to an account.

    Set by admins only: it decides whose instances a scientist may act on.
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
