"""Celery's side of the mirror."""

from datetime import timedelta

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.cache import cache
from django.db import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as KombuError
from redis.exceptions import RedisError

from dashboard.modelarts.errors import ConfigurationError, ModelArtsError

from . import clouds, refresh
from .models import Cloud, Instance

log = structlog.get_logger(__name__)

ASK_AGAIN_SECONDS = 4


@shared_task(name="instances.refresh_due_clouds", ignore_result=True)
def refresh_due_clouds() -> None:
    """Queue a refresh of each cloud that is due, and looks at hot instances."""
    max_age = settings.CURFEW.refresh_seconds
    try:
        configured = refresh.ensure_clouds()
    except ConfigurationError as error:
        log.error("no cloud to refresh", reason=error.sentence)
        clouds.note_configuration_error(error)
        return
    clouds.follow_configuration(configured)
    due = refresh.due_clouds(timedelta(seconds=max_age), configured)
    for cloud in due:
        refresh_cloud.apply_async(args=(cloud.name,), expires=max_age)
    for cloud in configured:
        if cloud in due:
            continue
        if refresh.instances_expecting_change(cloud):
            refresh_expected_changes.apply_async(args=(cloud.name,), expires=2)


@shared_task(
    name="instances.refresh_cloud",
    ignore_result=True,
    soft_time_limit=100,
    time_limit=110,
)
def refresh_cloud(name: str) -> None:
    """List one cloud and bring the mirror up to date.

    A long listing goes on in a task of its own, so that each stays within its limit.

    Args:
        name: ``Cloud.name``.
    """
    outcome = refresh.refresh_cloud(name)
    if outcome is not None and outcome.is_partial and not outcome.problem:
        _go_on(name)


@shared_task(name="instances.refresh_expected_changes", ignore_result=True)
def refresh_expected_changes(name: str) -> None:
    """Ask one by one about the instances of a cloud that are about to change.

    Args:
        name: ``Cloud.name``.
    """
    cloud = Cloud.objects.get(name=name)
    for instance in refresh.instances_expecting_change(cloud):
        try:
            _refresh_one(instance)
        except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
            raise  # no instance is at fault
        except Exception:
            log.exception("look failed", instance=instance.instance_id)


@shared_task(name="instances.refresh_instance", ignore_result=True)
def refresh_instance(instance_pk: int) -> None:
    """Ask about one instance.

    Args:
        instance_pk: ``Instance.pk``.
    """
    _refresh_one(Instance.objects.select_related("cloud").get(pk=instance_pk))


def request_refresh(instance: Instance) -> None:
    """Have an instance refreshed soon, because somebody is looking at its page.

    However many ask, the cloud is asked once in ``ASK_AGAIN_SECONDS``. Never raises
    when the broker is away.
    """
    try:
        if cache.add(f"look:{instance.pk}", 1, timeout=ASK_AGAIN_SECONDS):
            refresh_instance.apply_async(args=(instance.pk,), expires=ASK_AGAIN_SECONDS)
    except (KombuError, RedisError, OSError) as error:
        log.warning("look not queued", reason=str(error)[:200])


def _go_on(name: str) -> None:
    try:
        refresh_cloud.apply_async(args=(name,), expires=settings.CURFEW.refresh_seconds)
    except (KombuError, RedisError, OSError) as error:
        # The next refresh that is due goes on with it.
        log.warning("listing not continued", cloud=name, reason=str(error)[:200])


def _refresh_one(instance: Instance) -> None:
    if not instance.has_usable_id:
        return
    try:
        refresh.read_instance(instance)
    except ModelArtsError as error:
        log.info("look failed", instance=instance.instance_id, reason=error.sentence)
