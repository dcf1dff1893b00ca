"""Notification settings, the roster, the reminders, and the attempts to send them."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.accounts.models import Team
from dashboard.costs.models import BudgetWarning
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import PlannedStop, Question, RuleException
from dashboard.schedules.models import Schedule
from dashboard.web.stored_messages import MessageField
from dashboard.web.time_zones import time_zone

MAX_EVENT_AGE = timedelta(hours=1)
"""No reminder is created about an older event."""

LIFETIME = timedelta(days=1)
"""How long a reminder is retried, and counts as unread."""

NEVER = "never"
"""Ends the key of a silence in which no cloud has ever been read."""

CORRECTION_SUFFIX = ":late"
"""Ends the key of a reminder that corrects the reported outcome of an edit."""

TEXT_RELATIONS = (
    *("cloud", "resolves", "edit__actor", "edit__rule", "planned_stop__rule"),
    *("schedule", "budget_warning__budget"),
    "question__rule",
    *("exception__rule", "exception__asked_by", "exception__decided_by"),
)
"""Relations of a reminder that ``texts`` reads.

Batches are not among them, since many reminders would each read the same large row.
"""


def default_lead_times() -> list[int]:
    return [60, 15]


class NotificationSettings(models.Model):
    """What a recipient is notified about, and their quiet hours.

    Attributes:
        lead_times: **Minutes** before a stop.
        on_overdue: When an instance that should have stopped is still running.
        on_no_end: When a GPU has been running for an hour and nothing will stop it.
        on_cloud: When a cloud cannot be read.
        on_handover: When a handover is published.
        on_budget: When a budget reaches a threshold.
        owner: ModelArts user's name or id, for the scope ``OWNER``.
        cloud: For the scope ``CLOUD``.
        team: For the scope ``TEAM``.
        quiet_from: Start of the quiet hours in ``time_zone``. They may span midnight.
    """

    class Scope(models.TextChoices):
        MINE = "mine", _("My own instances")
        OWNER = "owner", _("One owner's instances")
        CLOUD = "cloud", _("One cloud's instances")
        TEAM = "team", _("One team's instances")
        ALL = "all", _("All instances")

    lead_times = models.JSONField(default=default_lead_times)
    on_failure = models.BooleanField(default=True)
    on_failed_edit = models.BooleanField(default=True)
    on_overdue = models.BooleanField(default=True)
    on_no_end = models.BooleanField(default=True)
    on_cloud = models.BooleanField(default=True)
    on_handover = models.BooleanField(default=True)
    on_budget = models.BooleanField(default=True)
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.MINE)
    owner = models.CharField(max_length=255, blank=True)
    cloud = models.ForeignKey(
        Cloud, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        abstract = True

    @property
    def zone(self) -> ZoneInfo:
        return time_zone(self.time_zone)

    def quiet_hours_end(self, now: datetime) -> datetime | None:
        """Return the end of the quiet hours that contain ``now``, or None."""
        start, end = self.quiet_from, self.quiet_until
        if start is None or end is None or start == end:
            return None
        local = now.astimezone(self.zone)
        day = local.date()
        if start < end:
            is_quiet = start <= local.time() < end
        else:
            is_quiet = local.time() >= start or local.time() < end
            day += timedelta(days=local.time() >= start)
        if not is_quiet:
            return None
        # In UTC, since summer time may skip this wall time.
        return max(datetime.combine(day, end, self.zone).astimezone(UTC), now)


class Preferences(NotificationSettings):
    """The notification settings of a person; see ``recipients.preferences_of``.

    Attributes:
        on_others: When another person changes, starts or stops one of their instances.
            A stop by a policy always notifies.
        on_request: When something waits for a decision.
        stops_only_mine: Whether lead times count for their own instances only.
        only_on_call: Whether someone else who is on call receives events of the team
            in their place.
        weekly_digest: Whether they get the weekly mail of ``digests``. On by default,
            unlike ``by_mail``: it reaches those who do not look at Curfew, once a week.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="reminder_preferences",
    )
    in_page = models.BooleanField(default=True)
    on_others = models.BooleanField(default=True)
    on_request = models.BooleanField(default=True)
    stops_only_mine = models.BooleanField(default=True)
    only_on_call = models.BooleanField(default=True)
    by_mail = models.BooleanField(default=False)
    weekly_digest = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"{self.user}: {gettext('Notification settings')}"


