"""A write whose end is unknown lands late: what is said, restored, accepted, told.

The emulator answers 504 and carries the request out when the test says so.
"""

import pytest

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import outcome_text, overdue, services
from dashboard.edits.delivery import queue, send
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Cloud, Instance, InstanceEvent

from .deliveries import deliver, due_now, puts, wish
from .test_late_writes import a_second_ago, look_again

State, Outcome = Edit.State, Edit.Outcome


@pytest.fixture
def unconfirmed(cloud: Emulator, running: Instance, operator: User) -> Edit:
    """An edit whose PUT was answered with 504; it waits for its next attempt."""
    cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
    edit = deliver(wish(running, operator, description="mine"))
    assert (edit.state, edit.outcome) == (State.RETRYING, Outcome.UNCONFIRMED)
    return edit


def look(instance: Instance) -> None:
    look_again()
    send.drain(instance.pk)


def end_of_watch(instance: Instance) -> None:
    EditQueue.objects.update(late_write_until=a_second_ago())
    look(instance)


def said(edit: Edit) -> str:
    edit = Edit.objects.select_related("instance__cloud").get(pk=edit.pk)
    return f"{outcome_text.sentence(edit)} {edit.message}".strip()


def in_cloud(cloud: Emulator, instance: Instance) -> str:
    return str(cloud.fleet.get(instance.instance_id).description)


class TestCancelled:
    """A cancel after an attempt that may have been applied is an undo."""

    @pytest.fixture
    def cancelled(self, unconfirmed: Edit, operator: User) -> Edit:
        return services.cancel_edit(edit=unconfirmed, actor=operator)

    def test_it_is_not_said_to_be_cancelled_before_it_was_sent(
        self, cancelled: Edit
    ) -> None:
        assert "before it was sent" not in said(cancelled)
        assert "may still be applied" in said(cancelled)

    def test_what_lands_late_is_put_back_and_said(
        self, cloud: Emulator, running: Instance, cancelled: Edit
    ) -> None:
        before = in_cloud(cloud, running)
        cloud.land_late_writes()
        assert in_cloud(cloud, running) == "mine"
        EditQueue.objects.update(next_at=None)
        look(running)
        assert in_cloud(cloud, running) == before
        cancelled.refresh_from_db()
        assert (cancelled.state, cancelled.outcome) == ("cancelled", Outcome.RESTORED)
        assert "put the earlier value back" in said(cancelled)
        running.refresh_from_db()
        assert running.description == before

    def test_one_that_never_lands_is_not_said_to_have_changed_nothing(
        self, running: Instance, cancelled: Edit
    ) -> None:
        EditQueue.objects.update(next_at=None)
        end_of_watch(running)
        cancelled.refresh_from_db()
        assert cancelled.outcome == Outcome.NOT_SEEN
        assert "when Curfew last checked" in said(cancelled)

    def test_it_is_said_to_be_applied_when_nobody_may_put_it_back(
        self, cloud: Emulator, running: Instance, cancelled: Edit
    ) -> None:
        User.objects.update(role=User.Role.VIEWER)
        cloud.land_late_writes()
        EditQueue.objects.update(next_at=None)
        look(running)
        cancelled.refresh_from_db()
        assert (cancelled.state, cancelled.outcome) == ("applied", "applied_late")
        assert "Applied late" in said(cancelled)
        assert in_cloud(cloud, running) == "mine"

    def test_one_that_never_left_is_cancelled_before_it_was_sent(
        self, running: Instance, operator: User
    ) -> None:
        edit = wish(running, operator, description="mine")
        services.cancel_edit(edit=edit, actor=operator)
        assert said(edit).startswith("Cancelled before it was sent.")


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
        assert "nothing" not in said(conflict).lower()
        assert "may still be applied" in said(conflict)

    def test_the_strangers_value_is_restored_and_both_are_told(
        self, cloud: Emulator, running: Instance, conflict: Edit
    ) -> None:
        cloud.land_late_writes()
        look(running)
        assert in_cloud(cloud, running) == "from the console"
        conflict.refresh_from_db()
        assert (conflict.state, conflict.outcome) == ("conflict", Outcome.RESTORED)
        assert "put the newer value back" in said(conflict)
        assert conflict.corrected_at

    def test_somebody_who_has_decided_since_is_not_overruled(
        self, cloud: Emulator, running: Instance, admin: User, conflict: Edit
    ) -> None:
        running.refresh_from_db()
        decided = deliver(wish(running, admin, description="decided"))
        assert decided.state == State.APPLIED
        cloud.land_late_writes()
        look(running)
        assert in_cloud(cloud, running) == "decided"

    def test_a_stranger_who_comes_later_is_not_fought(
        self, cloud: Emulator, running: Instance, conflict: Edit
    ) -> None:
        cloud.fleet.force(running.instance_id, description="console again")
        look(running)
        cloud.land_late_writes()
        look(running)
        assert in_cloud(cloud, running) == "console again"


