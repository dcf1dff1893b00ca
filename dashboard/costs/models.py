"""Runs, what they are allocated by, their sums by day, prices and budgets."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from dashboard.accounts.models import Team
from dashboard.instances.models import Cloud, Instance, InstanceEvent
from dashboard.web.stored_messages import MessageField


class Allocation(models.Model):
    """What hours and costs are allocated by: the properties of an instance at a time.

    Runs of instances with the same properties share a row.

    Attributes:
        digest: SHA-256 of all the other columns.
    """

    cloud = models.ForeignKey(Cloud, on_delete=models.CASCADE, related_name="+")
    generation = models.CharField(max_length=16)
    owner_id = models.CharField(max_length=255, blank=True)
    owner_name = models.CharField(max_length=255, blank=True)
    flavor = models.CharField(max_length=255, blank=True)
    flavor_type = models.CharField(max_length=32, blank=True)
    workspace_id = models.CharField(max_length=255, blank=True)
    tags = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return f"{self.owner_name or self.owner_id}, {self.flavor}"


class Run(models.Model):
    """One continuous run of an instance: from its start until it left ``RUNNING``.

    A notebook whose image is saved (``SNAPSHOTTING``) goes on running. The row is
    written in the transaction of the events that tell the run (``recorder``).

    Attributes:
        allocation: The properties of the instance at the start.
        ended_at: None while it is open.
        has_end: Whether something would stop it by itself: auto-stop with an end, or an
            idle lease. As last observed; None if unknown.
        ended_by: Who or what ended it; empty while it is open.
        reason: Of the event of its end; ``InstanceEvent.Reason``.
        ended_by_person: Whose edit ended it.
        ended_by_name: The name of the schedule or policy that ended it.
        end_edit_id: The edit that ended it.
        end_status: The status after it; empty if the instance was missing.
        next_started_at: When the next run of the instance began; None before.
    """

    class Known(models.TextChoices):
        """How well a moment is known."""

        OBSERVED = "observed", _("observed")
        BETWEEN = "between", _("between two looks")
        UNKNOWN = "unknown", _("unknown")

    class EndedBy(models.TextChoices):
        AUTO_STOP = "auto_stop", _("Auto-stop")
        PERSON = "person", _("Person")
        SCHEDULE = "schedule", _("Schedule")
        POLICY = "policy", _("Policy")
        CURFEW = "curfew", _("Curfew")
        CLOUD = "cloud", _("Cloud")
        UNKNOWN = "unknown", _("Unknown")

    SAVING: ClassVar = (
        EndedBy.AUTO_STOP,
        EndedBy.SCHEDULE,
        EndedBy.POLICY,
        EndedBy.CURFEW,
    )
    """The ends that save hours."""

    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="runs"
    )
    allocation = models.ForeignKey(
        Allocation, on_delete=models.PROTECT, related_name="runs"
    )
    started_at = models.DateTimeField()
    started_known = models.CharField(max_length=8, choices=Known)
    ended_at = models.DateTimeField(null=True)
    ended_known = models.CharField(max_length=8, choices=Known, blank=True)
    has_end = models.BooleanField(null=True)
    ended_by = models.CharField(max_length=16, choices=EndedBy, blank=True)
    reason = models.CharField(max_length=16, choices=InstanceEvent.Reason, blank=True)
    ended_by_person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    ended_by_name = models.CharField(max_length=80, blank=True)
    end_edit_id = models.UUIDField(null=True)
    end_status = models.CharField(max_length=64, blank=True)
    next_started_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-started_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["instance"], condition=Q(ended_at=None), name="run_open_once"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("started_at")),
                name="run_ends_after_start",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["instance", "-started_at"], name="run_of_instance"),
            models.Index(fields=["ended_at", "started_at"], name="run_by_end"),
            models.Index(fields=["started_at"], name="run_by_start"),
        ]

    def __str__(self) -> str:
        return f"{self.instance_id} from {self.started_at}"

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    def seconds(self, now: datetime) -> float:
        """Return how long it lasted or, while it is open, has lasted until now."""
        return ((self.ended_at or now) - self.started_at).total_seconds()


class Gap(models.Model):
    """A time in which Curfew could not see what a cloud's instances did."""

    cloud = models.ForeignKey(Cloud, on_delete=models.CASCADE, related_name="gaps")
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["since"]
        indexes: ClassVar = [models.Index(fields=["cloud", "until"], name="gap_by_end")]

    def __str__(self) -> str:
        return f"{self.cloud_id}: {self.since} to {self.until}"


