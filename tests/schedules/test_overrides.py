"""Overrides: who may create them, until when, and how they end."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import Instance
from dashboard.policies.models import RuleException
from dashboard.policies.selectors import limits_of_end
from dashboard.schedules import overrides
from dashboard.schedules.models import MomentKind, Override
from tests.policies.conftest import make_rule

KEEP, SKIP, IGNORE = Override.Kind.KEEP, Override.Kind.SKIP, Override.Kind.IGNORE
STOP, START = MomentKind.STOP, MomentKind.START


def later(hours: float = 4) -> datetime:
    return timezone.now() + timedelta(hours=hours)


def create(instance: Instance, actor: User, **fields: Any) -> Override:
    values = {"kind": KEEP, "until": later()} | fields
    return overrides.create_override(instance=instance, actor=actor, **values)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def test_an_owner_keeps_an_instance(instance: Instance, scientist: User) -> None:
    version = instance.version
    override = create(instance, scientist, until=later(4))
    now = timezone.now()
    assert overrides.overrides_of([instance], now) == {instance.pk: override}
    assert overrides.covered([instance], later(3)) == {instance.pk}
    assert not overrides.covered([instance], later(3), START)
    assert not overrides.covered([instance], override.until), "the end is not kept"
    event = AuditEvent.objects.get(action="override.created")
    assert (event.actor, event.after["kind"]) == (scientist, "keep")
    instance.refresh_from_db()
    assert instance.version > version, "rows show it"


@pytest.mark.parametrize("person", ["viewer", "stranger"])
def test_others_may_neither_set_nor_end_one(
    person: str, instance: Instance, operator: User, request: pytest.FixtureRequest
) -> None:
    actor, override = request.getfixturevalue(person), create(instance, operator)
    with pytest.raises(PermissionDenied):
        create(instance, actor)
    with pytest.raises(PermissionDenied):
        overrides.end_override(override=override, actor=actor)


@pytest.mark.parametrize("hours", [-1, 24 * 100])
def test_it_ends_in_the_future_and_not_too_late(
    hours: float, instance: Instance, operator: User
) -> None:
    with pytest.raises(overrides.OverrideError):
        create(instance, operator, until=later(hours))


def test_a_new_one_replaces_the_former(instance: Instance, scientist: User) -> None:
    former = create(instance, scientist)
    newer = create(instance, scientist, kind=IGNORE)
    former.refresh_from_db()
    assert (former.ended_by, newer.ended_at) == (scientist, None)
    assert overrides.covered([instance], later(1), START) == {instance.pk}
    assert actions()[-2:] == ["override.ended", "override.created"]


def test_a_skip_covers_its_stop_only_also_when_the_schedule_is_late(
    instance: Instance, scientist: User, time_machine: Any
) -> None:
    tonight = later(2)
    create(instance, scientist, kind=SKIP, until=tonight)
    assert not overrides.covered([instance], later(1))
    assert overrides.covered([instance], tonight) == {instance.pk}
    time_machine.move_to(tonight + timedelta(minutes=20))
    assert overrides.expire_overrides() == 1
    assert overrides.covered([instance], tonight) == {instance.pk}
    assert not overrides.overrides_of([instance], timezone.now())


def test_one_that_was_ended_before_covers_nothing_more(
    instance: Instance, scientist: User
) -> None:
    override = create(instance, scientist, until=later(4))
    overrides.end_override(override=override, actor=scientist)
    assert not overrides.covered([instance], later(1))
    with pytest.raises(overrides.OverrideError, match="already ended"):
        overrides.end_override(override=override, actor=scientist)


def test_it_ends_by_itself_once(
    instance: Instance, scientist: User, time_machine: Any
) -> None:
    override = create(instance, scientist, until=later(1))
    assert overrides.expire_overrides() == 0
    instance.refresh_from_db()
    version = instance.version
    time_machine.move_to(later(2))
    assert overrides.expire_overrides() == 1
    assert overrides.expire_overrides() == 0
    ended = Override.objects.get(pk=override.pk)
    assert (ended.ended_at, ended.ended_by) == (override.until, None)
    assert actions().count("override.expired") == 1
    instance.refresh_from_db()
    assert instance.version > version, "rows no longer show it"


def test_it_ends_with_the_right_of_its_author(
    instance: Instance, operator: User
) -> None:
    override = create(instance, operator)
    User.objects.filter(pk=operator.pk).update(role="viewer")
    assert overrides.expire_overrides() == 1
    override.refresh_from_db()
    assert override.ended_at is not None
    event = AuditEvent.objects.get(action="override.ended")
    assert "no longer" in str(event.reason)


def test_owners_stay_within_the_policies(instance: Instance, scientist: User) -> None:
    rule = make_rule(name="Short", kind="max_hours", max_seconds=4 * 3600)
    # It has run for an hour.
    assert create(instance, scientist, until=later(2.5))
    with pytest.raises(overrides.BeyondPoliciesError, match="request an") as refused:
        create(instance, scientist, until=later(6), reason="A long run.")
    assert abs(refused.value.latest - later(3)) < timedelta(minutes=1)
    assert [item.rule for item in refused.value.violations] == [rule]
    assert Override.objects.filter(ended_at=None).count() == 1, "the former stays"
    assert create(instance, scientist, kind=IGNORE, until=later(50))


def test_operators_go_beyond_with_a_reason_and_exceptions_end_with_it(
    instance: Instance, operator: User
) -> None:
    make_rule(name="Short", kind="max_hours", max_seconds=4 * 3600)
    with pytest.raises(overrides.BeyondPoliciesError, match="Give a reason"):
        create(instance, operator, until=later(50))
    assert not RuleException.objects.exists()
    override = create(instance, operator, until=later(50), reason="A deadline.")
    exception = RuleException.objects.get()
    assert (exception.state, exception.until) == ("approved", override.until)
    assert (exception.reason, exception.decided_by) == ("A deadline.", operator)
    assert not limits_of_end(instance, timezone.now())
    overrides.end_override(override=override, actor=operator)
    exception.refresh_from_db()
    assert exception.state == "ended"
    assert actions()[-4:] == [
        *("exception.approved", "override.created"),
        *("exception.ended", "override.ended"),
    ]


def test_an_exception_that_ends_earlier_does_not_suffice(
    instance: Instance, operator: User, scientist: User
) -> None:
    rule = make_rule(name="Short", kind="max_hours", max_seconds=4 * 3600)
    RuleException.objects.create(
        rule=rule,
        instance=instance,
        state="approved",
        until=later(10),
        asked_by=operator,
        reason="A test.",
    )
    assert create(instance, scientist, until=later(9))
    with pytest.raises(overrides.BeyondPoliciesError):
        create(instance, scientist, until=later(11))


def test_only_what_can_be_changed_is_overridden(
    instance: Instance, operator: User
) -> None:
    instance.missing_since = timezone.now()
    with pytest.raises(overrides.OverrideError):
        create(instance, operator)
