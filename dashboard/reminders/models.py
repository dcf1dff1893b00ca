"""What people want to be told, what there is to tell, and whether it was."""

import zoneinfo
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy

from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import PlannedStop, RuleException
from dashboard.web.stored_messages import MessageField

from . import quiet


def default_lead_times() -> list[int]:
    """Minutes before a stop of which nobody has chosen any."""
    return [60, 15]


CORRECTED_KEY = ":late"
"""How the key of a reminder ends that corrects what was said of an edit."""


class NotificationSettings(models.Model):
    """Of what somebody is told, and when not.

    Attributes:
        lead_times: How long before a stop, in **minutes**.
        scope: Whose instances.
        owner: For ``OWNER``: the upstream user's name or id.
        cloud: For ``CLOUD``.
        quiet_from: Wall time at which quiet hours begin, in ``time_zone``; None for
            none. May lie after ``quiet_until``: then over midnight.
    """

    class Scope(models.TextChoices):
        MINE = "mine", gettext_lazy("My own instances")
        OWNER = "owner", gettext_lazy("One owner's instances")
        CLOUD = "cloud", gettext_lazy("One cloud's instances")
        ALL = "all", gettext_lazy("All instances")

    lead_times = models.JSONField(default=default_lead_times)
    on_failure = models.BooleanField(default=True)
    on_failed_edit = models.BooleanField(default=True)
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.MINE)
    owner = models.CharField(max_length=255, blank=True)
    cloud = models.ForeignKey(
        Cloud, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        abstract = True

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The zone; UTC where it is gone from the tz database."""
        try:
            return zoneinfo.ZoneInfo(self.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return zoneinfo.ZoneInfo("UTC")

    def quiet_ends(self, now: datetime) -> datetime | None:
        """When the quiet hours end that ``now`` lies in; None outside of them."""
        return quiet.quiet_hours_end(self.quiet_from, self.quiet_until, self.zone, now)


class Preferences(NotificationSettings):
    """What one person wants. Without a row: the defaults, in the page only.

    Attributes:
        on_stopped: Whether they hear that another person stopped what is theirs; that a
            policy did they hear in any case.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="reminder_preferences",
    )
    in_page = models.BooleanField(default=True)
    on_stopped = models.BooleanField(default=True)
    by_mail = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"


class Channel(NotificationSettings):
    """A team's webhook, set up by admins.

    Attributes:
        service: Who speaks there, as ``webhooks.Service`` names it.
        sealed: The address, which holds a secret (``web.encryption``).
        shown: As much of it as may be seen.
        active: Whether anything is sent.
    """

    name = models.CharField(max_length=80, unique=True)
    service = models.CharField(max_length=16)
    sealed = models.TextField()
    shown = models.CharField(max_length=300)
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Where admins change it."""
        return reverse("reminders:channel", args=[self.pk])


class Reminder(models.Model):
    """One message to one recipient by one medium, about one moment.

    See ``docs/decisions/0009-reminders.md``.

    Attributes:
        key: Recipient, medium, subject and moment: told once.
        edit: For ``EDIT``: the one that failed, or one of its batch. For ``STOPPED``:
            likewise the one that ended the run.
        planned_stop: For ``POLICY``.
        exception: For ``REQUEST`` and ``ANSWER``.
        lead_minutes: For ``STOP`` and ``POLICY``: how long before.
        deadline_ms: For ``STOP``: the stop by the **cloud's** clock, Unix ms.
        moment: What it is about, by our clock: the stop, or when it failed.
        due_at: Not sent before.
        expires_at: After that it is of no use.
        lease_until: While ``SENDING``: who has not said how it ended by then, is dead.
        tries: How often it was claimed.
        note: Why it is in this state; may be empty.
    """

    class Kind(models.TextChoices):
        STOP = "stop", gettext_lazy("Auto-stop")
        FAILURE = "failure", gettext_lazy("Failed instance")
        EDIT = "edit", gettext_lazy("Failed change")
        POLICY = "policy", gettext_lazy("Stopped by policy")
        STOPPED = "stopped", gettext_lazy("Stopped by others")
        REQUEST = "request", gettext_lazy("Exception requested")
        ANSWER = "answer", gettext_lazy("Exception decided")
        TEST = "test", gettext_lazy("Test")

    class Medium(models.TextChoices):
        PAGE = "page", gettext_lazy("Page")
        MAIL = "mail", gettext_lazy("Email")
        WEBHOOK = "webhook", gettext_lazy("Webhook")

    class State(models.TextChoices):
        WAITING = "waiting", gettext_lazy("Waiting")
        SENDING = "sending", gettext_lazy("Sending")
        SENT = "sent", gettext_lazy("Sent")
        UNKNOWN = "unknown", gettext_lazy("May have been sent")
        FAILED = "failed", gettext_lazy("Not sent")
        CANCELLED = "cancelled", gettext_lazy("Cancelled")
        DROPPED = "dropped", gettext_lazy("Dropped")

    key = models.CharField(max_length=160, unique=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.CASCADE,
        related_name="reminders",
    )
    channel = models.ForeignKey(
        Channel, null=True, on_delete=models.CASCADE, related_name="reminders"
    )
    medium = models.CharField(max_length=8, choices=Medium)
    kind = models.CharField(max_length=8, choices=Kind)
    instance = models.ForeignKey(
        Instance, null=True, on_delete=models.CASCADE, related_name="reminders"
    )
    edit = models.ForeignKey(
        Edit, null=True, on_delete=models.CASCADE, related_name="reminders"
    )
    planned_stop = models.ForeignKey(
        PlannedStop, null=True, on_delete=models.CASCADE, related_name="reminders"
    )
    exception = models.ForeignKey(
        RuleException, null=True, on_delete=models.CASCADE, related_name="reminders"
    )
    lead_minutes = models.PositiveIntegerField(null=True)
    deadline_ms = models.BigIntegerField(null=True)
    moment = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    note = MessageField()
    created_at = models.DateTimeField(db_index=True)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(person=None, channel__isnull=False)
                | models.Q(person__isnull=False, channel=None),
                name="reminder_for_one",
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                name="reminder_open",
                condition=models.Q(state__in=["waiting", "sending"]),
            ),
            models.Index(
                fields=["person", "medium", "-created_at"], name="reminder_inbox"
            ),
            models.Index(fields=["kind", "moment"], name="reminder_by_moment"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def corrects(self) -> bool:
        """Whether it says that a write landed late."""
        return self.key.endswith(CORRECTED_KEY)

    @property
    def recipient(self) -> str:
        """Whom it is for, in a word."""
        return str(self.channel or self.person)


ABOUT = (
    *("edit__actor", "edit__rule", "planned_stop__rule"),
    *("exception__rule", "exception__asked_by", "exception__decided_by"),
)
"""What the words of a reminder are taken from."""


class Attempt(models.Model):
    """One try to send a reminder; committed before anything leaves.

    Attributes:
        outcome: How it ended; empty while it runs.
        detail: Why, without addresses or secrets.
    """

    class Outcome(models.TextChoices):
        SENT = "sent", gettext_lazy("sent")
        NOT_SENT = "not_sent", gettext_lazy("not sent")
        REFUSED = "refused", gettext_lazy("refused")
        UNKNOWN = "unknown", gettext_lazy("may have been sent")

    reminder = models.ForeignKey(
        Reminder, on_delete=models.CASCADE, related_name="attempts"
    )
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    detail = MessageField()

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reminder", "number"], name="reminder_attempt_once"
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.reminder_id}"
