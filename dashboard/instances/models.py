"""The local mirror of the notebooks: what the cloud last told us."""

import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models.functions import Greatest, Lower, Upper
from django.db.models.lookups import IsNull
from django.urls import reverse
from django.utils.translation import gettext_lazy

from dashboard.accounts.permissions import Owner, fleet_scope
from dashboard.livepoll import state
from dashboard.modelarts.results import MADE_UP_ID
from dashboard.web.stored_messages import MessageField

from .edit_states import OPEN_STATES

if TYPE_CHECKING:
    from datetime import datetime

    from dashboard.accounts.models import User


_CURRENT = "SELECT version FROM instances_fleetversion WHERE id = %s"


class FleetVersion(models.Model):
    """A single row whose number grows with each change of the whole fleet.

    ``stamp`` raises it as the last statement of a writing transaction. The row stays
    locked until that commits, so versions become visible in the order of their numbers
    and a poll that asks for "since v" can never skip one.

    The number is the moment of the change in Unix **ms**, or the former number plus one
    where that is more. So a database that was restored from a backup never gives a
    number a second time, and no list from before the restore passes for a new one.
    """

    ROW: ClassVar = 1

    version = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.version)

    @classmethod
    def current(cls) -> int:
        """The version that a page drawn now may call its own."""
        # By hand: every poll asks this, and Django takes ten times as long to word it.
        with connection.cursor() as cursor:
            cursor.execute(_CURRENT, [cls.ROW])
            found = cursor.fetchone()
        return found[0] if found else 0

    @classmethod
    def stamp(cls, changed: "models.QuerySet[Instance] | None" = None) -> int:
        """Note one change; mark the changed instances with the new version.

        Call it last in the transaction of the change: it takes the row's lock.

        Args:
            changed: The instances whose rows look different now. None when only what
                stands around the rows changed, such as a cloud's health.

        Returns:
            The new version.
        """
        if changed is not None:
            # Everybody locks instances first, then the counter; a refresh has them
            # already.
            list(changed.select_for_update(no_key=True).order_by("pk").values("pk"))
        now_ms = time.time_ns() // 1_000_000
        higher = {"version": Greatest(models.F("version") + 1, now_ms)}
        if not cls.objects.filter(pk=cls.ROW).update(**higher):
            cls.objects.get_or_create(pk=cls.ROW)
            cls.objects.filter(pk=cls.ROW).update(**higher)
        version = cls.current()
        if changed is not None:
            changed.update(version=version)
        # For polls that ask no database; whoever dies before this is covered for there.
        transaction.on_commit(partial(state.put_version, version), robust=True)
        return version


class Cloud(models.Model):
    """One configured cloud project, and how its last refresh went.

    Attributes:
        name: The name in ``clouds.yaml``.
        unconfigured_since: Since when the configuration lacks it.
        retired_at: When its instances were given up for that reason.
        refreshed_at: When the mirror was last complete.
        incomplete: Why the last listing was not; empty when it was.
        incomplete_since: Since when it has not been.
        listed: Of an incomplete listing: how many instances it held.
        counted: Of an incomplete listing: how many the cloud says there are.
        problem: Why the last refresh failed; empty when it did not.
        skew_ms: The upstream's clock minus ours, milliseconds.
        refresh_lease_until: Until then somebody else is refreshing.
        refresh_lease_owner: Which process that is, by its sign of life (``life``).
        failures: Calls for edits that failed without an answer, in a row.
        held_until: Until then no edit is sent; after that, while ``failures`` says the
            circuit is open, one at a time to see whether the cloud is back.
        hold_reason: Why.
        held_since: When that began.
    """

    class Incomplete(models.TextChoices):
        PARTLY_READ = "partly_read", gettext_lazy("partly read")
        WRONG_COUNT = "wrong_count", gettext_lazy("incomplete")

    name = models.CharField(max_length=255, unique=True)
    unconfigured_since = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    refreshed_at = models.DateTimeField(null=True)
    incomplete = models.CharField(
        max_length=16, choices=Incomplete, blank=True, default="", db_default=""
    )
    incomplete_since = models.DateTimeField(null=True)
    listed = models.BigIntegerField(null=True)
    counted = models.BigIntegerField(null=True)
    attempted_at = models.DateTimeField(null=True)
    problem = MessageField()
    problem_code = models.CharField(max_length=64, blank=True)
    problem_since = models.DateTimeField(null=True)
    skew_ms = models.BigIntegerField(default=0)
    refresh_lease_until = models.DateTimeField(null=True)
    refresh_lease_owner = models.PositiveIntegerField(null=True)
    failures = models.PositiveIntegerField(default=0)
    held_since = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)
    hold_reason = MessageField()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def refreshed_at_ms(self) -> int | None:
        """When the mirror was last complete, Unix **ms**."""
        at = self.refreshed_at
        return None if at is None else round(at.timestamp() * 1e3)

    @property
    def retires_at(self) -> "datetime | None":
        """When its instances are given up; None while it is configured."""
        since = self.unconfigured_since
        return since and since + timedelta(hours=settings.CURFEW.cloud_grace_hours)

    @property
    def waiting_edits(self) -> int:
        """Edits of its instances whose fate is open."""
        return self.instances.filter(edits__state__in=OPEN_STATES).count()


