"""Finding, or adding, the allocation of an instance."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from dashboard.instances.models import Cloud, Instance

from .models import Allocation

COLUMNS = (
    *("cloud_id", "generation", "owner_id", "owner_name"),
    *("flavor", "flavor_type", "workspace_id", "tags"),
)


def of(
    instances: Iterable[Instance | Allocation], model: type[Allocation] = Allocation
) -> dict[int, int]:
    """Return the allocation of each instance, by ``pk``; one statement if all exist.

    Call it in a transaction.
    """
    values = {instance.pk: _values(instance) for instance in instances}
    digests = {pk: _digest(columns) for pk, columns in values.items()}
    found = _by_digest(model, digests.values())
    missing = {
        digests[pk]: model(digest=digests[pk], **columns)
        for pk, columns in values.items()
        if digests[pk] not in found
    }
    if missing:
        model.objects.bulk_create(missing.values(), ignore_conflicts=True)
        found |= _by_digest(model, missing)
    return {pk: found[digest] for pk, digest in digests.items()}


def find(instances: Iterable[Instance]) -> dict[int, Allocation]:
    """Return the allocation of each instance, by ``pk``, new ones not stored.

    Instances with the same properties share one; a query.
    """
    values = {instance.pk: _values(instance) for instance in instances}
    digests = {pk: _digest(columns) for pk, columns in values.items()}
    rows = Allocation.objects.filter(digest__in=set(digests.values()))
    found = {row.digest: row for row in rows}
    for pk, digest in digests.items():
        if digest not in found:
            found[digest] = Allocation(digest=digest, **values[pk])
    return {pk: found[digest] for pk, digest in digests.items()}


def with_clouds(
    rows: QuerySet[Allocation], clouds: dict[int, Cloud]
) -> dict[int, Allocation]:
    """Return allocations by ``pk``; those of a cloud share its object.

    Args:
        clouds: By ``pk``.
    """
    found = {row.pk: row for row in rows}
    for row in found.values():
        row.cloud = clouds[row.cloud_id]
    return found


def _values(instance: Instance | Allocation) -> dict[str, Any]:
    return {column: getattr(instance, column) for column in COLUMNS}


def _digest(columns: dict[str, Any]) -> str:
    content = json.dumps(columns, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()


def _by_digest(model: type[Allocation], digests: Iterable[str]) -> dict[str, int]:
    rows = model.objects.filter(digest__in=set(digests))
    return dict(rows.values_list("digest", "pk"))
