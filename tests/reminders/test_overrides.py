"""The end of an override is announced, once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.reminders.headlines import headline
from dashboard.reminders.models import Reminder
from dashboard.reminders.planning import plan
from dashboard.schedules import overrides
from dashboard.schedules.models import Override
from tests.factories import make_instance

MINUTE = timedelta(minutes=1)


@pytest.fixture
def instance(db: None) -> Instance:
    return make_instance(status="STOPPED")


def create(instance: Instance, actor: User, minutes: float, **more: Any) -> Override:
    values = {"kind": "ignore", "until": timezone.now() + minutes * MINUTE} | more
    return overrides.create_override(instance=instance, actor=actor, **values)


def announced(at: datetime) -> list[str]:
    plan(at)
    reminders = Reminder.objects.filter(kind="override", state="sent")
    return sorted(str(item.person) for item in reminders)


def test_owner_and_author_learn_of_it_15_minutes_before_once(
    instance: Instance, scientist: User, operator: User, stranger: User
) -> None:
    override = create(instance, operator, 60)
    assert announced(override.until - 16 * MINUTE) == []
    assert announced(override.until - 15 * MINUTE) == ["operator", "scientist"]
    assert announced(override.until - 14 * MINUTE) == ["operator", "scientist"]
    reminder = Reminder.objects.filter(kind="override")[0]
    assert headline(reminder, "lab") == "Schedules apply to lab again soon"
    override.refresh_from_db()
    assert override.reminded_at is not None


def test_an_owner_who_set_it_hears_once(instance: Instance, scientist: User) -> None:
    override = create(instance, scientist, 60)
    assert announced(override.until - 5 * MINUTE) == ["scientist"]


def test_one_that_was_ended_is_withdrawn(
    instance: Instance, scientist: User, operator: User
) -> None:
    override = create(instance, scientist, 60)
    assert announced(override.until - 5 * MINUTE) == ["scientist"]
    overrides.end_override(override=override, actor=operator)
    assert announced(override.until - 4 * MINUTE) == []


def test_a_short_one_and_a_skip_are_not_announced(
    instance: Instance, scientist: User
) -> None:
    override = create(instance, scientist, 20)
    assert announced(override.until - 5 * MINUTE) == []
    override = create(instance, scientist, 60, kind="skip")
    assert announced(override.until - 5 * MINUTE) == []
