"""Which queues are due, and what finding them costs."""

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.delivery import due_queues
from dashboard.edits.models import Edit, EditQueue
from dashboard.instances.models import Instance
from tests import factories

NUMBER = 100


def submit(actor: User, instances: Iterable[Instance], *, seq: int, state: str) -> None:
    later = timezone.now() + timedelta(hours=1)
    Edit.objects.bulk_create(
        Edit(
            instance=instance,
            actor=actor,
            seq=seq,
            state=state,
            patch={"description": "new words"},
            base={},
            idempotency_key=uuid4(),
            deadline_at=later,
        )
        for instance in instances
    )


@pytest.fixture
def waiting(operator: User) -> due_queues.ServedGeneration:
    """A bulk change, and a database that has never counted open edits."""
    for _ in range(NUMBER):
        factories.make_instance()
    EditQueue.objects.bulk_create(
        EditQueue(instance=instance) for instance in Instance.objects.all()
    )
    every = list(Instance.objects.all())
    submit(operator, every[:20], seq=1, state=Edit.State.APPLIED)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    submit(operator, every, seq=2, state=Edit.State.QUEUED)
    one = every[0]
    return due_queues.ServedGeneration(one.cloud_id, one.generation)


def scans_of_edits(plan: dict[str, Any]) -> Iterator[int]:
    """Yield how often each scan of edits in a plan was made."""
    if plan.get("Relation Name") == Edit._meta.db_table:
        yield plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from scans_of_edits(part)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite never does")
def test_open_edits_are_read_once_and_not_for_each_queue(
    waiting: due_queues.ServedGeneration,
) -> None:
    due = due_queues._for_groups().filter(due_queues._of_served(waiting))
    assert due.count() == NUMBER
    plan = json.loads(due.explain(format="json", analyze=True))
    assert list(scans_of_edits(plan[0]["Plan"])) == [1]
