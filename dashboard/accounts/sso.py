"""Accounts from the claims of an identity provider."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext_lazy

from dashboard.config import Config
from dashboard.config_checks import ROLES

from . import services
from .messages import BY_CLAIMS
from .models import User

Claims = Mapping[str, Any]


class RefusedError(Exception):
    """The sign-in is refused; the message says why."""


class ClaimsProfile(NamedTuple):
    """A person according to the claims.

    Attributes:
        role: None when admins set roles in Curfew.
        cloud_users: None when admins map ModelArts users in Curfew.
    """

    username: str
    email: str
    role: str | None
    cloud_users: list[str] | None


def profile_from_claims(claims: Claims, config: Config) -> ClaimsProfile:
    """Read the claims of a verified token.

    Raises:
        RefusedError: No username, or no group with a role and no default role.
    """
    name = claims.get(config.oidc_username_claim)
    if not isinstance(name, str) or not name:
        raise RefusedError(
            gettext_lazy("Your identity provider did not send a username.")
        )
    role = None
    if config.oidc_roles:
        groups = values(claims, config.oidc_role_claim)
        roles = [
            config.oidc_roles[group] for group in groups if group in config.oidc_roles
        ]
        # The highest role, whatever the order of the groups.
        role = max(roles, key=ROLES.index, default=config.oidc_default_role)
        if not role:
            raise RefusedError(
                gettext_lazy("None of your groups has access to Curfew.")
            )
    cloud_users = None
    if config.oidc_cloud_user_claim:
        cloud_users = values(claims, config.oidc_cloud_user_claim)
    return ClaimsProfile(name, _email(claims), role, cloud_users)


def values(claims: Claims, path: str) -> list[str]:
    """Return the strings of a claim: a list, a single one, or none.

    Args:
        claims: Of a verified token.
        path: A claim's name, which may contain dots, or a path into nested objects such
            as ``realm_access.roles``.
    """
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return [value]
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]


@transaction.atomic
def sync_user(user: User, profile: ClaimsProfile) -> None:
    """Set the role and the ModelArts users of an account to those in the claims."""
    if profile.role is not None:
        services.set_role(user=user, role=profile.role, actor=None, reason=BY_CLAIMS())
    if profile.cloud_users is not None:
        services.set_cloud_users(
            user=user, cloud_users=profile.cloud_users, actor=None, reason=BY_CLAIMS()
        )


@transaction.atomic
def provision_user(profile: ClaimsProfile, config: Config) -> User:
    """Return the account for a first sign-in; create it if the claims give a role.

    An existing account with this username is used only if an admin created it for
    single sign-on: it has no password and no identity yet. Any other may be someone
    else's.

    Raises:
        RefusedError: The username is taken or invalid, or there is no role.
    """
    known = User.objects.filter(username=profile.username).first()
    if known:
        if known.has_usable_password() or known.socialaccount_set.exists():
            raise RefusedError(
                gettext_lazy("Another account has your username. Ask an administrator.")
            )
        sync_user(known, profile)
        return known
    role = profile.role or config.oidc_default_role
    if not role:
        raise RefusedError(
            gettext_lazy("You do not have an account yet. Ask an administrator.")
        )
    is_taken = User.objects.filter(email__iexact=profile.email).exists()
    try:
        return services.add_user(
            username=profile.username,
            role=role,
            cloud_users=profile.cloud_users or [],
            email="" if is_taken else profile.email,
            reason=BY_CLAIMS(),
        )
    except ValidationError:
        raise RefusedError(
            gettext_lazy(
                "Your username contains characters that Curfew does not allow."
            )
        ) from None


def _email(claims: Claims) -> str:
    # An unverified address may belong to someone else.
    address = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(address, str):
        return ""
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return address