class Channel(NotificationSettings):
    """A team's webhook.

    Attributes:
        service: Name of a ``webhooks.Service``.
        encrypted_address: The address contains a secret.
        masked_address: The part of the address that people may see.
        posted_at: When a message was last sent there.
    """

    name = models.CharField(max_length=80, unique=True)
    service = models.CharField(max_length=16)
    encrypted_address = models.TextField()
    masked_address = models.CharField(max_length=300)
    active = models.BooleanField(default=True)
    posted_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("reminders:channel", args=[self.pk])


class OnCall(models.Model):
    """A shift of the roster.

    Attributes:
        name: As the roster has it.
        person: The account of that name; None if there is none.
    """

    name = models.CharField(max_length=200)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.CASCADE,
        related_name="on_call",
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering: ClassVar = ["starts_at", "pk"]

    def __str__(self) -> str:
        return self.name


class Reminder(models.Model):
    """One message to one recipient by one medium, or a part of one.

    See ``docs/decisions/0009-reminders.md``.

    Attributes:
        key: Recipient, medium, event and moment; prevents a second reminder.
        event: The key without the recipient; what a team acknowledges.
        cause: What reminders of one list have in common.
        is_list: Whether it is a list of ``members``, which are not sent on their own.
        part_of: The list that it belongs to.
        for_team: Whether the person on call must look after it.
        is_escalated: Whether nobody acknowledged the event before.
        cloud: For ``CLOUD``.
        resolves: For ``RESOLVED``: the alarm that is over.
        batch: For ``APPROVAL``, and ``ANSWER`` to its author.
        subject: For ``HANDOVER`` its title; for ``OVERDUE`` what should have stopped
            the instance; for ``MISSED`` what was missed.
        path: For ``HANDOVER``: the path of its page.
        edit: The edit that failed or stopped the run; one of its batch, if it has one.
        planned_stop: For ``POLICY``.
        question: For ``QUESTION``; ``moment`` is its deadline.
        exception: For ``REQUEST`` and ``ANSWER``.
        schedule: For ``SCHEDULE`` and ``MISSED``.
        budget_warning: For ``BUDGET``.
        lead_minutes: Time before the stop, for ``STOP``, ``POLICY`` and ``SCHEDULE``.
        deadline_ms: The stop by the **cloud's** clock in Unix ms, for ``STOP``.
        moment: The stop or the event, by our clock.
        lease_until: When a reminder that is ``SENDING`` counts as lost.
        tries: Number of claims.
        note: Reason of the state, if any.
    """

    class Kind(models.TextChoices):
        STOP = "stop", _("Auto-stop")
        FAILURE = "failure", _("Failed instance")
        EDIT = "edit", _("Failed change")
        POLICY = "policy", _("Stopped by policy")
        STOPPED = "stopped", _("Stopped by others")
        REQUEST = "request", _("Exception requested")
        ANSWER = "answer", _("Exception decided")
        ENDING = "ending", _("Exception ending")
        OVERRIDE = "override", _("Override ending")
        CHANGED = "changed", _("Changed by others")
        OVERDUE = "overdue", _("Late stop")
        SILENCE = "silence", _("Curfew reads nothing")
        RESOLVED = "resolved", _("Resolved")
        NO_END = "no_end", _("GPU without auto-stop")
        CLOUD = "cloud", _("Cloud not readable")
        APPROVAL = "approval", _("Approval requested")
        WARNING = "warning", _("Stop announced")
        SCHEDULE = "schedule", _("Stopped by schedule")
        MISSED = "missed", _("Schedule missed")
        QUESTION = "question", _("Still needed?")
        BUDGET = "budget", _("Budget")
        HANDOVER = "handover", _("Handover")
        SEVERAL = "several", _("Several")
        TEST = "test", _("Test")

    URGENT: ClassVar = frozenset({Kind.OVERDUE, Kind.SILENCE})
    """The person on call gets these in quiet hours, too."""

    class Medium(models.TextChoices):
        PAGE = "page", _("In Curfew")
        MAIL = "mail", _("Email")
        WEBHOOK = "webhook", _("Webhook")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENDING = "sending", _("Sending")
        SENT = "sent", _("Sent")
        UNKNOWN = "unknown", _("May have been sent")
        FAILED = "failed", _("Not sent")
        CANCELLED = "cancelled", _("Cancelled")
        DROPPED = "dropped", _("Dropped")
        GROUPED = "grouped", _("In a list")

    key = models.CharField(max_length=160, unique=True)
    event = models.CharField(max_length=160, db_index=True, default="", db_default="")
    cause = models.CharField(max_length=80, blank=True, default="", db_default="")
    is_list = models.BooleanField(default=False, db_default=False)
    part_of = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="members"
    )
    for_team = models.BooleanField(default=False, db_default=False)
    is_escalated = models.BooleanField(default=False, db_default=False)
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
    question = models.ForeignKey(
        Question, null=True, on_delete=models.CASCADE, related_name="reminders"
    )
    exception = models.ForeignKey(
        RuleException, null=True, on_delete=models.CASCADE, related_name="reminders"
    )
    schedule = models.ForeignKey(
        Schedule, null=True, on_delete=models.CASCADE, related_name="+"
    )
    budget_warning = models.ForeignKey(
        BudgetWarning, null=True, on_delete=models.CASCADE, related_name="+"
    )
    cloud = models.ForeignKey(
        Cloud, null=True, on_delete=models.CASCADE, related_name="+"
    )
    batch = models.ForeignKey(
        EditBatch, null=True, on_delete=models.CASCADE, related_name="+"
    )
    resolves = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="+"
    )
    subject = MessageField()
    path = models.CharField(max_length=200, blank=True, default="", db_default="")
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
    def is_correction(self) -> bool:
        """Return whether it reports a write that took effect late."""
        return self.key.endswith(CORRECTION_SUFFIX)

    @property
    def is_first_silence(self) -> bool:
        """Return whether it reports that no cloud has ever been read."""
        return self.kind == self.Kind.SILENCE and self.key.endswith(f":{NEVER}")

    @property
    def recipient(self) -> str:
        return str(self.channel or self.person)

    def current_members(self, now: datetime) -> list["Reminder"]:
        """Return what a list contains that still applies, the earliest first."""
        if not self.is_list:
            return []
        members = self.members.filter(state=self.State.GROUPED, expires_at__gt=now)
        relations = ("instance__cloud", *TEXT_RELATIONS)
        return list(members.select_related(*relations).order_by("moment", "pk"))

    @property
    def recipient_name(self) -> str:
        """Return what its key starts with."""
        if self.channel_id:
            return f"c{self.channel_id}"
        return f"p{self.person_id}:{self.medium}"


class Acknowledgement(models.Model):
    """A person's statement that they look after an event."""

    event = models.CharField(max_length=160, unique=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.event


class Attempt(models.Model):
    """One attempt to send a reminder, committed before it starts.

    Attributes:
        outcome: Empty while it runs.
        detail: Reason of the outcome, without addresses or secrets.
    """

    class Outcome(models.TextChoices):
        SENT = "sent", _("sent")
        NOT_SENT = "not_sent", _("not sent")
        REFUSED = "refused", _("refused")
        UNKNOWN = "unknown", _("may have been sent")

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
