"""Rules that act in their own name, and those that only say what they would do."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import dispatch, enforcement, tasks
from dashboard.edits.delivery import queue
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Instance
from dashboard.policies import services, stops
from dashboard.policies.models import PlannedStop, Rule, RuleException
from tests import factories

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def off(db: None) -> Instance:
    """One that is stopped, and would have no end."""
    return factories.make_instance(status="STOPPED", auto_stop_enable=False)


@pytest.fixture
def no_auto_stop(db: None, clock: time_machine.Traveller) -> Instance:
    """One that has run for ten hours and has no end, its setting just corrected."""
    return factories.make_instance(
        name="training",
        stops_in=None,
        run_started_at=NOON - timedelta(hours=10),
        status_since=NOON - timedelta(hours=10),
        first_seen_at=NOON - timedelta(days=2),
    )


def make_rule(**fields: Any) -> Rule:
    defaults = {"name": "On", "reason": "Money.", "kind": "auto_stop"}
    return Rule.objects.create(**(defaults | {"mode": "enforce"} | fields))


def at_most_8_hours() -> Rule:
    return make_rule(name="GPU at most 8 h", kind="max_hours", max_seconds=8 * 3600)


def warn() -> None:
    """Have the owners of all planned stops warned now."""
    plans = PlannedStop.objects.filter(ended_at=None).values_list("pk", flat=True)
    stops.record_warning(
        plans=list(plans), least=timedelta(minutes=15), now=timezone.now()
    )


def test_a_dry_run_says_what_it_would_do_and_does_nothing(off: Instance) -> None:
    rule = make_rule()
    tasks.enforce_rules()
    rule.refresh_from_db()
    assert rule.found == 1
    assert rule.checked_at is not None
    assert not EditBatch.objects.exists()
    assert not PlannedStop.objects.exists()


def test_a_rule_that_fails_keeps_no_other_waiting(
    off: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = make_rule(name="Broken"), make_rule(name="Other", owner="nobody")

    def remedies(rule: Rule, *args: Any, **kwargs: Any) -> Any:
        if rule == broken:
            raise ValueError
        return find(rule, *args, **kwargs)

    find = enforcement.remedies
    monkeypatch.setattr(enforcement, "remedies", remedies)
    tasks.enforce_rules()
    broken.refresh_from_db()
    other.refresh_from_db()
    assert broken.checked_at is None
    assert other.checked_at is not None


def test_a_rule_that_acts_files_edits_in_its_own_name(
    off: Instance, instance: Instance, admin: User
) -> None:
    rule = services.turn_on_enforcement(rule=make_rule(), actor=admin)
    enforcement.enforce_rules()
    edit = Edit.objects.get()
    assert (edit.instance, edit.actor, edit.rule) == (off, None, rule)
    assert edit.actor_name == "Policy “On”"
    assert edit.patch == {"auto_stop_enable": True}
    assert edit.batch
    assert (edit.batch.rule, edit.batch.actor_name) == (rule, "Policy “On”")
    rule.refresh_from_db()
    assert rule.found == 1


def test_the_audit_trail_names_the_policy_and_no_admin(
    off: Instance, admin: User
) -> None:
    services.turn_on_enforcement(rule=make_rule(), actor=admin)
    enforcement.enforce_rules()
    filed = AuditEvent.objects.filter(action__in=["edit.submitted", "batch.submitted"])
    assert {(one.actor, one.actor_label) for one in filed} == {(None, "Policy “On”")}
    assert filed.count() == 2


def test_it_goes_on_when_the_admin_loses_the_role(off: Instance, admin: User) -> None:
    services.turn_on_enforcement(rule=make_rule(), actor=admin)
    admin.role = User.Role.VIEWER
    admin.save()
    enforcement.enforce_rules()
    edit = Edit.objects.get()
    delivery = queue.claim(off.pk)
    assert delivery
    assert delivery.edits == [edit]


def test_an_instance_is_left_alone_for_a_while(off: Instance, admin: User) -> None:
    services.turn_on_enforcement(rule=make_rule(), actor=admin)
    enforcement.enforce_rules()
    Edit.objects.update(state="applied")
    enforcement.enforce_rules()
    assert Edit.objects.count() == 1
    Edit.objects.update(created_at=timezone.now() - 2 * enforcement.AGAIN_AFTER)
    enforcement.enforce_rules()
    assert Edit.objects.count() == 2


def test_what_the_cloud_refused_is_not_tried_every_hour(
    off: Instance, admin: User
) -> None:
    services.turn_on_enforcement(rule=make_rule(), actor=admin)
    enforcement.enforce_rules()
    now = timezone.now()
    Edit.objects.update(
        state="failed", finished_at=now, created_at=now - timedelta(hours=3)
    )
    enforcement.enforce_rules()
    assert Edit.objects.count() == 1
    off.status_since = now - timedelta(hours=1)
    off.save()
    enforcement.enforce_rules()
    assert Edit.objects.count() == 2, "in another status it may be accepted"


@pytest.mark.parametrize("status", ["CREATE_FAILED", "UNAVAILABLE", "RESIZING"])
def test_no_edit_is_filed_that_cannot_succeed(
    status: str, db: None, admin: User
) -> None:
    factories.make_instance(status=status, auto_stop_enable=False)
    rule = services.turn_on_enforcement(rule=make_rule(), actor=admin)
    enforcement.enforce_rules()
    assert not Edit.objects.exists()
    assert enforcement.prospect(rule).number == 0


def test_exceptions_and_what_cannot_be_done_leave_no_empty_batch(
    off: Instance, admin: User
) -> None:
    rule = services.turn_on_enforcement(rule=make_rule(), actor=admin)
    exception = services.request_exception(
        rule=rule,
        instance=off,
        actor=admin,
        until=timezone.now() + timedelta(hours=1),
        reason="x",
    )
    enforcement.enforce_rules()
    assert not EditBatch.objects.exists()
    RuleException.objects.update(until=timezone.now())
    Instance.objects.update(auto_stop_duration=None)
    enforcement.enforce_rules()
    exception.refresh_from_db()
    assert exception.state == "expired"
    assert not EditBatch.objects.exists()


class TestStops:
    def test_a_run_without_an_end_is_stopped_after_the_notice(
        self, no_auto_stop: Instance, admin: User, clock: time_machine.Traveller
    ) -> None:
        services.turn_on_enforcement(rule=at_most_8_hours(), actor=admin)
        enforcement.enforce_rules()
        plan = PlannedStop.objects.get()
        assert plan.stops_at == NOON + timedelta(minutes=60)
        assert str(plan.sentence) == "This run has no end; the limit is 8 h."
        assert not Edit.objects.exists()
        warn()
        clock.shift(timedelta(minutes=59))
        enforcement.enforce_rules()
        assert not Edit.objects.exists()
        clock.shift(timedelta(minutes=1))
        enforcement.enforce_rules()
        edit = Edit.objects.get()
        assert (edit.kind, edit.instance, edit.actor_name) == (
            "stop",
            no_auto_stop,
            "Policy “GPU at most 8 h”",
        )

    def test_nothing_is_stopped_that_nobody_was_warned_of(
        self, no_auto_stop: Instance, admin: User, clock: time_machine.Traveller
    ) -> None:
        services.turn_on_enforcement(rule=at_most_8_hours(), actor=admin)
        enforcement.enforce_rules()
        clock.shift(timedelta(hours=2))
        enforcement.enforce_rules()
        assert not Edit.objects.exists()
        warn()
        clock.shift(timedelta(minutes=14))
        enforcement.enforce_rules()
        assert not Edit.objects.exists(), "a late warning leaves 15 minutes"
        clock.shift(timedelta(minutes=2))
        enforcement.enforce_rules()
        assert Edit.objects.get().kind == "stop"

    def test_a_run_is_planned_for_no_sooner_than_its_notice(
        self, no_auto_stop: Instance, admin: User, clock: time_machine.Traveller
    ) -> None:
        Instance.objects.update(run_started_at=NOON - timedelta(hours=2))
        services.turn_on_enforcement(rule=at_most_8_hours(), actor=admin)
        enforcement.enforce_rules()
        assert not PlannedStop.objects.exists(), "six hours are left"
        clock.shift(timedelta(hours=5))
        enforcement.enforce_rules()
        assert PlannedStop.objects.get().stops_at == NOON + timedelta(hours=6)

    def test_a_run_that_ends_by_itself_or_gets_an_exception_is_not_stopped(
        self, no_auto_stop: Instance, admin: User
    ) -> None:
        rule = services.turn_on_enforcement(rule=at_most_8_hours(), actor=admin)
        enforcement.enforce_rules()
        services.request_exception(
            rule=rule,
            instance=no_auto_stop,
            actor=admin,
            until=NOON + timedelta(days=1),
            reason="A fair.",
        )
        assert PlannedStop.objects.get().ended_at == NOON
        RuleException.objects.all().delete()
        enforcement.enforce_rules()
        assert PlannedStop.objects.filter(ended_at=None).count() == 1
        Instance.objects.update(status="STOPPED")
        enforcement.enforce_rules()
        assert not PlannedStop.objects.filter(ended_at=None).exists()

    def test_another_run_is_warned_of_again(
        self, no_auto_stop: Instance, admin: User, clock: time_machine.Traveller
    ) -> None:
        services.turn_on_enforcement(rule=at_most_8_hours(), actor=admin)
        enforcement.enforce_rules()
        clock.shift(timedelta(minutes=30))
        Instance.objects.update(status_since=timezone.now())
        enforcement.enforce_rules()
        first, second = PlannedStop.objects.order_by("pk")
        assert first.ended_at
        assert second.stops_at == timezone.now() + timedelta(minutes=60)

    def test_quiet_hours_are_warned_of_before_they_begin(
        self, no_auto_stop: Instance, admin: User, clock: time_machine.Traveller
    ) -> None:
        rule = make_rule(
            kind="quiet_hours",
            quiet_from=time(13),
            quiet_until=time(14),
            time_zone="UTC",
        )
        assert enforcement.prospect(rule).number == 1
        services.turn_on_enforcement(rule=rule, actor=admin)
        enforcement.enforce_rules()
        plan = PlannedStop.objects.get()
        assert plan.stops_at == NOON + timedelta(hours=1)
        warn()
        clock.shift(timedelta(hours=1))
        enforcement.enforce_rules()
        assert Edit.objects.get().kind == "stop"

    def test_a_stop_that_waits_until_the_quiet_hours_are_over_is_not_sent(
        self, no_auto_stop: Instance, admin: User, clock: time_machine.Traveller
    ) -> None:
        self.test_quiet_hours_are_warned_of_before_they_begin(
            no_auto_stop, admin, clock
        )
        clock.shift(timedelta(hours=1))
        assert queue.claim(no_auto_stop.pk) is None
        edit = Edit.objects.get()
        assert (edit.state, str(edit.message)) == (
            "cancelled",
            "The instance no longer violates “On”.",
        )


class TestPausing:
    def test_it_cancels_what_waits_and_what_is_planned(
        self,
        off: Instance,
        no_auto_stop: Instance,
        admin: User,
        clock: time_machine.Traveller,
    ) -> None:
        rule = services.turn_on_enforcement(rule=at_most_8_hours(), actor=admin)
        enforcement.enforce_rules()
        warn()
        clock.shift(timedelta(minutes=61))
        enforcement.enforce_rules()
        assert Edit.objects.filter(state="queued").count() == 2
        Edit.objects.filter(instance=off).update(state="sending")
        assert services.pause_enforcement(rule=rule, actor=admin) == 1
        stop = Edit.objects.get(instance=no_auto_stop)
        assert stop.state == "cancelled"
        assert str(stop.message) == "Cancelled by admin, who paused the policy."
        assert not PlannedStop.objects.filter(ended_at=None).exists()
        enforcement.enforce_rules()
        assert Edit.objects.count() == 2

    def test_what_it_cancelled_is_filed_again_once_the_rule_acts_again(
        self, off: Instance, admin: User
    ) -> None:
        rule = services.turn_on_enforcement(rule=make_rule(), actor=admin)
        enforcement.enforce_rules()
        assert enforcement.prospect(rule).settings == [], "one is under way"
        services.pause_enforcement(rule=rule, actor=admin)
        rule.refresh_from_db()
        assert enforcement.prospect(rule).number == 1
        services.turn_on_enforcement(rule=rule, actor=admin)
        enforcement.enforce_rules()
        assert [edit.state for edit in Edit.objects.order_by("seq")] == [
            Edit.State.CANCELLED,
            Edit.State.QUEUED,
        ]

    def test_changing_or_removing_the_rule_does_so_too(
        self, off: Instance, admin: User
    ) -> None:
        rule = services.turn_on_enforcement(rule=make_rule(), actor=admin)
        enforcement.enforce_rules()
        rule.refresh_from_db()
        rule.owner = "li.wei"
        services.save_rule(rule=rule, actor=admin)
        assert Edit.objects.get().state == "cancelled"
        Edit.objects.all().delete()
        rule.owner = ""
        services.save_rule(rule=rule, actor=admin)
        services.turn_on_enforcement(rule=rule, actor=admin)
        enforcement.enforce_rules()
        services.delete_rule(rule=rule, actor=admin)
        edit = Edit.objects.get()
        assert (edit.state, edit.rule, edit.actor_name) == (
            "cancelled",
            None,
            "Policy “On”",
        )

    def test_what_was_filed_meanwhile_is_not_sent(
        self, off: Instance, admin: User
    ) -> None:
        services.turn_on_enforcement(rule=make_rule(), actor=admin)
        enforcement.enforce_rules()
        Rule.objects.update(acts=False)
        assert queue.claim(off.pk) is None
        assert str(Edit.objects.get().message) == (
            "Automatic enforcement of the policy “On” is off."
        )

    def test_what_people_asked_for_goes_on(
        self, off: Instance, admin: User, operator: User
    ) -> None:
        from dashboard.edits.services import submit_edit

        rule = services.turn_on_enforcement(rule=make_rule(), actor=admin)
        patch = {"description": "New"}
        submit_edit(
            instance=off,
            actor=operator,
            patch=patch,
            base={"description": off.description},
        )
        assert services.pause_enforcement(rule=rule, actor=admin) == 0
        assert Edit.objects.get().state == "queued"
