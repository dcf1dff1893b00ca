"""A renewal is applied late, after its edit has ended.

The emulator answers 504 and applies the request when the test says so. The cloud counts
the duration from that moment, so a late end is later than the requested one.
"""

import pytest

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import deadlines, extension, leases, services
from dashboard.edits.delivery import queue
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Instance

from .conftest import NOTEBOOKS
from .deliveries import (
    a_second_ago,
    deliver,
    due_now,
    end_ms,
    extend,
    mirrored,
    recheck,
    renewals,
    sentence_of,
    submit,
)

State, Outcome = Edit.State, Edit.Outcome
LATE_SECONDS = 40

pytestmark = NOTEBOOKS


@pytest.fixture
def unconfirmed(cloud: Emulator, notebook: Instance, operator: User) -> Edit:
    """An extension to 4 h from now whose PATCH was answered with 504."""
    cloud.faults.add(Fault("late", route="notebooks.renew", seconds=3600, times=1))
    edit = deliver(extend(notebook, operator, 4))
    assert (edit.state, edit.outcome) == (State.RETRYING, Outcome.UNCONFIRMED)
    return edit


def land(cloud: Emulator, notebook: Instance) -> None:
    """Let the renewal take effect late, and the watch see it."""
    cloud.clock.advance(LATE_SECONDS)
    cloud.land_late_writes()
    EditQueue.objects.update(next_at=None)
    recheck(notebook)


def target_of(edit: Edit) -> int:
    return int(edit.patch["stop_timestamp_ms"])


def test_one_that_lands_after_a_cancel_stays_and_is_said(
    cloud: Emulator, notebook: Instance, operator: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    assert "may still be applied" in sentence_of(unconfirmed)
    land(cloud, notebook)
    unconfirmed.refresh_from_db()
    assert (unconfirmed.state, unconfirmed.outcome) == ("applied", "applied_late")
    assert unconfirmed.result["stop_timestamp_ms"] == end_ms(cloud, notebook)
    assert len(renewals(cloud, notebook)) == 1
    assert "Applied late" in sentence_of(unconfirmed)


def test_one_that_lands_after_the_deadline_is_applied_late(
    cloud: Emulator, notebook: Instance, unconfirmed: Edit
) -> None:
    Edit.objects.update(deadline_at=a_second_ago())
    assert deadlines.fail_past_deadline() == 1
    land(cloud, notebook)
    unconfirmed.refresh_from_db()
    assert (unconfirmed.state, unconfirmed.outcome) == ("applied", "applied_late")


def test_one_that_lands_over_a_later_end_is_undone(
    cloud: Emulator, notebook: Instance, operator: User, admin: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    EditQueue.objects.update(next_at=None)
    newer = deliver(extend(notebook, admin, 8))
    assert newer.state == State.APPLIED
    land(cloud, notebook)
    end = end_ms(cloud, notebook)
    assert -leases.TOLERANCE_MS <= end - target_of(newer) <= 2_000
    unconfirmed.refresh_from_db()
    newer.refresh_from_db()
    assert (unconfirmed.state, unconfirmed.outcome) == ("cancelled", Outcome.UNDONE)
    assert (newer.state, newer.outcome) == ("applied", "")
    event = AuditEvent.objects.get(action="edit.repaired")
    assert event.target_id == str(newer.pk)
    assert event.before["stop_timestamp_ms"] < event.after["stop_timestamp_ms"]


def test_an_undo_that_is_given_up_is_said_of_both(
    cloud: Emulator, notebook: Instance, operator: User, admin: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    EditQueue.objects.update(next_at=None)
    newer = deliver(extend(notebook, admin, 8))
    EditQueue.objects.update(undo_count=queue.MAX_UNDOS)
    land(cloud, notebook)
    unconfirmed.refresh_from_db()
    newer.refresh_from_db()
    assert (unconfirmed.state, unconfirmed.outcome) == ("applied", "applied_late")
    assert newer.outcome == Outcome.OVERWRITTEN


def test_one_that_lands_over_an_earlier_end_stays(
    cloud: Emulator, notebook: Instance, operator: User, admin: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    EditQueue.objects.update(next_at=None)
    newer = deliver(extend(notebook, admin, 3))
    land(cloud, notebook)
    unconfirmed.refresh_from_db()
    newer.refresh_from_db()
    assert (unconfirmed.state, unconfirmed.outcome) == ("applied", "applied_late")
    assert (newer.state, newer.outcome) == ("applied", "")
    assert len(renewals(cloud, notebook)) == 2


def test_one_that_lands_after_its_own_repetition_changes_nothing_that_is_said(
    cloud: Emulator, notebook: Instance, unconfirmed: Edit
) -> None:
    due_now(unconfirmed)
    edit = deliver(unconfirmed)
    assert edit.state == State.APPLIED
    land(cloud, notebook)
    edit.refresh_from_db()
    assert (edit.state, edit.outcome) == ("applied", "")
    # No later than by the time that the request was under way.
    late_ms = end_ms(cloud, notebook) - target_of(edit)
    assert late_ms <= LATE_SECONDS * 1000 + 2_000
    assert len(renewals(cloud, notebook)) == 2


def test_a_fixed_end_that_lands_over_an_idle_lease_is_undone(
    cloud: Emulator, notebook: Instance, operator: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    EditQueue.objects.update(next_at=None)
    newer = services.submit_extension(
        instance=notebook,
        actor=operator,
        patch=extension.idle_patch(notebook, 2),
        base=extension.base_of(notebook),
    )
    assert deliver(newer).state == State.APPLIED
    land(cloud, notebook)
    assert cloud.notebooks.get(notebook.instance_id).lease.type == "IDLE"
    unconfirmed.refresh_from_db()
    assert unconfirmed.outcome == Outcome.UNDONE


def test_an_end_that_somebody_has_chosen_since_is_not_fought(
    cloud: Emulator, notebook: Instance, operator: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    EditQueue.objects.update(next_at=None)
    cloud.notebooks.force(notebook.instance_id, stops_in_seconds=5 * 3600)
    recheck(notebook)
    cloud.notebooks.force(notebook.instance_id, stops_in_seconds=3 * 3600)
    recheck(notebook)
    assert len(renewals(cloud, notebook)) == 1


def test_a_late_change_of_tags_is_undone(
    cloud: Emulator, notebook: Instance, operator: User
) -> None:
    cloud.notebooks.force(notebook.instance_id, tags={"team": "a"})
    notebook = mirrored(cloud, notebook.instance_id)
    cloud.faults.add(
        Fault("late", route="notebooks.tags.create", times=1, seconds=3600)
    )
    edit = submit(notebook, operator, tags={"team": "b"})
    edit = deliver(edit)
    assert edit.outcome == Outcome.UNCONFIRMED
    services.cancel_edit(edit=edit, actor=operator)
    land(cloud, notebook)
    assert cloud.notebooks.get(notebook.instance_id).tags == {"team": "a"}
    edit.refresh_from_db()
    assert edit.outcome == Outcome.UNDONE
