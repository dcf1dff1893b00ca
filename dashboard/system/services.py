"""What admins start on the system page; workers do it."""

import structlog
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_operate_system
from dashboard.audit.services import record_event
from dashboard.instances.models import Cloud
from dashboard.instances.tasks import refresh_cloud
from dashboard.reminders.recipients import may_mail

from . import tasks, test_mail

log = structlog.get_logger(__name__)

EXPIRES_SECONDS = 60
AGAIN_SECONDS = 30

_UNAVAILABLE = (OperationalError, RedisError, OSError)


class NotEnqueuedError(Exception):
    """Nothing was started, since the broker does not answer."""


class NoMailError(Exception):
    """There is no mail server, or the person has no address."""


def request_checks(*, actor: User) -> None:
    """Have a worker run all checks now.

    Raises:
        NotEnqueuedError: The broker does not answer.
    """
    _require_admin(actor)
    with transaction.atomic():
        record_event(actor, "system.checked")
        try:
            tasks.run_checks.apply_async(args=(True,), expires=EXPIRES_SECONDS)
        except _UNAVAILABLE as error:
            raise NotEnqueuedError from error


def request_refresh(*, cloud: Cloud, actor: User) -> None:
    """Have a worker read a cloud now.

    Raises:
        NotEnqueuedError: The broker does not answer.
    """
    _require_admin(actor)
    with transaction.atomic():
        record_event(actor, "cloud.refreshed", cloud, target_id=cloud.name)
        try:
            refresh_cloud.apply_async(args=(cloud.name,), expires=EXPIRES_SECONDS)
        except _UNAVAILABLE as error:
            raise NotEnqueuedError from error


def request_test_mail(*, actor: User) -> None:
    """Have a worker send a mail to the actor.

    Raises:
        NoMailError: There is no mail server, or the actor has no address.
        NotEnqueuedError: The broker or the cache does not answer.
    """
    _require_admin(actor)
    if not may_mail(actor):
        raise NoMailError
    with transaction.atomic():
        record_event(actor, "system.mail_tested")
        try:
            test_mail.announce(actor)
            tasks.send_test_mail.apply_async(args=(actor.pk,), expires=EXPIRES_SECONDS)
        except _UNAVAILABLE as error:
            raise NotEnqueuedError from error


def request_due_checks() -> None:
    """Have a worker run the checks that are due; never raises.

    This is enqueued once in ``AGAIN_SECONDS``, however many pages are open.
    """
    try:
        if cache.add("system:requested", 1, timeout=AGAIN_SECONDS):
            tasks.run_checks.apply_async(expires=AGAIN_SECONDS)
    except _UNAVAILABLE as error:
        log.warning("checks not enqueued", reason=str(error)[:200])


def _require_admin(actor: User) -> None:
    if not can_operate_system(actor):
        raise PermissionDenied(_("Only admins can do this."))
