"""Steps that the tests of schedules share."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from dashboard.instances.models import Cloud, Instance
from dashboard.schedules.models import Schedule, WorkingTime
from tests import factories

BERLIN = ZoneInfo("Europe/Berlin")
DAYS = list(range(7))
EVENING = datetime(2026, 11, 30, 18, 59, 50, tzinfo=BERLIN)
"""Ten seconds before the stop; a Monday."""


def make_schedule(**fields: Any) -> Schedule:
    start, stop = fields.pop("start", None), fields.pop("stop", time(19))
    schedule = Schedule.objects.create(
        **{
            "name": "Office hours",
            "position": Schedule.objects.count() + 1,
            "time_zone": "Europe/Berlin",
            "mode": "on",
            "checked_until": timezone.now(),
        }
        | fields
    )
    WorkingTime.objects.create(schedule=schedule, weekdays=DAYS, start=start, stop=stop)
    return schedule


def make_running(**fields: Any) -> Instance:
    since = timezone.now() - timedelta(hours=3)
    return factories.make_instance(
        **{"run_started_at": since, "status_since": since, "first_seen_at": since}
        | fields
    )


def make_stopped(**fields: Any) -> Instance:
    since = timezone.now() - timedelta(hours=10)
    return factories.make_instance(
        **{"status": "STOPPED", "status_since": since, "first_seen_at": since} | fields
    )


def at(hour: int, minute: int = 0, second: int = 5, *, day: int = 30) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=BERLIN)


def mirror_is_fresh() -> None:
    Cloud.objects.update(refreshed_at=timezone.now())
