"""Deadlines are kept by the sweep, without the cloud, all at once."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import deadlines, outcome_text, tasks
from dashboard.edits.delivery import authorization, queue
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.emulator import Emulator
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance

from .deliveries import a_second_ago, puts, submit

State = Edit.State


def hold(cloud: Cloud) -> None:
    """Its sign-in hangs: one queue at a time is let through, as the probe."""
    now = timezone.now()
    Cloud.objects.filter(pk=cloud.pk).update(
        failures=9,
        held_since=now,
        held_until=now + timedelta(minutes=5),
        hold_reason=verbatim("It refuses the credentials."),
    )


def test_all_that_is_overdue_ends_in_one_sweep_though_the_cloud_is_held(
    cloud_row: Cloud, operator: User
) -> None:
    edits = [
        submit(make_instance(cloud=cloud_row), operator, description=f"text {number}")
        for number in range(40)
    ]
    hold(cloud_row)
    assert deadlines.fail_past_deadline() == 0, "not before their time"
    Edit.objects.update(
        deadline_at=a_second_ago(), message=verbatim("It does not answer.")
    )
    version = FleetVersion.current()
    tasks.sweep_due_edits()
    assert set(Edit.objects.values_list("state", flat=True)) == {"failed"}
    failed = Edit.objects.get(pk=edits[0].pk)
    assert str(failed.message) == "Not delivered in time. It does not answer."
    assert failed.finished_at
    assert AuditEvent.objects.filter(action="edit.failed").count() == 40
    assert FleetVersion.current() > version


def test_how_many_there_are_makes_no_more_statements(
    cloud_row: Cloud, operator: User
) -> None:
    counted = []
    for number in (5, 40):
        for _ in range(number):
            submit(make_instance(cloud=cloud_row), operator, description="text")
        Edit.objects.filter(state="queued").update(deadline_at=a_second_ago())
        with CaptureQueriesContext(connection) as captured:
            assert deadlines.fail_past_deadline() == number
        counted.append(len(captured))
    assert counted[0] == counted[1]


def test_one_that_is_being_sent_is_left_to_its_worker(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    assert queue.claim(running.pk) is not None
    Edit.objects.update(deadline_at=a_second_ago())
    assert deadlines.fail_past_deadline() == 0
    edit.refresh_from_db()
    assert edit.state == State.SENDING


def test_one_whose_worker_died_ends_and_is_looked_for(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    edit = submit(running, operator, description="New words")
    delivery = queue.claim(running.pk)
    assert delivery is not None
    before = {"description": running.description}
    assert authorization.authorize_request(
        delivery, {"description": "New words"}, before
    )
    Edit.objects.update(deadline_at=a_second_ago())
    EditQueue.objects.update(lease_until=a_second_ago())
    assert deadlines.fail_past_deadline() == 1
    edit.refresh_from_db()
    assert (edit.state, edit.outcome) == ("failed", Edit.Outcome.UNCONFIRMED)
    assert Attempt.objects.get().ambiguous
    edit_queue = EditQueue.objects.get()
    assert edit_queue.late_write_until
    assert edit_queue.desired["description"] == [
        running.description,
        delivery.attempt.number,
    ]
    assert puts(cloud, running) == []


def test_a_held_change_says_that_it_is_held_and_until_when_it_is_tried(
    cloud_row: Cloud, operator: User, instance: Instance
) -> None:
    edit = submit(instance, operator, description="text")
    hold(cloud_row)
    edit = Edit.objects.select_related("instance__cloud").get(pk=edit.pk)
    text = outcome_text.sentence(edit)
    assert text.startswith(f"Changes to {cloud_row.name} paused since ")
    assert text.endswith("It refuses the credentials.")
    assert f"until {timezone.localtime(edit.deadline_at):%H:%M}" in text
    assert "within seconds" not in text
    edit.message = verbatim("It refused them.")
    assert "the credentials" not in outcome_text.sentence(edit)
