"""Writes to accounts."""

from collections.abc import Iterable

from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from dashboard.audit.services import record_event

from .models import CloudUser, User


@transaction.atomic
def add_user(
    *,
    username: str,
    role: str,
    password: str | None = None,
    cloud_users: Iterable[str] = (),
    actor: User | None = None,
    check_password: bool = True,
) -> User:
    """Make an account.

    Args:
        username: The name to sign in with.
        role: One of ``User.Role``.
        password: None makes an account that cannot sign in by password.
        cloud_users: Ids or names of the upstream users that are this person.
        actor: Who makes it; None for the command line.
        check_password: False only for the demo's published passwords.

    Raises:
        ValidationError: Name, role or password is not acceptable; the messages say why.
    """
    user = User(username=username, role=role)
    if password is not None and check_password:
        validate_password(password, user)
    user.set_password(password)
    user.full_clean(exclude=["password"])
    user.save()
    identifiers = sorted({name.strip() for name in cloud_users} - {""})
    CloudUser.objects.bulk_create(
        CloudUser(account=user, identifier=name) for name in identifiers
    )
    record_event(
        actor=actor,
        action="user.added",
        target_kind="user",
        target_id=str(user.pk),
        target_label=user.username,
        after={"role": role, "cloud_users": identifiers},
    )
    return user
