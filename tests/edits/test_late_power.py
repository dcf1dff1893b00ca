"""A start or stop is carried out late, after its edit has ended.

The emulator answers 504 and carries the request out when the test says so.
"""

import pytest

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import services
from dashboard.edits.models import Edit, EditQueue
from dashboard.emulator import Emulator, Fault
from dashboard.instances.models import Instance, InstanceEvent

from .deliveries import deliver, due_now, recheck, sentence_of

State, Outcome = Edit.State, Edit.Outcome


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
        recheck(stopped)
        cloud.land_late_writes()
        cloud.clock.advance(600)
        recheck(stopped)
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
        recheck(stopped)
        ended, began = InstanceEvent.objects.filter(instance=stopped)[:2]
        assert (began.reason, began.edit_id) == ("late", started.pk)
        assert began.actor == operator
        assert (ended.reason, ended.edit_id) == ("undone", None)
        assert AuditEvent.objects.get(action="instance.stopped").actor_label == "Curfew"
        started.refresh_from_db()
        assert (started.state, started.outcome) == ("cancelled", Outcome.UNDONE)
        assert "Curfew has undone it" in sentence_of(started)

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
        recheck(running)
        stop.refresh_from_db()
        start.refresh_from_db()
        assert (stop.state, stop.outcome) == ("applied", "applied_late")
        assert (start.state, start.outcome) == ("applied", Outcome.OVERWRITTEN)
        assert cloud.fleet.get(running.instance_id).status == "STOPPED"
