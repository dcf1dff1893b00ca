"""Delivery believes what the cloud shows, not what it answered to the write."""

import pytest

from dashboard.accounts.models import User
from dashboard.edits.delivery import record
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.emulator import Behavior, Emulator, Fault
from dashboard.instances.models import Instance
from dashboard.instances.refresh import refresh_cloud

from .deliveries import deliver, due_now, puts, submit

State = Edit.State


def test_an_answer_without_spec_is_checked_by_reading(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("missing_fields", method="PUT", fields=("spec",)))
    edit = deliver(submit(running, operator, auto_stop_duration=7_200))
    assert edit.state == State.APPLIED
    assert edit.instance.auto_stop_duration == 7_200


@pytest.mark.parametrize("echo", [False, True])
def test_a_change_that_is_accepted_but_not_made_is_never_called_applied(
    cloud: Emulator, running: Instance, operator: User, echo: bool
) -> None:
    cloud.faults.add(Fault("not_changed", method="PUT", echo=echo))
    edit = submit(running, operator, description="New words")
    for _ in range(record.MAX_ACCEPTED_NOT_APPLIED):
        assert Edit.objects.get(pk=edit.pk).is_open
        due_now(edit)
        edit = deliver(edit)
    assert edit.state == State.FAILED
    assert "but still shows the old value" in str(edit.message)
    assert edit.result == {"description": running.description}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {
        "accepted_not_applied"
    }
    assert edit.instance.description == running.description


def test_only_what_was_accepted_in_vain_counts_towards_giving_up(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", method="PUT", status=429, times=5))
    cloud.faults.add(Fault("not_changed", method="PUT", times=1))
    edit = submit(running, operator, description="New words")
    for _ in range(6):
        due_now(edit)
        edit = deliver(edit)
        assert edit.state == State.RETRYING
    due_now(edit)
    assert deliver(edit).state == State.APPLIED


def test_a_value_that_shows_only_later_is_applied_without_sending_again(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("not_changed", method="PUT", echo=True, times=1))
    edit = deliver(submit(running, operator, description="New words"))
    assert edit.state == State.RETRYING
    cloud.fleet.force(running.instance_id, description="New words")
    due_now(edit)
    assert deliver(edit).state == State.APPLIED
    assert len(puts(cloud, running)) == 1
    assert EditQueue.objects.get(pk=running.pk).recheck_at is not None


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", route="show", status=503, nth=2),
        Fault("drop", route="show", nth=2),
        Fault("truncate", route="show", nth=2),
        Fault("status", route="show", status=429, nth=2),
        Fault("status", route="show", status=403, code="ModelArts.6204", nth=2),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_a_write_that_cannot_be_read_back_is_not_applied_yet(
    cloud: Emulator, running: Instance, operator: User, fault: Fault
) -> None:
    cloud.faults.add(fault)
    edit = deliver(submit(running, operator, description="New words"))
    assert cloud.fleet.get(running.instance_id).description == "New words"
    assert edit.state == State.RETRYING
    assert Attempt.objects.get().ambiguous
    due_now(edit)
    assert deliver(edit).state == State.APPLIED
    assert len(puts(cloud, running)) == 1


def test_each_write_is_read_back(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    before = len(cloud.log.entries())
    deliver(submit(running, operator, description="New words"))
    routes = [entry.route for entry in cloud.log.entries()[before:]]
    assert [route for route in routes if route in {"show", "update"}] == [
        "show",
        "update",
        "show",
    ]


@pytest.mark.parametrize(
    "empty_cloud", [{"behavior": Behavior(prompt_absent="default")}], indirect=True
)
def test_a_prompt_that_the_cloud_resets_is_put_back(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.fleet.force(running.instance_id, auto_stop={"prompt": False})
    refresh_cloud("demo")
    edit = deliver(submit(running, operator, auto_stop_duration=7_200))
    assert edit.state == State.APPLIED
    assert cloud.fleet.get(running.instance_id).auto_stop.prompt is False
    assert Attempt.objects.count() == 2
