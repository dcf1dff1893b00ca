"""When a digest is due in each time zone, and which week it is about."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dashboard.accounts.models import User
from dashboard.digests.weeks import last_week, subscribers, zone_of
from tests.reminders.conftest import prefer

from .conftest import MONDAY, WEEK


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "now", "is_due"),
    [
        ("Europe/Berlin", "2026-11-30T06:59:59", False),
        ("Europe/Berlin", "2026-11-30T07:00", True),
        ("Europe/Berlin", "2026-11-30T22:59:59", True),
        ("Europe/Berlin", "2026-11-30T23:00", False),
        # Summer time began, and ended, on the Sunday before.
        ("Europe/Berlin", "2026-03-30T05:59", False),
        ("Europe/Berlin", "2026-03-30T06:00", True),
        ("Europe/Berlin", "2026-10-26T06:59", False),
        ("Europe/Berlin", "2026-10-26T07:00", True),
        ("America/Los_Angeles", "2026-11-30T15:59", False),
        ("America/Los_Angeles", "2026-11-30T16:00", True),
        ("Asia/Kolkata", "2026-11-30T02:30", True),
        ("Asia/Kolkata", "2026-12-01T02:30", False),
    ],
)
def test_it_is_due_on_monday_at_8_in_the_persons_time_zone(
    zone: str, now: str, is_due: bool
) -> None:
    assert last_week(ZoneInfo(zone), at(now)).is_due(at(now)) is is_due


def test_it_waits_until_the_week_of_the_reports_is_over() -> None:
    # In Auckland, where it is 8:00, Berlin has Sunday evening.
    auckland = ZoneInfo("Pacific/Auckland")
    early, late = at("2026-11-29T19:00"), at("2026-11-29T23:00")
    assert not last_week(auckland, early).is_due(early)
    week = last_week(auckland, late)
    assert week.is_due(late)
    assert week.period.until <= late


def test_it_is_about_the_seven_days_before() -> None:
    week = last_week(ZoneInfo("Europe/Berlin"), MONDAY)
    assert week.monday == WEEK
    period = week.period
    assert (period.first_day, period.last_day) == (WEEK, WEEK + timedelta(days=6))
    assert week.before.last_day == WEEK - timedelta(days=1)


def test_the_week_of_the_change_to_summer_time_has_167_hours() -> None:
    monday = at("2026-03-30T06:00")
    period = last_week(ZoneInfo("Europe/Berlin"), monday).period
    assert period.first_day == date(2026, 3, 23)
    length = period.until.astimezone(UTC) - period.since.astimezone(UTC)
    assert length == timedelta(hours=167)


def test_the_time_zone_is_that_of_notifications_pages_or_reports(
    anna: User, settings: Any
) -> None:
    assert zone_of(anna).key == "Europe/Berlin"
    anna.time_zone = ""
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"report_time_zone": "Asia/Shanghai"}
    )
    assert zone_of(anna).key == "Asia/Shanghai"
    prefer(anna, time_zone="America/Lima")
    anna = User.objects.get(pk=anna.pk)
    assert zone_of(anna).key == "America/Lima"


def test_who_gets_one(anna: User, operator: User, settings: Any) -> None:
    assert [*subscribers()] == [anna], "the operator has no address"
    operator.email = "oskar@example.org"
    operator.save()
    prefer(anna, weekly_digest=False)
    assert [*subscribers()] == [operator]
    operator.is_active = False
    operator.save()
    assert [*subscribers()] == []
