"""Rules for notebooks that an admin wrote, and the exceptions from them."""

import zoneinfo
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy

from dashboard.instances.countdown import status_badge
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import MessageField


class Rule(models.Model):
    """One requirement, for the instances in its scope.

    Attributes:
        name: What people call it; a refusal says it.
        reason: Why it exists, in words for those it stops.
        kind: What it requires.
        max_seconds: The longest run it allows, **seconds**; of ``MAX_HOURS`` alone.
        quiet_from: Wall time at which quiet hours begin, in ``time_zone``; of
            ``QUIET_HOURS`` alone. May lie after ``quiet_until``: then over midnight.
        mode: Off, shown only, or enforced: wishes that break it are refused.
        acts: Whether Curfew itself puts right what breaks it; of an enforced rule
            alone. Until somebody says so it only shows what it would do.
        acting_approved_by: Who said so last. What the rule does, it does in its own
            name, whatever becomes of that person.
        acting_since: When that was.
        checked_at: When Curfew last looked for work for it.
        found: How many edits it would have filed, or filed, then.
    """

    class Kind(models.TextChoices):
        AUTO_STOP = "auto_stop", gettext_lazy("Auto-stop must be on")
        MAX_HOURS = "max_hours", gettext_lazy("Maximum run time")
        QUIET_HOURS = "quiet_hours", gettext_lazy("No runs during quiet hours")

    class Mode(models.TextChoices):
        OFF = "off", gettext_lazy("Off")
        REPORT = "report", gettext_lazy("Report")
        ENFORCE = "enforce", gettext_lazy("Enforce")

    name = models.CharField(max_length=80, unique=True)
    reason = models.CharField(max_length=300)
    kind = models.CharField(max_length=16, choices=Kind)
    max_seconds = models.PositiveIntegerField(null=True)
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    time_zone = models.CharField(max_length=64, blank=True)
    cloud = models.CharField(max_length=255, blank=True)
    workspace_id = models.CharField(max_length=255, blank=True)
    flavor_type = models.CharField(max_length=32, blank=True)
    owner = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=64, blank=True)
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.REPORT)
    acts = models.BooleanField(default=False)
    acting_approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    acting_since = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    found = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its form."""
        return reverse("policies:rule", args=[self.pk])

    @property
    def is_acting(self) -> bool:
        """Whether Curfew puts right by itself what breaks it."""
        return self.acts and self.mode == self.Mode.ENFORCE

    @property
    def scope_words(self) -> list[str]:
        """What narrows it to some instances; empty for all."""
        status = status_badge(self.status).label if self.status else ""
        parts = (self.cloud, self.workspace_id, self.flavor_type)
        return [part for part in (*parts, self.owner, status) if part]

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """Where its quiet hours are told."""
        return zoneinfo.ZoneInfo(self.time_zone or "UTC")


class RuleException(models.Model):
    """Leave for one instance to break one rule, until a day.

    Attributes:
        until: When it ends by itself.
        through: The last day, as it was typed; ``until`` is its end in the time zone of
            who asked. None: only the moment is known.
        reason: Why it is wanted, in the words of who asked.
        answer: What was said when it was decided; may be empty.
    """

    class State(models.TextChoices):
        ASKED = "asked", gettext_lazy("Pending")
        APPROVED = "approved", gettext_lazy("Approved")
        DENIED = "denied", gettext_lazy("Denied")
        ENDED = "ended", gettext_lazy("Revoked")
        EXPIRED = "expired", gettext_lazy("Expired")

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="exceptions")
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="rule_exceptions"
    )
    reason = models.CharField(max_length=300)
    until = models.DateTimeField()
    through = models.DateField(null=True)
    state = models.CharField(max_length=8, choices=State, default=State.ASKED)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["-asked_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule", "instance"],
                condition=models.Q(state="asked"),
                name="exception_asked_once",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "until"], name="exception_by_state")
        ]

    def __str__(self) -> str:
        return f"{self.instance} · {self.rule}"

    @property
    def last_day_text(self) -> str:
        """Its last day as it was typed, such as ``Fri 4 Dec 2026``."""
        moment = self.until - timedelta(seconds=1)
        day = self.through or timezone.localtime(moment).date()
        return date_format(day, gettext("D j M Y"))

    def holds(self, now: datetime) -> bool:
        """Whether it counts at ``now``."""
        return self.state == self.State.APPROVED and self.until > now


class PlannedStop(models.Model):
    """A run that a rule is going to stop, from the day it is known until it is over.

    The owner is warned before; see ``docs/decisions/0014-enforcement.md``.

    Attributes:
        run_seen_since: Since when the run is seen; another run is another plan.
        sentence: How the run breaks the rule, or will.
        stops_at: Not stopped before this moment.
        warned_at: When the owner was warned first; nothing is stopped without that.
        ended_at: When it was over, since the run ended, no longer breaks the rule, or
            the rule acts no more.
    """

    rule = models.ForeignKey(
        Rule, on_delete=models.CASCADE, related_name="planned_stops"
    )
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="planned_stops"
    )
    run_seen_since = models.DateTimeField()
    sentence = MessageField()
    planned_at = models.DateTimeField()
    stops_at = models.DateTimeField()
    warned_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["stops_at", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule", "instance"],
                condition=models.Q(ended_at=None),
                name="stop_planned_once",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["ended_at", "stops_at"], name="planned_stop_open")
        ]

    def __str__(self) -> str:
        return f"{self.instance} · {self.rule}"
