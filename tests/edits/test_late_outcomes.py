"""A change of settings is applied late, after its edit has ended.

The emulator answers 504 and applies the request when the test says so.
"""

import pytest

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import deadlines, outcome_text, services
from dashboard.edits.delivery import queue
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Cloud, Instance

from .deliveries import (
    a_second_ago,
    deliver,
    due_now,
    end_of_watch,
    in_cloud,
    puts,
    recheck,
    sentence_of,
    submit,
)

State, Outcome = Edit.State, Edit.Outcome


@pytest.fixture
def unconfirmed(cloud: Emulator, running: Instance, operator: User) -> Edit:
    """An edit whose PUT was answered with 504; it waits for its next attempt."""
    cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
    edit = deliver(submit(running, operator, description="mine"))
    assert (edit.state, edit.outcome) == (State.RETRYING, Outcome.UNCONFIRMED)
    return edit


class TestCancelled:
    """A cancel after an attempt that may have been applied is an undo."""

    @pytest.fixture
    def cancelled(self, unconfirmed: Edit, operator: User) -> Edit:
        return services.cancel_edit(edit=unconfirmed, actor=operator)

    def test_it_is_not_said_to_be_cancelled_before_it_was_sent(
        self, cancelled: Edit
    ) -> None:
        assert "before it was sent" not in sentence_of(cancelled)
        assert "may still be applied" in sentence_of(cancelled)

    def test_what_lands_late_is_put_back_and_said(
        self, cloud: Emulator, running: Instance, cancelled: Edit
    ) -> None:
        before = in_cloud(cloud, running)
        cloud.land_late_writes()
        assert in_cloud(cloud, running) == "mine"
        EditQueue.objects.update(next_at=None)
        recheck(running)
        assert in_cloud(cloud, running) == before
        cancelled.refresh_from_db()
        assert (cancelled.state, cancelled.outcome) == ("cancelled", Outcome.UNDONE)
        assert "Curfew has undone it" in sentence_of(cancelled)
        running.refresh_from_db()
        assert running.description == before

    def test_one_that_never_lands_is_not_said_to_have_changed_nothing(
        self, running: Instance, cancelled: Edit
    ) -> None:
        EditQueue.objects.update(next_at=None)
        end_of_watch(running)
        cancelled.refresh_from_db()
        assert cancelled.outcome == Outcome.NOT_SEEN
        assert "when Curfew last checked" in sentence_of(cancelled)

    def test_it_is_said_to_be_applied_when_nobody_may_put_it_back(
        self, cloud: Emulator, running: Instance, cancelled: Edit
    ) -> None:
        User.objects.update(role=User.Role.VIEWER)
        cloud.land_late_writes()
        EditQueue.objects.update(next_at=None)
        recheck(running)
        cancelled.refresh_from_db()
        assert (cancelled.state, cancelled.outcome) == ("applied", "applied_late")
        assert "Applied late" in sentence_of(cancelled)
        assert in_cloud(cloud, running) == "mine"

    def test_one_that_never_left_is_cancelled_before_it_was_sent(
        self, running: Instance, operator: User
    ) -> None:
        edit = submit(running, operator, description="mine")
        services.cancel_edit(edit=edit, actor=operator)
        assert sentence_of(edit).startswith("Nothing was sent to ModelArts.")


class TestConflict:
    """The console was faster; the write of ours lands over it."""

    @pytest.fixture
    def conflict(self, cloud: Emulator, running: Instance, unconfirmed: Edit) -> Edit:
        cloud.fleet.force(running.instance_id, description="from the console")
        due_now(unconfirmed)
        edit = deliver(unconfirmed)
        assert edit.state == State.CONFLICT
        return edit

    def test_it_is_not_said_that_nothing_was_sent(self, conflict: Edit) -> None:
        assert "nothing" not in sentence_of(conflict).lower()
        assert "may still be applied" in sentence_of(conflict)

    def test_the_strangers_value_is_restored_and_both_are_told(
        self, cloud: Emulator, running: Instance, conflict: Edit
    ) -> None:
        cloud.land_late_writes()
        recheck(running)
        assert in_cloud(cloud, running) == "from the console"
        conflict.refresh_from_db()
        assert (conflict.state, conflict.outcome) == ("conflict", Outcome.UNDONE)
        assert "Curfew has undone it" in sentence_of(conflict)
        assert conflict.corrected_at

    def test_somebody_who_has_decided_since_is_not_overruled(
        self, cloud: Emulator, running: Instance, admin: User, conflict: Edit
    ) -> None:
        running.refresh_from_db()
        decided = deliver(submit(running, admin, description="decided"))
        assert decided.state == State.APPLIED
        cloud.land_late_writes()
        recheck(running)
        assert in_cloud(cloud, running) == "decided"

    def test_a_stranger_who_comes_later_is_not_fought(
        self, cloud: Emulator, running: Instance, conflict: Edit
    ) -> None:
        cloud.fleet.force(running.instance_id, description="console again")
        recheck(running)
        cloud.land_late_writes()
        recheck(running)
        assert in_cloud(cloud, running) == "console again"


