"""Edits, their attempts, bulk changes, and the queue of each instance."""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy

from dashboard.instances.edit_states import (
    OPEN_STATES,
    RETRYABLE_STATES,
    EditKind,
    EditState,
)
from dashboard.instances.models import Instance
from dashboard.policies.messages import POLICY
from dashboard.policies.models import Rule
from dashboard.web.stored_messages import Message, MessageField, verbatim

NEXT_START_FIELDS = frozenset({"auto_stop_enable", "auto_stop_duration"})
"""Settings that the cloud takes at a start; a run keeps those it began with."""


def _actor_message(actor: Any, policy_name: str) -> Message:
    if actor is not None:
        return verbatim(actor.get_username())
    return POLICY(policy=policy_name)


class EditQueue(models.Model):
    """The order of one instance's edits, and who is delivering them now.

    The row is the lock: a worker that holds it has set ``lease_until`` and owns the
    value of ``fencing_token``; whoever takes the queue next raises the fencing_token,
    and the late
    worker's writes find no row. See ``docs/decisions/0003-delivery.md``.

    Attributes:
        next_seq: Sequence number of the next edit; given under the row's lock, so that
            the order of numbers is the order of acceptance.
        fencing_token: Number of the newest attempt.
        lease_until: Until then, by the database's clock, the queue is taken.
        lease_owner: Which process took it, by its sign of life (``life``).
        next_at: Not before this moment is anything tried; None: at once.
        last_enqueued_at: When a worker was last told.
        late_write_until: Until then a write of ours whose end is unknown may still
            land.
        recheck_at: When to look whether one did; None: no need.
        repairs: How often a late write was put right in this watch.
        desired: While late writes are watched for: the value that should be in the
            cloud, by field, with the number of the attempt that saw or set it. See
            ``late_writes``.
    """

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
    repairs = models.PositiveSmallIntegerField(default=0)
    desired = models.JSONField(default=dict, db_default={})

    def __str__(self) -> str:
        return f"queue of {self.instance_id}"


