"""Schedules, their working times and holidays, and overrides of schedules."""

import zoneinfo
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from dashboard.instances.models import Instance
from dashboard.policies.messages import APPLIES_TO_THIS
from dashboard.policies.models import RuleException
from dashboard.policies.scopes import InstanceScope
from dashboard.web.stored_messages import Message, MessageField


class MomentKind(models.TextChoices):
    START = "start", _("Start")
    STOP = "stop", _("Stop")


class HolidayCalendar(models.Model):
    """Days without working time, which schedules share."""

    name = models.CharField(max_length=80, unique=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Holiday(models.Model):
    """One day of a calendar."""

    calendar = models.ForeignKey(
        HolidayCalendar, on_delete=models.CASCADE, related_name="holidays"
    )
    day = models.DateField()
    name = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering: ClassVar = ["day"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["calendar", "day"], name="holiday_once_per_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.name}".strip()


class Schedule(InstanceScope):
    """Stops, and perhaps starts, the instances in its scope at clock times.

    Of the schedules in whose scope an instance is, only the first counts
    (``selectors.match``). It acts at its moments only, see
    ``docs/decisions/0027-schedules.md``.

    Attributes:
        position: Its place in the order, from 1.
        reason: Why it exists, for the people it concerns.
        time_zone: Of its times, such as ``Europe/Berlin``.
        first_day: The first day with working time; None for no limit.
        last_day: The last one.
        instance: The only instance in its scope; None for all that match.
        starts: Whether it also starts what is stopped. Off: it only stops.
        mode: Off, a dry run that only records what it would do, or on.
        switched_on_by: Who switched it on. It acts in its own name.
        checked_until: All moments up to this one are done. It never looks back
            further than to the moment when it was switched on or changed.
    """

    class Mode(models.TextChoices):
        OFF = "off", _("Off")
        DRY_RUN = "dry_run", _("Dry run")
        ON = "on", _("On")

    position = models.PositiveIntegerField()
    name = models.CharField(max_length=80, unique=True)
    reason = models.CharField(max_length=300, blank=True)
    time_zone = models.CharField(max_length=64)
    first_day = models.DateField(null=True, blank=True)
    last_day = models.DateField(null=True, blank=True)
    instance = models.ForeignKey(
        Instance, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    starts = models.BooleanField(default=False)
    holidays = models.ManyToManyField(
        HolidayCalendar, blank=True, related_name="schedules"
    )
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.DRY_RUN)
    switched_on_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    switched_on_at = models.DateTimeField(null=True)
    checked_until = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["position", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("schedules:schedule", args=[self.pk])

    @property
    def is_on(self) -> bool:
        """Whether it starts and stops instances."""
        return self.mode == self.Mode.ON

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    @property
    def scope_words(self) -> list[str]:
        """The values of the scope; empty for all instances."""
        words = super().scope_words
        return [*words, self.instance.name] if self.instance else words

    @property
    def because(self) -> Message:
        """Why it applies to an instance that it includes, in one sentence."""
        return APPLIES_TO_THIS() if self.instance_id else super().because

    def includes(self, instance: Instance) -> bool:
        """Whether an instance is in the scope; needs its cloud."""
        if self.instance_id and self.instance_id != instance.pk:
            return False
        return super().includes(instance)

    def as_q(self) -> Q:
        """Return a database filter that matches what ``includes`` does."""
        condition = super().as_q()
        return condition & Q(pk=self.instance_id) if self.instance_id else condition


class WorkingTime(models.Model):
    """From when to when people work on some days of the week.

    Attributes:
        weekdays: Days on which it begins, 0 (Monday) to 6, in their order.
        start: Local time; None if it has a stop only.
        stop: Local time, on the next day unless it is after ``start``.
    """

    schedule = models.ForeignKey(
        Schedule, on_delete=models.CASCADE, related_name="working_times"
    )
    weekdays = models.JSONField(default=list)
    start = models.TimeField(null=True, blank=True)
    stop = models.TimeField()

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.weekdays} {self.start} {self.stop}"


class ScheduleRun(models.Model):
    """What a schedule did, or would have done, at one of its moments.

    Written in the transaction that creates the edits, so that each moment has one.

    Attributes:
        moment: When it was planned.
        handled_at: When Curfew came to it.
        state: Done, only recorded by a dry run, or missed: Curfew was not running.
        number: How many instances got an edit, or would have got one.
        skipped: How many did not, because of an override or their status.
        message: Why it was missed; may be empty.
    """

    class State(models.TextChoices):
        DONE = "done", _("Done")
        DRY_RUN = "dry_run", _("Dry run")
        MISSED = "missed", _("Missed")

    schedule = models.ForeignKey(
        Schedule, on_delete=models.CASCADE, related_name="runs"
    )
    kind = models.CharField(max_length=8, choices=MomentKind)
    moment = models.DateTimeField()
    handled_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State)
    number = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    message = MessageField()

    class Meta:
        ordering: ClassVar = ["-moment", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["schedule", "moment", "kind"], name="schedule_moment_once"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["-moment"], name="schedule_run_newest")
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.kind} {self.moment:%Y-%m-%d %H:%M}"


class Override(models.Model):
    """A temporary exception from schedules for one instance, which ends by itself.

    An instance has at most one; a new one replaces it.

    Attributes:
        kind: ``SKIP`` skips the one stop at ``skips``; ``KEEP`` keeps the instance
            running until ``until``, and skips all stops until then; ``IGNORE`` ignores
            schedules until then, starts and stops.
        until: When it ends.
        skips: The stop that is skipped; only for ``SKIP``.
        starts_again: Whether an instance whose run ends before ``until`` is started
            again at once; only for ``KEEP``, where the cloud cannot extend the run.
        reason: Why; required beyond the maximum of a policy.
        exceptions: The exceptions from policies that came with it, and end with it.
        reminded_at: When its end was announced.
        ended_at: When it ended, was ended or was replaced; None while it is in effect.
        ended_by: Who ended or replaced it; None if it ended by itself.
    """

    class Kind(models.TextChoices):
        SKIP = "skip", _("Skip the next stop")
        KEEP = "keep", _("Keep until")
        IGNORE = "ignore", _("Ignore schedules until")

    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="overrides"
    )
    kind = models.CharField(max_length=8, choices=Kind)
    until = models.DateTimeField()
    skips = models.DateTimeField(null=True)
    starts_again = models.BooleanField(default=False)
    reason = models.CharField(max_length=300, blank=True)
    exceptions = models.ManyToManyField(RuleException, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    reminded_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-created_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["instance"],
                condition=Q(ended_at=None),
                name="override_once_per_instance",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["ended_at", "until"], name="override_open")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.instance_id}"

    def is_in_effect(self, now: datetime) -> bool:
        """Whether it is in effect at ``now``."""
        return self.ended_at is None and self.until > now

    def covers(self, moment: datetime, kind: str) -> bool:
        """Whether a schedule must not act at one of its moments.

        It also says so after the override has ended, for a schedule that is late: what
        was skipped stays skipped. A moment at the end itself counts as after it.

        Args:
            moment: A moment of the schedule.
            kind: One of ``MomentKind``.
        """
        if self.ended_at is not None and self.ended_at <= moment:
            return False
        if self.kind == self.Kind.SKIP:
            return kind == MomentKind.STOP and moment == self.skips
        if moment >= self.until:
            return False
        return self.kind == self.Kind.IGNORE or kind == MomentKind.STOP
