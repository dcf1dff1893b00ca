"""Delivery when the cloud fails: what is tried again, when, and until when."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.delivery import due_queues
from dashboard.edits.models import Attempt, Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.refresh import refresh_cloud

from .deliveries import deliver, due_now, puts, submit

State = Edit.State


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
def test_an_ambiguous_end_is_resolved_by_reading_not_by_sending_twice(
    cloud: Emulator, running: Instance, operator: User, fault: Fault
) -> None:
    cloud.faults.add(fault)
    edit = deliver(submit(running, operator, description="New words"))
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
    edit = deliver(submit(running, operator, description="New words"))
    assert edit.state == State.RETRYING
    edit_queue = EditQueue.objects.get(pk=running.pk)
    assert edit_queue.next_at is not None
    Edit.objects.update(error_code="APIG.0203", error_message="Backend timeout.")
    if fault.retry_after:
        assert edit_queue.next_at - timezone.now() > timedelta(seconds=5)
    due_now(edit)
    edit = deliver(edit)
    assert edit.state == State.APPLIED
    assert (edit.error_code, edit.error_message) == ("", "")
    assert len(puts(cloud, running)) == 2


def test_it_is_not_tried_before_its_time(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", method="PUT", status=429, retry_after="60"))
    edit = deliver(submit(running, operator, description="New words"))
    before = len(cloud.log.entries())
    assert deliver(edit).state == State.RETRYING
    assert len(cloud.log.entries()) == before
    assert due_queues.take_due_queues() == []


def test_past_its_deadline_an_edit_fails_with_the_last_reason(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", method="PUT", status=502))
    edit = deliver(submit(running, operator, description="New words"))
    Edit.objects.filter(pk=edit.pk).update(deadline_at=timezone.now())
    due_now(edit)
    last_reason = str(edit.message)
    edit = deliver(edit)
    assert edit.state == State.FAILED
    assert last_reason in str(edit.message)


def test_refused_credentials_hold_the_cloud_not_the_edit(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", status=401, code="APIG.0301"))
    edit = deliver(submit(running, operator, description="New words"))
    assert edit.state == State.RETRYING
    row = Cloud.objects.get(name="demo")
    assert row.held_until is not None
    assert row.held_until > timezone.now()
    before = len(cloud.log.entries())
    due_now(edit)
    assert deliver(edit).state == State.RETRYING
    assert len(cloud.log.entries()) == before


def test_a_clouds_file_with_a_mistake_holds_the_cloud_until_it_is_corrected(
    cloud: Emulator, running: Instance, operator: User, tmp_path: Path
) -> None:
    path = tmp_path / "clouds.yaml"
    right = path.read_text()
    path.write_text(right + "\t")
    edit = deliver(submit(running, operator, description="New words"))
    assert edit.state == State.RETRYING
    assert "clouds.yaml cannot be read: line" in str(edit.message)
    row = Cloud.objects.get(name="demo")
    assert "clouds.yaml cannot be read: line" in str(row.hold_reason)
    path.write_text(right)
    refresh_cloud("demo")
    due_now(edit)
    assert deliver(edit).state == State.APPLIED


def test_an_old_token_that_is_refused_by_another_status_is_renewed(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.faults.add(Fault("status", status=400, code="ModelArts.6401", times=1))
    before = len(cloud.log.entries(route="token.issue"))
    edit = deliver(submit(running, operator, description="New words"))
    assert edit.state == State.APPLIED
    assert len(cloud.log.entries(route="token.issue")) == before + 1


def test_an_expired_token_is_renewed_without_anybody_noticing(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    cloud.iam.revoke_all()
    edit = deliver(submit(running, operator, description="New words"))
    assert edit.state == State.APPLIED
    assert edit.attempt_count == 1
