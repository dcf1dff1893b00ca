"""A write whose end is unknown may land after a newer one; it is put right."""

import pytest

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import services
from dashboard.edits.delivery import due_queues, queue, send
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Instance

from .deliveries import a_second_ago, make_recheck_due


@pytest.fixture
def landed_late(cloud: Emulator, running: Instance, operator: User) -> Instance:
    """The cloud shows an older change although a newer one was applied and verified."""
    cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
    older, newer = (
        services.submit_edit(
            instance=running,
            actor=operator,
            patch={"description": text},
            base={"description": seen},
        )
        for text, seen in [("older", running.description), ("newer", "older")]
    )
    Edit.objects.filter(pk=newer.pk).update(state=Edit.State.CANCELLED)
    send.drain(running.pk)  # sends the older one; the answer is 504
    Edit.objects.filter(pk=newer.pk).update(state=Edit.State.QUEUED)
    EditQueue.objects.update(next_at=None)
    send.drain(running.pk)
    assert Edit.objects.get(pk=older.pk).state == Edit.State.SUPERSEDED
    assert Edit.objects.get(pk=newer.pk).state == Edit.State.APPLIED
    cloud.land_late_writes()
    assert cloud.fleet.get(running.instance_id).description == "older"
    return running


def test_the_instance_is_watched_after_the_late_write(landed_late: Instance) -> None:
    edit_queue = EditQueue.objects.get(pk=landed_late.pk)
    assert edit_queue.recheck_at is not None
    assert edit_queue.late_write_until is not None
    assert due_queues.take_due_queues() == [], "not before its time"
    make_recheck_due()
    assert due_queues.take_due_queues() == [landed_late.pk]


def test_the_newest_change_is_sent_again_and_audited(
    cloud: Emulator, landed_late: Instance
) -> None:
    make_recheck_due()
    send.drain(landed_late.pk)
    assert cloud.fleet.get(landed_late.instance_id).description == "newer"
    event = AuditEvent.objects.get(action="edit.repaired")
    assert (event.before, event.after) == (
        {"description": "older"},
        {"description": "newer"},
    )
    landed_late.refresh_from_db()
    assert landed_late.description == "newer"


def test_an_undo_is_told_even_when_it_cannot_be_read_back(
    cloud: Emulator, landed_late: Instance
) -> None:
    cloud.faults.add(Fault("drop", route="show", nth=2))
    make_recheck_due()
    send.drain(landed_late.pk)
    assert cloud.fleet.get(landed_late.instance_id).description == "newer"
    assert AuditEvent.objects.filter(action="edit.repaired").count() == 1
    assert EditQueue.objects.get(pk=landed_late.pk).undo_count == 1


def test_it_is_not_fought_for_ever(cloud: Emulator, landed_late: Instance) -> None:
    for _ in range(queue.MAX_UNDOS + 2):
        cloud.fleet.force(landed_late.instance_id, description="older")
        make_recheck_due()
        send.drain(landed_late.pk)
    undos = AuditEvent.objects.filter(action="edit.repaired")
    assert undos.count() == queue.MAX_UNDOS


def test_a_strangers_value_is_shown_not_fought(
    cloud: Emulator, landed_late: Instance
) -> None:
    cloud.fleet.force(landed_late.instance_id, description="From the console")
    make_recheck_due()
    send.drain(landed_late.pk)
    assert cloud.fleet.get(landed_late.instance_id).description == "From the console"
    landed_late.refresh_from_db()
    assert landed_late.description == "From the console"


def test_nothing_is_undone_for_who_lost_the_right(
    cloud: Emulator, landed_late: Instance
) -> None:
    User.objects.update(role=User.Role.VIEWER)
    make_recheck_due()
    send.drain(landed_late.pk)
    assert cloud.fleet.get(landed_late.instance_id).description == "older"


def test_once_undone_it_is_left_alone(landed_late: Instance) -> None:
    make_recheck_due()
    send.drain(landed_late.pk)  # puts it right
    over = a_second_ago()
    EditQueue.objects.update(recheck_at=over, late_write_until=over)
    send.drain(landed_late.pk)
    edit_queue = EditQueue.objects.get(pk=landed_late.pk)
    assert (edit_queue.recheck_at, edit_queue.late_write_until) == (None, None)
    assert edit_queue.desired == {}