class UsageSums(models.Model):
    """Sums of some days and an allocation, in **seconds** and numbers (``rollup``).

    Days are those of ``CURFEW_REPORT_TIME_ZONE``.

    Attributes:
        running: Time in runs, without gaps.
        stopped: Time in which the instances existed and were known not to run.
        unknown: Time in gaps.
        ended_seconds: Length of the runs that ended on these days.
        ended_auto_stop: Number of runs that auto-stop ended; so for the others.
        avoided_auto_stop: Time avoided by them (``savings``); so for the others.
        unsure_auto_stop: How many of them ended in a gap, so that it is not known what
            they avoided; so for the others.
    """

    running = models.BigIntegerField(default=0)
    stopped = models.BigIntegerField(default=0)
    unknown = models.BigIntegerField(default=0)
    ended_seconds = models.BigIntegerField(default=0)
    ended_auto_stop = models.IntegerField(default=0)
    ended_person = models.IntegerField(default=0)
    ended_schedule = models.IntegerField(default=0)
    ended_policy = models.IntegerField(default=0)
    ended_curfew = models.IntegerField(default=0)
    ended_cloud = models.IntegerField(default=0)
    ended_unknown = models.IntegerField(default=0)
    avoided_auto_stop = models.BigIntegerField(default=0)
    avoided_schedule = models.BigIntegerField(default=0)
    avoided_policy = models.BigIntegerField(default=0)
    avoided_curfew = models.BigIntegerField(default=0)
    unsure_auto_stop = models.IntegerField(default=0)
    unsure_schedule = models.IntegerField(default=0)
    unsure_policy = models.IntegerField(default=0)
    unsure_curfew = models.IntegerField(default=0)

    class Meta:
        abstract = True


class UsageDay(UsageSums):
    """The sums of one day and allocation."""

    day = models.DateField()
    allocation = models.ForeignKey(
        Allocation, on_delete=models.CASCADE, related_name="days"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "allocation"], name="usage_once_per_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.allocation_id}"


class UsageWeek(UsageSums):
    """The sums of a week and allocation, so that a long report reads fewer rows.

    Attributes:
        day: Its first day, a Monday.
    """

    day = models.DateField()
    allocation = models.ForeignKey(
        Allocation, on_delete=models.CASCADE, related_name="weeks"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "allocation"], name="usage_once_per_week"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.allocation_id}"


