"""Finding, or adding, the allocation of an instance."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import Any

from django.db.models import QuerySet

from dashboard.instances.models import Cloud, Instance

from .models import Allocation

COLUMNS = (
    *("cloud_id", "generation", "owner_id", "owner_name"),
    *("flavor", "flavor_type", "workspace_id", "tags"),
)

_IN_A_QUERY = 5_000


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


def find(values: Sequence[dict[str, Any]]) -> list[Allocation]:
    """Return the allocation of each set of ``COLUMNS``, new ones not stored."""
    digests = [_digest(columns) for columns in values]
    found: dict[str, Allocation] = {}
    for part in batched(dict.fromkeys(digests), _IN_A_QUERY, strict=False):
        rows = Allocation.objects.filter(digest__in=part)
        found |= {row.digest: row for row in rows}
    for digest, columns in zip(digests, values, strict=True):
        if digest not in found:
            found[digest] = Allocation(digest=digest, **columns)
    return [found[digest] for digest in digests]


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
