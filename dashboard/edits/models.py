"""Edits, their attempts, batches, and the queue of each instance."""

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dashboard.instances.edit_states import (
    OPEN_STATES,
    RETRYABLE_STATES,
    EditKind,
    EditState,
)
from dashboard.instances.models import Instance
from dashboard.modelarts.limits import AUTO_STOP_MAX_SECONDS, AUTO_STOP_MIN_SECONDS
from dashboard.modelarts.statuses import STOPPABLE, TRANSITIONAL, InstanceStatus
from dashboard.policies.messages import POLICY
from dashboard.policies.models import Rule
from dashboard.schedules.messages import SCHEDULE
from dashboard.schedules.models import Override, Schedule
from dashboard.web.stored_messages import Message, MessageField, verbatim

NEXT_START_FIELDS = frozenset({"auto_stop_enable", "auto_stop_duration"})
"""Settings that apply from the next start; a run keeps those with which it began."""

SETTLES_WITHIN = timedelta(minutes=15)
"""How long after a start or stop was accepted its status may begin; a later one has
another cause."""

_STOPPED = frozenset({InstanceStatus.STOPPED})

UNTIL_STOPPED = TRANSITIONAL | {InstanceStatus.RUNNING}
"""The statuses in which an edit that waits for the stop is not sent."""

WAITS_FOR_STOP = models.Q(
    waits_for_stop=True,
    instance__missing_since=None,
    instance__status__in=UNTIL_STOPPED,
)
"""Matches the open edits for which ``is_waiting_for_stop`` is true."""


MAX_REASON = 200

WARNING_TIME = timedelta(minutes=10)
"""How long before its stops a batch warns the owners, if its author chose that."""


class ActorMixin:
    """The name of an actor: a person, a schedule, or the policy ``policy_name``."""

    actor: Any
    policy_name: Any
    schedule_name: Any

    @property
    def actor_message(self) -> Message:
        if self.actor is not None:
            return verbatim(self.actor.get_username())
        if self.schedule_name:
            return SCHEDULE(schedule=self.schedule_name)
        return POLICY(policy=self.policy_name)

    @property
    def actor_name(self) -> str:
        """The name in the active language."""
        return str(self.actor_message)


class EditQueue(models.Model):
    """The queue of one instance's edits, and the worker that delivers them.

    The row is the lock: the worker that holds the lease owns the value of
    ``fencing_token``. The next worker raises the token, so that a late worker writes
    nothing (``queue.lock_ours``). See ``docs/decisions/0003-delivery.md``.

    Attributes:
        next_seq: Sequence number of the next edit. It is given under the row's lock, so
            that the order of numbers is the order of acceptance.
        fencing_token: Number of the newest attempt.
        lease_until: End of the lease, by the database's clock.
        lease_owner: The process that has the lease (``worker_liveness``).
        next_at: Earliest time of the next delivery; None for at once.
        last_enqueued_at: When a message was last sent for the instance.
        late_write_until: End of the late-write watch.
        recheck_at: When the watch reads the instance next.
        undo_count: How many late writes were undone in this watch.
        desired: During a watch: ``late_writes.Desired``.
        locked_at: The database's time when a worker locked the row; no column.
    """

    locked_at: datetime

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, related_name="queue", primary_key=True
    )
    next_seq = models.PositiveBigIntegerField(default=1)
    fencing_token = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    lease_owner = models.BigIntegerField(null=True)
    next_at = models.DateTimeField(null=True, db_index=True)
    last_enqueued_at = models.DateTimeField(null=True)
    late_write_until = models.DateTimeField(null=True)
    recheck_at = models.DateTimeField(null=True, db_index=True)
    undo_count = models.PositiveSmallIntegerField(default=0)
    desired = models.JSONField(default=dict, db_default={})

    def __str__(self) -> str:
        return f"queue of {self.instance_id}"


