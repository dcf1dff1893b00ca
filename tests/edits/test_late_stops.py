"""Stops that were requested and do not happen, and what should have stopped it."""

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import services
from dashboard.edits.late_stops import causes_of
from dashboard.edits.models import Edit
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Instance
from dashboard.instances.refresh import refresh_cloud
from tests.factories import make_instance
from tests.instances.pages import add_edit

from .deliveries import deliver, due_now

State = Edit.State


def request_stop(instance: Instance, actor: User) -> Edit:
    return services.submit_power(
        instance=instance, actor=actor, kind=Edit.Kind.STOP, key="1"
    )


def stop_due(instance: Instance) -> bool:
    return Instance.objects.get(pk=instance.pk).stop_requested_at is not None


@pytest.mark.parametrize(
    "fault",
    [Fault("not_changed", route="action"), Fault("drop", route="action")],
    ids=["not_changed", "drop"],
)
def test_a_stop_is_due_from_when_it_was_sent_until_its_edit_fails(
    cloud: Emulator, running: Instance, operator: User, fault: Fault
) -> None:
    cloud.faults.add(fault)
    edit = deliver(request_stop(running, operator))
    assert edit.state == State.RETRYING
    first = Instance.objects.get(pk=running.pk).stop_requested_at
    assert first is not None
    refresh_cloud("demo")
    due_now(edit)
    deliver(edit)
    assert Instance.objects.get(pk=running.pk).stop_requested_at == first
    Edit.objects.filter(pk=edit.pk).update(deadline_at=timezone.now())
    due_now(edit)
    assert deliver(edit).state == State.FAILED
    # The failure is a notification of its own.
    assert not stop_due(running)


def test_a_stop_that_was_never_sent_is_not_due(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", status=503, route="show"))
    assert deliver(request_stop(running, operator)).state == State.RETRYING
    assert not stop_due(running)


def test_a_stop_that_hangs_is_due_though_its_edit_is_applied(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.behavior.change({"stopping_seconds": 36_000})
    edit = deliver(request_stop(running, operator))
    assert edit.state == State.APPLIED
    hanging = Instance.objects.get(pk=running.pk)
    assert hanging.status == "STOPPING"
    assert hanging.stop_due_at is not None
    assert str(causes_of([hanging])[hanging.pk]) == "Stop by operator"


def test_what_should_have_stopped_it(
    operator: User, django_assert_num_queries: object
) -> None:
    now = timezone.now()
    by_auto_stop = make_instance(stops_in=-900)
    by_person = make_instance(stops_in=900, stop_requested_at=now)
    add_edit(by_person, operator, kind=Edit.Kind.STOP, state=State.RETRYING)
    elsewhere = make_instance(status="STOPPING", stop_requested_at=now)
    instances = [by_auto_stop, by_person, elsewhere]
    with django_assert_num_queries(2):  # type: ignore[operator]
        causes = causes_of(instances)
    assert [str(causes[instance.pk]) for instance in instances] == [
        "Auto-stop",
        "Stop by operator",
        "Stop outside Curfew",
    ]
