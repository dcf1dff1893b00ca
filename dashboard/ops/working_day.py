"""A whole working day of the demo, in minutes: schedules that act soon.

Curfew's clock is the real one. What is short is the day: its morning is a minute from
now, and its evening some minutes later.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.instances.run_state import PRESENT, RUNNING
from dashboard.schedules import overrides, services
from dashboard.schedules.models import Override, Schedule, WorkingTime

_EVERY_DAY = list(range(7))
_BEFORE = timedelta(seconds=30)
"""At least this long before the morning, so that people see it come."""


class WorkingDay(NamedTuple):
    """Its moments, in UTC, in the order in which they come."""

    morning: datetime
    noon: datetime
    evening: datetime

    def text(self) -> str:
        """Return what happens when, for the terminal."""
        rows = (
            (self.morning, "morning: “Working day” starts what is stopped"),
            (self.noon, "noon: “Lunch break”, a dry run, records what it would stop"),
            (self.evening, "evening: “Working day” stops what runs, but not all"),
        )
        return "\n".join(f"  {at.astimezone():%H:%M}  {text}" for at, text in rows)


def plan(now: datetime, minutes: int) -> WorkingDay:
    """Return a day of so many minutes that begins about now."""
    morning = _full_minute(now + _BEFORE)
    evening = morning + timedelta(minutes=minutes - 1)
    noon = morning + timedelta(minutes=minutes // 2)
    return WorkingDay(morning, min(noon, evening), evening)


def add(minutes: int) -> WorkingDay:
    """Add the schedules of a day, and an owner's override of its evening."""
    admin = User.objects.filter(role=User.Role.ADMIN).order_by("pk")[0]
    day = plan(timezone.now(), minutes)
    # First, since the other one applies to all. A dry run shadows nothing.
    _add_schedule(
        admin,
        Schedule(
            name="Lunch break",
            reason="Would GPUs be free at noon? Nothing is stopped yet.",
            time_zone="UTC",
            flavor_type="GPU",
        ),
        WorkingTime(weekdays=_EVERY_DAY, stop=day.noon.time()),
        Schedule.Mode.DRY_RUN,
    )
    _add_schedule(
        admin,
        Schedule(
            name="Working day",
            reason="A working day in minutes, for the demo.",
            time_zone="UTC",
            starts=True,
        ),
        WorkingTime(
            weekdays=_EVERY_DAY, start=day.morning.time(), stop=day.evening.time()
        ),
        Schedule.Mode.ON,
    )
    _skip_evening(day)
    return day


def _full_minute(moment: datetime) -> datetime:
    minute = moment.replace(second=0, microsecond=0)
    return minute if minute == moment else minute + timedelta(minutes=1)


def _add_schedule(
    admin: User, schedule: Schedule, working_time: WorkingTime, mode: str
) -> None:
    saved = services.save_schedule(
        schedule=schedule, working_times=[working_time], holidays=[], actor=admin
    )
    services.switch(schedule=saved, mode=mode, actor=admin)


def _skip_evening(day: WorkingDay) -> None:
    """Let a scientist skip the evening of one instance."""
    for person in User.objects.filter(role=User.Role.SCIENTIST).order_by("username"):
        own = Instance.objects.filter(
            PRESENT & RUNNING, owner_name__in=person.cloud_identifiers
        ).exclude(run_ends_at__lte=day.evening)
        if instance := own.order_by("pk").first():
            overrides.create_override(
                instance=instance,
                actor=person,
                kind=Override.Kind.SKIP,
                until=day.evening,
                reason="The training ends tonight.",
            )
            return