class PartialListing(models.Model):
    """A listing that took longer than one task may; the next one goes on with it.

    Attributes:
        begun_at: When its first page was asked for.
        saved_at: When its latest page had been written.
        next_offset: Index of the first record that is still to be read.
        totals: ``total_count`` of each page that differed from the one before.
        seen: Ids so far.
        anonymous: Records so far that had no id.
    """

    cloud = models.OneToOneField(
        Cloud, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    begun_at = models.DateTimeField()
    saved_at = models.DateTimeField()
    next_offset = models.BigIntegerField()
    totals = models.JSONField()
    seen = models.JSONField()
    anonymous = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{len(self.seen)} of {self.cloud_id}"


def _both_directions(field: str, name: str) -> list[models.Index]:
    empty, value = IsNull(models.F(field), True), models.F(field)
    return [
        models.Index(empty, value.asc(), Lower("name"), "id", name=name),
        models.Index(
            *(empty, value.desc(), Lower("name").desc(), models.F("id").desc()),
            name=f"{name}_down",
        ),
    ]


class InstanceQuerySet(models.QuerySet["Instance"]):
    """Reads of the mirror."""

    def visible_to(self, user: "User") -> Self:
        """What this person may see: everybody signed in sees the team's whole list."""
        return self if fleet_scope(user) == "all" else self.none()

    def owned_by(self, user: "User") -> Self:
        """Those of the upstream users who are this person (``permissions.owns``)."""
        mine = user.cloud_identifiers
        return self.filter(models.Q(owner_id__in=mine) | models.Q(owner_name__in=mine))


class Instance(models.Model):
    """Last known state of one notebook.

    Typed columns hold what is searched, sorted, listed or used in rules; ``document``
    holds everything else the cloud said, without its secrets. Sources: tables 5, 10,
    14, 17 and 21 of the vendor's page on the update call.

    Attributes:
        instance_id: The cloud's id; opaque. Made up where that cannot be used
            (``modelarts.results.made_up_id``); ``document`` has the received one.
        status: As the cloud spells it; may be one we do not know.
        auto_stop_duration: Run time granted at each start, **seconds**.
        stop_timestamp_ms: The end of this run by the **upstream's** clock, Unix ms.
        stops_at: The same moment by our clock.
        run_started_at: When this run began, as well as we know.
        status_since: When this status was first observed; None when the instance
            already had it when we first saw it.
        problems: What could not be read of the cloud's document.
        missing_since: When a complete listing first lacked it; None while it exists.
        content_hash: Of everything that makes the row look as it does.
        version: Fleet version of the last visible change.
        looked_at: When it was last asked for by itself, outside a listing.
        is_running: Whether the latest complete listing has it running.
        run_ends_at: ``stops_at`` while it runs. What both mean: ``run_state``.
    """

    cloud = models.ForeignKey(Cloud, on_delete=models.PROTECT, related_name="instances")
    instance_id = models.CharField(max_length=255)
    name = models.CharField(max_length=512)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=64)
    owner_id = models.CharField(max_length=255, blank=True)
    owner_name = models.CharField(max_length=255, blank=True)
    flavor = models.CharField(max_length=255, blank=True)
    flavor_type = models.CharField(max_length=32, blank=True)
    workspace_id = models.CharField(max_length=255, blank=True)
    auto_stop_enable = models.BooleanField(null=True)
    auto_stop_duration = models.BigIntegerField(null=True)
    auto_stop_prompt = models.BooleanField(null=True)
    stop_timestamp_ms = models.BigIntegerField(null=True)
    stops_at = models.DateTimeField(null=True)
    run_started_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(null=True)
    document = models.JSONField(default=dict)
    problems = models.JSONField(default=list)
    search_text = models.TextField(blank=True)
    content_hash = models.CharField(max_length=64)
    status_since = models.DateTimeField(null=True)
    first_seen_at = models.DateTimeField()
    missing_since = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    version = models.BigIntegerField(default=0)
    is_running = models.GeneratedField(
        expression=models.Case(
            models.When(missing_since=None, status="RUNNING", then=True), default=False
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    run_ends_at = models.GeneratedField(
        expression=models.Case(
            models.When(missing_since=None, status="RUNNING", then=models.F("stops_at"))
        ),
        output_field=models.DateTimeField(null=True),
        db_persist=True,
    )

    objects = InstanceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["cloud", "instance_id"], name="instance_once_per_cloud"
            )
        ]
        indexes: ClassVar = [
            # One for each order of the list, ties included (``filters.ordered``). What
            # has no value comes last in both directions: that takes two.
            models.Index(Lower("name"), "id", name="instance_by_name"),
            models.Index(
                Lower("owner_name"), Lower("name"), "id", name="instance_by_owner"
            ),
            models.Index("status", Lower("name"), "id", name="instance_by_status"),
            # Stopped instances come last in both directions, too. A run without an end
            # ends later than any other.
            models.Index(
                *(models.F("is_running").desc(), IsNull(models.F("run_ends_at"), True)),
                *(models.F("run_ends_at").asc(), Lower("name"), "id"),
                name="instance_by_stop",
            ),
            models.Index(
                models.F("is_running").desc(),
                models.OrderBy(IsNull(models.F("run_ends_at"), True), descending=True),
                *(models.F("run_ends_at").desc(), Lower("name").desc()),
                models.F("id").desc(),
                name="instance_by_stop_down",
            ),
            *_both_directions("updated_at", "instance_by_update"),
            # One for each filter.
            models.Index(Upper("status"), "missing_since", name="instance_of_status"),
            models.Index("owner_name", name="instance_of_owner"),
            models.Index("owner_id", name="instance_of_owner_id"),
            models.Index("flavor_type", name="instance_of_flavor_type"),
            models.Index("workspace_id", name="instance_of_workspace"),
            models.Index(
                "missing_since", "auto_stop_enable", name="instance_of_auto_stop"
            ),
            models.Index("is_running", "run_ends_at", name="instance_of_run"),
            models.Index("version", name="instance_by_version"),
        ]

    def __str__(self) -> str:
        return self.name or self.instance_id

    def get_absolute_url(self) -> str:
        """The detail page."""
        return reverse("instances:detail", args=[self.cloud.name, self.instance_id])

    @property
    def has_usable_id(self) -> bool:
        """Whether the cloud can be asked about it, and told to change it."""
        return not self.instance_id.startswith(MADE_UP_ID)

    @property
    def reference(self) -> str:
        """Which one of which cloud, as in ``demo/DE-…``; for the audit trail."""
        return f"{self.cloud.name}/{self.instance_id}"

    @property
    def owner(self) -> Owner:
        """The upstream user who created it."""
        return Owner(self.owner_id, self.owner_name)

    @property
    def stops_at_ms(self) -> int | None:
        """End of this run by our clock, Unix **ms**, for ``data-stops-at``."""
        return None if self.stops_at is None else round(self.stops_at.timestamp() * 1e3)


class InstanceEvent(models.Model):
    """A change of status that was observed, and why as far as it can be told.

    Attributes:
        actor: Whose wish led there; None when it was none of ours.
        edit_id: That wish. No key: edits are above this app.
    """

    class Reason(models.TextChoices):
        AUTO_STOP = "auto_stop", gettext_lazy("auto-stop")
        REQUESTED = "requested", gettext_lazy("requested")
        RESTARTED = "restarted", gettext_lazy("restarted")
        NEW_SETTING = "new_setting", gettext_lazy("restarted to apply a change")
        FROZEN = "frozen", gettext_lazy("frozen by the cloud")
        LATE = "late", gettext_lazy("applied late by ModelArts")
        UNDONE = "undone", gettext_lazy("undone by Curfew")
        UNKNOWN = "unknown", gettext_lazy("reason unknown")

    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="events"
    )
    at = models.DateTimeField()
    from_status = models.CharField(max_length=64, blank=True)
    to_status = models.CharField(max_length=64)
    reason = models.CharField(max_length=16, choices=Reason, default=Reason.UNKNOWN)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    edit_id = models.UUIDField(null=True)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        indexes: ClassVar = [models.Index(fields=["instance", "-at"])]

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"
