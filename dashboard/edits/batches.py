"""Wishing for many at once: draft, preview, confirm, take back, try again.

Each edit of a batch is like any other: a place in its queue, the right to it checked
now and at delivery, its line in the audit trail. Only the statements are shared.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_bulk, can_edit
from dashboard.audit.services import record_event
from dashboard.policies.models import Rule
from dashboard.web import limits
from dashboard.web.stored_messages import Message

from . import messages, plans, states
from .delivery import heartbeat
from .models import BatchSkip, Edit, EditBatch, EditQueue

MOST = 5_000
"""Instances in one batch: more would hold the database too long in one transaction."""

REQUESTS_PER_EDIT = 2
DRAFTS_STAY = timedelta(days=1)
DRAFTS = 5
"""Drafts that one person keeps; an older one goes when another comes."""

_WAITING = (Edit.State.QUEUED, Edit.State.RETRYING)


class BatchError(Exception):
    """It cannot be done; the message says why in one sentence."""


@transaction.atomic
def draft_batch(
    *,
    actor: User,
    selection: Iterable[int],
    source: Message,
    rule: Rule | None = None,
    retry_of: EditBatch | None = None,
) -> EditBatch:
    """Store a selection until an action is chosen for it.

    Args:
        actor: Whose draft.
        selection: ``Instance.pk`` of those chosen.
        source: Where they come from.
        rule: The rule that they break, if that is why.
        retry_of: The batch whose failed edits they had.

    Raises:
        PermissionDenied: The actor's role changes nothing.
        BatchError: Nothing, or too much, is selected, or too often in one minute.
    """
    if not can_bulk(actor):
        raise PermissionDenied(gettext("You can view instances but not change them."))
    previews = limits.key("previews", f"by:{actor.pk}")
    if not limits.within([(previews, settings.CURFEW.previews_per_minute)]):
        raise BatchError(gettext("Too many previews. Try again in a minute."))
    chosen = sorted(set(selection))
    if not chosen:
        raise BatchError(gettext("No instances selected. Select some first."))
    if len(chosen) > MOST:
        raise BatchError(
            gettext(
                "%(chosen)s instances are selected; the limit is %(most)s. Narrow the "
                "list by a filter."
            )
            % {"chosen": len(chosen), "most": MOST}
        )
    forgotten = timezone.now() - DRAFTS_STAY
    drafts = actor.batches.filter(confirmed_at=None)
    kept = drafts.filter(created_at__gte=forgotten).order_by("-created_at")
    newest = list(kept.values_list("pk", flat=True)[: DRAFTS - 1])
    drafts.exclude(pk__in=newest).delete()
    return EditBatch.objects.create(
        actor=actor,
        selection=chosen,
        source=source,
        rule=rule,
        retry_of=retry_of,
    )


@transaction.atomic
def preview_batch(*, batch: EditBatch, wish: plans.BulkChange) -> EditBatch:
    """Choose the action, and store what it means for each instance.

    Raises:
        BatchError: The batch is confirmed already.
    """
    batch = EditBatch.objects.select_for_update().get(pk=batch.pk)
    if batch.confirmed_at:
        raise BatchError(gettext("Already confirmed."))
    now = timezone.now()
    context = plans.BulkContext(batch.selection, actor=batch.actor, now=now)
    plan = plans.build_plan(context, wish)
    batch.kind, batch.patch = wish.kind, dict(wish.patch)
    batch.keeps_hours, batch.previewed_at = wish.keeps_hours, now
    batch.plan = [
        {"pk": item.instance.pk, "patch": item.patch, "base": item.base}
        for item in plan.items
    ]
    batch.save()
    batch.skips.all().delete()
    _keep_skips(batch, plan)
    return batch


@transaction.atomic
def confirm_batch(*, batch: EditBatch, preview: str) -> EditBatch:
    """Make the edits that the preview promised; all of them, or none.

    Whom the preview did not show as it is now is left out, with the reason. Confirming
    twice is confirming once.

    Args:
        batch: The draft.
        preview: ``preview_of`` the page that was confirmed.

    Raises:
        PermissionDenied: The actor's role changes nothing any more.
        BatchError: There is another preview by now, or nothing is left to do.
    """
    # Drafts have one owner: nobody waits for this row but their own second click.
    batch = EditBatch.objects.select_for_update().get(pk=batch.pk)
    if batch.confirmed_at:
        return batch
    if batch.actor is None or not can_bulk(batch.actor):
        raise PermissionDenied(gettext("You can view instances but not change them."))
    if not batch.kind or preview != preview_of(batch):
        raise BatchError(gettext("This preview is out of date. Check it again."))
    pks = [planned["pk"] for planned in batch.plan]
    seqs = _lock_queues(pks)
    now = timezone.now()
    plan = plans.revalidate(plans.BulkContext(pks, actor=batch.actor, now=now), batch)
    if not plan.items:
        raise BatchError(gettext("Nothing is left to change. Preview it again."))
    batch.confirmed_at = now
    batch.save(update_fields=["confirmed_at"])
    _keep_skips(batch, plan)
    _file(batch, plan, seqs)
    return batch


@transaction.atomic
def file_for_rule(
    *, rule: Rule, selection: Iterable[int], wish: plans.BulkChange, source: Message
) -> int:
    """Make the edits of a rule that acts, in its own name.

    What cannot get one now is left out. Call it under the lock of the rule's row.

    Args:
        rule: Which rule.
        selection: ``Instance.pk`` of those concerned; no more than ``MOST`` are taken.
        wish: The change of each.
        source: Where they come from.

    Returns:
        How many edits were made.
    """
    pks = sorted(selection)[:MOST]
    seqs = _lock_queues(pks)
    now = timezone.now()
    plan = plans.build_plan(plans.BulkContext(pks, actor=None, now=now), wish)
    if not plan.items:
        return 0
    batch = EditBatch.objects.create(
        rule=rule,
        policy_name=rule.name,
        source=source,
        selection=[item.instance.pk for item in plan.items],
        kind=wish.kind,
        patch=dict(wish.patch),
        keeps_hours=wish.keeps_hours,
        confirmed_at=now,
    )
    _file(batch, plan, seqs)
    return len(plan.items)


@transaction.atomic
def cancel_for_rule(*, rule: Rule, actor: User) -> int:
    """Cancel the edits that a rule has filed and that still wait; return how many."""
    edits = Edit.objects.filter(rule=rule, actor=None, state__in=_WAITING)
    message = messages.CANCELLED_WITH_POLICY(username=actor.get_username())
    return _cancel(edits, actor, message)


@transaction.atomic
def cancel_waiting(*, batch: EditBatch, actor: User) -> int:
    """Cancel the waiting edits that the actor may change; return how many."""
    waiting = batch.edits.filter(state__in=_WAITING)
    message = messages.CANCELLED_WITH_BATCH(username=actor.get_username())
    return _cancel(_theirs(waiting, actor), actor, message)


def _cancel(edits: Iterable[Edit], actor: User, message: Message) -> int:
    by_pk = {edit.pk: edit for edit in edits}
    _lock_queues(edit.instance_id for edit in by_pk.values())
    waiting = Edit.objects.filter(pk__in=by_pk, state__in=_WAITING)
    locked = list(waiting.select_related("instance__cloud").order_by("pk"))
    return states.cancel(locked, actor=actor, message=message)


@transaction.atomic
def retry_failed(*, batch: EditBatch, actor: User) -> EditBatch:
    """Draft the same change for the instances where it failed, and preview it.

    Raises:
        PermissionDenied: The actor's role changes nothing.
        BatchError: Nothing of it failed.
    """
    failed = _failed_of(batch).filter(retries=None)
    again = draft_batch(
        actor=actor,
        selection=failed.values_list("instance_id", flat=True),
        source=messages.FAILED_BEFORE(),
        rule=batch.rule,
        retry_of=batch,
    )
    return preview_batch(batch=again, wish=plans.BulkChange.of(batch))


def can_act_on(user: User, batch: EditBatch) -> bool:
    """Whether this person may take back and try again what is in a batch.

    Their own, or anybody's for those who act on every instance.
    """
    return can_bulk(user) and (
        batch.actor_id == user.pk or user.role != user.Role.SCIENTIST
    )


def preview_of(batch: EditBatch) -> str:
    """Names a preview, so that only what was seen can be confirmed."""
    return batch.previewed_at.isoformat() if batch.previewed_at else ""


def seconds_for(edits: int) -> float:
    """How long so many edits take at least, by the pace that the cloud is spared."""
    return edits * REQUESTS_PER_EDIT / float(settings.CURFEW.upstream_rate)


def _lock_queues(pks: Iterable[int]) -> dict[int, int]:
    """Lock queues, in one order, so that two batches never wait for each other.

    Returns:
        The number that each queue gives next.
    """
    wanted = sorted(set(pks))
    queues = EditQueue.objects.filter(pk__in=wanted)
    lacking = set(wanted) - set(queues.values_list("pk", flat=True))
    EditQueue.objects.bulk_create(
        (EditQueue(instance_id=pk) for pk in sorted(lacking)), ignore_conflicts=True
    )
    locked = queues.select_for_update().order_by("pk")
    return dict(locked.values_list("pk", "next_seq"))


def _file(batch: EditBatch, plan: plans.Plan, seqs: dict[int, int]) -> None:
    record_event(
        actor=batch.actor,
        actor_label=batch.actor_message,
        action="batch.submitted",
        target_kind="batch",
        target_id=str(batch.pk),
        target_label=batch.source,
        after={"kind": batch.kind, "patch": batch.patch, "edits": len(plan.items)},
    )
    edits = _edits(batch, plan, seqs)
    states.create(edits, by=batch.actor_message, enqueued=False)
    # One message, however many queues: the sweeper hands them out at the cloud's pace.
    transaction.on_commit(heartbeat.ask_for_sweep, robust=True)


def _edits(batch: EditBatch, plan: plans.Plan, seqs: dict[int, int]) -> list[Edit]:
    # Waiting for their turn must not be what makes the last of them too late.
    patience = settings.CURFEW.edit_deadline_seconds + 2 * seconds_for(len(plan.items))
    deadline = Now() + timedelta(seconds=patience)
    former = (
        dict(_failed_of(batch.retry_of).values_list("instance_id", "pk"))
        if batch.retry_of
        else {}
    )
    return [
        Edit(
            instance=item.instance,
            actor=batch.actor,
            rule=None if batch.actor else batch.rule,
            policy_name=batch.policy_name,
            seq=seqs[item.instance.pk],
            kind=batch.kind,
            patch=item.patch,
            base=item.base,
            key=f"{batch.pk.hex}:{item.instance.pk}",
            batch=batch,
            retry_of_id=former.get(item.instance.pk),
            deadline_at=deadline,
        )
        for item in plan.items
    ]


def _failed_of(batch: EditBatch) -> QuerySet[Edit]:
    return batch.edits.filter(state__in=[Edit.State.FAILED, Edit.State.CONFLICT])


def _keep_skips(batch: EditBatch, plan: plans.Plan) -> None:
    BatchSkip.objects.bulk_create(
        (
            BatchSkip(batch=batch, instance=skip.instance, reason=skip.reason)
            for skip in plan.skips
        ),
        batch_size=states.ROWS,
    )


def _theirs(edits: QuerySet[Edit], actor: User) -> list[Edit]:
    edits = edits.select_related("instance")
    return [edit for edit in edits if can_edit(actor, edit.instance.owner)]
