"""Many edits at once: draft, preview, confirmation, second thoughts."""

from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import batches, dispatch, messages, services
from dashboard.edits.delivery import due_queues, send
from dashboard.edits.models import Edit, EditBatch, EditQueue
from dashboard.edits.plans import BulkChange
from dashboard.emulator import Emulator
from dashboard.instances.models import FleetVersion, Instance
from dashboard.policies.models import Rule
from dashboard.web.stored_messages import Message
from tests import factories

OFF = BulkChange(Edit.Kind.UPDATE, {"auto_stop_enable": False})
SIX_HOURS = BulkChange(
    Edit.Kind.UPDATE, {"auto_stop_enable": True, "auto_stop_duration": 6 * 3600}
)
KEEP = BulkChange(Edit.Kind.UPDATE, {"auto_stop_enable": True}, keeps_hours=True)
STOP, START = BulkChange(Edit.Kind.STOP, {}), BulkChange(Edit.Kind.START, {})
pytestmark = pytest.mark.usefixtures("enqueue")


def preview(actor: User, change: BulkChange, *instances: Instance) -> EditBatch:
    batch = batches.draft_batch(
        actor=actor, selection=[one.pk for one in instances], source=messages.SELECTED()
    )
    return batches.preview_batch(batch=batch, change=change)


def confirm(batch: EditBatch) -> EditBatch:
    return batches.confirm_batch(batch=batch, preview=batches.preview_of(batch))


def reasons(batch: EditBatch) -> list[str]:
    return list(map(str, batch.skips.values_list("reason", flat=True)))


def test_a_batch_is_many_edits_like_any_other(
    operator: User, enqueue: Mock, django_capture_on_commit_callbacks: Any
) -> None:
    many = [factories.make_instance() for _ in range(3)]
    services.submit_edit(
        instance=many[0], actor=operator, patch={"description": "x"}, base={}
    )
    version = FleetVersion.current()
    with django_capture_on_commit_callbacks(execute=True):
        batch = confirm(preview(operator, SIX_HOURS, *many))
    enqueue.assert_called_once_with(dispatch.SWEEP, expires_seconds=1)
    edits = list(batch.edits.order_by("instance_id"))
    assert [edit.seq for edit in edits] == [2, 1, 1]
    # What is so already is not sent: only what changes.
    assert all(edit.patch == {"auto_stop_duration": 6 * 3600} for edit in edits)
    assert all(edit.base == {"auto_stop_duration": 8 * 3600} for edit in edits)
    assert set(EditQueue.objects.values_list("next_seq", flat=True)) == {3, 2}
    assert set(due_queues.take_due_queues()) == {one.pk for one in many}
    events = AuditEvent.objects.filter(action="edit.submitted")
    ids = set(events.values_list("target_id", flat=True))
    assert ids >= {str(edit.pk) for edit in edits}
    assert AuditEvent.objects.get(action="batch.submitted").actor == operator
    assert FleetVersion.current() > version
    versions = set(Instance.objects.values_list("version", flat=True))
    assert versions == {FleetVersion.current()}


def test_who_is_left_out_and_why(scientist: User) -> None:
    gone = timezone.now()
    fine = factories.make_instance()
    left_out = [
        factories.make_instance(owner_name="li.wei", owner_id="b" * 32),
        factories.make_instance(auto_stop_enable=False),
        factories.make_instance(missing_since=gone),
        factories.make_instance(status="DELETED"),
    ]
    batch = preview(scientist, OFF, fine, *left_out)
    assert [item["pk"] for item in batch.plan] == [fine.pk]
    skips = {skip.instance_id: str(skip.reason) for skip in batch.skips.all()}
    assert skips[left_out[0].pk] == str(messages.NOT_YOURS())
    assert skips[left_out[1].pk] == str(messages.ALREADY_SET())
    assert "no longer lists" in skips[left_out[2].pk]
    assert "deleted" in skips[left_out[3].pk]


def test_wrong_states_of_starts_and_stops(operator: User) -> None:
    runs = factories.make_instance()
    rests = factories.make_instance(status="STOPPED")
    starts = factories.make_instance(status="STARTING")
    batch = preview(operator, STOP, runs, rests, starts)
    assert [item["pk"] for item in batch.plan] == [runs.pk]
    assert any("already stopped" in reason for reason in reasons(batch))
    assert any("“Starting”" in reason for reason in reasons(batch))
    confirm(batch)
    again = preview(operator, STOP, runs)
    assert (again.plan, reasons(again)) == ([], [str(messages.ALREADY_PENDING())])
    assert [item["pk"] for item in preview(operator, START, runs, rests).plan] == [
        rests.pk
    ]


