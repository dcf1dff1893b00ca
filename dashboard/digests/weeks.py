"""Which week a digest is about, and when each person gets it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings

from dashboard.accounts.models import User
from dashboard.costs import periods
from dashboard.costs.periods import Period
from dashboard.reminders.models import Preferences
from dashboard.reminders.recipients import may_mail, preferences_of
from dashboard.web.time_zones import time_zone

SEND_AT = time(8)
"""On Monday, in the time zone of the person."""

LASTS = timedelta(hours=16)
"""How long after that a digest is still sent: until the Monday is over."""


class Week(NamedTuple):
    """A whole week, Monday to Sunday, in days of the reports.

    Attributes:
        due_at: When its digest is sent.
    """

    monday: date
    due_at: datetime

    @property
    def period(self) -> Period:
        return periods.custom(self.monday, self.monday + timedelta(days=6))

    @property
    def before(self) -> Period:
        """The week before it."""
        monday = self.monday - timedelta(days=7)
        return periods.custom(monday, monday + timedelta(days=6))

    @property
    def expires_at(self) -> datetime:
        return self.due_at + LASTS

    def is_due(self, now: datetime) -> bool:
        return self.due_at <= now < self.expires_at


def last_week(zone: ZoneInfo, now: datetime) -> Week:
    """Return the week before the present one, in a person's time zone.

    Its digest waits until the week has ended in the time zone of the reports, too.
    """
    today = now.astimezone(zone).date()
    this_monday = today - timedelta(days=today.weekday())
    sent_at = datetime.combine(this_monday, SEND_AT, zone).astimezone(UTC)
    week = Week(this_monday - timedelta(days=7), sent_at)
    return week._replace(due_at=max(sent_at, week.period.until.astimezone(UTC)))


def zone_of(person: User) -> ZoneInfo:
    """Return the time zone of a person's notifications, or else of their pages."""
    preferences = preferences_of(person)
    if preferences.pk:
        return preferences.zone
    return time_zone(person.time_zone or settings.CURFEW.report_time_zone)


def wants(person: User) -> bool:
    """Return whether a digest can and may be sent to a person."""
    can = person.is_active and may_mail(person)
    return can and preferences_of(person).weekly_digest


def subscribers() -> Iterator[User]:
    """Yield those who get digests, in one query."""
    people = User.objects.filter(is_active=True).exclude(email="")
    people = people.select_related("reminder_preferences")
    yield from (person for person in people.order_by("pk") if wants(person))


def is_quiet(person: User, now: datetime) -> bool:
    preferences: Preferences = preferences_of(person)
    return preferences.quiet_hours_end(now) is not None
