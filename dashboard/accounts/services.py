"""Writes to accounts. Each is one transaction with its audit event.

Passwords are hashed before it begins: that takes long by intent, and SQLite lets nobody
else write meanwhile.
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
from django.utils.translation import gettext

from dashboard.audit.services import record_event
from dashboard.web.stored_messages import Message

from . import tokens
from .messages import SESSIONS_ENDED
from .models import CloudUser, User
from .passwords import one_time_password

ONE_TIME_PASSWORD_LASTS = timedelta(days=3)


class LastAdminError(Exception):
    """Nobody would be left who can manage people; the message says so."""

    def __init__(self) -> None:
        super().__init__(
            gettext(
                "This is the last active admin. Make another person an admin first."
            )
        )


def add_user(
    *,
    username: str,
    role: str,
    password: str | None = None,
    cloud_users: Iterable[str] = (),
    email: str = "",
    actor: User | None = None,
    check_password: bool = True,
    reason: Message | str = "",
) -> User:
    """Make an account.

    Args:
        username: The name to sign in with.
        role: One of ``User.Role``.
        password: None makes an account that cannot sign in by password.
        cloud_users: Ids or names of the upstream users that are this person.
        email: Another name to sign in with; each belongs to one account.
        actor: Who makes it; None for the command line.
        check_password: False only for the demo's published passwords.
        reason: Why, for the audit trail.

    Raises:
        ValidationError: Name, role, address or password is not acceptable; the messages
            say why.
    """
    user = User(username=username, role=role, email=email)
    if password is not None and check_password:
        validate_password(password, user)
    user.set_password(password)
    return _add(user, _tidy(cloud_users), actor, reason)


@transaction.atomic
def _add(
    user: User, identifiers: list[str], actor: User | None, reason: Message | str
) -> User:
    user.full_clean(exclude=["password"])
    _refuse_a_taken_address(user)
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
    """Give another role; the same again changes nothing.

    Raises:
        LastAdminError: The last active admin would no longer be one.
    """
    user = _locked(user)
    if user.role == role:
        return
    if actor:
        _keep_an_admin(without=user)
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
    """Say which upstream users, by id or name, are this person."""
    user = _locked(user)
    before, after = sorted(user.cloud_identifiers), _tidy(cloud_users)
    if before == after:
        return
    user.cloud_users.exclude(identifier__in=after).delete()
    CloudUser.objects.bulk_create(
        CloudUser(account=user, identifier=name)
        for name in after
        if name not in user.cloud_identifiers
    )
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
    """Give another mail address; empty takes it away.

    Raises:
        ValidationError: It is no address, or another account has it.
    """
    user = _locked(user)
    before, user.email = user.email, email
    if before == email:
        return
    user.full_clean(exclude=["password"])
    _refuse_a_taken_address(user)
    user.save(update_fields=["email"])
    # Addresses are personal data: the trail tells that it changed, not what it was.
    _record(user, "user.email_changed", actor)


def signs_in_by_sso_only(user: User) -> bool:
    """Whether the account has no password, so that the provider alone lets it in."""
    return not user.has_usable_password()


@transaction.atomic
def deactivate(*, user: User, actor: User) -> None:
    """Shut somebody out at once: sessions end, and a worker sends none of their edits.

    Raises:
        LastAdminError: Nobody else could let anybody in again.
    """
    user = _locked(user)
    if not user.is_active:
        return
    _keep_an_admin(without=user)
    user.is_active = False
    user.save(update_fields=["is_active"])
    ended = _end_sessions(user)
    _record(user, "user.deactivated", actor, after={"sessions_ended": ended})


@transaction.atomic
def reactivate(*, user: User, actor: User) -> None:
    """Let somebody in again, with the role and the password they had."""
    user = _locked(user)
    if user.is_active:
        return
    user.is_active = True
    user.save(update_fields=["is_active"])
    _record(user, "user.reactivated", actor)


def give_one_time_password(*, user: User, actor: User, end_tokens: bool = False) -> str:
    """Replace the password, whatever it was, and end all sessions.

    Args:
        user: Whose password.
        actor: The admin.
        end_tokens: End their API tokens for good, too; else they only wait until there
            is a password of the person's own.

    Returns:
        The password, which nobody can look up again. It serves for choosing another,
        within ``ONE_TIME_PASSWORD_LASTS``.
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
    """Take a password of the person's own, already checked; other sessions end by it.

    The caller keeps the object it signs in with, so that one is changed, too.
    """
    user.set_password(password)
    user.one_time_until = None
    with transaction.atomic():
        user.save(update_fields=["password", "one_time_until"])
        _record(user, "user.password_changed", user)


@transaction.atomic
def reset_second_factor(*, user: User, actor: User) -> None:
    """Forget authenticator app, passkeys and recovery codes, as after a lost phone."""
    user = _locked(user)
    kinds = sorted({one.type for one in user.authenticator_set.all()})
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
    """Sign somebody out everywhere, their programs too.

    Returns:
        How many sessions, and how many tokens, that ended.
    """
    user = _locked(user)
    sessions, tokens_ended = _end_sessions(user), _end_tokens(user, actor)
    if sessions or tokens_ended:
        ended = {"sessions_ended": sessions, "tokens_ended": tokens_ended}
        _record(user, "user.sessions_ended", actor, after=ended)
    return sessions, tokens_ended


def _locked(user: User) -> User:
    return User.objects.select_for_update().get(pk=user.pk)


def _refuse_a_taken_address(user: User) -> None:
    others = User.objects.exclude(pk=user.pk)
    if user.email and others.filter(email__iexact=user.email).exists():
        raise ValidationError({"email": gettext("Another account has this address.")})


def _keep_an_admin(*, without: User) -> None:
    # Locked, all of them: two admins who demote each other at once must not succeed.
    admins = User.objects.filter(role=User.Role.ADMIN, is_active=True)
    left = set(admins.select_for_update().order_by("pk").values_list("pk", flat=True))
    if left == {without.pk}:
        raise LastAdminError


def _end_sessions(user: User) -> int:
    sessions = list(UserSession.objects.filter(user=user))
    for session in sessions:
        session.end()
    return len(sessions)


def _end_tokens(user: User, actor: User) -> int:
    return tokens.revoke_all(user=user, actor=actor, reason=SESSIONS_ENDED())


def _tidy(cloud_users: Iterable[str]) -> list[str]:
    return sorted({name.strip() for name in cloud_users} - {""})


def _record(user: User, action: str, actor: User | None, **values: Any) -> None:
    record_event(
        actor=actor,
        action=action,
        target_kind="user",
        target_id=str(user.pk),
        target_label=user.username,
        **values,
    )
