import zoneinfo
from datetime import datetime, timedelta
from math import inf
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.instances.countdown import status_badge
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import Message, MessageField

from . import messages
from .scopes import InstanceScope


class Rule(InstanceScope):
    """One requirement for the instances in its scope; pages call it a policy.

    Attributes:
        position: Its place in the order, from 1; it matters among rules of one kind.
        reason: Why it exists, for the people it restricts.
        max_seconds: The longest run it allows, **seconds**, for ``MAX_HOURS``; how long
            a run is before its owner is asked, for ``STILL_NEEDED``.
        answer_seconds: How long the owner has to answer; only for ``STILL_NEEDED``.
        again_seconds: The least time between two questions about a run; likewise.
        quiet_from: Local time in ``time_zone``; only for ``QUIET_HOURS``. Quiet hours
            span midnight when it is after ``quiet_until``.
        mode: Off, shown only, or enforced: changes that violate it are refused.
        acts: Whether Curfew fixes violations automatically; only for an enforced rule.
        acting_approved_by: Who turned that on. The rule acts in its own name.
        checked_at: When Curfew last looked for violations.
        found: How many edits that check created, or would have created.
    """

    class Kind(models.TextChoices):
        AUTO_STOP = "auto_stop", _("Auto-stop must be on")
        MAX_HOURS = "max_hours", _("Maximum run time")
        QUIET_HOURS = "quiet_hours", _("No runs during quiet hours")
        STILL_NEEDED = "still_needed", _("Ask if long runs are still needed")

    class Mode(models.TextChoices):
        OFF = "off", _("Off")
        REPORT = "report", _("Report")
        ENFORCE = "enforce", _("Enforce")

    position = models.PositiveIntegerField(default=0, db_default=0)
    name = models.CharField(max_length=80, unique=True)
    reason = models.CharField(max_length=300)
    kind = models.CharField(max_length=16, choices=Kind)
    max_seconds = models.PositiveIntegerField(null=True)
    answer_seconds = models.PositiveIntegerField(null=True)
    again_seconds = models.PositiveIntegerField(null=True)
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    time_zone = models.CharField(max_length=64, blank=True)
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
        ordering: ClassVar = ["position", "pk"]

    def __str__(self) -> str:
        return self.name

    def order(self) -> tuple[int, float]:
        """Return what rules are sorted by; a new one comes after the others."""
        return self.position, self.pk or inf

    def get_absolute_url(self) -> str:
        return reverse("policies:rule", args=[self.pk])

    @property
    def is_acting(self) -> bool:
        """Whether Curfew fixes violations automatically."""
        return self.acts and self.mode == self.Mode.ENFORCE

    @property
    def limits_setting(self) -> bool:
        """Whether it requires something of the auto-stop of an instance."""
        return self.kind in {self.Kind.AUTO_STOP, self.Kind.MAX_HOURS}

    @property
    def scope_words(self) -> list[str]:
        """The values of its scope; empty for all instances."""
        status = status_badge(self.status).label if self.status else ""
        return [*super().scope_words, *filter(None, [status])]

    @property
    def because(self) -> Message:
        """Why it applies to an instance that it includes, in one sentence."""
        because = super().because
        if not self.status:
            return because
        status = messages.IN_STATUS(value=messages.STATUS(status=self.status))
        parts = [*because.params.get("parts", ()), status]
        return messages.APPLIES_BECAUSE(parts=parts)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone or "UTC")


class RuleException(models.Model):
    """Permission for one instance to violate one rule, until a day.

    Attributes:
        until: When it expires.
        through: The last day as typed; ``until`` is its end in the time zone of the
            requester. None when only the moment is known.
        reason: Why the requester needs it.
        answer: A comment on the decision; may be empty.
    """

    class State(models.TextChoices):
        ASKED = "asked", _("Pending")
        APPROVED = "approved", _("Approved")
        DENIED = "denied", _("Denied")
        ENDED = "ended", _("Revoked")
        EXPIRED = "expired", _("Expired")

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
        """The last day as typed, such as ``Fri 4 Dec 2026``."""
        moment = self.until - timedelta(seconds=1)
        day = self.through or timezone.localtime(moment).date()
        return date_format(day, gettext("D j M Y"))

    def is_in_effect(self, now: datetime) -> bool:
        """Whether it is in effect at ``now``."""
        return self.state == self.State.APPROVED and self.until > now


class PlannedStop(models.Model):
    """A run that a rule will stop; see ``docs/decisions/0014-enforcement.md``.

    Attributes:
        run_seen_since: Identifies the run: a later run gets another plan.
        sentence: How the run violates the rule, or will.
        stops_at: The earliest moment of the stop.
        warned_at: When the owner was first warned; no run is stopped without a warning.
        ended_at: When the plan became obsolete: the run ended or complies, or the rule
            no longer acts.
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


class Question(models.Model):
    """Whether a long run is still needed; see ``docs/decisions/0029-still-needed.md``.

    Attributes:
        run_seen_since: Identifies the run: a later run gets its own questions.
        deadline: When the time to answer is over.
        announced_at: When the owner was first told of it; without this nothing stops.
    """

    class State(models.TextChoices):
        ASKED = "asked", _("Open")
        KEPT = "kept", _("Still needed")
        STOPPED = "stopped", _("Stop")
        UNANSWERED = "unanswered", _("No answer")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="questions")
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="questions"
    )
    run_seen_since = models.DateTimeField()
    asked_at = models.DateTimeField()
    deadline = models.DateTimeField()
    announced_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["deadline", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["instance"],
                condition=models.Q(state="asked"),
                name="question_open_once",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "deadline"], name="question_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.instance} · {self.rule}"

    def is_open(self, now: datetime) -> bool:
        """Whether it can be answered at ``now``."""
        return self.state == self.State.ASKED and self.deadline > now