def test_each_keeps_its_hours_unless_it_has_none(operator: User) -> None:
    fine = factories.make_instance(auto_stop_enable=False)
    lacks = factories.make_instance(auto_stop_enable=False, auto_stop_duration=None)
    batch = preview(operator, KEEP, fine, lacks)
    assert [item["patch"] for item in batch.plan] == [{"auto_stop_enable": True}]
    assert reasons(batch) == [str(messages.NO_RUN_TIME())]


def test_open_edits_count_as_done(operator: User, instance: Instance) -> None:
    confirm(preview(operator, OFF, instance))
    batch = preview(operator, OFF, instance)
    assert (batch.plan, reasons(batch)) == ([], [str(messages.ALREADY_SET())])


def test_a_rule_leaves_out_whom_it_concerns(operator: User, instance: Instance) -> None:
    Rule.objects.create(name="On", reason="Money.", kind="auto_stop", mode="enforce")
    batch = preview(operator, OFF, instance)
    assert batch.plan == []
    assert reasons(batch) == ["Policy “On”: Auto-stop is off."]


def test_confirming_twice_is_confirming_once(
    operator: User, instance: Instance
) -> None:
    batch = preview(operator, OFF, instance)
    assert confirm(batch) == confirm(batch)
    assert Edit.objects.count() == 1


def test_what_changed_since_the_preview_is_left_out(operator: User) -> None:
    same, other, gone = (factories.make_instance() for _ in range(3))
    batch = preview(operator, SIX_HOURS, same, other, gone)
    Instance.objects.filter(pk=other.pk).update(auto_stop_duration=3600)
    Instance.objects.filter(pk=gone.pk).update(missing_since=timezone.now())
    confirm(batch)
    assert [edit.instance for edit in batch.edits.all()] == [same]
    assert str(messages.CHANGED_SINCE()) in reasons(batch)
    assert len(reasons(batch)) == 2


def test_another_preview_or_nothing_left_is_not_confirmed(
    operator: User, instance: Instance
) -> None:
    batch = preview(operator, OFF, instance)
    seen = batches.preview_of(batch)
    batch = batches.preview_batch(batch=batch, change=SIX_HOURS)
    with pytest.raises(batches.BatchError, match="out of date"):
        batches.confirm_batch(batch=batch, preview=seen)
    Instance.objects.update(missing_since=timezone.now())
    with pytest.raises(batches.BatchError, match="Nothing is left"):
        confirm(batch)
    batch.refresh_from_db()
    assert batch.confirmed_at is None
    assert not Edit.objects.exists()


def test_rights_are_checked_again_at_the_confirmation(
    scientist: User, instance: Instance
) -> None:
    batch = preview(scientist, OFF, instance)
    scientist.role = User.Role.VIEWER
    scientist.save()
    batch = EditBatch.objects.get(pk=batch.pk)
    with pytest.raises(PermissionDenied):
        confirm(batch)
    assert not Edit.objects.exists()


def test_nothing_too_much_and_not_allowed(operator: User, viewer: User) -> None:
    with pytest.raises(batches.BatchError, match="No instances selected"):
        batches.draft_batch(actor=operator, selection=[], source=Message())
    with pytest.raises(batches.BatchError, match="10001 instances"):
        batches.draft_batch(actor=operator, selection=range(10_001), source=Message())
    with pytest.raises(PermissionDenied):
        batches.draft_batch(actor=viewer, selection=[1], source=Message())


def test_a_confirmed_batch_takes_no_other_change(
    operator: User, instance: Instance
) -> None:
    batch = confirm(preview(operator, OFF, instance))
    with pytest.raises(batches.BatchError, match="Already confirmed"):
        batches.preview_batch(batch=batch, change=SIX_HOURS)


def test_old_drafts_are_forgotten(operator: User, instance: Instance) -> None:
    old = preview(operator, OFF, instance)
    EditBatch.objects.update(created_at=timezone.now() - 2 * batches.DRAFTS_STAY)
    done = confirm(preview(operator, OFF, instance))
    EditBatch.objects.filter(pk=done.pk).update(created_at=old.created_at)
    preview(operator, OFF, instance)
    kept = set(EditBatch.objects.values_list("pk", flat=True))
    assert old.pk not in kept
    assert done.pk in kept


