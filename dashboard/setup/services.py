"""Writes of the setup."""

import secrets
from typing import Any

import structlog
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dashboard.accounts.models import User
from dashboard.accounts.services import add_user
from dashboard.audit.services import record_event

from . import known_clouds, links, new_cloud, private_files, tasks
from .messages import BY_LINK

log = structlog.get_logger(__name__)

EXPIRES_SECONDS = 60
"""How long a worker may begin what a page waits for."""


class NotEnqueuedError(Exception):
    """The broker did not take the message."""


def create_first_admin(
    *, token: str, username: str, password: str, language: str
) -> User:
    """Create an admin and use the setup link up.

    Raises:
        LinkError: The link does not allow it.
        ValidationError: Username or password is not valid; the link still works.
    """
    with links.using_link(token), transaction.atomic():
        user = add_user(
            username=username,
            role=User.Role.ADMIN,
            password=password,
            reason=BY_LINK(),
        )
        user.language = language
        user.save(update_fields=["language"])
    return user


def start_checks(names: list[str]) -> str:
    """Have each of these clouds read once; return the ID of the answers.

    Raises:
        NotEnqueuedError: The workers cannot be reached.
    """
    check_id = secrets.token_urlsafe(16)
    for name in names:
        _enqueue(tasks.check_cloud, check_id, name)
    return check_id


def try_cloud(*, name: str, values: dict[str, str], actor: User) -> str:
    """Have a cloud tested that was entered in the form; return the ID of its answer.

    Raises:
        ConfigurationError: A value is missing or wrong; the message says which.
        NotEnqueuedError: The workers cannot be reached.
    """
    test_id = secrets.token_urlsafe(16)
    new_cloud.write_files(test_id, name, values)
    try:
        _enqueue(tasks.try_new_cloud, test_id, name, actor.pk)
    except NotEnqueuedError:
        new_cloud.remove_files(test_id)
        raise
    return test_id


def choose_clouds(*, names: list[str], known: list[str], actor: User) -> None:
    """Save which clouds form the fleet.

    Raises:
        OSError: The file cannot be written.
    """
    with private_files.locked(), transaction.atomic():
        if names == known_clouds.saved_choice():
            return
        record_event(
            actor,
            "setup.clouds_chosen",
            before={"clouds": known_clouds.chosen_clouds(known)},
            after={"clouds": names},
        )
        known_clouds.save_choice(names)


def _enqueue(task: Any, *args: object) -> None:
    try:
        task.apply_async(args=args, expires=EXPIRES_SECONDS)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("check not enqueued", reason=str(error)[:200])
        raise NotEnqueuedError from error
