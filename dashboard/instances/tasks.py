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

from . import clouds, observations, refresh, upstream
from .models import Cloud, Instance

log = structlog.get_logger(__name__)

REFRESH_AGAIN_SECONDS = 4


@shared_task(name="instances.refresh_due_clouds", ignore_result=True)
def refresh_due_clouds() -> None:
    """Enqueue refreshes of due clouds and of instances that are about to change."""
    max_age = settings.CURFEW.refresh_seconds
    try:
        configured = refresh.ensure_clouds()
    except ConfigurationError as error:
        log.error("no cloud to refresh", reason=error.sentence)
        clouds.record_configuration_error(error)
        return
    clouds.follow_configuration(configured)
    due = refresh.due_clouds(configured, timedelta(seconds=max_age))
    for cloud in due:
        refresh_cloud.apply_async(args=(cloud.name,), expires=max_age)
    for cloud in configured:
        if cloud not in due and observations.instances_expecting_change(cloud):
            refresh_expected_changes.apply_async(args=(cloud.name,), expires=2)


@shared_task(
    name="instances.refresh_cloud",
    ignore_result=True,
    soft_time_limit=100,
    time_limit=110,
)
def refresh_cloud(name: str) -> None:
    """Read the cloud with this name into the mirror.

    The next task continues a long listing, so that each stays within its time limit.
    """
    outcome = refresh.refresh_cloud(name)
    if outcome is None or not outcome.is_partial or outcome.problem:
        return
    try:
        refresh_cloud.apply_async(args=(name,), expires=settings.CURFEW.refresh_seconds)
    except (KombuError, RedisError, OSError) as error:
        # The next refresh that is due continues it.
        log.warning("listing not continued", cloud=name, reason=str(error)[:200])


@shared_task(name="instances.refresh_expected_changes", ignore_result=True)
def refresh_expected_changes(name: str) -> None:
    """Read the instances of a cloud that are about to change, while it is free.

    They can wait for the next listing; the edits of people cannot.
    """
    cloud = Cloud.objects.get(name=name)
    for instance in observations.instances_expecting_change(cloud):
        if not upstream.is_free(name):
            return
        try:
            _refresh(instance)
        except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
            raise  # no instance is at fault
        except Exception:
            log.exception("refresh failed", instance=instance.instance_id)


@shared_task(name="instances.refresh_instance", ignore_result=True)
def refresh_instance(instance_pk: int) -> None:
    _refresh(Instance.objects.select_related("cloud").get(pk=instance_pk))


def request_refresh(instance: Instance) -> None:
    """Enqueue a refresh of an instance whose page is open; never raises.

    It is enqueued once in ``REFRESH_AGAIN_SECONDS``, however many pages are open.
    """
    try:
        if cache.add(f"refresh:{instance.pk}", 1, timeout=REFRESH_AGAIN_SECONDS):
            refresh_instance.apply_async(
                args=(instance.pk,), expires=REFRESH_AGAIN_SECONDS
            )
    except (KombuError, RedisError, OSError) as error:
        log.warning("refresh not enqueued", reason=str(error)[:200])


def _refresh(instance: Instance) -> None:
    if not instance.has_usable_id:
        return
    try:
        observations.read_instance(instance)
    except ModelArtsError as error:
        log.info("refresh failed", instance=instance.instance_id, reason=error.sentence)
