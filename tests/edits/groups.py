"""Steps that the tests of groups share."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.delivery import authorization, due_queues, group
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator
from dashboard.instances.models import Instance
from dashboard.modelarts.demanager import DemanagerApi

from .deliveries import submit

WORDS = "In a group"


def due_together(
    cloud: Emulator, actor: User, number: int, generation: str = "demanager"
) -> tuple[list[Edit], due_queues.ServedGeneration]:
    """Request new words for so many instances, and let them be due."""
    instances = Instance.objects.filter(
        generation=generation, status__in=["RUNNING", "STOPPED"]
    )
    chosen = list(instances.select_related("cloud").order_by("pk")[:number])
    assert len(chosen) == number
    edits = [submit(instance, actor, description=WORDS) for instance in chosen]
    make_due()
    return edits, due_queues.ServedGeneration(chosen[0].cloud_id, generation)


def make_due() -> None:
    before = timezone.now() - timedelta(seconds=10)
    EditQueue.objects.update(last_enqueued_at=before)


def states(edits: list[Edit]) -> list[str]:
    found = dict(
        Edit.objects.filter(pk__in=[edit.pk for edit in edits]).values_list(
            "pk", "state"
        )
    )
    return [found[edit.pk] for edit in edits]


def calls(cloud: Emulator) -> Counter[str]:
    return Counter(entry.route for entry in cloud.log.entries())


def asked(cloud: Emulator, served: due_queues.ServedGeneration) -> Counter[str]:
    """Deliver a group, and return what it has asked of the cloud."""
    before = calls(cloud)
    group.drain(served)
    return calls(cloud) - before


def before_page(
    patch: pytest.MonkeyPatch, number: int, change: Callable[[], object]
) -> None:
    """Let someone change the cloud just before so many pages have been read."""
    genuine = DemanagerApi.list_by_age
    read: list[int] = []

    def page(self: DemanagerApi, offset: int, wanted: Any) -> Any:
        if len(read) == number:
            change()
        read.append(offset)
        return genuine(self, offset, wanted)

    patch.setattr(DemanagerApi, "list_by_age", page)


def before_the_requests(
    patch: pytest.MonkeyPatch, change: Callable[[], object], *, later: float = 0
) -> None:
    """Let someone change the cloud between the listing and the requests.

    Args:
        later: So many seconds pass before these.
    """
    genuine = authorization.authorize_requests

    def authorized(*arguments: Any) -> Any:
        change()
        moved = group.time.monotonic() + later
        allowed = genuine(*arguments)
        if later:
            patch.setattr(group.time, "monotonic", lambda: moved)
        return allowed

    patch.setattr(authorization, "authorize_requests", authorized)
