"""The buckets of "stopping soon", by the time to the end of a run. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from dashboard.instances import run_state


class Bucket(StrEnum):
    OVERDUE = "overdue"
    QUARTER = "quarter"
    HOUR = "hour"
    TODAY = "today"
    LATER = "later"
    NO_AUTO_STOP = "no_auto_stop"


class Heading(NamedTuple):
    """The heading of a bucket.

    Attributes:
        hint: The same in a sentence.
        nothing: Shown when the bucket is empty.
    """

    label: Promise
    hint: Promise
    nothing: Promise
    icon: str
    tone: str


HEADINGS: dict[Bucket, Heading] = {
    Bucket.OVERDUE: Heading(
        gettext_lazy("Overdue"),
        gettext_lazy("Still running past the stop time"),
        gettext_lazy("No overdue instances."),
        "hourglass",
        "bad",
    ),
    Bucket.QUARTER: Heading(
        gettext_lazy("15 minutes"),
        gettext_lazy("Within 15 minutes, or stopping now"),
        gettext_lazy("Nothing in the next 15 minutes."),
        "bell",
        "warn",
    ),
    Bucket.HOUR: Heading(
        gettext_lazy("1 hour"),
        gettext_lazy("Within the hour"),
        gettext_lazy("No stops within the hour."),
        "clock",
        "busy",
    ),
    Bucket.TODAY: Heading(
        gettext_lazy("Today"),
        gettext_lazy("Later, before midnight"),
        gettext_lazy("Nothing else today."),
        "sunset",
        "rest",
    ),
    Bucket.LATER: Heading(
        gettext_lazy("After midnight"),
        gettext_lazy("Tomorrow or later"),
        gettext_lazy("No stops after midnight."),
        "moon",
        "rest",
    ),
    Bucket.NO_AUTO_STOP: Heading(
        gettext_lazy("No auto-stop"),
        gettext_lazy("These run until someone stops them"),
        gettext_lazy("Every run has a stop time."),
        "infinity",
        "rest",
    ),
}
"""The buckets of the page, in its order."""


@dataclass(frozen=True)
class BucketBounds:
    """The bounds of the buckets at one moment.

    Attributes:
        day_ends: The viewer's next midnight.
    """

    now: datetime
    day_ends: datetime

    @classmethod
    def at(cls, now: datetime) -> "BucketBounds":
        local = timezone.localtime(now)
        tomorrow = local.date() + timedelta(days=1)
        return cls(now, datetime.combine(tomorrow, time.min, local.tzinfo))

    def bucket(self, stops_at: datetime | None) -> Bucket:
        """Return the bucket of a run with this end; None: the end is unknown."""
        if stops_at is None:
            return Bucket.NO_AUTO_STOP
        if run_state.is_overdue(stops_at, self.now):
            return Bucket.OVERDUE
        if stops_at <= self.now + run_state.SOON:
            return Bucket.QUARTER
        if stops_at <= self.now + run_state.DUE_WITHIN:
            return Bucket.HOUR
        return Bucket.TODAY if stops_at < self.day_ends else Bucket.LATER

    def changes_at(self, ends: Iterable[datetime | None]) -> datetime:
        """Return the next moment at which one of these runs changes its bucket.

        Midnight at the latest, when "later" becomes "today".
        """
        spans = (run_state.DUE_WITHIN, run_state.SOON, -run_state.overdue_after())
        crossings = (stops_at - span for stops_at in ends if stops_at for span in spans)
        coming = (moment for moment in crossings if moment > self.now)
        return min([self.day_ends, *coming])
