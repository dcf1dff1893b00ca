"""The local mirror of the notebooks: their last known state in the cloud."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce, Least, Lower, Upper
from django.db.models.lookups import IsNull
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from dashboard.accounts.permissions import Owner, fleet_scope
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.results import UNUSABLE_ID_PREFIX
from dashboard.web.stored_messages import MessageField

from .capabilities import Capabilities, capabilities_of
from .edit_states import OPEN_STATES
from .fleet_version import FleetVersion as FleetVersion  # Django looks for models here

if TYPE_CHECKING:
    from dashboard.accounts.models import User


_DEMANAGER = Generation.DEMANAGER.value
_NAME = ("name",)


class Cloud(models.Model):
    """A configured cloud project, and the result of its last refresh.

    Attributes:
        name: The name in ``clouds.yaml``.
        unconfigured_since: Since when the configuration lacks it.
        retired_at: When its instances were marked as missing for that reason.
        refreshed_at: When the mirror was last complete.
        read_at: When all its listings were last read, complete or not (``gaps``).
        incomplete: Why the last listing was incomplete; empty if it was complete.
        listed, counted: Of an incomplete listing: number of instances in it, and number
            that the cloud reports.
        problem: Why the last refresh failed; empty if it did not.
        skew_ms: The cloud's clock minus ours, **ms**.
        refresh_lease_until: End of the lease of the process that is refreshing.
        refresh_lease_owner: Key of that process (``worker_liveness``).
        failures: Number of calls for edits that failed without an answer, in a row.
        held_since, held_until, hold_reason: No edit is sent in this time. After it one
            edit at a time probes the cloud, while ``failures`` keeps the circuit open.
        generations: By generation of the API, an ``Answer``; without those that were
            never asked for.
        generations_checked_at: When one was last asked for that is not served; when
            all are, when all were last listed.
        notebooks_scope: Whose notebooks the last listing contained; empty before one.
        max_run_hours: Longest run that an extension may ask for, hours from now.
        allows_no_auto_stop: Whether a notebook may start without auto-stop.
        has_tags: Whether notebooks have tags.
        notebook_hosts, console_url: As of ``CloudConfig``.
    """

    class Scope(models.TextChoices):
        ALL = "all", _("everyone's notebooks")
        OWN = "own", _("only the account's own notebooks")

    class Answer(models.TextChoices):
        SERVED = "served", _("served")
        NOT_SERVED = "not_served", _("not served")

    class Incomplete(models.TextChoices):
        PARTLY_READ = "partly_read", _("partly read")
        WRONG_COUNT = "wrong_count", _("incomplete")

    name = models.CharField(max_length=255, unique=True)
    unconfigured_since = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    refreshed_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
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
    generations = models.JSONField(default=dict)
    generations_checked_at = models.DateTimeField(null=True)
    notebooks_scope = models.CharField(
        max_length=8, choices=Scope, blank=True, default="", db_default=""
    )
    max_run_hours = models.PositiveIntegerField(default=24, db_default=24)
    allows_no_auto_stop = models.BooleanField(default=False, db_default=False)
    has_tags = models.BooleanField(default=False, db_default=False)
    notebook_hosts = models.JSONField(default=list, db_default=[])
    console_url = models.CharField(
        max_length=500, blank=True, default="", db_default=""
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def refreshed_at_ms(self) -> int | None:
        at = self.refreshed_at
        return None if at is None else round(at.timestamp() * 1e3)

    @property
    def retires_at(self) -> datetime | None:
        """When its instances count as missing; None while it is configured."""
        since = self.unconfigured_since
        return since and since + timedelta(hours=settings.CURFEW.cloud_grace_hours)

    @property
    def waiting_edits(self) -> int:
        return self.instances.filter(edits__state__in=OPEN_STATES).count()


class PartialListing(models.Model):
    """The saved ``progress.Progress`` of a listing that takes more than one task.

    Attributes:
        begun_at: When its first page was requested.
        saved_at: When its latest page had been written.
        generation: Whose listing is under way; those before it are complete.
        next_offset: Index of the first record that was not read yet.
    """

    cloud = models.OneToOneField(
        Cloud, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    begun_at = models.DateTimeField()
    saved_at = models.DateTimeField()
    generation = models.CharField(
        max_length=16, default=_DEMANAGER, db_default=_DEMANAGER
    )
    next_offset = models.BigIntegerField()
    totals = models.JSONField()
    seen = models.JSONField()
    anonymous = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{len(self.seen)} of {self.cloud_id}"


class InstanceQuerySet(models.QuerySet["Instance"]):
    def visible_to(self, user: "User") -> Self:
        """Return what the person may see: everyone signed in sees the whole fleet."""
        return self if fleet_scope(user) == "all" else self.none()

    def owned_by(self, user: "User") -> Self:
        """Return the instances of the person's ModelArts users."""
        mine = user.cloud_identifiers
        return self.filter(models.Q(owner_id__in=mine) | models.Q(owner_name__in=mine))


