"""Delivery against the emulator over HTTP: what leaves, and what is written down."""

from datetime import timedelta
from typing import Any

import pytest
import stamina
from django.db import OperationalError
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import services
from dashboard.edits.delivery import record, send
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.refresh import refresh_cloud

from .deliveries import deliver, due_now, puts, submit

State = Edit.State


def test_the_requested_change_is_sent_read_back_and_mirrored(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = deliver(submit(running, operator, description="New words"))
    assert edit.state == State.APPLIED
    assert edit.result == {"description": "New words"}
    assert puts(cloud, running) == [{"description": "New words"}]
    assert cloud.fleet.get(running.instance_id).description == "New words"
    assert edit.instance.description == "New words"


def test_auto_stop_waits_for_the_next_start(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    stops_at = running.stops_at
    edit = deliver(submit(running, operator, auto_stop_duration=7_200))
    assert puts(cloud, running) == [
        {"spec": {"auto_stop": {"enable": True, "duration": 7_200}}}
    ]
    assert edit.waits_for_next_start
    assert edit.instance.auto_stop_duration == 7_200
    assert edit.instance.stops_at == stops_at


@pytest.mark.parametrize("times", [1, 3])
def test_what_became_of_it_is_written_down_once_the_database_takes_it(
    cloud: Emulator,
    running: Instance,
    operator: User,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
) -> None:
    failures = iter([OperationalError("disk full")] * times)
    finish = record._finish

    def finish_in_the_end(*args: Any) -> None:
        """The last step of a record."""
        for failure in failures:
            raise failure
        finish(*args)

    monkeypatch.setattr(record, "_finish", finish_in_the_end)
    with stamina.set_testing(True, attempts=5):  # without the pauses
        edit = deliver(submit(running, operator, description="New words"))
    assert edit.state == State.APPLIED
    assert Attempt.objects.get().outcome == "applied"
    assert len(puts(cloud, running)) == 1


def test_a_database_that_never_takes_it_is_given_up(
    cloud: Emulator, running: Instance, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise OperationalError("disk full")

    edit = submit(running, operator, description="New words")
    with monkeypatch.context() as patched:
        patched.setattr(send, "RECORD_SECONDS", 0.5)
        patched.setattr(record, "_finish", fail)
        with pytest.raises(OperationalError):
            deliver(edit)
    edit.refresh_from_db()
    assert edit.state == State.SENDING
    # As if the worker had died.
    EditQueue.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert deliver(edit).state == State.APPLIED
    assert len(puts(cloud, running)) == 1


def test_every_change_of_state_leaves_one_audit_event(
    running: Instance, operator: User
) -> None:
    edit = deliver(submit(running, operator, description="New words"))
    actions = AuditEvent.objects.filter(target_id=str(edit.pk)).order_by("pk")
    assert list(actions.values_list("action", flat=True)) == [
        "edit.submitted",
        "edit.sending",
        "edit.applied",
    ]


def test_nothing_is_sent_when_the_cloud_is_already_as_requested(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    cloud.fleet.force(running.instance_id, description="New words")
    assert deliver(edit).state == State.APPLIED
    assert puts(cloud, running) == []


def test_a_strangers_change_is_a_conflict_and_nothing_is_sent(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    cloud.fleet.force(running.instance_id, description="From the console")
    edit = deliver(edit)
    assert edit.state == State.CONFLICT
    assert edit.result == {"description": "From the console"}
    assert puts(cloud, running) == []
    assert edit.instance.description == "From the console"


def test_waiting_edits_are_merged_into_one_put(
    cloud: Emulator, running: Instance, operator: User, admin: User
) -> None:
    first = submit(running, operator, description="First")
    other = submit(running, admin, auto_stop_duration=7_200)
    running.description = "First"
    last = submit(running, operator, description="Last")
    send.drain(running.pk)
    states = {edit.pk: edit.state for edit in Edit.objects.all()}
    assert states == {
        first.pk: State.SUPERSEDED,
        other.pk: State.APPLIED,
        last.pk: State.APPLIED,
    }
    assert Edit.objects.get(pk=first.pk).superseded_by == last
    assert len(puts(cloud, running)) == 1


def test_a_refusal_fails_at_once_with_the_clouds_own_words(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(
        Fault("status", method="PUT", status=400, code="ModelArts.6347", times=1)
    )
    edit = deliver(submit(running, operator, auto_stop_duration=7_200))
    assert edit.state == State.FAILED
    assert edit.error_code == "ModelArts.6347"
    assert edit.error_message == "A scripted fault."
    assert edit.message
    assert len(puts(cloud, running)) == 1


def test_an_answer_that_hides_auto_stop_never_switches_it_off(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("wrong_types", route="show", times=1))
    edit = deliver(submit(running, operator, auto_stop_duration=7_200))
    assert (edit.state, puts(cloud, running)) == (State.RETRYING, [])
    assert Cloud.objects.get().failures == 0, "the cloud did answer"
    due_now(edit)
    assert deliver(edit).state == State.APPLIED
    auto_stop = cloud.fleet.get(running.instance_id).auto_stop
    assert (auto_stop.enable, auto_stop.duration_seconds) == (True, 7_200)


@pytest.mark.parametrize("is_another_persons", [False, True])
def test_no_value_is_overwritten_while_the_answer_hides_it(
    cloud: Emulator, running: Instance, operator: User, is_another_persons: bool
) -> None:
    edit = submit(running, operator, description="New words")
    if is_another_persons:
        cloud.fleet.force(running.instance_id, description="From the console")
    cloud.faults.add(Fault("wrong_types", route="show", times=1))
    assert deliver(edit).state == State.RETRYING
    assert puts(cloud, running) == []
    due_now(edit)
    state = State.CONFLICT if is_another_persons else State.APPLIED
    assert deliver(edit).state == state


def test_an_instance_that_is_gone_fails_its_edit(
    cloud: Emulator, stopped: Instance, operator: User
) -> None:
    edit = submit(stopped, operator, description="New words")
    cloud.faults.add(
        Fault(
            "status",
            route="show",
            instance_id=stopped.instance_id,
            status=400,
            code="ModelArts.6309",
        )
    )
    edit = deliver(edit)
    assert edit.state == State.FAILED
    assert "no longer exists" in str(edit.message)


def test_stop_then_start(cloud: Emulator, running: Instance, operator: User) -> None:
    stop = services.submit_power(instance=running, actor=operator, kind=Edit.Kind.STOP)
    stop = deliver(stop)
    assert stop.state == State.APPLIED
    assert stop.instance.status == "STOPPING"
    assert stop.instance.events.get().reason == "requested"
    cloud.clock.advance(600)
    start = services.submit_power(
        instance=running, actor=operator, kind=Edit.Kind.START
    )
    start = deliver(start)
    assert start.state == State.APPLIED
    assert start.instance.status in {"STARTING", "START_QUEUING", "RUNNING"}


def test_starting_what_runs_is_success(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    start = services.submit_power(
        instance=running, actor=operator, kind=Edit.Kind.START
    )
    assert deliver(start).state == State.APPLIED
    assert not [entry for entry in cloud.log.entries() if entry.route == "action"]


def test_a_start_of_the_old_api_has_no_run_time_of_its_own(
    stopped: Instance, operator: User
) -> None:
    start = services.submit_power(
        instance=stopped,
        actor=operator,
        kind=Edit.Kind.START,
        patch={"auto_stop_enable": True, "auto_stop_duration": 7_200},
    )
    assert start.patch == {}
    assert deliver(start).state == State.APPLIED


def test_the_new_duration_counts_once_a_new_run_is_seen(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = deliver(submit(running, operator, auto_stop_duration=10_800))
    # All of it some time ago, since moving the cloud's clock moves its past, too.
    ago = timezone.now() - timedelta(hours=1)
    Edit.objects.update(finished_at=ago)
    Instance.objects.update(run_started_at=ago - timedelta(hours=1))
    edit = Edit.objects.select_related("instance").get(pk=edit.pk)
    running.refresh_from_db()
    for kind in (Edit.Kind.STOP, Edit.Kind.START):
        assert edit.waits_for_next_start
        switch = services.submit_power(instance=running, actor=operator, kind=kind)
        assert deliver(switch).state == State.APPLIED
        cloud.clock.advance(900)
        refresh_cloud("demo")
        edit = Edit.objects.select_related("instance").get(pk=edit.pk)
    assert edit.instance.status == "RUNNING"
    assert not edit.waits_for_next_start