class TestFailed:
    """It was given up at its deadline; the cloud makes the change all the same."""

    @pytest.fixture
    def failed(self, unconfirmed: Edit) -> Edit:
        Edit.objects.update(deadline_at=a_second_ago())
        assert overdue.expire() == 1
        unconfirmed.refresh_from_db()
        assert unconfirmed.state == State.FAILED
        return unconfirmed

    def test_it_becomes_applied_late(
        self, cloud: Emulator, running: Instance, failed: Edit
    ) -> None:
        assert "may still be applied" in said(failed)
        cloud.land_late_writes()
        EditQueue.objects.update(next_at=None)
        look(running)
        failed.refresh_from_db()
        assert (failed.state, failed.outcome) == ("applied", Outcome.APPLIED_LATE)
        assert failed.result == {"description": "mine"}
        assert in_cloud(cloud, running) == "mine"
        assert AuditEvent.objects.filter(action="edit.applied").count() == 1
        # It is the value that should be there from now on.
        look(running)
        assert in_cloud(cloud, running) == "mine"

    def test_a_newer_change_is_put_back_over_it(
        self, cloud: Emulator, running: Instance, failed: Edit, admin: User
    ) -> None:
        EditQueue.objects.update(next_at=None)
        newer = deliver(wish(running, admin, description="newer"))
        cloud.land_late_writes()
        look(running)
        failed.refresh_from_db()
        assert (failed.state, failed.outcome) == ("failed", Outcome.RESTORED)
        assert in_cloud(cloud, running) == "newer"
        newer.refresh_from_db()
        assert (newer.state, newer.outcome) == ("applied", "")


