"""Accounts, their roles, and the ModelArts users mapped to them."""

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
        one_time_until: End of a one-time password, with which the person can only
            choose another one. None for any other password, or none.
        language: Language code of pages and mail; empty for that of the browser.
    """

    class Role(models.TextChoices):
        VIEWER = "viewer", gettext_lazy("Viewer")
        SCIENTIST = "scientist", gettext_lazy("Scientist")
        OPERATOR = "operator", gettext_lazy("Operator")
        ADMIN = "admin", gettext_lazy("Admin")

    if TYPE_CHECKING:
        # Reverse managers of allauth's models, which have no types.
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
        by_sso_alone = not self.has_usable_password() and bool(
            self.socialaccount_set.all()
        )
        return not by_sso_alone and not self.has_factor

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Whether the role grants it; makes no queries."""
        return permissions.holds(self, perm)

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Reload the fields and the mapped ModelArts users."""
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
