"""Reads of edits for their pages."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import models
from django.db.models import Count, Max, Q, QuerySet

from dashboard.accounts.models import User
from dashboard.instances.models import Instance

from .models import BatchSkip, Edit, EditBatch

_UNSHOWN = tuple(
    f"instance__{name}" for name in ("document", "problems", "search_text")
)
"""Of an instance, what no page of a batch shows: most of its size."""


def edits_visible_to(user: User) -> QuerySet[Edit]:
    """The edits of every instance this person may see, newest first."""
    return (
        Edit.objects.filter(instance__in=Instance.objects.visible_to(user))
        .select_related("instance__cloud", "actor")
        .fetch_mode(models.FETCH_PEERS)
    )


def edit_behind(instance: Instance, field: str, value: object) -> Edit | None:
    """The newest change made here that gave a setting its present value, if any.

    None means that the value was set elsewhere, such as in the ModelArts console.
    """
    found = instance.edits.select_related("actor").filter(
        kind=Edit.Kind.UPDATE, state__in=[*Edit.OPEN, Edit.State.APPLIED]
    )
    recent = found.order_by("-seq")[:20]
    return next(
        (edit for edit in recent if field in edit.patch and edit.patch[field] == value),
        None,
    )


def actors(user: User) -> QuerySet[User]:
    """The people who wished for something this person may see, by name."""
    visible = edits_visible_to(user).order_by()
    return User.objects.filter(pk__in=visible.values("actor_id")).order_by("username")


def batches_visible_to(user: User) -> QuerySet[EditBatch]:
    """The confirmed batches, newest first: what the team sees of its edits anyway."""
    confirmed = EditBatch.objects.exclude(confirmed_at=None)
    found = confirmed if user.is_active else confirmed.none()
    # What was planned is long; the edits are what became of it.
    return found.select_related("actor", "rule", "retry_of").defer(
        *("selection", "plan", "retry_of__selection", "retry_of__plan")
    )


_FAILED = Q(state__in=[Edit.State.FAILED, Edit.State.CONFLICT])
_TRIED_AGAIN = _FAILED & Q(retries__isnull=False)


class Progress(NamedTuple):
    """How far a batch has come.

    Attributes:
        states: Number of edits by state.
        tried_again: Those of the failed that have been retried.
        skipped: Instances that were left out.
        took_seconds: From the confirmation to the last edit settled; 0 before that.
    """

    states: dict[str, int]
    skipped: int
    took_seconds: float
    tried_again: int = 0

    @property
    def total(self) -> int:
        """All edits."""
        return sum(self.states.values())

    @property
    def open(self) -> int:
        """Those whose fate is undecided."""
        return sum(self.states.get(state, 0) for state in Edit.OPEN)

    @property
    def completed(self) -> int:
        """The others."""
        return self.total - self.open

    @property
    def waiting(self) -> int:
        """Those that can still be taken back."""
        return self.states.get("queued", 0) + self.states.get("retrying", 0)

    @property
    def failed(self) -> int:
        """Those that failed and have not been retried yet."""
        number = self.states.get("failed", 0) + self.states.get("conflict", 0)
        return number - self.tried_again

    @property
    def applied(self) -> int:
        """Those that are in the cloud."""
        return self.states.get("applied", 0)

    @property
    def cancelled(self) -> int:
        """Those that a person took back."""
        return self.states.get("cancelled", 0)

    @property
    def superseded(self) -> int:
        """Those that a later change replaced."""
        return self.states.get("superseded", 0)


def progress(batch: EditBatch) -> Progress:
    """Count a batch's edits, in two queries."""
    counted = list(
        batch.edits.order_by()
        .values("state")
        .annotate(
            number=Count("pk", distinct=True),
            again=Count("pk", distinct=True, filter=_TRIED_AGAIN),
            last=Max("finished_at"),
        )
    )
    ends = [row["last"] for row in counted if row["last"]]
    took = 0.0
    if ends and batch.confirmed_at:
        took = max(0.0, (max(ends) - batch.confirmed_at).total_seconds())
    return Progress(
        {row["state"]: row["number"] for row in counted},
        batch.skips.count(),
        took,
        sum(row["again"] for row in counted),
    )


def with_progress(found: Iterable[EditBatch]) -> list[tuple[EditBatch, Progress]]:
    """How far each of several batches is, in two queries for all."""
    listed = list(found)
    states: dict[object, dict[str, int]] = {batch.pk: {} for batch in listed}
    again = dict.fromkeys(states, 0)
    rows = Edit.objects.filter(batch__in=listed).order_by()
    for row in rows.values("batch", "state").annotate(
        number=Count("pk", distinct=True),
        again=Count("pk", distinct=True, filter=_TRIED_AGAIN),
    ):
        states[row["batch"]][row["state"]] = row["number"]
        again[row["batch"]] += row["again"]
    left_out = BatchSkip.objects.filter(batch__in=listed).order_by()
    skipped = {
        row["batch"]: row["number"]
        for row in left_out.values("batch").annotate(number=Count("pk"))
    }
    return [
        (
            batch,
            Progress(states[batch.pk], skipped.get(batch.pk, 0), 0.0, again[batch.pk]),
        )
        for batch in listed
    ]


def batch_edits(batch: EditBatch, states: Sequence[str]) -> QuerySet[Edit]:
    """A batch's edits by the instance's name; of these states, if any are named."""
    found = batch.edits.select_related("instance__cloud", "actor").defer(*_UNSHOWN)
    if states:
        found = found.filter(state__in=states)
    return found.fetch_mode(models.FETCH_PEERS).order_by("instance__name", "pk")


def batch_skips(batch: EditBatch) -> QuerySet[BatchSkip]:
    """Who was left out, by name."""
    found = batch.skips.select_related("instance__cloud").defer(*_UNSHOWN)
    return found.order_by("instance__name", "pk")
