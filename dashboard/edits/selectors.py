"""Reads of edits and batches for pages and the API."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import models
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from dashboard.accounts.models import User
from dashboard.instances.edit_states import EditState
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import Message

from . import leases
from .models import BatchSkip, Edit, EditBatch

APPROVAL_STAYS = timedelta(days=1)
"""How long a batch waits for an approval; after that its preview is too old."""

_NOT_SHOWN = tuple(
    f"instance__{name}" for name in ("document", "problems", "search_text")
)
"""The large fields of an instance, which no page of a batch shows."""


def edits_visible_to(user: User) -> QuerySet[Edit]:
    """Return the edits of every instance this person may see, newest first."""
    return (
        Edit.objects.filter(instance__in=Instance.objects.visible_to(user))
        .select_related("instance__cloud", "actor")
        .fetch_mode(models.FETCH_PEERS)
    )


def edit_behind(instance: Instance, field: str, value: object) -> Edit | None:
    """Return the newest edit that gave a setting its current value.

    None means that the value was set elsewhere, such as in the ModelArts console.
    """
    edits = instance.edits.select_related("actor").filter(
        kind=Edit.Kind.UPDATE, state__in=[*Edit.OPEN, Edit.State.APPLIED]
    )
    for edit in edits.order_by("-seq")[:20]:
        if field in edit.patch and edit.patch[field] == value:
            return edit
    return None


def extension_behind(instance: Instance) -> Edit | None:
    """Return the newest extension that gave the run its end; see ``edit_behind``."""
    now = leases.lease_of({name: getattr(instance, name) for name in leases.FIELDS})
    edits = instance.edits.select_related("actor").filter(
        kind=Edit.Kind.EXTEND, state__in=[*Edit.OPEN, Edit.State.APPLIED]
    )
    for edit in edits.order_by("-seq")[:20]:
        if leases.is_effect(leases.requested_lease(edit.patch), now):
            return edit
    return None


def start_after(stop: UUID) -> Edit | None:
    """Return the start of a restart, by its stop; None for any other edit."""
    stops = Edit.objects.filter(pk=stop, kind=Edit.Kind.STOP)
    for instance_pk, seq in stops.values_list("instance_id", "seq"):
        starts = Edit.objects.filter(kind=Edit.Kind.START, waits_for_stop=True)
        return starts.filter(instance=instance_pk, seq=seq + 1).first()
    return None


def actors(user: User) -> QuerySet[User]:
    """Return the people who requested edits that this person may see, by name."""
    visible = edits_visible_to(user).order_by()
    return User.objects.filter(pk__in=visible.values("actor_id")).order_by("username")


def batches_visible_to(user: User) -> QuerySet[EditBatch]:
    """Return the confirmed batches, newest first; all of them for active people."""
    batches = EditBatch.objects.exclude(confirmed_at=None)
    if not user.is_active:
        batches = batches.none()
    others = ("retry_of", "undo_of")
    return batches.select_related("actor", "rule", "decided_by", *others).defer(
        *("selection", "plan"),
        *(f"{other}__{field}" for other in others for field in ("selection", "plan")),
    )


def batches_waiting_for_approval(now: datetime) -> QuerySet[EditBatch]:
    """Return the batches that another person must approve, newest first.

    Each person may see them; ``batches.can_approve`` says who decides.
    """
    waiting = EditBatch.objects.filter(
        confirmed_at=None, approval_asked_at__gte=now - APPROVAL_STAYS
    )
    return waiting.select_related("actor", "undo_of").order_by("-approval_asked_at")


def announced_stops(now: datetime) -> QuerySet[Edit]:
    """Return the waiting stops of batches that warn the owners before.

    ``not_before`` is when each is sent, ``batch.reason`` says why.
    """
    scheduled = Edit.objects.filter(
        kind=Edit.Kind.STOP,
        state__in=Edit.OPEN,
        not_before__gt=now,
        batch__warns_owners=True,
    )
    return scheduled.select_related("actor", "batch", "instance__cloud")


def edits_of_history(batch: EditBatch) -> QuerySet[Edit]:
    """Return the edits of a batch and of its retries."""
    return edits_of_histories([batch.retry_of_id or batch.pk])


def edits_of_histories(firsts: Collection[UUID]) -> QuerySet[Edit]:
    """Return the edits of the batches with these keys, and of their retries."""
    # A condition on the joined batch would read all edits.
    batches = EditBatch.objects.filter(Q(pk__in=firsts) | Q(retry_of__in=firsts))
    return Edit.objects.filter(batch__in=batches.values("pk"))


def rounds(batch: EditBatch) -> QuerySet[EditBatch]:
    """Return a batch and its confirmed retries, oldest first."""
    first = batch.retry_of_id or batch.pk
    history = EditBatch.objects.filter(Q(pk=first) | Q(retry_of=first))
    return (
        history.exclude(confirmed_at=None)
        .select_related("actor", "rule")
        .defer("selection", "plan")
        .order_by("confirmed_at")
    )


def latest_of_history(edits: QuerySet[Edit]) -> QuerySet[Edit]:
    """Leave out the edits that another round of the same history has retried."""
    again = Edit.objects.filter(retry_of=OuterRef("pk"), batch__isnull=False)
    return edits.exclude(Exists(again))


class Progress(NamedTuple):
    """The edits of a batch, counted.

    Attributes:
        states: Number of edits by state.
        skipped: Instances that were skipped.
        retried: Failed edits that have been retried.
        took_seconds: From the confirmation to the end of the last completed edit.
        tried: Cancelled edits that a worker had begun to send.
    """

    states: dict[str, int]
    skipped: int
    retried: int
    took_seconds: float
    tried: int = 0

    def count(self, states: Collection[str]) -> int:
        return sum(self.states.get(state, 0) for state in states)

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def open(self) -> int:
        return self.count(Edit.OPEN)

    @property
    def completed(self) -> int:
        return self.total - self.open

    @property
    def waiting(self) -> int:
        """Edits that can still be cancelled."""
        return self.count(Edit.CANCELLABLE)

    @property
    def failed(self) -> int:
        """Edits that failed and have not been retried."""
        return self.count(Edit.RETRYABLE) - self.retried

    @property
    def applied(self) -> int:
        return self.count({EditState.APPLIED})

    @property
    def cancelled(self) -> int:
        return self.count({EditState.CANCELLED})

    @property
    def superseded(self) -> int:
        return self.count({EditState.SUPERSEDED})


def progress(batch: EditBatch, *, of_history: bool = False) -> Progress:
    """Count a batch's edits, in two queries; see ``with_progress``."""
    return with_progress([batch], of_history=of_history)[0][1]


