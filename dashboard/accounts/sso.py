"""Accounts from the claims of an identity provider."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from dashboard.config import Config
from dashboard.config_checks import ROLES

from . import services
from .messages import BY_CLAIMS
from .models import User

Claims = Mapping[str, Any]

_SHOWN_LENGTH = 1_000
_SECRET_NAME = re.compile(
    r"token|secret|passw|hash|nonce|^sid$|^jti$|api_?key", re.IGNORECASE
)
_TOKEN = re.compile(r"[\w-]{8,}\.[\w-]{8,}\.[\w-]*|[\w+/=-]{80,}")
"""A token in three parts, or any long text without spaces."""


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
        raise RefusedError(_("Your identity provider did not send a username."))
    role = None
    if config.oidc_roles:
        groups = values(claims, config.oidc_role_claim)
        roles = [
            config.oidc_roles[group] for group in groups if group in config.oidc_roles
        ]
        # The highest role, whatever the order of the groups.
        role = max(roles, key=ROLES.index, default=config.oidc_default_role)
        if not role:
            raise RefusedError(_("None of your groups has access to Curfew."))
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

    Raises:
        RefusedError: See ``find_user``.
    """
    known = find_user(profile, config)
    if known:
        sync_user(known, profile)
        return known
    is_taken = User.objects.filter(email__iexact=profile.email).exists()
    return services.add_user(
        username=profile.username,
        role=profile.role or config.oidc_default_role,
        cloud_users=profile.cloud_users or [],
        email="" if is_taken else profile.email,
        reason=BY_CLAIMS(),
    )


def find_user(profile: ClaimsProfile, config: Config) -> User | None:
    """Return the account that waits for a first sign-in; None if one is created.

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
                _("Another account has your username. Ask an administrator.")
            )
        return known
    role = profile.role or config.oidc_default_role
    if not role:
        raise RefusedError(_("You do not have an account yet. Ask an administrator."))
    try:
        User(username=profile.username, role=role).clean_fields(exclude=["password"])
    except ValidationError:
        raise RefusedError(
            _("Your username contains characters that Curfew does not allow.")
        ) from None
    return None


class Rehearsal(NamedTuple):
    """What a sign-in with some claims would do.

    Attributes:
        claims: Name and value as JSON, for a page; nothing that could be a secret.
        user: The account; None if a new one would be created, or for a refusal.
        refusal: Why the sign-in would be refused; empty if it would not.
    """

    claims: list[tuple[str, str]]
    profile: ClaimsProfile | None
    user: User | None
    refusal: str

    @property
    def role(self) -> str:
        """The role that the person would have."""
        given = self.profile.role if self.profile else None
        if given is None and self.user:
            given = self.user.role
        return given or settings.CURFEW.oidc_default_role

    @property
    def role_label(self) -> str:
        """The role as pages name it."""
        return str(User.Role(self.role).label)


def rehearse(claims: Claims, user: User | None, config: Config) -> Rehearsal:
    """Say what a sign-in would do, and do nothing.

    Args:
        claims: Of a verified token.
        user: The account with this identity; None for a first sign-in.
    """
    shown, profile = _showable(claims), None
    try:
        profile = profile_from_claims(claims, config)
        user = user or find_user(profile, config)
        if user and not user.is_active:
            raise RefusedError(_("The account is deactivated."))
    except RefusedError as refusal:
        return Rehearsal(shown, profile, None, str(refusal))
    return Rehearsal(shown, profile, user, "")


def _showable(claims: Claims) -> list[tuple[str, str]]:
    rows = []
    for name in sorted(claims):
        text = json.dumps(claims[name], ensure_ascii=False)
        if _SECRET_NAME.search(name):
            text = "…"
        rows.append((name, _TOKEN.sub("…", text)[:_SHOWN_LENGTH]))
    return rows


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
