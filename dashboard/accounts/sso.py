"""From an identity provider's claims to an account here."""

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
    """This person gets no session; the message says why, in their words."""


class ClaimsProfile(NamedTuple):
    """What the claims say about a person.

    Attributes:
        role: None when roles are given here and not there.
        cloud_users: None when they are mapped here and not there.
    """

    username: str
    email: str
    role: str | None
    cloud_users: list[str] | None


def profile_from_claims(claims: Claims, config: Config) -> ClaimsProfile:
    """Read the claims of a verified token.

    Raises:
        RefusedError: No group of theirs has a role here, and there is no default.
    """
    name = claims.get(config.oidc_username_claim)
    if not isinstance(name, str) or not name:
        raise RefusedError(
            gettext_lazy("Your identity provider did not send a username.")
        )
    role = None
    if config.oidc_roles:
        groups = values(claims, config.oidc_role_claim)
        found = [config.oidc_roles[one] for one in groups if one in config.oidc_roles]
        # By rank, so that the order of the groups means nothing.
        role = max(found, key=ROLES.index, default=config.oidc_default_role)
        if not role:
            raise RefusedError(
                gettext_lazy("None of your groups has access to Curfew.")
            )
    cloud_users = None
    if config.oidc_cloud_user_claim:
        cloud_users = values(claims, config.oidc_cloud_user_claim)
    return ClaimsProfile(name, _email(claims), role, cloud_users)


def values(claims: Claims, path: str) -> list[str]:
    """The texts a claim holds: one, a list of them, or none.

    Args:
        claims: Of a verified token.
        path: The claim's name, or ``realm_access.roles``: dots lead into objects. A
            name that itself has dots in it, such as an address, is tried first.
    """
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return [found]
    listed = found if isinstance(found, list) else []
    return [one for one in listed if isinstance(one, str)]


@transaction.atomic
def sync_user(user: User, wanted: ClaimsProfile) -> None:
    """Give a known person the role and upstream users that their claims say."""
    if wanted.role is not None:
        services.set_role(user=user, role=wanted.role, actor=None, reason=BY_CLAIMS())
    if wanted.cloud_users is not None:
        services.set_cloud_users(
            user=user, cloud_users=wanted.cloud_users, actor=None, reason=BY_CLAIMS()
        )


@transaction.atomic
def provision_user(wanted: ClaimsProfile, config: Config) -> User:
    """Find or make the account of somebody who comes for the first time.

    An account that an admin made for single sign-on, and that has no password, is
    theirs by its name. Any other of that name belongs to somebody, who may be another.

    Raises:
        RefusedError: The name is taken or unusable, or nobody invited them.
    """
    known = User.objects.filter(username=wanted.username).first()
    if known:
        if known.has_usable_password() or known.socialaccount_set.exists():
            raise RefusedError(
                gettext_lazy("Another account has your username. Ask an administrator.")
            )
        sync_user(known, wanted)
        return known
    role = wanted.role or config.oidc_default_role
    if not role:
        raise RefusedError(
            gettext_lazy("You do not have an account yet. Ask an administrator.")
        )
    is_taken = User.objects.filter(email__iexact=wanted.email).exists()
    try:
        return services.add_user(
            username=wanted.username,
            role=role,
            cloud_users=wanted.cloud_users or [],
            email="" if is_taken else wanted.email,
            reason=BY_CLAIMS(),
        )
    except ValidationError:
        raise RefusedError(
            gettext_lazy(
                "Your username contains characters that Curfew does not allow."
            )
        ) from None


def _email(claims: Claims) -> str:
    # An address that nobody verified might be somebody else's.
    address = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(address, str):
        return ""
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return address
