"""Undo, histories, approval and announced stops of bulk changes."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import batches, selectors
from dashboard.edits.delivery import due_queues, queue
from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.plans import BulkChange
from dashboard.edits.services import submit_edit, submit_power
from dashboard.instances.edit_states import EditKind
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance

HOURS = BulkChange(EditKind.UPDATE, {"auto_stop_duration": 28_800})
STOP = BulkChange(EditKind.STOP, {}, reason="Maintenance of the pool")


@pytest.fixture
def fleet(instance: Instance) -> list[Instance]:
    """Four running instances whose run time is four hours."""
    more = [make_instance(cloud=instance.cloud) for _ in range(3)]
    Instance.objects.update(auto_stop_enable=True, auto_stop_duration=14_400)
    return [instance, *more]


@pytest.fixture
def as_admin(admin: User) -> Client:
    """The browser of an admin."""
    client = Client()
    client.force_login(admin)
    return client


def draft(fleet: list[Instance], actor: User, change: BulkChange) -> EditBatch:
    pks = [instance.pk for instance in fleet]
    batch = batches.draft_batch(actor=actor, selection=pks, source=verbatim("test"))
    return batches.preview_batch(batch=batch, change=change)


def confirm(batch: EditBatch) -> EditBatch:
    return batches.confirm_batch(batch=batch, preview=batches.preview_of(batch))


def end(batch: EditBatch, state: str, *instances: Instance, **mirror: Any) -> None:
    """Bring the edits of a batch to their end, and the mirror with them."""
    edits = batch.edits.filter(instance__in=instances)
    edits.update(state=state, finished_at=timezone.now())
    pks = [instance.pk for instance in instances]
    Instance.objects.filter(pk__in=pks).update(**mirror)


def text(client: Client, url: str) -> str:
    return " ".join(client.get(url, follow=True).content.decode().split())


def test_an_undo_previews_former_values_and_skips_what_others_changed(
    fleet: list[Instance], operator: User, admin: User, as_operator: Client
) -> None:
    batch = confirm(draft(fleet, operator, HOURS))
    end(batch, "applied", *fleet, auto_stop_duration=28_800)
    first = Instance.objects.get(pk=fleet[0].pk)
    submit_edit(
        instance=first,
        actor=admin,
        patch={"auto_stop_duration": 7_200},
        base={"auto_stop_duration": 28_800},
    )
    Instance.objects.filter(pk=fleet[1].pk).update(auto_stop_duration=3_600)
    assert "undo-button" in text(as_operator, batch.get_absolute_url())
    response = as_operator.post(reverse("edits:undo_batch", args=[batch.pk]))
    undo = EditBatch.objects.get(undo_of=batch)
    assert response["Location"] == undo.get_absolute_url()
    page = text(as_operator, undo.get_absolute_url())
    assert "Changed by admin since then." in page
    assert "Changed outside Curfew since then." in page
    assert "Choose another action" not in page
    undo = confirm(undo)
    made = undo.edits.get(instance=fleet[2])
    assert made.patch == {"auto_stop_duration": 14_400}
    assert made.base == {"auto_stop_duration": 28_800}
    assert made.undo_of == batch.edits.get(instance=fleet[2])
    assert undo.edits.count() == 2
    assert "Undone</a> by <bdi>operator" in text(as_operator, batch.get_absolute_url())
    # A retry of the undo undoes, too.
    end(undo, "failed", *fleet[2:])
    again = confirm(batches.retry_failed(batch=undo, actor=operator))
    assert (again.retry_of, again.undo_of) == (undo, batch)
    assert {edit.patch["auto_stop_duration"] for edit in again.edits.all()} == {14_400}


def test_a_stopped_batch_offers_to_start_again_what_ran(
    fleet: list[Instance], operator: User, as_operator: Client
) -> None:
    batch = confirm(draft(fleet, operator, STOP))
    now = timezone.now()
    end(batch, "applied", *fleet, status="STOPPED", status_since=now)
    Instance.objects.filter(pk=fleet[0].pk).update(
        status_since=now + timedelta(hours=1)
    )
    page = text(as_operator, batch.get_absolute_url())
    assert "Start them again" in page
    assert "Maintenance of the pool" in page
    undo = confirm(batches.undo_batch(batch=batch, actor=operator))
    assert (undo.kind, undo.edits.count()) == (EditKind.START, 3)


def test_an_undo_that_is_confirmed_late_reaches_no_other_run(
    fleet: list[Instance], operator: User
) -> None:
    Instance.objects.update(status="STOPPED", status_since=timezone.now())
    batch = confirm(draft(fleet, operator, BulkChange(EditKind.START, {})))
    now = timezone.now()
    end(batch, "applied", *fleet, status="RUNNING", status_since=now)
    undo = batches.undo_batch(batch=batch, actor=operator)
    assert len(undo.plan) == 4
    # Someone stops and starts one before the confirmation, or the approval.
    later = now + timedelta(hours=1)
    Instance.objects.filter(pk=fleet[0].pk).update(status_since=later)
    undo = confirm(undo)
    assert set(undo.edits.values_list("instance", flat=True)) == {
        instance.pk for instance in fleet[1:]
    }
    assert {edit.undo_of for edit in undo.edits.all()} < {*batch.edits.all()}


def test_a_batch_and_its_retries_are_one_history(
    fleet: list[Instance], operator: User, as_operator: Client
) -> None:
    batch = confirm(draft(fleet, operator, HOURS))
    end(batch, "applied", fleet[0])
    end(batch, "failed", *fleet[1:])
    second = confirm(batches.retry_failed(batch=batch, actor=operator))
    end(second, "applied", fleet[1])
    end(second, "failed", *fleet[2:])
    third = confirm(batches.retry_failed(batch=second, actor=operator))
    assert third.retry_of == second.retry_of == batch
    end(third, "cancelled", *fleet[2:])
    progress = selectors.progress(batch, of_history=True)
    assert progress.states == {"applied": 2, "cancelled": 2}
    listed = text(as_operator, reverse("edits:batches"))
    assert listed.count("data-row-link") == 1
    assert "SCAN" not in selectors.edits_of_history(third).explain()
    page = text(as_operator, third.get_absolute_url())
    assert page.count("Retried by") == 2
    assert "Cancelled: 2 changed, 2 not sent." in page
    Edit.objects.filter(batch=third, instance=fleet[3]).update(attempt_count=1)
    assert "1 not sent, 1 cancelled while retrying" in text(
        as_operator, batch.get_absolute_url()
    )


def test_many_instances_or_the_whole_fleet_ask_for_their_number(
    fleet: list[Instance], operator: User, as_operator: Client, settings: Any
) -> None:
    def confirmed(batch: EditBatch, number: str) -> int:
        url = reverse("edits:bulk_confirm", args=[batch.pk])
        data = {"preview": batches.preview_of(batch), "number": number}
        return as_operator.post(url, data).status_code

    fleet.append(make_instance(cloud=fleet[0].cloud))
    Instance.objects.update(auto_stop_enable=True, auto_stop_duration=14_400)
    whole = draft(fleet, operator, HOURS)
    assert (confirmed(whole, ""), confirmed(whole, "3")) == (422, 422)
    some = draft(fleet[:2], operator, HOURS)
    settings.CURFEW = settings.CURFEW.model_copy(update={"bulk_confirm_above": 1})
    assert confirmed(some, "") == 422
    settings.CURFEW = settings.CURFEW.model_copy(update={"bulk_confirm_above": 2})
    assert confirmed(some, "") == 303
    assert confirmed(whole, " 5 ") == 303


def test_another_person_approves_a_large_batch_and_its_author_never(
    fleet: list[Instance],
    operator: User,
    admin: User,
    scientist: User,
    as_operator: Client,
    as_admin: Client,
    settings: Any,
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"bulk_approval_above": 2})
    batch = draft(fleet, operator, HOURS)
    url, preview = batch.get_absolute_url(), batches.preview_of(batch)
    assert as_admin.get(url).status_code == 404
    assert "Another person must approve this." in text(as_operator, url)
    data = {"preview": preview, "number": "4"}
    settings.CURFEW = settings.CURFEW.model_copy(update={"bulk_confirm_above": 3})
    as_operator.post(reverse("edits:bulk_confirm", args=[batch.pk]), data)
    batch.refresh_from_db()
    assert not batch.edits.exists()
    assert list(selectors.batches_waiting_for_approval(timezone.now())) == [batch]
    assert "Waiting for approval" in text(as_admin, reverse("edits:batches"))
    approve = reverse("edits:bulk_approve", args=[batch.pk])
    assert as_operator.post(approve, data).status_code == 403
    with pytest.raises(PermissionDenied):
        batches.approve_batch(batch=batch, actor=operator, preview=preview)
    # A scientist who owns only some of them may not, either.
    Instance.objects.filter(pk=fleet[3].pk).update(owner_name="tom.becker")
    with pytest.raises(PermissionDenied):
        batches.approve_batch(batch=batch, actor=scientist, preview=preview)
    as_admin.post(reverse("edits:bulk_decline", args=[batch.pk]))
    assert "Declined</strong> by <bdi>admin" in text(as_operator, url)
    confirm(batch)
    assert "Approve:" in text(as_admin, url)
    assert as_admin.post(approve, data | {"number": "3"}).status_code == 422
    assert as_admin.post(approve, data)["Location"] == reverse(
        "edits:batch", args=[batch.pk]
    )
    batch.refresh_from_db()
    assert (batch.decided_by, batch.edits.count()) == (admin, 4)
    assert {edit.actor for edit in batch.edits.all()} == {operator}
    assert "Approved by <bdi>admin" in text(as_operator, batch.get_absolute_url())
    actions = AuditEvent.objects.filter(target_id=str(batch.pk)).order_by("pk")
    assert [event.action.partition(".")[2] for event in actions] == [
        *("approval_asked", "declined", "approval_asked", "approved", "submitted")
    ]
    # Nobody has approved what was declined, and is small enough by now.
    small = confirm(draft(fleet[:3], operator, STOP))
    batches.decline_batch(batch=small, actor=admin)
    settings.CURFEW = settings.CURFEW.model_copy(update={"bulk_approval_above": 3})
    small = confirm(small)
    assert (small.edits.count(), small.decided_by) == (3, None)
    settings.CURFEW = settings.CURFEW.model_copy(update={"bulk_approval_above": 2})
    batches.cancel_waiting(batch=small, actor=operator)
    late = confirm(draft(fleet[:3], operator, STOP))
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert not batches.is_waiting(late)
        with pytest.raises(batches.BatchError):
            batches.approve_batch(
                batch=late, actor=admin, preview=batches.preview_of(late)
            )


def test_announced_stops_wait_can_be_cancelled_and_do_not_reach_another_run(
    fleet: list[Instance], operator: User, admin: User, as_operator: Client
) -> None:
    batch = confirm(draft(fleet, operator, STOP._replace(warns_owners=True)))
    stop, other, third, fourth = batch.edits.order_by("pk", "instance")[:4]
    assert stop.not_before is not None
    assert stop.deadline_at - stop.not_before >= timedelta(minutes=15)
    assert not stop.is_under_way
    assert stop in selectors.announced_stops(timezone.now())
    assert "Announced." in text(as_operator, batch.get_absolute_url())
    assert due_queues.take_due_queues() == []
    # A change of settings passes it, another stop replaces it.
    update = submit_edit(
        instance=stop.instance,
        actor=admin,
        patch={"description": "new"},
        base={"description": stop.instance.description},
    )
    delivery = queue.claim(stop.instance_id)
    assert delivery is not None
    assert delivery.edits == [update]
    now = submit_power(instance=other.instance, actor=admin, kind=EditKind.STOP)
    delivery = queue.claim(other.instance_id)
    assert delivery is not None
    assert delivery.edits == [now]
    other.refresh_from_db()
    assert (other.state, other.superseded_by) == ("superseded", now)
    Edit.objects.filter(pk__in=[third.pk, fourth.pk]).update(
        not_before=timezone.now() - timedelta(seconds=2)
    )
    assert set(due_queues.take_due_queues()) == {third.instance_id, fourth.instance_id}
    Instance.objects.filter(pk=third.instance_id).update(
        run_started_at=timezone.now() + timedelta(minutes=1)
    )
    assert queue.claim(third.instance_id) is None
    third.refresh_from_db()
    assert "new run has started" in str(third.message)
    delivery = queue.claim(fourth.instance_id)
    assert delivery is not None
    assert delivery.edits == [fourth]
    assert batches.cancel_waiting(batch=batch, actor=operator) == 1


def test_more_stops_than_sqlite_takes_conditions_can_be_cancelled_at_once(
    instance: Instance, operator: User
) -> None:
    fleet = [instance, *(make_instance(cloud=instance.cloud) for _ in range(1_000))]
    batch = confirm(draft(fleet, operator, STOP._replace(warns_owners=True)))
    assert batches.cancel_waiting(batch=batch, actor=operator) == 1_001
