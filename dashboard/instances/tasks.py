"""Celery's side of the mirror."""

from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dashboard.modelarts.errors import ModelArtsError

from . import refresh
from .models import Cloud, Instance

log = structlog.get_logger(__name__)

ASK_AGAIN_SECONDS = 4


@shared_task(name="instances.refresh_due_clouds", ignore_result=True)
def refresh_due_clouds() -> None:
    """Queue a refresh of each cloud that is due, and looks at hot instances."""
    max_age = settings.CURFEW.refresh_seconds
    try:
        due = refresh.due_clouds(timedelta(seconds=max_age))
    except ModelArtsError as error:
        log.error("no cloud to refresh", reason=error.sentence)
        return
    for cloud in due:
        refresh_cloud.apply_async(args=(cloud.name,), expires=max_age)
    for cloud in Cloud.objects.exclude(pk__in=[cloud.pk for cloud in due]):
        if refresh.hot_instances(cloud):
            look_at_hot_instances.apply_async(args=(cloud.name,), expires=2)


@shared_task(
    name="instances.refresh_cloud",
    ignore_result=True,
    soft_time_limit=100,
    time_limit=110,
)
def refresh_cloud(name: str) -> None:
    """List one cloud and bring the mirror up to date.

    Args:
        name: ``Cloud.name``.
    """
    refresh.refresh_cloud(name)


@shared_task(name="instances.look_at_hot_instances", ignore_result=True)
def look_at_hot_instances(name: str) -> None:
    """Ask one by one about the instances of a cloud that are about to change.

    Args:
        name: ``Cloud.name``.
    """
    cloud = Cloud.objects.get(name=name)
    for instance in refresh.hot_instances(cloud):
        _look(instance)


@shared_task(name="instances.look_at_instance", ignore_result=True)
def look_at_instance(instance_pk: int) -> None:
    """Ask about one instance.

    Args:
        instance_pk: ``Instance.pk``.
    """
    _look(Instance.objects.select_related("cloud").get(pk=instance_pk))


def ask_for_look(instance: Instance) -> None:
    """Have an instance refreshed soon, because somebody is looking at its page.

    However many ask, the cloud is asked once in ``ASK_AGAIN_SECONDS``. Never raises
    when the broker is away.
    """
    try:
        if cache.add(f"look:{instance.pk}", 1, timeout=ASK_AGAIN_SECONDS):
            look_at_instance.apply_async(args=(instance.pk,), expires=ASK_AGAIN_SECONDS)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("look not queued", reason=str(error)[:200])


def _look(instance: Instance) -> None:
    try:
        refresh.look_at(instance)
    except ModelArtsError as error:
        log.info("look failed", instance=instance.instance_id, reason=error.sentence)