class EditBatch(models.Model):
    """One change for many instances: a draft until it is confirmed, then many edits.

    The draft keeps what the person saw in its preview, so that the confirmation means
    just that. See ``docs/decisions/0006-batches.md``.

    Attributes:
        selection: The instances chosen, by ``Instance.pk``.
        source: Where they come from.
        kind: Change settings, start or stop; empty until it is chosen.
        patch: As of ``Edit``; each edit carries the part that changes.
        keeps_hours: Whether auto-stop is switched on with the run time that each has.
        plan: Of the preview, for each instance that will be changed: its ``pk``, and
            ``patch`` and ``base`` of its edit.
        previewed_at: When the plan was made; names the page that shows it.
        confirmed_at: When it became edits; None: a draft.
        actor: Who asks for it; None: a rule that acts.
        rule: The rule that it puts right, if that is why.
        policy_name: What that rule was called, where it acts itself.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="batches",
    )
    policy_name = models.CharField(max_length=80, blank=True)
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

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"batch of {len(self.selection)}"

    def get_absolute_url(self) -> str:
        """Its progress; of a draft, its preview."""
        name = "edits:batch" if self.confirmed_at else "edits:bulk_draft"
        return reverse(name, args=[self.pk])

    @property
    def actor_message(self) -> Message:
        """Who asks for it: a person or a policy."""
        return _actor_message(self.actor, self.policy_name)

    @property
    def by(self) -> str:
        """The same, in the active language."""
        return str(self.actor_message)


class BatchSkip(models.Model):
    """An instance of a batch that was left out, and why."""

    batch = models.ForeignKey(EditBatch, on_delete=models.CASCADE, related_name="skips")
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="batch_skips"
    )
    reason = MessageField()

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.reason}"


class Edit(models.Model):
    """A change that a person or an acting rule requests for one instance.

    Attributes:
        actor: Who asks for it; None: a rule that acts.
        rule: That rule, while it exists.
        policy_name: What it was called.
        seq: Place in the instance's queue.
        kind: Change settings, start or stop.
        patch: The requested fields: ``description`` (str), ``auto_stop_enable``
            (bool), ``auto_stop_duration`` (**seconds**), ``auto_stop_prompt`` (bool).
        base: The same fields as the person saw them.
        result: The same fields as the cloud holds them, once it was asked.
        key: Idempotency key of the submission; once per person.
        request_digest: SHA-256 of the request that an ``Idempotency-Key`` came with, to
            tell the same request from another one; empty for forms.
        batch: The bulk edit it is part of.
        attempts: How often it was sent or about to be.
        interrupted: How many attempts ended without a result: a killed worker.
        applied_while_running: Whether the instance ran when it was applied, so that an
            auto-stop change waits for the next start.
        outcome: What the state alone does not say of the cloud.
        replaced: Fields of which another change holds now, within the same request or
            before they took effect: its id, and its author or policy, by field; empty
            values where it was made outside Curfew.
        corrected_at: When a late write changed what is said of this edit.
        message: Says more about the state; empty where the state says it all.
        error_code: The upstream's code.
        error_message: The upstream's own words.
    """

    Kind = EditKind
    State = EditState

    class Outcome(models.TextChoices):
        """What became of attempts whose end was not known, and of applied fields.

        ``docs/decisions/0013-late-writes.md`` explains each.
        """

        UNCONFIRMED = "unconfirmed", gettext_lazy("being checked")
        NOT_SEEN = "not_seen", gettext_lazy("not seen in ModelArts")
        APPLIED_LATE = "applied_late", gettext_lazy("applied late")
        RESTORED = "restored", gettext_lazy("applied late, then put back")
        REPLACED = "replaced", gettext_lazy("replaced")
        OVERWRITTEN = "overwritten", gettext_lazy("overwritten by an older change")

    OPEN = OPEN_STATES
    CORRECTED: ClassVar = frozenset(
        {Outcome.APPLIED_LATE, Outcome.RESTORED, Outcome.OVERWRITTEN}
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
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.UPDATE)
    patch = models.JSONField(default=dict)
    base = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    key = models.CharField(max_length=64)
    request_digest = models.CharField(max_length=64, blank=True, default="")
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    interrupted = models.PositiveIntegerField(default=0)
    applied_while_running = models.BooleanField(default=False)
    outcome = models.CharField(
        max_length=16, choices=Outcome, blank=True, default="", db_default=""
    )
    replaced = models.JSONField(default=dict, db_default={})
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
    batch = models.ForeignKey(
        EditBatch, null=True, on_delete=models.SET_NULL, related_name="edits"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    deadline_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["instance", "seq"], name="edit_once_per_place"
            ),
            models.UniqueConstraint(fields=["actor", "key"], name="edit_once_per_key"),
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
        """Its page."""
        return reverse("edits:detail", args=[self.pk])

    @property
    def actor_message(self) -> Message:
        """Who asks for it: a person or a policy."""
        return _actor_message(self.actor, self.policy_name)

    @property
    def by(self) -> str:
        """The same, in the active language."""
        return str(self.actor_message)

    @property
    def is_open(self) -> bool:
        """Whether its fate is still undecided."""
        return self.state in self.OPEN

    @property
    def may_be_cancelled(self) -> bool:
        """Whether it can still be taken back."""
        return self.state in {self.State.QUEUED, self.State.RETRYING}

    @property
    def may_be_retried(self) -> bool:
        """Whether it can be requested again as it is."""
        return self.state in RETRYABLE_STATES

    @property
    def may_be_discarded(self) -> bool:
        """Whether its author can leave the newer values and be done with it."""
        return self.state == self.State.CONFLICT

    @property
    def is_unconfirmed(self) -> bool:
        """Whether an attempt of it may still be applied."""
        return self.outcome == self.Outcome.UNCONFIRMED

    @property
    def waits_for_next_start(self) -> bool:
        """Whether the cloud holds the new auto stop but this run does not use it.

        True until a run that began after the edit was applied has been observed, or
        until the cloud holds another value.
        """
        return bool(
            self.awaits_next_start
            and (
                waiting := NEXT_START_FIELDS & self.patch.keys() - self.replaced.keys()
            )
            and all(
                getattr(self.instance, name) in {None, self.patch[name]}
                for name in waiting
            )
        )

    @property
    def replaced_outside(self) -> bool:
        """Whether somebody changed it outside Curfew before it took effect."""
        return bool(
            self.awaits_next_start
            and not self.replaced
            and not self.waits_for_next_start
        )

    @property
    def awaits_next_start(self) -> bool:
        """Whether a new auto stop was applied during the run that goes on still."""
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

    def covers(self, other: "Edit") -> bool:
        """Whether this requests everything that the other edit does."""
        if self.kind == self.Kind.UPDATE:
            return other.kind == self.kind and other.patch.keys() <= self.patch.keys()
        return other.kind in {self.Kind.START, self.Kind.STOP}


class Attempt(models.Model):
    """One delivery of a worker with the queue; committed before anything is sent.

    Attributes:
        number: The queue's fencing_token during this delivery.
        body: What was sent (the JSON body of the PUT, or the action); None when reading
            showed that nothing had to be sent.
        before: What the cloud held then, by the names of ``Edit.patch``, and ``power``.
        sent_at: When it was about to leave; None if it never was.
        outcome: What the delivery led to: a state of the edits, ``dropped``,
            ``interrupted``, or ``accepted_not_applied`` when the cloud accepted a
            change and showed
            the old value all the same; empty while it runs.
        ambiguous: Whether the cloud may have done it without our knowing.
    """

    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="attempts"
    )
    edits = models.ManyToManyField(Edit, related_name="deliveries")
    number = models.PositiveBigIntegerField()
    started_at = models.DateTimeField(auto_now_add=True)
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
                fields=["instance", "number"], name="attempt_once_per_fence"
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} on {self.instance_id}"
