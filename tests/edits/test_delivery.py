"""Delivery against the emulator over HTTP: what leaves, and what is written down."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import delivery, lanes, recording, services
from dashboard.edits.models import Attempt, Edit, Lane
from dashboard.emulator import Behaviour, Emulator, Fault
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.refresh import refresh_cloud

State = Edit.State


@pytest.fixture
def running(cloud: Emulator) -> Instance:
    """An instance of the mirror that runs toward its auto stop."""
    found = Instance.objects.filter(
        status="RUNNING", stops_at__gt=timezone.now() + timedelta(minutes=10)
    )
    return found.order_by("pk")[0]


@pytest.fixture
def stopped(cloud: Emulator) -> Instance:
    """An instance of the mirror that could be started."""
    for instance in Instance.objects.filter(status="STOPPED").order_by("pk"):
        there = cloud.fleet.get(instance.instance_id)
        if not there.frozen and not there.doomed and not there.flavor.sold_out:
            return instance
    raise AssertionError("the fleet has no instance that could be started")


def wish(instance: Instance, actor: User, **patch: Any) -> Edit:
    base = {name: getattr(instance, name) for name in patch}
    return services.submit_edit(instance=instance, actor=actor, patch=patch, base=base)


def deliver(edit: Edit) -> Edit:
    delivery.drain(edit.instance_id)
    return Edit.objects.select_related("instance").get(pk=edit.pk)


def due_now(edit: Edit) -> None:
    """Let the pause before the next try be over."""
    Lane.objects.filter(pk=edit.instance_id).update(next_at=None)


def puts(cloud: Emulator, instance: Instance) -> list[dict[str, Any]]:
    return [
        json.loads(entry.body)
        for entry in cloud.log.entries()
        if entry.route == "update"
        and entry.instance_id == instance.instance_id
        and entry.body
    ]


def test_what_was_wished_is_sent_read_back_and_mirrored(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = deliver(wish(running, operator, description="New words"))
    assert edit.state == State.APPLIED
    assert edit.result == {"description": "New words"}
    assert puts(cloud, running) == [{"description": "New words"}]
    assert cloud.fleet.get(running.instance_id).description == "New words"
    assert edit.instance.description == "New words"


def test_auto_stop_waits_for_the_next_start(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    stops_at = running.stops_at
    edit = deliver(wish(running, operator, auto_stop_duration=7_200))
    assert puts(cloud, running) == [
        {"spec": {"auto_stop": {"enable": True, "duration": 7_200}}}
    ]
    assert edit.waits_for_next_start
    assert edit.instance.auto_stop_duration == 7_200
    assert edit.instance.stops_at == stops_at


def test_every_change_of_state_leaves_one_audit_event(
    running: Instance, operator: User
) -> None:
    edit = deliver(wish(running, operator, description="New words"))
    actions = AuditEvent.objects.filter(target_id=str(edit.pk)).order_by("pk")
    assert list(actions.values_list("action", flat=True)) == [
        "edit.submitted",
        "edit.sending",
        "edit.applied",
    ]


def test_nothing_is_sent_when_the_cloud_is_already_as_wished(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = wish(running, operator, description="New words")
    cloud.fleet.force(running.instance_id, description="New words")
    assert deliver(edit).state == State.APPLIED
    assert puts(cloud, running) == []


def test_a_strangers_change_is_a_conflict_and_nothing_is_sent(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = wish(running, operator, description="New words")
    cloud.fleet.force(running.instance_id, description="From the console")
    edit = deliver(edit)
    assert edit.state == State.CONFLICT
    assert edit.result == {"description": "From the console"}
    assert puts(cloud, running) == []
    assert edit.instance.description == "From the console"


def test_waiting_edits_are_merged_into_one_put(
    cloud: Emulator, running: Instance, operator: User, admin: User
) -> None:
    first = wish(running, operator, description="First")
    other = wish(running, admin, auto_stop_duration=7_200)
    running.description = "First"
    last = wish(running, operator, description="Last")
    delivery.drain(running.pk)
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
    edit = deliver(wish(running, operator, auto_stop_duration=7_200))
    assert edit.state == State.FAILED
    assert edit.error_code == "ModelArts.6347"
    assert edit.error_message == "A scripted fault."
    assert edit.message
    assert len(puts(cloud, running)) == 1


def test_an_instance_that_is_gone_fails_its_edit(
    cloud: Emulator, stopped: Instance, operator: User
) -> None:
    edit = wish(stopped, operator, description="New words")
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
    assert "no longer exists" in edit.message


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop", method="PUT", applied=True, times=1),
        Fault("reset", method="PUT", applied=True, times=1),
        Fault("truncate", method="PUT", times=1),
        Fault("empty", method="PUT", applied=True, times=1),
        Fault("html", method="PUT", applied=True, times=1),
        Fault("status", method="PUT", status=504, applied=True, times=1),
        Fault("status", method="PUT", status=500, applied=True, times=1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_an_ambiguous_end_is_settled_by_reading_not_by_sending_twice(
    cloud: Emulator, running: Instance, operator: User, fault: Fault
) -> None:
    cloud.faults.add(fault)
    edit = deliver(wish(running, operator, description="New words"))
    assert edit.state == State.RETRYING
    assert Attempt.objects.get().ambiguous
    due_now(edit)
    edit = deliver(edit)
    assert edit.state == State.APPLIED
    assert len(puts(cloud, running)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop", method="PUT", times=1),
        Fault("status", method="PUT", status=503, times=1),
        Fault("status", method="PUT", status=429, retry_after="7", times=1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_what_was_not_done_is_sent_again(
    cloud: Emulator, running: Instance, operator: User, fault: Fault
) -> None:
    cloud.faults.add(fault)
    edit = deliver(wish(running, operator, description="New words"))
    assert edit.state == State.RETRYING
    lane = Lane.objects.get(pk=running.pk)
    assert lane.next_at is not None
    if fault.retry_after:
        assert lane.next_at - timezone.now() > timedelta(seconds=5)
    due_now(edit)
    edit = deliver(edit)
    assert edit.state == State.APPLIED
    assert len(puts(cloud, running)) == 2


def test_it_is_not_tried_before_its_time(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", method="PUT", status=429, retry_after="60"))
    edit = deliver(wish(running, operator, description="New words"))
    before = len(cloud.log.entries())
    assert deliver(edit).state == State.RETRYING
    assert len(cloud.log.entries()) == before
    assert lanes.due_instances() == []


def test_past_its_deadline_an_edit_fails_with_the_last_reason(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", method="PUT", status=502))
    edit = deliver(wish(running, operator, description="New words"))
    Edit.objects.filter(pk=edit.pk).update(deadline_at=timezone.now())
    due_now(edit)
    last_reason = edit.message
    edit = deliver(edit)
    assert edit.state == State.FAILED
    assert last_reason in edit.message


def test_an_answer_without_spec_is_checked_by_reading(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("missing_fields", method="PUT", fields=("spec",)))
    edit = deliver(wish(running, operator, auto_stop_duration=7_200))
    assert edit.state == State.APPLIED
    assert edit.instance.auto_stop_duration == 7_200


@pytest.mark.parametrize("echo", [False, True])
def test_a_change_that_is_accepted_but_not_made_is_never_called_applied(
    cloud: Emulator, running: Instance, operator: User, echo: bool
) -> None:
    cloud.faults.add(Fault("not_changed", method="PUT", echo=echo))
    edit = wish(running, operator, description="New words")
    for _ in range(delivery.MOST_UNHEEDED):
        assert Edit.objects.get(pk=edit.pk).is_open
        due_now(edit)
        edit = deliver(edit)
    assert edit.state == State.FAILED
    assert "did not take the change" in edit.message
    assert edit.result == {"description": running.description}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"unheeded"}
    assert edit.instance.description == running.description


def test_only_what_was_accepted_in_vain_counts_towards_giving_up(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", method="PUT", status=429, times=5))
    cloud.faults.add(Fault("not_changed", method="PUT", times=1))
    edit = wish(running, operator, description="New words")
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
    edit = deliver(wish(running, operator, description="New words"))
    assert edit.state == State.RETRYING
    cloud.fleet.force(running.instance_id, description="New words")
    due_now(edit)
    assert deliver(edit).state == State.APPLIED
    assert len(puts(cloud, running)) == 1
    assert Lane.objects.get(pk=running.pk).recheck_at is not None


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
    edit = deliver(wish(running, operator, description="New words"))
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
    deliver(wish(running, operator, description="New words"))
    asked = [entry.route for entry in cloud.log.entries()[before:]]
    assert [route for route in asked if route in {"show", "update"}] == [
        "show",
        "update",
        "show",
    ]


@pytest.mark.parametrize(
    "empty_cloud", [{"behaviour": Behaviour(prompt_absent="default")}], indirect=True
)
def test_a_prompt_that_the_cloud_resets_is_put_back(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.fleet.force(running.instance_id, auto_stop={"prompt": False})
    refresh_cloud("demo")
    edit = deliver(wish(running, operator, auto_stop_duration=7_200))
    assert edit.state == State.APPLIED
    assert cloud.fleet.get(running.instance_id).auto_stop.prompt is False
    assert Attempt.objects.count() == 2


def test_a_demoted_person_sends_nothing(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = wish(running, operator, description="New words")
    User.objects.filter(pk=operator.pk).update(role=User.Role.VIEWER)
    edit = deliver(edit)
    assert edit.state == State.CANCELLED
    assert "no longer permitted" in edit.message
    assert puts(cloud, running) == []


def test_demotion_between_reading_and_sending_counts(
    cloud: Emulator,
    running: Instance,
    operator: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edit = wish(running, operator, description="New words")
    genuine = lanes.about_to_send

    def demoted_meanwhile(turn: lanes.Turn, body: dict[str, Any]) -> bool:
        User.objects.filter(pk=operator.pk).update(is_active=False)
        return genuine(turn, body)

    monkeypatch.setattr(lanes, "about_to_send", demoted_meanwhile)
    edit = deliver(edit)
    due_now(edit)
    assert deliver(edit).state == State.CANCELLED
    assert puts(cloud, running) == []


def test_a_taken_lane_is_left_alone(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = wish(running, operator, description="New words")
    assert lanes.claim(running.pk) is not None
    assert deliver(edit).state == State.SENDING
    assert puts(cloud, running) == []


def test_after_a_dead_worker_the_lane_is_taken_over(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = wish(running, operator, description="New words")
    turn = lanes.claim(running.pk)
    assert turn is not None
    assert lanes.about_to_send(turn, {"description": "New words"})
    Lane.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert lanes.due_instances() == []  # the web process has just nudged
    Lane.objects.update(nudged_at=None)
    assert lanes.due_instances() == [running.pk]
    edit = deliver(edit)
    assert edit.state == State.APPLIED
    assert edit.interrupted == 1
    first = Attempt.objects.get(number=1)
    assert (first.outcome, first.ambiguous) == ("interrupted", True)


def test_a_late_worker_finds_its_result_refused(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = wish(running, operator, description="New words")
    late = lanes.claim(running.pk)
    assert late is not None
    Lane.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert deliver(edit).state == State.APPLIED
    stale = recording.Result(fates={late.edits[0]: (State.FAILED, {})})
    assert not lanes.about_to_send(late, {"description": "New words"})
    assert not recording.record(late, stale)
    assert Edit.objects.get(pk=edit.pk).state == State.APPLIED


def test_an_edit_that_kills_its_workers_is_given_up(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = wish(running, operator, description="New words")
    for _ in range(lanes.MOST_INTERRUPTED):
        assert lanes.claim(running.pk) is not None
        Lane.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    edit = deliver(edit)
    assert edit.state == State.FAILED
    assert puts(cloud, running) == []


def test_refused_credentials_hold_the_cloud_not_the_edit(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", status=401, code="APIG.0301"))
    edit = deliver(wish(running, operator, description="New words"))
    assert edit.state == State.RETRYING
    row = Cloud.objects.get(name="demo")
    assert row.held_until is not None
    assert row.held_until > timezone.now()
    before = len(cloud.log.entries())
    due_now(edit)
    assert deliver(edit).state == State.RETRYING
    assert len(cloud.log.entries()) == before


def test_an_expired_token_is_renewed_without_anybody_noticing(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.revoke_tokens()
    edit = deliver(wish(running, operator, description="New words"))
    assert edit.state == State.APPLIED
    assert edit.attempts == 1


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


def test_the_new_duration_counts_once_a_new_run_is_seen(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = deliver(wish(running, operator, auto_stop_duration=10_800))
    # All of it some time ago, since moving the cloud's clock moves its past, too.
    ago = timezone.now() - timedelta(hours=1)
    Edit.objects.update(finished_at=ago)
    Instance.objects.update(run_started_at=ago - timedelta(hours=1))
    edit = Edit.objects.select_related("instance").get(pk=edit.pk)
    for kind in (Edit.Kind.STOP, Edit.Kind.START):
        assert edit.waits_for_next_start
        switch = services.submit_power(instance=running, actor=operator, kind=kind)
        assert deliver(switch).state == State.APPLIED
        cloud.clock.advance(900)
        refresh_cloud("demo")
        edit = Edit.objects.select_related("instance").get(pk=edit.pk)
    assert edit.instance.status == "RUNNING"
    assert not edit.waits_for_next_start