class Instance(models.Model):
    """The last known state of a notebook.

    Columns contain what is searched, sorted, listed or used in policies; ``document``
    is the cloud's document without its secrets. Sources: tables 5, 10, 14, 17 and 21 of
    the vendor's page on the update call.

    Attributes:
        instance_id: The cloud's id. A made-up one if that is unusable
            (``modelarts.results.replacement_id``); ``document`` has the received one.
        status: In upper case; may be unknown to us.
        generation: Which API it speaks.
        auto_stop_duration: Run time granted at each start, **seconds**; None for a
            notebook, whose run time is given with each start.
        stop_timestamp_ms: The end of this run by the **cloud's** clock, Unix ms.
        stops_at: The same moment by our clock.
        lease_type: Of a notebook: ``timing`` for a fixed end, ``idle`` for one that
            stops when nobody uses it; empty if unknown, and for other instances.
        lease_updated_ms: When a notebook's lease last changed, by the cloud's clock.
        idle_seconds: Of an idle lease: how long it must be idle to stop; None if not
            known (``idle_time``).
        idle_stop_at: Of an idle lease: it does not stop before this moment, our clock.
        tags: Of a notebook, by key.
        run_started_at: The start of this run, as far as known.
        status_since: When this status was first observed; None if the instance had it
            when it was first seen.
        problems: The parts of the document that could not be read.
        missing_since: When a complete listing first lacked it; None while it exists.
        content_hash: Hash of everything that the row shows.
        version: Fleet version of the last visible change.
        looked_at: When the latest read of it alone, outside a listing, was requested.
        stop_requested_at: When the stop that is under way was requested, or was seen to
            begin; None once the run has ended.
        is_running: Whether it is ``RUNNING`` and not missing.
        run_ends_at: ``stops_at`` while it runs, else None; for queries.
        stop_due_at: When it should stop, or should have stopped: at its end or at a
            request, whichever is first. None unless it is running or stopping.
    """

    cloud = models.ForeignKey(Cloud, on_delete=models.PROTECT, related_name="instances")
    instance_id = models.CharField(max_length=255)
    generation = models.CharField(
        max_length=16, default=_DEMANAGER, db_default=_DEMANAGER
    )
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
    lease_type = models.CharField(max_length=16, blank=True, default="", db_default="")
    lease_updated_ms = models.BigIntegerField(null=True)
    idle_seconds = models.BigIntegerField(null=True)
    idle_stop_at = models.DateTimeField(null=True)
    tags = models.JSONField(default=dict, db_default={})
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
    stop_requested_at = models.DateTimeField(null=True)
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
    stop_due_at = models.GeneratedField(
        expression=models.Case(
            models.When(
                missing_since=None,
                status="RUNNING",
                # SQLite's least value is NULL if one of them is.
                then=Least(
                    Coalesce("stops_at", "stop_requested_at"),
                    Coalesce("stop_requested_at", "stops_at"),
                ),
            ),
            models.When(
                missing_since=None,
                status="STOPPING",
                then=models.F("stop_requested_at"),
            ),
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
            # One for each order of the list, ties included (``filters.ordered``). Where
            # rows without a value come last in both directions, two are needed.
            # PostgreSQL reads rows of all places before a page unless the index has
            # every column of its expressions, too: 377 ms for place 50,000 instead of
            # 17. The longest entry is that by owner (``mapping.MAX_NAME_SIZE``).
            models.Index(Lower("name"), "id", name="instance_by_name", include=_NAME),
            models.Index(
                *(Lower("owner_name"), Lower("name"), "id"),
                name="instance_by_owner",
                include=("owner_name", "name"),
            ),
            models.Index(
                *("status", Lower("name"), "id"),
                name="instance_by_status",
                include=_NAME,
            ),
            # Stopped instances come last in both directions, too; a run without an end
            # comes after all with one.
            models.Index(
                *(models.F("is_running").desc(), IsNull(models.F("run_ends_at"), True)),
                *(models.F("run_ends_at").asc(), Lower("name"), "id"),
                name="instance_by_stop",
                include=_NAME,
            ),
            models.Index(
                models.F("is_running").desc(),
                models.OrderBy(IsNull(models.F("run_ends_at"), True), descending=True),
                *(models.F("run_ends_at").desc(), Lower("name").desc()),
                models.F("id").desc(),
                name="instance_by_stop_down",
                include=_NAME,
            ),
            models.Index(
                *(IsNull(models.F("updated_at"), True), models.F("updated_at").asc()),
                *(Lower("name"), "id"),
                name="instance_by_update",
                include=_NAME,
            ),
            models.Index(
                *(IsNull(models.F("updated_at"), True), models.F("updated_at").desc()),
                *(Lower("name").desc(), models.F("id").desc()),
                name="instance_by_update_down",
                include=_NAME,
            ),
            # One for each filter.
            models.Index(Upper("status"), "missing_since", name="instance_of_status"),
            models.Index("owner_name", name="instance_of_owner"),
            models.Index("owner_id", name="instance_of_owner_id"),
            models.Index("flavor_type", name="instance_of_flavor_type"),
            models.Index("workspace_id", name="instance_of_workspace"),
            # With what the counters ask for, so that they need not read the rows.
            models.Index(
                *("generation", "is_running", "run_ends_at"),
                *("lease_type", "auto_stop_enable"),
                name="instance_of_generation",
            ),
            models.Index(
                *("missing_since", "auto_stop_enable", "generation", "status"),
                name="instance_of_auto_stop",
            ),
            # Everything that ``/due/`` reads of each run, in its order.
            models.Index(
                *("is_running", "run_ends_at", "run_started_at", "id", "owner_name"),
                *("flavor", "version", "lease_type", "auto_stop_enable"),
                name="instance_of_run",
            ),
            # With what orders instances of the same price.
            models.Index(
                *("flavor", "cloud", Lower("name"), "id"), name="instance_of_flavor"
            ),
            models.Index("version", name="instance_by_version"),
            models.Index("stop_due_at", name="instance_by_stop_due"),
        ]

    def __str__(self) -> str:
        return self.name or self.instance_id

    def get_absolute_url(self) -> str:
        return reverse("instances:detail", args=[self.cloud.name, self.instance_id])

    @property
    def has_usable_id(self) -> bool:
        """Whether it can be read and changed on its own."""
        return not self.instance_id.startswith(UNUSABLE_ID_PREFIX)

    @property
    def reference(self) -> str:
        """Cloud and id, such as ``demo/DE-…``, for the audit trail."""
        return f"{self.cloud.name}/{self.instance_id}"

    @property
    def capabilities(self) -> Capabilities:
        """What the generation of its API allows."""
        return capabilities_of(self.generation)

    @property
    def owner(self) -> Owner:
        return Owner(self.owner_id, self.owner_name)


class InstanceEvent(models.Model):
    """An observed change of status, with its likeliest reason.

    Attributes:
        edit_id: The edit that caused it; no foreign key, since ``edits`` is above.
        actor: The person who requested that edit.
    """

    class Reason(models.TextChoices):
        AUTO_STOP = "auto_stop", _("auto-stop")
        IDLE = "idle", _("auto-stop when idle")
        REQUESTED = "requested", _("requested")
        RESTARTED = "restarted", _("restarted")
        NEW_SETTING = "new_setting", _("restarted to apply a change")
        FROZEN = "frozen", _("frozen by the cloud")
        LATE = "late", _("applied late by ModelArts")
        UNDONE = "undone", _("undone by Curfew")
        UNKNOWN = "unknown", _("reason unknown")

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