def test_what_waits_is_taken_back_and_what_is_on_its_way_is_not(
    operator: User,
) -> None:
    many = [factories.make_instance() for _ in range(3)]
    batch = confirm(preview(operator, OFF, *many))
    on_its_way = batch.edits.get(instance=many[0])
    Edit.objects.filter(pk=on_its_way.pk).update(state="sending")
    assert batches.cancel_waiting(batch=batch, actor=operator) == 2
    states = dict(batch.edits.values_list("instance", "state"))
    assert states == {
        many[0].pk: "sending",
        many[1].pk: "cancelled",
        many[2].pk: "cancelled",
    }
    assert AuditEvent.objects.filter(action="edit.cancelled").count() == 2
    assert batches.cancel_waiting(batch=batch, actor=operator) == 0


def test_nobody_takes_back_what_is_not_theirs(operator: User, stranger: User) -> None:
    batch = confirm(preview(operator, OFF, factories.make_instance()))
    assert batches.cancel_waiting(batch=batch, actor=stranger) == 0


def test_what_failed_is_previewed_anew(operator: User) -> None:
    many = [factories.make_instance() for _ in range(3)]
    batch = confirm(preview(operator, OFF, *many))
    with pytest.raises(batches.BatchError):
        batches.retry_failed(batch=batch, actor=operator)
    Edit.objects.filter(instance=many[0]).update(state="failed")
    Edit.objects.filter(instance=many[1]).update(state="conflict")
    Edit.objects.filter(instance=many[2]).update(state="applied")
    again = batches.retry_failed(batch=batch, actor=operator)
    assert again.retry_of == batch
    assert {item["pk"] for item in again.plan} == {many[0].pk, many[1].pk}
    assert confirm(again).edits.count() == 2


def test_a_thousand_need_no_more_queries_than_ten(
    operator: User, django_assert_max_num_queries: Any, settings: Any
) -> None:
    cloud = factories.make_cloud()

    def fleet(size: int) -> list[Instance]:
        return [factories.make_instance(cloud=cloud) for _ in range(size)]

    for many in (fleet(10), fleet(300)):
        with django_assert_max_num_queries(30):
            batch = preview(operator, OFF, *many)
        with django_assert_max_num_queries(40):
            confirm(batch)
        assert batch.edits.count() == len(many)


def test_the_last_of_many_has_time_to_wait_for_its_turn(
    operator: User, settings: Any
) -> None:
    many = [factories.make_instance() for _ in range(40)]
    settings.CURFEW.upstream_rate = 0.01
    try:
        batch = confirm(preview(operator, OFF, *many))
    finally:
        settings.CURFEW.upstream_rate = 10
    edit = batch.edits.first()
    assert edit
    patience = (edit.deadline_at - edit.created_at).total_seconds()
    assert patience > settings.CURFEW.edit_deadline_seconds + 40 * 2 / 0.01


def test_delivered_to_the_cloud(cloud: Emulator, operator: User) -> None:
    many = list(Instance.objects.filter(status="STOPPED")[:5])
    batch = confirm(preview(operator, SIX_HOURS, *many))
    for pk in due_queues.take_due_queues():
        send.drain(pk)
    assert set(batch.edits.values_list("state", flat=True)) == {"applied"}
    for edit in batch.edits.select_related("instance"):
        assert edit.instance.auto_stop_duration == 6 * 3600
        assert edit.instance.auto_stop_enable is True


def test_of_a_batch_the_runs_that_end_first_come_first(operator: User) -> None:
    """An extension that waits behind others would come after the end of its run."""
    now = timezone.now()
    minutes = [(7 * number) % 25 + 1 for number in range(25)]
    by_end = {
        end: factories.make_instance(stops_at=now + timedelta(minutes=end))
        for end in minutes
    }
    confirm(preview(operator, OFF, *by_end.values()))
    soonest = [by_end[end].pk for end in sorted(by_end)]
    assert due_queues.take_due_queues() == soonest[:10]


def test_the_sweeper_hands_out_what_the_cloud_can_answer(operator: User) -> None:
    many = [factories.make_instance() for _ in range(25)]
    confirm(preview(operator, OFF, *many))
    first, second = due_queues.take_due_queues(), due_queues.take_due_queues()
    assert len(first) == len(second) == 10
    assert not set(first) & set(second)