class TestFailed:
    """It was given up at its deadline; the cloud makes the change all the same."""

    @pytest.fixture
    def failed(self, unconfirmed: Edit) -> Edit:
        Edit.objects.update(deadline_at=a_second_ago())
        assert deadlines.fail_past_deadline() == 1
        unconfirmed.refresh_from_db()
        assert unconfirmed.state == State.FAILED
        return unconfirmed

    def test_it_becomes_applied_late(
        self, cloud: Emulator, running: Instance, failed: Edit
    ) -> None:
        assert "may still be applied" in sentence_of(failed)
        cloud.land_late_writes()
        EditQueue.objects.update(next_at=None)
        recheck(running)
        failed.refresh_from_db()
        assert (failed.state, failed.outcome) == ("applied", Outcome.APPLIED_LATE)
        assert failed.result == {"description": "mine"}
        assert in_cloud(cloud, running) == "mine"
        assert AuditEvent.objects.filter(action="edit.applied").count() == 1
        # It is the value that should be there from now on.
        recheck(running)
        assert in_cloud(cloud, running) == "mine"

    def test_a_newer_change_is_put_back_over_it(
        self, cloud: Emulator, running: Instance, failed: Edit, admin: User
    ) -> None:
        EditQueue.objects.update(next_at=None)
        newer = deliver(submit(running, admin, description="newer"))
        cloud.land_late_writes()
        recheck(running)
        failed.refresh_from_db()
        assert (failed.state, failed.outcome) == ("failed", Outcome.UNDONE)
        assert in_cloud(cloud, running) == "newer"
        newer.refresh_from_db()
        assert (newer.state, newer.outcome) == ("applied", "")


