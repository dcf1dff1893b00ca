"""Bulk changes of people: draft, preview, confirm, approve, cancel, retry and undo.

Each edit of a batch is like any other: it has its place in a queue and its audit event,
and permission is checked now and at delivery. Only the statements are shared.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.accounts.models import User
from dashboard.accounts.permissions import Owner, can_approve_bulk, can_bulk, can_edit
from dashboard.audit.services import record_event
from dashboard.instances.models import Instance
from dashboard.policies.models import Rule
from dashboard.web import limits
from dashboard.web.stored_messages import Message

from . import messages, plans, selectors, states
from .models import WARNING_TIME, BatchSkip, Edit, EditBatch

MAX_BATCH_SIZE = 10_000
"""Instances in one batch: more would hold the database too long in one transaction."""

DRAFTS_STAY = timedelta(days=1)
_INVERSE_KINDS = {
    Edit.Kind.UPDATE: Edit.Kind.UPDATE,
    Edit.Kind.START: Edit.Kind.STOP,
    Edit.Kind.STOP: Edit.Kind.START,
}
DRAFTS = 5
"""How many drafts one person may have; a further one deletes the oldest."""


class BatchError(Exception):
    """A bulk change is refused; the message says why in one sentence."""


@transaction.atomic
def draft_batch(
    *,
    actor: User,
    selection: Iterable[int],
    source: Message,
    rule: Rule | None = None,
    retry_of: EditBatch | None = None,
    undo_of: EditBatch | None = None,
) -> EditBatch:
    """Store a selection until an action is chosen for it.

    Args:
        actor: Whose draft.
        selection: ``Instance.pk`` of the selected instances.
        source: Says where they were selected.
        rule: The policy that they violate, if that is why.
        retry_of: The batch whose failed edits are retried; the first of its history.
        undo_of: The batch that is undone; the first of its history, too.

    Raises:
        PermissionDenied: The actor's role changes nothing.
        BatchError: Nothing or too much is selected, or the person has requested too
            many previews in this minute.
    """
    if not can_bulk(actor):
        raise PermissionDenied(_("You can view instances but not change them."))
    previews = limits.key("previews", f"by:{actor.pk}")
    if not limits.within([(previews, settings.CURFEW.previews_per_minute)]):
        raise BatchError(_("Too many previews. Try again in a minute."))
    pks = sorted(set(selection))
    if not pks:
        raise BatchError(_("No instances selected. Select some first."))
    if len(pks) > MAX_BATCH_SIZE:
        raise BatchError(
            _(
                "%(chosen)s instances are selected; the limit is %(most)s. Narrow the "
                "list by a filter."
            )
            % {"chosen": len(pks), "most": MAX_BATCH_SIZE}
        )
    # A draft that waits for approval stays.
    waits = Q(approval_asked_at__gte=timezone.now() - selectors.APPROVAL_STAYS)
    drafts = actor.batches.filter(confirmed_at=None).exclude(waits)
    recent = drafts.filter(created_at__gte=timezone.now() - DRAFTS_STAY)
    newest = recent.order_by("-created_at").values_list("pk", flat=True)
    drafts.exclude(pk__in=list(newest[: DRAFTS - 1])).delete()
    return EditBatch.objects.create(
        actor=actor,
        selection=pks,
        source=source,
        rule=rule,
        retry_of=retry_of,
        undo_of=undo_of,
    )


def preview_batch(*, batch: EditBatch, change: plans.BulkChange) -> EditBatch:
    """Choose the action of a draft, and store what it means for each instance.

    Raises:
        BatchError: The batch is confirmed already.
    """
    if batch.undo_of_id:
        raise BatchError(_("This undoes another bulk change and can do nothing else."))
    plan = plans.build_plan(_context(batch), change)
    return _store_preview(batch, change, plan)


def preview_undo(*, batch: EditBatch) -> EditBatch:
    """Store what a draft with ``undo_of`` means for each of its instances.

    Raises:
        BatchError: The batch is confirmed already.
    """
    if batch.undo_of is None:
        raise BatchError(_("The bulk change to be undone no longer exists."))
    chosen = set(batch.selection)
    applied = _applied_edits(batch.undo_of.pk)
    undone = [edit for edit in applied if edit.instance_id in chosen]
    kind = _INVERSE_KINDS[Edit.Kind(batch.undo_of.kind)]
    plan = plans.build_undo_plan(_context(batch), undone)
    return _store_preview(batch, plans.BulkChange(kind, {}), plan)


def _lock_draft(batch: EditBatch) -> EditBatch:
    drafts = EditBatch.objects.select_related("actor", "undo_of")
    batch = drafts.select_for_update(of=("self",)).get(pk=batch.pk)
    if batch.confirmed_at:
        raise BatchError(_("Already confirmed."))
    return batch


def _context(batch: EditBatch) -> plans.BulkContext:
    return plans.BulkContext(batch.selection, actor=batch.actor, now=timezone.now())


@transaction.atomic
def _store_preview(
    batch: EditBatch, change: plans.BulkChange, plan: plans.Plan
) -> EditBatch:
    # The plan was made before this transaction: for thousands of instances it takes
    # long, and SQLite has one writer.
    batch = _lock_draft(batch)
    batch.kind, batch.patch = change.kind, dict(change.patch)
    batch.keeps_hours, batch.previewed_at = change.keeps_hours, timezone.now()
    batch.reason, batch.warns_owners = change.reason, change.warns_owners
    # An approval counts for one preview only.
    batch.approval_asked_at = None
    batch.plan = [
        {"pk": item.instance.pk, "patch": item.patch, "base": item.base}
        for item in plan.items
    ]
    batch.save()
    batch.skips.all().delete()
    keep_skips(batch, plan)
    return batch


@transaction.atomic
def confirm_batch(*, batch: EditBatch, preview: str) -> EditBatch:
    """Create the edits that the preview showed; all of them, or none.

    Instances that are no longer as the preview showed them are skipped, with the
    reason. Confirming twice has no effect. A batch that ``needs_approval`` then waits
    for it, without edits.

    Args:
        batch: The draft.
        preview: ``preview_of`` the page that was confirmed.

    Raises:
        PermissionDenied: The actor's role changes nothing any more.
        BatchError: There is a newer preview, or nothing is left to change.
    """
    batch = _lock(batch)
    if batch.confirmed_at or is_waiting(batch):
        return batch
    if batch.actor is None or not can_bulk(batch.actor):
        raise PermissionDenied(_("You can view instances but not change them."))
    _require_preview(batch, preview)
    # An earlier preview may have been declined.
    batch.decided_by, batch.decided_at = None, None
    if not needs_approval(batch):
        return _confirm(batch)
    batch.approval_asked_at = Now()
    batch.save(update_fields=["approval_asked_at", "decided_by", "decided_at"])
    _record(batch, "batch.approval_asked", batch.actor)
    batch.refresh_from_db(fields=["approval_asked_at"])
    return batch


@transaction.atomic
def approve_batch(*, batch: EditBatch, actor: User, preview: str) -> EditBatch:
    """Create the edits of a batch that waits for an approval, as its author confirmed.

    Everything is checked again, with the permissions of the author. Approving twice has
    no effect.

    Raises:
        PermissionDenied: The actor may not approve it (``can_approve``), or its author
            may no longer create bulk changes.
        BatchError: It no longer waits for approval, there is a newer preview, or
            nothing is left to change.
    """
    batch = _lock(batch)
    if batch.confirmed_at:
        return batch
    _require_approver(batch, actor)
    if not is_waiting(batch):
        raise BatchError(_("This bulk change no longer waits for an approval."))
    if batch.actor is None or not can_bulk(batch.actor):
        raise PermissionDenied(_("Its author may no longer change instances."))
    _require_preview(batch, preview)
    batch.decided_by, batch.decided_at = actor, timezone.now()
    batch.save(update_fields=["decided_by", "decided_at"])
    _record(batch, "batch.approved", actor)
    return _confirm(batch)


@transaction.atomic
def decline_batch(*, batch: EditBatch, actor: User) -> EditBatch:
    """Make a batch that waits for an approval a draft again.

    Its author withdraws it in this way.

    Raises:
        PermissionDenied: The actor is not the author and may not approve it.
        BatchError: It no longer waits for approval.
    """
    batch = _lock(batch)
    if batch.actor_id != actor.pk:
        _require_approver(batch, actor)
    if batch.confirmed_at or not is_waiting(batch):
        raise BatchError(_("This bulk change no longer waits for an approval."))
    batch.approval_asked_at = None
    batch.decided_by, batch.decided_at = actor, timezone.now()
    batch.save(update_fields=["approval_asked_at", "decided_by", "decided_at"])
    _record(batch, "batch.declined", actor)
    return batch


def needs_approval(batch: EditBatch) -> bool:
    """Whether another person must approve the batch before its edits are created."""
    above = settings.CURFEW.bulk_approval_above
    return 0 < above < len(batch.plan)


def is_waiting(batch: EditBatch) -> bool:
    """Whether the batch waits for approval; it no longer does after a day."""
    asked_at = batch.approval_asked_at
    return bool(asked_at and asked_at >= timezone.now() - selectors.APPROVAL_STAYS)


def can_approve(user: User, batch: EditBatch) -> bool:
    """Whether this person may approve or decline a batch."""
    planned = [item["pk"] for item in batch.plan]
    owners = Instance.objects.filter(pk__in=planned).values_list(
        "owner_id", "owner_name"
    )
    return can_approve_bulk(
        user, batch.actor_id, (Owner(*owner) for owner in owners.distinct())
    )


def _require_approver(batch: EditBatch, actor: User) -> None:
    if not can_approve(actor, batch):
        raise PermissionDenied(
            _("Another person who may change all these instances must approve this.")
        )


def _require_preview(batch: EditBatch, preview: str) -> None:
    if not batch.kind or preview != preview_of(batch):
        raise BatchError(_("This preview is out of date. Check it again."))


def _lock(batch: EditBatch) -> EditBatch:
    # Only a second click, or the approval of one more person, can wait for this row.
    batches = EditBatch.objects.select_related("actor", "decided_by")
    return batches.select_for_update(of=("self",)).get(pk=batch.pk)


def _confirm(batch: EditBatch) -> EditBatch:
    pks = [planned["pk"] for planned in batch.plan]
    places = states.lock_queues(pks)
    now = timezone.now()
    context = plans.BulkContext(pks, actor=batch.actor, now=now)
    undone = _applied_edits(batch.undo_of_id) if batch.undo_of_id else []
    plan = plans.revalidate(context, batch, undone)
    if not plan.items:
        raise BatchError(_("Nothing is left to change. Preview it again."))
    batch.confirmed_at = now
    batch.save(update_fields=["confirmed_at", "decided_by", "decided_at"])
    keep_skips(batch, plan)
    create_edits(batch, plan, places)
    return batch


@transaction.atomic
def cancel_waiting(*, batch: EditBatch, actor: User) -> int:
    """Cancel the waiting edits that the actor may change, and return how many.

    This includes the edits of its retries.
    """
    waiting = selectors.edits_of_history(batch).filter(state__in=Edit.CANCELLABLE)
    waiting = waiting.select_related("instance")
    edits = [edit for edit in waiting if can_edit(actor, edit.instance.owner)]
    message = messages.CANCELLED_WITH_BATCH(username=actor.get_username())
    return len(states.cancel(edits, actor=actor, message=message))


@transaction.atomic
def retry_failed(*, batch: EditBatch, actor: User) -> EditBatch:
    """Draft and preview the same change for the instances where it failed.

    This includes failures of earlier retries. The draft becomes part of the history of
    the first batch.

    Raises:
        PermissionDenied: The actor's role changes nothing.
        BatchError: No change of the batch failed.
    """
    failed = _failed_of(batch).filter(retries=None)
    draft = draft_batch(
        actor=actor,
        selection=failed.values_list("instance_id", flat=True),
        source=messages.FAILED_BEFORE(),
        rule=batch.rule,
        retry_of=batch.retry_of or batch,
        undo_of=batch.undo_of,
    )
    if batch.undo_of_id:
        return preview_undo(batch=draft)
    return preview_batch(batch=draft, change=plans.BulkChange.of(batch))


@transaction.atomic
def undo_batch(*, batch: EditBatch, actor: User) -> EditBatch:
    """Draft and preview the previous values of the instances that a batch has changed.

    The undo of stops starts the instances again, and the undo of starts stops them.
    Instances that someone has changed since are skipped, with the reason.

    Raises:
        PermissionDenied: The actor's role changes nothing.
        BatchError: It cannot be undone, or has changed nothing.
    """
    if batch.kind == Edit.Kind.EXTEND:
        raise BatchError(str(messages.EXTENSION_STAYS()))
    first = batch.retry_of or batch
    undone = _applied_edits(first.pk)
    if not undone:
        raise BatchError(_("This bulk change has changed nothing."))
    draft = draft_batch(
        actor=actor,
        selection=[edit.instance_id for edit in undone],
        source=messages.DONE_BEFORE(),
        undo_of=first,
    )
    return preview_undo(batch=draft)


def _applied_edits(batch_pk: UUID) -> list[Edit]:
    """Return the applied edits of a batch and its retries, one for each instance."""
    edits = selectors.edits_of_histories([batch_pk])
    applied = edits.filter(state=Edit.State.APPLIED)
    return list({edit.instance_id: edit for edit in applied.order_by("seq")}.values())


def can_act_on(user: User, batch: EditBatch) -> bool:
    """Whether this person may cancel and retry edits of a batch.

    Scientists may do so in their own batches only.
    """
    return can_bulk(user) and (
        batch.actor_id == user.pk or user.role != user.Role.SCIENTIST
    )


def preview_of(batch: EditBatch) -> str:
    """Return the name of a preview; only the newest one can be confirmed."""
    return batch.previewed_at.isoformat() if batch.previewed_at else ""


def create_edits(
    batch: EditBatch, plan: plans.Plan, places: Mapping[int, states.Place]
) -> None:
    """Create the edits of a confirmed batch, under the locks of their queues."""
    record_event(
        actor=batch.actor,
        actor_label=batch.actor_message,
        action="batch.submitted",
        target=batch,
        target_label=batch.source,
        after={"kind": batch.kind, "patch": batch.patch, "edits": len(plan.items)}
        | ({"why": batch.reason} if batch.reason else {}),
    )
    retried = _failed_of(batch.retry_of) if batch.retry_of else Edit.objects.none()
    retry_of = dict(retried.filter(retries=None).values_list("instance_id", "pk"))
    waiting_seconds = 2 * plans.seconds_for(len(plan.items))
    states.create_batch(
        [
            item._replace(
                idempotency_key=f"{batch.pk.hex}:{item.instance.pk}",
                retry_of_id=retry_of.get(item.instance.pk),
            )
            for item in plan.items
        ],
        places,
        batch=batch,
        # The last edits of a large batch must not fail because they waited.
        deadline_seconds=settings.CURFEW.edit_deadline_seconds + waiting_seconds,
        wait=WARNING_TIME if batch.warns_owners else timedelta(0),
    )


def _record(batch: EditBatch, action: str, actor: User | None) -> None:
    """Record that an approval was asked for, given or declined."""
    record_event(
        actor=actor,
        action=action,
        target=batch,
        target_label=batch.source,
        after={"kind": batch.kind, "patch": batch.patch, "edits": len(batch.plan)},
    )


def _failed_of(batch: EditBatch) -> QuerySet[Edit]:
    edits = selectors.edits_of_history(batch)
    return edits.filter(state__in=Edit.RETRYABLE)


def keep_skips(batch: EditBatch, plan: plans.Plan) -> None:
    """Store which instances a plan skips, and why."""
    BatchSkip.objects.bulk_create(
        (
            BatchSkip(batch=batch, instance=skip.instance, reason=skip.reason)
            for skip in plan.skips
        ),
        batch_size=states.ROWS,
    )