class EditBatch(ActorMixin, models.Model):
    """One change for many instances: a draft until it is confirmed, then many edits.

    The draft stores the preview, so that the confirmation means exactly that. See
    ``docs/decisions/0006-batches.md``.

    Attributes:
        selection: The selected instances, by ``Instance.pk``.
        source: Says where they were selected.
        kind: One of ``Edit.Kind``; empty until an action is chosen.
        patch: As of ``Edit``; each edit gets the part that changes.
        keeps_hours: Whether each instance keeps the run time that it has.
        plan: Of the preview: ``pk``, ``patch`` and ``base`` for each edit.
        previewed_at: When the plan was made; names the preview.
        confirmed_at: When the edits were created; None for a draft.
        actor: None for a policy or a schedule.
        rule: The policy whose violations it fixes.
        policy_name: The name of the policy that acts.
        schedule: The schedule that acts, while it exists.
        schedule_name: Its name.
        scheduled_for: The moment of the schedule.
        retry_of: The first batch of its history; this one retries edits of that
            history that failed.
        undo_of: The batch whose previous values it requests.
        reason: Why its instances are stopped, in the actor's words.
        warns_owners: Whether its stops wait until the owners could be notified.
        approval_asked_at: When its author asked another person to approve it; None for
            a draft that needs no approval, or no longer waits for one.
        decided_by: Who approved or declined it last.
        decided_at: When they did.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="batches",
    )
    policy_name = models.CharField(max_length=80, blank=True)
    schedule = models.ForeignKey(
        Schedule, null=True, on_delete=models.SET_NULL, related_name="batches"
    )
    schedule_name = models.CharField(
        max_length=80, blank=True, default="", db_default=""
    )
    scheduled_for = models.DateTimeField(null=True)
    source = MessageField()
    selection = models.JSONField(default=list)
    kind = models.CharField(max_length=8, blank=True)
    patch = models.JSONField(default=dict)
    keeps_hours = models.BooleanField(default=False)
    plan = models.JSONField(default=list)
    previewed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True, db_index=True)
    rule = models.ForeignKey(
        Rule, null=True, on_delete=models.SET_NULL, related_name="batches"
    )
    retry_of = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="retries"
    )
    undo_of = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="undos"
    )
    reason = models.CharField(max_length=MAX_REASON, blank=True, db_default="")
    warns_owners = models.BooleanField(default=False, db_default=False)
    approval_asked_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="decided_batches",
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"batch of {len(self.selection)}"

    def get_absolute_url(self) -> str:
        """Return the page of its progress, or of the preview of a draft."""
        name = "edits:batch" if self.confirmed_at else "edits:bulk_draft"
        return reverse(name, args=[self.pk])

    @property
    def sends_at(self) -> datetime | None:
        """When its stops are sent, if the owners are warned before; else None."""
        if not self.warns_owners or self.confirmed_at is None:
            return None
        return self.confirmed_at + WARNING_TIME


class BatchSkip(models.Model):
    """A skipped instance of a batch, and why it was skipped."""

    batch = models.ForeignKey(EditBatch, on_delete=models.CASCADE, related_name="skips")
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="batch_skips"
    )
    reason = MessageField()

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.reason}"


class Edit(ActorMixin, models.Model):
    """A change that a person, a policy or a schedule requests for one instance.

    Attributes:
        actor: None for a policy or a schedule.
        rule: The policy, while it exists.
        policy_name: Its name.
        schedule: The schedule, while it exists.
        schedule_name: Its name.
        scheduled_for: The moment of the schedule at which it starts or stops.
        override: The override for which it extends or starts a run.
        seq: Place in the instance's queue.
        patch: The requested fields: ``description`` (str), ``auto_stop_enable``
            (bool), ``auto_stop_duration`` (**seconds**), ``auto_stop_prompt`` (bool);
            of a notebook also ``name`` (str) and ``tags`` (str by str). A start of a
            notebook has the two of auto-stop. An extension has ``stop_timestamp_ms``
            (Unix **ms**, the cloud's clock), or ``lease_type`` with that or with
            ``idle_seconds``.
        base: The same fields as the person saw them. A start or stop has the status.
            A stop has its run, too: ``extension.power_base``.
        result: The same fields as the cloud last showed them.
        idempotency_key: Names the submission; unique for each person.
        request_digest: SHA-256 of the request that came with an ``Idempotency-Key``, to
            recognize another request with the same key; empty for forms.
        attempt_count: How often a worker began to send it.
        interrupted: How many attempts ended without a result because a worker died.
        waits_for_stop: Whether it is sent once the instance has stopped: the cloud
            refused it because the notebook runs, or it is the start of a restart.
        applied_while_running: Whether the instance ran when it was applied, so that an
            auto-stop change waits for the next start.
        not_before: Earliest moment of its delivery; None for at once.
        undo_of: The edit whose previous values it requests.
        newer_by_field: By field, the newer change whose value the cloud has now, as
            ``record.reference_to`` returns it; empty for one made outside Curfew.
        corrected_at: When a late write changed the outcome.
        message: Explains the state; may be empty.
        error_code: The code that ModelArts returned.
        error_message: The text that ModelArts returned.
    """

    Kind = EditKind
    State = EditState

    class Outcome(models.TextChoices):
        """See ``docs/decisions/0013-late-writes.md``."""

        UNCONFIRMED = "unconfirmed", _("being checked")
        NOT_SEEN = "not_seen", _("not seen in ModelArts")
        APPLIED_LATE = "applied_late", _("applied late")
        UNDONE = "restored", _("applied late, then undone")
        REPLACED = "replaced", _("replaced")
        OVERWRITTEN = "overwritten", _("overwritten by an older change")

    OPEN = OPEN_STATES
    RETRYABLE = RETRYABLE_STATES
    CANCELLABLE = frozenset({EditState.QUEUED, EditState.RETRYING})
    CORRECTED: ClassVar = frozenset(
        {Outcome.APPLIED_LATE, Outcome.UNDONE, Outcome.OVERWRITTEN}
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="edits"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="edits",
    )
    rule = models.ForeignKey(
        Rule, null=True, on_delete=models.SET_NULL, related_name="edits"
    )
    policy_name = models.CharField(max_length=80, blank=True)
    schedule = models.ForeignKey(
        Schedule, null=True, on_delete=models.SET_NULL, related_name="edits"
    )
    schedule_name = models.CharField(
        max_length=80, blank=True, default="", db_default=""
    )
    scheduled_for = models.DateTimeField(null=True)
    override = models.ForeignKey(
        Override, null=True, on_delete=models.SET_NULL, related_name="edits"
    )
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.UPDATE)
    patch = models.JSONField(default=dict)
    base = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    idempotency_key = models.CharField(max_length=64)
    request_digest = models.CharField(max_length=64, blank=True, default="")
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    attempt_count = models.PositiveIntegerField(default=0)
    interrupted = models.PositiveIntegerField(default=0)
    waits_for_stop = models.BooleanField(default=False, db_default=False)
    applied_while_running = models.BooleanField(default=False)
    outcome = models.CharField(
        max_length=16, choices=Outcome, blank=True, default="", db_default=""
    )
    newer_by_field = models.JSONField(default=dict, db_default={})
    corrected_at = models.DateTimeField(null=True)
    message = MessageField()
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.TextField(blank=True)
    superseded_by = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="supersedes"
    )
    retry_of = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="retries"
    )
    undo_of = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="undos"
    )
    batch = models.ForeignKey(
        EditBatch, null=True, on_delete=models.SET_NULL, related_name="edits"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    not_before = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["instance", "seq"], name="edit_once_per_place"
            ),
            models.UniqueConstraint(
                fields=["actor", "idempotency_key"], name="edit_once_per_key"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["instance", "seq"],
                name="edit_open",
                condition=models.Q(state__in=["queued", "sending", "retrying"]),
            ),
            models.Index(fields=["-created_at"], name="edit_newest"),
            models.Index(fields=["state", "-created_at"], name="edit_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.seq} of {self.instance_id}"

    def get_absolute_url(self) -> str:
        return reverse("edits:detail", args=[self.pk])

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def is_waiting_for_stop(self) -> bool:
        """Whether it is not sent before the instance has stopped."""
        return bool(
            self.is_open
            and self.waits_for_stop
            and self.instance.missing_since is None
            and self.instance.status in UNTIL_STOPPED
        )

    @property
    def is_scheduled(self) -> bool:
        """Whether it waits for its moment; the worker goes by the database's clock."""
        return bool(
            self.is_open and self.not_before and self.not_before > timezone.now()
        )

    @property
    def is_under_way(self) -> bool:
        """Whether it is about to change: open, and waiting for nothing."""
        return self.is_open and not self.is_waiting_for_stop and not self.is_scheduled

    @property
    def is_being_saved(self) -> bool:
        """Whether it is expected to be applied in seconds, without a first failure."""
        is_tried_again = self.state == self.State.RETRYING
        is_held = self.instance.cloud.held_since is not None
        return self.is_under_way and not is_tried_again and not is_held

    @property
    def may_be_cancelled(self) -> bool:
        return self.state in self.CANCELLABLE

    @property
    def may_be_retried(self) -> bool:
        return self.state in self.RETRYABLE

    @property
    def may_be_discarded(self) -> bool:
        """Whether the actor can keep the newer values."""
        return self.state == self.State.CONFLICT

    @property
    def former_values(self) -> dict[str, Any]:
        """The values that its undo requests, by field; empty if they are unknown.

        ModelArts refuses a run time outside its limits; one that was stored while
        auto-stop was off stays as it is.
        """
        if self.kind != self.Kind.UPDATE:
            return {}
        former = {name: self.base.get(name) for name in self.patch}
        if None in former.values():
            return {}
        seconds = former.get("auto_stop_duration", AUTO_STOP_MIN_SECONDS)
        if not AUTO_STOP_MIN_SECONDS <= seconds <= AUTO_STOP_MAX_SECONDS:
            del former["auto_stop_duration"]
        return former

    @property
    def has_inverse(self) -> bool:
        """Whether it is of a kind that can be undone, with all that an undo needs.

        See ``docs/decisions/0026-undo.md``.
        """
        if self.kind == self.Kind.UPDATE:
            former = self.former_values
            return any(former[name] != self.patch[name] for name in former)
        return self.kind != self.Kind.EXTEND

    @property
    def may_be_undone(self) -> bool:
        """Whether it was applied, and the mirror still shows what it applied.

        This needs no query. ``services.undo_edit`` checks it again.
        """
        if self.state != self.State.APPLIED or not self.has_inverse:
            return False
        if self.kind == self.Kind.UPDATE:
            return all(
                (getattr(self.instance, name) or None) == (value or None)
                for name, value in self.patch.items()
                if name in self.former_values
            )
        return self._has_its_status

    @property
    def _has_its_status(self) -> bool:
        """Whether the instance is stopped since this stop, or runs since this start."""
        instance = self.instance
        statuses = STOPPABLE if self.kind == self.Kind.START else _STOPPED
        if instance.missing_since is not None or instance.status not in statuses:
            return False
        since = instance.status_since or self.created_at
        return bool(self.finished_at and since <= self.finished_at + SETTLES_WITHIN)

    @property
    def is_unconfirmed(self) -> bool:
        """Whether an attempt may still be applied."""
        return self.outcome == self.Outcome.UNCONFIRMED

    @property
    def waits_for_next_start(self) -> bool:
        """Whether the cloud has the new auto-stop but this run does not use it.

        True until a run has started after the edit was applied, or until the cloud has
        another value.
        """
        fields = NEXT_START_FIELDS & self.patch.keys() - self.newer_by_field.keys()
        return bool(
            self.applied_during_this_run
            and fields
            and all(
                getattr(self.instance, name) in {None, self.patch[name]}
                for name in fields
            )
        )

    @property
    def replaced_outside(self) -> bool:
        """Whether it was changed outside Curfew before it took effect."""
        return bool(
            self.applied_during_this_run
            and not self.newer_by_field
            and not self.waits_for_next_start
        )

    @property
    def applied_during_this_run(self) -> bool:
        """Whether auto-stop settings were applied during the run that still goes on.

        They may have been replaced since; see ``waits_for_next_start``.
        """
        return bool(
            self.state == self.State.APPLIED
            and self.applied_while_running
            and self.finished_at
            and NEXT_START_FIELDS & self.patch.keys()
            and not (
                self.instance.run_started_at
                and self.instance.run_started_at > self.finished_at
            )
        )


class Attempt(models.Model):
    """One try to write to the cloud; committed before the request leaves.

    A delivery that sends nothing gets one with its result.

    Attributes:
        number: The queue's ``fencing_token`` when this attempt began.
        started_at: When its worker took the queue.
        body: The JSON body of the PUT, or the action with the run time in seconds; the
            tags after the request; the body of a renewal, with the end that it is meant
            to reach. None if nothing had to be sent.
        before: The cloud's values before the request (``late_writes.cloud_values``).
        sent_at: When the request was about to leave; None if none was sent.
        outcome: A state of the edits, ``dropped``, ``interrupted`` or
            ``accepted_not_applied``; empty while it runs.
        ambiguous: Whether it is unknown if the cloud has applied it.
    """

    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="attempts"
    )
    edits = models.ManyToManyField(Edit, related_name="attempts")
    number = models.PositiveBigIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    body = models.JSONField(null=True)
    before = models.JSONField(default=dict, db_default={})
    sent_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=32, blank=True)
    ambiguous = models.BooleanField(default=False)
    http_status = models.PositiveSmallIntegerField(null=True)
    error_code = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=128, blank=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["instance", "number"], name="attempt_once_per_number"
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} on {self.instance_id}"
