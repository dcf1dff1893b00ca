"""Rules that act by themselves, and those that only say what they would do."""

from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import enforcement, pulse, tasks
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Instance
from dashboard.policies import services
from dashboard.policies.models import Rule, RuleException
from tests import factories


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "ask_for_sweep", Mock())


@pytest.fixture
def off(db: None) -> Instance:
    return factories.make_instance(auto_stop_enable=False)


def make_rule(**fields: Any) -> Rule:
    defaults = {"name": "On", "reason": "Money.", "kind": "auto_stop"}
    return Rule.objects.create(**(defaults | {"mode": "enforce"} | fields))


def test_a_dry_run_says_what_it_would_do_and_does_nothing(off: Instance) -> None:
    rule = make_rule()
    tasks.enforce_rules()
    rule.refresh_from_db()
    assert rule.found == 1
    assert rule.checked_at is not None
    assert not EditBatch.objects.exists()


def test_a_rule_that_acts_files_edits_in_the_admin_s_name(
    off: Instance, instance: Instance, admin: User
) -> None:
    rule = services.set_acting(rule=make_rule(), actor=admin, acts=True)
    enforcement.enforce_rules()
    edit = Edit.objects.get()
    assert (edit.instance, edit.actor) == (off, admin)
    assert edit.patch == {"auto_stop_enable": True}
    assert edit.batch
    assert edit.batch.rule == rule
    rule.refresh_from_db()
    assert rule.found == 1


def test_an_instance_is_left_alone_for_a_while(off: Instance, admin: User) -> None:
    services.set_acting(rule=make_rule(), actor=admin, acts=True)
    enforcement.enforce_rules()
    Edit.objects.update(state="failed")
    enforcement.enforce_rules()
    assert Edit.objects.count() == 1
    Edit.objects.update(created_at=timezone.now() - 2 * enforcement.ONCE_IN)
    enforcement.enforce_rules()
    assert Edit.objects.count() == 2


def test_it_ends_with_the_admin_s_right(off: Instance, admin: User) -> None:
    services.set_acting(rule=make_rule(), actor=admin, acts=True)
    admin.role = User.Role.OPERATOR
    admin.save()
    enforcement.enforce_rules()
    assert not Edit.objects.exists()


def test_exceptions_and_what_cannot_be_done_leave_no_empty_batch(
    off: Instance, admin: User
) -> None:
    rule = services.set_acting(rule=make_rule(), actor=admin, acts=True)
    exception = services.ask_exception(
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


def test_quiet_hours_stop_what_runs(instance: Instance, admin: User) -> None:
    hour = timezone.now().hour
    rule = make_rule(
        kind="quiet_hours",
        quiet_from=f"{hour:02}:00",
        quiet_until=f"{(hour + 2) % 24:02}:00",
        time_zone="UTC",
    )
    services.set_acting(rule=rule, actor=admin, acts=True)
    enforcement.enforce_rules()
    assert Edit.objects.get().kind == "stop"