def test_a_late_write_takes_its_companions_back_with_it(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    """The PUT of a duration switches auto-stop on, too."""
    cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
    edit = deliver(submit(running, operator, auto_stop_duration=7_200))
    services.cancel_edit(edit=edit, actor=operator)
    EditQueue.objects.update(next_at=None)
    assert deliver(submit(running, operator, auto_stop_enable=False)).state == "applied"
    cloud.land_late_writes()
    recheck(running)
    held = cloud.fleet.get(running.instance_id).auto_stop
    assert held.enable is False


def test_undoing_goes_on_for_as_long_as_older_values_land(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    for number in range(5):
        cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
        edit = deliver(submit(running, operator, description=f"older {number}"))
        assert edit.state == State.RETRYING
        services.cancel_edit(edit=edit, actor=operator)
        EditQueue.objects.update(next_at=None)
        Cloud.objects.update(failures=0)
    newest = deliver(submit(running, operator, description="newest"))
    for number in range(5):
        cloud.fleet.force(running.instance_id, description=f"older {number}")
        recheck(running)
        assert in_cloud(cloud, running) == "newest"
    assert EditQueue.objects.get(pk=running.pk).late_write_until > newest.finished_at
    newest.refresh_from_db()
    assert newest.outcome == ""


def test_an_undo_that_is_given_up_is_said_of_both_changes(
    cloud: Emulator, running: Instance, operator: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    EditQueue.objects.update(next_at=None)
    newest = deliver(submit(running, operator, description="newest"))
    EditQueue.objects.update(undo_count=queue.MAX_UNDOS)
    cloud.land_late_writes()
    recheck(running)
    newest.refresh_from_db()
    unconfirmed.refresh_from_db()
    assert (newest.state, newest.outcome) == ("applied", Outcome.OVERWRITTEN)
    assert (unconfirmed.state, unconfirmed.outcome) == ("applied", "applied_late")
    assert "overwritten by an older change" in sentence_of(newest)


def test_an_instance_that_is_gone_is_not_watched_any_more(
    cloud: Emulator, running: Instance, operator: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    EditQueue.objects.update(next_at=None)
    gone = Fault("status", route="show", status=404, code="ModelArts.6309")
    cloud.faults.add(gone)
    recheck(running)
    edit_queue = EditQueue.objects.get(pk=running.pk)
    assert (edit_queue.recheck_at, edit_queue.late_write_until) == (None, None)
    unconfirmed.refresh_from_db()
    assert unconfirmed.outcome == Outcome.NOT_SEEN


def test_one_whose_values_were_not_sent_is_not_said_to_be_unconfirmed(
    cloud: Emulator, running: Instance, operator: User, admin: User
) -> None:
    lost = services.submit_edit(
        instance=running, actor=admin, patch={"description": "lost"}, base={}
    )
    Edit.objects.filter(pk=lost.pk).update(base={"description": "seen by nobody"})
    cloud.faults.add(Fault("status", method="PUT", status=504, times=1))
    other = deliver(submit(running, operator, auto_stop_duration=7_200))
    lost.refresh_from_db()
    assert (other.outcome, lost.outcome) == (Outcome.UNCONFIRMED, "")
    due_now(other)
    assert deliver(lost).state == State.CONFLICT
    assert "earlier attempt" not in sentence_of(lost)


def test_each_field_of_a_merged_request_has_its_own_outcome(
    cloud: Emulator, running: Instance, operator: User, admin: User
) -> None:
    mine = submit(running, operator, description="mine", auto_stop_duration=10_800)
    theirs = services.submit_edit(
        instance=running,
        actor=admin,
        patch={"auto_stop_duration": 72_000},
        base={"auto_stop_duration": 10_800},
    )
    mine = deliver(mine)
    assert len(puts(cloud, running)) == 1
    assert mine.state == State.APPLIED
    assert mine.newer_by_field == {
        "auto_stop_duration": {"edit": str(theirs.pk), "actor": "admin"}
    }
    assert "replaced by a change by admin" in sentence_of(mine)
    assert not mine.waits_for_next_start


def test_a_field_that_nobody_sent_is_not_called_applied(
    cloud: Emulator, running: Instance, operator: User, admin: User
) -> None:
    """The newer change of the field is in conflict over another field."""
    mine = submit(running, operator, description="mine", auto_stop_duration=10_800)
    theirs = services.submit_edit(
        instance=running,
        actor=admin,
        patch={"auto_stop_duration": 72_000, "auto_stop_prompt": False},
        base={"auto_stop_duration": 10_800, "auto_stop_prompt": True},
    )
    Edit.objects.filter(pk=theirs.pk).update(
        patch={"auto_stop_duration": 72_000, "description": "theirs"},
        base={"auto_stop_duration": 10_800, "description": "seen by nobody"},
    )
    Edit.objects.filter(pk=mine.pk).update(
        patch={"auto_stop_duration": 10_800, "auto_stop_prompt": False}, base={}
    )
    mine = deliver(mine)
    theirs.refresh_from_db()
    assert (mine.state, theirs.state) == (State.APPLIED, State.CONFLICT)
    held = cloud.fleet.get(running.instance_id).auto_stop
    assert held.duration_seconds == 10_800


class TestBeforeTheNextStart:
    """What waits for the next start may be replaced before it comes."""

    @pytest.fixture
    def first(self, running: Instance, operator: User) -> Edit:
        edit = deliver(submit(running, operator, auto_stop_duration=43_200))
        assert edit.waits_for_next_start
        return edit

    def test_a_change_that_was_replaced_no_longer_claims_to_take_effect(
        self, running: Instance, admin: User, first: Edit
    ) -> None:
        running.refresh_from_db()
        second = deliver(submit(running, admin, auto_stop_duration=14_400))
        first = Edit.objects.select_related("instance__cloud").get(pk=first.pk)
        assert second.waits_for_next_start
        assert not first.waits_for_next_start
        assert (first.state, first.outcome) == ("applied", Outcome.REPLACED)
        assert outcome_text.badge(first).label == "Replaced"
        assert "replaced by a change by admin" in sentence_of(first)

    def test_nor_one_that_was_replaced_in_the_console(
        self, running: Instance, first: Edit
    ) -> None:
        Instance.objects.filter(pk=running.pk).update(auto_stop_duration=14_400)
        first = Edit.objects.select_related("instance__cloud").get(pk=first.pk)
        assert not first.waits_for_next_start
        assert "replaced outside Curfew" in sentence_of(first)
