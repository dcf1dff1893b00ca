"""Who may deliver: one worker at a time, for people who still may."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db.models.functions import Now
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import services
from dashboard.edits.delivery import authorization, due_queues, queue, record
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.emulator import Emulator
from dashboard.instances.models import FleetVersion, Instance

from .deliveries import deliver, due_now, puts, submit

State = Edit.State


def test_a_demoted_person_sends_nothing(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    User.objects.filter(pk=operator.pk).update(role=User.Role.VIEWER)
    edit = deliver(edit)
    assert edit.state == State.CANCELLED
    assert "no longer permitted" in str(edit.message)
    assert puts(cloud, running) == []


def test_demotion_between_reading_and_sending_counts(
    cloud: Emulator,
    running: Instance,
    operator: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edit = submit(running, operator, description="New words")
    genuine = authorization.authorize_request

    def demoted_meanwhile(*arguments: Any) -> bool:
        User.objects.filter(pk=operator.pk).update(is_active=False)
        return genuine(*arguments)

    monkeypatch.setattr(authorization, "authorize_request", demoted_meanwhile)
    edit = deliver(edit)
    due_now(edit)
    assert deliver(edit).state == State.CANCELLED
    assert puts(cloud, running) == []


def test_a_taken_queue_is_left_alone(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    assert queue.claim(running.pk) is not None
    assert deliver(edit).state == State.SENDING
    assert puts(cloud, running) == []


def test_after_a_dead_worker_the_queue_is_taken_over(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    delivery = queue.claim(running.pk)
    assert delivery is not None
    assert authorization.authorize_request(delivery, {"description": "New words"}, {})
    EditQueue.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert due_queues.take_due_queues() == []  # the web process has just enqueued
    EditQueue.objects.update(last_enqueued_at=None)
    assert due_queues.take_due_queues() == [running.pk]
    edit = deliver(edit)
    assert edit.state == State.APPLIED
    assert edit.interrupted == 1
    first = Attempt.objects.get(number=1)
    assert (first.outcome, first.ambiguous) == ("interrupted", True)


def test_a_lease_goes_by_the_clock_of_the_database(
    running: Instance, operator: User
) -> None:
    submit(running, operator, description="New words")
    with time_machine.travel(timezone.now() - timedelta(hours=1)):
        assert queue.claim(running.pk) is not None
    assert EditQueue.objects.filter(lease_until__gt=Now()).exists()


def test_a_late_worker_finds_its_result_refused(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    late = queue.claim(running.pk)
    assert late is not None
    EditQueue.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert deliver(edit).state == State.APPLIED
    stale = record.Report(new_states={late.edits[0]: (State.FAILED, {})})
    assert not authorization.authorize_request(late, {"description": "New words"}, {})
    assert not record.record(late, stale)
    assert Edit.objects.get(pk=edit.pk).state == State.APPLIED


def test_an_edit_that_kills_its_workers_is_given_up(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    for _ in range(queue.MAX_INTERRUPTED):
        assert queue.claim(running.pk) is not None
        EditQueue.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    edit = deliver(edit)
    assert edit.state == State.FAILED
    assert puts(cloud, running) == []


def test_only_what_moves_is_told_to_open_pages(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    deliver(submit(running, operator, description="New words"))
    version = FleetVersion.current()
    # As each drain ends.
    assert queue.claim(running.pk) is None
    assert FleetVersion.current() == version


def test_a_finished_edit_says_so_while_the_instance_is_watched(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    EditQueue.objects.update(recheck_at=timezone.now() - timedelta(seconds=1))
    User.objects.filter(pk=operator.pk).update(role=User.Role.VIEWER)
    before = FleetVersion.current()
    delivery = queue.claim(running.pk)
    assert delivery is not None
    assert delivery.edits == []
    assert FleetVersion.current() > before
    edit.refresh_from_db()
    assert edit.state == State.CANCELLED


def test_the_sweeper_frees_the_queues_of_dead_workers(
    instance: Instance, operator: User
) -> None:
    services.submit_edit(
        instance=instance, actor=operator, patch={"description": "a"}, base={}
    )
    assert queue.claim(instance.pk) is not None
    later = timezone.now() + timedelta(seconds=10)
    EditQueue.objects.update(last_enqueued_at=None, lease_until=later)
    assert due_queues.take_due_queues() == [], "we live"
    EditQueue.objects.update(lease_owner=4711)
    assert due_queues.take_due_queues() == [instance.pk]
