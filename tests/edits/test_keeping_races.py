"""Two workers keep the same instance running; run on PostgreSQL as well."""

from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import authority, dispatch, keeping
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.schedules import overrides
from dashboard.schedules.models import Override
from tests.factories import make_cloud, make_instance, make_notebook
from tests.handover.test_races import at_once, needs_real_locks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())
    needs_real_locks()


def keep(instance: Instance, actor: User) -> Override:
    return overrides.create_override(
        instance=instance,
        actor=actor,
        kind=Override.Kind.KEEP,
        until=timezone.now() + timedelta(hours=10),
        starts_again=True,
    )


@pytest.mark.parametrize("again", range(3))
def test_two_workers_extend_once(scientist: User, again: int) -> None:
    keep(make_notebook(cloud=make_cloud(max_run_hours=72)), scientist)
    assert at_once(keeping.keep_instances, keeping.keep_instances) == [None, None]
    assert Edit.objects.get().kind == Edit.Kind.EXTEND


@pytest.mark.parametrize("again", range(3))
def test_two_workers_start_again_once(scientist: User, again: int) -> None:
    instance = make_instance()
    keep(instance, scientist)
    instance.events.create(
        at=timezone.now(),
        from_status="RUNNING",
        to_status="STOPPED",
        reason="auto_stop",
    )
    Instance.objects.update(status="STOPPED", stops_at=None)
    assert at_once(keeping.keep_instances, keeping.keep_instances) == [None, None]
    assert Edit.objects.get().kind == Edit.Kind.START


def test_a_worker_and_the_end_of_the_override(scientist: User) -> None:
    """In either order: nothing is sent for an override that has ended."""
    override = keep(make_notebook(cloud=make_cloud(max_run_hours=72)), scientist)
    at_once(
        keeping.keep_instances,
        lambda: overrides.end_override(override=override, actor=scientist),
    )
    override.refresh_from_db()
    assert override.ended_at is not None
    keeping.keep_instances()
    assert all(authority.why_withdrawn(edit) for edit in Edit.objects.all())
    assert Edit.objects.count() <= 1
