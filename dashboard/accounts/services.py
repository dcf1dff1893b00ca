"""Writes of accounts. Each is one transaction with its audit event.

Passwords are hashed before the transaction begins: hashing is slow by design, and
SQLite allows one writer at a time.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.audit.services import record_event
from dashboard.web.stored_messages import Message

from . import tokens
from .messages import SESSIONS_ENDED
from .models import CloudUser, User
from .passwords import one_time_password
from .signals import teams_changed

ONE_TIME_PASSWORD_LASTS = timedelta(days=3)


class LastAdminError(Exception):
    """No active admin would be left; the message says so."""


def add_user(
    *,
    username: str,
    role: str,
    password: str | None = None,
    cloud_users: Iterable[str] = (),
    email: str = "",
    name: str = "",
    actor: User | None = None,
    check_password: bool = True,
    reason: Message | str = "",
) -> User:
    """Create an account.

    Args:
        password: None for an account that cannot sign in with a password.
        cloud_users: IDs or names of the ModelArts users to map to it.
        email: Unique; also accepted at the sign-in.
        name: The person's full name.
        actor: None for the command line.
        check_password: False only for the demo's published passwords.

    Raises:
        ValidationError: Username, role, email address or password is not valid.
    """
    user = User(username=username, role=role, email=email)
    user.first_name, user.last_name = split_name(name)
    if password is not None and check_password:
        validate_password(password, user)
    user.set_password(password)
    return _add(user, _clean_names(cloud_users), actor, reason)


@transaction.atomic
def _add(
    user: User, identifiers: list[str], actor: User | None, reason: Message | str
) -> User:
    user.full_clean(exclude=["password"])
    _check_address_is_free(user)
    user.save()
    CloudUser.objects.bulk_create(
        CloudUser(account=user, identifier=name) for name in identifiers
    )
    after = {"role": user.role, "cloud_users": identifiers}
    _record(user, "user.added", actor, after=after, reason=reason)
    return user


@transaction.atomic
def set_role(
    *, user: User, role: str, actor: User | None, reason: Message | str = ""
) -> None:
    """Set the role.

    Raises:
        LastAdminError: The user is the last active admin.
    """
    user = _locked(user)
    if user.role == role:
        return
    if actor:
        _check_other_admins(without=user)
    before, user.role = user.role, role
    user.save(update_fields=["role"])
    _record(
        user,
        "user.role_changed",
        actor,
        before={"role": before},
        after={"role": role},
        reason=reason,
    )


@transaction.atomic
def set_cloud_users(
    *,
    user: User,
    cloud_users: Iterable[str],
    actor: User | None,
    reason: Message | str = "",
) -> None:
    """Map ModelArts users, by ID or name, to an account."""
    user = _locked(user)
    before, after = sorted(user.cloud_identifiers), _clean_names(cloud_users)
    if before == after:
        return
    user.cloud_users.exclude(identifier__in=after).delete()
    CloudUser.objects.bulk_create(
        CloudUser(account=user, identifier=name)
        for name in after
        if name not in user.cloud_identifiers
    )
    if user.teams.exists():
        teams_changed.send(User)
    _record(
        user,
        "user.cloud_users_changed",
        actor,
        before={"cloud_users": before},
        after={"cloud_users": after},
        reason=reason,
    )


@transaction.atomic
def set_email(*, user: User, email: str, actor: User) -> None:
    """Set the email address; empty removes it.

    Raises:
        ValidationError: The address is invalid, or another account has it.
    """
    user = _locked(user)
    before, user.email = user.email, email
    if before == email:
        return
    user.full_clean(exclude=["password"])
    _check_address_is_free(user)
    user.save(update_fields=["email"])
    # An address is personal data, so the audit trail does not contain it.
    _record(user, "user.email_changed", actor)


@transaction.atomic
def set_name(*, user: User, name: str, actor: User) -> None:
    """Set the full name; empty shows the username instead.

    Raises:
        ValidationError: The name is too long.
    """
    user = _locked(user)
    if user.get_full_name() == " ".join(name.split()):
        return
    user.first_name, user.last_name = split_name(name)
    user.full_clean(exclude=["password"])
    user.save(update_fields=["first_name", "last_name"])
    # A name is personal data, so the audit trail does not contain it.
    _record(user, "user.name_changed", actor)


def split_name(name: str) -> tuple[str, str]:
    """Return first and last name; the last word is the last name, if there are two."""
    first, _, last = " ".join(name.split()).rpartition(" ")
    return (first, last) if first else (last, "")


@transaction.atomic
def deactivate(*, user: User, actor: User) -> None:
    """Deactivate an account: its sessions end, and its edits are not sent.

    Raises:
        LastAdminError: The user is the last active admin.
    """
    user = _locked(user)
    if not user.is_active:
        return
    _check_other_admins(without=user)
    user.is_active = False
    user.save(update_fields=["is_active"])
    ended = _end_sessions(user)
    _record(user, "user.deactivated", actor, after={"sessions_ended": ended})


@transaction.atomic
def reactivate(*, user: User, actor: User) -> None:
    """Reactivate an account with its former role and password."""
    user = _locked(user)
    if user.is_active:
        return
    user.is_active = True
    user.save(update_fields=["is_active"])
    _record(user, "user.reactivated", actor)


def give_one_time_password(*, user: User, actor: User, end_tokens: bool = False) -> str:
    """Set a one-time password, end all sessions and return the password.

    It is not stored in clear text. Within ``ONE_TIME_PASSWORD_LASTS``, the user can
    choose another one with it.

    Args:
        end_tokens: Revoke the API tokens; otherwise they are suspended until the user
            has chosen a password.
    """
    password = one_time_password()
    hashed = make_password(password)
    with transaction.atomic():
        user = _locked(user)
        user.password = hashed
        user.one_time_until = timezone.now() + ONE_TIME_PASSWORD_LASTS
        user.save(update_fields=["password", "one_time_until"])
        ended = {"sessions_ended": _end_sessions(user)}
        if end_tokens:
            ended["tokens_ended"] = _end_tokens(user, actor)
        _record(user, "user.one_time_password", actor, after=ended)
    return password


def choose_password(*, user: User, password: str) -> None:
    """Set a validated password that the user chose, also on ``user`` itself."""
    user.set_password(password)
    user.one_time_until = user.invited_at = None
    with transaction.atomic():
        user.save(update_fields=["password", "one_time_until", "invited_at"])
        _record(user, "user.password_changed", user)


@transaction.atomic
def reset_second_factor(*, user: User, actor: User) -> None:
    """Delete authenticator app, passkeys and recovery codes, such as after a loss."""
    user = _locked(user)
    kinds = sorted({factor.type for factor in user.authenticator_set.all()})
    if not kinds:
        return
    user.authenticator_set.all().delete()
    ended = _end_sessions(user)
    _record(
        user,
        "user.second_factor_reset",
        actor,
        before={"factors": kinds},
        after={"sessions_ended": ended},
    )


@transaction.atomic
def end_sessions_and_tokens(*, user: User, actor: User) -> tuple[int, int]:
    """End all sessions and tokens of a user; return the number of each."""
    user = _locked(user)
    sessions, tokens_ended = _end_sessions(user), _end_tokens(user, actor)
    if sessions or tokens_ended:
        ended = {"sessions_ended": sessions, "tokens_ended": tokens_ended}
        _record(user, "user.sessions_ended", actor, after=ended)
    return sessions, tokens_ended


def _locked(user: User) -> User:
    return User.objects.select_for_update().get(pk=user.pk)


def _check_address_is_free(user: User) -> None:
    others = User.objects.exclude(pk=user.pk)
    if user.email and others.filter(email__iexact=user.email).exists():
        raise ValidationError({"email": _("Another account has this address.")})


def _check_other_admins(*, without: User) -> None:
    # Lock all admins, so that two admins cannot demote each other at the same time.
    admins = User.objects.filter(role=User.Role.ADMIN, is_active=True)
    left = set(admins.select_for_update().order_by("pk").values_list("pk", flat=True))
    if left == {without.pk}:
        raise LastAdminError(
            _("This is the last active admin. Make another person an admin first.")
        )


def _end_sessions(user: User) -> int:
    sessions = list(UserSession.objects.filter(user=user))
    for session in sessions:
        session.end()
    return len(sessions)


def _end_tokens(user: User, actor: User) -> int:
    return tokens.revoke_all(user=user, actor=actor, reason=SESSIONS_ENDED())


def _clean_names(cloud_users: Iterable[str]) -> list[str]:
    return sorted({name.strip() for name in cloud_users} - {""})


def _record(user: User, action: str, actor: User | None, **values: Any) -> None:
    record_event(
        actor=actor,
        action=action,
        target=user,
        target_label=user.username,
        **values,
    )