class RollUp(models.Model):
    """Up to which day the sums of a cloud are in ``UsageDay`` and ``UsageWeek``.

    Attributes:
        done_until: The first day that is not summed up; later days are computed from
            the runs.
        time_zone: Of the days. A different setting discards the sums.
        most_hours: ``CURFEW_SAVINGS_MAX_HOURS`` of the sums; the same applies.
    """

    cloud = models.OneToOneField(
        Cloud, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    done_until = models.DateField()
    time_zone = models.CharField(max_length=64)
    most_hours = models.FloatField()

    def __str__(self) -> str:
        return f"{self.cloud_id} until {self.done_until}"

    @property
    def is_valid(self) -> bool:
        """Whether the sums were made with the present settings."""
        config = settings.CURFEW
        return (self.time_zone, self.most_hours) == (
            config.report_time_zone,
            config.savings_max_hours,
        )


class Price(models.Model):
    """What an instance of a flavor costs an hour, from a day on.

    A new price is a new row with a later day, so the costs of the past stay as they
    are. Only a row whose day is not over is replaced (``price_services``).

    Attributes:
        cloud: The name of a cloud; ``*`` for all.
        flavor: Exact, or a glob such as ``modelarts.vm.gpu.*``.
        running: An hour while it runs, its disk included.
        stopped: An hour while it does not run; None if unknown.
        currency: ISO 4217, such as ``EUR``.
        valid_from: Its first day, in ``CURFEW_REPORT_TIME_ZONE``.
    """

    class Source(models.TextChoices):
        FORM = "form", _("entered")
        FILE = "file", _("imported")
        CLOUD = "cloud", _("fetched")

    ANY_CLOUD: ClassVar = "*"

    cloud = models.CharField(max_length=255, default=ANY_CLOUD)
    flavor = models.CharField(max_length=255)
    running = models.DecimalField(
        max_digits=14, decimal_places=6, validators=[MinValueValidator(Decimal(0))]
    )
    stopped = models.DecimalField(
        max_digits=14,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
    )
    currency = models.CharField(max_length=3)
    valid_from = models.DateField()
    source = models.CharField(max_length=8, choices=Source, default=Source.FORM)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["cloud", "flavor", "-valid_from"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["cloud", "flavor", "valid_from"], name="price_once_per_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.flavor}: {self.running} {self.currency}"

    def get_absolute_url(self) -> str:
        return reverse("costs:price", args=[self.pk])


class PriceProposal(models.Model):
    """Prices that a cloud's billing service was asked for, until a person decides.

    Attributes:
        cloud: Its name.
        flavors: What was asked for: the flavors of its instances.
        ratings: What an hour costs while running: amount and currency by flavor.
            Without those for which the service names no price.
        problem: Why there is no answer; empty unless ``FAILED``.
        answered_at: When the answer, or the failure, was stored.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        READY = "ready"
        FAILED = "failed"
        ACCEPTED = "accepted"

    PATIENCE: ClassVar = timedelta(minutes=3)
    """After this time nobody works on it; longer than the task may take."""

    cloud = models.CharField(max_length=255)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    flavors = models.JSONField(default=list)
    ratings = models.JSONField(default=dict)
    problem = MessageField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-asked_at", "-pk"]

    def __str__(self) -> str:
        return self.cloud

    def get_absolute_url(self) -> str:
        return reverse("costs:proposal", args=[self.pk])

    def is_awaited(self, now: datetime) -> bool:
        """Whether an answer can still arrive."""
        is_recent = now < self.asked_at + self.PATIENCE
        return self.state == self.State.WAITING and is_recent


class Budget(models.Model):
    """What a cloud, workspace, owner, tag or team may cost in a calendar month.

    Attributes:
        value: Name of the cloud; ID of the workspace; name or ID of the owner; a tag's
            key, or ``key=value``; empty for a team, and for everything.
        amount: A month, in ``currency``. Costs in other currencies do not count.
    """

    class Kind(models.TextChoices):
        ALL = "all", _("Everything")
        CLOUD = "cloud", _("Cloud")
        WORKSPACE = "workspace", _("Workspace")
        OWNER = "owner", _("Owner")
        TAG = "tag", _("Tag")
        TEAM = "team", _("Team")

    THRESHOLDS: ClassVar = (50, 85, 100)
    """Percent of the amount that are warned about, once each a month."""

    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=16, choices=Kind)
    value = models.CharField(max_length=512, blank=True)
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    amount = models.DecimalField(
        max_digits=14, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))]
    )
    currency = models.CharField(max_length=3)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("costs:budget", args=[self.pk])


class BudgetWarning(models.Model):
    """The note that a budget has reached a threshold in a month.

    If several thresholds are reached at once, only the highest has a row.

    Attributes:
        month: Its first day.
        threshold: In percent, of ``Budget.THRESHOLDS``.
        spent: In this month until then, in ``currency``.
        amount: Of the budget at that time.
        forecast: For the whole month at that pace; None on its first day.
    """

    budget = models.ForeignKey(
        Budget, on_delete=models.CASCADE, related_name="warnings"
    )
    month = models.DateField()
    threshold = models.PositiveSmallIntegerField()
    at = models.DateTimeField(db_index=True)
    spent = models.DecimalField(max_digits=20, decimal_places=2)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    forecast = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    currency = models.CharField(max_length=3)

    class Meta:
        ordering: ClassVar = ["-month", "-threshold"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["budget", "month", "threshold"], name="budget_warned_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.budget_id}: {self.threshold} % in {self.month}"
