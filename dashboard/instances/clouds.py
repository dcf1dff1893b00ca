"""Clouds come and go: what becomes of one that the configuration lacks.

Its instances stay as they were for ``CURFEW_CLOUD_GRACE_HOURS``, with a notice, since a
missing line may be a mistake. Then they are given up, as instances that the cloud no
longer lists are. One that turns up again is read as before.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from dashboard.audit.services import record_event
from dashboard.modelarts.errors import ConfigurationError
from dashboard.web.stored_messages import Message

from . import upstream
from .messages import message_of
from .models import Cloud, FleetVersion, Instance
from .refresh import mark_missing

log = structlog.get_logger(__name__)

_HEALTHY = {
    "problem": Message(),
    "problem_code": "",
    "problem_since": None,
    "incomplete": "",
    "incomplete_since": None,
    "failures": 0,
    "held_since": None,
    "held_until": None,
    "hold_reason": Message(),
}


class CloudError(Exception):
    """It cannot be done; the message is a sentence that says why."""


def follow_configuration(configured: Sequence[Cloud]) -> None:
    """Note which clouds have left the configuration or are back; retire the former.

    Args:
        configured: The rows of those that are configured now; not empty.
    """
    now = timezone.now()
    keys = [cloud.pk for cloud in configured]
    back = Cloud.objects.filter(pk__in=keys, unconfigured_since__isnull=False)
    gone = Cloud.objects.exclude(pk__in=keys).filter(unconfigured_since=None)
    if back.exists() or gone.exists():
        with transaction.atomic():
            for cloud in back:
                _record(cloud, "cloud.returned")
            back.update(unconfigured_since=None, retired_at=None)
            for cloud in gone:
                _record(cloud, "cloud.removed")
            # A cloud that is no longer read has no problem with being read.
            gone.update(unconfigured_since=now, **_HEALTHY)
            FleetVersion.stamp()
    grace = timedelta(hours=settings.CURFEW.cloud_grace_hours)
    over = Cloud.objects.filter(unconfigured_since__lte=now - grace, retired_at=None)
    for cloud in over:
        retire_cloud(cloud=cloud)


def note_configuration_error(error: ConfigurationError) -> None:
    """Say of every cloud why it is not read: the configuration cannot be."""
    present = Cloud.objects.filter(retired_at=None)
    problem = message_of(error)
    stale = present.exclude(problem=problem)
    if not stale.exists():
        return
    now = timezone.now()
    with transaction.atomic():
        stale.filter(problem_since=None).update(problem_since=now)
        stale.update(problem=problem, problem_code="")
        FleetVersion.stamp()


@transaction.atomic
def retire_cloud(*, cloud: Cloud) -> int:
    """Give up the instances of a cloud: they count as missing from now on.

    Returns:
        How many there were.
    """
    present = Instance.objects.filter(cloud=cloud, missing_since=None)
    given_up = mark_missing(present.values_list("pk", flat=True))
    now = timezone.now()
    row = Cloud.objects.filter(pk=cloud.pk)
    row.filter(unconfigured_since=None).update(unconfigured_since=now)
    row.update(retired_at=now, **_HEALTHY)
    _record(cloud, "cloud.retired", instances=given_up)
    FleetVersion.stamp()
    log.warning("cloud retired", cloud=cloud.name, instances=given_up)
    return given_up


@transaction.atomic
def rename_cloud(*, cloud: Cloud, name: str) -> tuple[int, int]:
    """Let the instances of a cloud, with their history, go on under another name.

    Where the new name has been read already, each instance is there twice: the one
    without a change made in Curfew goes.

    Args:
        cloud: Under its former name.
        name: The one in ``clouds.yaml`` now.

    Returns:
        How many instances came along, and how many stayed since they have been changed
        under the new name.

    Raises:
        CloudError: The new name cannot be used.
    """
    if not upstream.is_usable_name(name):
        raise CloudError(f"{name!r} cannot be the name of a cloud.")
    new = Cloud.objects.filter(name=name).exclude(pk=cloud.pk).first()
    old_name = cloud.name
    if new is None:
        Cloud.objects.filter(pk=cloud.pk).update(
            name=name, unconfigured_since=None, retired_at=None
        )
        moved, stayed = cloud.instances.count(), 0
    else:
        twins = new.instances.filter(
            instance_id__in=cloud.instances.values("instance_id")
        )
        changed = list(
            twins.filter(edits__isnull=False)
            .distinct()
            .values_list("instance_id", flat=True)
        )
        twins.exclude(instance_id__in=changed).delete()
        moving = cloud.instances.exclude(instance_id__in=changed)
        pks = list(moving.values_list("pk", flat=True))
        # Read anew in any case: what is stored was said under the former name.
        moved = moving.update(cloud=new, content_hash="")
        stayed = len(changed)
        FleetVersion.stamp(Instance.objects.filter(pk__in=pks))
        if stayed:
            retire_cloud(cloud=cloud)
        else:
            for field, rows in _references(cloud):
                rows.update(**{field: new})
            cloud.delete()
    _record(
        Cloud(name=name), "cloud.renamed", was=old_name, instances=moved, stayed=stayed
    )
    FleetVersion.stamp()
    return moved, stayed


@transaction.atomic
def delete_cloud(*, cloud: Cloud) -> int:
    """Delete a retired cloud with its instances and their edits, for good.

    The audit trail keeps what was done.

    Raises:
        CloudError: It is not retired, or notification settings name it: they would be
            deleted, too.
    """
    if cloud.retired_at is None:
        raise CloudError(f"{cloud.name} is not retired; retire it first.")
    if any(rows.exists() for _, rows in _references(cloud)):
        raise CloudError(
            f"Notification settings or channels name {cloud.name}; have them changed "
            "first."
        )
    instances = cloud.instances.count()
    cloud.instances.all().delete()
    _record(cloud, "cloud.deleted", instances=instances)
    cloud.delete()
    FleetVersion.stamp()
    return instances


def _references(cloud: Cloud) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Rows of other apps that point to a cloud, by the name of the field."""
    for relation in cloud._meta.get_fields(include_hidden=True):
        if not relation.auto_created or not relation.one_to_many:
            continue
        model = relation.related_model
        if isinstance(model, type) and model is not Instance:
            name = relation.field.name  # type: ignore[union-attr]  # of a foreign key
            yield name, model._base_manager.filter(**{name: cloud})


def _record(cloud: Cloud, action: str, **after: object) -> None:
    record_event(
        actor=None,
        action=action,
        target_kind="cloud",
        target_id=cloud.name,
        target_label=cloud.name,
        after=after,
    )