def test_a_late_write_takes_its_companions_back_with_it(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    """The PUT of a duration switches auto-stop on, too."""
    cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
    edit = deliver(wish(running, operator, auto_stop_duration=7_200))
    services.cancel_edit(edit=edit, actor=operator)
    EditQueue.objects.update(next_at=None)
    assert deliver(wish(running, operator, auto_stop_enable=False)).state == "applied"
    cloud.land_late_writes()
    look(running)
    held = cloud.fleet.get(running.instance_id).auto_stop
    assert held.enable is False


def test_repairs_go_on_for_as_long_as_older_values_land(
    cloud: Emulator, running: Instance, operator: User
) -> None:
    for number in range(5):
        cloud.faults.add(Fault("late", method="PUT", seconds=3600, times=1))
        edit = deliver(wish(running, operator, description=f"older {number}"))
        assert edit.state == State.RETRYING
        services.cancel_edit(edit=edit, actor=operator)
        EditQueue.objects.update(next_at=None)
        Cloud.objects.update(failures=0)
    newest = deliver(wish(running, operator, description="newest"))
    for number in range(5):
        cloud.fleet.force(running.instance_id, description=f"older {number}")
        look(running)
        assert in_cloud(cloud, running) == "newest"
    assert EditQueue.objects.get(pk=running.pk).late_write_until > newest.finished_at
    newest.refresh_from_db()
    assert newest.outcome == ""


def test_a_repair_that_is_given_up_is_said_of_both_changes(
    cloud: Emulator, running: Instance, operator: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    EditQueue.objects.update(next_at=None)
    newest = deliver(wish(running, operator, description="newest"))
    EditQueue.objects.update(repairs=queue.MOST_REPAIRS)
    cloud.land_late_writes()
    look(running)
    newest.refresh_from_db()
    unconfirmed.refresh_from_db()
    assert (newest.state, newest.outcome) == ("applied", Outcome.OVERWRITTEN)
    assert (unconfirmed.state, unconfirmed.outcome) == ("applied", "applied_late")
    assert "overwritten by an older change" in said(newest)


def test_an_instance_that_is_gone_is_not_watched_any_more(
    cloud: Emulator, running: Instance, operator: User, unconfirmed: Edit
) -> None:
    services.cancel_edit(edit=unconfirmed, actor=operator)
    EditQueue.objects.update(next_at=None)
    gone = Fault("status", route="show", status=404, code="ModelArts.6309")
    cloud.faults.add(gone)
    look(running)
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
    other = deliver(wish(running, operator, auto_stop_duration=7_200))
    lost.refresh_from_db()
    assert (other.outcome, lost.outcome) == (Outcome.UNCONFIRMED, "")
    due_now(other)
    assert deliver(lost).state == State.CONFLICT
    assert "earlier attempt" not in said(lost)


def test_each_field_of_a_merged_request_has_its_own_outcome(
    cloud: Emulator, running: Instance, operator: User, admin: User
) -> None:
    mine = wish(running, operator, description="mine", auto_stop_duration=10_800)
    theirs = services.submit_edit(
        instance=running,
        actor=admin,
        patch={"auto_stop_duration": 72_000},
        base={"auto_stop_duration": 10_800},
    )
    mine = deliver(mine)
    assert len(puts(cloud, running)) == 1
    assert mine.state == State.APPLIED
    assert mine.replaced == {
        "auto_stop_duration": {"edit": str(theirs.pk), "by": "admin"}
    }
    assert "replaced by a change by admin" in said(mine)
    assert not mine.waits_for_next_start


def test_a_field_that_nobody_sent_is_not_called_applied(
    cloud: Emulator, running: Instance, operator: User, admin: User
) -> None:
    """The newer change of the field is in conflict over another field."""
    mine = wish(running, operator, description="mine", auto_stop_duration=10_800)
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
        edit = deliver(wish(running, operator, auto_stop_duration=43_200))
        assert edit.waits_for_next_start
        return edit

    def test_a_change_that_was_replaced_no_longer_claims_to_take_effect(
        self, running: Instance, admin: User, first: Edit
    ) -> None:
        running.refresh_from_db()
        second = deliver(wish(running, admin, auto_stop_duration=14_400))
        first = Edit.objects.select_related("instance__cloud").get(pk=first.pk)
        assert second.waits_for_next_start
        assert not first.waits_for_next_start
        assert (first.state, first.outcome) == ("applied", Outcome.REPLACED)
        assert outcome_text.look(first).label == "Replaced"
        assert "replaced by a change by admin" in said(first)

    def test_nor_one_that_was_replaced_in_the_console(
        self, running: Instance, first: Edit
    ) -> None:
        Instance.objects.filter(pk=running.pk).update(auto_stop_duration=14_400)
        first = Edit.objects.select_related("instance__cloud").get(pk=first.pk)
        assert not first.waits_for_next_start
        assert "replaced outside Curfew" in said(first)


class TestPower:
    """Starts and stops are watched like writes."""

    @pytest.fixture
    def started(self, cloud: Emulator, stopped: Instance, operator: User) -> Edit:
        """Answered with 504, and accepted at the second attempt."""
        cloud.faults.add(Fault("late", route="action", seconds=3600, times=1))
        edit = deliver(self.power(stopped, operator, Edit.Kind.START))
        assert edit.state == State.RETRYING
        return edit

    def power(self, instance: Instance, actor: User, kind: Edit.Kind) -> Edit:
        return services.submit_power(instance=instance, actor=actor, kind=kind)

    def test_a_late_start_after_a_stop_is_stopped_again(
        self, cloud: Emulator, stopped: Instance, operator: User, started: Edit
    ) -> None:
        due_now(started)
        assert deliver(started).state == State.APPLIED
        cloud.clock.advance(600)
        stop = deliver(self.power(stopped, operator, Edit.Kind.STOP))
        assert stop.state == State.APPLIED
        cloud.clock.advance(600)
        look(stopped)
        cloud.land_late_writes()
        cloud.clock.advance(600)
        look(stopped)
        status = cloud.fleet.get(stopped.instance_id).status
        assert status in {"STOPPING", "STOPPED"}
        event = AuditEvent.objects.get(action="edit.repaired")
        assert event.target_id == str(stop.pk)

    def test_the_activity_names_our_own_earlier_start(
        self, cloud: Emulator, stopped: Instance, operator: User, started: Edit
    ) -> None:
        services.cancel_edit(edit=started, actor=operator)
        EditQueue.objects.update(next_at=None)
        cloud.land_late_writes()
        cloud.clock.advance(600)
        look(stopped)
        ended, began = InstanceEvent.objects.filter(instance=stopped)[:2]
        assert (began.reason, began.edit_id) == ("late", started.pk)
        assert began.actor == operator
        assert (ended.reason, ended.edit_id) == ("undone", None)
        assert AuditEvent.objects.get(action="instance.stopped").actor_label == "Curfew"
        started.refresh_from_db()
        assert (started.state, started.outcome) == ("cancelled", Outcome.RESTORED)
        assert "stopped the instance again" in said(started)

    def test_a_late_stop_after_a_start_is_named_and_not_undone(
        self, cloud: Emulator, running: Instance, operator: User
    ) -> None:
        cloud.faults.add(Fault("late", route="action", seconds=3600, times=1))
        stop = deliver(self.power(running, operator, Edit.Kind.STOP))
        services.cancel_edit(edit=stop, actor=operator)
        EditQueue.objects.update(next_at=None)
        start = deliver(self.power(running, operator, Edit.Kind.START))
        assert start.state == State.APPLIED
        cloud.land_late_writes()
        cloud.clock.advance(600)
        look(running)
        stop.refresh_from_db()
        start.refresh_from_db()
        assert (stop.state, stop.outcome) == ("applied", "applied_late")
        assert (start.state, start.outcome) == ("applied", Outcome.OVERWRITTEN)
        assert cloud.fleet.get(running.instance_id).status == "STOPPED"