def with_progress(
    batches: Iterable[EditBatch], *, of_history: bool = False
) -> list[tuple[EditBatch, Progress]]:
    """Count the edits of several batches, in two queries for all.

    Args:
        batches: Confirmed ones.
        of_history: Whether each is the first of its history, and the edits of its
            retries count instead of the ones that they retry.
    """
    batches = list(batches)
    states: dict[UUID, dict[str, int]] = {batch.pk: {} for batch in batches}
    retried, tried = dict.fromkeys(states, 0), dict.fromkeys(states, 0)
    seconds = dict.fromkeys(states, 0.0)
    is_retried = Q(state__in=Edit.RETRYABLE, retries__isnull=False)
    rows = Edit.objects.filter(batch__in=states)
    first: F | Coalesce = F("batch")
    if of_history:
        rows = latest_of_history(edits_of_histories(states))
        first = Coalesce("batch__retry_of", "batch")
    grouped = rows.order_by().values("state", first=first)
    for row in grouped.annotate(
        number=Count("pk", distinct=True),
        retried=Count("pk", distinct=True, filter=is_retried),
        tried=Count("pk", distinct=True, filter=Q(attempt_count__gt=0)),
        took=Max(F("finished_at") - F("batch__confirmed_at")),
    ):
        pk = row["first"]
        states[pk][row["state"]] = row["number"]
        retried[pk] += row["retried"]
        if row["state"] == EditState.CANCELLED:
            tried[pk] = row["tried"]
        if row["took"]:
            seconds[pk] = max(seconds[pk], row["took"].total_seconds())
    skips = BatchSkip.objects.filter(batch__in=batches).order_by()
    skipped = dict(skips.values_list("batch").annotate(number=Count("pk")))
    return [
        (
            batch,
            Progress(
                states[pk], skipped.get(pk, 0), retried[pk], seconds[pk], tried[pk]
            ),
        )
        for pk, batch in ((batch.pk, batch) for batch in batches)
    ]


def batch_edits(batch: EditBatch, states: Collection[str]) -> QuerySet[Edit]:
    """Return a batch's edits by instance name; only of these states, if any."""
    return _with_instances(batch.edits.all(), states)


def history_edits(batch: EditBatch, states: Collection[str]) -> QuerySet[Edit]:
    """Return the latest edit of each instance in a history; see ``batch_edits``."""
    return _with_instances(latest_of_history(edits_of_history(batch)), states)


def _with_instances(edits: QuerySet[Edit], states: Collection[str]) -> QuerySet[Edit]:
    edits = edits.select_related("instance__cloud", "actor").defer(*_NOT_SHOWN)
    if states:
        edits = edits.filter(state__in=states)
    return edits.fetch_mode(models.FETCH_PEERS).order_by("instance__name", "pk")


def batch_skips(batch: EditBatch) -> QuerySet[BatchSkip]:
    """Return the skipped instances of a batch, by name."""
    skips = batch.skips.select_related("instance__cloud").defer(*_NOT_SHOWN)
    return skips.order_by("instance__name", "pk")


def skips_by_reason(batch: EditBatch) -> dict[Message, list[int]]:
    """Return the skipped instances (``Instance.pk``), by reason and then by name."""
    skips = batch.skips.order_by("instance__name", "pk")
    found: dict[Message, list[int]] = {}
    for reason, pk in skips.values_list("reason", "instance_id"):
        found.setdefault(reason, []).append(pk)
    return found
