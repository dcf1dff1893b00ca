"""What happens to clouds that are removed from the configuration.

Their instances stay as they were for ``CURFEW_CLOUD_GRACE_HOURS``, with a notice, since
a missing line may be a mistake. Then the cloud is retired: its instances are marked as
missing. A cloud that is configured again is read as before.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import PROTECT, ManyToOneRel, QuerySet
from django.utils import timezone

from dashboard.audit.services import record_event
from dashboard.modelarts.errors import ConfigurationError
from dashboard.web.stored_messages import Message

from . import upstream
from .messages import message_of
from .models import Cloud, FleetVersion, Instance
from .signals import cloud_renamed, instances_moved
from .sync import mark_missing

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
    """The message is a sentence that says why the action is not possible."""


def follow_configuration(configured: Sequence[Cloud]) -> None:
    """Record clouds that were removed from or added to the configuration.

    Removed ones are retired after some hours.

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
            # A cloud that is not read has no problem with being read.
            gone.update(unconfigured_since=now, **_HEALTHY)
            FleetVersion.stamp()
    grace = timedelta(hours=settings.CURFEW.cloud_grace_hours)
    over = Cloud.objects.filter(unconfigured_since__lte=now - grace, retired_at=None)
    for cloud in over:
        retire_cloud(cloud=cloud)


def record_configuration_error(error: ConfigurationError) -> None:
    """Record for every cloud that it is not read because the configuration is wrong."""
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
    """Mark the instances of a cloud as missing; return how many there were."""
    missing = mark_missing(cloud.instances.all())
    now = timezone.now()
    row = Cloud.objects.filter(pk=cloud.pk)
    row.filter(unconfigured_since=None).update(unconfigured_since=now)
    row.update(retired_at=now, **_HEALTHY)
    _record(cloud, "cloud.retired", instances=missing)
    FleetVersion.stamp()
    log.warning("cloud retired", cloud=cloud.name, instances=missing)
    return missing


@transaction.atomic
def rename_cloud(*, cloud: Cloud, name: str) -> tuple[int, int]:
    """Rename a cloud; its instances keep their history.

    If the new name has been read already, each instance exists twice. Then the instance
    of the new name is deleted, unless it has been changed in Curfew.

    Args:
        cloud: The cloud with its former name.
        name: The new name in ``clouds.yaml``.

    Returns:
        How many instances were moved, and how many keep the former name because they
        have been changed under the new one.

    Raises:
        CloudError: The new name is unusable.
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
        # The empty hash makes the next refresh write them again.
        moved = moving.update(cloud=new, content_hash="")
        stayed = len(changed)
        FleetVersion.stamp(Instance.objects.filter(pk__in=pks))
        instances_moved.send(Cloud, cloud=cloud, into=new)
        if stayed:
            retire_cloud(cloud=cloud)
        else:
            for field, rows in _references(cloud):
                rows.update(**{field: new})
            cloud.delete()
    cloud_renamed.send(Cloud, was=old_name, name=name, stayed=bool(stayed))
    _record(
        Cloud(name=name), "cloud.renamed", was=old_name, instances=moved, stayed=stayed
    )
    FleetVersion.stamp()
    return moved, stayed


@transaction.atomic
def delete_cloud(*, cloud: Cloud) -> int:
    """Delete a retired cloud with all that is recorded of it but the audit trail.

    Raises:
        CloudError: It is not retired, or notification settings refer to it.
    """
    if cloud.retired_at is None:
        raise CloudError(f"{cloud.name} is not retired; retire it first.")
    if any(rows.exists() for _, rows in _references(cloud, protected=True)):
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


def _references(
    cloud: Cloud, protected: bool = False
) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Yield the rows of other apps that refer to a cloud, with the field's name.

    Args:
        protected: Only those that a deletion of the cloud must not take along.
    """
    for relation in cloud._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ManyToOneRel) or not relation.one_to_many:
            continue
        model = relation.related_model
        if model is Instance or (protected and relation.on_delete is not PROTECT):
            continue
        name = relation.field.name
        yield name, model._base_manager.filter(**{name: cloud})


def _record(cloud: Cloud, action: str, **after: object) -> None:
    record_event(None, action, cloud, target_id=cloud.name, after=after)
